package storetest

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

const peerX, peerY = "320000", "310000"

func farLetter(n int, peer, thread string) store.Letter {
	return store.Letter{Peer: peer, ID: fmt.Sprintf("%032x", n), Thread: thread, Kind: registry.LetterWord, UID: UID(1), CaseNo: "ZX-2026-0000-000001", At: Epoch.UTC().Add(time.Duration(n) * time.Second),
		Body: fmt.Appendf(nil, "letter %d 欧阳明", n)}
}

func exchangePeers(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.Peer(ctx, peerX)
	wantCode(t, err, registry.CodeNotFound)
	p := store.Peer{Province: peerX, Name: "江苏省", URL: "https://js.example", AddedAt: Epoch.UTC(), By: "a-1",
		Keys: []store.PeerKey{{Text: "xj-exchange:x", From: Epoch.UTC(), Until: Epoch.UTC().AddDate(1, 0, 0)}, {Text: "xj-exchange:y", From: Epoch.UTC().AddDate(1, 0, 0)}}}
	must(t, s.PutPeer(ctx, p))
	must(t, s.HearPeer(ctx, peerX, Epoch.Add(time.Hour), false))
	must(t, s.MissPeer(ctx, peerX, "unavailable", Epoch.Add(2*time.Hour)))
	must(t, s.MissPeer(ctx, peerX, "unavailable", Epoch.Add(3*time.Hour)))
	got, err := s.Peer(ctx, peerX)
	must(t, err)
	want := p
	want.PeerSeen = store.PeerSeen{HeardAt: Epoch.Add(time.Hour).UTC(), Failures: 2, NextTry: Epoch.Add(3 * time.Hour).UTC(), Fault: "unavailable"}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v\nwant %+v", got, want)
	}
	must(t, s.HearPeer(ctx, peerX, Epoch.Add(4*time.Hour), true))
	must(t, s.HearPeer(ctx, peerX, Epoch.Add(time.Minute), true)) // an older word moves nothing back
	p.Name, p.RevokedAt = "江苏", Epoch.UTC()
	must(t, s.PutPeer(ctx, p))
	got, err = s.Peer(ctx, peerX)
	must(t, err)
	if got.Name != "江苏" || got.RevokedAt.IsZero() || !got.SentAt.Equal(Epoch.Add(4*time.Hour)) || !got.HeardAt.Equal(got.SentAt) || got.Failures != 0 {
		t.Fatalf("%+v", got)
	}
	must(t, s.PutPeer(ctx, store.Peer{Province: peerY, Name: "上海市", AddedAt: Epoch.UTC()}))
	all, err := s.Peers(ctx)
	must(t, err)
	if len(all) != 2 || all[0].Province != peerY {
		t.Fatalf("%+v", all)
	}
	// Identities: one signs, those before it still open.
	for n := range 3 {
		must(t, s.PutExchangeKey(ctx, store.ExchangeKey{ID: fmt.Sprintf("k%d", n), Province: "330000", Secret: []byte{byte(n), 0xff}, MadeAt: Epoch.UTC().AddDate(0, n, 0)}))
	}
	keys, err := s.ExchangeKeys(ctx)
	must(t, err)
	if len(keys) != 3 || keys[0].ID != "k2" || !keys[0].RetiredAt.IsZero() || keys[0].Secret[0] != 2 || !keys[1].RetiredAt.Equal(keys[0].MadeAt) {
		t.Fatalf("%+v", keys)
	}
}

