package console

import (
	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
)

// Names that server/internal/web and the pages agree on. web refuses a POST whose token is in neither the form field nor the header, with 403.
const (
	CSRFField  = "_csrf"
	CSRFHeader = "X-Csrf-Token"
	// MaxUpload is the largest body of a form with files, in bytes (workbooks, scans); other forms stay under 256 KiB.
	MaxUpload = 16 << 20
)

// Deps is what the console is given.
type Deps struct {
	Service service.Console

	// StationURL is the cardsvc that the issuing screen's browser talks to (loopback of the station), e.g. "http://127.0.0.1:7021". CSP's connect-src must allow it.
	StationURL string
	Version    string

	// Who tells who is signed in by the session cookie; false when nobody is. It must not redirect.
	Who func(*fiber.Ctx) (service.Staff, bool)
	// SignedIn sets the session cookie to s.Token after a right password; SignedOut clears it (the console has called service.SignOut).
	SignedIn  func(*fiber.Ctx, service.Staff)
	SignedOut func(*fiber.Ctx)
	// CSRF is the token for this browser's forms (signed in or not); web has checked it before a POST reaches the console.
	CSRF func(*fiber.Ctx) string
	// Ref is the request id shown on error pages, "" when there is none.
	Ref func(*fiber.Ctx) string
	// Status is the HTTP status of an error in web's one table.
	Status func(error) int
}
