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
	// DropoutMayTransfer: whether a pupil who dropped out may be called over by another school, which ends the dropout.
	DropoutMayTransfer bool `json:"dropout_may_transfer"`
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

	// Province is the two digits a layer is for; "" is the country. Draft: the layer is for trying and dry runs, a PackSet never chooses it.
	Province string `json:"province,omitempty"`
	Draft    bool   `json:"draft,omitempty"`
	// Unconfirmed names members that the text leaves to practice or that no source confirmed, Notes says what is known of them. They are for people, not for rules.
	Unconfirmed []string          `json:"unconfirmed,omitempty"`
	Notes       map[string]string `json:"notes,omitempty"`
	// Titles are official words that this pack changes, by code ("reform": 专门学校).
	Titles map[string]string `json:"titles,omitempty"`

	// KeyItems are the items whose correction wants both approvals (Art. 10).
	KeyItems []FieldKey `json:"key_items"`
	// EntryGrades are where schooling begins; LateEntryReason: whether an enrolment elsewhere must say why.
	EntryGrades     []int `json:"entry_grades"`
	LateEntryReason bool  `json:"late_entry_reason"`
	// NoIDToProvince: a pupil without any document of their own is approved level by level to the province, on one guardian's document at least (T1).
	NoIDToProvince bool `json:"no_id_to_province"`
	// EraseGToNation: a G number's erasure is proved by the province and approved by the nation (T13).
	EraseGToNation bool `json:"erase_g_to_nation"`
	// CompulsoryTo is the last grade of the compulsory years; SchoolYearEnds the last day of a school year, Terms its terms, as "01-02".
	CompulsoryTo   int      `json:"compulsory_to"`
	SchoolYearEnds string   `json:"school_year_ends"`
	Terms          []Window `json:"terms"`
	// StageEnds are the last grades of the stages; PromoteOver those of them that 升级 passes where one school teaches both stages. Promotion is its time of the year.
	StageEnds   []int  `json:"stage_ends"`
	PromoteOver []int  `json:"promote_over"`
	Promotion   Window `json:"promotion"`
	// RepeatGrades and SkipGrades are the grades from which 留级 and 跳级 are allowed (Art. 11); FinishGrades by what a finish leads to.
	RepeatGrades []int              `json:"repeat_grades"`
	SkipGrades   []int              `json:"skip_grades"`
	FinishGrades map[Standing][]int `json:"finish_grades"`
	// ArchiveKeepMonths counts from the end of schooling to permanent keeping (Art. 9; a service level).
	ArchiveKeepMonths int `json:"archive_keep_months"`
	// ExtendMaxMonths bounds a suspension with all its extensions.
	ExtendMaxMonths int `json:"extend_max_months"`
	// DeathWorkingDays counts from the day the school knew (Art. 21), DropoutWorkingDays from the record of a dropout to the three reports (Art. 22: 依法及时).
	DeathWorkingDays   int `json:"death_working_days"`
	DropoutWorkingDays int `json:"dropout_working_days"`
	// AbsenceContactDays and AbsenceReportDays are school days after the first day of an unexplained absence: the family has been spoken with, and the dropout is
	// reported (Art. 22: 及时; a service level). AbsenceAlertDays is how many civil days before the latter the to-do list shows it.
	AbsenceContactDays int `json:"absence_contact_days"`
	AbsenceReportDays  int `json:"absence_report_days"`
	AbsenceAlertDays   int `json:"absence_alert_days"`
	// EscalateWorkingDays after its due day an overdue step or archive is given to the office above, which has UrgeWorkingDays.
	EscalateWorkingDays int `json:"escalate_working_days"`
	UrgeWorkingDays     int `json:"urge_working_days"`
	// OrderWorkingDays is a unit's time to answer an order to correct (Arts 26, 27; a service level).
	OrderWorkingDays int `json:"order_working_days"`
	// Windows are times of the year for kinds of cases besides the transfer.
	Windows map[CaseKind][]Window `json:"windows,omitempty"`
	// Conditions are guards in the small table language of condition.go.
	Conditions []Condition `json:"conditions,omitempty"`
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

