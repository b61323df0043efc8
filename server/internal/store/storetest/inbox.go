package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

func put(t testing.TB, s store.Store, kiosk string, wantMark uint64, wantQuarantined int, rows ...store.InboxRow) {
	t.Helper()
	mark, q, err := s.Ingest(t.Context(), kiosk, rows)
	must(t, err)
	if mark != wantMark || q != wantQuarantined {
		t.Fatalf("high water %d, quarantined %d; want %d and %d", mark, q, wantMark, wantQuarantined)
	}
	if hw, err := s.HighWater(t.Context(), kiosk); err != nil || hw != wantMark {
		t.Fatalf("HighWater %d %v, want %d", hw, err, wantMark)
	}
}

func ingest(t *testing.T, s store.Store) {
	ctx := t.Context()
	r := func(seq uint64, payload string) store.InboxRow { return Row("k-a", seq, payload) }
	put(t, s, "k-a", 0, 0)
	put(t, s, "k-a", 2, 0, r(1, "one"), r(2, "two"))
	put(t, s, "k-a", 2, 0, r(1, "one"), r(2, "two"))                 // replayed
	put(t, s, "k-a", 4, 0, r(4, "four"), r(2, "two"), r(3, "three")) // reordered and overlapping
	put(t, s, "k-a", 4, 0, r(6, "six"), r(7, "seven"))               // a gap: nothing kept
	put(t, s, "k-a", 5, 0, r(5, "five"), r(7, "seven"))              // up to the gap
	put(t, s, "k-a", 6, 1, r(2, "forged"), r(6, "six"))              // same number, other content
	put(t, s, "k-a", 6, 1, r(2, "forged"))                           // said each time
	put(t, s, "k-a", 7, 1, r(7, "seven"), r(7, "other"))             // within one call
	put(t, s, "k-b", 1, 0, Row("k-b", 1, "one"))                     // kiosks are apart
	row, err := s.InboxRow(ctx, "k-a", 2)
	must(t, err)
	want := r(2, "two")
	if string(row.Payload) != "two" || !bytes.Equal(row.Hash, want.Hash) || !row.At.Equal(Epoch) || row.Seq != 2 || row.Kiosk != "k-a" ||
		!bytes.Equal(row.Chain, want.Chain) || row.EventID != "ev-two" {
		t.Fatalf("row %+v", row)
	}
	_, err = s.InboxRow(ctx, "k-a", 8)
	wantCode(t, err, registry.CodeNotFound)
	_, _, err = s.Ingest(ctx, "k-a", []store.InboxRow{r(0, "zero")})
	wantCode(t, err, registry.CodeInvalid)
	if hw, err := s.HighWater(ctx, "k-never"); err != nil || hw != 0 {
		t.Fatalf("unknown kiosk: %d %v", hw, err)
	}
	again := r(8, "eight")
	again.EventID = "ev-two"
	put(t, s, "k-a", 8, 0, again)
	if seq, err := s.SeqOfEvent(ctx, "k-a", "ev-two"); err != nil || seq != 2 {
		t.Fatalf("event first seen at %d %v", seq, err)
	}
	if seq, err := s.SeqOfEvent(ctx, "k-b", "ev-two"); err != nil || seq != 0 {
		t.Fatalf("event of another kiosk at %d %v", seq, err)
	}
}

// ingestConcurrent sends the same rows of many kiosks at once, in overlapping pieces, as kiosks do that time out and try again.
func ingestConcurrent(t *testing.T, s store.Store) {
	ctx := t.Context()
	const kiosks, senders, n = 6, 3, 60
	var wg sync.WaitGroup
	for k := range kiosks {
		id := fmt.Sprintf("k-%d", k)
		for w := range senders {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for at := uint64(0); at < n; {
					var rows []store.InboxRow
					for seq := at + 1; seq <= min(n, at+uint64(3+w)); seq++ {
						rows = append(rows, Row(id, seq, fmt.Sprint(id, seq)))
					}
					mark, q, err := s.Ingest(ctx, id, rows)
					if err != nil || q != 0 || mark < at+uint64(len(rows)) {
						t.Errorf("%s: mark %d, quarantined %d, %v", id, mark, q, err)
						return
					}
					at += uint64(len(rows))
				}
			}()
		}
	}
	wg.Wait()
	for k := range kiosks {
		id := fmt.Sprintf("k-%d", k)
		put(t, s, id, n, 0)
		for seq := uint64(1); seq <= n; seq++ {
			row, err := s.InboxRow(ctx, id, seq)
			must(t, err)
			if string(row.Payload) != fmt.Sprint(id, seq) {
				t.Fatalf("%s %d holds %q", id, seq, row.Payload)
			}
		}
	}
}

