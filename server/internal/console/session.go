package console

import (
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/api"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

func (k *console) signOut(c *fiber.Ctx, _ service.Staff) error {
	if err := k.SignOut(c); err != nil {
		return err
	}
	return c.Redirect("/sign-in", fiber.StatusSeeOther)
}

func (k *console) setLang(c *fiber.Ctx) error {
	to := k.words.lang(c.Params("to"))
	k.SetCookie(c, "xj_lang", to, 365*24*3600)
	back := c.Query("back")
	if !localPath(back) {
		back = "/"
	}
	return c.Redirect(back, fiber.StatusSeeOther)
}

func (k *console) help(c *fiber.Ctx, who service.Staff) error {
	return k.show(c, &who, "help", "help.title", fiber.Map{"Keys": keys, "Articles": articles, "Groups": helpFields()})
}

// articles of the regulation that forms and pages lean on, all but the first and the last; each has a sentence in the catalogues.
var articles = func() (out []string) {
	for n := 2; n <= 29; n++ {
		out = append(out, strconv.Itoa(n))
	}
	return out
}()

type helpGroup struct {
	Name   string
	Fields []registry.Field
}

// helpFields lists the form's items by group. The second guardian's are the first's.
func helpFields() (out []helpGroup) {
	for _, g := range formGroups {
		if g == "g2" {
			continue
		}
		h := helpGroup{Name: g}
		for _, f := range registry.Fields {
			if f.Group == g {
				h.Fields = append(h.Fields, f)
			}
		}
		out = append(out, h)
	}
	return out
}

// keys is the one table of the keyboard: help shows it, console.js reads data-go and data-key from the pages.
var keys = []struct{ Keys, Say string }{
	{"/", "key.search"}, {"j k", "key.move"}, {"x", "key.select"}, {"Shift+x", "key.select_all"}, {"Enter", "key.open"}, {"a", "key.accept"}, {"r", "key.refuse"},
	{"g t", "key.todo"}, {"g s", "key.pupils"}, {"g b", "key.cases"}, {"g q", "key.absences"}, {"g d", "key.archives"}, {"g n", "key.enrol"}, {"g z", "key.transfer"}, {"g c", "key.cards"}, {"g k", "key.kiosks"}, {"g h", "key.handout"}, {"g u", "key.duplicates"}, {"g y", "key.staff"},
	{"1 … 8", "key.lane"}, {"p", "key.print"}, {"?", "key.help"}, {"Esc", "key.escape"},
}

// problem words an error for a form.
func (k *console) problem(c *fiber.Ctx, err error) *problem {
	p := k.Problem(c, err)
	return &problem{Title: p.Title, Help: p.Help, Field: p.Field, Ref: p.Ref}
}

// correctable reports whether whoever filled the form can mend err there; other errors become pages of their own.
func correctable(err error) bool {
	switch registry.CodeOf(err) {
	case "", registry.CodeNotFound, registry.CodeConflict, registry.CodeInternal, registry.CodeUnavailable:
		return false
	}
	return true
}

// first says who came first when an act met a version that had moved on.
type first struct {
	By   string
	Unit string
	At   time.Time
	What string
	Href string
}

// actFailed ends an act on one pupil that was refused: a conflict names who was first; other errors go to web.
func (k *console) actFailed(c *fiber.Ctx, who service.Staff, uid registry.UID, back string, err error) error {
	if registry.CodeOf(err) != registry.CodeConflict {
		return err
	}
	f := first{Href: back}
	var told *registry.Error
	if errors.As(err, &told) && told.Params["who"] != "" {
		// The service says it, also when the first one's act took the pupil out of this one's sight.
		f.By, f.Unit, f.What = told.Params["who"], told.Params["unit"], "event."+told.Params["act"]
		f.At, _ = time.ParseInLocation("2006-01-02 15:04:05", told.Params["at"], registry.Beijing)
	} else if _, entries, e := k.Service.Pupil(c.UserContext(), who, uid); e == nil && len(entries) > 0 {
		last := entries[len(entries)-1]
		f.By, f.Unit, f.At, f.What = last.Actor.Name, k.Service.Directory().Name(last.Actor.Unit), last.At, "event."+string(last.Kind)
	}
	c.Status(fiber.StatusConflict)
	return k.show(c, &who, "conflict", "conflict.title", f, withActive(""))
}

// ErrorPage renders a problem as a page: what happened, who can mend it and how, and the way on. It works with and without a session.
func ErrorPage(c *fiber.Ctx, d Deps, p api.Problem) error {
	k, err := consoleOf(d)
	if err != nil {
		return err
	}
	c.Status(p.Status)
	if wantsJSON(c) {
		return c.JSON(p)
	}
	var who *service.Staff
	if s, ok := d.Staff(c); ok {
		who = &s
	}
	retry := c.Method() == fiber.MethodGet
	return k.show(c, who, "error", "error.title", fiber.Map{"P": p, "Retry": retry, "Href": string(c.Request().URI().RequestURI())},
		withActive(""), withTitle(p.Title))
}
