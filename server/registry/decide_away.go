package registry

import (
	"slices"
)

// startExtend opens 延长休学 (Art. 19).
func (d *decision) startExtend(e StartExtend) error {
	if err := d.settled(StandingSuspended); err != nil {
		return err
	}
	s := d.p.Suspension
	if s == nil {
		return d.standing()
	}
	most := s.From.AddMonths(d.env.Pack.ExtendMaxMonths)
	switch {
	case !e.Until.Valid() || e.Until <= s.Until:
		return invalid("until")
	case e.Until > most:
		return &Error{Code: CodeInvalid, Field: "until", Params: params("latest", string(most))}
	}
	steps, err := d.own()
	if err := first(err, words(e.Reason, maxReason, "reason"), words(e.Guardian, maxGuardian, "guardian")); err != nil {
		return err
	}
	return d.begin(Case{No: e.CaseNo, Kind: CaseExtend, To: d.p.School, Reason: e.Reason, Guardian: e.Guardian, Evidence: e.Evidence, Since: s.From, Until: e.Until, Steps: steps})
}

func (d *decision) extended(c *Case) {
	d.p.Suspension.Until = c.Until
	d.shut(c, CaseCompleted, WhatCompleted)
}

// homeland is GB/T 2659's number of China: nobody goes abroad there.
const homeland = "156"

// goAbroad is 出境就读 on valid documents (Art. 20).
func (d *decision) goAbroad(e GoAbroad) error {
	if err := d.settled(StandingEnrolled); err != nil {
		return err
	}
	switch {
	case !e.On.Valid():
		return invalid("on")
	case e.Country == homeland || !InList(ListCountry, e.Country):
		return invalid("country")
	}
	if err := first(words(e.Papers, maxReason, "papers"), words(e.Guardian, maxGuardian, "guardian")); err != nil {
		return err
	}
	err := d.record(Case{No: e.CaseNo, Kind: CaseAbroad, To: d.p.School, Guardian: e.Guardian, Since: e.On, Country: e.Country, Papers: e.Papers, Evidence: e.Evidence})
	if err != nil {
		return err
	}
	d.p.Standing = StandingAbroad
	d.p.Abroad = &Abroad{CaseNo: e.CaseNo, Since: e.On, Country: e.Country, Papers: e.Papers}
	d.endStudy()
	return nil
}

// comeHome continues the old archive (Art. 20): at once at the old school, by the parties of a transfer at another.
func (d *decision) comeHome(e ComeHome) error {
	if err := first(d.may(e.School, RoleRegistrar, RoleLeader), d.unlocked(), d.standing(StandingAbroad)); err != nil {
		return err
	}
	to, err := d.school(e.School, e.Grade, "school", "grade")
	if err := first(err, words(e.Class, maxClass, "class"), words(e.Papers, maxReason, "papers"), words(e.Guardian, maxGuardian, "guardian")); err != nil {
		return err
	}
	c := Case{No: e.CaseNo, Kind: CaseHome, To: e.School, ToGrade: e.Grade, ToClass: e.Class, Guardian: e.Guardian, Papers: e.Papers, Evidence: e.Evidence}
	if e.School != d.p.School {
		from, ok := d.env.Directory.School(d.p.School)
		if !ok {
			return &Error{Code: CodeNotFound, Field: "from", Params: params("school", string(d.p.School))}
		}
		c.From, c.Steps, c.Reach = from.Code, d.transferSteps(from, to), reachOf(from, to)
		if err := d.begin(c); err != nil {
			return err
		}
		d.notify(WhatStartTransfer, e.CaseNo, from.Code)
		return nil
	}
	if err := d.record(c); err != nil {
		return err
	}
	d.p.Standing, d.p.Abroad = StandingEnrolled, nil
	d.place(e.School, e.Grade, e.Class)
	return nil
}

