package console

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// manySchools is how many schools a list to choose from may hold; where more are in scope one is typed and found (a page stays small).
const manySchools = 200

// schoolPick is how a form asks for a school of those in scope.
type schoolPick struct {
	Name    string // of the field
	Schools []registry.School
	At      string // code of the chosen one
	None    string // what no school is called; "" where one must be chosen
	Auto    bool   // a choice sends the form
}

// pick is schoolPick for templates; at is a code of whatever type.
func pick(schools []registry.School, at any, none string, auto bool) schoolPick {
	return pickAs("school", schools, at, none, auto)
}

func pickAs(name string, schools []registry.School, at any, none string, auto bool) schoolPick {
	return schoolPick{name, schools, fmt.Sprint(at), none, auto}
}

// Many reports whether the school is typed.
func (p schoolPick) Many() bool { return len(p.Schools) > manySchools }

// Typed is the chosen school as the field shows it.
func (p schoolPick) Typed() string {
	for _, s := range p.Schools {
		if string(s.Code) == p.At {
			return schoolText(s)
		}
	}
	return p.At
}

// schoolOf reads what was chosen or typed: a code (also an office's), a name with its code, or a part of a name that one school in scope alone has. What fits no school stays as it
// is, for whoever answers to say so.
func (k *console) schoolOf(who service.Staff, typed string) registry.Unit {
	typed = strings.TrimSpace(typed)
	code := typed[strings.LastIndexByte(typed, ' ')+1:]
	if registry.CheckSchoolCode(registry.Unit(code)) == nil || len(code) == 6 && registry.ValidRegion(code) {
		return registry.Unit(strings.Clone(code))
	}
	if typed != "" {
		if like := k.Service.SchoolsLike(who, typed, 2); len(like) == 1 {
			return like[0].Code
		}
	}
	return registry.Unit(strings.Clone(typed))
}

// manyRows is how many rows of a list that is whole in memory a page shows.
const manyRows = 100

// finder narrows such a list by a text that somebody types, and cuts it into pages.
type finder struct {
	Action string            // the page's own address
	Post   string            // where what is typed is posted, when it may be a person's name (findAt); "" when it stands in the page's address
	Keep   map[string]string // of its query, besides the finder's
	Q      string
	Pager  pagerView
}

// Shown reports whether there is anything to find.
func (f finder) Shown() bool { return f.Q != "" || f.Pager.Prev != "" || f.Pager.Next != "" }

// find gives the rows of the page that is asked for whose text holds what is asked for.
func find[T any](c *fiber.Ctx, all []T, action string, keep map[string]string, text func(T) string) ([]T, finder) {
	f := finder{Action: action, Keep: keep, Q: strings.Clone(strings.TrimSpace(c.Query("q")))}
	return cut(c, all, f, "q", f.Q, text)
}

// findPerson is find for a list of persons: what is typed is posted to post, and stands sealed in the page's address.
func findPerson[T any](k *console, c *fiber.Ctx, all []T, action, post string, text func(T) string) ([]T, finder) {
	f := finder{Action: action, Post: post, Q: k.searched(c)}
	return cut(c, all, f, "s", k.veiled(c, f.Q), text)
}

// cut narrows and cuts; key and value are how the pages' addresses say what is asked for.
func cut[T any](c *fiber.Ctx, all []T, f finder, key, value string, text func(T) string) ([]T, finder) {
	if f.Q != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(t T) bool { return !strings.Contains(text(t), f.Q) })
	}
	page, _ := strconv.Atoi(c.Query("page"))
	page = max(1, min(page, (len(all)+manyRows-1)/manyRows))
	first, last := min((page-1)*manyRows, len(all)), min(page*manyRows, len(all))
	query := map[string]string{key: value}
	maps.Copy(query, f.Keep)
	f.Pager = pagerView{First: first + 1, Last: last, Total: len(all)}
	f.Pager.Prev, f.Pager.Next = turns(f.Action, query, page, last < len(all))
	return all[first:last], f
}

// turns gives the addresses of the page before, and of the one after when there is more. query is what else they ask for; empty values are left out.
func turns(action string, query map[string]string, page int, more bool) (prev, next string) {
	q := url.Values{}
	for k, v := range query {
		if v != "" {
			q.Set(k, v)
		}
	}
	at := func(n int) string {
		q.Set("page", strconv.Itoa(n))
		return action + "?" + q.Encode()
	}
	if page > 1 {
		prev = at(page - 1)
	}
	if more {
		next = at(page + 1)
	}
	return prev, next
}

// placed is the unit of a list of places as a field shows it, where the list is too long to choose from.
func placed(places []service.Place, at registry.Unit) string {
	for _, p := range places {
		if p.Unit == at {
			return p.Name + " " + string(p.Unit)
		}
	}
	return string(at)
}

func schoolText(s registry.School) string { return s.Name + " " + string(s.Code) }

// regionText is a place as the field of a form shows it: its name and its code; what is no code stays as it was typed.
func (k *console) regionText(v string) string {
	if !registry.ValidRegion(v) {
		return v
	}
	return k.Service.Regions().Title(v)
}

// regionOf reads what was typed into such a field: the code, where it means one place alone; else what was typed, for whoever answers to say so.
func (k *console) regionOf(typed string) string {
	if found := k.Service.Regions().Find(typed); len(found) == 1 {
		return found[0]
	}
	return typed
}

// regionsLike answers what is typed into a form's field for a place.
func (k *console) regionsLike(c *fiber.Ctx, _ service.Staff) error {
	out := []string{}
	for _, code := range k.Service.Regions().Like(strings.Clone(c.FormValue("q")), 20) {
		out = append(out, k.regionText(code))
	}
	return c.JSON(out)
}

// schoolsLike answers what is typed into a form's field for a school.
func (k *console) schoolsLike(c *fiber.Ctx, who service.Staff) error {
	out, q := []string{}, strings.TrimSpace(c.Query("q"))
	for _, s := range k.Service.SchoolsLike(who, q, 20) {
		out = append(out, schoolText(s))
	}
	for _, o := range k.Service.Offices(who) {
		if c.Query("offices") != "" && strings.Contains(o.Name, q) && len(out) < 25 {
			out = append(out, o.Name+" "+string(o.Code))
		}
	}
	return c.JSON(out)
}
