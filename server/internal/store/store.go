// Package store is the contract between the server's work and its databases: what is kept, what is atomic, what is durable on return.
//
// Two engines implement it (SQLite embedded, PostgreSQL); storetest holds the one suite that judges both. SQL is the truth; Redis carries only wake-ups.
// Every pupil row is distributed by student UID, the kiosk inbox by kiosk, claims by the claimed hash (stack.md): no join off the key on a hot path.
package store

import (
	"context"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/registry"
)

// Store is everything. Consumers should ask for the smaller interfaces.
type Store interface {
	Pupils
	Lists
	Tasks
	Units
	Accounts
	Guards
	Kiosks
	Inbox
	Outbox
	Cards
	CardRuns
	Imports
	Bulks
	Files
	Counters
	Tries
	DeadLetters
	Audits
	Alerts
	Exports
	Matches
	Supervision
	Clients
	Vaults
	Exchange
	// Sweep removes what has run out: sessions, one-time things and counts of tries past their end, and outbox rows done more than a week ago. Safe at any time, by anyone.
	Sweep(ctx context.Context, now time.Time) error
	Close() error
	// Ping is readiness: nil when a trivial read succeeds.
	Ping(ctx context.Context) error
	// Engine is "sqlite" or "postgres".
	Engine() string
}

// Pupils is the aggregate store. Methods return registry errors (ErrNotFound, ErrConflict, CodeDuplicate).
type Pupils interface {
	Pupil(ctx context.Context, uid registry.UID) (registry.Pupil, error)
	// Pupils gives those of some that are there, each once, in no order. The pupil is each's own.
	Pupils(ctx context.Context, uids []registry.UID, each func(registry.Pupil) error) error
	// Commit writes the whole batch in one transaction, or nothing. It fails with ErrConflict when a pupil's version moved or an inbox row was applied
	// already, CodeDuplicate when an ID claim is taken. Durable on return.
	Commit(ctx context.Context, b Batch) error
	// History lists a pupil's events, oldest first.
	History(ctx context.Context, uid registry.UID) ([]Entry, error)
	// ClaimedBy finds who claimed a document hash; "" when nobody.
	ClaimedBy(ctx context.Context, hash []byte) (registry.UID, error)
	// ClaimedByMany is ClaimedBy for an import: hash (as string) → UID, absent when free.
	ClaimedByMany(ctx context.Context, hashes [][]byte) (map[string]registry.UID, error)
}

// Batch is one atomic piece of work.
type Batch struct {
	Changes []Change
	// Applied marks an inbox row as done in the same transaction (exactly once): ErrConflict if it was done before.
	Applied *Outcome
	// Done marks an outbox row as carried out in the same transaction: ErrConflict if it was done before. DoneUID is its pupil (the distribution key);
	// "" looks the row up by its id alone.
	Done    string
	DoneUID registry.UID
	// Cards are issuance rows to upsert in the same transaction (BindCard and its issuance go together).
	Cards []Issuance
	// Marks are what became of names on issuing lists, in the same transaction.
	Marks []CardMark
	// Bulk are rows of runs to move in the same transaction: ErrConflict when one was moved before.
	Bulk []BulkRow
	// Letters go to other registers: numbered and stored in the same transaction, each with its outbox row.
	Letters []Letter
	// Settle ends a letter of another register in the same transaction: ErrConflict when it was ended before.
	Settle *LetterSettle
	// Import progress to record in the same transaction.
	Import *Import
}

// Change is one pupil's move.
type Change struct {
	Pupil registry.Pupil // after; Pupil.Version is the version it was decided from (0: insert)
	// Before is the record it was decided from, as it was read: what is the same in both is not written again. nil: everything is.
	Before *registry.Pupil
	Entry  Entry // history row; the store sets Version
	Tasks  []registry.Task
	Outbox []OutboxRow
	Index  Index
	// Claims are document hashes (keyed HMAC) to take for this pupil; nil leaves them. Non-nil is the whole set: a hash the pupil held and that is not in
	// it is released (an ID number corrected, a case of enrolment refused: [][]byte{} frees the document).
	Claims [][]byte
	// MatchAdd and MatchDrop are blocking keys of 查重 that the pupil takes and lets go (Matches); adding one held, or dropping one not held, changes nothing.
	MatchAdd, MatchDrop []int64
	// Letters go to other registers with the change (Batch.Letters).
	Letters []Letter
}

