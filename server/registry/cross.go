package registry

import "time"

// Cross-province 转学 and 升学 between two registers (Arts 14–16). The register that has the pupil keeps the order of things: it alone releases, refuses and confirms a
// withdrawal. What either side tells the other is a Letter; package exchange signs and carries it. The 学籍 is where it was until the release, then in the release
// letter, then where it is continued: at no moment in two places, and never lost, because a letter is kept until its receipt.

// Far is a case's other end, in another register.
type Far struct {
	// Registry is the code of the other register: that of its province's office ("320000").
	Registry string `json:"registry"`
	CaseNo   CaseNo `json:"case_no,omitempty"` // the case's number there, once known
	// Mine: the case began here, the pupil is to come here. Otherwise the pupil is here and asked for.
	Mine   bool   `json:"mine,omitempty"`
	Number Number `json:"number,omitempty"` // mine: the 学籍号 that was given
	// Card is the public record of the student card that was shown for it here (mine): signed by the other register's issuer, it names nobody. The other register is asked
	// whose it is (LetterCard).
	Card []byte `json:"card,omitempty"`
	// Offer is the thread in which the other register named the pupil (mine); it is told there when the case ends before the request has left.
	Offer string `json:"offer,omitempty"`
	// AskedAt is when the request left (mine). From then on a withdrawal is asked for, not done: WithdrawAt until the other register has answered.
	AskedAt    time.Time `json:"asked_at,omitzero"`
	WithdrawAt time.Time `json:"withdraw_at,omitzero"`
	// ReceiptAt is the 回执: the other register has continued the 学籍 (not mine: heard; mine: said).
	// At the end of the case, whichever side it is on.
	ReceiptAt time.Time `json:"receipt_at,omitzero"`
}

// Moved is set on a record whose 学籍 left for another register; what stays is the read-only copy (Art. 9). Was, Study, Mode and Suspension are what a giving-back restores.
type Moved struct {
	Registry    string      `json:"registry"`
	School      Unit        `json:"school"`
	On          Date        `json:"on"`
	CaseNo      CaseNo      `json:"case_no"`
	ConfirmedAt time.Time   `json:"confirmed_at,omitzero"` // the 回执; zero while the release is on its way
	Was         Standing    `json:"was"`
	Study       *Study      `json:"study,omitempty"`
	Mode        Mode        `json:"mode,omitempty"`
	Suspension  *Suspension `json:"suspension,omitempty"`
	// Files are digests of the electronic files that went along: those of the catalogue, and the portrait.
	Files []string `json:"files,omitempty"`
}

// Handover is what a register hands over with a 学籍: all that the next one needs to continue it, and nothing that it must make anew (card, guardian's PIN, tasks).
type Handover struct {
	Number       Number        `json:"number"`
	Numbers      []NumberUse   `json:"numbers,omitempty"`
	Form         Form          `json:"form"`
	Standing     Standing      `json:"standing"`
	Suspension   *Suspension   `json:"suspension,omitempty"`
	Grade        int           `json:"grade"`
	EnrolledOn   Date          `json:"enrolled_on,omitempty"`
	Photo        string        `json:"photo,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`
	Items        []ArchiveItem `json:"items,omitempty"`
	Custodian    Unit          `json:"custodian"` // who has the paper
}

// Crossing is the kind of case by which a pupil crosses a province's border: 转学 (also for "", which is how a 转学 is written) or 升学; false for any other.
func Crossing(way CaseKind) (CaseKind, bool) {
	switch way {
	case "", CaseTransfer:
		return CaseTransfer, true
	case CaseAdvance:
		return CaseAdvance, true
	}
	return "", false
}

// Offered stands on the record of a pupil who is named to a school of another province as one who will go on there (升学). Nothing has moved: that school's side decides first,
// and its register asks then.
type Offered struct {
	Registry string      `json:"registry"`
	To       Unit        `json:"to"`
	On       Date        `json:"on"`
	Refusal  RefusalCode `json:"refusal,omitempty"` // it was declined there
	Note     string      `json:"note,omitempty"`
}

// OfferUp names a pupil of a stage's last grade, or out of it, to the school of another province that will go on with the 学籍. The case is opened there, as a word of this school's,
// and waits for that school's own.
type OfferUp struct {
	Registry string `json:"registry"`
	To       Unit   `json:"to"` // the school's code there
}

// OfferDeclined: the other province's side will not ask for the pupil.
type OfferDeclined struct {
	Registry string      `json:"registry"`
	Refusal  RefusalCode `json:"refusal"`
	Note     string      `json:"note,omitempty"`
}

