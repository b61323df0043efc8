package exchange

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	gm "github.com/emmansun/gmsm/ecdh"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"xueji/cardsvc/credential"
)

// sealKey is the private half of a key that letters are enciphered to.
type sealKey interface {
	public() []byte
	secret() []byte
	agree(point []byte) ([]byte, error)
}

// curve is what differs between the suites.
type curve struct {
	keySize int
	newHash func() hash.Hash
	block   func([]byte) (cipher.Block, error)
	private func([]byte) (sealKey, error)
	check   func(point []byte) error
}

type nistKey struct{ *ecdh.PrivateKey }

func (k nistKey) public() []byte { return k.PublicKey().Bytes() }
func (k nistKey) secret() []byte { return k.Bytes() }
func (k nistKey) agree(point []byte) ([]byte, error) {
	p, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	return k.ECDH(p)
}

type gmKey struct{ *gm.PrivateKey }

func (k gmKey) public() []byte { return k.PublicKey().Bytes() }
func (k gmKey) secret() []byte { return k.Bytes() }
func (k gmKey) agree(point []byte) ([]byte, error) {
	p, err := gm.P256().NewPublicKey(point)
	if err != nil {
		return nil, err
	}
	return k.ECDH(p)
}

var curves = map[credential.Suite]*curve{
	credential.ES256: {keySize: 32, newHash: sha256.New, block: aes.NewCipher,
		private: func(b []byte) (sealKey, error) { k, err := ecdh.P256().NewPrivateKey(b); return nistKey{k}, err },
		check:   func(p []byte) error { _, err := ecdh.P256().NewPublicKey(p); return err }},
	credential.SM2: {keySize: 16, newHash: sm3.New, block: sm4.NewCipher,
		private: func(b []byte) (sealKey, error) { k, err := gm.P256().NewPrivateKey(b); return gmKey{k}, err },
		check:   func(p []byte) error { _, err := gm.P256().NewPublicKey(p); return err }},
}

func curveOf(s credential.Suite) (*curve, error) {
	c, ok := curves[s]
	if !ok {
		return nil, ErrSuite
	}
	return c, nil
}

// generate draws a key; a candidate outside the group's order is redrawn.
func (c *curve) generate(rand io.Reader) (sealKey, error) {
	raw := make([]byte, 32)
	var err error
	for range 8 {
		if _, err = io.ReadFull(rand, raw); err != nil {
			return nil, err
		}
		var k sealKey
		if k, err = c.private(append([]byte(nil), raw...)); err == nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("exchange: the source of randomness gives no usable key: %w", err)
}

// gcm is the cipher of one message: HKDF of the shared secret, salted with both points.
func (c *curve) gcm(shared, from, to []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(c.newHash, shared, append(append([]byte(nil), from...), to...), "xueji.exchange.seal.1", c.keySize)
	if err != nil {
		return nil, err
	}
	b, err := c.block(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// pointSize is an uncompressed point in bytes; sealOverhead what a sealed letter has more than the letter.
const (
	pointSize    = 65
	sealOverhead = pointSize + 16
)

// sealTo enciphers to a peer: a fresh point ‖ ciphertext. The key serves this one message, so a nonce of zeros repeats never.
func sealTo(p Public, plain, aad []byte, rand io.Reader) ([]byte, error) {
	c, err := curveOf(p.Suite)
	if err != nil {
		return nil, err
	}
	once, err := c.generate(rand)
	if err != nil {
		return nil, err
	}
	shared, err := once.agree(p.Seal)
	if err != nil {
		return nil, fmt.Errorf("%w: the peer's sealing key", ErrFormat)
	}
	from := once.public()
	g, err := c.gcm(shared, from, p.Seal)
	if err != nil {
		return nil, err
	}
	return g.Seal(from, make([]byte, g.NonceSize()), plain, aad), nil
}

func (i *Identity) open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < sealOverhead {
		return nil, ErrFormat
	}
	c, err := curveOf(i.Suite)
	if err != nil {
		return nil, err
	}
	shared, err := i.seal.agree(sealed[:pointSize])
	if err != nil {
		return nil, ErrSealed
	}
	g, err := c.gcm(shared, sealed[:pointSize], i.Public.Seal)
	if err != nil {
		return nil, err
	}
	plain, err := g.Open(nil, make([]byte, g.NonceSize()), sealed[pointSize:], aad)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	h := hex.EncodeToString(sum[:16])
	var out []string
	for i := 0; i < len(h); i += 4 {
		out = append(out, h[i:i+4])
	}
	return strings.Join(out, " ")
}