// Index is what lists and search read, computed by the caller (pinyin is not the store's business).
type Index struct {
	Name     string   // as written
	Order    string   // names.Order, which lists follow; empty: the name
	Pinyin   []string // "ouyang", every reading joined
	Initials []string
	IDTail   string // last 4
	NumTail  string
	Alt      string // 辅号
}

// Entry is a history row.
type Entry struct {
	Version int64
	At      time.Time
	Actor   registry.Actor
	Kind    registry.EventKind
	CaseNo  registry.CaseNo
	Payload []byte // JSON of the event
	Pack    string // rule pack version
}

// Lists are the reads behind pages.
type Lists interface {
	// Search finds pupils in scope. Empty Text lists them by school, grade, class, name.
	Search(ctx context.Context, q Query) ([]Summary, error)
	// Count is how many pupils Search finds without a limit; q.Most of them or fewer, if that is set: counting all of a million takes a hundred milliseconds.
	Count(ctx context.Context, q Query) (int, error)
	// Cases lists cases a unit takes part in, newest first; kind "" for all.
	Cases(ctx context.Context, unit registry.Unit, kind registry.CaseKind, state registry.CaseState, limit, offset int) ([]CaseRow, error)
	// CasesOf lists cases over many units, newest first, each once.
	CasesOf(ctx context.Context, q CaseQuery) ([]CaseRow, error)
	// Bases counts a school's pupils by grade, class, standing and basis, in no order; BasesOf reads those of pupils.
	Bases(ctx context.Context, school registry.Unit) ([]BasisCount, error)
	BasesOf(ctx context.Context, uids []registry.UID) (map[registry.UID]string, error)
	// FindCase finds whose a case number is.
	FindCase(ctx context.Context, no registry.CaseNo) (registry.UID, error)
	// FindArchive finds whose an opaque archive number is.
	FindArchive(ctx context.Context, no string) (registry.UID, error)
}

// Query is a search. Scope is enforced here as well as above: only pupils whose school is in Schools, whose open case involves Unit, or who are taught at Unit, exist.
type Query struct {
	Text     string          // name, pinyin, initials, last digits, 辅号
	Schools  []registry.Unit // nil: none; see All
	All      bool            // no school limit (province operator of the register)
	Unit     registry.Unit   // include pupils whose open case has a step of this unit
	School   registry.Unit   // narrow
	Grade    int
	Class    string
	Standing registry.Standing
	Study    registry.Unit // narrow to pupils who are taught here and have their 学籍 elsewhere (Art. 17)
	// Temporary narrows to pupils whose 学籍号 is an L or J one (T2).
	Temporary bool
	Kept      bool // archives that were put to keeping for good (Art. 9)
	NoCard    bool // enrolled pupils without a good card (issuing list): none, or a lost one
	// UIDs narrows to these; nil does not.
	UIDs   []registry.UID
	Limit  int // ≤ 500
	Offset int
	// Most is where Count stops counting; 0: nowhere.
	Most int
}

// Summary is a list row.
type Summary struct {
	UID      registry.UID
	Name     string
	Sex      string
	Birth    registry.Date
	School   registry.Unit
	Grade    int
	Class    string
	Number   registry.Number
	Standing registry.Standing
	Lock     registry.CaseNo
	CardNo   string        // of a good card
	Study    registry.Unit // the school of study, when it is another than School
	Version  int64         // the pupil's, so that a list can act on what it showed
}

// TaskRow is a task with the pupil it is about.
type TaskRow struct {
	registry.Task
	Summary
}

// TaskCounts are the numbers over the to-do list.
type TaskCounts struct{ Overdue, Soon, InTime, Waiting, Above int }

// BasisCount is how many pupils of a class share a standing and a basis (registry.Basis as text).
type BasisCount struct {
	Grade    int
	Class    string
	Standing registry.Standing
	Basis    string
	N        int
}

