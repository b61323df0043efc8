package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// again runs what may lose a race on a version or a card's move: it decides anew from where things stand, a few times.
func again[T any](do func() (T, error)) (T, error) {
	for try := 0; ; try++ {
		v, err := do()
		if isConflict(err) && try < 5 && conflictOfStore(err) {
			continue
		}
		return v, err
	}
}

// conflictOfStore tells a lost race from a conflict that stays one (another station is at the pupil).
func conflictOfStore(err error) bool {
	e, ok := err.(*registry.Error)
	return !ok || e.Params["why"] == ""
}

// moveCard moves an issuance along the registry's table and adds the line of its life; the store checks that it was the next one.
func (s *Service) moveCard(iss *store.Issuance, act registry.CardAct, reason, note string, school registry.Unit, actor registry.Actor) error {
	now := s.now().UTC()
	m, err := registry.DecideCard(iss.State, act, reason, note, school, s.env(now, actor, school))
	if err != nil {
		return err
	}
	iss.State, iss.UpdatedAt = m.To, now
	iss.Life = append(iss.Life, m)
	if act == registry.CardDeliver {
		iss.DeliveredAt = now
	}
	return nil
}

// stored is an issuance as it stands after it was written.
func stored(iss store.Issuance) store.Issuance {
	iss.Moves += len(iss.Life)
	iss.Life = nil
	return iss
}

// cardActions are the acts that people may do to a card that was made, and the right each needs.
var cardActions = map[registry.CardAct]access.Action{
	registry.CardDeliver: access.Deliver, registry.CardLose: access.CardCare, registry.CardFind: access.CardCare, registry.CardDamage: access.CardCare,
	registry.CardDestroy: access.CardCare, registry.CardRevoke: access.Revoke, registry.CardExplain: access.ExplainCopy,
}

// ChangeCard does one act to one of a pupil's cards: lost, found again, damaged, handed out, revoked, destroyed. The pupil's record, the card, the line of its
// life and the status list change in one transaction. CodeWrongState when the act does not fit where the card stands; CodeConflict when somebody was first.
func (s *Service) ChangeCard(ctx context.Context, who Staff, uid registry.UID, cardNo string, act registry.CardAct, reason, note string) error {
	return s.changeCardOf(ctx, who, uid, cardNo, act, reason, note, "console")
}

func (s *Service) changeCardOf(ctx context.Context, who Staff, uid registry.UID, cardNo string, act registry.CardAct, reason, note, via string) error {
	sc := s.scope(who)
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return internal(err)
	}
	if v := sc.Pupil(&p); v == access.ViewNone || v == access.ViewCase {
		return registry.ErrNotFound
	}
	right, ok := cardActions[act]
	if !ok {
		return fail(registry.CodeInvalid, "act", nil)
	}
	if err := sc.Check(right); err != nil {
		return err
	}
	all, err := s.st.IssuancesOf(ctx, uid)
	if err != nil {
		return internal(err)
	}
	for _, iss := range all {
		if iss.CardNo == cardNo {
			if act == registry.CardDeliver && !iss.DeliveredAt.IsZero() {
				return nil // signed for already
			}
			return s.changeCard(ctx, p, iss, act, reason, note, who.Actor(via))
		}
	}
	return fail(registry.CodeCard, "number", nil)
}

// changeCard moves an issuance and, while it is the pupil's card, the pupil with it.
func (s *Service) changeCard(ctx context.Context, p registry.Pupil, iss store.Issuance, act registry.CardAct, reason, note string, actor registry.Actor) error {
	held := iss.State.Held() && p.Card != nil && p.Card.Number == iss.CardNo
	if err := s.moveCard(&iss, act, reason, note, p.School, actor); err != nil {
		return err
	}
	if !iss.State.Good() {
		iss.Ticket = nil
	}
	b := store.Batch{Cards: []store.Issuance{iss}}
	if held {
		var ev registry.Event = registry.ChangeCard{Number: iss.CardNo, Act: act, Reason: reason, Note: note}
		if act == registry.CardRevoke {
			ev = registry.RevokeCard{Number: iss.CardNo, Reason: reason}
		}
		c, err := s.decide(p, ev, actor, s.now())
		if err != nil {
			return err
		}
		b.Changes = []store.Change{c}
	}
	if err := s.st.Commit(ctx, b); err != nil {
		if isConflict(err) {
			return s.conflict(ctx, p.UID)
		}
		return internal(err)
	}
	s.onEvent("card", string(act))
	if held {
		s.committed(p, b.Changes...)
	}
	s.tell(p.School, "card", "")
	return nil
}

// RevokeCard puts the pupil's card on the deny list, for good.
func (s *Service) RevokeCard(ctx context.Context, who Staff, uid registry.UID, reason string) error {
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return internal(err)
	}
	if v := s.scope(who).Pupil(&p); v == access.ViewNone || v == access.ViewCase {
		return registry.ErrNotFound
	}
	if err := s.scope(who).Check(access.Revoke); err != nil {
		return err
	}
	if p.Card == nil {
		return fail(registry.CodeWrongState, "", map[string]string{"why": "card", "card": "none"})
	}
	return s.ChangeCard(ctx, who, uid, p.Card.Number, registry.CardRevoke, reason, "")
}

