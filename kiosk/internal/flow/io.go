package flow

import "xueji/server/registry"

// Input is anything that may move the machine.
type Input interface{ input() string }

// Inputs from people and from time.
type (
	// Tick says that time passed; Next tells when one is due.
	Tick struct{}
	// Touch is any sign of life at the glass or keyboard.
	Touch struct{}
	// SetLang switches the language on any screen.
	SetLang struct{ Lang Lang }
	// Choose picks a goal at home or in the menu.
	Choose struct{ Goal Goal }
	// Answer answers the question on the screen; what Value means is the screen's business.
	Answer struct{ Value string }
	// Back returns to the question before.
	Back struct{}
	// Leave ends the session.
	Leave struct{}
	// Credentials is the registrar's sign-in.
	Credentials struct {
		Login    string
		Password Secret
	}
	// EnterPIN is the guardian's second factor; on StaffPIN the registrar's.
	EnterPIN struct{ PIN Secret }
	// Scanned is a text from the scanner or the keyboard.
	Scanned struct{ Text string }
	// EnterNumber is the 学籍号 or the number of the identity document, as read in the papers.
	EnterNumber struct{ Text string }
	// Press wraps an input from the glass with the revision of the question it answers; a stale one is dropped.
	Press struct {
		Rev uint64
		Of  Input
	}
)

// Inputs from the reader.
type (
	// Insert: a card answers on the reader.
	Insert struct{}
	// Bad: something lies on the reader that cannot be read: "mute", "many", "unknown_chip".
	Bad struct{ Verdict string }
	// Remove: the reader is empty again.
	Remove struct{}
)

// Results of effects. They come wrapped in Reply.
type (
	// Read is a card judged valid.
	Read struct{ Card Card }
	// ReadBad is a card judged otherwise, by its verdict. Chip: it answers and has no pupil's record that this register signed, so it may be a staff card.
	ReadBad struct {
		Verdict string
		Chip    bool
	}
	// Checked is how the issuer's check ended: the level that is proven now, Copy when the chip has not the key it was made with. The zero value: nothing was proven.
	Checked struct {
		Level int
		Copy  bool
	}
	// Asked is the register's word on the pupil.
	Asked struct{ Where Where }
	// AskFailed: trouble, or "pin_wrong" with the tries left, or "pin_locked".
	AskFailed struct {
		Why  string
		Left int
	}
	// SignedIn: the registrar is who they say.
	SignedIn struct{ Staff Staff }
	// SignInFailed: a catalogue key below "signin.": wrong, locked, unit, unknown_offline, unreachable.
	SignInFailed struct{ Why string }
	// GotParcel is the consignment behind the QR.
	GotParcel struct{ Parcel Parcel }
	// ParcelFailed: trouble.
	ParcelFailed struct{ Why string }
	// Saved: the event is durable in the outbox.
	Saved struct {
		Seq    uint64
		CaseNo registry.CaseNo
	}
	// SaveFailed: nothing was kept.
	SaveFailed struct{}
	// Applied is the register's outcome.
	Applied struct {
		CaseNo registry.CaseNo
		Steps  []CaseStep
	}
	// NotApplied is the register's refusal.
	NotApplied struct {
		Code   registry.Code
		Params map[string]string
	}
	// Printed says where the paper went: "printed", "tray", "failed".
	Printed struct{ How string }
	// Ticket: the register wants (or does not want) the card rewritten.
	Ticket struct{ Needed bool }
	// TicketFailed: it could not be asked.
	TicketFailed struct{}
	// Progress of the rewrite.
	Progress struct {
		Step        string
		Done, Total int
	}
	// Rewritten: read back and verified.
	Rewritten struct{}
	// RewriteFailed: Gone when the card left (it can be put back), else a code.
	RewriteFailed struct {
		Gone bool
		Code string
	}
	// Reply wraps a result with the session it belongs to; one for another session is dropped.
	Reply struct {
		Epoch uint64
		Of    Input
	}
)