func inboxOnce(t *testing.T, s store.Store) {
	ctx := t.Context()
	put(t, s, "k-a", 2, 0, Row("k-a", 1, "one"), Row("k-a", 2, "two"))
	apply := func(n int) error {
		return s.Commit(ctx, store.Batch{Changes: []store.Change{Change(Pupil(n, "王小明", SchoolA, 1, "1班"), registry.EvEnrol, store.Index{})},
			Applied: &store.Outcome{Kiosk: "k-a", Seq: 1, State: "applied", CaseNo: CaseNo(1), At: Epoch}})
	}
	var wg sync.WaitGroup
	won := make(chan int, 8)
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := apply(i); err == nil {
				won <- i
			} else if !errors.Is(err, registry.ErrConflict) {
				t.Errorf("loser is told %v", err)
			}
		}()
	}
	wg.Wait()
	close(won)
	if n, err := s.Count(ctx, store.Query{All: true}); len(won) != 1 || err != nil || n != 1 {
		t.Fatalf("%d workers applied one event to %d pupils, %v", len(won), n, err)
	}
	wantCode(t, s.Refuse(ctx, store.Outcome{Kiosk: "k-a", Seq: 1, Code: registry.CodeLocked}), registry.CodeConflict)
	must(t, s.Refuse(ctx, store.Outcome{Kiosk: "k-a", Seq: 2, Code: registry.CodeLocked, At: Epoch}))
	// A refusal waits for a person, who sees to it once.
	open, err := s.Unhandled(ctx, "k-a", 10)
	must(t, err)
	if len(open) != 1 || open[0].Seq != 2 || open[0].Code != registry.CodeLocked {
		t.Fatalf("unhandled %+v", open)
	}
	must(t, s.Handle(ctx, store.InboxKey{Kiosk: "k-a", Seq: 2}, "a-1", "called the family", Epoch))
	wantCode(t, s.Handle(ctx, store.InboxKey{Kiosk: "k-a", Seq: 2}, "a-2", "", Epoch), registry.CodeConflict)
	wantCode(t, s.Handle(ctx, store.InboxKey{Kiosk: "k-a", Seq: 1}, "a-2", "", Epoch), registry.CodeConflict) // applied: nothing to see to
	if open, err = s.Unhandled(ctx, "k-a", 10); err != nil || len(open) != 0 {
		t.Fatalf("unhandled %+v %v", open, err)
	}
	wantCode(t, s.Commit(ctx, store.Batch{Applied: &store.Outcome{Kiosk: "k-a", Seq: 2, State: "applied"}}), registry.CodeConflict)
	wantCode(t, s.Commit(ctx, store.Batch{Applied: &store.Outcome{Kiosk: "k-a", Seq: 3, State: "applied"}}), registry.CodeConflict)
}

