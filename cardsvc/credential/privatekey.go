package credential

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/big"

	"encoding/asn1"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// PrivateKey is a signing key held in memory: a Signer for issuing keys and roots kept in a file. It never prints.
type PrivateKey struct {
	suite  *suiteDef
	public []byte
	id     [KeyIDSize]byte
	ec     *ecdsa.PrivateKey // ES256
	sm     *sm2.PrivateKey   // SM2
}

// GenerateKey draws a key of suite s from rand.
func GenerateKey(s Suite, rand io.Reader) (*PrivateKey, error) {
	d, err := suiteOf(s)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, 32)
	defer clear(raw)
	// A candidate is outside 1…n-1 once in 2^32: redraw, and give up on a source that cannot be random.
	for range 8 {
		if _, err := io.ReadFull(rand, raw); err != nil {
			return nil, err
		}
		if k, err := newPrivate(d, raw); err == nil {
			return k, nil
		}
	}
	return nil, errors.New("credential: the source of randomness gives no usable key")
}

// newPrivate makes a key of its 32-byte secret.
func newPrivate(d *suiteDef, raw []byte) (*PrivateKey, error) {
	k := &PrivateKey{suite: d}
	var err error
	if d.name == SM2 {
		if k.sm, err = sm2.NewPrivateKey(raw); err == nil {
			k.public, err = sm2Point(&k.sm.PublicKey)
		}
	} else {
		if k.ec, err = ecdsa.ParseRawPrivateKey(d.curve(), raw); err == nil {
			k.public, err = k.ec.PublicKey.Bytes()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: private key", ErrFormat)
	}
	k.id, err = KeyIDOf(d.name, k.public)
	return k, err
}

// sm2Point is the uncompressed point; the standard library's encoder knows its own curves only.
func sm2Point(key *ecdsa.PublicKey) ([]byte, error) {
	k, err := sm2.PublicKeyToECDH(key)
	if err != nil {
		return nil, err
	}
	return k.Bytes(), nil
}

// KeyID is the first 8 bytes of the suite's hash over PublicKey.
func (k *PrivateKey) KeyID() [KeyIDSize]byte { return k.id }

// Suite of the key.
func (k *PrivateKey) Suite() Suite { return k.suite.name }

// PublicKey is the uncompressed point, 65 bytes.
func (k *PrivateKey) PublicKey() []byte { return append([]byte(nil), k.public...) }

// Sign hashes message (SHA-256; SM3 with the default user id) and returns r‖s, 64 bytes. The nonce is derived as RFC 6979 says, so the same message gives
// the same signature and no bad source of randomness can leak the key.
func (k *PrivateKey) Sign(message []byte) ([]byte, error) {
	var der []byte
	var err error
	if k.sm != nil {
		var digest []byte
		if digest, err = sm2.CalculateSM2Hash(&k.sm.PublicKey, message, nil); err == nil {
			der, err = sm2.SignDeterministic(k.sm, digest, nil)
		}
	} else {
		digest := sha256.Sum256(message)
		der, err = k.ec.Sign(nil, digest[:], crypto.SHA256)
	}
	if err != nil {
		return nil, fmt.Errorf("credential: signing: %w", err)
	}
	var sig struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &sig); err != nil || len(rest) != 0 {
		return nil, fmt.Errorf("%w: signature", ErrFormat)
	}
	out := make([]byte, SignatureSize)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}

// MarshalBinary is the key as PKCS#8 DER, which openssl reads for both suites. Whoever writes it to a file sets mode 0600.
func (k *PrivateKey) MarshalBinary() ([]byte, error) {
	if k.sm != nil {
		return smx509.MarshalPKCS8PrivateKey(k.sm)
	}
	return smx509.MarshalPKCS8PrivateKey(k.ec)
}

// ParsePrivateKey reads what MarshalBinary wrote; the suite follows from the curve.
func ParsePrivateKey(der []byte) (*PrivateKey, error) {
	if len(der) > 1024 {
		return nil, fmt.Errorf("%w: private key of %d bytes", ErrFormat, len(der))
	}
	key, err := smx509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: private key is not PKCS#8", ErrFormat)
	}
	var raw []byte
	name := ES256
	switch key := key.(type) {
	case *sm2.PrivateKey:
		k, err := key.ECDH()
		if err != nil {
			return nil, fmt.Errorf("%w: private key", ErrFormat)
		}
		raw, name = k.Bytes(), SM2
	case *ecdsa.PrivateKey:
		if raw, err = key.Bytes(); err != nil {
			return nil, fmt.Errorf("%w: private key", ErrFormat)
		}
	default:
		return nil, fmt.Errorf("%w: private key of another kind", ErrFormat)
	}
	defer clear(raw)
	d, err := suiteOf(name)
	if err != nil {
		return nil, err
	}
	return newPrivate(d, raw)
}

const noPrint = "[private key]"

// errSecretText is the answer to whoever would write a secret as text; a silent stand-in would be read back as a key one day.
var errSecretText = errors.New("credential: a secret is not written as text: use MarshalBinary or SealKeys")

// String, GoString and Format give no secret away, whatever the verb.
func (*PrivateKey) String() string             { return noPrint }
func (*PrivateKey) GoString() string           { return noPrint }
func (*PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, noPrint) }

// MarshalText fails, and with it JSON, YAML and slog.
func (*PrivateKey) MarshalText() ([]byte, error) { return nil, errSecretText }

// Format gives nothing away, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText fails, and with it JSON, YAML and slog.
func (Secret) MarshalText() ([]byte, error) { return nil, errSecretText }
