package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/audit"
	"xueji/server/registry"
)

// mountAudit shows the log's checkpoints and proofs to anyone: sizes, hashes, signatures, nothing of an entry.
func (w *server) mountAudit(r fiber.Router) {
	a := w.opt.Audit
	if a == nil {
		return
	}
	text := func(c *fiber.Ctx, b []byte, err error) error {
		if errors.Is(err, audit.ErrNone) {
			return registry.ErrNotFound
		}
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
		c.Set(fiber.HeaderCacheControl, "no-store")
		return c.Send(b)
	}
	r.Get(audit.PathKey, func(c *fiber.Ctx) error { return text(c, []byte(a.Keys()), nil) })
	r.Get(audit.PathCheckpoint, func(c *fiber.Ctx) error {
		b, err := a.Newest(c.UserContext())
		return text(c, b, err)
	})
	r.Get(audit.PathProof, func(c *fiber.Ctx) error {
		old, err1 := strconv.ParseInt(c.Query("old"), 10, 64)
		size, err2 := strconv.ParseInt(c.Query("new"), 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return &registry.Error{Code: registry.CodeInvalid, Field: "old"}
		}
		b, err := a.Proof(c.UserContext(), old, size)
		return text(c, b, err)
	})
	r.Post(audit.PathCosign, func(c *fiber.Ctx) error {
		if err := a.Cosigned(c.UserContext(), c.Body()); err != nil {
			w.metrics.event("audit_cosign", "refused")
			w.log.WarnContext(c.UserContext(), "a cosignature was refused", "err", err)
			return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "signature"}, Err: err}
		}
		w.metrics.event("audit_cosign", "taken")
		return c.SendStatus(http.StatusNoContent)
	})
}
