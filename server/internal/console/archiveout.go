package console

import (
	"bufio"
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// archiveOut is asked by a form, since it leaves an entry in the log and may leave the unit.
func archiveOut(c *fiber.Ctx) service.ArchiveOut {
	return service.ArchiveOut{Approval: strings.Clone(strings.TrimSpace(c.FormValue("approval")))}
}

// packArchive streams the ZIP of one pupil's electronic archive.
func (k *console) packArchive(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	ctx := context.WithoutCancel(c.UserContext()) // the body is written after the handler
	p, err := k.Service.PackArchive(ctx, who, uid, archiveOut(c))
	if correctable(err) {
		return k.archiveOutRefused(c, who, err)
	}
	if err != nil {
		return err
	}
	fileHeader(c, "application/zip", "attachment", p.Name)
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		// What broke off has no directory and opens nowhere; that it was taken stands in the log.
		if err := p.Write(w); err == nil {
			_ = w.Flush()
		}
	})
	return nil
}

// bookArchive is the cover and catalogue on paper.
func (k *console) bookArchive(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.ArchiveBook(c.UserContext(), who, registry.UID(c.Params("uid")), archiveOut(c))
	if correctable(err) {
		return k.archiveOutRefused(c, who, err)
	}
	return k.pdf(c, "archive.pdf", b, err)
}

func (k *console) archiveOutRefused(c *fiber.Ctx, who service.Staff, err error) error {
	pr := k.problem(c, err)
	if e, ok := err.(*registry.Error); ok && strings.HasPrefix(e.Params["why"], "approval") {
		pr = &problem{Title: k.words.say(k.lang(c), "archiveout.refused"), Help: k.words.say(k.lang(c), "archiveout.refused_help")}
	}
	c.Status(fiber.StatusUnprocessableEntity)
	return k.archiveShow(c, who, nil, pr)
}