// LoadPack reads a whole pack, strictly, and validates it. CodeInvalid with Field naming the member and Params "line" its line, where the text has it.
func LoadPack(b []byte) (*Pack, error) {
	var p Pack
	if err := decodeStrict(b, &p); err != nil {
		return nil, packError(b, &Error{Code: CodeInvalid, Field: "pack", Err: err})
	}
	if err := p.Validate(); err != nil {
		return nil, packError(b, err)
	}
	return &p, nil
}

// Overlay lays a province's changes over p: members that b names replace p's, maps are merged, a condition replaces the one of its id and others are added. b must
// bring its own version and title. p is unchanged. Errors are as LoadPack's.
func (p *Pack) Overlay(b []byte) (*Pack, error) {
	base, err := json.Marshal(p)
	if err != nil {
		return nil, &Error{Code: CodeInternal, Err: err}
	}
	var out Pack
	if err := json.Unmarshal(base, &out); err != nil {
		return nil, &Error{Code: CodeInternal, Err: err}
	}
	out.Version, out.Title, out.Draft, out.Unconfirmed, out.Notes = "", "", false, nil, nil
	below := out.Conditions
	out.Conditions = nil
	if err := decodeStrict(b, &out); err != nil {
		return nil, packError(b, &Error{Code: CodeInvalid, Field: "pack", Err: err})
	}
	if err := out.Validate(); err != nil {
		return nil, packError(b, err)
	}
	out.Conditions = layer(below, out.Conditions)
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
	for _, k := range steppedKinds {
		if n := p.StepWorkingDays[k]; n < 1 || n > 366 {
			return bad("step_working_days."+string(k), "%s: 1 to 366", k)
		}
	}
	for k, n := range p.Evidence {
		if n < 0 || n > 20 {
			return bad("evidence."+string(k), "%s: 0 to 20", k)
		}
	}
	for member, m := range map[string]map[CaseKind]int{"step_working_days": p.StepWorkingDays, "evidence": p.Evidence} {
		for k := range m {
			if _, known := caseLetters[k]; !known {
				return bad(member+"."+string(k), "unknown kind of case %q", k)
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
		{"compulsory_to", p.CompulsoryTo, 1, 12},
		{"archive_keep_months", p.ArchiveKeepMonths, 1, 60},
		{"extend_max_months", p.ExtendMaxMonths, p.SuspendMaxMonths, 120},
		{"death_working_days", p.DeathWorkingDays, 1, 366},
		{"dropout_working_days", p.DropoutWorkingDays, 1, 366},
		{"absence_contact_days", p.AbsenceContactDays, 1, 60},
		{"absence_report_days", p.AbsenceReportDays, p.AbsenceContactDays, 60},
		{"absence_alert_days", p.AbsenceAlertDays, 0, 60},
		{"escalate_working_days", p.EscalateWorkingDays, 1, 366},
		{"urge_working_days", p.UrgeWorkingDays, 1, 366},
		{"order_working_days", p.OrderWorkingDays, 1, 366},
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
	return p.validateLife(bad)
}

// validateLife is Validate for the parts after enrolment and transfer.
func (p *Pack) validateLife(bad func(field, format string, a ...any) error) error {
	if len(p.Province) != 0 && (len(p.Province) != 2 || !knownProvince(p.Province)) {
		return bad("province", "two digits of a province")
	}
	if len(p.KeyItems) == 0 {
		return bad("key_items", "none")
	}
	for i, k := range p.KeyItems {
		if _, ok := FieldOf(k); !ok {
			return bad(fmt.Sprintf("key_items.%d", i), "no item %q", k)
		}
	}
	grades := map[string][]int{"entry_grades": p.EntryGrades, "stage_ends": p.StageEnds, "promote_over": p.PromoteOver, "repeat_grades": p.RepeatGrades, "skip_grades": p.SkipGrades}
	for end, g := range p.FinishGrades {
		if !end.Ended() || end == StandingDeceased {
			return bad("finish_grades."+string(end), "no such end")
		}
		grades["finish_grades."+string(end)] = g
	}
	for field, list := range grades {
		for _, g := range list {
			if g < 1 || g > 12 {
				return bad(field, "grades are 1 to 12")
			}
		}
	}
	if len(p.EntryGrades) == 0 || len(p.StageEnds) == 0 {
		return bad("stage_ends", "entry grades and stage ends are needed")
	}
	if !dayOfYear(p.SchoolYearEnds) {
		return bad("school_year_ends", "days are written 08-31")
	}
	if len(p.Terms) == 0 {
		return bad("terms", "at least one")
	}
	for field, list := range map[string][]Window{"terms": p.Terms, "promotion": {p.Promotion}} {
		for _, w := range list {
			if !dayOfYear(w.From) || !dayOfYear(w.To) {
				return bad(field, "days are written 08-15")
			}
		}
	}
	if p.Promotion.From > p.Promotion.To {
		return bad("promotion", "lies within one calendar year")
	}
	for k, list := range p.Windows {
		if _, known := caseLetters[k]; !known || k == CaseTransfer {
			return bad("windows."+string(k), "unknown kind of case, or transfer_windows is meant")
		}
		for _, w := range list {
			if !dayOfYear(w.From) || !dayOfYear(w.To) {
				return bad("windows."+string(k), "days are written 08-15")
			}
		}
	}
	return validateConditions(p.Conditions, bad)
}

// steppedKinds are the kinds of case whose steps wait for somebody: each needs a clock.
var steppedKinds = []CaseKind{CaseEnrol, CaseTransfer, CaseSuspend, CaseCorrect, CaseAdvance, CaseFinish, CaseRepeat, CaseSkip, CaseExtend, CaseHome, CaseDeath,
	CaseArrange, CaseProblem, CaseErase}

func dayOfYear(s string) bool { return Date("2000-" + s).Valid() }

// SchoolYear is the autumn in which the school year of d began.
func (p *Pack) SchoolYear(d Date) int {
	if string(d[5:]) > p.SchoolYearEnds {
		return d.Year()
	}
	return d.Year() - 1
}

// TermEnd is the last day of the term that d lies in, or of the next one.
func (p *Pack) TermEnd(d Date) Date {
	var out Date
	for _, w := range p.Terms {
		for y := d.Year(); y <= d.Year()+1; y++ {
			end := NewDate(y, 1, 1)
			if e := Date(fmt.Sprintf("%04d-%s", y, w.To)); e.Valid() {
				end = e
			}
			if end >= d && (out == "" || end < out) {
				out = end
			}
		}
	}
	return out
}

// CompulsoryEnd is the last day of the compulsory years of a pupil who is in a grade on d.
func (p *Pack) CompulsoryEnd(grade int, d Date) Date {
	return Date(fmt.Sprintf("%04d-%s", p.SchoolYear(d)+1+max(p.CompulsoryTo-grade, 0), p.SchoolYearEnds))
}

// Open reports whether a case of the kind may be started on d, and the windows as text for the refusal.
func (p *Pack) Open(k CaseKind, d Date) (open bool, windows string) {
	if k == CaseTransfer {
		return p.TransferOpen(d)
	}
	return openIn(p.Windows[k], d)
}

// TitleOf is the official word for a code, where this pack changes it; else the word given.
func (p *Pack) TitleOf(code, title string) string {
	if t := p.Titles[code]; t != "" {
		return t
	}
	return title
}

// TransferOpen reports whether a transfer may be started on d, and the windows as text for the refusal.
func (p *Pack) TransferOpen(d Date) (open bool, windows string) {
	return openIn(p.TransferWindows, d)
}

func openIn(list []Window, d Date) (open bool, windows string) {
	if len(list) == 0 {
		return true, ""
	}
	var text []string
	for _, w := range list {
		text = append(text, w.From+"/"+w.To)
	}
	return slices.ContainsFunc(list, func(w Window) bool { return w.Holds(d) }), strings.Join(text, ", ")
}
