package registry

// Next is the step whose turn it is; ok is false when the case is closed.
func (c *Case) Next() (s Step, ok bool) {
	i := c.Current()
	if i < 0 {
		return Step{}, false
	}
	return c.Steps[i], true
}

// Takes reports whether u plays a part in the case: as a step's unit, as a school of it or as its starter.
func (c *Case) Takes(u Unit) bool {
	if u == "" {
		return false
	}
	for i := range c.Steps {
		if c.Steps[i].Unit == u {
			return true
		}
	}
	return u == c.From || u == c.To || u == c.Starter.Unit
}

// Overdue reports whether the step waits beyond its day. The same test serves lists, pages and the sweeper.
func (s *Step) Overdue(today Date) bool {
	return s.Decision == DecisionPending && s.DueOn != "" && today > s.DueOn
}

// Overdue reports whether a task's day has passed.
func (t *Task) Overdue(today Date) bool { return t.DueOn != "" && today > t.DueOn }

// Shown reports whether a to-do list shows the task on that day: all but a suspension that ends, or an absence that is to be settled, later than the pack's alert.
func (t *Task) Shown(today Date, pack *Pack) bool {
	switch t.Kind {
	case TaskSuspensionEnd:
		return t.DueOn <= today.AddDays(pack.SuspendAlertDays)
	case TaskAbsence:
		return t.DueOn <= today.AddDays(pack.AbsenceAlertDays)
	}
	return true
}

// Held reports whether the paper lies with its custodian, to be read and continued.
func (s ArchiveState) Held() bool {
	switch s {
	case ArchiveHeld, ArchiveReceived, ArchiveCalled, ArchiveReturned, ArchivePermanent:
		return true
	}
	return false
}

// Pages is the number of pages of the inventory.
func (a *Archive) Pages() int {
	n := 0
	for _, it := range a.Items {
		n += it.Pages
	}
	return n
}

// Name is the pupil's name as written.
func (p *Pupil) Name() string { return p.Form[FName] }

// MaskedName is for a public screen.
func (p *Pupil) MaskedName() string { return MaskName(p.Form[FName]) }

// MaskedNumber shows the last four characters of the 学籍号, "" before approval.
func (p *Pupil) MaskedNumber() string { return MaskNumber(string(p.Number)) }

// CardBehind reports whether the next tap must rewrite the card.
func (p *Pupil) CardBehind() bool { return p.Card != nil && p.Card.Written < p.Card.Sequence }
