package credential

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
)

// deviceKeysWire are a device's keys in clear.
type deviceKeysWire struct {
	Epoch    uint16         `cbor:"1,keyasint"`
	Suite    int            `cbor:"2,keyasint"`
	Sections map[int][]byte `cbor:"3,keyasint"`
	// Both or neither.
	Readers   map[string][]byte `cbor:"4,keyasint,omitempty"`
	Authority string            `cbor:"5,keyasint,omitempty"`
}

// goodReaders says that readers' keys have their form.
func goodReaders(keys map[string][]byte, authority string) bool {
	if len(keys) > MaxReaders || (len(keys) == 0) != (authority == "") || authority != "" && len(authority) != 6 {
		return false
	}
	for profile, key := range keys {
		if len(profile) == 0 || len(profile) > maxProfile || len(key) != ReaderKeySize {
			return false
		}
	}
	return true
}

// For derives the keys of the given sections. From them neither the reading key nor another section's key can be found.
func (k ReadingKey) For(sections ...Section) (DeviceKeys, error) {
	d, err := suiteOf(k.Suite)
	if err != nil {
		return DeviceKeys{}, err
	}
	out := DeviceKeys{Epoch: k.Epoch, Suite: k.Suite, Sections: map[Section]Secret{}}
	for _, s := range sections {
		if out.Sections[s], err = k.section(d, s); err != nil {
			return DeviceKeys{}, err
		}
	}
	return out, nil
}

// section is HKDF-H of the reading key, without salt; the info names the purpose and the section.
func (k ReadingKey) section(d *suiteDef, s Section) (Secret, error) {
	if len(k.Key) != d.keySize {
		return nil, fmt.Errorf("%w: reading key of %d bytes", ErrValue, len(k.Key))
	}
	if !slices.Contains(Sections[:], s) {
		return nil, fmt.Errorf("%w: section %d", ErrValue, s)
	}
	return hkdf.Key(d.newHash, k.Key, nil, infoSection+string(rune(s)), d.keySize)
}

const x25519Size = 32

// SealKeys encrypts a device's keys to it: an ephemeral X25519 key, HKDF-SHA-256, AES-256-GCM. recipient is the device's X25519 public key, 32 bytes.
// The result is the ephemeral public key (32 bytes) ‖ ciphertext.
func SealKeys(recipient []byte, k DeviceKeys, rand io.Reader) ([]byte, error) {
	d, err := suiteOf(k.Suite)
	if err != nil {
		return nil, err
	}
	w := deviceKeysWire{Epoch: k.Epoch, Suite: d.wire, Sections: map[int][]byte{}, Authority: k.Authority}
	for profile, key := range k.Readers {
		if w.Readers == nil {
			w.Readers = map[string][]byte{}
		}
		w.Readers[profile] = key
	}
	if !goodReaders(w.Readers, w.Authority) {
		return nil, fmt.Errorf("%w: readers' keys", ErrValue)
	}
	for s, key := range k.Sections {
		if len(key) != d.keySize || !slices.Contains(Sections[:], s) {
			return nil, fmt.Errorf("%w: key of section %d, %d bytes", ErrValue, s, len(key))
		}
		w.Sections[int(s)] = key
	}
	if len(w.Sections) == 0 {
		return nil, fmt.Errorf("%w: no section", ErrValue)
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
	plain, err := encMode.Marshal(w)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
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

// OpenKeys opens what SealKeys made. private is the device's X25519 private key, 32 bytes.
func OpenKeys(private []byte, sealed []byte) (DeviceKeys, error) {
	if len(sealed) <= x25519Size || len(sealed) > maxSealedKey {
		return DeviceKeys{}, fmt.Errorf("%w: sealed reading key of %d bytes", ErrFormat, len(sealed))
	}
	mine, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return DeviceKeys{}, fmt.Errorf("%w: not an X25519 private key", ErrValue)
	}
	from, err := ecdh.X25519().NewPublicKey(sealed[:x25519Size])
	if err != nil {
		return DeviceKeys{}, fmt.Errorf("%w: sealed reading key", ErrFormat)
	}
	shared, err := mine.ECDH(from)
	if err != nil {
		return DeviceKeys{}, fmt.Errorf("%w: sealed reading key", ErrFormat)
	}
	key, err := wrapKey(shared, sealed[:x25519Size], mine.PublicKey().Bytes())
	if err != nil {
		return DeviceKeys{}, err
	}
	gcm, err := newAES(key)
	if err != nil {
		return DeviceKeys{}, err
	}
	plain, err := gcm.Open(nil, make([]byte, nonceSize), sealed[x25519Size:], []byte(infoReadingKey))
	if err != nil {
		return DeviceKeys{}, fmt.Errorf("%w: reading key is for another device", ErrSealed)
	}
	var w deviceKeysWire
	if err := decodeExact(plain, &w); err != nil {
		return DeviceKeys{}, err
	}
	d, err := suiteOfWire(w.Suite)
	if err != nil {
		return DeviceKeys{}, err
	}
	out := DeviceKeys{Epoch: w.Epoch, Suite: d.name, Sections: map[Section]Secret{}}
	for n, key := range w.Sections {
		if n < 1 || n > len(Sections) || len(key) != d.keySize {
			return DeviceKeys{}, fmt.Errorf("%w: key of section %d, %d bytes", ErrFormat, n, len(key))
		}
		out.Sections[Section(n)] = key
	}
	if len(out.Sections) == 0 {
		return DeviceKeys{}, fmt.Errorf("%w: no section", ErrFormat)
	}
	if !goodReaders(w.Readers, w.Authority) {
		return DeviceKeys{}, fmt.Errorf("%w: readers' keys", ErrFormat)
	}
	out.Authority = w.Authority
	for profile, key := range w.Readers {
		if out.Readers == nil {
			out.Readers = map[string]Secret{}
		}
		out.Readers[profile] = key
	}
	return out, nil
}

// wrapKey is HKDF-SHA-256 of the shared secret, salted with both public keys.
func wrapKey(shared, from, to []byte) ([]byte, error) {
	salt := append(append(make([]byte, 0, 2*x25519Size), from...), to...)
	return hkdf.Key(sha256.New, shared, salt, infoReadingKey, 32)
}
