// Package api is the server's wire: types, paths, problem codes and the typed client that kiosk and issuer use. JSON bodies, UTF-8.
//
// Devices sign each request: header Xueji-Device: "<kiosk id> <unix seconds> <nonce> <base64url Ed25519 signature>" over
// "XJ1\n" METHOD "\n" PATH?QUERY "\n" unix "\n" nonce "\n" hex SHA-256 of the body. The server refuses clocks more than 5 minutes off and a nonce seen before.
// The issuer sends "Authorization: Bearer <token>".
package api

import (
	"time"

	"xueji/server/registry"
)

// Paths.
const (
	PathEnrol       = "/v1/kiosks/enrol"        // POST EnrolRequest → EnrolReply (no signature: the one-time code is the proof)
	PathBatches     = "/v1/kiosk/batches"       // POST Batch → Receipt
	PathOutcomes    = "/v1/kiosk/outcomes"      // GET ?after=seq → []Outcome
	PathTrust       = "/v1/kiosk/trust"         // GET → Trust
	PathDirectory   = "/v1/kiosk/directory"     // GET → Directory
	PathSignIn      = "/v1/kiosk/sign-in"       // POST SignIn → StaffSession
	PathStatus      = "/v1/kiosk/status"        // POST StatusRequest → StatusReply (the family asks)
	PathConsignment = "/v1/kiosk/consignment"   // POST ConsignmentRequest → Consignment (archive receipt; staff token needed)
	PathRefresh     = "/v1/kiosk/refresh"       // POST RefreshRequest → RefreshReply (the card is behind: a ticket for the issuer)
	PathPupils      = "/v1/kiosk/pupils"        // POST PupilsRequest → PupilsReply (a family without its card; staff token needed)
	PathLost        = "/v1/kiosk/card/lost"     // POST LostRequest → CardMoved
	PathFound       = "/v1/kiosk/card/found"    // POST FoundRequest → CardMoved: a card that was reported lost lies on the reader
	PathCertificate = "/v1/kiosk/certificate"   // POST CertificateRequest → CertificateReply (signed, needs no device certificate)
	PathHeartbeat   = "/v1/kiosk/heartbeat"     // POST Heartbeat → HeartbeatReply
	PathExchange    = "/v1/exchange"            // POST ExchangeRequest → ExchangeReply (another province's register; the message proves itself)
	PathOrder       = "/v1/issuer/order"        // POST OrderRequest → Order (issuer redeems a ticket)
	PathReport      = "/v1/issuer/report"       // POST Report → ReportReply
	PathRevocations = "/v1/issuer/revocations"  // GET → Revocations
	PathMinimums    = "/v1/issuer/minimums"     // GET → Minimums
	PathStatusList  = "/v1/issuer/status-list"  // PUT SignedList
	PathCerts       = "/v1/issuer/certificates" // PUT Certificates
	PathDevices     = "/v1/issuer/devices"      // GET → []Device: enrolled, not revoked
	PathSealedKeys  = "/v1/issuer/sealed-keys"  // PUT SealedKeys
	PathEpochs      = "/v1/issuer/epochs"       // GET → Epochs, PUT Epochs
)

