package desk

import (
	"context"
	"encoding/json"
	"time"

	"xueji/kiosk/internal/flow"
	"xueji/server/registry"
)

// mark is what the outbox's step says: which session is in the middle of something, and what was saved of it. The zero value: nobody is.
type mark struct {
	epoch uint64
	lang  flow.Lang
	goal  flow.Goal
	saved bool
}

// kept is the form of a step on the disk, sealed.
type kept struct {
	Saved bool      `json:"saved,omitempty"`
	No    string    `json:"no,omitempty"`
	Goal  flow.Goal `json:"goal,omitempty"`
	Lang  flow.Lang `json:"lang"`
}

// before is what a family was about when the last program ended; ok is false when nobody was.
func (d *Desk) before() (b flow.Before, ok bool) {
	at, body, ok, err := d.p.Box.Step(d.ctx)
	if err != nil {
		d.p.Log.Warn("the last step not read", "err", err)
	}
	if !ok {
		return b, false
	}
	var k kept
	if json.Unmarshal(body, &k) != nil {
		return b, false
	}
	return flow.Before{At: at, Saved: k.Saved, No: k.No, Goal: k.Goal, Lang: k.Lang}, true
}

// remark sees to it that the disk knows what is under way; d.mu is held. Nothing on the screen waits for it, and the last one is what stands there in the end.
func (d *Desk) remark() {
	want, leave := markOf(d.s)
	if leave || want == d.wants {
		return
	}
	d.wants = want
	d.wg.Go(func() {
		d.markMu.Lock()
		defer d.markMu.Unlock()
		d.mu.Lock()
		want, now := d.wants, d.p.Now()
		_, leave := markOf(d.s)
		d.mu.Unlock()
		if leave || want == d.marked {
			return
		}
		if err := d.write(want, now); err != nil {
			d.p.Log.Warn("the step under way not kept", "err", err)
			return
		}
		d.marked = want
	})
}

// markOf is what the disk should say of a state; leave is true while that is for the saving itself to say, or for the notice to keep.
func markOf(s flow.State) (m mark, leave bool) {
	switch {
	case s.Screen == flow.Restarted, s.Screen == flow.Saving:
		return m, true
	case !s.Underway():
		return m, false
	}
	return mark{epoch: s.Epoch, lang: s.Lang, goal: s.Goal, saved: s.Result.Seq > 0 && s.Screen != flow.Refused}, false
}

func (d *Desk) write(m mark, now time.Time) error {
	ctx := context.WithoutCancel(d.ctx)
	switch {
	case m == mark{}:
		return d.p.Box.ClearStep(ctx)
	case m.saved:
		return nil // it was said with the event
	}
	return d.p.Box.SetStep(ctx, now, kept{Goal: m.goal, Lang: m.lang}.bytes())
}

// savedStep is what the disk says from the moment an event is durable.
func savedStep(s flow.State, no registry.CaseNo) []byte {
	k := kept{Saved: true, No: string(no), Goal: s.Goal, Lang: s.Lang}
	if s.Parcel != nil {
		k.No = s.Parcel.ArchiveNo
	}
	return k.bytes()
}

func (k kept) bytes() []byte {
	b, err := json.Marshal(k)
	if err != nil {
		panic(err) // strings and a bool
	}
	return b
}

// seen: a glass shows the notice from now on, and its seconds begin.
func (d *Desk) seen() {
	d.mu.Lock()
	first := d.s.Screen == flow.Restarted && !d.s.Before.Seen
	d.mu.Unlock()
	if first {
		d.Post(flow.Touch{})
	}
}
