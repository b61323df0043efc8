package sqlstore

import (
	"context"

	"xueji/server/vault"
)

// KeyColumns and ScanKey read vault_key; an engine uses them before its store is open (vault.Check).
const KeyColumns = `n, purpose, suite, kek, wrapped, state, seals, made_at, ended_at`

// ScanKey reads a row of KeyColumns.
func ScanKey(scan func(dest ...any) error) (vault.Key, error) {
	var k vault.Key
	var n, suite, made, ended int64
	err := scan(&n, &k.Purpose, &suite, &k.KEK, &k.Wrapped, &k.State, &k.Seals, &made, &ended)
	k.N, k.Suite, k.At, k.EndedAt = uint32(n), vault.Suite(suite), moment(made), moment(ended)
	return k, err
}

// table is vault.Table.
type table struct{ db Engine }

// VaultKeys lists all keys by number.
func (t table) VaultKeys(ctx context.Context) ([]vault.Key, error) {
	var out []vault.Key
	r, err := t.db.Query(ctx, `SELECT `+KeyColumns+` FROM vault_key ORDER BY n`)
	err = each(r, err, func(r Rows) error {
		k, err := ScanKey(r.Scan)
		out = append(out, k)
		return err
	})
	return out, err
}

// AddVaultKey stores a new active key and retires the one before.
func (t table) AddVaultKey(ctx context.Context, k vault.Key) error {
	return t.db.Write(ctx, func(tx Tx) error {
		if err := tx.Exec(nil, `UPDATE vault_key SET state = 'retired', ended_at = $2 WHERE purpose = $1 AND state = 'active'`, k.Purpose, nanos(k.At)); err != nil {
			return err
		}
		return tx.Exec(nil, `INSERT INTO vault_key (n, purpose, suite, kek, wrapped, state, made_at) VALUES ($1, $2, $3, $4, $5, 'active', $6)`,
			int64(k.N), k.Purpose, int64(k.Suite), k.KEK, k.Wrapped, nanos(k.At))
	})
}