// Problem is every error's body (RFC 9457 in spirit): Code from registry.Code, Title and Help from the catalogue in the caller's language.
type Problem struct {
	Code   registry.Code     `json:"code"`
	Status int               `json:"status"`
	Title  string            `json:"title"`
	Help   string            `json:"help,omitempty"` // who can mend it, and how
	Field  string            `json:"field,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	Ref    string            `json:"ref,omitempty"` // request id for the operator
}

// EnrolRequest enrols a device by a one-time code from the console.
type EnrolRequest struct {
	Code      string `json:"code"`
	PublicKey []byte `json:"public_key"`    // Ed25519, signs requests and batches
	SealKey   []byte `json:"seal_key"`      // X25519, reading keys are sealed to it
	CSR       []byte `json:"csr,omitempty"` // PKCS#10 of PublicKey, DER: for the device certificate
}

// CertificateRequest asks for a device certificate of the enrolled key.
type CertificateRequest struct {
	CSR []byte `json:"csr"` // PKCS#10, DER
}

// CertificateReply is a certificate of the device authority, DER; it is asked for again when half of its life is over.
type CertificateReply struct {
	Certificate []byte `json:"certificate"`
}

// EnrolReply is what a device keeps.
type EnrolReply struct {
	KioskID    string        `json:"kiosk_id"`
	No         int           `json:"no"`
	School     registry.Unit `json:"school"`
	SchoolName string        `json:"school_name"`
	// ReceiptKey is the server's Ed25519 key that signs receipts; pinned by the kiosk from now on.
	ReceiptKey []byte `json:"receipt_key"`
	// Certificate is the device certificate for mutual TLS, DER.
	Certificate []byte `json:"certificate,omitempty"`
	// OfficeKey is the server's X25519 key that an outbox carried on a stick is sealed to (SealCarry).
	OfficeKey []byte `json:"office_key"`
	// Roots are the pinned card roots (credential.Root, CBOR).
	Roots []byte `json:"roots"`
}

// Batch carries ≤256 consecutive events with one signature.
type Batch struct {
	Kiosk    string   `json:"kiosk"`
	FirstSeq uint64   `json:"first_seq"`
	PrevHash []byte   `json:"prev_hash"` // chain value before FirstSeq: chain_n = SHA-256(chain_{n-1} ‖ SHA-256(payload_n)), chain_0 = 32 zero bytes
	Payloads [][]byte `json:"payloads"`  // each the JSON of an Event, exact bytes
	// Signature is Ed25519 over "XJB1" ‖ kiosk ‖ 0x00 ‖ FirstSeq (8 bytes BE) ‖ uint32 BE count ‖ chain value after the last payload (32 bytes).
	Signature []byte `json:"signature"`
}

// Receipt is the server's signed word that everything up to HighWater is durable.
type Receipt struct {
	Kiosk     string    `json:"kiosk"`
	HighWater uint64    `json:"high_water"`
	At        time.Time `json:"at"`
	// Quarantined counts payloads of this batch that came before under the same number with other bytes: an alarm.
	Quarantined int `json:"quarantined,omitempty"`
	// Signature is Ed25519 by the receipt key over "XJR1" ‖ kiosk ‖ 0x00 ‖ HighWater (8 bytes BE) ‖ unix seconds of At (8 bytes BE).
	Signature []byte `json:"signature"`
}

// Event is one payload of a kiosk. Exactly one of the bodies is set.
type Event struct {
	Seq uint64 `json:"seq"`
	ID  string `json:"id"` // 26 characters, random: idempotency across everything
	// School is whose kiosk it was when the event was kept; "" from an older kiosk means the present one. A kiosk that moved may still deliver for the school before.
	School   registry.Unit  `json:"school,omitempty"`
	At       time.Time      `json:"at"`
	Staff    *StaffProof    `json:"staff,omitempty"` // who signed in at the kiosk
	Card     *CardProof     `json:"card,omitempty"`
	Transfer *TransferEvent `json:"transfer,omitempty"`
	Return   *ReturnEvent   `json:"return,omitempty"`
	Receive  *ReceiveEvent  `json:"receive,omitempty"`
	Tap      *TapEvent      `json:"tap,omitempty"`
}

// StaffProof says who signed in. Token is the online session's; offline, Account and "offline": true (verified against the cached verifier).
type StaffProof struct {
	Account string `json:"account"`
	Offline bool   `json:"offline,omitempty"`
	// Vouched: before the event this member of staff held child and papers against the card in person, because the rule pack asks for it where the card proved less
	// than it wants or the kiosk's status list was past its date.
	Vouched bool `json:"vouched,omitempty"`
}

// CardProof carries what the card proved; the server verifies Record again, and Signature or Attestation. What neither proves counts as signature and chip serial
// alone, whatever Level says; a record with a chip key in it is taken in an event with a good Signature only.
type CardProof struct {
	Record     []byte `json:"record"` // COSE_Sign1 public record as read
	ChipSerial []byte `json:"chip_serial"`
	Level      int    `json:"level"` // what was proven now
	Profile    string `json:"profile"`
	// TappedAt is when the card was read; with the kiosk's id and the event's it makes the tap's nonce (TapNonce).
	TappedAt time.Time `json:"tapped_at,omitzero"`
	// Signature is the chip's own over the nonce (level 3), Attestation the issuer's word on its check (level 2).
	Signature   []byte `json:"signature,omitempty"`
	Attestation []byte `json:"attestation,omitempty"`
	// ListStale says that the kiosk's status list was past its date, or that it had none; ListUntil is that date, zero for none.
	ListStale bool      `json:"list_stale,omitempty"`
	ListUntil time.Time `json:"list_until,omitzero"`
}

// TransferEvent starts a transfer (registry.StartTransfer).
type TransferEvent struct {
	CaseNo   registry.CaseNo `json:"case_no"` // drawn by the kiosk: ZX-<year>-<kiosk no, 4>-<serial, 6>
	ToGrade  int             `json:"to_grade"`
	Reason   string          `json:"reason"`   // code of the reasons list
	Guardian string          `json:"guardian"` // relation code: who consented ("father"…)
	// Number is the 学籍号 that was given, when the card is another province's: this register cannot tell whose it is, and asks that one.
	Number  registry.Number `json:"number,omitempty"`
	Consent time.Time       `json:"consent"`
}

// ReturnEvent files a return from suspension (registry.Return).
type ReturnEvent struct {
	CaseNo registry.CaseNo `json:"case_no"` // FX-…
	Proof  string          `json:"proof"`
	Grade  int             `json:"grade"`
	Class  string          `json:"class"`
}

// ReceiveEvent files an archive receipt (registry.ReceiveArchive).
type ReceiveEvent struct {
	ArchiveNo string `json:"archive_no"`
	Missing   []int  `json:"missing,omitempty"`
}

// TapEvent only reports what was seen (sequence, unknown or forged card) for the register's watch.
type TapEvent struct {
	CardNo   string `json:"card_no,omitempty"`
	Sequence uint32 `json:"sequence,omitempty"`
	Verdict  string `json:"verdict"`
}

// Outcome is what became of an event.
type Outcome struct {
	Seq    uint64            `json:"seq"`
	State  string            `json:"state"` // "applied" | "refused"
	CaseNo registry.CaseNo   `json:"case_no,omitempty"`
	Code   registry.Code     `json:"code,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	Steps  []CaseStep        `json:"steps,omitempty"` // for the printed receipt
}

