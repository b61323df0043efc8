package console

import (
	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// checkView is the last check of the whole register that the office asked for, or the last look at its units.
type checkView struct {
	store.Import
	Running bool
	Percent int
	Stage   string
}

func (k *console) mountCheck(r fiber.Router) {
	r.Post("/duplicates/check", k.staff(k.startCheck))
	r.Get("/duplicates/check/state", k.staff(k.checkState))
	r.Post("/duplicates/check/cancel", k.staff(k.cancelCheck))
}

// lastCheck is nil for those who may not ask for one, and before the first.
func (k *console) lastCheck(c *fiber.Ctx, who service.Staff) (*checkView, error) {
	if !mayOf(who).Judge {
		return nil, nil
	}
	i, err := k.Service.LastCheck(c.UserContext(), who)
	if err != nil || i == nil {
		return nil, err
	}
	return k.checkOf(c, i), nil
}

func (k *console) checkOf(c *fiber.Ctx, i *store.Import) *checkView {
	return &checkView{Import: *i, Running: i.State == "queued" || i.State == "running", Percent: percent(i.Done, i.Total), Stage: k.words.say(k.lang(c), "check.state."+i.State)}
}

// state is asked for by script while it runs.
func (v *checkView) state(c *fiber.Ctx) error {
	if v == nil {
		return registry.ErrNotFound
	}
	return c.JSON(fiber.Map{"running": v.Running, "done": v.Done, "total": v.Total, "good": v.Good, "bad": v.Bad, "percent": v.Percent, "stage": v.Stage})
}

func (k *console) startCheck(c *fiber.Ctx, who service.Staff) error {
	if _, err := k.Service.StartCheck(c.UserContext(), who); err != nil {
		return err
	}
	return c.Redirect("/duplicates", fiber.StatusSeeOther)
}

func (k *console) checkState(c *fiber.Ctx, who service.Staff) error {
	v, err := k.lastCheck(c, who)
	if err != nil {
		return err
	}
	return v.state(c)
}

func (k *console) cancelCheck(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.CancelCheck(c.UserContext(), who); err != nil {
		return err
	}
	return k.done(c, "/duplicates", flash{Key: "check.was_cancelled"})
}
