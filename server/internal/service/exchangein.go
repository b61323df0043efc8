package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"xueji/server/exchange"
	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
)

func decodeJSON(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return internal(errors.New("outbox row does not decode"))
	}
	return nil
}

// applyLetter applies one letter in the transaction of the event it brings, exactly once and in the order of its thread. What cannot be applied as things stand is held
// for a person (Exchanging.FinishLetter), never dropped.
func (s *Service) applyLetter(ctx context.Context, row store.OutboxRow) error {
	var w farWork
	if err := decodeJSON(row.Payload, &w); err != nil {
		return err
	}
	l, err := s.st.LetterIn(ctx, w.Peer, w.Seq)
	if err != nil {
		return internal(err)
	}
	if l.State != store.LetterWaiting {
		return nil
	}
	if l.Prev > 0 {
		before, err := s.st.LetterIn(ctx, l.Peer, l.Prev)
		if err != nil && !isNotFound(err) {
			return internal(err)
		}
		if err != nil || before.State != store.LetterDone {
			return s.putOff(ctx, row, s.now().Add(farGap))
		}
	}
	_, err = again(func() (struct{}, error) { return struct{}{}, s.applyOnce(ctx, l) })
	if err != nil && registry.CodeOf(err) == registry.CodeUnavailable {
		return err
	}
	if err != nil {
		return s.hold(ctx, l, err)
	}
	s.onEvent("exchange_in", "applied")
	return s.wakeFollowers(ctx, l)
}

// wakeFollowers offers the letters that waited for one.
func (s *Service) wakeFollowers(ctx context.Context, l store.Letter) error {
	next, err := s.st.Followers(ctx, l.Peer, l.Seq)
	if err != nil {
		return internal(err)
	}
	for _, seq := range next {
		if err := s.st.PutOff(ctx, store.PeerUID(l.Peer), applyID(l.Peer, seq), time.Time{}); err != nil {
			return internal(err)
		}
		s.wake(jobs.OutboxID(string(store.PeerUID(l.Peer)), applyID(l.Peer, seq)))
	}
	return nil
}

// hold keeps a letter for the unit that can finish it.
func (s *Service) hold(ctx context.Context, l store.Letter, why error) error {
	var e *registry.Error
	code, params := registry.CodeInternal, map[string]string{}
	if errors.As(why, &e) {
		code = e.Code
		for _, k := range []string{"why", "school", "unit", "case", "standing", "state", "registry"} {
			if v := e.Params[k]; v != "" {
				params[k] = v
			}
		}
		if e.Field != "" {
			params["field"] = e.Field
		}
	}
	s.onEvent("exchange_in", "held")
	s.log.WarnContext(ctx, "a letter of another register cannot be applied: it is held for a person", "peer", l.Peer, "seq", l.Seq, "kind", string(l.Kind), "code", string(code))
	unit := s.keeperOf(ctx, l)
	err := s.st.HoldLetter(ctx, l.Peer, l.Seq, code, params, unit, s.now())
	if isConflict(err) {
		return nil // settled meanwhile
	}
	if err == nil {
		s.tell(unit, "tasks", l.CaseNo)
	}
	return internal(err)
}

// keeperOf is the office whose work a held letter is: the authority of the school here that the case is about, else the province's office.
func (s *Service) keeperOf(ctx context.Context, l store.Letter) registry.Unit {
	d := s.dir.Load()
	uid, no, err := s.st.ThreadOf(ctx, l.Peer, l.Thread)
	if err == nil && uid != "" {
		if p, err := s.st.Pupil(ctx, uid); err == nil {
			school := p.School
			if c := p.Case(no); c != nil && c.Far != nil && c.Far.Mine {
				school = c.To
			}
			if sc, ok := d.School(school); ok && sc.Remote == "" {
				return sc.Authority
			}
		}
	}
	if mine, err := s.identities(ctx); err == nil && len(mine) > 0 {
		if _, ok := d.Office(registry.Unit(mine[0].Province)); ok {
			return registry.Unit(mine[0].Province)
		}
	}
	for _, o := range d.Offices() {
		if o.Remote == "" && o.Tier == registry.TierProvince {
			return o.Code
		}
	}
	return ""
}

