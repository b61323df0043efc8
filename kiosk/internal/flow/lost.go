package flow

import (
	"strings"
	"time"

	"xueji/server/registry"
)

// A family without its card stands here: a registrar signs in, finds the child among the school's own pupils and reports the card lost; or lays a card that was
// reported lost and is back on the reader, and says so. Both want the register at once: a card that is lost must be lost everywhere.

// Candidate is a pupil of this school as far as the registrar needs it to tell two children apart. The name is masked: others look at the screen too.
type Candidate struct {
	UID    registry.UID // for the register, not for the screen
	Name   string
	Grade  int
	Class  string
	CardNo string // the card in the pupil's hands, as the register knows it; "" none
	Tail   string // its last four
	Lost   bool   // it was reported lost already
}

// Inputs and results of this goal.
type (
	// FindPupil is what the registrar typed: the birth date as eight digits, and the last four characters of the child's document.
	FindPupil struct{ Birth, Tail string }
	// GotPupils are the pupils that fit.
	GotPupils struct{ Pupils []Candidate }
	// CardMoved: the register knows, everywhere.
	CardMoved struct{}
	// CardStays: trouble, for looking up and for reporting.
	CardStays struct{ Why string }
)

func (FindPupil) input() string { return "find" }
func (GotPupils) input() string { return "pupils" }
func (CardMoved) input() string { return "card_moved" }
func (CardStays) input() string { return "card_stays" }

// Effects of this goal.
type (
	// DoFind → GotPupils, CardStays.
	DoFind struct{ Birth, Tail string }
	// DoLose reports the chosen pupil's card lost → CardMoved, CardStays.
	DoLose struct{}
	// DoRestore says that the card on the reader was found again → CardMoved, CardStays.
	DoRestore struct{}
)

// Effect names an effect.
func (DoFind) Effect() string    { return "find" }
func (DoLose) Effect() string    { return "lose" }
func (DoRestore) Effect() string { return "restore" }

// LostReasons are the coded answers to why.
var LostReasons = []string{"lost", "stolen"}

// LostLimit bounds what is asked of the register here.
const LostLimit = 10 * time.Second

// lost asks for what is still lacking: the line, the registrar, the pupil.
func (m *machine) lost() {
	switch {
	case !m.k.Online, m.Staff != nil && m.Staff.Offline:
		m.trouble("lost_offline")
	case m.Staff == nil:
		m.to(SignIn)
	case m.Goal == GoalFound:
		m.to(Report)
	default:
		m.to(Find)
	}
}

// LostPupil is the pupil that was chosen, nil when none.
func (s State) LostPupil() *Candidate {
	if s.Chosen < 0 || s.Chosen >= len(s.Pupils) {
		return nil
	}
	return &s.Pupils[s.Chosen]
}

func (m *machine) find(in FindPupil) {
	if m.Screen != Find || m.Busy != BusyNone {
		return
	}
	birth, tail := digits(in.Birth), strings.ToUpper(strings.TrimSpace(in.Tail))
	if len(birth) != 8 || !registry.Date(birth[:4]+"-"+birth[4:6]+"-"+birth[6:]).Valid() || len(tail) != 4 {
		m.Note = "find.bad"
		return
	}
	m.Note = ""
	m.wait(BusyLost, LostLimit)
	m.do(DoFind{Birth: birth, Tail: tail})
}

// digits keeps the digits of a date, however it was written.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func (m *machine) lostResult(in Input) {
	_, found := in.(GotPupils)
	if m.Busy != BusyLost || found != (m.Screen == Find) && !isStay(in) {
		return
	}
	m.idle(BusyLost)
	switch in := in.(type) {
	case GotPupils:
		m.Pupils, m.Chosen = in.Pupils, 0
		switch len(in.Pupils) {
		case 0:
			m.Note, m.Touched = "find.none", m.now
		case 1:
			m.to(Report)
		default:
			m.to(Pick)
		}
	case CardMoved:
		m.finish()
	case CardStays:
		m.trouble(in.Why)
	}
}

// report takes the registrar's answer on the card.
func (m *machine) report(v string) {
	switch c := m.LostPupil(); {
	case m.Goal == GoalFound && v == "yes":
		m.wait(BusyLost, LostLimit)
		m.do(DoRestore{})
	case m.Goal == GoalLost && c != nil && c.CardNo != "" && !c.Lost && (v == "lost" || v == "stolen"):
		m.Reason = v
		m.wait(BusyLost, LostLimit)
		m.do(DoLose{})
	case v == "finish":
		m.wipe()
	}
}

func isStay(in Input) bool {
	_, ok := in.(CardStays)
	return ok
}
