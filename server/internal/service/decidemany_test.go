package service

import (
	"errors"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// waiting enrols as far as the office's word, and returns the pupils as its list shows them.
func (r *rig) waiting(from, n int) (refs []Ref) {
	r.t.Helper()
	for i := range n {
		uid, findings, err := r.s.EnrolOne(r.ctx, r.staff("registrar.yunhe"), r.form(from+i), demo.PIN)
		if err != nil || uid == "" {
			r.t.Fatalf("enrol: %v %v", err, findings)
		}
		r.accept("leader.yunhe", uid)
		refs = append(refs, Ref{UID: uid, Seen: r.pupil(uid).Version})
	}
	return refs
}

// cutAfterOne does the first row of a run as a process does that dies then, and lets its hold run out.
func (r *rig) cutAfterOne() {
	r.t.Helper()
	run := must[store.BulkRun](r.t)(r.st.LeaseBulk(r.ctx, r.now(), bulkHold))
	run.State = store.BulkRunning
	if err := r.st.SaveBulk(r.ctx, run); err != nil {
		r.t.Fatal(err)
	}
	rows := must[[]store.BulkRow](r.t)(r.st.BulkRows(r.ctx, run.ID, store.RowWaiting, "", 1, 0))
	if err := r.s.moveRow(r.ctx, run, rows[0]); err != nil {
		r.t.Fatal(err)
	}
	if did, err := r.s.WorkBulk(r.ctx); did || err != nil {
		r.t.Fatalf("taken from who holds it: %v", err)
	}
	r.pass(2 * time.Minute)
}

var yes = registry.DecideStep{Decision: registry.DecisionAccept}

// More steps than are decided while a page waits are a run. Cut half-way it goes on and does each once; a record that moved on is refused by name, the rest goes on.
func TestDecideManyResumes(t *testing.T) {
	r := newRig(t)
	off := r.staff("officer.yunhe")
	refs := r.waiting(0, 4)
	run, err := r.s.StartDecide(r.ctx, off, refs, yes)
	if err != nil || run.Total != 4 {
		t.Fatalf("%+v %v", run, err)
	}
	moved := refs[1].UID
	r.regraded(moved, 2)
	r.cutAfterOne()
	r.workBulk()
	run, _, err = r.s.BulkRun(r.ctx, off, run.ID)
	if err != nil || run.State != store.BulkDone || run.Done != 3 || run.Failed != 1 {
		t.Fatalf("%+v %v", run, err)
	}
	for _, f := range refs {
		p := r.pupil(f.UID)
		if f.UID == moved {
			if p.OpenCase() == nil || p.Version != f.Seen+1 {
				t.Errorf("decided though it moved on: version %d of %d", p.Version, f.Seen)
			}
			continue
		}
		if p.Standing != registry.StandingEnrolled || p.Version != f.Seen+1 {
			t.Errorf("%s at version %d, shown at %d", p.Standing, p.Version, f.Seen)
		}
		h, err := r.st.History(r.ctx, f.UID)
		if err != nil || h[len(h)-1].Actor != off.Actor("console") {
			t.Errorf("history names %+v %v", h[len(h)-1].Actor, err)
		}
	}
	lines, err := r.s.BulkList(r.ctx, off, run.ID, store.RowFailed, "", 10, 0)
	if err != nil || len(lines) != 1 || lines[0].UID != moved || lines[0].Doc.Code != registry.CodeConflict || lines[0].Doc.Params["at"] == "" || lines[0].Who.Name == "" {
		t.Errorf("%+v %v", lines, err)
	}
	if mine, err := r.s.DecideRuns(r.ctx, off); err != nil || len(mine) != 1 || mine[0].ID != run.ID {
		t.Errorf("%+v %v", mine, err)
	}
	if others, err := r.s.DecideRuns(r.ctx, r.staff("officer.city")); err != nil || len(others) != 0 {
		t.Errorf("another's: %+v %v", others, err)
	}
	// A few are done at once, and never more than a few.
	if done, failed, err := r.s.ActMany(r.ctx, off, []Ref{{UID: moved, Seen: r.pupil(moved).Version}}, yes); done != 1 || err != nil {
		t.Errorf("%d %v %v", done, failed, err)
	}
	_, _, err = r.s.ActMany(r.ctx, off, make([]Ref, ManyAtOnce+1), yes)
	wantCode(t, err, registry.CodeInvalid)
}

// Who asked stops it between two rows, and nobody else does; the rest stays as it is, on the list.
func TestDecideManyStops(t *testing.T) {
	r := newRig(t)
	off := r.staff("officer.yunhe")
	refs := r.waiting(0, 2)
	run, err := r.s.StartDecide(r.ctx, off, refs, registry.DecideStep{Decision: registry.DecisionRefuse, Refusal: registry.RefuseIdentity})
	if err != nil {
		t.Fatal(err)
	}
	r.cutAfterOne()
	wantCode(t, r.s.CancelBulk(r.ctx, r.staff("officer.city"), run.ID), registry.CodeNotFound)
	wantCode(t, r.s.CancelBulk(r.ctx, r.staff("leader.yunhe"), run.ID), registry.CodeNotFound)
	if err := r.s.CancelBulk(r.ctx, off, run.ID); err != nil {
		t.Fatal(err)
	}
	r.workBulk()
	run, _, err = r.s.BulkRun(r.ctx, off, run.ID)
	if err != nil || run.State != store.BulkCancelled || run.Done != 1 || run.Waiting() != 1 {
		t.Fatalf("%+v %v", run, err)
	}
	if p := r.pupil(refs[0].UID); p.OpenCase() != nil {
		t.Error("the first was not refused")
	}
	if p := r.pupil(refs[1].UID); p.OpenCase() == nil || p.Version != refs[1].Seen {
		t.Error("the second was touched")
	}
	wantCode(t, r.s.RetryBulk(r.ctx, off, run.ID), registry.CodeWrongState)
}

// Each row asks again whether who asked may: of a pupil out of scope not even the name is told, and a substitution that ended ends what was asked in it.
func TestDecideManyAsksAgain(t *testing.T) {
	r := newRig(t)
	refs := r.waiting(0, 1)
	far := r.staff("officer.qingshi")
	lead := r.staff("leader.yunhe")
	id, acting := r.leaderForRegistrar()
	if who, err := r.s.still(r.ctx, acting.Actor("console")); err != nil || who.Role != registry.RoleRegistrar || who.For == nil {
		t.Errorf("while it holds: %+v %v", who, err)
	}
	of := map[string]store.BulkRun{}
	for what, who := range map[string]Staff{"far": far, "acting": acting} {
		run, err := r.s.StartDecide(r.ctx, who, refs, yes)
		if err != nil {
			t.Fatal(err)
		}
		of[what] = run
	}
	wantCode(t, r.s.CancelBulk(r.ctx, lead, of["acting"].ID), registry.CodeForbidden) // in their own role they did not ask
	if err := r.s.EndSubstitution(r.ctx, r.staff("security.yunhe"), id); err != nil {
		t.Fatal(err)
	}
	r.workBulk()
	lines := must[[]BulkLine](t)(r.s.BulkList(r.ctx, far, of["far"].ID, "", "", 10, 0))
	if len(lines) != 1 || lines[0].Doc.Code != registry.CodeNotFound || lines[0].Who.Name != "" {
		t.Errorf("out of scope: %+v", lines)
	}
	lines = must[[]BulkLine](t)(r.s.BulkList(r.ctx, lead, of["acting"].ID, "", "", 10, 0))
	if len(lines) != 1 || lines[0].Doc.Code != registry.CodeForbidden || lines[0].Doc.Params["why"] != "asker" || lines[0].Who.Name == "" {
		t.Errorf("after the substitution: %+v", lines)
	}
	if p := r.pupil(refs[0].UID); p.Version != refs[0].Seen {
		t.Error("decided")
	}
	var e *registry.Error
	if _, err := r.s.still(r.ctx, registry.Actor{Account: "nobody"}); !errors.As(err, &e) || e.Params["why"] != "asker" {
		t.Errorf("no account: %v", err)
	}
}
