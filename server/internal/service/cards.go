package service

import (
	"context"
	"crypto/sha256"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// ticketLife is how long a one-time ticket for the issuer is good.
const ticketLife = 30 * time.Minute

// Issuance states and kinds.
const (
	issRequested = "requested"
	issPlanned   = "planned"
	issActive    = "active"
	issReplaced  = "replaced"
	issRevoked   = "revoked"
	issFailed    = "failed"

	kindFirst       = "first"
	kindReplacement = "replacement"
	kindRewrite     = "rewrite"
)

// NeedCards lists enrolled pupils without an active card, and how many there are.
func (s *Service) NeedCards(ctx context.Context, who Staff, school registry.Unit, class string, limit int) ([]store.Summary, int, error) {
	if err := s.scope(who).Check(access.Issue); err != nil {
		return nil, 0, err
	}
	return s.Search(ctx, who, store.Query{School: school, Class: class, Standing: registry.StandingEnrolled, NoCard: true, Limit: limit})
}

// StartIssue records the intent to make a card and gives a one-time ticket. An issuance of this pupil that did not come to its end is taken up again with
// the same card number, so that the same card put back is finished.
func (s *Service) StartIssue(ctx context.Context, who Staff, uid registry.UID, reason string) (IssueTicket, error) {
	sc := s.scope(who)
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return IssueTicket{}, internal(err)
	}
	if v := sc.Pupil(&p); v == access.ViewNone || v == access.ViewCase {
		return IssueTicket{}, registry.ErrNotFound
	}
	if err := sc.Check(access.Issue); err != nil {
		return IssueTicket{}, err
	}
	if p.Standing != registry.StandingEnrolled && p.Standing != registry.StandingSuspended {
		return IssueTicket{}, fail(registry.CodeWrongState, "", map[string]string{"standing": string(p.Standing)})
	}
	all, err := s.st.IssuancesOf(ctx, uid)
	if err != nil {
		return IssueTicket{}, internal(err)
	}
	var iss store.Issuance
	kind := kindFirst
	for _, i := range all {
		switch i.State {
		case issRequested, issPlanned:
			iss = i
		case issActive:
			kind = kindReplacement
		}
	}
	if kind == kindReplacement && strings.TrimSpace(reason) == "" {
		return IssueTicket{}, fail(registry.CodeInvalid, "reason", nil)
	}
	now := s.now().UTC()
	if iss.ID == "" {
		if iss, err = s.newIssuance(ctx, &p, kind, reason, who.Actor("console")); err != nil {
			return IssueTicket{}, err
		}
	}
	ticket := newToken()
	sum := sha256.Sum256([]byte(ticket))
	iss.Ticket, iss.TicketTill, iss.UpdatedAt = sum[:], now.Add(ticketLife), now
	if err := s.st.PutIssuance(ctx, iss); err != nil {
		return IssueTicket{}, internal(err)
	}
	return IssueTicket{IssuanceID: iss.ID, Ticket: ticket, CardNo: iss.CardNo, Until: iss.TicketTill}, nil
}

func (s *Service) newIssuance(ctx context.Context, p *registry.Pupil, kind, reason string, by registry.Actor) (store.Issuance, error) {
	serial, idx, err := s.st.NextCard(ctx)
	if err != nil {
		return store.Issuance{}, internal(err)
	}
	school, _ := s.dir.Load().School(p.School)
	now := s.now().UTC()
	return store.Issuance{ID: "c-" + newID(), UID: p.UID, CardNo: registry.NewCardNumber(school.Region, serial), State: issRequested, Kind: kind,
		Reason: reason, StatusIdx: idx, Sequence: 1, By: by, CreatedAt: now, UpdatedAt: now, ExpiresOn: s.cardExpiry(p, school)}, nil
}

// cardExpiry is the end of August after the school's last grade, counted from the grade the pupil is in now.
func (s *Service) cardExpiry(p *registry.Pupil, school registry.School) registry.Date {
	t := s.now().In(registry.Beijing)
	year := t.Year()
	if t.Month() < time.September {
		year-- // the school year that runs began last September
	}
	left := max(school.ToGrade-p.Grade+1, 1)
	return registry.Date(strconv.Itoa(year+left) + "-08-31")
}