// CardLife lists the lives of a pupil's cards by issuance, for those who see the cards.
func (s *Service) CardLife(ctx context.Context, who Staff, uid registry.UID) (map[string][]registry.CardMove, error) {
	_, v, err := s.see(ctx, who, uid)
	if err != nil {
		return nil, err
	}
	if v == access.ViewCase {
		return nil, nil
	}
	out, err := s.st.CardLife(ctx, uid)
	return out, internal(err)
}

// use is the change by which a card that was only made or handed out comes into use, because a terminal verified it; false when there is nothing to change.
func (s *Service) use(ctx context.Context, p registry.Pupil, kiosk store.Kiosk) (store.Change, store.Issuance, bool) {
	if !p.Card.Good() || p.Card.Life() == registry.CardActive {
		return store.Change{}, store.Issuance{}, false
	}
	iss, err := s.st.IssuanceByCard(ctx, p.Card.Number)
	if err != nil || iss.UID != p.UID {
		return store.Change{}, store.Issuance{}, false
	}
	actor := registry.Actor{Account: systemAccount, Via: kioskVia(kiosk), Unit: kiosk.School}
	if err := s.moveCard(&iss, registry.CardUse, "", "", p.School, actor); err != nil {
		return store.Change{}, store.Issuance{}, false
	}
	c, err := s.decide(p, registry.ChangeCard{Number: iss.CardNo, Act: registry.CardUse}, actor, s.now())
	return c, iss, err == nil
}

// firstUse commits use by itself and returns the pupil after it. It is best effort: a race lost is made good by the next tap.
func (s *Service) firstUse(ctx context.Context, p registry.Pupil, kiosk store.Kiosk) registry.Pupil {
	c, iss, ok := s.use(ctx, p, kiosk)
	if !ok || s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}, Cards: []store.Issuance{iss}}) != nil {
		return p
	}
	s.committed(p, c)
	after := c.Pupil
	after.Version = p.Version + 1
	return after
}

// systemAccount acts for clocks and machines.
const systemAccount = "system"

// expireAtOnce is how many cards one page of the sweep ends.
const expireAtOnce = 200

// ExpireCards ends held cards whose last day is over and returns how many it ended. The sweeper calls it; two at once do no harm. A card that cannot be ended
// (its pupil moves at this moment) is left for the next sweep.
func (s *Service) ExpireCards(ctx context.Context) (int, error) {
	clock := registry.Actor{Account: systemAccount, Via: "clock"}
	done := 0
	for {
		page, err := s.st.ExpiredCards(ctx, s.Today(), expireAtOnce)
		if err != nil {
			return done, internal(err)
		}
		before := done
		for _, iss := range page {
			if ctx.Err() != nil {
				return done, nil
			}
			p, err := s.st.Pupil(ctx, iss.UID)
			if err == nil {
				err = s.changeCard(ctx, p, iss, registry.CardExpire, "", "", clock)
			}
			if err != nil {
				s.log.WarnContext(ctx, "card not expired yet", "issuance", iss.ID, "err", err)
				continue
			}
			done++
		}
		if len(page) < expireAtOnce || done == before {
			return done, nil
		}
	}
}

// Sweep is what the service does at each of the worker's sweeps.
func (s *Service) Sweep(ctx context.Context) error {
	units := s.ReloadUnits(ctx) // another server, or the command line, may have written some
	_, err := s.ExpireCards(ctx)
	_, late := s.Escalate(ctx)
	return errors.Join(units, err, late, s.nightly(ctx), s.sweepLetters(ctx), s.superviseSweep(ctx))
}

// HeldCards lists cards to be handed out, of a school or (grade 0 and class "" for all) of a class, at most maxHeld.
func (s *Service) HeldCards(ctx context.Context, who Staff, school registry.Unit, grade int, class string) ([]store.CardRow, error) {
	if err := s.mayDeliver(who, school); err != nil {
		return nil, err
	}
	out, err := s.waitingCards(ctx, school, grade, class)
	return out, s.listedCards(ctx, who, out, err)
}

// GivenCards lists the first of those that were signed for, at most givenShown.
func (s *Service) GivenCards(ctx context.Context, who Staff, school registry.Unit, grade int, class string) ([]store.CardRow, error) {
	if err := s.mayDeliver(who, school); err != nil {
		return nil, err
	}
	out, err := s.st.HeldCards(ctx, school, grade, class, true, givenShown, 0)
	return out, s.listedCards(ctx, who, out, err)
}

func (s *Service) listedCards(ctx context.Context, who Staff, rows []store.CardRow, err error) error {
	if err != nil {
		return internal(err)
	}
	for i := range rows {
		rows[i].Card.Ticket = nil
	}
	return s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "cards", N: len(rows)})
}

