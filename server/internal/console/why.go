package console

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/audit"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

// why lets a page of a pupil be seen once its reason is known: a case or task of the own unit, or what the person said in this session.
func (k *console) why(h handler) handler {
	return func(c *fiber.Ctx, who service.Staff) error {
		uid := registry.UID(c.Params("uid"))
		ask, err := k.Service.Why(c.UserContext(), who, uid)
		if err != nil {
			return err
		}
		if !ask {
			return h(c, who)
		}
		back := "/pupils/" + string(uid)
		if c.Method() == fiber.MethodGet && !strings.HasSuffix(c.Path(), "/photo") {
			back = c.OriginalURL()
		}
		return k.whyForm(c, who, uid, back, nil)
	}
}

func (k *console) whyForm(c *fiber.Ctx, who service.Staff, uid registry.UID, back string, pr *problem) error {
	return k.show(c, &who, "why", "why.title", fiber.Map{"UID": uid, "Back": back, "Whys": audit.Asked, "Words": c.FormValue("words")}, withActive("pupils"), withProblem(pr))
}

// giveWhy takes the reason and leads on to what was asked for.
func (k *console) giveWhy(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	back := c.FormValue("back")
	if !localPath(back) || !strings.HasPrefix(back, "/pupils/"+string(uid)) {
		back = "/pupils/" + string(uid)
	}
	err := k.Service.GiveReason(c.UserContext(), who, uid, c.FormValue("why"), c.FormValue("words"))
	if correctable(err) {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.whyForm(c, who, uid, back, &problem{Title: k.words.say(k.lang(c), "why.say"), Field: "words"})
	}
	if err != nil {
		return err
	}
	return c.Redirect(back, fiber.StatusSeeOther)
}
