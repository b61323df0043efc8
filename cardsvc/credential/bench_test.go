package credential_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
)

// BenchmarkCheck judges a record and reports the ratio to the bare signature check measured in the same run.
func BenchmarkCheck(b *testing.B) {
	for _, suite := range suites {
		b.Run(string(suite), func(b *testing.B) {
			a := cardtest.NewAuthority(b, "330000", suite)
			v := cardtest.Verifier(b, a)
			record, sealed := a.Issue(b, chip, 1, nil)
			bare := bareVerify(b, a.Issuing)
			const rounds = 200
			start := time.Now()
			for range rounds {
				bare()
			}
			limit := float64(time.Since(start).Nanoseconds()) / rounds
			b.ReportAllocs()
			for b.Loop() {
				if _, r := v.Check(record, chip, cardtest.Now); r.Verdict != credential.Valid {
					b.Fatal(r)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/limit, "x-bare-verify")
			b.ReportMetric(float64(len(record)), "B/record")
			b.ReportMetric(float64(len(sealed)), "B/sealed")
		})
	}
}

// bareVerify is the signature check alone, over a message of a record's size.
func bareVerify(b *testing.B, k *credential.PrivateKey) func() {
	message := make([]byte, 300)
	sig, err := k.Sign(message)
	if err != nil {
		b.Fatal(err)
	}
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	if k.Suite() == credential.SM2 {
		pub, err := sm2.NewPublicKey(k.PublicKey())
		if err != nil {
			b.Fatal(err)
		}
		return func() {
			digest, err := sm2.CalculateSM2Hash(pub, message, nil)
			if err != nil || !sm2.Verify(pub, digest, r, s) {
				b.Fatal("bare SM2")
			}
		}
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), k.PublicKey())
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		digest := sha256.Sum256(message)
		if !ecdsa.Verify(pub, digest[:], r, s) {
			b.Fatal("bare ES256")
		}
	}
}

func BenchmarkOpenItems(b *testing.B) {
	for _, suite := range suites {
		b.Run(string(suite), func(b *testing.B) {
			a := cardtest.NewAuthority(b, "330000", suite)
			record, sealed := a.Issue(b, chip, 1, nil)
			p, err := credential.Decode(record)
			if err != nil {
				b.Fatal(err)
			}
			keys := a.Keys()
			for b.Loop() {
				if _, err := credential.OpenItems(sealed, keys, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
