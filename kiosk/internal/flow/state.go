package flow

import (
	"time"

	"xueji/server/registry"
)

// Screen is one question or one statement: what stands on the glass.
type Screen string

// The screens.
const (
	Home      Screen = "home"
	Place     Screen = "place"     // a goal was chosen first: put the card down
	Reading   Screen = "reading"   // the card is being judged
	Problem   Screen = "problem"   // the card cannot be used; State.Problem says why
	Menu      Screen = "menu"      // what makes sense for this card
	Confirm   Screen = "confirm"   // is it this pupil?
	Grade     Screen = "grade"     // into which grade?
	Reason    Screen = "reason"    // why the transfer?
	SignIn    Screen = "signin"    // the registrar's account and password
	StaffPIN  Screen = "staffpin"  // the registrar's own card lies there: its PIN
	Guardian  Screen = "guardian"  // who consents?
	Consent   Screen = "consent"   // the statement, held to confirm
	Vouch     Screen = "vouch"     // the registrar holds child and papers against the card, because it proved less than the rule pack wants
	Number    Screen = "number"    // which 学籍号? Another province's card does not tell it here
	Proof     Screen = "proof"     // which proof of recovery was seen?
	Class     Screen = "class"     // into which class?
	Find      Screen = "find"      // which pupil has lost the card?
	Pick      Screen = "pick"      // several fit
	Report    Screen = "report"    // is it this card? why?
	Scan      Screen = "scan"      // the archive's QR
	Inventory Screen = "inventory" // tick off what is in the envelope
	Missing   Screen = "missing"   // are these really missing?
	Saving    Screen = "saving"    // being made durable, then waiting for the register
	Rewrite   Screen = "rewrite"   // the card is being rewritten
	CardBack  Screen = "cardback"  // the rewrite stopped half-way: put the card back
	Done      Screen = "done"
	Refused   Screen = "refused" // the register said no
	Status    Screen = "status"  // where it stands
	PIN       Screen = "pin"
	Trouble   Screen = "trouble"   // something other than the card or the register's rules is in the way
	Restarted Screen = "restarted" // the program came back in the middle of a family's step: State.Before says of which
)

// Screens lists every screen, for tables and tests.
var Screens = []Screen{Home, Place, Reading, Problem, Menu, Confirm, Grade, Reason, SignIn, StaffPIN, Vouch, Number, Guardian, Consent, Proof, Class, Find, Pick, Report, Scan, Inventory, Missing,
	Saving, Rewrite, CardBack, Done, Refused, Status, PIN, Trouble, Restarted}

// Goal is what the family came for.
type Goal string

// The goals.
const (
	GoalNone     Goal = ""
	GoalTransfer Goal = "transfer"
	GoalReturn   Goal = "return"
	GoalArchive  Goal = "archive"
	GoalStatus   Goal = "status"
	GoalRefresh  Goal = "refresh"
	GoalLost     Goal = "lost"  // a family without its card; a registrar reports it
	GoalFound    Goal = "found" // a card that was reported lost lies on the reader
)

// Goals lists every goal a person can choose.
var Goals = []Goal{GoalTransfer, GoalReturn, GoalArchive, GoalStatus, GoalRefresh, GoalLost, GoalFound}

// Lang is a screen language.
type Lang string

// The languages.
const (
	Simplified  Lang = "zh-Hans"
	Traditional Lang = "zh-Hant"
	English     Lang = "en"
)

// Langs lists them in the order of the switch.
var Langs = []Lang{Simplified, Traditional, English}

// Busy names the effect whose result is awaited.
type Busy string

// What may be awaited.
const (
	BusyNone    Busy = ""
	BusyRead    Busy = "read"
	BusyAsk     Busy = "ask"
	BusySignIn  Busy = "signin"
	BusyParcel  Busy = "parcel"
	BusySave    Busy = "save"
	BusyOutcome Busy = "outcome"
	BusyTicket  Busy = "ticket"
	BusyRewrite Busy = "rewrite"
	BusyLost    Busy = "lost"
)

// Limits of time. All are counted from the input that began them.
const (
	WipeAfter    = 30 * time.Second // after the last touch
	WarnFrom     = 10 * time.Second // the last seconds are shown large
	PutBackWait  = 10 * time.Second // a card that slipped may be put back for so long
	LangReset    = 60 * time.Second // home falls back to Simplified Chinese
	ReadLimit    = 8 * time.Second
	AskLimit     = 2 * time.Second // the menu waits no longer for the register
	StatusLimit  = 8 * time.Second
	SignInLimit  = 12 * time.Second
	CheckLimit   = 8 * time.Second // the issuer's check; no screen waits for it
	ParcelLimit  = 10 * time.Second
	SaveLimit    = 15 * time.Second
	OutcomeLimit = 5 * time.Second
	TicketLimit  = 6 * time.Second
	RewriteLimit = 90 * time.Second
)

