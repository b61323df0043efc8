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
	"slices"

	"xueji/cardsvc/securemsg"
	"xueji/issuer/internal/custody/token"
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
	keys   map[securemsg.Cipher]Master
	tokens []*token.Token
}

// NewMasters takes master keys from wherever they are kept.
func NewMasters(keys map[securemsg.Cipher]Master) *Masters { return &Masters{keys: maps.Clone(keys)} }

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
	m := &Masters{keys: map[securemsg.Cipher]Master{}}
	for i, c := range masterCiphers {
		m.keys[c] = held{c, securemsg.NewSecret(block.Bytes[i*masterSize : (i+1)*masterSize])}
	}
	if err := m.fromTokens(dir); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// fromTokens puts the keys that the folder says lie in a token in the place of the file's.
func (m *Masters) fromTokens(dir string) error {
	folder, err := readManifest(dir)
	if errors.Is(err, ErrNotIssuer) {
		return nil
	}
	if err != nil {
		return err
	}
	for c, uri := range folder.Masters {
		a, err := token.Parse(uri)
		if err != nil {
			return fmt.Errorf("%s: %w", fileManifest, err)
		}
		t, err := token.Open(a)
		if err != nil {
			return err
		}
		m.tokens = append(m.tokens, t)
		key, err := t.Master(a.Object)
		if err != nil {
			return err
		}
		if key.Cipher() != c {
			return fmt.Errorf("%s: the master key %q is of %s, not %s", fileManifest, a.Object, key.Cipher(), c)
		}
		m.keys[c] = key
	}
	return nil
}

// Close logs out of the tokens. Keys of the file stay usable.
func (m *Masters) Close() {
	for _, t := range m.tokens {
		_ = t.Close()
	}
}

// MoveMasters brings the card master keys that a token can hold (3DES and AES) from the folder's file into the token at uri, for good, and returns their ciphers. Cards made
// before go on working: the keys are the same. In the file their places are overwritten once the token has them; what copies of the file there are must be destroyed too.
func (f *Folder) MoveMasters(uri string) ([]securemsg.Cipher, error) {
	a, err := token.Parse(uri)
	if err != nil {
		return nil, err
	}
	if len(f.m.Masters) > 0 {
		return nil, fmt.Errorf("%w: the card master keys are in a token already", ErrExists)
	}
	inFile, err := OpenMasters(f.dir) // makes them, when there are none yet
	if err != nil {
		return nil, err
	}
	t, err := token.Open(a)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	moved := []securemsg.Cipher{securemsg.DES3, securemsg.AES}
	next := map[securemsg.Cipher]string{}
	for _, c := range moved {
		at := a.WithObject(fmt.Sprintf("xueji-%s-card-master-%s", f.m.Authority, c))
		file, ok := inFile.keys[c].(held)
		if !ok {
			return nil, fmt.Errorf("custody: the %s master key is not in the file", c)
		}
		key, err := t.ImportMaster(at.Object, c, file.key)
		if errors.Is(err, token.ErrExists) { // a move that was cut off: it must be the same key
			key, err = t.Master(at.Object)
		}
		if err != nil {
			return nil, err
		}
		mine, err := file.Diversify([]byte{1})
		if err != nil {
			return nil, err
		}
		if theirs, err := key.Diversify([]byte{1}); err != nil || !theirs.Equal(mine) {
			return nil, fmt.Errorf("the key %q on the token is another one: %w", at.Object, errors.Join(token.ErrExists, err))
		}
		next[c] = at.String()
	}
	f.m.Masters = next
	if err := f.save(); err != nil {
		return nil, err
	}
	return moved, f.wipeMasters(moved)
}

// wipeMasters overwrites keys in the file, in place.
func (f *Folder) wipeMasters(moved []securemsg.Cipher) error {
	block, err := readSecret(f.dir, FileMasters, pemMasters)
	if err != nil {
		return err
	}
	defer clear(block.Bytes)
	for i, c := range masterCiphers {
		if slices.Contains(moved, c) {
			clear(block.Bytes[i*masterSize : (i+1)*masterSize])
		}
	}
	b := pem.EncodeToMemory(block)
	defer clear(b)
	file, err := os.OpenFile(filepath.Join(f.dir, FileMasters), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(b, 0) // as long as before
	if err == nil {
		err = file.Sync()
	}
	if err2 := file.Close(); err == nil {
		err = err2
	}
	return err
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