func inboxLease(t *testing.T, s store.Store) {
	ctx := t.Context()
	put(t, s, "k-a", 3, 0, Row("k-a", 1, "a1"), Row("k-a", 2, "a2"), Row("k-a", 3, "a3"))
	put(t, s, "k-b", 1, 0, Row("k-b", 1, "b1"))
	lease := func(now time.Time, limit, want int) []store.InboxKey {
		t.Helper()
		keys, err := s.LeaseInbox(ctx, now, 10*time.Second, limit)
		must(t, err)
		if len(keys) != want {
			t.Fatalf("leased %v, want %d", keys, want)
		}
		return keys
	}
	first := lease(Epoch, 2, 2)
	if first[0].Seq != 1 || first[1].Seq != 1 {
		t.Fatalf("oldest first: %v", first)
	}
	rest := lease(Epoch, 10, 2)
	if rest[0] != (store.InboxKey{Kiosk: "k-a", Seq: 2}) || rest[1] != (store.InboxKey{Kiosk: "k-a", Seq: 3}) {
		t.Fatalf("then %v", rest)
	}
	lease(Epoch.Add(9*time.Second), 10, 0)
	must(t, s.Refuse(ctx, store.Outcome{Kiosk: "k-b", Seq: 1, Code: registry.CodeLocked, At: Epoch}))
	lease(Epoch.Add(10*time.Second), 10, 3)

	// many relays share the rows, none gets one twice
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[store.InboxKey]int{}
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 4 {
				keys, err := s.LeaseInbox(ctx, Epoch.Add(time.Minute), 10*time.Second, 1)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, k := range keys {
					got[k]++
				}
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if len(got) != 3 {
		t.Fatalf("leased %v", got)
	}
	for k, n := range got {
		if n != 1 {
			t.Fatalf("%v leased %d times", k, n)
		}
	}
}

func outcomes(t *testing.T, s store.Store) {
	ctx := t.Context()
	var rows []store.InboxRow
	for i := range 6 {
		rows = append(rows, Row("k-a", uint64(i+1), fmt.Sprint(i)))
	}
	put(t, s, "k-a", 6, 0, rows...)
	apply := func(seq uint64) {
		must(t, s.Commit(ctx, store.Batch{Applied: &store.Outcome{Kiosk: "k-a", Seq: seq, State: "applied", CaseNo: CaseNo(int(seq)), At: Epoch}}))
	}
	seqs := func(after uint64, limit int, want ...uint64) []store.Outcome {
		t.Helper()
		out, err := s.Outcomes(ctx, "k-a", after, limit)
		must(t, err)
		var got []uint64
		for _, o := range out {
			got = append(got, o.Seq)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("after %d: %v, want %v", after, got, want)
		}
		return out
	}
	seqs(0, 10)
	apply(1)
	apply(3)
	seqs(0, 10, 1) // 3 waits for 2, or a kiosk that goes on after 3 would miss 2
	must(t, s.Refuse(ctx, store.Outcome{Kiosk: "k-a", Seq: 2, Code: registry.CodeDuplicate, Params: map[string]string{"school": "王府井小学"}, At: Epoch}))
	out := seqs(0, 10, 1, 2, 3)
	if out[0].State != "applied" || out[0].CaseNo != CaseNo(1) || !out[0].At.Equal(Epoch) || out[1].State != "refused" || out[1].Code != registry.CodeDuplicate ||
		out[1].Params["school"] != "王府井小学" || out[0].Kiosk != "k-a" {
		t.Fatalf("outcomes %+v", out)
	}
	must(t, s.Dead(ctx, store.InboxKey{Kiosk: "k-a", Seq: 4}, "broken"))
	apply(5)
	seqs(1, 10, 2, 3, 5) // a dead letter holds nobody up
	seqs(1, 1, 2)
	seqs(6, 10)
}

func outbox(t *testing.T, s store.Store) {
	ctx := t.Context()
	c := Change(Pupil(1, "王小明", SchoolA, 1, "1班"), registry.EvEnrol, store.Index{})
	for i := range 3 {
		c.Outbox = append(c.Outbox, store.OutboxRow{ID: fmt.Sprintf("o%d", i), UID: UID(1), Kind: "notify", Payload: []byte{0, 1, byte(i)}, At: Epoch.Add(time.Duration(i) * time.Second)})
	}
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}))
	rows, err := s.LeaseOutbox(ctx, Epoch, 10*time.Second, 2)
	must(t, err)
	if len(rows) != 2 || rows[0].ID != "o0" || rows[1].ID != "o1" || rows[0].UID != UID(1) || rows[1].Kind != "notify" || !bytes.Equal(rows[1].Payload, []byte{0, 1, 1}) ||
		!rows[0].At.Equal(Epoch) {
		t.Fatalf("leased %+v", rows)
	}
	row, err := s.OutboxRow(ctx, UID(1), "o2")
	must(t, err)
	if row.ID != "o2" || !bytes.Equal(row.Payload, []byte{0, 1, 2}) {
		t.Fatalf("row %+v", row)
	}
	must(t, s.Finish(ctx, UID(1), "o0"))
	wantCode(t, s.Finish(ctx, UID(1), "o0"), registry.CodeConflict)
	must(t, s.Commit(ctx, store.Batch{Done: "o1", DoneUID: UID(1)}))
	wantCode(t, s.Commit(ctx, store.Batch{Done: "o1"}), registry.CodeConflict)
	if rows, err = s.LeaseOutbox(ctx, Epoch.Add(time.Hour), 10*time.Second, 10); err != nil || len(rows) != 1 || rows[0].ID != "o2" {
		t.Fatalf("left %+v %v", rows, err)
	}
	must(t, s.Commit(ctx, store.Batch{Done: "o2"}))
	if rows, err = s.LeaseOutbox(ctx, Epoch.Add(2*time.Hour), 10*time.Second, 10); err != nil || len(rows) != 0 {
		t.Fatalf("left %+v %v", rows, err)
	}
}

