package registry

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The worked example of domain.md 2: Friday 2013-09-27 and ten working days.
//
//	Sun 09-29 (make-up) 1, Mon 09-30 2, 10-01…10-07 off, 10-08 3, 10-09 4, 10-10 5, 10-11 6, Sat 10-12 (make-up) 7, 10-14 8, 10-15 9, 10-16 10
func TestWorkedExample(t *testing.T) {
	due, unsure := DefaultCalendar().AddWorkingDays("2013-09-27", 10)
	if due != "2013-10-16" || unsure {
		t.Fatalf("ten working days after 2013-09-27 = %s (unsure %v), want 2013-10-16", due, unsure)
	}
	if n, _ := DefaultCalendar().WorkingDaysBetween("2013-09-27", "2013-10-16"); n != 10 {
		t.Fatalf("counted back: %d", n)
	}
}

// The sums of each arrangement as its notices give them: days off, make-up days. A typing slip in the data changes one.
func TestDefaultCalendar(t *testing.T) {
	want := map[int][2]int{2013: {29, 12}, 2014: {22, 5}, 2015: {26, 5}, 2016: {24, 6}, 2017: {24, 5}, 2018: {23, 6}, 2019: {24, 7}, 2020: {30, 6},
		2021: {31, 7}, 2022: {31, 7}, 2023: {27, 7}, 2024: {28, 8}, 2025: {28, 5}, 2026: {33, 6}}
	years := DefaultCalendar().Years()
	if len(years) != len(want) {
		t.Fatalf("%d years", len(years))
	}
	for _, y := range years {
		off := 0
		for _, r := range y.Off {
			off += r.From.DaysUntil(r.To) + 1
		}
		if got := [2]int{off, len(y.Work)}; got != want[y.Year] {
			t.Errorf("%d: days off and make-up days %v, want %v", y.Year, got, want[y.Year])
		}
		for _, n := range y.Notices {
			if n.Number == "" || n.Source == "" {
				t.Errorf("%d: a notice without number or source", y.Year)
			}
		}
	}
}

func TestWorkingDays(t *testing.T) {
	for _, c := range []struct {
		day           Date
		works, unsure bool
	}{
		{"2013-09-29", true, false},  // make-up Sunday
		{"2013-10-07", false, false}, // last day of the National Day holiday
		{"2015-09-03", false, false}, // added in the year by a second notice
		{"2020-01-31", false, false}, // Spring Festival made longer in the year
		{"2018-12-29", true, false},  // by the notice for 2019
		{"2018-12-31", false, false},
		{"2026-09-20", true, false},
		{"2026-11-21", false, false}, // an ordinary Saturday
		{"2026-12-27", false, false},
		{"2026-12-31", true, true},  // the notice for 2027 may take it
		{"2027-01-04", true, true},  // not loaded
		{"2012-12-27", true, true},  // before the first
		{"2024-02-30", false, true}, // no day
	} {
		if works, unsure := DefaultCalendar().IsWorkingDay(c.day); works != c.works || unsure != c.unsure {
			t.Errorf("%s: works %v unsure %v", c.day, works, unsure)
		}
	}
}

// A month ends on the corresponding date, or the month's last day (Civil Code 202); a last day off moves to the next working day (203).
func TestAddMonths(t *testing.T) {
	for _, c := range []struct {
		from   Date
		n      int
		due    Date
		unsure bool
	}{
		{"2026-03-09", 1, "2026-04-09", false},
		{"2025-01-31", 1, "2025-02-28", false},
		{"2024-01-31", 1, "2024-02-29", false},
		{"2026-09-01", 1, "2026-10-08", false}, // 10-01 is off until 10-07
		{"2026-01-04", 1, "2026-02-04", false},
		{"2026-01-14", 1, "2026-02-14", false}, // a make-up Saturday is a working day
		{"2026-01-15", 1, "2026-02-24", false}, // the Spring Festival
		{"2026-12-15", 1, "2027-01-15", true},
		{"2026-11-30", 13, "2027-12-30", true},
		{"", 1, "", true},
	} {
		if due, unsure := DefaultCalendar().AddMonths(c.from, c.n); due != c.due || unsure != c.unsure {
			t.Errorf("%s + %d months = %s (unsure %v), want %s (%v)", c.from, c.n, due, unsure, c.due, c.unsure)
		}
	}
}

