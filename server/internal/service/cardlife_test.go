package service

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// story tells a card's life in a line.
func (r *rig) story(uid registry.UID, cardNo string) (out []string) {
	r.t.Helper()
	iss := must[store.Issuance](r.t)(r.st.IssuanceByCard(r.ctx, cardNo))
	for _, m := range must[map[string][]registry.CardMove](r.t)(r.st.CardLife(r.ctx, uid))[iss.ID] {
		s := string(m.Act) + ">" + string(m.To)
		if m.Reason != "" {
			s += ":" + m.Reason
		}
		out = append(out, s)
		if m.By.Account == "" {
			r.t.Errorf("%s: nobody did it", s)
		}
	}
	return out
}

func (r *rig) listed(want ...uint32) {
	r.t.Helper()
	if got := must[api.Revocations](r.t)(r.s.Revocations(r.ctx)).Revoked; !slices.Equal(got, want) {
		r.t.Errorf("status list %v, want %v", got, want)
	}
}

// A card is made, handed out, used, lost, found, lost again, replaced free of charge; the old one turns up and is destroyed.
func TestCardLife(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	reg, clerk := r.staff("registrar.yunhe"), r.staff("clerk.yunhe")
	first := r.issue(uid, chipA)
	no := r.pupil(uid).Card.Number
	d := r.device(demo.YunheShiyan)
	change := func(act registry.CardAct, reason string) error {
		return r.s.ChangeCard(r.ctx, reg, uid, no, act, reason, "")
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := must[int](t)(r.s.DeliverCards(r.ctx, reg, []registry.UID{uid})); n != 1 {
		t.Fatalf("handed out %d", n)
	}
	if n := must[int](t)(r.s.DeliverCards(r.ctx, reg, []registry.UID{uid})); n != 0 {
		t.Fatal("handed out twice")
	}
	must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: first}))
	must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: first}))
	wantCode(t, change(registry.CardLose, " "), registry.CodeInvalid)
	ok(change(registry.CardLose, "lost"))
	r.listed(1)
	_, err := r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: first})
	wantCode(t, err, registry.CodeCard)
	if _, n, _ := r.s.NeedCards(r.ctx, clerk, demo.YunheShiyan, "", 10); n != 1 {
		t.Fatal("who lost the card does not stand on the issuing list")
	}
	wantCode(t, change(registry.CardLose, "lost"), registry.CodeWrongState)
	ok(change(registry.CardFind, ""))
	r.listed()
	must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: first}))
	_, err = r.s.StartIssue(r.ctx, clerk, uid, "") // a good card is not replaced without saying why
	wantCode(t, err, registry.CodeInvalid)

	ok(change(registry.CardLose, "stolen"))
	ticket := must[IssueTicket](t)(r.s.StartIssue(r.ctx, clerk, uid, ""))
	second := r.personalise(ticket.Ticket, chipB)
	must[api.StatusReply](t)(r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: second}))
	r.listed(1)
	wantCode(t, change(registry.CardFind, ""), registry.CodeWrongState)
	iss := must[store.Issuance](t)(r.st.IssuanceByCard(r.ctx, ticket.CardNo))
	if iss.Kind != "replacement" || iss.Reason != "stolen" || iss.State != registry.CardActive {
		t.Fatalf("the new card: %s %s %s", iss.Kind, iss.Reason, iss.State)
	}
	ok(change(registry.CardDestroy, ""))
	r.listed(1)
	want := []string{"request>requested:lost", "plan>planned", "make>personalised", "deliver>delivered", "use>active", "lose>suspended:lost", "find>active", "lose>suspended:stolen",
		"replace>replaced:stolen", "destroy>destroyed"}
	if got := r.story(uid, no); !slices.Equal(got, want) {
		t.Fatalf("the first card's life:\n got %v\nwant %v", got, want)
	}
	// A card of another pupil, or none, is moved by nobody.
	wantCode(t, r.s.ChangeCard(r.ctx, reg, uid, "33010099", registry.CardLose, "lost", ""), registry.CodeCard)
	wantCode(t, r.s.ChangeCard(r.ctx, reg, uid, iss.CardNo, registry.CardUse, "", ""), registry.CodeInvalid)
}

