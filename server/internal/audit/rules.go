package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"xueji/server/registry"
)

// Rules say what reading is unusual. They are data: a register replaces them whole (setting audit/rules). 0 leaves a rule out.
type Rules struct {
	// Pupils read in an hour and in a day: more than the bound and more than Times what the unit's accounts usually read in a day.
	PupilsPerHour int `json:"pupils_per_hour"`
	PupilsPerDay  int `json:"pupils_per_day"`
	Times         int `json:"times"`
	// Looks without a case behind them in a day; looks and searches at night; searches for other units' pupils; unmasking in a day.
	BarePerDay    int `json:"bare_per_day"`
	AtNight       int `json:"at_night"`
	OutsidePerDay int `json:"outside_per_day"`
	UnmaskPerDay  int `json:"unmask_per_day"`
	// Night is from this hour to that one, Beijing time.
	NightFrom int `json:"night_from"`
	NightTo   int `json:"night_to"`
}

// DefaultRules are what a register begins with.
var DefaultRules = Rules{PupilsPerHour: 60, PupilsPerDay: 150, Times: 4, BarePerDay: 60, AtNight: 3, OutsidePerDay: 15, UnmaskPerDay: 20, NightFrom: 22, NightTo: 6}

// Valid refuses rules that mean nothing.
func (r Rules) Valid() bool {
	for _, n := range []int{r.PupilsPerHour, r.PupilsPerDay, r.Times, r.BarePerDay, r.AtNight, r.OutsidePerDay, r.UnmaskPerDay} {
		if n < 0 {
			return false
		}
	}
	return r.NightFrom >= 0 && r.NightFrom < 24 && r.NightTo >= 0 && r.NightTo < 24
}

// Night reports whether an instant lies in the night.
func (r Rules) Night(at time.Time) bool {
	h := at.In(registry.Beijing).Hour()
	if r.NightFrom <= r.NightTo {
		return h >= r.NightFrom && h < r.NightTo
	}
	return h >= r.NightFrom || h < r.NightTo
}

// Names of rules, as they stand in alerts and catalogues.
const (
	RuleHour    = "hour"
	RuleDay     = "day"
	RuleBare    = "bare"
	RuleNight   = "night"
	RuleOutside = "outside"
	RuleUnmask  = "unmask"
	RuleForged  = "forged" // an entry that this register did not write
)

// Raised is an alert.
type Raised struct {
	ID      string
	At      time.Time
	Rule    string
	Account string
	Unit    registry.Unit
	Day     registry.Date
	N       int // what was counted
	Bound   int // what would have been usual
	// AnsweredAt is when somebody looked into it, zero while nobody did. Answer is sealed by the service.
	AnsweredAt time.Time
	AnsweredBy string
	Answer     []byte
}

// Reading is one account's reading that rules judge.
type Reading struct {
	Account    string
	Unit       registry.Unit
	Day        registry.Date
	At         time.Time
	Hour       int // different pupils in the last hour
	Counts     map[string]int
	UnitHabits []int // different pupils a day, of the unit's accounts on earlier days
}

// Judge raises what is unusual. It is pure: the same reading gives the same alerts with the same ids.
func (r Rules) Judge(x Reading) []Raised {
	var out []Raised
	raise := func(rule, span string, n, bound int) {
		if bound > 0 && n > bound {
			out = append(out, Raised{ID: rule + "/" + x.Account + "/" + span, At: x.At, Rule: rule, Account: x.Account, Unit: x.Unit, Day: x.Day, N: n, Bound: bound})
		}
	}
	usual := func(bound int) int {
		if bound == 0 {
			return 0
		}
		return max(bound, r.Times*median(x.UnitHabits))
	}
	raise(RuleHour, x.At.UTC().Format("2006-01-02T15"), x.Hour, usual(r.PupilsPerHour))
	raise(RuleDay, string(x.Day), x.Counts[DayPupils], usual(r.PupilsPerDay))
	raise(RuleBare, string(x.Day), x.Counts[DayBare], r.BarePerDay)
	raise(RuleNight, string(x.Day), x.Counts[DayNight], r.AtNight)
	raise(RuleOutside, string(x.Day), x.Counts[DayOutside], r.OutsidePerDay)
	raise(RuleUnmask, string(x.Day), x.Counts[string(Unmask)], r.UnmaskPerDay)
	return out
}

func median(v []int) int {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// Count says what an entry adds to its account's day.
func (r Rules) Count(e Entry) []Day {
	if e.Account == "" || e.Account == "system" || e.Kind == Baseline {
		return nil
	}
	day := registry.DateOf(e.At)
	add := func(what string) Day { return Day{Account: e.Account, Day: day, What: what, Unit: e.Unit, N: 1} }
	out := []Day{add(string(e.Kind))}
	switch e.Kind {
	case Look:
		if e.Case == "" && e.Why != WhyCard && e.Why != WhyPresent {
			out = append(out, add(DayBare))
		}
		if r.Night(e.At) {
			out = append(out, add(DayNight))
		}
	case Search, Find:
		if e.Outside {
			out = append(out, add(DayOutside))
		}
		if r.Night(e.At) {
			out = append(out, add(DayNight))
		}
	}
	return out
}

// ParseRules reads rules from JSON, strictly; members left out are those of DefaultRules.
func ParseRules(b []byte) (Rules, error) {
	r := DefaultRules
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Rules{}, fmt.Errorf("audit: rules: %w", err)
	}
	if !r.Valid() {
		return Rules{}, errors.New("audit: rules: a number is out of its range")
	}
	return r, nil
}
