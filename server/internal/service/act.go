package service

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/password"
	"xueji/server/internal/store"
	"xueji/server/jobs"
	"xueji/server/registry"
)

// decide runs one event on a pupil and makes the change to commit: record, history row, to-do rows, notices, search index.
func (s *Service) decide(p registry.Pupil, ev registry.Event, actor registry.Actor, at time.Time) (store.Change, error) {
	env := s.env(at, actor, ruler(&p, ev))
	after, effects, err := registry.Decide(p, ev, env)
	if err != nil {
		return store.Change{}, internal(err)
	}
	payload, err := json.Marshal(forHistory(ev))
	if err != nil {
		return store.Change{}, internal(err)
	}
	c := store.Change{
		Pupil: after, Before: &p,
		Entry: store.Entry{At: at.UTC(), Actor: actor, Kind: ev.Kind(), CaseNo: caseOf(after, ev), Payload: payload, Pack: env.Pack.Version},
		Tasks: registry.Tasks(after, env),
		Index: indexOf(after),
	}
	for _, e := range effects {
		if e.What == registry.WhatTasks || e.Kind != registry.EffectNotify {
			continue // that a list changed is told by committed, and to other processes by Live's poll: no row of its own
		}
		body, err := json.Marshal(e)
		if err != nil {
			return store.Change{}, internal(err)
		}
		c.Outbox = append(c.Outbox, store.OutboxRow{ID: newID(), UID: after.UID, Kind: string(jobs.KindNotify), Payload: body, At: at.UTC()})
	}
	if claims := s.claims(p, after); claims != nil {
		c.Claims = claims
	}
	if c.Letters, err = s.lettersOf(&p, &after, effects, ev, at); err != nil {
		return store.Change{}, err
	}
	c.MatchAdd, c.MatchDrop = s.matchMoves(p, after)
	return c, nil
}

// claims is the set of documents the pupil holds after a change, nil when it is the same as before. A pupil whose record is erased, or who never was
// admitted, holds none: the document is free for a right enrolment.
func (s *Service) claims(before, after registry.Pupil) [][]byte {
	held := func(p registry.Pupil) []byte {
		if p.Standing == registry.StandingErased || p.Standing == registry.StandingNone || p.Standing == "" {
			return nil
		}
		return s.keys.DocumentHash(p.Form)
	}
	was, is := held(before), held(after)
	if string(was) == string(is) {
		return nil
	}
	if is == nil {
		return [][]byte{}
	}
	return [][]byte{is}
}

// forHistory leaves out what history must not keep: the guardian's PIN, even hashed.
func forHistory(ev registry.Event) registry.Event {
	switch e := ev.(type) {
	case registry.Enrol:
		e.PIN = ""
		return e
	case registry.SetPIN:
		return registry.SetPIN{}
	}
	return ev
}

// caseOf is the case a history row belongs to.
func caseOf(after registry.Pupil, ev registry.Event) registry.CaseNo {
	if no := caseStarted(ev); no != "" {
		return no
	}
	switch ev.(type) {
	case registry.FileReport, registry.LogPersuasion:
		if after.Dropout != nil {
			return after.Dropout.CaseNo
		}
	case registry.HandOverArchive:
		return after.Archive.CaseNo
	case registry.SendArchive, registry.ReceiveArchive, registry.SettleMissing, registry.FarSent:
		return after.Archive.CaseNo
	}
	return ""
}

// committed wakes the relay and the open consoles of every unit that has, or had, something to do with the pupil.
func (s *Service) committed(before registry.Pupil, changes ...store.Change) {
	var ids []jobs.ID
	for _, c := range changes {
		for _, o := range c.Outbox {
			ids = append(ids, jobs.OutboxID(string(o.UID), o.ID))
		}
		for _, l := range c.Letters {
			ids = append(ids, jobs.OutboxID(string(store.LetterUID(l)), l.ID))
		}
	}
	s.wake(ids...)
	units := map[registry.Unit]struct{}{}
	note := func(p *registry.Pupil) {
		units[p.School] = struct{}{}
		if c := p.OpenCase(); c != nil {
			for _, st := range c.Steps {
				units[st.Unit] = struct{}{}
			}
		}
	}
	note(&before)
	for i := range changes {
		note(&changes[i].Pupil)
		for _, t := range changes[i].Tasks {
			units[t.Unit] = struct{}{}
			units[t.Above] = struct{}{}
		}
	}
	for u := range units {
		s.tell(u, "tasks", "")
	}
}

// Act moves a pupil by a console event. seen is the version the page showed (0: none): when the record moved on since, or somebody commits first, the answer
// is CodeConflict with who and when, and nothing has changed.
func (s *Service) Act(ctx context.Context, who Staff, uid registry.UID, seen int64, ev registry.Event) (registry.Pupil, error) {
	p, err := s.act(ctx, who, uid, seen, ev)
	if err != nil {
		return registry.Pupil{}, err
	}
	cut, v, err := s.scope(who).See(p)
	if v == access.ViewNone {
		return registry.Pupil{UID: uid, Version: p.Version}, nil // the act took the pupil out of sight; it is done all the same
	}
	return cut, err
}