// On the day after its last a card is over; its pupil, if still enrolled, stands on the issuing list, and the reason of the next card is known.
func TestCardsExpire(t *testing.T) {
	r := newRig(t)
	r.authority()
	a, b := r.enrolled(0), r.enrolled(1)
	r.issue(a, chipA)
	r.issue(b, chipB)
	if err := r.s.ChangeCard(r.ctx, r.staff("registrar.yunhe"), b, r.pupil(b).Card.Number, registry.CardLose, "lost", ""); err != nil {
		t.Fatal(err)
	}
	noA, noB := r.pupil(a).Card.Number, r.pupil(b).Card.Number
	last := r.pupil(a).Card.ExpiresOn
	r.set(last.Time().Add(20 * time.Hour))
	if n := must[int](t)(r.s.ExpireCards(r.ctx)); n != 0 {
		t.Fatal("expired on its last day")
	}
	r.set(last.AddDays(1).Time().Add(time.Minute))
	if n := must[int](t)(r.s.ExpireCards(r.ctx)); n != 2 {
		t.Fatalf("expired %d", n)
	}
	if n := must[int](t)(r.s.ExpireCards(r.ctx)); n != 0 {
		t.Fatal("expired twice")
	}
	if p := r.pupil(a); p.Card != nil {
		t.Fatalf("still the pupil's card: %+v", p.Card)
	}
	if got := r.story(a, noA); got[len(got)-1] != "expire>expired" {
		t.Fatal(got)
	}
	if got := r.story(b, noB); got[len(got)-1] != "expire>revoked" { // a lost card does not leave the list by waiting
		t.Fatal(got)
	}
	r.listed(2)
	ticket := must[IssueTicket](t)(r.s.StartIssue(r.ctx, r.staff("clerk.yunhe"), a, ""))
	if iss := must[store.Issuance](t)(r.st.IssuanceByCard(r.ctx, ticket.CardNo)); iss.Kind != "replacement" || iss.Reason != "expired" {
		t.Fatalf("%s %s", iss.Kind, iss.Reason)
	}
}

// A ticket renewed on what was read before must not bring a lost card back, nor two acts at once both happen.
func TestCardRaces(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	r.issue(uid, chipA)
	no := r.pupil(uid).Card.Number
	stale := must[store.Issuance](t)(r.st.IssuanceByCard(r.ctx, no))
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = r.s.ChangeCard(r.ctx, r.staff("registrar.yunhe"), uid, no, registry.CardLose, "lost", "")
		}()
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		switch registry.CodeOf(err) {
		case "":
			done++
		case registry.CodeConflict, registry.CodeWrongState:
		default:
			t.Error(err)
		}
	}
	if done != 1 {
		t.Fatalf("lost %d times", done)
	}
	wantCode(t, r.st.PutIssuance(r.ctx, stale), registry.CodeConflict)
	r.listed(1)
}