// HeldCount is how many held cards of a class wait to be handed out, and how many were signed for.
type HeldCount struct {
	Grade          int
	Class          string
	Waiting, Given int
}

// ClassTask is a task with where its pupil is.
type ClassTask struct {
	registry.Task
	Grade    int
	Class    string
	Standing registry.Standing
}

// CaseRow is a case list row.
type CaseRow struct {
	UID  registry.UID
	Name string
	Case registry.Case
}

// CaseQuery narrows a list of cases over units that take part in them.
type CaseQuery struct {
	Units []registry.Unit // nil: none; see All
	All   bool
	Kind  registry.CaseKind  // "" for all
	State registry.CaseState // "" for all
	// Nos narrows to these cases of the pupils UIDs; nil does not.
	Nos    []registry.CaseNo
	UIDs   []registry.UID
	Limit  int // ≤ 500
	Offset int
}

// Units is the register of schools and offices, small enough to hold in memory.
type Units interface {
	PutUnits(ctx context.Context, schools []registry.School, offices []registry.Office) error
	LoadUnits(ctx context.Context) ([]registry.School, []registry.Office, error)
}

// Account is a member of staff.
type Account struct {
	ID        string
	Login     string // unique, lower case
	Name      string
	Unit      registry.Unit
	Role      registry.Role
	Password  string // argon2id, encoded
	Disabled  bool
	TrainedOn registry.Date // Art. 23: training before duty
	CreatedAt time.Time

	TrainedCert string // number of the training certificate: one person, one certificate
	ExternalID  string // what the office's identity provider calls them; unique, "" when none
	InviteHash  string // hex SHA-256 of the one-time code that sets the first password; "" when none is out
	InviteUntil time.Time
	MadeBy      string // account id, "" for the command line
	StaffCard   string // hex SHA-256 of the chip serial of their staff card; unique, "" when none
	CardLevel   int    // what reading the chip proves, 1–3; 0 without a card
	CardPIN     string // argon2id, encoded
}

// Session is a signed-in browser. Token is stored hashed (SHA-256).
type Session struct {
	TokenHash []byte
	Account   string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
	Via       string

	FreshAt  time.Time // when the holder last proved who they are
	Strength int       // factors proven: 1 or 2
	How      string    // "password", "password+totp", "passkey"…
	Remote   string    // address it was started from
	Agent    string    // browser and system in a few words
	Acting   string    // substitution in whose role the holder works now, "" for the own role
}

// Accounts keeps staff and sessions.
type Accounts interface {
	PutAccount(ctx context.Context, a Account) error
	Account(ctx context.Context, id string) (Account, error)
	AccountByLogin(ctx context.Context, login string) (Account, error)
	AccountsOf(ctx context.Context, unit registry.Unit) ([]Account, error)
	// AccountsByCert lists the accounts of one training certificate: of one person.
	AccountsByCert(ctx context.Context, cert string) ([]Account, error)
	// AccountByExternal and AccountByCard find the one account; ErrNotFound also for "".
	AccountByExternal(ctx context.Context, id string) (Account, error)
	AccountByCard(ctx context.Context, cardHash string) (Account, error)
	// PutSession inserts, or updates the one with that token.
	PutSession(ctx context.Context, s Session) error
	Session(ctx context.Context, tokenHash []byte) (Session, error)
	// TouchSession moves SeenAt, FreshAt, Strength, How and Acting of a session that is still there; one that was ended stays ended (no error).
	TouchSession(ctx context.Context, s Session) error
	DropSession(ctx context.Context, tokenHash []byte) error
	// SessionsOf lists an account's sessions, last seen first; DropSessions ends all but keep (nil: all).
	SessionsOf(ctx context.Context, account string) ([]Session, error)
	DropSessions(ctx context.Context, account string, keep []byte) error
}

