package web

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/audit"
	"xueji/server/internal/console"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

const (
	cookieSession = "xj_session"
	cookieHalf    = "xj_half"  // a right password that waits for its second factor
	cookieDevice  = "xj_known" // this browser signed in before: its own count of attempts
	cookieTicket  = "xj_oidc"  // a sign-in under way at the identity provider
	cookieAnon    = "xj_anon"  // names a browser before sign-in, for the CSRF token of the sign-in form
	cookieLang    = "xj_lang"
	localStaff    = "staff"
	fieldCSRF     = "csrf"
	headerCSRF    = "X-CSRF-Token"
)

// everywhere sets what every answer carries, a program's too.
func (w *server) everywhere(c *fiber.Ctx) error {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'") // pages set their own
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	if w.secured(c) {
		hsts := "max-age=31536000"
		if w.opt.HSTSSubdomains {
			hsts += "; includeSubDomains"
		}
		c.Set(fiber.HeaderStrictTransportSecurity, hsts)
	}
	return c.Next()
}

// people is what a request under the console passes through: security headers, the session, the way to the sign-in page, and the CSRF check.
func (w *server) people(c *fiber.Ctx) error {
	c.SetUserContext(audit.WithPlace(c.UserContext(), audit.Place{Net: audit.Network(c.IP())}))
	h := &c.Response().Header
	h.Set("Content-Security-Policy", w.csp)
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	static := strings.HasPrefix(c.Path(), "/static/")
	if !static {
		h.Set("Cache-Control", "no-store")
		if err := w.session(c); err != nil {
			return err
		}
	}
	if !safe(c.Method()) {
		if err := w.checkCSRF(c); err != nil {
			return err
		}
	}
	if who, ok := staff(c); !ok && !static && !open(c.Path()) {
		if c.Method() == http.MethodGet && !strings.HasPrefix(c.Get(fiber.HeaderAccept), fiber.MIMEApplicationJSON) && c.Path() != "/events" {
			return c.Redirect("/sign-in?next="+url.QueryEscape(c.OriginalURL()), http.StatusSeeOther)
		}
		return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "session"}}
	} else if ok && who.Bare && !static && !bareMay(c.Path()) {
		if c.Method() == http.MethodGet && !strings.HasPrefix(c.Get(fiber.HeaderAccept), fiber.MIMEApplicationJSON) && c.Path() != "/events" {
			return c.Redirect("/account/second", http.StatusSeeOther)
		}
		return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "second"}}
	}
	return c.Next()
}

// bareMay are the paths of a session whose role works with two factors and that has proven one: setting up the second, and leaving.
func bareMay(path string) bool {
	return open(path) || path == "/sign-out" || path == "/account/second" || path == "/account/totp" || strings.HasPrefix(path, "/account/passkey/")
}

// open paths need no session.
func open(path string) bool {
	return path == "/sign-in" || strings.HasPrefix(path, "/sign-in/") || strings.HasPrefix(path, "/lang/") || path == "/favicon.ico" || path == "/check" || strings.HasPrefix(path, "/check/")
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// session finds who is signed in. A cookie whose session is over is taken away.
func (w *server) session(c *fiber.Ctx) error {
	token := w.cookie(c, cookieSession)
	if token == "" {
		return nil
	}
	who, err := w.svc.WhoIs(c.UserContext(), token)
	if registry.CodeOf(err) == registry.CodeNotFound {
		w.setCookie(c, cookieSession, "", -1)
		return nil
	}
	if err != nil {
		return err
	}
	c.Locals(localStaff, who)
	return nil
}

func staff(c *fiber.Ctx) (service.Staff, bool) {
	who, ok := c.Locals(localStaff).(service.Staff)
	return who, ok
}

// secured reports whether what is answered travels over TLS, here or in front of the server.
func (w *server) secured(c *fiber.Ctx) bool { return w.secure || c.Context().IsTLS() }

// named is the name that a cookie has on this line. Over TLS it begins with __Host-: the browser holds it to this host, to TLS and to the whole site, and no
// neighbour of the host can set it. A plain line has no such cookies.
func (w *server) named(c *fiber.Ctx, name string) string {
	if w.secured(c) {
		return "__Host-" + name
	}
	return name
}

// cookie reads a cookie of this register.
func (w *server) cookie(c *fiber.Ctx, name string) string { return c.Cookies(w.named(c, w.own(name))) }

// setCookie sets a cookie of this register, for its own pages alone; maxAge in seconds, 0 until the browser ends, negative: it is taken away.
func (w *server) setCookie(c *fiber.Ctx, name, value string, maxAge int) {
	w.putCookie(c, w.own(name), value, maxAge, fiber.CookieSameSiteStrictMode)
}

// putCookie sets a cookie. Lax ones also come along where a page elsewhere leads here.
func (w *server) putCookie(c *fiber.Ctx, name, value string, maxAge int, site string) {
	c.Cookie(&fiber.Cookie{Name: w.named(c, name), Value: value, Path: "/", HTTPOnly: true, Secure: w.secured(c), SameSite: site, MaxAge: maxAge, SessionOnly: maxAge == 0})
}

// csrf is the token of this browser: bound to the session, or before sign-in to a random cookie.
func (w *server) csrf(c *fiber.Ctx) string {
	id := w.cookie(c, cookieSession)
	if _, ok := staff(c); !ok {
		if id, _ = c.Locals(cookieAnon).(string); id == "" {
			if id = w.cookie(c, cookieAnon); len(id) < 20 || len(id) > 64 {
				var b [16]byte
				rand.Read(b[:])
				id = base64.RawURLEncoding.EncodeToString(b[:])
				w.setCookie(c, cookieAnon, id, 0)
			}
			c.Locals(cookieAnon, id)
		}
		id = "anon:" + id
	}
	return base64.RawURLEncoding.EncodeToString(w.keys.CSRF(id))
}

// checkCSRF refuses an unsafe request that another site's page could have sent.
func (w *server) checkCSRF(c *fiber.Ctx) error {
	refused := &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "csrf"}}
	if site := c.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return refused
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" && origin != "null" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, string(c.Request().Host())) {
			return refused
		}
	}
	got := c.Get(headerCSRF)
	if got == "" {
		got = c.FormValue(fieldCSRF)
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(w.csrf(c))) != 1 {
		return refused
	}
	return nil
}