// RevokeCard puts the pupil's active card on the deny list, for good.
func (s *Service) RevokeCard(ctx context.Context, who Staff, uid registry.UID, reason string) error {
	sc := s.scope(who)
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return internal(err)
	}
	if v := sc.Pupil(&p); v == access.ViewNone || v == access.ViewCase {
		return registry.ErrNotFound
	}
	if err := sc.Check(access.Revoke); err != nil {
		return err
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		return fail(registry.CodeInvalid, "reason", nil)
	}
	all, err := s.st.IssuancesOf(ctx, uid)
	if err != nil {
		return internal(err)
	}
	for _, i := range all {
		if i.State != issActive {
			continue
		}
		i.State, i.Reason, i.Ticket, i.UpdatedAt = issRevoked, reason, nil, s.now().UTC()
		b := store.Batch{Cards: []store.Issuance{i}}
		c, err := s.decide(p, registry.RevokeCard{Number: i.CardNo, Reason: reason}, who.Actor("console"), s.now())
		if err != nil {
			return err
		}
		b.Changes = []store.Change{c}
		if err := s.st.Commit(ctx, b); err != nil {
			if isConflict(err) {
				return s.conflict(ctx, uid)
			}
			return internal(err)
		}
		s.committed(p, c)
		s.tell(p.School, "card", "")
		return nil
	}
	return fail(registry.CodeWrongState, "", map[string]string{"card": "none"})
}

// Order redeems a ticket for the chip on a reader. The first chip takes the ticket; the same chip may ask again (resume). Another chip for a card that was
// already begun gets a fresh card number: the begun one is marked failed.
func (s *Service) Order(ctx context.Context, r api.OrderRequest) (api.Order, error) {
	if len(r.ChipSerial) < 4 || len(r.ChipSerial) > 16 {
		return api.Order{}, fail(registry.CodeInvalid, "chip_serial", nil)
	}
	sum := sha256.Sum256([]byte(r.Ticket))
	iss, err := s.st.IssuanceByTicket(ctx, sum[:])
	if err != nil {
		return api.Order{}, internal(err)
	}
	if !s.now().Before(iss.TicketTill) {
		return api.Order{}, registry.ErrNotFound
	}
	p, err := s.st.Pupil(ctx, iss.UID)
	if err != nil {
		return api.Order{}, internal(err)
	}
	chip := digestHex(r.ChipSerial)
	now := s.now().UTC()
	switch {
	case iss.State == issActive: // a rewrite
		if p.Card == nil || p.Card.Number != iss.CardNo || iss.ChipHash != chip {
			return api.Order{}, fail(registry.CodeCard, "chip_serial", nil)
		}
		return s.order(&p, iss, kindRewrite, p.Card.Sequence, chip)
	case iss.State != issRequested && iss.State != issPlanned:
		return api.Order{}, registry.ErrNotFound
	case iss.ChipHash == "":
		iss.ChipHash, iss.UpdatedAt = chip, now
		if err := s.st.PutIssuance(ctx, iss); err != nil {
			return api.Order{}, internal(err)
		}
	case iss.ChipHash != chip && iss.State == issRequested: // nothing was written to the first chip yet
		iss.ChipHash, iss.UpdatedAt = chip, now
		if err := s.st.PutIssuance(ctx, iss); err != nil {
			return api.Order{}, internal(err)
		}
	case iss.ChipHash != chip: // the first chip may be half written: its number must never live on another chip
		fresh, err := s.newIssuance(ctx, &p, iss.Kind, iss.Reason, iss.By)
		if err != nil {
			return api.Order{}, err
		}
		fresh.Ticket, fresh.TicketTill, fresh.ChipHash = iss.Ticket, iss.TicketTill, chip
		iss.State, iss.Ticket, iss.UpdatedAt = issFailed, nil, now
		if err := s.st.Commit(ctx, store.Batch{Cards: []store.Issuance{iss, fresh}}); err != nil {
			return api.Order{}, internal(err)
		}
		iss = fresh
	}
	return s.order(&p, iss, iss.Kind, iss.Sequence, "")
}

