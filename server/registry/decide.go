package registry

import (
	"errors"
	"slices"
	"strconv"
	"time"
)

// Words of Effect.What.
const (
	WhatTasks          = "tasks" // something to do came or went
	WhatStartTransfer  = "start_transfer"
	WhatCompleted      = "completed"
	WhatRefused        = "refused"
	WhatWithdrawn      = "withdrawn"
	WhatArchiveCalled  = "archive_called"
	WhatArchiveMissing = "archive_missing"
	WhatCard           = "card"
	WhatDropout        = "dropout"   // a pupil of the compulsory years stays away
	WhatEscalated      = "escalated" // something below is long overdue
	WhatUrged          = "urged"     // the office above urges
	WhatMerged         = "merged"    // two records were tied, or untied
	WhatCustody        = "custody"   // papers, and pupils, of a school that ended
)

// Decide is the register's one transition function: from the pupil, an event and the environment to the pupil after it and the effects, or an error of
// this package (*Error) that leaves everything as it was. It is pure: same arguments, same answer, p is not touched. The returned Pupil keeps p.Version.
//
// It checks who may: the actor's unit must be the one whose turn or right it is, and the role must fit (school steps: registrar or leader; confirming an
// enrolment: the leader; offices: the officer; cards: also the clerk). Scope of reading is not its business.
func Decide(p Pupil, ev Event, env Env) (Pupil, []Effect, error) {
	if env.Pack == nil || env.Calendar == nil || env.Directory == nil || env.Now.IsZero() || ev == nil {
		return p, nil, &Error{Code: CodeInternal, Err: errors.New("decide: the environment is not complete")}
	}
	env.Now = env.Now.UTC().Truncate(time.Millisecond) // what a store gives back
	d := &decision{p: p.Clone(), env: env}
	if d.p.Standing == "" {
		d.p.Standing = StandingNone
	}
	var err error
	switch e := ev.(type) {
	case Enrol:
		err = d.enrol(e)
	case DecideStep:
		err = d.decideStep(e)
	case Withdraw:
		err = d.withdraw(e)
	case StartTransfer:
		err = d.startTransfer(e)
	case BuildArchive:
		err = d.buildArchive(e)
	case SendArchive:
		err = d.sendArchive(e)
	case ReceiveArchive:
		err = d.receiveArchive(e)
	case SettleMissing:
		err = d.settleMissing(e)
	case StartSuspend:
		err = d.startSuspend(e)
	case Return:
		err = d.comeBack(e)
	case BindCard:
		err = d.bindCard(e)
	case CardWritten:
		err = d.cardWritten(e)
	case SetPIN:
		err = d.setPIN(e)
	case RevokeCard:
		err = d.revokeCard(e)
	case ChangeCard:
		err = d.changeCard(e)
	case RenewCard:
		err = d.renewCard(e)
	case StartCorrect:
		err = d.startCorrect(e)
	case Amend:
		err = d.amend(e)
	case Promote:
		err = d.promote(e)
	case UndoPromote:
		err = d.undoPromote(e)
	case StartRepeat:
		err = d.startRepeat(e)
	case StartSkip:
		err = d.startSkip(e)
	case StartFinish:
		err = d.startFinish(e)
	case StartAdvance:
		err = d.startAdvance(e)
	case StartExtend:
		err = d.startExtend(e)
	case GoAbroad:
		err = d.goAbroad(e)
	case ComeHome:
		err = d.comeHome(e)
	case ReportDeath:
		err = d.reportDeath(e)
	case ReportDropout:
		err = d.reportDropout(e)
	case FileReport:
		err = d.fileReport(e)
	case LogPersuasion:
		err = d.logPersuasion(e)
	case ReturnFromDropout:
		err = d.returnFromDropout(e)
	case HandOverArchive:
		err = d.handOver(e)
	case PutItem:
		err = d.putItem(e)
	case KeepArchive:
		err = d.keepArchive(e)
	case MoveCustody:
		err = d.moveCustody(e)
	case Arrange:
		err = d.arrange(e)
	case EndArrange:
		err = d.endArrange(e)
	case GiveNumber:
		err = d.giveNumber(e)
	case RaiseProblem:
		err = d.raiseProblem(e)
	case ResolveProblem:
		err = d.resolveProblem(e)
	case StartErase:
		err = d.startErase(e)
	case Merge:
		err = d.merge(e)
	case Unmerge:
		err = d.unmerge(e)
	case Escalate:
		err = d.escalate(e)
	case UrgeStep:
		err = d.urge(e)
	case CallOver:
		err = d.callOver(e)
	case NameFar:
		err = d.nameFar(e)
	case OfferUp:
		err = d.offerUp(e)
	case OfferDeclined:
		err = d.offerDeclined(e)
	case FarRequest:
		err = d.farRequest(e)
	case FarArrived:
		err = d.farArrived(e)
	case FarClosed:
		err = d.farClosed(e)
	case Continue:
		err = d.goOn(e)
	case FarReceipt:
		err = d.farReceipt(e)
	case GiveBack:
		err = d.giveBack(e)
	case TakeBack:
		err = d.takeBack(e)
	case FarSent:
		err = d.farSent(e)
	case RecordAbsence:
		err = d.recordAbsence(e)
	case FollowAbsence:
		err = d.followAbsence(e)
	case EndAbsence:
		err = d.endAbsence(e)
	default:
		err = &Error{Code: CodeInternal, Err: errors.New("decide: unknown event")}
	}
	if err != nil {
		return p, nil, err
	}
	d.settleAbsence(&p, ev)
	d.keepCardUp(&p)
	return d.p, d.effects, nil
}

