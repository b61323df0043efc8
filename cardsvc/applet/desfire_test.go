package applet_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardsim/desfire"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/iso7816"
	profiles "xueji/firmware-profiles"
)

var generations = map[desfire.Model]string{desfire.EV1: "desfire-ev1", desfire.EV2: "desfire-ev2", desfire.EV3: "desfire-ev2"}

func desfireCard(t *testing.T, m desfire.Model, serial string) *cardsim.Card {
	t.Helper()
	chip, err := desfire.New(m, cardtest.Deterministic(serial))
	if err != nil {
		t.Fatal(err)
	}
	return cardsim.Of(generations[m], chip)
}

func eachGeneration(t *testing.T, run func(t *testing.T, b *bench, c *cardsim.Card)) {
	for m, name := range generations {
		t.Run(string(m), func(t *testing.T) { run(t, benchOf(t, name), desfireCard(t, m, "generation")) })
	}
}

// TestDESFireIdentified: one ATR, told apart by GetVersion, which is asked to its end.
func TestDESFireIdentified(t *testing.T) {
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	eachGeneration(t, func(t *testing.T, b *bench, c *cardsim.Card) {
		p, err := applet.Identify(context.Background(), c, set, c.ATR())
		if err != nil || p.Name != b.p.Name {
			t.Fatalf("%v %v", p, err)
		}
		b.make(c, 2)
		if got := b.holds(c); got != 2 {
			t.Fatalf("sequence %d", got)
		}
		// Read as it is: what a stranger sees, and the whole of it in as few commands as the frames allow.
		r, err := applet.Read(context.Background(), c, p, applet.WithJudge(b.judge))
		if err != nil || !bytes.Equal(r.ChipSerial, c.Serial()) || r.Other != nil {
			t.Fatalf("%+v %v", r, err)
		}
	})
}

// TestDESFireStranger: without the chip's own keys nothing is written, made or proved; the record stays.
func TestDESFireStranger(t *testing.T) {
	eachGeneration(t, func(t *testing.T, b *bench, c *cardsim.Card) {
		ctx := context.Background()
		b.make(c, 1)
		r, err := applet.Read(ctx, c, b.p)
		if err != nil {
			t.Fatal(err)
		}
		record, sealed := b.a.Issue(t, c.Serial(), 2, nil)
		stranger := applet.WithKeys(cardtest.Keys(b.p, "stranger"))
		var refused *applet.CardError
		if err := applet.Write(ctx, c, b.p, r, 2, record, sealed, stranger); !errors.As(err, &refused) || refused.SW != 0x91AE {
			t.Errorf("write: %v", err)
		}
		if err := applet.Write(ctx, c, b.p, r, 2, record, sealed); !errors.Is(err, applet.ErrNoKeys) {
			t.Errorf("write without keys: %v", err)
		}
		if err := applet.Prepare(ctx, c, b.p, stranger); !errors.As(err, &refused) || refused.SW != 0x91AE {
			t.Errorf("prepare: %v", err)
		}
		if err := applet.Check(ctx, c, b.p, c.Serial(), stranger); !errors.As(err, &refused) || refused.SW != 0x91AE {
			t.Errorf("check: %v", err)
		}
		if err := applet.Check(ctx, c, b.p, c.Serial(), cardtest.WithKeys(b.p)); err != nil {
			t.Errorf("check of a good card: %v", err)
		}
		for _, raw := range [][]byte{
			{0x90, 0x3D, 0, 0, 8, 1, 0, 0, 0, 1, 0, 0, 0, 0},                           // write
			{0x90, 0xDF, 0, 0, 1, 1, 0},                                                // delete the file
			{0x90, 0xCB, 0, 0, 7, 3, 0, 0xEE, 0xEE, 1, 0, 0, 0},                        // make another
			{0x90, 0xDA, 0, 0, 3, 0xF0, 0x58, 0x4A, 0},                                 // delete the application
			{0x90, 0xFC, 0, 0, 0},                                                      // wipe
			{0x90, 0x5F, 0, 0, 4, 1, 0, 0xEE, 0xEE, 0}, {0x90, 0x54, 0, 0, 1, 0x0F, 0}, // rights
		} {
			for _, first := range [][]byte{{0x90, 0x5A, 0, 0, 3, 0xF0, 0x58, 0x4A, 0}, {0x90, 0x5A, 0, 0, 3, 0, 0, 0, 0}} {
				if _, err := c.Transmit(ctx, first); err != nil {
					t.Fatal(err)
				}
				if answer, err := c.Transmit(ctx, raw); err != nil || iso7816.StatusWord(answer[len(answer)-2])<<8|iso7816.StatusWord(answer[len(answer)-1]) == 0x9100 {
					t.Errorf("% X: % X %v", raw, answer, err)
				}
			}
		}
		if got := b.holds(c); got != 1 {
			t.Errorf("sequence %d", got)
		}
	})
}

