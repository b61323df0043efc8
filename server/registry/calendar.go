package registry

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Calendar counts working days by the State Council's yearly notices: weekdays named off are off, Saturdays and Sundays named as make-up days (调休) count.
// Days of a year without a notice are counted Monday to Friday and reported unsure, never guessed in silence. It is immutable and safe for concurrent use.
type Calendar struct {
	years map[int]CalendarYear
	days  map[Date]bool // named days only: true is a working day
}

// CalendarYear is one year's arrangement and where it was published.
type CalendarYear struct {
	Year    int       `json:"year"`
	Notices []Notice  `json:"notices"`
	Off     []DaysOff `json:"off"`
	Work    []Date    `json:"work"` // make-up days; may fall in the last days of the year before
}

// Notice is the document that set the days.
type Notice struct {
	Number string `json:"number"` // 文号
	Source string `json:"source"` // where it was published
}

// DaysOff is a run of days off, both ends included.
type DaysOff struct {
	Name string `json:"name"`
	From Date   `json:"from"`
	To   Date   `json:"to"`
}

//go:embed data/holidays.json
var holidaysJSON []byte

var defaultCalendar = sync.OnceValue(func() *Calendar {
	c, err := LoadCalendar(holidaysJSON)
	if err != nil {
		panic(err) // the embedded file is broken: TestDefaultCalendar fails first
	}
	return c
})

// DefaultCalendar holds 2013–2026.
func DefaultCalendar() *Calendar { return defaultCalendar() }

// LoadCalendar reads years as data/holidays.json writes them; unknown members, a year twice and a day that is both off and worked are CodeInvalid.
func LoadCalendar(b []byte) (*Calendar, error) {
	var years []CalendarYear
	if err := decodeStrict(b, &years); err != nil {
		return nil, &Error{Code: CodeInvalid, Field: "calendar", Err: err}
	}
	c := &Calendar{years: map[int]CalendarYear{}, days: map[Date]bool{}}
	for _, y := range years {
		if err := c.add(y); err != nil {
			return nil, &Error{Code: CodeInvalid, Field: "calendar", Params: map[string]string{"year": fmt.Sprint(y.Year)}, Err: err}
		}
	}
	return c, nil
}

// With is the calendar with more years; a year that stands already is replaced. c is unchanged.
func (c *Calendar) With(years ...CalendarYear) (*Calendar, error) {
	all := map[int]CalendarYear{}
	for n, y := range c.years {
		all[n] = y
	}
	for _, y := range years {
		all[y.Year] = y
	}
	out := &Calendar{years: map[int]CalendarYear{}, days: map[Date]bool{}}
	for _, y := range all {
		if err := out.add(y); err != nil {
			return nil, &Error{Code: CodeInvalid, Field: "calendar", Params: map[string]string{"year": fmt.Sprint(y.Year)}, Err: err}
		}
	}
	return out, nil
}

func (c *Calendar) add(y CalendarYear) error {
	if _, twice := c.years[y.Year]; twice {
		return errors.New("year twice")
	}
	if len(y.Notices) == 0 || len(y.Off) == 0 {
		return errors.New("a year needs its notice and its days off")
	}
	put := func(d Date, work bool) error {
		if !d.Valid() || (d.Year() != y.Year && !(d.Year() == y.Year-1 && d[5:7] == "12")) {
			return fmt.Errorf("%q is no day of the arrangement of %d", string(d), y.Year)
		}
		if was, ok := c.days[d]; ok && was != work {
			return fmt.Errorf("%s is both off and worked", d)
		}
		c.days[d] = work
		return nil
	}
	for _, r := range y.Off {
		if !r.From.Valid() || !r.To.Valid() || r.To < r.From || r.From.DaysUntil(r.To) > 31 {
			return fmt.Errorf("days off %q to %q", string(r.From), string(r.To))
		}
		for d := r.From; d <= r.To; d = d.AddDays(1) {
			if err := put(d, false); err != nil {
				return err
			}
		}
	}
	for _, d := range y.Work {
		if err := put(d, true); err != nil {
			return err
		}
		if w := d.Weekday(); w != time.Saturday && w != time.Sunday {
			return fmt.Errorf("make-up day %s is no weekend day", d)
		}
	}
	c.years[y.Year] = y
	return nil
}

// Years lists the loaded years, ascending, with their notices.
func (c *Calendar) Years() []CalendarYear {
	out := make([]CalendarYear, 0, len(c.years))
	for _, y := range c.years {
		out = append(out, y)
	}
	slices.SortFunc(out, func(a, b CalendarYear) int { return a.Year - b.Year })
	return out
}

// IsWorkingDay says whether offices work on d. unsure: no notice covers it. The last days of December lean on the next year's notice too, which may take them
// into its New Year holiday, so they are unsure until that one is loaded.
func (c *Calendar) IsWorkingDay(d Date) (works, unsure bool) {
	if !d.Valid() {
		return false, true
	}
	if work, named := c.days[d]; named {
		return work, false
	}
	w := d.Weekday()
	_, this := c.years[d.Year()]
	_, next := c.years[d.Year()+1]
	return w != time.Saturday && w != time.Sunday, !this || (d[5:] >= "12-28" && !next)
}

// AddWorkingDays is the n-th working day after from: the day it starts is not counted (Civil Code 201). unsure: a day on the way has no notice loaded.
// n ≤ 0 is from itself; an invalid date is "", true.
func (c *Calendar) AddWorkingDays(from Date, n int) (due Date, unsure bool) {
	if !from.Valid() {
		return "", true
	}
	d := from
	for n > 0 {
		if d = d.AddDays(1); !d.Valid() {
			return "", true
		}
		works, doubt := c.IsWorkingDay(d)
		unsure = unsure || doubt
		if works {
			n--
		}
	}
	return d, unsure
}

// AddMonths ends on the corresponding date or the month's last day (Civil Code 202); a last day off moves to the next working day (203). unsure as above,
// for the last day only. An invalid date is "", true.
func (c *Calendar) AddMonths(from Date, n int) (due Date, unsure bool) {
	d := from.AddMonths(n)
	for d.Valid() {
		works, doubt := c.IsWorkingDay(d)
		unsure = unsure || doubt
		if works {
			return d, unsure
		}
		d = d.AddDays(1)
	}
	return "", true
}

// WorkingDaysBetween counts working days after from, up to and including to; negative when to is earlier.
func (c *Calendar) WorkingDaysBetween(from, to Date) (n int, unsure bool) {
	if !from.Valid() || !to.Valid() {
		return 0, true
	}
	sign := 1
	if to < from {
		from, to, sign = to, from, -1
	}
	for d := from.AddDays(1); d <= to && d.Valid(); d = d.AddDays(1) {
		works, doubt := c.IsWorkingDay(d)
		unsure = unsure || doubt
		if works {
			n++
		}
	}
	return sign * n, unsure
}

// decodeStrict refuses unknown members and anything after the value.
func decodeStrict(b []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}