func (s *Service) order(p *registry.Pupil, iss store.Issuance, kind string, sequence uint32, chipHash string) (api.Order, error) {
	ref, err := p.UID.Ref()
	if err != nil {
		return api.Order{}, internal(err)
	}
	items := credential.Items{
		credential.ItemName: p.Form[registry.FName], credential.ItemSex: p.Form[registry.FSex], credential.ItemBirth: p.Form[registry.FBirth],
		credential.ItemNumber: string(p.Number), credential.ItemSchoolName: s.dir.Load().Name(p.School), credential.ItemGrade: strconv.Itoa(p.Grade),
		credential.ItemClass: p.Class, credential.ItemStanding: string(p.Standing),
	}
	if len(p.Photo) >= 32 {
		items[credential.ItemPhoto] = p.Photo[:32]
	}
	out := api.Order{IssuanceID: iss.ID, Kind: kind, CardNo: iss.CardNo, PupilRef: ref[:], School: p.School, Status: int(cardStatus(p.Standing)), Sequence: sequence,
		StatusIdx: iss.StatusIdx, ExpiresOn: iss.ExpiresOn, Items: map[int]string{}, ChipHash: chipHash}
	if kind == kindRewrite {
		school, _ := s.dir.Load().School(p.School)
		out.ExpiresOn = s.cardExpiry(p, school)
	}
	for k, v := range items {
		if v != "" {
			out.Items[int(k)] = cut(v, maxItem)
		}
	}
	return out, nil
}

// maxItem is the largest sealed item in bytes (credential.Items).
const maxItem = 120

// cut shortens text to n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func cardStatus(st registry.Standing) credential.Status {
	switch st {
	case registry.StandingEnrolled:
		return credential.StatusActive
	case registry.StandingSuspended, registry.StandingAbroad, registry.StandingDropout:
		return credential.StatusSuspended
	}
	return credential.StatusEnded
}

// Report is the issuer's word on an issuance; durable on return and repeatable. "planned" comes before the first APDU; "personalised" binds the card to the
// pupil, and the card before it, if any, goes on the deny list in the same transaction; "failed" leaves the issuance to be taken up again.
func (s *Service) Report(ctx context.Context, r api.Report) (api.ReportReply, error) {
	for try := 0; ; try++ {
		out, err := s.report(ctx, r)
		if isConflict(err) && try < 5 {
			continue // the pupil moved meanwhile (a transfer's step): decide again from where it stands
		}
		return out, err
	}
}

func (s *Service) report(ctx context.Context, r api.Report) (api.ReportReply, error) {
	iss, err := s.st.Issuance(ctx, r.IssuanceID)
	if err != nil {
		return api.ReportReply{}, internal(err)
	}
	now := s.now().UTC()
	switch r.State {
	case issPlanned:
		switch iss.State {
		case issActive:
			return api.ReportReply{}, nil // a rewrite: the card stays active throughout
		case issRequested, issPlanned:
			if r.ChipHash != iss.ChipHash {
				return api.ReportReply{}, fail(registry.CodeCard, "chip_hash", nil)
			}
			iss.State, iss.Profile, iss.UpdatedAt = issPlanned, r.Profile, now
			return api.ReportReply{}, internal(s.st.PutIssuance(ctx, iss))
		}
		return api.ReportReply{}, fail(registry.CodeWrongState, "state", map[string]string{"state": iss.State})
	case issFailed:
		s.onEvent("issuance", "failed")
		s.log.WarnContext(ctx, "issuance failed", "issuance", iss.ID, "detail", cut(r.Detail, 200))
		return api.ReportReply{Active: iss.State == issActive}, nil
	case "personalised":
		return s.personalised(ctx, iss, r)
	}
	return api.ReportReply{}, fail(registry.CodeInvalid, "state", nil)
}