// CallOver opens a cross-province 转学 or 升学 at the receiving school (Art. 14). The pupil is a new record without a 学籍, or the copy of one that once left from here.
type CallOver struct {
	CaseNo   CaseNo   `json:"case_no"`
	Way      CaseKind `json:"way,omitempty"` // see Crossing
	Registry string   `json:"registry"`
	Number   Number   `json:"number"`
	Name     string   `json:"name"`
	Birth    Date     `json:"birth"`
	To       Unit     `json:"to"`
	ToGrade  int      `json:"to_grade"`
	ToClass  string   `json:"to_class,omitempty"`
	Reason   string   `json:"reason"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
	// Record is the public record of the other province's card that lay on a kiosk's reader, Card what it proved there. Name may then be empty: the card does not tell it to
	// this register, and the other register is asked (NameFar).
	Record []byte     `json:"record,omitempty"`
	Card   *CardShown `json:"card,omitempty"`
	// Offer is the thread in which the pupil's own school named the pupil (OfferUp): it opens the case in place of the receiving school, whose word comes all the same.
	Offer string `json:"offer,omitempty"`
}

// NameFar says whose card it was that a case was opened with, and when that child was born: the other register's word (LetterNamed), or what the receiving school reads in
// the papers while that word has not come. The receiving side cannot agree before.
type NameFar struct {
	CaseNo CaseNo `json:"case_no"`
	Name   string `json:"name"`
	Birth  Date   `json:"birth"`
}

// FarWord is what a party of the other register said before the case came here.
type FarWord struct {
	Party Party     `json:"party"`
	Unit  Unit      `json:"unit"`
	At    time.Time `json:"at"`
	Note  string    `json:"note,omitempty"`
}

// FarRequest opens the case in the register that has the pupil, by the other's letter: the receiving side has agreed, the sending school's turn begins.
type FarRequest struct {
	CaseNo   CaseNo    `json:"case_no"`
	Way      CaseKind  `json:"way,omitempty"` // see Crossing
	Registry string    `json:"registry"`
	Far      CaseNo    `json:"far"`
	To       Unit      `json:"to"`
	ToGrade  int       `json:"to_grade"`
	ToClass  string    `json:"to_class,omitempty"`
	Reason   string    `json:"reason"`
	Guardian string    `json:"guardian"`
	Words    []FarWord `json:"words"`
}

// FarArrived: the case lies with a party of the other register since a moment, until a day.
type FarArrived struct {
	CaseNo CaseNo    `json:"case_no"`
	Far    CaseNo    `json:"far"`
	Party  Party     `json:"party"`
	Unit   Unit      `json:"unit"`
	From   Unit      `json:"from"` // the sending school
	At     time.Time `json:"at"`
	DueOn  Date      `json:"due_on"`
	Unsure bool      `json:"unsure,omitempty"`
}

// FarClosed: the other register, which has the pupil, ended the case without a move: a party refused (Party, Unit, Refusal), or the withdrawal was in time.
type FarClosed struct {
	CaseNo  CaseNo      `json:"case_no"`
	State   CaseState   `json:"state"`
	Party   Party       `json:"party,omitempty"`
	Unit    Unit        `json:"unit,omitempty"`
	Refusal RefusalCode `json:"refusal,omitempty"`
	Note    string      `json:"note,omitempty"`
	// OfCard: the card that was shown is no card of a pupil of that 学籍号 there. It comes before any request, or too late.
	OfCard bool `json:"of_card,omitempty"`
}

// Continue takes the released 学籍 over: the same number, the record as it was handed over, the receiving school and class of the case (Art. 16).
type Continue struct {
	CaseNo   CaseNo   `json:"case_no"`
	Unit     Unit     `json:"unit"` // the sending side's authority, whose word it is
	Handover Handover `json:"handover"`
}

// FarReceipt is the 回执: the other register has continued the 学籍.
type FarReceipt struct {
	CaseNo CaseNo `json:"case_no"`
}

// GiveBack: a released 学籍 cannot be continued here (a double was enrolled meanwhile, say); it goes back to where it came from. By the receiving authority's officer.
type GiveBack struct {
	CaseNo  CaseNo      `json:"case_no"`
	Refusal RefusalCode `json:"refusal"`
	Note    string      `json:"note"`
}

// TakeBack: the other register gave a released 学籍 back; it goes on here as if it had never left.
type TakeBack struct {
	CaseNo  CaseNo      `json:"case_no"`
	Refusal RefusalCode `json:"refusal"`
	Note    string      `json:"note,omitempty"`
}

// FarSent: the sending school gave the paper to the carrier.
type FarSent struct {
	No      string        `json:"no"`
	Carrier string        `json:"carrier,omitempty"`
	Items   []ArchiveItem `json:"items"`
	From    Unit          `json:"from"`
}

// Events of the exchange.
const (
	EvCallOver   EventKind = "call_over"
	EvNameFar    EventKind = "name_far"
	EvOfferUp    EventKind = "offer_up"
	EvDeclined   EventKind = "offer_declined"
	EvFarRequest EventKind = "far_request"
	EvFarArrived EventKind = "far_arrived"
	EvFarClosed  EventKind = "far_closed"
	EvContinue   EventKind = "continue"
	EvFarReceipt EventKind = "far_receipt"
	EvGiveBack   EventKind = "give_back"
	EvTakeBack   EventKind = "take_back"
	EvFarSent    EventKind = "far_sent"
)

func (CallOver) Kind() EventKind { return EvCallOver }
func (NameFar) Kind() EventKind  { return EvNameFar }
func (OfferUp) Kind() EventKind  { return EvOfferUp }

// Kind is the event's name.
func (OfferDeclined) Kind() EventKind { return EvDeclined }

func (FarRequest) Kind() EventKind { return EvFarRequest }
func (FarArrived) Kind() EventKind { return EvFarArrived }
func (FarClosed) Kind() EventKind  { return EvFarClosed }
func (Continue) Kind() EventKind   { return EvContinue }
func (FarReceipt) Kind() EventKind { return EvFarReceipt }
func (GiveBack) Kind() EventKind   { return EvGiveBack }
func (TakeBack) Kind() EventKind   { return EvTakeBack }
func (FarSent) Kind() EventKind    { return EvFarSent }
