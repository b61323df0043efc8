package flow

import (
	"time"

	"xueji/server/registry"
)

// What a card proves, and what the rule pack asks of it. The issuer's check of a chip runs beside the family's screens: none waits for it. What it brings is said
// when it comes; a copy ends the session.

// check lets the issuer ask the chip for its secret key, when the record says that the chip has one and there is a line.
func (m *machine) check() {
	if !m.k.Online || m.Card.Far != "" || m.Card.Wants != 2 || m.Card.Level >= 2 || !m.CheckUntil.IsZero() {
		return
	}
	m.CheckUntil = m.now.Add(CheckLimit)
	m.do(DoCheck{})
}

// Checking reports whether the issuer's check is under way.
func (s State) Checking() bool { return !s.CheckUntil.IsZero() }

func (m *machine) checked(in Checked) {
	if !m.Checking() {
		return
	}
	m.CheckUntil = time.Time{}
	switch m.Screen {
	case Saving, Rewrite, CardBack, Done, Refused, Problem, Home:
		return // what is done is done; the register judges the proofs itself
	}
	if in.Copy {
		m.problem("copy")
		return
	}
	m.Card.Level = max(m.Card.Level, in.Level)
	lack, how := m.lacks(m.Goal)
	switch {
	case lack != "" && how == registry.OtherwiseRefuse && m.goes():
		m.trouble(lackTrouble[lack])
	case lack == "" && m.Screen == Vouch:
		m.onward()
	}
}

// business is what the register calls a goal; "" for one that asks nothing of the card.
func business(g Goal) registry.CardBusiness {
	switch g {
	case GoalTransfer:
		return registry.BusinessTransfer
	case GoalReturn:
		return registry.BusinessReturn
	case GoalArchive:
		return registry.BusinessReceive
	}
	return ""
}

// lacks says what the rule pack misses of the card for a goal (registry.CodeChip, registry.CodeStale, "" nothing) and what stands in for it.
func (m *machine) lacks(g Goal) (registry.Code, string) { return Lacks(m.State, m.k, g) }

// Lacks is what the rule pack misses of the card for a goal, and what stands in for it: registry.OtherwiseRefuse or registry.OtherwiseConfirm.
func Lacks(s State, k Kiosk, g Goal) (lack registry.Code, otherwise string) {
	w, ok := k.Cards[business(g)]
	if !ok || s.Card.No == "" {
		return "", ""
	}
	return w.Lacks(registry.CardShown{Level: s.Card.Level, StaleDays: s.Card.ListDays}), w.Otherwise
}

// lackTrouble are the words for what nobody here can stand in for.
var lackTrouble = map[registry.Code]string{registry.CodeChip: "chip_level", registry.CodeStale: "list_stale"}

// barred shows what is in the way of a goal, before the family goes through its questions. A check that is under way is not waited for.
func (m *machine) barred(g Goal) bool {
	lack, how := m.lacks(g)
	if lack == "" || how != registry.OtherwiseRefuse || lack == registry.CodeChip && m.Checking() {
		return false
	}
	m.trouble(lackTrouble[lack])
	return true
}

// goes reports whether a goal's questions are under way.
func (m *machine) goes() bool {
	switch m.Screen {
	case Confirm, Grade, Reason, SignIn, StaffPIN, Vouch, Number, Guardian, Consent, Proof, Class, Inventory, Missing:
		return true
	}
	return false
}

// mustVouch: the registrar is to hold child and papers against the card in person. What another province's card says of the child cannot be read here.
func (m *machine) mustVouch() bool {
	if m.Card.Far != "" && !m.Vouched {
		return true
	}
	lack, how := m.lacks(m.Goal)
	return lack != "" && how == registry.OtherwiseConfirm && !m.Vouched
}

// onward goes on from the registrar's sign-in, or from the registrar's look at the papers.
func (m *machine) onward() {
	switch m.Goal {
	case GoalArchive:
		m.archive()
		return
	case GoalLost, GoalFound:
		m.lost()
		return
	}
	if m.barred(m.Goal) {
		return
	}
	if m.mustVouch() {
		m.to(Vouch)
		return
	}
	switch m.Goal {
	case GoalTransfer:
		if m.Card.Far != "" && m.Number == "" {
			m.to(Number)
			return
		}
		m.to(Guardian)
	case GoalReturn:
		m.to(Proof)
	}
}
