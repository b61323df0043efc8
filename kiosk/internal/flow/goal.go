package flow

import (
	"slices"
	"xueji/server/registry"
)

// Options is what makes sense for the card and the pupil, most likely first.
func Options(s State, k Kiosk) []Goal {
	var out []Goal
	if s.Card.Far != "" { // another province's: what can be begun here is the transfer, once
		c := s.Where.Case
		if !s.Where.Known || c == nil || c.State != registry.CaseOpen && !s.Where.Standing.Living() {
			out = append(out, GoalTransfer)
		}
		if s.Where.Known {
			out = append(out, GoalStatus)
		}
		return out
	}
	here := s.Card.School == k.School
	openCase := false
	if s.Where.Known {
		here = s.Where.School == k.SchoolName
		openCase = s.Where.Case != nil && s.Where.Case.State == registry.CaseOpen
	}
	suspended := s.Card.Suspended
	if s.Where.Known {
		suspended = s.Where.Standing == registry.StandingSuspended
	}
	switch {
	case s.Card.Ended:
	case !here && !openCase:
		out = append(out, GoalTransfer)
	case here && !openCase && (suspended || !s.Where.Known):
		// A card written before the suspension does not know of it: without the register's word the return stays open.
		out = append(out, GoalReturn)
	}
	if s.Where.Known && s.Where.Archive != nil && s.Where.Archive.State == registry.ArchiveTransit && here {
		out = append(out, GoalArchive)
	}
	if s.Where.Known && s.Where.CardBehind && k.Online {
		out = append(out, GoalRefresh)
	}
	return append(out, GoalStatus)
}

// chosen goes where the goal chosen at home leads, or to the menu.
func (m *machine) chosen() {
	if m.Goal == GoalArchive {
		m.archive()
		return
	}
	if m.Goal != GoalNone {
		if slices.Contains(Options(m.State, m.k), m.Goal) {
			m.begin(m.Goal)
			return
		}
		g := m.Goal
		m.Goal = GoalNone
		m.to(Menu)
		m.Note = "menu.not_" + string(g)
		return
	}
	m.to(Menu)
}

// stopped shows why the machine cannot do what was asked for now, and reports whether it cannot.
func (m *machine) stopped(g Goal) bool {
	key, no := m.k.Stopped[g]
	if no {
		m.Goal = g
		m.trouble("gate." + key)
	}
	return no
}

// begin starts a goal with a card on the reader.
func (m *machine) begin(g Goal) {
	if m.stopped(g) {
		return
	}
	m.Goal = g
	switch g {
	case GoalTransfer, GoalReturn:
		if !m.barred(g) {
			m.to(Confirm)
		}
	case GoalStatus:
		if m.Where.Known {
			m.to(Status)
			return
		}
		m.to(Status)
		m.wait(BusyAsk, StatusLimit)
		m.do(DoAsk{})
	case GoalRefresh:
		m.to(Rewrite)
		m.wait(BusyTicket, TicketLimit)
		m.do(DoTicket{})
	case GoalArchive:
		m.archive()
	}
}

// archive asks for what is still lacking: the QR, the registrar, the consignment, the pupil's card.
func (m *machine) archive() {
	m.Goal = GoalArchive
	switch {
	case m.Parcel == nil && m.stopped(GoalArchive): // one in hand is finished
	case !m.k.Online && m.Parcel == nil:
		m.trouble("archive_offline")
	case m.QR == "":
		m.to(Scan)
	case m.Staff == nil:
		m.to(SignIn)
	case m.Staff.Offline:
		m.trouble("archive_offline")
	case m.Parcel == nil:
		m.to(Scan)
		m.wait(BusyParcel, ParcelLimit)
		m.do(DoParcel{QR: m.QR})
	case m.Card.No == "":
		m.to(Place)
	case m.Card.Ref != m.Parcel.Ref:
		m.trouble("other_pupil")
	case m.barred(GoalArchive):
	case m.mustVouch():
		m.to(Vouch)
	default:
		m.to(Inventory)
	}
}

func (m *machine) choose(g Goal) {
	if !slices.Contains(Goals, g) {
		return
	}
	switch {
	case m.Screen == Menu && slices.Contains(Options(m.State, m.k), g):
		m.begin(g)
	case m.Screen == Home && g != GoalRefresh && g != GoalFound:
		if m.stopped(g) {
			return
		}
		m.Goal = g
		switch {
		case g == GoalLost:
			m.lost()
		case g == GoalArchive:
			m.archive()
		case m.CardOn:
			m.read(Reading)
		default:
			m.to(Place)
		}
	}
}
