package audit

import (
	"context"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"xueji/server/registry"
)

// Head is where the log stands.
type Head struct {
	Size       int64
	Checkpoint []byte // the newest; nil while the log is empty
	Holder     string // the sequencer
	Until      time.Time
}

// Append is one step of the sequencer, written whole or not at all.
type Append struct {
	Holder     string
	Old        tlog.Tree
	Size       int64
	Numbered   []EntryKey // get the numbers from Old.N on, in order
	Forged     []EntryKey
	Tiles      []TileRow
	Checkpoint []byte
	Keep       bool // among the checkpoints that stay
	At         time.Time
	Days       []Day // to add
}

// Day is a count of one account on one day.
type Day struct {
	Account string
	Day     registry.Date
	What    string // a Kind, or one of the below
	Unit    registry.Unit
	N       int
}

// What is counted besides the kinds.
const (
	DayPupils  = "pupils"  // different pupils looked at; set, not added
	DayBare    = "bare"    // looks without a case behind them
	DayNight   = "night"   // looks and searches at night
	DayOutside = "outside" // searches that reached for other units' pupils
)

// Store is what the sequencer works on. AuditDays sums an account's ("": each account's) and a unit's ("": each unit's) counts over days, both ends counted;
// DaysOf lists one count of one unit's accounts by day, newest first.
type Store interface {
	// LeadAudit takes or renews the sequencer's lease; false when another holds it.
	LeadAudit(ctx context.Context, holder string, now, until time.Time) (bool, error)
	// WaitingAudit lists entries without a number, oldest first.
	WaitingAudit(ctx context.Context, limit int) ([]Row, error)
	// AppendAudit writes a step; ErrConflict when the log has moved on or the lease is another's.
	AppendAudit(ctx context.Context, a Append) error
	// SetDay sets a count.
	SetDay(ctx context.Context, d Day) error
	// DistinctLooks counts the different pupils an account looked at between two instants.
	DistinctLooks(ctx context.Context, account string, from, to time.Time) (int, error)
	AuditDays(ctx context.Context, account string, unit registry.Unit, from, to registry.Date) ([]Day, error)
	DaysOf(ctx context.Context, unit registry.Unit, what string, from, to registry.Date) ([]Day, error)
	// RecordAudit writes entries; durable on return.
	RecordAudit(ctx context.Context, es ...Entry) error
	Source
}

// Source is what verification reads.
type Source interface {
	AuditHead(ctx context.Context) (Head, error)
	AuditTile(ctx context.Context, level int, n int64) ([]byte, error)
	// AuditRows lists numbered entries from a number on, in order.
	AuditRows(ctx context.Context, from int64, limit int) ([]Row, error)
	// AuditLoose counts entries that wait, the oldest of them, and those that were found forged.
	AuditLoose(ctx context.Context) (waiting int, oldest time.Time, forged int, err error)
	// AuditCheckpoints lists kept checkpoints by size.
	AuditCheckpoints(ctx context.Context) ([][]byte, error)
	// AuditSubjects lists names of a class of subjects (Classes) after one, in order.
	AuditSubjects(ctx context.Context, class, after string, limit int) ([]string, error)
	// AuditContents reads what stands in the register for subjects of a class; one that is not there is left out.
	AuditContents(ctx context.Context, class string, names []string) ([]Subject, error)
	// AuditEntries lists every entry of subjects, by subject and id.
	AuditEntries(ctx context.Context, subjects []string) ([]Row, error)
}

// Classes of subjects whose rows the log vouches for.
const (
	ClassPupil   = "pupil"
	ClassAccount = "account"
	ClassKiosk   = "kiosk"
	ClassUnit    = "unit"
	ClassBlob    = "blob"
	ClassInbox   = "inbox" // 256 rows of one kiosk each
)

// Classes in the order of verification.
var Classes = []string{ClassUnit, ClassAccount, ClassKiosk, ClassBlob, ClassInbox, ClassPupil}

// Subject is what stands in the register for one subject.
type Subject struct {
	Name   string
	Rows   []Content
	Faults []string // what is wrong by itself: a chain that is broken
}

// Content is one row, or one record, by its keyed digest.
type Content struct {
	Row    string
	Digest []byte
	State  []byte // of the record after a history row, for the newest one
	// Moves: the row changes; its newest entry counts. Optional: it need not have an entry.
	Moves, Optional bool
}
