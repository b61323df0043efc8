package registry

// escalate gives what is long overdue to the office above: the step whose turn it is, or (CaseNo "") the archive that nobody builds, sends or receives. It is the
// sweeper's; the same test, EscalateFrom, tells it when.
func (d *decision) escalate(e Escalate) error {
	if !d.system() {
		return &Error{Code: CodeForbidden}
	}
	o, err := d.overdue(e.CaseNo)
	if err != nil {
		return err
	}
	if d.remote(o.unit) != "" { // its own register gives it to the office above
		return &Error{Code: CodeWrongState, Params: params("why", "remote", "unit", string(o.unit))}
	}
	if *o.escalated != "" {
		return &Error{Code: CodeConflict, Field: "case_no"}
	}
	from := EscalateFrom(*o.due, *o.urged, d.env.Pack, d.env.Calendar)
	if from == "" || d.today() < from {
		return &Error{Code: CodeWrongState, Params: params("why", "in_time", "from", string(from))}
	}
	above := Above(d.env.Directory, o.unit)
	if above == "" {
		return &Error{Code: CodeNotFound, Field: "unit", Params: params("unit", string(o.unit))}
	}
	*o.escalated = d.today()
	*o.urgeBy, _ = d.env.Calendar.AddWorkingDays(d.today(), d.env.Pack.UrgeWorkingDays)
	d.notify(WhatEscalated, e.CaseNo, above, o.unit)
	return nil
}

// urge is 督办: the office above speaks to the unit, and the clock of the next escalation begins.
func (d *decision) urge(e UrgeStep) error {
	o, err := d.overdue(e.CaseNo)
	if err != nil {
		return err
	}
	if err := d.may(Above(d.env.Directory, o.unit), RoleOfficer); err != nil {
		return err
	}
	if *o.escalated == "" {
		return &Error{Code: CodeWrongState, Params: params("why", "in_time")}
	}
	if err := words(e.Note, maxNote, "note"); err != nil {
		return err
	}
	*o.urged = append(*o.urged, Urge{On: d.today(), By: d.env.Actor, Note: e.Note})
	*o.escalated, *o.urgeBy = "", ""
	d.notify(WhatUrged, e.CaseNo, o.unit)
	return nil
}

// late points into the part of a pupil that may be overdue.
type late struct {
	unit                   Unit
	due, escalated, urgeBy *Date
	urged                  *[]Urge
}

func (d *decision) overdue(no CaseNo) (late, error) {
	if no == "" {
		a := &d.p.Archive
		unit, due := a.Waits()
		if unit == "" || *due == "" {
			return late{}, &Error{Code: CodeWrongState, Params: params("archive", string(a.State))}
		}
		return late{unit, due, &a.EscalatedOn, &a.UrgeBy, &a.Urged}, nil
	}
	c := d.p.Case(no)
	if c == nil {
		return late{}, &Error{Code: CodeNotFound, Field: "case_no"}
	}
	i := c.Current()
	if i < 0 {
		return late{}, &Error{Code: CodeConflict, Field: "case_no", Params: params("case", string(c.No), "state", string(c.State))}
	}
	s := &c.Steps[i]
	return late{s.Unit, &s.DueOn, &s.EscalatedOn, &s.UrgeBy, &s.Urged}, nil
}

// Waits is the unit that an archive's clock runs against, and that clock; "" when none runs.
func (a *Archive) Waits() (Unit, *Date) {
	switch a.State {
	case ArchiveNone:
		return a.Custodian, &a.BuildDue
	case ArchiveCalled:
		return a.From, &a.DueOn
	case ArchiveTransit:
		return a.To, &a.DueOn
	}
	return "", nil
}

// calm forgets an escalation that found its end; history keeps it.
func (a *Archive) calm() { a.EscalatedOn, a.UrgeBy, a.Urged = "", "", nil }

// EscalateFrom is the first day on which something due on a day may be given to the office above: so many working days after the due day, or after the last 督办.
// "" when nothing is due.
func EscalateFrom(due Date, urged []Urge, pack *Pack, cal *Calendar) Date {
	if due == "" {
		return ""
	}
	if n := len(urged); n > 0 && urged[n-1].On > due {
		due = urged[n-1].On
	}
	from, _ := cal.AddWorkingDays(due, pack.EscalateWorkingDays)
	return from
}
