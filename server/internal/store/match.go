package store

import (
	"context"
	"time"

	"xueji/server/registry"
)

// SuspicionState is where a suspicion of 查重 stands.
type SuspicionState string

// The states. A suspicion that was decided comes back as open only by ReopenSuspicion.
const (
	SuspicionOpen  SuspicionState = "open"
	SuspicionApart SuspicionState = "apart" // two children, by evidence (佐证)
	SuspicionSame  SuspicionState = "same"  // one child: one of the records is corrected, deleted or merged (变更、删除、合并)
)

// Suspicion says that two pupils may be one child, and what became of it. UID < Other.
type Suspicion struct {
	UID, Other registry.UID
	Rung       int // match.Rung
	Score      int
	Reasons    []string // match.Reason
	// Units are shown it: the schools and their authorities, as they were when it was found.
	Units     []registry.Unit
	FoundAt   time.Time
	State     SuspicionState
	By        registry.Actor // who decided
	DecidedAt time.Time
	Note      string
	Proofs    []Proof // 佐证, oldest first
}

// Proof is what a school filed with a suspicion.
type Proof struct {
	By    registry.Actor
	At    time.Time
	Note  string
	Files []string // digests
}

// KeyMove is what a new scheme of blocking keys changes for a record of that version.
type KeyMove struct {
	UID       registry.UID
	Version   int64
	Add, Drop []int64
}

// Matches keeps the blocking keys of every pupil (keyed hashes of 64 bits; Change.MatchAdd, MatchDrop write them) and the suspicions found by them.
type Matches interface {
	// Sharers are the pupils who hold one of the keys, each once; at most limit, and a key that more than 64 pupils hold is passed over: it tells nothing.
	Sharers(ctx context.Context, keys []int64, limit int) ([]registry.UID, error)
	// EachMatchKey gives every key of the register with its holder, in no order.
	EachMatchKey(ctx context.Context, each func(key int64, uid registry.UID) error) error
	// MoveMatchKeys adds and drops keys of records that stand as they were read; one that has moved on since is left alone, and told. Durable on return.
	MoveMatchKeys(ctx context.Context, moves []KeyMove) (movedOn []registry.UID, err error)
	// PutSuspicions adds what was found; a pair that is known already, whatever its state, is left as it is. It returns how many are new. Durable on return.
	PutSuspicions(ctx context.Context, found []Suspicion) (int, error)
	// DecideSuspicion closes an open one (State, By, DecidedAt, Note); ErrConflict when it was decided before, ErrNotFound when there is none.
	DecideSuspicion(ctx context.Context, s Suspicion) error
	// ProveSuspicion adds proof to an open one; ErrConflict when it was decided.
	ProveSuspicion(ctx context.Context, uid, other registry.UID, p Proof) error
	// ReopenSuspicion undoes a decision; ErrConflict when it is open.
	ReopenSuspicion(ctx context.Context, uid, other registry.UID) error
	// Suspicion finds a pair in either order.
	Suspicion(ctx context.Context, a, b registry.UID) (Suspicion, error)
	// Suspicions lists a unit's, surest first; SuspicionsOf a pupil's, of every state.
	Suspicions(ctx context.Context, unit registry.Unit, state SuspicionState, limit, offset int) ([]Suspicion, error)
	SuspicionsOf(ctx context.Context, uid registry.UID) ([]Suspicion, error)
	// OpenSuspicions counts a unit's.
	OpenSuspicions(ctx context.Context, unit registry.Unit) (int, error)
}
