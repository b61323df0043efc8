package console

import (
	"strings"

	"xueji/server/registry"
)

// stripDays bounds the drawn strip, in calendar days; a longer time limit is told in words alone.
const stripDays = 75

// dayCell is one day of the strip: "past", "now", "left", "over" are working days, "off" is none.
type dayCell struct{ Class, Say string }

// stepClock is the time limit of the step whose turn it is, as the case page draws it: each day, which of them count, and why the others do not.
type stepClock struct {
	Clock       clock
	Unit        registry.Unit
	Party       registry.Party
	Since, Due  registry.Date
	Used, Total int
	Days        []dayCell
	Off         []string // holidays on the way, in words
	MakeUp      []string // weekend days that offices work
	Weekend     int      // other days off
	// Next is whose turn comes then; nil when this is the last word, and Effect tells what it brings about.
	Next   *stepView
	Effect string
	// What an overdue step leads to: from when on it goes to the office above, or since when it is there.
	Above       registry.Unit
	EscalatesOn registry.Date
	EscalatedOn registry.Date
	UrgeBy      registry.Date
	Urged       []registry.Urge
	Late        bool
	// Far is the other province that the step lies with, "" for a unit of this register.
	Far registry.Unit
}

// stepClock draws the open step of a case; nil when none is open.
func (k *console) stepClock(lang string, v caseView) *stepClock {
	now := v.Now
	if now == nil || now.DueOn == "" {
		return nil
	}
	cal, today := k.Service.Calendar(), k.Service.Today()
	s := &stepClock{Clock: now.Clock, Unit: now.Unit, Party: now.Party, Since: dateOf(now.ArrivedAt), Due: now.DueOn, Late: now.DueOn < today,
		Far: registry.Unit(now.Remote), EscalatedOn: now.EscalatedOn, UrgeBy: now.UrgeBy, Urged: now.Urged, Above: registry.Above(k.Service.Directory(), now.Unit)}
	if s.Far != "" {
		s.Above = "" // its own register gives it to the office above
	}
	if s.Above != "" && s.EscalatedOn == "" {
		s.EscalatesOn = registry.EscalateFrom(now.DueOn, now.Urged, k.Service.Pack(), cal)
	}
	s.Total, _ = cal.WorkingDaysBetween(s.Since, s.Due)
	s.Used, _ = cal.WorkingDaysBetween(s.Since, today)
	s.Used = max(0, s.Used)
	for i := range v.Steps {
		if v.Steps[i].State == "todo" {
			s.Next = &v.Steps[i]
			break
		}
	}
	if key := "case.effect." + string(v.Kind); s.Next == nil && k.words.has(lang, key) {
		s.Effect = k.words.say(lang, key)
	}
	k.strip(lang, s, cal, today)
	return s
}

// strip draws each day after the arrival (which does not count, Civil Code 201) to the last that matters, and gathers the days off.
func (k *console) strip(lang string, s *stepClock, cal *registry.Calendar, today registry.Date) {
	end := max(s.Due, min(today, s.Due.AddDays(21)))
	if s.Since == "" || s.Since.DaysUntil(end) > stripDays {
		return
	}
	told := map[string]bool{}
	for d := s.Since.AddDays(1); d <= end; d = d.AddDays(1) {
		works, _ := cal.IsWorkingDay(d)
		t, _ := parseDate(d)
		weekend := t.Weekday() == 0 || t.Weekday() == 6
		c := dayCell{Say: k.day(lang, d)}
		switch {
		case !works:
			c.Class = "off"
			if name, run := k.holiday(cal, d); name != "" {
				c.Say += " " + name
				if say := k.words.say(lang, "clock.holiday", "name", name, "from", k.day(lang, run.From), "to", k.day(lang, run.To)); !told[say] {
					told[say] = true
					s.Off = append(s.Off, say)
				}
			} else {
				s.Weekend++
			}
		case d > s.Due:
			c.Class = "over"
		case d == today:
			c.Class = "now"
		case d < today:
			c.Class = "past"
		default:
			c.Class = "left"
		}
		if d == s.Due {
			c.Class += " due"
		}
		if works && weekend {
			s.MakeUp = append(s.MakeUp, k.day(lang, d))
		}
		s.Days = append(s.Days, c)
	}
}

// holiday names the run of days off that holds d.
func (k *console) holiday(cal *registry.Calendar, d registry.Date) (string, registry.DaysOff) {
	for _, y := range cal.Years() {
		for _, r := range y.Off {
			if r.From <= d && d <= r.To {
				return r.Name, r
			}
		}
	}
	return "", registry.DaysOff{}
}

// OffSay joins the holidays.
func (s *stepClock) OffSay(sep string) string { return strings.Join(s.Off, sep) }

// MakeUpSay joins the make-up days.
func (s *stepClock) MakeUpSay(sep string) string { return strings.Join(s.MakeUp, sep) }
