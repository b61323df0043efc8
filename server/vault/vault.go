package vault

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	magic      = 0xFE
	headerSize = 6
	nonceSize  = 12

	// RotateAfter is how many values a data key may seal before the worker replaces it.
	RotateAfter = 1 << 31
	// Stale is how long a Vault seals without having read the table of keys.
	Stale = 5 * time.Minute
	// Grace is how long a retired key stays at least, used or not: any process that still seals under it has gone stale by then.
	Grace = 10 * time.Minute
)

// Purposes and states of keys.
const (
	Data  = "data"
	Index = "index"

	Active    = "active"    // the one that seals
	Retired   = "retired"   // opens only
	Destroyed = "destroyed" // its matter is gone
)

// Key is a row of the table of keys. Numbers are never used twice.
type Key struct {
	N       uint32
	Purpose string
	Suite   Suite
	KEK     string
	Wrapped []byte // empty once destroyed
	State   string
	Seals   int64 // values sealed, as processes counted them
	At      time.Time
	EndedAt time.Time // when it was retired, then destroyed
}

// Table keeps wrapped keys.
type Table interface {
	VaultKeys(ctx context.Context) ([]Key, error)
	// AddVaultKey stores a new active key and retires the active one of its purpose, in one transaction; ErrConflict (registry) when its number is taken.
	AddVaultKey(ctx context.Context, k Key) error
}

// Options of Open.
type Options struct {
	KEK   KEK
	Suite Suite // of new keys; 0: AES
	// Grace is for tests; 0: the constant.
	Grace time.Duration
}

// Vault seals and opens. It is safe for concurrent use and never prints.
type Vault struct {
	o    Options
	t    Table
	mu   sync.Mutex // one reload at a time
	keys atomic.Pointer[keyring]
	Now  func() time.Time
}

func (*Vault) String() string             { return "[vault]" }
func (*Vault) GoString() string           { return "[vault]" }
func (*Vault) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[vault]") }
func (*Vault) LogValue() slog.Value       { return slog.StringValue("[vault]") }

type dataKey struct {
	n     uint32
	suite Suite
	aead  cipher.AEAD
	seals *atomic.Int64 // since the last Taken
}

type keyring struct {
	data   map[uint32]*dataKey
	seals  *dataKey // the active one
	index  *IndexKey
	old    []*IndexKey
	loaded time.Time
}

// Open reads the keys, and makes the first ones in an empty table. Nothing was written when it fails with ErrNoKEK or ErrWrongKEK.
func Open(ctx context.Context, t Table, o Options) (*Vault, error) {
	if o.KEK == nil {
		return nil, errors.New("vault: a KEK is required")
	}
	if o.Suite == 0 {
		o.Suite = AES
	}
	if o.Grace == 0 {
		o.Grace = Grace
	}
	v := &Vault{o: o, t: t, Now: time.Now}
	keys, err := t.VaultKeys(ctx)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		if err := o.KEK.Make(); err != nil {
			return nil, err
		}
		for n, purpose := range []string{Data, Index} {
			k, err := v.wrap(uint32(n+1), purpose, o.Suite)
			if err != nil {
				return nil, err
			}
			// Another process may have been first: its keys are read below.
			if err := t.AddVaultKey(ctx, k); err != nil {
				if again, e := t.VaultKeys(ctx); e != nil || len(again) == 0 {
					return nil, errors.Join(err, e)
				}
			}
		}
	}
	return v, v.Reload(ctx)
}

// Check unwraps every key of a table that is read without a store, so that a wrong KEK is found before anything is written.
func Check(keys []Key, kek KEK) error {
	for _, k := range keys {
		if k.State == Destroyed {
			continue
		}
		if _, err := kek.Unwrap(k.KEK, k.Wrapped, wrapAAD(k.N, k.Purpose, k.Suite)); err != nil {
			return Explain(err)
		}
	}
	return nil
}

// Explain says who can mend a KEK that does not fit.
func Explain(err error) error {
	switch {
	case errors.Is(err, ErrNoKEK):
		return fmt.Errorf("%w. The register is sealed and cannot be read without it; nothing was changed. Whoever keeps the copy of the vault key must put it there (mode 0600)", err)
	case errors.Is(err, ErrWrongKEK):
		return fmt.Errorf("%w. Nothing was changed. Put the vault key that belongs to this database in its place: the keeper of the copy has it, or the server it was rotated on", err)
	}
	return err
}

func wrapAAD(n uint32, purpose string, s Suite) []byte {
	return fmt.Appendf(nil, "xueji/vault/key/1\x00%d\x00%s\x00%d", n, purpose, s)
}

