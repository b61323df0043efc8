package applet_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/iso7816"
	profiles "xueji/firmware-profiles"
)

// TestReadByHeart holds the commands of a tap to a strict transcript: select, the head of both slots, the rest of the newer one, its sealed record.
func TestReadByHeart(t *testing.T) {
	// Slot 0: "XJ" 01 01, sequence 1, 2 bytes; slot 1: sequence 2, 3 bytes AABBCC; sealed 1: sequence 2, 1 byte DD.
	chip := cardtest.NewTranscript(t, `
		> 00 A4 04 00 07 F0585545 4A4901 00
		< 6F 15 84 07 F05855454A4901 A5 0A C1 08 0102030405060708 9000
		> 00 B0 81 00 10
		< 584A 01 01 00000001 0002 0000 421EF26E 9000
		> 00 B0 82 00 10
		< 584A 01 01 00000002 0003 0000 C6C3C75F 9000
		> 00 B0 00 10 03
		< AABBCC 9000
		> 00 B0 84 00 FF
		< 584A 01 02 00000002 0001 0000 4EC49AF5 DD 6282
	`)
	rec := &cardtest.Recorder{Transmitter: chip}
	r, err := applet.Read(context.Background(), rec, profile(t, "xueji-soft"), applet.WithJudge(func(record, chip []byte) bool { return true }))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Record, []byte{0xAA, 0xBB, 0xCC}) || !bytes.Equal(r.Sealed, []byte{0xDD}) || r.Slot != 1 || r.Sequence != 2 || r.Other != nil ||
		!bytes.Equal(r.ChipSerial, []byte{1, 2, 3, 4, 5, 6, 7, 8}) || r.APDUs != 5 {
		t.Fatalf("%+v", r)
	}
}

// TestJudge: a record that does not verify gives way to the other slot's, and is the one overwritten.
func TestJudge(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	c := b.card("judge")
	b.make(c, 2)
	// Somebody writes a "newer" record of another authority: nothing stops a writer at level 1.
	thief := cardtest.NewAuthority(t, "990000", credential.ES256)
	r, err := applet.Read(ctx, c, b.p)
	if err != nil || r.Other == nil {
		t.Fatalf("%+v %v", r, err)
	}
	record, sealed := thief.Issue(t, c.Serial(), 3, nil)
	if err := applet.Write(ctx, c, b.p, r, 3, record, sealed, cardtest.WithKeys(b.p)); err != nil {
		t.Fatal(err)
	}
	r, err = applet.Read(ctx, c, b.p)
	if err != nil || r.Sequence != 3 || r.OtherSequence != 2 || !bytes.Equal(r.Record, record) {
		t.Fatalf("%+v %v", r, err)
	}
	if s := r.Swap(); s.Sequence != 2 || s.Slot == r.Slot || s.Swap().Sequence != 3 {
		t.Fatal("swap")
	}
	if got := b.holds(c); got != 2 {
		t.Fatalf("sequence %d", got)
	}
	b.write(c, 3) // over the thief's
	if got := b.holds(c); got != 3 {
		t.Fatalf("sequence %d", got)
	}
	// A sealed record from another slot or card is not taken.
	r, err = applet.Read(ctx, c, b.p)
	if err != nil {
		t.Fatal(err)
	}
	if err := applet.Write(ctx, c, b.p, r, 3, record, sealed, cardtest.WithKeys(b.p)); !errors.Is(err, applet.ErrSequence) {
		t.Fatal("the same sequence again:", err)
	}
	if err := applet.Write(ctx, c, b.p, r, 4, make([]byte, 497), nil); !errors.Is(err, applet.ErrTooLarge) {
		t.Fatal("497 bytes into a slot of 512:", err)
	}
	if err := applet.Write(ctx, b.card("blank"), b.p, applet.Reading{Blank: true}, 1, record, sealed); !errors.Is(err, applet.ErrUnprepared) {
		t.Fatal("a card that is not prepared:", err)
	}
}

// TestPublicOnly leaves the sealed record on the card.
func TestPublicOnly(t *testing.T) {
	b := newBench(t)
	c := b.card("public")
	b.make(c, 1)
	r, err := applet.Read(context.Background(), c, b.p, applet.PublicOnly(), applet.WithJudge(b.judge))
	if err != nil || r.Record == nil || r.Sealed != nil || r.APDUs != 5 {
		t.Fatalf("%+v %v", r, err)
	}
}

