package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// found lists the names of a search, in order.
func found(t testing.TB, s store.Store, q store.Query) []string {
	t.Helper()
	rows, err := s.Search(t.Context(), q)
	must(t, err)
	n, err := s.Count(t.Context(), q)
	must(t, err)
	if q.Limit == 0 && q.Offset == 0 && n != len(rows) {
		t.Fatalf("%+v: Count says %d, Search gives %d", q, n, len(rows))
	}
	out := []string{}
	for _, r := range rows {
		out = append(out, r.Name)
	}
	return out
}

func wantFound(t testing.TB, s store.Store, q store.Query, names ...string) {
	t.Helper()
	got := found(t, s, q)
	if !slices.Equal(got, append([]string{}, names...)) {
		t.Fatalf("%+v finds %v, want %v", q, got, names)
	}
}

func search(t *testing.T, s store.Store) {
	insert(t, s, Pupil(1, "欧阳𬀩", SchoolA, 1, "10班"), store.Index{Order: "ou 欧 yang 阳 wei 𬀩 ", Pinyin: []string{"ouyangwei", "ouyanghui"}, Initials: []string{"oyw", "oyh"}, IDTail: "123X", NumTail: "123X", Alt: "浙A-0077"})
	insert(t, s, Pupil(2, "阿依古丽·买买提", SchoolA, 1, "2班"), store.Index{Order: "a 阿 ", Pinyin: []string{"ayigulimaimaiti"}, Initials: []string{"ayglmmt"}, IDTail: "4567", NumTail: "8901"})
	insert(t, s, Pupil(3, "王欧阳", SchoolA, 1, "2班"), store.Index{Order: "wang 王 ou 欧 yang 阳 ", Pinyin: []string{"wangouyang"}, Initials: []string{"woy"}, IDTail: "0001"})
	insert(t, s, Pupil(4, "Anna Müller", SchoolB, 2, "1班"), store.Index{Initials: []string{"am"}, IDTail: "9999"})
	all := func(text string) store.Query { return store.Query{All: true, Text: text} }
	for _, c := range []struct {
		text string
		want []string
	}{
		{"欧阳", []string{"王欧阳", "欧阳𬀩"}}, // any part of the name; 2班 before 10班
		{"𬀩", []string{"欧阳𬀩"}},
		{"买买提", []string{"阿依古丽·买买提"}},
		{"古丽买买", []string{"阿依古丽·买买提"}},    // the dot does not matter,
		{"古丽•买", []string{"阿依古丽·买买提"}},    // nor which dot it is,
		{" 阿依 古丽 ", []string{"阿依古丽·买买提"}}, // nor spaces
		{"ouyang", []string{"欧阳𬀩"}},
		{"OUYANGH", []string{"欧阳𬀩"}}, // every reading, either case
		{"oy", []string{"欧阳𬀩"}},
		{"aygl", []string{"阿依古丽·买买提"}},
		{"123x", []string{"欧阳𬀩"}},
		{"１２３Ｘ", []string{"欧阳𬀩"}}, // full width
		{"8901", []string{"阿依古丽·买买提"}},
		{"浙a-00", []string{"欧阳𬀩"}},
		{"müll", []string{"Anna Müller"}},
		{"123", nil}, // not four digits: not a tail
		{"%", nil},
		{"_", nil},
		{"阳欧", nil},
		{"'; DROP TABLE pupil; --", nil},
		{"\x00", nil},
		{"   ", nil},
	} {
		t.Run(c.text, func(t *testing.T) { wantFound(t, s, all(c.text), c.want...) })
	}
	// filters and pages
	wantFound(t, s, all(""), "阿依古丽·买买提", "王欧阳", "欧阳𬀩", "Anna Müller")
	wantFound(t, s, store.Query{All: true, Limit: 2, Offset: 1}, "王欧阳", "欧阳𬀩")
	wantFound(t, s, store.Query{All: true, Class: "2班"}, "阿依古丽·买买提", "王欧阳")
	wantFound(t, s, store.Query{All: true, Grade: 2}, "Anna Müller")
	wantFound(t, s, store.Query{All: true, School: SchoolB}, "Anna Müller")
	wantFound(t, s, store.Query{All: true, Standing: registry.StandingSuspended})
	rows, err := s.Search(t.Context(), all("王欧阳"))
	must(t, err)
	want := store.Summary{UID: UID(3), Name: "王欧阳", Sex: "2", Birth: "2016-03-05", School: SchoolA, Grade: 1, Class: "2班", Standing: registry.StandingEnrolled, Version: 1}
	if rows[0] != want {
		t.Fatalf("row %+v, want %+v", rows[0], want)
	}
}

