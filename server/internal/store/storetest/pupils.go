package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

func insert(t testing.TB, s store.Store, p registry.Pupil, x store.Index) registry.Pupil {
	t.Helper()
	must(t, s.Commit(t.Context(), store.Batch{Changes: []store.Change{Change(p, registry.EvEnrol, x)}}))
	p.Version++
	return p
}

func pupilRoundTrip(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.Pupil(ctx, UID(1))
	wantCode(t, err, registry.CodeNotFound)

	// A character above U+FFFF, a middle dot, thirty characters.
	for i, name := range []string{"欧阳𬀩", "阿依古丽·买买提", "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十"} {
		p := Pupil(i, name, SchoolA, 4, "2班")
		p = Transfer(p, CaseNo(i), SchoolB, Epoch)
		p.Card = &registry.CardRef{Number: "33010000000" + fmt.Sprint(i), Sequence: 2, BoundAt: Epoch.UTC(), ExpiresOn: "2032-08-31"}
		p.Number = registry.Number(fmt.Sprintf("L33010620160305%04d", i))
		in := insert(t, s, p, store.Index{Pinyin: []string{"ouyang"}})
		out, err := s.Pupil(ctx, p.UID)
		must(t, err)
		if out.Version != 1 || out.Form[registry.FName] != name {
			t.Fatalf("read back version %d, name %q", out.Version, out.Form[registry.FName])
		}
		if !out.Cases[0].OpenedAt.Equal(in.Cases[0].OpenedAt) {
			t.Fatalf("time %v came back as %v", in.Cases[0].OpenedAt, out.Cases[0].OpenedAt)
		}
		in.Cases, out.Cases = nil, nil
		if !reflect.DeepEqual(in, out) {
			t.Fatalf("wrote %+v, read %+v", in, out)
		}
	}

	p, err := s.Pupil(ctx, UID(0))
	must(t, err)
	p.Grade = 5
	c := Change(p, registry.EvReturn, store.Index{})
	c.Entry.CaseNo = "FX-1"
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}))
	h, err := s.History(ctx, UID(0))
	must(t, err)
	if len(h) != 2 || h[0].Version != 1 || h[1].Version != 2 || h[1].Kind != registry.EvReturn || h[1].CaseNo != "FX-1" || h[1].Actor != Clerk ||
		!h[1].At.Equal(Epoch) || string(h[1].Payload) != `{"k":1}` || h[1].Pack != "CN-2013" {
		t.Fatalf("history %+v", h)
	}
}

func compareAndSwap(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := insert(t, s, Pupil(1, "王小明", SchoolA, 1, "1班"), store.Index{})
	p.Grade = 2
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvReturn, store.Index{})}}))
	// decided from a version that moved
	p.Grade = 3
	err := s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvReturn, store.Index{})}})
	if !errors.Is(err, registry.ErrConflict) {
		t.Fatalf("stale commit: %v", err)
	}
	// inserted twice
	p.Version = 0
	err = s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvEnrol, store.Index{})}})
	if !errors.Is(err, registry.ErrConflict) {
		t.Fatalf("second insert: %v", err)
	}
	got, err := s.Pupil(ctx, p.UID)
	must(t, err)
	if got.Grade != 2 || got.Version != 2 {
		t.Fatalf("grade %d version %d", got.Grade, got.Version)
	}
	// many at once: one wins each version
	var wg sync.WaitGroup
	won := make(chan int, 16)
	for i := range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mine := got
			mine.Grade = 3 + i%9
			if err := s.Commit(ctx, store.Batch{Changes: []store.Change{Change(mine, registry.EvReturn, store.Index{})}}); err == nil {
				won <- mine.Grade
			} else if !errors.Is(err, registry.ErrConflict) {
				t.Errorf("loser is told %v", err)
			}
		}()
	}
	wg.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d writers won one version", len(won))
	}
	grade := <-won
	got, err = s.Pupil(ctx, p.UID)
	must(t, err)
	if got.Version != 3 || got.Grade != grade {
		t.Fatalf("version %d grade %d, the winner wrote %d", got.Version, got.Grade, grade)
	}
}

