// Package reader is the kiosk's way to its cardsvc: it follows the readers, picks the one with the card, taps, relays a rewrite, and keeps cardsvc's trust
// fresh. It works through cardsvc/localapi and must not import the flow or the web.
package reader

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"xueji/cardsvc/localapi"
)

// Service is what the kiosk asks of cardsvc; *localapi.Client implements it.
type Service interface {
	Events(ctx context.Context, handle func(localapi.Event) error) error
	TapFor(ctx context.Context, reader string, r localapi.TapRequest) (localapi.Tap, error)
	Check(ctx context.Context, reader string, r localapi.TapRequest) (localapi.Tap, error)
	Relay(ctx context.Context, reader, ticket string) (localapi.RelayOutcome, error)
	PutTrust(ctx context.Context, t localapi.Trust) error
}

// Happening is what a change at the readers means for the session.
type Happening string

// The happenings.
const (
	Inserted Happening = "inserted"
	Removed  Happening = "removed"
	Unusable Happening = "unusable" // State says how: mute, many, unknown
)

// Watcher follows all readers and speaks of one card at a time: the first that came and still lies there.
type Watcher struct {
	svc   Service
	log   *slog.Logger
	tell  func(Happening, localapi.ReaderState)
	relay func(localapi.RelayProgress)
	// change tells that Present may have changed.
	change func()

	mu     sync.Mutex
	linked bool
	seen   map[string]localapi.Reader
	order  []string
	active string // reader with the card in hand, "" when none
	tap    uint64
	bad    localapi.ReaderState
	trust  *localapi.Trust
	dirty  chan struct{}
}

// New makes a watcher; Run works it. The callbacks run on Run's goroutine and must not block for long.
func New(svc Service, log *slog.Logger, tell func(Happening, localapi.ReaderState), relay func(localapi.RelayProgress), change func()) *Watcher {
	return &Watcher{svc: svc, log: log, tell: tell, relay: relay, change: change, seen: map[string]localapi.Reader{}, dirty: make(chan struct{}, 1)}
}

// Run follows cardsvc until ctx ends; a restarted cardsvc or an unplugged reader comes back by itself.
func (w *Watcher) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { w.pushTrust(ctx) })
	for ctx.Err() == nil {
		err := w.svc.Events(ctx, func(e localapi.Event) error {
			switch {
			case e.Link != "":
				w.link(e.Link == "up")
			case e.Reader != nil:
				w.see(*e.Reader)
			case e.Relay != nil:
				w.relay(*e.Relay)
			}
			return nil
		})
		if ctx.Err() == nil {
			w.log.Warn("card service stream ended", "err", err)
			pause(ctx, time.Second)
		}
	}
	wg.Wait()
}

func (w *Watcher) link(up bool) {
	w.mu.Lock()
	w.linked = up
	// The present state comes anew after "up"; until then no reader is known.
	w.seen, w.order = map[string]localapi.Reader{}, nil
	had := w.active != "" || w.bad != ""
	if !up {
		w.active, w.tap, w.bad = "", 0, ""
	}
	w.mu.Unlock()
	if !up && had {
		w.tell(Removed, localapi.ReaderGone)
	}
	if up {
		w.again()
	}
	w.change()
}

func (w *Watcher) see(r localapi.Reader) {
	w.mu.Lock()
	before, known := w.seen[r.ID]
	if !known {
		w.order = append(w.order, r.ID)
		slices.Sort(w.order)
	}
	w.seen[r.ID] = r
	type step struct {
		h Happening
		s localapi.ReaderState
	}
	var steps []step
	if w.active == r.ID && (r.State != localapi.ReaderCard || r.Tap != w.tap) {
		w.active, w.tap = "", 0
		steps = append(steps, step{Removed, r.State})
	} else if w.active == "" && w.bad != "" && before.State == w.bad && r.State != w.bad {
		w.bad = ""
		if r.State == localapi.ReaderEmpty || r.State == localapi.ReaderGone {
			steps = append(steps, step{Removed, r.State})
		}
	}
	switch r.State {
	case localapi.ReaderCard:
		if w.active == "" {
			w.active, w.tap, w.bad = r.ID, r.Tap, ""
			steps = append(steps, step{Inserted, r.State})
		}
	case localapi.ReaderMany, localapi.ReaderMute, localapi.ReaderUnknown:
		if w.active == "" && (w.bad != r.State || before.Tap != r.Tap) {
			w.bad = r.State
			steps = append(steps, step{Unusable, r.State})
		}
	}
	w.mu.Unlock()
	for _, s := range steps {
		w.tell(s.h, s.s)
	}
	w.change()
}

// Present is "ok" with a reader, "none" without, "down" when cardsvc does not answer.
func (w *Watcher) Present() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.linked {
		return "down"
	}
	for _, r := range w.seen {
		if r.State != localapi.ReaderGone {
			return "ok"
		}
	}
	return "none"
}

// Active is the reader with the card, "" when none.
func (w *Watcher) Active() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.active
}

// Tap judges the card in hand; what the chip proves is bound to the nonce. Errors are cardsvc's (*localapi.Error), CodeNoCard when none lies there.
func (w *Watcher) Tap(ctx context.Context, nonce []byte) (localapi.Tap, error) {
	id := w.Active()
	if id == "" {
		return localapi.Tap{}, &localapi.Error{Code: localapi.CodeNoCard}
	}
	return w.svc.TapFor(ctx, id, localapi.TapRequest{Nonce: nonce})
}

// Check is Tap after which the issuer lets the chip prove its secret key, as far as the line allows: localapi.Tap.Check.
func (w *Watcher) Check(ctx context.Context, nonce []byte) (localapi.Tap, error) {
	id := w.Active()
	if id == "" {
		return localapi.Tap{}, &localapi.Error{Code: localapi.CodeNoCard}
	}
	return w.svc.Check(ctx, id, localapi.TapRequest{Nonce: nonce})
}

// Relay drives the rewrite of the card in hand under a ticket.
func (w *Watcher) Relay(ctx context.Context, ticket string) (localapi.RelayOutcome, error) {
	id := w.Active()
	if id == "" {
		return localapi.RelayOutcome{}, &localapi.Error{Code: localapi.CodeNoCard}
	}
	return w.svc.Relay(ctx, id, ticket)
}

// SetTrust gives cardsvc certificates and the status list, now and again whenever it comes back.
func (w *Watcher) SetTrust(t localapi.Trust) {
	w.mu.Lock()
	w.trust = &t
	w.mu.Unlock()
	w.again()
}

func (w *Watcher) again() {
	select {
	case w.dirty <- struct{}{}:
	default:
	}
}

func (w *Watcher) pushTrust(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.dirty:
		}
		w.mu.Lock()
		t := w.trust
		w.mu.Unlock()
		if t == nil || len(t.Certificates) == 0 {
			continue
		}
		c, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := w.svc.PutTrust(c, *t)
		cancel()
		if err != nil && ctx.Err() == nil {
			w.log.Warn("card service did not take the trust", "err", err)
			pause(ctx, 2*time.Second)
			w.mu.Lock()
			linked := w.linked
			w.mu.Unlock()
			if e, ok := err.(*localapi.Error); linked && (!ok || e.Code != localapi.CodeBadTrust) {
				w.again()
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