func (Tick) input() string          { return "tick" }
func (Touch) input() string         { return "touch" }
func (SetLang) input() string       { return "lang" }
func (Choose) input() string        { return "choose" }
func (Answer) input() string        { return "answer" }
func (Back) input() string          { return "back" }
func (Leave) input() string         { return "leave" }
func (Credentials) input() string   { return "credentials" }
func (EnterPIN) input() string      { return "pin" }
func (Scanned) input() string       { return "scanned" }
func (EnterNumber) input() string   { return "number" }
func (Press) input() string         { return "press" }
func (Insert) input() string        { return "insert" }
func (Bad) input() string           { return "bad" }
func (Remove) input() string        { return "remove" }
func (Read) input() string          { return "read" }
func (ReadBad) input() string       { return "read_bad" }
func (Checked) input() string       { return "checked" }
func (Asked) input() string         { return "asked" }
func (AskFailed) input() string     { return "ask_failed" }
func (SignedIn) input() string      { return "signed_in" }
func (SignInFailed) input() string  { return "signin_failed" }
func (GotParcel) input() string     { return "parcel" }
func (ParcelFailed) input() string  { return "parcel_failed" }
func (Saved) input() string         { return "saved" }
func (SaveFailed) input() string    { return "save_failed" }
func (Applied) input() string       { return "applied" }
func (NotApplied) input() string    { return "not_applied" }
func (Printed) input() string       { return "printed" }
func (Ticket) input() string        { return "ticket" }
func (TicketFailed) input() string  { return "ticket_failed" }
func (Progress) input() string      { return "progress" }
func (Rewritten) input() string     { return "rewritten" }
func (RewriteFailed) input() string { return "rewrite_failed" }
func (Reply) input() string         { return "reply" }

// Effect is work for the desk. It belongs to the session of the state returned beside it.
type Effect interface{ Effect() string }

// The effects.
type (
	// DoRead: judge the card on the reader → Read, ReadBad.
	DoRead struct{}
	// DoCheck lets the issuer prove the chip → Checked. Nothing waits for it.
	DoCheck struct{}
	// DoAsk: ask the register where it stands → Asked, AskFailed.
	DoAsk struct{ PIN Secret }
	// DoSignIn → SignedIn, SignInFailed.
	DoSignIn struct {
		Login    string
		Password Secret
	}
	// DoParcel → GotParcel, ParcelFailed.
	DoParcel struct{ QR string }
	// DoSave makes the session's event durable → Saved, SaveFailed. The state's answers are complete.
	DoSave struct{}
	// DoAwait waits for the outcome of Seq → Applied, NotApplied, or nothing.
	DoAwait struct{ Seq uint64 }
	// DoPrint prints the last screen's paper → Printed.
	DoPrint struct{}
	// DoTicket asks whether the card must be rewritten → Ticket, TicketFailed.
	DoTicket struct{}
	// DoRewrite drives the rewrite → Progress…, Rewritten or RewriteFailed.
	DoRewrite struct{}
	// DoForget: drop everything that belonged to the session before this one: card proof, staff token, pending work that may be dropped.
	DoForget struct{}
)

// Effect names an effect.
func (DoRead) Effect() string    { return "read" }
func (DoCheck) Effect() string   { return "check" }
func (DoAsk) Effect() string     { return "ask" }
func (DoSignIn) Effect() string  { return "signin" }
func (DoParcel) Effect() string  { return "parcel" }
func (DoSave) Effect() string    { return "save" }
func (DoAwait) Effect() string   { return "await" }
func (DoPrint) Effect() string   { return "print" }
func (DoTicket) Effect() string  { return "ticket" }
func (DoRewrite) Effect() string { return "rewrite" }
func (DoForget) Effect() string  { return "forget" }

// Secret is a password or PIN on its way through. It never prints.
type Secret string

func (Secret) String() string   { return "[secret]" }
func (Secret) GoString() string { return "[secret]" }

// MarshalText keeps it out of JSON and logs.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }
