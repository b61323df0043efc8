package flow

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"xueji/server/registry"
)

// Step moves the machine: same state, input, time and kiosk, same answer. Inputs that make no sense on the present screen change nothing.
func Step(s State, in Input, now time.Time, k Kiosk) (State, []Effect) {
	m := machine{State: s, now: now, k: k}
	m.handle(in)
	return m.State, m.effects
}

// machine is one step in progress.
type machine struct {
	State
	now     time.Time
	k       Kiosk
	effects []Effect
}

func (m *machine) do(e Effect) { m.effects = append(m.effects, e) }

// to shows another question; the seconds begin anew.
func (m *machine) to(s Screen) {
	m.Screen, m.Note, m.Touched = s, "", m.now
	m.Rev++
}

func (m *machine) wait(b Busy, limit time.Duration) { m.Busy, m.Until = b, m.now.Add(limit) }

func (m *machine) idle(b Busy) {
	if m.Busy == b {
		m.Busy, m.Until = BusyNone, time.Time{}
	}
}

// wipe ends the session: nothing of it is left in the state.
func (m *machine) wipe() {
	m.State = State{Epoch: m.Epoch + 1, Rev: m.Rev + 1, Screen: Home, Lang: Simplified, Touched: m.now, CardOn: m.CardOn}
	m.do(DoForget{})
}

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

func (m *machine) trouble(key string) {
	m.Busy, m.Until = BusyNone, time.Time{}
	m.to(Trouble)
	m.Trouble = key
}

func (m *machine) problem(verdict string) {
	m.Busy, m.Until = BusyNone, time.Time{}
	m.AwayAt, m.Swap = time.Time{}, false
	m.to(Problem)
	m.Problem = verdict
}

func (m *machine) handle(in Input) {
	switch in := in.(type) {
	case Press:
		if in.Rev == m.Rev && in.Of != nil {
			m.handle(in.Of)
		}
	case Reply:
		if in.Epoch == m.Epoch && in.Of != nil {
			m.result(in.Of)
		}
	case Tick:
		m.tick()
	case Insert, Bad, Remove:
		m.reader(in)
	case SetLang:
		if slices.Contains(Langs, in.Lang) {
			m.Lang, m.Touched = in.Lang, m.now
		}
	case Touch:
		m.Touched = m.now
	case Leave:
		m.leave()
	default:
		if m.AwayAt.IsZero() {
			m.Touched = m.now
			m.person(in)
		}
	}
}

// leave ends the session at a person's wish; what is durable stays durable, and a rewrite under way is not cut off.
func (m *machine) leave() {
	switch m.Screen {
	case Home:
		m.Lang, m.Touched = Simplified, m.now
	case Saving, Rewrite:
	case CardBack:
		m.Result.Card = "later"
		m.finish()
	default:
		m.wipe()
	}
}

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
	case Grade, Reason, Vouch, Guardian, Consent, Proof, Class, Inventory, Missing:
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
		default:
			m.restart()
		}
	}
}

