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
	c := Case{No: e.CaseNo, Kind: CaseEnrol, To: e.School, ToGrade: grade, ToClass: e.Form[FClass], Reason: e.Reason, Evidence: e.Evidence, Entry: EntryFirst,
		Steps: []Step{{Party: PartySchool, Unit: e.School}, {Party: PartyAuthority, Unit: s.Authority}}}
	if !slices.Contains(d.env.Pack.EntryGrades, grade) {
		c.Entry = EntryLater
	}
	if c.Entry == EntryLater && d.env.Pack.LateEntryReason && e.Reason == "" || tooLong(e.Reason, maxReason) {
		return invalid("reason")
	}
	if d.env.Pack.NoIDToProvince && noDocument(e.Form) { // T1: level by level to the province; CheckForm asked for a guardian's document
		c.Steps = append(c.Steps, d.chain(s.Authority, TierProvince)...)
	}
	if err := entryMode(e.Mode, s, e.Form); err != nil {
		return err
	}
	c.Mode = e.Mode
	if err := d.evidence(CaseEnrol, e.Evidence); err != nil {
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
	if err := d.conditions(&c); err != nil {
		return err
	}
	p.Standing = StandingSchoolCheck
	d.open(c)
	return nil
}

// entryMode: a form of schooling that a new pupil may begin in at a school, with what the form must say of it (Arts 6, 17).
func entryMode(m Mode, s School, f Form) error {
	said := func(k FieldKey) bool { return f[k] != "" && f[k] != "0" }
	switch {
	case !slices.Contains(Modes(), m), m == ModeReform && s.Kind != KindReform:
		return invalid("mode")
	case m == ModeInclusive && !said(FInclusive):
		return invalid(string(FInclusive))
	case (m == ModeHome || m == ModeSpecial) && !said(FDisability):
		return invalid(string(FDisability))
	}
	return nil
}

