package console

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// cardQueueLen is how many names the issuing screen holds at a time.
const cardQueueLen = 60

type cardsView struct {
	Schools []registry.School
	School  string
	Class   string
	Classes []string
	Rows    []store.Summary
	Total   int
	Station string
	Done    []string
	Reason  string
	Words   []string
	Run     *runView // the issuing list that names come from; nil: the school's or class's list
}

func (k *console) cards(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Cards {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	v := cardsView{Schools: k.Service.Schools(who), School: string(k.schoolOf(who, c.Query("school"))), Class: strings.TrimSpace(c.Query("class")), Station: k.StationURL, Words: issueWords}
	if v.School == "" && len(v.Schools) > 0 {
		v.School = string(v.Schools[0].Code)
	}
	if id := c.Query("run"); id != "" {
		r, names, err := k.Service.CardRun(c.UserContext(), who, id, store.ItemWaiting, cardQueueLen, 0)
		if err != nil {
			return err
		}
		run := runOf(r)
		v.Run, v.School, v.Class, v.Total = &run, string(r.School), r.Class, r.Waiting()
		for _, n := range names {
			v.Rows = append(v.Rows, n.Summary)
		}
	} else if v.School != "" {
		var err error
		v.Rows, v.Total, err = k.Service.NeedCards(c.UserContext(), who, registry.Unit(v.School), v.Class, cardQueueLen)
		if err != nil {
			return err
		}
	}
	return k.show(c, &who, "cards", "cards.title", v, withScript("station", "issue"))
}

// issueWords are the texts that the issuing script says, by catalogue key.
var issueWords = []string{
	"issue.connecting", "issue.offline", "issue.offline_help", "issue.no_reader", "issue.no_reader_help", "issue.put_blank", "issue.put_blank_help", "issue.put_back", "issue.put_back_help",
	"issue.remove", "issue.remove_help", "issue.unknown", "issue.unknown_help", "issue.mute", "issue.mute_help", "issue.many", "issue.many_help",
	"issue.ticket", "issue.working", "issue.working_help", "issue.step.plan", "issue.step.write", "issue.step.verify", "issue.step.bind", "issue.step.done", "issue.step.failed",
	"issue.success", "issue.success_help", "issue.all_done", "issue.all_done_help", "issue.paused", "issue.paused_help",
	"issue.fail.ticket", "issue.fail.not_blank", "issue.fail.wrong_card", "issue.fail.unknown_chip", "issue.fail.gone", "issue.fail.card", "issue.fail.verify", "issue.fail.server", "issue.fail.issuer", "issue.fail.busy", "issue.fail.internal",
	"issue.fail_title", "issue.trust_failed", "issue.resumed", "issue.others", "issue.others_help", "issue.idle", "issue.idle_help", "issue.stats",
}

// cardQueue is the list of who still needs a card, for script.
func (k *console) cardQueue(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Cards {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	var rows []store.Summary
	var total int
	if id := c.Query("run"); id != "" {
		r, names, err := k.Service.CardRun(c.UserContext(), who, id, store.ItemWaiting, cardQueueLen, 0)
		if err != nil {
			return err
		}
		total = r.Waiting()
		for _, n := range names {
			rows = append(rows, n.Summary)
		}
	} else {
		var err error
		if rows, total, err = k.Service.NeedCards(c.UserContext(), who, registry.Unit(c.Query("school")), strings.TrimSpace(c.Query("class")), cardQueueLen); err != nil {
			return err
		}
	}
	type row struct {
		UID  string `json:"uid"`
		Name string `json:"name"`
		Sub  string `json:"sub"`
	}
	out := make([]row, 0, len(rows))
	for _, r := range rows {
		out = append(out, row{string(r.UID), r.Name, k.grade(k.lang(c), r.Grade) + " " + r.Class})
	}
	return c.JSON(fiber.Map{"rows": out, "total": total})
}

// cardTicket plans one issuance. The ticket opens one session at the issuer for one chip and is worth nothing else.
func (k *console) cardTicket(c *fiber.Ctx, who service.Staff) error {
	in, err := k.lane(c, who)
	if err != nil {
		return err
	}
	if in.UID == "" {
		return &registry.Error{Code: registry.CodeInvalid, Field: "uid"}
	}
	t, err := k.Service.IssueCard(c.UserContext(), who, service.IssueRequest{UID: in.UID, Reason: in.Reason, Run: in.Run, Lane: in.Lane})
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"issuance": t.IssuanceID, "ticket": t.Ticket, "card_no": t.CardNo, "until": t.Until.Format(time.RFC3339)})
}

// cardTrust is what the page hands to the station's cardsvc (its own wire's shape): certificates and the status list, which it checks against its pinned roots.
func (k *console) cardTrust(c *fiber.Ctx, who service.Staff) error {
	if m := mayOf(who); !m.Cards && !m.ReadCards {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	t, err := k.Service.Trust(c.UserContext())
	if err != nil {
		return err
	}
	m := fiber.Map{"certificates": t.Certificates}
	if len(t.StatusList) > 0 {
		m["status_list"] = t.StatusList
	}
	return c.JSON(m)
}

// cardFaces prints faces: of the pupils named, or of a class.
func (k *console) cardFaces(c *fiber.Ctx, who service.Staff) error {
	uids := uidsOf(c.Query("uid"))
	if len(uids) == 0 {
		return &registry.Error{Code: registry.CodeInvalid, Field: "uid"}
	}
	b, err := k.Service.CardFace(c.UserContext(), who, uids)
	return k.pdf(c, "card-faces.pdf", b, err)
}