func (s *Service) applyOnce(ctx context.Context, l store.Letter) error {
	letter, err := exchange.DecodeLetter(l.Body)
	if err != nil || letter.Kind != l.Kind {
		return fail(registry.CodeInvalid, "letter", nil)
	}
	if err := s.knowPeer(ctx, l.Peer); err != nil {
		return err
	}
	if err := s.learnUnits(ctx, l.Peer, letter); err != nil {
		return err
	}
	settle := store.LetterSettle{Peer: l.Peer, Seq: l.Seq, From: store.LetterWaiting, At: s.now()}
	switch l.Kind {
	case registry.LetterRequest:
		return s.applyRequest(ctx, l, letter, settle)
	case registry.LetterCard:
		return s.applyCard(ctx, l, letter, settle)
	case registry.LetterOffer:
		return s.applyOffer(ctx, l, letter, settle)
	case registry.LetterCards:
		return s.applyCards(ctx, l, letter, settle)
	}
	uid, no, err := s.st.ThreadOf(ctx, l.Peer, l.Thread)
	if isNotFound(err) && l.Kind == registry.LetterWithdraw { // of a request that was refused for want of a pupil
		return internal(s.st.Commit(ctx, store.Batch{Settle: &settle}))
	}
	if err != nil {
		return internal(err)
	}
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return internal(err)
	}
	settle.UID, settle.CaseNo = uid, no
	if l.Kind == registry.LetterFile {
		return s.applyFile(ctx, &p, no, l, letter, settle)
	}
	ev, actor, err := registry.ReadLetter(letter, l.Peer, &p, no)
	if err != nil {
		return err
	}
	c, err := s.decide(p, ev, actor, s.now())
	if (l.Kind == registry.LetterWithdraw || l.Kind == registry.LetterNamed || l.Kind == registry.LetterDeclined) && isConflict(err) { // too late: how the case ended is in a letter that left before
		return internal(s.st.Commit(ctx, store.Batch{Settle: &settle}))
	}
	if err != nil {
		return lasting(err)
	}
	return s.commitLetter(ctx, p, c, ev, actor, settle)
}

// lasting marks a decision's conflict as one that trying again does not mend.
func lasting(err error) error {
	var e *registry.Error
	if errors.As(err, &e) && e.Code == registry.CodeConflict && e.Params["why"] == "" {
		c := *e
		c.Params = map[string]string{"why": "closed"}
		for k, v := range e.Params {
			c.Params[k] = v
		}
		return &c
	}
	return err
}

func (s *Service) commitLetter(ctx context.Context, p registry.Pupil, c store.Change, ev registry.Event, actor registry.Actor, settle store.LetterSettle) error {
	cards, err := s.endedCard(ctx, p, c.Pupil, ev, actor)
	if err != nil {
		return err
	}
	err = s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}, Cards: cards, Settle: &settle})
	var e *registry.Error
	if errors.As(err, &e) && e.Code == registry.CodeConflict && e.Field == "number" { // a double stands here under the same 学籍号
		return fail(registry.CodeDuplicate, "number", map[string]string{"why": "number"})
	}
	if err != nil {
		return internal(err)
	}
	s.committed(p, c)
	return nil
}

