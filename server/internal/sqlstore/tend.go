package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"xueji/server/registry"
	"xueji/server/vault"
)

// sealedColumn is a column of sealed values, for the job that seals them anew.
type sealedColumn struct {
	table, column string
	key           []string // the primary key; "#" before a number, "@" before bytes
	text          bool
	batch         int
	beside        string // a text column of the same rows that is written with it, for counting what is too large to read
}

// sealedColumns are all of them. pupil.sealed and pupil_doc.sealed are empty in rows of before the vault, whose clear columns sealPupil empties.
var sealedColumns = []sealedColumn{
	{table: "pupil", column: "sealed", key: []string{"student_uid"}},
	{table: "pupil_doc", column: "sealed", key: []string{"student_uid"}},
	{table: "history", column: "payload", key: []string{"student_uid", "#version"}},
	{table: "history", column: "actor", key: []string{"student_uid", "#version"}, text: true},
	{table: "pupil_case", column: "doc", key: []string{"student_uid", "case_no"}, text: true},
	{table: "outbox", column: "payload", key: []string{"student_uid", "id"}},
	{table: "inbox", column: "payload", key: []string{"kiosk", "#seq"}},
	{table: "inbox", column: "params", key: []string{"kiosk", "#seq"}, text: true},
	{table: "quarantine", column: "payload", key: []string{"kiosk", "#seq", "@hash"}},
	{table: "issuance", column: "actor", key: []string{"student_uid", "id"}, text: true},
	{table: "issuance_life", column: "note", key: []string{"student_uid", "issuance_id", "#n"}, text: true},
	{table: "issuance_life", column: "actor", key: []string{"student_uid", "issuance_id", "#n"}, text: true},
	{table: "import_run", column: "name", key: []string{"id"}, text: true},
	{table: "import_run", column: "actor", key: []string{"id"}, text: true},
	{table: "import_run", column: "params", key: []string{"id"}, text: true},
	{table: "run_part", column: "body", key: []string{"run", "#n"}, batch: 16},
	{table: "file", column: "name", key: []string{"digest"}, text: true},
	{table: "file", column: "body", key: []string{"digest"}, batch: 4, beside: "name"},
	{table: "card_run", column: "actor", key: []string{"id"}, text: true},
	{table: "card_run_name", column: "made_by", key: []string{"run", "student_uid"}, text: true},
	{table: "bulk_run", column: "doc", key: []string{"id"}, text: true},
	{table: "bulk_row", column: "doc", key: []string{"run", "student_uid"}, text: true},
	{table: "suspicion", column: "doc", key: []string{"student_uid", "other_uid"}, text: true},
	{table: "finding", column: "words", key: []string{"unit", "id"}, text: true},
	{table: "correction_order", column: "doc", key: []string{"no"}, text: true},
	{table: "exchange_key", column: "secret", key: []string{"id"}},
	lettersOut,
	lettersIn,
	{table: "account", column: "name", key: []string{"id"}, text: true},
	{table: "factor", column: "name", key: []string{"account", "id"}, text: true},
	{table: "factor", column: "secret", key: []string{"account", "id"}},
	{table: "handed", column: "doc", key: []string{"id"}, text: true},
	{table: "handed", column: "words", key: []string{"id"}, text: true},
	{table: "card_lease", column: "name", key: []string{"student_uid"}, text: true},
}

// Letters carry files.
var (
	lettersOut = sealedColumn{table: "exchange_out", column: "body", key: []string{"peer", "id"}, batch: 16}
	lettersIn  = sealedColumn{table: "exchange_in", column: "body", key: []string{"peer", "#seq"}, batch: 4}
)

// other is the condition of a value that does not begin with the header in parameter n, and the parameter.
func (c *sealedColumn) other(n int, header []byte) (string, any) {
	if c.text {
		return fmt.Sprintf("%[1]s <> '' AND substr(%[1]s, 1, 9) <> $%[2]d", c.column, n), vault.TextHeader(header)
	}
	return fmt.Sprintf("length(%[1]s) > 0 AND substr(%[1]s, 1, 6) <> $%[2]d", c.column, n), header
}

