package perso_test

import (
	"bytes"
	"context"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/relay"
)

// TestPair: a chip with a key pair of its own gets a record that carries its public key; a copy, even one with our PIN, is neither finished nor written anew.
func TestPair(t *testing.T) {
	ctx := context.Background()
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		b := setUp(t, suite)
		p, _ := b.set.Get("myeid")
		card := newKind(t, "myeid")
		o := order("i1", "3301-000001", 1)
		b.reg.Add("t1", o)
		if out := b.make(t, "t1", o, card, card.ATR()); !out.OK || out.Level != 3 {
			t.Fatalf("%+v", out)
		}
		r, err := applet.Read(ctx, card, p)
		if err != nil {
			t.Fatal(err)
		}
		public, err := credential.Decode(r.Record)
		if err != nil || public.Level != 3 || len(public.ChipKey) != credential.ChipKeySize {
			t.Fatalf("%+v %v", public, err)
		}

		// The copy: same serial, same files, its own key pair; the thief even knows the PIN.
		copied, err := cardsim.NewKind("myeid", bytes.NewReader(card.Serial()))
		if err != nil {
			t.Fatal(err)
		}
		keys := applet.WithKeys(applet.Keys{Derive: cardtest.Keys(p, "").Derive})
		if err := applet.Prepare(ctx, copied, p, keys); err != nil {
			t.Fatal(err)
		}
		if err := applet.Write(ctx, copied, p, applet.Reading{Blank: true}, 1, r.Record, r.Sealed, keys); err != nil {
			t.Fatal(err)
		}
		copied.Reset()
		re := o
		re.Kind, re.Sequence, re.ChipHash = "rewrite", 2, chipHash(card.Serial())
		b.reg.Add("t2", re)
		if out := b.make(t, "t2", re, copied, copied.ATR()); out.OK || out.Code != relay.CodeCard {
			t.Fatalf("a copy was written anew: %+v", out)
		}
		card.Reset()
		b.reg.Add("t3", re)
		if out := b.make(t, "t3", re, card, card.ATR()); !out.OK || out.Sequence != 2 {
			t.Fatalf("the genuine card after the copy: %+v", out)
		}
		r, err = applet.Read(ctx, card, p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := credential.Decode(r.Record); err != nil || !bytes.Equal(again.ChipKey, public.ChipKey) {
			t.Fatal("another key in the new record", err)
		}
	}
}
