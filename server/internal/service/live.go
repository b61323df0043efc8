package service

import (
	"context"
	"sync"
	"time"

	"xueji/server/internal/access"
	"xueji/server/registry"
)

// hub hands notices to the consoles that are open in this process. Other processes' changes are found by Live's poll of the unit's task counts.
type hub struct {
	began time.Time // what came before is not known here
	mu    sync.Mutex
	subs  map[registry.Unit]map[chan Notice]struct{}
	last  map[registry.Unit]time.Time // of each unit's newest notice
}

// publish never blocks: a reader that is behind loses the oldest notice, not the newest.
func (h *hub) publish(unit registry.Unit, n Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		h.last = map[registry.Unit]time.Time{}
	}
	h.last[unit] = n.At
	for ch := range h.subs[unit] {
		for sent := false; !sent; {
			select {
			case ch <- n:
				sent = true
			default:
				select {
				case <-ch:
				default:
				}
			}
		}
	}
}

// join subscribes, and says whether the unit may have had a notice since a time, the moment itself included; the zero time asks for none.
func (h *hub) join(unit registry.Unit, since time.Time) (ch chan Notice, missed bool) {
	ch = make(chan Notice, 16)
	h.mu.Lock()
	defer h.mu.Unlock()
	missed = !since.IsZero() && (since.Before(h.began) || !h.last[unit].Before(since))
	if h.subs == nil {
		h.subs = map[registry.Unit]map[chan Notice]struct{}{}
	}
	if h.subs[unit] == nil {
		h.subs[unit] = map[chan Notice]struct{}{}
	}
	h.subs[unit][ch] = struct{}{}
	return ch, missed
}

func (h *hub) leave(unit registry.Unit, ch chan Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs[unit], ch)
	if len(h.subs[unit]) == 0 {
		delete(h.subs, unit)
	}
}

// tell publishes a notice of this moment.
func (s *Service) tell(unit registry.Unit, what string, no registry.CaseNo) {
	if unit != "" {
		s.hub.publish(unit, Notice{What: what, CaseNo: no, At: s.now().UTC()})
	}
}

// Live delivers notices of the unit until ctx ends, then closes the channel. since is when the reader last knew everything (zero: now): when a notice may have come
// between, the first delivered says "tasks", so that nothing between a page and its connection is missed.
func (s *Service) Live(ctx context.Context, who Staff, since time.Time) (<-chan Notice, error) {
	if err := s.scope(who).Check(access.ToDo); err != nil {
		return nil, err
	}
	in, missed := s.hub.join(who.Unit, since)
	out := make(chan Notice)
	go func() {
		defer close(out)
		defer s.hub.leave(who.Unit, in)
		tick := time.NewTicker(s.pollLive)
		defer tick.Stop()
		if missed {
			select {
			case out <- Notice{What: "tasks", At: s.now().UTC()}:
			case <-ctx.Done():
				return
			}
		}
		last, err := s.taskCounts(ctx, who.Unit)
		known := err == nil
		for {
			var n Notice
			select {
			case <-ctx.Done():
				return
			case n = <-in:
			case <-tick.C:
				c, err := s.taskCounts(ctx, who.Unit)
				if err != nil || known && c == last {
					continue
				}
				if !known {
					last, known = c, true
					continue
				}
				last = c
				n = Notice{What: "tasks", At: s.now().UTC()}
			}
			select {
			case out <- n:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
