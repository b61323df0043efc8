package flow

import "time"

// A program may end in the middle of a family's step: an update, a power cut, a fault. What was answered and not saved is gone with it; what was saved is
// durable. The family is still standing there, so the screen comes back with what happened instead of with the start page.

// Before is what a family was about when the program ended. It says nothing of the pupil.
type Before struct {
	At    time.Time // when it was last known to be under way
	Saved bool      // its event is durable; else nothing of it was kept
	No    string    // the case's or the archive's number, once saved
	Goal  Goal
	Lang  Lang
	Since time.Time // the program is back since then
	Seen  bool      // a glass shows it: the seconds until the screen clears run
}

// Terms of the notice.
const (
	// ResumeWithin is how long after the step the family may still be there to be told.
	ResumeWithin = 10 * time.Minute
	// StillThere: a card that the reader tells of so soon after the program is back has been lying there all the while.
	StillThere = 5 * time.Second
)

// Resume is the state at start-up after a step that was under way: the notice, or home when the family has long gone. The seconds until the screen clears begin
// with the first Touch: a glass may take longer to come back than the program.
func Resume(b Before, now time.Time) State {
	s := New(now)
	if age := now.Sub(b.At); age >= ResumeWithin || age < -time.Minute {
		return s
	}
	b.Since = now
	s.Screen, s.Before = Restarted, b
	for _, l := range Langs {
		if b.Lang == l {
			s.Lang = l
		}
	}
	return s
}

// lyingStill: the card that the reader tells of is the one of the step before; the notice stands until it was read.
func (m *machine) lyingStill() bool {
	return m.Screen == Restarted && m.now.Before(m.Before.Since.Add(StillThere))
}

// unseen: no glass has shown the notice yet.
func (s State) unseen() bool { return s.Screen == Restarted && !s.Before.Seen }

// Underway reports whether a family is in the middle of something that it must be told of when the program ends now.
func (s State) Underway() bool {
	switch s.Screen {
	case Home, Place, Reading, Problem, Restarted:
		return false
	}
	return true
}