func (c *sealedColumn) keyColumns() []string {
	out := make([]string, len(c.key))
	for i, k := range c.key {
		out[i] = strings.TrimLeft(k, "#@")
	}
	return out
}

// sealedRow is a value with its key.
type sealedRow struct {
	key  []any // string, int64 or []byte
	text string
	blob []byte
}

func (c *sealedColumn) scan(r Rows) (sealedRow, error) {
	row := sealedRow{key: make([]any, len(c.key))}
	dest := make([]any, len(c.key), len(c.key)+1)
	for i, k := range c.key {
		switch k[0] {
		case '#':
			dest[i] = new(int64)
		case '@':
			dest[i] = new([]byte)
		default:
			dest[i] = new(string)
		}
	}
	if c.text {
		dest = append(dest, &row.text)
	} else {
		dest = append(dest, &row.blob)
	}
	err := r.Scan(dest...)
	for i := range c.key {
		switch p := dest[i].(type) {
		case *int64:
			row.key[i] = *p
		case *string:
			row.key[i] = *p
		case *[]byte:
			row.key[i] = *p
		}
	}
	return row, err
}

// at is the value's place.
func (c *sealedColumn) at(key []any) vault.Place {
	parts := make([]string, len(key))
	for i, k := range key {
		if b, ok := k.([]byte); ok {
			parts[i] = hexed(b)
		} else {
			parts[i] = fmt.Sprint(k)
		}
	}
	return place(c.table, c.column, parts...)
}

