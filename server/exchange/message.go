package exchange

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fxamacker/cbor/v2"

	"xueji/cardsvc/credential"
	"xueji/server/registry"
)

// Version of the wire. A message of another one is refused as such (ErrVersion), so that the sender can say who has to be brought up to date.
const Version = 1

// Sizes in bytes.
const (
	IDSize     = 16
	MaxLetter  = 17 << 20 // a file of 16 MiB and its frame
	MaxMessage = MaxLetter + 4096
	maxReceipt = 1024
	maxThread  = 64
)

const (
	purposeMessage = "exchange.message"
	purposeReceipt = "exchange.receipt"
)

// Head is what a message says in clear, under the signature: who to whom, its number in that direction, and the thread and kind that order it. No personal data.
type Head struct {
	From, To string
	Seq      uint64 // from 1, without gaps in each direction
	Prev     uint64 // number of the message before it in the thread and direction; 0: it is the first
	ID       [IDSize]byte
	Thread   string // registry.Case.Thread
	Kind     registry.LetterKind
	At       time.Time // written, to the millisecond
}

// Message is a head and its letter in clear, core-deterministic CBOR (EncodeLetter).
type Message struct {
	Head
	Letter []byte
}

type messageWire struct {
	Version int    `cbor:"1,keyasint"`
	From    string `cbor:"2,keyasint"`
	To      string `cbor:"3,keyasint"`
	Seq     uint64 `cbor:"4,keyasint"`
	Prev    uint64 `cbor:"5,keyasint"`
	ID      []byte `cbor:"6,keyasint"`
	Thread  string `cbor:"7,keyasint"`
	Kind    string `cbor:"8,keyasint"`
	At      int64  `cbor:"9,keyasint"`  // milliseconds since 1970 UTC
	Sealed  []byte `cbor:"10,keyasint"` // point ‖ ciphertext
}

var (
	encMode = must(cbor.EncOptions{Sort: cbor.SortCoreDeterministic, ShortestFloat: cbor.ShortestFloat16, NaNConvert: cbor.NaNConvert7e00, InfConvert: cbor.InfConvertFloat16,
		IndefLength: cbor.IndefLengthForbidden, Time: cbor.TimeRFC3339Nano, TagsMd: cbor.TagsForbidden}.EncMode())
	decMode = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxNestedLevels: 16, MaxArrayElements: 1 << 12, MaxMapPairs: 1 << 12}.DecMode())
	// looseMode reads the version of what may be a later wire.
	looseMode = must(cbor.DecOptions{MaxNestedLevels: 16, MaxArrayElements: 1 << 12, MaxMapPairs: 1 << 12}.DecMode())
)

// must is for package variables made of constants.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func encode(v any) ([]byte, error) { return encMode.Marshal(v) }

// decodeExact reads core-deterministic CBOR: what does not encode back to the same bytes is refused.
func decodeExact[T any](b []byte, v *T) error {
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: CBOR", ErrFormat)
	}
	again, err := encode(*v)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: CBOR is not core deterministic", ErrFormat)
	}
	return nil
}

// EncodeLetter writes a letter. Its members are named as registry.Letter's JSON names them.
func EncodeLetter(l registry.Letter) ([]byte, error) { return encode(l) }

// DecodeLetter reads what EncodeLetter wrote and nothing else.
func DecodeLetter(b []byte) (registry.Letter, error) {
	var l registry.Letter
	if len(b) == 0 || len(b) > MaxLetter {
		return l, fmt.Errorf("%w: a letter of %d bytes", ErrFormat, len(b))
	}
	if err := decodeExact(b, &l); err != nil {
		return registry.Letter{}, err
	}
	if l.Kind == "" {
		return registry.Letter{}, fmt.Errorf("%w: a letter of no kind", ErrFormat)
	}
	return l, nil
}

