package credential_test

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"testing"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"

	"pgregory.net/rapid"
)

// TestMinimums: whatever minimum sequences are signed come back, few or many, and a card below its own is rolled back.
func TestMinimums(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(rapid.Uint32Range(0, 1<<26-1), rapid.Uint32Min(1), 0, 600).Draw(t, "minimums")
		if rapid.Bool().Draw(t, "dense") {
			for i := range uint32(400) {
				want[i] = i%3 + 1
			}
		}
		l, err := credential.SignStatusList(credential.StatusList{Authority: "330000", Number: 1, Issued: cardtest.Now, Expires: cardtest.Now.AddDate(0, 0, 7), MinSeq: want}, a.Issuing)
		if err != nil {
			t.Fatal(err)
		}
		got, err := credential.DecodeStatusList(l)
		if err != nil || !maps.Equal(got.MinSeq, want) {
			t.Fatalf("%d of %d minimums: %v", len(got.MinSeq), len(want), err)
		}
	})
	many := map[uint32]uint32{17: 3}
	for i := range uint32(1000) {
		many[100+2*i] = 2
	}
	v := cardtest.Verifier(t, a)
	if err := v.SetStatusList(a.StatusList(t, 2, nil, many)); err != nil {
		t.Fatal(err)
	}
	chip := []byte{1, 2, 3, 4}
	for seq, want := range map[uint32]credential.Verdict{2: credential.RolledBack, 3: credential.Valid, 4: credential.Valid} {
		record, _ := a.Issue(t, chip, seq, nil)
		if _, r := v.Check(record, chip, cardtest.Now); r.Verdict != want {
			t.Errorf("sequence %d below a minimum of 3: %s", seq, r.Verdict)
		}
	}
}

// TestListSize states what a province's list weighs: a million cards, one in a hundred revoked, one in ten rewritten once or twice. docs/card-format.md §6 names
// the figure.
func TestListSize(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	var revoked []uint32
	rewritten := map[uint32]uint32{}
	x := uint32(1)
	for i := range uint32(1_000_000) {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		switch {
		case x%100 == 0:
			revoked = append(revoked, i)
		case x%10 == 1:
			rewritten[i] = 2 + x>>3%8/7
		}
	}
	none, both := a.StatusList(t, 1, revoked, nil), a.StatusList(t, 1, revoked, rewritten)
	t.Logf("%d revoked: %d bytes; with %d rewritten: %d bytes", len(revoked), len(none), len(rewritten), len(both))
	if len(both) > 110<<10 {
		t.Fatalf("%d bytes: the documentation says less", len(both))
	}
}

// FuzzAttested: nothing but the word that the issuer signed on this record and this tap passes.
func FuzzAttested(f *testing.F) {
	a := cardtest.NewAuthority(f, "330000", credential.ES256)
	record, _ := a.Issue(f, []byte{1, 2, 3, 4}, 1, nil)
	nonce := [credential.NonceSize]byte{1}
	good, err := credential.Attestation{Record: sha256.Sum256(record), Nonce: nonce, At: cardtest.Now, Level: 2}.Sign(a.Issuing)
	if err != nil {
		f.Fatal(err)
	}
	flips(f, good)
	v := cardtest.Verifier(f, a)
	if got, err := v.Attested(good, record, nonce); err != nil || got.Level != 2 || !got.At.Equal(cardtest.Now) {
		f.Fatalf("%+v %v", got, err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := v.Attested(b, record, nonce); err == nil && !bytes.Equal(b, good) {
			t.Fatal("a word that nobody gave")
		}
	})
}