// TestBatch: over a relay the whole work takes few round trips, and gives the same.
func TestBatch(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	c := b.card("batch")
	relay := &cardtest.Batch{Transmitter: c}
	if r, err := applet.Read(ctx, relay, b.p); err != nil || !r.Blank || !bytes.Equal(r.ChipSerial, c.Serial()) {
		t.Fatalf("%+v %v", r, err)
	}
	relay.Trips = 0
	if err := applet.Prepare(ctx, relay, b.p, cardtest.WithKeys(b.p), applet.ForChip(c.Serial())); err != nil {
		t.Fatal(err)
	}
	r, err := applet.Read(ctx, relay, b.p)
	if err != nil {
		t.Fatal(err)
	}
	record, sealed := b.a.Issue(t, c.Serial(), 1, nil)
	if err := applet.Write(ctx, relay, b.p, r, 1, record, sealed, cardtest.WithKeys(b.p)); err != nil {
		t.Fatal(err)
	}
	if relay.Trips != 4 { // prepare; read; select and challenge; the answer to it and all the rest
		t.Errorf("%d round trips to make a card, 4 are enough", relay.Trips)
	}
	relay.Trips = 0
	r, err = applet.Read(ctx, relay, b.p, cardtest.WithReader(b.p))
	if err != nil || !bytes.Equal(r.Record, record) || !bytes.Equal(r.Sealed, sealed) || relay.Trips != 4 { // the heads; the record and a challenge; the answer to it and the first chunk of what is sealed, which brings its length; the rest
		t.Fatalf("%d round trips, %+v %v", relay.Trips, r, err)
	}
	// A refusal in the middle of a batch stops it.
	c.SetFault(func(n int, command []byte) []byte {
		if command[1] == 0xD6 {
			return []byte{0x65, 0x81}
		}
		return nil
	})
	record, sealed = b.a.Issue(t, c.Serial(), 2, nil)
	before := c.Executed()
	err = applet.Write(ctx, relay, b.p, r, 2, record, sealed, cardtest.WithKeys(b.p))
	var refused *applet.CardError
	if !errors.As(err, &refused) || refused.SW != 0x6581 || !errors.Is(err, iso7816.ErrMemory) || c.Executed()-before != 4 {
		t.Fatalf("%v after %d commands", err, c.Executed()-before)
	}
}

// TestKeys: without the issuer's keys nobody writes, and the chip proves its key to nobody else.
func TestKeys(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	c := b.card("keys")
	if err := applet.Prepare(ctx, c, b.p); !errors.Is(err, applet.ErrNoKeys) {
		t.Fatal("prepared without keys:", err)
	}
	b.make(c, 1)
	r, err := applet.Read(ctx, c, b.p)
	if err != nil {
		t.Fatal(err)
	}
	record, sealed := b.a.Issue(t, c.Serial(), 2, nil)
	if err := applet.Write(ctx, c, b.p, r, 2, record, sealed); !errors.Is(err, applet.ErrNoKeys) {
		t.Fatal("written without keys:", err)
	}
	stranger := applet.WithKeys(cardtest.Keys(b.p, "stranger"))
	var refused *applet.CardError
	if err := applet.Write(ctx, c, b.p, r, 2, record, sealed, stranger); !errors.As(err, &refused) || refused.SW>>4 != 0x63C {
		t.Fatal("written under another issuer's keys:", err)
	}
	// Nor past the applet, with a bare command.
	for _, command := range [][]byte{{0x00, 0xA4, 0x04, 0x0C, 0x07, 0xF0, 0x58, 0x55, 0x45, 0x4A, 0x49, 0x01}, {0x00, 0xD6, 0x81, 0x00, 0x01, 0x00}} {
		if got, err := c.Transmit(ctx, command); err != nil || command[1] == 0xD6 && !bytes.Equal(got, []byte{0x69, 0x82}) {
			t.Fatalf("% X: % X %v", command, got, err)
		}
	}
	if err := applet.Check(ctx, c, b.p, c.Serial(), cardtest.WithKeys(b.p)); err != nil {
		t.Fatal("the genuine chip:", err)
	}
	if err := applet.Check(ctx, c, b.p, c.Serial(), stranger); !errors.Is(err, applet.ErrNotProof) {
		t.Fatal("a chip with another key:", err)
	}
	if err := applet.Check(ctx, c, b.p, []byte("12345678"), cardtest.WithKeys(b.p)); !errors.Is(err, applet.ErrNotProof) {
		t.Fatal("the key of another chip:", err)
	}
	if err := applet.Check(ctx, c, b.p, c.Serial()); !errors.Is(err, applet.ErrNoKeys) {
		t.Fatal("checked without keys:", err)
	}
	if got := b.holds(c); got != 1 {
		t.Fatalf("sequence %d", got)
	}
}

