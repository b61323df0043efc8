package web

import (
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/words"
	"xueji/server/registry"
)

// drawer turns a view into HTML. It is safe for concurrent use.
type drawer struct {
	words  words.Catalogue
	tmpl   *template.Template
	voice  *Voice
	camera bool
}

func newDrawer(c words.Catalogue) (*drawer, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"inc": func(i int) int { return i + 1 }}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, s := range flow.Screens {
		if t.Lookup("screen-"+string(s)) == nil {
			return nil, fmt.Errorf("web: no template for screen %q", s)
		}
	}
	return &drawer{words: c, tmpl: t}, nil
}

// page is what a template sees.
type page struct {
	desk.View
	S      flow.State
	Token  string
	c      words.Catalogue
	voice  *Voice
	camera bool
}

func (d *drawer) page(v desk.View) page {
	return page{View: v, S: v.State, c: d.words, voice: d.voice, camera: d.camera}
}

func (d *drawer) shell(w io.Writer, v desk.View, token string) error {
	p := d.page(v)
	p.Token = token
	return d.tmpl.ExecuteTemplate(w, "shell", p)
}

// screen draws the fragment and its foot.
func (d *drawer) screen(v desk.View) (html, foot string, err error) {
	p := d.page(v)
	var b strings.Builder
	if err := d.tmpl.ExecuteTemplate(&b, "screen-"+string(v.State.Screen), p); err != nil {
		return "", "", err
	}
	html = b.String()
	b.Reset()
	err = d.tmpl.ExecuteTemplate(&b, "foot", p)
	return html, b.String(), err
}

// T is the text of a key in the screen's language.
func (p page) T(key string, pairs ...any) (string, error) {
	s := make([]string, len(pairs))
	for i, x := range pairs {
		s[i] = fmt.Sprint(x)
	}
	return p.c.Text(string(p.S.Lang), key, s...)
}

// Lines is T cut at its line breaks, for headings.
func (p page) Lines(key string) ([]string, error) {
	t, err := p.T(key)
	return strings.Split(t, "\n"), err
}

// Or is key when the catalogue has it, else fallback.
func (p page) Or(key, fallback string) string {
	if p.c.Has(string(p.S.Lang), key) {
		return key
	}
	return fallback
}

// Langs are the languages of the switch with their own names.
func (p page) Langs() []struct{ Code, Name string } {
	var out []struct{ Code, Name string }
	for _, l := range flow.Langs {
		n, _ := p.c.Text(string(l), "lang.name")
		out = append(out, struct{ Code, Name string }{string(l), n})
	}
	return out
}

// Restarting is the one sentence the page shows by itself, in all languages.
func (p page) Restarting() []string {
	var out []string
	for _, l := range flow.Langs {
		t, _ := p.c.Text(string(l), "page.restarting")
		out = append(out, t)
	}
	return out
}

// Stages is the progress line.
func (p page) Stages() []flow.Stage { return p.S.Stages() }

// Options is the menu.
func (p page) Options() []flow.Goal { return flow.Options(p.S, p.Kiosk) }

// HomeGoals are the tiles at home.
func (p page) HomeGoals() []flow.Goal {
	return []flow.Goal{flow.GoalTransfer, flow.GoalStatus, flow.GoalReturn, flow.GoalArchive, flow.GoalLost}
}

// Name is the pupil's masked name, spread a little so that the stars read as letters left out.
func (p page) Name() string {
	if p.S.Card.Name != "" {
		return p.S.Card.Name
	}
	if p.S.Where.Known {
		return p.S.Where.Name
	}
	return ""
}

// From is the sending school: the register's word when known, else the card's.
func (p page) From() string {
	if p.S.Card.Far != "" {
		return p.S.Card.SchoolName
	}
	if p.S.Where.Known && p.S.Where.School != "" {
		return p.S.Where.School
	}
	return p.S.Card.SchoolName
}

// CardGrade is the grade the register or the card names; 0 when neither does.
func (p page) CardGrade() int {
	if p.S.Where.Known && p.S.Where.Grade > 0 && p.S.Card.Far == "" {
		return p.S.Where.Grade
	}
	return p.S.Card.Grade
}

// Grade is a grade's name.
func (p page) Grade(n int) (string, error) {
	if n < 1 || n > 12 {
		return strconv.Itoa(n), nil
	}
	return p.T("grade." + strconv.Itoa(n))
}

// Grades are the grades offered here.
func (p page) Grades() []int { return flow.Grades(p.Kiosk) }

// Reasons, Guardians and Proofs are the coded answers.
func (p page) Reasons() []string { return flow.Reasons }

// Guardians: who consents.
func (p page) Guardians() []string { return flow.Guardians }

// Proofs of recovery.
func (p page) Proofs() []string { return flow.Proofs }

// ClassChoices are class numbers with their names in the pupil's own manner.
func (p page) ClassChoices() []struct{ Value, Name string } {
	var out []struct{ Value, Name string }
	for n := 1; n <= 12; n++ {
		v := strconv.Itoa(n)
		if name, ok := flow.ClassName(p.S.Card.Class, v); ok && name != p.S.Card.Class {
			out = append(out, struct{ Value, Name string }{v, name})
		}
	}
	return out
}

