package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

// at moves the clock to a day of this or a later year.
func (r *rig) at(day string) {
	r.t.Helper()
	t, err := time.ParseInLocation("2006-01-02 15:04", day+" 10:00", registry.Beijing)
	if err != nil {
		r.t.Fatal(err)
	}
	r.set(t)
}

// workBulk runs what waits to its end.
func (r *rig) workBulk() {
	r.t.Helper()
	for range 20 {
		did, err := r.s.WorkBulk(r.ctx)
		if err != nil {
			r.t.Fatal(err)
		}
		if !did {
			return
		}
	}
	r.t.Fatal("bulk work has no end")
}

// regraded puts a pupil in another grade without a story, as a county that moved in would.
func (r *rig) regraded(uid registry.UID, grade int) {
	r.t.Helper()
	p := r.pupil(uid)
	p.Grade, p.Form[registry.FGrade] = grade, fmt.Sprint(grade)
	c := store.Change{Pupil: p, Entry: store.Entry{At: r.now(), Kind: registry.EvAmend, Actor: registry.Actor{Account: "system"}, Payload: []byte("{}")}, Index: indexOf(p)}
	if err := r.st.Commit(r.ctx, store.Batch{Changes: []store.Change{c}}); err != nil {
		r.t.Fatal(err)
	}
}

// A year's promotion: preview with reasons, run, result kept, nobody twice, undone before the close and not after (Art. 12).
func TestYearlyPromotion(t *testing.T) {
	r := newRig(t)
	a, b, locked, last := r.enrolled(0), r.enrolled(1), r.enrolled(2), r.enrolled(3)
	r.regraded(last, 6)
	reg := r.staff("registrar.yunhe")
	if _, err := r.s.StartSuspend(r.ctx, reg, locked, registry.StartSuspend{From: "2027-06-01", Until: "2027-12-01", Reason: "疾病", Guardian: "母亲"}); err != nil {
		r.at("2027-06-10")
		if _, err = r.s.StartSuspend(r.ctx, reg, locked, registry.StartSuspend{From: "2027-06-10", Until: "2027-12-01", Reason: "疾病", Guardian: "母亲"}); err != nil {
			t.Fatal(err)
		}
	}
	r.at("2027-06-20")
	plan, err := r.s.PlanBulk(r.ctx, reg, BulkAsk{Kind: store.BulkPromote})
	if err != nil || registry.CodeOf(plan.Closed) != registry.CodeWindow || plan.Ask.Year != 2027 {
		t.Fatalf("before its time: %v %v", plan.Closed, err)
	}
	_, err = r.s.StartBulk(r.ctx, reg, BulkAsk{Kind: store.BulkPromote, Year: 2027})
	wantCode(t, err, registry.CodeWindow)
	r.at("2027-09-01")
	plan, err = r.s.PlanBulk(r.ctx, reg, BulkAsk{Kind: store.BulkPromote})
	if err != nil {
		t.Fatal(err)
	}
	why := map[registry.UID]string{}
	for _, row := range plan.Rows {
		var e *registry.Error
		if errors.As(row.Err, &e) {
			why[row.UID] = string(e.Code) + e.Params["why"]
		}
	}
	if plan.Closed != nil || plan.Rows[0].UID != locked || why[locked] == "" || why[last] != "wrong_statestage_end" || why[a] != "" || why[b] != "" {
		t.Fatalf("plan %v, first %s", why, plan.Rows[0].UID)
	}
	_, err = r.s.StartBulk(r.ctx, r.staff("officer.yunhe"), BulkAsk{Kind: store.BulkPromote, Year: 2027})
	wantCode(t, err, registry.CodeForbidden)
	run, err := r.s.StartBulk(r.ctx, reg, BulkAsk{Kind: store.BulkPromote, Year: 2027})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.s.StartBulk(r.ctx, reg, BulkAsk{Kind: store.BulkPromote, Year: 2027})
	wantCode(t, err, registry.CodeWrongState)
	r.workBulk()
	run, classes, err := r.s.BulkRun(r.ctx, r.staff("officer.yunhe"), run.ID)
	if err != nil || run.State != store.BulkDone || run.Done != 2 || run.Failed != 2 || len(classes) == 0 {
		t.Fatalf("%+v %v", run, err)
	}
	if p := r.pupil(a); p.Grade != 2 || p.Promotion == nil || p.Promotion.Year != 2027 {
		t.Fatalf("grade %d", p.Grade)
	}
	_, _, err = r.s.BulkRun(r.ctx, r.staff("registrar.qingshi"), run.ID)
	wantCode(t, err, registry.CodeNotFound)
	// Again, with the failed: nobody goes up twice.
	if err := r.s.RetryBulk(r.ctx, reg, run.ID); err != nil {
		t.Fatal(err)
	}
	r.workBulk()
	if p := r.pupil(a); p.Grade != 2 {
		t.Fatalf("twice: %d", p.Grade)
	}
	_, err = r.s.UndoBulk(r.ctx, reg, run.ID, "")
	wantCode(t, err, registry.CodeInvalid)
	r.at("2027-11-01")
	_, err = r.s.UndoBulk(r.ctx, reg, run.ID, "误办")
	wantCode(t, err, registry.CodeWindow)
	r.at("2027-10-20")
	undo, err := r.s.UndoBulk(r.ctx, reg, run.ID, "误办")
	if err != nil {
		t.Fatal(err)
	}
	r.workBulk()
	undo, _, err = r.s.BulkRun(r.ctx, reg, undo.ID)
	if err != nil || undo.Done != 2 || r.pupil(a).Grade != 1 || r.pupil(b).Grade != 1 {
		t.Fatalf("undone %+v %v", undo, err)
	}
}

