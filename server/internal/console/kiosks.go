package console

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// kioskFresh is how old the last sign of life may be for a kiosk to count as seen now.
const kioskFresh = 5 * time.Minute

type kioskRow struct {
	store.Kiosk
	State string // "waiting", "lapsed", "live", "silent", "never", "revoked"
}

type kiosksView struct {
	Rows    []kioskRow
	Schools []registry.School
	New     *store.Kiosk // just made, with its one-time code
	Code    string
	Server  string
	Name    string
	Keep    bool
}

func (k *console) kiosks(c *fiber.Ctx, who service.Staff) error {
	return k.kiosksShow(c, who, kiosksView{}, nil)
}

func (k *console) kiosksShow(c *fiber.Ctx, who service.Staff, v kiosksView, pr *problem) error {
	if !mayOf(who).Kiosks {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	rows, err := k.Service.Kiosks(c.UserContext(), who)
	if err != nil {
		return err
	}
	v.Schools, v.Server, v.Keep = k.Service.Schools(who), k.PublicURL, mayOf(who).KeepKiosks
	now := time.Now()
	for _, r := range rows {
		row := kioskRow{Kiosk: r}
		switch {
		case r.Revoked:
			row.State = "revoked"
		case len(r.PublicKey) == 0 && now.After(r.CodeUntil):
			row.State = "lapsed"
		case len(r.PublicKey) == 0:
			row.State = "waiting"
		case r.SeenAt.IsZero():
			row.State = "never"
		case now.Sub(r.SeenAt) < kioskFresh:
			row.State = "live"
		default:
			row.State = "silent"
		}
		v.Rows = append(v.Rows, row)
	}
	return k.show(c, &who, "kiosks", "kiosks.title", v, withProblem(pr))
}

// newKiosk shows the one-time code once, on the answer to the form: it is kept nowhere in clear.
func (k *console) newKiosk(c *fiber.Ctx, who service.Staff) error {
	name := strings.TrimSpace(c.FormValue("name"))
	if name == "" {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.kiosksShow(c, who, kiosksView{}, &problem{Title: k.words.say(k.lang(c), "kiosks.need_name"), Field: "name"})
	}
	kk, code, err := k.Service.NewKiosk(c.UserContext(), who, registry.Unit(c.FormValue("school")), name)
	if err != nil {
		if correctable(err) {
			c.Status(fiber.StatusUnprocessableEntity)
			return k.kiosksShow(c, who, kiosksView{Name: name}, k.problem(c, err))
		}
		return err
	}
	return k.kiosksShow(c, who, kiosksView{New: &kk, Code: code}, nil)
}

func (k *console) revokeKiosk(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.RevokeKiosk(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return k.done(c, "/kiosks", flash{Key: "kiosks.revoked"})
}
