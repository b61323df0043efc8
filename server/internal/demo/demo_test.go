package demo_test

import (
	"bytes"
	"image/jpeg"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"xueji/server/internal/demo"
	"xueji/server/internal/intake"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

const today registry.Date = "2026-11-23"

type directory struct {
	schools map[registry.Unit]registry.School
	offices map[registry.Unit]registry.Office
}

func (d directory) School(u registry.Unit) (registry.School, bool) {
	s, ok := d.schools[u]
	return s, ok
}
func (d directory) Office(u registry.Unit) (registry.Office, bool) {
	o, ok := d.offices[u]
	return o, ok
}
func (d directory) Name(u registry.Unit) string { return d.schools[u].Name + d.offices[u].Name }

func dir(g *demo.Generator) directory {
	d := directory{map[registry.Unit]registry.School{}, map[registry.Unit]registry.Office{}}
	ss, os := g.Units()
	for _, s := range ss {
		d.schools[s.Code] = s
	}
	for _, o := range os {
		d.offices[o.Code] = o
	}
	return d
}

func TestUnits(t *testing.T) {
	g := demo.New(1).On(today)
	d := dir(g)
	if len(d.schools) != 12 {
		t.Errorf("%d schools", len(d.schools))
	}
	kinds := map[registry.SchoolKind]bool{}
	for _, s := range d.schools {
		kinds[s.Kind] = true
		if err := registry.CheckSchoolCode(s.Code); err != nil {
			t.Error(s.Code, err)
		}
		if _, ok := d.offices[s.Authority]; !ok {
			t.Error(s.Code, "has no authority")
		}
	}
	if len(kinds) < 6 {
		t.Error("only", kinds)
	}
	logins := map[string]bool{}
	for _, a := range g.Accounts() {
		if logins[a.Login] {
			t.Error("login twice:", a.Login)
		}
		logins[a.Login] = true
	}
	for _, l := range []string{"registrar.yunhe", "leader.yunhe", "officer.yunhe", "clerk.yunhe", "officer.city", "registrar.qingshi", "officer.qingshi"} {
		if !logins[l] {
			t.Error("no login", l)
		}
	}
}

func TestPupils(t *testing.T) {
	g := demo.New(7).On(today)
	d := dir(g)
	const n = 3000
	ids, uids, families := map[string]bool{}, map[registry.UID]bool{}, map[uint64][]demo.Person{}
	rare, dots, migrants, twins := 0, 0, 0, 0
	count := 0
	for p := range g.Pupils(n) {
		count++
		if fs := registry.CheckForm(p.Form, today); len(fs) > 0 {
			t.Fatalf("%s: %+v", p.Key(), fs)
		}
		s := d.schools[p.School]
		if p.Grade < s.FromGrade || p.Grade > s.ToGrade {
			t.Error(p.Key(), "is in a grade that the school has not")
		}
		for _, k := range []registry.FieldKey{registry.FIDNumber, registry.FG1IDNumber} {
			if id := p.Form[k]; ids[id] && k == registry.FIDNumber {
				t.Error("number given twice")
			} else {
				ids[id] = true
			}
		}
		if uids[p.UID] {
			t.Error("UID given twice")
		}
		uids[p.UID] = true
		families[p.Family] = append(families[p.Family], p)
		name := p.Form[registry.FName]
		if strings.ContainsRune(name, registry.MiddleDot) {
			dots++
		}
		for _, r := range name {
			if r > 0xffff {
				rare++
			}
		}
		if p.Form[registry.FMigrant] == "1" {
			migrants++
		}
		if p.Twin {
			twins++
		}
	}
	t.Logf("rare %d, dots %d, migrants %d, twins %d, families %d", rare, dots, migrants, twins, len(families))
	if count != n || rare < 5 || dots < 5 || migrants < n/10 || twins < 10 || len(families) > n*9/10 {
		t.Error("the province does not look like one")
	}
	for _, f := range families {
		names := map[string]bool{}
		for _, p := range f {
			if names[p.Form[registry.FName]] {
				t.Error("siblings of one name")
			}
			names[p.Form[registry.FName]] = true
			if p.Form[registry.FAddress] != f[0].Form[registry.FAddress] || p.Form[registry.FG1IDNumber] != f[0].Form[registry.FG1IDNumber] {
				t.Error("siblings do not share their family")
			}
		}
		if len(f) > 1 && f[0].Twin && f[1].Twin && (f[0].Form[registry.FBirth] != f[1].Form[registry.FBirth] || f[0].School != f[1].School) {
			t.Error("twins differ in birth or school")
		}
	}
	again := slices.Collect(demo.New(7).On(today).Pupils(50))
	for i, p := range slices.Collect(g.Pupils(50)) {
		if p.UID != again[i].UID || !maps.Equal(p.Form, again[i].Form) {
			t.Fatal("the same seed gives other people")
		}
	}
}

// TestPlan sends every past through the register's own rules and looks where each label stands.
func TestPlan(t *testing.T) {
	for _, day := range []registry.Date{today, "2026-09-01", "2026-02-10", "2025-10-08"} {
		g := demo.New(7).On(day)
		serial := 0
		o := demo.Options{Pupils: 3000, Calendar: registry.DefaultCalendar(), PIN: "encoded", CaseNo: func(k registry.CaseKind, year int) registry.CaseNo {
			serial++
			return registry.CaseNumber(k, year, 1, serial)
		}}
		d := dir(g)
		now := day.Time().Add(18 * time.Hour)
		env := func(m demo.Move) registry.Env {
			return registry.Env{Now: m.At, Actor: m.Actor, Pack: registry.DefaultPack(), Calendar: o.Calendar, Directory: d}
		}
		seen := map[demo.Label]int{}
		cards := 0
		for s := range g.Plan(o) {
			p := registry.Pupil{UID: s.Person.UID}
			var last time.Time
			for i, m := range s.Moves {
				if m.At.Before(last) || m.At.After(now) {
					t.Fatalf("%s: move %d at %s is out of order", s.Label, i, m.At)
				}
				last = m.At
				var err error
				if p, _, err = registry.Decide(p, m.Event, env(m)); err != nil {
					t.Fatalf("%s %s: move %d %s: %v", day, s.Label, i, m.Event.Kind(), err)
				}
			}
			seen[s.Label]++
			if !s.Card {
				cards++
			}
			tasks := registry.Tasks(p, registry.Env{Now: now, Pack: registry.DefaultPack(), Calendar: o.Calendar, Directory: d})
			var due registry.Date
			if len(tasks) > 0 {
				due = tasks[0].DueOn
			}
			soon, _ := o.Calendar.AddWorkingDays(day, 3)
			ok := true
			switch s.Label {
			case demo.Ordinary, demo.NeedsCard, demo.TransferRefused:
				ok = p.Standing == registry.StandingEnrolled && p.Lock == "" && p.Archive.State == registry.ArchiveHeld && len(tasks) == 0
			case demo.TransferOverdue:
				ok = p.Lock != "" && due < day
			case demo.TransferSoon:
				ok = p.Lock != "" && due >= day && due <= soon
			case demo.TransferNew, demo.TransferLast, demo.TransferCounty, demo.SuspensionAsked:
				ok = p.Lock != "" && due > day
			case demo.ArchiveCalled:
				ok = p.Archive.State == registry.ArchiveCalled
			case demo.ArchiveOnTheWay:
				ok = p.Archive.State == registry.ArchiveTransit
			case demo.ArchiveArrived:
				ok = len(p.Archive.Missing) == 2
			case demo.Suspended:
				ok = p.Standing == registry.StandingSuspended && due > day.AddDays(60)
			case demo.DoubleEntry:
				ok = p.Standing == registry.StandingApproval && p.Number == "" && due >= day
			case demo.Absent:
				ok = p.Absent() != nil && len(p.Absent().Contacts) == 1 && p.Absent().DueOn >= day
			case demo.AbsentOverdue: // between terms no school day passes
				ok = p.Absent() != nil && (p.Absent().DueOn < day || day == "2026-09-01" || day == "2026-02-10")
			case demo.OnLeave:
				ok = p.Absent() != nil && p.Absent().Until > day
			case demo.SuspensionEnding:
				ok = p.Standing == registry.StandingSuspended && due <= day.AddDays(30)
			}
			if !ok {
				t.Errorf("%s: %s stands wrong: %s lock %q archive %s tasks %+v", day, s.Label, p.Standing, p.Lock, p.Archive.State, tasks)
			}
		}
		if cards != 43 || seen[demo.NeedsCard] != 40 || seen[demo.DoubleEntry] != 3 || seen[demo.TransferOverdue] != 2 || len(seen) != 18 {
			t.Errorf("%s: %d without card, labels %v", day, cards, seen)
		}
	}
}

func TestPortraits(t *testing.T) {
	for i := range demo.Portraits {
		b := demo.Portrait(i)
		c, err := jpeg.DecodeConfig(bytes.NewReader(b))
		if err != nil || len(b) > 20<<10 || c.Width*32 != c.Height*26 {
			t.Error(i, len(b), c.Width, c.Height, err)
		}
	}
}

func TestSampleWorkbook(t *testing.T) {
	g := demo.New(7).On(today)
	var enrolled registry.Form
	for p := range g.Pupils(1) {
		enrolled = p.Form
	}
	b, err := g.Workbook(42, len(demo.Slips), enrolled)
	if err != nil {
		t.Fatal(err)
	}
	wb, err := intake.Read(bytes.NewReader(b), int64(len(b)), intake.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	rows := wb.Rows()
	if len(rows) != 43 {
		t.Fatal(len(rows), "rows")
	}
	want := g.Newcomers(42)
	if !maps.Equal(rows[0].Form, want[0]) || !maps.Equal(rows[42].Form, enrolled) {
		t.Errorf("a form changed on its way through the workbook:\n%v\n%v", rows[0].Form, want[0])
	}
	names := []string{"欧阳𬀩", "阿依古丽·买买提"}
	for i, n := range names {
		if rows[i].Form[registry.FName] != n {
			t.Error(rows[i].Form[registry.FName])
		}
	}
	if n := utf8.RuneCountInString(rows[2].Form[registry.FName]); n < 28 {
		t.Error("the long name has", n, "characters")
	}
	for i, r := range rows[:42] {
		fs := r.All(registry.CheckForm(r.Form, today))
		bad := i - (42 - len(demo.Slips))
		if bad < 0 {
			if len(fs) > 0 {
				t.Errorf("row %d: %+v", r.No, fs)
			}
			continue
		}
		s := demo.Slips[bad]
		if s.Code == registry.FindDupFile {
			if r.Form[registry.FIDNumber] != rows[0].Form[registry.FIDNumber] || registry.Blocking(fs) {
				t.Error(s.Name, fs)
			}
			continue
		}
		if !slices.ContainsFunc(fs, func(f registry.Finding) bool { return f.Field == s.Field && f.Code == s.Code }) {
			t.Errorf("%s: %+v", s.Name, fs)
		}
	}
}

func BenchmarkPupils(b *testing.B) {
	g := demo.New(1).On(today)
	for b.Loop() {
		for range g.Pupils(1000) {
		}
	}
}

// A large register has as many schools as one has, all that the rules of opening accept, and every child a seat.
func TestLargeRegister(t *testing.T) {
	const n = 60_000
	g := demo.New(3).On("2026-11-29").For(n)
	schools, offices := g.Units()
	if len(schools) != 50 {
		t.Fatalf("%d schools", len(schools))
	}
	if _, refused := units.Establish(units.Units{}, units.Units{Schools: schools, Offices: offices}); len(refused) > 0 {
		t.Fatal(refused)
	}
	names := map[string]bool{}
	for _, s := range schools {
		if names[s.Name] {
			t.Errorf("two schools are called %s", s.Name)
		}
		names[s.Name] = true
	}
	count := map[registry.Unit]int{}
	for p := range g.Pupils(n) {
		count[p.School]++
	}
	for _, s := range schools {
		if k := count[s.Code]; k > 3600 || k == 0 {
			t.Errorf("%s has %d pupils", s.Name, k)
		}
	}
	for _, want := range []string{"云河区第三初级中学", "青石县第十小学", "云河区第二十小学"} {
		if !names[want] {
			t.Errorf("%s is not there: %v", want, slices.Sorted(maps.Keys(names)))
		}
	}
}
