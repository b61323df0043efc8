package reader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/localapi"
)

// Sim is the source of simulated readers over a folder of software cards. Cards persist in the folder; one that lies on a reader of any program is locked for the
// others.
type Sim struct {
	log    *slog.Logger
	folder *cardsim.Folder
	kick   chan struct{}
	ended  chan struct{} // Run has returned: cards are back in the folder

	mu      sync.Mutex
	slots   []simSlot
	version uint64        // of slots
	shown   uint64        // version that changed was told of
	told    chan struct{} // closed and made anew when shown grows
	stopped bool
}

type simSlot struct {
	cards  []simCard
	events uint32
}

type simCard struct {
	id   string
	card *cardsim.Card
}

// MaxSim is the most simulated readers.
const MaxSim = 8

// insertPatience is how long Insert waits for a card that another program is just looking at.
const insertPatience = 500 * time.Millisecond

// NewSim makes n readers over the folder.
func NewSim(log *slog.Logger, folder *cardsim.Folder, n int) (*Sim, error) {
	if n < 1 || n > MaxSim {
		return nil, fmt.Errorf("%d simulated readers: 1–%d are possible", n, MaxSim)
	}
	return &Sim{log: log, folder: folder, kick: make(chan struct{}, 1), ended: make(chan struct{}), slots: make([]simSlot, n), told: make(chan struct{}), version: 1}, nil
}

// Kind implements Source.
func (s *Sim) Kind() string { return "sim" }

func simName(i int) string { return fmt.Sprint(i + 1) }

func (s *Sim) index(name string) int {
	for i := range s.slots {
		if simName(i) == name {
			return i
		}
	}
	return -1
}

// Run implements Source; when it returns all cards are back in the folder.
func (s *Sim) Run(ctx context.Context, changed func(State)) error {
	defer close(s.ended)
	for {
		st, version := s.state()
		changed(st)
		s.mu.Lock()
		s.shown = version
		close(s.told)
		s.told = make(chan struct{})
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			s.mu.Lock()
			s.stopped = true
			s.mu.Unlock()
			for i := range s.slots {
				s.clear(i)
			}
			return ctx.Err()
		case <-s.kick:
		}
	}
}

func (s *Sim) state() (State, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{Slots: make([]Slot, len(s.slots))}
	for i, x := range s.slots {
		slot := Slot{Name: simName(i), Title: fmt.Sprintf("Simulated reader %d", i+1), Present: len(x.cards) > 0, Many: len(x.cards) > 1, Events: x.events}
		if len(x.cards) == 1 {
			slot.ATR = x.cards[0].card.ATR()
		}
		st.Slots[i] = slot
	}
	return st, s.version
}

// touch counts a change of slot i. mu is held.
func (s *Sim) touch(i int) (version uint64) {
	s.slots[i].events++
	s.version++
	select {
	case s.kick <- struct{}{}:
	default:
	}
	return s.version
}

// await returns when version was shown, so that a caller who lays a card down finds it there.
func (s *Sim) await(version uint64) {
	for {
		s.mu.Lock()
		done, told := s.shown >= version, s.told
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-told:
		case <-s.ended:
			return
		}
	}
}

// Open implements Source.
func (s *Sim) Open(_ context.Context, name string) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(name)
	switch {
	case i < 0:
		return nil, ErrGone
	case len(s.slots[i].cards) == 0:
		return nil, ErrEmpty
	case len(s.slots[i].cards) > 1:
		return nil, ErrMany
	}
	return simSession{s.slots[i].cards[0].card}, nil
}

type simSession struct{ card *cardsim.Card }

func (s simSession) ATR() []byte { return s.card.ATR() }

func (s simSession) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	b, err := s.card.Transmit(ctx, command)
	if errors.Is(err, cardsim.ErrGone) {
		return nil, Kinded(ErrGone, err)
	}
	return b, err
}

func (s simSession) Close(reset bool) {
	if reset {
		s.card.Reset()
	}
}

