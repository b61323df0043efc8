package registry

import "time"

// cardFace is what a card's record tells of its pupil.
type cardFace struct {
	school    Unit
	standing  Standing
	grade     int
	class     string
	number    Number
	photo     string
	name, sex string
	birth     string
}

func faceOf(p *Pupil) cardFace {
	return cardFace{p.School, p.Standing, p.Grade, p.Class, p.Number, p.Photo, p.Form[FName], p.Form[FSex], p.Form[FBirth]}
}

// keepCardUp asks for a new record when something that stands on the pupil's card changed, by whatever event: at the next tap the card is behind (Written < Sequence)
// and is rewritten.
func (d *decision) keepCardUp(before *Pupil) {
	was, is := before.Card, d.p.Card
	if was != nil && is != nil && was.Number == is.Number && was.Sequence == is.Sequence && faceOf(before) != faceOf(&d.p) {
		is.Sequence++
	}
}

// renewCard asks for a new record though nothing on it changed: the register itself, when a record stands under keys of an older epoch, or who makes cards. A card that is
// behind already stays as it is.
func (d *decision) renewCard(e RenewCard) error {
	if d.env.Actor.Account != systemAccount || e.Why != RenewEpoch {
		if err := d.overSchool(RoleClerk, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
			return err
		}
	}
	c := d.p.Card
	switch {
	case c == nil || e.Number == "" || c.Number != e.Number:
		return &Error{Code: CodeCard, Field: "number"}
	case e.Why != RenewEpoch && e.Why != RenewAsked:
		return invalid("why")
	}
	if c.Written == c.Sequence {
		c.Sequence++
	}
	return nil
}

// bindCard makes a personalised card the pupil's active card (Art. 5); the one before, if any, is no longer known here.
func (d *decision) bindCard(e BindCard) error {
	if err := d.standing(StandingEnrolled, StandingSuspended); err != nil {
		return err
	}
	if err := d.overSchool(RoleClerk, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
		return err
	}
	c := e.Card
	switch {
	case c.Number == "":
		return invalid("card.number")
	case c.Sequence == 0 || c.Written > c.Sequence:
		return invalid("card.sequence")
	case !c.ExpiresOn.Valid():
		return invalid("card.expires_on")
	case c.State != "" && !c.State.Good():
		return invalid("card.state")
	}
	if c.BoundAt.IsZero() {
		c.BoundAt = d.env.Now
	}
	d.p.Card = &c
	if e.Behind || e.School != "" && e.School != d.p.School {
		d.p.Card.Sequence++
	}
	d.notify(WhatCard, "", d.p.School)
	return nil
}

// overSchool: the actor stands at the pupil's school or at an office above it.
func (d *decision) overSchool(roles ...Role) error {
	a := d.env.Actor
	no := &Error{Code: CodeForbidden, Params: map[string]string{"unit": string(d.p.School)}}
	if !d.is(roles...) {
		return no
	}
	if a.Unit == d.p.School {
		return nil
	}
	s, ok := d.env.Directory.School(d.p.School)
	if !ok {
		return no
	}
	u := s.Authority
	for range 6 { // five tiers; a loop in the data ends here
		if u == a.Unit {
			return nil
		}
		o, ok := d.env.Directory.Office(u)
		if !ok || o.Parent == "" {
			break
		}
		u = o.Parent
	}
	return no
}

// cardWritten records what a station or kiosk verified on the card. It is a fact with its own proof (the signed record read back), so no role is asked. A report
// that comes late changes nothing.
func (d *decision) cardWritten(e CardWritten) error {
	c := d.p.Card
	if c == nil || c.Number != e.Number || e.Number == "" {
		return &Error{Code: CodeCard, Field: "number"}
	}
	if e.Sequence == 0 || e.Sequence > c.Sequence {
		return &Error{Code: CodeCard, Field: "sequence"}
	}
	if e.ExpiresOn != "" && !e.ExpiresOn.Valid() {
		return invalid("expires_on")
	}
	if e.Sequence > c.Written {
		c.Written = e.Sequence
		if e.ExpiresOn != "" {
			c.ExpiresOn = e.ExpiresOn
		}
		d.notify(WhatCard, "", d.p.School)
	}
	return nil
}

// revokeCard leaves the pupil without a card, so that the next one can be made (Art. 5: free, and one at a time).
func (d *decision) revokeCard(e RevokeCard) error {
	if err := d.overSchool(RoleClerk, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
		return err
	}
	if d.p.Card == nil || e.Number == "" || d.p.Card.Number != e.Number {
		return &Error{Code: CodeCard, Field: "number"}
	}
	if _, err := d.cardMove(d.p.Card.Life(), CardRevoke, e.Reason, ""); err != nil {
		return err
	}
	d.p.Card = nil
	d.notify(WhatCard, "", d.p.School)
	return nil
}

// changeCard moves the pupil's card along the table of card.go. A card that left the pupil's hands for good is no longer known here; its issuance keeps the story.
// What happens to cards that ended before, or were never finished, is DecideCard's.
func (d *decision) changeCard(e ChangeCard) error {
	c := d.p.Card
	if c == nil || e.Number == "" || c.Number != e.Number {
		return &Error{Code: CodeCard, Field: "number"}
	}
	switch e.Act {
	case CardDeliver, CardUse, CardCopy, CardExplain, CardLose, CardFind, CardDamage, CardExpire:
	default:
		return invalid("act") // a card is replaced by BindCard and revoked by RevokeCard
	}
	if e.Act == CardExplain && c.CopySeenAt.IsZero() {
		return &Error{Code: CodeWrongState, Params: map[string]string{"why": "card", "card": string(c.Life()), "act": string(e.Act)}}
	}
	if e.Act == CardExpire && c.ExpiresOn >= d.today() {
		return &Error{Code: CodeCard, Field: "expires_on"} // good through its last day
	}
	m, err := d.cardMove(c.Life(), e.Act, e.Reason, e.Note)
	if err != nil {
		return err
	}
	switch {
	case !m.To.Held():
		d.p.Card = nil
	case m.To == CardActive:
		c.State = "" // one spelling of active
	default:
		c.State = m.To
	}
	if e.Act == CardCopy || e.Act == CardExplain {
		c.CopySeenAt = time.Time{}
		if e.Act == CardCopy {
			c.CopySeenAt = d.env.Now
		}
		d.notify(WhatTasks, "", d.p.School)
	}
	d.notify(WhatCard, "", d.p.School)
	return nil
}

// setPIN stores the guardian's second factor, hashed by the caller.
func (d *decision) setPIN(e SetPIN) error {
	if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	switch d.p.Standing { // nobody is left here to prove themselves with it
	case StandingDeceased, StandingErased, StandingMoved, StandingMovedUp:
		return d.standing()
	}
	if e.PIN == "" || len(e.PIN) > 300 {
		return invalid("pin")
	}
	d.p.PIN = e.PIN
	return nil
}
