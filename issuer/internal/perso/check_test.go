package perso_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/relay"
)

// TestCheck: the genuine chip proves itself; a copy of everything that can be read, on a chip of the same serial, does not; nor does a record of another chip.
func TestCheck(t *testing.T) {
	for _, profile := range cardsim.Kinds() {
		b := setUp(t, credential.ES256)
		p, _ := b.set.Get(profile)
		if p.Level != 2 { // level 3 is proven at the reader: TestPair
			continue
		}
		t.Run(profile, func(t *testing.T) {
			ctx := context.Background()
			card := newKind(t, profile)
			o := order("i1", "3301-000001", 1)
			b.reg.Add("t1", o)
			if out := b.make(t, "t1", o, card, card.ATR()); !out.OK || out.Level != 2 {
				t.Fatalf("%+v", out)
			}
			r, err := applet.Read(ctx, card, p, b.readerKeys(t, p))
			if err != nil {
				t.Fatal(err)
			}
			tap := [credential.NonceSize]byte{7}
			ask := func(c *cardsim.Card, record []byte) relay.Outcome {
				return b.maker.Check(ctx, record, tap[:], c.ATR(), &near{Transmitter: c, t: t, reg: b.reg, order: o, seed: true})
			}
			if out := ask(card, r.Record); !out.OK || out.Level != 2 || out.CardNo != o.CardNo || out.Profile != profile {
				t.Fatalf("the genuine card: %+v", out)
			} else {
				attested(t, b.vault, out.Attestation, r.Record, tap)
			}
			// A forger reads all there is and writes it on a chip that claims the same serial, under keys of his own.
			uid := card.Serial()
			if len(uid) == 7 {
				uid = uid[1:] // the first byte is the maker's
			}
			copied, err := cardsim.NewKind(profile, bytes.NewReader(uid))
			if err != nil || !bytes.Equal(copied.Serial(), card.Serial()) {
				t.Fatal(err)
			}
			if err := applet.Prepare(ctx, copied, p, cardtest.WithKeys(p)); err != nil {
				t.Fatal(err)
			}
			blank, err := applet.Read(ctx, copied, p, b.readerKeys(t, p))
			if err != nil || !blank.Prepared {
				t.Fatalf("%+v %v", blank, err)
			}
			if err := applet.Write(ctx, copied, p, blank, r.Sequence, r.Record, r.Sealed, cardtest.WithKeys(p)); err != nil {
				t.Fatal(err)
			}
			b.valid(t, copied, profile, o) // by signature and serial alone it passes
			if got, err := applet.Read(ctx, copied, p, b.readerKeys(t, p)); err != nil || got.Refused != p.Guards() {
				t.Fatalf("a copy that has the readers' key, of which there is none on it: %+v %v", got, err)
			}
			if out := ask(copied, r.Record); out.OK || out.Code != relay.CodeCopy {
				t.Fatalf("the copy: %+v", out)
			}
			// Another genuine chip with this record; a record that is none.
			other := newKind(t, profile)
			o2 := order("i2", "3301-000002", 2)
			b.reg.Add("t2", o2)
			if out := b.make(t, "t2", o2, other, other.ATR()); !out.OK {
				t.Fatalf("%+v", out)
			}
			for _, record := range [][]byte{r.Record, r.Record[:40], []byte("nonsense"), nil} {
				if out := ask(other, record); out.OK || out.Code != relay.CodeUnproven {
					t.Fatalf("%+v", out)
				}
			}
			card.TearAt(cardsim.Tear{After: 2})
			if out := ask(card, r.Record); out.OK || out.Code != relay.CodeGone {
				t.Fatalf("pulled: %+v", out)
			}
		})
	}
}

// attested: the issuer's word holds for this record and this tap, and for no other.
func attested(t *testing.T, keys interface {
	Verifier() (*credential.Verifier, error)
}, attestation, record []byte, tap [credential.NonceSize]byte) {
	t.Helper()
	v, err := keys.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	a, err := v.Attested(attestation, record, tap)
	if err != nil || a.Level != 2 || a.At.IsZero() {
		t.Fatalf("%+v %v", a, err)
	}
	if _, err := v.Attested(attestation, record, [credential.NonceSize]byte{8}); !errors.Is(err, credential.ErrValue) {
		t.Fatalf("the word on one tap passes for another: %v", err)
	}
	if _, err := v.Attested(attestation, append([]byte(nil), record[:len(record)-1]...), tap); err == nil {
		t.Fatal("the word on one record passes for another")
	}
	for i := range attestation {
		bad := append([]byte(nil), attestation...)
		bad[i] ^= 1
		if _, err := v.Attested(bad, record, tap); err == nil {
			t.Fatalf("byte %d may be changed", i)
		}
	}
	if _, err := v.Attested(record, record, tap); err == nil {
		t.Fatal("a record passes for an attestation")
	}
}
