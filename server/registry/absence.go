package registry

import "slices"

// AbsenceKind says why a pupil stays away from school for days.
type AbsenceKind string

const (
	AbsenceSick        AbsenceKind = "sick"        // 病假
	AbsencePersonal    AbsenceKind = "personal"    // 事假
	AbsenceUnexplained AbsenceKind = "unexplained" // 旷课或原因不明
)

// AbsenceKinds lists them in the order in which screens offer them.
func AbsenceKinds() []AbsenceKind {
	return []AbsenceKind{AbsenceUnexplained, AbsenceSick, AbsencePersonal}
}

// What an absence ended with, besides the Standing that took its place.
const (
	AbsenceBack  = "back"     // the pupil is back
	AbsenceMoved = "transfer" // the pupil is another school's
)

// Absence is one longer absence of an enrolled pupil (Arts 22, 27 item 4). The register keeps no daily attendance: a school records who stays away for days, and
// the rule pack says by when the family is spoken with, and by when an absence that nobody explained is reported as a dropout.
type Absence struct {
	Since Date        `json:"since"` // the first day away
	Kind  AbsenceKind `json:"kind"`
	Until Date        `json:"until,omitempty"` // the last day of a leave; "" when unexplained
	Note  string      `json:"note,omitempty"`
	By    Actor       `json:"by"`
	// ContactDue is by when the family is to be spoken with, "" during a leave or once they were. DueOn is by when the absence is to be settled: the pupil is back,
	// the leave is prolonged, or the dropout is reported. Both count school days; Unsure: a year without a notice lies among them.
	ContactDue Date      `json:"contact_due,omitempty"`
	DueOn      Date      `json:"due_on"`
	Unsure     bool      `json:"unsure,omitempty"`
	Contacts   []Contact `json:"contacts,omitempty"` // oldest first
	// EndedOn and End are set at the end: AbsenceBack on the day the pupil was back, AbsenceMoved, or the standing that took the place of 在读.
	EndedOn Date   `json:"ended_on,omitempty"`
	End     string `json:"end,omitempty"`
}

// Contact is who was spoken with about an absence, and what they said.
type Contact struct {
	On   Date   `json:"on"`
	With string `json:"with"` // 母亲, 班主任 …, as written
	How  string `json:"how"`  // 家访, 电话 …, as written
	Note string `json:"note"`
	By   Actor  `json:"by"`
}

// RecordAbsence records that a pupil stays away: by the school of the 学籍 or the school of study.
type RecordAbsence struct {
	Since   Date        `json:"since"`
	Absence AbsenceKind `json:"absence"`
	Until   Date        `json:"until,omitempty"` // of a leave
	Note    string      `json:"note,omitempty"`
	// With and How are who was spoken with already, today; Note is then what they said.
	With string `json:"with,omitempty"`
	How  string `json:"how,omitempty"`
}

// FollowAbsence records who was spoken with, and how the absence stands after it: a leave may be given or prolonged, or a leave turn out to be none.
type FollowAbsence struct {
	On      Date        `json:"on"`
	With    string      `json:"with"`
	How     string      `json:"how"`
	Note    string      `json:"note"`
	Absence AbsenceKind `json:"absence"`
	Until   Date        `json:"until,omitempty"`
}

// EndAbsence records that the pupil is back at school since a day.
type EndAbsence struct {
	On   Date   `json:"on"`
	Note string `json:"note,omitempty"`
}

func (RecordAbsence) Kind() EventKind { return EvRecordAbsence }
func (FollowAbsence) Kind() EventKind { return EvFollowAbsence }
func (EndAbsence) Kind() EventKind    { return EvEndAbsence }

// Absent is the absence that runs, or nil. The pointer is into p.Absences.
func (p *Pupil) Absent() *Absence {
	if n := len(p.Absences); n > 0 && p.Absences[n-1].EndedOn == "" {
		return &p.Absences[n-1]
	}
	return nil
}

// AddSchoolDays is the n-th school day after from: a working day within a term of the pack. The day it starts is not counted (Civil Code 201).
func (p *Pack) AddSchoolDays(cal *Calendar, from Date, n int) (due Date, unsure bool) {
	due = from
	for n > 0 {
		var doubt bool
		if due, doubt = cal.AddWorkingDays(due, 1); due == "" {
			return "", true
		}
		if slices.ContainsFunc(p.Terms, func(w Window) bool { return w.Holds(due) }) {
			unsure = unsure || doubt
			n--
		}
	}
	return due, unsure
}

// keptAbsences is how many absences stand in the record; history has them all.
const keptAbsences = 30

// teaches: the school of the 学籍 or of study acts.
func (d *decision) teaches() error {
	if d.may(d.p.School, RoleRegistrar, RoleLeader) == nil {
		return nil
	}
	return d.may(d.p.StudySchool(), RoleRegistrar, RoleLeader)
}

// inPeace: nobody speaks with a family that is left in peace (Art. 21).
func (d *decision) inPeace() error {
	if d.p.NoContact {
		return d.standing()
	}
	return nil
}

