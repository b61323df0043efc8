package console

import (
	"github.com/gofiber/fiber/v2"

	"xueji/server/api"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

type rewriteView struct {
	Station string
	Words   []string
}

// rewriteWords are what rewrite.js says; those of the issuing screen mean the same here.
var rewriteWords = []string{
	"issue.connecting", "issue.offline", "issue.offline_help", "issue.no_reader", "issue.no_reader_help", "issue.unknown", "issue.unknown_help", "issue.mute", "issue.mute_help", "issue.many", "issue.many_help",
	"issue.working", "issue.working_help", "issue.step.plan", "issue.step.write", "issue.step.verify", "issue.step.bind", "issue.step.done", "issue.step.failed", "issue.fail_title",
	"issue.fail.ticket", "issue.fail.wrong_card", "issue.fail.unknown_chip", "issue.fail.gone", "issue.fail.card", "issue.fail.verify", "issue.fail.server", "issue.fail.issuer", "issue.fail.busy", "issue.fail.internal",
	"rewrite.put", "rewrite.put_help", "rewrite.reading", "rewrite.blank", "rewrite.blank_help", "rewrite.done", "rewrite.done_help", "rewrite.fine", "rewrite.fine_help", "rewrite.gone", "rewrite.gone_help",
}

// rewrite is the page of a station at which pupils' cards are brought up to date.
func (k *console) rewrite(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Cards {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	return k.show(c, &who, "rewrite", "rewrite.title", rewriteView{k.StationURL, rewriteWords}, withActive("cards"), withScript("station", "rewrite"))
}

// rewriteTicket says whose card was laid, and orders its new record when it is behind or somebody asks.
func (k *console) rewriteTicket(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Cards {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	var in struct {
		Record     []byte `json:"record"`
		ChipSerial []byte `json:"chip_serial"`
		Ask        bool   `json:"ask"`
	}
	if err := c.BodyParser(&in); err != nil {
		return &registry.Error{Code: registry.CodeInvalid, Field: "card", Err: err}
	}
	t, err := k.Service.RewriteCard(c.UserContext(), who, api.CardProof{Record: in.Record, ChipSerial: in.ChipSerial}, in.Ask)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(fiber.Map{"uid": t.UID, "name": t.Name, "card_no": t.CardNo, "ticket": t.Ticket})
}
