package perso_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/securemsg"
	"xueji/issuer/internal/custody"
)

// kiosk is an enrolled device with whatever it ever fetched: a thief does not forget.
type kiosk struct {
	id   string
	key  *ecdh.PrivateKey
	keys map[uint16]credential.DeviceKeys
}

func (b *bench) enrol(t *testing.T, id string) *kiosk {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b.reg.AddDevice(id, key.PublicKey().Bytes())
	return &kiosk{id, key, map[uint16]credential.DeviceKeys{}}
}

func (k *kiosk) fetch(t *testing.T, b *bench) {
	t.Helper()
	for epoch, sealed := range b.reg.Sealed(k.id) {
		keys, err := credential.OpenKeys(k.key.Bytes(), sealed)
		if err != nil || keys.Epoch != epoch {
			t.Fatal(err)
		}
		k.keys[epoch] = keys
	}
}

// open is what this kiosk sees of the card on its reader.
func (k *kiosk) open(t *testing.T, b *bench, card applet.Transmitter) (credential.Items, error) {
	t.Helper()
	p, _ := b.set.Get(cardsim.Profile)
	var opts []applet.Option
	for _, keys := range k.keys { // any epoch's delivery: readers' keys are of none
		if keys.Authority != "330000" || len(keys.Readers) < 5 || len(keys.Readers[p.Name]) == 0 {
			t.Fatalf("readers' keys of authority %q: %d", keys.Authority, len(keys.Readers))
		}
		opts = append(opts, applet.WithReaderKeys(applet.ReaderKeys(p, securemsg.NewSecret(keys.Readers[p.Name]), rand.Reader)))
	}
	r, err := applet.Read(context.Background(), card, p, opts...)
	if err != nil {
		t.Fatal(err)
	}
	public, err := credential.Decode(r.Record)
	if err != nil {
		t.Fatal(err)
	}
	return credential.OpenItems(r.Sealed, k.keys, public)
}

// TestRevokedDeviceLosesTheNextEpoch: a stolen kiosk opens the desk's section of cards of its epoch and nothing of the next one's, while an honest one opens both; no kiosk
// opens the registrar's section; and an epoch without good cards is given to nobody.
func TestRevokedDeviceLosesTheNextEpoch(t *testing.T) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		t.Run(string(suite), func(t *testing.T) {
			ctx := context.Background()
			b := setUp(t, suite)
			dir := filepath.Dir(b.path)
			round := func() {
				t.Helper()
				if err := b.keeper.Round(ctx); err != nil {
					t.Fatal(err)
				}
			}
			stolen, honest := b.enrol(t, "k-stolen"), b.enrol(t, "k-honest")
			round()
			stolen.fetch(t, b)
			honest.fetch(t, b)

			card := newCard(t)
			o := order("i1", "3301-000001", 1)
			o.Items[10] = "1234"
			b.reg.Add("t1", o)
			if out := b.make(t, "t1", o, card, card.ATR()); !out.OK {
				t.Fatalf("%+v", out)
			}
			b.reg.SetGood(map[uint16]int{1: 1})
			for _, k := range []*kiosk{stolen, honest} {
				got, err := k.open(t, b, card)
				if err != nil || got[credential.ItemName] != "欧阳𬀩" || got[credential.ItemTail] != "1234" {
					t.Fatalf("%s: %v %v", k.id, got, err)
				}
				for _, item := range []credential.Item{credential.ItemNumber, credential.ItemBirth, credential.ItemSex} {
					if _, seen := got[item]; seen {
						t.Fatalf("%s sees item %d", k.id, item)
					}
				}
			}

			// The theft is reported; the next epoch begins; the issuer is started again.
			b.reg.DropDevice(stolen.id)
			f, err := custody.OpenFolder(dir)
			if err != nil {
				t.Fatal(err)
			}
			if epoch, err := f.NewEpoch(); err != nil || epoch != 2 {
				t.Fatal(epoch, err)
			}
			if b.vault, err = custody.Open(dir); err != nil {
				t.Fatal(err)
			}
			b.restart(t)
			round()
			if e := b.reg.Epochs(); e.Newest != 2 || !slices.Equal(e.Kept, []uint16{1, 2}) {
				t.Fatalf("%+v", e)
			}
			stolen.fetch(t, b)
			honest.fetch(t, b)
			if len(stolen.keys) != 1 || len(honest.keys) != 2 {
				t.Fatalf("%d and %d epochs", len(stolen.keys), len(honest.keys))
			}
			if _, err := stolen.open(t, b, card); err != nil {
				t.Fatal("a card that was not rewritten yet: what the thief holds opens it still", err)
			}

			// The next tap rewrites the card, though nothing else changed.
			re := o
			re.Kind, re.Sequence, re.ChipHash = "rewrite", 2, chipHash(card.Serial())
			b.reg.Add("t2", re)
			card.Insert()
			if out := b.make(t, "t2", re, card, card.ATR()); !out.OK || out.Sequence != 2 {
				t.Fatalf("%+v", out)
			}
			if _, err := stolen.open(t, b, card); !errors.Is(err, credential.ErrNoKey) {
				t.Fatal("the revoked kiosk on a card of the next epoch:", err)
			}
			if got, err := honest.open(t, b, card); err != nil || got[credential.ItemName] != "欧阳𬀩" {
				t.Fatal("the enrolled kiosk:", err)
			}
			b.check(t, card, cardsim.Profile, re)

			// No good card is left on the first epoch: its keys are taken back, a new kiosk gets those of the second alone.
			b.reg.SetGood(map[uint16]int{2: 1})
			fresh := b.enrol(t, "k-new")
			round()
			fresh.fetch(t, b)
			if got := b.reg.Sealed(honest.id); len(got) != 1 || got[2] == nil || len(fresh.keys) != 1 {
				t.Fatalf("%d epochs of the honest kiosk on the server, %d of the new one", len(got), len(fresh.keys))
			}
			// A report that was late brings a card of the first epoch back.
			b.reg.SetGood(map[uint16]int{1: 1, 2: 1})
			round()
			if len(b.reg.Sealed(fresh.id)) != 2 {
				t.Fatal("the first epoch is not given out again")
			}
			// Its key is destroyed by command: then by nobody, whatever stands on it.
			if err := f.RetireEpoch(2); err == nil {
				t.Fatal("the newest epoch retired")
			}
			if err := f.RetireEpoch(1); err != nil {
				t.Fatal(err)
			}
			if b.vault, err = custody.Open(dir); err != nil {
				t.Fatal(err)
			}
			b.restart(t)
			round()
			if len(b.reg.Sealed(fresh.id)) != 1 || len(b.vault.ReadingKeys()) != 1 {
				t.Fatal("a retired epoch is given out")
			}
			if err := f.RetireEpoch(1); err == nil {
				t.Fatal("retired twice")
			}
		})
	}
}