func TestUnsureIsSaid(t *testing.T) {
	due, unsure := DefaultCalendar().AddWorkingDays("2026-12-25", 10)
	if due != "2027-01-08" || !unsure {
		t.Fatalf("%s %v", due, unsure)
	}
	more, err := DefaultCalendar().With(CalendarYear{Year: 2027, Notices: []Notice{{"国办发明电〔2026〕0号", "test"}}, Off: []DaysOff{{"元旦", "2027-01-01", "2027-01-03"}}})
	if err != nil {
		t.Fatal(err)
	}
	if due, unsure := more.AddWorkingDays("2026-12-25", 10); due != "2027-01-11" || unsure {
		t.Fatalf("with the notice: %s %v", due, unsure)
	}
}

func TestCalendarCounts(t *testing.T) {
	cal := DefaultCalendar()
	rapid.Check(t, func(t *rapid.T) {
		from := Date("2012-06-01").AddDays(rapid.IntRange(0, 16*365).Draw(t, "day"))
		n := rapid.IntRange(1, 40).Draw(t, "n")
		due, unsure := cal.AddWorkingDays(from, n)
		if works, _ := cal.IsWorkingDay(due); !works {
			t.Fatalf("%s + %d ends on %s, a day off", from, n, due)
		}
		back, unsureBack := cal.WorkingDaysBetween(from, due)
		if back != n || unsure != unsureBack {
			t.Fatalf("%s + %d = %s, counted back %d", from, n, due, back)
		}
		if neg, _ := cal.WorkingDaysBetween(due, from); neg != -n {
			t.Fatalf("the other way %d", neg)
		}
		if more, _ := cal.AddWorkingDays(from, n+1); more <= due {
			t.Fatalf("one day more is not later")
		}
	})
}

func TestLoadCalendarRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"unknown member":       `[{"year":2030,"feiertage":[]}]`,
		"no notice":            `[{"year":2030,"notices":[],"off":[{"name":"x","from":"2030-01-01","to":"2030-01-01"}],"work":[]}]`,
		"off and worked":       `[{"year":2030,"notices":[{"number":"n","source":"s"}],"off":[{"name":"x","from":"2030-01-05","to":"2030-01-05"}],"work":["2030-01-05"]}]`,
		"make-up on a weekday": `[{"year":2030,"notices":[{"number":"n","source":"s"}],"off":[{"name":"x","from":"2030-01-01","to":"2030-01-01"}],"work":["2030-01-02"]}]`,
		"another year":         `[{"year":2030,"notices":[{"number":"n","source":"s"}],"off":[{"name":"x","from":"2031-01-01","to":"2031-01-01"}],"work":[]}]`,
		"backwards":            `[{"year":2030,"notices":[{"number":"n","source":"s"}],"off":[{"name":"x","from":"2030-01-03","to":"2030-01-01"}],"work":[]}]`,
		"more after it":        `[] []`,
	} {
		_, err := LoadCalendar([]byte(s))
		if !errors.Is(err, &Error{Code: CodeInvalid}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDates(t *testing.T) {
	if d := DateOf(time.Date(2026, 9, 7, 16, 0, 0, 0, time.UTC)); d != "2026-09-08" {
		t.Errorf("16:00 UTC is midnight of the next day in Beijing, not %s", d)
	}
	if a := Date("2018-09-01").AgeOn("2026-08-31"); a != 7 {
		t.Errorf("age the day before the birthday: %d", a)
	}
	for _, bad := range []Date{"", "2026-2-3", "2026-02-29", "2026-13-01", "2026-00-10", "26-01-01", "2026-01-32", "2026/01/01", "0999-01-01", "2026-01-0x"} {
		if bad.Valid() || !bad.Time().IsZero() || bad.AddDays(1) != "" || bad.AddMonths(1) != "" || bad.Year() != 0 {
			t.Errorf("%q taken for a date", string(bad))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Date("1900-01-01").AddDays(rapid.IntRange(0, 80000).Draw(t, "n"))
		k := rapid.IntRange(-4000, 4000).Draw(t, "k")
		if e := d.AddDays(k); d.DaysUntil(e) != k || (k > 0) != (e > d) && k != 0 || DateOf(e.Time()) != e {
			t.Fatalf("%s %d %s", d, k, e)
		}
	})
}
