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
	apdus, bytes int
	current      *profiles.File // selected on the card when the plans built so far have run; nil: unknown
}

// Transmit counts each command, those that follow 61xx and 6Cxx too.
func (s *session) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := s.tx.Transmit(ctx, command)
	s.apdus++
	s.bytes += len(command) + len(answer)
	return answer, err
}

// call is one command of a plan.
type call struct {
	step  string
	apdu  []byte
	good  []uint16 // words that let the plan go on
	count int      // most data bytes expected back; more is hostile
}

// plan gathers calls; the first error in building one sticks.
type plan struct {
	s     *session
	calls []call
	err   error
}

func (p *plan) add(op profiles.Operation, args profiles.Args, count int, alsoGood ...[]uint16) {
	apdu, err := p.s.p.Command(op, args)
	if err != nil && p.err == nil {
		p.err = err
	}
	p.calls = append(p.calls, call{string(op), apdu, slices.Concat(append([][]uint16{p.s.p.Good(op)}, alsoGood...)...), count})
}

const anyCount = iso7816.MaxExtendedNe

// run sends the calls in order, in one batch when the Transmitter can, and stops after the first whose word is not among its good ones. It returns one
// response per command sent; err is nil when the last one's word is merely not good.
func (s *session) run(ctx context.Context, p *plan) ([]iso7816.Response, error) {
	if p.err != nil {
		return nil, p.err
	}
	if b, ok := s.tx.(BatchTransmitter); ok && len(p.calls) > 1 {
		return s.runBatch(ctx, b, p.calls)
	}
	out := make([]iso7816.Response, 0, len(p.calls))
	for _, c := range p.calls {
		r, err := iso7816.Exchange(ctx, s, c.apdu)
		if err != nil {
			return out, err
		}
		if len(r.Data) > c.count {
			return out, ErrHostile
		}
		out = append(out, r)
		if !contains(c.good, r.SW) {
			break
		}
	}
	return out, nil
}

func (s *session) runBatch(ctx context.Context, b BatchTransmitter, calls []call) ([]iso7816.Response, error) {
	commands := make([]Command, len(calls))
	for i, c := range calls {
		commands[i] = Command{APDU: c.apdu, Expect: c.good}
	}
	answers, err := b.TransmitBatch(ctx, commands)
	if err != nil {
		return nil, err
	}
	if len(answers) == 0 || len(answers) > len(calls) {
		return nil, ErrHostile
	}
	out := make([]iso7816.Response, len(answers))
	for i, a := range answers {
		r, err := iso7816.ParseResponse(a)
		if err != nil {
			return nil, err
		}
		s.apdus++
		s.bytes += len(calls[i].apdu) + len(a)
		// Only the last answer may be an unexpected one, and if commands are missing it must be.
		good := contains(calls[i].good, r.SW)
		if len(r.Data) > calls[i].count || !good && i != len(answers)-1 || good && i == len(answers)-1 && len(answers) < len(calls) {
			return nil, ErrHostile
		}
		out[i] = r
	}
	return out, nil
}

// mustRun is run for plans in which every word must be good.
func (s *session) mustRun(ctx context.Context, p *plan) ([]iso7816.Response, error) {
	out, err := s.run(ctx, p)
	if err != nil {
		return out, err
	}
	last := len(out) - 1
	if c := p.calls[last]; !contains(c.good, out[last].SW) {
		return out, s.refused(c.step, out[last].SW)
	}
	return out, nil
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
		count := min(n, p.s.p.Limits.Read)
		offset := place.Offset + at
		args := profiles.Args{"offset": offset, "count": count, "sfi": place.File.SFI}
		if first && p.s.current != place.File && p.s.p.Has(profiles.ReadShort) && place.File.SFI > 0 && offset <= 255 {
			p.add(profiles.ReadShort, args, count, torn)
		} else {
			if p.s.current != place.File {
				p.add(profiles.SelectFile, profiles.Args{"file": place.File.ID}, anyCount)
				index++
			}
			p.add(profiles.Read, args, count, torn)
		}
		p.s.current, first = place.File, false
		at, n = at+count, n-count
	}
	return index
}

// write adds the commands that write data to place from offset at within it.
func (p *plan) write(place profiles.Place, at int, data []byte) {
	for len(data) > 0 {
		chunk := data[:min(len(data), p.s.p.Limits.Write)]
		offset := place.Offset + at
		args := profiles.Args{"offset": offset, "data": chunk, "sfi": place.File.SFI}
		if p.s.current != place.File && p.s.p.Has(profiles.WriteShort) && place.File.SFI > 0 && offset <= 255 {
			p.add(profiles.WriteShort, args, 0)
		} else {
			if p.s.current != place.File {
				p.add(profiles.SelectFile, profiles.Args{"file": place.File.ID}, anyCount)
			}
			p.add(profiles.Write, args, 0)
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
