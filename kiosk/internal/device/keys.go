// Package device is what makes this machine a kiosk: its keys, its enrolment, and the caches that let it work offline. Nothing personal lies in clear on
// its disk: caches are sealed under a key that never leaves the machine's key file. It must not import the flow or the web.
package device

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"xueji/kiosk/internal/durable"
)

// KeyFile is the name of the key file in the data folder. Mode 0600.
const KeyFile = "device.key"

// Keys are the machine's secrets, made on the machine. They cannot print.
type Keys struct {
	sign  ed25519.PrivateKey
	seal  *ecdh.PrivateKey
	rest  cipher.AEAD
	index []byte
}

type keyWire struct {
	Version int    `json:"version"`
	Sign    []byte `json:"sign"` // Ed25519 seed
	Seal    []byte `json:"seal"` // X25519
	Rest    []byte `json:"rest"` // 32 random bytes: root of the keys at rest
}

// OpenKeys reads the key file of a data folder, or makes one. The folder is created with mode 0700. A key file that others may read is refused.
func OpenKeys(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, KeyFile)
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := makeKeys(path); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case st.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("device: %s may be read by others (mode %04o); set it to 0600, or enrol this kiosk anew if it was copied", KeyFile, st.Mode().Perm())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var w keyWire
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil || w.Version != 1 || len(w.Sign) != ed25519.SeedSize || len(w.Rest) != 32 {
		return nil, fmt.Errorf("device: %s is damaged; enrol this kiosk anew with a fresh data folder", KeyFile)
	}
	seal, err := ecdh.X25519().NewPrivateKey(w.Seal)
	if err != nil {
		return nil, fmt.Errorf("device: %s is damaged; enrol this kiosk anew with a fresh data folder", KeyFile)
	}
	k := &Keys{sign: ed25519.NewKeyFromSeed(w.Sign), seal: seal}
	restKey, err := hkdf.Key(sha256.New, w.Rest, nil, "xueji kiosk at rest", 32)
	if err != nil {
		return nil, err
	}
	if k.index, err = hkdf.Key(sha256.New, w.Rest, nil, "xueji kiosk index", 32); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(restKey)
	if err != nil {
		return nil, err
	}
	k.rest, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

func makeKeys(path string) error {
	_, sign, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	w := keyWire{Version: 1, Sign: sign.Seed(), Seal: seal.Bytes(), Rest: make([]byte, 32)}
	rand.Read(w.Rest)
	raw, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return durable.Write(path, raw)
}

// Signing is the Ed25519 key that signs requests and batches.
func (k *Keys) Signing() ed25519.PrivateKey { return k.sign }

// SigningPublic and SealingPublic go to the server at enrolment.
func (k *Keys) SigningPublic() []byte { return bytes.Clone(k.sign.Public().(ed25519.PublicKey)) }

// SealingPublic is the X25519 key to which reading keys are sealed.
func (k *Keys) SealingPublic() []byte { return k.seal.PublicKey().Bytes() }

// SealingPrivate opens reading keys (credential.OpenKey).
func (k *Keys) SealingPrivate() []byte { return k.seal.Bytes() }

// Seal and Open keep bytes unreadable at rest, bound to a context (what and where).
func (k *Keys) Seal(context string, plain []byte) ([]byte, error) {
	return k.rest.Seal(nil, nil, plain, []byte(context)), nil
}

// Open fails when the bytes, the context or the machine are not those sealed.
func (k *Keys) Open(context string, sealed []byte) ([]byte, error) {
	plain, err := k.rest.Open(nil, nil, sealed, []byte(context))
	if err != nil {
		return nil, errors.New("device: sealed data does not open: altered, moved, or from another machine")
	}
	return plain, nil
}

// Index is a keyed digest of a name (a card number): equal names are found again, nothing can be read back.
func (k *Keys) Index(name string) []byte {
	m := hmac.New(sha256.New, k.index)
	io.WriteString(m, name)
	return m.Sum(nil)[:16]
}

const noPrint = "[device keys]"

func (*Keys) String() string               { return noPrint }
func (*Keys) GoString() string             { return noPrint }
func (*Keys) Format(f fmt.State, _ rune)   { io.WriteString(f, noPrint) }
func (*Keys) MarshalText() ([]byte, error) { return []byte(noPrint), nil }
