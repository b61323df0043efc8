package custody

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"

	"xueji/cardsvc/securemsg"
)

// KeyUse says which of a chip's keys is meant.
type KeyUse struct {
	Profile     string
	Cipher      string // 3des, aes, sm4
	Purpose     string // the key's name in the profile
	Diversifier []byte // the profile's, of this chip: public
}

// MasterKeys derives the secret keys of chips. The master keys themselves never come out: a folder keeps them, or a token.
type MasterKeys interface {
	Derive(u KeyUse) (securemsg.Secret, error)
}

// FileMasters keeps the card master keys, in the issuer's folder.
const FileMasters = "card-master.key"

const pemMasters = "XUEJI CARD MASTER KEYS"

// masterSize is the length of a master key, bytes; the file holds one for each cipher, in the order of masterCiphers.
const masterSize = 16

var masterCiphers = []securemsg.Cipher{securemsg.DES3, securemsg.AES, securemsg.SM4}

// Master is one master key: in memory, or inside a token (token.Master), which does the same step.
type Master interface {
	// Diversify is securemsg.Diversify under this key.
	Diversify(input []byte) (securemsg.Secret, error)
}

type held struct {
	cipher securemsg.Cipher
	key    securemsg.Secret
}

func (h held) Diversify(input []byte) (securemsg.Secret, error) {
	return securemsg.Diversify(h.cipher, h.key, input)
}

// Masters are master keys by cipher. They never print.
type Masters struct {
	keys map[securemsg.Cipher]Master
}

// NewMasters takes master keys from wherever they are kept.
func NewMasters(keys map[securemsg.Cipher]Master) *Masters { return &Masters{maps.Clone(keys)} }

var _ MasterKeys = (*Masters)(nil)

// OpenMasters reads the card master keys of an issuer's folder. A folder that never had any gets fresh ones, durable on return: no card can depend on them yet.
// Later a missing file is found out by the chips, which refuse other keys.
func OpenMasters(dir string) (*Masters, error) {
	if _, err := os.Lstat(filepath.Join(dir, FileMasters)); errors.Is(err, fs.ErrNotExist) {
		if err := initMasters(dir); err != nil && !errors.Is(err, ErrExists) {
			return nil, err
		}
	}
	block, err := readSecret(dir, FileMasters, pemMasters)
	if err != nil {
		return nil, err
	}
	defer clear(block.Bytes)
	if len(block.Bytes) != masterSize*len(masterCiphers) {
		return nil, fmt.Errorf("%s: %d bytes are not %d master keys", FileMasters, len(block.Bytes), len(masterCiphers))
	}
	m := &Masters{map[securemsg.Cipher]Master{}}
	for i, c := range masterCiphers {
		m.keys[c] = held{c, securemsg.NewSecret(block.Bytes[i*masterSize : (i+1)*masterSize])}
	}
	return m, nil
}

func initMasters(dir string) error {
	b := make([]byte, masterSize*len(masterCiphers))
	defer clear(b)
	rand.Read(b) // never fails (crypto/rand, Go 1.24)
	file := pem.EncodeToMemory(&pem.Block{Type: pemMasters, Bytes: b})
	defer clear(file)
	return create(dir, FileMasters, file, 0o600)
}

// Derive makes a chip's key in two steps of securemsg.Diversify: the master's key of profile and purpose, then, of that, the chip's. So a key that a profile wants
// nowhere else is no other profile's.
func (m *Masters) Derive(u KeyUse) (securemsg.Secret, error) {
	c := securemsg.Cipher(u.Cipher)
	master, ok := m.keys[c]
	if !ok {
		return securemsg.Secret{}, fmt.Errorf("custody: no card master key for cipher %q", u.Cipher)
	}
	own, err := master.Diversify(PurposeInput(u))
	if err != nil {
		return securemsg.Secret{}, err
	}
	return securemsg.Diversify(c, own, u.Diversifier)
}

// PurposeInput is what the first step diversifies by: the first 15 bytes of SHA-256 over profile, 00 and purpose, which fit every cipher.
func PurposeInput(u KeyUse) []byte {
	h := sha256.Sum256([]byte(u.Profile + "\x00" + u.Purpose))
	return h[:15]
}

// String keeps keys off screens.
func (*Masters) String() string { return "[card master keys]" }

// GoString keeps keys off screens.
func (m *Masters) GoString() string { return m.String() }

// Format keeps keys off screens, whatever the verb.
func (m *Masters) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// LogValue keeps keys out of logs.
func (m *Masters) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalText keeps keys out of encodings.
func (m *Masters) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
