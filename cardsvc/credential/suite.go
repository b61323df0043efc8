package credential

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
	"github.com/veraison/go-cose"
)

// Errors of this package. Texts carry no personal data and no key.
var (
	ErrFormat    = errors.New("credential: not in the format of docs/card-format.md")
	ErrValue     = errors.New("credential: a value the format cannot carry")
	ErrTooLarge  = errors.New("credential: too large for its slot on the card")
	ErrSignature = errors.New("credential: signature does not verify")
	ErrUntrusted = errors.New("credential: not under a pinned root")
	ErrNoKey     = errors.New("credential: no reading key of that epoch on this device")
	ErrSealed    = errors.New("credential: the sealed record does not open")
	ErrDigest    = errors.New("credential: a sealed item is not the one that was signed")
	ErrOlderList = errors.New("credential: status list is not newer than the one kept")
	ErrSuite     = errors.New("credential: unknown suite")
)

// COSE algorithm numbers. SM2 and SM4 have none registered: they take numbers of the private-use range (below -65536, RFC 9053 §11).
const (
	algES256   = cose.AlgorithmES256 // -7
	algSM2     = cose.Algorithm(-65537)
	algA256GCM = 3
	algSM4GCM  = -65538
)

// suiteDef is everything that differs between the suites; nothing else in the package asks which suite it has.
type suiteDef struct {
	name    Suite
	wire    int // number inside certificates, roots and sealed reading keys
	sign    cose.Algorithm
	seal    int64
	keySize int // of a reading key, bytes
	newHash func() hash.Hash
	newGCM  func(key []byte) (cipher.AEAD, error)
	curve   func() elliptic.Curve
}

var suiteDefs = [...]suiteDef{
	{ES256, 1, algES256, algA256GCM, 32, sha256.New, newAES, elliptic.P256},
	{SM2, 2, algSM2, algSM4GCM, 16, sm3.New, newSM4, sm2.P256},
}

func suiteBy(match func(*suiteDef) bool) (*suiteDef, error) {
	for i := range suiteDefs {
		if match(&suiteDefs[i]) {
			return &suiteDefs[i], nil
		}
	}
	return nil, ErrSuite
}

func suiteOf(s Suite) (*suiteDef, error) {
	return suiteBy(func(d *suiteDef) bool { return d.name == s })
}

func suiteOfWire(n int) (*suiteDef, error) {
	return suiteBy(func(d *suiteDef) bool { return d.wire == n })
}

func suiteOfAlg(a cose.Algorithm) (*suiteDef, error) {
	return suiteBy(func(d *suiteDef) bool { return d.sign == a })
}

func newAES(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

func newSM4(key []byte) (cipher.AEAD, error) {
	b, err := sm4.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// ReadingKeySize is the length in bytes of a suite's reading key; 0 for an unknown suite.
func ReadingKeySize(s Suite) int {
	d, err := suiteOf(s)
	if err != nil {
		return 0
	}
	return d.keySize
}

// NewReadingKey draws the reading key of an epoch.
func NewReadingKey(epoch uint16, s Suite, rand io.Reader) (ReadingKey, error) {
	d, err := suiteOf(s)
	if err != nil {
		return ReadingKey{}, err
	}
	key := make([]byte, d.keySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return ReadingKey{}, err
	}
	return ReadingKey{Epoch: epoch, Suite: s, Key: key}, nil
}

// KeyIDOf is the id of a public key: the first 8 bytes of the suite's hash over the uncompressed point. Every Signer must give this id.
func KeyIDOf(s Suite, publicKey []byte) ([KeyIDSize]byte, error) {
	var id [KeyIDSize]byte
	d, err := suiteOf(s)
	if err != nil {
		return id, err
	}
	h := d.newHash()
	h.Write(publicKey)
	copy(id[:], h.Sum(nil))
	return id, nil
}

// publicKey checks signatures of one key.
type publicKey struct {
	suite *suiteDef
	key   *ecdsa.PublicKey
}

// parsePublic reads an uncompressed point of 65 bytes and checks that it is on the suite's curve.
func parsePublic(s Suite, point []byte) (*publicKey, error) {
	d, err := suiteOf(s)
	if err != nil {
		return nil, err
	}
	if len(point) != publicKeySize {
		return nil, fmt.Errorf("%w: a public key of %d bytes", ErrFormat, len(point))
	}
	var key *ecdsa.PublicKey
	if d.name == SM2 {
		key, err = sm2.NewPublicKey(point)
	} else {
		key, err = ecdsa.ParseUncompressedPublicKey(d.curve(), point)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: public key is not on the curve", ErrFormat)
	}
	return &publicKey{d, key}, nil
}

const publicKeySize = 65

// Algorithm and Verify make publicKey a cose.Verifier.
func (p *publicKey) Algorithm() cose.Algorithm { return p.suite.sign }

func (p *publicKey) Verify(content, signature []byte) error {
	if len(signature) != SignatureSize {
		return cose.ErrVerification
	}
	r := new(big.Int).SetBytes(signature[:32])
	s := new(big.Int).SetBytes(signature[32:])
	var ok bool
	if p.suite.name == SM2 {
		digest, err := sm2.CalculateSM2Hash(p.key, content, nil) // default user id 1234567812345678 (GM/T 0009)
		if err != nil {
			return cose.ErrVerification
		}
		ok = sm2.Verify(p.key, digest, r, s)
	} else {
		digest := sha256.Sum256(content)
		ok = ecdsa.Verify(p.key, digest[:], r, s)
	}
	if !ok {
		return cose.ErrVerification
	}
	return nil
}