func (s *Service) personalised(ctx context.Context, iss store.Issuance, r api.Report) (api.ReportReply, error) {
	if iss.State == issActive && iss.Sequence >= r.Sequence && iss.ChipHash == r.ChipHash {
		return api.ReportReply{Active: true}, nil // told before
	}
	if iss.State != issRequested && iss.State != issPlanned && iss.State != issActive {
		return api.ReportReply{}, fail(registry.CodeWrongState, "state", map[string]string{"state": iss.State})
	}
	if iss.ChipHash != r.ChipHash {
		return api.ReportReply{}, fail(registry.CodeCard, "chip_hash", nil)
	}
	p, err := s.st.Pupil(ctx, iss.UID)
	if err != nil {
		return api.ReportReply{}, internal(err)
	}
	if err := s.checkRecord(ctx, &p, iss, r); err != nil {
		return api.ReportReply{}, err
	}
	now := s.now().UTC()
	rewrite := iss.State == issActive
	iss.State, iss.Sequence, iss.Record, iss.Profile, iss.Level, iss.Ticket, iss.UpdatedAt = issActive, r.Sequence, r.Record, r.Profile, r.Level, nil, now
	actor := iss.By
	actor.Via = "issuer"
	var ev registry.Event = registry.CardWritten{Number: iss.CardNo, Sequence: r.Sequence}
	if !rewrite {
		ev = registry.BindCard{Card: registry.CardRef{Number: iss.CardNo, Sequence: r.Sequence, Written: r.Sequence, BoundAt: now, Profile: r.Profile, Level: r.Level,
			StatusIdx: iss.StatusIdx, ExpiresOn: iss.ExpiresOn, ChipHash: r.ChipHash}}
	}
	c, err := s.decide(p, ev, actor, now)
	if err != nil {
		return api.ReportReply{}, err
	}
	b := store.Batch{Changes: []store.Change{c}}
	if !rewrite {
		all, err := s.st.IssuancesOf(ctx, iss.UID)
		if err != nil {
			return api.ReportReply{}, internal(err)
		}
		for _, old := range all { // before the new one: the schema allows one active card
			if old.State == issActive && old.ID != iss.ID {
				old.State, old.Ticket, old.UpdatedAt = issReplaced, nil, now
				b.Cards = append(b.Cards, old)
			}
		}
	}
	b.Cards = append(b.Cards, iss)
	if err := s.st.Commit(ctx, b); err != nil {
		return api.ReportReply{}, internal(err)
	}
	s.onEvent("issuance", "active")
	s.committed(p, c)
	s.tell(p.School, "card", "")
	s.tell(actor.Unit, "card", "")
	return api.ReportReply{Active: true}, nil
}

// checkRecord holds the record the issuer wrote against what was ordered: a signature under the pinned roots, and the same card, pupil and sequence.
func (s *Service) checkRecord(ctx context.Context, p *registry.Pupil, iss store.Issuance, r api.Report) error {
	v, err := s.verifier(ctx)
	if err != nil {
		return err
	}
	pub, err := credential.Decode(r.Record)
	if err != nil {
		return &registry.Error{Code: registry.CodeCard, Field: "record", Err: err}
	}
	_, res := v.Check(r.Record, pub.ChipSerial, s.now())
	ref, err := p.UID.Ref()
	if err != nil {
		return internal(err)
	}
	if res.Verdict != credential.Valid || pub.CardNo != iss.CardNo || pub.PupilRef != ref || pub.Sequence != r.Sequence || digestHex(pub.ChipSerial) != r.ChipHash {
		return fail(registry.CodeCard, "record", map[string]string{"verdict": string(res.Verdict)})
	}
	return nil
}

// Refresh gives a ticket to rewrite the tapped card when the register wants a higher sequence on it.
func (s *Service) Refresh(ctx context.Context, kiosk store.Kiosk, r api.RefreshRequest) (api.RefreshReply, error) {
	p, pub, err := s.cardHolder(ctx, r.Card, s.now())
	if err != nil {
		return api.RefreshReply{}, err
	}
	if pub.Sequence >= p.Card.Sequence {
		return api.RefreshReply{}, s.seenOnCard(ctx, p, pub, kiosk)
	}
	iss, err := s.st.IssuanceByCard(ctx, p.Card.Number)
	if err != nil {
		return api.RefreshReply{}, internal(err)
	}
	ticket := newToken()
	sum := sha256.Sum256([]byte(ticket))
	iss.Ticket, iss.TicketTill, iss.UpdatedAt = sum[:], s.now().UTC().Add(ticketLife), s.now().UTC()
	if err := s.st.PutIssuance(ctx, iss); err != nil {
		return api.RefreshReply{}, internal(err)
	}
	return api.RefreshReply{Needed: true, Ticket: ticket}, nil
}

// seenOnCard notes a sequence that a kiosk verified on the card and the register did not know of (an issuer's report that was lost).
func (s *Service) seenOnCard(ctx context.Context, p registry.Pupil, pub credential.Public, kiosk store.Kiosk) error {
	if pub.Sequence <= p.Card.Written || pub.Sequence > p.Card.Sequence {
		return nil
	}
	c, err := s.decide(p, registry.CardWritten{Number: pub.CardNo, Sequence: pub.Sequence}, registry.Actor{Account: "system", Via: kioskVia(kiosk)}, s.now())
	if err != nil {
		return err
	}
	if err := s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}}); err != nil && !isConflict(err) {
		return internal(err)
	}
	return nil
}

func kioskVia(k store.Kiosk) string {
	n := strconv.Itoa(k.No)
	for len(n) < 4 {
		n = "0" + n
	}
	return "kiosk:" + n
}
