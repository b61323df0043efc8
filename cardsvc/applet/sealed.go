package applet

import (
	"context"
	"errors"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/iso7816"
)

// lock is what a session knows of the sealed place's lock. The zero value knows nothing.
type lock struct {
	tried bool // the reader's key was shown, and not taken
	open  bool // the reader's key was taken
	shut  bool // read without it, the card refused
}

// afterJudge says that the sealed place is read only once the public record was judged: a reader's key is not shown to just any chip.
func (o *options) afterJudge(p *profiles.Profile) bool {
	return p.Guards() && !o.publicOnly && (o.judge != nil || o.only != nil)
}

// opens says whether a key is at hand for a lock that was not tried.
func (s *session) opens() bool {
	if !s.p.Guards() || s.lock.tried || s.lock.open || s.keys.Derive == nil {
		return false
	}
	_, err := s.key(profiles.ReadKey, nil)
	return err == nil
}

// readSealed reads a sealed place wholly: sealedHead and sealedRest.
func (s *session) readSealed(ctx context.Context, pl *plan, place profiles.Place, sequence uint32) ([]byte, error) {
	_, head, err := s.sealedHead(ctx, pl, place)
	if err != nil {
		return nil, err
	}
	return s.sealedRest(ctx, place, head, sequence)
}

// sealedHead runs what pl holds and then reads the first chunk of a sealed place, opening its lock first when it has one and a key is at hand. A chip that does not take the
// key (another's, or one that was made before there were locks) is read as by everybody. head is nil when the place stays shut. rs are the responses to what pl held.
func (s *session) sealedHead(ctx context.Context, pl *plan, place profiles.Place) (rs []iso7816.Response, head []byte, err error) {
	if s.mustGuard && s.opens() {
		s.mustGuard = false
		if rs, err = s.seeShut(ctx, pl, place); err == nil {
			_, head, err = s.sealedHead(ctx, &plan{s: s}, place)
		}
		return rs, head, err
	}
	before := len(pl.calls)
	n := min(s.p.Limits.First, place.Size)
	if s.opens() {
		pl.add(profiles.OpenSealed, nil, anyCount)
		at := pl.readOpened(place, 0, min(n, s.p.Limits.Sealed))
		rs, err = s.run(ctx, pl)
		switch {
		case errors.Is(err, ErrNotProof): // the chip does not know the key either
		case err != nil:
			return nil, nil, err
		case !s.stopped:
			s.lock.open = true
			return rs[:before], joined(pl.calls[at:], rs[at:]), nil
		case len(rs)-1 != before:
			return nil, nil, s.stopError(pl, rs)
		}
		s.lock.tried, s.current = true, nil
		rs, pl = rs[:before], &plan{s: s}
	}
	from, at := len(pl.calls), len(pl.calls)
	switch {
	case s.lock.open:
		at = pl.readOpened(place, 0, min(n, s.p.Limits.Sealed))
	case !s.lock.shut:
		at = pl.read(place, 0, n)
	case from == 0:
		return rs, nil, nil
	}
	got, err := s.run(ctx, pl)
	switch {
	case err != nil:
		return nil, nil, err
	case s.stopped && len(got)-1 == at && s.p.IsGuarded(uint16(got[at].SW)):
		s.lock.shut, s.current = true, nil
		return append(rs, got[:from]...), nil, nil
	case s.stopped:
		return nil, nil, s.stopError(pl, got)
	}
	return append(rs, got[:from]...), joined(pl.calls[at:], got[at:]), nil
}

// seeShut runs what pl holds and then asks for a sealed place without a key, which the card must refuse.
func (s *session) seeShut(ctx context.Context, pl *plan, place profiles.Place) ([]iso7816.Response, error) {
	before := len(pl.calls)
	at := pl.read(place, 0, HeaderSize)
	rs, err := s.run(ctx, pl)
	s.current = nil
	switch {
	case err != nil:
		return nil, err
	case !s.stopped:
		return nil, ErrUnguarded
	case len(rs)-1 != at || !s.p.IsGuarded(uint16(rs[at].SW)):
		return nil, s.stopError(pl, rs)
	}
	return rs[:before], nil
}

// sealedRest reads the rest of a sealed slot whose first chunk is head; nil when it is torn or of another sequence.
func (s *session) sealedRest(ctx context.Context, place profiles.Place, head []byte, sequence uint32) ([]byte, error) {
	h, ok := parseHeader(head, kindSealed, place.Size)
	if !ok || h.sequence != sequence {
		return nil, nil
	}
	if missing := HeaderSize + h.length - len(head); missing > 0 {
		pl := &plan{s: s}
		read := pl.read
		if s.lock.open {
			read = pl.readOpened
		}
		from := read(place, len(head), missing)
		to := len(pl.calls)
		if s.lock.open {
			s.close(pl)
		}
		rs, err := s.mustRun(ctx, pl)
		if err != nil {
			return nil, err
		}
		head = append(head[:len(head):len(head)], joined(pl.calls[from:to], rs[from:to])...)
	}
	blob, _, ok := whole(head, kindSealed, place.Size)
	if !ok {
		return nil, nil
	}
	return blob, nil
}

// OpenSealed selects the application and opens its sealed place by the chip's key `read`; what follows in the session may read it, until the application is selected again or
// the card is reset. ErrNoKeys without the key or when the profile knows no lock, *CardError or ErrNotProof when the chip does not take it.
func OpenSealed(ctx context.Context, tx Transmitter, p *profiles.Profile, serial []byte, k Keys) error {
	s := newSession(tx, p, []WriteOption{WithKeys(k)})
	s.setSerial(serial)
	if !s.opens() {
		return ErrNoKeys
	}
	pl := &plan{s: s}
	pl.add(profiles.SelectApplication, nil, anyCount)
	pl.add(profiles.OpenSealed, nil, anyCount)
	_, err := s.mustRun(ctx, pl)
	return err
}

// close shuts the lock again: on every card that has one, what was shown is forgotten when the application is selected. The card may lie on for others to ask.
func (s *session) close(pl *plan) {
	pl.add(profiles.SelectApplication, nil, anyCount)
	s.lock, s.current = lock{}, nil
}

// readOpened is read for a place whose lock is open by then.
func (p *plan) readOpened(place profiles.Place, at, n int) (index int) {
	if !p.s.p.Has(profiles.ReadSealed) {
		return p.read(place, at, n)
	}
	index = len(p.calls)
	for n > 0 {
		count := min(n, p.s.p.Limits.Sealed)
		args := profiles.Args{"offset": place.Offset + at, "count": count, "sfi": place.File.SFI, "file": place.File.ID}
		p.add(profiles.ReadSealed, args, count, p.s.p.Torn())
		p.calls[len(p.calls)-1].gives = profiles.Clear
		at, n = at+count, n-count
	}
	return index
}
