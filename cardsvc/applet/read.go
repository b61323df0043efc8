package applet

import (
	"context"
	"fmt"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/iso7816"
)

// slotRead is what is known of one slot so far.
type slotRead struct {
	public []byte // from the slot's start, as far as read
	header slotHeader
	formed bool // the header has the right form
}

// Read finds the newest record on the card: select, the head of both slots (each brings its length), then what is missing of the newer one and its
// sealed record. A card without the application, or with nothing written yet, is Blank; one with no whole slot is Torn: both without error. Errors: whatever
// the Transmitter says, *CardError for a word the profile does not allow, ErrHostile.
func Read(ctx context.Context, tx Transmitter, p *profiles.Profile, opts ...Option) (Reading, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	s := &session{tx: tx, p: p, vars: profiles.Args{}}
	r, err := s.read(ctx, &o)
	r.Guarded = r.Record != nil && r.Sealed == nil && s.lock.shut
	r.Refused = r.Guarded && s.lock.tried
	r.APDUs, r.Bytes = s.apdus, s.bytes
	return r, err
}

func (s *session) read(ctx context.Context, o *options) (Reading, error) {
	slots, r, err := s.open(ctx)
	if err != nil || r.Blank {
		return r, err
	}
	s.setSerial(r.ChipSerial)
	if o.readers != nil {
		s.keys = *o.readers
	}
	s.mustGuard = o.mustGuard
	order := []int{0, 1}
	if slots[1].formed && (!slots[0].formed || slots[1].header.sequence > slots[0].header.sequence) {
		order = []int{1, 0}
	}
	var accepted, found bool
	for _, i := range order {
		if !slots[i].formed || accepted {
			continue
		}
		record, sealed, err := s.finish(ctx, i, &slots[i], o)
		if err != nil {
			return r, err
		}
		if record == nil {
			continue // torn
		}
		ok := o.judge != nil && o.judge(record, r.ChipSerial)
		if o.afterJudge(s.p) && (ok || o.judge == nil) {
			if o.only != nil && !o.only(record, r.ChipSerial) {
				s.keys = Keys{}
			}
			if sealed, err = s.readSealed(ctx, &plan{s: s}, s.p.Slots[i].Sealed, slots[i].header.sequence); err != nil {
				return r, err
			}
		}
		switch {
		case !found:
			r.Record, r.Sealed, r.Sequence, r.Slot, found = record, sealed, slots[i].header.sequence, i, true
		default:
			r.Other, r.OtherSealed, r.OtherSequence = record, sealed, slots[i].header.sequence
			if ok {
				r = r.Swap()
			}
		}
		accepted = ok
	}
	if s.lock.open {
		pl := &plan{s: s}
		s.close(pl)
		if _, err := s.mustRun(ctx, pl); err != nil {
			return r, err
		}
	}
	switch {
	case found:
	case erased(slots[0].public) && erased(slots[1].public):
		r.Blank = true
	default:
		r.Torn = true
	}
	return r, nil
}

// open selects the application, learns the chip's serial and reads the head of both slots, or the first chunk of the only one.
func (s *session) open(ctx context.Context) (slots [2]slotRead, r Reading, err error) {
	pl := &plan{s: s}
	pl.add(profiles.SelectApplication, nil, anyCount)
	serialAt := -1
	source := &s.p.Serial
	switch {
	case source.File != nil:
		serialAt = pl.read(profiles.Place{File: source.File, Size: source.Size}, 0, source.Size)
	case source.InSelect == nil:
		serialAt = len(pl.calls)
		pl.add(profiles.ReadSerial, nil, source.Skip+source.Size+source.Rest)
	}
	head := s.p.Limits.Head
	if len(s.p.Slots) == 1 {
		head = s.p.Limits.First
	}
	var at [2]int
	for i := range s.p.Slots {
		place := s.p.Slots[i].Public
		at[i] = pl.read(place, 0, min(head, place.Size))
	}
	rs, err := s.run(ctx, pl)
	if err != nil {
		return slots, r, err
	}
	last := len(rs) - 1
	if s.stopped {
		sw := rs[last].SW
		if !s.p.IsAbsent(uint16(sw)) {
			return slots, r, s.refused(pl.calls[last].step, sw)
		}
		// No application, or one whose files are not all there: nothing was ever written.
		r.Blank = true
		r.ChipSerial, err = s.askSerial(ctx, nil)
		return slots, r, err
	}
	r.Prepared = true
	if serialAt >= 0 {
		r.ChipSerial, err = s.cutSerial(rs[serialAt].Data)
	} else {
		r.ChipSerial, err = s.askSerial(ctx, rs[0].Data)
	}
	if err != nil {
		return slots, r, err
	}
	for i := range s.p.Slots {
		slots[i].public = rs[at[i]].Data
		slots[i].header, slots[i].formed = parseHeader(slots[i].public, kindPublic, s.p.Slots[i].Public.Size)
	}
	return slots, r, nil
}