// Four readers at two stations work through one list: nobody is drawn twice, everybody gets a card, and the list counts what it took.
func TestIssuingList(t *testing.T) {
	r := newRig(t)
	r.authority()
	const n = 12
	for i := range n {
		r.enrolled(i)
	}
	clerk := r.staff("clerk.yunhe")
	run := must[store.CardRun](t)(r.s.StartRun(r.ctx, clerk, demo.YunheShiyan, 0, ""))
	if run.Total != n {
		t.Fatalf("%d names", run.Total)
	}
	_, err := r.s.StartRun(r.ctx, clerk, demo.YunheShiyan, 0, "没有这个班")
	wantCode(t, err, registry.CodeInvalid)
	_, err = r.s.StartRun(r.ctx, clerk, demo.QingshiCentre, 0, "")
	wantCode(t, err, registry.CodeNotFound)

	var mu sync.Mutex
	drawn := map[registry.UID]string{}
	chips := 0
	chip := func() []byte {
		mu.Lock()
		defer mu.Unlock()
		chips++
		return []byte{4, byte(chips), byte(chips >> 8), 1}
	}
	var wg sync.WaitGroup
	for lane := range 4 {
		name := fmt.Sprintf("station%d/reader%d", lane/2, lane%2)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				d, err := r.s.Draw(r.ctx, clerk, DrawRequest{Run: run.ID, Lane: name})
				if err != nil {
					t.Error(err)
					return
				}
				if d.UID == "" {
					return
				}
				mu.Lock()
				if had := drawn[d.UID]; had != "" {
					t.Errorf("%s drew a pupil of %s", name, had)
				}
				drawn[d.UID] = name
				mu.Unlock()
				req := IssueRequest{UID: d.UID, Run: run.ID, Lane: name}
				ticket, err := r.s.IssueCard(r.ctx, clerk, req)
				if err != nil {
					t.Error(err)
					return
				}
				o, err := r.s.Order(r.ctx, api.OrderRequest{Ticket: ticket.Ticket, ChipSerial: chip()})
				if err != nil {
					t.Error(err)
					return
				}
				if lane == 0 { // this reader's first chip of each pupil is bad
					if _, err := r.s.Report(r.ctx, api.Report{IssuanceID: o.IssuanceID, State: "planned", ChipHash: digestHex([]byte{0}), Profile: "x"}); err == nil {
						t.Error("another chip's report")
					}
					if err := r.s.SpoilCard(r.ctx, clerk, IssueRequest{UID: d.UID, Run: run.ID, Lane: name, Reason: "chip"}); err != nil {
						t.Error(err)
						return
					}
					if ticket, err = r.s.IssueCard(r.ctx, clerk, req); err != nil || ticket.CardNo == o.CardNo {
						t.Errorf("after a spoiled chip: %s %v", ticket.CardNo, err)
						return
					}
				}
				r.personalise(ticket.Ticket, chip())
			}
		}()
	}
	wg.Wait()
	got, names, err := r.s.CardRun(r.ctx, clerk, run.ID, "", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	for _, x := range names {
		if x.State != store.ItemMade || x.CardItem.CardNo != x.Summary.CardNo || x.By != clerk.Name || x.Name == "" {
			t.Errorf("name %+v", x)
		}
		if drawn[x.CardItem.UID] == "station0/reader0" {
			first++
		}
	}
	if len(drawn) != n || got.Made != n || got.Waiting() != 0 || got.Tries != n+first || got.Spoiled != first {
		t.Fatalf("%d drawn, run %+v, %d spoiled at the first reader", len(drawn), got, first)
	}
	if rev := must[api.Revocations](t)(r.s.Revocations(r.ctx)); len(rev.Revoked) != first {
		t.Fatalf("%d numbers of spoiled chips listed, want %d", len(rev.Revoked), first)
	}
	// On the slip stands the whole class; its receipt is one act.
	lists := func() (waiting, given []store.CardRow) {
		t.Helper()
		reg := r.staff("registrar.yunhe")
		waiting = must[[]store.CardRow](t)(r.s.HeldCards(r.ctx, reg, demo.YunheShiyan, 0, ""))
		given = must[[]store.CardRow](t)(r.s.GivenCards(r.ctx, reg, demo.YunheShiyan, 0, ""))
		w, g := 0, 0
		for _, c := range must[[]store.HeldCount](t)(r.s.HeldCounts(r.ctx, reg, demo.YunheShiyan)) {
			w, g = w+c.Waiting, g+c.Given
		}
		if w != len(waiting) || g != len(given) {
			t.Fatalf("counted %d and %d, listed %d and %d", w, g, len(waiting), len(given))
		}
		return waiting, given
	}
	waiting, given := lists()
	if len(waiting) != n || len(given) != 0 {
		t.Fatalf("to hand out %d, handed out %d", len(waiting), len(given))
	}
	var uids []registry.UID
	for _, w := range waiting {
		uids = append(uids, w.UID)
	}
	if done := must[int](t)(r.s.DeliverCards(r.ctx, r.staff("registrar.yunhe"), uids)); done != n {
		t.Fatalf("handed out %d", done)
	}
	waiting, given = lists()
	if len(waiting) != 0 || len(given) != n || given[0].Card.State != registry.CardDelivered || given[0].Card.Ticket != nil {
		t.Fatalf("after the receipt: %d waiting, %d given", len(waiting), len(given))
	}
}

