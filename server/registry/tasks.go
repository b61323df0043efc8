package registry

import (
	"cmp"
	"slices"
	"time"
)

// Tasks projects the to-do rows of a pupil, deterministic, soonest first. It reads the pupil, the directory and nothing of the clock, so that it may be called
// at each commit: the row of a running suspension stands from its beginning, lists decide from Pack.SuspendAlertDays when to show it.
func Tasks(p Pupil, env Env) []Task {
	t := tasks{p: &p, dir: env.Directory}
	t.step()
	t.archive()
	t.dropout()
	if a := &p.Archive; a.KeepDue != "" && p.Standing.Ended() {
		t.add(Task{Kind: TaskArchiveKeep, Unit: a.Custodian, Arrived: t.ended(), DueOn: a.KeepDue, Unsure: a.KeepUnsure})
	}
	if s := p.Suspension; s != nil && p.Standing == StandingSuspended {
		t.add(Task{Kind: TaskSuspensionEnd, Unit: p.School, CaseNo: s.CaseNo, Case: CaseSuspend, Arrived: s.From, DueOn: s.Until})
	}
	if a := p.Absent(); a != nil && !p.NoContact { // a family in mourning is asked nothing
		if a.ContactDue != "" {
			t.add(Task{Kind: TaskAbsenceContact, Unit: p.School, Arrived: a.Since, DueOn: a.ContactDue, Unsure: a.Unsure}, p.StudySchool())
		}
		t.add(Task{Kind: TaskAbsence, Unit: p.School, Arrived: a.Since, DueOn: a.DueOn, Unsure: a.Unsure}, p.StudySchool())
	}
	if c := p.Card; c != nil && !c.CopySeenAt.IsZero() {
		t.add(Task{Kind: TaskCardCopy, Unit: p.School, Arrived: DateOf(c.CopySeenAt), DueOn: DateOf(c.CopySeenAt)})
	}
	slices.SortStableFunc(t.out, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.DueOn, b.DueOn), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.To, b.To))
	})
	return t.out
}

type tasks struct {
	p   *Pupil
	dir Directory
	out []Task
}

func (t *tasks) add(k Task, others ...Unit) {
	if k.Unit == "" {
		return
	}
	k.UID = t.p.UID
	k.Above = Above(t.dir, k.Unit)
	for _, u := range others {
		if u != "" && u != k.Unit && !slices.Contains(k.Others, u) {
			k.Others = append(k.Others, u)
		}
	}
	t.out = append(t.out, k)
}

// Above is who is shown a unit's overdue work: a school's authority, an office's parent; "" at the top or when the unit is unknown.
func Above(dir Directory, u Unit) Unit {
	if dir == nil {
		return ""
	}
	if s, ok := dir.School(u); ok {
		return s.Authority
	}
	o, _ := dir.Office(u)
	return o.Parent
}

// step: the case waits for one unit; both schools, the starter and those who have spoken wait with it.
func (t *tasks) step() {
	c := t.p.OpenCase()
	if c == nil {
		return
	}
	i := c.Current()
	if i < 0 {
		return
	}
	s := c.Steps[i]
	others := []Unit{c.From, c.To, c.Starter.Unit}
	for _, done := range c.Steps[:i] {
		others = append(others, done.Unit)
	}
	t.add(Task{Kind: TaskStep, Unit: s.Unit, CaseNo: c.No, Case: c.Kind, Party: s.Party, Arrived: DateOf(s.ArrivedAt), DueOn: s.DueOn, Unsure: s.Unsure,
		Escalated: s.EscalatedOn != ""}, others...)
	if s.EscalatedOn != "" {
		t.add(Task{Kind: TaskEscalated, Unit: Above(t.dir, s.Unit), CaseNo: c.No, Case: c.Kind, Party: s.Party, Arrived: s.EscalatedOn, DueOn: s.UrgeBy}, others...)
	}
}

// dropout: the written reports that are not handed in yet, and a migrant child's archive (Art. 22).
func (t *tasks) dropout() {
	out := t.p.Dropout
	if out == nil || t.p.Standing != StandingDropout {
		return
	}
	reported := Date("")
	if c := t.p.Case(out.CaseNo); c != nil {
		reported = DateOf(c.OpenedAt)
	}
	for _, r := range out.Reports {
		if r.FiledOn == "" {
			t.add(Task{Kind: TaskDropoutReport, Unit: t.p.School, CaseNo: out.CaseNo, Case: CaseDropout, Arrived: reported, DueOn: r.DueOn, Unsure: r.Unsure, To: r.To}, r.Unit)
		}
	}
	if out.HandOverDue != "" {
		t.add(Task{Kind: TaskHandOver, Unit: Above(t.dir, t.p.School), CaseNo: out.CaseNo, Case: CaseDropout, Arrived: reported, DueOn: out.HandOverDue}, t.p.School)
	}
}

// ended is the day schooling ended, by the last case that ended it.
func (t *tasks) ended() Date {
	for i := len(t.p.Cases) - 1; i >= 0; i-- {
		if c := &t.p.Cases[i]; c.State == CaseCompleted && (c.Kind == CaseFinish || c.Kind == CaseDeath) {
			return DateOf(c.ClosedAt)
		}
	}
	return ""
}

// moved is the kind of case that called the archive.
func (t *tasks) moved() CaseKind {
	if c := t.p.Case(t.p.Archive.CaseNo); c != nil {
		return c.Kind
	}
	return CaseTransfer
}

func (t *tasks) archive() {
	a := &t.p.Archive
	send := Task{Kind: TaskArchiveSend, Unit: a.From, CaseNo: a.CaseNo, Case: t.moved(), Party: PartySenderArchive, Arrived: dateOrNone(a.CalledAt), DueOn: a.DueOn, Unsure: a.Unsure,
		Escalated: a.EscalatedOn != "" && a.State == ArchiveCalled}
	switch a.State {
	case ArchiveNone:
		if a.BuildDue == "" {
			break
		}
		t.add(Task{Kind: TaskArchiveBuild, Unit: a.Custodian, Arrived: t.p.EnrolledOn, DueOn: a.BuildDue, Unsure: a.BuildUnsure, Escalated: a.EscalatedOn != ""}, a.To)
		if a.To != "" {
			t.add(send, a.To)
		}
	case ArchiveCalled:
		t.add(send, a.To)
	case ArchiveTransit:
		t.add(Task{Kind: TaskArchiveReceive, Unit: a.To, CaseNo: a.CaseNo, Case: t.moved(), Arrived: dateOrNone(a.SentAt), DueOn: a.DueOn, Unsure: a.Unsure, Escalated: a.EscalatedOn != ""}, a.From)
	}
	if unit, _ := a.Waits(); unit != "" && a.EscalatedOn != "" {
		t.add(Task{Kind: TaskEscalated, Unit: Above(t.dir, unit), Case: t.moved(), Arrived: a.EscalatedOn, DueOn: a.UrgeBy}, unit)
	}
	if len(a.Missing) > 0 {
		t.add(Task{Kind: TaskArchiveMissing, Unit: a.MissingFrom, Case: t.moved(), Arrived: a.MissingSince, DueOn: a.MissingDue, Unsure: a.MissingUnsure},
			a.Custodian, t.p.School)
	}
}

func dateOrNone(t time.Time) Date {
	if t.IsZero() {
		return ""
	}
	return DateOf(t)
}