var weekdays = map[flow.Lang][]string{
	flow.Simplified:  {"周日", "周一", "周二", "周三", "周四", "周五", "周六"},
	flow.Traditional: {"週日", "週一", "週二", "週三", "週四", "週五", "週六"},
}

// Date writes a date as people say it: 10月16日（周三）, Wed 16 Oct; the year only when it is another one.
func (p page) Date(d registry.Date) string {
	t := d.Time()
	if t.IsZero() {
		return string(d)
	}
	other := d.Year() != p.Today.Year()
	if p.S.Lang == flow.English {
		if other {
			return t.Format("Mon 2 Jan 2006")
		}
		return t.Format("Mon 2 Jan")
	}
	s := fmt.Sprintf("%d月%d日（%s）", int(t.Month()), t.Day(), weekdays[p.S.Lang][t.Weekday()])
	if other {
		s = fmt.Sprintf("%d年", t.Year()) + s
	}
	return s
}

// DueLeft says how many working days are left, in words.
func (p page) DueLeft(d registry.Date) (string, error) {
	n, _ := p.Calendar.WorkingDaysBetween(p.Today, d)
	switch {
	case d < p.Today:
		return p.T("due.over", "n", max(1, -n))
	case d == p.Today || n == 0:
		return p.T("due.today")
	case n == 1:
		return p.T("due.left1")
	}
	return p.T("due.left", "n", n)
}

// Overdue reports whether a date has passed.
func (p page) Overdue(d registry.Date) bool { return d != "" && d < p.Today }

// NowStep is the party whose turn it is, nil when none.
func (p page) NowStep() *flow.CaseStep {
	if p.S.Where.Case == nil {
		return nil
	}
	return find(p.S.Where.Case.Steps, "now")
}

// RefusedStep is the party that said no, nil when none.
func (p page) RefusedStep() *flow.CaseStep {
	if p.S.Where.Case == nil {
		return nil
	}
	return find(p.S.Where.Case.Steps, "refused")
}

func find(steps []flow.CaseStep, state string) *flow.CaseStep {
	for i := range steps {
		if steps[i].State == state {
			return &steps[i]
		}
	}
	return nil
}

// Why is a refusal in words.
func (p page) Why(c registry.RefusalCode) (string, error) {
	return p.T(p.Or("why."+string(c), "why.other"))
}

// Ticked reports whether item i is ticked.
func (p page) Ticked(i int) bool { return i < len(p.S.Ticked) && p.S.Ticked[i] }

// MissingRows are the items not ticked.
func (p page) MissingRows() []registry.ArchiveItem {
	var out []registry.ArchiveItem
	if p.S.Parcel != nil {
		missing := p.S.MissingItems()
		for _, it := range p.S.Parcel.Items {
			if slices.Contains(missing, it.No) {
				out = append(out, it)
			}
		}
	}
	return out
}

// TickedCount is how many are ticked.
func (p page) TickedCount() int { return len(p.S.Parcel.Items) - len(p.S.MissingItems()) }

// DoneTitle is the heading of the last screen.
func (p page) DoneTitle() string {
	if p.S.Goal == flow.GoalRefresh {
		switch p.S.Result.Card {
		case "current", "failed":
			return "done.title." + p.S.Result.Card
		case "later":
			return "done.title.failed"
		}
	}
	return "done.title." + string(p.S.Goal)
}

// Param is a parameter of a refusal, "" when absent.
func (p page) Param(name string) string { return p.S.Result.Params[name] }

// Keys is the on-screen keyboard: rows of lower, upper and symbol faces.
func (p page) Keys() [][]key { return keyboard }

type key struct{ Lower, Upper, Symbol string }

var keyboard = func() [][]key {
	var rows [][]key
	lower := []string{"1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"}
	symbol := []string{"1234567890", `!@#$%^&*()`, `-_=+[]{};`, `:'",./?`}
	for i := range lower {
		var row []key
		for j, r := range lower[i] {
			row = append(row, key{string(r), strings.ToUpper(string(r)), string(symbol[i][j])})
		}
		rows = append(rows, row)
	}
	return rows
}()

// Digits of the PIN pad; 0 has its own place.
func (p page) Digits() []int { return []int{1, 2, 3, 4, 5, 6, 7, 8, 9} }

// Line pairs a case's step with the page, for its template.
func (p page) Line(s flow.CaseStep) struct {
	Page page
	Step flow.CaseStep
} {
	return struct {
		Page page
		Step flow.CaseStep
	}{p, s}
}

// Step is the key of the rewrite's step.
func (p page) Step() string {
	if p.S.Step == "" {
		return "rewrite.step.start"
	}
	return p.Or("rewrite.step."+p.S.Step, "rewrite.step.write")
}

// TakeCard reports whether the foot asks to take the card along.
func (p page) TakeCard() bool {
	return p.S.CardOn && !p.KeepCard() && slices.Contains([]flow.Screen{flow.Done, flow.Refused, flow.Trouble, flow.Problem}, p.S.Screen)
}

// KeepCard reports whether the foot asks to leave the card where it is.
func (p page) KeepCard() bool {
	return p.S.NeedsCard() && p.S.Screen != flow.Problem && p.S.Screen != flow.SignIn // there a staff card may take its place
}