// deps is what the console is given.
func (w *server) deps() console.Deps {
	return console.Deps{
		Service: w.svc,
		Staff:   staff,
		CSRF:    w.csrf,
		From: func(c *fiber.Ctx) service.From {
			return service.From{Remote: c.IP(), Agent: c.Get(fiber.HeaderUserAgent), Device: w.cookie(c, cookieDevice)}
		},
		SignedIn: w.signedIn,
		Half:     func(c *fiber.Ctx) string { return w.cookie(c, cookieHalf) },
		Ticket: func(c *fiber.Ctx, set string) string {
			was := w.cookie(c, cookieTicket)
			if set != "" { // Lax: the provider's page leads back here
				w.putCookie(c, w.own(cookieTicket), set, 600, fiber.CookieSameSiteLaxMode)
			} else if was != "" {
				w.putCookie(c, w.own(cookieTicket), "", -1, fiber.CookieSameSiteLaxMode)
			}
			return was
		},
		SignOut: func(c *fiber.Ctx) error {
			c.Set("Clear-Site-Data", `"cache"`) // nothing of the register is kept there; a browser that kept something against its word drops it. An issuing desk's name stays
			err := w.svc.SignOut(c.UserContext(), w.cookie(c, cookieSession))
			w.setCookie(c, cookieSession, "", -1)
			return err
		},
		Lang:   func(c *fiber.Ctx) string { return string(w.lang(c)) },
		Cookie: func(c *fiber.Ctx, name string) string { return c.Cookies(w.named(c, name)) },
		SetCookie: func(c *fiber.Ctx, name, value string, maxAge int) {
			w.putCookie(c, name, value, maxAge, fiber.CookieSameSiteLaxMode)
		},
		Veil: func(c *fiber.Ctx, text string) string {
			who, _ := staff(c)
			return base64.RawURLEncoding.EncodeToString(w.keys.Veil("search "+who.ID, []byte(text)))
		},
		Unveil: func(c *fiber.Ctx, text string) string {
			who, _ := staff(c)
			b, err := base64.RawURLEncoding.DecodeString(text)
			if err == nil {
				b, err = w.keys.Unveil("search "+who.ID, b)
			}
			if err != nil {
				return ""
			}
			return string(b)
		},
		Problem:    w.problem,
		StationURL: w.opt.StationURL,
		PublicURL:  strings.TrimRight(w.opt.PublicURL, "/"),
		Practice:   w.practice(),
		DeviceURL:  strings.TrimRight(w.opt.DeviceURL, "/"),
		Version:    w.opt.Version,
	}
}

// signedIn sets what came of a step of signing in: half way, or a session under a new token (no token that was there before sign-in lives on).
func (w *server) signedIn(c *fiber.Ctx, in service.SignedIn) {
	if in.Half != "" {
		w.setCookie(c, cookieHalf, in.Half, 0)
		return
	}
	w.setCookie(c, cookieHalf, "", -1)
	w.setCookie(c, cookieAnon, "", -1)
	if old := w.cookie(c, cookieSession); old != "" {
		_ = w.svc.SignOut(c.UserContext(), old) // it runs out by itself if this fails
	}
	w.setCookie(c, cookieSession, in.Staff.Token, 0)
	if in.Device != "" {
		w.setCookie(c, cookieDevice, in.Device, 180*24*3600)
	}
	c.Locals(localStaff, in.Staff)
}
