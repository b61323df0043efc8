package reader

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"xueji/cardsvc/localapi"
)

// Identifier names the profile of the card behind a session, "" when none claims it. It may send commands that change nothing on the card.
type Identifier func(ctx context.Context, s Session) (profile string, err error)

// identifyTime bounds one identification; a card that takes longer counts as mute.
const identifyTime = 5 * time.Second

// lockTime bounds the wait for another user of the same reader.
const lockTime = 3 * time.Second

// Hub is the supervision of all readers. Make it with New, start it with Run.
type Hub struct {
	log      *slog.Logger
	now      func() time.Time
	identify Identifier
	sources  []Source

	mu      sync.Mutex
	readers map[string]*slotState // by id
	health  map[string]error      // by source kind; nil is up, absent not yet known
	subs    map[*Subscription]struct{}
	wg      sync.WaitGroup // identifications under way
	probing int
	closed  bool
}

type slotState struct {
	source Source
	name   string
	slot   Slot
	public localapi.Reader
	lock   chan struct{} // holds one token: who has it uses the card
	gen    uint64        // of slot: an identification that comes late is dropped
}

// New makes a hub. now gives the time of events.
func New(log *slog.Logger, now func() time.Time, identify Identifier, sources ...Source) *Hub {
	return &Hub{
		log: log, now: now, identify: identify, sources: sources,
		readers: map[string]*slotState{}, health: map[string]error{}, subs: map[*Subscription]struct{}{},
	}
}

// Run supervises until ctx ends and returns when no goroutine of the hub is left.
func (h *Hub) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, s := range h.sources {
		wg.Go(func() {
			err := s.Run(ctx, func(st State) { h.update(ctx, s, st) })
			if err != nil && ctx.Err() == nil {
				h.log.Error("reader source ended", "source", s.Kind(), "error", err)
				h.update(ctx, s, State{Err: err})
			}
		})
	}
	<-ctx.Done()
	wg.Wait()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.wg.Wait()
	return nil
}

// Readers lists every reader ever seen, by id.
func (h *Hub) Readers() []localapi.Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]localapi.Reader, 0, len(h.readers))
	for _, r := range h.readers {
		out = append(out, r.public)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// Reader gives one reader; false when none of that id was ever seen.
func (h *Hub) Reader(id string) (localapi.Reader, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.readers[id]
	if !ok {
		return localapi.Reader{}, false
	}
	return r.public, true
}

// Source gives the kind of source and its own name of a reader.
func (h *Hub) Source(id string) (kind, name string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.readers[id]
	if !ok {
		return "", "", false
	}
	return r.source.Kind(), r.name, true
}

// Up says whether a kind of source works: (true, nil) up, (true, err) down, (false, nil) not there or not yet known.
func (h *Hub) Up(kind string) (known bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	err, known = h.health[kind]
	return known, err
}

// Quiet says that no card is being recognised just now.
func (h *Hub) Quiet() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.probing == 0
}

// Settle waits until no card is being recognised, at most as long as one may take: what Readers shows then counts a card that was laid down just before.
func (h *Hub) Settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, identifyTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !h.Quiet() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Use gives the card on a reader to f alone, with the reader's state at that moment. It waits for another user at most lockTime (then ErrBusy). Errors unwrap to
// the meanings of this package, or are f's. f's session must not outlive f. reset is asked after f has run.
func (h *Hub) Use(ctx context.Context, id string, f func(Session, localapi.Reader) (reset bool, err error)) error {
	h.mu.Lock()
	r, ok := h.readers[id]
	h.mu.Unlock()
	if !ok {
		return ErrNoReader
	}
	t := time.NewTimer(lockTime)
	defer t.Stop()
	select {
	case r.lock <- struct{}{}:
	case <-t.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.lock }()

	h.mu.Lock()
	now, slot := r.public, r.slot
	h.mu.Unlock()
	switch { // by the slot: a card just laid on may not be recognised yet
	case now.State == localapi.ReaderGone:
		return ErrGone
	case !slot.Present:
		return ErrEmpty
	case slot.Many:
		return ErrMany
	}
	s, err := r.source.Open(ctx, r.name)
	if err != nil {
		return err
	}
	reset, err := f(s, now)
	s.Close(reset)
	return err
}

// Progress tells subscribers how far a relay is.
func (h *Hub) Progress(p localapi.RelayProgress) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		s.push(event{relay: &p})
	}
}