// Kiosk is an enrolled device.
type Kiosk struct {
	ID        string // "k-" + 12 base32
	No        int    // short number, 1…9999, unique; stands in case numbers
	Name      string
	School    registry.Unit
	PublicKey []byte // Ed25519, 32 bytes; empty until enrolled
	SealKey   []byte // X25519, 32 bytes
	CodeHash  []byte // one-time enrolment code, SHA-256; empty once used
	CodeUntil time.Time
	Revoked   bool
	SeenAt    time.Time
	CreatedAt time.Time
	Former    []registry.Unit // schools it belonged to before, oldest first
	Health    []byte          // its last api.Heartbeat as JSON; empty: none yet
}

// Kiosks keeps the devices.
type Kiosks interface {
	// SeeKiosk notes a sign of life and nothing else, so that it cannot undo what the console decides meanwhile.
	SeeKiosk(ctx context.Context, id string, at time.Time, health []byte) error
	PutKiosk(ctx context.Context, k Kiosk) error // insert or update by ID
	Kiosk(ctx context.Context, id string) (Kiosk, error)
	KioskByCode(ctx context.Context, codeHash []byte) (Kiosk, error)
	Kiosks(ctx context.Context, school registry.Unit) ([]Kiosk, error) // whose it is or was; "" for all
	NextKioskNo(ctx context.Context) (int, error)
}

// InboxRow is a verified event of a kiosk. (Kiosk, Seq) is unique; Seq has no gaps below HighWater.
type InboxRow struct {
	Kiosk   string
	Seq     uint64 // 1…
	Hash    []byte // SHA-256 of Payload
	Payload []byte // the exact bytes that were signed
	At      time.Time
	// Chain is the kiosk's hash chain after this row (api.Batch), 32 bytes; the next batch must continue from it.
	Chain []byte
	// EventID is the event's own identity (api.Event.ID), not unique here: SeqOfEvent finds who came first.
	EventID string
}

// Outcome is what became of an inbox row.
type Outcome struct {
	Kiosk  string
	Seq    uint64
	State  string // "applied", "refused"
	CaseNo registry.CaseNo
	Code   registry.Code     // for refused
	Params map[string]string // for the catalogue
	At     time.Time
}

// Inbox takes kiosk events in, exactly once.
type Inbox interface {
	// Ingest stores rows that are new, in one transaction (implementations may group concurrent calls into one), and returns the contiguous high-water
	// mark of the kiosk after it. Rows seen before with the same hash are ignored; with another hash they go to quarantine, and quarantined is > 0.
	// Rows that would leave a gap above the mark are not stored. Durable on return.
	Ingest(ctx context.Context, kiosk string, rows []InboxRow) (highWater uint64, quarantined int, err error)
	HighWater(ctx context.Context, kiosk string) (uint64, error)
	// LeaseInbox hands out unapplied rows whose lease ran out, oldest first per kiosk, and leases them until now+lease.
	LeaseInbox(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]InboxKey, error)
	InboxRow(ctx context.Context, kiosk string, seq uint64) (InboxRow, error)
	// SeqOfEvent is the lowest stored seq of the kiosk that carries an event ID, 0 when none does.
	SeqOfEvent(ctx context.Context, kiosk, eventID string) (uint64, error)
	// Refuse records a refusal outcome (nothing else changes); ErrConflict when the row has an outcome.
	Refuse(ctx context.Context, o Outcome) error
	// Outcomes lists outcomes after seq, in order, for the kiosk to fetch. It stops before the first row still waiting, so that a kiosk that asks "after the
	// last I have" misses none; dead letters are passed over.
	Outcomes(ctx context.Context, kiosk string, after uint64, limit int) ([]Outcome, error)
	// Unhandled lists refused rows of a kiosk that nobody has seen to, oldest first. Handle notes who did and what they wrote; ErrConflict when somebody was first.
	Unhandled(ctx context.Context, kiosk string, limit int) ([]Outcome, error)
	Handle(ctx context.Context, key InboxKey, by, note string, at time.Time) error
	// Dead moves a row that failed too often to the dead letters, with the reason; it stays unapplied and can be put back.
	Dead(ctx context.Context, key InboxKey, reason string) error
}

// InboxKey names an inbox row.
type InboxKey struct {
	Kiosk string
	Seq   uint64
}

// OutboxRow is work to be done once after a commit.
type OutboxRow struct {
	ID      string // unique
	UID     registry.UID
	Kind    string // jobs.Kind
	Payload []byte
	At      time.Time
}

