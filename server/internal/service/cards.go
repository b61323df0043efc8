package service

import (
	"context"
	"crypto/sha256"
	"errors"
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

// Kinds of issuance.
const (
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

// IssueRequest asks for a ticket. Run names the issuing list, Lane the reader of a station that drew the pupil; both may be "".
type IssueRequest struct {
	UID    registry.UID
	Reason string
	Run    string
	Lane   string
}

// StartIssue is IssueCard for one pupil by itself.
func (s *Service) StartIssue(ctx context.Context, who Staff, uid registry.UID, reason string) (IssueTicket, error) {
	return s.IssueCard(ctx, who, IssueRequest{UID: uid, Reason: reason})
}

// IssueCard records the intent to make a card and gives a one-time ticket. An issuance of this pupil that did not come to its end is taken up again with the same
// card number, so that the same card put back is finished. The first card and every replacement are free (Art. 5); why a card is replaced is kept: a good card is
// replaced only with a reason, for a lost, damaged or expired one the reason is known. CodeConflict when another station is at this pupil.
func (s *Service) IssueCard(ctx context.Context, who Staff, r IssueRequest) (IssueTicket, error) {
	return again(func() (IssueTicket, error) { return s.issue(ctx, who, r) })
}

func (s *Service) issue(ctx context.Context, who Staff, r IssueRequest) (IssueTicket, error) {
	sc := s.scope(who)
	p, err := s.st.Pupil(ctx, r.UID)
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
	if err := s.holdLane(ctx, who, r); err != nil {
		return IssueTicket{}, err
	}
	all, err := s.st.IssuancesOf(ctx, r.UID)
	if err != nil {
		return IssueTicket{}, internal(err)
	}
	var iss store.Issuance
	var last *store.Issuance // the newest finished card
	for i := range all {
		switch st := all[i].State; {
		case st == registry.CardRequested || st == registry.CardPlanned:
			iss = all[i]
		case st.Made():
			last = &all[i]
		}
	}
	kind, reason := kindFirst, strings.TrimSpace(r.Reason)
	if last != nil {
		kind = kindReplacement
		if reason == "" {
			if reason, err = s.whyReplaced(ctx, last); err != nil {
				return IssueTicket{}, err
			}
		}
		if reason == "" {
			return IssueTicket{}, fail(registry.CodeInvalid, "reason", nil)
		}
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
	b := store.Batch{}
	if r.Run != "" {
		iss.Run = r.Run
		b.Marks = []store.CardMark{{Run: r.Run, UID: r.UID, Tries: 1, At: now}}
	}
	b.Cards = []store.Issuance{iss}
	if err := s.st.Commit(ctx, b); err != nil {
		return IssueTicket{}, internal(err)
	}
	return IssueTicket{IssuanceID: iss.ID, Ticket: ticket, CardNo: iss.CardNo, Until: iss.TicketTill}, nil
}

// whyReplaced is the reason that the end of the last card gave; "" while that card is good.
func (s *Service) whyReplaced(ctx context.Context, last *store.Issuance) (string, error) {
	if last.State.Good() {
		return "", nil
	}
	lives, err := s.st.CardLife(ctx, last.UID)
	if err != nil {
		return "", internal(err)
	}
	life := lives[last.ID]
	for i := len(life) - 1; i >= 0; i-- {
		if life[i].Reason != "" && life[i].Act != registry.CardDestroy && life[i].Act != registry.CardRequest {
			return life[i].Reason, nil
		}
	}
	return string(last.State), nil
}

func (s *Service) newIssuance(ctx context.Context, p *registry.Pupil, kind, reason string, by registry.Actor) (store.Issuance, error) {
	serial, idx, err := s.st.NextCard(ctx)
	if err != nil {
		return store.Issuance{}, internal(err)
	}
	school, _ := s.dir.Load().School(p.School)
	now := s.now().UTC()
	iss := store.Issuance{ID: "c-" + newID(), UID: p.UID, CardNo: registry.NewCardNumber(school.Region, serial), Kind: kind, Reason: reason, StatusIdx: idx,
		Sequence: 1, By: by, CreatedAt: now, ExpiresOn: s.cardExpiry(p, school)}
	return iss, s.moveCard(&iss, registry.CardRequest, reason, "", p.School, by)
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

// Order redeems a ticket for the chip on a reader. The first chip takes the ticket; the same chip may ask again (resume). Another chip for a card that was
// already begun gets a fresh card number: the begun one is marked failed.
func (s *Service) Order(ctx context.Context, r api.OrderRequest) (api.Order, error) {
	return again(func() (api.Order, error) { return s.redeem(ctx, r) })
}

func (s *Service) redeem(ctx context.Context, r api.OrderRequest) (api.Order, error) {
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
	case iss.State.Good(): // a rewrite
		if p.Card == nil || p.Card.Number != iss.CardNo || iss.ChipHash != chip {
			return api.Order{}, fail(registry.CodeCard, "chip_serial", nil)
		}
		return s.order(&p, iss, kindRewrite, p.Card.Sequence, chip)
	case iss.State != registry.CardRequested && iss.State != registry.CardPlanned:
		return api.Order{}, registry.ErrNotFound
	case iss.ChipHash == "":
		iss.ChipHash, iss.UpdatedAt = chip, now
		if err := s.st.PutIssuance(ctx, iss); err != nil {
			return api.Order{}, internal(err)
		}
	case iss.ChipHash != chip && iss.State == registry.CardRequested: // nothing was written to the first chip yet
		iss.ChipHash, iss.UpdatedAt = chip, now
		if err := s.st.PutIssuance(ctx, iss); err != nil {
			return api.Order{}, internal(err)
		}
	case iss.ChipHash != chip: // the first chip may be half written: its number must never live on another chip
		fresh, err := s.newIssuance(ctx, &p, iss.Kind, iss.Reason, iss.By)
		if err != nil {
			return api.Order{}, err
		}
		fresh.Ticket, fresh.TicketTill, fresh.ChipHash, fresh.Run = iss.Ticket, iss.TicketTill, chip, iss.Run
		b, err := s.spoil(iss, p.School, "chip", byIssuer(iss.By))
		if err != nil {
			return api.Order{}, err
		}
		b.Cards = append(b.Cards, fresh)
		if err := s.st.Commit(ctx, b); err != nil {
			return api.Order{}, internal(err)
		}
		iss = stored(fresh)
	}
	return s.order(&p, iss, iss.Kind, iss.Sequence, "")
}

func (s *Service) order(p *registry.Pupil, iss store.Issuance, kind string, sequence uint32, chipHash string) (api.Order, error) {
	ref, err := p.UID.Ref()
	if err != nil {
		return api.Order{}, internal(err)
	}
	items := s.cardItems(p)
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
	switch r.State {
	case "planned":
		return api.ReportReply{}, s.planned(ctx, iss, r)
	case "failed":
		s.onEvent("issuance", "failed")
		s.log.WarnContext(ctx, "issuance failed", "issuance", iss.ID, "detail", cut(r.Detail, 200))
		if iss.Run != "" && !iss.State.Made() {
			if err := s.st.MarkCards(ctx, store.CardMark{Run: iss.Run, UID: iss.UID, Code: failCode(r.Detail), At: s.now().UTC()}); err != nil {
				return api.ReportReply{}, internal(err)
			}
		}
		return api.ReportReply{Active: iss.State.Good()}, nil
	case "personalised":
		return s.personalised(ctx, iss, r)
	}
	return api.ReportReply{}, fail(registry.CodeInvalid, "state", nil)
}

// failCode is the first word of an issuer's detail when it is a code, so that no free text comes to stand on a list.
func failCode(detail string) string {
	word, _, _ := strings.Cut(detail, ":")
	if word == "" || len(word) > 24 || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "failed"
	}
	return word
}

// planned is durable before the first command goes to the chip.
func (s *Service) planned(ctx context.Context, iss store.Issuance, r api.Report) error {
	if iss.State.Good() {
		return nil // a rewrite: the card stays good throughout
	}
	if iss.State != registry.CardRequested && iss.State != registry.CardPlanned {
		return fail(registry.CodeWrongState, "state", map[string]string{"state": string(iss.State)})
	}
	if r.ChipHash != iss.ChipHash {
		return fail(registry.CodeCard, "chip_hash", nil)
	}
	if iss.State == registry.CardRequested {
		if err := s.moveCard(&iss, registry.CardPlan, "", "", "", byIssuer(iss.By)); err != nil {
			return err
		}
	}
	iss.Profile, iss.UpdatedAt = r.Profile, s.now().UTC()
	return internal(s.st.PutIssuance(ctx, iss))
}

// byIssuer is who asked for the card, as the issuer reports it.
func byIssuer(a registry.Actor) registry.Actor {
	a.Via = "issuer"
	return a
}

func (s *Service) personalised(ctx context.Context, iss store.Issuance, r api.Report) (api.ReportReply, error) {
	if iss.State.Good() && iss.Sequence >= r.Sequence && iss.ChipHash == r.ChipHash {
		return api.ReportReply{Active: true}, nil // told before
	}
	if iss.State != registry.CardRequested && iss.State != registry.CardPlanned && !iss.State.Good() {
		return api.ReportReply{}, fail(registry.CodeWrongState, "state", map[string]string{"state": string(iss.State)})
	}
	if iss.ChipHash != r.ChipHash {
		return api.ReportReply{}, fail(registry.CodeCard, "chip_hash", nil)
	}
	p, err := s.st.Pupil(ctx, iss.UID)
	if err != nil {
		return api.ReportReply{}, internal(err)
	}
	pub, err := s.checkRecord(ctx, &p, iss, r)
	if err != nil {
		return api.ReportReply{}, err
	}
	now, rewrite, actor := s.now().UTC(), iss.State.Good(), byIssuer(iss.By)
	drawn := iss.TicketTill.Add(-ticketLife)
	iss.Sequence, iss.Record, iss.Profile, iss.Level, iss.Ticket, iss.UpdatedAt, iss.Epoch = r.Sequence, r.Record, r.Profile, r.Level, nil, now, pub.Epoch
	b := store.Batch{}
	var ev registry.Event
	if rewrite {
		iss.ExpiresOn = registry.DateOf(pub.Expires.Add(-time.Second)) // the record is good until the midnight after
		ev = registry.CardWritten{Number: iss.CardNo, Sequence: r.Sequence, ExpiresOn: iss.ExpiresOn}
	} else {
		if err := s.moveCard(&iss, registry.CardMake, "", "", p.School, actor); err != nil {
			return api.ReportReply{}, err
		}
		ev = registry.BindCard{Card: registry.CardRef{Number: iss.CardNo, Sequence: r.Sequence, Written: r.Sequence, BoundAt: now, Profile: r.Profile, Level: r.Level,
			StatusIdx: iss.StatusIdx, ExpiresOn: iss.ExpiresOn, ChipHash: r.ChipHash, State: iss.State},
			School: registry.Unit(pub.School), Behind: pub.Status != cardStatus(p.Standing)}
		if b.Cards, err = s.replaced(ctx, &p, iss, actor); err != nil {
			return api.ReportReply{}, err
		}
		if iss.Run != "" {
			b.Marks = []store.CardMark{{Run: iss.Run, UID: iss.UID, State: store.ItemMade, CardNo: iss.CardNo,
				Millis: min(max(now.Sub(drawn), 0), ticketLife).Milliseconds(), At: now, By: iss.By.Name}}
		}
	}
	c, err := s.decide(p, ev, actor, now)
	if err != nil {
		return api.ReportReply{}, err
	}
	b.Changes = []store.Change{c}
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

// replaced are the pupil's held cards but for the new one, ended: they go into the transaction that holds the new one.
func (s *Service) replaced(ctx context.Context, p *registry.Pupil, fresh store.Issuance, actor registry.Actor) ([]store.Issuance, error) {
	all, err := s.st.IssuancesOf(ctx, p.UID)
	if err != nil {
		return nil, internal(err)
	}
	var out []store.Issuance
	for _, old := range all {
		if !old.State.Held() || old.ID == fresh.ID {
			continue
		}
		old.Ticket = nil
		if err := s.moveCard(&old, registry.CardReplace, fresh.Reason, fresh.CardNo, p.School, actor); err != nil {
			return nil, err
		}
		out = append(out, old)
	}
	return out, nil
}

// checkRecord holds the record the issuer wrote against what was ordered: a signature under the pinned roots, and the same card, pupil and sequence.
func (s *Service) checkRecord(ctx context.Context, p *registry.Pupil, iss store.Issuance, r api.Report) (credential.Public, error) {
	v, err := s.verifier(ctx)
	if err != nil {
		return credential.Public{}, err
	}
	pub, err := credential.Decode(r.Record)
	if err != nil {
		return pub, &registry.Error{Code: registry.CodeCard, Field: "record", Err: err}
	}
	_, res := v.Check(r.Record, pub.ChipSerial, s.now())
	ref, err := p.UID.Ref()
	if err != nil {
		return pub, internal(err)
	}
	if res.Verdict != credential.Valid || pub.CardNo != iss.CardNo || pub.PupilRef != ref || pub.Sequence != r.Sequence || digestHex(pub.ChipSerial) != r.ChipHash {
		return pub, fail(registry.CodeCard, "record", map[string]string{"verdict": string(res.Verdict)})
	}
	return pub, nil
}

// Refresh gives a ticket to rewrite the tapped card when the register wants a higher sequence on it, or its sealed record stands under keys of an older epoch.
func (s *Service) Refresh(ctx context.Context, kiosk store.Kiosk, r api.RefreshRequest) (api.RefreshReply, error) {
	return again(func() (api.RefreshReply, error) { return s.refresh(ctx, kiosk, r) })
}

func (s *Service) refresh(ctx context.Context, kiosk store.Kiosk, r api.RefreshRequest) (api.RefreshReply, error) {
	p, pub, err := s.cardHolder(ctx, r.Card, s.now())
	if err != nil {
		return api.RefreshReply{}, err
	}
	p = s.firstUse(ctx, p, kiosk)
	p, behind, err := s.catchUp(ctx, p, pub, registry.Actor{Account: systemAccount, Via: kioskVia(kiosk)}, false)
	if err != nil || !behind {
		return api.RefreshReply{}, err
	}
	ticket, err := s.rewriteTicket(ctx, &p)
	return api.RefreshReply{Needed: err == nil, Ticket: ticket}, err
}

// catchUp compares a card that was read with what the register wants on it: behind says that it is to be written anew. ask wants that of a card that is not behind, too.
func (s *Service) catchUp(ctx context.Context, p registry.Pupil, pub credential.Public, by registry.Actor, ask bool) (after registry.Pupil, behind bool, err error) {
	if pub.Sequence < p.Card.Sequence {
		return p, true, nil
	}
	if err := s.seenOnCard(ctx, p, pub, by.Via); err != nil {
		return p, false, err
	}
	old, err := s.onOldEpoch(ctx, pub.Epoch)
	if err != nil || !old && !ask {
		return p, false, err
	}
	if p, err = s.st.Pupil(ctx, p.UID); err != nil {
		return p, false, internal(err)
	}
	why := registry.RenewAsked
	if old {
		why = registry.RenewEpoch
	}
	p, err = s.renew(ctx, p, why, by)
	return p, err == nil, err
}

// rewriteTicket lets the issuer write the pupil's card anew, once.
func (s *Service) rewriteTicket(ctx context.Context, p *registry.Pupil) (string, error) {
	iss, err := s.st.IssuanceByCard(ctx, p.Card.Number)
	if err != nil {
		return "", internal(err)
	}
	ticket := newToken()
	sum := sha256.Sum256([]byte(ticket))
	iss.Ticket, iss.TicketTill, iss.UpdatedAt = sum[:], s.now().UTC().Add(ticketLife), s.now().UTC()
	return ticket, internal(s.st.PutIssuance(ctx, iss))
}

// CardTap is a card that was laid on a station's reader. Ticket is set when it is to be written anew.
type CardTap struct {
	UID    registry.UID
	Name   string
	CardNo string
	Ticket string
}

// RewriteCard is Refresh at a station: staff who make cards lay a pupil's card on a reader. ask wants it written though it is up to date. A card that the register does not
// take is CodeCard, one of a pupil out of reach CodeNotFound.
func (s *Service) RewriteCard(ctx context.Context, who Staff, card api.CardProof, ask bool) (CardTap, error) {
	return again(func() (CardTap, error) { return s.rewriteCard(ctx, who, card, ask) })
}

func (s *Service) rewriteCard(ctx context.Context, who Staff, card api.CardProof, ask bool) (CardTap, error) {
	sc := s.scope(who)
	if err := sc.Check(access.Issue); err != nil {
		return CardTap{}, err
	}
	p, pub, err := s.cardHolder(ctx, card, s.now())
	if err != nil {
		if seen := s.copyLaid(ctx, who, refusedVerdict(err), pub); seen != nil {
			return CardTap{}, seen
		}
		return CardTap{}, err
	}
	if v := sc.Pupil(&p); v == access.ViewNone || v == access.ViewCase {
		return CardTap{}, registry.ErrNotFound
	}
	p, behind, err := s.catchUp(ctx, p, pub, who.Actor("console"), ask)
	if err != nil {
		return CardTap{}, err
	}
	out := CardTap{UID: p.UID, Name: p.Form[registry.FName], CardNo: p.Card.Number}
	if behind {
		out.Ticket, err = s.rewriteTicket(ctx, &p)
	}
	return out, err
}

// refusedVerdict is what cardHolder found wrong with a card.
func refusedVerdict(err error) string {
	var e *registry.Error
	if errors.As(err, &e) && e.Code == registry.CodeCard {
		return e.Params["verdict"]
	}
	return ""
}

// seenOnCard notes a sequence that a kiosk or station verified on the card and the register did not know of (an issuer's report that was lost).
func (s *Service) seenOnCard(ctx context.Context, p registry.Pupil, pub credential.Public, via string) error {
	if pub.Sequence <= p.Card.Written || pub.Sequence > p.Card.Sequence {
		return nil
	}
	c, err := s.decide(p, registry.CardWritten{Number: pub.CardNo, Sequence: pub.Sequence}, registry.Actor{Account: systemAccount, Via: via}, s.now())
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
