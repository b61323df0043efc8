package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"xueji/server/internal/sqlstore"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many connections read beside the writer.
const readers = 4

// Open opens or creates the register at path and brings its schema up to date. The directory must exist. A second process may open the same file: writers
// then wait for each other up to ten seconds.
//
// What it holds is sealed under the KEK of o. A KEK that is not this register's fails before anything is written (vault.ErrWrongKEK, vault.ErrNoKEK).
func Open(ctx context.Context, path string, o vault.Options) (store.Store, error) {
	db, err := open(ctx, path, o.KEK, durable)
	if err != nil {
		return nil, err
	}
	return sqlstore.New(ctx, db, o)
}

// OpenToFill is Open for a register that is filled from nothing, by one process, and thrown away when that is broken off: what is committed is durable when Close has
// returned, not before. A pupil's rows stand on some sixty pages of a large register, and the disk is spared writing each of them twice a batch.
func OpenToFill(ctx context.Context, path string, o vault.Options) (store.Store, error) {
	db, err := open(ctx, path, o.KEK, filling)
	if err != nil {
		return nil, err
	}
	db.fills = true
	return sqlstore.New(ctx, db, o)
}

// mode is what the writer's connection promises, in pragmas.
type mode []string

var (
	durable = mode{"synchronous(FULL)", "cache_size(-65536)"}
	filling = mode{"synchronous(OFF)", "cache_size(-262144)"}
)

func open(ctx context.Context, path string, kek vault.KEK, m mode) (*engine, error) {
	w, err := sql.Open("sqlite", dsn(path, append(m, "journal_mode(WAL)", "journal_size_limit(67108864)", "wal_autocheckpoint(16000)")...))
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	w.SetMaxOpenConns(1)
	if err := fits(ctx, path, kek); err != nil {
		w.Close()
		return nil, err
	}
	if err := migrate(ctx, w); err != nil {
		w.Close()
		return nil, fmt.Errorf("sqlite: %s: %w", filepath.Base(path), err)
	}
	conn, err := w.Conn(ctx)
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	r, err := sql.Open("sqlite", dsn(path, "query_only(1)", "cache_size(-16384)"))
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	e := &engine{path: path, reads: r, statements: map[string]*sql.Stmt{}, writer: newWriter(w, conn)}
	return e, nil
}