// decision is one run of Decide: a copy of the pupil that it may change, and what it promised.
type decision struct {
	p       Pupil
	env     Env
	effects []Effect
}

func (d *decision) today() Date { return DateOf(d.env.Now) }

// notify promises a notice to each unit once; "" and repeats fall away.
func (d *decision) notify(what string, no CaseNo, units ...Unit) {
	for _, u := range units {
		e := Effect{Kind: EffectNotify, Unit: u, CaseNo: no, What: what}
		if u != "" && !slices.Contains(d.effects, e) {
			d.effects = append(d.effects, e)
		}
	}
}

func invalid(field string) error { return &Error{Code: CodeInvalid, Field: field} }

// may checks the actor's unit and role for a right that belongs to one unit. Nobody of this register speaks for a unit that another one holds (fromAfar).
func (d *decision) may(u Unit, roles ...Role) error {
	if u == "" || d.env.Actor.Unit != u || !d.is(roles...) || d.remote(u) != "" {
		return &Error{Code: CodeForbidden, Params: map[string]string{"unit": string(u)}}
	}
	return nil
}

// is: the actor has one of the roles, in a unit where that role exists: registrars and leaders in schools, officers in offices, clerks in both.
func (d *decision) is(roles ...Role) bool {
	a := d.env.Actor
	if a.Unit == "" || !slices.Contains(roles, a.Role) {
		return false
	}
	switch a.Role {
	case RoleRegistrar, RoleLeader:
		return a.Unit.IsSchool()
	case RoleOfficer:
		return !a.Unit.IsSchool()
	}
	return true
}

func (d *decision) unlocked() error {
	if d.p.Lock == "" {
		return nil
	}
	params := map[string]string{"case": string(d.p.Lock)}
	if c := d.p.OpenCase(); c != nil {
		params["kind"] = string(c.Kind)
		if i := c.Current(); i >= 0 {
			params["unit"] = string(c.Steps[i].Unit)
			params["due_on"] = string(c.Steps[i].DueOn)
		}
	}
	return &Error{Code: CodeLocked, Params: params}
}

func (d *decision) standing(want ...Standing) error {
	if slices.Contains(want, d.p.Standing) {
		return nil
	}
	return &Error{Code: CodeWrongState, Params: map[string]string{"standing": string(d.p.Standing)}}
}

