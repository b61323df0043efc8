package registry

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Pack is a dated rule pack: every number and guard of the regulation, as data. CN-2013 is complete; a province lays its own over it (Arts 11, 29).
// Decide reads numbers from here only. It is immutable and safe for concurrent use.
type Pack struct {
	Version     string `json:"version"`
	Title       string `json:"title"`
	EffectiveOn Date   `json:"effective_on"`

	// StepWorkingDays is the time of each party by kind of case, from the arrival (Art. 14: ten for a transfer; elsewhere 及时, a service level).
	StepWorkingDays map[CaseKind]int `json:"step_working_days"`
	// ArchiveBuildMonths counts from 入学之日 (Art. 7), ArchiveSendMonths from the completion of the transfer (Art. 15).
	ArchiveBuildMonths int `json:"archive_build_months"`
	ArchiveSendMonths  int `json:"archive_send_months"`
	// MissingWorkingDays is the sender's time to send after what the receiver missed, from the receipt (a service level).
	MissingWorkingDays int `json:"missing_working_days"`
	// SuspendMaxMonths is the longest suspension; SuspendAlertDays is how many civil days before its end the school is alerted.
	SuspendMaxMonths int `json:"suspend_max_months"`
	SuspendAlertDays int `json:"suspend_alert_days"`
	// SuspendedMayTransfer: whether a pupil in 休学 may transfer (T4 leaves it to the province).
	SuspendedMayTransfer bool `json:"suspended_may_transfer"`
	// TransferWindows are the times of the year in which a transfer may be started; none means always. TransferClosedGrades may not be entered at all.
	TransferWindows      []Window `json:"transfer_windows"`
	TransferClosedGrades []int    `json:"transfer_closed_grades"`
	// Evidence is how many files must be attached, by kind of case. Words of proof are always required.
	Evidence map[CaseKind]int `json:"evidence"`
	// ForeignNumber is the letter of a 学籍号 for pupils of Hong Kong, Macao, Taiwan and abroad: "J" or "L".
	ForeignNumber string `json:"foreign_number"`
	// Cards is what each business at a kiosk asks of the card; one that is not named asks for nothing beyond a good signature on this chip.
	Cards map[CardBusiness]CardDemand `json:"cards"`
	// PINTries wrong answers in a row close the guardian's second factor until the school sets a new one; PINDigits is its length.
	PINTries  int `json:"pin_tries"`
	PINDigits int `json:"pin_digits"`
}

// Window is a time of the year, both days included, as "01-02"; it may run over the new year.
type Window struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Holds reports whether d lies in the window.
func (w Window) Holds(d Date) bool {
	if !d.Valid() {
		return false
	}
	day := string(d[5:])
	if w.From <= w.To {
		return w.From <= day && day <= w.To
	}
	return day >= w.From || day <= w.To
}

//go:embed data/cn-2013.json
var cn2013JSON []byte

var defaultPack = sync.OnceValue(func() *Pack {
	p, err := LoadPack(cn2013JSON)
	if err != nil {
		panic(err) // the embedded file is broken: TestDefaultPack fails first
	}
	return p
})

// DefaultPack is CN-2013.
func DefaultPack() *Pack { return defaultPack() }