func exchangeOut(t *testing.T, s store.Store) {
	ctx := t.Context()
	must(t, s.PutPeer(ctx, store.Peer{Province: peerX, Name: "江苏省", AddedAt: Epoch.UTC()}))
	// Numbers have no gaps, whoever writes at once; each letter knows the one before it in its thread; a batch that fails draws none.
	var wg sync.WaitGroup
	for n := range 24 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			must(t, s.Commit(ctx, store.Batch{Letters: []store.Letter{farLetter(n+1, peerX, fmt.Sprintf("330000/%d", n%3))}}))
		}()
	}
	wg.Wait()
	wantCode(t, s.Commit(ctx, store.Batch{Done: "nothing", Letters: []store.Letter{farLetter(99, peerX, "330000/0")}}), registry.CodeConflict)
	must(t, s.Commit(ctx, store.Batch{Letters: []store.Letter{farLetter(50, peerY, "330000/0"), farLetter(51, peerY, "330000/0")}}))
	out, err := s.LettersOut(ctx, peerX, "", 100)
	must(t, err)
	last := map[string]uint64{}
	for i, l := range out {
		if l.Seq != uint64(i+1) || l.Prev != last[l.Thread] || l.State != store.LetterWaiting {
			t.Fatalf("%d: %+v, before it %d", i, l, last[l.Thread])
		}
		last[l.Thread] = l.Seq
	}
	if len(out) != 24 {
		t.Fatalf("%d letters", len(out))
	}
	other, err := s.LettersOut(ctx, peerY, store.LetterWaiting, 100)
	must(t, err)
	if len(other) != 2 || other[1].Seq != 2 || other[1].Prev != 1 {
		t.Fatalf("another peer counts for itself: %+v", other)
	}
	l, err := s.LetterOut(ctx, peerX, out[0].ID)
	must(t, err)
	var n int
	if _, err := fmt.Sscanf(string(l.Body), "letter %d", &n); err != nil || fmt.Sprintf("%032x", n) != l.ID {
		t.Fatalf("body %q of %s", l.Body, l.ID)
	}
	// Each has its row of work; one is put off.
	work, err := s.LeaseOutbox(ctx, Epoch.Add(time.Hour), time.Second, 100)
	must(t, err)
	if len(work) != 26 || work[0].Kind != "exchange" {
		t.Fatalf("%d rows of work", len(work))
	}
	must(t, s.PutOff(ctx, work[0].UID, work[0].ID, Epoch.Add(10*time.Hour)))
	again, err := s.LeaseOutbox(ctx, Epoch.Add(2*time.Hour), time.Second, 100)
	must(t, err)
	if len(again) != 25 {
		t.Fatalf("%d rows of work while one is put off", len(again))
	}
	// What becomes of them.
	must(t, s.SettleOut(ctx, peerX, out[0].ID, store.LetterRefused, nil, registry.CodeForbidden, map[string]string{"why": "version"}, Epoch))
	must(t, s.SettleOut(ctx, peerX, out[1].ID, store.LetterDone, []byte("receipt"), "", nil, Epoch))
	must(t, s.SettleOut(ctx, peerX, out[1].ID, store.LetterWaiting, nil, registry.CodeUnavailable, nil, Epoch)) // done stays done
	l, err = s.LetterOut(ctx, peerX, out[1].ID)
	must(t, err)
	if l.State != store.LetterDone || string(l.Receipt) != "receipt" || l.Tries != 1 {
		t.Fatalf("%+v", l)
	}
	refused, err := s.LettersOut(ctx, peerX, store.LetterRefused, 100)
	must(t, err)
	if len(refused) != 1 || refused[0].Code != registry.CodeForbidden || refused[0].Params["why"] != "version" {
		t.Fatalf("%+v", refused)
	}
	must(t, s.TurnAway(ctx, peerX, "2026-09-07", "signature"))
	must(t, s.TurnAway(ctx, peerX, "2026-09-07", "signature"))
	must(t, s.TurnAway(ctx, peerX, "2026-07-01", "signature"))
	h, err := s.PeerHealth(ctx, peerX, "2026-09-01")
	must(t, err)
	if h.Depth != 23 || h.Refused != 1 || h.Turned != 2 || !h.Oldest.Equal(oldest(out, 1)) {
		t.Fatalf("%+v, oldest %v", h, oldest(out, 1))
	}
	moved := Pupil(1, "欧阳明", SchoolA, 3, "2班")
	moved.Standing, moved.Number = registry.StandingMovedUp, "G330106201703090019"
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{Change(moved, registry.EvDecideStep, store.Index{})}}))
	if uid, err := s.HolderOf(ctx, moved.Number); err != nil || uid != UID(1) {
		t.Fatalf("numbered: %s %v", uid, err)
	}
	_, err = s.HolderOf(ctx, "G330106201703090027")
	wantCode(t, err, registry.CodeNotFound)
	uid, no, err := s.ThreadOf(ctx, peerX, "330000/1")
	must(t, err)
	if uid != UID(1) || no != "ZX-2026-0000-000001" {
		t.Fatalf("%s %s", uid, no)
	}
	_, _, err = s.ThreadOf(ctx, peerX, "330000/9")
	wantCode(t, err, registry.CodeNotFound)
}

// oldest is the earliest writing of letters but the one that is done.
func oldest(ls []store.Letter, done int) time.Time {
	var t time.Time
	for i, l := range ls {
		if i != done && (t.IsZero() || l.At.Before(t)) {
			t = l.At
		}
	}
	return t
}

func work(seq uint64) store.OutboxRow {
	return store.OutboxRow{ID: fmt.Sprintf("w%d", seq), UID: store.PeerUID(peerX), Kind: "exchange_in", At: Epoch.UTC()}
}