func batchIsWhole(t *testing.T, s store.Store) {
	ctx := t.Context()
	old := insert(t, s, Pupil(1, "王小明", SchoolA, 1, "1班"), store.Index{})
	stale := old
	stale.Version = 7
	fresh := Change(Pupil(2, "李小红", SchoolA, 1, "1班"), registry.EvEnrol, store.Index{})
	fresh.Outbox = []store.OutboxRow{{ID: "o1", Kind: "notify", At: Epoch}}
	fresh.Claims = [][]byte{{1, 2, 3}}
	err := s.Commit(ctx, store.Batch{Changes: []store.Change{fresh, Change(stale, registry.EvReturn, store.Index{})},
		Import: &store.Import{ID: "imp", State: "running", CreatedAt: Epoch}})
	wantCode(t, err, registry.CodeConflict)
	_, err = s.Pupil(ctx, UID(2))
	wantCode(t, err, registry.CodeNotFound)
	_, err = s.OutboxRow(ctx, UID(2), "o1")
	wantCode(t, err, registry.CodeNotFound)
	_, err = s.Import(ctx, "imp")
	wantCode(t, err, registry.CodeNotFound)
	if uid, err := s.ClaimedBy(ctx, []byte{1, 2, 3}); err != nil || uid != "" {
		t.Fatalf("claim of an undone batch: %q %v", uid, err)
	}
}

func manyAtOnce(t *testing.T, s store.Store) {
	ctx := t.Context()
	const n = 500
	b := store.Batch{Import: &store.Import{ID: "imp", State: "running", Good: n, CreatedAt: Epoch}}
	for i := range n {
		c := Change(Pupil(i, fmt.Sprintf("学生%d", i), SchoolA, 1, "1班"), registry.EvEnrol, store.Index{})
		c.Claims = [][]byte{fmt.Appendf(nil, "id%d", i)}
		b.Changes = append(b.Changes, c)
	}
	must(t, s.Commit(ctx, b))
	if got, err := s.Count(ctx, store.Query{All: true}); err != nil || got != n {
		t.Fatalf("%d pupils, %v", got, err)
	}
	for _, q := range []store.Query{{All: true}, {All: true, Text: "学"}, {Schools: []registry.Unit{SchoolA, SchoolB}, Unit: CountyX}, {Schools: []registry.Unit{SchoolA, SchoolB}, Unit: CountyX, Text: "学"}} {
		for _, q.Most = range []int{1, n - 1, n, n + 1} {
			if got, err := s.Count(ctx, q); err != nil || got != min(n, q.Most) {
				t.Errorf("%d of %d pupils counted, at most %d asked for, text %q: %v", got, n, q.Most, q.Text, err)
			}
		}
	}
	// the same pupil twice in one batch, one upon the other
	p, err := s.Pupil(ctx, UID(3))
	must(t, err)
	p2 := p
	p2.Version, p2.Grade = 2, 9
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvReturn, store.Index{}), Change(p2, registry.EvReturn, store.Index{})}}))
	if p, err = s.Pupil(ctx, UID(3)); err != nil || p.Version != 3 || p.Grade != 9 {
		t.Fatalf("version %d grade %d %v", p.Version, p.Grade, err)
	}
}

