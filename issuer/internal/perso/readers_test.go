package perso_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"maps"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/relay"
	"xueji/cardsvc/securemsg"
	"xueji/server/api"
)

// TestReadersReachEveryKiosk: kiosks that were enrolled before there were readers' keys get them once, with the keys that they have; no round and no restart hands them out
// again, a profile more does.
func TestReadersReachEveryKiosk(t *testing.T) {
	ctx := context.Background()
	b := setUp(t, credential.ES256)
	all := b.keeper.Readers
	round := func(k ...*kiosk) (sealed [][]byte) {
		t.Helper()
		if err := b.keeper.Round(ctx); err != nil {
			t.Fatal(err)
		}
		for _, k := range k {
			k.fetch(t, b)
			sealed = append(sealed, b.reg.Sealed(k.id)[1])
		}
		return sealed
	}
	b.keeper.Readers, b.keeper.Told = nil, nil // the issuer of before
	one, two := b.enrol(t, "k-one"), b.enrol(t, "k-two")
	before := round(one, two)
	if len(one.keys[1].Readers) != 0 {
		t.Fatal("readers' keys from an issuer of before")
	}
	b.restart(t)
	if err := b.keeper.Told.Keep(""); err != nil { // nothing was told yet
		t.Fatal(err)
	}
	told := round(one, two)
	for i, k := range []*kiosk{one, two} {
		if bytes.Equal(before[i], told[i]) || len(k.keys[1].Readers) != len(all) || k.keys[1].Authority != "330000" || len(k.keys[1].Sections) != 1 {
			t.Fatalf("%s: %d readers' keys", k.id, len(k.keys[1].Readers))
		}
	}
	b.restart(t)
	three := b.enrol(t, "k-three")
	if again := round(one, two, three); !bytes.Equal(again[0], told[0]) || !bytes.Equal(again[1], told[1]) || len(three.keys[1].Readers) != len(all) {
		t.Fatal("handed out again, or not to a new one")
	}
	b.keeper.Readers = maps.Clone(all)
	b.keeper.Readers["more"] = bytes.Repeat([]byte{7}, 16)
	b.reg.DropDevice(two.id)
	if round(one); len(one.keys[1].Readers) != len(all)+1 {
		t.Fatal("a profile more is not told")
	}
	if b.reg.Sealed(two.id) != nil {
		t.Fatal("a device that was shut out got readers' keys")
	}
}

// openStation changes what the issuer says to a blank card, so that its files are made for everybody: the station of a bent clerk.
type openStation struct{ applet.Transmitter }

func (s openStation) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if command[1] == 0xE0 {
		command = bytes.ReplaceAll(command, []byte{0x12, 0x11, 0xFF}, []byte{0x00, 0x11, 0xFF}) // xueji-soft
		command = bytes.ReplaceAll(command, []byte{0x21, 0x11, 0xFF}, []byte{0xF0, 0x11, 0xFF}) // FMCOS
	}
	if command[1] == 0xCB {
		command = bytes.ReplaceAll(command, []byte{0x01, 0xFF, 0x31}, []byte{0x01, 0xFF, 0xE1}) // DESFire
	}
	return s.Transmitter.Transmit(ctx, command)
}

// TestOpenedOnTheWay: a card whose files were made for everybody, by a station that changes commands or by a chip whose rules do not bite, is no card that guards its
// sealed record, and is not handed out as one.
func TestOpenedOnTheWay(t *testing.T) {
	for _, name := range []string{"xueji-soft", "fmcos", "fmcos-sm4", "desfire-ev1", "desfire-ev2"} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, credential.ES256)
			card := newKind(t, name)
			o := order("i1", "3301-000001", 1)
			b.reg.Add("t1", o)
			out := b.make(t, "t1", o, openStation{card}, card.ATR())
			if out.OK || out.Code != relay.CodeCard {
				t.Fatalf("%+v", out)
			}
			good := newKind(t, name)
			if out := b.make(t, "t1", o, good, good.ATR()); !out.OK {
				t.Fatalf("another card: %+v", out)
			}
			b.check(t, good, name, o)
		})
	}
}