// CaseStep is a party's turn as a family may read it.
type CaseStep struct {
	Party   registry.Party       `json:"party"`
	Unit    string               `json:"unit"`  // name
	State   string               `json:"state"` // "done" | "now" | "next" | "refused"
	DueOn   registry.Date        `json:"due_on,omitempty"`
	Unsure  bool                 `json:"unsure,omitempty"`
	DoneOn  registry.Date        `json:"done_on,omitempty"`
	Refusal registry.RefusalCode `json:"refusal,omitempty"`
	// Latest is no later than when this party's turn ends, for one whose turn has not come (registry.Case.Latest).
	Latest registry.Date `json:"latest,omitempty"`
}

// Trust is what a kiosk needs to judge cards offline (all signed by the roots or below), and to open sealed records.
type Trust struct {
	Certificates [][]byte `json:"certificates"` // issuing-key certificates
	StatusList   []byte   `json:"status_list"`
	// ReadingKeys are sealed to the device (credential.SealKeys): epoch → sealed section keys. What is not here any longer is to be forgotten.
	ReadingKeys map[uint16][]byte `json:"reading_keys"`
	// Peers is by what the cards of other provinces are judged, whose registers speak with this one. Each vouches for its own province's cards alone.
	Peers []PeerTrust `json:"peers,omitempty"`
}

// PeerTrust is by what another province's cards are judged, as its register told this one.
type PeerTrust struct {
	Province     string   `json:"province"` // code of its office, and the authority of its cards: "320000"
	Roots        []byte   `json:"roots"`
	Certificates [][]byte `json:"certificates"`
	StatusList   []byte   `json:"status_list,omitempty"`
}

// Directory is the kiosk's cache of names.
type Directory struct {
	Version string            `json:"version"`
	Schools []registry.School `json:"schools"`
	Offices []registry.Office `json:"offices"`
	Pack    string            `json:"pack"`
	// Cards is what the rule pack asks of the card, by business: the kiosk says it beforehand.
	Cards map[registry.CardBusiness]registry.CardDemand `json:"cards,omitempty"`
}

// SignIn is a member of staff at the kiosk: by login and password, or by staff card and PIN.
type SignIn struct {
	Login    string `json:"login"`
	Password string `json:"password"`       // the PIN when Card is there
	Card     []byte `json:"card,omitempty"` // chip serial of the staff card as the reader gave it
}

