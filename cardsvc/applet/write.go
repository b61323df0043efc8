package applet

import (
	"bytes"
	"context"
	"fmt"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/iso7816"
)

// Prepare creates the application and its files, and puts the issuer's keys on the chip when the profile has any. It may be called again after any interruption:
// what is there already is left as it is. On return the card is Blank and Prepared, or keeps the records it had. A card without a serial of its own has one now.
func Prepare(ctx context.Context, tx Transmitter, p *profiles.Profile, opts ...WriteOption) error {
	s := newSession(tx, p, opts)
	if p.Secret() {
		if s.keys.Derive == nil {
			return ErrNoKeys
		}
		if err := s.learnSerial(ctx); err != nil {
			return err
		}
	}
	pl := &plan{s: s}
	add := func(step profiles.Step, args profiles.Args) {
		pl.calls = append(pl.calls, call{step: "prepare: " + step.Note, steps: []profiles.Step{step}, args: args, also: p.Exists(), count: anyCount})
	}
	for _, step := range p.Prepare {
		if !step.Each {
			add(step, nil)
			continue
		}
		for _, f := range p.Files {
			add(step, f.Args())
		}
	}
	if _, err := s.mustRun(ctx, pl); err != nil {
		return err
	}
	if p.Serial.File != nil {
		return s.seed(ctx)
	}
	return nil
}

// seed writes a serial, drawn by the card itself, into the serial file if there is none.
func (s *session) seed(ctx context.Context) error {
	place := profiles.Place{File: s.p.Serial.File, Size: s.p.Serial.Size}
	pl := &plan{s: s}
	pl.add(profiles.SelectApplication, nil, anyCount)
	pl.read(place, 0, place.Size)
	pl.add(profiles.SeedSerial, nil, anyCount)
	rs, err := s.mustRun(ctx, pl)
	if err != nil {
		return err
	}
	n := len(rs)
	if len(rs[n-2].Data) != place.Size || len(rs[n-1].Data) < place.Size {
		return fmt.Errorf("%w: serial", ErrHostile)
	}
	if !unseeded(rs[n-2].Data) {
		return nil
	}
	serial := append([]byte(nil), rs[n-1].Data[:place.Size]...)
	if unseeded(serial) {
		serial[len(serial)-1] = 0x01 // the last byte tells a whole serial from a torn one
	}
	s.current = nil // drawing the seed may have moved the card's choice of file
	pl = &plan{s: s}
	pl.write(place, 0, serial)
	pl.read(place, 0, place.Size)
	if rs, err = s.mustRun(ctx, pl); err != nil {
		return err
	}
	if !bytes.Equal(rs[len(rs)-1].Data, serial) {
		return ErrVerify
	}
	return nil
}

