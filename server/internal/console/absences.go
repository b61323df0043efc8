package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// absencePage is how many pupils a page of absences holds.
const absencePage = 50

// absenceView is an absence as drawn.
type absenceView struct {
	registry.Absence
	Clock, Contact clock
	Last           *registry.Contact // the last who was spoken with
	EndSay         string
}

func (k *console) absenceView(lang string, a registry.Absence) absenceView {
	v := absenceView{Absence: a}
	if n := len(a.Contacts); n > 0 {
		v.Last = &a.Contacts[n-1]
	}
	if a.EndedOn != "" {
		key := "absence.end." + a.End
		if !k.words.has(lang, key) {
			key = "standing." + a.End
		}
		v.EndSay = k.words.say(lang, key)
		return v
	}
	v.Clock, v.Contact = k.clock(lang, a.Since, a.DueOn, a.Unsure), k.clock(lang, "", a.ContactDue, a.Unsure)
	return v
}

// awayView is what a pupil's page shows of absences: the one that runs, and those before, newest first.
type awayView struct {
	Now    *absenceView
	Past   []absenceView
	Report bool // within the compulsory years: who stays away unexplained is reported
	Days   int  // school days until then
}

func (k *console) awayView(lang string, p *registry.Pupil) awayView {
	pack := k.Service.Pack()
	v := awayView{Report: p.Grade <= pack.CompulsoryTo, Days: pack.AbsenceReportDays}
	for i := len(p.Absences) - 1; i >= 0; i-- {
		a := k.absenceView(lang, p.Absences[i])
		if a.EndedOn == "" {
			v.Now = &a
			continue
		}
		v.Past = append(v.Past, a)
	}
	return v
}

type absenceClass struct {
	service.AbsenceClass
	Href string
	On   bool
}

type absenceRow struct {
	store.Summary
	absenceView
}

type absencesView struct {
	Schools     []registry.School
	School      registry.Unit
	Tabs        []absenceClass // by class, or of an office that chose no school by school, those with the most past their day
	BySchool    bool
	All         string // the list without a class
	Whole       bool   // that is shown
	Rows        []absenceRow
	Days        int
	First, Last int
	Total       int
	Prev, Next  string
}

// absenceSchools bounds the schools that an office's list begins with; the others are in its list of schools.
const absenceSchools = 12

// absenceTabs are the classes, or their schools.
func absenceTabs(classes []service.AbsenceClass, bySchool bool) []service.AbsenceClass {
	if !bySchool {
		return classes
	}
	at := map[registry.Unit]int{}
	var out []service.AbsenceClass
	for _, cl := range classes {
		i, known := at[cl.School]
		if !known {
			i = len(out)
			at[cl.School], out = i, append(out, service.AbsenceClass{School: cl.School})
		}
		out[i].N += cl.N
		out[i].Late += cl.Late
	}
	slices.SortStableFunc(out, func(a, b service.AbsenceClass) int { return cmp.Or(cmp.Compare(b.Late, a.Late), cmp.Compare(b.N, a.N)) })
	return out[:min(len(out), absenceSchools)]
}

// absences lists who stays away, by class.
func (k *console) absences(c *fiber.Ctx, who service.Staff) error {
	lang := k.lang(c)
	ask := service.AbsenceAsk{School: k.schoolOf(who, c.Query("school")), Class: c.Query("class"), Limit: absencePage}
	ask.Grade, _ = strconv.Atoi(c.Query("grade"))
	page, _ := strconv.Atoi(c.Query("page"))
	page = max(1, page)
	ask.Offset = (page - 1) * absencePage
	got, err := k.Service.Absences(c.UserContext(), who, ask)
	if err != nil {
		return err
	}
	v := absencesView{School: ask.School, Days: k.Service.Pack().AbsenceReportDays, Total: got.Total, First: min(got.Total, ask.Offset+1), Last: min(got.Total, ask.Offset+absencePage)}
	if !who.Unit.IsSchool() {
		v.Schools = k.Service.Schools(who)
	}
	link := func(school registry.Unit, grade int, class string, page int) string {
		q := url.Values{}
		if school != "" {
			q.Set("school", string(school))
		}
		if class != "" || grade != 0 {
			q.Set("grade", strconv.Itoa(grade))
			q.Set("class", class)
		}
		if page > 1 {
			q.Set("page", strconv.Itoa(page))
		}
		if len(q) == 0 {
			return "/absences"
		}
		return "/absences?" + q.Encode()
	}
	v.All, v.Whole = link(ask.School, 0, "", 1), ask.Grade == 0 && ask.Class == ""
	v.BySchool = !who.Unit.IsSchool() && ask.School == ""
	for _, cl := range absenceTabs(got.Classes, v.BySchool) {
		of := ask.School
		if v.BySchool {
			of = cl.School
		}
		v.Tabs = append(v.Tabs, absenceClass{cl, link(of, cl.Grade, cl.Class, 1), !v.Whole && cl.Grade == ask.Grade && cl.Class == ask.Class})
	}
	for _, r := range got.Rows {
		v.Rows = append(v.Rows, absenceRow{r.Summary, k.absenceView(lang, r.Absence)})
	}
	if page > 1 {
		v.Prev = link(ask.School, ask.Grade, ask.Class, page-1)
	}
	if v.Last < v.Total {
		v.Next = link(ask.School, ask.Grade, ask.Class, page+1)
	}
	return k.show(c, &who, "absences", "absences.title", v)
}
