package service

import (
	"context"
	"time"

	"golang.org/x/text/unicode/norm"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// EnrolOne enters one form by hand, without what only a page asks. See Enter.
func (s *Service) EnrolOne(ctx context.Context, who Staff, f registry.Form, pin string) (registry.UID, []registry.Finding, error) {
	return s.Enter(ctx, who, NewPupil{Form: f, PIN: pin})
}

// duplicateOf finds the pupil who holds the form's document; nil when nobody does.
func (s *Service) duplicateOf(ctx context.Context, f registry.Form) (*registry.Finding, error) {
	h := s.keys.DocumentHash(f)
	if h == nil {
		return nil, nil
	}
	uid, err := s.st.ClaimedBy(ctx, h)
	if err != nil && !isNotFound(err) {
		return nil, internal(err)
	}
	if uid == "" {
		return nil, nil
	}
	return s.dupFinding(ctx, uid)
}

// dupFinding says where the person is: the school and the standing, and the UID to start a transfer with. No more.
func (s *Service) dupFinding(ctx context.Context, uid registry.UID) (*registry.Finding, error) {
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return nil, internal(err)
	}
	return &registry.Finding{Field: registry.FIDNumber, Code: registry.FindDupRegister, Params: map[string]string{
		"school": string(p.School), "school_name": s.dir.Load().Name(p.School), "standing": string(p.Standing), "uid": string(uid)}}, nil
}

// cleanForm brings typed values to the form's way: NFC, then what registry.Tidy mends, and places by the names that this register has for them.
func (s *Service) cleanForm(f registry.Form) registry.Form {
	out := make(registry.Form, len(f))
	for k, v := range f {
		out[k] = norm.NFC.String(v)
	}
	out = registry.Tidy(out)
	s.Regions().Read(out)
	return out
}

// Move is one step of a pupil's past, for Seed.
type Move struct {
	At    time.Time
	Actor registry.Actor
	Event registry.Event
}

// Story is a pupil's past, from Enrol on.
type Story struct {
	UID   registry.UID // "" draws one
	Photo string       // digest of a portrait put before, "" for none
	Moves []Move
	Cards []store.Issuance // to be stored with it; UID is filled in
}

// Seed writes stories through registry.Decide, many pupils a transaction, at the instants given. It is for demos and migrations: access is not asked, and
// notices are not sent. A story whose move the register refuses fails its whole batch.
func (s *Service) Seed(ctx context.Context, stories []Story) error {
	const size = 200
	for len(stories) > 0 {
		n := min(size, len(stories))
		var b store.Batch
		for _, st := range stories[:n] {
			p := registry.Pupil{UID: st.UID, Photo: st.Photo}
			if p.UID == "" {
				p.UID = newUID()
			}
			for _, m := range st.Moves {
				ev := m.Event
				if d, ok := ev.(registry.DecideStep); ok && d.Decision == registry.DecisionAccept && needsSerial(&p, d.CaseNo) {
					var err error
					if d.Serial, err = s.pupilSerial(ctx, &p); err != nil {
						return err
					}
					ev = d
				}
				c, err := s.decide(p, ev, m.Actor, m.At)
				if err != nil {
					return err
				}
				c.Outbox = nil
				b.Changes = append(b.Changes, c)
				p = c.Pupil
				p.Version++
			}
			for _, card := range st.Cards {
				card.UID = p.UID
				b.Cards = append(b.Cards, card)
			}
		}
		if err := s.st.Commit(ctx, b); err != nil {
			return internal(err)
		}
		stories = stories[n:]
	}
	return nil
}

// EncodePIN hashes a guardian's PIN for a Story.
func (s *Service) EncodePIN(ctx context.Context, pin string) (string, error) {
	return s.encodePIN(ctx, pin)
}

// DrawCaseNos draws n case numbers for a Story.
func (s *Service) DrawCaseNos(ctx context.Context, kind registry.CaseKind, year, n int) ([]registry.CaseNo, error) {
	first, err := s.drawCases(ctx, kind, year, n)
	if err != nil {
		return nil, err
	}
	out := make([]registry.CaseNo, n)
	for i := range out {
		out[i] = registry.CaseNumber(kind, year, officeDesk, int(first)+i)
	}
	return out, nil
}
