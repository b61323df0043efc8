package console

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"xueji/server/registry"
)

// funcs are what templates of one language may call.
func (k *console) funcs(lang string) template.FuncMap {
	t := func(key string, pairs ...any) string { return k.words.say(lang, key, pairs...) }
	return template.FuncMap{
		"t":       t,
		"has":     func(key string) bool { return k.words.has(lang, key) },
		"unit":    func(u registry.Unit) string { return k.Service.Directory().Name(u) },
		"day":     func(d registry.Date) string { return k.day(lang, d) },
		"date":    func(d registry.Date) string { return k.date(lang, d) },
		"stamp":   func(at time.Time) string { return k.stamp(lang, at) },
		"place":   k.regionText,
		"col":     column,
		"month":   func(m string) string { return k.month(lang, m) },
		"dayOf":   func(at time.Time) string { return k.day(lang, dateOf(at)) },
		"iso":     func(at time.Time) string { return at.In(registry.Beijing).Format(time.RFC3339) },
		"grade":   func(g int) string { return k.grade(lang, g) },
		"code":    func(l registry.ListName, c string) string { return k.code(lang, l, c) },
		"list":    func(l string) []registry.CodeItem { return registry.List(registry.ListName(l)) },
		"clock":   func(from, due registry.Date, unsure bool) clock { return k.clock(lang, from, due, unsure) },
		"tail":    func(s any) string { return tail(fmt.Sprint(s), 4) },
		"mask":    func(n registry.Number) string { return maskNumber(n) },
		"title":   func(f registry.Field) string { return k.fieldTitle(lang, f) },
		"add":     func(a, b int) int { return a + b },
		"join":    strings.Join,
		"dict":    dict,
		"dataimg": dataImage,
		"seq":     seq,
		"pick":    pick,
		"pickAs":  pickAs,
		"placed":  placed,
		"pct":     func(a, b int) int { return percent(a, b) },
		"lang":    func() string { return lang },
		"form":    func(f registry.Form, key string) string { return f[registry.FieldKey(key)] },
		"asUnit":  func(s string) registry.Unit { return registry.Unit(s) },
		"asDate":  func(s string) registry.Date { return registry.Date(s) },
		"whys":    registry.CardReasons,
		"str":     func(v any) string { return fmt.Sprint(v) },
	}
}

// dataImage lets a picture that this program drew stand in a page as a data address; anything else becomes nothing.
func dataImage(s string) template.URL {
	if strings.HasPrefix(s, "data:image/png;base64,") {
		return template.URL(s)
	}
	return ""
}

func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: odd number of arguments")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

func seq(from, to int) []int {
	var s []int
	for i := from; i <= to; i++ {
		s = append(s, i)
	}
	return s
}

func percent(a, b int) int {
	if b <= 0 {
		return 0
	}
	return min(100, a*100/b)
}

func dateOf(at time.Time) registry.Date {
	if at.IsZero() {
		return ""
	}
	return registry.Date(at.In(registry.Beijing).Format(time.DateOnly))
}

func parseDate(d registry.Date) (time.Time, bool) {
	t, err := time.ParseInLocation(time.DateOnly, string(d), registry.Beijing)
	return t, err == nil
}

// Dates and times, one rule for every page (docs/architecture.md): in a column of a table in figures, column; elsewhere in words, of this year without the year, day and stamp, or
// with it, date. Times are Beijing's.

// column is a date (registry.Date) or a time (time.Time, to the minute) as a column of a table has it: the same in every language, in line and in order.
func column(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.In(registry.Beijing).Format("2006-01-02 15:04")
	default:
		return fmt.Sprint(v)
	}
}

// month is "2026-09" in words.
func (k *console) month(lang, m string) string {
	t, ok := parseDate(registry.Date(m + "-01"))
	if !ok {
		return m
	}
	if lang == "en" {
		return t.Format("Jan 2006")
	}
	return fmt.Sprintf("%d 年 %d 月", t.Year(), t.Month())
}

// date is a date with its year.
func (k *console) date(lang string, d registry.Date) string {
	t, ok := parseDate(d)
	if !ok {
		return string(d)
	}
	if lang == "en" {
		return t.Format("2 Jan 2006")
	}
	return fmt.Sprintf("%d 年 %d 月 %d 日", t.Year(), t.Month(), t.Day())
}

// day is a date of this year without its year, any other with it.
func (k *console) day(lang string, d registry.Date) string {
	t, ok := parseDate(d)
	if !ok {
		return string(d)
	}
	if today := string(k.Service.Today()); len(today) < 4 || today[:4] != string(d)[:4] {
		return k.date(lang, d)
	}
	if lang == "en" {
		return t.Format("2 Jan")
	}
	return fmt.Sprintf("%d 月 %d 日", t.Month(), t.Day())
}