// TestDESFireClone: a chip with the same UID and files but without the keys is found out by the check, whatever it answers; and so is one on the way that changes an
// answer to the commit, or makes as if a write had been taken.
func TestDESFireClone(t *testing.T) {
	eachGeneration(t, func(t *testing.T, b *bench, c *cardsim.Card) {
		ctx := context.Background()
		b.make(c, 1)
		keys := cardtest.WithKeys(b.p)
		// The last answer of the handshake is replaced: another's, a replay, zeros, cut.
		for what, change := range map[string]func(answer []byte) []byte{
			"zeros": func(a []byte) []byte { return append(make([]byte, len(a)-2), 0x91, 0x00) },
			"a bit": func(a []byte) []byte { a[5] ^= 4; return a },
			"short": func(a []byte) []byte { return a[len(a)-10:] },
			"none":  func([]byte) []byte { return []byte{0x91, 0x00} },
		} {
			m := &middle{Card: c, change: func(_ int, cmd, answer []byte) []byte {
				if cmd[1] == 0xAF && len(cmd) > 30 {
					return change(answer)
				}
				return answer
			}}
			if err := applet.Check(ctx, m, b.p, c.Serial(), keys); !errors.Is(err, applet.ErrNotProof) && !errors.Is(err, applet.ErrHostile) {
				t.Errorf("%s: %v", what, err)
			}
		}
		r, err := applet.Read(ctx, c, b.p)
		if err != nil {
			t.Fatal(err)
		}
		record, sealed := b.a.Issue(t, c.Serial(), 2, nil)
		for what, change := range map[string]func(n int, cmd, answer []byte) []byte{
			"commit's MAC": func(_ int, cmd, answer []byte) []byte {
				if cmd[1] == 0xC7 {
					answer[0] ^= 1
				}
				return answer
			},
		} {
			m := &middle{Card: c, change: change}
			if err := applet.Write(ctx, m, b.p, r, 2, record, sealed, keys); !errors.Is(err, applet.ErrNotProof) {
				t.Errorf("%s: %v", what, err)
			}
		}
		// A write that never reaches the card but is answered: the commit tells, and nothing holds.
		if r, err = applet.Read(ctx, c, b.p); err != nil {
			t.Fatal(err)
		}
		seq := r.Sequence + 1
		record, sealed = b.a.Issue(t, c.Serial(), seq, nil)
		swallowed := false
		m := &middle{Card: c, swallow: func(cmd []byte) []byte {
			if cmd[1] == 0x3D && !swallowed {
				swallowed = true
				return append(make([]byte, 8), 0x91, 0x00)
			}
			return nil
		}}
		if err := applet.Write(ctx, m, b.p, r, seq, record, sealed, keys); err == nil || !swallowed {
			t.Error("a write that was swallowed is not noticed")
		}
		if got := b.holds(c); got != r.Sequence {
			t.Errorf("sequence %d", got)
		}
	})
}

// middle stands between reader and card.
type middle struct {
	*cardsim.Card
	n       int
	change  func(n int, command, answer []byte) []byte
	swallow func(command []byte) []byte
}

func (m *middle) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if m.swallow != nil {
		if answer := m.swallow(command); answer != nil {
			return answer, nil
		}
	}
	answer, err := m.Card.Transmit(ctx, command)
	m.n++
	if err == nil && m.change != nil {
		answer = m.change(m.n-1, command, answer)
	}
	return answer, err
}

// TestDESFireTrips: over a relay a card is made and proved in few round trips, as the handshakes alone need an answer before the next command.
func TestDESFireTrips(t *testing.T) {
	eachGeneration(t, func(t *testing.T, b *bench, c *cardsim.Card) {
		ctx := context.Background()
		relay := &cardtest.Batch{Transmitter: c}
		keys := cardtest.WithKeys(b.p)
		trips := func(what string, most int, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if relay.Trips > most {
				t.Errorf("%s: %d round trips", what, relay.Trips)
			}
			t.Logf("%s: %d round trips", what, relay.Trips)
			relay.Trips = 0
		}
		trips("prepare", 24, applet.Prepare(ctx, relay, b.p, keys))
		r, err := applet.Read(ctx, relay, b.p)
		trips("read", 1, err)
		record, sealed := b.a.Issue(t, c.Serial(), 1, nil)
		trips("write for later", 4, applet.Write(ctx, relay, b.p, r, 1, record, sealed, keys, applet.ReadBackLater()))
		r, err = applet.Read(ctx, relay, b.p, cardtest.WithReader(b.p))
		trips("read back", 5, err)
		record, sealed = b.a.Issue(t, c.Serial(), 2, nil)
		trips("write", 7, applet.Write(ctx, relay, b.p, r, 2, record, sealed, keys)) // the sealed file is read back under another key
		trips("check", 2, applet.Check(ctx, relay, b.p, c.Serial(), keys))
	})
}
