package flow

import (
	"time"
)

// result takes what an effect brought. It looks at the screen, not at Busy alone: a late answer to a question already left changes nothing.
func (m *machine) result(in Input) {
	switch in := in.(type) {
	case Read:
		m.cardRead(in.Card)
	case ReadBad:
		m.idle(BusyRead)
		switch {
		case m.staffCard(in):
		case !m.AwayAt.IsZero(), m.Screen == Reading, m.Screen == Scan, m.Screen == SignIn, m.Screen == Place:
			m.problem(in.Verdict)
		}
	case Checked:
		m.checked(in)
	case GotPupils, CardMoved, CardStays:
		m.lostResult(in)
	case Asked:
		m.asked(in.Where)
	case AskFailed:
		m.askFailed(in)
	case SignedIn:
		if m.Screen != SignIn && m.Screen != StaffPIN {
			return
		}
		m.idle(BusySignIn)
		byCard := m.Screen == StaffPIN
		st := in.Staff
		m.Staff, m.Login = &st, ""
		m.onward()
		if byCard {
			m.swapBack()
		}
	case SignInFailed:
		m.signInFailed(in.Why)
	case GotParcel:
		if m.Goal != GoalArchive || m.Screen != Scan {
			return
		}
		m.idle(BusyParcel)
		p := in.Parcel
		m.Parcel, m.Ticked = &p, make([]bool, len(p.Items))
		m.archive()
	case ParcelFailed:
		if m.Goal == GoalArchive && m.Screen == Scan {
			m.trouble(in.Why)
		}
	case Saved:
		if m.Screen != Saving && !(m.Screen == Trouble && m.Trouble == "save_failed") {
			return
		}
		if m.Screen == Trouble {
			m.to(Saving)
		}
		m.Result.Seq, m.Result.CaseNo = in.Seq, in.CaseNo
		m.wait(BusyOutcome, OutcomeLimit)
		m.do(DoAwait{Seq: in.Seq})
	case SaveFailed:
		if m.Screen == Saving {
			m.trouble("save_failed")
		}
	case Applied:
		m.applied(in)
	case NotApplied:
		if m.Screen == Saving && m.Busy == BusyOutcome {
			m.idle(BusyOutcome)
			m.Result.Code, m.Result.Params = in.Code, in.Params
			m.to(Refused)
		}
	case Printed:
		if m.Screen == Done {
			m.Result.Print = in.How
		}
	case Ticket:
		m.ticket(in.Needed)
	case TicketFailed:
		if m.Busy == BusyTicket {
			m.cardLater()
		}
	case Progress:
		if m.Screen == Rewrite {
			m.Step, m.DoneN, m.Total = in.Step, in.Done, in.Total
		}
	case Rewritten:
		if m.Screen == Rewrite {
			m.idle(BusyRewrite)
			m.Result.Card = "updated"
			m.finish()
		}
	case RewriteFailed:
		if m.Screen != Rewrite {
			return
		}
		m.idle(BusyRewrite)
		if in.Gone {
			m.to(CardBack)
			if m.CardOn { // it is back already
				m.reader(Insert{})
			}
			return
		}
		m.Result.Card = "failed"
		m.finish()
	}
}

func (m *machine) signInFailed(why string) {
	switch m.Screen {
	case SignIn:
		m.idle(BusySignIn)
		m.Note, m.Touched = "signin."+why, m.now
	case StaffPIN:
		m.idle(BusySignIn)
		if !m.CardOn {
			m.staffAway()
			return
		}
		m.Note, m.Touched = "staffpin."+why, m.now
	}
}

func (m *machine) cardRead(c Card) {
	if m.Busy != BusyRead {
		return
	}
	m.idle(BusyRead)
	switch {
	case !m.AwayAt.IsZero():
		if c.No != m.Card.No {
			m.restart()
			return
		}
		m.AwayAt, m.Swap, m.Touched = time.Time{}, false, m.now
		m.check()
	case m.Screen == Reading:
		m.Card = c
		m.check()
		if m.Goal != GoalArchive && m.k.Online {
			m.wait(BusyAsk, AskLimit)
			m.do(DoAsk{})
			return
		}
		m.chosen()
	case m.Screen == SignIn && m.Goal == GoalLost: // a pupil's card after all
		m.restart()
	case m.Screen == Scan || m.Screen == SignIn:
		m.Card = c
		m.check()
	}
}

func (m *machine) asked(w Where) {
	if m.Busy != BusyAsk {
		return
	}
	m.idle(BusyAsk)
	w.Known = true
	m.Where = w
	switch m.Screen {
	case Reading:
		m.chosen()
	case Status, PIN:
		m.to(Status)
	}
}

func (m *machine) askFailed(in AskFailed) {
	if m.Busy != BusyAsk {
		return
	}
	m.idle(BusyAsk)
	switch {
	case m.Screen == Reading:
		m.chosen()
	case m.Screen == PIN && (in.Why == "pin_wrong" || in.Why == "pin_locked"):
		m.Note, m.PINLeft, m.Touched = "pin."+in.Why[len("pin_"):], in.Left, m.now
	case m.Screen == Status || m.Screen == PIN:
		m.trouble(in.Why)
	}
}

func (m *machine) applied(in Applied) {
	if m.Screen != Saving || m.Busy != BusyOutcome {
		return
	}
	m.idle(BusyOutcome)
	if in.CaseNo != "" {
		m.Result.CaseNo = in.CaseNo
	}
	m.Result.Steps = in.Steps
	if (m.Goal == GoalArchive || m.Goal == GoalReturn) && m.k.Online {
		if m.CardOn {
			m.wait(BusyTicket, TicketLimit)
			m.do(DoTicket{})
			return
		}
		m.Result.Card = "later"
	}
	m.finish()
}

func (m *machine) ticket(needed bool) {
	if m.Busy != BusyTicket {
		return
	}
	m.idle(BusyTicket)
	if !needed {
		m.Result.Card = "current"
		m.finish()
		return
	}
	if m.Screen != Rewrite {
		m.to(Rewrite)
	}
	m.Step, m.DoneN, m.Total = "", 0, 0
	m.wait(BusyRewrite, RewriteLimit)
	m.do(DoRewrite{})
}

// cardLater: the register could not be asked for a rewrite; the next tap will.
func (m *machine) cardLater() {
	m.idle(BusyTicket)
	if m.Goal == GoalRefresh {
		m.trouble("refresh_failed")
		return
	}
	m.Result.Card = "later"
	m.finish()
}

func (m *machine) finish() {
	m.to(Done)
	switch m.Goal {
	case GoalTransfer, GoalReturn, GoalArchive, GoalLost:
		m.do(DoPrint{})
	}
}