// wrap makes a fresh key.
func (v *Vault) wrap(n uint32, purpose string, s Suite) (Key, error) {
	matter := make(secret, 32)
	rand.Read(matter)
	id, wrapped, err := v.o.KEK.Wrap(s, matter, wrapAAD(n, purpose, s))
	return Key{N: n, Purpose: purpose, Suite: s, KEK: id, Wrapped: wrapped, State: Active, At: v.Now().UTC()}, err
}

// Reload reads the keys again: another process may have made one.
func (v *Vault) Reload(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := v.Now()
	keys, err := v.t.VaultKeys(ctx)
	if err != nil {
		return err
	}
	was := v.keys.Load()
	next := &keyring{data: map[uint32]*dataKey{}, loaded: at}
	for _, k := range keys {
		if k.State == Destroyed {
			continue
		}
		if was != nil && k.Purpose == Data && was.data[k.N] != nil {
			next.data[k.N] = was.data[k.N]
		} else {
			matter, err := v.o.KEK.Unwrap(k.KEK, k.Wrapped, wrapAAD(k.N, k.Purpose, k.Suite))
			if err != nil {
				return Explain(err)
			}
			switch k.Purpose {
			case Data:
				c, err := k.Suite.aead(matter, "data")
				if err != nil {
					return err
				}
				next.data[k.N] = &dataKey{n: k.N, suite: k.Suite, aead: c, seals: new(atomic.Int64)}
			case Index:
				x, err := newIndexKey(k.N, matter)
				if err != nil {
					return err
				}
				if k.State == Active {
					next.index = x
				} else {
					next.old = append(next.old, x)
				}
			}
		}
		if k.Purpose == Data && k.State == Active {
			next.seals = next.data[k.N]
		}
	}
	if next.seals == nil || next.index == nil {
		return errors.New("vault: the table of keys has no active key: it was altered by hand, or restored in part; restore the whole database")
	}
	v.keys.Store(next)
	return nil
}

// Rotate adds a data key of a suite (0: the configured one) for what is sealed from now on, and retires the one before.
func (v *Vault) Rotate(ctx context.Context, s Suite) (n uint32, err error) {
	return v.add(ctx, Data, s)
}

// RotateIndex adds an index key. The caller writes the index anew.
func (v *Vault) RotateIndex(ctx context.Context) (n uint32, err error) { return v.add(ctx, Index, 0) }

func (v *Vault) add(ctx context.Context, purpose string, s Suite) (uint32, error) {
	if s == 0 {
		s = v.o.Suite
	}
	keys, err := v.t.VaultKeys(ctx)
	if err != nil {
		return 0, err
	}
	n := uint32(0)
	for _, k := range keys {
		n = max(n, k.N)
	}
	k, err := v.wrap(n+1, purpose, s)
	if err != nil {
		return 0, Explain(err)
	}
	if err := v.t.AddVaultKey(ctx, k); err != nil {
		return 0, err
	}
	return n + 1, v.Reload(ctx)
}

