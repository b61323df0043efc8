package applet_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	profiles "xueji/firmware-profiles"
)

// guarded runs a test with every kind of card that keeps its sealed place from those who have no key; the sealed place of the others is read by anyone
// (docs/threat-model.md).
func guarded(t *testing.T, run func(t *testing.T, b *bench)) {
	n := 0
	kindsThat(t, (*profiles.Profile).Guards, run)
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range set.All() {
		if p.Guards() {
			n++
		}
	}
	if n < 5 {
		t.Errorf("%d profiles guard the sealed place", n)
	}
}

// strange is what a reader of another issuer has.
func (b *bench) strange() applet.Option {
	return applet.WithReaderKeys(applet.ReaderKeys(b.p, cardtest.Reader(b.p, "stranger"), cardtest.Deterministic("stranger")))
}

// spy notes what the chip gave.
type spy struct {
	*cardsim.Card
	heard bytes.Buffer
}

func (s *spy) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := s.Card.Transmit(ctx, command)
	if len(answer) > 2 {
		s.heard.Write(answer[:len(answer)-2])
	}
	return answer, err
}

// TestGuarded: who has no key reads the public record and not one byte of the sealed place; who has another issuer's key neither; a reader with its own opens it, and leaves
// it shut behind.
func TestGuarded(t *testing.T) {
	guarded(t, func(t *testing.T, b *bench) {
		ctx := context.Background()
		c := b.card("guarded")
		b.make(c, 2)
		record, sealed := b.issue(c.Serial(), 2)
		c.Reset()
		stranger := func(what string, opts ...applet.Option) {
			t.Helper()
			s := &spy{Card: c}
			r, err := applet.Read(ctx, s, b.p, append(opts, applet.WithJudge(b.judge))...)
			if err != nil || !bytes.Equal(r.Record, record) || r.Sealed != nil || !r.Guarded || r.Refused != (len(opts) > 0) {
				t.Fatalf("%s: record %t, sealed %d bytes, guarded %t, refused %t, %v", what, bytes.Equal(r.Record, record), len(r.Sealed), r.Guarded, r.Refused, err)
			}
			for at := 0; at+16 <= len(sealed); at += 8 {
				if bytes.Contains(s.heard.Bytes(), sealed[at:at+16]) {
					t.Fatalf("%s: the chip gave bytes %d–%d of the sealed record", what, at, at+16)
				}
			}
		}
		owner := func(what string) {
			t.Helper()
			r, err := applet.Read(ctx, c, b.p, applet.WithJudge(b.judge), cardtest.WithReader(b.p))
			if err != nil || !bytes.Equal(r.Record, record) || !bytes.Equal(r.Sealed, sealed) || r.Guarded || r.Refused {
				t.Fatalf("%s: record %t, sealed %t, guarded %t, %v", what, bytes.Equal(r.Record, record), bytes.Equal(r.Sealed, sealed), r.Guarded, err)
			}
		}
		stranger("no key")
		owner("its key")
		stranger("no key, just after, the card was not moved")
		// Whoever made it sees that it is shut before it is opened.
		seen, err := applet.Read(ctx, c, b.p, cardtest.WithReader(b.p), applet.MustGuard())
		if err != nil || !bytes.Equal(seen.Record, record) || !bytes.Equal(seen.Sealed, sealed) {
			t.Fatalf("%+v %v", seen, err)
		}
		stranger("another key", b.strange())
		owner("its key, after another")
		// The slot that is not the newest is shut as well, and so is every offset: past the applet, with what the profile says.
		for _, slot := range b.p.Slots {
			for offset := 0; offset < slot.Sealed.Size; offset += 16 {
				r, err := rawRead(ctx, c, b.p, slot.Sealed.File, offset)
				if err != nil || len(r) != 2 || !b.p.IsGuarded(uint16(r[0])<<8|uint16(r[1])) {
					t.Fatalf("file %s at %d: % X %v", slot.Sealed.File.Name, offset, r, err)
				}
			}
		}
		// Over a batch, as a relay sends it.
		relay := &cardtest.Batch{Transmitter: c}
		if r, err := applet.Read(ctx, relay, b.p, applet.WithJudge(b.judge), cardtest.WithReader(b.p)); err != nil || !bytes.Equal(r.Sealed, sealed) {
			t.Fatal(err)
		}
		if r, err := applet.Read(ctx, relay, b.p, b.strange()); err != nil || !r.Refused || !bytes.Equal(r.Record, record) {
			t.Fatalf("%+v %v", r, err)
		}
		// No key is shown to a chip whose record is not let through.
		owner("before")
		image := c.Image()
		r, err := applet.Read(ctx, c, b.p, applet.WithJudge(b.judge), b.strange(), applet.OnlyFor(func([]byte, []byte) bool { return false }))
		if err != nil || !r.Guarded || r.Refused || !bytes.Equal(c.Image(), image) {
			t.Fatalf("%+v %v", r, err)
		}
	})
}

