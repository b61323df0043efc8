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
	w.step(t, "4 archive", w.archive)
	w.step(t, "5 suspend and return", w.suspend)
	w.step(t, "6 and 7 family and lists", w.todo)
	w.step(t, "offline", w.offline)
	w.step(t, "logs", w.silentLogs)
}
