// Package jobstest judges every queue by one suite: what jobs.Queue promises, in calm and in trouble.
//
// It owns no server: Run is handed a way to start one, and to hurt it.
package jobstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"xueji/server/jobs"
)

// Server is a queue server under test.
type Server struct {
	// Open makes a queue on the server, as one server process has it. Undelivered ids must come to another consumer within a second or so.
	Open func(t testing.TB) jobs.Queue
	// Flush makes it forget everything at once.
	Flush func()
	// Cut ends every connection.
	Cut func()
	// Kill stops it without a word, Restart starts it again at the same address, empty.
	Kill, Restart func()
}

// Run holds a queue to its contract. start begins an empty server for each test and ends it with the test.
func Run(t *testing.T, start func(t *testing.T) Server) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s Server)
	}{
		{"DeliversEachOnceInCalm", calm},
		{"ShardsAreApart", shardsApart},
		{"ConsumersShare", share},
		{"KeepsWhatNobodyConsumes", keeps},
		{"FailedIsRedelivered", failed},
		{"CrashedConsumersWorkIsTakenOver", crashed},
		{"Flushed", flushed},
		{"ConnectionsCut", cut},
		{"Restarted", restarted},
		{"DownAtStart", downAtStart},
		{"ConsumeEndsWithContext", ends},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, start(t)) })
	}
}

// ledger counts what was handled.
type ledger struct {
	mu   sync.Mutex
	seen map[jobs.ID]int
	news chan struct{}
}

func newLedger() *ledger { return &ledger{seen: map[jobs.ID]int{}, news: make(chan struct{}, 1)} }

func (l *ledger) handle(_ context.Context, id jobs.ID) error {
	l.mu.Lock()
	l.seen[id]++
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
	return nil
}