// TestLockedReadingKey: a card whose reading key was locked by wrong tries is opened to readers again by its next write, and a card made before there were such keys is
// written as ever.
func TestLockedReadingKey(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"xueji-soft", "fmcos", "fmcos-sm4"} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t, credential.ES256)
			p, _ := b.set.Get(name)
			card := newKind(t, name)
			o := order("i1", "3301-000001", 1)
			b.reg.Add("t1", o)
			if out := b.make(t, "t1", o, card, card.ATR()); !out.OK {
				t.Fatalf("%+v", out)
			}
			for range 20 {
				card.Insert()
				if r, err := applet.Read(ctx, card, p, applet.WithReaderKeys(applet.ReaderKeys(p, securemsg.NewSecret(make([]byte, 16)), rand.Reader))); err != nil || !r.Refused {
					t.Fatalf("%+v %v", r, err)
				}
			}
			card.Insert()
			if r, err := applet.Read(ctx, card, p, b.readerKeys(t, p)); err != nil || !r.Refused {
				t.Fatalf("not locked: %+v %v", r, err)
			}
			image := card.Image()
			re := o
			re.Kind, re.Sequence, re.ChipHash = "rewrite", 2, chipHash(card.Serial())
			b.reg.Add("t2", re)
			card.Insert()
			if out := b.make(t, "t2", re, card, card.ATR()); !out.OK || out.Sequence != 2 {
				t.Fatalf("%+v", out)
			}
			b.check(t, card, name, re)
			// Torn out after each command of it, and put back: it is finished.
			for n := 0; ; n++ {
				if n > 200 {
					t.Fatal("never whole")
				}
				c, err := cardsim.FromImage(image)
				if err != nil {
					t.Fatal(err)
				}
				c.TearAt(cardsim.Tear{After: n})
				out := b.make(t, "t2", re, c, c.ATR())
				c.Insert()
				if out.OK {
					b.check(t, c, name, re)
					break
				}
				if out := b.make(t, "t2", re, c, c.ATR()); !out.OK {
					t.Fatalf("after %d commands: %+v", n, out)
				}
				b.valid(t, c, name, re)
			}
		})
	}
}

// TestConsoleIsPinned: a register that names itself a reader gets keys only under the key that is pinned at the issuer, and then of both sections; whoever puts another key in
// its place gets nothing, and no kiosk gets more than before.
func TestConsoleIsPinned(t *testing.T) {
	ctx := context.Background()
	b := setUp(t, credential.ES256)
	console, desk := b.enrol(t, api.ConsoleDevice), b.enrol(t, "k-desk")
	round := func() {
		t.Helper()
		if err := b.keeper.Round(ctx); err != nil {
			t.Fatal(err)
		}
	}
	round()
	if b.reg.Sealed(console.id) != nil || b.reg.Sealed(desk.id) == nil {
		t.Fatal("keys for a console that is not pinned, or none for the kiosk")
	}
	b.keeper.Console = desk.key.PublicKey().Bytes()
	if round(); b.reg.Sealed(console.id) != nil {
		t.Fatal("keys for another key than the pinned one")
	}
	b.keeper.Console = console.key.PublicKey().Bytes()
	round()
	console.fetch(t, b)
	desk.fetch(t, b)
	if k := console.keys[1]; len(k.Sections) != 2 || len(k.Readers) != len(b.keeper.Readers) || k.Authority != "330000" {
		t.Fatalf("%d sections, %d readers' keys", len(k.Sections), len(k.Readers))
	}
	if len(desk.keys[1].Sections) != 1 {
		t.Fatal("the pinned key opens a kiosk's way to more")
	}
	card := newCard(t)
	o := order("i1", "3301-000001", 1)
	b.reg.Add("t1", o)
	if out := b.make(t, "t1", o, card, card.ATR()); !out.OK {
		t.Fatalf("%+v", out)
	}
	card.Insert()
	items, err := console.open(t, b, card)
	if err != nil || items[credential.ItemBirth] != o.Items[3] || items[credential.ItemNumber] != o.Items[4] || items[credential.ItemName] != o.Items[1] {
		t.Fatalf("%v %v", items, err)
	}
	b.reg.DropDevice(console.id) // somebody puts a key of his own in its place
	thief := b.enrol(t, api.ConsoleDevice)
	if round(); b.reg.Sealed(thief.id) != nil {
		t.Fatal("keys for a key that took the console's place")
	}
}