// Two readers: one has the name, the other is told who; the lease runs out and the name is free; a name that fell off is passed over.
func TestDraw(t *testing.T) {
	r := newRig(t)
	r.authority()
	a, b := r.enrolled(0), r.enrolled(1)
	clerk := r.staff("clerk.yunhe")
	run := must[store.CardRun](t)(r.s.StartRun(r.ctx, clerk, demo.YunheShiyan, 0, ""))
	draw := func(lane string, later ...registry.UID) Drawn {
		t.Helper()
		return must[Drawn](t)(r.s.Draw(r.ctx, clerk, DrawRequest{Run: run.ID, Lane: lane, Later: later}))
	}
	first := draw("one")
	if again := draw("one"); again.UID != first.UID || again.Left != 2 {
		t.Fatalf("asked twice: %+v, then %+v", first, again)
	}
	second := draw("two")
	if second.UID == first.UID || second.UID != a && second.UID != b {
		t.Fatalf("%s drawn twice", second.UID)
	}
	if third := draw("three"); third.UID != "" || third.Left != 2 {
		t.Fatalf("a third of two: %+v", third)
	}
	// Without a list, by class, and by the plain ticket: the same pupils are held.
	if other := must[Drawn](t)(r.s.Draw(r.ctx, clerk, DrawRequest{School: demo.YunheShiyan, Lane: "three"})); other.UID != "" {
		t.Fatalf("drawn from the class as well: %+v", other)
	}
	_, err := r.s.StartIssue(r.ctx, clerk, first.UID, "")
	wantCode(t, err, registry.CodeConflict)
	if err := r.s.ReleaseLane(r.ctx, clerk, "two"); err != nil {
		t.Fatal(err)
	}
	if third := draw("three"); third.UID != second.UID {
		t.Fatalf("a name let go: %+v", third)
	}
	r.pass(laneLease + time.Second)
	if late := draw("two", first.UID); late.UID != second.UID {
		t.Fatalf("leases run out, the first put behind: %+v", late)
	}
	// The second gets a card by hand, from the lane that has it; the list lets the name go.
	ticket := must[IssueTicket](t)(r.s.IssueCard(r.ctx, clerk, IssueRequest{UID: second.UID, Lane: "two"}))
	r.personalise(ticket.Ticket, chipA)
	if next := draw("two"); next.UID != first.UID || next.Left != 1 {
		t.Fatalf("after a card made elsewhere: %+v", next)
	}
	got, _, _ := r.s.CardRun(r.ctx, clerk, run.ID, "", 0, 0)
	if got.Left != 1 || got.Made != 0 {
		t.Fatalf("run %+v", got)
	}
	if err := r.s.CloseRun(r.ctx, clerk, run.ID); err != nil {
		t.Fatal(err)
	}
	if next := draw("two"); next.UID != "" {
		t.Fatalf("drawn from a closed list: %+v", next)
	}
	_, err = r.s.Draw(r.ctx, clerk, DrawRequest{Run: run.ID})
	wantCode(t, err, registry.CodeInvalid)
}

// After a transfer to a school with other grades the rewritten card has another last day, and the register knows it.
func TestRewriteMovesTheLastDay(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	card := r.issue(uid, chipA)
	d := r.device(demo.YunheShiyan)
	p := r.pupil(uid)
	p.Card.Sequence++
	if err := r.st.Commit(r.ctx, store.Batch{Changes: []store.Change{{Pupil: p, Entry: store.Entry{At: r.now(), Kind: registry.EvCardWritten}, Index: indexOf(p)}}}); err != nil {
		t.Fatal(err)
	}
	r.set(time.Date(2027, 9, 14, 9, 0, 0, 0, registry.Beijing)) // a year on, in the same grade: it lasts a year longer
	ref := must[api.RefreshReply](t)(r.s.Refresh(r.ctx, d.kiosk, api.RefreshRequest{Card: card}))
	before := r.pupil(uid).Card.ExpiresOn
	r.personalise(ref.Ticket, chipA)
	after := r.pupil(uid).Card
	iss := must[store.Issuance](t)(r.st.IssuanceByCard(r.ctx, after.Number))
	if after.ExpiresOn <= before || iss.ExpiresOn != after.ExpiresOn || iss.State != registry.CardActive {
		t.Fatalf("last day %s, then %s; issuance %s %s", before, after.ExpiresOn, iss.ExpiresOn, iss.State)
	}
}