// reportDeath is Article 21: the report is the school's step, in its time from the day it knew; the authority deregisters. It does not wait for other business.
func (d *decision) reportDeath(e ReportDeath) error {
	if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	open := d.p.OpenCase()
	if open != nil && open.Kind == CaseDeath {
		return d.unlocked()
	}
	if !d.p.Standing.Living() {
		return d.standing()
	}
	if !e.KnownOn.Valid() || e.KnownOn > d.today() {
		return invalid("known_on")
	}
	if e.Proof == "" {
		return &Error{Code: CodeEvidence, Field: "proof"}
	}
	if tooLong(e.Proof, maxReason) {
		return invalid("proof")
	}
	steps, err := d.own()
	if err != nil {
		return err
	}
	s := &steps[0]
	s.Unit, s.ArrivedAt, s.Decision, s.DecidedAt, s.By, s.Pack = d.env.Actor.Unit, e.KnownOn.Time().UTC(), DecisionAccept, d.env.Now, d.env.Actor, d.env.Pack.Version
	s.DueOn, s.Unsure = d.env.Calendar.AddWorkingDays(e.KnownOn, d.env.Pack.DeathWorkingDays)
	c := Case{No: e.CaseNo, Kind: CaseDeath, To: d.p.School, Reason: e.Proof, Since: e.KnownOn, Evidence: e.Evidence, Steps: steps}
	if err := d.admit(&c); err != nil {
		return err
	}
	if open != nil {
		d.abandon(open, CaseWithdrawn, WhatWithdrawn)
	}
	d.open(c)
	d.p.NoContact = true
	return nil
}

func (d *decision) died(c *Case) {
	p := &d.p
	p.Standing, p.NoContact, p.PIN = StandingDeceased, true, ""
	p.Suspension, p.Dropout, p.Abroad = nil, nil, nil
	d.endStudy()
	d.endCard()
	d.keepFrom()
	d.shut(c, CaseCompleted, WhatCompleted)
}

// reportDropout is Article 22: the 学籍 is kept, three written reports become due, and a migrant child's archive is due at the home county at the term's end.
func (d *decision) reportDropout(e ReportDropout) error {
	if err := d.settled(StandingEnrolled, StandingSuspended); err != nil {
		return err
	}
	if d.p.Grade > d.env.Pack.CompulsoryTo {
		return &Error{Code: CodeRule, Params: params("say", "", "rule", "compulsory_to")}
	}
	if !e.Since.Valid() || e.Since > d.today() {
		return invalid("since")
	}
	s, ok := d.env.Directory.School(d.p.School)
	if !ok {
		return &Error{Code: CodeNotFound, Field: "school", Params: params("school", string(d.p.School))}
	}
	if err := words(e.Reason, maxReason, "reason"); err != nil {
		return err
	}
	if err := d.record(Case{No: e.CaseNo, Kind: CaseDropout, To: d.p.School, Reason: e.Reason, Since: e.Since, Evidence: e.Evidence}); err != nil {
		return err
	}
	out := &Dropout{CaseNo: e.CaseNo, Since: e.Since, Reason: e.Reason, KeepUntil: d.env.Pack.CompulsoryEnd(d.p.Grade, d.today())}
	due, unsure := d.env.Calendar.AddWorkingDays(d.today(), d.env.Pack.DropoutWorkingDays)
	for _, r := range []Report{{To: ReportTownship}, {To: ReportCounty, Unit: Unit(s.Region)}, {To: ReportAuthority, Unit: s.Authority}} {
		r.DueOn, r.Unsure = due, unsure
		out.Reports = append(out.Reports, r)
	}
	if home := d.homeRegion(d.p.Form[FHukou]); d.p.Form[FMigrant] == "1" && home != "" && home != Unit(s.Region) {
		out.Home, out.HandOverDue = home, d.env.Pack.TermEnd(d.today())
	}
	if a := d.p.Absent(); a != nil { // what was said before is where the persuasion begins
		for _, c := range a.Contacts {
			out.Log = append(out.Log, Persuasion{On: c.On, How: c.How + "（" + c.With + "）", Note: c.Note, By: c.By})
		}
	}
	d.p.Dropout, d.p.Suspension = out, nil
	d.p.Standing = StandingDropout
	d.notify(WhatDropout, e.CaseNo, s.Authority, Unit(s.Region))
	return nil
}

