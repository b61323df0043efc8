package store

import (
	"context"
	"slices"
	"time"

	"xueji/server/registry"
)

// Client is another system's credential: school software, the system of a later stage of education. It is bound to one unit.
type Client struct {
	ID         string // "c-" + 12 base32
	Name       string // what system it is
	Unit       registry.Unit
	SecretHash []byte // SHA-256 of the secret, which is kept nowhere
	Scopes     []string
	Approval   string        // number of the approval (Art. 25) under which data leave to it; "" when none do
	Until      registry.Date // the last day
	Nets       []string      // networks (CIDR) that it calls from; none: any
	Cert       string        // SHA-256, in hex, of the certificate that it shows; "": none is asked for
	MadeBy     string        // account id
	CreatedAt  time.Time
	RevokedAt  time.Time
	SeenAt     time.Time
}

// Scopes of a client.
const (
	ScopeRoll      = "roll"      // its school's own roll, as far as the approval names fields
	ScopeNewcomers = "newcomers" // hand newcomers in for the registrar's review
	ScopeLookup    = "lookup"    // confirm a 学籍号
)

// Scopes in the order of pages.
var Scopes = []string{ScopeRoll, ScopeNewcomers, ScopeLookup}

// Has reports whether the client has a scope.
func (c Client) Has(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Leaves reports whether data leave the register under one of the scopes, so that an approval has to stand behind it (Art. 25).
func Leaves(scopes []string) bool {
	return slices.Contains(scopes, ScopeRoll) || slices.Contains(scopes, ScopeLookup)
}

// States of a newcomer that another system handed in.
const (
	HandedWaiting = "waiting" // for the registrar
	HandedEntered = "entered"
	HandedRefused = "refused"
)

// Handed is a newcomer that another system handed in. It is no pupil before a registrar enters it.
type Handed struct {
	ID        string // of client and Ref: the same hand-in twice is one
	Client    string
	Unit      registry.Unit
	State     string
	At        time.Time
	Ref       string // the other system's own name for it
	Form      registry.Form
	UID       registry.UID // once entered
	SettledAt time.Time
	SettledBy string // account id
	Words     string // why it was refused
}

// RollMark is how far a school's roll was read: changes after it are those of a later instant, or of the same and a greater UID.
type RollMark struct {
	At  time.Time
	UID registry.UID
}

// RollChange is that a pupil's record at a school changed, or (Left) that the 学籍 went from it.
type RollChange struct {
	RollMark
	Left bool
}

// Clients keeps other systems' credentials and what they do.
type Clients interface {
	// PutClient inserts, with its entry in the log; ErrConflict when the id is taken.
	PutClient(ctx context.Context, c Client, by registry.Actor) error
	Client(ctx context.Context, id string) (Client, error)
	// ClientsOf lists those of units, newest first.
	ClientsOf(ctx context.Context, units []registry.Unit) ([]Client, error)
	// RevokeClient ends one for good, with its entry in the log; ErrConflict when it was ended before.
	RevokeClient(ctx context.Context, id string, by registry.Actor, at time.Time) error
	// BindClient sets where one may call from (Nets, Cert), with its entry in the log; ErrConflict when it was ended.
	BindClient(ctx context.Context, c Client, by registry.Actor, at time.Time) error
	// SeeClient notes a sign of life.
	SeeClient(ctx context.Context, id string, at time.Time) error

	// RollChanges lists what changed at a school after a mark, oldest first. What changed within the last lag is left for the next time: a commit that began
	// earlier may still be under way, and a reader who had passed it would never see it.
	RollChanges(ctx context.Context, school registry.Unit, after RollMark, lag time.Duration, limit int) ([]RollChange, error)
	// HolderOf finds whose a 学籍号 is, or was before an official one took its place; ErrNotFound when nobody's.
	HolderOf(ctx context.Context, n registry.Number) (registry.UID, error)

	// PutHanded inserts; ErrConflict when the id is taken. SettleHanded moves one from waiting to entered or refused; ErrConflict when it does not wait.
	PutHanded(ctx context.Context, h Handed) error
	Handed(ctx context.Context, id string) (Handed, error)
	SettleHanded(ctx context.Context, h Handed) error
	// HandedTo lists a unit's of a state, oldest first.
	HandedTo(ctx context.Context, unit registry.Unit, state string, limit int) ([]Handed, error)
	// HandedAt says when each of a unit's of a state came, oldest first; it opens none.
	HandedAt(ctx context.Context, unit registry.Unit, state string) ([]time.Time, error)
}