func exchangeIn(t *testing.T, s store.Store) {
	ctx := t.Context()
	in := func(seq, prev uint64) store.Letter {
		l := farLetter(int(seq), peerX, "330000/1")
		l.Seq, l.Prev, l.GotAt = seq, prev, Epoch.UTC()
		return l
	}
	take := func(l store.Letter) (bool, error) { return s.TakeLetter(ctx, l, work(l.Seq)) }
	fresh, err := take(in(2, 1))
	must(t, err)
	if !fresh {
		t.Fatal("a new letter is old")
	}
	// The same once more, also under race: once in the inbox, one row of work.
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, err := take(in(2, 1))
			must(t, err)
		}()
	}
	wg.Wait()
	for name, spoil := range map[string]func(l *store.Letter){
		"another body":         func(l *store.Letter) { l.Body = []byte("another") },
		"another thread":       func(l *store.Letter) { l.Thread = "330000/7" },
		"another id":           func(l *store.Letter) { l.ID = fmt.Sprintf("%032x", 77) },
		"its id, other number": func(l *store.Letter) { l.Seq = 9 },
	} {
		l := in(2, 1)
		spoil(&l)
		if _, err := s.TakeLetter(ctx, l, store.OutboxRow{ID: "x" + name, UID: store.PeerUID(peerX), Kind: "exchange_in", At: Epoch}); registry.CodeOf(err) != registry.CodeConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	fresh, err = take(in(1, 0))
	must(t, err)
	if got, err := s.Followers(ctx, peerX, 1); err != nil || !reflect.DeepEqual(got, []uint64{2}) || !fresh {
		t.Fatalf("followers %v %v", got, err)
	}
	rows, err := s.LeaseOutbox(ctx, Epoch.Add(time.Hour), time.Second, 100)
	must(t, err)
	if len(rows) != 2 || rows[0].Kind != "exchange_in" || rows[0].UID != store.PeerUID(peerX) {
		t.Fatalf("%+v", rows)
	}
	// Applied exactly once, in the transaction that moves the pupil; held with its reason, tried again.
	settle := store.LetterSettle{Peer: peerX, Seq: 1, From: store.LetterWaiting, UID: UID(4), CaseNo: "ZX-2026-0000-000004", At: Epoch}
	must(t, s.Commit(ctx, store.Batch{Settle: &settle}))
	wantCode(t, s.Commit(ctx, store.Batch{Settle: &settle, Letters: []store.Letter{farLetter(60, peerX, "330000/1")}}), registry.CodeConflict)
	if out, err := s.LettersOut(ctx, peerX, "", 10); err != nil || len(out) != 0 {
		t.Fatalf("a letter of a transaction that failed: %+v %v", out, err)
	}
	if uid, no, err := s.ThreadOf(ctx, peerX, "330000/1"); err != nil || uid != UID(4) || no != settle.CaseNo {
		t.Fatalf("%s %s %v", uid, no, err)
	}
	must(t, s.HoldLetter(ctx, peerX, 2, registry.CodeDuplicate, map[string]string{"uid": "u"}, SchoolA, Epoch))
	wantCode(t, s.HoldLetter(ctx, peerX, 2, registry.CodeDuplicate, nil, SchoolA, Epoch), registry.CodeConflict)
	held, err := s.LettersIn(ctx, store.LetterHeld, 10)
	must(t, err)
	if len(held) != 1 || held[0].Seq != 2 || held[0].Code != registry.CodeDuplicate || held[0].Unit != SchoolA || held[0].Params["uid"] != "u" {
		t.Fatalf("%+v", held)
	}
	must(t, s.TryLetter(ctx, peerX, 2, store.OutboxRow{ID: "w2", UID: store.PeerUID(peerX), Kind: "exchange_in", At: Epoch}))
	wantCode(t, s.TryLetter(ctx, peerX, 2, store.OutboxRow{ID: "again2", UID: store.PeerUID(peerX), Kind: "exchange_in", At: Epoch}), registry.CodeConflict)
	h, err := s.PeerHealth(ctx, peerX, "2026-09-01")
	must(t, err)
	if h.Held != 0 || h.Waiting != 1 || h.Depth != 0 {
		t.Fatalf("%+v", h)
	}
	must(t, s.HoldLetter(ctx, peerX, 2, registry.CodeDuplicate, nil, SchoolA, Epoch))
	must(t, s.Commit(ctx, store.Batch{Settle: &store.LetterSettle{Peer: peerX, Seq: 2, From: store.LetterHeld, At: Epoch}}))
	l, err := s.LetterIn(ctx, peerX, 2)
	must(t, err)
	if l.State != store.LetterDone || l.Code != "" || string(l.Body) != string(in(2, 1).Body) {
		t.Fatalf("%+v", l)
	}
}