func claims(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, b := []byte("doc-a"), []byte("doc-b")
	claim := func(p registry.Pupil, hashes [][]byte) error {
		c := Change(p, registry.EvEnrol, store.Index{})
		c.Claims = hashes
		return s.Commit(ctx, store.Batch{Changes: []store.Change{c}})
	}
	p1, p2 := Pupil(1, "王小明", SchoolA, 1, "1班"), Pupil(2, "王小明", SchoolB, 1, "1班")
	must(t, claim(p1, [][]byte{a, b}))
	err := claim(p2, [][]byte{a})
	wantCode(t, err, registry.CodeDuplicate)
	var e *registry.Error
	if errors.As(err, &e); e.Params["uid"] != string(p1.UID) {
		t.Fatalf("a duplicate names its holder: %v", e.Params)
	}
	got, err := s.ClaimedByMany(ctx, [][]byte{a, b, []byte("free")})
	must(t, err)
	if len(got) != 2 || got[string(a)] != p1.UID || got[string(b)] != p1.UID {
		t.Fatalf("claimed by %v", got)
	}
	// nil leaves them, a set replaces them
	p1.Version = 1
	must(t, claim(p1, nil))
	if uid, _ := s.ClaimedBy(ctx, b); uid != p1.UID {
		t.Fatalf("nil let a claim go: %q", uid)
	}
	p1.Version = 2
	must(t, claim(p1, [][]byte{b}))
	if uid, err := s.ClaimedBy(ctx, a); err != nil || uid != "" {
		t.Fatalf("released claim is held by %q, %v", uid, err)
	}
	must(t, claim(p2, [][]byte{a}))
	// none at all
	p1.Version = 3
	must(t, claim(p1, [][]byte{}))
	if uid, _ := s.ClaimedBy(ctx, b); uid != "" {
		t.Fatalf("an empty set keeps %q", uid)
	}
	// the pupil's number is unique too
	p1.Version, p1.Number = 4, "L330106201603050001"
	must(t, claim(p1, nil))
	p2.Version, p2.Number = 1, "L330106201603050001"
	wantCode(t, claim(p2, nil), registry.CodeConflict)
}

func claimsRace(t *testing.T, s store.Store) {
	ctx := t.Context()
	// Eight imports bring the same 20 children, each with UIDs of its own and in another order: every child gets in once, nobody waits in a ring.
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 20 {
				n := (i*7 + w*3) % 20
				pair := store.Batch{}
				for _, k := range []int{n, (n + 5) % 20} {
					c := Change(Pupil(1000*(w+1)+20*i+k, "张三", SchoolA, 1, "1班"), registry.EvEnrol, store.Index{})
					c.Claims = [][]byte{fmt.Appendf(nil, "child%d", k)}
					pair.Changes = append(pair.Changes, c)
				}
				if err := s.Commit(ctx, pair); err != nil && registry.CodeOf(err) != registry.CodeDuplicate {
					t.Errorf("worker %d: %v", w, err)
				}
			}
		}()
	}
	wg.Wait()
	n, err := s.Count(ctx, store.Query{All: true})
	must(t, err)
	keys := make([][]byte, 20)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "child%d", i)
	}
	held, err := s.ClaimedByMany(ctx, keys)
	must(t, err)
	if n != len(held) {
		t.Fatalf("%d pupils hold %d documents", n, len(held))
	}
}

func oneOpenCase(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := insert(t, s, Transfer(Pupil(1, "王小明", SchoolA, 1, "1班"), CaseNo(1), SchoolB, Epoch), store.Index{})
	// The schema itself refuses a second open case, whatever the caller decided.
	two := Transfer(p, CaseNo(2), SchoolC, Epoch)
	wantCode(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(two, registry.EvStartTransfer, store.Index{})}}), registry.CodeConflict)
	// One closes as the next opens.
	p.Cases[0].State = registry.CaseWithdrawn
	p.Cases[0].ClosedAt = Epoch.Add(time.Hour)
	p = Transfer(p, CaseNo(2), SchoolC, Epoch.Add(time.Hour))
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvStartTransfer, store.Index{})}}))
}

func caseNumbers(t *testing.T, s store.Store) {
	ctx := t.Context()
	insert(t, s, Transfer(Pupil(1, "王小明", SchoolA, 1, "1班"), CaseNo(1), SchoolB, Epoch), store.Index{})
	c := Change(Transfer(Pupil(2, "李小红", SchoolA, 1, "1班"), CaseNo(1), SchoolB, Epoch), registry.EvStartTransfer, store.Index{})
	wantCode(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}), registry.CodeConflict)
	uid, err := s.FindCase(ctx, CaseNo(1))
	must(t, err)
	if uid != UID(1) {
		t.Fatalf("case is %q's", uid)
	}
	_, err = s.FindCase(ctx, CaseNo(9))
	wantCode(t, err, registry.CodeNotFound)
}