// A run stopped in the middle, by a person or with its process, goes on where it was; nobody is moved twice.
func TestBulkResumes(t *testing.T) {
	r := newRig(t)
	a, b := r.enrolled(0), r.enrolled(1)
	reg := r.staff("registrar.yunhe")
	r.at("2027-09-01")
	run, err := r.s.StartBulk(r.ctx, reg, BulkAsk{Kind: store.BulkPromote, Year: 2027})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(r.ctx)
	stop()
	if did, _ := r.s.WorkBulk(ctx); did {
		t.Log("taken and given back")
	}
	if err := r.s.CancelBulk(r.ctx, reg, run.ID); err != nil {
		t.Fatal(err)
	}
	r.pass(2 * time.Minute)
	r.workBulk()
	if r.pupil(a).Grade != 1 || r.pupil(b).Grade != 1 {
		t.Fatal("a stopped run went on")
	}
	if err := r.s.RetryBulk(r.ctx, reg, run.ID); err != nil {
		t.Fatal(err)
	}
	r.workBulk()
	if r.pupil(a).Grade != 2 || r.pupil(b).Grade != 2 {
		t.Fatal("it did not go on")
	}
}

// 毕业 by class with certificates, approved, in the register; then 升学 started by the next school, and the archive kept at the end (Arts 13, 14, 9).
func TestGraduationAndAdvance(t *testing.T) {
	r := newRig(t)
	a, b := r.enrolled(0), r.enrolled(1)
	r.regraded(a, 6)
	r.regraded(b, 6)
	reg := r.staff("registrar.yunhe")
	plan, err := r.s.PlanBulk(r.ctx, reg, BulkAsk{Kind: store.BulkFinish, Template: "云{year}-{n}"})
	if err != nil || len(plan.Rows) != 2 {
		t.Fatalf("%d rows %v", len(plan.Rows), err)
	}
	year := fmt.Sprint(r.s.Today().Year())
	if plan.Rows[0].Certificate != "云"+year+"-0001" || plan.Rows[1].Certificate != "云"+year+"-0002" {
		t.Fatalf("numbers %s %s", plan.Rows[0].Certificate, plan.Rows[1].Certificate)
	}
	ask := BulkAsk{Kind: store.BulkFinish, On: r.s.Today(), Picks: []BulkPick{{UID: a, End: registry.StandingGraduated, Certificate: "证-1"}, {UID: b, End: registry.StandingGraduated, Certificate: "证-1"}}}
	_, err = r.s.StartBulk(r.ctx, reg, ask)
	wantCode(t, err, registry.CodeConflict)
	ask.Picks[1].Certificate, ask.Picks[1].End = "证-2", registry.StandingCompleted
	run, err := r.s.StartBulk(r.ctx, reg, ask)
	if err != nil {
		t.Fatal(err)
	}
	r.workBulk()
	if run, _, _ = r.s.BulkRun(r.ctx, reg, run.ID); run.Done != 2 {
		t.Fatalf("%+v", run)
	}
	for _, who := range []string{"leader.yunhe", "officer.yunhe"} {
		var refs []Ref
		for _, uid := range []registry.UID{a, b} {
			if c := r.pupil(uid); c.Lock != "" {
				if st, ok := c.OpenCase().Next(); ok && st.Unit == r.staff(who).Unit {
					refs = append(refs, Ref{UID: uid})
				}
			}
		}
		if _, failed, err := r.s.ActMany(r.ctx, r.staff(who), refs, registry.DecideStep{Decision: registry.DecisionAccept}); err != nil || len(failed) > 0 {
			t.Fatalf("%s: %v %v", who, failed, err)
		}
	}
	if p := r.pupil(a); p.Standing != registry.StandingGraduated || len(p.Certificates) != 1 {
		t.Fatalf("%s", p.Standing)
	}
	lines, n, err := r.s.Certificates(r.ctx, r.staff("officer.yunhe"), CertificateAsk{Year: year})
	if err != nil || n != 2 || lines[0].Name == "" {
		t.Fatalf("%d %v", n, err)
	}
	if lines, n, err = r.s.Certificates(r.ctx, reg, CertificateAsk{Text: "证-2"}); err != nil || n != 1 || lines[0].End != registry.StandingCompleted || lines[0].UID != b {
		t.Fatalf("by number: %d %v", n, err)
	}
	if _, n, err = r.s.Certificates(r.ctx, reg, CertificateAsk{Text: r.pupil(a).Form[registry.FName]}); err != nil || n < 1 {
		t.Fatalf("by name: %d %v", n, err)
	}
	if _, n, _ = r.s.Certificates(r.ctx, r.staff("registrar.qingshi"), CertificateAsk{}); n != 0 {
		t.Fatal("another school's certificates are shown")
	}
	// Taken numbers stay taken.
	c := r.enrolled(2)
	r.regraded(c, 6)
	_, err = r.s.StartBulk(r.ctx, reg, BulkAsk{Kind: store.BulkFinish, On: r.s.Today(), Picks: []BulkPick{{UID: c, End: registry.StandingGraduated, Certificate: "证-1"}}})
	wantCode(t, err, registry.CodeConflict)

	// The next school, by a workbook of admitted pupils.
	var next Staff
	for _, s := range r.s.dir.Load().Schools() {
		if s.FromGrade == 7 && s.Open() {
			if as, _ := r.st.AccountsOf(r.ctx, s.Code); len(as) > 0 {
				for _, x := range as {
					if x.Role == registry.RoleRegistrar {
						next = Staff{Account: x}
					}
				}
			}
		}
	}
	if next.ID == "" {
		t.Fatal("no junior school has a registrar")
	}
	p := r.pupil(a)
	f := excelize.NewFile()
	_ = f.SetSheetRow("Sheet1", "A1", &[]any{"姓名", "身份证件号", "班级"})
	_ = f.SetSheetRow("Sheet1", "A2", &[]any{p.Form[registry.FName], p.Form[registry.FIDNumber], "3班"})
	_ = f.SetSheetRow("Sheet1", "A3", &[]any{"查无此人", "110101201001010000", ""})
	_ = f.SetSheetRow("Sheet1", "A4", &[]any{p.Form[registry.FName], "G" + p.Form[registry.FIDNumber], ""})
	var book bytes.Buffer
	if _, err := f.WriteTo(&book); err != nil {
		t.Fatal(err)
	}
	rows, err := r.s.ReadAdmitted(r.ctx, next, &book)
	if err != nil || len(rows) != 3 {
		t.Fatalf("%+v %v", rows, err)
	}
	found := 0
	for _, row := range rows {
		if row.Found != nil {
			found++
			if row.Found.UID != a || row.Class != "3班" {
				t.Errorf("row %+v", row)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d rows matched", found)
	}
	_, err = r.s.ReadAdmitted(r.ctx, next, bytes.NewReader([]byte("no workbook")))
	wantCode(t, err, registry.CodeInvalid)
	run, err = r.s.StartBulk(r.ctx, next, BulkAsk{Kind: store.BulkAdvance, Picks: []BulkPick{{UID: a, ToClass: "3班"}}})
	if err != nil {
		t.Fatal(err)
	}
	r.workBulk()
	if p = r.pupil(a); p.OpenCase() == nil || p.OpenCase().Kind != registry.CaseAdvance || p.OpenCase().To != next.Unit {
		t.Fatalf("not started: %+v", run)
	}
	// Who does not go on is kept for good.
	kept, err := r.s.PlanBulk(r.ctx, reg, BulkAsk{Kind: store.BulkKeep})
	if err != nil || len(kept.Rows) != 2 || kept.Rows[0].UID != a || kept.Rows[0].Err == nil {
		t.Fatalf("%+v %v", kept.Rows, err)
	}
}

// Every record of the term gets a word; the leader signs when none is left, newcomers included (Art. 24).
func TestTermReview(t *testing.T) {
	r := newRig(t)
	a, b := r.enrolled(0), r.enrolled(1)
	reg, lead, off := r.staff("registrar.yunhe"), r.staff("leader.yunhe"), r.staff("officer.yunhe")
	n, err := r.s.OpenReviews(r.ctx, off)
	if err != nil || n < 2 {
		t.Fatalf("opened at %d: %v", n, err)
	}
	if n, err = r.s.OpenReviews(r.ctx, reg); err != nil || n != 0 {
		t.Fatalf("opened twice: %d %v", n, err)
	}
	r.workBulk()
	id := "rv-" + string(demo.YunheShiyan) + "-" + TermOf(r.s.Pack(), r.s.Today())
	run, classes, err := r.s.BulkRun(r.ctx, lead, id)
	if err != nil || run.State != store.BulkOpen || run.Total != 2 || len(classes) == 0 {
		t.Fatalf("%+v %v", run, err)
	}
	wantCode(t, r.s.MarkReview(r.ctx, lead, id, []registry.UID{a}, store.RowDone, ""), registry.CodeForbidden)
	wantCode(t, r.s.MarkReview(r.ctx, r.staff("registrar.qingshi"), id, []registry.UID{a}, store.RowDone, ""), registry.CodeNotFound)
	if err := r.s.MarkReview(r.ctx, reg, id, []registry.UID{a}, store.RowDone, ""); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.SignReview(r.ctx, lead, id), registry.CodeWrongState)
	if err := r.s.MarkReview(r.ctx, reg, id, []registry.UID{b}, store.RowFailed, "与户口簿不一致"); err != nil {
		t.Fatal(err)
	}
	c := r.enrolled(2) // came after the review was opened
	wantCode(t, r.s.SignReview(r.ctx, lead, id), registry.CodeWrongState)
	if err := r.s.MarkReview(r.ctx, reg, id, []registry.UID{c}, store.RowDone, ""); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.SignReview(r.ctx, reg, id), registry.CodeForbidden)
	if err := r.s.SignReview(r.ctx, lead, id); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.MarkReview(r.ctx, reg, id, []registry.UID{c}, store.RowWaiting, ""), registry.CodeWrongState)
	runs, err := r.s.BulkRuns(r.ctx, off, store.BulkReview, "")
	if err != nil || len(runs) < 2 {
		t.Fatal(err)
	}
	run, _, _ = r.s.BulkRun(r.ctx, off, id)
	if run.State != store.BulkSigned || run.Done != 2 || run.Failed != 1 || run.Doc.SignedBy.Account != lead.ID {
		t.Fatalf("%+v", run)
	}
}

