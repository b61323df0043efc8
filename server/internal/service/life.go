package service

import (
	"context"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// numbered draws the case number of an event that starts a case and brings none; other events pass through.
func (s *Service) numbered(ctx context.Context, ev registry.Event) (registry.Event, error) {
	draw := func(no *registry.CaseNo, kind registry.CaseKind) (err error) {
		if *no == "" {
			*no, err = s.newCaseNo(ctx, kind, 1)
		}
		return err
	}
	switch e := ev.(type) {
	case registry.StartTransfer:
		return e, draw(&e.CaseNo, registry.CaseTransfer)
	case registry.CallOver:
		way, _ := registry.Crossing(e.Way)
		return e, draw(&e.CaseNo, way)
	case registry.StartSuspend:
		return e, draw(&e.CaseNo, registry.CaseSuspend)
	case registry.Return:
		return e, draw(&e.CaseNo, registry.CaseReturn)
	case registry.StartCorrect:
		return e, draw(&e.CaseNo, registry.CaseCorrect)
	case registry.StartRepeat:
		return e, draw(&e.CaseNo, registry.CaseRepeat)
	case registry.StartSkip:
		return e, draw(&e.CaseNo, registry.CaseSkip)
	case registry.StartFinish:
		return e, draw(&e.CaseNo, registry.CaseFinish)
	case registry.StartAdvance:
		return e, draw(&e.CaseNo, registry.CaseAdvance)
	case registry.StartExtend:
		return e, draw(&e.CaseNo, registry.CaseExtend)
	case registry.GoAbroad:
		return e, draw(&e.CaseNo, registry.CaseAbroad)
	case registry.ComeHome:
		return e, draw(&e.CaseNo, registry.CaseHome)
	case registry.ReportDeath:
		return e, draw(&e.CaseNo, registry.CaseDeath)
	case registry.ReportDropout:
		return e, draw(&e.CaseNo, registry.CaseDropout)
	case registry.ReturnFromDropout:
		return e, draw(&e.CaseNo, registry.CaseDropoutReturn)
	case registry.Arrange:
		return e, draw(&e.CaseNo, registry.CaseArrange)
	case registry.RaiseProblem:
		return e, draw(&e.CaseNo, registry.CaseProblem)
	case registry.StartErase:
		return e, draw(&e.CaseNo, registry.CaseErase)
	}
	return ev, nil
}

// caseStarted is the number of the case that an event starts or is about; "" for others.
func caseStarted(ev registry.Event) registry.CaseNo {
	switch e := ev.(type) {
	case registry.Enrol:
		return e.CaseNo
	case registry.StartTransfer:
		return e.CaseNo
	case registry.StartSuspend:
		return e.CaseNo
	case registry.Return:
		return e.CaseNo
	case registry.StartCorrect:
		return e.CaseNo
	case registry.StartRepeat:
		return e.CaseNo
	case registry.StartSkip:
		return e.CaseNo
	case registry.StartFinish:
		return e.CaseNo
	case registry.StartAdvance:
		return e.CaseNo
	case registry.StartExtend:
		return e.CaseNo
	case registry.GoAbroad:
		return e.CaseNo
	case registry.ComeHome:
		return e.CaseNo
	case registry.ReportDeath:
		return e.CaseNo
	case registry.ReportDropout:
		return e.CaseNo
	case registry.ReturnFromDropout:
		return e.CaseNo
	case registry.Arrange:
		return e.CaseNo
	case registry.RaiseProblem:
		return e.CaseNo
	case registry.StartErase:
		return e.CaseNo
	case registry.DecideStep:
		return e.CaseNo
	case registry.Withdraw:
		return e.CaseNo
	case registry.ResolveProblem:
		return e.CaseNo
	case registry.Escalate:
		return e.CaseNo
	case registry.UrgeStep:
		return e.CaseNo
	case registry.CallOver:
		return e.CaseNo
	case registry.NameFar:
		return e.CaseNo
	case registry.FarRequest:
		return e.CaseNo
	case registry.FarArrived:
		return e.CaseNo
	case registry.FarClosed:
		return e.CaseNo
	case registry.Continue:
		return e.CaseNo
	case registry.FarReceipt:
		return e.CaseNo
	case registry.GiveBack:
		return e.CaseNo
	case registry.TakeBack:
		return e.CaseNo
	}
	return ""
}

// freeDocument refuses changes that would give the pupil a document that is another's (Art. 6), before anybody is asked to approve them. The claim itself is taken
// when they are applied.
func (s *Service) freeDocument(ctx context.Context, p registry.Pupil, changes []registry.Change) error {
	f := p.Clone().Form
	if f == nil {
		f = registry.Form{}
	}
	for _, c := range changes {
		f[c.Field] = c.To
	}
	h := s.keys.DocumentHash(f)
	if h == nil || string(h) == string(s.keys.DocumentHash(p.Form)) {
		return nil
	}
	uid, err := s.st.ClaimedBy(ctx, h)
	if err != nil && !isNotFound(err) {
		return internal(err)
	}
	if uid == "" || uid == p.UID {
		return nil
	}
	dup, err := s.dupFinding(ctx, uid)
	if err != nil {
		return err
	}
	return fail(registry.CodeDuplicate, string(registry.FIDNumber), dup.Params)
}

// endedCard is the issuance of a card that a move took from the pupil (death, erasure, a double), to be revoked in the same transaction; nil when none was.
func (s *Service) endedCard(ctx context.Context, before, after registry.Pupil, ev registry.Event, actor registry.Actor) ([]store.Issuance, error) {
	switch ev.(type) {
	case registry.RevokeCard, registry.ChangeCard:
		return nil, nil // the caller moves the issuance itself
	}
	if before.Card == nil || after.Card != nil {
		return nil, nil
	}
	all, err := s.st.IssuancesOf(ctx, before.UID)
	if err != nil {
		return nil, internal(err)
	}
	for _, iss := range all {
		if iss.CardNo != before.Card.Number || !iss.State.Held() {
			continue
		}
		if err := s.moveCard(&iss, registry.CardRevoke, "left", "", before.School, actor); err != nil {
			return nil, err
		}
		iss.Ticket = nil
		return []store.Issuance{iss}, nil
	}
	return nil, nil
}

// tie sends an event pair to two records of one person in one transaction: both move or neither.
func (s *Service) tie(ctx context.Context, who Staff, one, other registry.UID, ev func(about registry.UID) registry.Event) error {
	sc := s.scope(who)
	var batch store.Batch
	var before []registry.Pupil
	for _, pair := range [][2]registry.UID{{one, other}, {other, one}} {
		p, err := s.st.Pupil(ctx, pair[0])
		if err != nil {
			return internal(err)
		}
		e := ev(pair[1])
		if err := sc.Event(&p, e); err != nil {
			return err
		}
		c, err := s.decide(p, e, who.Actor("console"), s.now())
		if err != nil {
			return err
		}
		cards, err := s.endedCard(ctx, p, c.Pupil, e, who.Actor("console"))
		if err != nil {
			return err
		}
		batch.Changes, batch.Cards, before = append(batch.Changes, c), append(batch.Cards, cards...), append(before, p)
	}
	if err := s.st.Commit(ctx, batch); err != nil {
		if isConflict(err) {
			return s.conflict(ctx, one)
		}
		return internal(err)
	}
	for i, p := range before {
		s.committed(p, batch.Changes[i])
	}
	return nil
}

// Merge ties two records of one person: keep stays, double's 学籍 ends and its document is free for keep. Who does it must have both in scope. Unmerge undoes it.
func (s *Service) Merge(ctx context.Context, who Staff, keep, double registry.UID, reason string) error {
	return s.tie(ctx, who, double, keep, func(about registry.UID) registry.Event {
		return registry.Merge{Other: about, Keep: about == double, Reason: reason}
	})
}

// Unmerge undoes a Merge, whichever of the two is named first.
func (s *Service) Unmerge(ctx context.Context, who Staff, one, other registry.UID, reason string) error {
	return s.tie(ctx, who, one, other, func(about registry.UID) registry.Event {
		return registry.Unmerge{Other: about, Reason: reason}
	})
}

// system moves a pupil by an event of the register's own.
func (s *Service) system(ctx context.Context, p registry.Pupil, ev registry.Event, actor registry.Actor) error {
	c, err := s.decide(p, ev, actor, s.now())
	if err != nil {
		return err
	}
	if err := s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}}); err != nil {
		return internal(err)
	}
	s.committed(p, c)
	return nil
}