func archiveLookup(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := Pupil(1, "王小明", SchoolA, 1, "1班")
	p.Archive.No = "DA-7K2M-1"
	p.Archive.State = registry.ArchiveTransit
	insert(t, s, p, store.Index{})
	uid, err := s.FindArchive(ctx, "DA-7K2M-1")
	must(t, err)
	if uid != UID(1) {
		t.Fatalf("archive is %q's", uid)
	}
	q := Pupil(2, "李小红", SchoolA, 1, "1班")
	q.Archive.No = "DA-7K2M-1"
	wantCode(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(q, registry.EvEnrol, store.Index{})}}), registry.CodeConflict)
	_, err = s.FindArchive(ctx, "DA-nothing")
	wantCode(t, err, registry.CodeNotFound)
}

// onlyWhatMoved: a change that tells the record it was decided from writes what differs and leaves the rest held: cases, their lists, numbers.
func onlyWhatMoved(t *testing.T, s store.Store) {
	ctx := t.Context()
	p := Transfer(Pupil(1, "王小明", SchoolA, 1, "1班"), CaseNo(1), SchoolB, Epoch)
	p.Number, p.Archive.No = "L330106201603050001", "DA-7K2M-1"
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(p, registry.EvStartTransfer, store.Index{})}}))
	move := func(do func(p *registry.Pupil)) error {
		before, err := s.Pupil(ctx, UID(1))
		must(t, err)
		after := before.Clone()
		do(&after)
		c := Change(after, registry.EvDecideStep, store.Index{})
		c.Before = &before
		return s.Commit(ctx, store.Batch{Changes: []store.Change{c}})
	}
	must(t, move(func(p *registry.Pupil) { p.Class = "2班" }))
	must(t, move(func(p *registry.Pupil) {
		p.Cases[0].State, p.Cases[0].ClosedAt = registry.CaseWithdrawn, Epoch.Add(time.Hour)
		*p = Transfer(*p, CaseNo(2), SchoolC, Epoch.Add(time.Hour))
	}))
	must(t, move(func(p *registry.Pupil) { p.Class = "3班" }))
	for no, want := range map[registry.CaseNo]registry.CaseState{CaseNo(1): registry.CaseWithdrawn, CaseNo(2): registry.CaseOpen} {
		if uid, err := s.FindCase(ctx, no); err != nil || uid != UID(1) {
			t.Errorf("%s is %q's: %v", no, uid, err)
		}
		rows, err := s.Cases(ctx, CountyX, "", want, 10, 0)
		must(t, err)
		if len(rows) != 1 || rows[0].Case.No != no || rows[0].Case.State != want {
			t.Errorf("%s cases: %+v", want, rows)
		}
	}
	if uid, err := s.HolderOf(ctx, p.Number); err != nil || uid != UID(1) {
		t.Errorf("the number is %q's: %v", uid, err)
	}
	if uid, err := s.FindArchive(ctx, p.Archive.No); err != nil || uid != UID(1) {
		t.Errorf("the archive is %q's: %v", uid, err)
	}
	// Another number, case or archive number that is somebody's is refused all the same.
	other := insert(t, s, Pupil(2, "李小红", SchoolA, 1, "1班"), store.Index{})
	for _, take := range []func(p *registry.Pupil){func(q *registry.Pupil) { q.Number = p.Number }, func(q *registry.Pupil) { q.Archive.No = p.Archive.No }, func(q *registry.Pupil) { *q = Transfer(*q, CaseNo(1), SchoolB, Epoch) }} {
		q := other.Clone()
		take(&q)
		c := Change(q, registry.EvDecideStep, store.Index{})
		c.Before = &other
		wantCode(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}), registry.CodeConflict)
	}
}