func (s *Service) waitingCards(ctx context.Context, school registry.Unit, grade int, class string) (out []store.CardRow, err error) {
	for len(out) < maxHeld {
		page, err := s.st.HeldCards(ctx, school, grade, class, false, maxHeld-len(out), len(out))
		if err != nil {
			return nil, internal(err)
		}
		if len(page) == 0 {
			break
		}
		out = append(out, page...)
	}
	return out, nil
}

// HeldCounts counts a school's cards to be handed out, and those signed for, by class, in the order of classes.
func (s *Service) HeldCounts(ctx context.Context, who Staff, school registry.Unit) ([]store.HeldCount, error) {
	if err := s.mayDeliver(who, school); err != nil {
		return nil, err
	}
	out, err := s.st.HeldCounts(ctx, school)
	slices.SortFunc(out, func(a, b store.HeldCount) int { return compareClasses(a.Grade, b.Grade, a.Class, b.Class) })
	return out, internal(err)
}

func (s *Service) mayDeliver(who Staff, school registry.Unit) error {
	sc := s.scope(who)
	if err := sc.Check(access.Deliver); err != nil {
		return err
	}
	if !sc.HasSchool(school) {
		return registry.ErrNotFound
	}
	return nil
}

// givenShown is how many cards that were signed for a page names.
const givenShown = 100

// maxHeld is how many cards one slip or one receipt covers: the largest schools have fewer pupils.
const maxHeld = 5000

// DeliverCards notes that the cards of these pupils were handed out against a signature: the receipt of a delivery slip. It returns how many it noted; what was
// noted before, or cannot be, is left out.
func (s *Service) DeliverCards(ctx context.Context, who Staff, uids []registry.UID) (int, error) {
	if err := s.scope(who).Check(access.Deliver); err != nil {
		return 0, err
	}
	if len(uids) == 0 || len(uids) > maxHeld {
		return 0, fail(registry.CodeInvalid, "uids", nil)
	}
	done := 0
	var first error
	for _, uid := range uids {
		p, err := s.st.Pupil(ctx, uid)
		if err != nil {
			return done, internal(err)
		}
		if v := s.scope(who).Pupil(&p); v == access.ViewNone || v == access.ViewCase {
			return done, registry.ErrNotFound
		}
		if !p.Card.Good() {
			continue
		}
		iss, err := s.st.IssuanceByCard(ctx, p.Card.Number)
		if err == nil && iss.DeliveredAt.IsZero() {
			if err = s.changeCard(ctx, p, iss, registry.CardDeliver, "", "", who.Actor("console")); err == nil {
				done++
			}
		}
		if err != nil && first == nil {
			first = internal(err)
		}
	}
	if done == 0 && first != nil {
		return 0, first
	}
	return done, nil
}

// spoil ends an issuance whose chip is put aside. Its number never lives on another chip, and stands on the status list: the chip may be half written.
func (s *Service) spoil(iss store.Issuance, school registry.Unit, reason string, actor registry.Actor) (store.Batch, error) {
	iss.Ticket = nil
	if err := s.moveCard(&iss, registry.CardSpoil, reason, "", school, actor); err != nil {
		return store.Batch{}, err
	}
	b := store.Batch{Cards: []store.Issuance{iss}}
	if iss.Run != "" {
		b.Marks = []store.CardMark{{Run: iss.Run, UID: iss.UID, Spoiled: 1, Code: reason, At: iss.UpdatedAt}}
	}
	return b, nil
}

// SpoilCard puts the chip aside that a pupil's unfinished card is on: the next ticket draws a new number. CodeWrongState when none was begun.
func (s *Service) SpoilCard(ctx context.Context, who Staff, r IssueRequest) error {
	_, err := again(func() (struct{}, error) {
		p, err := s.st.Pupil(ctx, r.UID)
		if err != nil {
			return struct{}{}, internal(err)
		}
		if v := s.scope(who).Pupil(&p); v == access.ViewNone || v == access.ViewCase {
			return struct{}{}, registry.ErrNotFound
		}
		if err := s.scope(who).Check(access.Issue); err != nil {
			return struct{}{}, err
		}
		if err := s.holdLane(ctx, who, r); err != nil {
			return struct{}{}, err
		}
		all, err := s.st.IssuancesOf(ctx, r.UID)
		if err != nil {
			return struct{}{}, internal(err)
		}
		for _, iss := range all {
			if iss.State != registry.CardRequested && iss.State != registry.CardPlanned {
				continue
			}
			b, err := s.spoil(iss, p.School, r.Reason, who.Actor("console"))
			if err != nil {
				return struct{}{}, err
			}
			return struct{}{}, internal(s.st.Commit(ctx, b))
		}
		return struct{}{}, fail(registry.CodeWrongState, "", map[string]string{"card": "none"})
	})
	return err
}

// laneLease is how long a name that a reader drew is kept for it without a ticket.
const laneLease = 10 * time.Minute
