package registry

import (
	"testing"
	"time"
)

// The worked example carried on: the first party has until 2013-10-16, so the second has ten working days from then at the latest, 2013-10-30, and so on.
func TestLatest(t *testing.T) {
	arrived := time.Date(2013, 9, 27, 9, 0, 0, 0, Beijing)
	c := Case{Kind: CaseTransfer, State: CaseOpen, Steps: []Step{
		{Party: PartyReceiver, ArrivedAt: arrived, DueOn: "2013-10-16"}, {Party: PartyReceiverAuth}, {Party: PartySender}, {Party: PartySenderAuth},
	}}
	check := func(want ...Date) {
		t.Helper()
		for i, l := range c.Latest(DefaultPack(), DefaultCalendar()) {
			if l.On != want[i] || l.Unsure {
				t.Errorf("step %d: %v, want %s", i, l, want[i])
			}
		}
	}
	check("2013-10-16", "2013-10-30", "2013-11-13", "2013-11-27")
	// The first party is quick: the second's clock starts, the rest come forward.
	c.Steps[0].Decision, c.Steps[0].DecidedAt = DecisionAccept, time.Date(2013, 10, 8, 9, 0, 0, 0, Beijing)
	c.Steps[1].DueOn = "2013-10-21"
	check("2013-10-16", "2013-10-21", "2013-11-04", "2013-11-18")
	// Into a year without a notice: said.
	c.Steps = []Step{{DueOn: "2099-01-05"}, {}}
	if l := c.Latest(DefaultPack(), DefaultCalendar()); !l[1].Unsure || l[1].On == "" {
		t.Errorf("2099: %v", l[1])
	}
}