// absence is the one that runs, for who may act on it.
func (d *decision) absence() (*Absence, error) {
	if err := d.teaches(); err != nil {
		return nil, err
	}
	a := d.p.Absent()
	if a == nil {
		return nil, &Error{Code: CodeWrongState, Params: params("why", "not_absent", "standing", string(d.p.Standing))}
	}
	return a, nil
}

func (d *decision) recordAbsence(e RecordAbsence) error {
	if err := first(d.teaches(), d.standing(StandingEnrolled), d.inPeace()); err != nil {
		return err
	}
	if d.p.Absent() != nil {
		return &Error{Code: CodeConflict, Field: "since"}
	}
	if !e.Since.Valid() || e.Since > d.today() || e.Since < d.p.EnrolledOn {
		return invalid("since")
	}
	if n := len(d.p.Absences); n > 0 && e.Since < d.p.Absences[n-1].EndedOn {
		return invalid("since")
	}
	if tooLong(e.Note, maxNote) {
		return invalid("note")
	}
	a := Absence{Since: e.Since, Note: e.Note, By: d.env.Actor}
	if e.With != "" || e.How != "" {
		if err := a.speak(Contact{On: d.today(), With: e.With, How: e.How, Note: e.Note, By: d.env.Actor}); err != nil {
			return err
		}
	}
	if err := d.timeAbsence(&a, e.Absence, e.Until); err != nil {
		return err
	}
	if n := len(d.p.Absences); n >= keptAbsences {
		d.p.Absences = slices.Delete(d.p.Absences, 0, n-keptAbsences+1)
	}
	d.p.Absences = append(d.p.Absences, a)
	d.notify(WhatTasks, "", d.p.School, d.p.StudySchool())
	return nil
}

// timeAbsence sets kind and leave, and the two days counted from them: of an unexplained absence from its first day, of a leave from the first school day after it.
func (d *decision) timeAbsence(a *Absence, kind AbsenceKind, until Date) error {
	if !slices.Contains(AbsenceKinds(), kind) {
		return invalid("absence")
	}
	leave := kind != AbsenceUnexplained
	if !leave && until != "" || leave && (!until.Valid() || until < a.Since || until > a.Since.AddMonths(d.env.Pack.SuspendMaxMonths)) {
		return invalid("until") // longer than a suspension may be: it is one (Art. 19)
	}
	a.Kind, a.Until = kind, until
	a.ContactDue, a.DueOn, a.Unsure = d.env.Pack.absenceDue(d.env.Calendar, a)
	return nil
}

// absenceDue counts by when the family is spoken with, "" when that is done or a leave runs, and by when the absence is settled.
func (p *Pack) absenceDue(cal *Calendar, a *Absence) (contact, due Date, unsure bool) {
	from, days, doubt := a.Since, p.AbsenceReportDays, false
	switch {
	case a.Kind != AbsenceUnexplained:
		from, days = a.Until, days+1
	case len(a.Contacts) == 0:
		contact, doubt = p.AddSchoolDays(cal, a.Since, p.AbsenceContactDays)
	}
	due, unsure = p.AddSchoolDays(cal, from, days)
	return contact, due, unsure || doubt
}

func (d *decision) followAbsence(e FollowAbsence) error {
	a, err := d.absence()
	if err := first(err, d.inPeace()); err != nil {
		return err
	}
	if !e.On.Valid() || e.On < a.Since || e.On > d.today() {
		return invalid("on")
	}
	if err := a.speak(Contact{On: e.On, With: e.With, How: e.How, Note: e.Note, By: d.env.Actor}); err != nil {
		return err
	}
	if err := d.timeAbsence(a, e.Absence, e.Until); err != nil {
		return err
	}
	d.notify(WhatTasks, "", d.p.School, d.p.StudySchool())
	return nil
}

func (a *Absence) speak(c Contact) error {
	if len(a.Contacts) >= maxLog {
		return invalid("note")
	}
	if err := first(words(c.With, maxGuardian, "with"), words(c.How, maxGuardian, "how"), words(c.Note, maxNote, "note")); err != nil {
		return err
	}
	a.Contacts = append(a.Contacts, c)
	return nil
}

func (d *decision) endAbsence(e EndAbsence) error {
	a, err := d.absence()
	switch {
	case err != nil:
		return err
	case !e.On.Valid() || e.On < a.Since || e.On > d.today():
		return invalid("on")
	case tooLong(e.Note, maxNote):
		return invalid("note")
	}
	a.end(AbsenceBack, e.On)
	d.notify(WhatTasks, "", d.p.School, d.p.StudySchool())
	return nil
}

func (a *Absence) end(how string, on Date) {
	a.End, a.EndedOn, a.ContactDue = how, max(on, a.Since), ""
}

// settleAbsence ends the running absence when an event took the pupil out of 在读 or to another school. A school that was merged took its pupils along, absent or not.
func (d *decision) settleAbsence(before *Pupil, ev Event) {
	a := d.p.Absent()
	if a == nil {
		return
	}
	_, merged := ev.(MoveCustody)
	switch {
	case d.p.Standing != StandingEnrolled:
		a.end(string(d.p.Standing), d.today())
	case d.p.School != before.School && !merged:
		a.end(AbsenceMoved, d.today())
	}
}
