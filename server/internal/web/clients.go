package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/audit"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
)

// client authenticates another system by its id and secret (HTTP Basic). A missing, wrong, ended or over one looks the same.
func (w *server) client(c *fiber.Ctx) error {
	c.SetUserContext(audit.WithPlace(c.UserContext(), audit.Place{Net: audit.Network(c.IP())}))
	c.Set(fiber.HeaderCacheControl, "no-store")
	id, secret, ok := basic(c.Get(fiber.HeaderAuthorization))
	if !ok {
		c.Set(fiber.HeaderWWWAuthenticate, `Basic realm="xueji", charset="UTF-8"`)
		return unauthorised("client")
	}
	cl, err := w.svc.Program(c.UserContext(), id, secret, service.Calling{Remote: c.IP(), Cert: certificate(c)})
	if err != nil {
		w.metrics.event("client_auth", "refused")
		switch Status(err) {
		case http.StatusTooManyRequests:
			c.Set(fiber.HeaderRetryAfter, "60")
		case http.StatusUnauthorized:
			c.Set(fiber.HeaderWWWAuthenticate, `Basic realm="xueji", charset="UTF-8"`)
		}
		return err
	}
	c.Locals("client", cl)
	return c.Next()
}

// certificate names the one that our authority gave and the line was opened with; "" where there is none, or something in front of the server ends TLS.
func certificate(c *fiber.Ctx) string {
	tc := c.Context().TLSConnectionState()
	if tc == nil || len(tc.VerifiedChains) == 0 {
		return ""
	}
	sum := sha256.Sum256(tc.VerifiedChains[0][0].Raw)
	return hex.EncodeToString(sum[:])
}

func clientOf(c *fiber.Ctx) store.Client {
	cl, _ := c.Locals("client").(store.Client)
	return cl
}

// basic reads an Authorization header.
func basic(h string) (id, secret string, ok bool) {
	scheme, code, found := strings.Cut(h, " ")
	if !found || !strings.EqualFold(scheme, "Basic") || len(code) > 512 {
		return "", "", false
	}
	b, err := base64.StdEncoding.DecodeString(code)
	if err != nil {
		return "", "", false
	}
	i, s, found := bytes.Cut(b, []byte{':'})
	return string(i), string(s), found && len(i) > 0 && len(s) > 0
}
