package desk

import (
	"context"

	"xueji/kiosk/internal/flow"
	"xueji/server/api"
	"xueji/server/registry"
)

// stays turns the register's refusal into the trouble that is shown.
func (d *Desk) stays(err error) flow.Input {
	d.p.Line.NoteError(err)
	switch registry.CodeOf(err) {
	case registry.CodeWrongState:
		return flow.CardStays{Why: "lost_state"}
	case registry.CodeForbidden, registry.CodeNotFound, registry.CodeCard, registry.CodeInvalid:
		return flow.CardStays{Why: "lost_forbidden"}
	}
	return flow.CardStays{Why: "lost_offline"}
}

func (d *Desk) pupils(ctx context.Context, sess session, e flow.DoFind) flow.Input {
	b := e.Birth
	r, err := d.p.Line.Pupils(ctx, api.PupilsRequest{Token: sess.token, Birth: registry.Date(b[:4] + "-" + b[4:6] + "-" + b[6:]), Tail: e.Tail})
	if err != nil {
		return d.stays(err)
	}
	out := make([]flow.Candidate, len(r.Pupils))
	for i, p := range r.Pupils {
		out[i] = flow.Candidate{UID: p.UID, Name: p.Name, Grade: p.Grade, Class: p.Class, CardNo: p.CardNo, Tail: tail(p.CardNo, 4), Lost: p.Lost}
	}
	return flow.GotPupils{Pupils: out}
}

func (d *Desk) lose(ctx context.Context, sess session, c flow.Candidate, reason string) flow.Input {
	if _, err := d.p.Line.Lost(ctx, api.LostRequest{Token: sess.token, UID: c.UID, CardNo: c.CardNo, Reason: reason}); err != nil {
		return d.stays(err)
	}
	return flow.CardMoved{}
}

func (d *Desk) restore(ctx context.Context, sess session) flow.Input {
	if sess.shown == nil {
		return flow.CardStays{Why: "lost_forbidden"}
	}
	if _, err := d.p.Line.Found(ctx, api.FoundRequest{Token: sess.token, Card: sess.shown.card}); err != nil {
		return d.stays(err)
	}
	return flow.CardMoved{}
}