// Rewrap wraps every living key under another KEK. The caller stores them in one transaction.
func (v *Vault) Rewrap(ctx context.Context, to KEK) ([]Key, error) {
	keys, err := v.t.VaultKeys(ctx)
	if err != nil {
		return nil, err
	}
	var out []Key
	for _, k := range keys {
		if k.State == Destroyed {
			continue
		}
		aad := wrapAAD(k.N, k.Purpose, k.Suite)
		matter, err := v.o.KEK.Unwrap(k.KEK, k.Wrapped, aad)
		if err != nil {
			return nil, Explain(err)
		}
		if k.KEK, k.Wrapped, err = to.Wrap(k.Suite, matter, aad); err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

// Active is the key that seals, and its suite.
func (v *Vault) Active() (n uint32, s Suite) {
	k := v.keys.Load().seals
	return k.n, k.suite
}

// Suite is the configured one.
func (v *Vault) Suite() Suite { return v.o.Suite }

// GraceTime is how long a retired key stays.
func (v *Vault) GraceTime() time.Duration { return v.o.Grace }

// Taken gives how many values were sealed under each key since it was asked last.
func (v *Vault) Taken() map[uint32]int64 {
	out := map[uint32]int64{}
	for n, k := range v.keys.Load().data {
		if c := k.seals.Swap(0); c > 0 {
			out[n] = c
		}
	}
	return out
}

// Place is where a value stands: table, column and the row's key. It is bound to the value.
type Place struct{ Table, Column, Row string }

func (p Place) aad(header []byte) []byte {
	out := make([]byte, 0, headerSize+len(p.Table)+len(p.Column)+len(p.Row)+2)
	out = append(out, header...)
	out = append(append(out, p.Table...), 0)
	out = append(append(out, p.Column...), 0)
	return append(out, p.Row...)
}

// ErrStale says that the keys could not be read for too long.
var ErrStale = errors.New("vault: the table of keys was not read for five minutes: the database does not answer this server")

// Seal seals plain for its place. The nonce is random, so no two values are alike.
func (v *Vault) Seal(p Place, plain []byte) ([]byte, error) {
	ring := v.keys.Load()
	if v.Now().Sub(ring.loaded) > Stale {
		return nil, ErrStale
	}
	k := ring.seals
	out := make([]byte, headerSize+nonceSize, headerSize+nonceSize+len(plain)+16)
	putHeader(out, k.suite, k.n)
	rand.Read(out[headerSize:])
	k.seals.Add(1)
	return k.aead.Seal(out, out[headerSize:headerSize+nonceSize], plain, p.aad(out[:headerSize])), nil
}

func putHeader(b []byte, s Suite, n uint32) {
	b[0], b[1] = magic, byte(s)
	binary.BigEndian.PutUint32(b[2:], n)
}

// Header is what every value begins with that is sealed under the active key.
func (v *Vault) Header() []byte {
	k := v.keys.Load().seals
	b := make([]byte, headerSize)
	putHeader(b, k.suite, k.n)
	return b
}

// HeaderOf is what values begin with that are sealed under key n of suite s.
func HeaderOf(n uint32, s Suite) []byte {
	b := make([]byte, headerSize)
	putHeader(b, s, n)
	return b
}

// Sealed reports whether b is an envelope and not clear, from before the vault.
func Sealed(b []byte) bool { return len(b) > 0 && b[0] == magic }

// KeyOf is the number of the key that b was sealed under; 0 when it is clear.
func KeyOf(b []byte) uint32 {
	if !Sealed(b) || len(b) < headerSize {
		return 0
	}
	return binary.BigEndian.Uint32(b[2:])
}

// Errors of Open. They tell no value.
var (
	ErrDamaged = errors.New("vault: a sealed value does not open at its place: it was altered or moved")
	ErrNoKey   = errors.New("vault: a sealed value names a key that is not there")
)

// Open opens a value at its place. Clear values, from before the vault, are given back as they are.
func (v *Vault) Open(p Place, b []byte) ([]byte, error) {
	if !Sealed(b) {
		return b, nil
	}
	if len(b) < headerSize+nonceSize+16 {
		return nil, fmt.Errorf("%w (%s.%s)", ErrDamaged, p.Table, p.Column)
	}
	n := binary.BigEndian.Uint32(b[2:])
	k := v.keys.Load().data[n]
	if k == nil { // made by another process a moment ago
		if err := v.Reload(context.Background()); err != nil {
			return nil, err
		}
		if k = v.keys.Load().data[n]; k == nil {
			return nil, fmt.Errorf("%w (%s.%s, key %d)", ErrNoKey, p.Table, p.Column, n)
		}
	}
	if Suite(b[1]) != k.suite {
		return nil, fmt.Errorf("%w (%s.%s)", ErrDamaged, p.Table, p.Column)
	}
	out, err := k.aead.Open(nil, b[headerSize:headerSize+nonceSize], b[headerSize+nonceSize:], p.aad(b[:headerSize]))
	if err != nil {
		return nil, fmt.Errorf("%w (%s.%s)", ErrDamaged, p.Table, p.Column)
	}
	return out, nil
}

// textMark begins a sealed value in a column of text: a private-use character that no name, note or JSON begins with. Base64 of the envelope follows; its first eight
// characters are the header's six bytes.
const textMark = "\uE0FE"

// SealText is Seal for a column of text; "" stays "".
func (v *Vault) SealText(p Place, plain string) (string, error) {
	if plain == "" {
		return "", nil
	}
	b, err := v.Seal(p, []byte(plain))
	if err != nil {
		return "", err
	}
	return textMark + base64.RawStdEncoding.EncodeToString(b), nil
}

// OpenText is Open for a column of text.
func (v *Vault) OpenText(p Place, s string) (string, error) {
	rest, sealed := strings.CutPrefix(s, textMark)
	if !sealed {
		return s, nil
	}
	b, err := base64.RawStdEncoding.DecodeString(rest)
	if err != nil || !Sealed(b) {
		return "", fmt.Errorf("%w (%s.%s)", ErrDamaged, p.Table, p.Column)
	}
	b, err = v.Open(p, b)
	return string(b), err
}

// KeyOfText is KeyOf for a sealed text, of which the first nine bytes are enough.
func KeyOfText(t string) uint32 {
	t, ok := strings.CutPrefix(t, textMark)
	if !ok {
		return 0
	}
	head, err := base64.RawStdEncoding.DecodeString(t[:min(len(t), 8)])
	if err != nil {
		return 0
	}
	return KeyOf(head)
}

// TextHeader is Header for a column of text.
func TextHeader(header []byte) string { return textMark + base64.RawStdEncoding.EncodeToString(header) }
