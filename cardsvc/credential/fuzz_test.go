package credential_test

import (
	"bytes"
	"crypto/ecdh"
	"testing"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
)

func x25519Public(t testing.TB, private []byte) []byte {
	t.Helper()
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return k.PublicKey().Bytes()
}

// flips adds each seed and some of its cut and changed forms.
func flips(f *testing.F, seeds ...[]byte) {
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
		f.Add(s[:len(s)/2])
		for i := 0; i < len(s); i += 37 {
			b := bytes.Clone(s)
			b[i] ^= 0xFF
			f.Add(b)
		}
	}
}

// FuzzDecode signs whatever decodes anew: the bytes must come back but for key id and signature. No record it makes up may verify.
func FuzzDecode(f *testing.F) {
	a, b := cardtest.NewAuthority(f, "330000", credential.ES256), cardtest.NewAuthority(f, "330000", credential.SM2)
	es, _ := a.Issue(f, chip, 1, nil)
	sm, _ := b.Issue(f, chip, 1, nil)
	flips(f, es, sm)
	v := cardtest.Verifier(f, a)
	f.Fuzz(func(t *testing.T, record []byte) {
		p, err := credential.Decode(record)
		if _, r := v.Check(record, chip, cardtest.Now); r.Verdict == credential.Valid && !bytes.Equal(record[:len(record)-64], es[:len(es)-64]) {
			t.Fatal("a record nobody signed is valid")
		}
		if err != nil {
			return
		}
		signer := credential.Signer(a.Issuing)
		if p.Suite == credential.SM2 {
			signer = b.Issuing
		}
		again, err := p.Sign(signer)
		if err != nil {
			t.Fatalf("decoded and cannot be signed: %v", err)
		}
		// The same but for key id and signature (the last 64 bytes).
		id := signer.KeyID()
		want := bytes.Replace(record[:len(record)-64], p.KeyID[:], id[:], 1)
		if !bytes.Equal(again[:len(again)-64], want) {
			t.Fatalf("does not encode back\n%x\n%x", again[:len(again)-64], want)
		}
	})
}

func FuzzOpenItems(f *testing.F) {
	a := cardtest.NewAuthority(f, "330000", credential.ES256)
	record, sealed := a.Issue(f, chip, 1, nil)
	p, err := credential.Decode(record)
	if err != nil {
		f.Fatal(err)
	}
	flips(f, sealed)
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := credential.OpenItems(b, a.Keys(), p)
		if err == nil && (!bytes.Equal(b, sealed) || len(items) != 10) {
			t.Fatal("another sealed record opened")
		}
		_, _ = credential.EpochOf(b)
	})
}

func FuzzTrust(f *testing.F) {
	a := cardtest.NewAuthority(f, "330000", credential.ES256)
	roots, err := credential.EncodeRoots([]credential.Root{a.Pinned()})
	if err != nil {
		f.Fatal(err)
	}
	list := a.StatusList(f, 2, []uint32{3, 17, 900}, map[uint32]uint32{4: 2})
	sealedKey, err := credential.SealKeys(x25519Public(f, bytes.Repeat([]byte{7}, 32)), a.Keys()[1], cardtest.Deterministic("fuzz"))
	if err != nil {
		f.Fatal(err)
	}
	der, err := a.Root.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	flips(f, roots, list, a.Certificate, sealedKey, der)
	f.Fuzz(func(t *testing.T, b []byte) {
		v := cardtest.Verifier(t, a)
		if v.SetCertificates([][]byte{b}) == nil && !bytes.Equal(b, a.Certificate) {
			t.Fatal("a certificate nobody signed was taken")
		}
		v = cardtest.Verifier(t, a)
		if v.SetStatusList(b) == nil && !bytes.Equal(b, list) && !bytes.Equal(b, a.StatusList(t, 1, nil, nil)) {
			t.Fatal("a list nobody signed was taken")
		}
		if r, err := credential.DecodeRoots(b); err == nil {
			again, err := credential.EncodeRoots(r)
			if err != nil || !bytes.Equal(again, b) {
				t.Fatal("roots do not encode back")
			}
		}
		_, _ = credential.DecodeStatusList(b)
		_, _ = credential.DecodeCertificate(b)
		_, _ = credential.OpenKeys(bytes.Repeat([]byte{7}, 32), b)
		_, _ = credential.ParsePrivateKey(b)
	})
}