// Card is what the card proved and what may be shown of it on a public screen. The name is masked; the number is cut to its last four.
type Card struct {
	No         string // whole card number: to tell two cards apart, not for the screen
	Tail       string // its last four
	Name       string // masked; "" when this kiosk cannot open the sealed record yet
	Guarded    bool   // the card keeps its sealed record from this kiosk, which has not the key it asks for
	NumberTail string // last four of the 学籍号
	Grade      int
	Class      string
	School     registry.Unit
	SchoolName string
	Suspended  bool
	Ended      bool
	Sequence   uint32
	Level      int    // 1 signature and chip serial, 2 and 3: the chip answered a challenge
	Wants      int    // the level that the record was signed for: what its chip can prove
	ListStale  bool   // the deny list is past its date
	ListDays   int    // by so many days, those that began count; registry.NoListDays: there is none
	Ref        string // pupil reference, hex
	Far        string // the province whose issuer signed it, when it is not this register's
	FarName    string // what people call it
}

// Where is the register's word on the pupil. Known is false while the register is out of reach.
type Where struct {
	Known      bool
	Masked     bool
	Name       string
	Standing   registry.Standing
	School     string // name
	Grade      int
	HasPIN     bool
	Case       *CaseView
	Archive    *ArchiveView
	Until      registry.Date // a running suspension ends
	CardBehind bool
}

// CaseView is a case as a family may read it.
type CaseView struct {
	No       registry.CaseNo
	Kind     registry.CaseKind
	State    registry.CaseState
	From, To string
	Steps    []CaseStep
}

// CaseStep is one party's turn. State is "done", "now", "next" or "refused".
type CaseStep struct {
	Party   registry.Party
	Unit    string
	State   string
	Latest  registry.Date // no later than when the turn ends, while it has not come
	DueOn   registry.Date
	Unsure  bool
	DoneOn  registry.Date
	Refusal registry.RefusalCode
}

// ArchiveView is where the paper is.
type ArchiveView struct {
	State     registry.ArchiveState
	Custodian string
	DueOn     registry.Date
}

// Staff is the registrar signed in for this session.
type Staff struct {
	Account string
	Name    string
	Offline bool // judged against the cached verifier
}

// Parcel is a consignment: what should be in the envelope.
type Parcel struct {
	ArchiveNo string
	Ref       string // pupil reference, hex: must be the tapped card's
	Name      string // masked
	From, To  string
	SentOn    registry.Date
	Items     []registry.ArchiveItem
}

// Result is what the last screen says.
type Result struct {
	Seq     uint64
	CaseNo  registry.CaseNo
	Pending bool // durable here, the register's word is still to come
	Steps   []CaseStep
	Card    string // "", "updated", "current", "failed", "later"
	Print   string // "", "printed", "tray", "failed"
	Code    registry.Code
	Params  map[string]string
}

// State is the whole session. It is a value: Step never changes what its argument's slices and maps hold.
type State struct {
	Epoch   uint64 // number of the session: replies to an earlier one are dropped
	Rev     uint64 // changes with every question: a second press on the last one is dropped
	Screen  Screen
	Lang    Lang
	Goal    Goal
	Touched time.Time // last touch, or the moment the screen came
	Busy    Busy
	Until   time.Time // limit of Busy
	CardOn  bool      // a card lies on the reader
	// CheckUntil is the limit of the issuer's check while it is under way; zero: it is not.
	CheckUntil time.Time
	AwayAt     time.Time // a flow's card was taken up then; zero: it lies there or is not needed
	Swap       bool      // AwayAt: the registrar's card was laid down instead, and the pupil's is to come back
	Card       Card      // zero No: none
	Where      Where
	Note       string // a remark on the present question, a catalogue key
	Problem    string // which card problem, a verdict word
	Trouble    string // which trouble, a catalogue key

	ToGrade  int
	ToClass  string
	Reason   string
	Guardian string
	Number   registry.Number // of a pupil with another province's card
	Proof    string
	Staff    *Staff
	Vouched  bool   // the registrar held child and papers against the card in person
	Login    string // kept while a wrong password is mended
	QR       string
	Parcel   *Parcel
	Ticked   []bool // by index of Parcel.Items
	PINLeft  int
	Pupils   []Candidate // who may have lost the card
	Chosen   int         // index into Pupils
	Step     string      // rewrite progress
	DoneN    int
	Total    int
	Result   Result
	Before   Before // on Restarted
}

// New is the state at start-up.
func New(now time.Time) State {
	return State{Epoch: 1, Rev: 1, Screen: Home, Lang: Simplified, Touched: now}
}

// Kiosk is what the machine knows of where it stands and of the moment.
type Kiosk struct {
	School     registry.Unit
	SchoolName string
	FromGrade  int // 1–12, as the directory says
	ToGrade    int
	Online     bool // the server answered lately
	// Stopped are the goals the gate refuses now, each with what is wrong (a key of package gate).
	Stopped map[Goal]string
	// Cards is what the rule pack asks of the card, by business.
	Cards map[registry.CardBusiness]registry.CardDemand
}

// MissingItems lists the numbers of the items not ticked, in the inventory's order.
func (s State) MissingItems() []int {
	var out []int
	if s.Parcel == nil {
		return out
	}
	for i, it := range s.Parcel.Items {
		if i >= len(s.Ticked) || !s.Ticked[i] {
			out = append(out, it.No)
		}
	}
	return out
}