// Outbox is work that a commit promised. Rows are written by Commit only.
type Outbox interface {
	LeaseOutbox(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]OutboxRow, error)
	OutboxRow(ctx context.Context, uid registry.UID, id string) (OutboxRow, error)
	// Finish marks a row done; ErrConflict when it was done before.
	Finish(ctx context.Context, uid registry.UID, id string) error
}

// RowRef names an inbox row (Kiosk, Seq) or an outbox row (UID, ID).
type RowRef struct {
	Kiosk string
	Seq   uint64
	UID   registry.UID
	ID    string
}

// DeadLetter is a row that failed too often.
type DeadLetter struct {
	RowRef
	Reason   string // the last error, without a pupil's data
	Failures int
	At       time.Time
}

// DeadLetters counts failures of inbox and outbox rows in SQL, where a lost queue cannot forget them.
type DeadLetters interface {
	// Failed counts one failure of a waiting row and puts off its next lease by backoff, doubled for each failure before (64× at most). At max failures the
	// row becomes a dead letter: it is leased no more, and dead is true. A row that has its outcome already is left alone.
	Failed(ctx context.Context, ref RowRef, reason string, now time.Time, backoff time.Duration, max int) (dead bool, err error)
	// DeadLetters lists them, oldest first.
	DeadLetters(ctx context.Context, limit int) ([]DeadLetter, error)
	// Revive puts a dead letter back, its failures forgotten; ErrConflict when it is none.
	Revive(ctx context.Context, ref RowRef) error
}

// Counters are named numbers that only grow (case serials of a desk, serials of J and L numbers).
type Counters interface {
	// Next draws n numbers of a counter in one go and returns the first; a counter begins at 1. Durable on return: a number is never drawn twice, though
	// one may be lost.
	Next(ctx context.Context, name string, n int) (first uint64, err error)
}

// Issuance is the making of one card and its life after. One held card (registry.CardState.Held) per pupil, by the schema. Its index stands on the status list
// exactly while its state is Listed.
type Issuance struct {
	ID         string // ULID-like
	UID        registry.UID
	CardNo     string // unique for ever
	State      registry.CardState
	Kind       string // "first", "replacement"
	Reason     string
	StatusIdx  uint32 // unique, index into the status list
	Sequence   uint32
	Ticket     []byte // SHA-256 of the one-time ticket; empty when used
	TicketTill time.Time
	ChipHash   string
	Profile    string
	Level      int
	Record     []byte // signed public record as written
	Epoch      uint16 // of the keys of its sealed record; 0 until one was written
	By         registry.Actor
	CreatedAt  time.Time
	UpdatedAt  time.Time
	ExpiresOn  registry.Date
	// Run is the issuing list it was made from, "" when it was made by itself.
	Run string
	// DeliveredAt is when it was signed for; zero while it was not.
	DeliveredAt time.Time
	// Moves counts the lines of its life that are stored: the compare-and-swap token. Writing fails with ErrConflict when it moved on.
	Moves int
	// Life are lines to add when it is written; nothing reads them back here (see CardLife).
	Life []registry.CardMove
}

// CardRow is a card with the pupil it belongs to, for a class's delivery slip.
type CardRow struct {
	Summary
	Card Issuance
}

