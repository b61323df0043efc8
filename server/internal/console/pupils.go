package console

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const pupilPage = 50

// standings that a list can be narrowed to.
var standings = []registry.Standing{
	registry.StandingEnrolled, registry.StandingSuspended, registry.StandingSchoolCheck, registry.StandingApproval,
	registry.StandingDropout, registry.StandingAbroad, registry.StandingPromoted, registry.StandingGraduated,
}

type pupilsView struct {
	Q                 store.Query
	Standing          string
	Schools           []registry.School
	Grades            []int
	Classes           []string
	Standings         []registry.Standing
	Rows              []store.Summary
	Total             string // as it is said
	First, Last       int
	Prev, Next        string
	Filtered, OneUnit bool
}

// found says how many a search has, whose service counts to SearchMost.
func found(n int) string {
	if n > service.SearchMost {
		return strconv.Itoa(service.SearchMost) + "+"
	}
	return strconv.Itoa(n)
}

func (k *console) pupils(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Pupils {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	v := pupilsView{Schools: k.Service.Schools(who), Standings: standings, Grades: seq(1, 12)}
	v.OneUnit = len(v.Schools) < 2
	grade, _ := strconv.Atoi(c.Query("grade"))
	page, _ := strconv.Atoi(c.Query("page"))
	page = max(1, page)
	v.Q = store.Query{
		Text: k.searched(c), School: k.schoolOf(who, c.Query("school")), Grade: grade, Class: strings.TrimSpace(c.Query("class")),
		Standing: registry.Standing(c.Query("standing")), NoCard: c.Query("nocard") != "", Limit: pupilPage, Offset: (page - 1) * pupilPage,
	}
	v.Standing = string(v.Q.Standing)
	v.Filtered = v.Q.Text != "" || v.Q.School != "" || grade != 0 || v.Q.Class != "" || v.Q.Standing != "" || v.Q.NoCard
	if v.OneUnit && len(v.Schools) == 1 {
		v.Grades = seq(v.Schools[0].FromGrade, v.Schools[0].ToGrade)
	}
	rows, total, err := k.Service.Search(c.UserContext(), who, v.Q)
	if err != nil {
		return err
	}
	v.Rows, v.Total, v.First, v.Last = rows, found(total), v.Q.Offset+1, v.Q.Offset+len(rows)
	v.Classes = k.classes(c, who, v.Q.School, grade)
	v.Prev, v.Next = turns("/pupils", map[string]string{"s": k.veiled(c, v.Q.Text), "school": string(v.Q.School), "class": v.Q.Class, "standing": v.Standing, "grade": c.Query("grade"), "nocard": c.Query("nocard")},
		page, len(rows) > 0 && (v.Last < total || total > service.SearchMost && len(rows) == pupilPage))
	return k.show(c, &who, "pupils", "pupils.title", v)
}

// findAt takes a search that was typed and leads to what is found, at an address that does not tell what was typed.
func (k *console) findAt(may func(may) bool, at string, keep ...string) fiber.Handler {
	return k.only(may, func(c *fiber.Ctx, _ service.Staff) error {
		q := url.Values{}
		for _, key := range keep {
			if v := strings.TrimSpace(c.FormValue(key)); v != "" {
				q.Set(key, v)
			}
		}
		if v := strings.TrimSpace(c.FormValue("q")); v != "" {
			q.Set("s", k.veiled(c, v[:min(len(v), 400)]))
		}
		to := at
		if len(q) > 0 {
			to += "?" + q.Encode()
		}
		return c.Redirect(to, fiber.StatusSeeOther)
	})
}

// searched is what a page of a search looks for: sealed in the address. What somebody types into the address in clear is not looked for.
func (k *console) searched(c *fiber.Ctx) string {
	if s := c.Query("s"); s != "" {
		return strings.TrimSpace(k.Unveil(c, s))
	}
	return ""
}

func (k *console) veiled(c *fiber.Ctx, text string) string {
	if text == "" {
		return ""
	}
	return k.Veil(c, text)
}

// classes are the classes to choose from, once one school and a grade are chosen.
func (k *console) classes(c *fiber.Ctx, who service.Staff, school registry.Unit, grade int) []string {
	if school == "" && who.Unit.IsSchool() {
		school = who.Unit
	}
	if school == "" || grade == 0 {
		return nil
	}
	out, err := k.Service.Classes(c.UserContext(), who, school, grade)
	if err != nil { // the list stands without them
		return nil
	}
	return out
}

// suggest answers search-as-you-type with a few rows. Nothing but what the list shows leaves here.
func (k *console) suggest(c *fiber.Ctx, who service.Staff) error {
	q := strings.TrimSpace(c.FormValue("q"))
	type row struct {
		Href string `json:"href"`
		Name string `json:"name"`
		Sub  string `json:"sub"`
		Unit bool   `json:"unit,omitempty"`
	}
	out := struct {
		Rows  []row  `json:"rows"`
		Total string `json:"total"`
		More  bool   `json:"more"` // than the rows
	}{Rows: []row{}}
	if q == "" || !mayOf(who).Pupils {
		return c.JSON(out)
	}
	rows, total, err := k.Service.Search(c.UserContext(), who, store.Query{Text: q, Limit: 8})
	if err != nil {
		return err
	}
	lang := k.lang(c)
	if len(k.Service.Schools(who)) > 1 {
		for _, school := range k.Service.SchoolsLike(who, q, 3) {
			out.Rows = append(out.Rows, row{"/pupils?school=" + string(school.Code), school.Name, k.words.say(lang, "search.school"), true})
		}
	}
	for _, r := range rows {
		sub := k.Service.Directory().Name(r.School) + " · " + k.grade(lang, r.Grade) + " " + r.Class
		if r.Number != "" {
			sub += " · " + k.words.say(lang, "pupil.tail", "tail", tail(string(r.Number), 4))
		}
		out.Rows = append(out.Rows, row{"/pupils/" + string(r.UID), r.Name, sub, false})
	}
	out.Total, out.More = found(total), total > len(rows)
	return c.JSON(out)
}
