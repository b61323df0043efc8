package web

import "github.com/gofiber/fiber/v2"

// slow bounds failed attempts on a path: of a kiosk that has shown who it is, else of an address. The counts stand in SQL, so that they hold over several servers
// and restarts.
func (w *server) slow(c *fiber.Ctx) error {
	source := kioskOf(c).ID
	if source == "" {
		source = c.IP()
	}
	right, err := w.svc.TrySlow(c.UserContext(), c.Path(), source)
	if err != nil {
		return err
	}
	if err := c.Next(); err != nil {
		return err
	}
	return right()
}
