package supervise_test

import (
	"testing"

	rt "xueji/server/registry/registrytest"
	"xueji/server/registry/supervise"
)

// What another province's unit owes is not this register's finding, and a pupil whom it has is not counted here.
func TestAnotherRegistersUnits(t *testing.T) {
	for name, want := range map[string]int{"far/sender": 0, "far/requested": 1} {
		s := rt.In(name).Wait(60)
		env := s.Env
		env.Now = s.Now
		steps := 0
		for _, h := range supervise.Detect(&s.P, env) {
			if h.Why == "step" {
				steps++
			}
		}
		if steps != want {
			t.Errorf("%s: %d overdue steps found, want %d", name, steps, want)
		}
	}
	s := rt.In("far/confirmed")
	env := s.Env
	env.Now = s.Now
	tally := supervise.NewTallier(rt.PrimaryA, "330106", env)
	tally.Pupil(&s.P)
	if cells := tally.Tally().Cells; len(cells) != 0 {
		t.Errorf("a pupil of another province is counted: %+v", cells)
	}
}