func (l *ledger) missing(ids []jobs.ID) []jobs.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []jobs.ID
	for _, id := range ids {
		if l.seen[id] == 0 {
			out = append(out, id)
		}
	}
	return out
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// until waits for a condition on the ledger; between looks it does again, when given.
func (l *ledger) until(t testing.TB, what string, again func(), cond func() bool) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for !cond() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		if again != nil {
			again()
		}
		select {
		case <-l.news:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func names(prefix string, n int) []jobs.ID {
	ids := make([]jobs.ID, n)
	for i := range ids {
		ids[i] = jobs.InboxID(prefix, uint64(i+1))
	}
	return ids
}

func open(t testing.TB, s Server) jobs.Queue {
	q := s.Open(t)
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// consume runs a consumer until the test ends or stop is called.
func consume(t testing.TB, q jobs.Queue, shard int, handle func(context.Context, jobs.ID) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := q.Consume(ctx, shard, handle); err != nil {
			t.Errorf("Consume: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func publish(t testing.TB, q jobs.Queue, shard int, ids ...jobs.ID) {
	t.Helper()
	if err := q.Publish(context.Background(), shard, ids...); err != nil {
		t.Fatal(err)
	}
}

func calm(t *testing.T, s Server) {
	q := open(t, s)
	if err := q.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	consume(t, q, 0, l.handle)
	ids := names("k-a", 1000)
	publish(t, q, 0)
	publish(t, q, 0, ids[:1]...)
	publish(t, q, 0, ids[1:]...)
	l.until(t, "all delivered", nil, func() bool { return len(l.missing(ids)) == 0 })
	for id, n := range l.seen {
		if n != 1 {
			t.Fatalf("%s delivered %d times", id, n)
		}
	}
}

func shardsApart(t *testing.T, s Server) {
	q := open(t, s)
	ledgers := make([]*ledger, jobs.Shards)
	for shard := range jobs.Shards {
		ledgers[shard] = newLedger()
		consume(t, q, shard, ledgers[shard].handle)
	}
	for shard := range jobs.Shards {
		publish(t, q, shard, names(fmt.Sprint("k-", shard), 10)...)
	}
	for shard, l := range ledgers {
		l.until(t, "shard's own", nil, func() bool { return len(l.missing(names(fmt.Sprint("k-", shard), 10))) == 0 })
		if l.count() != 10 {
			t.Fatalf("shard %d saw %d", shard, l.count())
		}
	}
}

func share(t *testing.T, s Server) {
	l := newLedger()
	for range 3 {
		consume(t, open(t, s), 1, l.handle)
	}
	ids := names("k-a", 500)
	publish(t, open(t, s), 1, ids...)
	l.until(t, "all delivered", nil, func() bool { return len(l.missing(ids)) == 0 })
	for id, n := range l.seen {
		if n != 1 {
			t.Fatalf("%s delivered %d times", id, n)
		}
	}
}

// keeps: what is published before anyone consumes is delivered, and so is what comes while no one does.
func keeps(t *testing.T, s Server) {
	q := open(t, s)
	ids := names("k-a", 20)
	publish(t, q, 2, ids[:10]...)
	l := newLedger()
	stop := consume(t, q, 2, l.handle)
	l.until(t, "first half", nil, func() bool { return len(l.missing(ids[:10])) == 0 })
	stop()
	publish(t, q, 2, ids[10:]...)
	consume(t, q, 2, l.handle)
	l.until(t, "second half", nil, func() bool { return len(l.missing(ids)) == 0 })
}

func failed(t *testing.T, s Server) {
	q := open(t, s)
	l := newLedger()
	var mu sync.Mutex
	tries := map[jobs.ID]int{}
	consume(t, q, 0, func(ctx context.Context, id jobs.ID) error {
		mu.Lock()
		tries[id]++
		n := tries[id]
		mu.Unlock()
		if n < 3 {
			return errors.New("not yet")
		}
		return l.handle(ctx, id)
	})
	ids := names("k-a", 5)
	publish(t, q, 0, ids...)
	l.until(t, "redelivered until done", nil, func() bool { return len(l.missing(ids)) == 0 })
}

// crashed: a consumer that dies with ids in hand leaves them to another, on another connection.
func crashed(t *testing.T, s Server) {
	ids := names("k-a", 30)
	dead := open(t, s)
	taken := newLedger()
	stop := consume(t, dead, 0, func(ctx context.Context, id jobs.ID) error {
		_ = taken.handle(ctx, id)
		<-ctx.Done() // never comes back
		return ctx.Err()
	})
	publish(t, dead, 0, ids...)
	taken.until(t, "one taken", nil, func() bool { return taken.count() > 0 })
	stop()
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l := newLedger()
	consume(t, open(t, s), 0, l.handle)
	l.until(t, "taken over", nil, func() bool { return len(l.missing(ids)) == 0 })
}

// trouble publishes ids, hurts the server again and again, and offers what is missing again, as the relay does from SQL: all is delivered in the end.
func trouble(t *testing.T, s Server, times int, hurt func()) {
	q := open(t, s)
	l := newLedger()
	for range 2 {
		consume(t, open(t, s), 3, l.handle)
	}
	for round := range times {
		ids := names(fmt.Sprint("k-", round), 200)
		_ = q.Publish(context.Background(), 3, ids...)
		l.until(t, "some", func() { offer(q, l, ids) }, func() bool { return len(l.missing(ids)) < 150 })
		hurt()
		last := time.Now()
		l.until(t, "all in spite of it", func() {
			if time.Since(last) > 100*time.Millisecond {
				last = time.Now()
				offer(q, l, ids)
			}
		}, func() bool { return len(l.missing(ids)) == 0 })
	}
}

func offer(q jobs.Queue, l *ledger, ids []jobs.ID) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = q.Publish(ctx, 3, l.missing(ids)...)
}

func flushed(t *testing.T, s Server) { trouble(t, s, 10, s.Flush) }
func cut(t *testing.T, s Server)     { trouble(t, s, 10, s.Cut) }

func restarted(t *testing.T, s Server) {
	trouble(t, s, 3, func() {
		s.Kill()
		s.Restart()
	})
}

// downAtStart: a queue opens, and consumes, without its server; it says so; and it works when the server comes.
func downAtStart(t *testing.T, s Server) {
	s.Kill()
	q := open(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if q.Ping(ctx) == nil {
		t.Fatal("Ping of a dead server is nil")
	}
	if q.Publish(ctx, 0, names("k-a", 1)...) == nil {
		t.Fatal("Publish to a dead server is nil")
	}
	l := newLedger()
	consume(t, q, 0, l.handle)
	s.Restart()
	ids := names("k-a", 5)
	l.until(t, "delivered", func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = q.Publish(ctx, 0, l.missing(ids)...)
	}, func() bool { return len(l.missing(ids)) == 0 })
}

// ends: Consume returns soon after its context ends, in calm and in trouble.
func ends(t *testing.T, s Server) {
	q := open(t, s)
	l := newLedger()
	stop := consume(t, q, 0, l.handle)
	publish(t, q, 0, names("k-a", 1)...)
	l.until(t, "delivered", nil, func() bool { return l.count() == 1 })
	stop()
	stop = consume(t, q, 0, l.handle)
	s.Kill()
	stop()
}
