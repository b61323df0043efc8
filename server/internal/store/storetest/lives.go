package storetest

import (
	"slices"
	"testing"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A pupil who is taught elsewhere than at the school of the 学籍 is found by both schools, once.
func studySchool(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := Pupil(1, "王小明", SchoolA, 1, "1班")
	p.Study, p.Mode = &registry.Study{School: SchoolC, Since: "2026-09-01"}, registry.ModeSpecial
	home := Pupil(2, "王小红", SchoolA, 1, "1班")
	home.Study, home.Mode = &registry.Study{School: SchoolA, Since: "2026-09-01"}, registry.ModeHome
	insert(t, s, p, store.Index{})
	insert(t, s, home, store.Index{})
	insert(t, s, Pupil(3, "王小刚", SchoolC, 1, "1班"), store.Index{})
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolA}, Unit: SchoolA}, "王小明", "王小红")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolC}, Unit: SchoolC}, "王小明", "王小刚")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolC}, Unit: SchoolC, Study: SchoolC}, "王小明")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolA, SchoolC}, Unit: SchoolC, Study: SchoolC}, "王小明")
	rows, err := s.Search(ctx, store.Query{All: true})
	must(t, err)
	for _, r := range rows {
		if want := map[registry.UID]registry.Unit{UID(1): SchoolC}[r.UID]; r.Study != want {
			t.Errorf("%s is taught at %q, want %q", r.Name, r.Study, want)
		}
	}
	p.Version = 1
	p.Study, p.Mode = nil, ""
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvEndArrange, store.Index{})}}))
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolC}, Unit: SchoolC}, "王小刚")
}

// A certificate's number is one pupil's for ever.
func certificates(t *testing.T, s store.Store) {
	ctx := t.Context()
	finish := func(n int, no string) error {
		p := Pupil(n, "王小明", SchoolA, 6, "1班")
		insert(t, s, p, store.Index{})
		p.Version = 1
		p.Certificates = []registry.Certificate{{No: no, End: registry.StandingGraduated, Grade: 6, School: SchoolA, On: "2026-07-01", CaseNo: CaseNo(n)}}
		c := Change(p, registry.EvDecideStep, store.Index{})
		c.Entry.CaseNo = CaseNo(n)
		return s.Commit(ctx, store.Batch{Changes: []store.Change{c}})
	}
	must(t, finish(1, "3301062026060001"))
	wantCode(t, finish(2, "3301062026060001"), registry.CodeConflict)
	must(t, finish(3, "3301062026060002"))
}

// What is overdue anywhere is read page by page, the oldest first.
func overdueTasks(t *testing.T, s store.Store) {
	ctx := t.Context()
	for n, due := range []registry.Date{"2026-09-03", "2026-09-01", "2026-09-02", "2026-09-10"} {
		c := Change(Pupil(n+1, "王小明", SchoolA, 1, "1班"), registry.EvEnrol, store.Index{})
		c.Tasks = []registry.Task{{UID: UID(n + 1), Kind: registry.TaskStep, Unit: SchoolA, Above: CountyX, DueOn: due}, {UID: UID(n + 1), Kind: registry.TaskArchiveBuild, Unit: SchoolA}}
		must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}))
	}
	var got []registry.Date
	for offset := 0; ; offset += 2 {
		rows, err := s.OverdueTasks(ctx, "2026-09-10", 2, offset)
		must(t, err)
		for _, r := range rows {
			got = append(got, r.DueOn)
		}
		if len(rows) < 2 {
			break
		}
	}
	if !slices.Equal(got, []registry.Date{"2026-09-01", "2026-09-02", "2026-09-03"}) {
		t.Fatalf("overdue %v", got)
	}
}
