// Package applet speaks the student card's commands over a one-method Transmitter, in the dialect a firmware profile describes.
package applet

import "context"

// Transmitter sends one command APDU and returns data ‖ SW1 SW2. pcsc, cardsim, transcripts and the issuer's relay implement it.
type Transmitter interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// BatchTransmitter is an optional ability: send commands in order, stop at the first unexpected status word. The relay has it; it saves round trips.
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
	ChipSerial []byte
	Blank      bool   // no application or no record yet
	Torn       bool   // an application, but no whole slot
	Record     []byte // public record of the highest whole slot; the caller verifies it
	Sealed     []byte
	Sequence   uint32 // from the slot header
	Slot       int    // 0 or 1
	// Other is the other slot's record when it is whole too: if Record does not verify, Other may.
	Other, OtherSealed []byte
	OtherSequence      uint32
	APDUs, Bytes       int
}

// The functions of this package (p is a loaded firmware profile):
//
//	func Read(ctx, tx Transmitter, p *profiles.Profile) (Reading, error)
//	func ReadSerial(ctx, tx, p) ([]byte, error)
//	func Prepare(ctx, tx, p) (err error)            create the application and its files; resumes a half-made one
//	func Write(ctx, tx, p, r Reading, sequence uint32, record, sealed []byte) error   inactive slot: sealed, public body, header last; then read back and compare
