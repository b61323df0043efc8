package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

// The work towards a new data key is a pass over each column in the order of its primary key. Where it stands is kept with what it sealed, in one transaction: whoever
// takes it up, after a restart or beside another server, goes on there. Counts are of the beginning of a pass less what it sealed; a value that a commit seals anew
// meanwhile is counted until the pass has come by.

// pass is where the work on a column stands.
type pass struct {
	target uint32 // data key it works towards
	cursor []any  // key of the last row looked at; nil at the beginning
	done   bool
}

func (c *sealedColumn) place() string { return c.table + "." + c.column }

// passes reads where all passes towards the active data key stand, by place.
func (s *Store) passes(ctx context.Context) (map[string]*pass, error) {
	n, _ := s.v.Active()
	by := map[string]*sealedColumn{}
	for i := range sealedColumns {
		by[sealedColumns[i].place()] = &sealedColumns[i]
	}
	out := map[string]*pass{}
	err := s.query(ctx, func(r Rows) error {
		var at, row string
		var target, done int64
		if err := r.Scan(&at, &target, &row, &done); err != nil {
			return err
		}
		c := by[at]
		if c == nil {
			return nil
		}
		p := &pass{target: uint32(target), done: done > 0}
		out[at] = p
		var err error
		p.cursor, err = c.readCursor(row)
		return err
	}, `SELECT place, key_n, at_row, done_at FROM vault_pass WHERE key_n = $1`, int64(n))
	return out, err
}

// begin counts a column's values under other keys than the active one, and begins its pass.
func (s *Store) begin(ctx context.Context, c *sealedColumn) (*pass, error) {
	n, _ := s.v.Active()
	left, err := s.under(ctx, c)
	if err != nil {
		return nil, err
	}
	delete(left, n)
	total := 0
	for _, k := range left {
		total += k
	}
	err = s.db.Write(ctx, func(tx Tx) error {
		if err := tx.Exec(nil, `DELETE FROM vault_left WHERE place = $1`, c.place()); err != nil {
			return err
		}
		for k, m := range left {
			if err := tx.Exec(nil, `INSERT INTO vault_left (place, key_n, left_n) VALUES ($1, $2, $3)`, c.place(), int64(k), int64(m)); err != nil {
				return err
			}
		}
		return tx.Exec(nil, `INSERT INTO vault_pass (place, key_n, total, at_row, done_at, seen_at) VALUES ($1, $2, $3, '', 0, $4)
			ON CONFLICT (place) DO UPDATE SET key_n = excluded.key_n, total = excluded.total, at_row = '', done_at = 0, seen_at = excluded.seen_at`,
			c.place(), int64(n), int64(total), nanos(s.v.Now()))
	})
	return &pass{target: n}, err
}

// pass counts every column, then seals each anew from where its pass stands.
func (s *Store) pass(ctx context.Context, work func(func() (int, error)) error) error {
	known, err := s.passes(ctx)
	if err != nil {
		return err
	}
	for i := range sealedColumns {
		c := &sealedColumns[i]
		if known[c.place()] != nil {
			continue
		}
		if known[c.place()], err = s.begin(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", c.place(), err)
		}
	}
	for i := range sealedColumns {
		c := &sealedColumns[i]
		at := known[c.place()]
		if at.done {
			continue
		}
		if err := work(func() (int, error) { return s.reseal(ctx, c, at) }); err != nil {
			if err != errPaused {
				err = fmt.Errorf("%s: %w", c.place(), err)
			}
			return err
		}
	}
	return nil
}

// under counts a column's values by the key they stand under. A column of large values is counted by its neighbour, which is written with it.
func (s *Store) under(ctx context.Context, c *sealedColumn) (map[uint32]int, error) {
	column, text := c.column, c.text
	if c.beside != "" {
		column, text = c.beside, true
	}
	out := map[uint32]int{}
	scan := func(r Rows) error {
		var head []byte
		var n int64
		err := r.Scan(&head, &n)
		out[vault.KeyOf(head)] += int(n)
		return err
	}
	sql := fmt.Sprintf(`SELECT substr(%[1]s, 1, 6), COUNT(*) FROM %[2]s WHERE length(%[1]s) > 0 GROUP BY 1`, column, c.table)
	if text {
		sql = fmt.Sprintf(`SELECT substr(%[1]s, 1, 9), COUNT(*) FROM %[2]s WHERE %[1]s <> '' GROUP BY 1`, column, c.table)
		scan = func(r Rows) error {
			var head string
			var n int64
			err := r.Scan(&head, &n)
			out[vault.KeyOfText(head)] += int(n)
			return err
		}
	}
	return out, s.query(ctx, scan, sql)
}

