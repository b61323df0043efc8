package store

import (
	"context"
	"time"

	"xueji/server/registry"
)

// Kinds of second factor.
const (
	FactorTOTP     = "totp"
	FactorPasskey  = "passkey"
	FactorRecovery = "recovery"
)

// Factor is a second means of proof of an account.
type Factor struct {
	Account   string
	ID        string
	Kind      string
	Name      string // what its owner calls it
	Secret    []byte // TOTP secret, passkey, or the hash of a recovery code; sealed by the store
	Counter   int64  // TOTP: the last time step that was used; passkey: the authenticator's count; recovery: 1 once used
	CreatedAt time.Time
	UsedAt    time.Time
}

// Substitution lets an account act in the role of another of its unit that is away, from and until the dates, both included.
type Substitution struct {
	ID        string
	Account   string // who stands in
	Away      string // whose role it is
	Unit      registry.Unit
	Role      registry.Role
	From      registry.Date
	Until     registry.Date
	MadeBy    string
	CreatedAt time.Time
	EndedAt   time.Time // ended early
}

// Limit bounds attempts under a name: Max within Span of the first, then none until Span has passed since the last that was let through.
type Limit struct {
	Name string
	Max  int
	Span time.Duration
}

// Guards keeps what sign-in rests on beside passwords.
type Guards interface {
	// PutFactor inserts or renames by account and ID. UseFactor moves its counter up, notes the time and, when secret is not nil, replaces it: ErrConflict
	// when the counter is there already or past it (a code used twice).
	PutFactor(ctx context.Context, f Factor) error
	Factors(ctx context.Context, account string) ([]Factor, error)
	UseFactor(ctx context.Context, account, id string, counter int64, secret []byte, at time.Time) error
	// DropFactors ends one factor, or ("" as id) all of a kind, or ("" as kind too) all.
	DropFactors(ctx context.Context, account, kind, id string) error

	// PutSubstitution inserts, or ends early by ID.
	PutSubstitution(ctx context.Context, v Substitution) error
	Substitution(ctx context.Context, id string) (Substitution, error)
	// SubstitutionsOf lists those of an account (as the one who stands in) or of a unit whose last day is not before today, soonest end first.
	SubstitutionsOf(ctx context.Context, account string, unit registry.Unit, today registry.Date) ([]Substitution, error)

	// TakeTries takes one attempt under every name, atomically, before it is judged: 0 and until when if one of them is used up, and then none is taken.
	TakeTries(ctx context.Context, now time.Time, limits ...Limit) (until time.Time, err error)
	// ReturnTries gives attempts back that were no failure: forget clears the names, less takes one off each.
	ReturnTries(ctx context.Context, forget, less []string) error

	// PutOnce keeps something to be taken exactly once before until; TakeOnce takes it, ErrNotFound when it is gone or late.
	PutOnce(ctx context.Context, id, kind string, data []byte, until time.Time) error
	TakeOnce(ctx context.Context, id, kind string, now time.Time) ([]byte, error)
}