func searchScope(t *testing.T, s store.Store) {
	for i, school := range []registry.Unit{SchoolA, SchoolB, SchoolC} {
		for j := range 3 {
			n := i*10 + j
			insert(t, s, Pupil(n, fmt.Sprintf("王%d%d", i, j), school, 1+j, "1班"), store.Index{Pinyin: []string{fmt.Sprintf("wang%d%d", i, j)}})
		}
	}
	// a pupil of C on the way to A: A sees them, and their county does, while the case is open
	p, err := s.Pupil(t.Context(), UID(21))
	must(t, err)
	p = Transfer(p, CaseNo(1), SchoolA, Epoch)
	must(t, s.Commit(t.Context(), store.Batch{Changes: []store.Change{Change(p, registry.EvStartTransfer, store.Index{Pinyin: []string{"wang21"}})}}))

	wantFound(t, s, store.Query{}) // nobody's scope holds nobody
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolA}}, "王00", "王01", "王02")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolA}, Unit: SchoolA}, "王00", "王01", "王02", "王21")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolC}, Unit: SchoolC}, "王20", "王21", "王22")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolB, SchoolA}, Unit: SchoolA, Text: "wang"}, "王00", "王01", "王02", "王10", "王11", "王12", "王21")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolB, SchoolA}, Unit: SchoolA, Limit: 2, Offset: 5}, "王12", "王21")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolA}, School: SchoolC}) // narrowing never widens
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolA}, Unit: SchoolA, School: SchoolC}, "王21")
	wantFound(t, s, store.Query{Unit: CountyY, Text: "王2"}, "王21")
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolB}, Text: "王2"})

	p, err = s.Pupil(t.Context(), UID(21))
	must(t, err)
	p.Cases[0].State, p.Lock = registry.CaseRefused, ""
	must(t, s.Commit(t.Context(), store.Batch{Changes: []store.Change{Change(p, registry.EvDecideStep, store.Index{})}}))
	wantFound(t, s, store.Query{Schools: []registry.Unit{SchoolA}, Unit: SchoolA}, "王00", "王01", "王02")
}

func searchFollows(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := insert(t, s, Pupil(1, "王小明", SchoolA, 1, "1班"), store.Index{Pinyin: []string{"wangxiaoming"}})
	p.Form[registry.FName] = "李小明"
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvReturn, store.Index{Pinyin: []string{"lixiaoming"}})}}))
	wantFound(t, s, store.Query{All: true, Text: "王"})
	wantFound(t, s, store.Query{All: true, Text: "wang"})
	wantFound(t, s, store.Query{All: true, Text: "李小"}, "李小明")
	// a move to another school, the name unchanged
	p.Version, p.School = 2, SchoolB
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvReturn, store.Index{Pinyin: []string{"lixiaoming"}})}}))
	wantFound(t, s, store.Query{All: true, School: SchoolA, Text: "李"})
	wantFound(t, s, store.Query{All: true, School: SchoolB, Text: "李"}, "李小明")
	// the issuing list
	wantFound(t, s, store.Query{All: true, NoCard: true}, "李小明")
	p.Version, p.Card = 3, &registry.CardRef{Number: "1"}
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvBindCard, store.Index{})}}))
	wantFound(t, s, store.Query{All: true, NoCard: true})
}