// dayFull is a date with the day of the week.
func (k *console) dayFull(lang string, d registry.Date) string {
	t, ok := parseDate(d)
	if !ok {
		return string(d)
	}
	if lang == "en" {
		return t.Format("Monday, 2 January 2006")
	}
	return k.date(lang, d) + "，星期" + []string{"日", "一", "二", "三", "四", "五", "六"}[t.Weekday()]
}

func (k *console) stamp(lang string, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return k.day(lang, dateOf(at)) + " " + at.In(registry.Beijing).Format("15:04")
}

func (k *console) grade(lang string, g int) string {
	if g < 1 || g > 12 {
		return k.words.say(lang, "grade.none")
	}
	return k.words.say(lang, "grade."+strconv.Itoa(g))
}

// code is the title of a list's code: the catalogue's, where a language has one, else the standard's own Chinese term.
func (k *console) code(lang string, l registry.ListName, code string) string {
	if code == "" {
		return ""
	}
	if l == registry.ListRegion {
		return k.Service.Regions().Title(code)
	}
	if key := "list." + string(l) + "." + code; k.words.has(lang, key) {
		return k.words.say(lang, key)
	}
	return registry.CodeTitle(l, code)
}

// fieldTitle is the official label, or its translation; guardians share one set of words.
func (k *console) fieldTitle(lang string, f registry.Field) string {
	key, title := "field."+string(f.Key), f.Title
	if f.Group == "g1" || f.Group == "g2" {
		key = "field.g." + string(f.Key)[3:]
		for _, who := range []string{"家庭成员或监护人一", "家庭成员或监护人二"} { // the group's heading says whose
			title = strings.TrimPrefix(title, who)
		}
	}
	if k.words.has(lang, key) {
		return k.words.say(lang, key)
	}
	return title
}

// ofGuardian says which guardian an item is of, "" for the pupil's own: guardians share one set of labels.
func (k *console) ofGuardian(lang string, f registry.Field) string {
	if f.Group == "g1" || f.Group == "g2" {
		return k.words.say(lang, "group."+f.Group)
	}
	return ""
}

// clock is a deadline in words and as ticks, one for each working day.
type clock struct {
	Tone   string // "late", "soon", "fine"; "" without a date
	Text   string
	Due    registry.Date
	Unsure bool
	Ticks  []string // "past", "now", "left", "over"; at most clockTicks
	Label  string   // the ticks in words
}

// soonDays is when a deadline is shown as near, in working days. clockTicks bounds the drawing.
const (
	soonDays   = 3
	clockTicks = 26
)

// clock counts working days from today to due. A date after which a State Council notice is missing is said to be unsure.
func (k *console) clock(lang string, from, due registry.Date, unsure bool) clock {
	if due == "" {
		return clock{}
	}
	today, cal := k.Service.Today(), k.Service.Calendar()
	left, u := cal.WorkingDaysBetween(today, due)
	c := clock{Due: due, Unsure: unsure || u}
	switch {
	case due < today:
		c.Tone, c.Text = "late", k.words.say(lang, "clock.late", "n", max(1, -left))
	case due == today:
		c.Tone, c.Text = "soon", k.words.say(lang, "clock.today")
	case left <= soonDays:
		c.Tone, c.Text = "soon", k.words.say(lang, "clock.left", "n", max(1, left))
	default:
		c.Tone, c.Text = "fine", k.words.say(lang, "clock.left", "n", left)
	}
	if from == "" || from > due {
		return c
	}
	total, _ := cal.WorkingDaysBetween(from, due)
	used, _ := cal.WorkingDaysBetween(from, min(today, due))
	if total < 1 || total > clockTicks {
		return c
	}
	for i := 1; i <= total; i++ {
		switch {
		case due < today || i < used:
			c.Ticks = append(c.Ticks, "past")
		case i == used:
			c.Ticks = append(c.Ticks, "now")
		default:
			c.Ticks = append(c.Ticks, "left")
		}
	}
	if due < today {
		for i := 0; i < min(5, max(1, -left)); i++ {
			c.Ticks = append(c.Ticks, "over")
		}
	}
	c.Label = k.words.say(lang, "clock.label", "used", min(used, total), "total", total)
	return c
}

// tail is the last n characters.
func tail(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[len(r)-n:])
}

// maskNumber shows a 学籍号's letter and last four: a G number holds the ID number.
func maskNumber(n registry.Number) string {
	if len(n) < 6 {
		return string(n)
	}
	return string(n[:1]) + hidden + string(n[len(n)-4:])
}

// hidden stands for a value that is masked whole.
const hidden = "****"

// maskField is a form value as a member of staff sees it before asking for the whole.
func maskField(f registry.Field, v string) string {
	if v == "" {
		return ""
	}
	switch {
	case f.Sensitive:
		return hidden
	case f.Type == registry.TypeID, f.Type == registry.TypePhone:
		return hidden + tail(v, 4)
	case f.Key == registry.FG1Name, f.Key == registry.FG2Name:
		return registry.MaskName(v)
	case f.Key == registry.FAltNumber, f.Type == registry.TypeMail, f.Max >= 100:
		return hidden
	}
	return v
}
