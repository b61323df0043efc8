// Package credential is the signed record on a student card: its encoding, the two suites, verification against pinned roots, the status list and the
// sealed record with its reading keys. docs/card-format.md specifies every byte.
//
// It is pure: no clock, no file, no network; the caller hands in time and randomness.
package credential

import "time"

// Suite is the set of algorithms of a record; both have equal standing.
type Suite string

const (
	ES256 Suite = "ES256" // ECDSA P-256 / SHA-256, AES-256-GCM
	SM2   Suite = "SM2"   // SM2 / SM3, SM4-GCM; COSE algorithm number from the private-use range
)

// Status is the card's status in its own record. Revocation after issue is the status list's business.
type Status uint8

const (
	StatusActive    Status = 1
	StatusSuspended Status = 2 // the pupil is suspended (休学); the card still opens the kiosk
	StatusEnded     Status = 3
)

// Item numbers a datum of the sealed record (Article 5). Values are UTF-8 text, ≤120 bytes.
type Item int

const (
	ItemName       Item = 1
	ItemSex        Item = 2 // GB/T 2261.1
	ItemBirth      Item = 3 // 2006-01-02
	ItemNumber     Item = 4 // 学籍号
	ItemSchoolName Item = 5
	ItemGrade      Item = 6
	ItemClass      Item = 7
	ItemStanding   Item = 8
	ItemPhoto      Item = 9  // hex SHA-256, first 16 bytes
	ItemTail       Item = 10 // last four characters of the 学籍号
)

// Items is the sealed record in clear, or what of it one reader may see.
type Items map[Item]string

// Section is a part of the sealed record under a key of its own: who has not the key sees none of its items, whatever program he runs.
type Section uint8

const (
	// SectionDesk is what a kiosk in a corridor shows: name, school, grade, class, 学籍状态, the end of the 学籍号.
	SectionDesk Section = 1
	// SectionRegistrar is the rest: sex, birth date, 学籍号, photo.
	SectionRegistrar Section = 2
)

// Sections are all of them, in their order on the card.
var Sections = [...]Section{SectionDesk, SectionRegistrar}

// Section says where an item stands. Items that are not known yet stand in SectionRegistrar.
func (i Item) Section() Section {
	switch i {
	case ItemName, ItemSchoolName, ItemGrade, ItemClass, ItemStanding, ItemTail:
		return SectionDesk
	}
	return SectionRegistrar
}

// Public is the public record: enough to answer "valid?", and nothing that names a child.
type Public struct {
	CardNo     string
	PupilRef   [16]byte
	School     string // 10 digits
	Status     Status
	Sequence   uint32
	Issued     time.Time // whole seconds, UTC
	Expires    time.Time
	StatusIdx  uint32
	Profile    string
	Level      uint8
	ChipSerial []byte            // 4–16 bytes: binds the record to its chip
	Epoch      uint16            // epoch of the sealed record's keys
	Digests    map[Item][16]byte // salted digest of each sealed item
	ChipKey    []byte            // compressed P-256 point of the chip's own key pair, 33 bytes; nil for a chip without one
	KeyID      [8]byte           // issuing key; stands in the COSE header
	Suite      Suite
}

// KeyIDSize and friends are wire sizes in bytes.
const (
	KeyIDSize     = 8
	SignatureSize = 64
	SlotSize      = 512 // largest public or sealed slot, header and CRC included
)

// Signer holds an issuing or root key; it may live in a file or a PKCS#11 token. Sign takes the message (not its hash) and returns 64 bytes r‖s.
type Signer interface {
	KeyID() [KeyIDSize]byte
	Suite() Suite
	PublicKey() []byte // uncompressed point, 65 bytes
	Sign(message []byte) ([]byte, error)
}

// ReadingKey is the root of one province's and epoch's section keys. Only the issuer has it.
type ReadingKey struct {
	Epoch uint16
	Suite Suite
	Key   Secret // 32 bytes for ES256, 16 for SM2
}

// DeviceKeys are the section keys of one epoch that one reader has: they open these sections and no others.
type DeviceKeys struct {
	Epoch    uint16
	Suite    Suite
	Sections map[Section]Secret // each as long as a reading key
	// Readers are of no epoch: by them a reader opens the sealed places of cards that guard theirs. Its cards are Authority's, which is "" without any.
	Readers   map[string]Secret // firmware profile → ReaderKeySize bytes
	Authority string
}

// ReaderKeySize is the length of a reader's key, bytes.
const ReaderKeySize = 16

// MaxReaders is the most readers' keys that are sealed to a device.
const MaxReaders = 64

// Root is a pinned root: the only thing a verifier takes on trust.
type Root struct {
	KeyID     [KeyIDSize]byte
	Suite     Suite
	PublicKey []byte
	Authority string // province region code, "330000"
}

// Certificate says that a root vouches for an issuing key, from–to.
type Certificate struct {
	KeyID     [KeyIDSize]byte
	Suite     Suite
	PublicKey []byte
	Authority string
	NotBefore time.Time
	NotAfter  time.Time
	Root      [KeyIDSize]byte
}

// StatusList is the deny list: signed by an issuing key, numbered, dated; lower numbers than seen are refused by its keeper.
type StatusList struct {
	Authority string
	Number    uint64
	Issued    time.Time
	Expires   time.Time
	Revoked   []uint32          // ascending
	MinSeq    map[uint32]uint32 // status index → least sequence still good (rollback)
}

// Verdict values are localapi.Verdict's words ("valid", "forged", "unknown_issuer", "expired", "not_yet", "revoked", "wrong_chip", "rolled_back").
type Verdict string

// Result is a judgement.
type Result struct {
	Verdict   Verdict
	ListStale bool // the status list is missing or past its date
}

// Secret never prints, and refuses to be written as JSON or text.
type Secret []byte

func (Secret) String() string   { return "[secret]" }
func (Secret) GoString() string { return "[secret]" }
