package applet

import (
	"context"
	"slices"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/iso7816"
)

// session counts what goes over the wire and builds commands of one profile.
type session struct {
	tx           Transmitter
	p            *profiles.Profile
	keys         Keys
	serial       []byte        // of the chip, for its keys
	vars         profiles.Args // values computed so far: session keys, challenges
	apdus, bytes int
	later        bool           // the caller reads back
	stopped      bool           // the last plan ended at a word that was not good: its last response
	current      *profiles.File // selected on the card when the plans built so far have run; nil: unknown
	lock         lock           // of the sealed place
	mustGuard    bool           // and it must have one
}

// Transmit counts each command, those that follow 61xx and 6Cxx too.
func (s *session) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := s.tx.Transmit(ctx, command)
	s.apdus++
	s.bytes += len(command) + len(answer)
	return answer, err
}

// call is one operation of a plan: steps, of which the last command's answer counts.
type call struct {
	step  string
	steps []profiles.Step
	args  profiles.Args
	also  []uint16 // more words that let the plan go on after the last command
	count int      // most data bytes expected back; more is hostile
	gives string   // the piece of the last answer that is the call's data; "": all of it
}

// plan gathers calls.
type plan struct {
	s     *session
	calls []call
}

func (p *plan) add(op profiles.Operation, args profiles.Args, count int, alsoGood ...[]uint16) {
	p.calls = append(p.calls, call{step: string(op), steps: p.s.p.Steps(op), args: args, also: slices.Concat(alsoGood...), count: count})
}

const (
	anyCount = iso7816.MaxExtendedNe
	macTail  = 16 // most bytes a card under secure messaging answers to a write: a MAC
	envelope = 64 // most bytes around the data that read_sealed gives
)

// mustRun is run for plans in which every word must be good.
func (s *session) mustRun(ctx context.Context, p *plan) ([]iso7816.Response, error) {
	out, err := s.run(ctx, p)
	if err != nil {
		return out, err
	}
	if s.stopped {
		return out, s.stopError(p, out)
	}
	return out, nil
}

// stopError is the refusal at which a plan stopped.
func (s *session) stopError(p *plan, out []iso7816.Response) error {
	last := len(out) - 1
	return s.refused(p.calls[last].step, out[last].SW)
}

func (s *session) refused(step string, sw iso7816.StatusWord) error {
	return &CardError{step, sw, s.p.Word(uint16(sw))}
}

func contains(words []uint16, sw iso7816.StatusWord) bool { return slices.Contains(words, uint16(sw)) }

// read adds the commands that read n bytes of place from offset at within it. It returns the
// index of the first reading call; a select may come before it.
func (p *plan) read(place profiles.Place, at, n int) (index int) {
	torn := p.s.p.Torn()
	first := true
	index = len(p.calls)
	for n > 0 {
		count := min(n, p.s.p.Limits.Chain)
		part := min(count, p.s.p.Limits.Read)
		good := torn
		if part < count {
			good = append(good[:len(good):len(good)], p.s.p.More()...)
		}
		offset := place.Offset + at
		args := profiles.Args{"offset": offset, "count": count, "sfi": place.File.SFI, "file": place.File.ID}
		if p.s.p.Direct() {
			p.add(profiles.Read, args, part, good)
		} else if first && p.s.current != place.File && p.s.p.Has(profiles.ReadShort) && place.File.SFI > 0 && offset <= 255 {
			p.add(profiles.ReadShort, args, part, good)
		} else {
			if p.s.current != place.File {
				p.add(profiles.SelectFile, profiles.Args{"file": place.File.ID}, anyCount)
				index++
			}
			p.add(profiles.Read, args, part, good)
		}
		p.more(count-part, torn)
		p.s.current, first = place.File, false
		at, n = at+count, n-count
	}
	return index
}

// more adds the commands that fetch n bytes of an answer that goes on.
func (p *plan) more(n int, torn []uint16) {
	for n > 0 {
		part := min(n, p.s.p.Limits.Read)
		good := torn
		if n -= part; n > 0 {
			good = append(good[:len(good):len(good)], p.s.p.More()...)
		}
		p.add(profiles.More, nil, part, good)
	}
}

// write adds the commands that write data to place from offset at within it.
func (p *plan) write(place profiles.Place, at int, data []byte) {
	for len(data) > 0 {
		chunk := data[:min(len(data), p.s.p.Limits.Write)]
		offset := place.Offset + at
		args := profiles.Args{"offset": offset, "data": chunk, "count": len(chunk), "sfi": place.File.SFI, "file": place.File.ID}
		if p.s.p.Direct() {
			p.add(profiles.Write, args, macTail)
		} else if p.s.current != place.File && p.s.p.Has(profiles.WriteShort) && place.File.SFI > 0 && offset <= 255 {
			p.add(profiles.WriteShort, args, macTail)
		} else {
			if p.s.current != place.File {
				p.add(profiles.SelectFile, profiles.Args{"file": place.File.ID}, anyCount)
			}
			p.add(profiles.Write, args, macTail)
		}
		p.s.current = place.File
		at, data = at+len(chunk), data[len(chunk):]
	}
}

// joined is the data of responses, up to the first that came short of its count.
func joined(calls []call, rs []iso7816.Response) []byte {
	var out []byte
	for i, r := range rs {
		out = append(out, r.Data...)
		if len(r.Data) < calls[i].count {
			break
		}
	}
	return out
}
