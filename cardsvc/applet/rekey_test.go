package applet_test

import (
	"context"
	"errors"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	profiles "xueji/firmware-profiles"
)

// moving are the keys of an issuer's next generation, over those a card was made with.
func (b *bench) moving(begun bool) applet.WriteOption {
	k := cardtest.Keys(b.p, cardtest.Next)
	k.Was, k.Begun = cardtest.Keys(b.p, "").Derive, begun
	return applet.WithKeys(k)
}

// TestTornRekey cuts the change of all keys at every APDU and every byte: the record verifies throughout, the change taken up again ends with the new keys alone, and the
// card is written under them. Twice torn is taken up as well as once.
func TestTornRekey(t *testing.T) {
	changes := func(p *profiles.Profile) bool {
		if p.Rekey == nil && p.Secret() && p.Name != "myeid" { // which keeps its keys: firmware-profiles/README.md
			t.Errorf("%s has keys that cannot change, and nobody says so", p.Name)
		}
		return p.Rekey != nil
	}
	kindsThat(t, changes, func(t *testing.T, b *bench) {
		ctx := context.Background()
		made := b.card("rekey")
		b.make(made, 1)
		image := made.Image()
		all := cuts(func(tx applet.Transmitter) {
			c, err := cardsim.FromImage(image)
			if err != nil {
				t.Fatal(err)
			}
			tx.(*lengths).next = c
			if err := applet.Rekey(ctx, tx, b.p, c.Serial(), b.moving(false)); err != nil {
				t.Fatal(err)
			}
		})
		seen := map[string]bool{}
		for n, cut := range all {
			c, err := cardsim.FromImage(image)
			if err != nil {
				t.Fatal(err)
			}
			c.TearAt(cut)
			if err := applet.Rekey(ctx, c, b.p, c.Serial(), b.moving(false)); err != nil && !errors.Is(err, cardsim.ErrGone) {
				t.Fatalf("%+v: %v", cut, err)
			}
			left := string(c.Image())
			if seen[left] {
				continue
			}
			seen[left] = true
			c.Insert()
			if got := b.holds(c); got != 1 {
				t.Fatalf("%+v: sequence %d", cut, got)
			}
			c.TearAt(all[(n*7)%len(all)]) // torn once more, elsewhere
			if err := applet.Rekey(ctx, c, b.p, c.Serial(), b.moving(true)); err != nil && !errors.Is(err, cardsim.ErrGone) {
				t.Fatalf("%+v, then %+v: %v", cut, all[(n*7)%len(all)], err)
			}
			c.Insert()
			if err := applet.Rekey(ctx, c, b.p, c.Serial(), b.moving(true)); err != nil {
				t.Fatalf("%+v: taken up again: %v", cut, err)
			}
			c.Reset()
			next := applet.WithKeys(cardtest.Keys(b.p, cardtest.Next))
			if err := applet.Check(ctx, c, b.p, c.Serial(), next); err != nil {
				t.Fatalf("%+v: the new key does not prove the chip: %v", cut, err)
			}
			if err := applet.Check(ctx, c, b.p, c.Serial(), cardtest.WithKeys(b.p)); err == nil {
				t.Fatalf("%+v: the old key still proves the chip", cut)
			}
			c.Reset()
			r, err := applet.Read(ctx, c, b.p, applet.WithJudge(b.judge))
			if err != nil {
				t.Fatal(err)
			}
			record, sealed := b.issue(c.Serial(), 2)
			if err := applet.Write(ctx, c, b.p, r, 2, record, sealed, cardtest.WithKeys(b.p)); err == nil {
				t.Fatalf("%+v: written under the old keys", cut)
			}
			c.Reset()
			if err := applet.Write(ctx, c, b.p, r, 2, record, sealed, next); err != nil {
				t.Fatalf("%+v: not written under the new keys: %v", cut, err)
			}
			if got := b.holds(c); got != 2 {
				t.Fatalf("%+v: sequence %d", cut, got)
			}
		}
		t.Logf("%d cuts, %d states of the chip", len(all), len(seen))
	})
}
