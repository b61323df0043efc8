package registry

import (
	"slices"
	"strconv"
	"strings"
)

// Longest texts, in characters, that a case keeps.
const (
	maxNote     = 500
	maxReason   = 200
	maxGuardian = 50
	maxClass    = 20
)

// enrol opens 学籍注册 (Arts 4, 6, 7): the school's leader confirms, the authority approves. 查重 is the caller's: it alone sees the register.
func (d *decision) enrol(e Enrol) error {
	if err := d.may(e.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	if err := d.unlocked(); err != nil {
		return err
	}
	if err := d.standing(StandingNone); err != nil {
		return err
	}
	if err := d.newCase(e.CaseNo, CaseEnrol); err != nil {
		return err
	}
	for _, f := range CheckForm(e.Form, d.today()) {
		if !f.Warning() {
			return &Error{Code: CodeInvalid, Field: string(f.Field), Params: map[string]string{"finding": string(f.Code)}}
		}
	}
	grade, _ := strconv.Atoi(e.Form[FGrade])
	s, err := d.school(e.School, grade, "school", string(FGrade))
	if err != nil {
		return err
	}
	if _, err := d.p.UID.Ref(); err != nil {
		return err
	}
	p := &d.p
	p.Form = Pupil{Form: e.Form}.Clone().Form
	p.School, p.Grade, p.Class = e.School, grade, e.Form[FClass]
	if e.PIN != "" {
		p.PIN = e.PIN
	}
	if ph := e.Form[FPhoto]; hexDigest(ph) {
		p.Photo = ph
	}
	p.EnrolledOn = enrolledOn(e.Form[FEnrolMonth], d.today())
	p.Standing = StandingSchoolCheck
	d.open(Case{
		No: e.CaseNo, Kind: CaseEnrol, To: e.School, ToGrade: grade, ToClass: p.Class,
		Steps: []Step{{Party: PartySchool, Unit: e.School}, {Party: PartyAuthority, Unit: s.Authority}},
	})
	return nil
}

// enrolledOn is 入学之日, from which the archive's month counts (Art. 7): the form knows the month only, so it is the day of registration when that falls into
// the month, else the month's first day.
func enrolledOn(month string, registered Date) Date {
	if strings.HasPrefix(string(registered), month) {
		return registered
	}
	return Date(month + "-01")
}

// startTransfer opens 转学 (Arts 14–16), started by the receiving school. The start does not stand for the receiving school's word: its own step comes first,
// with its own clock, so that a registrar at a kiosk binds the school to nothing.
func (d *decision) startTransfer(e StartTransfer) error {
	if err := d.may(e.To, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	allowed := []Standing{StandingEnrolled}
	if d.env.Pack.SuspendedMayTransfer {
		allowed = append(allowed, StandingSuspended)
	}
	if err := d.unlocked(); err != nil {
		return err
	}
	if err := d.standing(allowed...); err != nil {
		return err
	}
	if err := d.newCase(e.CaseNo, CaseTransfer); err != nil {
		return err
	}
	if e.To == d.p.School {
		return &Error{Code: CodeSameSchool, Field: "to", Params: map[string]string{"school": string(e.To)}}
	}
	to, err := d.school(e.To, e.ToGrade, "to", "to_grade")
	if err != nil {
		return err
	}
	if err := d.shown(BusinessTransfer, e.Card); err != nil {
		return err
	}
	from, ok := d.env.Directory.School(d.p.School)
	if !ok {
		return &Error{Code: CodeNotFound, Field: "school", Params: map[string]string{"school": string(d.p.School)}}
	}
	if slices.Contains(d.env.Pack.TransferClosedGrades, e.ToGrade) {
		return &Error{Code: CodeGrade, Field: "to_grade", Params: map[string]string{"school": string(e.To), "grade": strconv.Itoa(e.ToGrade)}}
	}
	if open, windows := d.env.Pack.TransferOpen(d.today()); !open {
		return &Error{Code: CodeWindow, Params: map[string]string{"windows": windows, "today": string(d.today())}}
	}
	switch {
	case e.Reason == "" || tooLong(e.Reason, maxReason):
		return invalid("reason")
	case e.Guardian == "" || tooLong(e.Guardian, maxGuardian):
		return invalid("guardian")
	case tooLong(e.ToClass, maxClass):
		return invalid("to_class")
	}
	if err := d.evidence(CaseTransfer, e.Evidence); err != nil {
		return err
	}
	d.open(Case{
		No: e.CaseNo, Kind: CaseTransfer, From: from.Code, To: to.Code, ToGrade: e.ToGrade, ToClass: e.ToClass, Reason: e.Reason, Guardian: e.Guardian,
		Evidence: e.Evidence, Steps: transferSteps(from, to), Card: e.Card.clone(),
	})
	d.notify(WhatStartTransfer, e.CaseNo, from.Code) // the old school is told at once
	return nil
}

// transferSteps is the order of Article 14's parties: receiver, its authority, sender, its authority; one authority over both acts once, last.
func transferSteps(from, to School) []Step {
	if from.Authority == to.Authority {
		return []Step{{Party: PartyReceiver, Unit: to.Code}, {Party: PartySender, Unit: from.Code}, {Party: PartyCommonAuth, Unit: to.Authority}}
	}
	return []Step{
		{Party: PartyReceiver, Unit: to.Code}, {Party: PartyReceiverAuth, Unit: to.Authority},
		{Party: PartySender, Unit: from.Code}, {Party: PartySenderAuth, Unit: from.Authority},
	}
}

// startSuspend opens 休学 (Art. 19): on the guardian's written application the school approves and the authority registers.
func (d *decision) startSuspend(e StartSuspend) error {
	if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	if err := d.unlocked(); err != nil {
		return err
	}
	if err := d.standing(StandingEnrolled); err != nil {
		return err
	}
	if err := d.newCase(e.CaseNo, CaseSuspend); err != nil {
		return err
	}
	s, ok := d.env.Directory.School(d.p.School)
	switch most := e.From.AddMonths(d.env.Pack.SuspendMaxMonths); {
	case !ok:
		return &Error{Code: CodeNotFound, Field: "school", Params: map[string]string{"school": string(d.p.School)}}
	case !e.From.Valid():
		return invalid("from")
	case !e.Until.Valid() || e.Until <= e.From || e.Until < d.today():
		return invalid("until")
	case e.Until > most:
		return &Error{Code: CodeInvalid, Field: "until", Params: map[string]string{"latest": string(most), "months": strconv.Itoa(d.env.Pack.SuspendMaxMonths)}}
	case e.Reason == "" || tooLong(e.Reason, maxReason):
		return invalid("reason")
	case e.Guardian == "" || tooLong(e.Guardian, maxGuardian):
		return invalid("guardian")
	}
	if err := d.evidence(CaseSuspend, e.Evidence); err != nil {
		return err
	}
	d.open(Case{
		No: e.CaseNo, Kind: CaseSuspend, To: d.p.School, Reason: e.Reason, Guardian: e.Guardian, Evidence: e.Evidence, Since: e.From, Until: e.Until,
		Steps: []Step{{Party: PartySchool, Unit: d.p.School}, {Party: PartyAuthority, Unit: s.Authority}},
	})
	return nil
}

// comeBack is 复学 (Art. 19): the school handles it in one step, on proof of recovery.
func (d *decision) comeBack(e Return) error {
	if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	if err := d.unlocked(); err != nil {
		return err
	}
	if err := d.standing(StandingSuspended); err != nil {
		return err
	}
	if err := d.newCase(e.CaseNo, CaseReturn); err != nil {
		return err
	}
	if _, err := d.school(d.p.School, e.Grade, "school", "grade"); err != nil {
		return err
	}
	if err := d.shown(BusinessReturn, e.Card); err != nil {
		return err
	}
	switch {
	case e.Class == "" || tooLong(e.Class, maxClass):
		return invalid("class")
	case e.Proof == "":
		return &Error{Code: CodeEvidence, Field: "proof"}
	case tooLong(e.Proof, maxReason):
		return invalid("proof")
	}
	if err := d.evidence(CaseReturn, e.Evidence); err != nil {
		return err
	}
	d.p.Cases = append(d.p.Cases, Case{
		No: e.CaseNo, Kind: CaseReturn, State: CaseCompleted, To: d.p.School, ToGrade: e.Grade, ToClass: e.Class, Reason: e.Proof, OpenedAt: d.env.Now,
		ClosedAt: d.env.Now, Starter: d.env.Actor, Evidence: slices.Clone(e.Evidence), Pack: d.env.Pack.Version, Card: e.Card.clone(),
		Steps: []Step{{Party: PartySchool, Unit: d.p.School, ArrivedAt: d.env.Now, DueOn: d.today(), Decision: DecisionAccept, DecidedAt: d.env.Now, By: d.env.Actor}},
	})
	d.p.Standing = StandingEnrolled
	d.p.Suspension = nil
	d.place(d.p.School, e.Grade, e.Class)
	d.notify(WhatCompleted, e.CaseNo, d.p.School)
	return nil
}

// decideStep is a party's word on the step whose turn it is.
func (d *decision) decideStep(e DecideStep) error {
	c := d.p.Case(e.CaseNo)
	if c == nil {
		return &Error{Code: CodeNotFound, Field: "case_no"}
	}
	if c.State != CaseOpen {
		return &Error{Code: CodeConflict, Field: "case_no", Params: map[string]string{"case": string(c.No), "state": string(c.State)}}
	}
	s := &c.Steps[c.Current()]
	if d.env.Actor.Unit != s.Unit || e.Party != s.Party {
		return &Error{Code: CodeNotYourTurn, Params: map[string]string{"case": string(c.No), "party": string(s.Party), "unit": string(s.Unit), "due_on": string(s.DueOn)}}
	}
	if err := d.may(s.Unit, stepRoles(c.Kind, s.Party)...); err != nil {
		return err
	}
	switch {
	case tooLong(e.Note, maxNote):
		return invalid("note")
	case tooLong(e.Class, maxClass):
		return invalid("class")
	}
	switch e.Decision {
	case DecisionRefuse:
		if !slices.Contains(RefusalCodes(), e.Refusal) {
			return invalid("refusal")
		}
		if e.Refusal == RefuseOther && strings.TrimSpace(e.Note) == "" {
			return invalid("note")
		}
	case DecisionAccept:
		if e.Refusal != "" {
			return invalid("refusal")
		}
	default:
		return invalid("decision")
	}
	s.Decision, s.Refusal, s.Note, s.DecidedAt, s.By = e.Decision, e.Refusal, e.Note, d.env.Now, d.env.Actor
	if e.Decision == DecisionRefuse {
		d.abandon(c, CaseRefused, WhatRefused)
		return nil
	}
	if s.Party == PartyReceiver && e.Class != "" {
		c.ToClass = e.Class
	}
	d.notify(WhatTasks, c.No, s.Unit) // it left this unit's list
	if c.Current() >= 0 {
		if c.Kind == CaseEnrol {
			d.p.Standing = StandingApproval
		}
		d.arrive(c)
		return nil
	}
	switch c.Kind {
	case CaseEnrol:
		return d.enrolled(c, e.Serial)
	case CaseTransfer:
		d.transferred(c)
	case CaseSuspend:
		d.suspended(c)
	}
	return nil
}

// stepRoles: who speaks for a unit. The school's word on an enrolment is its leader's (T1).
func stepRoles(k CaseKind, p Party) []Role {
	switch p {
	case PartyAuthority, PartyReceiverAuth, PartySenderAuth, PartyCommonAuth:
		return []Role{RoleOfficer}
	}
	if k == CaseEnrol {
		return []Role{RoleLeader}
	}
	return []Role{RoleRegistrar, RoleLeader}
}

// withdraw ends an open case before completion; only its starter's unit may (T4).
func (d *decision) withdraw(e Withdraw) error {
	c := d.p.Case(e.CaseNo)
	if c == nil {
		return &Error{Code: CodeNotFound, Field: "case_no"}
	}
	if err := d.may(c.Starter.Unit, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
		return err
	}
	if c.State != CaseOpen {
		return &Error{Code: CodeConflict, Field: "case_no", Params: map[string]string{"case": string(c.No), "state": string(c.State)}}
	}
	if tooLong(e.Note, maxNote) {
		return invalid("note")
	}
	d.abandon(c, CaseWithdrawn, WhatWithdrawn)
	return nil
}

// abandon ends a case without its aim. An enrolment that failed leaves the form for another try and no 学籍.
func (d *decision) abandon(c *Case, state CaseState, what string) {
	if c.Kind == CaseEnrol {
		d.p.Standing = StandingNone
		d.p.EnrolledOn = ""
	}
	d.shut(c, state, what)
}

// enrolled gives the 学籍号 and starts the archive's month (Arts 4, 5, 7).
func (d *decision) enrolled(c *Case, serial int) error {
	s, ok := d.env.Directory.School(c.To)
	if !ok {
		return &Error{Code: CodeNotFound, Field: "school", Params: map[string]string{"school": string(c.To)}}
	}
	if d.p.Number == "" {
		n, err := d.number(s.Region, serial)
		if err != nil {
			return err
		}
		d.p.Number = n
	}
	d.p.Standing = StandingEnrolled
	d.p.Archive = Archive{State: ArchiveNone, Custodian: c.To}
	d.p.Archive.BuildDue, d.p.Archive.BuildUnsure = d.env.Calendar.AddMonths(d.p.EnrolledOn, d.env.Pack.ArchiveBuildMonths)
	d.shut(c, CaseCompleted, WhatCompleted)
	return nil
}

// NumberLetter says which 学籍号 a form leads to: G with a resident ID, the pack's letter for pupils of Hong Kong, Macao, Taiwan and abroad, L while a resident
// ID is named but not given yet, J without a usable one. For L and J the caller draws DecideStep.Serial, unique in county and birth date.
func (p *Pack) NumberLetter(f Form) NumberKind {
	switch {
	case f[FIDType] == "1" && f[FIDNumber] != "":
		return NumberG
	case f[FOverseas] != "00" || strings.Contains("6789A", f[FIDType]):
		return NumberKind(p.ForeignNumber[0])
	case f[FIDType] == "1":
		return NumberL
	}
	return NumberJ
}

func (d *decision) number(region string, serial int) (Number, error) {
	birth := Date(d.p.Form[FBirth])
	switch d.env.Pack.NumberLetter(d.p.Form) {
	case NumberG:
		return NewNumberG(d.p.Form[FIDNumber], d.today())
	case NumberL:
		return NewNumberL(region, birth, serial)
	}
	return NewNumberJ(region, birth, serial)
}

// transferred moves the pupil and calls the archive (Art. 15); with the school the card falls behind (keepCardUp).
func (d *decision) transferred(c *Case) {
	d.place(c.To, c.ToGrade, c.ToClass)
	d.shut(c, CaseCompleted, WhatCompleted)
	d.keepBackup(c.From)
	d.callArchive(c.No)
}

func (d *decision) suspended(c *Case) {
	d.p.Standing = StandingSuspended
	d.p.Suspension = &Suspension{CaseNo: c.No, From: c.Since, Until: c.Until, Reason: c.Reason}
	d.shut(c, CaseCompleted, WhatCompleted)
}

// place moves the pupil and keeps the form in step.
func (d *decision) place(school Unit, grade int, class string) {
	if school != d.p.School || class != d.p.Class {
		delete(d.p.Form, FClassNo)
	}
	d.p.School, d.p.Grade, d.p.Class = school, grade, class
	if d.p.Form == nil {
		d.p.Form = Form{}
	}
	d.p.Form[FGrade] = strconv.Itoa(grade)
	d.p.Form[FClass] = class
}
