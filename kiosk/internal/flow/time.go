package flow

import "time"

func (m *machine) tick() {
	if m.Checking() && !m.now.Before(m.CheckUntil) {
		m.checked(Checked{})
	}
	switch {
	case m.Busy != BusyNone && !m.now.Before(m.Until):
		m.late()
	case !m.AwayAt.IsZero() && !m.now.Before(m.putBack()):
		m.wipe()
	case m.Busy != BusyNone:
	case m.Screen == Home:
		if m.Lang != Simplified && !m.now.Before(m.Touched.Add(LangReset)) {
			m.Lang = Simplified
		}
	case m.unseen():
	case !m.now.Before(m.Touched.Add(WipeAfter)):
		if m.Screen == CardBack {
			m.leave()
			return
		}
		m.wipe()
	}
}

// late: what was awaited did not come in time.
func (m *machine) late() {
	b := m.Busy
	m.idle(b)
	switch b {
	case BusyRead:
		if !m.Swap { // else what lies there is the registrar's, or comes again
			m.problem("unreadable")
		}
	case BusyAsk:
		if m.Screen == Reading {
			m.chosen()
			return
		}
		m.trouble("status_offline")
	case BusySignIn:
		if m.Screen == StaffPIN {
			m.signInFailed("unreachable")
			return
		}
		m.Note = "signin.unreachable"
	case BusyParcel:
		m.trouble("archive_offline")
	case BusySave:
		m.trouble("save_failed")
	case BusyOutcome:
		m.Result.Pending = true
		m.finish()
	case BusyTicket:
		m.cardLater()
	case BusyRewrite:
		m.Result.Card = "failed"
		m.finish()
	case BusyLost:
		m.trouble("lost_offline")
	}
}

// Next is when the next Tick is due: the earliest moment at which time alone changes the state; zero when never.
func (s State) Next() time.Time {
	at := s.turns()
	if s.Checking() && (at.IsZero() || s.CheckUntil.Before(at)) {
		return s.CheckUntil
	}
	return at
}

// turns is when time alone changes the screen.
func (s State) turns() time.Time {
	var at time.Time
	early := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if s.Busy != BusyNone {
		early(s.Until)
	}
	if !s.AwayAt.IsZero() {
		early(s.putBack())
	}
	if s.Busy == BusyNone {
		switch {
		case s.unseen():
		case s.Screen != Home:
			early(s.Touched.Add(WipeAfter))
		case s.Lang != Simplified:
			early(s.Touched.Add(LangReset))
		}
	}
	return at
}

// Left is the time until the screen clears; zero at home and while something is under way.
func (s State) Left(now time.Time) time.Duration {
	if s.Screen == Home || s.turns().IsZero() || (s.Busy != BusyNone && s.AwayAt.IsZero()) {
		return 0
	}
	return max(0, s.turns().Sub(now))
}
