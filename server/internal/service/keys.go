package service

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"xueji/server/internal/match"
	"xueji/server/internal/pki"
	"xueji/server/registry"
	"xueji/server/vault"
)

// Keys are the server's own secrets: the blind index over identity documents, the receipt key and the key of CSRF tokens. They never print.
// Servers that share a database share this file: another blind index would let a document in twice.
type Keys struct {
	blind   []byte
	match   []byte
	csrf    []byte
	guard   []byte // counts of tries, device cookies, secrets of second factors
	receipt ed25519.PrivateKey
	ca      *pki.CA          // names the server to devices, and devices to the server
	office  *ecdh.PrivateKey // outboxes carried on a stick are sealed to it
	reading *ecdh.PrivateKey // keys of cards' sealed records are sealed to it
}

func (*Keys) String() string   { return "[keys]" }
func (*Keys) GoString() string { return "[keys]" }

// keyFileSize is one seed in bytes; everything else is derived from it.
const keyFileSize = 32

// LoadKeys reads dir/server.key, making it (mode 0600, synced to disk) when it is not there. A file that others may read is refused.
func LoadKeys(dir string) (*Keys, error) {
	path := filepath.Join(dir, "server.key")
	seed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed = make([]byte, keyFileSize)
		rand.Read(seed)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) { // another process was first
			return LoadKeys(dir)
		}
		if err != nil {
			return nil, err
		}
		_, err = f.Write(seed)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return nil, err
		}
		return NewKeys(seed)
	}
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := vault.Private(path, st.Mode()); err != nil {
		return nil, err
	}
	return NewKeys(seed)
}

// NewKeys derives the keys from a seed of 32 bytes (HKDF-SHA-256, one label each).
func NewKeys(seed []byte) (*Keys, error) {
	if len(seed) != keyFileSize {
		return nil, fmt.Errorf("server key: %d bytes instead of %d", len(seed), keyFileSize)
	}
	derive := func(label string) ([]byte, error) { return hkdf.Key(sha256.New, seed, nil, "xueji/"+label+"/1", 32) }
	blind, err1 := derive("blind-index")
	pairing, err0 := derive("match")
	csrf, err2 := derive("csrf")
	receipt, err3 := derive("receipt")
	seal, err4 := derive("office")
	guard, err5 := derive("guard")
	authority, err6 := derive("authority")
	if err := errors.Join(err0, err1, err2, err3, err4, err5, err6); err != nil {
		return nil, err
	}
	ca, err := pki.New(authority)
	if err != nil {
		return nil, err
	}
	office, err := ecdh.X25519().NewPrivateKey(seal)
	if err != nil {
		return nil, err
	}
	console, err := derive("console-reading")
	if err != nil {
		return nil, err
	}
	reading, err := ecdh.X25519().NewPrivateKey(console)
	if err != nil {
		return nil, err
	}
	return &Keys{reading: reading, blind: blind, match: pairing, csrf: csrf, guard: guard, receipt: ed25519.NewKeyFromSeed(receipt), office: office, ca: ca}, nil
}

// ReceiptKey is the public half that kiosks pin.
func (k *Keys) ReceiptKey() ed25519.PublicKey { return k.receipt.Public().(ed25519.PublicKey) }

// CA is the server's own certificate authority.
func (k *Keys) CA() *pki.CA { return k.ca }

// OfficeKey is the public half that a kiosk seals a carried outbox to.
func (k *Keys) OfficeKey() []byte { return k.office.PublicKey().Bytes() }

// ReadingKey is the public half that the issuer seals to what opens cards' sealed records here, once it is pinned there.
func (k *Keys) ReadingKey() []byte { return k.reading.PublicKey().Bytes() }

// sign signs a paper's QR text with the receipt key under its own label, so that no receipt can be made of it.
func (k *Keys) sign(message []byte) []byte {
	return ed25519.Sign(k.receipt, append([]byte("XJP1\x00"), message...))
}

// signParcel signs the manifest of an archive that leaves; its label stands in the message.
func (k *Keys) signParcel(message []byte) []byte { return ed25519.Sign(k.receipt, message) }

func (k *Keys) verify(message, signature []byte) bool {
	return ed25519.Verify(k.ReceiptKey(), append([]byte("XJP1\x00"), message...), signature)
}

// CSRF is the token that forms of a session carry.
func (k *Keys) CSRF(session string) []byte {
	m := hmac.New(sha256.New, k.csrf)
	m.Write([]byte(session))
	return m.Sum(nil)
}

// DocumentHash is the blind index of an identity document: HMAC-SHA-256 over type and normalised number; nil when the form names no document.
// A plain hash of an ID number could be guessed (domain.md 8). An 18-digit resident number is the same person whatever paper it was read from
// (居民身份证 or 户口簿), so it always hashes under type 1.
func (k *Keys) DocumentHash(f registry.Form) []byte {
	return k.documentHash(f[registry.FIDType], f[registry.FIDNumber])
}

func (k *Keys) documentHash(kind, number string) []byte {
	document := match.Document(kind, number)
	if document == "" {
		return nil
	}
	m := hmac.New(sha256.New, k.blind)
	m.Write([]byte("document\x00" + document))
	return m.Sum(nil)
}

// MatchKey is a blocking key of 查重 (match.Keys) as the store keeps it: 64 bits of an HMAC, so that nothing can be read or guessed from it without this key.
func (k *Keys) MatchKey(key string) int64 {
	m := hmac.New(sha256.New, k.match)
	m.Write([]byte(key))
	return int64(binary.BigEndian.Uint64(m.Sum(nil)))
}
