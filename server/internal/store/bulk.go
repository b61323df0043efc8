package store

import (
	"context"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/registry"
)

// BulkKind is what a run does with its pupils.
type BulkKind string

const (
	BulkPromote BulkKind = "promote"      // 升级 (Art. 12)
	BulkUndo    BulkKind = "undo_promote" // takes a promotion back before the close
	BulkFinish  BulkKind = "finish"       // 毕业, 结业, 肄业 (Art. 13)
	BulkAdvance BulkKind = "advance"      // 升学 (Art. 14), started by the school that takes in
	BulkOffer   BulkKind = "offer"        // pupils named to schools of other provinces (升学, Art. 14)
	BulkKeep    BulkKind = "keep"         // archives to permanent keeping (Art. 9)
	BulkEndUnit BulkKind = "end_unit"     // pupils and archives of a school that merged or closed (Art. 9)
	BulkNumber  BulkKind = "number"       // official numbers after the national check, and doubts about those who did not pass (T2)
	BulkDecide  BulkKind = "decide"       // open steps of the to-do list, accepted or refused
	BulkReview  BulkKind = "review"       // the term's review of every record (Art. 24): rows are marked by people
)

// States of a run. A review is open until the leader signs it; the others are queued, running, done or cancelled.
const (
	BulkQueued    = "queued"
	BulkRunning   = "running"
	BulkOpen      = "open"
	BulkDone      = "done"
	BulkSigned    = "signed"
	BulkCancelled = "cancelled"
)

// States of a row. In a review done is confirmed, failed is to be corrected.
const (
	RowWaiting = "waiting"
	RowDone    = "done"
	RowFailed  = "failed"
)

// BulkRun is one piece of work on many pupils of a school.
type BulkRun struct {
	ID        string
	Kind      BulkKind
	School    registry.Unit // whose pupils
	Period    string        // the year or term it is for; "" for none
	Unit      registry.Unit // who asked
	State     string
	Doc       BulkDoc
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int64
	// Counted from the rows.
	Total, Done, Failed int
}

// Waiting is how many rows nobody has come to yet.
func (r BulkRun) Waiting() int { return r.Total - r.Done - r.Failed }

// BulkDoc is what a run was asked, sealed.
type BulkDoc struct {
	By       registry.Actor       `json:"by"`
	Year     int                  `json:"year,omitempty"`
	Reason   string               `json:"reason,omitempty"`
	On       registry.Date        `json:"on,omitempty"`
	To       registry.Unit        `json:"to,omitempty"`
	State    string               `json:"state,omitempty"` // end_unit: merged or closed
	Ref      string               `json:"ref,omitempty"`
	Of       string               `json:"of,omitempty"` // the run that this one undoes
	Classes  map[string]string    `json:"classes,omitempty"`
	Step     *registry.DecideStep `json:"step,omitempty"` // decide: what is said of each
	SignedBy *registry.Actor      `json:"signed_by,omitempty"`
	SignedAt time.Time            `json:"signed_at,omitzero"`
}

// BulkRow is one pupil of a run.
type BulkRow struct {
	Run   string
	UID   registry.UID
	Pos   int
	Class string // "06 1班": grade and class, the group that lists show
	State string
	Doc   BulkMark
	At    time.Time
}

// BulkMark is what is known of a pupil of a run, sealed.
type BulkMark struct {
	End         registry.Standing `json:"end,omitempty"`
	Certificate string            `json:"certificate,omitempty"`
	ToGrade     int               `json:"to_grade,omitempty"`
	ToClass     string            `json:"to_class,omitempty"`
	To          registry.Unit     `json:"to,omitempty"` // offer: the school
	Note        string            `json:"note,omitempty"`
	Code        registry.Code     `json:"code,omitempty"` // why it failed
	Field       string            `json:"field,omitempty"`
	Params      map[string]string `json:"params,omitempty"`
	CaseNo      registry.CaseNo   `json:"case_no,omitempty"`
	By          string            `json:"by,omitempty"`
	Seen        int64             `json:"seen,omitempty"`  // decide: the version that the list showed
	Doubt       bool              `json:"doubt,omitempty"` // number: the check was not passed
}

// BulkClass counts one group of a run.
type BulkClass struct {
	Class               string
	Total, Done, Failed int
}

// BulkQuery narrows a list of runs; schools are the scope.
type BulkQuery struct {
	Kind    BulkKind
	Schools []registry.Unit
	All     bool
	Period  string
	State   string
	Limit   int
}

// Bulks keeps work on many pupils. A row's move and its pupil's are one transaction (Batch.Bulk).
type Bulks interface {
	// PutBulk inserts a run (Version 0) with rows; ErrConflict when the id stands already.
	PutBulk(ctx context.Context, r BulkRun, rows []BulkRow) error
	// SaveBulk writes state and doc of the version read; ErrConflict when it moved.
	SaveBulk(ctx context.Context, r BulkRun) error
	// AddBulkRows adds rows of pupils the run has not yet.
	AddBulkRows(ctx context.Context, run string, rows []BulkRow) error
	Bulk(ctx context.Context, id string) (BulkRun, error)
	Bulks(ctx context.Context, q BulkQuery) ([]BulkRun, error) // newest first
	// LeaseBulk hands out one queued or running run that nobody holds; ErrNotFound when there is none. HoldBulk renews or, with a time past, gives up the hold.
	LeaseBulk(ctx context.Context, now time.Time, lease time.Duration) (BulkRun, error)
	HoldBulk(ctx context.Context, id string, until time.Time) error
	// BulkRows lists rows in order; state "" and class "" for all.
	BulkRows(ctx context.Context, run, state, class string, limit, offset int) ([]BulkRow, error)
	BulkClasses(ctx context.Context, run string) ([]BulkClass, error)
	// MarkBulk writes rows' states and docs, with the log entries of who did it, in one transaction. A row that is not there is CodeNotFound.
	MarkBulk(ctx context.Context, rows []BulkRow, log ...audit.Entry) error
	// Certificates lists the register of certificates, newest first.
	Certificates(ctx context.Context, q CertificateQuery) ([]CertificateRow, int, error)
}

// CertificateQuery narrows the register of certificates.
type CertificateQuery struct {
	Schools []registry.Unit
	All     bool
	No      string         // exact, "" for any
	UIDs    []registry.UID // nil for any
	Year    string         // of the end, "" for any
	End     registry.Standing
	Limit   int
	Offset  int
}

// CertificateRow is one line of the register.
type CertificateRow struct {
	UID registry.UID
	registry.Certificate
}