// dsn names the file with the pragmas every connection needs. temp_store stays at its default: with MEMORY, SQLite cuts the journal of a savepoint back after every
// statement, a walk through all of it, and a batch of a thousand pupils takes three times as long and more.
func dsn(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append(pragmas, "busy_timeout(10000)", "foreign_keys(1)") {
		q.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}

// fits asks a register that is there already whether the KEK opens it, over a connection that cannot write.
func fits(ctx context.Context, path string, kek vault.KEK) error {
	if _, err := os.Stat(path); err != nil || kek == nil {
		return nil
	}
	db, err := sql.Open("sqlite", dsn(path, "query_only(1)"))
	if err != nil {
		return err
	}
	defer db.Close()
	r, err := db.QueryContext(ctx, `SELECT `+sqlstore.KeyColumns+` FROM vault_key`)
	if err != nil {
		return nil // no such table: from before the vault; any other trouble shows again, with its name
	}
	defer r.Close()
	var keys []vault.Key
	for r.Next() {
		k, err := sqlstore.ScanKey(r.Scan)
		if err != nil {
			return err
		}
		keys = append(keys, k)
	}
	return errors.Join(r.Err(), vault.Check(keys, kek))
}

func migrate(ctx context.Context, db *sql.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, sub, goose.WithAllowOutofOrder(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

type engine struct {
	path   string
	reads  *sql.DB
	writer *writer
	fills  bool // OpenToFill

	mu         sync.Mutex
	statements map[string]*sql.Stmt // prepared reads
}

func (e *engine) Name() string { return "sqlite" }

func (e *engine) Dialect() sqlstore.Dialect {
	return sqlstore.Dialect{
		List: func(v []string) any {
			b, err := json.Marshal(v)
			if err != nil || v == nil {
				return "[]"
			}
			return string(b)
		},
		In: func(column string, n int) string {
			return fmt.Sprintf("%s IN (SELECT value FROM json_each($%d))", column, n)
		},
		Unnest:    func(n int) string { return fmt.Sprintf("json_each($%d)", n) },
		Unindexed: func(column string) string { return "+" + column },
		Numbers: func(v []int64) any {
			b := []byte{'['}
			for i, n := range v {
				if i > 0 {
					b = append(b, ',')
				}
				b = strconv.AppendInt(b, n, 10)
			}
			return string(append(b, ']'))
		},
		InNumbers: func(column string, n int) string {
			return fmt.Sprintf("%s IN (SELECT value FROM json_each($%d))", column, n)
		},
		UnnestNumbers: func(n int) string { return fmt.Sprintf("json_each($%d)", n) },
	}
}

func (e *engine) Query(ctx context.Context, text string, args ...any) (sqlstore.Rows, error) {
	st, err := e.prepare(ctx, text)
	if err != nil {
		return nil, fault(err)
	}
	r, err := st.QueryContext(ctx, args...)
	if err != nil {
		return nil, fault(err)
	}
	return rows{r}, nil
}

// prepare keeps one prepared statement per text; texts are few: they are made of parts, never of values.
func (e *engine) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if st, ok := e.statements[text]; ok {
		return st, nil
	}
	st, err := e.reads.PrepareContext(ctx, text)
	if err == nil {
		e.statements[text] = st
	}
	return st, err
}

func (e *engine) Write(ctx context.Context, fn func(sqlstore.Tx) error) error {
	return e.writer.write(ctx, fn)
}

// Compact writes the file anew without what was deleted, and empties the log. Others wait meanwhile.
func (e *engine) Compact(ctx context.Context) error {
	db, err := sql.Open("sqlite", dsn(e.path))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM`); err != nil {
		return fault(err)
	}
	_, err = db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return fault(err)
}

// Close ends both sides. Of a register that was filled it first brings everything to the disk.
func (e *engine) Close() error {
	err := errors.Join(e.writer.close(), e.reads.Close())
	if !e.fills {
		return err
	}
	for _, path := range []string{e.path, e.path + "-wal", filepath.Dir(e.path)} {
		f, missing := os.Open(path)
		if errors.Is(missing, os.ErrNotExist) {
			continue
		}
		if err = errors.Join(err, missing); missing == nil {
			err = errors.Join(err, f.Sync(), f.Close())
		}
	}
	return err
}

// rows maps errors; database/sql's Close error says nothing that Err does not.
type rows struct{ *sql.Rows }

func (r rows) Scan(dest ...any) error { return fault(r.Rows.Scan(dest...)) }
func (r rows) Err() error             { return fault(r.Rows.Err()) }
func (r rows) Close()                 { _ = r.Rows.Close() }

// fault turns what SQLite says into the register's vocabulary; context errors and the register's own pass.
func fault(err error) error {
	if err == nil {
		return nil
	}
	var known *registry.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	code := registry.CodeInternal
	var se *sqlite.Error
	switch {
	case errors.Is(err, sql.ErrConnDone), strings.Contains(err.Error(), "database is closed"):
		code = registry.CodeUnavailable
	case errors.As(err, &se):
		switch se.Code() {
		case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_ROWID:
			code = registry.CodeConflict
		case lib.SQLITE_CONSTRAINT_CHECK, lib.SQLITE_CONSTRAINT_NOTNULL, lib.SQLITE_CONSTRAINT_FOREIGNKEY, lib.SQLITE_CONSTRAINT_DATATYPE:
			code = registry.CodeInvalid
		default:
			switch se.Code() & 0xff {
			case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN:
				code = registry.CodeUnavailable
			}
		}
	}
	return &registry.Error{Code: code, Err: err}
}

// Snapshot writes a consistent copy of the register at path to a new file, while others read and write it.
func Snapshot(ctx context.Context, path, to string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, to); err != nil {
		return fmt.Errorf("sqlite: copy: %w", err)
	}
	return os.Chmod(to, 0o600)
}
