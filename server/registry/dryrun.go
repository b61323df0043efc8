package registry

import (
	"strconv"
)

// PackChange is one thing that another rule pack would change for a pupil: Was and Is are dates, or for a guard the rule that would refuse.
type PackChange struct {
	CaseNo CaseNo `json:"case_no,omitempty"`
	Party  Party  `json:"party,omitempty"`
	What   string `json:"what"` // step_due, latest, archive_build, archive_send, suspend_until, guard, evidence, dropout_report, escalate_from, keep, absence
	Was    string `json:"was,omitempty"`
	Is     string `json:"is"`
	Say    string `json:"say,omitempty"` // a guard's words
}

// DryRun says what would be otherwise for a pupil if next were the rule pack instead of now: the running clocks, counted again from where they began, and the guards
// that the open case would not pass. It changes nothing; nothing running is moved by a new pack until somebody acts.
func DryRun(p Pupil, now, next *Pack, cal *Calendar, dir Directory) []PackChange {
	var out []PackChange
	differ := func(no CaseNo, party Party, what string, was, is Date) {
		if was != is && was != "" {
			out = append(out, PackChange{CaseNo: no, Party: party, What: what, Was: string(was), Is: string(is)})
		}
	}
	if c := p.OpenCase(); c != nil {
		if s, ok := c.Next(); ok {
			due, _ := cal.AddWorkingDays(DateOf(s.ArrivedAt), next.StepWorkingDays[c.Kind])
			differ(c.No, s.Party, "step_due", s.DueOn, due)
			differ(c.No, s.Party, "escalate_from", EscalateFrom(s.DueOn, s.Urged, now, cal), EscalateFrom(due, s.Urged, next, cal))
		}
		a, b := c.Latest(now, cal), c.Latest(next, cal)
		for i := c.Current() + 1; i >= 1 && i < len(c.Steps); i++ {
			differ(c.No, c.Steps[i].Party, "latest", a[i].On, b[i].On)
		}
		on := DateOf(c.OpenedAt)
		known := factsOf(&p, c, dir, on)
		was, _ := now.Refuses(c.Kind, known)
		if k, refused := next.Refuses(c.Kind, known); refused && k.ID != was.ID {
			out = append(out, PackChange{CaseNo: c.No, What: "guard", Was: was.ID, Is: k.ID, Say: k.Say})
		}
		if open, windows := next.Open(c.Kind, on); !open {
			out = append(out, PackChange{CaseNo: c.No, What: "guard", Is: "windows", Say: windows})
		}
		if need := next.Evidence[c.Kind]; need > len(c.Evidence) && need > now.Evidence[c.Kind] {
			out = append(out, PackChange{CaseNo: c.No, What: "evidence", Was: strconv.Itoa(len(c.Evidence)), Is: strconv.Itoa(need)})
		}
	}
	a := &p.Archive
	if a.State == ArchiveNone && a.BuildDue != "" {
		due, _ := cal.AddMonths(p.EnrolledOn, next.ArchiveBuildMonths)
		differ("", "", "archive_build", a.BuildDue, due)
	}
	if (a.State == ArchiveCalled || a.State == ArchiveTransit) && !a.CalledAt.IsZero() {
		due, _ := cal.AddMonths(DateOf(a.CalledAt), next.ArchiveSendMonths)
		differ(a.CaseNo, PartySenderArchive, "archive_send", a.DueOn, due)
	}
	if away := p.Absent(); away != nil {
		_, due, _ := next.absenceDue(cal, away)
		differ("", "", "absence", away.DueOn, due)
	}
	if s := p.Suspension; s != nil {
		if most := s.From.AddMonths(next.ExtendMaxMonths); s.Until > most {
			differ(s.CaseNo, "", "suspend_until", s.Until, most)
		}
	}
	return out
}