// Cards keeps issuances and the status list.
type Cards interface {
	PutIssuance(ctx context.Context, c Issuance) error
	Issuance(ctx context.Context, id string) (Issuance, error)
	IssuanceByTicket(ctx context.Context, ticketHash []byte) (Issuance, error)
	IssuanceByCard(ctx context.Context, cardNo string) (Issuance, error)
	IssuancesOf(ctx context.Context, uid registry.UID) ([]Issuance, error)
	// CardLife lists the lives of a pupil's cards by issuance id, oldest line first.
	CardLife(ctx context.Context, uid registry.UID) (map[string][]registry.CardMove, error)
	// HeldCards lists the held cards of a school's pupils (grade 0 and class "" for all), by grade, class and name; delivered selects those signed for or
	// those not.
	HeldCards(ctx context.Context, school registry.Unit, grade int, class string, delivered bool, limit, offset int) ([]CardRow, error)
	// HeldCounts counts them by class, in no order.
	HeldCounts(ctx context.Context, school registry.Unit) ([]HeldCount, error)
	// ExpiredCards lists held cards whose last day is before today, oldest first.
	ExpiredCards(ctx context.Context, today registry.Date, limit int) ([]Issuance, error)
	// NextCard draws a card serial and a status-list index; both only grow.
	NextCard(ctx context.Context) (serial uint64, statusIdx uint32, err error)
	// RevokedIndexes lists status-list indexes of cards that must be refused, ascending, and the state number (grows at each change).
	RevokedIndexes(ctx context.Context) (number uint64, idx []uint32, err error)
	// RewrittenCards gives the sequence that was last written to each held card that was written more than once, by status-list index.
	RewrittenCards(ctx context.Context) (map[uint32]uint32, error)
	// PutSealedKey keeps a reading key sealed to a device; SealedKeys lists a device's by epoch.
	PutSealedKey(ctx context.Context, kiosk string, epoch uint16, sealed []byte) error
	SealedKeys(ctx context.Context, kiosk string) (map[uint16][]byte, error)
	// DropSealedKeys forgets all keys of a device, KeepSealedKeys those of every device for epochs that are not named.
	DropSealedKeys(ctx context.Context, kiosk string) error
	KeepSealedKeys(ctx context.Context, epochs []uint16) error
	// CardEpochs counts held cards by epoch.
	CardEpochs(ctx context.Context) (map[uint16]int, error)
	PutStatusList(ctx context.Context, number uint64, signed []byte) error
	StatusList(ctx context.Context) (number uint64, signed []byte, err error)
	// PutBlob and Blob keep small named documents: "trust" (certificates), keys' public halves.
	PutBlob(ctx context.Context, name string, b []byte) error
	Blob(ctx context.Context, name string) ([]byte, error)
}

// CardRun is an issuing list: the pupils of a school, or of one of its classes, who are to get a card.
type CardRun struct {
	ID        string // "r-" + 26 base32
	School    registry.Unit
	Grade     int    // 0 for every grade
	Class     string // "" for every class
	Unit      registry.Unit
	By        registry.Actor
	CreatedAt time.Time
	ClosedAt  time.Time // zero while it is open
	// Counted when read.
	Total   int
	Made    int
	Left    int   // taken off the list: left the school, has a card already
	Tries   int   // tickets drawn
	Spoiled int   // chips put aside
	Millis  int64 // sum over the cards made, from the ticket to the bound card
}

// Waiting is how many names still wait for a card.
func (r CardRun) Waiting() int { return r.Total - r.Made - r.Left }

// States of a name on an issuing list.
const (
	ItemWaiting = "waiting"
	ItemMade    = "made"
	ItemLeft    = "left"
)

// CardItem is a name on an issuing list. Pos is its place, from 1.
type CardItem struct {
	Run      string
	Pos      int
	UID      registry.UID
	State    string
	CardNo   string
	Tries    int
	Spoiled  int
	Millis   int64
	LastCode string // of the last attempt that failed, "" when none
	At       time.Time
	By       string // who made it, by name
}

// CardMark adds to what is known of a name on an issuing list. State "" leaves the state; a name once made or left keeps that.
type CardMark struct {
	Run     string
	UID     registry.UID
	State   string
	CardNo  string
	Tries   int // to add
	Spoiled int // to add
	Millis  int64
	Code    string // "" leaves it
	At      time.Time
	By      string
}

