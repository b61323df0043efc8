package tap_test

import (
	"context"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/localapi"
)

// pairCard makes a card of profile name with a key pair, its record carrying the key that change makes of the chip's.
func pairCard(t *testing.T, a *cardtest.Authority, set *profiles.Set, label string, chipKey []byte) (*cardsim.Card, []byte) {
	t.Helper()
	ctx := context.Background()
	p, ok := set.Get("myeid")
	if !ok {
		t.Fatal("no myeid")
	}
	c, err := cardsim.NewKind("myeid", cardtest.Deterministic(label))
	if err != nil {
		t.Fatal(err)
	}
	if err := applet.Prepare(ctx, c, p, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	point, err := applet.PublicKey(ctx, c, p)
	if err != nil {
		t.Fatal(err)
	}
	own, err := credential.ChipKeyOf(point)
	if err != nil {
		t.Fatal(err)
	}
	if chipKey == nil {
		chipKey = own
	}
	record, sealed := a.Issue(t, c.Serial(), 1, func(p *credential.Public) { p.Profile, p.Level, p.ChipKey = "myeid", 3, chipKey })
	if err := applet.Write(ctx, c, p, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	return c, own
}

// TestLevel3: a chip proves its own key offline and a copy is a wrong chip, in both suites; a chip that leaves in the middle is unreadable, not a copy.
func TestLevel3(t *testing.T) {
	ctx := context.Background()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		a := cardtest.NewAuthority(t, "330000", suite)
		e := &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(t, a), Now: func() time.Time { return cardtest.Now }}
		read := func(c *cardsim.Card) localapi.Tap {
			t.Helper()
			c.Insert()
			out, err := e.Read(ctx, inProcess{c}, "")
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		genuine, key := pairCard(t, a, set, "chip", nil)
		out := read(genuine)
		if out.Verdict != localapi.VerdictValid || out.Level != 3 || out.Profile != "myeid" {
			t.Fatalf("%s: genuine: %+v", suite, out)
		}
		if out.Proof != nil {
			t.Fatalf("%s: what the chip signed is told to one who did not ask for it", suite)
		}
		genuine.Insert()
		nonce := [credential.NonceSize]byte{1, 2, 3}
		asked, err := e.ReadFor(ctx, inProcess{genuine}, "", localapi.TapRequest{Nonce: nonce[:]})
		if err != nil || asked.Level != 3 {
			t.Fatalf("%s: %+v %v", suite, asked, err)
		}
		if p, err := credential.Decode(asked.Record); err != nil || !p.Proves(nonce, asked.Proof) || p.Proves([credential.NonceSize]byte{1, 2, 4}, asked.Proof) {
			t.Fatalf("%s: the proof is not of this tap: %v", suite, err)
		}
		copied, _ := pairCard(t, a, set, "chip", key) // same serial, same record, another key inside
		if out := read(copied); out.Verdict != localapi.VerdictWrongChip || out.Level != 0 {
			t.Fatalf("%s: copy: %s, level %d", suite, out.Verdict, out.Level)
		}
		// A chip that refuses to sign is no better.
		genuine.Insert()
		genuine.SetFault(func(_ int, command []byte) []byte {
			if command[1] == 0x2A {
				return []byte{0x69, 0x85}
			}
			return nil
		})
		out, err = e.Read(ctx, inProcess{genuine}, "")
		if err != nil || out.Verdict != localapi.VerdictWrongChip {
			t.Fatalf("%s: refusal: %s %v", suite, out.Verdict, err)
		}
		genuine.SetFault(nil)
		// Torn out after each command of the tap: unreadable (or not at all), never a copy.
		n := read(genuine).APDUs
		for i := range n {
			genuine.Insert()
			genuine.TearAt(cardsim.Tear{After: i})
			out, err := e.Read(ctx, inProcess{genuine}, "")
			if err == nil && out.Verdict != localapi.VerdictUnreadable {
				t.Errorf("%s: torn after %d of %d: %s", suite, i, n, out.Verdict)
			}
		}
		// The record on a chip of another kind, which knows no such proof.
		soft, err := cardsim.New(cardtest.Deterministic("soft"))
		if err != nil {
			t.Fatal(err)
		}
		p, _ := set.Get(cardsim.Profile)
		if err := applet.Prepare(ctx, soft, p, cardtest.WithKeys(p)); err != nil {
			t.Fatal(err)
		}
		record, sealed := a.Issue(t, soft.Serial(), 1, func(p *credential.Public) { p.Profile, p.Level, p.ChipKey = "myeid", 3, key })
		if err := applet.Write(ctx, soft, p, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
			t.Fatal(err)
		}
		if out := read(soft); out.Verdict != localapi.VerdictWrongChip {
			t.Errorf("%s: on a chip without a pair: %s", suite, out.Verdict)
		}
	}
}
