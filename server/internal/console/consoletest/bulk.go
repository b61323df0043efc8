package consoletest

import (
	"context"
	"io"
	"slices"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

// Bulked are runs that the fake shows, with their rows; a test may add to them.
type Bulked struct {
	Run  store.BulkRun
	Rows []store.BulkRow
}

func (f *Fake) bulked() []Bulked {
	if f.Runs == nil {
		by := f.Staff["registrar"].Actor("console")
		var rows []store.BulkRow
		for i, uid := range f.order {
			p := f.Get(uid)
			if p.School != f.Staff["registrar"].Unit || len(rows) >= 12 {
				continue
			}
			r := store.BulkRow{UID: uid, Pos: i + 1, Class: "03 1班", State: []string{store.RowDone, store.RowFailed, store.RowWaiting}[len(rows)%3], At: f.Now}
			if r.State == store.RowFailed {
				r.Doc = store.BulkMark{Code: registry.CodeWrongState, Params: map[string]string{"why": "stage_end"}, Note: "与户口簿不一致"}
			}
			rows = append(rows, r)
		}
		school := f.Staff["registrar"].Unit
		f.Runs = []Bulked{
			{store.BulkRun{ID: "b-1", Kind: store.BulkPromote, School: school, Period: "2026", Unit: school, State: store.BulkDone, Doc: store.BulkDoc{By: by, Year: 2026}, CreatedAt: f.Now}, rows},
			{store.BulkRun{ID: "b-2", Kind: store.BulkFinish, School: school, Unit: school, State: store.BulkRunning, Doc: store.BulkDoc{By: by}, CreatedAt: f.Now}, rows},
			{store.BulkRun{ID: "rv-1", Kind: store.BulkReview, School: school, Period: service.TermOf(registry.DefaultPack(), f.Today()), Unit: school, State: store.BulkOpen, Doc: store.BulkDoc{By: by}, CreatedAt: f.Now}, rows},
			{store.BulkRun{ID: "b-3", Kind: store.BulkEndUnit, School: school, Unit: f.Staff["officer"].Unit, State: store.BulkDone,
				Doc: store.BulkDoc{By: by, To: f.Staff["officer"].Unit, State: string(registry.UnitClosed), Ref: "云教〔2026〕8号"}, CreatedAt: f.Now}, rows},
			{store.BulkRun{ID: "b-4", Kind: store.BulkDecide, School: f.Staff["officer"].Unit, Unit: f.Staff["officer"].Unit, State: store.BulkCancelled,
				Doc: store.BulkDoc{By: f.Staff["officer"].Actor("console"), Step: &registry.DecideStep{Decision: registry.DecisionAccept}}, CreatedAt: f.Now}, rows},
		}
	}
	for i := range f.Runs {
		r := &f.Runs[i].Run
		r.Total, r.Done, r.Failed = len(f.Runs[i].Rows), 0, 0
		for _, x := range f.Runs[i].Rows {
			switch x.State {
			case store.RowDone:
				r.Done++
			case store.RowFailed:
				r.Failed++
			}
		}
	}
	return f.Runs
}

func bulkSeen(who service.Staff) error {
	switch who.Role {
	case registry.RoleRegistrar, registry.RoleLeader, registry.RoleOfficer:
		return nil
	}
	return &registry.Error{Code: registry.CodeForbidden}
}

// PlanBulk plans everybody of the school, every third passed over.
func (f *Fake) PlanBulk(_ context.Context, who service.Staff, a service.BulkAsk) (service.BulkPlan, error) {
	if err := bulkSeen(who); err != nil {
		return service.BulkPlan{}, err
	}
	if a.School == "" {
		a.School = who.Unit
	}
	if a.Year == 0 {
		a.Year = f.Today().Year()
	}
	if a.End == "" {
		a.End = registry.StandingGraduated
	}
	if a.On == "" {
		a.On = f.Today()
	}
	p := service.BulkPlan{Ask: a, At: f.Today(), Pack: registry.DefaultPack()}
	for i, r := range f.summaries(a.School) {
		pupil := f.Get(r.UID)
		row := service.PlanRow{Summary: r, ToGrade: r.Grade + 1, ToClass: r.Class, Certificate: "20260001", Open: pupil.OpenCase()}
		switch {
		case row.Open != nil:
			row.Err = &registry.Error{Code: registry.CodeLocked, Params: map[string]string{"case": string(r.Lock)}}
		case i%3 == 2:
			row.Err = &registry.Error{Code: registry.CodeWrongState, Params: map[string]string{"why": "stay"}}
		}
		p.Rows = append(p.Rows, row)
		c := slices.IndexFunc(p.Classes, func(c service.PlanClass) bool { return c.Grade == r.Grade && c.Class == r.Class })
		if c < 0 {
			c = len(p.Classes)
			p.Classes = append(p.Classes, service.PlanClass{Grade: r.Grade, Class: r.Class, ToGrade: row.ToGrade})
		}
		if row.Err == nil {
			p.Classes[c].Go++
			continue
		}
		p.Classes[c].Stop++
		p.Classes[c].Whys = append(p.Classes[c].Whys, service.PlanWhy{Err: row.Err, N: 1})
	}
	return p, nil
}

func (f *Fake) summaries(school registry.Unit) []store.Summary {
	var out []store.Summary
	for _, uid := range f.order {
		if p := f.Get(uid); p.School == school && p.Standing.Living() {
			out = append(out, store.Summary{UID: uid, Name: p.Form[registry.FName], Sex: p.Form[registry.FSex], Birth: registry.Date(p.Form[registry.FBirth]), School: p.School, Grade: p.Grade, Class: p.Class,
				Number: p.Number, Standing: p.Standing, Lock: p.Lock})
		}
	}
	return out
}

// StartBulk remembers what was asked.
func (f *Fake) StartBulk(_ context.Context, who service.Staff, a service.BulkAsk) (store.BulkRun, error) {
	if !who.Unit.IsSchool() || bulkSeen(who) != nil {
		return store.BulkRun{}, &registry.Error{Code: registry.CodeForbidden}
	}
	if err := f.Refuse; err != nil {
		f.Refuse = nil
		return store.BulkRun{}, err
	}
	f.Posted = append(f.Posted, a)
	return f.bulked()[0].Run, nil
}

func (f *Fake) bulkOf(who service.Staff, id string) (*Bulked, error) {
	if err := bulkSeen(who); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(f.bulked(), func(b Bulked) bool { return b.Run.ID == id })
	if i < 0 {
		return nil, registry.ErrNotFound
	}
	return &f.Runs[i], nil
}

// BulkRun is a run.
func (f *Fake) BulkRun(_ context.Context, who service.Staff, id string) (store.BulkRun, []store.BulkClass, error) {
	b, err := f.bulkOf(who, id)
	if err != nil {
		return store.BulkRun{}, nil, err
	}
	return b.Run, []store.BulkClass{{Class: "03 1班", Total: b.Run.Total, Done: b.Run.Done, Failed: b.Run.Failed}}, nil
}

// BulkList is its rows.
func (f *Fake) BulkList(_ context.Context, who service.Staff, id, state, _ string, _, _ int) (out []service.BulkLine, _ error) {
	b, err := f.bulkOf(who, id)
	if err != nil {
		return nil, err
	}
	for _, r := range b.Rows {
		if state == "" || r.State == state {
			p := f.Get(r.UID)
			out = append(out, service.BulkLine{BulkRow: r, Who: store.Summary{UID: r.UID, Name: p.Form[registry.FName], Sex: p.Form[registry.FSex], Birth: registry.Date(p.Form[registry.FBirth]), Grade: p.Grade,
				Class: p.Class, School: p.School, Number: p.Number, Standing: p.Standing}})
		}
	}
	return out, nil
}

// BulkRuns lists them.
func (f *Fake) BulkRuns(_ context.Context, who service.Staff, kind store.BulkKind, _ string) (out []store.BulkRun, _ error) {
	if err := bulkSeen(who); err != nil {
		return nil, err
	}
	for _, b := range f.bulked() {
		if b.Run.Kind == kind {
			out = append(out, b.Run)
		}
	}
	return out, nil
}

// StartDecide remembers what was asked.
func (f *Fake) StartDecide(_ context.Context, _ service.Staff, refs []service.Ref, ev registry.DecideStep) (store.BulkRun, error) {
	f.Posted = append(f.Posted, refs, ev)
	return f.bulked()[4].Run, nil
}

// DecideRuns lists them.
func (f *Fake) DecideRuns(_ context.Context, who service.Staff) (out []store.BulkRun, _ error) {
	for _, b := range f.bulked() {
		if b.Run.Kind == store.BulkDecide && b.Run.Unit == who.Unit {
			out = append(out, b.Run)
		}
	}
	return out, nil
}

// CancelBulk stops one.
func (f *Fake) CancelBulk(_ context.Context, who service.Staff, id string) error {
	b, err := f.bulkOf(who, id)
	if err == nil {
		b.Run.State = store.BulkCancelled
	}
	return err
}

// RetryBulk goes on.
func (f *Fake) RetryBulk(_ context.Context, who service.Staff, id string) error {
	b, err := f.bulkOf(who, id)
	if err == nil {
		b.Run.State = store.BulkQueued
	}
	return err
}

// UndoBulk takes a promotion back.
func (f *Fake) UndoBulk(_ context.Context, who service.Staff, id, reason string) (store.BulkRun, error) {
	b, err := f.bulkOf(who, id)
	if err != nil {
		return store.BulkRun{}, err
	}
	if reason == "" {
		return store.BulkRun{}, &registry.Error{Code: registry.CodeInvalid, Field: "reason"}
	}
	f.Posted = append(f.Posted, "undo "+id)
	return b.Run, nil
}

// Certificates is one line.
func (f *Fake) Certificates(_ context.Context, who service.Staff, a service.CertificateAsk) ([]service.CertificateLine, int, error) {
	if err := bulkSeen(who); err != nil {
		return nil, 0, err
	}
	if a.No != "" && a.No != "20260001" {
		return nil, 0, nil
	}
	uid := f.UID("陈雨桐")
	return []service.CertificateLine{{CertificateRow: store.CertificateRow{UID: uid, Certificate: registry.Certificate{No: "20260001", End: registry.StandingGraduated, Grade: 6, School: f.Get(uid).School, On: "2026-06-30",
		CaseNo: "BY-2026-0000-000001"}}, Name: "陈雨桐", Sex: "2", Birth: "2014-03-02", Mine: true}}, 1, nil
}

// CertificateRegister is the register on paper.
func (f *Fake) CertificateRegister(context.Context, service.Staff, service.CertificateAsk) ([]byte, error) {
	return []byte("%PDF-1.7"), nil
}

// ReadAdmitted finds one and misses one.
func (f *Fake) ReadAdmitted(context.Context, service.Staff, io.Reader) ([]service.AdmittedRow, error) {
	uid := f.UID("陈雨桐")
	p := f.Get(uid)
	return []service.AdmittedRow{{No: 2, Name: "陈雨桐", Tail: "****0001", Found: &store.Summary{UID: uid, Name: "陈雨桐", School: p.School, Grade: 6, Standing: registry.StandingGraduated}},
		{No: 3, Name: "无名", Tail: "****0002", Err: registry.ErrNotFound}}, nil
}

// OpenReviews opens one.
func (f *Fake) OpenReviews(_ context.Context, who service.Staff) (int, error) {
	return 1, bulkSeen(who)
}

// MarkReview marks rows.
func (f *Fake) MarkReview(_ context.Context, who service.Staff, id string, uids []registry.UID, state, note string) error {
	if who.Role != registry.RoleRegistrar {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	b, err := f.bulkOf(who, id)
	if err != nil {
		return err
	}
	for i := range b.Rows {
		if slices.Contains(uids, b.Rows[i].UID) {
			b.Rows[i].State, b.Rows[i].Doc = state, store.BulkMark{Note: note}
		}
	}
	return nil
}

// SignReview signs when nothing is left.
func (f *Fake) SignReview(_ context.Context, who service.Staff, id string) error {
	if who.Role != registry.RoleLeader {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	b, err := f.bulkOf(who, id)
	if err != nil {
		return err
	}
	if b.Run.Waiting() > 0 {
		return &registry.Error{Code: registry.CodeWrongState}
	}
	b.Run.State = store.BulkSigned
	return nil
}

// ReviewSheet is the sheet.
func (f *Fake) ReviewSheet(context.Context, service.Staff, string, string) ([]byte, error) {
	return []byte("%PDF-1.7"), nil
}

// ActUnit decides by the rule and keeps nothing.
func (f *Fake) ActUnit(_ context.Context, who service.Staff, act units.Act) (store.BulkRun, error) {
	o, err := units.Decide(f.dir, act, who.Actor("console"), f.Today())
	if err != nil {
		return store.BulkRun{}, err
	}
	f.Posted = append(f.Posted, act)
	if o.Move != nil {
		return f.bulked()[3].Run, nil
	}
	return store.BulkRun{}, nil
}

// HandoverList is the list.
func (f *Fake) HandoverList(context.Context, service.Staff, string) ([]byte, error) {
	return []byte("%PDF-1.7"), nil
}

// RulePacks is the country's and the example layer.
func (f *Fake) RulePacks(_ context.Context, who service.Staff) ([]*registry.Pack, error) {
	if who.Role != registry.RoleOfficer && who.Role != registry.RoleOperator {
		return nil, &registry.Error{Code: registry.CodeForbidden}
	}
	return []*registry.Pack{registry.DefaultPack()}, nil
}

// TryPack reads a layer.
func (f *Fake) TryPack(_ context.Context, who service.Staff, body []byte) (service.PackTrial, error) {
	if who.Role != registry.RoleOfficer {
		return service.PackTrial{}, &registry.Error{Code: registry.CodeForbidden}
	}
	p, err := registry.DefaultPack().Overlay(body)
	t := service.PackTrial{Pack: p, Base: registry.DefaultPack(), Cases: 3}
	if p != nil && len(p.TransferWindows) > 0 {
		t.Touched = 1
		t.Lines = []service.PackTrialLine{{Changes: []registry.PackChange{
			{What: "latest", Party: registry.PartyCityAuth, Was: "2026-12-25", Is: "2026-12-18"},
			{What: "guard", Is: "windows", Say: "08-15—09-10"},
			{What: "guard", Is: "EX-1", Say: "入学不满一学期"},
		}}}
	}
	return t, err
}