// noDocument: the pupil has no document of their own, neither a resident ID that is named and not given yet nor one of Hong Kong, Macao, Taiwan or abroad.
func noDocument(f Form) bool {
	return f[FIDNumber] == "" && f[FIDType] != "1" && f[FOverseas] == "00" && !strings.Contains("6789A", f[FIDType])
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
	if d.env.Pack.DropoutMayTransfer {
		allowed = append(allowed, StandingDropout)
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
	if err := d.transferTerms(e.To, e.ToGrade, e.ToClass, e.Reason, e.Guardian, e.Evidence); err != nil {
		return err
	}
	c := Case{No: e.CaseNo, Kind: CaseTransfer, From: from.Code, To: to.Code, ToGrade: e.ToGrade, ToClass: e.ToClass, Reason: e.Reason, Guardian: e.Guardian,
		Evidence: e.Evidence, Steps: d.transferSteps(from, to), Reach: reachOf(from, to), Card: e.Card.clone()}
	if err := d.conditions(&c); err != nil {
		return err
	}
	d.open(c)
	d.notify(WhatStartTransfer, e.CaseNo, from.Code) // the old school is told at once
	return nil
}

// transferTerms is what every 转学 is held to where it is started: closed grades, the window, the words, the evidence.
func (d *decision) transferTerms(to Unit, grade int, class, reason, guardian string, evidence []string) error {
	if slices.Contains(d.env.Pack.TransferClosedGrades, grade) {
		return &Error{Code: CodeGrade, Field: "to_grade", Params: map[string]string{"school": string(to), "grade": strconv.Itoa(grade)}}
	}
	if open, windows := d.env.Pack.TransferOpen(d.today()); !open {
		return &Error{Code: CodeWindow, Params: map[string]string{"windows": windows, "today": string(d.today())}}
	}
	switch {
	case reason == "" || tooLong(reason, maxReason):
		return invalid("reason")
	case guardian == "" || tooLong(guardian, maxGuardian):
		return invalid("guardian")
	case tooLong(class, maxClass):
		return invalid("to_class")
	}
	return d.evidence(CaseTransfer, evidence)
}

// transferSteps is the order of Article 14's parties: receiver, its authority, sender, its authority; one authority over both acts once, last. A sender that ended is
// acted for. A school that takes its own graduates on has no sender.
func (d *decision) transferSteps(from, to School) []Step {
	receiver, sender := Step{Party: PartyReceiver, Unit: to.Code}, Step{Party: PartySender, Unit: d.acting(from)}
	switch {
	case from.Code == to.Code:
		return []Step{receiver, {Party: PartyCommonAuth, Unit: to.Authority}}
	case from.Authority == to.Authority:
		return []Step{receiver, sender, {Party: PartyCommonAuth, Unit: to.Authority}}
	}
	return []Step{receiver, {Party: PartyReceiverAuth, Unit: to.Authority}, sender, {Party: PartySenderAuth, Unit: from.Authority}}
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
	c := Case{No: e.CaseNo, Kind: CaseSuspend, To: d.p.School, Reason: e.Reason, Guardian: e.Guardian, Evidence: e.Evidence, Since: e.From, Until: e.Until,
		Steps: []Step{{Party: PartySchool, Unit: d.acting(s)}, {Party: PartyAuthority, Unit: s.Authority}}}
	if err := d.conditions(&c); err != nil {
		return err
	}
	d.open(c)
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
	err := d.record(Case{No: e.CaseNo, Kind: CaseReturn, To: d.p.School, ToGrade: e.Grade, ToClass: e.Class, Reason: e.Proof, Evidence: e.Evidence,
		Card: e.Card.clone()})
	if err != nil {
		return err
	}
	d.p.Standing = StandingEnrolled
	d.p.Suspension = nil
	d.place(d.p.School, e.Grade, e.Class)
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
	at := c.Current()
	s := &c.Steps[at]
	if d.env.Actor.Unit != s.Unit || e.Party != s.Party {
		return &Error{Code: CodeNotYourTurn, Params: map[string]string{"case": string(c.No), "party": string(s.Party), "unit": string(s.Unit), "due_on": string(s.DueOn)}}
	}
	if err := d.maySpeak(c, s); err != nil {
		return err
	}
	if s.Party == PartyReceipt {
		return &Error{Code: CodeWrongState, Params: map[string]string{"why": "receipt", "case": string(c.No)}} // FarReceipt or TakeBack
	}
	if c.Kind == CaseProblem && s.Party == PartySchool {
		return &Error{Code: CodeWrongState, Params: map[string]string{"why": "resolve", "case": string(c.No)}} // the school says how: ResolveProblem
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
		if c.Nameless(&d.p) {
			return &Error{Code: CodeWrongState, Params: map[string]string{"why": "nameless", "case": string(c.No)}} // NameFar
		}
	default:
		return invalid("decision")
	}
	s.Decision, s.Refusal, s.Note, s.DecidedAt, s.By, s.Pack = e.Decision, e.Refusal, e.Note, d.env.Now, d.env.Actor, d.env.Pack.Version
	if e.Decision == DecisionRefuse && c.Kind == CaseProblem {
		d.sendBack(c, at)
		return nil
	}
	if e.Decision == DecisionRefuse {
		d.abandon(c, CaseRefused, WhatRefused)
		return nil
	}
	if s.Party == PartyReceiver && e.Class != "" {
		c.ToClass = e.Class
	}
	d.notify(WhatTasks, c.No, s.Unit) // it left this unit's list
	if c.Current() >= 0 {
		if c.Far != nil && !c.Far.Mine {
			d.tell(c, LetterWord)
		}
		if c.Kind == CaseEnrol {
			d.p.Standing = StandingApproval
		}
		d.arrive(c)
		return nil
	}
	switch c.Kind {
	case CaseEnrol:
		return d.enrolled(c, e.Serial)
	case CaseTransfer, CaseAdvance, CaseHome:
		if c.Far != nil {
			if c.Far.Mine { // the 学籍 itself has to come: Continue
				return invalid("party")
			}
			d.release(c)
			return nil
		}
		d.transferred(c)
	case CaseSuspend:
		d.suspended(c)
	case CaseExtend:
		d.extended(c)
	case CaseCorrect:
		d.apply(c.Changes)
		d.shut(c, CaseCompleted, WhatCompleted)
	case CaseRepeat, CaseSkip:
		d.regraded(c)
	case CaseFinish:
		d.finished(c)
	case CaseDeath:
		d.died(c)
	case CaseArrange:
		d.arranged(c)
	case CaseProblem:
		d.resolved(c)
	case CaseErase:
		d.erase()
		d.shut(c, CaseCompleted, WhatCompleted)
	}
	return nil
}

// maySpeak: a person of the unit with the fitting role; for a unit that another registry holds, that registry's message and nothing else.
func (d *decision) maySpeak(c *Case, s *Step) error {
	if s.Remote != "" || d.env.Actor.Account == remoteAccount {
		if s.Remote == "" || d.env.Actor.Account != remoteAccount || d.env.Actor.Via != ViaRemote(s.Remote) {
			return &Error{Code: CodeForbidden, Params: map[string]string{"unit": string(s.Unit), "remote": s.Remote}}
		}
		return nil
	}
	return d.may(s.Unit, stepRoles(c.Kind, s.Party, s.Unit)...)
}

// stepRoles: who speaks for a unit. The school's word on an enrolment is its leader's (T1); an office that acts for a school that ended speaks by its officer.
func stepRoles(k CaseKind, p Party, u Unit) []Role {
	if !u.IsSchool() {
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
	if err := d.may(c.Starter.Unit, RoleRegistrar, RoleLeader, RoleOfficer); err != nil && (c.Far == nil || c.Far.Mine || d.afar(c, c.To) != nil) {
		return err
	}
	if c.State != CaseOpen {
		return &Error{Code: CodeConflict, Field: "case_no", Params: map[string]string{"case": string(c.No), "state": string(c.State)}}
	}
	if tooLong(e.Note, maxNote) {
		return invalid("note")
	}
	if d.p.Standing.Away() && c.Far != nil && !c.Far.Mine { // too late: the 学籍 left
		return &Error{Code: CodeConflict, Field: "case_no", Params: map[string]string{"case": string(c.No), "state": "released"}}
	}
	if c.Far != nil && (!c.Far.Mine || !c.Far.AskedAt.IsZero()) {
		if !c.Far.WithdrawAt.IsZero() {
			return &Error{Code: CodeConflict, Field: "case_no", Params: map[string]string{"case": string(c.No), "state": "withdrawing"}}
		}
		c.Far.WithdrawAt = d.env.Now
		if c.Far.Mine { // the register that has the pupil may have released the 学籍 already: it answers
			d.tell(c, LetterWithdraw)
			d.notify(WhatTasks, c.No, c.To)
			return nil
		}
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
	if c.Kind == CaseDeath {
		d.p.NoContact = false // the report was wrong
	}
	d.shut(c, state, what)
	switch {
	case c.Far == nil:
	case !c.Far.Mine: // who has the pupil says how it ended
		d.tell(c, LetterClosed)
	case c.Far.Offer != "" && c.Far.AskedAt.IsZero(): // who named the pupil is told that nobody will ask
		d.tell(c, LetterDeclined)
	}
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
	d.p.Standing, d.p.Mode = StandingEnrolled, c.Mode
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
	if c.Kind != CaseTransfer || d.p.Standing == StandingDropout {
		d.p.Standing, d.p.Abroad, d.p.Dropout = StandingEnrolled, nil, nil
	}
	d.endStudy()
	d.p.Archive.KeepDue, d.p.Archive.KeepUnsure = "", false
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
