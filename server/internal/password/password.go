// Package password keeps secrets that people remember: staff passwords and guardians' PINs, as argon2id (RFC 9106) in PHC strings.
//
// It owns the parameters and the bound on how much memory hashing may take at once. It must not import the store, HTTP or the service.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params cost a hash. The zero value is not usable; see Default.
type Params struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// Default is OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
var Default = Params{MemoryKiB: 19 * 1024, Passes: 2, Lanes: 1}

const (
	saltSize = 16
	keySize  = 32
	// MaxLength of a secret in bytes: longer ones are refused before any work is done.
	MaxLength = 256
	// Upper bounds on parameters in a stored string: a damaged row must not take the machine down.
	maxMemoryKiB = 1 << 20
	maxPasses    = 16
)

// Errors of this package.
var (
	ErrMismatch = errors.New("password: does not match")
	ErrFormat   = errors.New("password: stored value is not an argon2id string of this program")
	ErrTooLong  = errors.New("password: longer than 256 bytes")
)

// Hasher encodes and verifies with at most a fixed number of hashes at once; others wait their turn or their context's end.
type Hasher struct {
	params Params
	turns  chan struct{}
	decoy  string
}

// New makes a Hasher; atOnce 0 means one per processor.
func New(p Params, atOnce int) *Hasher {
	if atOnce <= 0 {
		atOnce = runtime.GOMAXPROCS(0)
	}
	h := &Hasher{params: p, turns: make(chan struct{}, atOnce)}
	salt := make([]byte, saltSize)
	h.decoy = format(p, salt, make([]byte, keySize))
	return h
}

// Encode makes the string to store: "$argon2id$v=19$m=…,t=…,p=…$salt$hash".
func (h *Hasher) Encode(ctx context.Context, secret string) (string, error) {
	if len(secret) > MaxLength {
		return "", ErrTooLong
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	key, err := h.derive(ctx, h.params, secret, salt, keySize)
	if err != nil {
		return "", err
	}
	return format(h.params, salt, key), nil
}

// Verify is nil when secret is the one behind encoded, ErrMismatch when it is not, ErrFormat for a string of another make, or ctx's error.
// An empty encoded costs the same time as a real one and never matches, so that an unknown login cannot be told from a wrong password.
func (h *Hasher) Verify(ctx context.Context, encoded, secret string) error {
	if len(secret) > MaxLength {
		return ErrMismatch
	}
	known := encoded != ""
	if !known {
		encoded = h.decoy
	}
	p, salt, want, err := parse(encoded)
	if err != nil {
		return err
	}
	got, err := h.derive(ctx, p, secret, salt, uint32(len(want)))
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(got, want) != 1 || !known {
		return ErrMismatch
	}
	return nil
}

// IsEncoded reports whether s has the form that Encode makes.
func IsEncoded(s string) bool {
	_, _, _, err := parse(s)
	return err == nil
}

func (h *Hasher) derive(ctx context.Context, p Params, secret string, salt []byte, size uint32) ([]byte, error) {
	select {
	case h.turns <- struct{}{}:
		defer func() { <-h.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(secret), salt, p.Passes, p.MemoryKiB, p.Lanes, size), nil
}

func format(p Params, salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.MemoryKiB, p.Passes, p.Lanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func parse(s string) (p Params, salt, key []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, ErrFormat
	}
	if n, e := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Passes, &p.Lanes); e != nil || n != 3 ||
		fmt.Sprintf("m=%d,t=%d,p=%d", p.MemoryKiB, p.Passes, p.Lanes) != parts[3] {
		return p, nil, nil, ErrFormat
	}
	if p.MemoryKiB < 8 || p.MemoryKiB > maxMemoryKiB || p.Passes < 1 || p.Passes > maxPasses || p.Lanes < 1 {
		return p, nil, nil, ErrFormat
	}
	enc := base64.RawStdEncoding.Strict()
	if salt, err = enc.DecodeString(parts[4]); err != nil || len(salt) < 8 || len(salt) > 64 {
		return p, nil, nil, ErrFormat
	}
	if key, err = enc.DecodeString(parts[5]); err != nil || len(key) < 16 || len(key) > 64 {
		return p, nil, nil, ErrFormat
	}
	if format(p, salt, key) != s { // the base64 decoder passes over line breaks
		return p, nil, nil, ErrFormat
	}
	return p, salt, key, nil
}