func tasks(t *testing.T, s store.Store) {
	ctx := t.Context()
	commit := func(n int, version int64, ts ...registry.Task) {
		t.Helper()
		p := Pupil(n, fmt.Sprintf("王%d", n), SchoolA, 1, "1班")
		p.Version = version
		c := Change(p, registry.EvReturn, store.Index{})
		c.Tasks = ts
		must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}))
	}
	commit(1, 0, registry.Task{UID: UID(1), Kind: registry.TaskStep, Unit: SchoolA, Above: CountyX, CaseNo: CaseNo(1), DueOn: "2026-09-10", Arrived: "2026-08-27", Others: []registry.Unit{SchoolB, SchoolB, CountyY}},
		registry.Task{UID: UID(1), Kind: registry.TaskArchiveBuild, Unit: SchoolA, Above: CountyX})
	commit(2, 0, registry.Task{UID: UID(2), Kind: registry.TaskStep, Unit: SchoolA, Above: CountyX, DueOn: "2026-09-01", Unsure: true})
	commit(3, 0, registry.Task{UID: UID(3), Kind: registry.TaskStep, Unit: SchoolA, Above: CountyX, DueOn: "2026-09-03"})
	got, err := s.Tasks(ctx, store.TaskQuery{Unit: SchoolA, Limit: 10})
	must(t, err)
	var order []string
	for _, r := range got {
		order = append(order, string(r.DueOn)+r.Name)
	}
	if want := []string{"2026-09-01王2", "2026-09-03王3", "2026-09-10王1", "王1"}; !slices.Equal(order, want) {
		t.Fatalf("order %v, want %v", order, want)
	}
	if !got[0].Unsure || got[2].CaseNo != CaseNo(1) || got[2].Task.UID != UID(1) || got[2].Summary.UID != UID(1) || len(got[2].Others) != 3 {
		t.Fatalf("row %+v", got[2])
	}
	if next, err := s.Tasks(ctx, store.TaskQuery{Unit: SchoolA, Limit: 2, Offset: 2}); err != nil || len(next) != 2 || next[0].Task.UID != UID(1) {
		t.Fatalf("second page %+v %v", next, err)
	}
	above, err := s.TasksAbove(ctx, CountyX, "2026-09-03", 10)
	must(t, err)
	if len(above) != 1 || above[0].Task.UID != UID(2) { // due on the day itself is not overdue
		t.Fatalf("above %+v", above)
	}
	waiting, err := s.Tasks(ctx, store.TaskQuery{Unit: SchoolB, Waiting: true, Limit: 10})
	must(t, err)
	if len(waiting) != 1 || waiting[0].Unit != SchoolA || waiting[0].Name != "王1" {
		t.Fatalf("waiting %+v", waiting)
	}
	// Counted by day and topic, and any part of it listed, with and without the pupils.
	step, build := store.TaskTopic{Kind: registry.TaskStep, School: SchoolA, Grade: 1}, store.TaskTopic{Kind: registry.TaskArchiveBuild, School: SchoolA, Grade: 1}
	sums, err := s.TaskSums(ctx, SchoolA, false)
	must(t, err)
	if want := []store.TaskSum{{Topic: step, DueOn: "2026-09-01", N: 1}, {Topic: step, DueOn: "2026-09-03", N: 1}, {Topic: step, DueOn: "2026-09-10", N: 1}, {Topic: build, N: 1}}; !slices.Equal(sums, want) {
		t.Fatalf("sums %+v, want %+v", sums, want)
	}
	for _, part := range []struct {
		q    store.TaskQuery
		want []registry.UID
	}{
		{store.TaskQuery{Of: []store.TaskSum{sums[0], sums[3]}}, []registry.UID{UID(2), UID(1)}},
		{store.TaskQuery{Of: []store.TaskSum{sums[0], sums[3]}, Offset: 1}, []registry.UID{UID(1)}},
		{store.TaskQuery{Of: []store.TaskSum{}}, nil},
		{store.TaskQuery{Of: []store.TaskSum{{Topic: build, DueOn: "2026-09-01"}}}, nil},
		{store.TaskQuery{UIDs: []registry.UID{UID(3), UID(1)}}, []registry.UID{UID(3), UID(1), UID(1)}},
		{store.TaskQuery{Unit: SchoolB, Waiting: true, Of: []store.TaskSum{{Topic: step, DueOn: "2026-09-10"}}}, []registry.UID{UID(1)}},
		{store.TaskQuery{Unit: SchoolB, Waiting: true, Of: []store.TaskSum{{Topic: step, DueOn: "2026-09-03"}}}, nil},
	} {
		if part.q.Limit = 10; part.q.Unit == "" {
			part.q.Unit = SchoolA
		}
		rows, err := s.Tasks(ctx, part.q)
		must(t, err)
		refs, err := s.TaskRefs(ctx, part.q)
		must(t, err)
		var listed, seen []registry.UID
		for _, r := range rows {
			listed = append(listed, r.Task.UID)
		}
		for _, r := range refs {
			if seen = append(seen, r.UID); r.Seen != 1 {
				t.Errorf("%+v: of version %d", part.q, r.Seen)
			}
		}
		if !slices.Equal(listed, part.want) || !slices.Equal(seen, part.want) {
			t.Fatalf("%+v lists %v and %v, want %v", part.q, listed, seen, part.want)
		}
	}
	if sums, err := s.TaskSums(ctx, SchoolB, true); err != nil || !slices.Equal(sums, []store.TaskSum{{Topic: step, DueOn: "2026-09-10", N: 1}}) {
		t.Fatalf("waiting %+v %v", sums, err)
	}
	counts, err := s.TaskCounts(ctx, SchoolB, "2026-09-03")
	must(t, err)
	if want := (store.TaskCounts{Waiting: 1}); counts != want {
		t.Fatalf("counts %+v, want %+v", counts, want)
	}
	counts, err = s.TaskCounts(ctx, CountyX, "2026-09-04")
	must(t, err)
	if want := (store.TaskCounts{Above: 2}); counts != want {
		t.Fatalf("counts above %+v, want %+v", counts, want)
	}
	// absences are found by unit and from above, and nothing else with them
	commit(4, 0, registry.Task{UID: UID(4), Kind: registry.TaskAbsenceContact, Unit: SchoolB, Above: CountyX, DueOn: "2026-09-02"}, registry.Task{UID: UID(4), Kind: registry.TaskAbsence, Unit: SchoolB, Above: CountyX, DueOn: "2026-09-08"})
	commit(5, 0, registry.Task{UID: UID(5), Kind: registry.TaskAbsence, Unit: SchoolC, Above: CountyX, DueOn: "2026-09-07", Others: []registry.Unit{CountyY}})
	for _, ask := range []struct {
		unit   registry.Unit
		below  bool
		offset int
		want   []registry.UID
	}{{SchoolB, false, 0, []registry.UID{UID(4)}}, {CountyY, false, 0, []registry.UID{UID(5)}}, {SchoolC, false, 0, []registry.UID{UID(5)}}, {SchoolA, false, 0, nil}, {CountyX, true, 0, []registry.UID{UID(5), UID(4)}}, {CountyX, true, 1, []registry.UID{UID(4)}}, {CountyX, false, 0, nil}} {
		rows, err := s.Absences(ctx, ask.unit, ask.below, 10, ask.offset)
		must(t, err)
		var uids []registry.UID
		for _, r := range rows {
			if r.Kind != registry.TaskAbsence {
				t.Fatalf("%+v is no absence", r)
			}
			uids = append(uids, r.Task.UID)
		}
		if !slices.Equal(uids, ask.want) {
			t.Fatalf("absences of %s (%v): %v, want %v", ask.unit, ask.below, uids, ask.want)
		}
	}
	// a commit replaces them
	commit(1, 1)
	if got, err = s.Tasks(ctx, store.TaskQuery{Unit: SchoolA, Limit: 10}); err != nil || len(got) != 2 {
		t.Fatalf("after: %d tasks, %v", len(got), err)
	}
	if waiting, err = s.Tasks(ctx, store.TaskQuery{Unit: SchoolB, Waiting: true, Limit: 10}); err != nil || len(waiting) != 0 {
		t.Fatalf("after: waiting %+v %v", waiting, err)
	}
}

