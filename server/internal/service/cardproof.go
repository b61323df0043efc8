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

// metCard is a card that was met at a kiosk or console and is not what it says.
type metCard struct {
	verdict  string // VerdictCopy, credential.WrongChip, credential.RolledBack or verdictUnordered
	cardNo   string
	sequence uint32
	where    string // the unit that met it
	by       registry.Actor
}

const (
	VerdictCopy      = "copy"      // the issuer asked the chip for its key, and it has another
	verdictUnordered = "unordered" // a signed record of the pupil's card that the register never ordered: another chip under its number, or a later sequence
)

// copySeen is the change by which the register knows that a copy of a card was shown: a chip that has not the key, or not the serial, of the card whose record it
// carries; a record that a newer one replaced (the true card has the newer); one that nobody ordered. It stands in the card's life and on the school's to-do list;
// once a day is enough. The true card stays as it is.
func (s *Service) copySeen(ctx context.Context, m metCard) (b store.Batch, ok bool, err error) {
	switch m.verdict {
	case VerdictCopy, string(credential.WrongChip), string(credential.RolledBack), verdictUnordered:
	default:
		return b, false, nil
	}
	if m.cardNo == "" {
		return b, false, nil
	}
	iss, err := s.st.IssuanceByCard(ctx, m.cardNo)
	if isNotFound(err) || err == nil && !iss.State.Held() {
		return b, false, nil
	}
	if err != nil {
		return b, false, internal(err)
	}
	p, err := s.st.Pupil(ctx, iss.UID)
	if err != nil {
		return b, false, internal(err)
	}
	switch {
	case p.Card == nil, p.Card.Number != m.cardNo, m.verdict == string(credential.RolledBack) && m.sequence >= p.Card.Written,
		registry.DateOf(p.Card.CopySeenAt) == s.Today() && !p.Card.CopySeenAt.IsZero():
		return b, false, nil
	}
	if err := s.moveCard(&iss, registry.CardCopy, m.verdict, m.where, p.School, m.by); err != nil {
		return b, false, err
	}
	c, err := s.decide(p, registry.ChangeCard{Number: m.cardNo, Act: registry.CardCopy, Reason: m.verdict}, m.by, s.now())
	if err != nil {
		return b, false, err
	}
	return store.Batch{Changes: []store.Change{c}, Cards: []store.Issuance{iss}}, true, nil
}

// copyLaid keeps what copySeen says of a card that lies before a member of staff, whose name stands with it; the pupil may be out of their reach and they are told nothing of it.
func (s *Service) copyLaid(ctx context.Context, who Staff, verdict string, pub credential.Public) error {
	_, err := again(func() (struct{}, error) {
		b, ok, err := s.copySeen(ctx, metCard{verdict, pub.CardNo, pub.Sequence, s.dir.Load().Name(who.Unit), who.Actor("console")})
		if !ok || err != nil {
			return struct{}{}, err
		}
		if err := s.st.Commit(ctx, b); err != nil {
			if isConflict(err) {
				return struct{}{}, err
			}
			return struct{}{}, internal(err)
		}
		s.onEvent("card", string(registry.CardCopy))
		s.committed(b.Changes[0].Pupil, b.Changes...)
		return struct{}{}, nil
	})
	return err
}
