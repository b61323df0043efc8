package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// moved is a card after an act, with the line that says so.
func moved(t *testing.T, c store.Issuance, act registry.CardAct, reason string) store.Issuance {
	t.Helper()
	to, ok := registry.CardStep(c.State, act)
	if !ok {
		t.Fatalf("%s × %s", c.State, act)
	}
	c.Life = []registry.CardMove{{At: Epoch.UTC(), Act: act, From: c.State, To: to, Reason: reason, Note: "备注", By: Clerk}}
	c.State = to
	return c
}

// stored is the card as it reads after it was written.
func stored(c store.Issuance) store.Issuance {
	c.Moves += len(c.Life)
	c.Life = nil
	return c
}

// cardLives: every line is kept, in order; who decided from an older state is told so; the status list follows in the same transaction.
func cardLives(t *testing.T, s store.Store) {
	ctx := t.Context()
	c := card(1, UID(1), registry.CardRequested)
	c.Run = "r-1"
	must(t, s.PutIssuance(ctx, c))
	for _, step := range []struct {
		act    registry.CardAct
		listed bool
	}{{registry.CardPlan, false}, {registry.CardMake, false}, {registry.CardUse, false}, {registry.CardLose, true}, {registry.CardFind, false}, {registry.CardDamage, true},
		{registry.CardDestroy, true}} {
		next := moved(t, c, step.act, "why "+string(step.act))
		if step.act == registry.CardUse {
			next.DeliveredAt = Epoch.UTC()
		}
		must(t, s.PutIssuance(ctx, next))
		wantCode(t, s.PutIssuance(ctx, moved(t, c, step.act, "too late")), registry.CodeConflict)
		stale := c
		wantCode(t, s.PutIssuance(ctx, stale), registry.CodeConflict) // a ticket renewed on an old state must not bring that state back
		c = stored(next)
		if got, err := s.Issuance(ctx, c.ID); err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("after %s: %+v %v, want %+v", step.act, got, err, c)
		}
		_, idx, err := s.RevokedIndexes(ctx)
		must(t, err)
		if slices.Contains(idx, c.StatusIdx) != step.listed {
			t.Fatalf("after %s the status list is %v", step.act, idx)
		}
	}
	other := card(2, UID(1), registry.CardRequested)
	must(t, s.PutIssuance(ctx, moved(t, other, registry.CardPlan, "")))
	life, err := s.CardLife(ctx, UID(1))
	must(t, err)
	if len(life) != 2 || len(life["iss1"]) != 7 || len(life["iss2"]) != 1 {
		t.Fatalf("lives %+v", life)
	}
	for i, m := range life["iss1"] {
		if m.N != i+1 || m.Reason != "why "+string(m.Act) || m.Note != "备注" || m.By != Clerk || !m.At.Equal(Epoch) || i > 0 && m.From != life["iss1"][i-1].To {
			t.Fatalf("line %d: %+v", i, m)
		}
	}
	// A refused batch leaves no line behind.
	bad := moved(t, stored(moved(t, other, registry.CardPlan, "")), registry.CardMake, "")
	clash := card(3, UID(2), registry.CardRequested)
	clash.CardNo = c.CardNo
	wantCode(t, s.Commit(ctx, store.Batch{Cards: []store.Issuance{bad, clash}}), registry.CodeConflict)
	if life, err = s.CardLife(ctx, UID(1)); err != nil || len(life["iss2"]) != 1 {
		t.Fatalf("a refused batch left %+v %v", life["iss2"], err)
	}
	// Whatever is decided outside, the schema holds one card per pupil: personalised, delivered, active and suspended alike.
	for i, first := range []registry.CardState{registry.CardPersonalised, registry.CardDelivered, registry.CardActive, registry.CardSuspended} {
		for j, second := range []registry.CardState{registry.CardPersonalised, registry.CardDelivered, registry.CardActive, registry.CardSuspended} {
			uid := UID(100 + 10*i + j)
			a, b := card(100+20*i+2*j, uid, first), card(101+20*i+2*j, uid, second)
			a.Ticket, b.Ticket = nil, nil
			must(t, s.PutIssuance(ctx, a))
			wantCode(t, s.PutIssuance(ctx, b), registry.CodeConflict)
			must(t, s.Commit(ctx, store.Batch{Cards: []store.Issuance{b, moved(t, a, registry.CardReplace, "lost")}}))
		}
	}
}

