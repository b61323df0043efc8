package cardtest

import (
	"testing"

	"xueji/cardsvc/credential"
)

func TestAuthority(t *testing.T) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		a := NewAuthority(t, "330000", suite)
		v := Verifier(t, a)
		chip := []byte{1, 2, 3, 4, 5, 6, 7, 8}
		record, sealed := a.Issue(t, chip, 1, nil)
		p, r := v.Check(record, chip, Now)
		if r.Verdict != credential.Valid || r.ListStale {
			t.Fatal(suite, r)
		}
		items, err := credential.OpenItems(sealed, a.Keys(), p)
		if err != nil || items[credential.ItemName] != "欧阳𬀩" {
			t.Fatal(items, err)
		}
		t.Logf("%s record %d sealed %d cert %d", suite, len(record), len(sealed), len(a.Certificate))
	}
}
