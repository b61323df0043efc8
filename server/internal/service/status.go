package service

import (
	"context"
	"errors"
	"time"

	"xueji/server/api"
	"xueji/server/document"
	"xueji/server/internal/audit"
	"xueji/server/internal/password"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const (
	pinTries = 5
	pinLock  = time.Hour
	// closedCaseShown is how long a closed case is still told to the family.
	closedCaseShown = 365 * 24 * time.Hour
)

// Status is what a family may read at a kiosk: masked unless the guardian's PIN is right. Each wrong PIN counts, across kiosks and restarts; the fifth locks
// the detail for an hour (CodeForbidden, why=pin_locked, until).
func (s *Service) Status(ctx context.Context, kiosk store.Kiosk, r api.StatusRequest) (api.StatusReply, error) {
	if peer, v, err := s.cardPeer(ctx, r.Card.Record); err != nil {
		return api.StatusReply{}, err
	} else if peer != "" {
		return s.farStatus(ctx, kiosk, r.Card, peer, v)
	}
	p, pub, err := s.cardHolder(ctx, r.Card, s.now())
	if err != nil {
		return api.StatusReply{}, err
	}
	if p.Tact() { // Art. 21: nothing is told at a screen; the teacher speaks to the family
		return api.StatusReply{}, fail(registry.CodeForbidden, "card", map[string]string{"why": "teacher"})
	}
	p = s.firstUse(ctx, p, kiosk)
	if err := s.atKiosk(ctx, kiosk, nil, p.UID, "status", audit.WhyPresent, p.Lock); err != nil {
		return api.StatusReply{}, err
	}
	out := s.maskedStatus(&p)
	old, err := s.onOldEpoch(ctx, pub.Epoch)
	if err != nil {
		return api.StatusReply{}, err
	}
	out.CardBehind = old || pub.Sequence < p.Card.Sequence
	if r.PIN == "" || p.PIN == "" {
		return out, nil
	}
	left, until, err := s.st.TakeTry(ctx, p.UID, s.now().UTC(), pinTries, pinLock)
	if err != nil {
		return api.StatusReply{}, internal(err)
	}
	if left < 0 {
		return api.StatusReply{}, fail(registry.CodeForbidden, "pin", map[string]string{"why": "pin_locked", "until": clock(until)})
	}
	if err := s.passes.Verify(ctx, p.PIN, r.PIN); err != nil {
		if !errors.Is(err, password.ErrMismatch) {
			return api.StatusReply{}, internal(err)
		}
		s.onEvent("pin", "wrong")
		if left == 0 {
			return api.StatusReply{}, fail(registry.CodeForbidden, "pin", map[string]string{"why": "pin_locked", "until": clock(until)})
		}
		out.PINLeft = left
		return out, nil
	}
	if err := s.st.ClearTries(ctx, p.UID); err != nil {
		return api.StatusReply{}, internal(err)
	}
	out.Masked, out.Name = false, p.Form[registry.FName]
	return out, nil
}

func clock(t time.Time) string { return t.In(registry.Beijing).Format("15:04") }

// maskedStatus holds nothing that a stranger with a found card may not read: no number, no address, no birth date, no full name.
func (s *Service) maskedStatus(p *registry.Pupil) api.StatusReply {
	name := s.dir.Load().Name
	out := api.StatusReply{Masked: true, Name: registry.MaskName(p.Form[registry.FName]), Standing: p.Standing, School: name(p.School), Grade: p.Grade, HasPIN: p.PIN != ""}
	c := p.OpenCase()
	for i := len(p.Cases) - 1; c == nil && i >= 0; i-- {
		if last := &p.Cases[i]; last.Kind != registry.CaseEnrol && s.now().Sub(last.ClosedAt) < closedCaseShown {
			c = last
		}
	}
	if c != nil {
		out.Case = &api.CaseView{No: c.No, Kind: c.Kind, State: c.State, Steps: s.caseSteps(c)}
		if c.From != "" {
			out.Case.From = name(c.From)
		}
		if c.To != "" {
			out.Case.To = name(c.To)
		}
	}
	if a := &p.Archive; a.State != registry.ArchiveNone && a.State != "" {
		out.Archive = &api.ArchiveView{State: a.State, Custodian: name(a.Custodian)}
		if a.State == registry.ArchiveCalled || a.State == registry.ArchiveTransit { // the receipt stopped the month
			out.Archive.DueOn = a.DueOn
		}
	}
	if p.Suspension != nil {
		out.Suspension = &api.SuspensionView{Until: p.Suspension.Until}
	}
	return out
}

// caseSteps tells each party's turn in a family's words.
func (s *Service) caseSteps(c *registry.Case) []api.CaseStep {
	name := s.dir.Load().Name
	now := c.Current()
	latest := c.Latest(s.Pack(), s.Calendar())
	out := make([]api.CaseStep, 0, len(c.Steps))
	for i := range c.Steps {
		st := &c.Steps[i]
		v := api.CaseStep{Party: st.Party, Unit: name(st.Unit), DueOn: st.DueOn, Unsure: st.Unsure, State: "next"}
		switch {
		case st.Decision == registry.DecisionAccept:
			v.State, v.DoneOn = "done", registry.DateOf(st.DecidedAt)
		case st.Decision == registry.DecisionRefuse:
			v.State, v.DoneOn, v.Refusal = "refused", registry.DateOf(st.DecidedAt), st.Refusal
		case i == now:
			v.State = "now"
		case now >= 0:
			v.Latest, v.Unsure = latest[i].On, latest[i].Unsure
		}
		out = append(out, v)
	}
	return out
}

// Consignment is the inventory behind a scanned archive QR, for the receiving school's staff at its kiosk. The QR's signature covers the inventory: an edited
// or another server's paper is CodeArchive.
func (s *Service) Consignment(ctx context.Context, kiosk store.Kiosk, r api.ConsignmentRequest) (api.Consignment, error) {
	who, err := s.kioskStaff(ctx, kiosk, r.Token)
	if err != nil {
		return api.Consignment{}, err
	}
	uid, p, err := s.scanned(ctx, r.QR)
	if err != nil {
		return api.Consignment{}, err
	}
	a := &p.Archive
	if a.State != registry.ArchiveTransit || a.To != who.Unit {
		return api.Consignment{}, fail(registry.CodeArchive, "qr", map[string]string{"state": string(a.State), "to": s.dir.Load().Name(a.To)})
	}
	ref, err := uid.Ref()
	if err != nil {
		return api.Consignment{}, internal(err)
	}
	if err := s.atKiosk(ctx, kiosk, &who, uid, "consignment", audit.WhyCase, a.CaseNo); err != nil {
		return api.Consignment{}, err
	}
	name := s.dir.Load().Name
	return api.Consignment{ArchiveNo: a.No, PupilRef: ref[:], Name: registry.MaskName(p.Form[registry.FName]), From: name(a.From), To: name(a.To),
		SentOn: registry.DateOf(a.SentAt), Items: a.Items}, nil
}

// scanned finds the pupil behind an archive QR whose signature verifies over the inventory in the register.
func (s *Service) scanned(ctx context.Context, qr string) (registry.UID, registry.Pupil, error) {
	bad := func(why string) error { return fail(registry.CodeArchive, "qr", map[string]string{"why": why}) }
	no, signature, err := document.ParseArchiveQR(qr)
	if err != nil {
		return "", registry.Pupil{}, bad("form")
	}
	uid, err := s.st.FindArchive(ctx, no)
	if isNotFound(err) {
		return "", registry.Pupil{}, bad("unknown")
	}
	if err != nil {
		return "", registry.Pupil{}, internal(err)
	}
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return "", p, internal(err)
	}
	if p.Archive.No != no || !s.keys.verify(document.ArchiveMessage(no, p.Archive.Items), signature) {
		return "", registry.Pupil{}, bad("signature")
	}
	return uid, p, nil
}
