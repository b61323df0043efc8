package store

import (
	"context"

	"xueji/server/vault"
)

// Vaults is the care of what is sealed. What is sealed and what is not stands in docs/data-protection.md.
type Vaults interface {
	// Vault seals and opens further columns: secrets of accounts, say. Its places must be columns that Tend knows.
	Vault() *vault.Vault
	// Tend does what waits: seals rows of before the vault, seals anew what stands under a retired key, writes the blind index anew, destroys retired keys that nothing
	// names. In small batches, to be broken off at any point and begun again; it gives how many values it sealed.
	Tend(ctx context.Context) (sealed int, err error)
	VaultStatus(ctx context.Context) (VaultStatus, error)
	// RotateData and RotateIndex add a key for what is written from now on; RotateKEK wraps all keys under a new KEK file.
	RotateData(ctx context.Context, suite vault.Suite) (n uint32, err error)
	RotateIndex(ctx context.Context) (n uint32, err error)
	RotateKEK(ctx context.Context, kek *vault.FileKEK) error
}

// VaultStatus says how far the vault's work is.
type VaultStatus struct {
	Keys      []vault.Key
	Clear     int // pupils of before the vault
	Unindexed int // pupils under an index key before the active one
	Columns   []VaultColumn
}

// VaultColumn counts the values of a column: all, and those not under the active data key.
type VaultColumn struct {
	Table, Column string
	Total, Left   int
}

// Left is how many values wait for the worker.
func (v VaultStatus) Left() int {
	n := v.Clear + v.Unindexed
	for _, c := range v.Columns {
		n += c.Left
	}
	return n
}