// finish reads what is missing of slot i and its sealed record; record is nil when the slot is torn.
func (s *session) finish(ctx context.Context, i int, slot *slotRead, o *options) (record, sealed []byte, err error) {
	place := s.p.Slots[i]
	pl := &plan{s: s}
	missing := max(HeaderSize+slot.header.length-len(slot.public), 0)
	pubAt := pl.read(place.Public, len(slot.public), missing)
	pubEnd := len(pl.calls)
	var rs []iso7816.Response
	if !o.publicOnly && !o.afterJudge(s.p) {
		if rs, sealed, err = s.sealedHead(ctx, pl, place.Sealed); err != nil {
			return nil, nil, err
		}
	} else if len(pl.calls) > 0 {
		if rs, err = s.mustRun(ctx, pl); err != nil {
			return nil, nil, err
		}
	}
	slot.public = append(slot.public[:len(slot.public):len(slot.public)], joined(pl.calls[pubAt:pubEnd], rs[pubAt:pubEnd])...)
	record, h, ok := whole(slot.public, kindPublic, place.Public.Size)
	if !ok {
		return nil, nil, nil
	}
	sealed, err = s.sealedRest(ctx, place.Sealed, sealed, h.sequence)
	return record, sealed, err
}

// ReadSerial asks the chip for its serial, 4–16 bytes. ErrNoSerial when the card gets one only by Prepare.
func ReadSerial(ctx context.Context, tx Transmitter, p *profiles.Profile) ([]byte, error) {
	s := &session{tx: tx, p: p}
	if f := p.Serial.File; f != nil {
		pl := &plan{s: s}
		pl.add(profiles.SelectApplication, nil, anyCount)
		at := pl.read(profiles.Place{File: f, Size: p.Serial.Size}, 0, p.Serial.Size)
		rs, err := s.run(ctx, pl)
		if err != nil {
			return nil, err
		}
		if last := len(rs) - 1; s.stopped {
			if p.IsAbsent(uint16(rs[last].SW)) {
				return nil, ErrNoSerial
			}
			return nil, s.refused(pl.calls[last].step, rs[last].SW)
		}
		serial, err := s.cutSerial(rs[at].Data)
		if err == nil && serial == nil {
			err = ErrNoSerial
		}
		return serial, err
	}
	return s.askSerial(ctx, nil)
}

// askSerial takes the chip's serial from the answer to select_application when the profile says that it is there, else asks. nil for a card that has none yet.
func (s *session) askSerial(ctx context.Context, selected []byte) ([]byte, error) {
	if s.p.Serial.InSelect != nil && selected != nil {
		if v, err := iso7816.FindTLV(selected, s.p.Serial.InSelect...); err == nil && len(v) == s.p.Serial.Size {
			return append([]byte(nil), v...), nil
		}
	}
	if s.p.Serial.File != nil || !s.p.Has(profiles.ReadSerial) {
		return nil, nil
	}
	pl := &plan{s: s}
	pl.add(profiles.ReadSerial, nil, s.p.Serial.Skip+s.p.Serial.Size+s.p.Serial.Rest)
	rs, err := s.mustRun(ctx, pl)
	if err != nil {
		return nil, err
	}
	return s.cutSerial(rs[0].Data)
}

// cutSerial takes the serial out of an answer; nil for a file that was not written yet.
func (s *session) cutSerial(data []byte) ([]byte, error) {
	source := &s.p.Serial
	if len(data) != source.Skip+source.Size+source.Rest {
		return nil, fmt.Errorf("%w: a serial of %d bytes", ErrHostile, len(data))
	}
	serial := append([]byte(nil), data[source.Skip:source.Skip+source.Size]...)
	if source.File != nil && unseeded(serial) {
		return nil, nil
	}
	return serial, nil
}

// unseeded says that a serial file was not, or not wholly, written: seeds never end in 00 (see Prepare), erased files do, or in FF.
func unseeded(serial []byte) bool {
	last := serial[len(serial)-1]
	return last == 0x00 || last == 0xFF
}
