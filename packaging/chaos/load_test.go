package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"xueji/packaging/rig"
	"xueji/server/api"
	"xueji/server/registry"
)

func now() time.Time { return time.Now() }

// fate is what must become of an event in the end.
type fate struct {
	refused registry.Code // "" for applied
	why     string        // its parameter "why", "" for any
	rivals  string        // one of those with the same word is applied, the others are refused
	caseNo  registry.CaseNo
}

// clerk is a kiosk of a school without its program: it says events, sends batches until receipts come, and now and then sends one again.
type clerk struct {
	w     *world
	d     *rig.Device
	staff *api.StaffProof
	rnd   *rand.Rand

	arriving []*registry.Pupil // to be transferred here
	rivals   []*registry.Pupil // wanted by another clerk as well
	back     []*registry.Pupil // suspended here, to return
	serial   int
	fates    []fate // of number n at index n-1
	settled  uint64 // outcomes heard and found right
	forger   *rig.Authority
}

// backlog bounds the events whose outcome a clerk has not heard: people wait for the receipt's case number too.
const backlog = 256

func (c *clerk) say(e api.Event, f fate) {
	c.d.Say(c.w, e)
	c.fates = append(c.fates, f)
}

func pop[T any](list *[]T) (v T, ok bool) {
	if len(*list) == 0 {
		return v, false
	}
	v, *list = (*list)[0], (*list)[1:]
	return v, true
}

func (c *clerk) transfer(p *registry.Pupil, f fate) {
	c.serial++
	f.caseNo = c.d.CaseNo(registry.CaseTransfer, c.serial)
	proof := c.w.authority.Proof(p)
	if f.refused == registry.CodeCard {
		proof = c.forger.Proof(p)
	}
	c.say(api.Event{Staff: c.staff, Card: proof, Transfer: &api.TransferEvent{CaseNo: f.caseNo, ToGrade: p.Grade, Reason: "moved", Guardian: "mother", Consent: now().UTC()}}, f)
}

// happens is one thing that happens at the kiosk.
func (c *clerk) happens() {
	switch r := c.rnd.IntN(100); {
	case r < 14:
		if p, ok := pop(&c.arriving); ok {
			c.transfer(p, fate{})
			return
		}
	case r < 18:
		if p, ok := pop(&c.rivals); ok {
			c.transfer(p, fate{rivals: string(p.UID)})
			return
		}
	case r < 24:
		if p, ok := pop(&c.back); ok {
			c.serial++
			no := c.d.CaseNo(registry.CaseReturn, c.serial)
			c.say(api.Event{Staff: c.staff, Card: c.w.authority.Proof(p), Return: &api.ReturnEvent{CaseNo: no, Proof: "医院康复证明", Grade: p.Grade, Class: p.Class}}, fate{caseNo: no})
			return
		}
	case r < 26:
		if len(c.arriving) > 0 { // a card nobody issued, of a pupil who is real
			c.transfer(c.arriving[0], fate{refused: registry.CodeCard})
			return
		}
	case r < 29: // the same bytes under a fresh number
		if n := len(c.d.Said); n > 0 {
			c.d.SayRaw(c.d.Said[c.rnd.IntN(n)])
			c.fates = append(c.fates, fate{refused: registry.CodeInvalid, why: "replayed"})
			return
		}
	}
	c.say(api.Event{Tap: &api.TapEvent{Verdict: "valid", CardNo: "330000000000017", Sequence: uint32(c.rnd.IntN(9) + 1)}}, fate{})
}

// run makes the load until stop is closed, and then delivers what is still waiting.
func (c *clerk) run(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			for c.d.Confirmed < uint64(len(c.d.Said)) {
				if err := c.deliver(ctx); err != nil {
					return err
				}
			}
			return nil
		default:
		}
		if uint64(len(c.d.Said))-c.settled < backlog {
			for range 1 + c.rnd.IntN(8) {
				c.happens()
			}
		}
		if err := c.deliver(ctx); err != nil {
			return err
		}
		if err := c.hear(ctx); err != nil {
			return err
		}
		if c.rnd.IntN(8) == 0 {
			if err := c.again(ctx); err != nil {
				return err
			}
		}
		pause(ctx, time.Duration(10+c.rnd.IntN(50))*time.Millisecond)
	}
}

// gone reports whether an error is the line's: the server is dead or was killed before it answered.
func gone(err error) bool { return registry.CodeOf(err) == registry.CodeUnavailable }

func (c *clerk) deliver(ctx context.Context) error {
	before := c.d.Confirmed
	err := c.d.Send(ctx)
	c.w.acknowledged.Add(int64(c.d.Confirmed - before))
	if gone(err) && ctx.Err() == nil {
		pause(ctx, time.Duration(20+c.rnd.IntN(60))*time.Millisecond)
		return nil
	}
	return err
}

// again sends numbers that were acknowledged before, with some that were not, as after a lost answer.
func (c *clerk) again(ctx context.Context) error {
	if c.d.Confirmed == 0 {
		return nil
	}
	first := c.d.Confirmed - min(c.d.Confirmed-1, uint64(c.rnd.IntN(20)))
	r, err := c.d.Client.Send(ctx, c.d.Batch(first, 1+c.rnd.IntN(40)))
	if gone(err) && ctx.Err() == nil {
		return nil
	}
	if err != nil {
		return err
	}
	before := c.d.Confirmed
	err = c.d.Take(r)
	c.w.acknowledged.Add(int64(c.d.Confirmed - before))
	return err
}

// hear asks for outcomes, as a kiosk does, and holds each to what must become of it.
func (c *clerk) hear(ctx context.Context) error {
	out, err := c.d.Client.Outcomes(ctx, c.settled)
	if gone(err) && ctx.Err() == nil {
		return nil
	}
	if err != nil {
		return err
	}
	for _, o := range out {
		if o.Seq != c.settled+1 {
			return fmt.Errorf("%s: outcome of %d after %d", c.d.ID, o.Seq, c.settled)
		}
		if bad := c.fates[o.Seq-1].judge(o.State, o.Code, o.CaseNo); bad != "" {
			return fmt.Errorf("%s: event %d: %s", c.d.ID, o.Seq, bad)
		}
		c.settled = o.Seq
	}
	return nil
}

// judge says what is wrong with an outcome, "" when nothing is. Rivals are settled by the ledger.
func (f fate) judge(state string, code registry.Code, no registry.CaseNo) string {
	switch {
	case f.rivals != "" && state == "refused":
	case state == "refused" && f.refused == "":
		return fmt.Sprintf("refused (%s), and nothing was wrong with it", code)
	case state == "refused" && code != f.refused:
		return fmt.Sprintf("refused with %s, want %s", code, f.refused)
	case state == "applied" && f.refused != "":
		return fmt.Sprintf("applied, and must be refused with %s", f.refused)
	case state == "applied" && no != f.caseNo:
		return fmt.Sprintf("applied with case %q, want %q", no, f.caseNo)
	case state != "applied" && state != "refused":
		return "stands at " + state
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
