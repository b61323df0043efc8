package registry

import (
	"strings"
	"time"
)

// CardState is where one card, or the making of one, stands.
type CardState string

const (
	CardRequested    CardState = "requested"    // 已申请: a number is drawn, no chip was touched
	CardPlanned      CardState = "planned"      // 制作中: the plan is on record, the chip may be half written
	CardPersonalised CardState = "personalised" // 已写卡: written, read back and bound; it is good at once, and waits to be handed out
	CardDelivered    CardState = "delivered"    // 已发放: signed for
	CardActive       CardState = "active"       // 使用中: a terminal has seen it
	CardSuspended    CardState = "suspended"    // 已挂失: lost; no terminal takes it until it is found again
	CardReplaced     CardState = "replaced"     // 已换卡: a newer card took its place
	CardDamaged      CardState = "damaged"      // 已损坏
	CardRevoked      CardState = "revoked"      // 已注销
	CardExpired      CardState = "expired"      // 已过期
	CardDestroyed    CardState = "destroyed"    // 已销毁: the chip is gone
	CardFailed       CardState = "failed"       // 未成功: spoiled while it was made
)

// CardStates lists every state, in the order of a life.
func CardStates() []CardState {
	return []CardState{CardRequested, CardPlanned, CardPersonalised, CardDelivered, CardActive, CardSuspended, CardReplaced, CardDamaged, CardRevoked, CardExpired,
		CardDestroyed, CardFailed}
}

// Held reports whether a card in this state is the pupil's one card: nobody has two, by the schema.
func (s CardState) Held() bool {
	switch s {
	case CardPersonalised, CardDelivered, CardActive, CardSuspended:
		return true
	}
	return false
}

// Good reports whether a terminal may accept a card in this state.
func (s CardState) Good() bool { return s.Held() && s != CardSuspended }

// Made reports whether a finished card exists, or once did: the next one replaces it.
func (s CardState) Made() bool {
	switch s {
	case CardRequested, CardPlanned, CardFailed:
		return false
	}
	return true
}

// Listed reports whether the card stands on the status list. An expired card needs no place there: its own record says until when it is good.
func (s CardState) Listed() bool {
	switch s {
	case CardSuspended, CardReplaced, CardDamaged, CardRevoked, CardDestroyed, CardFailed:
		return true
	}
	return false
}

// CardAct is something that happens to one card.
type CardAct string

const (
	CardRequest CardAct = "request" // a clerk draws a number for a pupil
	CardPlan    CardAct = "plan"    // the issuer is about to send the first command
	CardMake    CardAct = "make"    // written, read back, signed record verified
	CardSpoil   CardAct = "spoil"   // the chip is put aside: another takes its place
	CardDeliver CardAct = "deliver" // handed out against a signature
	CardUse     CardAct = "use"     // a terminal has verified it
	CardCopy    CardAct = "copy"    // a kiosk or console met a copy of it: another chip with its record, or a record that a newer one replaced
	CardExplain CardAct = "explain" // the copy that was met is accounted for, and the card stays
	CardLose    CardAct = "lose"
	CardFind    CardAct = "find"
	CardDamage  CardAct = "damage"
	CardReplace CardAct = "replace" // a newer card of the pupil was made
	CardRevoke  CardAct = "revoke"
	CardExpire  CardAct = "expire"
	CardDestroy CardAct = "destroy"
)

// CardActs lists every act, in the order of a life.
func CardActs() []CardAct {
	return []CardAct{CardRequest, CardPlan, CardMake, CardSpoil, CardDeliver, CardUse, CardCopy, CardExplain, CardLose, CardFind, CardDamage, CardReplace, CardRevoke, CardExpire, CardDestroy}
}

// cardTable is the one table of a card's life: state → act → state. What is not in it does not happen. A repeated plan, delivery or use is a row that changes
// nothing, so that what is reported twice is no error; a copy that was met moves nothing either: it is known from then on, until it is explained or the card replaced.
var cardTable = map[CardState]map[CardAct]CardState{
	"":            {CardRequest: CardRequested},
	CardRequested: {CardPlan: CardPlanned, CardMake: CardPersonalised, CardSpoil: CardFailed},
	CardPlanned:   {CardPlan: CardPlanned, CardMake: CardPersonalised, CardSpoil: CardFailed},
	CardPersonalised: {CardDeliver: CardDelivered, CardUse: CardActive, CardCopy: CardPersonalised, CardExplain: CardPersonalised, CardLose: CardSuspended, CardDamage: CardDamaged, CardReplace: CardReplaced,
		CardRevoke: CardRevoked, CardExpire: CardExpired},
	CardDelivered: {CardDeliver: CardDelivered, CardUse: CardActive, CardCopy: CardDelivered, CardExplain: CardDelivered, CardLose: CardSuspended, CardDamage: CardDamaged, CardReplace: CardReplaced,
		CardRevoke: CardRevoked, CardExpire: CardExpired},
	CardActive: {CardDeliver: CardActive, CardUse: CardActive, CardCopy: CardActive, CardExplain: CardActive, CardLose: CardSuspended, CardDamage: CardDamaged, CardReplace: CardReplaced, CardRevoke: CardRevoked,
		CardExpire: CardExpired},
	// A lost card that runs out is revoked: it never leaves the list by waiting.
	CardSuspended: {CardCopy: CardSuspended, CardExplain: CardSuspended, CardFind: CardActive, CardDamage: CardDamaged, CardReplace: CardReplaced, CardRevoke: CardRevoked, CardExpire: CardRevoked},
	CardReplaced:  {CardDestroy: CardDestroyed},
	CardDamaged:   {CardDestroy: CardDestroyed},
	CardRevoked:   {CardDestroy: CardDestroyed},
	CardExpired:   {CardDestroy: CardDestroyed},
	CardFailed:    {CardDestroy: CardDestroyed},
	CardDestroyed: {},
}

