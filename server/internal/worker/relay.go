package worker

import (
	"context"
	"sync"
	"time"

	"xueji/server/jobs"
)

// publishTimeout bounds how long a queue that does not answer holds rows up.
const publishTimeout = 2 * time.Second

// nudges are ids to be published at once.
type nudges struct {
	mu     sync.Mutex
	ids    []jobs.ID
	signal chan struct{}
}

func (n *nudges) add(limit int, ids []jobs.ID) {
	n.mu.Lock()
	if room := limit - len(n.ids); room < len(ids) { // the rest is the relay's
		ids = ids[:max(room, 0)]
	}
	n.ids = append(n.ids, ids...)
	n.mu.Unlock()
	select {
	case n.signal <- struct{}{}:
	default:
	}
}

func (n *nudges) take() []jobs.ID {
	n.mu.Lock()
	defer n.mu.Unlock()
	ids := n.ids
	n.ids = nil
	return ids
}

func (w *Worker) publishNudges(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.nudges.signal:
			ids := w.nudges.take()
			ids = ids[:min(len(ids), w.onWay.room(w.o.Outstanding))]
			w.publish(ctx, ids)
		}
	}
}

// relay offers rows that nobody has applied: those whose nudge was lost, whose queue forgot them, whose consumer died, or that failed.
func (w *Worker) relay(ctx context.Context) {
	const batch = 512
	for {
		more := false
		if room := w.onWay.room(w.o.Outstanding); room > 0 {
			limit := min(batch, room)
			var ids []jobs.ID
			in, err := w.st.LeaseInbox(ctx, w.o.Now(), w.o.Lease, limit)
			if err != nil && ctx.Err() == nil {
				w.o.Log.Warn("inbox could not be leased", "err", err)
			}
			for _, k := range in {
				ids = append(ids, jobs.InboxID(k.Kiosk, k.Seq))
			}
			out, err := w.st.LeaseOutbox(ctx, w.o.Now(), w.o.Lease, limit)
			if err != nil && ctx.Err() == nil {
				w.o.Log.Warn("outbox could not be leased", "err", err)
			}
			for _, r := range out {
				ids = append(ids, jobs.OutboxID(string(r.UID), r.ID))
			}
			w.publish(ctx, w.onWay.absent(ids))
			more = len(in) == limit || len(out) == limit
		}
		wait := w.o.Poll
		if more {
			wait = time.Millisecond
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// publish wakes the consumers of ids. Where the queue refuses, the rows are handed over inside the process.
func (w *Worker) publish(ctx context.Context, ids []jobs.ID) {
	if len(ids) == 0 {
		return
	}
	shards := map[int][]jobs.ID{}
	for _, id := range ids {
		_, key, _, err := id.Split()
		if err != nil {
			w.o.Log.Error("nudged with a name that is no row's", "err", err)
			continue
		}
		s := jobs.Shard(key)
		shards[s] = append(shards[s], id)
	}
	for shard, ids := range shards {
		w.onWay.add(ids) // first: the row may be handled before Publish returns
		c, cancel := context.WithTimeout(ctx, publishTimeout)
		err := w.q.Publish(c, shard, ids...)
		cancel()
		if err == nil {
			w.published.Add(uint64(len(ids)))
			if w.down.CompareAndSwap(true, false) {
				w.o.Log.Info("queue is back")
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if w.down.CompareAndSwap(false, true) {
			w.o.Log.Warn("queue is down: rows are handed over inside this process until it is back", "err", err)
		}
		for i, id := range ids {
			select {
			case w.local[shard] <- id:
			default: // full: these come again by their lease
				for _, id := range ids[i:] {
					w.onWay.remove(id)
				}
			}
		}
	}
}

// onWay is what this process has published and not seen handled yet, for a lease's time at most: the relay does not publish it again, and does not take on
// more than the consumers can do.
type onWay struct {
	lease time.Duration
	now   func() time.Time

	mu       sync.Mutex
	new, old map[jobs.ID]struct{} // a generation is filled for half a lease, so an id stays for half a lease to a whole one
	turned   time.Time
}

func newOnWay(lease time.Duration, now func() time.Time) *onWay {
	return &onWay{lease: lease, now: now, new: map[jobs.ID]struct{}{}, old: map[jobs.ID]struct{}{}, turned: now()}
}

func (o *onWay) turn() {
	now := o.now()
	switch age := now.Sub(o.turned); {
	case age >= o.lease:
		o.old, o.new, o.turned = map[jobs.ID]struct{}{}, map[jobs.ID]struct{}{}, now
	case age >= o.lease/2:
		o.old, o.new, o.turned = o.new, map[jobs.ID]struct{}{}, now
	}
}

func (o *onWay) add(ids []jobs.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn()
	for _, id := range ids {
		o.new[id] = struct{}{}
	}
}

func (o *onWay) remove(id jobs.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.new, id)
	delete(o.old, id)
}

func (o *onWay) room(limit int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn()
	return max(limit-len(o.new)-len(o.old), 0)
}

// absent keeps the ids that are not on their way.
func (o *onWay) absent(ids []jobs.ID) []jobs.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn()
	out := ids[:0]
	for _, id := range ids {
		_, n := o.new[id]
		if _, old := o.old[id]; !n && !old {
			out = append(out, id)
		}
	}
	return out
}
