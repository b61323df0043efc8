package console

import (
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// arrangeView is the school of study's page: somebody of another school comes to be taught here, the 学籍 stays there (Arts 6, 17).
type arrangeView struct {
	ID, Name string
	Found    store.Summary
	School   registry.School
	Modes    []registry.Mode
	Mode     string
	Agreed   string
	Reason   string
	Guardian string
}

func (k *console) arrangeShow(c *fiber.Ctx, who service.Staff, v arrangeView, pr *problem) error {
	s, err := k.Service.FindByDocument(c.UserContext(), who, v.ID, v.Name)
	if err != nil {
		return err
	}
	v.Found = s
	v.School, _ = k.Service.Directory().School(who.Unit)
	v.Modes = slices.DeleteFunc(modesAt(v.School), func(m registry.Mode) bool { return m == registry.ModeOrdinary || m == registry.ModeHome })
	if v.Agreed == "" {
		v.Agreed = k.Service.Directory().Name(s.School) + "；" + v.School.Name
	}
	return k.show(c, &who, "arrangein", "arrangein.title", v, withActive("transfer"), withProblem(pr))
}

func (k *console) arrangeFind(c *fiber.Ctx, who service.Staff) error {
	return k.arrangeShow(c, who, arrangeView{ID: strings.ToUpper(strings.TrimSpace(c.FormValue("id_number"))), Name: strings.TrimSpace(c.FormValue("name"))}, nil)
}

func (k *console) arrangeStart(c *fiber.Ctx, who service.Staff) error {
	in := &answers{actor: actor{k: k, who: who, lang: k.lang(c)}, c: c}
	v := arrangeView{ID: in.s("id_number"), Name: in.s("name"), Mode: in.s("mode"), Agreed: in.s("agreed"), Reason: in.s("reason"), Guardian: in.s("guardian")}
	again := func(pr *problem) error {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.arrangeShow(c, who, v, pr)
	}
	found, err := k.Service.FindByDocument(c.UserContext(), who, v.ID, v.Name)
	if err != nil {
		return err
	}
	for _, name := range []string{"mode", "agreed", "reason", "guardian"} {
		if in.s(name) == "" {
			return again(&problem{Title: k.words.say(in.lang, "act.say"), Field: name})
		}
	}
	sheet, err := k.sheetOf(c, who, "", "agreement") // the pupil is not in sight yet: the paper is tied to them by the act
	if err == nil {
		var after registry.Pupil
		after, err = k.Service.Act(c.UserContext(), who, found.UID, 0, registry.Arrange{School: who.Unit, Mode: registry.Mode(v.Mode), Agreement: sheet, AgreedBy: in.names("agreed"), Reason: v.Reason, Guardian: v.Guardian})
		if err == nil {
			here := "/pupils/" + string(found.UID) + "/cases/" + string(after.Lock)
			return k.done(c, here, flash{Key: "act.arrange.done", Href: here + "/receipt.pdf", Open: "case.print_receipt"})
		}
	}
	if correctable(err) {
		return again(k.problem(c, err))
	}
	return k.actFailed(c, who, found.UID, "/transfers/new", err)
}
