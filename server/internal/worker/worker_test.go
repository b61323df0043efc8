package worker_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/sqlite"
	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/internal/worker"
	"xueji/server/jobs"
	"xueji/server/jobs/redisstream"
	"xueji/server/registry"
	"xueji/server/vault"
)

// service is a Work that applies events to the store as the real one does, and can be told to fail.
type service struct {
	st store.Store

	mu      sync.Mutex
	calls   map[jobs.ID]int
	carried map[jobs.ID]int
	fail    func(id jobs.ID, call int) error
	imports func(ctx context.Context, id string) error
	changed chan struct{}
}

func newService(st store.Store) *service {
	return &service{st: st, calls: map[jobs.ID]int{}, carried: map[jobs.ID]int{}, changed: make(chan struct{}, 1)}
}

func (s *service) call(id jobs.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.tell()
	s.calls[id]++
	if s.fail == nil {
		return nil
	}
	return s.fail(id, s.calls[id])
}

func (s *service) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *service) ApplyInbox(ctx context.Context, kiosk string, seq uint64) error {
	if err := s.call(jobs.InboxID(kiosk, seq)); err != nil {
		return err
	}
	// An event makes one pupil, whose UID it names, and promises a notice.
	id := fmt.Sprintf("%s/%d", kiosk, seq)
	h := sha256.Sum256([]byte(id))
	p := storetest.Pupil(int(binary.BigEndian.Uint64(h[:])>>1), "王小明", storetest.SchoolA, 1, "1班")
	c := storetest.Change(p, registry.EvEnrol, store.Index{})
	c.Outbox = []store.OutboxRow{{ID: "notify-" + id[2:], Kind: string(jobs.KindNotify), At: time.Now()}}
	c.Outbox[0].ID = strings.ReplaceAll(c.Outbox[0].ID, "/", "-")
	err := s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}, Applied: &store.Outcome{Kiosk: kiosk, Seq: seq, State: "applied", At: time.Now()}})
	s.tell()
	if errors.Is(err, registry.ErrConflict) { // done before
		return nil
	}
	return err
}

