package perso_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/relay"
	"xueji/cardsvc/securemsg"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/journal"
)

// nonce is a tap's.
var nonce = [credential.NonceSize]byte{7}

// next begins a generation of master keys and starts the issuer again.
func (b *bench) next(t *testing.T) {
	t.Helper()
	dir := filepath.Dir(b.path)
	f, err := custody.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.NextMasters(); err != nil {
		t.Fatal(err)
	}
	if b.masters, err = custody.OpenMasters(dir); err != nil {
		t.Fatal(err)
	}
	b.restart(t)
}

// TestRekeyTornAnywhere: chips of an older generation get the newest keys at the rewrite after the rotation; wherever the card is torn out, a record verifies, the chip
// proves itself through the relay, and the card put back is finished with the new keys alone.
func TestRekeyTornAnywhere(t *testing.T) {
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range cardsim.Kinds() {
		if p, ok := set.Get(profile); !ok || p.Rekey != nil { // the others keep their keys: TestKeysOfOldGeneration
			t.Run(profile, func(t *testing.T) { rekeyTornAnywhere(t, profile) })
		}
	}
}

func rekeyTornAnywhere(t *testing.T, profile string) {
	t.Parallel()
	ctx := context.Background()
	b := setUp(t, credential.ES256)
	p, _ := b.set.Get(profile)
	card := newKind(t, profile)
	o := order("i1", "C1", 7)
	b.reg.Add("t1", o)
	if out := b.make(t, "t1", o, card, card.ATR()); !out.OK {
		t.Fatalf("%+v", out)
	}
	card.Insert()
	image := card.Image()
	b.next(t)
	serial := card.Serial()
	proves := func(c *cardsim.Card, when string) {
		t.Helper()
		r, err := applet.Read(ctx, c, p, b.readerKeys(t, p))
		if err != nil {
			t.Fatal(err)
		}
		if out := b.maker.Check(ctx, r.Record, nonce[:], c.ATR(), &near{Transmitter: c, t: t, reg: b.reg, order: o, seed: true}); !out.OK {
			t.Fatalf("%s: the chip does not prove itself: %+v", when, out)
		}
		c.Reset()
	}
	commands, moved := 0, 0
	seen := map[string]bool{}
	for n := 0; n <= max(commands, 1); n++ {
		for _, torn := range []int{0, 1, 20, 100} {
			if n == 0 && torn > 0 || commands > 0 && n == commands && torn > 0 {
				continue
			}
			name := fmt.Sprintf("%d+%d", n, torn)
			c, err := cardsim.FromImage(image)
			if err != nil {
				t.Fatal(err)
			}
			// The journal's story begins anew for this copy of the chip: generation 1, loaded.
			if err := b.forget(t, serial, profile); err != nil {
				t.Fatal(err)
			}
			re := o
			re.Kind, re.Sequence, re.ChipHash = "rewrite", 2, chipHash(serial)
			re.IssuanceID = "re" + name
			b.reg.Add("r"+name, re)
			before := c.Executed()
			if n > 0 || torn > 0 {
				c.TearAt(cardsim.Tear{After: n, Bytes: torn})
			}
			out := b.make(t, "r"+name, re, c, c.ATR())
			if n == 0 && torn == 0 { // undisturbed: how many commands there are to cut
				commands = c.Executed() - before
			}
			if !out.OK && out.Code != relay.CodeGone {
				t.Fatalf("torn at %s: %+v", name, out)
			}
			k := b.journal.KeysOf(serial)
			if k.Moving() {
				moved++
			}
			if left := fmt.Sprint(k, out.OK) + string(c.Image()); !seen[left] {
				seen[left] = true
				c.Insert()
				b.checkEither(t, c, profile, o, re)
				proves(c, "torn at "+name)
				if n%3 == 0 {
					b.restart(t)
				}
				if out := b.make(t, "r"+name, re, c, c.ATR()); !out.OK {
					t.Fatalf("put back after %s: %+v", name, out)
				}
				b.check(t, c, profile, re)
			}
			if out.OK || !b.journal.KeysOf(serial).Moving() {
				if k := b.journal.KeysOf(serial); out.OK && (!k.Loaded || k.Gen != 2) {
					t.Fatalf("torn at %s: the journal says %+v", name, k)
				}
			}
		}
	}
	if moved == 0 {
		t.Fatal("no cut fell into the change of keys")
	}
	t.Logf("%d commands, %d cuts in the change of keys, %d states", commands, moved, len(seen))
}

// forget makes the journal believe that a chip has keys of the first generation: the test lays the same chip on many times.
func (b *bench) forget(t *testing.T, serial []byte, profile string) error {
	t.Helper()
	if err := b.journal.KeysBegun(serial, "another "+profile, 1); err != nil {
		return err
	}
	return b.journal.KeysLoaded(serial, profile, 1)
}

