// Package relay is the wire between a station's cardsvc and the issuer: the station calls out, the issuer answers with the next commands for the card.
//
// POST {issuer}/v1/relay, body Turn, answer Reply; repeated until Done. Each Reply may carry several commands that need no answer in between; the station
// sends them in order and stops at the first whose status word is not expected. Turns are numbered: the issuer answers a repeated turn with the same reply.
package relay

// Path of the exchange on the issuer.
const Path = "/v1/relay"

// Turn is the station's side.
type Turn struct {
	Session string `json:"session,omitempty"` // "" on the first turn
	Turn    int    `json:"turn"`              // 0, 1, 2…
	// First turn only. Nonce is random: a first turn repeated with the same ticket and nonce is the same session, with another nonce it replaces the session.
	Nonce  string `json:"nonce,omitempty"`
	Ticket string `json:"ticket,omitempty"`
	// Purpose is "" for making a card under Ticket, or PurposeCheck: no ticket then, but the public record that the card showed.
	Purpose string `json:"purpose,omitempty"`
	Record  []byte `json:"record,omitempty"`
	// Bind is the nonce of the tap, 32 bytes or none: the issuer's attestation is of this tap alone.
	Bind    []byte `json:"bind,omitempty"`
	ATR     []byte `json:"atr,omitempty"`
	Profile string `json:"profile,omitempty"` // as identified; the issuer has its own profiles and may disagree
	// Answers to the last reply's commands, data ‖ SW1 SW2, as many as were sent.
	Answers [][]byte `json:"answers,omitempty"`
	// Gone says that the card left or the reader failed; the issuer keeps its journal and the card can be resumed.
	Gone bool `json:"gone,omitempty"`
}

// PurposeCheck asks the issuer to let the chip prove its secret key: level 2. It changes nothing on the card and tells nobody anything but the outcome, so it wants no
// ticket. OK with Level says what was proven; CodeCopy that the chip has not the key that the record's chip has; CodeUnproven that nothing was proven either way.
const PurposeCheck = "check"

// Command is one APDU.
type Command struct {
	APDU []byte `json:"apdu"`
	// Expect lists good status words; empty means 9000 only. 61xx and 6Cxx are followed by the station.
	Expect []uint16 `json:"expect,omitempty"`
}

// Reply is the issuer's side.
type Reply struct {
	Session  string    `json:"session"`
	Turn     int       `json:"turn"` // of the Turn it answers
	Commands []Command `json:"commands,omitempty"`
	Step     string    `json:"step,omitempty"` // for the progress bar: "plan" "write" "verify" "bind"
	DoneN    int       `json:"done_n,omitempty"`
	Total    int       `json:"total,omitempty"`
	Done     bool      `json:"done,omitempty"`
	Outcome  *Outcome  `json:"outcome,omitempty"` // when Done
}

// Outcome ends a session.
type Outcome struct {
	OK       bool   `json:"ok"`
	Code     Code   `json:"code,omitempty"`
	Detail   string `json:"detail,omitempty"`
	CardNo   string `json:"card_no,omitempty"`
	Sequence uint32 `json:"sequence,omitempty"`
	Profile  string `json:"profile,omitempty"`
	Level    int    `json:"level,omitempty"`
	Resumed  bool   `json:"resumed,omitempty"`
	// Attestation, of a check that proved the chip and was bound to a tap: credential.Attestation, signed.
	Attestation []byte `json:"attestation,omitempty"`
}

// Code says why a session failed.
type Code string

const (
	CodeTicket    Code = "ticket"       // unknown, used or late: ask the console for a new one
	CodeNotBlank  Code = "not_blank"    // the card belongs to another pupil
	CodeWrongCard Code = "wrong_card"   // a rewrite, but this is not the pupil's card
	CodeUnknown   Code = "unknown_chip" // no profile claims it
	CodeGone      Code = "gone"         // the card left: put it back to finish
	CodeCard      Code = "card"         // the card refused a command
	CodeVerify    Code = "verify"       // what was read back is not what was written
	CodeServer    Code = "server"       // the register is out of reach; the journal keeps the story
	CodeIssuer    Code = "issuer"       // said by the station itself: the issuer is out of reach
	CodeBusy      Code = "busy"         // too many cards at once: try again in a moment
	CodeCopy      Code = "copy"         // a check: the chip has not the key it should have
	CodeUnproven  Code = "unproven"     // a check: this card or record cannot be proven here
	CodeInternal  Code = "internal"
)
