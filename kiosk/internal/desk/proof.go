package desk

import (
	"bytes"
	"context"
	"time"

	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/flow"
	"xueji/server/api"
	"xueji/server/registry"
)

// shown is what a session keeps of its tap: the proof that goes into the event, and the event's identity, which the proof is bound to.
type shown struct {
	card api.CardProof
	id   string // of the event to come
}

func (s shown) nonce(kiosk string) [32]byte { return api.TapNonce(kiosk, s.id, s.card.TappedAt) }

// tapProof begins a tap: an event's identity and the moment, of which the chip or the issuer will give proof.
func (d *Desk) tapProof() shown {
	return shown{id: newID(), card: api.CardProof{TappedAt: d.p.Now().UTC().Truncate(time.Second)}}
}

// listDays is how far the list held here is past its date, in days begun.
func listDays(stale bool, until, now time.Time) int {
	switch {
	case !stale:
		return 0
	case until.IsZero():
		return registry.NoListDays
	}
	return min(max(int(now.Sub(until)/(24*time.Hour))+1, 1), registry.NoListDays)
}

// check lets the issuer ask the chip for its secret key, through the reader. What proves it is kept with the session's proof; a copy is told to the register.
func (d *Desk) check(ctx context.Context, sess session) flow.Input {
	defer close(sess.checked)
	if sess.shown == nil {
		return flow.Checked{}
	}
	nonce := sess.shown.nonce(d.p.Enrolment.KioskID)
	t, err := d.p.Cards.Check(ctx, nonce[:])
	switch {
	case err != nil:
		d.p.Log.Info("chip not checked", "code", codeOf(err))
		return flow.Checked{}
	case !bytes.Equal(t.Record, sess.shown.card.Record) || !bytes.Equal(t.ChipSerial, sess.shown.card.ChipSerial):
		return flow.Checked{} // another card, or none, lies there by now
	case t.Check == checkCopy:
		d.report(checkCopy, t.Public)
		return flow.Checked{Copy: true}
	}
	level, ok := d.p.Judge.Proven(nonce, t)
	if !ok || level < 2 {
		d.p.Log.Info("chip not proven", "check", t.Check)
		return flow.Checked{}
	}
	d.keep(sess.epoch, func(s *session) {
		if s.shown != nil && s.shown.id == sess.shown.id {
			with := *s.shown
			with.card.Attestation, with.card.Level = t.Attestation, level
			s.shown = &with
		}
	})
	return flow.Checked{Level: level}
}

// checkCopy is localapi.Tap.Check's word for a chip without its key, and the verdict that is reported.
const checkCopy = "copy"

// settle waits until a check of this session's card is over: the reader serves one at a time.
func (d *Desk) settle(ctx context.Context, sess session) {
	if sess.checked == nil {
		return
	}
	select {
	case <-sess.checked:
	case <-ctx.Done():
	}
}

// keepShown keeps what a reading proved. A card that was put back keeps what the issuer said of it.
func (s *session) keepShown(fresh shown) {
	if s.shown != nil && len(s.shown.card.Attestation) > 0 && bytes.Equal(s.shown.card.Record, fresh.card.Record) && bytes.Equal(s.shown.card.ChipSerial, fresh.card.ChipSerial) {
		return
	}
	s.shown = &fresh
}

func wants(p *localapi.Public) int {
	if p == nil {
		return 0
	}
	return p.Level
}
