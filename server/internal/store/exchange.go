package store

import (
	"context"
	"time"

	"xueji/server/registry"
)

// ExchangeKey is an identity of this register in the exchange. Secret is the identity whole (exchange.Identity), sealed at rest.
type ExchangeKey struct {
	ID        string // hex key id of the signing key
	Province  string
	Secret    []byte
	MadeAt    time.Time
	RetiredAt time.Time // zero: the one that signs; a retired one still opens what was written to it
}

// Peer is another province's register.
type Peer struct {
	Province string // "320000"
	Name     string
	URL      string
	Keys     []PeerKey
	AddedAt  time.Time
	By       string // account id, or "command"
	// RevokedAt: nothing is taken from it or sent to it any more; what waits keeps waiting.
	RevokedAt time.Time
	PeerSeen
}

// PeerKey is a pinned identity (exchange.Public.Text) and when it is good.
type PeerKey struct {
	Text  string    `json:"text"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"` // zero: until further notice
}

// Good reports whether the key is good at a moment.
func (k PeerKey) Good(at time.Time) bool {
	return !at.Before(k.From) && (k.Until.IsZero() || at.Before(k.Until))
}

// PeerSeen is how the line to a peer does.
type PeerSeen struct {
	HeardAt  time.Time // a good message, or a receipt, came from it
	SentAt   time.Time // it last acknowledged
	Failures int       // since it last acknowledged
	NextTry  time.Time // it is not called before
	Fault    string    // what the last failure was: a code, no text of a letter
}

// States of a letter.
const (
	LetterWaiting = "waiting" // to be sent; taken in and to be applied
	LetterDone    = "done"    // acknowledged; applied
	LetterRefused = "refused" // out: the peer will not take it as it is, somebody has to mend that
	LetterHeld    = "held"    // in: it cannot be applied as things stand, somebody has to finish it
)

// Letter is a message of the exchange, on its way out or taken in.
type Letter struct {
	Peer   string
	Seq    uint64 // drawn when it is stored (out), the sender's (in)
	Prev   uint64
	ID     string // 32 hexadecimal digits
	Thread string
	Kind   registry.LetterKind
	UID    registry.UID    // out: the pupil it is about, "" when there is none here
	CaseNo registry.CaseNo // the case here
	At     time.Time       // written
	Body   []byte          // the letter in clear (exchange.EncodeLetter); sealed at rest; nil once it was swept
	Digest []byte          // SHA-256 of the body that was swept
	File   string          // out: digest of the file whose bytes are added when it is sent
	State  string
	// Code and Params say why it is refused or held; Unit is whose work it is to finish a held one.
	Code      registry.Code
	Params    map[string]string
	Unit      registry.Unit
	GotAt     time.Time // in
	SettledAt time.Time
	Receipt   []byte // out: the peer's signed receipt
	Tries     int    // out
}

// LetterSettle ends a letter that was taken in, inside the transaction that applied it: ErrConflict when it was ended before.
type LetterSettle struct {
	Peer string
	Seq  uint64
	// From is the state it must be in: LetterWaiting, or LetterHeld for one that a person finishes.
	From string
	// CaseNo and UID are what it was applied to, so that the next of its thread finds them.
	UID    registry.UID
	CaseNo registry.CaseNo
	At     time.Time
}

// PeerHealth counts what lies between this register and a peer.
type PeerHealth struct {
	Depth   int       // letters not acknowledged
	Oldest  time.Time // of them
	Refused int       // of them: not taken as they are
	Held    int       // taken in and not applied yet because somebody has to act
	Waiting int       // taken in and about to be applied
	Turned  int       // messages in its name that were turned away, last 30 days
}

// Exchange keeps identities, peers, and the letters to and from them. Out-letters are written by Commit (Batch.Letters); Commit also settles in-letters.
type Exchange interface {
	// PutExchangeKey stores a new identity and retires the one before, in one transaction.
	PutExchangeKey(ctx context.Context, k ExchangeKey) error
	// ExchangeKeys lists identities, the one that signs first.
	ExchangeKeys(ctx context.Context) ([]ExchangeKey, error)
	// PutPeer inserts or replaces a peer by its province; what was seen of it stays.
	PutPeer(ctx context.Context, p Peer) error
	Peers(ctx context.Context) ([]Peer, error)
	Peer(ctx context.Context, province string) (Peer, error)
	// HearPeer notes a sign of life: it is called again at once.
	HearPeer(ctx context.Context, province string, at time.Time, acknowledged bool) error
	// MissPeer counts a failed call and puts the next one off.
	MissPeer(ctx context.Context, province, fault string, next time.Time) error
	// TurnAway counts a message that was refused, by day and reason.
	TurnAway(ctx context.Context, province string, day registry.Date, why string) error
	PeerHealth(ctx context.Context, province string, since registry.Date) (PeerHealth, error)

	// LetterOut reads a letter to a peer by its id.
	LetterOut(ctx context.Context, peer, id string) (Letter, error)
	// LettersOut lists letters of a state to a peer, oldest first, without bodies; "" for both states that are not done.
	LettersOut(ctx context.Context, peer, state string, limit int) ([]Letter, error)
	// SettleOut notes what became of an attempt: done with the receipt, or waiting or refused with why. A letter that is done stays done (no error).
	SettleOut(ctx context.Context, peer, id, state string, receipt []byte, code registry.Code, params map[string]string, at time.Time) error
	// TakeLetter stores a message once, with the outbox row (kind) that applies it, durable on return. fresh is false when it was there already; ErrConflict when one
	// of its number, or its id under another number, is there and is another. A letter that was swept is known by its digest.
	TakeLetter(ctx context.Context, l Letter, work OutboxRow) (fresh bool, err error)
	LetterIn(ctx context.Context, peer string, seq uint64) (Letter, error)
	// LettersIn lists letters of a state from every peer, oldest first, without bodies.
	LettersIn(ctx context.Context, state string, limit int) ([]Letter, error)
	// HoldLetter says why a waiting letter cannot be applied; ErrConflict when it is not waiting.
	HoldLetter(ctx context.Context, peer string, seq uint64, code registry.Code, params map[string]string, unit registry.Unit, at time.Time) error
	// TryLetter puts a held letter back, with the outbox row that applies it, made anew or waiting again.
	TryLetter(ctx context.Context, peer string, seq uint64, work OutboxRow) error
	// Followers lists waiting letters that come after one in its thread.
	Followers(ctx context.Context, peer string, seq uint64) ([]uint64, error)
	// ThreadOf finds the pupil and case here of a thread with a peer; ErrNotFound.
	ThreadOf(ctx context.Context, peer, thread string) (registry.UID, registry.CaseNo, error)
	// SweepLetters takes the bodies of some letters, in and out, and keeps their heads, digests and receipts: those of cases of which each letter here is done, the last
	// since before a moment, and whose 学籍, if it was released, the other register has continued or given back. 0: no more are left.
	SweepLetters(ctx context.Context, before, now time.Time) (int, error)
	// PutOff moves a waiting outbox row's lease.
	PutOff(ctx context.Context, uid registry.UID, id string, until time.Time) error
}

// LetterUID is under which key the outbox row of a letter to a peer stands: its pupil's, or the peer's when it is about nobody here.
func LetterUID(l Letter) registry.UID {
	if l.UID != "" {
		return l.UID
	}
	return PeerUID(l.Peer)
}

// PeerUID is the key of work that belongs to a peer and to no pupil.
func PeerUID(peer string) registry.UID { return registry.UID("x-" + peer) }
