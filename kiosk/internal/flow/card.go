package flow

import "time"

// restart wipes and begins with the card on the reader. The language stays: it is the same family, or the next touch changes it.
func (m *machine) restart() {
	lang := m.Lang
	m.wipe()
	m.Lang = lang
	m.CardOn = true
	m.read(Reading)
}

func (m *machine) read(screen Screen) {
	if screen != m.Screen {
		m.to(screen)
	}
	m.wait(BusyRead, ReadLimit)
	m.do(DoRead{})
}

// NeedsCard reports whether the card must lie on the reader for this question; taking it up ends the session at once, or after PutBackWait.
func (s State) NeedsCard() bool { return s.holds() != cardFree }

type hold int

const (
	cardFree hold = iota
	cardWait      // it may be put back
	cardGone      // taking it up ends the session
)

func (s State) holds() hold {
	switch s.Screen {
	case Reading, Menu, Confirm, Status, PIN, Problem:
		return cardGone
	case Grade, Reason, Vouch, Number, Guardian, Consent, Proof, Class, Inventory, Missing:
		return cardWait
	case SignIn:
		if s.Goal != GoalArchive && s.Goal != GoalLost {
			return cardWait
		}
	case Report:
		if s.Goal == GoalFound {
			return cardWait
		}
	}
	return cardFree
}

func (m *machine) reader(in Input) {
	switch in := in.(type) {
	case Bad:
		m.CardOn = true
		switch m.Screen {
		case StaffPIN:
			if m.Busy == BusyNone {
				m.staffAway()
			}
			return
		case Saving, Rewrite, CardBack, Done, Refused:
			return
		}
		if m.lyingStill() {
			return
		}
		if m.holds() == cardWait { // a second card came near: the right one alone may be put back
			if m.AwayAt.IsZero() {
				m.AwayAt = m.now
			}
			return
		}
		lang := m.Lang
		m.wipe()
		m.Lang = lang
		m.problem(in.Verdict)
	case Remove:
		m.CardOn = false
		if m.Screen == StaffPIN {
			if m.Busy == BusyNone { // a PIN under way is still judged
				m.staffAway()
			}
			return
		}
		switch m.holds() {
		case cardGone:
			m.wipe()
		case cardWait:
			if m.AwayAt.IsZero() {
				m.AwayAt = m.now
			}
		default:
			if m.Screen == Scan || m.Screen == SignIn {
				m.Card, m.CheckUntil = Card{}, time.Time{}
			}
		}
	case Insert:
		m.CardOn = true
		switch {
		case !m.AwayAt.IsZero():
			m.read(m.Screen)
		case m.Screen == Home, m.Screen == Place:
			m.read(Reading)
		case m.Screen == StaffPIN: // looked at when the PIN was judged
		case m.Screen == Scan, m.Screen == SignIn && (m.Goal == GoalArchive || m.Goal == GoalLost):
			if m.Busy == BusyNone {
				m.read(m.Screen)
			}
		case m.Screen == CardBack:
			m.to(Rewrite)
			m.wait(BusyTicket, TicketLimit)
			m.do(DoTicket{})
		case m.Screen == Saving, m.Screen == Rewrite:
		case m.lyingStill():
		default:
			m.restart()
		}
	}
}