// StaffSession is the reply. Token is good for 10 minutes at this kiosk.
type StaffSession struct {
	Account string        `json:"account"`
	Name    string        `json:"name"`
	Unit    registry.Unit `json:"unit"`
	Role    registry.Role `json:"role"`
	Token   string        `json:"token"`
}

// StatusRequest: the family taps. PIN opens the detail; five failures lock it for an hour.
type StatusRequest struct {
	Card CardProof `json:"card"`
	PIN  string    `json:"pin,omitempty"`
}

// StatusReply is masked unless the PIN was right.
type StatusReply struct {
	Masked     bool              `json:"masked"`
	Name       string            `json:"name"` // "李**" masked
	Standing   registry.Standing `json:"standing"`
	School     string            `json:"school"`
	Grade      int               `json:"grade"`
	HasPIN     bool              `json:"has_pin"`
	PINLeft    int               `json:"pin_left,omitempty"` // tries left after a wrong one
	Case       *CaseView         `json:"case,omitempty"`     // the open case, else the last one of the past year
	Archive    *ArchiveView      `json:"archive,omitempty"`
	Suspension *SuspensionView   `json:"suspension,omitempty"`
	CardBehind bool              `json:"card_behind,omitempty"`
}

// CaseView is a case in a family's words. From and To are names, present in masked form too (they stand on the receipt).
type CaseView struct {
	No    registry.CaseNo    `json:"no"`
	Kind  registry.CaseKind  `json:"kind"`
	State registry.CaseState `json:"state"`
	From  string             `json:"from,omitempty"`
	To    string             `json:"to,omitempty"`
	Steps []CaseStep         `json:"steps"`
}

// ArchiveView is where the paper is.
type ArchiveView struct {
	State     registry.ArchiveState `json:"state"`
	Custodian string                `json:"custodian"`
	DueOn     registry.Date         `json:"due_on,omitempty"`
}

// SuspensionView is a running suspension.
type SuspensionView struct {
	Until registry.Date `json:"until"`
}

// ConsignmentRequest asks for the inventory behind a scanned QR (document.ArchiveQR text). Token is a StaffSession's.
type ConsignmentRequest struct {
	QR    string `json:"qr"`
	Token string `json:"token"`
}

// Consignment is what should be in the envelope.
type Consignment struct {
	ArchiveNo string                 `json:"archive_no"`
	PupilRef  []byte                 `json:"pupil_ref"` // must equal the tapped card's
	Name      string                 `json:"name"`      // masked
	From      string                 `json:"from"`
	To        string                 `json:"to"`
	SentOn    registry.Date          `json:"sent_on"`
	Items     []registry.ArchiveItem `json:"items"`
}

// RefreshRequest: may this card be rewritten now?
type RefreshRequest struct {
	Card CardProof `json:"card"`
}

// RefreshReply carries a one-time ticket when the register wants a higher sequence on the card.
type RefreshReply struct {
	Needed bool   `json:"needed"`
	Ticket string `json:"ticket,omitempty"`
}

// Wire is the version of this wire. A server names the oldest it still takes (HeartbeatReply.MinWire); an older kiosk then starts nothing new.
const Wire = 2

// Heartbeat is a kiosk's health: what it measured, and what its gate made of it.
type Heartbeat struct {
	Version  string    `json:"version"`
	Wire     int       `json:"wire,omitempty"`
	Outbox   int       `json:"outbox"`
	OldestAt time.Time `json:"oldest_at,omitzero"`
	Reader   string    `json:"reader"`
	Printer  string    `json:"printer"`
	// PrinterWhy are the printer's own words on what is wrong (IPP printer-state-reasons, without their severity).
	PrinterWhy []string  `json:"printer_why,omitempty"`
	Papers     int       `json:"papers,omitempty"`    // receipts that wait to be printed
	Skew       int       `json:"skew,omitempty"`      // seconds this machine's clock is ahead of the server's, as last measured
	DiskFree   int64     `json:"disk_free,omitempty"` // MiB free where the outbox lies
	ListUntil  time.Time `json:"list_until,omitzero"` // the deny list is good until
	CertUntil  time.Time `json:"cert_until,omitzero"` // the device certificate is good until; zero: none
	Findings   []Finding `json:"findings,omitempty"`  // what is wrong, worst first
}