// Write puts a record on the card beside the one r holds: into the other slot, the sealed part first, then the public body, its header last, then all of it
// is read back and compared. Until the header is wholly written the card's record is the old one, after that the new one, wherever the card is torn out. On a card with one
// slot and a commit, that is the moment in place of the header's.
// r is a Reading of this card since it was put on the reader. On return the new record is on the card and was read back.
//
// A card that is written under keys wants WithKeys. With ReadBackLater nothing is read back here.
//
// Errors: ErrUnprepared, ErrTooLarge and ErrSequence before the first command; *CardError, ErrVerify or the Transmitter's after: then Read tells what the card holds.
func Write(ctx context.Context, tx Transmitter, p *profiles.Profile, r Reading, sequence uint32, record, sealed []byte, opts ...WriteOption) error {
	if !r.Prepared && r.Blank {
		// The caller may have prepared the card since: ask the card, not the reading.
		again, err := Read(ctx, tx, p, PublicOnly())
		if err != nil {
			return err
		}
		if !again.Prepared {
			return ErrUnprepared
		}
		r = again
	}
	target := 0
	if r.Record != nil {
		target = len(p.Slots) - 1 - r.Slot // the other one, or the only one
		if sequence <= r.Sequence {
			return fmt.Errorf("%w: %d on %d", ErrSequence, sequence, r.Sequence)
		}
	}
	place := p.Slots[target]
	if len(record) == 0 || HeaderSize+len(record) > place.Public.Size || HeaderSize+len(sealed) > place.Sealed.Size {
		return fmt.Errorf("%w: %d and %d bytes into %d and %d", ErrTooLarge, len(record), len(sealed), place.Public.Size-HeaderSize, place.Sealed.Size-HeaderSize)
	}
	public, private := slotImage(kindPublic, sequence, record), slotImage(kindSealed, sequence, sealed)

	s := newSession(tx, p, opts)
	if r.ChipSerial != nil {
		s.setSerial(r.ChipSerial)
	}
	if p.Secret() {
		if err := s.learnSerial(ctx); err != nil {
			return err
		}
	}
	pl := &plan{s: s}
	pl.add(profiles.SelectApplication, nil, anyCount)
	if p.Has(profiles.Unlock) {
		pl.add(profiles.Unlock, nil, anyCount)
	}
	pl.write(place.Sealed, 0, private)
	if len(p.Slots) == 1 { // what is written holds from the commit, all at once
		pl.write(place.Public, 0, public)
	} else {
		pl.write(place.Public, HeaderSize, public[HeaderSize:])
		pl.write(place.Public, 0, public[:HeaderSize])
	}
	if p.Has(profiles.Commit) {
		pl.add(profiles.Commit, nil, anyCount)
	}
	if s.later {
		_, err := s.mustRun(ctx, pl)
		return err
	}
	publicAt := pl.read(place.Public, 0, len(public))
	publicEnd := len(pl.calls)
	sealedAt := pl.read(place.Sealed, 0, len(private))
	rs, err := s.run(ctx, pl)
	if err != nil {
		return err
	}
	// A card on which the issuer's writing opens no reading gives the sealed place to a reader's key alone.
	shut := s.stopped && len(rs)-1 == sealedAt && p.IsGuarded(uint16(rs[sealedAt].SW)) && s.opens()
	if s.stopped && !shut {
		return s.stopError(pl, rs)
	}
	if got := joined(pl.calls[publicAt:publicEnd], rs[publicAt:publicEnd]); !bytes.Equal(got, public) {
		return ErrVerify
	}
	calls, answers := pl.calls[sealedAt:], rs[sealedAt:]
	if shut {
		pl := &plan{s: s}
		pl.add(profiles.SelectApplication, nil, anyCount)
		pl.add(profiles.OpenSealed, nil, anyCount)
		s.current = nil
		at := pl.readOpened(place.Sealed, 0, len(private))
		if answers, err = s.mustRun(ctx, pl); err != nil {
			return err
		}
		calls, answers = pl.calls[at:], answers[at:]
	}
	if !bytes.Equal(joined(calls, answers), private) {
		return ErrVerify
	}
	return nil
}

// Rekey puts other keys of the issuer in the place of those that the chip has: Keys.Was gives the old ones, Keys.Derive the new. It may be called again after any
// interruption, with the same keys, and leaves the records as they are. Begun says that it was begun before. ErrNoKeys without keys or when the profile knows no way.
func Rekey(ctx context.Context, tx Transmitter, p *profiles.Profile, serial []byte, opts ...WriteOption) error {
	s := newSession(tx, p, opts)
	if p.Rekey == nil || s.keys.Derive == nil || s.keys.Was == nil {
		return ErrNoKeys
	}
	s.setSerial(serial)
	pl := &plan{s: s}
	for _, step := range p.Rekey {
		pl.calls = append(pl.calls, call{step: "rekey: " + step.Note, steps: []profiles.Step{step}, count: anyCount})
	}
	_, err := s.mustRun(ctx, pl)
	return err
}

// Check lets the chip prove its secret key: the issuer's side, which alone has the keys. nil is proof that the chip behind tx is the one these keys were made for.
// ErrNotProof when it is not, *CardError when the chip refuses, ErrNoKeys without keys or when the profile knows no such proof.
func Check(ctx context.Context, tx Transmitter, p *profiles.Profile, serial []byte, opts ...WriteOption) error {
	if !p.Has(profiles.Check) {
		return ErrNoKeys
	}
	s := newSession(tx, p, opts)
	s.setSerial(serial)
	pl := &plan{s: s}
	pl.add(profiles.SelectApplication, nil, anyCount)
	pl.add(profiles.Check, nil, anyCount)
	_, err := s.mustRun(ctx, pl)
	return err
}

var _ iso7816.Transmitter = (*session)(nil)
