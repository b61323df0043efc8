package flow

import (
	"slices"
	"strconv"
	"strings"

	"xueji/server/registry"
)

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
	case EnterNumber:
		m.number(in.Text)
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

// number takes a 学籍号, or the number of an identity document, of which the 学籍号 is made (Art. 5).
func (m *machine) number(text string) {
	if m.Screen != Number || m.Busy != BusyNone {
		return
	}
	n := strings.ToUpper(strings.Join(strings.Fields(text), ""))
	if len(n) == 18 {
		n = "G" + n
	}
	if _, err := registry.ParseNumber(registry.Number(n)); err != nil {
		m.Note, m.Touched = "number.bad", m.now
		return
	}
	m.Number = registry.Number(n)
	m.to(Guardian)
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
	case Number:
		m.Vouched = false
		m.to(Vouch)
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
	case Restarted:
		switch {
		case v == "finish":
			m.wipe()
		case v == "again" && m.CardOn:
			m.restart()
		}
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