// act is Act; the record after it is whole. Rows of runs move in the same transaction.
func (s *Service) act(ctx context.Context, who Staff, uid registry.UID, seen int64, ev registry.Event, rows ...store.BulkRow) (registry.Pupil, error) {
	sc := s.scope(who)
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return registry.Pupil{}, internal(err)
	}
	if err := sc.Event(&p, ev); err != nil {
		return registry.Pupil{}, err
	}
	if err := fourEyes(&p, ev, who); err != nil {
		return registry.Pupil{}, err
	}
	if seen != 0 && seen != p.Version {
		return registry.Pupil{}, s.conflict(ctx, uid)
	}
	if err := s.clear(ctx, &p, ev); err != nil {
		return registry.Pupil{}, err
	}
	if ev, err = s.prepare(ctx, p, ev); err != nil {
		return registry.Pupil{}, err
	}
	c, err := s.decide(p, ev, who.Actor("console"), s.now())
	if err != nil {
		return registry.Pupil{}, err
	}
	cards, err := s.endedCard(ctx, p, c.Pupil, ev, who.Actor("console"))
	if err != nil {
		return registry.Pupil{}, err
	}
	if err := s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}, Cards: cards, Bulk: rows}); err != nil {
		if isConflict(err) {
			return registry.Pupil{}, s.conflict(ctx, uid)
		}
		return registry.Pupil{}, internal(err)
	}
	s.committed(p, c)
	if err := s.adopt(ctx, who, uid, ev); err != nil { // the business stands; a scan that is not tied yet is still its unit's
		s.log.WarnContext(ctx, "a paper was not tied to its pupil", "err", err)
	}
	if _, ok := ev.(registry.SetPIN); ok { // a new PIN opens what wrong tries of the old one locked; setting it again is harmless should this fail
		if err := s.st.ClearTries(ctx, uid); err != nil {
			return registry.Pupil{}, internal(err)
		}
	}
	after := c.Pupil
	after.Version = p.Version + 1
	return after, nil
}

// conflict tells who was first: the last history row's actor, unit, act and instant. Nothing of the pupil.
func (s *Service) conflict(ctx context.Context, uid registry.UID) error {
	e := &registry.Error{Code: registry.CodeConflict, Params: map[string]string{}}
	h, err := s.st.History(ctx, uid)
	if err != nil || len(h) == 0 {
		return e
	}
	last := h[len(h)-1]
	e.Params["who"] = last.Actor.Name
	e.Params["unit"] = s.dir.Load().Name(last.Actor.Unit)
	e.Params["act"] = string(last.Kind)
	e.Params["at"] = last.At.In(registry.Beijing).Format("2006-01-02 15:04:05")
	return e
}

// prepare fills in what the server draws and no page sends: case and archive numbers, serials of J and L numbers, the hash of a PIN.
func (s *Service) prepare(ctx context.Context, p registry.Pupil, ev registry.Event) (registry.Event, error) {
	var err error
	switch e := ev.(type) {
	case registry.SetPIN:
		e.PIN, err = s.encodePIN(ctx, e.PIN)
		return e, err
	case registry.DecideStep:
		if e.Decision == registry.DecisionAccept && e.Serial == 0 && needsSerial(&p, e.CaseNo) {
			e.Serial, err = s.pupilSerial(ctx, &p)
		}
		return e, err
	case registry.StartCorrect:
		if err := s.freeDocument(ctx, p, e.Changes); err != nil {
			return nil, err
		}
	case registry.ResolveProblem:
		if err := s.freeDocument(ctx, p, e.Changes); err != nil {
			return nil, err
		}
	case registry.HandOverArchive:
		if e.No == "" {
			e.No = newArchiveNo()
		}
		return e, nil
	case registry.SendArchive:
		if e.No == "" {
			e.No = newArchiveNo()
		}
		return e, nil
	}
	return s.numbered(ctx, ev)
}

// newArchiveNo is an opaque 档案编号: twelve characters nobody can guess and everybody can read out.
func newArchiveNo() string { return "DA-" + newCode(12) }

// encodePIN hashes a guardian's PIN of 6 digits; "" stays "".
func (s *Service) encodePIN(ctx context.Context, pin string) (string, error) {
	if pin == "" || password.IsEncoded(pin) {
		return pin, nil
	}
	if len(pin) != 6 {
		return "", fail(registry.CodeInvalid, "pin", map[string]string{"digits": "6"})
	}
	for _, r := range pin {
		if r < '0' || r > '9' {
			return "", fail(registry.CodeInvalid, "pin", map[string]string{"digits": "6"})
		}
	}
	enc, err := s.passes.Encode(ctx, pin)
	return enc, internal(err)
}

// officeDesk stands in case numbers that no kiosk drew.
const officeDesk = 0

// newCaseNo draws n consecutive numbers of the office counter (desk 0000; kiosks have desks of their own) and returns the first.
func (s *Service) newCaseNo(ctx context.Context, kind registry.CaseKind, n int) (registry.CaseNo, error) {
	year := s.now().In(registry.Beijing).Year()
	first, err := s.drawCases(ctx, kind, year, n)
	if err != nil {
		return "", err
	}
	return registry.CaseNumber(kind, year, officeDesk, int(first)), nil
}

