// Package localapi is cardsvc's loopback wire: types, paths, and a small client for the kiosk and the issuing station. JSON over HTTP on 127.0.0.1 only.
//
// Requests with an Origin are answered only when it is on the allow list; the Host must be a loopback name (DNS rebinding).
package localapi

import "time"

// Paths. {reader} is Reader.ID.
const (
	PathReaders = "/v1/readers"                // GET → []Reader; a card that is just being recognised is waited for
	PathEvents  = "/v1/events"                 // GET, server-sent events: event "reader", data a Reader; the present state first
	PathTap     = "/v1/readers/{reader}/tap"   // POST TapRequest (or nothing) → Tap
	PathCheck   = "/v1/readers/{reader}/check" // POST TapRequest → Tap: a tap after which the issuer lets the chip prove its secret key
	PathRelay   = "/v1/readers/{reader}/relay" // POST RelayRequest → RelayOutcome; progress on PathEvents as event "relay", data RelayProgress
	PathTrust   = "/v1/trust"                  // PUT Trust: certificates and status list, checked against the pinned roots
	PathHealth  = "/v1/health"                 // GET → Health
	// Software cards (--simulate only).
	PathSimCards  = "/v1/sim/cards"                   // GET → []SimCard; POST NewSimCard → SimCard
	PathSimInsert = "/v1/sim/readers/{reader}/insert" // POST SimInsert
	PathSimRemove = "/v1/sim/readers/{reader}/remove" // POST
)

// ReaderState is what stands on a reader.
type ReaderState string

const (
	ReaderEmpty   ReaderState = "empty"
	ReaderCard    ReaderState = "card"    // a chip answers
	ReaderUnknown ReaderState = "unknown" // a chip that no profile claims
	ReaderMute    ReaderState = "mute"    // a card that does not answer (upside down, damaged)
	ReaderMany    ReaderState = "many"    // two cards at once
	ReaderGone    ReaderState = "gone"    // unplugged, or pcscd is down; it comes back by itself
)

// Reader is one PC/SC or simulated reader.
type Reader struct {
	ID      string      `json:"id"` // URL-safe
	Name    string      `json:"name"`
	State   ReaderState `json:"state"`
	ATR     string      `json:"atr,omitempty"` // hex
	Profile string      `json:"profile,omitempty"`
	// Tap counts insertions: a new number is a new tap.
	Tap   uint64    `json:"tap"`
	Since time.Time `json:"since"`
}

// Verdict is the offline judgement of a card.
type Verdict string

const (
	VerdictValid         Verdict = "valid"
	VerdictBlank         Verdict = "blank"          // no record: a card to be issued
	VerdictForged        Verdict = "forged"         // the signature does not verify
	VerdictUnknownIssuer Verdict = "unknown_issuer" // no certificate under the pinned roots: another authority's card
	VerdictExpired       Verdict = "expired"
	VerdictNotYet        Verdict = "not_yet"     // issued in the future: the clock here is wrong
	VerdictRevoked       Verdict = "revoked"     // on the deny list
	VerdictWrongChip     Verdict = "wrong_chip"  // the record was made for another chip: a copy
	VerdictTorn          Verdict = "torn"        // no slot whole: finish it at a station
	VerdictRolledBack    Verdict = "rolled_back" // an older record than seen before
	VerdictUnreadable    Verdict = "unreadable"  // the chip broke off or broke rules
	VerdictUnknownChip   Verdict = "unknown_chip"
)

// TapRequest binds what the chip proves to one tap. Without a Nonce cardsvc draws one of its own, and what the chip signed is told to nobody.
type TapRequest struct {
	Nonce []byte `json:"nonce,omitempty"` // 32 bytes, fresh: the caller answers for that
	// ReadKey opens the sealed record of the one chip on the reader, in this tap (PathTap): its key "read", 16 bytes, from a caller that may read it. It is kept nowhere.
	ReadKey []byte `json:"read_key,omitempty"`
}