// Finding is one thing that is wrong at a kiosk. Key is of the closed list of kiosk/internal/gate; both catalogues have its words.
type Finding struct {
	Key   string   `json:"key"`
	Stops []string `json:"stops,omitempty"` // goals that are refused because of it; none: a warning
}

// HeartbeatReply tells the server's time, and what the console decided about the kiosk since.
type HeartbeatReply struct {
	Now     time.Time `json:"now"`
	MinWire int       `json:"min_wire,omitempty"`
	// School is whose kiosk this is now. When it is not the one the kiosk knows, the console has moved it: it forgets what belonged to the school before.
	School     registry.Unit `json:"school,omitempty"`
	SchoolName string        `json:"school_name,omitempty"`
}

// OrderRequest: the issuer redeems a ticket; used once, but the same issuer may ask again for the same chip (resume).
type OrderRequest struct {
	Ticket     string `json:"ticket"`
	ChipSerial []byte `json:"chip_serial"`
}

// Order is what to put on a card.
type Order struct {
	IssuanceID string        `json:"issuance_id"`
	Kind       string        `json:"kind"` // "first" | "replacement" | "rewrite"
	CardNo     string        `json:"card_no"`
	PupilRef   []byte        `json:"pupil_ref"` // 16 bytes
	School     registry.Unit `json:"school"`
	Status     int           `json:"status"` // credential.Status
	Sequence   uint32        `json:"sequence"`
	StatusIdx  uint32        `json:"status_index"`
	ExpiresOn  registry.Date `json:"expires_on"`
	// Items of the sealed record, by credential.Item.
	Items map[int]string `json:"items"`
	// ChipHash, for a rewrite: the chip must be this one (hex SHA-256 of the serial).
	ChipHash string `json:"chip_hash,omitempty"`
}

// Report is the issuer's word on an issuance. State "planned" is reported before the first APDU (durable on reply), then "personalised" or "failed".
type Report struct {
	IssuanceID string `json:"issuance_id"`
	State      string `json:"state"`
	ChipHash   string `json:"chip_hash"`
	Profile    string `json:"profile"`
	Level      int    `json:"level"`
	Sequence   uint32 `json:"sequence"`
	Record     []byte `json:"record,omitempty"`
	Detail     string `json:"detail,omitempty"`
}

// ReportReply confirms.
type ReportReply struct {
	Active bool `json:"active"`
}

// Revocations is what the next status list must say.
type Revocations struct {
	Number  uint64   `json:"number"`
	Revoked []uint32 `json:"revoked"`
	// Published is the number of the list the server holds now; less than Number (or older than a day): sign a new one.
	Published   uint64    `json:"published"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	// Behind says that cards were rewritten since, and that the published list is old enough to be followed by one that knows them (Minimums).
	Behind bool `json:"behind,omitempty"`
}

// Minimums are the least good sequences of cards that were rewritten: status index → sequence.
type Minimums struct {
	Sequences map[uint32]uint32 `json:"sequences"`
}

// SignedList is a signed status list.
type SignedList struct {
	Number uint64 `json:"number"`
	List   []byte `json:"list"`
}

// Certificates are the issuer's chain and roots.
type Certificates struct {
	Roots        []byte   `json:"roots"`
	Certificates [][]byte `json:"certificates"`
}

// Epochs are the epochs of the keys of sealed records, as the issuer told them last.
type Epochs struct {
	Newest uint16   `json:"newest"` // cards on an older one are behind; 0 until the issuer told
	Kept   []uint16 `json:"kept"`   // ascending; devices hold keys of these and of no other
	// Good counts held cards by epoch: the register's word to the issuer, ignored in a PUT.
	Good map[uint16]int `json:"good,omitempty"`
}

// ConsoleDevice is the id under which the register itself reads cards, among the devices that may hold keys. No kiosk has it.
const ConsoleDevice = "console"

// Device is a kiosk that may hold keys, or the register's own reader (ConsoleDevice).
type Device struct {
	KioskID string   `json:"kiosk_id"`
	SealKey []byte   `json:"seal_key"`
	Epochs  []uint16 `json:"epochs"` // it has sealed keys of these already
}

// SealedKeys are section keys sealed to devices: kiosk id → epoch → sealed keys (credential.SealKeys).
type SealedKeys struct {
	Keys map[string]map[uint16][]byte `json:"keys"`
}
