package console

import (
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// The public page of papers: no session, no cookie, no pupil. It says of a code that it is genuine, of which paper, issued by whom, on which day, and nothing else.

// checksEach is how many codes an address may try in a minute. A signature cannot be guessed: the bound keeps the page from being used up.
const checksEach = 60

// tally counts by address within a minute; it forgets all at the turn of the minute and holds at most tallyMost addresses.
type tally struct {
	mu sync.Mutex
	at int64
	by map[string]int
}

const tallyMost = 10000

func (t *tally) over(who string, now time.Time, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := now.Unix() / 60; m != t.at || t.by == nil {
		t.at, t.by = m, map[string]int{}
	}
	if t.by[who] == 0 && len(t.by) >= tallyMost {
		return true
	}
	t.by[who]++
	return t.by[who] > most
}

func (k *console) mountGenuine(r fiber.Router) {
	r.Get("/check", k.genuine)
	r.Get("/check/:code", k.genuine)
}

type genuineView struct {
	Asked, Good bool
	Paper       service.CheckedPaper
}

func (k *console) genuine(c *fiber.Ctx) error {
	code := strings.TrimSpace(c.Params("code", c.Query("code")))
	if i := strings.LastIndex(code, service.CheckPath); i >= 0 { // the whole address was pasted
		code = code[i+len(service.CheckPath):]
	}
	v := genuineView{Asked: code != ""}
	if v.Asked {
		if k.checks.over(c.IP(), time.Now(), checksEach) {
			return &registry.Error{Code: registry.CodeUnavailable, Params: map[string]string{"why": "often"}}
		}
		p, err := k.Service.CheckPaper(c.UserContext(), code)
		switch registry.CodeOf(err) {
		case "":
			v.Good, v.Paper = true, p
		case registry.CodeNotFound:
			c.Status(fiber.StatusNotFound)
		default:
			return err
		}
	}
	return k.show(c, nil, "genuine", "genuine.title", v)
}
