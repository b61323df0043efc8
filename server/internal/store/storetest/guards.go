package storetest

import (
	"reflect"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

func factors(t *testing.T, s store.Store) {
	ctx := t.Context()
	f := store.Factor{Account: "a1", ID: "f1", Kind: store.FactorTOTP, Name: "手机", Secret: []byte{1, 2, 3}, Counter: 7, CreatedAt: Epoch.UTC(), UsedAt: Epoch.UTC()}
	g := store.Factor{Account: "a1", ID: "f2", Kind: store.FactorRecovery, Secret: []byte("hash"), CreatedAt: Epoch.Add(time.Second).UTC()}
	must(t, s.PutFactor(ctx, f))
	must(t, s.PutFactor(ctx, g))
	must(t, s.PutFactor(ctx, store.Factor{Account: "a2", ID: "f1", Kind: store.FactorTOTP, CreatedAt: Epoch}))
	got, err := s.Factors(ctx, "a1")
	must(t, err)
	if !reflect.DeepEqual(got, []store.Factor{f, g}) {
		t.Fatalf("factors %+v", got)
	}
	// A counter only grows, so a code is used once, whoever races for it.
	wins := make(chan error, 8)
	var wg sync.WaitGroup
	for range cap(wins) {
		wg.Go(func() { wins <- s.UseFactor(ctx, "a1", "f1", 8, nil, Epoch) })
	}
	wg.Wait()
	close(wins)
	n := 0
	for err := range wins {
		if err == nil {
			n++
		} else {
			wantCode(t, err, registry.CodeConflict)
		}
	}
	if n != 1 {
		t.Fatalf("%d of the racers used the same code", n)
	}
	wantCode(t, s.UseFactor(ctx, "a1", "f1", 7, nil, Epoch), registry.CodeConflict)
	wantCode(t, s.UseFactor(ctx, "a1", "none", 9, nil, Epoch), registry.CodeConflict)
	must(t, s.UseFactor(ctx, "a1", "f1", 9, []byte("new"), Epoch.Add(time.Minute)))
	if got, _ = s.Factors(ctx, "a1"); string(got[0].Secret) != "new" || got[0].Counter != 9 || !got[0].UsedAt.Equal(Epoch.Add(time.Minute)) {
		t.Fatalf("used %+v", got[0])
	}
	must(t, s.DropFactors(ctx, "a1", store.FactorRecovery, ""))
	must(t, s.DropFactors(ctx, "a1", "", "nothing"))
	if got, _ = s.Factors(ctx, "a1"); len(got) != 1 || got[0].ID != "f1" {
		t.Fatalf("left %+v", got)
	}
	must(t, s.DropFactors(ctx, "a1", "", ""))
	if got, _ = s.Factors(ctx, "a1"); len(got) != 0 {
		t.Fatalf("left %+v", got)
	}
	if got, _ = s.Factors(ctx, "a2"); len(got) != 1 {
		t.Fatal("another's factor went too")
	}
}

func substitutions(t *testing.T, s store.Store) {
	ctx := t.Context()
	v := store.Substitution{ID: "s1", Account: "a1", Away: "a2", Unit: SchoolA, Role: registry.RoleRegistrar, From: "2026-09-01", Until: "2026-09-10", MadeBy: "a9",
		CreatedAt: Epoch.UTC()}
	must(t, s.PutSubstitution(ctx, v))
	if got, err := s.Substitution(ctx, "s1"); err != nil || got != v {
		t.Fatalf("%+v %v", got, err)
	}
	_, err := s.Substitution(ctx, "none")
	wantCode(t, err, registry.CodeNotFound)
	list := func(account string, unit registry.Unit, today registry.Date) int {
		t.Helper()
		l, err := s.SubstitutionsOf(ctx, account, unit, today)
		must(t, err)
		return len(l)
	}
	for today, want := range map[registry.Date]int{"2026-08-01": 1, "2026-09-10": 1, "2026-09-11": 0} {
		if list("a1", "", today) != want || list("", SchoolA, today) != want || list("a2", "", today) != 0 {
			t.Errorf("on %s", today)
		}
	}
	v.EndedAt = Epoch.Add(time.Hour).UTC()
	must(t, s.PutSubstitution(ctx, v))
	if list("a1", "", "2026-09-05") != 0 {
		t.Error("one that was ended is listed")
	}
	wantCode(t, s.PutSubstitution(ctx, store.Substitution{ID: "s2", Account: "a1", Away: "a1", From: "2026-09-01", Until: "2026-09-02"}), registry.CodeInvalid)
	wantCode(t, s.PutSubstitution(ctx, store.Substitution{ID: "s2", Account: "a1", Away: "a2", From: "2026-09-03", Until: "2026-09-02"}), registry.CodeInvalid)
}

func guardTries(t *testing.T, s store.Store) {
	ctx := t.Context()
	own, all := store.Limit{Name: "own", Max: 2, Span: time.Minute}, store.Limit{Name: "all", Max: 5, Span: time.Hour}
	take := func(at time.Duration, l ...store.Limit) time.Time {
		t.Helper()
		until, err := s.TakeTries(ctx, Epoch.Add(at), l...)
		must(t, err)
		return until
	}
	if !take(0, own, all).IsZero() || !take(30*time.Second, own, all).IsZero() {
		t.Fatal("the first two are free")
	}
	if until := take(40*time.Second, own, all); !until.Equal(Epoch.Add(90 * time.Second)) {
		t.Fatalf("locked until %v: a minute from the last attempt that counted", until)
	}
	// A refused attempt takes nothing anywhere: the wide count is still 2.
	for i := range 3 {
		if !take(50*time.Second, all).IsZero() {
			t.Fatalf("attempt %d of the wide count", i)
		}
	}
	if take(55*time.Second, all).IsZero() {
		t.Fatal("the wide count does not bound")
	}
	if !take(91*time.Second, own).IsZero() {
		t.Fatal("the lock does not run out")
	}
	must(t, s.ReturnTries(ctx, []string{"own"}, []string{"all", "unknown"}))
	if !take(92*time.Second, own, all).IsZero() {
		t.Fatal("what was given back is not free")
	}
	must(t, s.Sweep(ctx, Epoch.Add(3*time.Hour)))
	if !take(3*time.Hour, own, all).IsZero() {
		t.Fatal("after the sweep")
	}
	// However many come at once, no more than the limit get through.
	var wg sync.WaitGroup
	got := make(chan bool, 20)
	for range cap(got) {
		wg.Go(func() {
			until, err := s.TakeTries(ctx, Epoch, store.Limit{Name: "race", Max: 5, Span: time.Hour}, store.Limit{Name: "race2", Max: 50, Span: time.Hour})
			got <- err == nil && until.IsZero()
		})
	}
	wg.Wait()
	close(got)
	n := 0
	for ok := range got {
		if ok {
			n++
		}
	}
	if n != 5 {
		t.Fatalf("%d got through a limit of 5", n)
	}
}

func once(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.PutOnce(ctx, "id", "oidc", []byte("x"), Epoch.Add(time.Minute)))
	wantCode(t, s.PutOnce(ctx, "id", "oidc", nil, Epoch.Add(time.Minute)), registry.CodeConflict)
	_, err := s.TakeOnce(ctx, "id", "passkey", Epoch)
	wantCode(t, err, registry.CodeNotFound)
	_, err = s.TakeOnce(ctx, "id", "oidc", Epoch.Add(time.Minute))
	wantCode(t, err, registry.CodeNotFound)
	got, err := s.TakeOnce(ctx, "id", "oidc", Epoch)
	if err != nil || string(got) != "x" {
		t.Fatal(string(got), err)
	}
	_, err = s.TakeOnce(ctx, "id", "oidc", Epoch)
	wantCode(t, err, registry.CodeNotFound)
	must(t, s.PutOnce(ctx, "late", "oidc", nil, Epoch))
	must(t, s.Sweep(ctx, Epoch))
	must(t, s.PutOnce(ctx, "late", "oidc", nil, Epoch.Add(time.Hour)))
}
