package web

import (
	"bytes"
	"net"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// guard refuses what two HTTP parsers might read differently (request smuggling), and closes the connection: a bare LF in the header, not exactly one Host,
// Transfer-Encoding together with Content-Length, more than one of either, a coding other than chunked, a header name followed by a space, a folded line.
func guard(c *fiber.Ctx) error {
	if why := suspicious(&c.Request().Header); why != "" {
		c.Context().SetConnectionClose()
		return fiber.NewError(http.StatusBadRequest, why)
	}
	return c.Next()
}

func suspicious(h *fasthttp.RequestHeader) string {
	raw := h.RawHeaders()
	hosts, lengths, codings := 0, 0, 0
	for len(raw) > 0 {
		line := raw
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			if i == 0 || raw[i-1] != '\r' {
				return "bare LF"
			}
			line, raw = raw[:i-1], raw[i+1:]
		} else {
			raw = nil
		}
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			return "folded header"
		}
		if bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
			return "control character"
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			return "header name"
		}
		switch strings.ToLower(string(name)) {
		case "host":
			hosts++
		case "content-length":
			lengths++
		case "transfer-encoding":
			codings++
			if !strings.EqualFold(string(bytes.TrimSpace(value)), "chunked") {
				return "transfer coding"
			}
		}
	}
	switch {
	case hosts != 1:
		return "host"
	case lengths > 1 || codings > 1 || lengths+codings > 1:
		return "message length"
	case len(h.Host()) == 0 || strings.ContainsAny(string(h.Host()), " /\\?#@,"):
		return "host"
	}
	return ""
}

// hostAllowed holds requests for people to the names the server is known by, so that a foreign name that resolves here (DNS rebinding) reaches nothing.
func hostAllowed(names []string) fiber.Handler {
	allowed := map[string]bool{}
	for _, n := range names {
		allowed[strings.ToLower(n)] = true
	}
	return func(c *fiber.Ctx) error {
		host := strings.ToLower(string(c.Request().Host()))
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.Trim(host, "[]")
		if ip := net.ParseIP(host); host == "localhost" || ip != nil || allowed[host] || len(allowed) == 0 {
			return c.Next()
		}
		c.Context().SetConnectionClose()
		return fiber.NewError(http.StatusMisdirectedRequest, "host")
	}
}