// CardRuns keeps issuing lists, and who is at which pupil: no two stations draw the same one.
type CardRuns interface {
	// PutCardRun stores a new list with its names in order; ErrConflict when the id is taken.
	PutCardRun(ctx context.Context, r CardRun, names []registry.UID) error
	CardRun(ctx context.Context, id string) (CardRun, error)
	// CardRunsOf lists runs of schools, open ones first, then newest first; schools nil with all true: every school.
	CardRunsOf(ctx context.Context, schools []registry.Unit, all bool, limit int) ([]CardRun, error)
	// CloseCardRun ends a list; what was made stays made.
	CloseCardRun(ctx context.Context, id string, at time.Time) error
	// CardItems lists the names in order, of one state or ("") of all.
	CardItems(ctx context.Context, run, state string, limit, offset int) ([]CardItem, error)
	// MarkCards adds marks in one transaction (see Batch.Marks for marks that belong to a commit).
	MarkCards(ctx context.Context, marks ...CardMark) error
	// LeaseCard gives holder the first of uids that nobody else holds, until the instant, and lets go what holder held before. ErrNotFound when others hold
	// them all. Exclusive over every list, station and process.
	LeaseCard(ctx context.Context, uids []registry.UID, holder, name string, now, until time.Time) (registry.UID, error)
	// CardLease tells who holds a pupil at now; "" when nobody does.
	CardLease(ctx context.Context, uid registry.UID, now time.Time) (holder, name string, err error)
	// DropCardLease lets go of what holder holds.
	DropCardLease(ctx context.Context, holder string) error
}

// Import is a workbook's way in.
type Import struct {
	ID        string
	Unit      registry.Unit
	By        registry.Actor
	File      string // digest of the workbook as it came
	Result    string // digest of the marked workbook, "" until done
	Name      string
	State     string // "queued", "running", "done", "failed", "cancelled"
	Total     int
	Done      int // rows looked at
	Good      int // rows that went in
	Bad       int
	Code      registry.Code
	Params    map[string]string
	CreatedAt time.Time
	UpdatedAt time.Time
	// Version is a compare-and-swap token like Pupil.Version: 0 inserts; PutImport and Commit fail with ErrConflict when it moved (two runners, a
	// cancellation), and the stored row then has Version+1.
	Version int64
}

// RunPart is a piece of what a run has made so far; N is its number within the run.
type RunPart struct {
	N    int
	Body []byte
}

// Imports keeps import runs.
type Imports interface {
	// PutImport writes a run, and pieces that it made with it. Whoever writes that a run ended removes its pieces with the same stroke.
	PutImport(ctx context.Context, i Import, made ...RunPart) error
	// RunPart reads a piece; ErrNotFound when it is not there.
	RunPart(ctx context.Context, run string, n int) ([]byte, error)
	Import(ctx context.Context, id string) (Import, error)
	ImportsOf(ctx context.Context, unit registry.Unit, limit int) ([]Import, error)
	// UnfinishedImports are to be resumed after a restart.
	UnfinishedImports(ctx context.Context) ([]Import, error)
	// LeaseImports hands out unfinished imports that no one holds, oldest first, and holds them until now+lease: one runner at a time, whatever the number
	// of servers. HoldImport renews the hold of a run in progress.
	LeaseImports(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Import, error)
	HoldImport(ctx context.Context, id string, until time.Time) error
}

// File is content by digest.
type File struct {
	Digest string // hex SHA-256 of Body
	Name   string
	Type   string // media type
	Unit   registry.Unit
	UID    registry.UID // "" when it is no pupil's
	Body   []byte       // ≤ 16 MiB
	At     time.Time
}

// MaxFile is the largest Body a file may have, in bytes.
const MaxFile = 16 << 20

// FileOwner is a pupil or unit for whom a file was put.
type FileOwner struct {
	Unit registry.Unit
	UID  registry.UID
}

// Files keeps scans, photos, workbooks and printed papers.
type Files interface {
	// PutFile keeps f. The same content put again is kept once, and f's Unit and UID are added to its owners. CodeInvalid when Digest is not Body's or
	// Body is larger than MaxFile.
	PutFile(ctx context.Context, f File) error
	// File returns the content with the name, type and owner it was first put with.
	File(ctx context.Context, digest string) (File, error)
	// FileOwners lists everyone a file was put for (two schools may file the same scan): access is judged against each.
	FileOwners(ctx context.Context, digest string) ([]FileOwner, error)
}

