package console

import (
	"github.com/gofiber/fiber/v2"

	"xueji/server/api"
	"xueji/server/internal/service"
)

// Deps is what the web room hands the console. web sets the security headers, the session and the CSRF check before any console handler runs; handlers
// return errors (*registry.Error or *fiber.Error) and web renders them by ErrorPage or as JSON.
//
// Mount(r fiber.Router, d Deps) error — registers every page and action and /static/console/…; web owns /v1/…, /events (SSE, see below), /livez, /readyz.
//
// The session cookie is "xj_session" ("__Host-xj_session" over TLS). A request under Mount without a session may only reach /sign-in, what is under it, and /static; for others web redirects to
// /sign-in?next=…. Every unsafe method needs the token of CSRF(c), in form field "csrf" or header X-CSRF-Token.
//
// /events is server-sent events of the signed-in unit: event name = Notice.What, data = JSON of service.Notice; a comment line each 20 s.
type Deps struct {
	Service service.Console
	// Staff is who is signed in on this request.
	Staff func(c *fiber.Ctx) (service.Staff, bool)
	// CSRF is the token to put into forms; it works before sign-in too.
	CSRF func(c *fiber.Ctx) string
	// From is where the request comes from. SignedIn sets the cookies of what came of a step of signing in; SignOut ends the session.
	From     func(c *fiber.Ctx) service.From
	SignedIn func(c *fiber.Ctx, in service.SignedIn)
	SignOut  func(c *fiber.Ctx) error
	// Half is the token of a sign-in that waits for its second factor. Ticket gives the ticket of a sign-in under way at the identity provider and takes it away,
	// or sets a new one.
	Half   func(c *fiber.Ctx) string
	Ticket func(c *fiber.Ctx, set string) string
	// Lang is "zh-Hans", "zh-Hant" or "en" (cookie "xj_lang", else Accept-Language).
	Lang func(c *fiber.Ctx) string
	// Cookie and SetCookie are of cookies that hold no secret, such as the language and the sentence for the next page; maxAge in seconds, negative: it is taken away.
	Cookie    func(c *fiber.Ctx, name string) string
	SetCookie func(c *fiber.Ctx, name, value string, maxAge int)
	// Veil seals what somebody searches for, so that the address of what was found tells it nobody; Unveil opens it for the same account, "" for another.
	Veil, Unveil func(c *fiber.Ctx, text string) string
	// Problem words an error in the language of the request (never nil text).
	Problem func(c *fiber.Ctx, err error) api.Problem
	// StationURL is the station's cardsvc for the issuing page; CSP's connect-src allows it.
	StationURL string
	// PublicURL is what people type, without a trailing slash.
	PublicURL string
	// DeviceURL is what kiosks call; "" when it is PublicURL.
	DeviceURL string
	Version   string
	// Practice is the register for practice; nil where there is none.
	Practice *Practice
}

// ErrorPage, written by the console, renders a problem as a page: func ErrorPage(c *fiber.Ctx, d Deps, p api.Problem) error