// applyRequest opens the case of a pupil who is here, or answers with a coded refusal. A pupil who is not here, or not of that name and birth, is answered alike.
func (s *Service) applyRequest(ctx context.Context, l store.Letter, letter registry.Letter, settle store.LetterSettle) error {
	r := letter.Request
	if r == nil {
		return fail(registry.CodeInvalid, "letter", nil)
	}
	way, ok := registry.Crossing(r.Way)
	if !ok {
		return fail(registry.CodeInvalid, "way", nil)
	}
	uid, err := s.st.HolderOf(ctx, r.Number)
	if err == nil {
		var p registry.Pupil
		if p, err = s.st.Pupil(ctx, uid); err != nil {
			return internal(err)
		}
		if p.Number != r.Number || strings.TrimSpace(p.Form[registry.FName]) != strings.TrimSpace(r.Name) || p.Form[registry.FBirth] != string(r.Birth) {
			err = registry.ErrNotFound
		} else {
			var no registry.CaseNo
			if no, err = s.newCaseNo(ctx, way, 1); err != nil {
				return err
			}
			var ev registry.Event
			var actor registry.Actor
			if ev, actor, err = registry.ReadLetter(letter, l.Peer, &p, no); err != nil {
				return err
			}
			var c store.Change
			if c, err = s.decide(p, ev, actor, s.now()); err == nil {
				settle.UID, settle.CaseNo = uid, no
				return s.commitLetter(ctx, p, c, ev, actor, settle)
			}
		}
	}
	why := registry.RefusalOf(err)
	if why == "" {
		return lasting(internal(err))
	}
	var e *registry.Error
	note := "" // a guard of the rule pack says what to do about it
	if errors.As(err, &e) && e.Code == registry.CodeRule {
		note = e.Params["say"]
	}
	return s.answer(ctx, l, registry.LetterAnswer(letter, why, note), settle)
}

// applyOffer opens the 升学 of a pupil whom a school of another province names to one of this register's: that school decides next, like on any case that it began itself. What
// cannot be opened is declined with a coded reason.
func (s *Service) applyOffer(ctx context.Context, l store.Letter, letter registry.Letter, settle store.LetterSettle) error {
	g := letter.Offer
	if g == nil {
		return fail(registry.CodeInvalid, "letter", nil)
	}
	actor := registry.Actor{Account: "remote", Unit: g.From, Via: registry.ViaRemote(l.Peer)}
	decline := func(why registry.RefusalCode, note string) error {
		return s.answer(ctx, l, registry.Letter{Kind: registry.LetterDeclined, Word: &registry.LetterSaid{State: registry.CaseRefused, Refusal: why, Note: note}}, settle)
	}
	if to, ok := s.dir.Load().School(g.To); !ok || to.Remote != "" || !to.Open() {
		return decline(registry.RefuseOther, "本省没有学校标识码为 "+cut(string(g.To), 20)+" 的学校")
	}
	p, err := s.farRecord(ctx, g.Number, newUID())
	if err == nil && p.Standing.Away() && (p.Form[registry.FName] != g.Name || p.Form[registry.FBirth] != string(g.Birth)) {
		err = registry.ErrNotFound
	}
	if err == nil {
		var no registry.CaseNo
		if no, err = s.newCaseNo(ctx, registry.CaseAdvance, 1); err != nil {
			return err
		}
		ev := registry.CallOver{CaseNo: no, Way: registry.CaseAdvance, Registry: l.Peer, Number: g.Number, Name: g.Name, Birth: g.Birth, To: g.To, ToGrade: g.ToGrade, Offer: l.Thread}
		var c store.Change
		if c, err = s.decide(p, ev, actor, s.now()); err == nil {
			return s.commitLetter(ctx, p, c, ev, actor, settle)
		}
	}
	switch code := registry.CodeOf(err); code {
	case registry.CodeInternal, registry.CodeUnavailable, registry.CodeForbidden:
		return lasting(internal(err))
	case registry.CodeDuplicate:
		return decline(registry.RefuseDouble, "")
	}
	if why := registry.RefusalOf(err); why != "" {
		return decline(why, "")
	}
	return decline(registry.RefuseUnfit, "")
}

// answer writes the answer to a letter that is about no case here; it is committed with that letter's end.
func (s *Service) answer(ctx context.Context, l store.Letter, answer registry.Letter, settle store.LetterSettle) error {
	body, err := exchange.EncodeLetter(answer)
	if err != nil {
		return internal(err)
	}
	out := store.Letter{Peer: l.Peer, ID: newLetterID(), Thread: l.Thread, Kind: answer.Kind, At: s.now().UTC().Truncate(time.Millisecond), Body: body}
	if err := s.st.Commit(ctx, store.Batch{Letters: []store.Letter{out}, Settle: &settle}); err != nil {
		return internal(err)
	}
	s.wakeOut(out)
	return nil
}

