package service

import (
	"context"
	"strings"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// PupilsAt finds a child of the kiosk's own school by birth date and the last four characters of its document, for a registrar who stands there with a family without
// its card. Both must be known: nobody leafs through a school. It reads the school's list in pages; that is rare and a school is small.
func (s *Service) PupilsAt(ctx context.Context, kiosk store.Kiosk, r api.PupilsRequest) (api.PupilsReply, error) {
	who, err := s.kioskStaff(ctx, kiosk, r.Token)
	if err != nil {
		return api.PupilsReply{}, err
	}
	if err := s.scope(who).Check(access.CardCare); err != nil {
		return api.PupilsReply{}, err
	}
	tail := strings.ToUpper(strings.TrimSpace(r.Tail))
	switch {
	case !r.Birth.Valid():
		return api.PupilsReply{}, fail(registry.CodeInvalid, "birth", nil)
	case len(tail) != 4:
		return api.PupilsReply{}, fail(registry.CodeInvalid, "tail", nil)
	}
	out := api.PupilsReply{Pupils: []api.PupilRow{}}
	q := store.Query{Schools: []registry.Unit{who.Unit}, School: who.Unit}
	for {
		page, err := s.st.Search(ctx, q)
		if err != nil {
			return api.PupilsReply{}, internal(err)
		}
		for _, row := range page {
			if row.Birth != r.Birth || row.Standing != registry.StandingEnrolled && row.Standing != registry.StandingSuspended {
				continue
			}
			p, err := s.st.Pupil(ctx, row.UID)
			if err != nil {
				return api.PupilsReply{}, internal(err)
			}
			if p.School != who.Unit || !strings.HasSuffix(strings.ToUpper(p.Form[registry.FIDNumber]), tail) || len(p.Form[registry.FIDNumber]) < 8 {
				continue
			}
			found := api.PupilRow{UID: p.UID, Name: registry.MaskName(p.Form[registry.FName]), Grade: p.Grade, Class: p.Class}
			if p.Card != nil {
				found.CardNo, found.Lost = p.Card.Number, !p.Card.Good()
			}
			if out.Pupils = append(out.Pupils, found); len(out.Pupils) == api.MaxPupils {
				return out, nil
			}
		}
		if q.Offset += len(page); len(page) == 0 {
			return out, nil
		}
	}
}

// LostAt reports a card lost at a kiosk, as the console does: suspended, on the status list and on the clerk's list of free replacements in one transaction.
func (s *Service) LostAt(ctx context.Context, kiosk store.Kiosk, r api.LostRequest) (api.CardMoved, error) {
	who, err := s.kioskStaff(ctx, kiosk, r.Token)
	if err != nil {
		return api.CardMoved{}, err
	}
	err = s.changeCardOf(ctx, who, r.UID, r.CardNo, registry.CardLose, r.Reason, "", kioskVia(kiosk))
	return api.CardMoved{CardNo: r.CardNo}, err
}

// FoundAt takes the report back for the card on the reader, if the card is the school's own pupil's and stands reported lost.
func (s *Service) FoundAt(ctx context.Context, kiosk store.Kiosk, r api.FoundRequest) (api.CardMoved, error) {
	who, err := s.kioskStaff(ctx, kiosk, r.Token)
	if err != nil {
		return api.CardMoved{}, err
	}
	v, err := s.verifier(ctx)
	if err != nil {
		return api.CardMoved{}, err
	}
	pub, res := v.Check(r.Card.Record, r.Card.ChipSerial, s.now())
	if res.Verdict != credential.Valid && res.Verdict != credential.Revoked {
		return api.CardMoved{}, fail(registry.CodeCard, "card", map[string]string{"verdict": string(res.Verdict)})
	}
	err = s.changeCardOf(ctx, who, registry.NewUID(pub.PupilRef), pub.CardNo, registry.CardFind, "", "", kioskVia(kiosk))
	return api.CardMoved{CardNo: pub.CardNo}, err
}
