package service

import (
	"maps"
	"strconv"
	"testing"

	"xueji/server/internal/demo"
	"xueji/server/internal/match"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A child entered again without a document, by another school of another county: raised before both sides, kept from approval until an authority says what it is.
func TestDuplicateIsComparedFirst(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	again := maps.Clone(r.form(0))
	again[registry.FIDType] = "Z"
	delete(again, registry.FIDNumber)
	newcomer := r.staff("registrar.qingshi")
	other, _, err := r.s.EnrolOne(r.ctx, newcomer, again, "")
	if err != nil {
		t.Fatal(err)
	}
	r.accept("leader.qingshi", other)
	officer := r.staff("officer.qingshi")
	accept := registry.DecideStep{CaseNo: r.pupil(other).Lock, Party: registry.PartyAuthority, Decision: registry.DecisionAccept}
	_, err = r.s.Act(r.ctx, officer, other, 0, accept)
	wantCode(t, err, registry.CodeWrongState)

	for _, login := range []string{"registrar.qingshi", "registrar.yunhe", "officer.yunhe", "officer.qingshi"} {
		found, open, err := r.s.Duplicates(r.ctx, r.staff(login), store.SuspicionOpen, 10, 0)
		if err != nil || len(found) != 1 || open != 1 {
			t.Fatalf("%s sees %d of %d: %v", login, len(found), open, err)
		}
		l := found[0]
		mine, theirs := l.A, l.B
		if mine.School != r.staff(login).Unit && r.staff(login).Unit.IsSchool() {
			mine, theirs = theirs, mine
		}
		if r.staff(login).Unit.IsSchool() && (!mine.Open || theirs.Open) {
			t.Errorf("%s: opens %v, the other's %v", login, mine.Open, theirs.Open)
		}
		if !theirs.Open && theirs.Values[registry.FG1Phone] == again[registry.FG1Phone] {
			t.Errorf("%s sees the other school's telephone number", login)
		}
	}
	_, _, err = r.s.Duplicates(r.ctx, r.staff("clerk.qingshi"), store.SuspicionOpen, 10, 0)
	wantCode(t, err, registry.CodeForbidden)
	if found, _, err := r.s.Duplicates(r.ctx, r.staff("registrar.yunhe2"), store.SuspicionOpen, 10, 0); err != nil || len(found) != 0 {
		t.Errorf("a third school sees %d: %v", len(found), err)
	}
	_, err = r.s.Duplicate(r.ctx, r.staff("registrar.yunhe2"), uid, other)
	wantCode(t, err, registry.CodeNotFound)

	wantCode(t, r.s.ProveDuplicate(r.ctx, newcomer, uid, other, " ", nil), registry.CodeEvidence)
	if err := r.s.ProveDuplicate(r.ctx, newcomer, uid, other, "出生证明", nil); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.DecideDuplicate(r.ctx, newcomer, uid, other, store.SuspicionApart, "x"), registry.CodeForbidden)
	wantCode(t, r.s.DecideDuplicate(r.ctx, officer, uid, other, store.SuspicionApart, ""), registry.CodeInvalid)
	if err := r.s.DecideDuplicate(r.ctx, officer, uid, other, store.SuspicionApart, "两份出生证明"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.DecideDuplicate(r.ctx, r.staff("officer.yunhe"), uid, other, store.SuspicionSame, "x"), registry.CodeConflict)
	if _, err := r.s.Act(r.ctx, officer, other, 0, accept); err != nil {
		t.Fatal(err)
	}
	// The newcomer has no document of their own: the county's word goes on to the city and the province (T1).
	p := r.pupil(other)
	if st, ok := p.OpenCase().Next(); !ok || st.Party != registry.PartyCityAuth {
		t.Fatalf("after the word: %s, %s's turn", p.Standing, st.Party)
	}
}

// The check of the whole register finds what entry did not raise, once; what was judged stays judged; an enrolment taken back is nobody's double.
func TestCheckRegister(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	r.enrolled(1)
	again := maps.Clone(r.form(0))
	again[registry.FIDType] = "Z"
	delete(again, registry.FIDNumber)
	other, _, err := r.s.EnrolOne(r.ctx, r.staff("registrar.qingshi"), again, "")
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.s.CheckRegister(r.ctx)
	if err != nil || first.Pupils != 3 || first.Found != 1 || first.Fresh != 0 {
		t.Fatalf("%+v %v", first, err)
	}
	if f, err := r.s.st.Suspicion(r.ctx, uid, other); err != nil || f.State != store.SuspicionOpen || len(f.Units) != 5 || f.Units[4] != demo.City {
		t.Fatalf("%+v %v", f, err)
	}
	no := r.pupil(other).Lock
	if _, err := r.s.Act(r.ctx, r.staff("registrar.qingshi"), other, 0, registry.Withdraw{CaseNo: no}); err != nil {
		t.Fatal(err)
	}
	if c, err := r.s.CheckRegister(r.ctx); err != nil || c.Found != 0 || c.Pupils != 2 {
		t.Fatalf("after it was taken back: %+v %v", c, err)
	}
}

// A register whose keys were made by an earlier scheme gets today's with the next check, and what only they find is found; the old ones are gone.
func TestKeysOfAnEarlierScheme(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	p := r.pupil(uid)
	person := match.Of(p.Form)
	now, old := r.s.matchKeys(match.Keys(person)), r.s.matchKeys(match.Retired(person))
	move := func(add, drop []int64, scheme string) {
		t.Helper()
		if on, err := r.s.st.MoveMatchKeys(r.ctx, []store.KeyMove{{UID: uid, Version: p.Version, Add: add, Drop: drop}}); err != nil || len(on) > 0 {
			t.Fatal(on, err)
		}
		if err := r.s.st.PutBlob(r.ctx, blobScheme, []byte(scheme)); err != nil {
			t.Fatal(err)
		}
	}
	held := func(keys []int64) int {
		t.Helper()
		n := 0
		for _, k := range keys {
			n += len(must[[]registry.UID](t)(r.s.st.Sharers(r.ctx, []int64{k}, 1)))
		}
		return n
	}
	if got := string(must[[]byte](t)(r.s.st.Blob(r.ctx, blobScheme))); got != strconv.Itoa(match.Scheme) {
		t.Fatalf("a register that begins says scheme %q", got)
	}
	move(old, now, "1")
	if held(now) != 0 || held(old) != len(old) {
		t.Fatalf("of today's keys %d, of the old %d", held(now), held(old))
	}
	must[Check](t)(r.s.CheckRegister(r.ctx))
	if held(now) != len(now) || held(old) != 0 {
		t.Fatalf("after the check: of today's keys %d of %d, of the old %d", held(now), len(now), held(old))
	}
	move(old, nil, strconv.Itoa(match.Scheme))
	must[Check](t)(r.s.CheckRegister(r.ctx))
	if held(old) != len(old) {
		t.Fatal("a register of today's scheme is opened again")
	}
}
