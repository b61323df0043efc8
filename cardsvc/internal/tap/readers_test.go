package tap_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/localapi"
	"xueji/cardsvc/readerkey"
	"xueji/cardsvc/securemsg"
)

// park is cards of several kinds, authorities and times, and a reader that goes by their ATR.
type park struct {
	t   *testing.T
	set *profiles.Set
}

func (p park) card(a *cardtest.Authority, prof *profiles.Profile, label string) *cardsim.Card {
	p.t.Helper()
	ctx := context.Background()
	c, err := cardsim.NewKind(prof.Name, cardtest.Deterministic(label))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := applet.Prepare(ctx, c, prof, cardtest.WithKeys(prof)); err != nil {
		p.t.Fatal(err)
	}
	record, sealed := a.Issue(p.t, c.Serial(), 1, func(r *credential.Public) { r.Profile, r.Level = prof.Name, uint8(min(prof.Level, 2)) })
	if err := applet.Write(ctx, c, prof, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(prof)); err != nil {
		p.t.Fatal(err)
	}
	return c
}

// TestReaders: the reader's key opens its own authority's cards of every kind that guards theirs, offline. It is never shown to another authority's chip, to a false record or
// to a chip that did not take it before; so no reader uses up what a chip counts, and a new key is tried anew.
func TestReaders(t *testing.T) {
	ctx := context.Background()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := cardtest.NewAuthority(t, "330000", credential.ES256), cardtest.NewAuthority(t, "320000", credential.ES256)
	p := park{t, set}
	for _, name := range cardsim.Kinds() {
		prof, ok := set.Get(name)
		if !ok || !prof.Guards() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			who := "" // whose key this reader has
			e := &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(t, ours, theirs), Now: func() time.Time { return cardtest.Now },
				Reader: func(authority, profile string) (securemsg.Secret, bool) {
					if authority != ours.Code || profile != name {
						return securemsg.Secret{}, false
					}
					return cardtest.Reader(prof, who), true
				}}
			read := func(c *cardsim.Card) localapi.Tap {
				t.Helper()
				c.Insert()
				out, err := e.Read(ctx, inProcess{c}, name)
				if err != nil || out.Verdict != localapi.VerdictValid {
					t.Fatalf("%s %v", out.Verdict, err)
				}
				return out
			}
			good := p.card(ours, prof, "ours")
			opened := read(good)
			if len(opened.Sealed) == 0 || opened.Guarded {
				t.Fatalf("%+v", opened)
			}
			// A wrong key is shown once, however often the card comes.
			who = "stranger"
			image := ""
			for n := range 30 {
				out := read(good)
				if out.Sealed != nil || !out.Guarded || !bytes.Equal(out.Record, opened.Record) {
					t.Fatalf("tap %d: %+v", n, out)
				}
				switch now := string(good.Image()); {
				case n == 0:
					image = now
				case now != image:
					t.Fatalf("tap %d: the chip counted again", n)
				}
			}
			who = ""
			if out := read(good); !bytes.Equal(out.Sealed, opened.Sealed) {
				t.Fatal("the right key after wrong ones")
			}
			// Another authority's card, whose certificates are here too.
			foreign := p.card(theirs, prof, "theirs")
			before := foreign.Image()
			if out := read(foreign); !out.Guarded || out.Sealed != nil || !bytes.Equal(foreign.Image(), before) {
				t.Fatalf("%+v", out)
			}
			// A card of before there were such keys: read as ever.
			text, err := os.ReadFile("../../applet/testdata/unguarded/" + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			old, err := profiles.Parse(name+".yaml", text)
			if err != nil {
				t.Fatal(err)
			}
			if out := read(p.card(ours, old, "old")); len(out.Sealed) == 0 || out.Guarded {
				t.Fatalf("%+v", out)
			}
			// Torn out after each command of the tap.
			for n := range opened.APDUs {
				good.Insert()
				good.TearAt(cardsim.Tear{After: n})
				if out, err := e.Read(ctx, inProcess{good}, name); err != nil || out.Verdict != localapi.VerdictUnreadable {
					t.Fatalf("after %d of %d commands: %s %v", n, opened.APDUs, out.Verdict, err)
				}
			}
			if out := read(good); !bytes.Equal(out.Sealed, opened.Sealed) {
				t.Fatal("after the tears")
			}
			// Without any key at all, as every reader of before.
			e.Reader = nil
			if out := read(good); !out.Guarded || out.Sealed != nil || out.Level != opened.Level {
				t.Fatalf("%+v", out)
			}
		})
	}
}

// TestKeyOfOneTap: a reader without keys of its own opens a card with the chip's own key that came with the tap, in that tap alone; another chip's key is shown once, and a
// chip of an authority that is not known here is shown none.
func TestKeyOfOneTap(t *testing.T) {
	ctx := context.Background()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := readerkey.Load()
	if err != nil {
		t.Fatal(err)
	}
	ours, stranger := cardtest.NewAuthority(t, "330000", credential.ES256), cardtest.NewAuthority(t, "320000", credential.ES256)
	p := park{t, set}
	for _, name := range cardsim.Kinds() {
		prof, ok := set.Get(name)
		if !ok || !prof.Guards() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			e := &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(t, ours), Now: func() time.Time { return cardtest.Now }}
			good, other, foreign := p.card(ours, prof, "one"), p.card(ours, prof, "two"), p.card(stranger, prof, "theirs")
			key := func(c *cardsim.Card) []byte {
				t.Helper()
				k, err := kinds.Of(name, cardtest.Reader(prof, "").Reveal(), c.Serial())
				if err != nil {
					t.Fatal(err)
				}
				return k
			}
			read := func(c *cardsim.Card, key []byte) localapi.Tap {
				t.Helper()
				c.Insert()
				out, err := e.ReadFor(ctx, inProcess{c}, name, localapi.TapRequest{ReadKey: key})
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			shut := func(out localapi.Tap) {
				t.Helper()
				if out.Sealed != nil || !out.Guarded {
					t.Fatalf("%+v", out)
				}
			}
			shut(read(good, nil))
			if out := read(good, key(good)); len(out.Sealed) == 0 || out.Guarded || out.Verdict != localapi.VerdictValid {
				t.Fatalf("%+v", out)
			}
			shut(read(good, nil)) // it was for that tap
			shut(read(good, key(other)))
			image := good.Image()
			for range 5 {
				if shut(read(good, key(other))); !bytes.Equal(good.Image(), image) {
					t.Fatal("a wrong key was shown again")
				}
			}
			if out := read(good, key(good)); len(out.Sealed) == 0 {
				t.Fatal("the right key after wrong ones")
			}
			image = foreign.Image()
			if shut(read(foreign, key(foreign))); !bytes.Equal(foreign.Image(), image) {
				t.Fatal("a key was shown to a chip of an authority that is not known here")
			}
		})
	}
}
