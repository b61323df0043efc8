package console

import (
	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// Practice is the register for practice: the same screens on invented people. On says that this console shows it.
type Practice struct {
	On    bool
	Roles func() []PracticeRole
	// Begin makes the register in the background and says whether it is ready.
	Begin func() (ready bool, err error)
	Enter func(c *fiber.Ctx, login string) error
	Leave func(c *fiber.Ctx)
	Reset func()
}

// PracticeRole is somebody whom one can be while practising.
type PracticeRole struct {
	Login, Name, Unit string
	Role              registry.Role
}

func (k *console) mountPractice(r fiber.Router) {
	r.Get("/practice", k.staff(k.practicePage))
	r.Post("/practice/enter", k.staff(k.practiceEnter))
	r.Post("/practice/leave", k.staff(k.practiceLeave))
	r.Post("/practice/reset", k.staff(k.practiceReset))
}

func (k *console) practicePage(c *fiber.Ctx, who service.Staff) error {
	if k.Practice == nil {
		return registry.ErrNotFound
	}
	ready, err := k.Practice.Begin()
	if err != nil {
		return err
	}
	mine := ""
	for _, r := range k.Practice.Roles() {
		if r.Role == who.Role && mine == "" || r.Name == who.Name {
			mine = r.Login
		}
	}
	return k.show(c, &who, "practice", "practice.title", fiber.Map{"Ready": ready, "On": k.Practice.On, "Roles": k.Practice.Roles(), "Mine": mine}, withRefresh(!ready),
		func(p *page) { p.Again = !ready })
}

func (k *console) practiceEnter(c *fiber.Ctx, _ service.Staff) error {
	if k.Practice == nil {
		return registry.ErrNotFound
	}
	if ready, err := k.Practice.Begin(); err != nil || !ready {
		if err != nil {
			return err
		}
		return c.Redirect("/practice", fiber.StatusSeeOther)
	}
	if err := k.Practice.Enter(c, c.FormValue("role")); err != nil {
		return err
	}
	return c.Redirect("/", fiber.StatusSeeOther)
}

func (k *console) practiceLeave(c *fiber.Ctx, _ service.Staff) error {
	if k.Practice == nil {
		return registry.ErrNotFound
	}
	k.Practice.Leave(c)
	return c.Redirect("/", fiber.StatusSeeOther)
}

func (k *console) practiceReset(c *fiber.Ctx, _ service.Staff) error {
	if k.Practice == nil || !k.Practice.On {
		return registry.ErrNotFound
	}
	k.Practice.Reset()
	k.Practice.Leave(c)
	return c.Redirect("/practice", fiber.StatusSeeOther)
}

// practising leaves out what has no place in practice: cards and devices are real things.
func (m *may) practising() {
	m.Cards, m.Kiosks, m.KeepKiosks, m.KioskTasks, m.HandOut, m.Staff, m.KeepStaff, m.Substitute = false, false, false, false, false, false, false, false
}
