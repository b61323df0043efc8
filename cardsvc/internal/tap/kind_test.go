package tap_test

import (
	"context"
	"testing"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/localapi"
)

// TestAnotherKindOfChip: a record that was signed for one kind of chip is not good on another, although signature and serial are right: a chip whose serial can be
// written would else carry a copy of any card.
func TestAnotherKindOfChip(t *testing.T) {
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	engine := &tap.Engine{Profiles: set, Verifier: cardtest.Verifier(t, a), Now: cardtest.Now.UTC}
	p, _ := set.Get(cardsim.Profile)
	ctx := context.Background()
	for _, c := range []struct {
		name, madeFor string
		want          localapi.Verdict
		level         int
	}{
		{"its own kind", cardsim.Profile, localapi.VerdictValid, 1},
		{"a DESFire's record", "desfire-ev2", localapi.VerdictWrongChip, 0},
		{"a kind nobody knows", "nonsense", localapi.VerdictWrongChip, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			card, err := cardsim.New(cardtest.Deterministic(c.name))
			if err != nil {
				t.Fatal(err)
			}
			if err := applet.Prepare(ctx, card, p, cardtest.WithKeys(p)); err != nil {
				t.Fatal(err)
			}
			record, sealed := a.Issue(t, card.Serial(), 1, func(p *credential.Public) { p.Profile = c.madeFor })
			if err := applet.Write(ctx, card, p, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
				t.Fatal(err)
			}
			got, err := engine.Read(ctx, inProcess{card}, "")
			if err != nil || got.Verdict != c.want || got.Level != c.level {
				t.Fatalf("%s at level %d, %v; want %s at level %d", got.Verdict, got.Level, err, c.want, c.level)
			}
		})
	}
}
