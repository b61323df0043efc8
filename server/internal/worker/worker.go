package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
)

// Store is what the worker needs of a store.
type Store interface {
	LeaseInbox(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]store.InboxKey, error)
	LeaseOutbox(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]store.OutboxRow, error)
	Finish(ctx context.Context, uid registry.UID, id string) error
	Failed(ctx context.Context, ref store.RowRef, reason string, now time.Time, backoff time.Duration, max int) (dead bool, err error)
	LeaseImports(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]store.Import, error)
	HoldImport(ctx context.Context, id string, until time.Time) error
	Sweep(ctx context.Context, now time.Time) error
}

// Work is what is done with a row; the service implements it (service.Work). Each method may be called more than once for one row, also at the same time.
type Work interface {
	// ApplyInbox applies one kiosk event exactly once: nil when it is applied, refused or was done before; an error to try again.
	ApplyInbox(ctx context.Context, kiosk string, seq uint64) error
	// CarryOut does one outbox row. The worker marks it done afterwards, unless CarryOut did.
	CarryOut(ctx context.Context, uid registry.UID, id string) error
	// RunImport resumes or runs an import to its end.
	RunImport(ctx context.Context, id string) error
}

// Options tune the worker; zero values give the defaults.
type Options struct {
	Lease       time.Duration                               // how long a row is believed to be on its way; 10 s, never less than that outside tests
	Poll        time.Duration                               // how often waiting rows are looked for without a nudge; 1 s
	Outstanding int                                         // rows on their way at once, at most; 4096
	Backoff     time.Duration                               // first wait after a failure, doubled each time; 10 s
	MaxFailures int                                         // then a row is a dead letter; 5
	ImportLease time.Duration                               // a runner that is silent so long has died; 60 s
	Imports     int                                         // imports run at once; 2
	SweepEvery  time.Duration                               // 1 min
	Sweep       func(context.Context) error                 // more to do at each sweep; nil for none
	Tend        func(context.Context) error                 // the store's care of its keys, at the start and every TendEvery; nil for none
	TendEvery   time.Duration                               // 15 s
	Bulk        func(context.Context) (did bool, err error) // does one piece of work on many pupils, if one waits; nil for none
	Drain       time.Duration                               // how long work in hand may go on after the end was asked for; 20 s
	Log         *slog.Logger
	Now         func() time.Time
}

func (o *Options) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.Lease, 10*time.Second)
	set(&o.Poll, time.Second)
	set(&o.Backoff, 10*time.Second)
	set(&o.ImportLease, time.Minute)
	set(&o.SweepEvery, time.Minute)
	set(&o.TendEvery, 15*time.Second)
	set(&o.Drain, 20*time.Second)
	if o.Outstanding <= 0 {
		o.Outstanding = 4096
	}
	if o.MaxFailures <= 0 {
		o.MaxFailures = 5
	}
	if o.Imports <= 0 {
		o.Imports = 2
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Stats are counts since the start, for metrics.
type Stats struct {
	Published, Handled, Failed, Dead, Local, Sweeps uint64
	QueueDown                                       bool
}

// Worker carries out what waits. Make it with New.
type Worker struct {
	st   Store
	q    jobs.Queue
	work Work
	o    Options

	nudges  nudges
	onWay   *onWay
	imports chan struct{}
	local   [jobs.Shards]chan jobs.ID
	busy    busy

	published, handled, failed, dead, hand, sweeps atomic.Uint64
	down                                           atomic.Bool
}

// New makes a worker; Run starts it.
func New(st Store, q jobs.Queue, work Work, o Options) *Worker {
	o.defaults()
	w := &Worker{st: st, q: q, work: work, o: o, nudges: nudges{signal: make(chan struct{}, 1)}, onWay: newOnWay(o.Lease, o.Now), imports: make(chan struct{}, 1),
		busy: busy{ids: map[jobs.ID]struct{}{}}}
	for i := range w.local {
		w.local[i] = make(chan jobs.ID, o.Outstanding)
	}
	return w
}

// Stats reads the counts.
func (w *Worker) Stats() Stats {
	return Stats{Published: w.published.Load(), Handled: w.handled.Load(), Failed: w.failed.Load(), Dead: w.dead.Load(), Local: w.hand.Load(), Sweeps: w.sweeps.Load(),
		QueueDown: w.down.Load()}
}

// Nudge says that rows have just been committed: they are published at once. It never blocks and may be called before Run, by anyone; a nudge that is lost
// costs one poll.
func (w *Worker) Nudge(ids ...jobs.ID) { w.nudges.add(w.o.Outstanding, ids) }

// NudgeImports says that an import was queued.
func (w *Worker) NudgeImports() {
	select {
	case w.imports <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, lets what is in hand finish (Drain) and returns nil. Trouble with the store or the queue is waited out and logged, never returned.
func (w *Worker) Run(ctx context.Context) error {
	// Work in hand outlives ctx by Drain.
	hand, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		t := time.NewTimer(w.o.Drain)
		defer t.Stop()
		select {
		case <-t.C:
			stop()
		case <-hand.Done():
		}
	})()

	var wg sync.WaitGroup
	start := func(f func()) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f()
		}()
	}
	handle := func(_ context.Context, id jobs.ID) error { return w.handle(hand, id) }
	for shard := range jobs.Shards {
		start(func() { w.consume(ctx, shard, handle) })
		start(func() { w.handOver(ctx, shard, handle) })
	}
	start(func() { w.publishNudges(ctx) })
	start(func() { w.relay(ctx) })
	start(func() { w.runImports(ctx) })
	start(func() { w.sweep(ctx) })
	if w.o.Bulk != nil {
		start(func() { w.bulk(ctx) })
	}
	if w.o.Tend != nil {
		start(func() { w.tend(ctx) })
	}
	wg.Wait()
	return nil
}

