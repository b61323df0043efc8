package ceremony

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Passphrases are what the holders type, one each, in an order that does not matter to them but to the key: the same people must come in the same order. They never print.
type Passphrases []string

func (Passphrases) String() string             { return "[passphrases]" }
func (Passphrases) GoString() string           { return "[passphrases]" }
func (Passphrases) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[passphrases]")) }

// MinPassphrase is the shortest passphrase of a holder, characters. Four words drawn by lot are enough: see docs/issuing-keys.md.
const MinPassphrase = 12

// Errors of sealing.
var (
	ErrPassphrase = errors.New("a passphrase is wrong, or they came in another order")
	ErrWeak       = fmt.Errorf("each holder's passphrase needs at least %d characters, and each holder another one", MinPassphrase)
	ErrSealed     = errors.New("not a sealed root key")
)

func (p Passphrases) check() error {
	seen := map[string]bool{}
	for _, s := range p {
		if utf8.RuneCountInString(s) < MinPassphrase || seen[s] {
			return ErrWeak
		}
		seen[s] = true
	}
	if len(p) == 0 {
		return ErrWeak
	}
	return nil
}

// secret joins them so that no two lists give the same bytes.
func (p Passphrases) secret() []byte {
	var b []byte
	for _, s := range p {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return b
}

const pemSealed = "XUEJI SEALED ROOT KEY"

// cost of argon2id (RFC 9106): passes, memory in KiB, lanes.
type cost struct {
	passes, memory uint32
	lanes          uint8
}

// rootCost takes about a second and 256 MiB: a root is opened once a year, a thief pays it for every guess.
var rootCost = cost{4, 256 << 10, 4}

// Bounds of a cost that is read from a file: a changed file must not stop the machine.
const (
	maxPasses = 64
	maxMemory = 2 << 20
	maxLanes  = 64
)

const (
	saltSize  = 16
	nonceSize = 12
)

// seal encrypts a root key: argon2id over the passphrases, AES-256-GCM; the headers are bound in.
func seal(key []byte, p Passphrases, c cost) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	body := make([]byte, saltSize+nonceSize)
	if _, err := rand.Read(body); err != nil {
		return nil, err
	}
	headers := map[string]string{"KDF": "argon2id", "Passes": strconv.Itoa(int(c.passes)), "Memory-KiB": strconv.Itoa(int(c.memory)), "Lanes": strconv.Itoa(int(c.lanes)),
		"Cipher": "AES-256-GCM", "Holders": strconv.Itoa(len(p))}
	aead, err := sealer(p, body[:saltSize], c)
	if err != nil {
		return nil, err
	}
	body = aead.Seal(body, body[saltSize:], key, bound(headers))
	return pem.EncodeToMemory(&pem.Block{Type: pemSealed, Headers: headers, Bytes: body}), nil
}

func sealer(p Passphrases, salt []byte, c cost) (cipher.AEAD, error) {
	secret := p.secret()
	defer clear(secret)
	k := argon2.IDKey(secret, salt, c.passes, c.memory, c.lanes, 32)
	defer clear(k)
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func bound(h map[string]string) []byte {
	return []byte(strings.Join([]string{pemSealed, h["KDF"], h["Passes"], h["Memory-KiB"], h["Lanes"], h["Cipher"], h["Holders"]}, "\n"))
}

// holders is how many passphrases a sealed key wants.
func holders(sealed []byte) (int, error) {
	_, _, n, err := parseSealed(sealed)
	return n, err
}

func parseSealed(sealed []byte) (*pem.Block, cost, int, error) {
	block, rest := pem.Decode(sealed)
	if block == nil || block.Type != pemSealed || strings.TrimSpace(string(rest)) != "" || len(block.Bytes) < saltSize+nonceSize+16 || len(block.Bytes) > 4096 ||
		block.Headers["KDF"] != "argon2id" || block.Headers["Cipher"] != "AES-256-GCM" {
		return nil, cost{}, 0, ErrSealed
	}
	number := func(name string, most uint64) uint64 {
		n, err := strconv.ParseUint(block.Headers[name], 10, 32)
		if err != nil || n == 0 || n > most {
			return 0
		}
		return n
	}
	c := cost{uint32(number("Passes", maxPasses)), uint32(number("Memory-KiB", maxMemory)), uint8(number("Lanes", maxLanes))}
	n := number("Holders", 16)
	if c.passes == 0 || c.memory == 0 || c.lanes == 0 || n == 0 {
		return nil, cost{}, 0, ErrSealed
	}
	return block, c, int(n), nil
}

// unseal is the way back. Errors: ErrSealed, ErrPassphrase.
func unseal(sealed []byte, p Passphrases) ([]byte, error) {
	block, c, n, err := parseSealed(sealed)
	if err != nil {
		return nil, err
	}
	if len(p) != n {
		return nil, fmt.Errorf("%w: %d holders are wanted, %d came", ErrPassphrase, n, len(p))
	}
	aead, err := sealer(p, block.Bytes[:saltSize], c)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, block.Bytes[saltSize:saltSize+nonceSize], block.Bytes[saltSize+nonceSize:], bound(block.Headers))
	if err != nil {
		return nil, ErrPassphrase
	}
	return key, nil
}
