package store

import (
	"context"
	"slices"
	"time"

	"xueji/server/vault"
)

// Vaults is the care of what is sealed. What is sealed and what is not stands in docs/data-protection.md.
type Vaults interface {
	// Vault seals and opens further columns: secrets of accounts, say. Its places must be columns that Tend knows.
	Vault() *vault.Vault
	// Tend does what waits: seals rows of before the vault, seals anew what stands under a retired key, writes the blind index anew, destroys retired keys that nothing
	// names. In small batches, to be broken off at any point and begun again; it gives how many values it sealed.
	Tend(ctx context.Context) (sealed int, err error)
	// VaultStatus reads how far that is, as the work itself counted: it looks at no value.
	VaultStatus(ctx context.Context) (VaultStatus, error)
	// PauseVault keeps Tend still, from its next batch on and over restarts, until ResumeVault; a second pause changes nothing.
	PauseVault(ctx context.Context, account string, at time.Time) error
	ResumeVault(ctx context.Context) error
	// RotateData and RotateIndex add a key for what is written from now on; RotateKEK wraps all keys under a new KEK file.
	RotateData(ctx context.Context, suite vault.Suite) (n uint32, err error)
	RotateIndex(ctx context.Context) (n uint32, err error)
	RotateKEK(ctx context.Context, kek *vault.FileKEK) error
}

// VaultStatus says how far the vault's work is.
type VaultStatus struct {
	Keys      []vault.Key
	Clear     int           // pupils of before the vault
	Unindexed int           // pupils under an index key before the active one
	Columns   []VaultColumn // those that were counted towards the active data key
	Uncounted int           // columns that nobody has counted: the work has not begun, or there was never any
	Paused    *VaultPause   // nil: not paused
}

// VaultPause is who keeps the work still, and since when.
type VaultPause struct {
	Account string
	At      time.Time
}

// VaultColumn is the pass over a column: how many values there were to seal anew at its beginning, and how many still stand under which older key (0: in clear). What
// others write meanwhile is sealed under the active key and taken off the count when the pass has come by.
type VaultColumn struct {
	Place  string // table.column
	Total  int
	Under  map[uint32]int
	Done   bool
	SeenAt time.Time // when a batch of it was sealed last
}

// Left is how many values of the column wait.
func (c VaultColumn) Left() int {
	n := 0
	for _, k := range c.Under {
		n += k
	}
	return n
}

// Waits reports whether the worker has something to do, or to end: a key that is retired and not destroyed yet, pupils in clear or under an older index key.
func (v VaultStatus) Waits() bool {
	return v.Clear+v.Unindexed > 0 || slices.ContainsFunc(v.Keys, func(k vault.Key) bool { return k.State == vault.Retired })
}

// Left is how many values wait for the worker, of those that were counted.
func (v VaultStatus) Left() int {
	n := v.Clear + v.Unindexed
	for _, c := range v.Columns {
		n += c.Left()
	}
	return n
}

// Total is how many there were at the beginning.
func (v VaultStatus) Total() int {
	n := v.Clear + v.Unindexed
	for _, c := range v.Columns {
		n += c.Total
	}
	return n
}