func (w *Worker) consume(ctx context.Context, shard int, handle func(context.Context, jobs.ID) error) {
	for ctx.Err() == nil {
		if err := w.q.Consume(ctx, shard, handle); err != nil && ctx.Err() == nil {
			w.o.Log.Warn("queue consumer stopped, starting again", "shard", shard, "err", err)
		}
		pause(ctx, w.o.Poll)
	}
}

// handOver carries out rows of a shard that could not be published.
func (w *Worker) handOver(ctx context.Context, shard int, handle func(context.Context, jobs.ID) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-w.local[shard]:
			w.hand.Add(1)
			_ = handle(ctx, id) // what failed is counted in SQL and leased again
		}
	}
}

// handle carries out one row. nil: nothing more is to be expected of this delivery, because the row is done, or its failure stands in SQL.
func (w *Worker) handle(ctx context.Context, id jobs.ID) error {
	defer w.onWay.remove(id)
	if !w.busy.enter(id) {
		return nil // in hand already; if that fails, SQL offers it again
	}
	defer w.busy.leave(id)

	table, key, row, err := id.Split()
	var ref store.RowRef
	if err == nil && table == "in" {
		ref.Kiosk = key
		ref.Seq, err = strconv.ParseUint(row, 10, 63)
	} else if err == nil {
		ref.UID, ref.ID = registry.UID(key), row
	}
	if err != nil {
		w.o.Log.Error("queue holds a name that is no row's", "err", err)
		return nil
	}
	err = w.do(ctx, ref)
	if err == nil {
		w.handled.Add(1)
		return nil
	}
	if errors.Is(err, jobs.ErrLater) {
		return nil
	}
	if ctx.Err() != nil || registry.CodeOf(err) == registry.CodeUnavailable {
		return err // not the row's fault: it comes again by its lease
	}
	w.failed.Add(1)
	dead, e := w.st.Failed(ctx, ref, err.Error(), w.o.Now(), w.o.Backoff, w.o.MaxFailures)
	if e != nil {
		w.o.Log.Warn("a failure could not be recorded", "row", string(id), "err", e)
		return err
	}
	if dead {
		w.dead.Add(1)
		w.o.Log.Error("row failed too often: dead letter", "row", string(id), "err", err)
	} else {
		w.o.Log.Warn("row failed, to be tried again", "row", string(id), "err", err)
	}
	return nil
}

func (w *Worker) do(ctx context.Context, ref store.RowRef) (err error) {
	defer recovered(&err)
	if ref.Kiosk != "" {
		return w.work.ApplyInbox(ctx, ref.Kiosk, ref.Seq)
	}
	if err := w.work.CarryOut(ctx, ref.UID, ref.ID); err != nil {
		return err
	}
	if err := w.st.Finish(ctx, ref.UID, ref.ID); err != nil && !errors.Is(err, registry.ErrConflict) {
		return err
	}
	return nil
}

func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("worker: panic: %v", r)
	}
}

func (w *Worker) sweep(ctx context.Context) {
	for {
		if err := w.st.Sweep(ctx, w.o.Now()); err != nil && ctx.Err() == nil {
			w.o.Log.Warn("sweep failed", "err", err)
		}
		if w.o.Sweep != nil {
			if err := w.sweepMore(ctx); err != nil && ctx.Err() == nil {
				w.o.Log.Warn("sweep failed", "err", err)
			}
		}
		w.sweeps.Add(1)
		if !pause(ctx, w.o.SweepEvery) {
			return
		}
	}
}

func (w *Worker) sweepMore(ctx context.Context) (err error) {
	defer recovered(&err)
	return w.o.Sweep(ctx)
}

// tend lasts as long as there is something to seal: it yields between its batches, and what is begun again begins where the rows say.
func (w *Worker) tend(ctx context.Context) {
	for {
		if err := w.tendOnce(ctx); err != nil && ctx.Err() == nil {
			w.o.Log.Warn("the vault could not be tended, to be tried again", "err", err)
		}
		if !pause(ctx, w.o.TendEvery) {
			return
		}
	}
}

func (w *Worker) tendOnce(ctx context.Context) (err error) {
	defer recovered(&err)
	return w.o.Tend(ctx)
}

// pause waits; false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// busy is the set of rows in hand.
type busy struct {
	mu  sync.Mutex
	ids map[jobs.ID]struct{}
}

func (b *busy) enter(id jobs.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.ids[id]; there {
		return false
	}
	b.ids[id] = struct{}{}
	return true
}

func (b *busy) leave(id jobs.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ids, id)
}