// ruler is the unit whose province's rules an event is decided under: the school that takes the pupil in, else the pupil's own.
func ruler(p *registry.Pupil, ev registry.Event) registry.Unit {
	switch e := ev.(type) {
	case registry.Enrol:
		return e.School
	case registry.StartTransfer:
		return e.To
	case registry.CallOver:
		return e.To
	case registry.StartAdvance:
		return e.To
	case registry.ComeHome:
		return e.School
	}
	if c := p.OpenCase(); c != nil && c.Far != nil {
		if c.Far.Mine {
			return c.To
		}
		return p.School
	} else if c != nil {
		if st, ok := c.Next(); ok {
			return st.Unit
		}
	}
	return p.School
}

// Escalate gives what is long overdue to the offices above, and returns how much it gave. It looks at a day's overdue tasks once; two at once do no harm.
func (s *Service) Escalate(ctx context.Context) (int, error) {
	today := s.Today()
	if last, ok := s.escalated.Load().(registry.Date); ok && last == today {
		return 0, nil
	}
	clock := registry.Actor{Account: systemAccount, Via: "clock"}
	done := 0
	for offset := 0; ; offset += sideLimit {
		rows, err := s.st.OverdueTasks(ctx, today, sideLimit, offset)
		if err != nil {
			return done, internal(err)
		}
		for _, t := range rows {
			if ctx.Err() != nil {
				return done, nil
			}
			ev := registry.Escalate{}
			switch t.Kind {
			case registry.TaskStep:
				ev.CaseNo = t.CaseNo
			case registry.TaskArchiveBuild, registry.TaskArchiveSend, registry.TaskArchiveReceive:
			default:
				continue
			}
			if t.Escalated || t.Above == "" {
				continue
			}
			p, err := s.st.Pupil(ctx, t.Task.UID)
			if err == nil {
				err = s.system(ctx, p, ev, clock)
			}
			switch registry.CodeOf(err) {
			case "":
				done++
			case registry.CodeWrongState, registry.CodeConflict: // not long enough yet, or somebody moved it at this moment
			default:
				s.log.WarnContext(ctx, "not escalated yet", "task", string(t.Kind), "err", err)
			}
		}
		if len(rows) < sideLimit {
			break
		}
	}
	s.escalated.Store(today)
	return done, nil
}