// dropout: the school acts on a running dropout.
func (d *decision) dropout() (*Dropout, error) {
	if err := first(d.may(d.p.School, RoleRegistrar, RoleLeader), d.standing(StandingDropout)); err != nil {
		return nil, err
	}
	if d.p.Dropout == nil {
		return nil, d.standing()
	}
	return d.p.Dropout, nil
}

func (d *decision) fileReport(e FileReport) error {
	out, err := d.dropout()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(out.Reports, func(r Report) bool { return r.To == e.To })
	switch {
	case i < 0:
		return invalid("to")
	case out.Reports[i].FiledOn != "":
		return &Error{Code: CodeConflict, Field: "to"}
	case !e.On.Valid() || e.On > d.today():
		return invalid("on")
	case tooLong(e.Ref, maxReason):
		return invalid("ref")
	}
	r := &out.Reports[i]
	r.FiledOn, r.Ref, r.By = e.On, e.Ref, d.env.Actor
	d.notify(WhatTasks, out.CaseNo, d.p.School)
	return nil
}

const maxLog = 200

func (d *decision) logPersuasion(e LogPersuasion) error {
	out, err := d.dropout()
	if err != nil {
		return err
	}
	switch {
	case !e.On.Valid() || e.On > d.today():
		return invalid("on")
	case len(out.Log) >= maxLog:
		return &Error{Code: CodeInvalid, Field: "note"}
	}
	if err := first(words(e.How, maxGuardian, "how"), words(e.Note, maxNote, "note")); err != nil {
		return err
	}
	out.Log = append(out.Log, Persuasion{On: e.On, How: e.How, Note: e.Note, By: d.env.Actor})
	return nil
}

func (d *decision) returnFromDropout(e ReturnFromDropout) error {
	if err := d.settled(StandingDropout); err != nil {
		return err
	}
	if _, err := d.school(d.p.School, e.Grade, "school", "grade"); err != nil {
		return err
	}
	if err := first(words(e.Class, maxClass, "class"), words(e.Proof, maxReason, "proof")); err != nil {
		return err
	}
	err := d.record(Case{No: e.CaseNo, Kind: CaseDropoutReturn, To: d.p.School, ToGrade: e.Grade, ToClass: e.Class, Reason: e.Proof, Evidence: e.Evidence})
	if err != nil {
		return err
	}
	d.p.Standing, d.p.Dropout = StandingEnrolled, nil
	d.place(d.p.School, e.Grade, e.Class)
	if d.p.Archive.Custodian != d.p.School {
		d.callArchive(e.CaseNo) // it went to the home county
	}
	return nil
}

// handOver (Art. 22): the authority of the school sends a migrant child's archive to the home county.
func (d *decision) handOver(e HandOverArchive) error {
	s, _ := d.env.Directory.School(d.p.School)
	if err := first(d.may(s.Authority, RoleOfficer), d.standing(StandingDropout)); err != nil {
		return err
	}
	out, a := d.p.Dropout, &d.p.Archive
	if out == nil || out.Home == "" || out.HandOverDue == "" {
		return &Error{Code: CodeWrongState, Params: params("why", "home")}
	}
	switch a.State {
	case ArchiveHeld, ArchiveReceived, ArchiveCalled, ArchiveReturned:
	default:
		return &Error{Code: CodeWrongState, Params: params("archive", string(a.State))}
	}
	if !archiveNo(e.No) {
		return invalid("no")
	}
	if tooLong(e.Carrier, 100) {
		return invalid("carrier")
	}
	a.clearConsignment()
	a.State, a.CaseNo, a.From, a.To = ArchiveTransit, out.CaseNo, a.Custodian, out.Home
	a.CalledAt, a.SentAt, a.Sender = d.env.Now, d.env.Now, d.env.Actor
	a.No, a.Carrier = e.No, e.Carrier
	a.DueOn, a.Unsure = d.env.Calendar.AddMonths(d.today(), d.env.Pack.ArchiveSendMonths)
	d.handed()
	out.HandOverDue = ""
	d.notify(WhatTasks, out.CaseNo, a.From, a.To, d.p.School)
	return nil
}
