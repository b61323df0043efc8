package credential_test

import (
	"bytes"
	"errors"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
)

// TestSections: whatever stands on a card, the keys of a section open its items and nothing of another section; an item's digest tells nothing to who has not its salt.
func TestSections(t *testing.T) {
	for _, suite := range suites {
		a := cardtest.NewAuthority(t, "330000", suite)
		desk, registrar := a.KeysOf(credential.SectionDesk), a.KeysOf(credential.SectionRegistrar)
		if bytes.Equal(desk[1].Sections[credential.SectionDesk], registrar[1].Sections[credential.SectionRegistrar]) {
			t.Fatal("one key for both sections")
		}
		rapid.Check(t, func(t *rapid.T) {
			items := credential.Items{}
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 23), 0, 12, rapid.ID).Draw(t, "items") {
				items[credential.Item(n)] = rapid.StringMatching(`[0-9a-z]{0,12}`).Draw(t, "text")
			}
			p := cardtest.Public(chip, 3)
			var sealed []byte
			var err error
			if sealed, p.Digests, err = credential.SealItems(items, a.Reading, p.CardNo, p.Sequence, cardtest.Deterministic("sections")); err != nil {
				t.Fatal(err)
			}
			of := func(s credential.Section) credential.Items {
				out := maps.Clone(items)
				maps.DeleteFunc(out, func(i credential.Item, _ string) bool { return i.Section() != s })
				return out
			}
			for section, keys := range map[credential.Section]map[uint16]credential.DeviceKeys{credential.SectionDesk: desk, credential.SectionRegistrar: registrar} {
				got, err := credential.OpenItems(sealed, keys, p)
				if err != nil || !maps.Equal(got, of(section)) {
					t.Fatalf("section %d: %v %v", section, got, err)
				}
			}
			// A key under another section's name opens nothing.
			wrong := map[uint16]credential.DeviceKeys{1: {Epoch: 1, Suite: suite, Sections: map[credential.Section]credential.Secret{
				credential.SectionRegistrar: desk[1].Sections[credential.SectionDesk]}}}
			if _, err := credential.OpenItems(sealed, wrong, p); !errors.Is(err, credential.ErrSealed) {
				t.Fatal("the desk's key opened the registrar's section:", err)
			}
			// Sections of two cards do not mix, nor change places.
			q := p
			q.Sequence++
			if _, err := credential.OpenItems(sealed, desk, q); !errors.Is(err, credential.ErrSealed) {
				t.Fatal(err)
			}
		})
	}
}

// TestEpochs: the keys of one epoch open no card of another.
func TestEpochs(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.SM2)
	next, err := credential.NewReadingKey(2, credential.SM2, cardtest.Deterministic("next"))
	if err != nil {
		t.Fatal(err)
	}
	p := cardtest.Public(chip, 1)
	p.Epoch = 2
	sealed, digests, err := credential.SealItems(cardtest.Items(), next, p.CardNo, p.Sequence, cardtest.Deterministic("x"))
	if err != nil {
		t.Fatal(err)
	}
	p.Digests = digests
	if _, err := credential.OpenItems(sealed, a.Keys(), p); !errors.Is(err, credential.ErrNoKey) {
		t.Error("with the keys of the epoch before:", err)
	}
	old := a.Keys()[1]
	old.Epoch = 2
	if _, err := credential.OpenItems(sealed, map[uint16]credential.DeviceKeys{2: old}, p); !errors.Is(err, credential.ErrSealed) {
		t.Error("the old keys under the new number:", err)
	}
	if e, err := credential.EpochOf(sealed); err != nil || e != 2 {
		t.Error(e, err)
	}
	p.Epoch = 1
	if _, err := credential.OpenItems(sealed, a.Keys(), p); !errors.Is(err, credential.ErrSealed) {
		t.Error("an epoch that was not signed:", err)
	}
}
