package registry

import (
	"slices"
	"strconv"
)

// promotionOpen: Year is this year's, and today lies in the rule pack's promotion time.
func (d *decision) promotionOpen(year int) error {
	w := d.env.Pack.Promotion
	if year != d.today().Year() || !w.Holds(d.today()) {
		return &Error{Code: CodeWindow, Params: params("windows", w.From+"/"+w.To, "today", string(d.today()))}
	}
	return nil
}

// promote is 升级 (Art. 12). It passes over who is in the wrong place for it, and says why: an open case, a stage's end, who was placed in the new school year
// already, and who stays by 留级.
func (d *decision) promote(e Promote) error {
	if !d.system() {
		return &Error{Code: CodeForbidden}
	}
	if err := first(d.promotionOpen(e.Year), d.unlocked(), d.standing(StandingEnrolled)); err != nil {
		return err
	}
	pack := d.env.Pack
	school, _ := d.env.Directory.School(d.p.School)
	why := ""
	switch ends := Date(strconv.Itoa(e.Year) + "-" + pack.SchoolYearEnds); {
	case d.p.Promotion != nil && d.p.Promotion.Year >= e.Year:
		why = "promoted"
	case d.p.StayYear == e.Year:
		why = "stay"
	case slices.Contains(pack.StageEnds, d.p.Grade) && (!slices.Contains(pack.PromoteOver, d.p.Grade) || school.ToGrade <= d.p.Grade):
		why = "stage_end"
	case d.p.EnrolledOn > ends:
		why = "placed"
	case slices.ContainsFunc(d.p.Cases, func(c Case) bool { return c.State == CaseCompleted && places(c.Kind) && DateOf(c.ClosedAt) > ends }):
		why = "placed"
	}
	if why != "" {
		return &Error{Code: CodeWrongState, Params: params("why", why)}
	}
	if tooLong(e.Class, maxClass) {
		return invalid("class")
	}
	if _, err := d.school(d.p.School, d.p.Grade+1, "school", "grade"); err != nil {
		return err
	}
	d.p.Promotion = &Promotion{Year: e.Year, On: d.today(), FromGrade: d.p.Grade, FromClass: d.p.Class, ClassNo: d.p.Form[FClassNo]}
	d.place(d.p.School, d.p.Grade+1, orClass(e.Class, d.p.Class))
	return nil
}

// places: a completed case of the kind put the pupil in a grade.
func places(k CaseKind) bool {
	switch k {
	case CaseTransfer, CaseAdvance, CaseReturn, CaseHome, CaseDropoutReturn, CaseRepeat, CaseSkip:
		return true
	}
	return false
}

// undoPromote takes a promotion back before the close, while the pupil is where it put them.
func (d *decision) undoPromote(e UndoPromote) error {
	if !d.system() {
		if err := d.overSchool(RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
			return err
		}
	}
	if err := first(d.promotionOpen(e.Year), d.unlocked(), d.standing(StandingEnrolled), words(e.Reason, maxReason, "reason")); err != nil {
		return err
	}
	was := d.p.Promotion
	if was == nil || was.Year != e.Year || d.p.Grade != was.FromGrade+1 ||
		slices.ContainsFunc(d.p.Cases, func(c Case) bool { return c.State == CaseCompleted && places(c.Kind) && DateOf(c.ClosedAt) > was.On }) {
		return &Error{Code: CodeWrongState, Params: params("why", "promotion")}
	}
	d.takeBackPromotion()
	return nil
}

func (d *decision) takeBackPromotion() {
	was := d.p.Promotion
	if was == nil {
		return
	}
	d.place(d.p.School, was.FromGrade, was.FromClass)
	if was.ClassNo != "" {
		d.p.Form[FClassNo] = was.ClassNo
	}
	d.p.Promotion = nil
}

// startRepeat opens 留级, where the rule pack allows it.
func (d *decision) startRepeat(e StartRepeat) error {
	if err := d.settled(StandingEnrolled); err != nil {
		return err
	}
	if !slices.Contains(d.env.Pack.RepeatGrades, d.p.Grade) {
		return ruled("repeat_grades")
	}
	if e.ToGrade != d.p.Grade && e.ToGrade != d.p.Grade-1 {
		return invalid("to_grade")
	}
	return d.regrade(Case{No: e.CaseNo, Kind: CaseRepeat, ToGrade: e.ToGrade, ToClass: e.ToClass, Reason: e.Reason, Guardian: e.Guardian, Evidence: e.Evidence})
}

// startSkip opens 跳级, where the rule pack allows it; never over the end of a stage.
func (d *decision) startSkip(e StartSkip) error {
	if err := d.settled(StandingEnrolled); err != nil {
		return err
	}
	if !slices.Contains(d.env.Pack.SkipGrades, d.p.Grade) || slices.Contains(d.env.Pack.StageEnds, d.p.Grade) {
		return ruled("skip_grades")
	}
	if e.ToGrade != d.p.Grade+1 {
		return invalid("to_grade")
	}
	return d.regrade(Case{No: e.CaseNo, Kind: CaseSkip, ToGrade: e.ToGrade, ToClass: e.ToClass, Reason: e.Reason, Guardian: e.Guardian, Evidence: e.Evidence})
}

func (d *decision) regrade(c Case) error {
	if _, err := d.school(d.p.School, c.ToGrade, "school", "to_grade"); err != nil {
		return err
	}
	if tooLong(c.ToClass, maxClass) {
		return invalid("to_class")
	}
	steps, err := d.own()
	if err := first(err, words(c.Reason, maxReason, "reason"), words(c.Guardian, maxGuardian, "guardian")); err != nil {
		return err
	}
	c.To, c.Steps = d.p.School, steps
	return d.begin(c)
}