// The end of a school: its code void, pupils and archives moved as a run, the handover told (Art. 9).
func TestSchoolMerges(t *testing.T) {
	r := newRig(t)
	a := r.enrolled(0)
	off := r.staff("officer.yunhe")
	var into registry.Unit
	from, _ := r.s.dir.Load().School(demo.YunheShiyan)
	for _, s := range r.s.Schools(off) {
		if s.Code != from.Code && s.Open() && s.FromGrade <= 1 && s.ToGrade >= 1 {
			into = s.Code
		}
	}
	if into == "" {
		t.Fatal("no other school takes grade 1")
	}
	_, err := r.s.ActUnit(r.ctx, r.staff("registrar.yunhe"), units.Merge{Code: from.Code, Into: into, On: r.s.Today(), Ref: "云教〔2026〕8号"})
	wantCode(t, err, registry.CodeForbidden)
	if _, err := r.s.ActUnit(r.ctx, off, units.Rename{Code: from.Code, Name: "云河新实验小学"}); err != nil {
		t.Fatal(err)
	}
	run, err := r.s.ActUnit(r.ctx, off, units.Merge{Code: from.Code, Into: into, On: r.s.Today(), Ref: "云教〔2026〕8号"})
	if err != nil || run.ID == "" {
		t.Fatal(err)
	}
	r.workBulk()
	if p := r.pupil(a); p.School != into || p.Archive.Custodian != into {
		t.Fatalf("%s %s", p.School, p.Archive.Custodian)
	}
	if run, _, err = r.s.BulkRun(r.ctx, off, run.ID); err != nil || run.Done < 1 || run.Failed != 0 {
		t.Fatalf("%+v %v", run, err)
	}
	r.s.papers = paperless{}
	if b, err := r.s.HandoverList(r.ctx, off, run.ID); err != nil || len(b) == 0 {
		t.Fatal(err)
	}
	_, err = r.s.ActUnit(r.ctx, off, units.Open{School: registry.School{Code: from.Code, Name: "又一所", Kind: from.Kind, Region: from.Region, Authority: from.Authority, FromGrade: 1, ToGrade: 6}})
	wantCode(t, err, registry.CodeConflict)
}

