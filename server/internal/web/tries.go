package web

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

// tries bounds failed attempts at a secret (sign-in, enrolment code) per path, address and name in a minute. It is this process's memory: several servers
// allow as many times more, which the cost of argon2id makes up for.
type tries struct {
	max  int
	now  func() time.Time
	mu   sync.Mutex
	from time.Time
	n    map[string]int
}

// maxTried is how many keys are remembered; when a flood of names fills it, the minute begins anew for all.
const maxTried = 100_000

func (t *tries) handle(c *fiber.Ctx) error {
	key := c.Path() + " " + c.IP() + " " + strings.ToLower(strings.TrimSpace(c.FormValue("login")))
	if t.count(key, 0) >= t.max {
		return fiber.NewError(http.StatusTooManyRequests)
	}
	err := c.Next()
	status := c.Response().StatusCode()
	if err != nil {
		status = Status(err)
	}
	if status >= 400 && status < 500 {
		t.count(key, 1)
	}
	return err
}

func (t *tries) count(key string, add int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); t.n == nil || now.Sub(t.from) >= time.Minute || len(t.n) > maxTried {
		t.n, t.from = map[string]int{}, now
	}
	if add > 0 {
		t.n[key] += add
	}
	return t.n[key]
}