func heldCards(t *testing.T, s store.Store) {
	ctx := t.Context()
	put := func(n int, name, class string, state registry.CardState, expires registry.Date, given bool) store.Issuance {
		p := Pupil(n, name, SchoolA, 1, class)
		p.Card = &registry.CardRef{Number: fmt.Sprintf("330100%06d", n), State: state}
		insert(t, s, p, store.Index{})
		c := card(n, p.UID, state)
		c.ExpiresOn, c.Ticket, c.Moves, c.Epoch = expires, nil, 0, uint16(1+n/3)
		c.Life = []registry.CardMove{{At: Epoch, Act: registry.CardPlan, To: registry.CardPlanned, By: Clerk}, {At: Epoch, Act: registry.CardMake, To: state, By: Clerk}}
		if given {
			c.DeliveredAt = Epoch.UTC()
		}
		must(t, s.PutIssuance(ctx, c))
		return stored(c)
	}
	a := put(1, "欧阳𬀩", "1班", registry.CardPersonalised, "2032-08-31", false)
	b := put(2, "陈一", "1班", registry.CardActive, "2026-08-31", true)
	put(3, "陈二", "2班", registry.CardSuspended, "2026-08-30", false)
	gone := card(6, UID(6), registry.CardRevoked)
	gone.Epoch = 7
	must(t, s.PutIssuance(ctx, gone))
	if n, err := s.CardEpochs(ctx); err != nil || !reflect.DeepEqual(n, map[uint16]int{1: 2, 2: 1}) {
		t.Fatalf("held cards by epoch: %v %v", n, err)
	}
	insert(t, s, Pupil(4, "无卡", SchoolA, 1, "1班"), store.Index{})
	other := Pupil(5, "别校", SchoolB, 1, "1班")
	insert(t, s, other, store.Index{})
	names := func(class string, delivered bool) (out []string) {
		rows, err := s.HeldCards(ctx, SchoolA, 0, class, delivered, 100, 0)
		must(t, err)
		for _, r := range rows {
			if r.Summary.UID != r.Card.UID {
				t.Fatalf("another's card: %+v", r)
			}
			out = append(out, r.Name)
		}
		return out
	}
	if got := names("1班", false); !slices.Equal(got, []string{"欧阳𬀩"}) {
		t.Fatalf("to hand out in 1班: %v", got)
	}
	if got := names("", false); len(got) != 2 || got[1] != "陈二" {
		t.Fatalf("to hand out in the school: %v", got)
	}
	if got := names("", true); !slices.Equal(got, []string{"陈一"}) {
		t.Fatalf("handed out: %v", got)
	}
	for _, c := range []struct{ grade, offset, want int }{{1, 0, 2}, {2, 0, 0}, {0, 1, 1}, {0, 2, 0}} {
		if rows, err := s.HeldCards(ctx, SchoolA, c.grade, "", false, 100, c.offset); err != nil || len(rows) != c.want {
			t.Fatalf("%+v: %d rows %v", c, len(rows), err)
		}
	}
	rows, err := s.HeldCards(ctx, SchoolA, 1, "1班", false, 100, 0)
	must(t, err)
	if !reflect.DeepEqual(rows[0].Card, a) || rows[0].Class != "1班" || rows[0].CardNo != a.CardNo {
		t.Fatalf("row %+v, want %+v", rows[0], a)
	}
	// A lost card is no card: its pupil stands on the issuing list.
	need, err := s.Search(ctx, store.Query{All: true, NoCard: true})
	must(t, err)
	var waiting []string
	for _, n := range need {
		waiting = append(waiting, n.Name)
	}
	if !slices.Contains(waiting, "陈二") || !slices.Contains(waiting, "无卡") || slices.Contains(waiting, "欧阳𬀩") {
		t.Fatalf("waiting for a card: %v", waiting)
	}
	some, err := s.Search(ctx, store.Query{All: true, UIDs: []registry.UID{UID(2), UID(4)}})
	must(t, err)
	if len(some) != 2 {
		t.Fatalf("two of them: %+v", some)
	}
	if none, err := s.Search(ctx, store.Query{All: true, UIDs: []registry.UID{}}); err != nil || len(none) != 0 {
		t.Fatalf("none of them: %+v %v", none, err)
	}
	old, err := s.ExpiredCards(ctx, "2026-09-01", 10)
	must(t, err)
	if len(old) != 2 || old[0].CardNo != "330100000003" || old[1].ID != b.ID {
		t.Fatalf("expired: %+v", old)
	}
	if old, err = s.ExpiredCards(ctx, "2026-08-31", 10); err != nil || len(old) != 1 {
		t.Fatalf("good through the last day: %+v %v", old, err)
	}
}