// TestVerifyAfterWrite: a card that says 9000 and keeps nothing is found out.
func TestVerifyAfterWrite(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	c := b.card("liar")
	b.make(c, 1)
	r, err := applet.Read(ctx, c, b.p)
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	c.SetFault(func(_ int, command []byte) []byte {
		if command[1] == 0xD6 {
			if writes++; writes == 2 {
				return []byte{0x90, 0x00}
			}
		}
		return nil
	})
	record, sealed := b.a.Issue(t, c.Serial(), 2, nil)
	if err := applet.Write(ctx, c, b.p, r, 2, record, sealed, cardtest.WithKeys(b.p)); !errors.Is(err, applet.ErrVerify) {
		t.Fatal(err)
	}
}

// TestHostileChips: every profile's whole work on every rule-breaking chip ends by itself, without a panic and without a record.
func TestHostileChips(t *testing.T) {
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	for name, chip := range cardtest.HostileChips() {
		for _, p := range set.All() {
			for what, work := range map[string]func(ctx context.Context, tx applet.Transmitter) error{
				"read": func(ctx context.Context, tx applet.Transmitter) error {
					r, err := applet.Read(ctx, tx, p, applet.WithJudge(b.judge))
					if r.Record != nil {
						t.Errorf("%s, %s: a record", name, p.Name)
					}
					return err
				},
				"read as a reader": func(ctx context.Context, tx applet.Transmitter) error {
					r, err := applet.Read(ctx, tx, p, cardtest.WithReader(p))
					if r.Record != nil {
						t.Errorf("%s, %s: a record", name, p.Name)
					}
					return err
				},
				"serial": func(ctx context.Context, tx applet.Transmitter) error {
					_, err := applet.ReadSerial(ctx, tx, p)
					return err
				},
				"prepare": func(ctx context.Context, tx applet.Transmitter) error {
					return applet.Prepare(ctx, tx, p, cardtest.WithKeys(p))
				},
				"write": func(ctx context.Context, tx applet.Transmitter) error {
					return applet.Write(ctx, tx, p, applet.Reading{Prepared: true, Blank: true}, 1, []byte("record"), []byte("sealed"), cardtest.WithKeys(p))
				},
				"check": func(ctx context.Context, tx applet.Transmitter) error {
					err := applet.Check(ctx, tx, p, make([]byte, p.Serial.Size), cardtest.WithKeys(p))
					if err == nil {
						t.Errorf("%s, %s: proven", name, p.Name)
					}
					return err
				},
				"identify": func(ctx context.Context, tx applet.Transmitter) error {
					_, err := applet.Identify(ctx, tx, set, []byte{0x3B, 0x00})
					return err
				},
			} {
				h := &cardtest.Hostile{Answer: chip, Limit: 10_000}
				if err := work(context.Background(), h); errors.Is(err, cardtest.ErrLimit) {
					t.Errorf("%s, %s: %s never ends", name, p.Name, what)
				}
				if err := work(context.Background(), &cardtest.Batch{Transmitter: &cardtest.Hostile{Answer: chip, Limit: 10_000}}); errors.Is(err, cardtest.ErrLimit) {
					t.Errorf("%s, %s: %s in batches never ends", name, p.Name, what)
				}
			}
		}
	}
}

// FuzzRead lets a chip answer anything: two answers in turn, cut to what was asked.
func FuzzRead(f *testing.F) {
	b := newBench(f)
	c := b.card("fuzz")
	b.make(c, 1)
	image, err := c.Transmit(context.Background(), []byte{0x00, 0xA4, 0x04, 0x00, 0x07, 0xF0, 0x58, 0x55, 0x45, 0x4A, 0x49, 0x01, 0x00})
	if err != nil {
		f.Fatal(err)
	}
	first, err := c.Transmit(context.Background(), []byte{0x00, 0xB0, 0x81, 0x00, 0xFF})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(image, first)
	f.Add(first, first)
	f.Add([]byte{0x6A, 0x82}, []byte{0x90, 0x00})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		answers := [][]byte{x, y}
		h := &cardtest.Hostile{Limit: 10_000, Answer: func(n int, _ []byte) []byte { return answers[n%2] }}
		r, err := applet.Read(context.Background(), h, b.p, applet.WithJudge(b.judge))
		if errors.Is(err, cardtest.ErrLimit) {
			t.Fatal("never ends")
		}
		if err == nil && !r.Blank && !r.Torn && r.Record == nil {
			t.Fatal("neither blank nor torn nor a record")
		}
	})
}