func cases(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i := range 4 {
		insert(t, s, Transfer(Pupil(i, fmt.Sprintf("王%d", i), SchoolA, 1, "1班"), CaseNo(i), SchoolB, Epoch.Add(time.Duration(i)*time.Hour)), store.Index{})
	}
	p, err := s.Pupil(ctx, UID(2))
	must(t, err)
	p.Cases[0].State, p.Lock = registry.CaseCompleted, ""
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvDecideStep, store.Index{})}}))
	names := func(unit registry.Unit, kind registry.CaseKind, state registry.CaseState, limit, offset int) []string {
		t.Helper()
		rows, err := s.Cases(ctx, unit, kind, state, limit, offset)
		must(t, err)
		out := []string{}
		for _, r := range rows {
			if r.Case.No == "" || r.UID == "" || len(r.Case.Steps) != 4 {
				t.Fatalf("row %+v", r)
			}
			out = append(out, r.Name)
		}
		return out
	}
	for _, unit := range []registry.Unit{SchoolA, SchoolB, CountyX, CountyY} {
		if got := names(unit, "", "", 10, 0); !slices.Equal(got, []string{"王3", "王2", "王1", "王0"}) {
			t.Fatalf("%s sees %v", unit, got)
		}
	}
	if got := names(SchoolA, registry.CaseTransfer, registry.CaseOpen, 2, 1); !slices.Equal(got, []string{"王1", "王0"}) {
		t.Fatalf("page %v", got)
	}
	if got := names(SchoolA, "", registry.CaseCompleted, 10, 0); !slices.Equal(got, []string{"王2"}) {
		t.Fatalf("completed %v", got)
	}
	if got := names(SchoolA, registry.CaseSuspend, "", 10, 0); len(got) != 0 {
		t.Fatalf("suspensions %v", got)
	}
	if got := names(SchoolC, "", "", 10, 0); len(got) != 0 {
		t.Fatalf("a stranger sees %v", got)
	}
}