// severalMoves: a batch that moves a pupil several times leaves the last state, every step of the history, what lists read of the last state alone; and is refused when
// its versions do not follow one another.
func severalMoves(t *testing.T, s store.Store) {
	ctx := t.Context()
	const n = 4
	var b store.Batch
	for i := range n {
		p := Pupil(1, fmt.Sprintf("陈%d", i), SchoolA, 1+i, "1班")
		p.Version = int64(i)
		if i > 0 { // a case is opened, and closed by the last move
			p = Transfer(p, CaseNo(1), SchoolB, Epoch)
		}
		if i == n-1 {
			p.School, p.Cases[0].State, p.Lock = SchoolB, registry.CaseCompleted, ""
		}
		c := Change(p, registry.EvDecideStep, store.Index{})
		c.Entry.Payload = fmt.Appendf(nil, `{"k":%d}`, i)
		c.Tasks = []registry.Task{{UID: p.UID, Kind: registry.TaskStep, Unit: SchoolB, DueOn: registry.Date(fmt.Sprintf("2026-09-1%d", i)), CaseNo: CaseNo(1)}}
		b.Changes = append(b.Changes, c)
	}
	gap := slices.Clone(b.Changes)
	gap[2].Pupil.Version = 7
	wantCode(t, s.Commit(ctx, store.Batch{Changes: gap}), registry.CodeConflict)
	if _, err := s.Pupil(ctx, UID(1)); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatalf("a batch that was refused left something: %v", err)
	}
	must(t, s.Commit(ctx, b))
	p, err := s.Pupil(ctx, UID(1))
	must(t, err)
	if p.Version != n || p.School != SchoolB || p.Grade != n || len(p.Cases) != 1 || p.Cases[0].State != registry.CaseCompleted {
		t.Fatalf("version %d, school %s, grade %d, %+v", p.Version, p.School, p.Grade, p.Cases)
	}
	h, err := s.History(ctx, UID(1))
	must(t, err)
	if len(h) != n {
		t.Fatalf("%d of %d steps", len(h), n)
	}
	for i, e := range h {
		if e.Version != int64(i+1) || string(e.Payload) != fmt.Sprintf(`{"k":%d}`, i) {
			t.Errorf("step %d: %d %s", i, e.Version, e.Payload)
		}
	}
	for text, want := range map[string]int{"陈0": 0, "陈3": 1} {
		if got, err := s.Count(ctx, store.Query{All: true, Text: text}); err != nil || got != want {
			t.Errorf("%s is found %d times, %v", text, got, err)
		}
	}
	tasks, err := s.Tasks(ctx, store.TaskQuery{Unit: SchoolB, Limit: 10})
	must(t, err)
	if len(tasks) != 1 || tasks[0].DueOn != "2026-09-13" {
		t.Errorf("tasks %+v", tasks)
	}
	if rows, err := s.Cases(ctx, CountyX, "", registry.CaseCompleted, 10, 0); err != nil || len(rows) != 1 {
		t.Errorf("cases %d %v", len(rows), err)
	}
	// Upon what stands: the same again, and one more that came too late.
	more := p
	more.Grade = 5
	next := more
	next.Version, next.School, next.Grade = n+1, SchoolA, 6
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(more, registry.EvReturn, store.Index{}), Change(next, registry.EvReturn, store.Index{})}}))
	wantCode(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(more, registry.EvReturn, store.Index{}), Change(next, registry.EvReturn, store.Index{})}}), registry.CodeConflict)
	if p, err = s.Pupil(ctx, UID(1)); err != nil || p.Version != n+2 || p.School != SchoolA {
		t.Fatalf("version %d %s %v", p.Version, p.School, err)
	}
	if got, err := s.Count(ctx, store.Query{Schools: []registry.Unit{SchoolB}, Text: "陈3"}); err != nil || got != 0 {
		t.Errorf("still found at the school before: %d %v", got, err)
	}
}
