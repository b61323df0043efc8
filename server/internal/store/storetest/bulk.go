package storetest

import (
	"slices"
	"testing"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// bulks: a run with its rows, moved once each with their pupils; leases; marks; counts by class.
func bulks(t *testing.T, s store.Store) {
	ctx := t.Context()
	r := store.BulkRun{ID: "p-1", Kind: store.BulkPromote, School: SchoolA, Period: "2026", Unit: SchoolA, State: store.BulkQueued, Doc: store.BulkDoc{By: Clerk, Year: 2026, Classes: map[string]string{"1班": "2班"}},
		CreatedAt: Epoch.UTC(), UpdatedAt: Epoch.UTC()}
	must(t, s.PutBulk(ctx, r, []store.BulkRow{{UID: UID(1), Pos: 1, Class: "03 1班"}, {UID: UID(2), Pos: 2, Class: "03 2班", Doc: store.BulkMark{Certificate: "证-1", End: registry.StandingGraduated}}}))
	wantCode(t, s.PutBulk(ctx, r, nil), registry.CodeConflict)
	must(t, s.AddBulkRows(ctx, "p-1", []store.BulkRow{{UID: UID(2), Pos: 9, Class: "x"}, {UID: UID(3), Pos: 3, Class: "03 2班"}}))
	must(t, s.PutBulk(ctx, store.BulkRun{ID: "rv-1", Kind: store.BulkReview, School: SchoolB, Period: "2026", Unit: CountyX, State: store.BulkOpen, CreatedAt: Epoch.Add(time.Hour), UpdatedAt: Epoch}, nil))

	got, err := s.LeaseBulk(ctx, Epoch, time.Minute)
	must(t, err)
	if got.ID != "p-1" || got.Doc.Year != 2026 || got.Doc.By.Account != Clerk.Account || got.Doc.Classes["1班"] != "2班" {
		t.Fatalf("leased %+v", got)
	}
	_, err = s.LeaseBulk(ctx, Epoch.Add(time.Second), time.Minute) // held; a review waits for people
	wantCode(t, err, registry.CodeNotFound)
	must(t, s.HoldBulk(ctx, "p-1", Epoch))
	got, err = s.LeaseBulk(ctx, Epoch.Add(time.Second), time.Minute)
	must(t, err)
	got.State, got.UpdatedAt = store.BulkRunning, Epoch.Add(time.Second).UTC()
	must(t, s.SaveBulk(ctx, got))
	wantCode(t, s.SaveBulk(ctx, got), registry.CodeConflict)

	// A pupil's move and its row are one transaction, once.
	move := func(n int) error {
		p := Pupil(n, "生", SchoolA, 3, "1班")
		return s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvEnrol, store.Index{})}, Bulk: []store.BulkRow{{Run: "p-1", UID: UID(n), State: store.RowDone, Doc: store.BulkMark{ToGrade: 4}, At: Epoch.UTC()}}})
	}
	must(t, move(1))
	wantCode(t, s.Commit(ctx, store.Batch{Bulk: []store.BulkRow{{Run: "p-1", UID: UID(1), State: store.RowDone}}}), registry.CodeConflict)
	wantCode(t, move(7), registry.CodeConflict) // no such row: the pupil is not written either
	if _, err := s.Pupil(ctx, UID(7)); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatalf("half a batch: %v", err)
	}
	must(t, s.MarkBulk(ctx, []store.BulkRow{{Run: "p-1", UID: UID(2), State: store.RowFailed, Doc: store.BulkMark{Code: registry.CodeLocked}, At: Epoch.UTC()}},
		audit.Entry{At: Epoch, Kind: audit.Look, Subject: string(UID(2)), What: "review"}))
	wantCode(t, s.MarkBulk(ctx, []store.BulkRow{{Run: "p-1", UID: UID(99), State: store.RowDone}}), registry.CodeNotFound)
	rows, err := s.BulkRows(ctx, "p-1", "", "", 10, 0)
	must(t, err)
	if len(rows) != 3 || rows[0].State != store.RowDone || rows[0].Doc.ToGrade != 4 || rows[1].Doc.Code != registry.CodeLocked || rows[2].State != store.RowWaiting {
		t.Fatalf("rows %+v", rows)
	}
	rows, err = s.BulkRows(ctx, "p-1", store.RowWaiting, "03 2班", 10, 0)
	must(t, err)
	if len(rows) != 1 || rows[0].UID != UID(3) {
		t.Fatalf("waiting %+v", rows)
	}
	classes, err := s.BulkClasses(ctx, "p-1")
	must(t, err)
	if !slices.Equal(classes, []store.BulkClass{{Class: "03 1班", Total: 1, Done: 1}, {Class: "03 2班", Total: 2, Failed: 1}}) {
		t.Fatalf("classes %+v", classes)
	}
	one, err := s.Bulk(ctx, "p-1")
	must(t, err)
	if one.Total != 3 || one.Done != 1 || one.Failed != 1 || one.Waiting() != 1 || one.State != store.BulkRunning {
		t.Fatalf("%+v", one)
	}
	_, err = s.Bulk(ctx, "none")
	wantCode(t, err, registry.CodeNotFound)
	list, err := s.Bulks(ctx, store.BulkQuery{All: true})
	must(t, err)
	if len(list) != 2 || list[0].ID != "rv-1" {
		t.Fatalf("%+v", list)
	}
	list, err = s.Bulks(ctx, store.BulkQuery{Schools: []registry.Unit{SchoolA}, Kind: store.BulkPromote, Period: "2026", State: store.BulkRunning})
	must(t, err)
	if len(list) != 1 || list[0].Total != 3 {
		t.Fatalf("%+v", list)
	}
	if list, err = s.Bulks(ctx, store.BulkQuery{}); err != nil || len(list) != 0 {
		t.Fatalf("no school, no run: %v %v", list, err)
	}
}

// certificateRegister: what a finish gave stands in the register of its school.
func certificateRegister(t *testing.T, s store.Store) {
	ctx := t.Context()
	for n, school := range []registry.Unit{SchoolA, SchoolA, SchoolB} {
		p := Pupil(n+1, "生", school, 6, "1班")
		p.Certificates = []registry.Certificate{{No: "证" + string(rune('1'+n)), End: registry.StandingGraduated, Grade: 6, School: school, On: registry.NewDate(2025+n, 6, 30)}}
		must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvEnrol, store.Index{})}}))
	}
	rows, n, err := s.Certificates(ctx, store.CertificateQuery{Schools: []registry.Unit{SchoolA}})
	must(t, err)
	if n != 2 || len(rows) != 2 || rows[0].No != "证2" || rows[0].UID != UID(2) || rows[0].Grade != 6 || rows[0].On != "2026-06-30" {
		t.Fatalf("%d %+v", n, rows)
	}
	for _, c := range []struct {
		q    store.CertificateQuery
		want int
	}{{store.CertificateQuery{All: true}, 3}, {store.CertificateQuery{}, 0}, {store.CertificateQuery{All: true, Year: "2025"}, 1}, {store.CertificateQuery{All: true, No: "证3"}, 1},
		{store.CertificateQuery{All: true, UIDs: []registry.UID{UID(1), UID(3)}}, 2}, {store.CertificateQuery{All: true, End: registry.StandingLeft}, 0}} {
		if _, n, err := s.Certificates(ctx, c.q); err != nil || n != c.want {
			t.Errorf("%+v: %d %v, want %d", c.q, n, err, c.want)
		}
	}
}
