package service

import (
	"context"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// cardShown is what the card of an event proved, from the proofs that came with it: the chip's own signature, or the issuer's signed word on its check, over a nonce
// that names this kiosk, this event and the moment of the tap. The kiosk's word counts for nothing here. The record was judged before (cardHolder). A record with a
// chip key in it proves itself or is refused (CodeCard, verdict unproven): without the chip nobody can make such a tap up.
func (s *Service) cardShown(ctx context.Context, kiosk store.Kiosk, e *api.Event) (*registry.CardShown, error) {
	proof := e.Card
	pub, err := credential.Decode(proof.Record)
	if err != nil {
		return nil, fail(registry.CodeCard, "card", map[string]string{"verdict": string(credential.Forged)})
	}
	out := &registry.CardShown{Level: min(int(pub.Level), 1), StaleDays: staleDays(proof, e.At), Vouched: e.Staff != nil && e.Staff.Vouched}
	fresh := !proof.TappedAt.After(e.At.Add(time.Second)) && e.At.Sub(proof.TappedAt) <= api.MaxTap
	nonce := api.TapNonce(kiosk.ID, e.ID, proof.TappedAt)
	switch {
	case pub.ChipKey != nil:
		if !fresh || !pub.Proves(nonce, proof.Signature) {
			return nil, fail(registry.CodeCard, "card", map[string]string{"verdict": "unproven"})
		}
		out.Level = 3
	case len(proof.Attestation) > 0:
		v, err := s.verifier(ctx)
		if err != nil {
			return nil, err
		}
		a, err := v.Attested(proof.Attestation, proof.Record, nonce)
		if age := a.At.Sub(proof.TappedAt); err != nil || !fresh || age < -api.MaxClockSkew || age > api.MaxTap {
			s.alarm(ctx, kiosk, "attestation refused", err)
			break // what is left is the signature and the serial
		}
		out.Level = max(out.Level, int(a.Level))
	}
	return out, nil
}

// staleDays is how far the kiosk's list was past its date, in days begun.
func staleDays(proof *api.CardProof, at time.Time) int {
	switch {
	case !proof.ListStale:
		return 0
	case proof.ListUntil.IsZero():
		return registry.NoListDays
	}
	days := int(at.Sub(proof.ListUntil)/(24*time.Hour)) + 1
	return min(max(days, 1), registry.NoListDays)
}

// rewrittenAfter reports whether the card was rewritten only after at: what was shown at that time was then the newest record, though the list knows a newer one now.
func (s *Service) rewrittenAfter(ctx context.Context, pub credential.Public, at time.Time) bool {
	iss, err := s.st.IssuanceByCard(ctx, pub.CardNo)
	if err != nil {
		return false
	}
	newest, err := credential.Decode(iss.Record)
	return err == nil && newest.CardNo == pub.CardNo && at.Before(newest.Issued)
}

// copySeen is the change by which the register knows that a copy of a card was shown: a chip that has not the key, or not the serial, of the card whose record it
// carries. It stands in the card's life and on the school's to-do list; once a day is enough. The true card stays as it is.
func (s *Service) copySeen(ctx context.Context, kiosk store.Kiosk, t *api.TapEvent) ([]store.Change, []store.Issuance, bool) {
	if (t.Verdict != "copy" && t.Verdict != string(credential.WrongChip)) || t.CardNo == "" {
		return nil, nil, false
	}
	iss, err := s.st.IssuanceByCard(ctx, t.CardNo)
	if err != nil || !iss.State.Held() {
		return nil, nil, false
	}
	p, err := s.st.Pupil(ctx, iss.UID)
	if err != nil || p.Card == nil || p.Card.Number != t.CardNo || registry.DateOf(p.Card.CopySeenAt) == s.Today() && !p.Card.CopySeenAt.IsZero() {
		return nil, nil, false
	}
	actor := registry.Actor{Account: systemAccount, Via: kioskVia(kiosk), Unit: kiosk.School}
	if err := s.moveCard(&iss, registry.CardCopy, t.Verdict, s.dir.Load().Name(kiosk.School), p.School, actor); err != nil {
		return nil, nil, false
	}
	c, err := s.decide(p, registry.ChangeCard{Number: t.CardNo, Act: registry.CardCopy, Reason: t.Verdict}, actor, s.now())
	if err != nil {
		return nil, nil, false
	}
	return []store.Change{c}, []store.Issuance{iss}, true
}
