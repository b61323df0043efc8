package consoletest

import (
	"context"
	"slices"
	"time"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// supervised is what the fake knows of supervision: findings of the two schools of the county, one order answered, a term's letter, a year's figures.
func (f *Fake) findings() []service.FindingRow {
	school, county := f.schools[0].Code, f.schools[0].Authority
	row := func(k supervise.Kind, u registry.Unit, name, why string, since registry.Date, severe bool) service.FindingRow {
		r := service.FindingRow{Finding: store.Finding{Hit: supervise.Hit{Kind: k, Unit: u, Key: why, Why: why, Since: since}}, Name: name, Severe: severe, Mine: u.IsSchool()}
		if name != "" {
			r.UID = f.UID(name)
		}
		return r
	}
	hand := row(8, school, "", "hand", "2026-11-02", false)
	hand.Words = "巡查发现学籍卡未按班存放"
	return []service.FindingRow{row(1, school, "王子涵", "archive_build", "2026-10-02", true), row(2, school, RareName, "id_differs", "2026-09-01", true), row(3, school, DotName, "no_evidence", "2026-11-20", false),
		row(4, school, "胡明轩", "not_returned", "2026-11-10", false), row(5, school, LongName, "likeness", "2026-11-12", false), row(6, county, "李思源", "step", "2026-11-16", false), row(7, school, "", "alert", "2026-11-18", false), hand}
}

func (f *Fake) superviseMay(who service.Staff) error {
	switch who.Role {
	case registry.RoleRegistrar, registry.RoleLeader, registry.RoleOfficer:
		return nil
	}
	return &registry.Error{Code: registry.CodeForbidden}
}

// Board counts the findings.
func (f *Fake) Board(_ context.Context, who service.Staff) (service.Board, error) {
	if err := f.superviseMay(who); err != nil {
		return service.Board{}, err
	}
	b := service.Board{Today: f.Today(), Severe: "2026-10-10", Taken: f.Now, Orders: 1}
	units := []registry.Unit{who.Unit}
	for _, s := range f.schools {
		if who.Role == registry.RoleOfficer && s.Authority == who.Unit {
			units = append(units, s.Code)
		}
	}
	for _, u := range units {
		row := service.BoardUnit{Unit: u, Mine: u != who.Unit}
		for _, r := range f.findings() {
			if r.Unit != u {
				continue
			}
			for _, k := range []int{0, int(r.Kind)} {
				row.Counts[k].N++
				b.Total[k].N++
				if r.Severe {
					row.Counts[k].Severe++
					b.Total[k].Severe++
				}
			}
		}
		b.Units = append(b.Units, row)
	}
	return b, nil
}

// RefreshFindings has nothing to look at.
func (f *Fake) RefreshFindings(_ context.Context, who service.Staff) (bool, error) {
	if err := f.superviseMay(who); err != nil || who.Unit.IsSchool() {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look = &store.Import{ID: "look-1", Unit: who.Unit, State: "running", Total: 61, Done: 17, CreatedAt: f.Now, UpdatedAt: f.Now}
	return true, nil
}

// LastLook is it.
func (f *Fake) LastLook(_ context.Context, who service.Staff) (*store.Import, error) {
	if err := f.superviseMay(who); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.look == nil || f.look.Unit != who.Unit {
		return nil, nil
	}
	l := *f.look
	return &l, nil
}

// CancelLook ends it.
func (f *Fake) CancelLook(_ context.Context, _ service.Staff) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.look == nil {
		return registry.ErrNotFound
	}
	f.look.State = "cancelled"
	return nil
}

// FindingList narrows them.
func (f *Fake) FindingList(_ context.Context, who service.Staff, unit registry.Unit, kind supervise.Kind, limit, offset int) ([]service.FindingRow, error) {
	if err := f.superviseMay(who); err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(f.findings(), func(r service.FindingRow) bool {
		return unit != "" && r.Unit != unit || kind != 0 && r.Kind != kind
	})
	return out[min(offset, len(out)):min(offset+limit, len(out))], nil
}

// AddFinding notes what was asked.
func (f *Fake) AddFinding(_ context.Context, _ service.Staff, unit registry.Unit, words string) error {
	if words == "" {
		return &registry.Error{Code: registry.CodeInvalid, Field: "words"}
	}
	f.Posted = append(f.Posted, unit, words)
	return nil
}

// CloseFinding notes what was asked.
func (f *Fake) CloseFinding(_ context.Context, _ service.Staff, unit registry.Unit, id string) error {
	f.Posted = append(f.Posted, unit, id)
	return nil
}

func (f *Fake) corrections(who service.Staff) []supervise.Order {
	officer := registry.Actor{Account: "o", Name: "周敏", Unit: f.schools[0].Authority, Role: registry.RoleOfficer}
	o := supervise.Order{No: "ZG-2026-330106-0001", By: officer.Unit, To: f.schools[0].Code, Kinds: []supervise.Kind{1, 6}, Findings: []string{"1//archive_build"}, State: supervise.Open, DueOn: "2026-12-10", Version: 1,
		Rounds: []supervise.Round{{On: "2026-11-26", Officer: officer, Text: "请补建档案。", DueOn: "2026-12-10"}}}
	done := o
	done.No, done.State = "ZG-2026-330106-0002", supervise.Closed
	done.Rounds = []supervise.Round{{On: "2026-09-26", Officer: officer, Text: "请补建档案。", DueOn: "2026-10-20", Answer: "已补建。", Files: []string{"ab"}, AnsweredOn: "2026-10-12", AnsweredBy: registry.Actor{Name: "李文"}, Note: "核查无误。",
		JudgedOn: "2026-10-13", JudgedBy: officer}}
	if who.Role == registry.RoleOfficer {
		o.State = supervise.Answered
		o.Rounds[0].Answer, o.Rounds[0].AnsweredOn = "已补建。", "2026-11-27"
	}
	return []supervise.Order{o, done}
}

// IssueOrder notes what was asked.
func (f *Fake) IssueOrder(_ context.Context, who service.Staff, to registry.Unit, kinds []supervise.Kind, findings []string, words string) (string, error) {
	if words == "" || len(findings) == 0 {
		return "", &registry.Error{Code: registry.CodeInvalid, Field: "text"}
	}
	f.Posted = append(f.Posted, to, findings, words)
	return "ZG-2026-330106-0001", nil
}

// Corrections lists the two orders.
func (f *Fake) Corrections(_ context.Context, who service.Staff) ([]supervise.Order, error) {
	return f.corrections(who), f.superviseMay(who)
}

// Correction finds one.
func (f *Fake) Correction(_ context.Context, who service.Staff, no string) (supervise.Order, error) {
	for _, o := range f.corrections(who) {
		if o.No == no {
			return o, f.superviseMay(who)
		}
	}
	return supervise.Order{}, registry.ErrNotFound
}

// AnswerOrder notes what was asked.
func (f *Fake) AnswerOrder(_ context.Context, _ service.Staff, no, words string, files []service.Upload) error {
	if words == "" {
		return &registry.Error{Code: registry.CodeInvalid, Field: "answer"}
	}
	if err := f.Refuse; err != nil {
		f.Refuse = nil
		return err
	}
	f.Posted = append(f.Posted, no, words, len(files))
	return nil
}

// JudgeOrder notes what was asked.
func (f *Fake) JudgeOrder(_ context.Context, _ service.Staff, no string, again bool, words string) error {
	f.Posted = append(f.Posted, no, again, words)
	return nil
}

func paper() ([]byte, error) { return []byte("%PDF-1.7"), nil }

// OrderPaper and the other papers are a few bytes.
func (f *Fake) OrderPaper(context.Context, service.Staff, string) ([]byte, error) { return paper() }

// OrderFile has none.
func (f *Fake) OrderFile(context.Context, service.Staff, string, string) (store.File, error) {
	return store.File{}, registry.ErrNotFound
}

// Statistics is a small year.
func (f *Fake) Statistics(_ context.Context, who service.Staff, year int) (service.Statistics, error) {
	if err := f.superviseMay(who); err != nil {
		return service.Statistics{}, err
	}
	if year == 2024 {
		return service.Statistics{Year: 2024, Years: []int{2026, 2025, 2024}, Missing: 3}, nil
	}
	a, b := f.schools[0], f.schools[1]
	row := service.StatRow{Unit: a.Code, Grade: 1, N: 30, Male: 16, Female: 14, Enrolled: 28, Suspended: 1, Dropout: 1, In: 3, Out: 1}
	return service.Statistics{Year: 2026, Years: []int{2026, 2025, 2024}, Taken: "2026-11-28", Missing: 1, Total: row, Schools: []service.StatRow{row}, Grades: []service.StatRow{row},
		Homes:    []service.StatRow{{N: 20}, {Residence: "other", N: 10}, {Residence: "unknown", N: 1}, {Residence: "city", N: 1}, {Residence: "province", N: 1}},
		Standing: map[registry.Standing]int{registry.StandingEnrolled: 28, registry.StandingSuspended: 2}, Months: []service.MonthFlow{{Month: "2026-09", In: 12, Out: 3, Inner: 5}, {Month: "2026-10", In: 2, Out: 1}},
		Flows: []service.FlowLink{{From: b.Code, To: a.Code, N: 9}}, Places: []string{string(a.Code), b.Region, ""}, Map: [][]int{{0, 2, 1}, {9, 0, 0}, {1, 0, 0}},
		Clocks: []service.ClockRow{{Unit: a.Authority, Clock: supervise.Clock{Done: 12, Late: 2, Open: 3, Overdue: 1, Days: 40}}, {Unit: a.Code, Clock: supervise.Clock{Open: 1}}}, In: 14, Out: 4, Inner: 5}, nil
}

// StatisticsBook is a few bytes.
func (f *Fake) StatisticsBook(_ context.Context, who service.Staff, _ int) ([]byte, error) {
	return []byte("PK"), f.superviseMay(who)
}

// Letters has one of each state.
func (f *Fake) Letters(_ context.Context, who service.Staff) ([]service.Letter, error) {
	if err := f.superviseMay(who); err != nil || who.Role == registry.RoleLeader {
		return nil, err
	}
	var out []service.Letter
	for i, t := range supervise.Terms(f.Pack(), f.Today(), 3) {
		l := service.Letter{School: f.schools[0].Code, County: registry.Unit(f.schools[0].Region), Term: t, In: 2, Out: 1, Ended: i > 0, MaySend: i == 1, MaySee: i == 2}
		if i == 2 {
			l.Mark.SentAt = f.Now.Add(-time.Hour)
		}
		out = append(out, l)
	}
	return out, nil
}

// LetterPaper is a few bytes.
func (f *Fake) LetterPaper(context.Context, service.Staff, registry.Unit, string) ([]byte, error) {
	return paper()
}

// MarkLetter notes what was asked.
func (f *Fake) MarkLetter(_ context.Context, _ service.Staff, school registry.Unit, term string) error {
	f.Posted = append(f.Posted, school, term)
	return nil
}

// StaffRegister lists the fake's staff.
func (f *Fake) StaffRegister(_ context.Context, who service.Staff) (service.StaffRegister, error) {
	if err := f.superviseMay(who); err != nil {
		return service.StaffRegister{}, err
	}
	r := service.StaffRegister{Year: "2026", MaySend: true, Marks: []store.Mark{{Unit: who.Unit}, {Unit: f.schools[1].Code, SentAt: f.Now}}}
	for _, s := range f.Staff {
		r.Rows = append(r.Rows, s.Account)
	}
	return r, nil
}

// StaffRegisterPaper is a few bytes.
func (f *Fake) StaffRegisterPaper(context.Context, service.Staff) ([]byte, error) { return paper() }

// StaffRegisterBook is a few bytes.
func (f *Fake) StaffRegisterBook(context.Context, service.Staff) ([]byte, error) {
	return []byte("PK"), nil
}

// MarkStaffRegister notes what was asked.
func (f *Fake) MarkStaffRegister(_ context.Context, _ service.Staff, unit registry.Unit) error {
	f.Posted = append(f.Posted, unit)
	return nil
}

// InspectionReport is a few bytes.
func (f *Fake) InspectionReport(context.Context, service.Staff) ([]byte, error) { return paper() }

// ParentLetter is a few bytes.
func (f *Fake) ParentLetter(context.Context, service.Staff, string) ([]byte, error) { return paper() }

// Absences lists who stays away at the own school, or under an office.
func (f *Fake) Absences(_ context.Context, who service.Staff, ask service.AbsenceAsk) (service.Absences, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out service.Absences
	if who.Role != registry.RoleRegistrar && who.Role != registry.RoleLeader && who.Role != registry.RoleOfficer {
		return out, &registry.Error{Code: registry.CodeForbidden}
	}
	for _, uid := range f.order {
		l := f.pupils[uid]
		a := l.p.Absent()
		if a == nil || !f.inScope(who, l.p.School) {
			continue
		}
		cl := service.AbsenceClass{School: l.p.School, Grade: l.p.Grade, Class: l.p.Class, N: 1}
		if a.DueOn < f.Today() {
			cl.Late = 1
		}
		if i := slices.IndexFunc(out.Classes, func(o service.AbsenceClass) bool {
			return o.School == cl.School && o.Grade == cl.Grade && o.Class == cl.Class
		}); i >= 0 {
			out.Classes[i].N++
			out.Classes[i].Late += cl.Late
		} else {
			out.Classes = append(out.Classes, cl)
		}
		if ask.Class == "" || ask.Grade == l.p.Grade && ask.Class == l.p.Class {
			out.Rows = append(out.Rows, service.AbsenceRow{Summary: f.summary(l), Absence: *a})
		}
	}
	out.Total = len(out.Rows)
	return out, nil
}