func deadLetters(t *testing.T, s store.Store) {
	ctx := t.Context()
	put(t, s, "k-a", 2, 0, Row("k-a", 1, "one"), Row("k-a", 2, "two"))
	c := Change(Pupil(1, "王小明", SchoolA, 1, "1班"), registry.EvEnrol, store.Index{})
	c.Outbox = []store.OutboxRow{{ID: "o1", Kind: "notify", At: Epoch}}
	must(t, s.Commit(ctx, store.Batch{Changes: []store.Change{c}}))
	in, out := store.RowRef{Kiosk: "k-a", Seq: 1}, store.RowRef{UID: UID(1), ID: "o1"}
	for n, ref := range []store.RowRef{in, out} {
		for i := range 3 {
			dead, err := s.Failed(ctx, ref, fmt.Sprintf("fails \x00\xff %d", i), Epoch.Add(time.Duration(n)*time.Second), time.Minute, 3)
			must(t, err)
			if dead != (i == 2) {
				t.Fatalf("%v after %d failures: dead %v", ref, i+1, dead)
			}
		}
	}
	if keys, err := s.LeaseInbox(ctx, Epoch.Add(time.Hour), time.Minute, 10); err != nil || len(keys) != 1 || keys[0].Seq != 2 {
		t.Fatalf("the dead are not leased: %v %v", keys, err)
	}
	if rows, err := s.LeaseOutbox(ctx, Epoch.Add(time.Hour), time.Minute, 10); err != nil || len(rows) != 0 {
		t.Fatalf("the dead are not leased: %v %v", rows, err)
	}
	letters, err := s.DeadLetters(ctx, 10)
	must(t, err)
	if len(letters) != 2 || letters[0].RowRef != in || letters[1].RowRef != out || letters[0].Failures != 3 || letters[0].Reason != "fails  2" {
		t.Fatalf("letters %+v", letters)
	}
	must(t, s.Revive(ctx, in))
	must(t, s.Revive(ctx, out))
	wantCode(t, s.Revive(ctx, in), registry.CodeConflict)
	if keys, err := s.LeaseInbox(ctx, Epoch.Add(2*time.Hour), time.Minute, 10); err != nil || len(keys) != 2 {
		t.Fatalf("revived: %v %v", keys, err)
	}
	// failing puts the next try off
	for i, off := range []time.Duration{time.Minute, 2 * time.Minute} {
		at := Epoch.Add(time.Duration(3+i) * time.Hour)
		if dead, err := s.Failed(ctx, in, "again", at, time.Minute, 3); err != nil || dead {
			t.Fatalf("failures are counted anew: %v %v", dead, err)
		}
		if keys, err := s.LeaseInbox(ctx, at.Add(off-1), time.Second, 10); err != nil || len(keys) != 1 || keys[0].Seq != 2 {
			t.Fatalf("put off by %v: %v %v", off, keys, err)
		}
		if keys, err := s.LeaseInbox(ctx, at.Add(off), time.Second, 10); err != nil || len(keys) != 1 || keys[0].Seq != 1 {
			t.Fatalf("no longer than %v: %v %v", off, keys, err)
		}
	}
	// a settled row is not touched, a dead one may be settled by hand
	must(t, s.Refuse(ctx, store.Outcome{Kiosk: "k-a", Seq: 1, Code: registry.CodeInternal}))
	if dead, err := s.Failed(ctx, in, "late", Epoch, time.Minute, 1); err != nil || dead {
		t.Fatalf("a settled row died: %v %v", dead, err)
	}
	must(t, s.Dead(ctx, store.InboxKey{Kiosk: "k-a", Seq: 2}, "by hand"))
	wantCode(t, s.Dead(ctx, store.InboxKey{Kiosk: "k-a", Seq: 2}, "twice"), registry.CodeConflict)
	must(t, s.Commit(ctx, store.Batch{Applied: &store.Outcome{Kiosk: "k-a", Seq: 2, State: "applied"}}))
}
