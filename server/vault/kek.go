package vault

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// KEK wraps and unwraps the keys of a vault. A file holds it today (File); a KMS or a PKCS#11 token may.
type KEK interface {
	// Make makes the key where there is none yet; the vault asks for it only when the database holds no wrapped key. Nothing when there is one.
	Make() error
	// Wrap seals a key of 32 bytes and names the KEK it did it with.
	Wrap(suite Suite, key, aad []byte) (id string, wrapped []byte, err error)
	// Unwrap opens what the KEK called id wrapped. ErrWrongKEK when it is not the one, ErrNoKEK when there is none.
	Unwrap(id string, wrapped, aad []byte) ([]byte, error)
}

// Errors of a KEK.
var (
	ErrNoKEK    = errors.New("the vault's key file is missing")
	ErrWrongKEK = errors.New("the vault's key file is not the one this database was sealed under")
)

// kekSize is the file's size in bytes: random, nothing else.
const kekSize = 32

// secret is key matter that does not print, whatever prints it.
type secret []byte

func (secret) String() string               { return "[secret]" }
func (secret) GoString() string             { return "[secret]" }
func (secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, "[secret]") }
func (secret) LogValue() slog.Value         { return slog.StringValue("[secret]") }
func (secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// FileKEK is a KEK in a file of mode 0600. It never prints. The file is read again when a key was wrapped under another KEK: the one it was rotated to.
type FileKEK struct {
	path string

	mu     sync.Mutex
	matter secret
	id     string
}

// File is the KEK at path; nothing is read or made yet.
func File(path string) *FileKEK { return &FileKEK{path: path} }

func (*FileKEK) String() string             { return "[vault key file]" }
func (*FileKEK) GoString() string           { return "[vault key file]" }
func (*FileKEK) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[vault key file]") }
func (*FileKEK) LogValue() slog.Value       { return slog.StringValue("[vault key file]") }

// Path is where the file is, for messages.
func (k *FileKEK) Path() string { return k.path }

// kekID names key matter without telling it.
func kekID(matter []byte) (string, error) {
	id, err := hkdf.Key(sha256.New, matter, nil, "xueji/vault/kek-id/1", 8)
	return hex.EncodeToString(id), err
}

// read takes the file in. The caller holds mu.
func (k *FileKEK) read() error {
	st, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNoKEK, k.path)
	}
	if err != nil {
		return err
	}
	if err := Private(k.path, st.Mode()); err != nil {
		return fmt.Errorf("%w; rotate the key then (server vault rotate-kek)", err)
	}
	b, err := os.ReadFile(k.path)
	if err != nil {
		return err
	}
	if len(b) != kekSize {
		return fmt.Errorf("%s has %d bytes instead of %d: it is damaged or no vault key; put the copy you kept in its place", k.path, len(b), kekSize)
	}
	id, err := kekID(b)
	if err != nil {
		return err
	}
	k.matter, k.id = b, id
	return nil
}

// Make makes the file (mode 0600, synced) when it is not there.
func (k *FileKEK) Make() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.read(); !errors.Is(err, ErrNoKEK) {
		return err
	}
	if err := writeNew(k.path); err != nil && !errors.Is(err, fs.ErrExist) { // another process was first
		return err
	}
	return k.read()
}

// Private refuses a key file that others than its owner may read. In the folder of the service manager's credentials (systemd), which no other account enters, a file may belong to root and be
// lent to us by an access list: that shows as a right of its group to read.
func Private(path string, mode fs.FileMode) error {
	others := fs.FileMode(0o077)
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && filepath.Dir(path) == filepath.Clean(dir) {
		others &^= 0o040
	}
	if mode.Perm()&others != 0 {
		return fmt.Errorf("%s may be read by others (mode %04o): chmod 600 it, and think whether it has leaked", path, mode.Perm())
	}
	return nil
}

// writeNew makes a key file that is whole on disk on return.
func writeNew(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	matter := make([]byte, kekSize)
	rand.Read(matter)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(matter)
	return errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Wrap seals a key under the file's.
func (k *FileKEK) Wrap(suite Suite, key, aad []byte) (string, []byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.read(); err != nil { // it may have been rotated by another process
		return "", nil, err
	}
	c, err := suite.aead(k.matter, "kek")
	if err != nil {
		return "", nil, err
	}
	out := make([]byte, 1+nonceSize, 1+nonceSize+len(key)+16)
	out[0] = byte(suite)
	rand.Read(out[1:])
	return k.id, c.Seal(out, out[1:], key, aad), nil
}

// Unwrap opens a key.
func (k *FileKEK) Unwrap(id string, wrapped, aad []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.matter == nil || k.id != id {
		if err := k.read(); err != nil {
			return nil, err
		}
	}
	if k.id != id { // a rotation that was broken off between the database and the file
		next := File(k.path + ".new")
		if next.read() == nil && next.id == id {
			if err := k.adopt(next); err != nil {
				return nil, err
			}
		}
	}
	if k.id != id {
		return nil, fmt.Errorf("%w: %s is key %s, the database wants %s", ErrWrongKEK, k.path, k.id, id)
	}
	if len(wrapped) < 1+nonceSize {
		return nil, errors.New("vault: a wrapped key is cut short")
	}
	c, err := Suite(wrapped[0]).aead(k.matter, "kek")
	if err != nil {
		return nil, err
	}
	key, err := c.Open(nil, wrapped[1:1+nonceSize], wrapped[1+nonceSize:], aad)
	if err != nil {
		return nil, errors.New("vault: a wrapped key was altered")
	}
	return key, nil
}

// Next is the file that a rotation of the KEK makes beside the one in force.
func (k *FileKEK) Next() *FileKEK { return File(k.path + ".new") }

// Adopt puts next in k's place. The key before stays beside it under the name Before gives, for backups that were made under it.
func (k *FileKEK) Adopt(next *FileKEK) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.read(); err != nil {
		return err
	}
	return k.adopt(next)
}

// Before is where the key called id lies once another took its place.
func (k *FileKEK) Before(id string) string { return k.path + "." + id }

// ID names the key in force.
func (k *FileKEK) ID() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.read()
	return k.id, err
}

func (k *FileKEK) adopt(next *FileKEK) error {
	if err := os.Link(k.path, k.Before(k.id)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(next.path, k.path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(k.path)); err != nil {
		return err
	}
	return k.read()
}
