package web

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"xueji/server/internal/console"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

// Practice is a second register of invented people, served by the same process to browsers that chose it: cookies of its own, no device API, no log of the
// office's. A page of one register cannot act in the other: each has its own sessions, so the form's token does not fit.
type Practice interface {
	// Begin makes the register ready in the background; ready says that it can be entered, err why it could not be made.
	Begin() (ready bool, err error)
	// Service and Handler are the register's, nil while it is not ready.
	Service() Service
	Handler() fasthttp.RequestHandler
	// Roles are who one can be there; Enter signs in as one of them.
	Roles() []console.PracticeRole
	Enter(ctx context.Context, login string, from service.From) (service.SignedIn, error)
	// Reset makes the register anew.
	Reset()
}

// practising is what the cookies of the practice register end in.
const practising = "_p"

// own is the name of a cookie of this register.
func (w *server) own(name string) string {
	if w.opt.Practising {
		return name + practising
	}
	return name
}

// divert hands requests of a browser that practises to the practice register. A session that is over there leads back to the real register.
func (w *server) divert(c *fiber.Ctx) error {
	token := c.Cookies(w.named(c, cookieSession+practising))
	if token == "" || strings.HasPrefix(c.Path(), "/static/") {
		return c.Next()
	}
	svc, h := w.opt.Practice.Service(), w.opt.Practice.Handler()
	if svc != nil && h != nil {
		_, err := svc.WhoIs(c.UserContext(), token)
		if err == nil {
			h(c.Context())
			return nil
		}
		if registry.CodeOf(err) != registry.CodeNotFound {
			return err
		}
	}
	w.setPractice(c, "", -1)
	if !safe(c.Method()) { // what was meant for practice is not done in the real register
		return c.Redirect("/practice", fiber.StatusSeeOther)
	}
	return c.Next()
}

// setPractice sets the session of the practice register, from either side.
func (w *server) setPractice(c *fiber.Ctx, token string, maxAge int) {
	w.putCookie(c, cookieSession+practising, token, maxAge, fiber.CookieSameSiteStrictMode)
}

// practice is the console's side of it; nil where there is none.
func (w *server) practice() *console.Practice {
	if w.opt.Practice == nil {
		return nil
	}
	p := w.opt.Practice
	return &console.Practice{On: w.opt.Practising, Roles: p.Roles, Begin: p.Begin, Reset: p.Reset,
		Enter: func(c *fiber.Ctx, login string) error {
			in, err := p.Enter(c.UserContext(), login, service.From{Remote: c.IP(), Agent: c.Get(fiber.HeaderUserAgent)})
			if err == nil {
				w.setPractice(c, in.Staff.Token, 0)
			}
			return err
		},
		Leave: func(c *fiber.Ctx) { w.setPractice(c, "", -1) },
	}
}
