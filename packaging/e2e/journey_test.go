package e2e

import (
	"testing"

	"xueji/cardsvc/cardtest/pcscdtest"
)

// pupil is one of the newcomers on the walk.
type pupil struct {
	row
	uid    string
	card   pcscdtest.Card
	cardNo string
	caseNo string // of the transfer
}

func TestJourney(t *testing.T) {
	t.Run("SQLite and embedded Redis", func(t *testing.T) { walk(t) })
}

// walk is the journey of the first issue, step by step.
func walk(t *testing.T, env ...string) {
	w := begin(t, env...)
	w.step(t, "1 enrol", w.enrol)
	w.step(t, "2 issue", w.issue)
	w.step(t, "3 transfer", w.transfer)
}