// Tries count failed second factors (guardian's PIN) per pupil, so that a restart forgives nothing.
type Tries interface {
	// TakeTry takes one attempt before it is judged, atomically. While the pupil is locked it takes none and returns left = -1 and until when. The
	// max-th attempt locks until now+lock (left = 0, until set): ClearTries after a right answer opens it again.
	TakeTry(ctx context.Context, uid registry.UID, now time.Time, max int, lock time.Duration) (left int, until time.Time, err error)
	ClearTries(ctx context.Context, uid registry.UID) error
}

// Audits is the log of who did and read what (package audit), what is counted from it, and the reasons given.
type Audits interface {
	audit.Store
	// UseAuditKey sets the key of MACs and digests, which is not in the database. Before anything is written.
	UseAuditKey(key []byte)
	// Audit searches, newest first. An entry that is not genuine ends the search with an error.
	Audit(ctx context.Context, q AuditQuery) ([]audit.Entry, error)
	// PutCheckpoint keeps a checkpoint or more signatures of it; Checkpoint reads one by its size.
	PutCheckpoint(ctx context.Context, size int64, at time.Time, note []byte) error
	Checkpoint(ctx context.Context, size int64) ([]byte, error)
	// PutReason keeps the reason of a session for a pupil; ReasonOf reads it, "" when none was given.
	PutReason(ctx context.Context, tokenHash []byte, uid registry.UID, why string, words []byte, until time.Time) error
	ReasonOf(ctx context.Context, tokenHash []byte, uid registry.UID, now time.Time) (why string, words []byte, err error)
}

// AuditQuery narrows a search of the log; zero members do not.
type AuditQuery struct {
	Subject string // a pupil's UID or another subject
	Account string
	Kinds   []audit.Kind
	From    time.Time // counted
	To      time.Time // not counted
	Before  string    // entries older than this id: the next page
	Limit   int       // ≤ 1000
}

// Alerts are what the rules of unusual reading found. An alert's ID names rule, account and span, so that it is raised once.
type Alerts interface {
	// PutAlert raises an alert; false when it stands already.
	PutAlert(ctx context.Context, a audit.Raised) (bool, error)
	// AnswerAlert settles one; ErrConflict when it was settled before.
	AnswerAlert(ctx context.Context, id, by string, at time.Time, answer []byte) error
	Alert(ctx context.Context, id string) (audit.Raised, error)
	// Alerts lists them newest first: open ones only, or all, of units (nil: every unit), from an instant on.
	Alerts(ctx context.Context, open bool, units []registry.Unit, from time.Time, limit int) ([]audit.Raised, error)
}

// Approval is a written approval of an export (Art. 25). It is never changed, only ended.
type Approval struct {
	No      string              `json:"no"`
	Unit    registry.Unit       `json:"unit"` // the office that approved
	To      string              `json:"to"`
	Purpose string              `json:"purpose"`
	Fields  []registry.FieldKey `json:"fields"`
	School  registry.Unit       `json:"school,omitempty"` // "" for every school in the office's scope
	Grade   int                 `json:"grade,omitempty"`
	Until   registry.Date       `json:"until"` // the last day
	Scan    string              `json:"scan,omitempty"`
	By      registry.Actor      `json:"by"`
	At      time.Time           `json:"at"`
	// Read with it.
	RevokedAt time.Time `json:"-"`
	Copies    int       `json:"-"`
}

// ExportCopy is one file that left under an approval.
type ExportCopy struct {
	No     string
	Copy   int
	By     registry.Actor
	At     time.Time
	N      int    // rows
	Digest string // hex SHA-256 of the file
}

// Exports are approvals and what left under them. Entries of the log are written in the same transactions.
type Exports interface {
	PutApproval(ctx context.Context, a Approval) error
	Approval(ctx context.Context, no string) (Approval, error)
	Approvals(ctx context.Context, units []registry.Unit, limit int) ([]Approval, error)
	RevokeApproval(ctx context.Context, no string, by registry.Actor, at time.Time) error
	// TakeCopy draws the next copy number; SealCopy says what the copy holds, once, before it leaves.
	TakeCopy(ctx context.Context, no string, by registry.Actor, at time.Time) (int, error)
	SealCopy(ctx context.Context, c ExportCopy) error
	ExportCopies(ctx context.Context, from, to time.Time, limit int) ([]ExportCopy, error)
}
