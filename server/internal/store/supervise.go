package store

import (
	"context"
	"time"

	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// Finding is a detector's hit as it is kept: found again it stays the same one, mended it is gone and stays countable.
type Finding struct {
	supervise.Hit
	// Source is whose pass found it: a school's code, "alerts", or "hand".
	Source  string
	FoundAt time.Time
	GoneAt  time.Time // zero while it stands
	// Words and By are of one entered by hand.
	Words string
	By    registry.Actor
}

// FindingCount counts the standing findings of a unit and kind; Severe of them stand since before a day.
type FindingCount struct {
	Unit      registry.Unit
	Kind      supervise.Kind
	N, Severe int
}

// Mark is a report that was sent up, and that it was seen there: the term letter of Article 18, the register of staff of Article 23.
type Mark struct {
	Unit   registry.Unit // whose report
	Kind   string        // MarkLetter, MarkStaff
	Period string        // "2026-1" for a term, "2026" for a year
	SentAt time.Time
	SentBy string // account
	SeenAt time.Time
	SeenBy string
}

// Kinds of marks.
const (
	MarkLetter = "letter"
	MarkStaff  = "staff"
)

// Supervision keeps what Articles 18, 23, 26 and 27 and the yearly statistics ask for.
type Supervision interface {
	// EachPupil reads every record of a school (its 学籍 there), opened, in no order, without holding them all. The pupil is each's own.
	EachPupil(ctx context.Context, school registry.Unit, each func(registry.Pupil) error) error
	// PutFindings says what a source finds now, whole: new ones are added, those that stand are kept with the day they were first found, those of the source that
	// are not in found are gone. A finding belongs to the source that found it last.
	PutFindings(ctx context.Context, source string, at time.Time, found []Finding) error
	// AddFinding enters one by hand (or again, when it was gone); CloseFinding ends one, ErrNotFound when none stands.
	AddFinding(ctx context.Context, f Finding) error
	CloseFinding(ctx context.Context, unit registry.Unit, id string, at time.Time) error
	// Findings lists standing ones of units, of a kind or (0) of all, longest standing first.
	Findings(ctx context.Context, units []registry.Unit, kind supervise.Kind, limit, offset int) ([]Finding, error)
	FindingCounts(ctx context.Context, units []registry.Unit, severeBefore registry.Date) ([]FindingCount, error)
	// FindingMoves counts by kind what was found, and what went, since an instant.
	FindingMoves(ctx context.Context, units []registry.Unit, since time.Time) (found, gone map[supervise.Kind]int, err error)

	// PutOrder inserts (Version 0) or replaces an order; ErrConflict when it moved.
	PutOrder(ctx context.Context, o supervise.Order) error
	Order(ctx context.Context, no string) (supervise.Order, error)
	// Orders lists those to or by units, not closed first, then newest first.
	Orders(ctx context.Context, units []registry.Unit, limit int) ([]supervise.Order, error)
	// OrdersFor lists those that wait for a unit, soonest due first.
	OrdersFor(ctx context.Context, unit registry.Unit, limit int) ([]supervise.Order, error)

	// PutTally replaces a unit's tally of its school year; Tallies reads those of a year; TallyTimes says when each unit was tallied last.
	PutTally(ctx context.Context, t supervise.Tally, at time.Time) error
	Tallies(ctx context.Context, units []registry.Unit, year int) (map[registry.Unit]supervise.Tally, error)
	TallyTimes(ctx context.Context, units []registry.Unit) (map[registry.Unit]time.Time, error)

	// PutMark sets the sent or the seen side of a mark that is not set yet (a set one stays); Marks reads a kind's of units, of a period or ("") all.
	PutMark(ctx context.Context, m Mark) error
	Marks(ctx context.Context, kind, period string, units []registry.Unit) ([]Mark, error)
}
