package registry

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Condition is one guard of a rule pack, in a table and not in a program: a case of a kind in On is refused when every test of When holds. There is no other
// operator, no loop and no call, so its cost is bounded by its size (maxConditions × maxTests × maxValues comparisons).
//
//	{"id": "GS-1", "on": ["transfer"], "when": [{"fact": "to_grade", "op": "in", "values": ["9", "12"]}, {"fact": "reach", "op": "in", "values": ["cross"]}],
//	 "say": "毕业年级不办理跨省转学"}
type Condition struct {
	ID   string     `json:"id"`
	On   []CaseKind `json:"on"`
	When []Test     `json:"when"`
	// Say is what the refused person reads: who may mend it, and how. In the province's words.
	Say string `json:"say"`
}

// Test compares one fact of the case with values. A fact that the case does not have ("") fails every test.
type Test struct {
	Fact   string   `json:"fact"`
	Op     string   `json:"op"` // in, not_in; lt, le, gt, ge with one value
	Values []string `json:"values"`
}

const (
	maxConditions = 100
	maxTests      = 8
	maxValues     = 64
)

// facts are what a test may ask for; true: compared as a whole number.
var facts = map[string]bool{
	"grade": true, "to_grade": true, "age": true, "months_enrolled": true, "until_months": true, // until_months: length of a suspension
	"standing": false, "mode": false, "reach": false, "entry": false, "end": false, "number": false, // number: G, L, J
	"kind": false, "to_kind": false, "public": false, "to_public": false, // of the schools; public is "1" or "0"
	"migrant": false, "overseas": false, "id_type": false, "local": false, // items of the form; local: the hukou is of the receiving (else present) school's county
	"day": false, // of the year, "08-15"
}

// FactNames lists the facts, sorted: a page that edits packs offers them.
func FactNames() []string {
	out := make([]string, 0, len(facts))
	for k := range facts {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func validateConditions(list []Condition, bad func(field, format string, a ...any) error) error {
	if len(list) > maxConditions {
		return bad("conditions", "at most %d", maxConditions)
	}
	ids := map[string]bool{}
	for i, c := range list {
		at := fmt.Sprintf("conditions.%d", i)
		switch {
		case c.ID == "" || ids[c.ID] || tooLong(c.ID, 40):
			return bad(at+".id", "is needed, once, at most 40 characters")
		case c.Say == "" || tooLong(c.Say, 200):
			return bad(at+".say", "is needed, at most 200 characters: who may mend it, and how")
		case len(c.On) == 0:
			return bad(at+".on", "names at least one kind of case")
		case len(c.When) == 0 || len(c.When) > maxTests:
			return bad(at+".when", "1 to %d tests", maxTests)
		}
		ids[c.ID] = true
		for j, k := range c.On {
			if _, known := caseLetters[k]; !known {
				return bad(fmt.Sprintf("%s.on.%d", at, j), "unknown kind of case %q", k)
			}
		}
		for j, t := range c.When {
			at := fmt.Sprintf("%s.when.%d", at, j)
			number, known := facts[t.Fact]
			if !known {
				return bad(at+".fact", "no fact %q", t.Fact)
			}
			if len(t.Values) == 0 || len(t.Values) > maxValues {
				return bad(at+".values", "1 to %d values", maxValues)
			}
			switch t.Op {
			case "in", "not_in":
			case "lt", "le", "gt", "ge":
				if len(t.Values) != 1 || !number && t.Fact != "day" {
					return bad(at+".op", "%s wants one value, and a number or a day", t.Op)
				}
			default:
				return bad(at+".op", "no operator %q", t.Op)
			}
			for k, v := range t.Values {
				if _, err := strconv.Atoi(v); number && err != nil || t.Fact == "day" && !dayOfYear(v) {
					return bad(fmt.Sprintf("%s.values.%d", at, k), "%q does not fit the fact", v)
				}
			}
		}
	}
	return nil
}

// layer puts conditions over others: one of the same id is replaced in its place, a new one follows.
func layer(below, above []Condition) []Condition {
	out := slices.Clone(below)
	for _, c := range above {
		if i := slices.IndexFunc(out, func(o Condition) bool { return o.ID == c.ID }); i >= 0 {
			out[i] = c
			continue
		}
		out = append(out, c)
	}
	return out
}

// Refuses finds the first condition that refuses a case of the kind with these facts.
func (p *Pack) Refuses(k CaseKind, known map[string]string) (Condition, bool) {
	for _, c := range p.Conditions {
		if slices.Contains(c.On, k) && !slices.ContainsFunc(c.When, func(t Test) bool { return !t.holds(known[t.Fact]) }) {
			return c, true
		}
	}
	return Condition{}, false
}

func (t *Test) holds(v string) bool {
	if v == "" {
		return false
	}
	compare := func(w string) int {
		if facts[t.Fact] {
			a, errA := strconv.Atoi(v)
			b, errB := strconv.Atoi(w)
			if errA == nil && errB == nil {
				return cmp.Compare(a, b)
			}
		}
		return cmp.Compare(v, w)
	}
	in := slices.ContainsFunc(t.Values, func(w string) bool { return compare(w) == 0 })
	switch t.Op {
	case "in":
		return in
	case "not_in":
		return !in
	}
	if len(t.Values) != 1 {
		return false
	}
	switch n := compare(t.Values[0]); t.Op {
	case "lt":
		return n < 0
	case "le":
		return n <= 0
	case "gt":
		return n > 0
	case "ge":
		return n >= 0
	}
	return false
}

// factsOf are the facts of a case about to be opened, or open, on a day.
func factsOf(p *Pupil, c *Case, dir Directory, on Date) map[string]string {
	m := map[string]string{"standing": string(p.Standing), "mode": string(p.Mode), "reach": string(c.Reach), "entry": string(c.Entry), "end": string(c.End),
		"migrant": p.Form[FMigrant], "overseas": p.Form[FOverseas], "id_type": p.Form[FIDType]}
	if p.Mode == ModeOrdinary {
		m["mode"] = "ordinary"
	}
	number := func(k string, n int) {
		if n > 0 {
			m[k] = strconv.Itoa(n)
		}
	}
	number("grade", p.Grade)
	number("to_grade", c.ToGrade)
	if on.Valid() {
		m["day"] = string(on[5:])
		if b := Date(p.Form[FBirth]); b.Valid() {
			m["age"] = strconv.Itoa(b.AgeOn(on))
		}
		if p.EnrolledOn.Valid() {
			m["months_enrolled"] = strconv.Itoa(monthsBetween(p.EnrolledOn, on))
		}
	}
	if c.Since.Valid() && c.Until.Valid() {
		m["until_months"] = strconv.Itoa(monthsBetween(c.Since, c.Until))
	}
	if p.Number != "" {
		m["number"] = string(p.Number[:1])
	}
	region := ""
	school := func(u Unit, kind, public string) {
		s, ok := dir.School(u)
		if !ok {
			return
		}
		m[kind], m[public], region = string(s.Kind), "0", s.Region
		if s.Public {
			m[public] = "1"
		}
	}
	school(p.School, "kind", "public")
	if c.To != "" && c.To != p.School {
		school(c.To, "to_kind", "to_public")
	}
	if h := p.Form[FHukou]; len(h) >= 6 && region != "" {
		m["local"] = "0"
		if h[:6] == region {
			m["local"] = "1"
		}
	}
	return m
}

// monthsBetween counts whole months from a to b.
func monthsBetween(a, b Date) int {
	n := 0
	for n < 1200 && a.AddMonths(n+1) <= b {
		n++
	}
	return n
}