// Tap is one reading of a card.
type Tap struct {
	Reader  string  `json:"reader"`
	Tap     uint64  `json:"tap"`
	Verdict Verdict `json:"verdict"`
	// ListStale says that the status list is past its date: revocation is not certain.
	ListStale  bool    `json:"list_stale,omitempty"`
	Record     []byte  `json:"record,omitempty"` // COSE_Sign1 as read
	Sealed     []byte  `json:"sealed,omitempty"` // sealed record as read
	Public     *Public `json:"public,omitempty"`
	ChipSerial []byte  `json:"chip_serial,omitempty"`
	Profile    string  `json:"profile,omitempty"`
	// Guarded says that the card keeps its sealed record for readers that have the authority's key, and that this one has none, or one that the chip did not take.
	Guarded bool `json:"guarded,omitempty"`
	Level   int  `json:"level"` // proven now: 1 signature + chip serial, 2 symmetric mutual authentication, 3 on-card key pair; 0 nothing
	// Check is how the issuer's check ended (PathCheck): CheckProven, or a relay.Code: "copy", "unproven", "issuer" (out of reach). "" when none was made.
	Check string `json:"check,omitempty"`
	// Proof is what the chip signed with its own key over the request's nonce (credential.Public.Proves), Attestation the issuer's word that the chip proved its
	// secret key at this tap (credential.Attestation). Both only with a nonce in the request.
	Proof       []byte        `json:"proof,omitempty"`
	Attestation []byte        `json:"attestation,omitempty"`
	APDUs       int           `json:"apdus"`
	Bytes       int           `json:"bytes"`     // both directions
	CardTime    time.Duration `json:"card_time"` // spent in Transmit
	Total       time.Duration `json:"total"`
}

// CheckProven in Tap.Check: the chip proved its key; Level says what that is worth.
const CheckProven = "proven"

// Public is the public record decoded, for people; programs verify Record.
type Public struct {
	CardNo    string    `json:"card_no"`
	PupilRef  []byte    `json:"pupil_ref"`
	School    string    `json:"school"`
	Status    int       `json:"status"`
	Sequence  uint32    `json:"sequence"`
	Issued    time.Time `json:"issued"`
	Expires   time.Time `json:"expires"`
	StatusIdx uint32    `json:"status_index"`
	KeyID     []byte    `json:"key_id"`
	Epoch     uint16    `json:"epoch"`
	Suite     string    `json:"suite"`
	Level     int       `json:"level"` // the assurance level that the record was signed for: what its chip can prove
}

// Trust is pushed by the kiosk or the console page.
type Trust struct {
	Certificates [][]byte `json:"certificates"`
	StatusList   []byte   `json:"status_list,omitempty"`
	// Readers replaces what is held; without it that stays. It is kept in memory alone: after a restart it must be pushed again.
	Readers *Readers `json:"readers,omitempty"`
}

// Readers opens the sealed records of one authority's cards that guard theirs. Without keys it forgets.
type Readers struct {
	Authority string            `json:"authority"`
	Keys      map[string][]byte `json:"keys,omitempty"` // firmware profile → 16 bytes
}

// RelayRequest: drive the card on the reader from the issuer (the one cardsvc was started with), under a ticket.
type RelayRequest struct {
	Ticket string `json:"ticket"`
}

// RelayProgress is for a progress bar.
type RelayProgress struct {
	Reader string `json:"reader"`
	Step   string `json:"step"` // "plan" "write" "verify" "bind" "done" "failed"
	Done   int    `json:"done"`
	Total  int    `json:"total"`
}

// RelayOutcome ends a relay.
type RelayOutcome struct {
	OK       bool   `json:"ok"`
	Code     string `json:"code,omitempty"` // relay.Code
	Detail   string `json:"detail,omitempty"`
	CardNo   string `json:"card_no,omitempty"`
	Sequence uint32 `json:"sequence,omitempty"`
	Profile  string `json:"profile,omitempty"`
	Level    int    `json:"level,omitempty"`
	Resumed  bool   `json:"resumed,omitempty"`
}

// Health tells the kiosk's gate.
type Health struct {
	OK         bool      `json:"ok"`
	Readers    int       `json:"readers"`
	PCSC       string    `json:"pcsc"` // "ok", "down", "simulated"
	ListNumber uint64    `json:"list_number"`
	ListUntil  time.Time `json:"list_until,omitzero"`
}

// SimCard is a software card in the shared card folder.
type SimCard struct {
	ID      string `json:"id"`
	Label   string `json:"label"` // e.g. "空白卡 3", or the card number once personalised
	Profile string `json:"profile"`
	Reader  string `json:"reader,omitempty"` // on which reader of this cardsvc it lies
	Blank   bool   `json:"blank"`
}

// NewSimCard makes a blank card.
type NewSimCard struct {
	Profile string `json:"profile"` // default "xueji-soft"
	Label   string `json:"label"`
}

// SimInsert puts a card on a reader. TearAfter > 0 pulls it out after so many APDUs.
type SimInsert struct {
	Card      string `json:"card"`
	TearAfter int    `json:"tear_after,omitempty"`
}

// Error is every error's body.
type Error struct {
	Code   string `json:"code"`
	Detail string `json:"detail"` // for the operator; carries nothing personal
}