// regraded ends 留级 and 跳级. Who repeats the grade they are in is passed over by the next promotion.
func (d *decision) regraded(c *Case) {
	if c.ToGrade == d.p.Grade {
		d.p.StayYear = d.today().Year()
		if p := d.p.Promotion; string(d.today()[5:]) > d.env.Pack.Promotion.To || p != nil && p.Year == d.p.StayYear {
			d.p.StayYear++
		}
	}
	d.place(d.p.School, c.ToGrade, orClass(c.ToClass, d.p.Class))
	d.shut(c, CaseCompleted, WhatCompleted)
}

// startFinish opens 毕业, 结业, 肄业 or 升学 out of the register's reach (Art. 13).
func (d *decision) startFinish(e StartFinish) error {
	if err := d.settled(StandingEnrolled, StandingDropout); err != nil {
		return err
	}
	grades, known := d.env.Pack.FinishGrades[e.End]
	kept := d.p.Standing == StandingDropout && d.p.Dropout != nil
	switch {
	case !known:
		return invalid("end")
	case kept && (e.End != StandingLeft || d.today() <= d.p.Dropout.KeepUntil):
		return d.standing(StandingEnrolled) // Art. 22: the 学籍 is kept for the compulsory years
	case !kept && !slices.Contains(grades, d.p.Grade):
		return &Error{Code: CodeRule, Field: "end", Params: params("say", "", "rule", "finish_grades", "grade", strconv.Itoa(d.p.Grade))}
	case !e.On.Valid():
		return invalid("on")
	case tooLong(e.Reason, maxReason):
		return invalid("reason")
	case (e.End == StandingPromoted) != (e.Certificate == "") && !kept, !certificateNo(e.Certificate):
		return invalid("certificate")
	}
	steps, err := d.own()
	if err != nil {
		return err
	}
	return d.begin(Case{No: e.CaseNo, Kind: CaseFinish, To: d.p.School, ToGrade: d.p.Grade, Reason: e.Reason, End: e.End, Certificate: e.Certificate, Since: e.On,
		Evidence: e.Evidence, Steps: steps})
}

// certificateNo: at most 40 characters without spaces; provinces write them in many ways.
func certificateNo(s string) bool { return !tooLong(s, 40) && !slices.ContainsFunc([]rune(s), isSpace) }

// finished ends schooling here: the certificate joins the pupil's, and the last school's keeping of the archive gets its date (Art. 9).
func (d *decision) finished(c *Case) {
	d.p.Standing = c.End
	d.p.Suspension, d.p.Dropout = nil, nil
	if c.Certificate != "" {
		d.p.Certificates = append(d.p.Certificates, Certificate{No: c.Certificate, End: c.End, Grade: d.p.Grade, School: d.p.School, On: c.Since, CaseNo: c.No})
	}
	d.keepFrom()
	d.shut(c, CaseCompleted, WhatCompleted)
}

// advancing are the standings from which a pupil moves up: in a stage's last grade, or out of it.
var advancing = []Standing{StandingEnrolled, StandingPromoted, StandingGraduated, StandingCompleted}

// MayAdvance reports whether a pupil of a standing may go on to the next stage.
func MayAdvance(st Standing) bool { return slices.Contains(advancing, st) }

// advanceTerms is what every 升学 is held to where it is started: from a stage's last grade into the next one, and the words.
func (d *decision) advanceTerms(from, to int, class, reason, guardian string) error {
	switch {
	case !slices.Contains(d.env.Pack.StageEnds, from):
		return &Error{Code: CodeRule, Field: "to_grade", Params: params("say", "", "rule", "stage_ends", "grade", strconv.Itoa(from))}
	case to != from+1:
		return invalid("to_grade")
	case tooLong(reason, maxReason):
		return invalid("reason")
	case tooLong(guardian, maxGuardian):
		return invalid("guardian")
	case tooLong(class, maxClass):
		return invalid("to_class")
	}
	return nil
}

// startAdvance is 升学 (Art. 14): the next stage's school starts; the clocks and parties are a transfer's.
func (d *decision) startAdvance(e StartAdvance) error {
	if err := d.may(e.To, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	if err := first(d.unlocked(), d.standing(advancing...), d.advanceTerms(d.p.Grade, e.ToGrade, e.ToClass, e.Reason, e.Guardian)); err != nil {
		return err
	}
	to, err := d.school(e.To, e.ToGrade, "to", "to_grade")
	if err != nil {
		return err
	}
	from, ok := d.env.Directory.School(d.p.School)
	if !ok {
		return &Error{Code: CodeNotFound, Field: "from", Params: params("school", string(d.p.School))}
	}
	err = d.begin(Case{No: e.CaseNo, Kind: CaseAdvance, From: from.Code, To: to.Code, ToGrade: e.ToGrade, ToClass: e.ToClass, Reason: e.Reason, Guardian: e.Guardian,
		Evidence: e.Evidence, Steps: d.transferSteps(from, to), Reach: reachOf(from, to)})
	if err == nil {
		d.notify(WhatStartTransfer, e.CaseNo, from.Code)
	}
	return err
}

// reachOf says how far a move between two schools goes.
func reachOf(from, to School) Reach {
	switch {
	case from.Authority == to.Authority:
		return ReachOne
	case len(from.Region) >= 2 && len(to.Region) >= 2 && from.Region[:2] != to.Region[:2]:
		return ReachCross
	}
	return ReachProvince
}
