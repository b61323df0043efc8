package credential

import (
	"fmt"
	"time"
)

// Bounds of the public record; a record inside them fits its slot.
const (
	maxCardNo    = 24
	maxProfile   = 16
	minChip      = 4
	maxChip      = 16
	maxItem      = 23 // item numbers are one CBOR byte
	maxDigests   = 12
	digestSize   = 16
	maxStatusIdx = 1<<26 - 1
	maxTime      = 1<<33 - 1 // seconds: the year 2242
)

// publicWire is the payload; keys are those of docs/card-format.md §2.
type publicWire struct {
	CardNo    string         `cbor:"1,keyasint"`
	PupilRef  []byte         `cbor:"2,keyasint"`
	School    string         `cbor:"3,keyasint"`
	Status    uint8          `cbor:"4,keyasint"`
	Sequence  uint32         `cbor:"5,keyasint"`
	Issued    uint64         `cbor:"6,keyasint"`
	Expires   uint64         `cbor:"7,keyasint"`
	StatusIdx uint32         `cbor:"8,keyasint"`
	Profile   string         `cbor:"9,keyasint"`
	Level     uint8          `cbor:"10,keyasint"`
	Chip      []byte         `cbor:"11,keyasint"`
	Epoch     uint16         `cbor:"12,keyasint"`
	Digests   map[int][]byte `cbor:"13,keyasint"`
	ChipKey   []byte         `cbor:"14,keyasint,omitempty"` // absent on a chip without a key pair
}

// Sign encodes and signs the record: COSE_Sign1, tag 18, at most MaxRecord bytes. KeyID and Suite of p are ignored: they are the signer's. Issued and
// Expires must be whole seconds. Errors: ErrValue for what the format cannot carry, ErrTooLarge, and whatever the signer says.
func (p Public) Sign(s Signer) ([]byte, error) {
	if p.Issued.Nanosecond() != 0 || p.Expires.Nanosecond() != 0 {
		return nil, fmt.Errorf("%w: times must be whole seconds", ErrValue)
	}
	w := publicWire{
		CardNo: p.CardNo, PupilRef: p.PupilRef[:], School: p.School, Status: uint8(p.Status), Sequence: p.Sequence,
		Issued: uint64(p.Issued.Unix()), Expires: uint64(p.Expires.Unix()), StatusIdx: p.StatusIdx, Profile: p.Profile, Level: p.Level,
		Chip: p.ChipSerial, Epoch: p.Epoch, Digests: make(map[int][]byte, len(p.Digests)), ChipKey: p.ChipKey,
	}
	for item, digest := range p.Digests {
		w.Digests[int(item)] = digest[:]
	}
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrValue, err)
	}
	record, err := sign1(s, aadRecord, w)
	if err != nil {
		return nil, err
	}
	if len(record) > MaxRecord {
		return nil, fmt.Errorf("%w: a record of %d bytes, at most %d", ErrTooLarge, len(record), MaxRecord)
	}
	return record, nil
}

// Decode reads a record. It checks form and bounds, not the signature: nothing in the result may be trusted before Verifier.Check.
func Decode(record []byte) (Public, error) {
	s, err := openSigned(record, MaxRecord)
	if err != nil {
		return Public{}, err
	}
	return s.public()
}

func (s *signed) public() (Public, error) {
	var w publicWire
	if err := decodeExact(s.message.Payload, &w); err != nil {
		return Public{}, err
	}
	if err := w.check(); err != nil {
		return Public{}, fmt.Errorf("%w: %s", ErrFormat, err)
	}
	p := Public{
		CardNo: w.CardNo, PupilRef: [16]byte(w.PupilRef), School: w.School, Status: Status(w.Status), Sequence: w.Sequence,
		Issued: time.Unix(int64(w.Issued), 0).UTC(), Expires: time.Unix(int64(w.Expires), 0).UTC(), StatusIdx: w.StatusIdx,
		Profile: w.Profile, Level: w.Level, ChipSerial: w.Chip, Epoch: w.Epoch, Digests: make(map[Item][16]byte, len(w.Digests)),
		ChipKey: w.ChipKey, KeyID: s.keyID, Suite: s.suite.name,
	}
	for item, digest := range w.Digests {
		p.Digests[Item(item)] = [digestSize]byte(digest)
	}
	return p, nil
}

// fault names a field, never its value.
type fault string

func (f fault) Error() string { return string(f) }

func (w *publicWire) check() error {
	switch {
	case len(w.CardNo) == 0 || len(w.CardNo) > maxCardNo || !every(w.CardNo, graphic):
		return fault("card number: 1–24 printable ASCII characters")
	case len(w.PupilRef) != 16:
		return fault("pupil reference: 16 bytes")
	case len(w.School) != 10 || !every(w.School, digit):
		return fault("school code: 10 digits")
	case w.Status < uint8(StatusActive) || w.Status > uint8(StatusEnded):
		return fault("status: 1–3")
	case w.Sequence == 0:
		return fault("sequence: from 1")
	case w.Issued > maxTime || w.Expires > maxTime || w.Expires <= w.Issued:
		return fault("issued and expires: expires must be later")
	case w.StatusIdx > maxStatusIdx:
		return fault("status-list index: below 2^26")
	case len(w.Profile) == 0 || len(w.Profile) > maxProfile || !every(w.Profile, profileByte):
		return fault("profile: 1–16 of a–z, 0–9 and -")
	case w.Level > 3:
		return fault("level: 0–3")
	case len(w.Chip) < minChip || len(w.Chip) > maxChip:
		return fault("chip serial: 4–16 bytes")
	case len(w.Digests) > maxDigests:
		return fault("digests: at most 12")
	}
	if w.ChipKey != nil {
		if _, err := chipKey(w.ChipKey); err != nil {
			return fault("chip key: a compressed point on P-256, 33 bytes")
		}
	}
	for item, digest := range w.Digests {
		if item < 1 || item > maxItem || len(digest) != digestSize {
			return fault("digests: item 1–23, 16 bytes each")
		}
	}
	return nil
}

func every(s string, good func(byte) bool) bool {
	for i := range len(s) {
		if !good(s[i]) {
			return false
		}
	}
	return true
}

func graphic(c byte) bool     { return c > ' ' && c < 0x7F }
func digit(c byte) bool       { return c >= '0' && c <= '9' }
func profileByte(c byte) bool { return c >= 'a' && c <= 'z' || digit(c) || c == '-' }
