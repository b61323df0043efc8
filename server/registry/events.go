package registry

import "time"

// Event is something that happened to, or is asked for, one pupil. Each is a plain struct; EventKind names it in history, on the wire and in the golden table.
type Event interface{ Kind() EventKind }

// EventKind names an event.
type EventKind string

const (
	EvEnrol          EventKind = "enrol"
	EvDecideStep     EventKind = "decide_step"
	EvWithdraw       EventKind = "withdraw"
	EvStartTransfer  EventKind = "start_transfer"
	EvBuildArchive   EventKind = "build_archive"
	EvSendArchive    EventKind = "send_archive"
	EvReceiveArchive EventKind = "receive_archive"
	EvSettleMissing  EventKind = "settle_missing"
	EvStartSuspend   EventKind = "start_suspend"
	EvReturn         EventKind = "return"
	EvBindCard       EventKind = "bind_card"
	EvCardWritten    EventKind = "card_written"
	EvSetPIN         EventKind = "set_pin"
	EvRevokeCard     EventKind = "revoke_card"
	EvChangeCard     EventKind = "change_card"
	EvRenewCard      EventKind = "renew_card"

	EvStartCorrect      EventKind = "start_correct"
	EvAmend             EventKind = "amend"
	EvPromote           EventKind = "promote"
	EvUndoPromote       EventKind = "undo_promote"
	EvStartRepeat       EventKind = "start_repeat"
	EvStartSkip         EventKind = "start_skip"
	EvStartFinish       EventKind = "start_finish"
	EvStartAdvance      EventKind = "start_advance"
	EvStartExtend       EventKind = "start_extend"
	EvGoAbroad          EventKind = "go_abroad"
	EvComeHome          EventKind = "come_home"
	EvReportDeath       EventKind = "report_death"
	EvReportDropout     EventKind = "report_dropout"
	EvFileReport        EventKind = "file_report"
	EvLogPersuasion     EventKind = "log_persuasion"
	EvReturnFromDropout EventKind = "return_from_dropout"
	EvHandOverArchive   EventKind = "hand_over_archive"
	EvPutItem           EventKind = "put_item"
	EvKeepArchive       EventKind = "keep_archive"
	EvMoveCustody       EventKind = "move_custody"
	EvArrange           EventKind = "arrange"
	EvEndArrange        EventKind = "end_arrange"
	EvGiveNumber        EventKind = "give_number"
	EvRaiseProblem      EventKind = "raise_problem"
	EvResolveProblem    EventKind = "resolve_problem"
	EvStartErase        EventKind = "start_erase"
	EvMerge             EventKind = "merge"
	EvUnmerge           EventKind = "unmerge"
	EvEscalate          EventKind = "escalate"
	EvUrge              EventKind = "urge"

	EvRecordAbsence EventKind = "record_absence"
	EvFollowAbsence EventKind = "follow_absence"
	EvEndAbsence    EventKind = "end_absence"
)

// Enrol opens an enrolment case for a new pupil (Pupil zero but for UID). The form must be free of errors (CheckForm) and 查重 clean or resolved.
type Enrol struct {
	CaseNo CaseNo `json:"case_no"`
	School Unit   `json:"school"`
	Form   Form   `json:"form"`
	PIN    string `json:"pin,omitempty"`
	// Reason says why the pupil enters later than in an entry grade, where the rule pack asks for it; Evidence as the pack asks.
	Reason   string   `json:"reason,omitempty"`
	Evidence []string `json:"evidence,omitempty"`
	// Mode is the form of schooling the pupil begins in, at this school; a pupil of another school comes by Arrange.
	Mode Mode `json:"mode,omitempty"`
}

// DecideStep is a party's word on the step whose turn it is. Party and Unit must match that step: it guards against acting on a case that moved on.
type DecideStep struct {
	CaseNo   CaseNo       `json:"case_no"`
	Party    Party        `json:"party"`
	Decision StepDecision `json:"decision"`
	Refusal  RefusalCode  `json:"refusal,omitempty"`
	Note     string       `json:"note,omitempty"`
	// Class is given by the receiving school when it accepts a transfer.
	Class string `json:"class,omitempty"`
	// Serial is drawn by the caller for a J or L number, used only when the pupil has no resident ID.
	Serial int `json:"serial,omitempty"`
}

// Withdraw ends an open case before completion; only its starter's unit may.
type Withdraw struct {
	CaseNo CaseNo `json:"case_no"`
	Note   string `json:"note,omitempty"`
}