// school finds a school that offers a grade.
func (d *decision) school(u Unit, grade int, unitField, gradeField string) (School, error) {
	s, ok := d.env.Directory.School(u)
	if !ok {
		return School{}, invalid(unitField)
	}
	if grade < 1 || grade > 12 {
		return School{}, invalid(gradeField)
	}
	if !s.Open() {
		return School{}, &Error{Code: CodeWrongState, Field: unitField, Params: map[string]string{"why": "school_ended", "school": string(u)}}
	}
	if grade < s.FromGrade || grade > s.ToGrade {
		return School{}, &Error{Code: CodeGrade, Field: gradeField, Params: map[string]string{"school": string(u), "grade": strconv.Itoa(grade),
			"from_grade": strconv.Itoa(s.FromGrade), "to_grade": strconv.Itoa(s.ToGrade)}}
	}
	return s, nil
}

// newCase checks a case's number: of its kind, and new to this pupil.
func (d *decision) newCase(no CaseNo, kind CaseKind) error {
	parts, err := ParseCaseNo(no)
	if err != nil {
		return err
	}
	if parts.Kind != kind {
		return invalid("case_no")
	}
	if d.p.Case(no) != nil {
		return &Error{Code: CodeConflict, Field: "case_no", Params: map[string]string{"case": string(no)}}
	}
	return nil
}

func (d *decision) evidence(kind CaseKind, files []string) error {
	for _, f := range files {
		if !hexDigest(f) {
			return invalid("evidence")
		}
	}
	if need := d.env.Pack.Evidence[kind]; len(files) < need {
		return &Error{Code: CodeEvidence, Field: "evidence", Params: map[string]string{"need": strconv.Itoa(need), "have": strconv.Itoa(len(files))}}
	}
	return nil
}

// open puts a case on the pupil, takes the lock and starts the first step's clock.
func (d *decision) open(c Case) {
	c.State = CaseOpen
	c.OpenedAt = d.env.Now
	c.Starter = d.env.Actor
	c.Pack = d.env.Pack.Version
	c.Evidence = slices.Clone(c.Evidence)
	for i := range c.Steps {
		c.Steps[i].Remote = d.remote(c.Steps[i].Unit)
	}
	d.p.Cases = append(d.p.Cases, c)
	d.p.Lock = c.No
	d.arrive(d.p.Case(c.No))
}

// remote is the registry that holds a unit, "" for this one.
func (d *decision) remote(u Unit) string {
	if s, ok := d.env.Directory.School(u); ok {
		return s.Remote
	}
	o, _ := d.env.Directory.Office(u)
	return o.Remote
}

// arrive starts the clock of the step whose turn it is (Art. 14; Civil Code 201–203) and tells its unit. The step before is decided.
func (d *decision) arrive(c *Case) {
	i := c.Current()
	if i < 0 {
		return
	}
	s := &c.Steps[i]
	s.ArrivedAt = d.env.Now
	s.DueOn, s.Unsure = d.env.Calendar.AddWorkingDays(d.today(), d.env.Pack.StepWorkingDays[c.Kind])
	d.notify(WhatTasks, c.No, s.Unit)
	switch {
	case c.Far == nil:
	case c.Far.Mine && s.Remote != "" && c.Far.AskedAt.IsZero():
		c.Far.AskedAt = d.env.Now
		d.tell(c, LetterRequest)
	case !c.Far.Mine && s.Remote == "":
		d.tell(c, LetterArrived)
	}
}

// shut ends the open case, frees the lock and tells every party.
func (d *decision) shut(c *Case, state CaseState, what string) {
	c.State = state
	c.ClosedAt = d.env.Now
	d.p.Lock = ""
	units := []Unit{c.From, c.To, c.Starter.Unit}
	for _, s := range c.Steps {
		units = append(units, s.Unit)
	}
	d.notify(what, c.No, units...)
}

func hexDigest(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func tooLong(s string, most int) bool { return len([]rune(s)) > most }