// CardStep is a cell of the table; false when the act does not fit the state.
func CardStep(from CardState, act CardAct) (CardState, bool) {
	to, ok := cardTable[from][act]
	return to, ok
}

// Reasons that screens offer, by act. The reason is kept for good; other words are kept as they are.
var cardReasons = map[CardAct][]string{
	CardLose:    {"lost", "stolen"},
	CardDamage:  {"damaged", "worn", "misprint"},
	CardRevoke:  {"lost", "damaged", "misuse", "left", "other"},
	CardReplace: {"lost", "damaged", "worn", "misprint", "expired", "data", "other"},
	CardSpoil:   {"chip", "misprint", "wrong_card", "other"},
	CardExplain: {"misread", "trial", "other"},
}

// CardReasons lists the coded reasons of an act; nil when none is asked for.
func CardReasons(act CardAct) []string { return cardReasons[act] }

var cardReasonTitles = map[string]string{"lost": "遗失", "stolen": "被盗", "damaged": "损坏", "worn": "磨损", "misprint": "印制有误", "misuse": "冒用", "left": "离校",
	"expired": "到期", "data": "信息变更", "chip": "芯片不良", "wrong_card": "拿错卡", "misread": "读卡有误", "trial": "试验用卡", "other": "其他"}

// CardReasonTitle is the term of a coded reason for Chinese papers, other words as they are.
func CardReasonTitle(reason string) string { return titleOf(cardReasonTitles, reason) }

// byHand are acts of people; the rest are facts that the machines prove (a signed report, a verified tap, the calendar), and whoever had a copy before them at a
// console is named.
var byHand = map[CardAct]bool{CardRequest: true, CardDeliver: true, CardLose: true, CardFind: true, CardDamage: true, CardRevoke: true, CardDestroy: true, CardSpoil: true,
	CardExplain: true}

// needsReason are acts that nobody does without saying why; of a copy it is what was wrong with it.
var needsReason = map[CardAct]bool{CardLose: true, CardDamage: true, CardRevoke: true, CardCopy: true, CardExplain: true}

// CardMove is one line of a card's life: who moved it, when, from where to where, and why. N counts the card's moves from 1.
type CardMove struct {
	N      int       `json:"n"`
	At     time.Time `json:"at"`
	Act    CardAct   `json:"act"`
	From   CardState `json:"from,omitempty"`
	To     CardState `json:"to"`
	Reason string    `json:"reason,omitempty"`
	Note   string    `json:"note,omitempty"`
	By     Actor     `json:"by"`
}

// DecideCard decides one act on one card of a pupil of a school. It is pure. CodeWrongState names the state and the act that does not fit; CodeForbidden, as
// for every act on a card: clerk, registrar, leader or officer of the pupil's school or of an office above it; a copy is explained by the school's registrar or leader alone,
// not by who makes cards, and in words. The first card and every replacement are free
// (Art. 5): nothing here asks for money, and a reason is kept, never priced.
func DecideCard(from CardState, act CardAct, reason, note string, school Unit, env Env) (CardMove, error) {
	d := &decision{p: Pupil{School: school}, env: env}
	return d.cardMove(from, act, reason, note)
}

func (d *decision) cardMove(from CardState, act CardAct, reason, note string) (CardMove, error) {
	to, ok := CardStep(from, act)
	if !ok {
		return CardMove{}, &Error{Code: CodeWrongState, Params: map[string]string{"why": "card", "card": string(from), "act": string(act)}}
	}
	switch a := d.env.Actor; {
	case act == CardExplain:
		if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
			return CardMove{}, err
		}
	case byHand[act] && !((act == CardSpoil || act == CardRequest) && a.Via == viaIssuer):
		if err := d.overSchool(RoleClerk, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
			return CardMove{}, err
		}
	case (act == CardUse || act == CardExpire) && a.Account != systemAccount:
		return CardMove{}, &Error{Code: CodeForbidden}
	case act == CardCopy && a.Account != systemAccount && a.Via != viaConsole:
		return CardMove{}, &Error{Code: CodeForbidden}
	}
	reason, note = strings.TrimSpace(reason), strings.TrimSpace(note)
	switch {
	case needsReason[act] && reason == "", tooLong(reason, maxReason):
		return CardMove{}, invalid("reason")
	case act == CardExplain && note == "", tooLong(note, maxReason):
		return CardMove{}, invalid("note")
	}
	return CardMove{At: d.env.Now, Act: act, From: from, To: to, Reason: reason, Note: note, By: d.env.Actor}, nil
}

const (
	viaIssuer     = "issuer"  // Actor.Via of what the issuer reported
	viaConsole    = "console" // Actor.Via of who sits at a console
	systemAccount = "system"  // Actor.Account of clocks and jobs
	remoteAccount = "remote"  // Actor.Account of another registry's signed message
)

// ViaRemote is the Actor.Via of a word that another registry's signed message brought.
func ViaRemote(registry string) string { return "remote:" + registry }
