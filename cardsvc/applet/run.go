package applet

import (
	"context"
	"maps"
	"slices"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/iso7816"
)

// queued is a command that waits for its batch.
type queued struct {
	call  int
	apdu  []byte
	good  []uint16
	count int
	take  []profiles.Cut
	env   profiles.Args // of its call: where taken values go
	last  bool          // of its call
}

// runner carries out a plan: it builds commands as long as they do not depend on an answer that is still out, and sends what it has in one batch when one does.
type runner struct {
	s     *session
	calls []call
	queue []queued
	out   []iso7816.Response
	stop  bool // a word was not good: nothing more is sent
}

// run sends the calls in order, in as few batches as their dependence allows when the Transmitter can batch, and stops after the first whose word is not among its
// good ones. It returns one response per call begun; err is nil when the last one's word is merely not good.
func (s *session) run(ctx context.Context, p *plan) ([]iso7816.Response, error) {
	r := &runner{s: s, calls: p.calls}
	s.stopped = false
	for i := range p.calls {
		c := &p.calls[i]
		env := maps.Clone(s.vars)
		if env == nil {
			env = profiles.Args{}
		}
		maps.Copy(env, c.args)
		if err := r.steps(ctx, i, c.steps, env, true); err != nil {
			return r.out, err
		}
		if !r.stop && lastSend(c.steps) < 0 { // a call without a command of its own answers nothing, well
			if err := r.flush(ctx); err != nil {
				return r.out, err
			}
			if !r.stop {
				r.out = append(r.out, iso7816.Response{SW: iso7816.Success})
			}
		}
		if r.stop {
			break
		}
	}
	var err error
	if !r.stop {
		err = r.flush(ctx)
	}
	s.stopped = r.stop
	return r.out, err
}

// steps runs the steps of a call; outer: not those of a procedure inside.
func (r *runner) steps(ctx context.Context, i int, steps []profiles.Step, env profiles.Args, outer bool) error {
	for n := range steps {
		st := &steps[n]
		if r.waits(st.Uses()) {
			if err := r.flush(ctx); err != nil || r.stop {
				return err
			}
		}
		if err := r.step(ctx, i, st, env, outer && n == lastSend(steps)); err != nil || r.stop {
			return err
		}
	}
	return nil
}

func lastSend(steps []profiles.Step) int {
	for n := len(steps) - 1; n >= 0; n-- {
		if steps[n].Send != nil {
			return n
		}
	}
	return -1
}

func (r *runner) step(ctx context.Context, i int, st *profiles.Step, env profiles.Args, last bool) error {
	s, c := r.s, &r.calls[i]
	for name, v := range s.vars { // taken by an earlier call meanwhile
		if _, own := c.args[name]; !own {
			env[name] = v
		}
	}
	switch {
	case st.Send != nil:
		apdu, err := s.p.Eval(st.Send, env, crypto{s, env})
		if err != nil {
			return err
		}
		q := queued{call: i, apdu: apdu, good: st.Good, count: anyCount, take: st.Take, env: env, last: last}
		if last {
			q.good, q.count = slices.Concat(st.Good, c.also), c.count
			if c.gives != "" {
				q.count += envelope
			}
		}
		r.queue = append(r.queue, q)
	case st.Random != nil:
		b, err := s.random(st.Random.Size)
		if err != nil {
			return err
		}
		s.keep(env, st.Random.Name, b)
	case st.Set != "":
		b, err := s.p.Eval(st.To, env, crypto{s, env})
		if err != nil {
			return err
		}
		s.keep(env, st.Set, b)
	case st.Same != nil:
		return s.same(st, env)
	case len(st.Use) == 1: // nothing to choose: no need to know how far the card went along
		return r.steps(ctx, i, s.p.Procedure(st.Use[0]), env, false)
	case st.Use != nil:
		if err := r.flush(ctx); err != nil || r.stop {
			return err
		}
		return r.use(ctx, i, st, env)
	}
	return nil
}

// use runs the first procedure that the card lets through. What an earlier one was refused is forgotten; the last one's refusal stands.
func (r *runner) use(ctx context.Context, i int, st *profiles.Step, env profiles.Args) error {
	list := st.Use
	if st.Fresh != nil && !r.s.keys.known() {
		list = st.Fresh
	}
	for n, name := range list {
		have := len(r.out)
		err := r.steps(ctx, i, r.s.p.Procedure(name), env, false)
		if err == nil && !r.stop {
			err = r.flush(ctx)
		}
		if err != nil {
			return err
		}
		if !r.stop {
			return nil
		}
		if n < len(list)-1 {
			r.stop, r.out = false, r.out[:have]
		}
	}
	return nil
}

// waits says whether a value is still on its way.
func (r *runner) waits(names []string) bool {
	return slices.ContainsFunc(r.queue, func(q queued) bool {
		return slices.ContainsFunc(q.take, func(t profiles.Cut) bool { return slices.Contains(names, t.Name) })
	})
}

// flush sends what is queued and takes the answers apart.
func (r *runner) flush(ctx context.Context) error {
	queue := r.queue
	r.queue = nil
	if len(queue) == 0 {
		return nil
	}
	if b, ok := r.s.tx.(BatchTransmitter); ok && len(queue) > 1 {
		return r.flushBatch(ctx, b, queue)
	}
	for i := range queue {
		resp, err := iso7816.Exchange(ctx, r.s, queue[i].apdu)
		if err != nil {
			return err
		}
		if err := r.take(&queue[i], resp); err != nil || r.stop {
			return err
		}
	}
	return nil
}

func (r *runner) flushBatch(ctx context.Context, b BatchTransmitter, queue []queued) error {
	commands := make([]Command, len(queue))
	for i, q := range queue {
		commands[i] = Command{APDU: q.apdu, Expect: q.good}
	}
	answers, err := b.TransmitBatch(ctx, commands)
	if err != nil {
		return err
	}
	if len(answers) == 0 || len(answers) > len(queue) {
		return ErrHostile
	}
	for i, a := range answers {
		resp, err := iso7816.ParseResponse(a)
		if err != nil {
			return err
		}
		r.s.apdus++
		r.s.bytes += len(queue[i].apdu) + len(a)
		// Only the last answer may be an unexpected one, and if commands are missing it must be.
		good := contains(queue[i].good, resp.SW)
		if !good && i != len(answers)-1 || good && i == len(answers)-1 && len(answers) < len(queue) {
			return ErrHostile
		}
		if err := r.take(&queue[i], resp); err != nil || r.stop {
			return err
		}
	}
	return nil
}

// take hears one answer: its word, its pieces, and whether it is its call's own.
func (r *runner) take(q *queued, resp iso7816.Response) error {
	if len(resp.Data) > q.count {
		return ErrHostile
	}
	if !contains(q.good, resp.SW) {
		r.out, r.stop = append(r.out, resp), true
		return nil
	}
	if q.take != nil {
		rest := resp.Data
		for _, t := range q.take {
			n := t.Size
			if n < 0 {
				n = len(rest) - t.Less
			}
			if n < 0 || n > len(rest) {
				return ErrHostile
			}
			r.s.keep(q.env, t.Name, rest[:n:n])
			if c := &r.calls[q.call]; q.last && t.Name == c.gives {
				if n > c.count {
					return ErrHostile
				}
				resp.Data = rest[:n:n]
			}
			rest = rest[n:]
		}
		if len(rest) > 0 {
			return ErrHostile
		}
	}
	if q.last {
		r.out = append(r.out, resp)
	}
	return nil
}
