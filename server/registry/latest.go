package registry

// StepLatest is a date that a party's turn ends no later than. Unsure: a day on the way has no notice loaded.
type StepLatest struct {
	On     Date
	Unsure bool
}

// Latest gives each step's latest end: its own due date once its turn came, and before that the date it would have if every party before it took all its days
// (Art. 14 gives each its own term from arrival). It is what a family can be told on the first day; parties that are quicker bring it forward.
func (c *Case) Latest(pack *Pack, cal *Calendar) []StepLatest {
	out := make([]StepLatest, len(c.Steps))
	for i := range c.Steps {
		switch s := &c.Steps[i]; {
		case s.DueOn != "":
			out[i] = StepLatest{s.DueOn, s.Unsure}
		case i > 0 && out[i-1].On != "":
			from := out[i-1]
			if p := &c.Steps[i-1]; !p.DecidedAt.IsZero() {
				from = StepLatest{On: DateOf(p.DecidedAt)}
			}
			on, unsure := cal.AddWorkingDays(from.On, pack.StepWorkingDays[c.Kind])
			out[i] = StepLatest{on, unsure || from.Unsure}
		}
	}
	return out
}