// rawRead sends the profile's own commands for reading, without a key.
func rawRead(ctx context.Context, c *cardsim.Card, p *profiles.Profile, f *profiles.File, offset int) (answer []byte, err error) {
	commands := []profiles.Operation{profiles.SelectApplication}
	if p.Has(profiles.ReadShort) { // which chooses the file for what follows
		commands = append(commands, profiles.ReadShort)
	}
	for _, op := range append(commands, profiles.Read) {
		at := offset
		if op == profiles.ReadShort {
			at = 0
		}
		var command []byte
		if command, err = p.Command(op, profiles.Args{"offset": at, "count": 16, "sfi": f.SFI, "file": f.ID}); err != nil {
			return nil, err
		}
		if answer, err = c.Transmit(ctx, command); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// TestTornReading cuts the reading of a guarded card at every APDU, with the right key and with a wrong one: the card keeps its record and is opened at the next tap.
func TestTornReading(t *testing.T) {
	guarded(t, func(t *testing.T, b *bench) {
		ctx := context.Background()
		made := b.card("torn reading")
		b.make(made, 2)
		image := made.Image()
		for what, opt := range map[string]applet.Option{"its key": cardtest.WithReader(b.p), "another key": b.strange()} {
			read := func(tx applet.Transmitter) error {
				_, err := applet.Read(ctx, tx, b.p, applet.WithJudge(b.judge), opt)
				return err
			}
			for _, cut := range cuts(func(tx applet.Transmitter) {
				c, err := cardsim.FromImage(image)
				if err != nil {
					t.Fatal(err)
				}
				tx.(*lengths).next = c
				if err := read(tx); err != nil {
					t.Fatal(err)
				}
			}) {
				c, err := cardsim.FromImage(image)
				if err != nil {
					t.Fatal(err)
				}
				c.TearAt(cut)
				if err := read(c); err != nil && !errors.Is(err, cardsim.ErrGone) {
					t.Fatalf("%s, %+v: %v", what, cut, err)
				}
				c.Insert()
				if got := b.holds(c); got != 2 {
					t.Fatalf("%s, %+v: sequence %d", what, cut, got)
				}
			}
		}
	})
}

// TestReadingKeyLocks: wrong keys, tried until the chip takes none, leave the public record to everybody and the writing to the issuer, whose next change of keys opens the
// sealed place to readers again. DESFire counts none.
func TestReadingKeyLocks(t *testing.T) {
	guarded(t, func(t *testing.T, b *bench) {
		ctx := context.Background()
		c := b.card("locked")
		b.make(c, 1)
		for n := range 40 {
			c.Reset()
			if r, err := applet.Read(ctx, c, b.p, b.strange()); err != nil || r.Record == nil || !r.Refused {
				t.Fatalf("wrong key %d: %+v %v", n, r, err)
			}
		}
		c.Reset()
		r, err := applet.Read(ctx, c, b.p, applet.WithJudge(b.judge), cardtest.WithReader(b.p))
		if err != nil || r.Record == nil {
			t.Fatal(err)
		}
		if b.p.Cipher == "aes" && b.p.Direct() { // DESFire
			if r.Sealed == nil {
				t.Fatal("it counted")
			}
			return
		}
		if r.Sealed != nil || !r.Guarded {
			t.Fatal("forty wrong keys in a row, and it still takes one")
		}
		b.write(c, 2)
		c.Reset()
		same := cardtest.Keys(b.p, "")
		same.Was = same.Derive
		if err := applet.Rekey(ctx, c, b.p, c.Serial(), applet.WithKeys(same)); err != nil {
			t.Fatal("putting the keys on anew:", err)
		}
		if got := b.holds(c); got != 2 {
			t.Fatalf("sequence %d", got)
		}
	})
}

// unguardedProfile is the profile as it was shipped before there were reading keys.
func unguardedProfile(t *testing.T, name string) *profiles.Profile {
	t.Helper()
	text, err := os.ReadFile("testdata/unguarded/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Parse(name+".yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if p.Guards() {
		t.Fatal("not of before")
	}
	return p
}

// TestCardsOfBefore: a card made before there were reading keys is read by everybody, a reader with a key among them, written, and given new keys, as ever.
func TestCardsOfBefore(t *testing.T) {
	guarded(t, func(t *testing.T, b *bench) {
		ctx := context.Background()
		before := &bench{t: t, p: unguardedProfile(t, b.p.Name), a: b.a, v: b.v}
		c := b.card("before")
		before.make(c, 2)
		for _, opts := range [][]applet.Option{nil, {cardtest.WithReader(b.p)}, {b.strange()}} {
			c.Reset()
			_, sealed := b.issue(c.Serial(), 2)
			r, err := applet.Read(ctx, c, b.p, append(opts, applet.WithJudge(b.judge))...)
			if err != nil || !bytes.Equal(r.Sealed, sealed) || r.Guarded || r.Refused {
				t.Fatalf("%+v %v", r, err)
			}
		}
		if _, err := applet.Read(ctx, c, b.p, cardtest.WithReader(b.p), applet.MustGuard()); !errors.Is(err, applet.ErrUnguarded) {
			t.Fatalf("a card that gives its sealed place to anyone passes for one that guards it: %v", err)
		}
		b.write(c, 3)
		if got := b.holds(c); got != 3 {
			t.Fatalf("sequence %d", got)
		}
		for _, begun := range []bool{false, true} {
			if err := applet.Rekey(ctx, c, b.p, c.Serial(), b.moving(begun)); err != nil {
				t.Fatal("new keys:", err)
			}
		}
		if got := b.holds(c); got != 3 {
			t.Fatalf("sequence %d", got)
		}
		// Prepared again by today's profile, as after a tear: it stays what it is.
		c = b.card("before")
		before.make(c, 1)
		if b.p.Name[:2] != "de" {
			b.make(c, 0)
		}
		if got := b.holds(c); got != 1 {
			t.Fatalf("sequence %d", got)
		}
	})
}

// TestTornBetweenVersions: a card torn out while it was prepared before there were reading keys is finished by today's profile. On a DESFire the number of keys cannot be
// changed any more: such a blank card is put aside.
func TestTornBetweenVersions(t *testing.T) {
	kindsThat(t, func(p *profiles.Profile) bool { return p.Guards() && !p.Direct() }, func(t *testing.T, b *bench) {
		ctx := context.Background()
		before := unguardedProfile(t, b.p.Name)
		for _, cut := range cuts(func(tx applet.Transmitter) {
			tx.(*lengths).next = b.card("versions")
			if err := applet.Prepare(ctx, tx, before, cardtest.WithKeys(before)); err != nil {
				t.Fatal(err)
			}
		}) {
			c := b.card("versions")
			c.TearAt(cut)
			_ = applet.Prepare(ctx, c, before, cardtest.WithKeys(before))
			c.Insert()
			b.make(c, 1)
			if got := b.holds(c); got != 1 {
				t.Fatalf("%+v: sequence %d", cut, got)
			}
		}
	})
}