// wakeOut has a letter offered at once.
func (s *Service) wakeOut(l store.Letter) { s.wake(jobs.OutboxID(string(store.LetterUID(l)), l.ID)) }

// applyFile keeps an electronic file of a pupil who came from that register. It must be one that the record names.
func (s *Service) applyFile(ctx context.Context, p *registry.Pupil, no registry.CaseNo, l store.Letter, letter registry.Letter, settle store.LetterSettle) error {
	f := letter.File
	c := p.Case(no)
	if f == nil || c == nil || c.Far == nil || !c.Far.Mine || c.Far.Registry != l.Peer {
		return fail(registry.CodeInvalid, "letter", nil)
	}
	sum := sha256.Sum256(f.Body)
	if hex.EncodeToString(sum[:]) != f.Digest || len(f.Body) == 0 {
		return fail(registry.CodeInvalid, "digest", nil)
	}
	if c.State == registry.CaseCompleted {
		named := p.Photo == f.Digest || slices.ContainsFunc(p.Archive.Items, func(it registry.ArchiveItem) bool { return it.Digest == f.Digest })
		for i := range p.Archive.Handed {
			named = named || slices.ContainsFunc(p.Archive.Handed[i].Items, func(it registry.ArchiveItem) bool { return it.Digest == f.Digest })
		}
		if !named {
			return fail(registry.CodeNotFound, "digest", nil)
		}
		if err := s.st.PutFile(ctx, store.File{Digest: f.Digest, Name: f.Name, Type: f.Type, Unit: c.To, UID: p.UID, Body: f.Body, At: s.now()}); err != nil {
			return internal(err)
		}
	} // of a case that was given back: nothing is kept
	return internal(s.st.Commit(ctx, store.Batch{Settle: &settle}))
}

// learnUnits takes over the names of a peer's units. A peer speaks for its own province only.
func (s *Service) learnUnits(ctx context.Context, peer string, letter registry.Letter) error {
	d := s.dir.Load()
	var schools []registry.School
	var offices []registry.Office
	bad := func(u registry.Unit) error {
		return fail(registry.CodeForbidden, "unit", map[string]string{"why": "unit", "unit": string(u), "registry": peer})
	}
	for _, sc := range letter.Schools {
		if registry.CheckSchoolCode(sc.Code) != nil || string(sc.Code[2:4]) != peer[:2] || len(sc.Region) != 6 || sc.Region[:2] != peer[:2] || len(sc.Authority) != 6 || string(sc.Authority[:2]) != peer[:2] ||
			sc.Name == "" || len(sc.Name) > 300 || sc.FromGrade < 1 || sc.ToGrade > 12 || sc.FromGrade > sc.ToGrade {
			return bad(sc.Code)
		}
		have, ok := d.School(sc.Code)
		if ok && have.Remote != peer {
			return bad(sc.Code)
		}
		sc.Remote, sc.State, sc.Former, sc.Keeper, sc.Successor, sc.EndedOn = peer, registry.UnitOpen, nil, "", "", ""
		if !ok || have.Name != sc.Name || have.Authority != sc.Authority || have.Phone != sc.Phone || have.Address != sc.Address {
			schools = append(schools, sc)
		}
	}
	for _, o := range letter.Offices {
		if len(o.Code) != 6 || string(o.Code[:2]) != peer[:2] || o.Name == "" || len(o.Name) > 300 || o.Tier == registry.TierNation || o.Tier == registry.TierSchool {
			return bad(o.Code)
		}
		have, ok := d.Office(o.Code)
		if ok && have.Remote != peer {
			return bad(o.Code)
		}
		o.Remote = peer
		if len(o.Parent) != 6 || string(o.Parent[:2]) != peer[:2] {
			o.Parent = ""
		}
		if o.Code == registry.Unit(peer) && ok {
			continue // its name is the administrator's
		}
		if !ok || have.Name != o.Name || have.Parent != o.Parent {
			offices = append(offices, o)
		}
	}
	if len(schools)+len(offices) == 0 {
		return nil
	}
	return s.PutUnits(ctx, schools, offices)
}