// exchangeSweep: bodies of old letters go, heads, digests and receipts stay; nothing that is held, waits, or whose case still moves is touched.
func exchangeSweep(t *testing.T, s store.Store) {
	ctx := t.Context()
	old, late := Epoch.UTC(), Epoch.UTC().AddDate(1, 0, 0)
	n := 100
	out := func(thread string, kind registry.LetterKind, done time.Time) string {
		t.Helper()
		n++
		l := farLetter(n, peerX, thread)
		l.Kind = kind
		must(t, s.Commit(ctx, store.Batch{Letters: []store.Letter{l}}))
		if !done.IsZero() {
			must(t, s.SettleOut(ctx, peerX, l.ID, store.LetterDone, []byte("receipt"), "", nil, done))
		}
		return l.ID
	}
	in := func(thread string, kind registry.LetterKind, done time.Time) store.Letter {
		t.Helper()
		n++
		l := farLetter(n, peerX, thread)
		l.Seq, l.Kind, l.GotAt = uint64(n), kind, old
		if fresh, err := s.TakeLetter(ctx, l, work(l.Seq)); err != nil || !fresh {
			t.Fatalf("take: %v %v", fresh, err)
		}
		if done.IsZero() {
			must(t, s.HoldLetter(ctx, peerX, l.Seq, registry.CodeDuplicate, nil, SchoolA, old))
		} else {
			must(t, s.Commit(ctx, store.Batch{Settle: &store.LetterSettle{Peer: peerX, Seq: l.Seq, From: store.LetterWaiting, UID: UID(4), CaseNo: l.CaseNo, At: done}}))
		}
		return l
	}
	asked, came := out("t/over", registry.LetterRequest, old), in("t/over", registry.LetterRelease, old)
	outs := map[string]string{"unreceipted": out("t/waits", registry.LetterWord, old), "recent": out("t/recent", registry.LetterWord, old), "held": out("t/held", registry.LetterRequest, old),
		"released": out("t/released", registry.LetterRelease, old)}
	out("t/waits", registry.LetterWord, time.Time{})
	in("t/recent", registry.LetterReceived, late)
	held := in("t/held", registry.LetterRelease, time.Time{})
	before := old.AddDate(0, 6, 0)
	for want := 2; want >= 0; want -= 2 { // a second night finds nothing
		if got, err := s.SweepLetters(ctx, before, late); err != nil || got != want {
			t.Fatalf("swept %d, want %d: %v", got, want, err)
		}
	}
	for name, id := range outs {
		if l, err := s.LetterOut(ctx, peerX, id); err != nil || len(l.Body) == 0 || l.Digest != nil {
			t.Errorf("%s: %+v %v", name, l, err)
		}
	}
	if l, err := s.LetterIn(ctx, peerX, held.Seq); err != nil || string(l.Body) != string(held.Body) {
		t.Errorf("held: %+v %v", l, err)
	}
	l, err := s.LetterOut(ctx, peerX, asked)
	must(t, err)
	if l.Body != nil || len(l.Digest) != sha256.Size || string(l.Receipt) != "receipt" || l.Kind != registry.LetterRequest || l.UID != UID(1) {
		t.Errorf("swept out: %+v", l)
	}
	l, err = s.LetterIn(ctx, peerX, came.Seq)
	must(t, err)
	if sum := sha256.Sum256(came.Body); l.Body != nil || string(l.Digest) != string(sum[:]) || l.ID != came.ID || l.State != store.LetterDone {
		t.Errorf("swept in: %+v", l)
	}
	if uid, _, err := s.ThreadOf(ctx, peerX, "t/over"); err != nil || uid != UID(1) {
		t.Errorf("thread: %s %v", uid, err)
	}
	// The same letter once more is known, another in its place is refused.
	if fresh, err := s.TakeLetter(ctx, came, work(came.Seq)); err != nil || fresh {
		t.Errorf("a swept letter again: %v %v", fresh, err)
	}
	came.Body = []byte("another")
	_, err = s.TakeLetter(ctx, came, work(came.Seq))
	wantCode(t, err, registry.CodeConflict)
	// The other register said that it continued the 学籍: now that case is over too.
	in("t/released", registry.LetterReceipt, old)
	if got, err := s.SweepLetters(ctx, before, late); err != nil || got != 2 {
		t.Fatalf("swept %d of the released: %v", got, err)
	}
}
