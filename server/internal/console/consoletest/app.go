package consoletest

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/api"
	"xueji/server/internal/console"
	"xueji/server/internal/i18n"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

// CSRF is the token that every form must carry in this app.
const CSRF = "csrf-token-of-the-test"

// CSP is web's policy, with the station's address.
func CSP(station string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self' " + station +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// App serves the console over a Fake with stand-ins for web's sessions, tokens, headers and live notices.
func App(f *Fake, station string) (*fiber.App, error) {
	status := func(err error) int {
		if e := (*registry.Error)(nil); errors.As(err, &e) && e.Params["why"] == "password" {
			return fiber.StatusUnauthorized
		}
		switch registry.CodeOf(err) {
		case registry.CodeNotFound:
			return fiber.StatusNotFound
		case registry.CodeForbidden:
			return fiber.StatusForbidden
		case registry.CodeConflict, registry.CodeLocked, registry.CodeDuplicate:
			return fiber.StatusConflict
		case registry.CodeUnavailable:
			return fiber.StatusServiceUnavailable
		case registry.CodeInternal:
			return fiber.StatusInternalServerError
		}
		return fiber.StatusUnprocessableEntity
	}
	d := console.Deps{
		Service: f,
		Staff: func(c *fiber.Ctx) (service.Staff, bool) {
			s, err := f.WhoIs(c.UserContext(), c.Cookies("xj_session"))
			return s, err == nil
		},
		CSRF: func(*fiber.Ctx) string { return CSRF },
		From: func(*fiber.Ctx) service.From { return service.From{} },
		SignedIn: func(c *fiber.Ctx, in service.SignedIn) {
			c.Cookie(&fiber.Cookie{Name: "xj_session", Value: in.Staff.Token, Path: "/", HTTPOnly: true})
		},
		Half:   func(*fiber.Ctx) string { return "" },
		Ticket: func(*fiber.Ctx, string) string { return "" },
		SignOut: func(c *fiber.Ctx) error {
			c.Cookie(&fiber.Cookie{Name: "xj_session", Path: "/", MaxAge: -1})
			return nil
		},
		Cookie: func(c *fiber.Ctx, name string) string { return c.Cookies(name) },
		SetCookie: func(c *fiber.Ctx, name, value string, maxAge int) {
			c.Cookie(&fiber.Cookie{Name: name, Value: value, Path: "/", HTTPOnly: true, SameSite: "Lax", MaxAge: maxAge})
		},
		Veil: func(_ *fiber.Ctx, text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) },
		Unveil: func(_ *fiber.Ctx, text string) string {
			b, _ := base64.RawURLEncoding.DecodeString(text)
			return string(b)
		},
		Lang: func(c *fiber.Ctx) string { return c.Cookies("xj_lang") },
		Problem: func(c *fiber.Ctx, err error) api.Problem {
			var e *registry.Error
			if !errors.As(err, &e) {
				e = &registry.Error{Code: registry.CodeInternal}
			}
			return i18n.Problem(i18n.Lang(langOr(c.Cookies("xj_lang"))), e, status(err), "ref-0001", f.dir.Name)
		},
		StationURL: station, PublicURL: "http://127.0.0.1:7000", Version: "test",
	}
	app := fiber.New(fiber.Config{Immutable: true, BodyLimit: console.MaxUpload, DisableStartupMessage: true, ErrorHandler: func(c *fiber.Ctx, err error) error {
		var fe *fiber.Error
		if errors.As(err, &fe) && fe.Code == fiber.StatusNotFound {
			err = registry.ErrNotFound
		}
		return console.ErrorPage(c, d, d.Problem(c, err))
	}})
	app.Use(func(c *fiber.Ctx) error {
		c.Set("Content-Security-Policy", CSP(station))
		if c.Method() == fiber.MethodPost && c.FormValue("csrf") != CSRF && c.Get("X-CSRF-Token") != CSRF {
			return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "csrf"}}
		}
		if _, ok := d.Staff(c); !ok && (c.Path() == "/events" || c.Path() == "/todo/count") {
			return c.SendStatus(fiber.StatusUnauthorized)
		}
		return c.Next()
	})
	app.Get("/events", func(c *fiber.Ctx) error {
		who, ok := d.Staff(c)
		if !ok {
			return fiber.ErrUnauthorized
		}
		notices, err := f.Live(c.UserContext(), who, since(c))
		if err != nil {
			return err
		}
		c.Set(fiber.HeaderContentType, "text/event-stream")
		c.Set(fiber.HeaderCacheControl, "no-store")
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			fmt.Fprint(w, ": hello\n\n")
			for w.Flush() == nil {
				select {
				case n := <-notices:
					b, _ := json.Marshal(n)
					fmt.Fprintf(w, "event: %s\ndata: %s\n\n", n.What, b)
				case <-tick.C:
					if _, err := f.WhoIs(context.Background(), who.Token); err != nil {
						return
					}
					fmt.Fprint(w, ":\n\n")
				}
			}
		})
		return nil
	})
	return app, console.Mount(app, d)
}

func since(c *fiber.Ctx) time.Time {
	us, err := strconv.ParseInt(c.Query("since"), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

func langOr(l string) string {
	if l == "" {
		return "zh-Hans"
	}
	return l
}
