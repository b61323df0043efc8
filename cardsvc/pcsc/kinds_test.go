package pcsc_test

import (
	"context"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/pcsc"
	profiles "xueji/firmware-profiles"
)

// TestSoftwareCards lays every software card on a real pcscd's reader: found by its ATR and probes, made, read, proved, and read again after it lay there anew.
func TestSoftwareCards(t *testing.T) {
	d := pcscdtest.Start(t)
	w := watch(t)
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	v := cardtest.Verifier(t, a)
	for _, kind := range cardsim.Kinds() {
		t.Run(kind, func(t *testing.T) {
			ctx := context.Background()
			chip, err := cardsim.NewKind(kind, cardtest.Deterministic(kind))
			if err != nil {
				t.Fatal(err)
			}
			lay := func() (*pcsc.Card, func()) {
				t.Helper()
				chip.Insert()
				in := d.Insert(0, chip)
				w.await(t, "the card", present(0, true))
				c, err := pcsc.Open(ctx, pcscdtest.ReaderName(0))
				if err != nil {
					t.Fatal(err)
				}
				return c, func() {
					c.Close(true)
					in.Remove()
					w.await(t, "the card's end", present(0, false))
				}
			}
			c, off := lay()
			p, err := applet.Identify(ctx, c, set, c.ATR())
			if err != nil || p.Name != kind {
				t.Fatalf("%v %v", p, err)
			}
			keys := cardtest.WithKeys(p)
			if err := applet.Prepare(ctx, c, p, keys); err != nil {
				t.Fatal(err)
			}
			r, err := applet.Read(ctx, c, p)
			if err != nil || !r.Blank {
				t.Fatalf("%+v %v", r, err)
			}
			record, sealed := a.Issue(t, r.ChipSerial, 1, nil)
			if err := applet.Write(ctx, c, p, r, 1, record, sealed, keys); err != nil {
				t.Fatal(err)
			}
			off()
			c, off = lay()
			defer off()
			if r, err = applet.Read(ctx, c, p); err != nil {
				t.Fatal(err)
			}
			if _, res := v.Check(r.Record, r.ChipSerial, cardtest.Now); res.Verdict != credential.Valid {
				t.Fatalf("verdict %s", res.Verdict)
			}
			if p.Has(profiles.Check) {
				if err := applet.Check(ctx, c, p, r.ChipSerial, keys); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