func (s *Service) drawCases(ctx context.Context, kind registry.CaseKind, year, n int) (uint64, error) {
	first, err := s.st.Next(ctx, "case/"+string(kind)+"/"+strconv.Itoa(year), n)
	return first, internal(err)
}

// needsSerial reports whether accepting the step may give a J or L number: an enrolment of a pupil without a number yet.
func needsSerial(p *registry.Pupil, no registry.CaseNo) bool {
	c := p.Case(no)
	return c != nil && c.Kind == registry.CaseEnrol && p.Number == "" && c.Current() == len(c.Steps)-1
}

// pupilSerial draws the serial of a number without resident ID: one counter per letter, region and birth date, which is all the number holds besides.
func (s *Service) pupilSerial(ctx context.Context, p *registry.Pupil) (int, error) {
	letter := s.PackOf(s.Today(), p.School).NumberLetter(p.Form)
	if letter == registry.NumberG {
		return 0, nil
	}
	school, _ := s.dir.Load().School(p.School)
	n, err := s.st.Next(ctx, "number/"+string(rune(letter))+"/"+school.Region+"/"+p.Form[registry.FBirth], 1)
	return int(n), internal(err)
}

// ActMany decides the open step of each pupil in turn; one that fails does not stop the others.
func (s *Service) ActMany(ctx context.Context, who Staff, refs []Ref, ev registry.DecideStep) (int, map[registry.UID]error, error) {
	if err := decides(s.scope(who)); err != nil {
		return 0, nil, err
	}
	if len(refs) > ManyAtOnce {
		return 0, nil, fail(registry.CodeInvalid, "refs", map[string]string{"max": strconv.Itoa(ManyAtOnce)})
	}
	done, failed := 0, map[registry.UID]error{}
	for _, r := range refs {
		if err := ctx.Err(); err != nil {
			return done, failed, internal(err)
		}
		one := ev
		one.Class = r.Class
		if err := s.fillStep(ctx, who, r.UID, &one); err != nil {
			failed[r.UID] = err
			continue
		}
		if _, err := s.Act(ctx, who, r.UID, r.Seen, one); err != nil {
			failed[r.UID] = err
			continue
		}
		done++
	}
	return done, failed, nil
}

// fillStep names the open step when the page sent a decision alone.
func (s *Service) fillStep(ctx context.Context, who Staff, uid registry.UID, ev *registry.DecideStep) error {
	if ev.CaseNo != "" && ev.Party != "" {
		return nil
	}
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return internal(err)
	}
	if s.scope(who).Pupil(&p) == access.ViewNone {
		return registry.ErrNotFound
	}
	c := p.OpenCase()
	if c == nil || c.Current() < 0 {
		return s.conflict(ctx, uid)
	}
	ev.CaseNo, ev.Party = c.No, c.Steps[c.Current()].Party
	return nil
}

// StartTransfer calls a pupil over to who's school (Art. 14). The pupil need not be in scope: FindByDocument is how it was found.
func (s *Service) StartTransfer(ctx context.Context, who Staff, uid registry.UID, ev registry.StartTransfer) (registry.CaseNo, error) {
	if ev.To == "" {
		ev.To = who.Unit
	}
	if ev.To != who.Unit {
		return "", fail(registry.CodeForbidden, "to", map[string]string{"action": string(access.StartMove)})
	}
	no, err := s.newCaseFor(ctx, who, access.StartMove, registry.CaseTransfer)
	if err != nil {
		return "", err
	}
	ev.CaseNo = no
	_, err = s.Act(ctx, who, uid, 0, ev)
	return no, err
}

// StartSuspend opens a suspension (Art. 19).
func (s *Service) StartSuspend(ctx context.Context, who Staff, uid registry.UID, ev registry.StartSuspend) (registry.CaseNo, error) {
	no, err := s.newCaseFor(ctx, who, access.SchoolWork, registry.CaseSuspend)
	if err != nil {
		return "", err
	}
	ev.CaseNo = no
	_, err = s.Act(ctx, who, uid, 0, ev)
	return no, err
}

// newCaseFor draws a number only for whom may use it.
func (s *Service) newCaseFor(ctx context.Context, who Staff, act access.Action, kind registry.CaseKind) (registry.CaseNo, error) {
	if err := s.scope(who).Check(act); err != nil {
		return "", err
	}
	return s.newCaseNo(ctx, kind, 1)
}

// fourEyes: what somebody started in one role, nobody decides in another role they stand in for: two people stay two people.
func fourEyes(p *registry.Pupil, ev registry.Event, who Staff) error {
	e, ok := ev.(registry.DecideStep)
	if !ok {
		return nil
	}
	if c := p.Case(e.CaseNo); c != nil && c.Starter.Account == who.ID && who.ID != "" && c.Starter.Role != who.Role {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "four_eyes"})
	}
	return nil
}