// casesOfUnits: each case once whoever asks, also over several of its units.
func casesOfUnits(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i := range 3 {
		insert(t, s, Transfer(Pupil(i, fmt.Sprintf("王%d", i), SchoolA, 1, "1班"), CaseNo(i), SchoolB, Epoch.Add(time.Duration(i)*time.Hour)), store.Index{})
	}
	p, err := s.Pupil(ctx, UID(1))
	must(t, err)
	p.Cases[0].State, p.Lock = registry.CaseCompleted, ""
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvDecideStep, store.Index{})}}))
	for _, c := range []struct {
		q    store.CaseQuery
		want []string
	}{
		{store.CaseQuery{Units: []registry.Unit{SchoolA, SchoolB, CountyX}}, []string{"王2", "王1", "王0"}},
		{store.CaseQuery{All: true, Kind: registry.CaseTransfer, State: registry.CaseOpen}, []string{"王2", "王0"}},
		{store.CaseQuery{Units: []registry.Unit{SchoolB}, State: registry.CaseCompleted}, []string{"王1"}},
		{store.CaseQuery{All: true, Limit: 1, Offset: 1}, []string{"王1"}},
		{store.CaseQuery{Units: []registry.Unit{SchoolC, City}}, nil},
		{store.CaseQuery{All: true, Kind: registry.CaseProblem}, nil},
		{store.CaseQuery{}, nil},
	} {
		rows, err := s.CasesOf(ctx, c.q)
		must(t, err)
		var got []string
		for _, r := range rows {
			if r.UID == "" || len(r.Case.Steps) != 4 {
				t.Fatalf("row %+v", r)
			}
			got = append(got, r.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c.q, got)
		}
	}
}

// temporaryNumbers: lists are narrowed to L and J numbers, and follow the number.
func temporaryNumbers(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i, n := range []registry.Number{"", "G330106201603050023", "L330106201603050001", "J33010620160305001X"} {
		p := Pupil(i, fmt.Sprintf("李%d", i), SchoolA, 1, "1班")
		p.Number = n
		insert(t, s, p, store.Index{})
	}
	ask := func(want ...string) {
		t.Helper()
		rows, err := s.Search(ctx, store.Query{Schools: []registry.Unit{SchoolA}, Temporary: true})
		must(t, err)
		var got []string
		for _, r := range rows {
			got = append(got, r.Name)
		}
		if n, err := s.Count(ctx, store.Query{All: true, Temporary: true}); err != nil || n != len(want) || !slices.Equal(got, want) {
			t.Fatalf("%v, counted %d, %v", got, n, err)
		}
	}
	ask("李2", "李3")
	p, err := s.Pupil(ctx, UID(2))
	must(t, err)
	p.Number = "G330106201603050104"
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvGiveNumber, store.Index{})}}))
	ask("李3")
}

