package readerkey_test

import (
	"encoding/hex"
	"testing"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/readerkey"
)

// TestOf: the chip's key is the one of docs/card-format.md §10, and for every kind of card the one that a reader with the card in hand makes.
func TestOf(t *testing.T) {
	k, err := readerkey.Load()
	if err != nil {
		t.Fatal(err)
	}
	reader, _ := hex.DecodeString("8565860890d038a431e7c224d96cdb4b")
	serial, _ := hex.DecodeString("04a1b2c3d4e5f607")
	if got, err := k.Of("xueji-soft", reader, serial); err != nil || hex.EncodeToString(got) != "3990bf81ecfbb3198cb00e924759f867" {
		t.Fatalf("%x %v", []byte(got), err)
	}
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range set.All() {
		if p.Guards() != k.Guards(p.Name) {
			t.Errorf("%s: guards %v", p.Name, k.Guards(p.Name))
		}
		got, err := k.Of(p.Name, cardtest.Reader(p, "").Reveal(), serial)
		if !p.Guards() {
			if err == nil {
				t.Errorf("%s: a key for a card that has no lock", p.Name)
			}
			continue
		}
		d, err2 := p.Diversifier(serial)
		want, err3 := cardtest.ReaderKeys(p).Derive(profiles.ReadKey, d)
		if err != nil || err2 != nil || err3 != nil || string(got) != string(want.Reveal()) {
			t.Errorf("%s: %v %v %v", p.Name, err, err2, err3)
		}
	}
	if _, err := k.Of("no-such", reader, serial); err == nil {
		t.Error("a key of a profile that nobody knows")
	}
	if _, err := k.Of("xueji-soft", reader[:15], serial); err == nil {
		t.Error("a key of 15 bytes was taken")
	}
}