func cardRuns(t *testing.T, s store.Store) {
	ctx := t.Context()
	r := store.CardRun{ID: "r-1", School: SchoolA, Grade: 3, Class: "1班", Unit: CountyX, By: Clerk, CreatedAt: Epoch.UTC()}
	must(t, s.PutCardRun(ctx, r, []registry.UID{UID(3), UID(1), UID(2), UID(1)}))
	wantCode(t, s.PutCardRun(ctx, r, nil), registry.CodeConflict)
	must(t, s.PutCardRun(ctx, store.CardRun{ID: "r-2", School: SchoolA, Unit: CountyX, By: Clerk, CreatedAt: Epoch.Add(time.Hour)}, nil))
	must(t, s.PutCardRun(ctx, store.CardRun{ID: "r-3", School: SchoolB, Unit: CountyX, By: Clerk, CreatedAt: Epoch.Add(time.Hour)}, nil))
	items, err := s.CardItems(ctx, "r-1", store.ItemWaiting, 10, 0)
	must(t, err)
	if len(items) != 3 || items[0].UID != UID(3) || items[1].UID != UID(1) || items[2].UID != UID(2) {
		t.Fatalf("names %+v", items)
	}
	// Two tickets, one chip put aside, then made; a second word on a name that was made changes nothing but the counts.
	must(t, s.MarkCards(ctx, store.CardMark{Run: "r-1", UID: UID(3), Tries: 1, At: Epoch}, store.CardMark{Run: "r-1", UID: UID(3), Spoiled: 1, Code: "card", At: Epoch}))
	c := card(1, UID(3), registry.CardPersonalised)
	c.Run = "r-1"
	must(t, s.Commit(ctx, store.Batch{Cards: []store.Issuance{c}, Marks: []store.CardMark{{Run: "r-1", UID: UID(3), State: store.ItemMade, CardNo: c.CardNo, Tries: 1, Millis: 8500, At: Epoch, By: "李老师"}}}))
	must(t, s.MarkCards(ctx, store.CardMark{Run: "r-1", UID: UID(3), State: store.ItemLeft, CardNo: "x", Millis: 1, At: Epoch.Add(time.Hour), By: "x"}))
	must(t, s.MarkCards(ctx, store.CardMark{Run: "r-1", UID: UID(1), State: store.ItemLeft, At: Epoch}, store.CardMark{Run: "r-1", UID: UID(77), Tries: 1, At: Epoch}))
	// Marks belong to their commit: what fails leaves none.
	bad := card(2, UID(2), registry.CardPersonalised)
	bad.CardNo = c.CardNo
	wantCode(t, s.Commit(ctx, store.Batch{Cards: []store.Issuance{bad}, Marks: []store.CardMark{{Run: "r-1", UID: UID(2), State: store.ItemMade, At: Epoch}}}), registry.CodeConflict)
	wantCode(t, s.MarkCards(ctx, store.CardMark{UID: UID(2)}), registry.CodeInvalid)
	items, err = s.CardItems(ctx, "r-1", "", 10, 0)
	must(t, err)
	want := store.CardItem{Run: "r-1", Pos: 1, UID: UID(3), State: store.ItemMade, CardNo: c.CardNo, Tries: 2, Spoiled: 1, Millis: 8500, LastCode: "card", At: Epoch.UTC(), By: "李老师"}
	if !reflect.DeepEqual(items[0], want) || items[1].State != store.ItemLeft || items[2].State != store.ItemWaiting {
		t.Fatalf("names %+v, want first %+v", items, want)
	}
	got, err := s.CardRun(ctx, "r-1")
	must(t, err)
	r.Total, r.Made, r.Left, r.Tries, r.Spoiled, r.Millis = 3, 1, 1, 2, 1, 8500
	if !reflect.DeepEqual(got, r) || got.Waiting() != 1 {
		t.Fatalf("run %+v, want %+v", got, r)
	}
	must(t, s.CloseCardRun(ctx, "r-2", Epoch.Add(2*time.Hour)))
	must(t, s.CloseCardRun(ctx, "r-2", Epoch.Add(3*time.Hour)))
	all, err := s.CardRunsOf(ctx, []registry.Unit{SchoolA}, false, 10)
	must(t, err)
	if len(all) != 2 || all[0].ID != "r-1" || !all[1].ClosedAt.Equal(Epoch.Add(2*time.Hour)) {
		t.Fatalf("runs %+v", all)
	}
	if all, err = s.CardRunsOf(ctx, nil, true, 10); err != nil || len(all) != 3 {
		t.Fatalf("all %+v %v", all, err)
	}
	if all, err = s.CardRunsOf(ctx, nil, false, 10); err != nil || len(all) != 0 {
		t.Fatalf("none %+v %v", all, err)
	}
	_, err = s.CardRun(ctx, "r-9")
	wantCode(t, err, registry.CodeNotFound)
}

