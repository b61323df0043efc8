package registry

import (
	"strconv"
	"time"
)

// Past is one event of a kept history: it was accepted then.
type Past struct {
	At    time.Time
	Event Event
}

// FormAfter is the form as it stood after the last of a record's first events, told from what was accepted alone: no rule and no unit is asked again, so it stands when those
// of that time are gone or have changed. cases are the pupil's, as they stand at any later time.
func FormAfter(past []Past, cases []Case) Form {
	d := &decision{}
	applied := map[CaseNo]bool{}
	for _, x := range past {
		d.retell(x.Event, len(applied) > 0)
		for i := range cases {
			if c := &cases[i]; c.State == CaseCompleted && !c.ClosedAt.After(x.At) && !applied[c.No] {
				applied[c.No] = true
				d.retellCase(c)
			}
		}
	}
	return d.p.Clone().Form
}

// retell is what an accepted event did to form, school and class. admitted: the record is of a pupil already.
func (d *decision) retell(ev Event, admitted bool) {
	p := &d.p
	switch e := ev.(type) {
	case Enrol:
		p.Form = Pupil{Form: e.Form}.Clone().Form
		p.School, p.Class = e.School, e.Form[FClass]
		p.Grade, _ = strconv.Atoi(e.Form[FGrade])
	case CallOver:
		if !admitted {
			p.School, p.Grade, p.Class, p.Form = e.To, e.ToGrade, e.ToClass, Form{FName: e.Name, FBirth: string(e.Birth)}
		}
	case NameFar:
		if !admitted {
			p.Form = Form{FName: e.Name, FBirth: string(e.Birth)}
		}
	case Continue:
		p.Form = Pupil{Form: e.Handover.Form}.Clone().Form
	case Amend:
		d.apply(e.Changes)
	case Promote:
		p.Promotion = &Promotion{FromGrade: p.Grade, FromClass: p.Class, ClassNo: p.Form[FClassNo]}
		d.place(p.School, p.Grade+1, orClass(e.Class, p.Class))
	case UndoPromote:
		d.takeBackPromotion()
	case MoveCustody:
		if e.State == UnitMerged && p.School == e.From {
			d.place(e.To, p.Grade, p.Class)
		}
	}
}

// retellCase is what a completed case did.
func (d *decision) retellCase(c *Case) {
	switch {
	case c.Far != nil && !c.Far.Mine: // it went to another register; this is the copy that stays
	case c.Kind == CaseCorrect, c.Kind == CaseProblem && c.Problem != nil && c.Problem.Way == WayCorrect:
		d.apply(c.Changes)
	case c.Kind == CaseRepeat, c.Kind == CaseSkip:
		d.place(d.p.School, c.ToGrade, orClass(c.ToClass, d.p.Class))
	case places(c.Kind):
		d.place(c.To, c.ToGrade, c.ToClass)
	}
}

// orClass is the class that an act gives, or the one the pupil has.
func orClass(given, has string) string {
	if given == "" {
		return has
	}
	return given
}