func bases(t *testing.T, s store.Store) {
	ctx := t.Context()
	held := registry.Archive{State: registry.ArchiveHeld, Custodian: SchoolA}
	for i, p := range []registry.Pupil{Pupil(1, "李一", SchoolA, 3, "1班"), Pupil(2, "李二", SchoolA, 3, "1班"), Pupil(3, "李三", SchoolA, 3, "1班"), Pupil(4, "李四", SchoolB, 3, "1班")} {
		if p.Archive, p.EnrolledOn = held, "2024-09-01"; i == 2 {
			p.EnrolledOn = "2026-10-08"
		}
		insert(t, s, p, store.Index{})
	}
	count := func() map[string]int {
		t.Helper()
		found, err := s.Bases(ctx, SchoolA)
		must(t, err)
		out := map[string]int{}
		for _, c := range found {
			if c.Grade != 3 || c.Class != "1班" {
				t.Fatalf("%+v", c)
			}
			out[string(c.Standing)+" "+c.Basis] += c.N
		}
		return out
	}
	basis := func(n int) string {
		t.Helper()
		p, err := s.Pupil(ctx, UID(n))
		must(t, err)
		return registry.BasisOf(&p).String()
	}
	if got := count(); got["enrolled "+basis(1)] != 2 || got["enrolled "+basis(3)] != 1 || len(got) != 2 {
		t.Fatalf("%v", got)
	}
	each, err := s.BasesOf(ctx, []registry.UID{UID(1), UID(3), UID(99)})
	if err != nil || len(each) != 2 || each[UID(1)] != basis(2) || each[UID(3)] != basis(3) {
		t.Fatalf("%v %v", each, err)
	}
	p, err := s.Pupil(ctx, UID(1))
	must(t, err)
	p.Standing, p.Archive.State = registry.StandingGraduated, registry.ArchivePermanent
	c := Change(p, registry.EvKeepArchive, store.Index{})
	c.Tasks = []registry.Task{{UID: p.UID, Kind: registry.TaskArchiveBuild, Unit: SchoolA, DueOn: "2026-10-01"}, {UID: p.UID, Kind: registry.TaskStep, Unit: SchoolA}}
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}))
	if got := count(); got["enrolled "+basis(2)] != 1 || got["graduated "+basis(1)] != 1 || len(got) != 3 {
		t.Fatalf("after a change: %v", got)
	}
	// Whose archive is still to be kept is a task of whoever has it, about a pupil of the school; whose is kept is in the list.
	q, err := s.Pupil(ctx, UID(3))
	must(t, err)
	c = Change(q, registry.EvKeepArchive, store.Index{})
	c.Tasks = []registry.Task{{UID: q.UID, Kind: registry.TaskArchiveKeep, Unit: CountyX, DueOn: "2026-12-01"}}
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}))
	if keep, err := s.Keeping(ctx, q.School); err != nil || len(keep) != 1 || keep[0] != (store.KeepRef{UID: q.UID, DueOn: "2026-12-01"}) {
		t.Fatalf("%+v %v", keep, err)
	}
	if keep, err := s.Keeping(ctx, CountyX); err != nil || len(keep) != 0 {
		t.Fatalf("%+v %v", keep, err)
	}
	if n, err := s.Count(ctx, store.Query{All: true, School: SchoolA, Kept: true, Standing: registry.StandingGraduated}); err != nil || n != 1 {
		t.Fatalf("%d kept, %v", n, err)
	}
	tasks, err := s.ClassTasks(ctx, SchoolA, registry.TaskArchiveBuild)
	if err != nil || len(tasks) != 1 || tasks[0].Class != "1班" || tasks[0].DueOn != "2026-10-01" || tasks[0].Standing != registry.StandingGraduated {
		t.Fatalf("%+v %v", tasks, err)
	}
}
