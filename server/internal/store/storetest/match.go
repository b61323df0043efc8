package storetest

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// pair is a suspicion between two pupils by number, in order.
func pair(a, b, score int, units ...registry.Unit) store.Suspicion {
	x, y := UID(a), UID(b)
	if x > y {
		x, y = y, x
	}
	return store.Suspicion{UID: x, Other: y, Rung: 3, Score: score, Reasons: []string{"name", "birth"}, Units: units, FoundAt: Epoch.UTC(), State: store.SuspicionOpen}
}

func matches(t *testing.T, s store.Store) {
	ctx := t.Context()
	put := func(n int, version int64, add, drop []int64) {
		t.Helper()
		p := Pupil(n, "李静", SchoolA, 1, "1 班")
		p.Version = version
		c := Change(p, registry.EvEnrol, store.Index{})
		c.MatchAdd, c.MatchDrop = add, drop
		must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}))
	}
	sharers := func(keys ...int64) []registry.UID {
		t.Helper()
		got, err := s.Sharers(ctx, keys, 100)
		must(t, err)
		slices.Sort(got)
		return got
	}
	same := func(got []registry.UID, want ...int) {
		t.Helper()
		var w []registry.UID
		for _, n := range want {
			w = append(w, UID(n))
		}
		slices.Sort(w)
		if !slices.Equal(got, w) {
			t.Fatalf("%v, want %v", got, w)
		}
	}
	put(1, 0, []int64{7, -9, 7}, nil)
	put(2, 0, []int64{-9, 1 << 62}, nil)
	same(sharers(7), 1)
	same(sharers(-9, 7), 1, 2)
	same(sharers(8))
	put(1, 1, []int64{8}, []int64{7, 99})
	same(sharers(7))
	same(sharers(8), 1)
	var read []registry.UID
	must(t, s.Pupils(ctx, []registry.UID{UID(2), UID(1), UID(404), UID(2)}, func(p registry.Pupil) error {
		one, err := s.Pupil(ctx, p.UID)
		must(t, err)
		if !reflect.DeepEqual(p, one) {
			t.Errorf("among others %+v, alone %+v", p, one)
		}
		read = append(read, p.UID)
		return nil
	}))
	slices.Sort(read)
	same(read, 1, 2)
	seen := map[registry.UID]int{}
	must(t, s.EachMatchKey(ctx, func(_ int64, uid registry.UID) error { seen[uid]++; return nil }))
	if seen[UID(1)] != 2 || seen[UID(2)] != 2 {
		t.Fatalf("keys %v", seen)
	}
	// a new scheme of keys, for a record that stands and one that has moved on
	movedOn, err := s.MoveMatchKeys(ctx, []store.KeyMove{{UID: UID(1), Version: 2, Add: []int64{11, 8}, Drop: []int64{-9, 404}}, {UID: UID(2), Version: 9, Add: []int64{11}, Drop: []int64{-9}}})
	must(t, err)
	if !slices.Equal(movedOn, []registry.UID{UID(2)}) {
		t.Fatalf("moved on: %v", movedOn)
	}
	same(sharers(11), 1)
	same(sharers(-9), 2)
	same(sharers(8), 1)
	// a key that everybody has tells nothing
	for n := 3; n < 70; n++ {
		put(n, 0, []int64{5}, nil)
	}
	same(sharers(5))
	same(sharers(5, 8), 1)
}

func suspicions(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, b, c := pair(1, 2, 90, SchoolA, CountyX), pair(1, 3, 70, SchoolA, SchoolB, CountyX, CountyX), pair(4, 5, 99, SchoolC, CountyY)
	n, err := s.PutSuspicions(ctx, []store.Suspicion{a, b, c})
	must(t, err)
	if n != 3 {
		t.Fatalf("%d new", n)
	}
	if n, err := s.PutSuspicions(ctx, []store.Suspicion{a}); err != nil || n != 0 {
		t.Fatalf("%d new the second time, %v", n, err)
	}
	list := func(u registry.Unit, state store.SuspicionState) (scores []int) {
		t.Helper()
		all, err := s.Suspicions(ctx, u, state, 10, 0)
		must(t, err)
		for _, x := range all {
			scores = append(scores, x.Score)
		}
		return scores
	}
	if got := list(CountyX, store.SuspicionOpen); !slices.Equal(got, []int{90, 70}) {
		t.Fatalf("the county sees %v", got)
	}
	if got := list(SchoolB, store.SuspicionOpen); !slices.Equal(got, []int{70}) {
		t.Fatalf("the other school sees %v", got)
	}
	got, err := s.Suspicion(ctx, b.Other, b.UID)
	must(t, err)
	if got.UID != b.UID || got.Other != b.Other || got.Rung != 3 || !slices.Equal(got.Reasons, b.Reasons) || !got.FoundAt.Equal(b.FoundAt) || got.State != store.SuspicionOpen {
		t.Fatalf("%+v", got)
	}
	_, err = s.Suspicion(ctx, UID(2), UID(3))
	wantCode(t, err, registry.CodeNotFound)

	must(t, s.ProveSuspicion(ctx, b.Other, b.UID, store.Proof{By: Clerk, At: Epoch, Note: "户口簿两本", Files: []string{"ab"}}))
	must(t, s.ProveSuspicion(ctx, b.UID, b.Other, store.Proof{By: Clerk, At: Epoch, Note: "出生证明"}))
	d := b
	d.State, d.By, d.DecidedAt, d.Note = store.SuspicionApart, Clerk, Epoch.Add(time.Hour), "两份户口簿"
	must(t, s.DecideSuspicion(ctx, d))
	wantCode(t, s.DecideSuspicion(ctx, d), registry.CodeConflict)
	wantCode(t, s.ProveSuspicion(ctx, b.UID, b.Other, store.Proof{Note: "x"}), registry.CodeConflict)
	d.State = store.SuspicionOpen
	wantCode(t, s.DecideSuspicion(ctx, d), registry.CodeInvalid)
	if got := list(CountyX, store.SuspicionOpen); !slices.Equal(got, []int{90}) {
		t.Fatalf("open after a decision: %v", got)
	}
	if got := list(SchoolB, store.SuspicionApart); !slices.Equal(got, []int{70}) {
		t.Fatalf("decided: %v", got)
	}
	got, err = s.Suspicion(ctx, b.UID, b.Other)
	must(t, err)
	if got.State != store.SuspicionApart || got.By.Name != Clerk.Name || got.Note != "两份户口簿" || !got.DecidedAt.Equal(Epoch.Add(time.Hour)) || len(got.Proofs) != 2 || got.Proofs[0].Files[0] != "ab" {
		t.Fatalf("%+v", got)
	}
	// what was decided is not raised again by the next check
	if n, err := s.PutSuspicions(ctx, []store.Suspicion{b}); err != nil || n != 0 {
		t.Fatalf("%d new, %v", n, err)
	}
	must(t, s.ReopenSuspicion(ctx, b.UID, b.Other))
	wantCode(t, s.ReopenSuspicion(ctx, b.UID, b.Other), registry.CodeConflict)
	if n, err := s.OpenSuspicions(ctx, CountyX); err != nil || n != 2 {
		t.Fatalf("%d open, %v", n, err)
	}
	of, err := s.SuspicionsOf(ctx, UID(1))
	must(t, err)
	if len(of) != 2 || of[0].Score != 90 {
		t.Fatalf("of one pupil: %+v", of)
	}
	bad := a
	bad.UID, bad.Other = a.Other, a.UID
	_, err = s.PutSuspicions(ctx, []store.Suspicion{bad})
	wantCode(t, err, registry.CodeInvalid)
}