func (s *service) CarryOut(_ context.Context, uid registry.UID, id string) error {
	key := jobs.OutboxID(string(uid), id)
	if err := s.call(key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.carried[key]++
	return nil
}

func (s *service) RunImport(ctx context.Context, id string) error {
	if err := s.call(jobs.ID("import/" + id)); err != nil {
		return err
	}
	return s.imports(ctx, id)
}

func openStore(t testing.TB) store.Store {
	t.Helper()
	dir := t.TempDir()
	st, err := sqlite.Open(t.Context(), filepath.Join(dir, "register.db"), vault.Options{KEK: vault.File(filepath.Join(dir, "vault.key"))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func embedded(t testing.TB) jobs.Queue {
	t.Helper()
	q, err := redisstream.Embedded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// run starts a worker and stops it at the end of the test, or when stop is called.
func run(t testing.TB, w *worker.Worker) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// until waits for a condition; it fails the test when that takes a minute.
func until(t testing.TB, s *service, what string, cond func() bool) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		select {
		case <-s.changed:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func ingest(t testing.TB, st store.Store, kiosk string, from, to uint64) []jobs.ID {
	t.Helper()
	var rows []store.InboxRow
	var ids []jobs.ID
	for seq := from; seq <= to; seq++ {
		rows = append(rows, storetest.Row(kiosk, seq, fmt.Sprint(kiosk, seq)))
		ids = append(ids, jobs.InboxID(kiosk, seq))
	}
	if mark, _, err := st.Ingest(context.Background(), kiosk, rows); err != nil || mark != to {
		t.Fatalf("ingest: %d %v", mark, err)
	}
	return ids
}

func applied(t testing.TB, st store.Store, kiosk string) int {
	out, err := st.Outcomes(context.Background(), kiosk, 0, 100000)
	if err != nil {
		t.Fatal(err)
	}
	return len(out)
}

func pupils(t testing.TB, st store.Store) int {
	n, err := st.Count(context.Background(), store.Query{All: true})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A nudge is enough: the relay never looks, and the rows are done all the same, their notices too once it does.
func TestNudgeAppliesAtOnce(t *testing.T) {
	st, q := openStore(t), embedded(t)
	s := newService(st)
	w := worker.New(st, q, s, worker.Options{Poll: time.Hour})
	run(t, w)
	until(t, s, "first sweep", func() bool { return w.Stats().Sweeps > 0 }) // the relay's first look is over or finds nothing
	w.Nudge(ingest(t, st, "k-a", 1, 20)...)
	until(t, s, "20 applied", func() bool { return applied(t, st, "k-a") == 20 })
	if n := pupils(t, st); n != 20 {
		t.Fatalf("%d pupils", n)
	}
}

// Without a nudge the relay finds the rows, the outbox rows that came of them, and marks those done.
func TestRelayFindsRows(t *testing.T) {
	st, q := openStore(t), embedded(t)
	s := newService(st)
	ingest(t, st, "k-a", 1, 300)
	ingest(t, st, "k-b", 1, 300)
	// Calm weather: nobody is taken for dead, however slow the machine is.
	stop := run(t, worker.New(st, q, s, worker.Options{Poll: 5 * time.Millisecond, Lease: time.Hour}))
	until(t, s, "all applied", func() bool { return applied(t, st, "k-a") == 300 && applied(t, st, "k-b") == 300 })
	until(t, s, "all notices sent", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.carried) == 600
	})
	stop() // what is in hand is finished: the rows are marked done
	if left, err := st.LeaseOutbox(context.Background(), time.Now().Add(24*time.Hour), 0, 10); err != nil || len(left) != 0 {
		t.Fatalf("left %+v %v", left, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, n := range s.carried {
		if n != 1 {
			t.Errorf("%s carried out %d times in calm weather", id, n)
		}
	}
}

// A row that fails is tried again, later each time, and becomes a dead letter; the others go on. Put back, it is done.
func TestDeadLetters(t *testing.T) {
	st, q := openStore(t), embedded(t)
	s := newService(st)
	bad := jobs.InboxID("k-a", 2)
	flaky := jobs.InboxID("k-a", 3)
	mended := false
	s.fail = func(id jobs.ID, call int) error {
		switch {
		case id == bad && !mended && call == 2:
			panic("a bug")
		case id == bad && !mended, id == flaky && call < 3:
			return errors.New("cannot")
		}
		return nil
	}
	w := worker.New(st, q, s, worker.Options{Poll: 5 * time.Millisecond, Lease: 20 * time.Millisecond, Backoff: time.Millisecond, MaxFailures: 4})
	run(t, w)
	w.Nudge(ingest(t, st, "k-a", 1, 5)...)
	until(t, s, "dead letter", func() bool {
		d, err := st.DeadLetters(context.Background(), 10)
		return err == nil && len(d) == 1 && d[0].Failures == 4 && d[0].Kiosk == "k-a" && d[0].Seq == 2 && d[0].Reason == "cannot"
	})
	until(t, s, "the others", func() bool { return applied(t, st, "k-a") == 4 })
	if w.Stats().Dead != 1 {
		t.Fatalf("stats %+v", w.Stats())
	}
	s.mu.Lock()
	mended = true
	s.mu.Unlock()
	if err := st.Revive(context.Background(), store.RowRef{Kiosk: "k-a", Seq: 2}); err != nil {
		t.Fatal(err)
	}
	until(t, s, "revived", func() bool { return applied(t, st, "k-a") == 5 })
}

// A part that is down is nobody's failure: the row comes again by its lease and is never a dead letter.
func TestUnavailableIsNoFailure(t *testing.T) {
	st, q := openStore(t), embedded(t)
	s := newService(st)
	s.fail = func(_ jobs.ID, call int) error {
		if call < 8 {
			return &registry.Error{Code: registry.CodeUnavailable}
		}
		return nil
	}
	w := worker.New(st, q, s, worker.Options{Poll: 2 * time.Millisecond, Lease: 5 * time.Millisecond, MaxFailures: 2})
	run(t, w)
	w.Nudge(ingest(t, st, "k-a", 1, 1)...)
	until(t, s, "applied", func() bool { return applied(t, st, "k-a") == 1 })
	if w.Stats().Failed != 0 {
		t.Fatalf("stats %+v", w.Stats())
	}
}

// brokenQueue refuses everything, as a Redis that is not there does.
type brokenQueue struct{}

func (brokenQueue) Publish(context.Context, int, ...jobs.ID) error {
	return errors.New("connection refused")
}
func (brokenQueue) Ping(context.Context) error { return errors.New("connection refused") }
func (brokenQueue) Close() error               { return nil }
func (brokenQueue) Consume(ctx context.Context, _ int, _ func(context.Context, jobs.ID) error) error {
	<-ctx.Done()
	return nil
}

func TestWorksWithoutQueue(t *testing.T) {
	st := openStore(t)
	s := newService(st)
	w := worker.New(st, brokenQueue{}, s, worker.Options{Poll: 5 * time.Millisecond})
	run(t, w)
	w.Nudge(ingest(t, st, "k-a", 1, 50)...)
	ingest(t, st, "k-b", 1, 50) // no nudge
	until(t, s, "all applied", func() bool { return applied(t, st, "k-a") == 50 && applied(t, st, "k-b") == 50 })
	if st := w.Stats(); !st.QueueDown || st.Local == 0 {
		t.Fatalf("stats %+v", st)
	}
}

// An import whose runner ended in an error, or with its worker, is resumed; one runner at a time.
func TestImportsResume(t *testing.T) {
	st, q := openStore(t), embedded(t)
	s := newService(st)
	started := make(chan struct{}, 10)
	var running, most int
	s.imports = func(ctx context.Context, id string) error {
		s.mu.Lock()
		running++
		most = max(most, running)
		call := s.calls[jobs.ID("import/"+id)]
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			running--
			s.mu.Unlock()
		}()
		started <- struct{}{}
		switch call {
		case 1:
			return errors.New("half-way")
		case 2: // the process ends
			<-ctx.Done()
			return ctx.Err()
		}
		i, err := st.Import(ctx, id)
		if err != nil {
			return err
		}
		i.State = "done"
		return st.PutImport(ctx, i)
	}
	o := worker.Options{Poll: 5 * time.Millisecond, Backoff: time.Millisecond}
	w := worker.New(st, q, s, o)
	stop := run(t, w)
	if err := st.PutImport(context.Background(), store.Import{ID: "imp1", State: "queued", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	w.NudgeImports()
	<-started
	<-started
	stop()
	run(t, worker.New(st, q, s, o))
	run(t, worker.New(st, embedded(t), s, o)) // another server
	until(t, s, "import done", func() bool {
		i, err := st.Import(context.Background(), "imp1")
		return err == nil && i.State == "done"
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if most != 1 || s.calls["import/imp1"] != 3 {
		t.Fatalf("%d at once, %d runs", most, s.calls["import/imp1"])
	}
}
