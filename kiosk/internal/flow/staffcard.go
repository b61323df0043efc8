package flow

import "time"

// A registrar may sign in by the own staff card and its PIN instead of account and password. There is one reader: the pupil's card is taken up, the staff card laid
// down, and after the PIN the pupil's card comes back. The session keeps the pupil's card by its number all the while: another one begins anew.

// SwapWait is how long the pupil's card may be away after the registrar's PIN was right.
const SwapWait = 20 * time.Second

// EnterPIN on StaffPIN is the registrar's.

// DoStaffPIN checks the PIN against the staff card that was read last → SignedIn, SignInFailed.
type DoStaffPIN struct{ PIN Secret }

// Effect names an effect.
func (DoStaffPIN) Effect() string { return "staffpin" }

// staffCard takes a chip without a pupil's record on it for a staff card, where one is expected. It reports whether it was.
func (m *machine) staffCard(in ReadBad) bool {
	switch {
	case !in.Chip || !m.CardOn:
		return false
	case m.Screen == SignIn:
		m.AwayAt = time.Time{}
		m.to(StaffPIN)
		return true
	}
	return m.Swap // it lies there still: the pupil's card is waited for
}

// staffAway: the staff card is gone, or not wanted after all; sign in otherwise.
func (m *machine) staffAway() {
	m.to(SignIn)
	m.Busy, m.Until = BusyNone, time.Time{}
	if m.holds() == cardWait {
		m.AwayAt = m.now
	}
}

// swapBack asks for the pupil's card again after a sign-in by card, where the next question leans on it.
func (m *machine) swapBack() {
	if m.holds() != cardWait {
		return
	}
	m.AwayAt, m.Swap = m.now, true
	if m.CardOn {
		m.read(m.Screen) // it may be the pupil's already
	}
}

// back in time: how long the card may be away now.
func (s State) putBack() time.Time {
	if s.Swap {
		return s.AwayAt.Add(SwapWait)
	}
	return s.AwayAt.Add(PutBackWait)
}