// StartTransfer is started by the receiving school (Art. 14), from the console or by a tap at its kiosk.
type StartTransfer struct {
	CaseNo   CaseNo   `json:"case_no"`
	To       Unit     `json:"to"`
	ToGrade  int      `json:"to_grade"`
	ToClass  string   `json:"to_class,omitempty"`
	Reason   string   `json:"reason"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
	// Card is what the card proved, when the transfer is started with it at a kiosk.
	Card *CardShown `json:"card,omitempty"`
}

// BuildArchive lists what the archive holds (Art. 7); it may be repeated while the school has custody.
type BuildArchive struct {
	Items []ArchiveItem `json:"items"`
}

// SendArchive: the sender prints the cover sheet and gives the paper to the carrier. No is the opaque 档案编号.
type SendArchive struct {
	No      string `json:"no"`
	Carrier string `json:"carrier,omitempty"`
}

// ReceiveArchive: the receiver ticked the inventory off; Missing lists the item numbers not found.
type ReceiveArchive struct {
	No      string `json:"no"`
	Missing []int  `json:"missing,omitempty"`
	// Card is what the pupil's card proved, when the receipt is filed with it at a kiosk.
	Card *CardShown `json:"card,omitempty"`
}

// SettleMissing: the former sender delivered, or explained, the missing items.
type SettleMissing struct {
	Note string `json:"note"`
}

// StartSuspend opens a 休学 case (Art. 19).
type StartSuspend struct {
	CaseNo   CaseNo   `json:"case_no"`
	From     Date     `json:"from"`
	Until    Date     `json:"until"`
	Reason   string   `json:"reason"`
	Guardian string   `json:"guardian"`
	Evidence []string `json:"evidence,omitempty"`
}

// Return is 复学 (Art. 19): the school handles it in one step, on proof of recovery.
type Return struct {
	CaseNo   CaseNo   `json:"case_no"`
	Grade    int      `json:"grade"`
	Class    string   `json:"class"`
	Proof    string   `json:"proof"` // what was seen, in words
	Evidence []string `json:"evidence,omitempty"`
	// Card is what the card proved, when the return is filed with it at a kiosk.
	Card *CardShown `json:"card,omitempty"`
}

// BindCard makes a personalised card the pupil's active card.
type BindCard struct {
	Card CardRef `json:"card"`
	// School is the one written in the card's record; when the pupil moved while the card was made, the card is behind and the next tap rewrites it.
	School Unit `json:"school,omitempty"`
	// Behind: something else in the record is not, or no longer, what the register says (status, epoch of its keys); the next tap rewrites it.
	Behind bool `json:"behind,omitempty"`
}

// CardWritten records that a station or kiosk verified a sequence on the pupil's card.
type CardWritten struct {
	Number   string `json:"number"`
	Sequence uint32 `json:"sequence"`
	// ExpiresOn is the last day of the record that was written; "" leaves what is known.
	ExpiresOn Date `json:"expires_on,omitempty"`
}

// SetPIN stores the guardian's second factor (already hashed).
type SetPIN struct {
	PIN string `json:"pin"`
}

// RevokeCard takes the active card from the pupil: lost, damaged or misused. The deny list is the caller's, in the same transaction.
type RevokeCard struct {
	Number string `json:"number"`
	Reason string `json:"reason"`
}

// ChangeCard moves the pupil's card along its life (card.go): handed out, first used, lost, found again, damaged, expired. The issuance row and the status list
// are the caller's, in the same transaction.
type ChangeCard struct {
	Number string  `json:"number"`
	Act    CardAct `json:"act"`
	Reason string  `json:"reason,omitempty"`
	Note   string  `json:"note,omitempty"`
}

// Why a card is renewed.
const (
	RenewEpoch = "epoch" // its sealed record stands under keys of an older epoch
	RenewAsked = "asked" // somebody of the register wants it written again
)

// RenewCard wants a new record on the pupil's card, of the same content.
type RenewCard struct {
	Number string `json:"number"`
	Why    string `json:"why"`
}

func (Enrol) Kind() EventKind          { return EvEnrol }
func (DecideStep) Kind() EventKind     { return EvDecideStep }
func (Withdraw) Kind() EventKind       { return EvWithdraw }
func (StartTransfer) Kind() EventKind  { return EvStartTransfer }
func (BuildArchive) Kind() EventKind   { return EvBuildArchive }
func (SendArchive) Kind() EventKind    { return EvSendArchive }
func (ReceiveArchive) Kind() EventKind { return EvReceiveArchive }
func (SettleMissing) Kind() EventKind  { return EvSettleMissing }
func (StartSuspend) Kind() EventKind   { return EvStartSuspend }
func (Return) Kind() EventKind         { return EvReturn }
func (BindCard) Kind() EventKind       { return EvBindCard }
func (CardWritten) Kind() EventKind    { return EvCardWritten }
func (SetPIN) Kind() EventKind         { return EvSetPIN }
func (RevokeCard) Kind() EventKind     { return EvRevokeCard }
func (ChangeCard) Kind() EventKind     { return EvChangeCard }
func (RenewCard) Kind() EventKind      { return EvRenewCard }

// Env is all that Decide may lean on besides the pupil and the event.
type Env struct {
	Now       time.Time
	Actor     Actor
	Pack      *Pack
	Calendar  *Calendar
	Directory Directory
}

// Effect is a consequence outside the pupil; Decide returns it, the caller writes it to the outbox in the same transaction, a worker carries it out.
type Effect struct {
	Kind   EffectKind `json:"kind"`
	Unit   Unit       `json:"unit,omitempty"`
	CaseNo CaseNo     `json:"case_no,omitempty"`
	// What tells a notice apart: the event that caused it, such as "start_transfer" or "completed"; of a letter its LetterKind.
	What string `json:"what,omitempty"`
	// Registry is whom a letter is for.
	Registry string `json:"registry,omitempty"`
}

// EffectKind names an effect.
type EffectKind string

const (
	// EffectNotify: tell Unit at once (its console updates live; Art. 14: the sending school learns that a transfer began).
	EffectNotify EffectKind = "notify"
	// EffectLetter: tell another register (WriteLetter, from the pupil after the decision).
	EffectLetter EffectKind = "letter"
)
