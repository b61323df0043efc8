package chaos

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"context"

	"xueji/server/vault"
)

// keys is the table of keys of a register, read from outside; it cannot make one.
type keys struct{ db *sql.DB }

func (k keys) VaultKeys(ctx context.Context) ([]vault.Key, error) {
	r, err := k.db.QueryContext(ctx, `SELECT n, purpose, suite, kek, wrapped, state, made_at FROM vault_key ORDER BY n`)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []vault.Key
	for r.Next() {
		var v vault.Key
		var at int64
		if err := r.Scan(&v.N, &v.Purpose, &v.Suite, &v.KEK, &v.Wrapped, &v.State, &at); err != nil {
			return nil, err
		}
		v.At = time.Unix(0, at)
		out = append(out, v)
	}
	return out, r.Err()
}

func (keys) AddVaultKey(context.Context, vault.Key) error {
	return errors.New("an auditor makes no keys")
}

// opener reads sealed values with the register's own key file.
type opener struct {
	w *world
	v *vault.Vault
}

func (w *world) opener(db *sql.DB) opener {
	w.Helper()
	v, err := vault.Open(context.Background(), keys{db}, vault.Options{KEK: vault.File(filepath.Join(w.reg.Data, "vault.key"))})
	if err != nil {
		w.Fatal(err)
	}
	return opener{w, v}
}

func at(table, column string, key ...string) vault.Place {
	return vault.Place{Table: table, Column: column, Row: strings.Join(key, "\x1f")}
}

// bytes opens a value; what does not open is given back as it is, for the audit to stumble over.
func (o opener) bytes(p vault.Place, b []byte) []byte {
	if out, err := o.v.Open(p, b); err == nil {
		return out
	}
	return b
}

func (o opener) text(p vault.Place, s string) []byte {
	o.w.Helper()
	out, err := o.v.OpenText(p, s)
	if err != nil {
		o.w.Fatal(err)
	}
	return []byte(out)
}