// Cards lists the folder. Errors of this and the following methods are *localapi.Error, or the folder's.
func (s *Sim) Cards() ([]localapi.SimCard, error) {
	list, err := s.folder.List(context.Background())
	if err != nil {
		return nil, err
	}
	out := make([]localapi.SimCard, 0, len(list))
	for _, c := range list {
		out = append(out, s.describe(c))
	}
	return out, nil
}

func (s *Sim) describe(c cardsim.Info) localapi.SimCard {
	out := localapi.SimCard{ID: c.ID, Label: c.Label, Profile: c.Profile, Blank: c.Blank}
	if c.CardNo != "" {
		out.Label = c.CardNo
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, slot := range s.slots {
		for _, x := range slot.cards {
			if x.id == c.ID {
				out.Reader = "sim-" + simName(i)
			}
		}
	}
	return out
}

// Create makes a blank card.
func (s *Sim) Create(in localapi.NewSimCard) (localapi.SimCard, error) {
	c, err := s.folder.Create(in.Profile, in.Label)
	if errors.Is(err, cardsim.ErrKind) {
		return localapi.SimCard{}, &localapi.Error{Code: localapi.CodeBadSimCard, Detail: "there are software cards for the profiles " + strings.Join(cardsim.Kinds(), ", ")}
	}
	if err != nil {
		return localapi.SimCard{}, err
	}
	return s.describe(c), nil
}

// Insert lays a card on a reader; a second one makes "two cards at once".
func (s *Sim) Insert(name string, in localapi.SimInsert) error {
	if in.TearAfter < 0 {
		return &localapi.Error{Code: localapi.CodeBadRequest, Detail: "tear_after counts APDUs: 0 is never"}
	}
	var card *cardsim.Card
	var err error
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) { // listing a folder locks each card for a moment
		card, err = s.folder.Insert(in.Card)
		if !errors.Is(err, cardsim.ErrInUse) || time.Since(start) > insertPatience {
			break
		}
	}
	switch {
	case errors.Is(err, cardsim.ErrNoCard):
		return &localapi.Error{Code: localapi.CodeNoSimCard, Detail: "no such card in the folder"}
	case errors.Is(err, cardsim.ErrInUse):
		return &localapi.Error{Code: localapi.CodeSimLocked, Detail: "the card lies on a reader: take it off there first"}
	case err != nil:
		return err
	}
	if in.TearAfter > 0 {
		card.TearAt(cardsim.Tear{After: in.TearAfter})
	}
	gone := card.Gone()
	s.mu.Lock()
	i := s.index(name)
	if i < 0 || s.stopped {
		s.mu.Unlock()
		_ = card.Eject()
		return ErrGone
	}
	s.slots[i].cards = append(s.slots[i].cards, simCard{in.Card, card})
	version := s.touch(i)
	s.mu.Unlock()
	go func() { // a card torn out by itself leaves its reader; every card is pulled at the latest when Run ends
		<-gone
		s.forget(card)
	}()
	s.await(version)
	return nil
}

// Remove takes all cards off a reader.
func (s *Sim) Remove(name string) error {
	i := s.index(name)
	if i < 0 {
		return ErrNoReader
	}
	s.await(s.clear(i))
	return nil
}

func (s *Sim) clear(i int) (version uint64) {
	s.mu.Lock()
	cards := s.slots[i].cards
	s.slots[i].cards = nil
	version = s.version
	if len(cards) > 0 {
		version = s.touch(i)
	}
	s.mu.Unlock()
	for _, c := range cards {
		s.eject(c.card)
	}
	return version
}

func (s *Sim) forget(card *cardsim.Card) {
	s.mu.Lock()
	found := false
	for i := range s.slots {
		for k, c := range s.slots[i].cards {
			if c.card == card {
				s.slots[i].cards = append(s.slots[i].cards[:k:k], s.slots[i].cards[k+1:]...)
				s.touch(i)
				found = true
				break
			}
		}
	}
	s.mu.Unlock()
	if found {
		s.eject(card)
	}
}

func (s *Sim) eject(card *cardsim.Card) {
	if err := card.Eject(); err != nil {
		s.log.Error("software card not given back", "error", err)
	}
}