// Options is what makes sense for the card and the pupil, most likely first.
func Options(s State, k Kiosk) []Goal {
	var out []Goal
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

func (m *machine) person(in Input) {
	switch in := in.(type) {
	case Choose:
		m.choose(in.Goal)
	case Scanned:
		m.scanned(in.Text)
	case Back:
		m.back()
	case Credentials:
		if m.Screen == SignIn && m.Busy == BusyNone {
			if m.Note = ""; in.Login == "" || in.Password == "" {
				m.Login, m.Note = in.Login, "signin.empty"
				return
			}
			m.Login = in.Login
			m.wait(BusySignIn, SignInLimit)
			m.do(DoSignIn(in))
		}
	case FindPupil:
		m.find(in)
	case EnterPIN:
		if m.Screen == StaffPIN && m.Busy == BusyNone && in.PIN != "" {
			m.Note = ""
			m.wait(BusySignIn, SignInLimit)
			m.do(DoStaffPIN(in))
		}
		if m.Screen == PIN && m.Busy == BusyNone && in.PIN != "" && m.Note != "pin.locked" {
			m.Note = ""
			m.wait(BusyAsk, StatusLimit)
			m.do(DoAsk(in))
		}
	case Answer:
		m.answer(in.Value)
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

func (m *machine) scanned(text string) {
	switch m.Screen {
	case Home, Place, Menu, Scan:
	default:
		return
	}
	if m.Busy != BusyNone || (m.Screen == Place && m.Parcel != nil) {
		return
	}
	qr, ok := ParseScan(text)
	if !ok {
		if m.Screen != Scan {
			m.Goal = GoalArchive
			m.to(Scan)
		}
		m.Note = "scan.bad"
		return
	}
	m.QR = qr
	m.archive()
}

func (m *machine) back() {
	if m.Busy != BusyNone {
		return
	}
	switch m.Screen {
	case Confirm, Status:
		m.Goal = GoalNone
		m.to(Menu)
	case Grade:
		if m.Goal == GoalReturn {
			m.to(Proof)
		} else {
			m.to(Confirm)
		}
	case Reason:
		m.to(Grade)
	case SignIn:
		switch m.Goal {
		case GoalTransfer:
			m.to(Reason)
		case GoalReturn:
			m.to(Confirm)
		case GoalArchive:
			m.QR = ""
			m.to(Scan)
		case GoalLost:
			m.wipe()
		case GoalFound:
			m.problem("revoked")
		}
	case StaffPIN:
		m.staffAway()
	case Find:
		m.wipe()
	case Pick:
		m.to(Find)
	case Report:
		switch {
		case m.Goal == GoalFound:
			m.problem("revoked")
		case len(m.Pupils) > 1:
			m.to(Pick)
		default:
			m.to(Find)
		}
	case Consent:
		if m.Goal == GoalReturn {
			m.to(Class)
		} else {
			m.to(Guardian)
		}
	case Class:
		m.to(Grade)
	case Missing:
		m.to(Inventory)
	case PIN:
		m.to(Status)
	}
}

// Lists of coded answers. The catalogue gives their words.
var (
	Reasons   = []string{"moved", "work", "household", "boarding", "other"}
	Guardians = []string{"father", "mother", "other"}
	Proofs    = []string{"hospital", "checkup", "written", "other"}
)

func (m *machine) answer(v string) {
	if m.Busy != BusyNone {
		return
	}
	switch m.Screen {
	case Confirm:
		switch v {
		case "yes":
			if m.Goal == GoalReturn {
				m.to(SignIn)
			} else {
				m.to(Grade)
			}
		case "no":
			m.wipe()
		}
	case Grade:
		n, err := strconv.Atoi(v)
		if err != nil || !slices.Contains(Grades(m.k), n) {
			return
		}
		m.ToGrade = n
		if m.Goal == GoalReturn {
			m.to(Class)
		} else {
			m.to(Reason)
		}
	case Reason:
		if slices.Contains(Reasons, v) {
			m.Reason = v
			m.to(SignIn)
		}
	case Vouch:
		switch v {
		case "yes":
			m.Vouched = true
			m.onward()
		case "no":
			m.wipe()
		}
	case Guardian:
		if slices.Contains(Guardians, v) {
			m.Guardian = v
			m.to(Consent)
		}
	case Proof:
		if slices.Contains(Proofs, v) {
			m.Proof = v
			m.to(Grade)
		}
	case Class:
		if c, ok := ClassName(m.Card.Class, v); ok {
			m.ToClass = c
			m.to(Consent)
		}
	case Consent:
		if v == "agree" {
			m.save()
		}
	case Inventory:
		m.tickOff(v)
	case Missing:
		if v == "yes" {
			m.save()
		}
	case Status:
		if v == "pin" && m.Where.Known && m.Where.HasPIN && m.Where.Masked {
			m.to(PIN)
		} else if v == "finish" {
			m.wipe()
		}
	case Pick:
		if n, err := strconv.Atoi(v); err == nil && n >= 0 && n < len(m.Pupils) {
			m.Chosen = n
			m.to(Report)
		}
	case Report:
		m.report(v)
	case Problem:
		switch {
		case v == "finish":
			m.wipe()
		case v == "found" && m.Problem == "revoked":
			m.Goal = GoalFound
			m.lost()
		}
	case Done, Refused:
		if v == "finish" {
			m.wipe()
		}
	case Trouble:
		m.again(v)
	}
}

func (m *machine) again(v string) {
	switch {
	case v == "finish":
		m.wipe()
	case v != "retry":
	case m.Trouble == "save_failed":
		m.save()
	case m.Trouble == "status_offline" && m.CardOn:
		m.to(Status)
		m.wait(BusyAsk, StatusLimit)
		m.do(DoAsk{})
	case m.Trouble == "other_pupil":
		m.Card = Card{}
		m.to(Place)
	case m.Trouble == "refresh_failed" && m.CardOn:
		m.begin(GoalRefresh)
	}
}

func (m *machine) tickOff(v string) {
	if m.Parcel == nil {
		return
	}
	ticked := make([]bool, len(m.Parcel.Items))
	copy(ticked, m.Ticked)
	switch no, isItem := strings.CutPrefix(v, "item:"); {
	case isItem:
		for i, it := range m.Parcel.Items {
			if strconv.Itoa(it.No) == no {
				ticked[i] = !ticked[i]
			}
		}
		m.Ticked = ticked
	case v == "all":
		for i := range ticked {
			ticked[i] = true
		}
		m.Ticked = ticked
	case v == "next":
		if m.Ticked = ticked; len(m.MissingItems()) > 0 {
			m.to(Missing)
		} else {
			m.save()
		}
	}
}

func (m *machine) save() {
	m.to(Saving)
	m.wait(BusySave, SaveLimit)
	m.do(DoSave{})
}

// Grades are the grades the school offers; all twelve while the directory is not known.
func Grades(k Kiosk) []int {
	from, to := k.FromGrade, k.ToGrade
	if from < 1 || to > 12 || from > to {
		from, to = 1, 12
	}
	var out []int
	for g := from; g <= to; g++ {
		out = append(out, g)
	}
	return out
}