// cardLeases: however many stations ask at once, each pupil is drawn by one; a lease that ran out is another's.
func cardLeases(t *testing.T, s store.Store) {
	ctx := t.Context()
	var uids []registry.UID
	for i := range 12 {
		uids = append(uids, UID(i))
	}
	until := Epoch.Add(10 * time.Minute)
	var wg sync.WaitGroup
	var mu sync.Mutex
	drawn := map[registry.UID]string{}
	for i := range 12 {
		holder := fmt.Sprint("station", i)
		wg.Add(1)
		go func() {
			defer wg.Done()
			uid, err := s.LeaseCard(ctx, uids, holder, "李老师", Epoch, until)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || drawn[uid] != "" {
				t.Errorf("%s drew %s, which is %q's: %v", holder, uid, drawn[uid], err)
			}
			drawn[uid] = holder
		}()
	}
	wg.Wait()
	_, err := s.LeaseCard(ctx, uids, "late", "", Epoch, until)
	wantCode(t, err, registry.CodeNotFound)
	first := drawn[uids[0]]
	if holder, name, err := s.CardLease(ctx, uids[0], Epoch); err != nil || holder != first || name != "李老师" {
		t.Fatalf("lease of %s %s: %v", holder, name, err)
	}
	// Going on to the next lets the last go.
	next := UID(50)
	if got, err := s.LeaseCard(ctx, []registry.UID{next}, first, "", Epoch, until); err != nil || got != next {
		t.Fatalf("next: %s %v", got, err)
	}
	if got, err := s.LeaseCard(ctx, uids, "late", "王", Epoch, until); err != nil || got != uids[0] {
		t.Fatalf("let go: %s %v", got, err)
	}
	must(t, s.DropCardLease(ctx, "late"))
	if holder, _, err := s.CardLease(ctx, uids[0], Epoch); err != nil || holder != "" {
		t.Fatalf("dropped, and still %q's: %v", holder, err)
	}
	if holder, _, err := s.CardLease(ctx, uids[1], until); err != nil || holder != "" {
		t.Fatalf("run out, and still %q's: %v", holder, err)
	}
	if got, err := s.LeaseCard(ctx, uids[1:2], "late", "王", until, until.Add(time.Minute)); err != nil || got != uids[1] {
		t.Fatalf("run out: %s %v", got, err)
	}
	_, err = s.LeaseCard(ctx, nil, "late", "", Epoch, until)
	wantCode(t, err, registry.CodeNotFound)
	_, err = s.LeaseCard(ctx, uids, "", "", Epoch, until)
	wantCode(t, err, registry.CodeInvalid)
}
