package station_test

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/station"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/localapi"
	"xueji/cardsvc/securemsg"
)

// plate is a reader on which the test lays whatever answers.
type plate struct {
	changed chan reader.State
	mu      sync.Mutex
	card    applet.Transmitter
	events  uint32
}

func (*plate) Kind() string { return "plate" }

func (p *plate) Run(ctx context.Context, changed func(reader.State)) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s := <-p.changed:
			changed(s)
		}
	}
}

func (p *plate) Open(context.Context, string) (reader.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return lying{p.card}, nil
}

type lying struct{ applet.Transmitter }

func (lying) ATR() []byte { return cardsim.ATR() }
func (lying) Close(bool)  {}

// lay takes away what lies there and lays card.
func (p *plate) lay(card applet.Transmitter) {
	p.mu.Lock()
	p.card = card
	p.events += 2
	events := p.events
	p.mu.Unlock()
	p.changed <- reader.State{Slots: []reader.Slot{{Name: "0", Events: events - 1}}}
	p.changed <- reader.State{Slots: []reader.Slot{{Name: "0", Present: true, ATR: cardsim.ATR(), Events: events}}}
}

// never is a chip that takes its time for ever.
type never struct{}

func (never) Transmit(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// swapped answers a read of one file with another's: by short file id, 1 with 2 and 3 with 4.
type swapped struct {
	*cardsim.Card
	pairs map[byte]byte
}

func (s swapped) Transmit(ctx context.Context, c []byte) ([]byte, error) {
	if c[1] == 0xB0 && c[2]&0x80 != 0 {
		if other, ok := s.pairs[c[2]&0x1F]; ok {
			c = bytes.Clone(c)
			c[2] = 0x80 | other
		}
	}
	return s.Card.Transmit(ctx, c)
}

// TestChipsThatLie lays chips that break rules, never answer, show one slot for the other, or carry another card's record or signature on a station's reader: each tap ends
// in bounded time and memory with a verdict that is not "valid" for what is not, without a panic, and the good card laid on next is read as ever.
func TestChipsThatLie(t *testing.T) {
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := set.Get(cardsim.Profile)
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	engine := &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(t, a), Now: func() time.Time { return cardtest.Now },
		Reader: func(string, string) (securemsg.Secret, bool) { return cardtest.Reader(p, ""), true }}
	on := &plate{changed: make(chan reader.State)}
	hub := reader.New(slog.New(slog.DiscardHandler), time.Now, engine.Identify, on)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = hub.Run(ctx) }()
	defer func() { cancel(); <-done }()
	desk := &station.Station{Hub: hub, Engine: engine}
	on.lay(never{})
	var id string
	for id == "" {
		if rs := hub.Readers(); len(rs) > 0 && rs[0].State != localapi.ReaderEmpty {
			id = rs[0].ID
		}
		runtime.Gosched()
	}
	tapped := func(card applet.Transmitter, limit time.Duration) localapi.Tap {
		t.Helper()
		before := hub.Readers()[0].Tap
		on.lay(card)
		for { // the hub has heard of this card, not of the one before
			if r := hub.Readers()[0]; r.Tap != before && r.State != localapi.ReaderEmpty {
				break
			}
			runtime.Gosched()
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		got, err := desk.Tap(ctx, id, localapi.TapRequest{})
		if err != nil {
			t.Fatalf("an error in place of a verdict: %v", err)
		}
		return got
	}
	make := func(label string, writes func(c *cardsim.Card, seq uint32) (record, sealed []byte)) *cardsim.Card {
		t.Helper()
		c, err := cardsim.New(cardtest.Deterministic(label))
		if err != nil {
			t.Fatal(err)
		}
		if err := applet.Prepare(ctx, c, p, cardtest.WithKeys(p)); err != nil {
			t.Fatal(err)
		}
		for seq := uint32(1); seq <= 2; seq++ {
			r, err := applet.Read(ctx, c, p)
			if err != nil {
				t.Fatal(err)
			}
			record, sealed := writes(c, seq)
			if err := applet.Write(ctx, c, p, r, seq, record, sealed, cardtest.WithKeys(p)); err != nil {
				t.Fatal(err)
			}
		}
		c.Reset()
		return c
	}
	issue := func(c *cardsim.Card, seq uint32) (record, sealed []byte) { return a.Issue(t, c.Serial(), seq, nil) }
	good := make("good", issue)
	other := make("other", issue)
	const plenty = time.Minute

	for name, answer := range cardtest.HostileChips() {
		t.Run(name, func(t *testing.T) {
			chip := &cardtest.Hostile{Answer: answer, Limit: 5000}
			if got := tapped(chip, plenty); got.Verdict == localapi.VerdictValid || got.Verdict == "" || chip.N >= chip.Limit || len(got.Record) > 512 {
				t.Errorf("%s after %d commands", got.Verdict, chip.N)
			}
		})
	}
	t.Run("never answers", func(t *testing.T) {
		if got := tapped(never{}, 50*time.Millisecond); got.Verdict != localapi.VerdictUnreadable {
			t.Errorf("%s", got.Verdict)
		}
	})
	t.Run("another card's record", func(t *testing.T) {
		copied := make("copy", func(_ *cardsim.Card, seq uint32) (record, sealed []byte) { return a.Issue(t, other.Serial(), seq, nil) })
		if got := tapped(copied, plenty); got.Verdict != localapi.VerdictWrongChip || got.Level != 0 {
			t.Errorf("%s, level %d", got.Verdict, got.Level)
		}
	})
	t.Run("another card's signature", func(t *testing.T) {
		spliced := make("splice", func(c *cardsim.Card, seq uint32) (record, sealed []byte) {
			record, sealed = issue(c, seq)
			theirs, _ := issue(other, seq)
			copy(record[len(record)-64:], theirs[len(theirs)-64:])
			return record, sealed
		})
		if got := tapped(spliced, plenty); got.Verdict != localapi.VerdictForged {
			t.Errorf("%s", got.Verdict)
		}
	})
	t.Run("another authority's signature", func(t *testing.T) {
		thief := cardtest.NewAuthority(t, "990000", credential.ES256)
		forged := make("thief", func(c *cardsim.Card, seq uint32) (record, sealed []byte) { return thief.Issue(t, c.Serial(), seq, nil) })
		if got := tapped(forged, plenty); got.Verdict != localapi.VerdictUnknownIssuer {
			t.Errorf("%s", got.Verdict)
		}
	})
	t.Run("swapped slots", func(t *testing.T) {
		// Both parts swapped: nothing is lost, the newer record counts wherever it lies.
		if got := tapped(swapped{good, map[byte]byte{1: 2, 2: 1, 3: 4, 4: 3}}, plenty); got.Verdict != localapi.VerdictValid || got.Public.Sequence != 2 || got.Sealed == nil {
			t.Errorf("both: %s", got.Verdict)
		}
		// The sealed ones alone: a sealed record of another sequence is not taken.
		if got := tapped(swapped{good, map[byte]byte{3: 4, 4: 3}}, plenty); got.Verdict != localapi.VerdictValid || got.Sealed != nil {
			t.Errorf("sealed: %s, %d sealed bytes", got.Verdict, len(got.Sealed))
		}
		// A public slot in the place of a sealed one, and the other way round.
		if got := tapped(swapped{good, map[byte]byte{1: 3, 2: 4, 3: 1, 4: 2}}, plenty); got.Verdict != localapi.VerdictUnreadable { // a sealed slot is not even read
			t.Errorf("kinds: %s", got.Verdict)
		}
	})
	if got := tapped(good, plenty); got.Verdict != localapi.VerdictValid || got.Public.Sequence != 2 {
		t.Fatalf("the good card afterwards: %+v", got)
	}
}
