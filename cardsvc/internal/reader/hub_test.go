package reader_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/localapi"
)

// hand is a source moved by the test.
type hand struct {
	ch chan reader.State

	mu   sync.Mutex
	open func(name string) (reader.Session, error)
}

func (h *hand) Kind() string { return "hand" }

func (h *hand) Run(ctx context.Context, changed func(reader.State)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s := <-h.ch:
			changed(s)
		}
	}
}

func (h *hand) Open(_ context.Context, name string) (reader.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		return session{}, nil
	}
	return h.open(name)
}

type session struct{}

func (session) Transmit(context.Context, []byte) ([]byte, error) { return []byte{0x90, 0x00}, nil }
func (session) ATR() []byte                                      { return []byte{0x3B, 0x00} }
func (session) Close(bool)                                       {}

func start(t *testing.T, identify reader.Identifier, sources ...reader.Source) *reader.Hub {
	t.Helper()
	h := reader.New(slog.New(slog.DiscardHandler), time.Now, identify, sources...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

// await follows a subscription until a reader is in the state.
func await(t *testing.T, s *reader.Subscription, id string, want localapi.ReaderState) localapi.Reader {
	t.Helper()
	deadline := time.After(20 * time.Second)
	var last *localapi.Reader
	for {
		if r, _, ok := s.Next(); ok {
			if r != nil && r.ID == id {
				last = r
				if r.State == want {
					return *r
				}
			}
			continue
		}
		select {
		case <-s.Bell():
		case <-deadline:
			t.Fatalf("%s never became %s; last %+v", id, want, last)
		}
	}
}

func named(profile string) reader.Identifier {
	return func(context.Context, reader.Session) (string, error) { return profile, nil }
}

func card(events uint32) reader.State {
	return reader.State{Slots: []reader.Slot{{Name: "ACR 122 (00)", Present: true, ATR: []byte{0x3B, 0x00}, Events: events}}}
}

var empty = reader.State{Slots: []reader.Slot{{Name: "ACR 122 (00)", Events: 99}}}

func TestStates(t *testing.T) {
	src := &hand{ch: make(chan reader.State)}
	h := start(t, named("p"), src)
	s := h.Subscribe()
	defer s.Close()
	const id = "hand-acr-122-00"
	src.ch <- empty
	await(t, s, id, localapi.ReaderEmpty)
	src.ch <- card(1)
	r := await(t, s, id, localapi.ReaderCard)
	if r.Profile != "p" || r.Tap != 1 || r.ATR != "3b00" || r.Name != "ACR 122 (00)" || r.Since.IsZero() {
		t.Fatalf("%+v", r)
	}
	src.ch <- card(3) // pulled and put back between two looks
	if r = await(t, s, id, localapi.ReaderCard); r.Tap != 2 {
		t.Fatalf("%+v", r)
	}
	src.ch <- reader.State{Slots: []reader.Slot{{Name: "ACR 122 (00)", Present: true, Many: true, Events: 4}}}
	await(t, s, id, localapi.ReaderMany)
	src.ch <- reader.State{Slots: []reader.Slot{{Name: "ACR 122 (00)", Present: true, Mute: true, Events: 5}}}
	await(t, s, id, localapi.ReaderMute)
	src.ch <- reader.State{Err: errors.New("dead")}
	await(t, s, id, localapi.ReaderGone)
	if known, err := h.Up("hand"); !known || err == nil {
		t.Fatal("down is not said")
	}
	if err := h.Use(context.Background(), id, nil); !errors.Is(err, reader.ErrGone) {
		t.Fatalf("%v", err)
	}
	src.ch <- card(5) // back, with a card on it: a new tap
	if r = await(t, s, id, localapi.ReaderCard); r.Tap != 5 {
		t.Fatalf("%+v", r)
	}
	src.ch <- reader.State{} // unplugged
	await(t, s, id, localapi.ReaderGone)
	src.ch <- empty
	await(t, s, id, localapi.ReaderEmpty)
	if err := h.Use(context.Background(), id, nil); !errors.Is(err, reader.ErrEmpty) {
		t.Fatalf("%v", err)
	}
	if err := h.Use(context.Background(), "nonsense", nil); !errors.Is(err, reader.ErrNoReader) {
		t.Fatalf("%v", err)
	}
}

func TestUnknownAndMuteChips(t *testing.T) {
	for name, c := range map[string]struct {
		identify reader.Identifier
		open     func(string) (reader.Session, error)
		want     localapi.ReaderState
	}{
		"no profile": {named(""), nil, localapi.ReaderUnknown},
		"does not answer": {func(context.Context, reader.Session) (string, error) { return "", reader.ErrGone }, nil,
			localapi.ReaderMute},
		"cannot be opened": {named("p"), func(string) (reader.Session, error) { return nil, reader.ErrMute }, localapi.ReaderMute},
		"another program":  {named("p"), func(string) (reader.Session, error) { return nil, reader.ErrBusy }, localapi.ReaderCard},
		"two cards":        {named("p"), func(string) (reader.Session, error) { return nil, reader.ErrMany }, localapi.ReaderMany},
	} {
		t.Run(name, func(t *testing.T) {
			src := &hand{ch: make(chan reader.State), open: c.open}
			h := start(t, c.identify, src)
			s := h.Subscribe()
			defer s.Close()
			src.ch <- card(1)
			await(t, s, "hand-acr-122-00", c.want)
		})
	}
}

// An identification that ends after its card has left says nothing.
func TestLateIdentification(t *testing.T) {
	let := make(chan struct{})
	src := &hand{ch: make(chan reader.State)}
	h := start(t, func(context.Context, reader.Session) (string, error) { <-let; return "p", nil }, src)
	s := h.Subscribe()
	defer s.Close()
	src.ch <- card(1)
	src.ch <- empty
	await(t, s, "hand-acr-122-00", localapi.ReaderEmpty)
	close(let)
	for !h.Quiet() {
		time.Sleep(time.Millisecond)
	}
	if r, _ := h.Reader("hand-acr-122-00"); r.State != localapi.ReaderEmpty || r.Profile != "" {
		t.Fatalf("%+v", r)
	}
}

func TestOneUserAtATime(t *testing.T) {
	src := &hand{ch: make(chan reader.State)}
	h := start(t, named("p"), src)
	s := h.Subscribe()
	defer s.Close()
	src.ch <- card(1)
	await(t, s, "hand-acr-122-00", localapi.ReaderCard)
	in, out := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- h.Use(context.Background(), "hand-acr-122-00", func(reader.Session, localapi.Reader) (bool, error) {
			close(in)
			<-out
			return true, nil
		})
	}()
	<-in
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Use(ctx, "hand-acr-122-00", nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	close(out)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestASlowListenerHoldsUpNobody(t *testing.T) {
	src := &hand{ch: make(chan reader.State)}
	h := start(t, named("p"), src)
	s := h.Subscribe()
	defer s.Close()
	for i := range uint32(500) {
		src.ch <- card(i)
		h.Progress(localapi.RelayProgress{Reader: "x", Done: int(i)})
	}
	src.ch <- reader.State{}
	n := 0
	for {
		if _, _, ok := s.Next(); !ok {
			break
		}
		n++
	}
	if n > 2 {
		t.Fatalf("%d events waited for a listener of one reader and one relay", n)
	}
}

func TestSim(t *testing.T) {
	dir := t.TempDir()
	folder, err := cardsim.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	mine, err := reader.NewSim(log, folder, 2)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := reader.NewSim(log, folder, 1)
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, named("xueji-soft"), mine)
	start(t, named("xueji-soft"), theirs)
	s := h.Subscribe()
	defer s.Close()
	await(t, s, "sim-1", localapi.ReaderEmpty)
	a, err := mine.Create(localapi.NewSimCard{Label: "A"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := mine.Create(localapi.NewSimCard{Label: "B"})
	if err != nil {
		t.Fatal(err)
	}
	var e *localapi.Error
	if err := mine.Insert("1", localapi.SimInsert{Card: "none"}); !errors.As(err, &e) || e.Code != localapi.CodeNoSimCard {
		t.Fatalf("%v", err)
	}
	if _, err := mine.Create(localapi.NewSimCard{Profile: "fm1208"}); !errors.As(err, &e) || e.Code != localapi.CodeBadSimCard {
		t.Fatalf("%v", err)
	}
	if err := mine.Insert("1", localapi.SimInsert{Card: a.ID}); err != nil {
		t.Fatal(err)
	}
	await(t, s, "sim-1", localapi.ReaderCard)
	if err := theirs.Insert("1", localapi.SimInsert{Card: a.ID}); !errors.As(err, &e) || e.Code != localapi.CodeSimLocked {
		t.Fatalf("one card on two readers: %v", err)
	}
	if cards, err := mine.Cards(); err != nil || len(cards) != 2 || cards[0].Reader != "sim-1" || !cards[0].Blank || cards[1].Reader != "" {
		t.Fatalf("%+v, %v", cards, err)
	}
	if err := mine.Insert("1", localapi.SimInsert{Card: b.ID}); err != nil {
		t.Fatal(err)
	}
	await(t, s, "sim-1", localapi.ReaderMany)
	if err := h.Use(context.Background(), "sim-1", nil); !errors.Is(err, reader.ErrMany) {
		t.Fatalf("%v", err)
	}
	if err := mine.Remove("1"); err != nil {
		t.Fatal(err)
	}
	await(t, s, "sim-1", localapi.ReaderEmpty)
	if err := theirs.Insert("1", localapi.SimInsert{Card: a.ID}); err != nil {
		t.Fatalf("given back, not to be had: %v", err)
	}
	if err := mine.Insert("2", localapi.SimInsert{Card: b.ID, TearAfter: 1}); err != nil {
		t.Fatal(err)
	}
	// At once, without waiting for the event: it lies there.
	err = h.Use(context.Background(), "sim-2", func(c reader.Session, _ localapi.Reader) (bool, error) {
		if _, err := c.Transmit(context.Background(), []byte{0, 0xA4, 0, 0x0C, 2, 0x3F, 0}); err != nil {
			t.Errorf("first APDU: %v", err)
		}
		_, err := c.Transmit(context.Background(), []byte{0, 0xA4, 0, 0x0C, 2, 0x3F, 0})
		return false, err
	})
	if !errors.Is(err, reader.ErrGone) {
		t.Fatalf("torn after one APDU: %v", err)
	}
	await(t, s, "sim-2", localapi.ReaderEmpty)
}