// advance says in a transaction that a pass has come to a row, having sealed these many of each older key.
func (p *plan) advance(c *sealedColumn, target uint32, cursor []any, sealed map[uint32]int, now time.Time) {
	for k, n := range sealed {
		p.add(nil, `UPDATE vault_left SET left_n = CASE WHEN left_n > $3 THEN left_n - $3 ELSE 0 END WHERE place = $1 AND key_n = $2`, c.place(), int64(k), int64(n))
	}
	p.add(nil, `UPDATE vault_pass SET at_row = $2, seen_at = $3 WHERE place = $1 AND key_n = $4 AND done_at = 0`, c.place(), c.writeCursor(cursor), nanos(now), int64(target))
}

// finish ends a pass: nothing is left behind it.
func (s *Store) finishPass(ctx context.Context, c *sealedColumn, p *pass) error {
	return s.db.Write(ctx, func(tx Tx) error {
		if err := tx.Exec(nil, `DELETE FROM vault_left WHERE place = $1`, c.place()); err != nil {
			return err
		}
		return tx.Exec(nil, `UPDATE vault_pass SET done_at = $3, seen_at = $3 WHERE place = $1 AND key_n = $2`, c.place(), int64(p.target), nanos(s.v.Now()))
	})
}

// writeCursor and readCursor keep a primary key as text: numbers and texts as they are, bytes in hex.
func (c *sealedColumn) writeCursor(key []any) string {
	out := make([]any, len(key))
	for i, k := range key {
		if b, ok := k.([]byte); ok {
			k = hexed(b)
		}
		out[i] = k
	}
	b, _ := json.Marshal(out) // texts and numbers
	return string(b)
}

func (c *sealedColumn) readCursor(text string) ([]any, error) {
	if text == "" {
		return nil, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil || len(raw) != len(c.key) {
		return nil, openFault(fmt.Errorf("sqlstore: where the pass over %s stands: %q", c.place(), text))
	}
	out := make([]any, len(raw))
	for i, k := range c.key {
		var err error
		if k[0] == '#' {
			var n int64
			err = json.Unmarshal(raw[i], &n)
			out[i] = n
		} else {
			var t string
			if err = json.Unmarshal(raw[i], &t); k[0] == '@' {
				out[i] = unhex(t)
			} else {
				out[i] = t
			}
		}
		if err != nil {
			return nil, openFault(err)
		}
	}
	return out, nil
}

// PauseVault keeps the vault's work still until ResumeVault; a batch that is under way ends first.
func (s *Store) PauseVault(ctx context.Context, account string, at time.Time) error {
	return s.exec(ctx, nil, `INSERT INTO vault_pause (one, at, account) VALUES (1, $1, $2) ON CONFLICT (one) DO NOTHING`, nanos(at), account)
}

// ResumeVault lets it go on.
func (s *Store) ResumeVault(ctx context.Context) error {
	return s.exec(ctx, nil, `DELETE FROM vault_pause`)
}

func (s *Store) paused(ctx context.Context) (*store.VaultPause, error) {
	var p store.VaultPause
	var at int64
	err := s.row(ctx, []any{&at, &p.Account}, `SELECT at, account FROM vault_pause`)
	if err == registry.ErrNotFound {
		return nil, nil
	}
	p.At = moment(at)
	return &p, err
}

// VaultStatus reads what the passes have counted; it looks at no value.
func (s *Store) VaultStatus(ctx context.Context) (store.VaultStatus, error) {
	out := store.VaultStatus{}
	var err error
	if out.Keys, err = (table{s.db}).VaultKeys(ctx); err != nil {
		return out, err
	}
	if out.Paused, err = s.paused(ctx); err != nil {
		return out, err
	}
	if err := s.row(ctx, []any{&out.Clear}, `SELECT COUNT(*) FROM pupil WHERE index_key = 0`); err != nil {
		return out, err
	}
	if err := s.row(ctx, []any{&out.Unindexed}, `SELECT COUNT(*) FROM pupil WHERE index_key > 0 AND index_key < $1`, int64(s.v.Index().N())); err != nil {
		return out, err
	}
	n, _ := s.v.Active()
	by := map[string]*store.VaultColumn{}
	if err := s.query(ctx, func(r Rows) error {
		var c store.VaultColumn
		var total, done, seen int64
		err := r.Scan(&c.Place, &total, &done, &seen)
		c.Total, c.Done, c.SeenAt, c.Under = int(total), done > 0, moment(seen), map[uint32]int{}
		by[c.Place] = &c
		return err
	}, `SELECT place, total, done_at, seen_at FROM vault_pass WHERE key_n = $1`, int64(n)); err != nil {
		return out, err
	}
	if err := s.query(ctx, func(r Rows) error {
		var place string
		var k, left int64
		err := r.Scan(&place, &k, &left)
		if c := by[place]; c != nil && left > 0 {
			c.Under[uint32(k)] = int(left)
		}
		return err
	}, `SELECT place, key_n, left_n FROM vault_left`); err != nil {
		return out, err
	}
	for i := range sealedColumns {
		if c := by[sealedColumns[i].place()]; c != nil {
			out.Columns = append(out.Columns, *c)
		} else {
			out.Uncounted++
		}
	}
	return out, nil
}