// A pack is run dry over the open cases: what would change is told, nothing is; a bad one is refused with its line (Arts 11, 29).
func TestPackTrial(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	if _, err := r.s.StartSuspend(r.ctx, r.staff("registrar.yunhe"), uid, registry.StartSuspend{From: r.s.Today(), Until: r.s.Today().AddMonths(6), Reason: "疾病", Guardian: "母亲"}); err != nil {
		t.Fatal(err)
	}
	off := r.staff("officer.yunhe")
	before := r.pupil(uid)
	trial, err := r.s.TryPack(r.ctx, off, []byte(`{"version":"T-1","title":"试","effective_on":"2026-01-01","step_working_days":{"suspend":3}}`))
	if err != nil || trial.Touched != 1 || trial.Lines[0].Who.UID != uid {
		t.Fatalf("%+v %v", trial, err)
	}
	if after := r.pupil(uid); after.Version != before.Version {
		t.Error("a dry run moved a pupil")
	}
	_, err = r.s.TryPack(r.ctx, off, []byte("{\n\"version\":\"T-1\",\n\"title\":\"试\",\"effective_on\":\"2026-01-01\",\n\"suspend_max_months\":\"x\"}"))
	var e *registry.Error
	if !errors.As(err, &e) || e.Code != registry.CodeInvalid || e.Params["line"] != "4" {
		t.Fatalf("%v", err)
	}
	_, err = r.s.TryPack(r.ctx, r.staff("operator"), []byte("{}"))
	wantCode(t, err, registry.CodeForbidden)
	if packs, err := r.s.RulePacks(r.ctx, off); err != nil || len(packs) == 0 {
		t.Fatal(err)
	}
}