// reseal seals up to a batch of values after a pass's cursor under the active key; none at the column's end. A value that changes meanwhile is left: who changed it
// sealed it.
func (s *Store) reseal(ctx context.Context, c *sealedColumn, at *pass) (done int, err error) {
	cursor := at.cursor
	limit := c.batch
	if limit == 0 {
		limit = 200
	}
	columns := c.keyColumns()
	cond, header := c.other(1, s.v.Header())
	args := []any{header}
	if cursor != nil {
		marks := make([]string, len(cursor))
		for i := range cursor {
			marks[i] = fmt.Sprintf("$%d", i+2)
		}
		cond += fmt.Sprintf(" AND (%s) > (%s)", strings.Join(columns, ", "), strings.Join(marks, ", "))
		args = append(args, cursor...)
	}
	var found []sealedRow
	if err := s.query(ctx, func(r Rows) error {
		row, err := c.scan(r)
		found = append(found, row)
		return err
	}, fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s ORDER BY %s LIMIT %d", strings.Join(columns, ", "), c.column, c.table, cond, strings.Join(columns, ", "), limit), args...); err != nil {
		return 0, err
	}
	p := s.plan()
	older := map[uint32]int{}
	for _, row := range found {
		at := c.at(row.key)
		var was, now any
		if c.text {
			t := row.text
			older[vault.KeyOfText(t)]++
			if err := s.openText(at, &t); err != nil {
				return 0, err
			}
			was, now = row.text, p.sealText(at, t)
		} else {
			b := bytes.Clone(row.blob)
			older[vault.KeyOf(b)]++
			if err := s.open(at, &b); err != nil {
				return 0, err
			}
			was, now = row.blob, p.seal(at, b)
		}
		where := make([]string, len(columns))
		for i, k := range columns {
			where[i] = fmt.Sprintf("%s = $%d", k, i+3)
		}
		p.add(nil, fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s AND %[2]s = $2", c.table, c.column, strings.Join(where, " AND ")), append([]any{now, was}, row.key...)...)
	}
	if len(found) == 0 {
		return 0, s.finishPass(ctx, c, at)
	}
	last := found[len(found)-1].key
	p.advance(c, at.target, last, older, s.v.Now())
	if err := s.db.Write(ctx, p.run); err != nil {
		return 0, err
	}
	at.cursor = last
	return len(found), nil
}

// pause between batches leaves the writer to others.
const tendPause = 20 * time.Millisecond

// sealedMark counts in the counters that everything of before the vault was sealed once.
const sealedMark = "vault.sealed"

// Tend does what the vault waits for: seals rows of before it, seals anew what stands under a retired key, writes the blind index anew under a new index key, destroys
// keys that nothing names. It works in small batches until nothing is left, ctx ends or somebody pauses it (PauseVault), and may be broken off at any point: the next
// call goes on where it was. It gives how many values it sealed. Several servers may tend at once.
func (s *Store) Tend(ctx context.Context) (sealed int, err error) {
	if err := s.v.Reload(ctx); err != nil {
		return 0, err
	}
	if err := s.countSeals(ctx); err != nil {
		return 0, err
	}
	if err := s.letters(ctx); err != nil {
		return 0, err
	}
	if err := s.bases(ctx); err != nil {
		return 0, err
	}
	if err := s.topics(ctx); err != nil {
		return 0, err
	}
	keys, err := table{s.db}.VaultKeys(ctx)
	if err != nil {
		return 0, err
	}
	retired := slices.DeleteFunc(keys, func(k vault.Key) bool { return k.State != vault.Retired })
	var marked int64
	if err := s.row(ctx, []any{&marked}, `SELECT value FROM counter WHERE name = $1`, sealedMark); err != nil && err != registry.ErrNotFound {
		return 0, err
	}
	if marked > 0 && len(retired) == 0 && !s.legacy.Load() {
		return 0, nil
	}
	work := func(f func() (int, error)) error {
		for {
			if p, err := s.paused(ctx); err != nil || p != nil {
				return cmp.Or(err, errPaused)
			}
			n, err := f()
			sealed += n
			if err != nil || n == 0 {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(tendPause):
			}
		}
	}
	if err := s.tend(ctx, work); err != nil {
		if err == errPaused {
			err = nil
		}
		return sealed, err
	}
	if marked == 0 {
		if _, err := s.Next(ctx, sealedMark, 1); err != nil {
			return sealed, err
		}
	}
	for _, k := range retired {
		if err := s.destroy(ctx, k); err != nil {
			return sealed, err
		}
	}
	return sealed, nil
}

// errPaused ends the work on the vault without a fault.
var errPaused = errors.New("sqlstore: the vault's work is paused")

// tend is Tend's work in its order: each part is asked for more until it has none.
func (s *Store) tend(ctx context.Context, work func(func() (int, error)) error) error {
	legacy := s.legacy.Load()
	if err := work(func() (int, error) {
		return s.eachPupil(ctx, s.sealPupil, `SELECT student_uid FROM pupil WHERE index_key = 0 LIMIT 100`)
	}); err != nil {
		return err
	}
	s.legacy.Store(false)
	if err := work(func() (int, error) {
		return s.eachPupil(ctx, s.indexPupil, `SELECT student_uid FROM pupil WHERE index_key > 0 AND index_key < $1 LIMIT 100`, int64(s.v.Index().N()))
	}); err != nil {
		return err
	}
	if err := s.pass(ctx, work); err != nil {
		return err
	}
	if c, ok := s.db.(compacter); ok && legacy { // what was clear lies in free pages of the file
		return c.Compact(ctx)
	}
	return nil
}

// compacter is an engine that can rewrite its file without what was deleted.
type compacter interface {
	Compact(ctx context.Context) error
}

func (s *Store) eachPupil(ctx context.Context, do func(context.Context, string) error, sql string, args ...any) (int, error) {
	var uids []string
	if err := s.query(ctx, uidsInto(&uids), sql, args...); err != nil {
		return 0, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16) // the embedded engine groups what comes at once into one fsync
	for _, uid := range uids {
		g.Go(func() error { return do(ctx, uid) })
	}
	return len(uids), g.Wait()
}

// countSeals adds up what this process sealed, and replaces a data key that has sealed its share.
func (s *Store) countSeals(ctx context.Context) error {
	taken := s.v.Taken()
	if len(taken) > 0 {
		err := s.db.Write(ctx, func(tx Tx) error {
			for _, n := range slices.Sorted(maps.Keys(taken)) {
				if err := tx.Exec(nil, `UPDATE vault_key SET seals = seals + $2 WHERE n = $1`, int64(n), taken[n]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	n, suite := s.v.Active()
	var seals int64
	if err := s.row(ctx, []any{&seals}, `SELECT seals FROM vault_key WHERE n = $1`, int64(n)); err != nil || seals < vault.RotateAfter {
		return err
	}
	_, err := s.v.Rotate(ctx, suite)
	return err
}

// destroy ends a retired key: its matter is overwritten in the table once Grace has passed and nothing names it.
func (s *Store) destroy(ctx context.Context, k vault.Key) error {
	now := s.v.Now()
	if now.Sub(k.EndedAt) < s.v.GraceTime() {
		return nil
	}
	left, err := s.named(ctx, k)
	if err != nil {
		return err
	}
	if left { // sealed behind a pass by a server that did not know the new key yet: all is looked through once more
		return s.exec(ctx, nil, `DELETE FROM vault_pass`)
	}
	if err := s.exec(ctx, nil, `UPDATE vault_key SET state = 'destroyed', wrapped = $2, ended_at = $3 WHERE n = $1 AND state = 'retired'`, int64(k.N), []byte{}, nanos(now)); err != nil {
		return err
	}
	return s.v.Reload(ctx)
}

// named reports whether a value stands under a key.
func (s *Store) named(ctx context.Context, k vault.Key) (bool, error) {
	var n int
	found := func(sql string, args ...any) (bool, error) {
		err := s.row(ctx, []any{&n}, sql, args...)
		if err == registry.ErrNotFound {
			return false, nil
		}
		return err == nil, err
	}
	if k.Purpose == vault.Index {
		return found(`SELECT 1 FROM pupil WHERE index_key = $1 LIMIT 1`, int64(k.N))
	}
	header := vault.HeaderOf(k.N, k.Suite)
	for _, c := range sealedColumns {
		cond, arg := fmt.Sprintf("substr(%s, 1, 6) = $1", c.column), any(header)
		if c.text {
			cond, arg = fmt.Sprintf("substr(%s, 1, 9) = $1", c.column), vault.TextHeader(header)
		}
		if yes, err := found(`SELECT 1 FROM `+c.table+` WHERE `+cond+` LIMIT 1`, arg); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

// RotateData adds a data key of a suite for what is sealed from now on; Tend does the rest.
func (s *Store) RotateData(ctx context.Context, suite vault.Suite) (uint32, error) {
	return s.v.Rotate(ctx, suite)
}

// RotateIndex adds a key of the blind index; Tend does the rest, until then both are looked up.
func (s *Store) RotateIndex(ctx context.Context) (uint32, error) { return s.v.RotateIndex(ctx) }

// RotateKEK makes a new KEK beside the one in force, wraps all keys under it in one transaction and puts it in the old one's place. Broken off before the transaction
// nothing has changed; after it, the next call or start finishes (FinishKEK).
func (s *Store) RotateKEK(ctx context.Context, kek *vault.FileKEK) error {
	next := kek.Next()
	if err := next.Make(); err != nil {
		return err
	}
	keys, err := s.v.Rewrap(ctx, next)
	if err != nil {
		return err
	}
	if err := s.db.Write(ctx, func(tx Tx) error {
		for _, k := range keys {
			if err := tx.Exec(oneRow(conflict("key")), `UPDATE vault_key SET kek = $2, wrapped = $3 WHERE n = $1 AND state <> 'destroyed'`, int64(k.N), k.KEK, k.Wrapped); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := kek.Adopt(next); err != nil {
		return err
	}
	return s.v.Reload(ctx)
}
