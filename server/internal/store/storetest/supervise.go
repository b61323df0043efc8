package storetest

import (
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

func findings(t *testing.T, s store.Store) {
	ctx := t.Context()
	hit := func(unit registry.Unit, k supervise.Kind, n int, since registry.Date) store.Finding {
		return store.Finding{Hit: supervise.Hit{Kind: k, Unit: unit, UID: UID(n), Key: "k", Why: "step", Since: since}}
	}
	units := []registry.Unit{SchoolA, SchoolC, CountyX}
	want := func(n int, units ...registry.Unit) []store.Finding {
		t.Helper()
		got, err := s.Findings(ctx, units, 0, 100, 0)
		must(t, err)
		if len(got) != n {
			t.Fatalf("%d findings, want %d: %+v", len(got), n, got)
		}
		return got
	}
	day := func(n int) time.Time { return Epoch.AddDate(0, 0, n) }
	must(t, s.PutFindings(ctx, string(SchoolA), day(0), []store.Finding{hit(SchoolA, 1, 1, "2026-09-02"), hit(CountyX, 6, 2, "2026-09-01"), hit(SchoolA, 6, 3, "2026-09-20")}))
	must(t, s.PutFindings(ctx, string(SchoolC), day(0), []store.Finding{hit(SchoolC, 1, 4, "2026-09-05")}))
	if got := want(4, units...); got[0].Unit != CountyX || got[0].UID != UID(2) || got[0].Kind != 6 || got[0].Key != "k" || got[0].Why != "step" {
		t.Fatalf("the longest standing first: %+v", got[0])
	}
	want(2, SchoolA)
	// The next day: one is mended, one stands with the day it was found, another school's are left alone.
	must(t, s.PutFindings(ctx, string(SchoolA), day(1), []store.Finding{hit(SchoolA, 1, 1, "2026-09-02")}))
	if got := want(1, SchoolA); !got[0].FoundAt.Equal(day(0)) {
		t.Fatalf("found at %v", got[0].FoundAt)
	}
	want(0, CountyX)
	want(1, SchoolC)
	// A pupil moves: the other school's pass finds it, the first one's next pass does not take it away.
	must(t, s.PutFindings(ctx, string(SchoolC), day(2), []store.Finding{hit(SchoolA, 1, 1, "2026-09-02")}))
	must(t, s.PutFindings(ctx, string(SchoolA), day(3), nil))
	want(1, SchoolA)
	counts, err := s.FindingCounts(ctx, units, "2026-09-03")
	must(t, err)
	if len(counts) != 1 || counts[0] != (store.FindingCount{Unit: SchoolA, Kind: 1, N: 1, Severe: 1}) {
		t.Fatalf("%+v", counts)
	}
	found, gone, err := s.FindingMoves(ctx, units, day(1))
	must(t, err)
	if found[1] != 0 || gone[1] != 1 || gone[6] != 2 {
		t.Fatalf("found %v, gone %v", found, gone)
	}
	// By hand: no pass takes it away, its words are kept.
	hand := store.Finding{Hit: supervise.Hit{Kind: 8, Unit: SchoolA, Key: "n1", Why: "hand", Since: "2026-09-04"}, FoundAt: day(4), Words: "家长反映", By: registry.Actor{Account: "a", Name: "周敏"}}
	must(t, s.AddFinding(ctx, hand))
	must(t, s.PutFindings(ctx, string(SchoolA), day(5), nil))
	if got := want(2, SchoolA); got[1].Words != "家长反映" || got[1].By.Name != "周敏" || got[1].Source != "hand" {
		t.Fatalf("%+v", got[1])
	}
	must(t, s.CloseFinding(ctx, SchoolA, hand.ID(), day(6)))
	wantCode(t, s.CloseFinding(ctx, SchoolA, hand.ID(), day(6)), registry.CodeNotFound)
	wantCode(t, s.PutFindings(ctx, "hand", day(6), nil), registry.CodeInvalid)
}

func orders(t *testing.T, s store.Store) {
	ctx := t.Context()
	o := supervise.Order{No: "ZG-2026-330106-0001", By: CountyX, To: SchoolA, Kinds: []supervise.Kind{1}, State: supervise.Open, DueOn: "2026-10-01", Rounds: []supervise.Round{{On: "2026-09-10", Text: "限期改正"}}}
	must(t, s.PutOrder(ctx, o))
	wantCode(t, s.PutOrder(ctx, o), registry.CodeConflict)
	got, err := s.Order(ctx, o.No)
	must(t, err)
	if got.Version != 1 || got.Rounds[0].Text != "限期改正" {
		t.Fatalf("%+v", got)
	}
	mine := func(u registry.Unit, n int) {
		t.Helper()
		list, err := s.OrdersFor(ctx, u, 10)
		must(t, err)
		if len(list) != n {
			t.Fatalf("%d orders wait for %s, want %d", len(list), u, n)
		}
	}
	mine(SchoolA, 1)
	mine(CountyX, 0)
	answered := got
	answered.State = supervise.Answered
	must(t, s.PutOrder(ctx, answered))
	wantCode(t, s.PutOrder(ctx, answered), registry.CodeConflict)
	mine(SchoolA, 0)
	mine(CountyX, 1)
	for _, u := range []registry.Unit{SchoolA, CountyX} {
		list, err := s.Orders(ctx, []registry.Unit{u}, 10)
		must(t, err)
		if len(list) != 1 {
			t.Fatalf("%s sees %d", u, len(list))
		}
	}
	list, err := s.Orders(ctx, []registry.Unit{SchoolC}, 10)
	must(t, err)
	if len(list) != 0 {
		t.Fatal("an order of others")
	}
	_, err = s.Order(ctx, "none")
	wantCode(t, err, registry.CodeNotFound)
}

func tallies(t *testing.T, s store.Store) {
	ctx := t.Context()
	units := []registry.Unit{SchoolA, SchoolC}
	put := func(u registry.Unit, year, n int, at time.Time) {
		t.Helper()
		must(t, s.PutTally(ctx, supervise.Tally{Unit: u, Year: year, Cells: []supervise.Cell{{Grade: 1, Sex: "1", Standing: registry.StandingEnrolled, N: n}}}, at))
	}
	put(SchoolA, 2025, 5, Epoch)
	put(SchoolA, 2026, 6, Epoch)
	put(SchoolA, 2026, 7, Epoch.Add(time.Hour))
	got, err := s.Tallies(ctx, units, 2026)
	must(t, err)
	if len(got) != 1 || got[SchoolA].Cells[0].N != 7 {
		t.Fatalf("%+v", got)
	}
	times, err := s.TallyTimes(ctx, units)
	must(t, err)
	if len(times) != 1 || !times[SchoolA].Equal(Epoch.Add(time.Hour)) {
		t.Fatalf("%v", times)
	}
	seen := 0
	insert(t, s, Pupil(1, "王小明", SchoolA, 1, "1班"), store.Index{})
	insert(t, s, Pupil(2, "王小红", SchoolC, 1, "1班"), store.Index{})
	must(t, s.EachPupil(ctx, SchoolA, func(p registry.Pupil) error {
		seen++
		if p.UID != UID(1) || p.Name() != "王小明" || p.Version != 1 {
			t.Errorf("%+v", p)
		}
		return nil
	}))
	if seen != 1 {
		t.Fatalf("%d pupils", seen)
	}
	// Marks: a side that is set stays as it was set.
	must(t, s.PutMark(ctx, store.Mark{Unit: SchoolA, Kind: store.MarkLetter, Period: "2026-1", SentAt: Epoch, SentBy: "a"}))
	must(t, s.PutMark(ctx, store.Mark{Unit: SchoolA, Kind: store.MarkLetter, Period: "2026-1", SentAt: Epoch.Add(time.Hour), SentBy: "b", SeenAt: Epoch.Add(time.Hour), SeenBy: "c"}))
	ms, err := s.Marks(ctx, store.MarkLetter, "", units)
	must(t, err)
	if len(ms) != 1 || ms[0].SentBy != "a" || !ms[0].SentAt.Equal(Epoch) || ms[0].SeenBy != "c" {
		t.Fatalf("%+v", ms)
	}
	ms, err = s.Marks(ctx, store.MarkLetter, "2026-2", units)
	must(t, err)
	if len(ms) != 0 {
		t.Fatalf("%+v", ms)
	}
}
