// Package applet speaks the student card's commands over a one-method Transmitter, in the dialect a firmware profile describes.
//
// It owns the slots on the card (docs/card-format.md §4): how a record is found in the fewest commands, and how a new one is written so that a card torn out
// at any moment keeps the old or the new. It judges no signature (credential does) and is pure: no os, no net, no clock, no randomness.
package applet

import (
	"context"
	"errors"
	"fmt"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/iso7816"
)

// Transmitter sends one command APDU and returns data ‖ SW1 SW2. pcsc, cardsim, transcripts and the issuer's relay implement it.
type Transmitter interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// BatchTransmitter is an optional ability: send commands in order, stop at the first unexpected status word. The relay has it; it saves round trips.
//
// answers holds data ‖ SW1 SW2 of each command that was sent, the unexpected one last; then err is nil. err tells of transport only (card gone). 61xx and 6Cxx
// are followed before a word is judged.
type BatchTransmitter interface {
	TransmitBatch(ctx context.Context, commands []Command) (answers [][]byte, err error)
}

// Command is an APDU with the status words that let a batch go on (empty: 9000 only).
type Command struct {
	APDU   []byte
	Expect []uint16
}

// Reading is what a card gave.
type Reading struct {
	ChipSerial []byte // nil when the card has none before it is prepared
	Prepared   bool   // the application and its files are there
	Blank      bool   // no application or no record yet
	Torn       bool   // an application, but no whole slot
	Record     []byte // public record of the highest whole slot; the caller verifies it
	Sealed     []byte // nil when its slot is torn or guarded, or PublicOnly was asked
	Sequence   uint32 // from the slot header
	Slot       int    // 0 or 1
	// Other is the other slot's record when it is whole too: if Record does not verify, Other may. With WithJudge it is filled only when Record was refused.
	Other, OtherSealed []byte
	OtherSequence      uint32
	// Guarded says that the card keeps its sealed place from those who do not show it the key `read`, and that it was not read for that reason.
	Guarded bool
	// Refused: Guarded, though the reader's key was shown. Do not show this one again: some chips count.
	Refused      bool
	APDUs, Bytes int // commands sent; bytes both ways
}

// Swap takes the other slot for the current one: for a caller that found Record false and Other true. Write then overwrites the false one.
func (r Reading) Swap() Reading {
	if r.Other == nil {
		return r
	}
	r.Record, r.Other = r.Other, r.Record
	r.Sealed, r.OtherSealed = r.OtherSealed, r.Sealed
	r.Sequence, r.OtherSequence = r.OtherSequence, r.Sequence
	r.Slot = 1 - r.Slot
	return r
}

// Errors. What the card itself refuses is a *CardError; what the Transmitter says comes through unchanged.
var (
	ErrVerify      = errors.New("applet: what was read back is not what was written")
	ErrTooLarge    = errors.New("applet: record larger than its slot")
	ErrSequence    = errors.New("applet: sequence is not above the one on the card")
	ErrHostile     = errors.New("applet: the card answers against its own rules")
	ErrUnknownChip = errors.New("applet: no profile claims this chip")
	ErrNoSerial    = errors.New("applet: the chip has no serial before it is prepared")
	ErrUnguarded   = errors.New("applet: the card gives its sealed place to anyone, and its profile says that it does not")
	ErrUnprepared  = errors.New("applet: the card has no student application: prepare it first")
)

// CardError says which step the card refused and how.
type CardError struct {
	Step string // operation or note of the profile's step
	SW   iso7816.StatusWord
	Word string // the profile's own meaning of the word, may be ""
}

func (e *CardError) Error() string {
	if e.Word != "" {
		return fmt.Sprintf("applet: %s: %v (%s)", e.Step, e.SW, e.Word)
	}
	return fmt.Sprintf("applet: %s: %v", e.Step, e.SW)
}

// Unwrap gives the status word, which unwraps to its meaning.
func (e *CardError) Unwrap() error { return e.SW }

// Option changes how Read reads.
type Option func(*options)

type options struct {
	judge      func(record, chipSerial []byte) bool
	publicOnly bool
	readers    *Keys
	only       func(record, chipSerial []byte) bool
	mustGuard  bool
}

