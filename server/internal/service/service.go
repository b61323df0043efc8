// Package service is what the server does, in use cases: each loads, asks access, decides by registry.Decide and commits. Console, device API, worker,
// import and demo all go through it; none of them touches the store's writes or a rule by another way.
package service

import (
	"context"
	"io"
	"time"

	"xueji/server/api"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// Staff is a signed-in member of staff with the scope resolved (access.Scope decides what exists for them).
type Staff struct {
	store.Account
	Token string // session token, for CSRF derivation
	// Fresh: they proved who they are within the last minutes (Policy.Fresh); dangerous acts ask for it.
	Fresh bool
	// Bare: their role works with two factors and they have proven one; they may only set up the second.
	Bare bool
	// For is whose role they act in while that one is away (Role is then theirs); nil in their own.
	For *Substitute
}

// Substitute is a substitution as the one who stands in acts under it.
type Substitute struct {
	ID      string
	Account string
	Name    string
	Role    registry.Role
	Own     registry.Role // the role they leave meanwhile
	Until   registry.Date
}

// Actor is how history names them.
func (s Staff) Actor(via string) registry.Actor {
	a := registry.Actor{Account: s.ID, Name: s.Name, Unit: s.Unit, Role: s.Role, Via: via}
	if s.For != nil {
		a.For, a.ForAccount = s.For.Name, s.For.Account
	}
	return a
}

// Console is what pages need. Archiving is its part on archives. Guarding is its part on accounts, Entering on new pupils. The console package consumes it; *Service implements it. Errors are *registry.Error. Everything is scoped to who: what a
// person may not see is CodeNotFound.
type Console interface {
	Archiving
	Portraits
	Auditing
	Guarding
	Supervising
	Bulking
	Integrating
	Entering
	Exchanging
	Vaulting
	CardReading
	SignIn(ctx context.Context, login, password string, from From) (SignedIn, error)
	SignOut(ctx context.Context, token string) error
	WhoIs(ctx context.Context, token string) (Staff, error)
	Directory() registry.Directory
	Schools(who Staff) []registry.School // in scope
	Offices(who Staff) []registry.Office // below who's own, by code
	Today() registry.Date
	Calendar() *registry.Calendar
	Pack() *registry.Pack

	// To do.
	// CasesBehind reads the open cases behind tasks of a list, by number: those that the unit takes part in.
	CasesBehind(ctx context.Context, who Staff, tasks []store.TaskRow) (map[registry.CaseNo]registry.Case, error)
	ToDo(ctx context.Context, who Staff, ask ToDoAsk) (ToDo, error)
	OwnTasks(ctx context.Context, who Staff, refs []Ref, party registry.Party) ([]store.TaskRow, error)
	ArchiveTasks(ctx context.Context, who Staff, most int) (ArchiveToDo, error)
	// ToDoCount is ToDo without its lists of tasks.
	ToDoCount(ctx context.Context, who Staff) (ToDo, error)
	// Live delivers a value each time something changed for the unit (notices, tasks), and one at once when something may have since a time (zero: none); ends with
	// ctx. Slow readers lose repeats, never the last.
	Live(ctx context.Context, who Staff, since time.Time) (<-chan Notice, error)

	// Pupils.
	Search(ctx context.Context, who Staff, q store.Query) ([]store.Summary, int, error)
	// Classes names the classes of a school's grade, in their order; none for a school out of scope.
	Classes(ctx context.Context, who Staff, school registry.Unit, grade int) ([]string, error)
	SchoolsLike(who Staff, word string, limit int) []registry.School
	// Regions names places and finds them, as this register's offices call them and by GB/T 2260.
	Regions() *registry.Regions
	Pupil(ctx context.Context, who Staff, uid registry.UID) (registry.Pupil, []store.Entry, error)
	Issuances(ctx context.Context, who Staff, uid registry.UID) ([]store.Issuance, error)

	// Reasons for looking: asked where they are not evident, remembered for the session. Unmask says that numbers are asked for in full.
	Why(ctx context.Context, who Staff, uid registry.UID) (ask bool, err error)
	GiveReason(ctx context.Context, who Staff, uid registry.UID, why, words string) error
	Unmask(ctx context.Context, who Staff, uid registry.UID) error

	// Enrolment by workbook.
	StartImport(ctx context.Context, who Staff, name string, workbook io.Reader) (store.Import, error)
	Import(ctx context.Context, who Staff, id string) (store.Import, error)
	Imports(ctx context.Context, who Staff) ([]store.Import, error)
	CancelImport(ctx context.Context, who Staff, id string) error
	// WrongRows are the first rows that did not go in, of a run that is done: WrongKept at most.
	WrongRows(ctx context.Context, who Staff, id string) ([]WrongRow, error)
	// Template is the empty workbook with lists and help.
	Template(ctx context.Context, who Staff) ([]byte, error)
	// WhereIs explains a duplicate: school and state of the person behind a document, told to whom it was refused (Art. 6).
	WhereIs(ctx context.Context, who Staff, uid registry.UID) (school registry.Unit, standing registry.Standing, err error)

	// What looks like one child twice (查重), side by side, and what it is.
	Duplicates(ctx context.Context, who Staff, state store.SuspicionState, limit, offset int) (found []Likeness, open int, err error)
	Duplicate(ctx context.Context, who Staff, a, b registry.UID) (Likeness, error)
	ProveDuplicate(ctx context.Context, who Staff, a, b registry.UID, note string, files []string) error
	DecideDuplicate(ctx context.Context, who Staff, a, b registry.UID, state store.SuspicionState, note string) error
	ReopenDuplicate(ctx context.Context, who Staff, a, b registry.UID) error
	// A check of the whole register: a run that can be cancelled and that a restart resumes.
	StartCheck(ctx context.Context, who Staff) (store.Import, error)
	LastCheck(ctx context.Context, who Staff) (*store.Import, error)
	CancelCheck(ctx context.Context, who Staff) error

	// Cases. seen is the version the page showed: if it moved on, CodeConflict says that somebody else was first.
	Act(ctx context.Context, who Staff, uid registry.UID, seen int64, ev registry.Event) (registry.Pupil, error)
	// ActMany decides the open step of each, of ManyAtOnce at most; it returns what failed, by UID.
	ActMany(ctx context.Context, who Staff, refs []Ref, ev registry.DecideStep) (done int, failed map[registry.UID]error, err error)
	// FindByDocument is how a receiving school finds a pupil to call over: exact ID number and name.
	FindByDocument(ctx context.Context, who Staff, idNumber, name string) (store.Summary, error)
	StartTransfer(ctx context.Context, who Staff, uid registry.UID, ev registry.StartTransfer) (registry.CaseNo, error)
	StartSuspend(ctx context.Context, who Staff, uid registry.UID, ev registry.StartSuspend) (registry.CaseNo, error)
	// Merge ties two records of one person, Unmerge undoes it (Art. 6).
	Merge(ctx context.Context, who Staff, keep, double registry.UID, reason string) error
	Unmerge(ctx context.Context, who Staff, one, other registry.UID, reason string) error
	Cases(ctx context.Context, who Staff, kind registry.CaseKind, state registry.CaseState, limit, offset int) ([]store.CaseRow, error)

	// Files (scans, photos, marked workbooks).
	PutFile(ctx context.Context, who Staff, uid registry.UID, name, mediaType string, body io.Reader) (digest string, err error)
	File(ctx context.Context, who Staff, digest string) (store.File, error)

	// Papers (PDF).
	CaseReceipt(ctx context.Context, who Staff, uid registry.UID, no registry.CaseNo) ([]byte, error)
	ArchiveCover(ctx context.Context, who Staff, uid registry.UID) ([]byte, error)   // 封面 + 转递单
	ArchiveReceipt(ctx context.Context, who Staff, uid registry.UID) ([]byte, error) // 回执
	CardFace(ctx context.Context, who Staff, uids []registry.UID) ([]byte, error)    // CR80, one per page
	// PrintForm prints an application, report or record of one pupil; CheckPaper tells anybody whether such a paper is ours.
	PrintForm(ctx context.Context, who Staff, uid registry.UID, kind FormKind, no registry.CaseNo) ([]byte, error)
	CheckPaper(ctx context.Context, code string) (CheckedPaper, error)

	// Cards. StartIssue plans an issuance and gives a one-time ticket for the station's cardsvc.
	NeedCards(ctx context.Context, who Staff, school registry.Unit, class string, limit int) ([]store.Summary, int, error)
	StartIssue(ctx context.Context, who Staff, uid registry.UID, reason string) (IssueTicket, error)
	RevokeCard(ctx context.Context, who Staff, uid registry.UID, reason string) error
	// The life of cards: who moved which, when and why.
	CardLife(ctx context.Context, who Staff, uid registry.UID) (map[string][]registry.CardMove, error)
	ChangeCard(ctx context.Context, who Staff, uid registry.UID, cardNo string, act registry.CardAct, reason, note string) error
	// Issuing lists: several stations and readers at once, each name drawn by one of them.
	StartRun(ctx context.Context, who Staff, school registry.Unit, grade int, class string) (store.CardRun, error)
	CardRuns(ctx context.Context, who Staff) ([]store.CardRun, error)
	CardRun(ctx context.Context, who Staff, id, state string, limit, offset int) (store.CardRun, []RunName, error)
	CloseRun(ctx context.Context, who Staff, id string) error
	Draw(ctx context.Context, who Staff, r DrawRequest) (Drawn, error)
	ReleaseLane(ctx context.Context, who Staff, lane string) error
	// RewriteCard brings a pupil's card up to date at a station.
	RewriteCard(ctx context.Context, who Staff, card api.CardProof, ask bool) (CardTap, error)
	IssueCard(ctx context.Context, who Staff, r IssueRequest) (IssueTicket, error)
	SpoilCard(ctx context.Context, who Staff, r IssueRequest) error
	// Handing out: what a class has to sign for, the slip to sign, and its receipt.
	HeldCards(ctx context.Context, who Staff, school registry.Unit, grade int, class string) ([]store.CardRow, error)
	GivenCards(ctx context.Context, who Staff, school registry.Unit, grade int, class string) ([]store.CardRow, error)
	// HeldCounts counts them by class, in the order of classes.
	HeldCounts(ctx context.Context, who Staff, school registry.Unit) ([]store.HeldCount, error)
	DeliverCards(ctx context.Context, who Staff, uids []registry.UID) (int, error)
	DeliverySlip(ctx context.Context, who Staff, school registry.Unit, grade int, class string) ([]byte, error)
	CardLabels(ctx context.Context, who Staff, uids []registry.UID) ([]byte, error) // A4, ten to a page
	Trust(ctx context.Context) (api.Trust, error)                                   // the page hands it to the station's cardsvc

	// Kiosks.
	Kiosks(ctx context.Context, who Staff) ([]store.Kiosk, error)
	NewKiosk(ctx context.Context, who Staff, school registry.Unit, name string) (store.Kiosk, string, error) // with the one-time code
	RevokeKiosk(ctx context.Context, who Staff, id string) error
	MoveKiosk(ctx context.Context, who Staff, id string, to registry.Unit) error
	KioskEvents(ctx context.Context, who Staff) ([]KioskEvent, error)
	HandleKioskEvent(ctx context.Context, who Staff, kiosk string, seq uint64, note string) error
	ImportOutbox(ctx context.Context, who Staff, file []byte) (Carried, error)
	CarryReceipt(ctx context.Context, who Staff, id string) ([]byte, error)

	// StaffList lists the accounts of who's unit and the units under it (Art. 23), without passwords: by unit, then name; at most 500.
	StaffList(ctx context.Context, who Staff) ([]store.Account, error)
}

// Ref names a pupil and the version the page showed.
type Ref struct {
	UID   registry.UID
	Seen  int64
	Class string // given by the receiving school with its yes
}

// ToDo is the first page.
type ToDo struct {
	Today   registry.Date
	Counts  store.TaskCounts
	Kinds   map[string]int  // the same by kind
	Mine    []ToDoRow       // the page that was asked for, soonest first
	Rows    int             // of all pages
	Waiting []ToDoRow       // others have it
	Above   []store.TaskRow // overdue in units under mine
	// Orders are orders to correct that wait for the unit: to answer, or to judge an answer. They are of units, not of pupils, and stand beside the counts.
	Orders []supervise.Order
	// Held counts letters of other provinces that the unit has to finish (ExchangeState).
	Held int
	// Handed are newcomers that other systems handed in and the registrar has to look at, by the day they came; Counts has them too.
	Handed []HandedDay
}

// HandedDay is how many newcomers were handed in on a day, and until when they are to be entered or sent back: each party's time for an enrolment (the rule pack's
// step_working_days), from that day.
type HandedDay struct {
	On, DueOn registry.Date
	Unsure    bool
	N         int
}

// Notice is a live message to a unit's consoles; it carries no pupil's data.
type Notice struct {
	What   string          `json:"what"` // "tasks", "start_transfer", "completed", "refused", "withdrawn", "archive_called", "archive_missing", "import", "card"
	CaseNo registry.CaseNo `json:"case_no,omitempty"`
	At     time.Time       `json:"at"`
}

// IssueTicket lets a station's cardsvc make one card.
type IssueTicket struct {
	IssuanceID string
	Ticket     string
	CardNo     string
	Until      time.Time
}

// Devices is what the device API needs; *Service implements it. kiosk is the authenticated device.
type Devices interface {
	EnrolKiosk(ctx context.Context, r api.EnrolRequest) (api.EnrolReply, error)
	Kiosk(ctx context.Context, id string) (store.Kiosk, error)
	Ingest(ctx context.Context, kiosk store.Kiosk, b api.Batch) (api.Receipt, error)
	Outcomes(ctx context.Context, kiosk store.Kiosk, after uint64) ([]api.Outcome, error)
	DeviceCertificate(ctx context.Context, kiosk store.Kiosk, r api.CertificateRequest) (api.CertificateReply, error)
	DeviceTrust(ctx context.Context, kiosk store.Kiosk) (api.Trust, error)
	DeviceDirectory(ctx context.Context, kiosk store.Kiosk) (api.Directory, error)
	DeviceSignIn(ctx context.Context, kiosk store.Kiosk, s api.SignIn) (api.StaffSession, error)
	Status(ctx context.Context, kiosk store.Kiosk, r api.StatusRequest) (api.StatusReply, error)
	Consignment(ctx context.Context, kiosk store.Kiosk, r api.ConsignmentRequest) (api.Consignment, error)
	Refresh(ctx context.Context, kiosk store.Kiosk, r api.RefreshRequest) (api.RefreshReply, error)
	PupilsAt(ctx context.Context, kiosk store.Kiosk, r api.PupilsRequest) (api.PupilsReply, error)
	LostAt(ctx context.Context, kiosk store.Kiosk, r api.LostRequest) (api.CardMoved, error)
	FoundAt(ctx context.Context, kiosk store.Kiosk, r api.FoundRequest) (api.CardMoved, error)
	Heartbeat(ctx context.Context, kiosk store.Kiosk, h api.Heartbeat) (api.HeartbeatReply, error)
}

// Issuer is what the issuer's API needs; *Service implements it.
type Issuer interface {
	Order(ctx context.Context, r api.OrderRequest) (api.Order, error)
	Report(ctx context.Context, r api.Report) (api.ReportReply, error)
	Revocations(ctx context.Context) (api.Revocations, error)
	Minimums(ctx context.Context) (api.Minimums, error)
	PutStatusList(ctx context.Context, l api.SignedList) error
	PutCertificates(ctx context.Context, c api.Certificates) error
	IssuerDevices(ctx context.Context) ([]api.Device, error)
	PutSealedKeys(ctx context.Context, k api.SealedKeys) error
	Epochs(ctx context.Context) (api.Epochs, error)
	PutEpochs(ctx context.Context, e api.Epochs) error
}

// Work is what the worker needs; *Service implements it.
type Work interface {
	// ApplyInbox applies one kiosk event exactly once: nil when it is applied, refused or was done before; an error to try again.
	ApplyInbox(ctx context.Context, kiosk string, seq uint64) error
	// CarryOut does one outbox row.
	CarryOut(ctx context.Context, uid registry.UID, id string) error
	// RunImport resumes or runs an import to its end.
	RunImport(ctx context.Context, id string) error
}
