package trial_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/trial"
)

// inHand is a software card without a reader.
type inHand struct{ *cardsim.Card }

func (c inHand) Use(_ context.Context, f func(applet.Transmitter) error) error {
	c.Reset()
	return f(c.Card)
}

func shipped(t *testing.T) *profiles.Set {
	t.Helper()
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func try(t *testing.T, p *profiles.Profile, c *cardsim.Card) ([]trial.Line, bool, error) {
	t.Helper()
	return (&trial.Trial{Profile: p, ATR: c.ATR(), Card: inHand{c}, Rand: rand.Reader, Now: time.Now}).Run(context.Background())
}

func text(lines []trial.Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(string(l.Mark) + " " + l.Step + ": " + l.Text + "\n")
	}
	return b.String()
}

// TestEveryKind: every shipped profile passes on its software card, twice on the same card, and says so.
func TestEveryKind(t *testing.T) {
	set := shipped(t)
	for _, name := range cardsim.Kinds() {
		t.Run(name, func(t *testing.T) {
			p, ok := set.Get(name)
			if !ok {
				t.Fatal("no profile")
			}
			c, err := cardsim.NewKind(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				lines, ok, err := try(t, p, c)
				if !ok || err != nil {
					t.Fatalf("%v\n%s", err, text(lines))
				}
				for _, step := range []string{"ok recognise", "ok write the other slot", "ok tear", "ok restore"} {
					if !strings.Contains(text(lines), step) {
						t.Errorf("no %s:\n%s", step, text(lines))
					}
				}
				if p.Pair() != strings.Contains(text(lines), "ok key pair") || p.Has(profiles.Check) != strings.Contains(text(lines), "ok check") {
					t.Error(text(lines))
				}
			}
		})
	}
}

// TestPupilsCard: a card that holds a record of anybody else is not touched.
func TestPupilsCard(t *testing.T) {
	ctx := context.Background()
	p, _ := shipped(t).Get(cardsim.Profile)
	c, err := cardsim.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := applet.Prepare(ctx, c, p, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	record, sealed := cardtest.NewAuthority(t, "330000", credential.ES256).Issue(t, c.Serial(), 1, nil)
	if err := applet.Write(ctx, c, p, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(p)); err != nil {
		t.Fatal(err)
	}
	before := c.Image()
	if _, ok, err := try(t, p, c); !errors.Is(err, trial.ErrHeld) || ok {
		t.Fatal(err)
	}
	if !bytes.Equal(before, c.Image()) {
		t.Fatal("the card was changed")
	}
}

// TestFindsMistakes: profiles that are wrong about the card are told so, at the right step.
func TestFindsMistakes(t *testing.T) {
	soft := yaml(t)
	for _, c := range []struct{ name, old, new, step, words string }{
		{"another ATR", `"80 56 58 55 45 4A 49 31"`, `"80 56 58 55 45 4A 49 32"`, "recognise", "does not claim this card's ATR"},
		{"open to strangers", " 11 FF\"", " 00 FF\"", "strangers", "rules do not bite"},
		{"a sealed place that anyone reads", "\"12 11 FF\"", "\"00 11 FF\"", "guard", "gave its sealed place to a stranger"},
		{"a sealed place that nobody reads", "\"12 11 FF\"", "\"FF 11 FF\"", "write", "6982"},
		{"a serial that is not there", "6F/A5/C1", "6F/A5/C2", "", ""}, // falls back to read_serial: no mistake
		{"one file for both slots", "{public: {file: public_b}", "{public: {file: sealed_a}", "", "refused when loaded"},
		{"a file too large", "size: 512, access", "size: 32767, access", "prepare", "6A84"},
		{"an instruction the card lacks", `"00 D6 {sfi|80} {offset:1} [{data}]"`, `"00 D0 {sfi|80} {offset:1} [{data}]"`, "write", "6D00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.ReplaceAll(soft, c.old, c.new)
			if changed == soft {
				t.Fatal("nothing to change")
			}
			p, err := profiles.Parse("xueji-soft.yaml", []byte(changed))
			if err != nil {
				if c.words != "refused when loaded" {
					t.Fatal(err)
				}
				return
			}
			card, err := cardsim.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			lines, ok, err := try(t, p, card)
			if err != nil {
				t.Fatal(err)
			}
			if c.step == "" {
				if !ok {
					t.Fatal(text(lines))
				}
				return
			}
			found := false
			for _, l := range lines {
				if l.Mark == trial.Bad && l.Step == c.step && strings.Contains(l.Text, c.words) {
					found = true
				}
			}
			if ok || !found {
				t.Fatalf("want FAIL %s %q:\n%s", c.step, c.words, text(lines))
			}
		})
	}
}

// TestHostile: a chip that answers anything ends the trial with a finding, not with a panic or without end.
func TestHostile(t *testing.T) {
	for name, answer := range cardtest.HostileChips() {
		for _, p := range shipped(t).All() {
			h := &cardtest.Hostile{Answer: answer, Limit: 100_000}
			tr := &trial.Trial{Profile: p, ATR: []byte{0x3B, 0}, Card: any1{h}, Rand: rand.Reader, Now: time.Now}
			if lines, ok, err := tr.Run(context.Background()); ok && err == nil || errors.Is(err, cardtest.ErrLimit) {
				t.Errorf("%s, %s: %v\n%s", name, p.Name, err, text(lines))
			}
			if _, err := trial.Probe(context.Background(), any1{h}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

type any1 struct{ tx applet.Transmitter }

func (a any1) Use(_ context.Context, f func(applet.Transmitter) error) error { return f(a.tx) }

func TestHistorical(t *testing.T) {
	for atr, want := range map[string]string{
		"3B888001" + "805658" + "55454A4931A5":          "80565855454A4931",
		"3BF518000081" + "31FE45" + "4D79454944" + "9A": "4D79454944",
		"3BF518000280" + "01" + "4F73454944" + "1A":     "4F73454944",
		"3B00":          "",
		"3B":            "",
		"3B8F8001":      "",
		"":              "",
		"3B02" + "AABB": "AABB",
	} {
		b, err := hex.DecodeString(atr)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ToUpper(hex.EncodeToString(trial.Historical(b))); got != want {
			t.Errorf("%s: %q, want %q", atr, got, want)
		}
	}
}

func FuzzHistorical(f *testing.F) {
	f.Add([]byte{0x3B, 0x85, 0x80, 0x01, 'M', 'y', 'E', 'I', 'D', 0x78})
	f.Fuzz(func(t *testing.T, atr []byte) {
		if h := trial.Historical(atr); len(h) > 15 || !bytes.Contains(atr, h) {
			t.Fatalf("% X of % X", h, atr)
		}
	})
}

// yaml is the software card's profile as written.
func yaml(t *testing.T) string {
	t.Helper()
	b, err := profiles.Shipped("xueji-soft.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