// WithJudge hands Read a judge of public records. The other slot is then read only when the judge refuses the newest record, which saves a good tap its
// commands; if the judge accepts the other, the Reading comes back swapped.
func WithJudge(accept func(record, chipSerial []byte) bool) Option {
	return func(o *options) { o.judge = accept }
}

// PublicOnly leaves the sealed record on the card.
func PublicOnly() Option { return func(o *options) { o.publicOnly = true } }

// WithReaderKeys opens the sealed place of cards that guard it: k.Derive is asked for profiles.ReadKey alone. Cards that do not guard theirs are read as without.
func WithReaderKeys(k Keys) Option { return func(o *options) { o.readers = &k } }

// OnlyFor shows the reader's key to those chips alone whose public record is let through: to another issuer's chip it is a wrong key, and some chips count those.
func OnlyFor(ours func(record, chipSerial []byte) bool) Option {
	return func(o *options) { o.only = ours }
}

// MustGuard wants the card to refuse its sealed place before the reader's key is shown: ErrUnguarded when it does not. For a card that was just made by a profile that
// guards, when WithReaderKeys is given too.
func MustGuard() Option { return func(o *options) { o.mustGuard = true } }

// Identify finds the profile of the chip behind tx: by ATR, then by the profile's probes. ErrUnknownChip when none claims it.
func Identify(ctx context.Context, tx Transmitter, set *profiles.Set, atr []byte) (*profiles.Profile, error) {
	candidates := set.Probing()
	if claim := set.Match(atr); len(claim) > 0 {
		candidates = claim
	}
	heard := map[string][]iso7816.Response{} // firmwares of one family are told apart by the same questions: each is asked once
	for _, p := range candidates {
		ok, err := probe(ctx, tx, p, heard)
		if err != nil {
			return nil, err
		}
		if ok {
			return p, nil
		}
	}
	return nil, ErrUnknownChip
}

// probe asks all that the profile asks before it looks at the answers: a chip left in the middle of a chained one may refuse what comes next.
func probe(ctx context.Context, tx Transmitter, p *profiles.Profile, heard map[string][]iso7816.Response) (bool, error) {
	if len(p.Probe) == 0 {
		return true, nil
	}
	commands := make([]Command, len(p.Probe))
	for i, pr := range p.Probe {
		apdu, err := p.Fill(pr.Step, nil)
		if err != nil {
			return false, err
		}
		commands[i] = Command{APDU: apdu, Expect: pr.Good}
	}
	question := fmt.Sprintf("%x", commands)
	answers, ok := heard[question]
	if !ok {
		var err error
		if answers, err = ask(ctx, tx, commands); err != nil {
			return false, err
		}
		if len(answers) < len(commands) || !contains(commands[len(commands)-1].Expect, answers[len(answers)-1].SW) {
			return false, nil // the refusal may have ended what an earlier user left behind: the next one asks again
		}
		heard[question] = answers
	}
	for i, pr := range p.Probe {
		if !pr.Fits(answers[i].Data) {
			return false, nil
		}
	}
	return true, nil
}

// ask sends commands in one batch when tx can, up to the first whose word is not good.
func ask(ctx context.Context, tx Transmitter, commands []Command) ([]iso7816.Response, error) {
	if b, ok := tx.(BatchTransmitter); ok && len(commands) > 1 {
		answers, err := b.TransmitBatch(ctx, commands)
		if err != nil {
			return nil, err
		}
		if len(answers) == 0 || len(answers) > len(commands) {
			return nil, ErrHostile
		}
		out := make([]iso7816.Response, len(answers))
		for i, a := range answers {
			if out[i], err = iso7816.ParseResponse(a); err != nil {
				return nil, err
			}
			// Only the last answer may be an unexpected one, and if commands are missing it must be.
			if good := contains(commands[i].Expect, out[i].SW); !good && i != len(answers)-1 || good && i == len(answers)-1 && len(answers) < len(commands) {
				return nil, ErrHostile
			}
		}
		return out, nil
	}
	var out []iso7816.Response
	for _, c := range commands {
		r, err := iso7816.Exchange(ctx, tx, c.APDU)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
		if !contains(c.Expect, r.SW) {
			break
		}
	}
	return out, nil
}