// update takes in a source's state.
func (h *Hub) update(ctx context.Context, src Source, st State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was, known := h.health[src.Kind()]; !known || (was == nil) != (st.Err == nil) {
		if st.Err != nil {
			h.log.Warn("reader source down", "source", src.Kind(), "error", st.Err)
		} else if known {
			h.log.Info("reader source up", "source", src.Kind())
		}
	}
	h.health[src.Kind()] = st.Err
	seen := map[string]bool{}
	for _, slot := range st.Slots {
		r := h.find(src, slot)
		seen[r.public.ID] = true
		h.place(ctx, r, slot)
	}
	for id, r := range h.readers {
		if r.source == src && !seen[id] && r.public.State != localapi.ReaderGone {
			r.gen++
			r.slot = Slot{Name: r.name}
			h.show(r, localapi.ReaderGone, "")
		}
	}
}

// find gives the state of a reader, made when it is new. mu is held.
func (h *Hub) find(src Source, slot Slot) *slotState {
	for _, r := range h.readers {
		if r.source == src && r.name == slot.Name {
			return r
		}
	}
	base := src.Kind() + "-" + slug(slot.Name)
	id := base
	for n := 2; h.readers[id] != nil; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	r := &slotState{
		source: src, name: slot.Name, lock: make(chan struct{}, 1),
		public: localapi.Reader{ID: id, Name: cmp.Or(slot.Title, slot.Name), State: localapi.ReaderGone},
	}
	h.readers[id] = r
	return r
}

// place takes in what lies on a reader now. mu is held.
func (h *Hub) place(ctx context.Context, r *slotState, slot Slot) {
	old := r.slot
	back := r.public.State == localapi.ReaderGone
	if !back && old.Present == slot.Present && old.Mute == slot.Mute && old.Many == slot.Many && old.Events == slot.Events && slices.Equal(old.ATR, slot.ATR) {
		return
	}
	r.gen++
	r.slot = slot
	newCard := slot.Present && (back || !old.Present || old.Events != slot.Events || old.Many != slot.Many)
	if newCard {
		r.public.Tap++
	}
	switch {
	case !slot.Present:
		h.show(r, localapi.ReaderEmpty, "")
	case slot.Many:
		h.show(r, localapi.ReaderMany, "")
	case slot.Mute:
		h.show(r, localapi.ReaderMute, "")
	default:
		h.recognise(ctx, r)
	}
}

// recognise finds the profile of the card on r without holding up others, and shows it. mu is held.
func (h *Hub) recognise(ctx context.Context, r *slotState) {
	if h.closed {
		return
	}
	gen := r.gen
	h.probing++
	h.wg.Go(func() {
		defer func() {
			h.mu.Lock()
			h.probing--
			h.mu.Unlock()
		}()
		limited, cancel := context.WithTimeout(ctx, identifyTime)
		defer cancel()
		state, profile := localapi.ReaderCard, ""
		select {
		case r.lock <- struct{}{}:
			func() {
				defer func() { <-r.lock }()
				var err error
				profile, err = h.probe(limited, r, gen)
				switch {
				case err == nil && profile == "":
					state = localapi.ReaderUnknown
				case errors.Is(err, ErrMany):
					state = localapi.ReaderMany
				case errors.Is(err, ErrBusy): // another program has it now; a tap asks again
				case err != nil:
					state = localapi.ReaderMute
				}
			}()
		case <-limited.Done(): // the one who has the reader is still busy with the card before: a tap asks again
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if r.gen == gen && ctx.Err() == nil {
			h.show(r, state, profile)
		}
	})
}

// probe asks the card for its profile; a contact that bounces as the card is laid down is tried again. The caller has the reader's lock.
func (h *Hub) probe(ctx context.Context, r *slotState, gen uint64) (profile string, err error) {
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		var s Session
		if s, err = r.source.Open(ctx, r.name); err == nil {
			profile, err = h.identify(ctx, s)
			s.Close(false)
		}
		h.mu.Lock()
		stale := r.gen != gen
		h.mu.Unlock()
		if err == nil || stale || wait > time.Second || errors.Is(err, ErrMany) || errors.Is(err, ErrBusy) {
			return profile, err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return "", err
		case <-t.C:
		}
	}
}

// show sets a reader's public state and tells subscribers. mu is held.
func (h *Hub) show(r *slotState, state localapi.ReaderState, profile string) {
	p := &r.public
	p.State, p.Profile, p.ATR, p.Since = state, profile, "", h.now()
	if r.slot.Present {
		p.ATR = hex.EncodeToString(r.slot.ATR)
	}
	for s := range h.subs {
		public := *p
		s.push(event{reader: &public})
	}
}

// slug makes an id part of a reader's name: lower-case letters, digits and single hyphens.
func slug(name string) string {
	var b strings.Builder
	gap := false
	for _, c := range strings.ToLower(name) {
		if (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(c)
			continue
		}
		gap = true
	}
	if b.Len() == 0 {
		return "reader"
	}
	return b.String()
}
