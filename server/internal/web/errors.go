package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/console"
	"xueji/server/internal/i18n"
	"xueji/server/registry"
)

// statuses is the one table of domain code and HTTP status.
var statuses = map[registry.Code]int{
	registry.CodeInvalid:     http.StatusUnprocessableEntity,
	registry.CodeNotFound:    http.StatusNotFound,
	registry.CodeConflict:    http.StatusConflict,
	registry.CodeLocked:      http.StatusConflict,
	registry.CodeWrongState:  http.StatusConflict,
	registry.CodeNotYourTurn: http.StatusConflict,
	registry.CodeForbidden:   http.StatusForbidden,
	registry.CodeDuplicate:   http.StatusConflict,
	registry.CodeSameSchool:  http.StatusUnprocessableEntity,
	registry.CodeGrade:       http.StatusUnprocessableEntity,
	registry.CodeWindow:      http.StatusUnprocessableEntity,
	registry.CodeEvidence:    http.StatusUnprocessableEntity,
	registry.CodeArchive:     http.StatusUnprocessableEntity,
	registry.CodeCard:        http.StatusUnprocessableEntity,
	registry.CodeChip:        http.StatusUnprocessableEntity,
	registry.CodeStale:       http.StatusUnprocessableEntity,
	registry.CodeRule:        http.StatusUnprocessableEntity,
	registry.CodeCalendar:    http.StatusServiceUnavailable,
	registry.CodeUnavailable: http.StatusServiceUnavailable,
	registry.CodeInternal:    http.StatusInternalServerError,
}

// whyStatus are the refusals whose HTTP status is told apart: who asks is not known yet, rather than may not.
var whyStatus = map[string]int{
	"password": http.StatusUnauthorized, "session": http.StatusUnauthorized, "signature": http.StatusUnauthorized, "clock": http.StatusUnauthorized,
	"nonce": http.StatusUnauthorized, "token": http.StatusUnauthorized, "client": http.StatusUnauthorized, "code": http.StatusUnauthorized, "invite": http.StatusUnauthorized,
	"provider": http.StatusUnauthorized, "wait": http.StatusTooManyRequests, "media": http.StatusUnsupportedMediaType,
}

// Status is the HTTP status of an error.
func Status(err error) int {
	var f *fiber.Error
	if errors.As(err, &f) {
		return f.Code
	}
	var e *registry.Error
	if !errors.As(err, &e) {
		return http.StatusInternalServerError
	}
	if st, ok := whyStatus[e.Params["why"]]; ok && (e.Code == registry.CodeForbidden || e.Code == registry.CodeInvalid) {
		return st
	}
	if st, ok := statuses[e.Code]; ok {
		return st
	}
	return http.StatusInternalServerError
}

// domain turns Fiber's own errors into the vocabulary.
func domain(err error) *registry.Error {
	var e *registry.Error
	if errors.As(err, &e) {
		return e
	}
	var f *fiber.Error
	if errors.As(err, &f) {
		switch {
		case f.Code == http.StatusNotFound || f.Code == http.StatusMethodNotAllowed:
			return &registry.Error{Code: registry.CodeNotFound}
		case f.Code == http.StatusUnauthorized:
			return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "session"}}
		case f.Code == http.StatusForbidden || f.Code == http.StatusTooManyRequests:
			return &registry.Error{Code: registry.CodeForbidden}
		case f.Code == http.StatusRequestEntityTooLarge:
			return &registry.Error{Code: registry.CodeInvalid, Field: "body", Params: map[string]string{"why": "too_big", "max": "16"}}
		case f.Code < 500:
			return &registry.Error{Code: registry.CodeInvalid}
		}
	}
	return &registry.Error{Code: registry.CodeInternal, Err: err}
}

// problem words an error in the language of the request. The cause of an internal error goes to the log, never to the reader.
func (w *server) problem(c *fiber.Ctx, err error) api.Problem {
	e, status := domain(err), Status(err)
	if status >= 500 {
		w.log.ErrorContext(c.UserContext(), "request failed", "ref", ref(c), "method", c.Method(), "route", c.Route().Path, "code", string(e.Code), "err", err)
	}
	if refusal(status) {
		who, _ := staff(c)
		w.log.InfoContext(c.UserContext(), "refused", "ref", ref(c), "method", c.Method(), "route", c.Route().Path, "status", status, "why", e.Params["why"], "account", who.ID, "net", audit.Network(c.IP()))
	}
	p := i18n.Problem(w.lang(c), e, status, ref(c), func(u registry.Unit) string {
		if n := w.svc.Directory().Name(u); n != string(u) {
			return n
		}
		return ""
	})
	var f *fiber.Error
	if errors.As(err, &f) && f.Code == http.StatusTooManyRequests {
		p.Title, _ = i18n.Text(w.lang(c), "problem.busy.title", nil)
		p.Help, _ = i18n.Text(w.lang(c), "problem.busy.help", nil)
	}
	return p
}

// refusal reports whether an answer keeps somebody out, rather than telling that something is wrong with what they sent.
func refusal(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusMisdirectedRequest || status == http.StatusTooManyRequests || status == http.StatusBadRequest
}

// onError is Fiber's error handler: JSON for programs, a page for people.
func (w *server) onError(c *fiber.Ctx, err error) error {
	p := w.problem(c, err)
	c.Status(p.Status)
	c.Set(fiber.HeaderCacheControl, "no-store")
	if isAPI(c) || p.Status == http.StatusBadRequest || w.opt.NoConsole {
		return c.JSON(p)
	}
	if e := console.ErrorPage(c, w.deps(), p); e != nil {
		w.log.ErrorContext(c.UserContext(), "error page failed", "ref", ref(c), "err", e)
		return c.Status(p.Status).SendString(p.Title)
	}
	return nil
}

func isAPI(c *fiber.Ctx) bool { return strings.HasPrefix(c.Path(), "/v1/") }

// lang is the reader's choice (cookie xj_lang), else what the browser asks for.
func (w *server) lang(c *fiber.Ctx) i18n.Lang {
	if v := c.Cookies(w.named(c, cookieLang)); v != "" {
		return i18n.Match(v)
	}
	return i18n.Match(c.Get(fiber.HeaderAcceptLanguage))
}

func ref(c *fiber.Ctx) string {
	if v, ok := c.Locals("requestid").(string); ok {
		return v
	}
	return ""
}