// TestKeysOfOldGeneration: what cannot be re-keyed goes on under its old keys; a chip that the journal does not know is asked of which generation it is; a generation that
// was destroyed leaves its chips unwritten, and says so.
func TestKeysOfOldGeneration(t *testing.T) {
	ctx := context.Background()
	for _, profile := range cardsim.Kinds() {
		b := setUp(t, credential.ES256)
		p, _ := b.set.Get(profile)
		if !p.Secret() {
			continue
		}
		t.Run(profile, func(t *testing.T) {
			card := newKind(t, profile)
			o := order("i1", "C1", 7)
			b.reg.Add("t1", o)
			if out := b.make(t, "t1", o, card, card.ATR()); !out.OK {
				t.Fatalf("%+v", out)
			}
			old := b.masters
			b.next(t)
			b.next(t) // it sleeps through one generation
			re := o
			re.Kind, re.Sequence, re.ChipHash = "rewrite", 2, chipHash(card.Serial())
			b.reg.Add("t2", re)
			card.Insert()
			if p.Has("check") { // a journal that knows nothing of this chip: another copy of the folder
				b.path = filepath.Join(t.TempDir(), "journal.log")
				b.restart(t)
				r, err := applet.Read(ctx, card, p, b.readerKeys(t, p))
				if err != nil {
					t.Fatal(err)
				}
				if out := b.maker.Check(ctx, r.Record, nonce[:], card.ATR(), &near{Transmitter: card, t: t, reg: b.reg, order: o, seed: true}); !out.OK {
					t.Fatalf("%+v", out)
				}
				card.Insert()
			}
			if out := b.make(t, "t2", re, card, card.ATR()); !out.OK || out.Sequence != 2 {
				t.Fatalf("%+v", out)
			}
			b.check(t, card, profile, re)
			want := journal.ChipKeys{Begun: true, Loaded: true, Gen: 3}
			if p.Rekey == nil {
				want.Gen = 1
			}
			if k := b.journal.KeysOf(card.Serial()); k != want {
				t.Fatalf("%+v, want %+v", k, want)
			}
			if p.Has("check") {
				card.Reset()
				derive := applet.WithKeys(applet.Keys{Rand: rand.Reader, Begun: true, Derive: deriveOf(old, p)})
				if err := applet.Check(ctx, card, p, card.Serial(), derive); err == nil {
					t.Fatal("the old generation still proves the chip")
				}
			}
			if p.Rekey != nil {
				return
			}
			// Its generation is destroyed: the card stays good and cannot be written.
			f, err := custody.OpenFolder(filepath.Dir(b.path))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.RetireMasters(1); err != nil {
				t.Fatal(err)
			}
			if b.masters, err = custody.OpenMasters(filepath.Dir(b.path)); err != nil {
				t.Fatal(err)
			}
			b.restart(t)
			re.Sequence = 3
			b.reg.Add("t3", re)
			card.Insert()
			if out := b.make(t, "t3", re, card, card.ATR()); out.OK || out.Code != relay.CodeInternal {
				t.Fatalf("%+v", out)
			}
			card.Insert()
			re.Sequence = 2
			b.check(t, card, profile, re)
		})
	}
}

func deriveOf(m *custody.Masters, p *profiles.Profile) func(string, []byte) (securemsg.Secret, error) {
	return func(name string, diversifier []byte) (securemsg.Secret, error) {
		return m.Derive(custody.KeyUse{Profile: p.Name, Cipher: p.Cipher, Purpose: name, Diversifier: diversifier})
	}
}

// TestRekeyOvertaken: a change of keys was cut off, and before the card comes back there is a third generation: the cut one is finished, then the next.
func TestRekeyOvertaken(t *testing.T) {
	for _, profile := range []string{"fmcos", "desfire-ev2", cardsim.Profile} {
		b := setUp(t, credential.ES256)
		card := newKind(t, profile)
		o := order("i1", "C1", 7)
		b.reg.Add("t1", o)
		if out := b.make(t, "t1", o, card, card.ATR()); !out.OK {
			t.Fatalf("%+v", out)
		}
		b.next(t)
		re := o
		re.Kind, re.Sequence, re.ChipHash = "rewrite", 2, chipHash(card.Serial())
		b.reg.Add("t2", re)
		for n := 4; !b.journal.KeysOf(card.Serial()).Moving(); n++ { // some of its keys are of the second by then
			card.Insert()
			card.TearAt(cardsim.Tear{After: n + 6})
			if out := b.make(t, "t2", re, card, card.ATR()); out.OK {
				t.Fatal("no cut left the change half done")
			}
		}
		b.next(t)
		card.Insert()
		if out := b.make(t, "t2", re, card, card.ATR()); !out.OK {
			t.Fatalf("%s: %+v", profile, out)
		}
		if k := b.journal.KeysOf(card.Serial()); k != (journal.ChipKeys{Begun: true, Loaded: true, Gen: 3}) {
			t.Fatalf("%s: %+v", profile, k)
		}
		b.check(t, card, profile, re)
	}
}
