package credential

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
)

// readingKeyWire is a reading key in clear.
type readingKeyWire struct {
	Epoch uint16 `cbor:"1,keyasint"`
	Suite int    `cbor:"2,keyasint"`
	Key   []byte `cbor:"3,keyasint"`
}

const x25519Size = 32

// SealKey encrypts a reading key to a device: an ephemeral X25519 key, HKDF-SHA-256, AES-256-GCM. recipient is the device's X25519 public key, 32 bytes.
// The result is the ephemeral public key (32 bytes) ‖ ciphertext.
func SealKey(recipient []byte, k ReadingKey, rand io.Reader) ([]byte, error) {
	d, err := suiteOf(k.Suite)
	if err != nil {
		return nil, err
	}
	if len(k.Key) != d.keySize {
		return nil, fmt.Errorf("%w: reading key of %d bytes", ErrValue, len(k.Key))
	}
	to, err := ecdh.X25519().NewPublicKey(recipient)
	if err != nil {
		return nil, fmt.Errorf("%w: recipient is not an X25519 key", ErrValue)
	}
	raw := make([]byte, x25519Size)
	defer clear(raw)
	if _, err := io.ReadFull(rand, raw); err != nil {
		return nil, err
	}
	ephemeral, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return nil, err
	}
	shared, err := ephemeral.ECDH(to)
	if err != nil {
		return nil, fmt.Errorf("%w: recipient is a weak X25519 key", ErrValue)
	}
	plain, err := encMode.Marshal(readingKeyWire{k.Epoch, d.wire, k.Key})
	if err != nil {
		return nil, err
	}
	from := ephemeral.PublicKey().Bytes()
	key, err := wrapKey(shared, from, recipient)
	if err != nil {
		return nil, err
	}
	gcm, err := newAES(key)
	if err != nil {
		return nil, err
	}
	// The key serves this one message, so a nonce of zeros repeats never.
	return gcm.Seal(from, make([]byte, nonceSize), plain, []byte(infoReadingKey)), nil
}

// OpenKey opens what SealKey made. private is the device's X25519 private key, 32 bytes.
func OpenKey(private []byte, sealed []byte) (ReadingKey, error) {
	if len(sealed) <= x25519Size || len(sealed) > maxSealedKey {
		return ReadingKey{}, fmt.Errorf("%w: sealed reading key of %d bytes", ErrFormat, len(sealed))
	}
	mine, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return ReadingKey{}, fmt.Errorf("%w: not an X25519 private key", ErrValue)
	}
	from, err := ecdh.X25519().NewPublicKey(sealed[:x25519Size])
	if err != nil {
		return ReadingKey{}, fmt.Errorf("%w: sealed reading key", ErrFormat)
	}
	shared, err := mine.ECDH(from)
	if err != nil {
		return ReadingKey{}, fmt.Errorf("%w: sealed reading key", ErrFormat)
	}
	key, err := wrapKey(shared, sealed[:x25519Size], mine.PublicKey().Bytes())
	if err != nil {
		return ReadingKey{}, err
	}
	gcm, err := newAES(key)
	if err != nil {
		return ReadingKey{}, err
	}
	plain, err := gcm.Open(nil, make([]byte, nonceSize), sealed[x25519Size:], []byte(infoReadingKey))
	if err != nil {
		return ReadingKey{}, fmt.Errorf("%w: reading key is for another device", ErrSealed)
	}
	var w readingKeyWire
	if err := decodeExact(plain, &w); err != nil {
		return ReadingKey{}, err
	}
	d, err := suiteOfWire(w.Suite)
	if err != nil {
		return ReadingKey{}, err
	}
	if len(w.Key) != d.keySize {
		return ReadingKey{}, fmt.Errorf("%w: reading key of %d bytes", ErrFormat, len(w.Key))
	}
	return ReadingKey{Epoch: w.Epoch, Suite: d.name, Key: w.Key}, nil
}

// wrapKey is HKDF-SHA-256 of the shared secret, salted with both public keys.
func wrapKey(shared, from, to []byte) ([]byte, error) {
	salt := append(append(make([]byte, 0, 2*x25519Size), from...), to...)
	return hkdf.Key(sha256.New, shared, salt, infoReadingKey, 32)
}