// LoadPack reads a whole pack, strictly, and validates it. CodeInvalid with Field naming the member.
func LoadPack(b []byte) (*Pack, error) {
	var p Pack
	if err := decodeStrict(b, &p); err != nil {
		return nil, &Error{Code: CodeInvalid, Field: "pack", Err: err}
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &p, nil
}

// Overlay lays a province's changes over p: members that b names replace p's, maps are merged. b must bring its own version and title. p is unchanged.
func (p *Pack) Overlay(b []byte) (*Pack, error) {
	base, err := json.Marshal(p)
	if err != nil {
		return nil, &Error{Code: CodeInternal, Err: err}
	}
	var out Pack
	if err := json.Unmarshal(base, &out); err != nil {
		return nil, &Error{Code: CodeInternal, Err: err}
	}
	out.Version, out.Title = "", ""
	if err := decodeStrict(b, &out); err != nil {
		return nil, &Error{Code: CodeInvalid, Field: "pack", Err: err}
	}
	if err := out.Validate(); err != nil {
		return nil, err
	}
	if out.Version == p.Version {
		return nil, &Error{Code: CodeInvalid, Field: "version", Err: errors.New("an overlay needs its own version")}
	}
	return &out, nil
}

// Validate refuses a pack with which a case could stand without a clock or a rule be empty by oversight.
func (p *Pack) Validate() error {
	bad := func(field string, format string, a ...any) error {
		return &Error{Code: CodeInvalid, Field: field, Err: fmt.Errorf(format, a...)}
	}
	if p.Version == "" || strings.ContainsAny(p.Version, " \t\n") {
		return bad("version", "is needed, without spaces")
	}
	if p.Title == "" {
		return bad("title", "is needed")
	}
	if !p.EffectiveOn.Valid() {
		return bad("effective_on", "is no date")
	}
	for _, k := range []CaseKind{CaseEnrol, CaseTransfer, CaseSuspend} {
		if n := p.StepWorkingDays[k]; n < 1 || n > 366 {
			return bad("step_working_days", "%s: 1 to 366", k)
		}
	}
	for k, n := range p.Evidence {
		if n < 0 || n > 20 {
			return bad("evidence", "%s: 0 to 20", k)
		}
	}
	for _, m := range []map[CaseKind]int{p.StepWorkingDays, p.Evidence} {
		for k := range m {
			if _, known := caseLetters[k]; !known {
				return bad("step_working_days", "unknown kind of case %q", k)
			}
		}
	}
	for _, n := range []struct {
		field     string
		value     int
		low, high int
	}{
		{"archive_build_months", p.ArchiveBuildMonths, 1, 24},
		{"archive_send_months", p.ArchiveSendMonths, 1, 24},
		{"missing_working_days", p.MissingWorkingDays, 1, 366},
		{"suspend_max_months", p.SuspendMaxMonths, 1, 120},
		{"suspend_alert_days", p.SuspendAlertDays, 0, 366},
		{"pin_tries", p.PINTries, 1, 100},
		{"pin_digits", p.PINDigits, 4, 12},
	} {
		if n.value < n.low || n.value > n.high {
			return bad(n.field, "%d to %d", n.low, n.high)
		}
	}
	for _, w := range p.TransferWindows {
		if !Date("2000-"+w.From).Valid() || !Date("2000-"+w.To).Valid() {
			return bad("transfer_windows", "days are written 08-15")
		}
	}
	for _, g := range p.TransferClosedGrades {
		if g < 1 || g > 12 {
			return bad("transfer_closed_grades", "1 to 12")
		}
	}
	for use, w := range p.Cards {
		switch {
		case !slices.Contains(CardBusinesses(), use):
			return bad("cards", "unknown business %q", use)
		case w.Level < 0 || w.Level > 3:
			return bad("cards", "%s: level 0 to 3", use)
		case w.StaleDays < 0 || w.StaleDays > 366:
			return bad("cards", "%s: stale_days 0 to 366", use)
		case w.Otherwise != OtherwiseRefuse && w.Otherwise != OtherwiseConfirm:
			return bad("cards", "%s: otherwise is refuse or confirm", use)
		}
	}
	if p.ForeignNumber != "J" && p.ForeignNumber != "L" {
		return bad("foreign_number", "J or L")
	}
	return nil
}

// TransferOpen reports whether a transfer may be started on d, and the windows as text for the refusal.
func (p *Pack) TransferOpen(d Date) (open bool, windows string) {
	if len(p.TransferWindows) == 0 {
		return true, ""
	}
	var text []string
	for _, w := range p.TransferWindows {
		text = append(text, w.From+"/"+w.To)
	}
	return slices.ContainsFunc(p.TransferWindows, func(w Window) bool { return w.Holds(d) }), strings.Join(text, ", ")
}