func (h *Head) check() error {
	switch {
	case !ProvinceCode(h.From) || !ProvinceCode(h.To) || h.From == h.To:
		return fmt.Errorf("%w: provinces", ErrFormat)
	case h.Seq == 0 || h.Seq >= 1<<62 || h.Prev >= h.Seq:
		return fmt.Errorf("%w: numbers", ErrFormat)
	case h.Thread == "" || len(h.Thread) > maxThread || !printable(h.Thread):
		return fmt.Errorf("%w: thread", ErrFormat)
	case h.Kind == "" || len(h.Kind) > 32 || !printable(string(h.Kind)):
		return fmt.Errorf("%w: kind", ErrFormat)
	}
	return nil
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// aad binds the ciphertext to the head.
func (h *Head) aad() ([]byte, error) {
	return encode([]any{"xueji.exchange.body.1", h.From, h.To, h.Seq, h.Prev, h.ID[:], h.Thread, string(h.Kind), h.At.UnixMilli()})
}

// Write makes the bytes that go over the line. Each call gives other bytes, of the same message: the receiver knows it by number and id.
func (i *Identity) Write(m Message, to Public, rand io.Reader) ([]byte, error) {
	if m.From != i.Province || m.To != to.Province {
		return nil, ErrAddressee
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	if len(m.Letter) == 0 || len(m.Letter) > MaxLetter {
		return nil, fmt.Errorf("%w: a letter of %d bytes", ErrFormat, len(m.Letter))
	}
	aad, err := m.aad()
	if err != nil {
		return nil, err
	}
	sealed, err := sealTo(to, m.Letter, aad, rand)
	if err != nil {
		return nil, err
	}
	b, err := encode(messageWire{Version, m.From, m.To, m.Seq, m.Prev, m.ID[:], m.Thread, string(m.Kind), m.At.UnixMilli(), sealed})
	if err != nil {
		return nil, err
	}
	return credential.SignStatement(purposeMessage, b, i.sign)
}

// Sender reads from whom a message says it is, and of which version, before anything is checked: for choosing the keys to check it with, and for the log.
func Sender(b []byte) (from string, version int, err error) {
	if len(b) == 0 || len(b) > MaxMessage {
		return "", 0, fmt.Errorf("%w: %d bytes", ErrFormat, len(b))
	}
	var outer struct {
		_         struct{} `cbor:",toarray"`
		Protected []byte
		Header    map[any]any
		Payload   []byte
		Signature []byte
	}
	if len(b) < 2 || b[0] != 0xd2 { // tag 18, COSE_Sign1
		return "", 0, fmt.Errorf("%w: not a COSE_Sign1", ErrFormat)
	}
	if err := looseMode.Unmarshal(b[1:], &outer); err != nil {
		return "", 0, fmt.Errorf("%w: not a COSE_Sign1", ErrFormat)
	}
	var w struct {
		Version int    `cbor:"1,keyasint"`
		From    string `cbor:"2,keyasint"`
	}
	if err := looseMode.Unmarshal(outer.Payload, &w); err != nil || !ProvinceCode(w.From) {
		return "", 0, fmt.Errorf("%w: no message", ErrFormat)
	}
	return w.From, w.Version, nil
}

// Pinned are the keys of a peer that are good now.
type Pinned []Public

func (p Pinned) key(id [credential.KeyIDSize]byte) (credential.Suite, []byte, bool) {
	for _, k := range p {
		if k.KeyID() == id {
			return k.Suite, k.Sign, true
		}
	}
	return "", nil, false
}

// Open checks a message for the register of mine (its identities, the present one and those before it) from the register that the pinned keys are of, and deciphers it.
// Errors: ErrFormat, ErrVersion, ErrKey, ErrSignature, ErrAddressee, ErrSealed.
func Open(b []byte, from string, pinned Pinned, mine []*Identity) (Message, error) {
	var m Message
	payload, err := statement(purposeMessage, b, MaxMessage, pinned)
	if err != nil {
		return m, err
	}
	var v struct {
		Version int `cbor:"1,keyasint"`
	}
	if err := looseMode.Unmarshal(payload, &v); err == nil && v.Version != Version {
		return m, ErrVersion
	}
	var w messageWire
	if err := decodeExact(payload, &w); err != nil {
		return m, err
	}
	if len(w.ID) != IDSize || w.At < 0 || w.At > 1<<43 {
		return m, fmt.Errorf("%w: id or time", ErrFormat)
	}
	m.Head = Head{From: w.From, To: w.To, Seq: w.Seq, Prev: w.Prev, ID: [IDSize]byte(w.ID), Thread: w.Thread, Kind: registry.LetterKind(w.Kind), At: time.UnixMilli(w.At).UTC()}
	if err := m.check(); err != nil {
		return m, err
	}
	if len(mine) == 0 || m.From != from || m.To != mine[0].Province {
		return m, ErrAddressee
	}
	aad, err := m.aad()
	if err != nil {
		return m, err
	}
	err = ErrSealed
	for _, i := range mine {
		if m.Letter, err = i.open(w.Sealed, aad); err == nil {
			break
		}
	}
	if err != nil {
		return m, err
	}
	if len(m.Letter) == 0 || len(m.Letter) > MaxLetter {
		return m, fmt.Errorf("%w: letter", ErrFormat)
	}
	return m, nil
}

func statement(purpose string, b []byte, max int, pinned Pinned) ([]byte, error) {
	payload, _, err := credential.OpenStatement(purpose, b, max, pinned.key)
	switch {
	case err == nil:
		return payload, nil
	case errors.Is(err, credential.ErrUntrusted):
		return nil, ErrKey
	case errors.Is(err, credential.ErrSignature):
		return nil, ErrSignature
	}
	return nil, fmt.Errorf("%w: envelope", ErrFormat)
}

// Receipt says that a message lies in the receiver's inbox, durably: its number, its id, and the digest of the letter as it was opened.
type Receipt struct {
	From, To string // of the receipt: the receiver of the message, its sender
	Seq      uint64
	ID       [IDSize]byte
	Digest   [32]byte
	At       time.Time
}

type receiptWire struct {
	Version int    `cbor:"1,keyasint"`
	From    string `cbor:"2,keyasint"`
	To      string `cbor:"3,keyasint"`
	Seq     uint64 `cbor:"4,keyasint"`
	ID      []byte `cbor:"5,keyasint"`
	Digest  []byte `cbor:"6,keyasint"`
	At      int64  `cbor:"7,keyasint"`
}

// Acknowledge is the receipt for a message that this register has stored.
func (m *Message) Acknowledge(at time.Time) Receipt {
	return Receipt{From: m.To, To: m.From, Seq: m.Seq, ID: m.ID, Digest: sha256.Sum256(m.Letter), At: at}
}

// WriteReceipt makes its bytes.
func (i *Identity) WriteReceipt(r Receipt) ([]byte, error) {
	if r.From != i.Province {
		return nil, ErrAddressee
	}
	b, err := encode(receiptWire{Version, r.From, r.To, r.Seq, r.ID[:], r.Digest[:], r.At.UnixMilli()})
	if err != nil {
		return nil, err
	}
	return credential.SignStatement(purposeReceipt, b, i.sign)
}

// OpenReceipt checks a receipt and that it is for the message.
func OpenReceipt(b []byte, pinned Pinned, m *Message) (Receipt, error) {
	payload, err := statement(purposeReceipt, b, maxReceipt, pinned)
	if err != nil {
		return Receipt{}, err
	}
	var w receiptWire
	if err := decodeExact(payload, &w); err != nil {
		return Receipt{}, err
	}
	if w.Version != Version {
		return Receipt{}, ErrVersion
	}
	if len(w.ID) != IDSize || len(w.Digest) != 32 || w.At < 0 || w.At > 1<<43 {
		return Receipt{}, ErrFormat
	}
	r := Receipt{From: w.From, To: w.To, Seq: w.Seq, ID: [IDSize]byte(w.ID), Digest: [32]byte(w.Digest), At: time.UnixMilli(w.At).UTC()}
	if r.From != m.To || r.To != m.From || r.Seq != m.Seq || r.ID != m.ID || r.Digest != sha256.Sum256(m.Letter) {
		return r, ErrAddressee
	}
	return r, nil
}
