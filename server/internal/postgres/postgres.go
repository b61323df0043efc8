package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"xueji/server/internal/sqlstore"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Open connects to the database at url ("postgres://…") and brings its schema up to date; servers that start at once wait for each other. Pool size and the
// like are set in the url (pool_max_conns). A line to another machine is TLS with a verified certificate, unless the url says another sslmode.
//
// What it holds is sealed under the KEK of o. A KEK that is not this register's fails before anything is written (vault.ErrWrongKEK, vault.ErrNoKEK).
func Open(ctx context.Context, url string, o vault.Options) (store.Store, error) {
	e, err := open(ctx, url, o.KEK)
	if err != nil {
		return nil, err
	}
	return sqlstore.New(ctx, e, o)
}

// guarded is an address whose line to another machine is TLS with a verified certificate, unless the address says itself what it wants (sslmode).
func guarded(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Query().Has("sslmode") || os.Getenv("PGSSLMODE") != "" {
		return address
	}
	q := u.Query()
	host := u.Hostname()
	if h := q.Get("host"); h != "" {
		host = h
	}
	if ip := net.ParseIP(host); host == "" || host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback() {
		return address
	}
	q.Set("sslmode", "verify-full")
	u.RawQuery = q.Encode()
	return u.String()
}

func open(ctx context.Context, address string, kek vault.KEK) (*engine, error) {
	cfg, err := pgxpool.ParseConfig(guarded(address))
	if err != nil {
		return nil, errors.New("postgres: the address is not understood; it must be postgres://user@host:port/database") // may hold a password: not repeated
	}
	// A write that came back as done must be on disk, whatever the server's configuration says.
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	cfg.ConnConfig.RuntimeParams["application_name"] = "xueji"
	cfg.ConnConfig.StatementCacheCapacity = 1024
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if err := fits(ctx, pool, kek); err != nil {
		pool.Close()
		return nil, err
	}
	if err := migrate(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return &engine{pool}, nil
}

// fits asks a register that is there already whether the KEK opens it.
func fits(ctx context.Context, pool *pgxpool.Pool, kek vault.KEK) error {
	var there bool
	if err := pool.QueryRow(ctx, `SELECT to_regclass('vault_key') IS NOT NULL`).Scan(&there); err != nil || !there || kek == nil {
		return readFault(err)
	}
	r, err := pool.Query(ctx, `SELECT `+sqlstore.KeyColumns+` FROM vault_key`)
	if err != nil {
		return readFault(err)
	}
	keys, err := pgx.CollectRows(r, func(r pgx.CollectableRow) (vault.Key, error) { return sqlstore.ScanKey(r.Scan) })
	if err != nil {
		return readFault(err)
	}
	return vault.Check(keys, kek)
}

func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	one, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, sub, goose.WithSessionLocker(one), goose.WithAllowOutofOrder(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

type engine struct{ pool *pgxpool.Pool }

func (e *engine) Name() string { return "postgres" }

func (e *engine) Dialect() sqlstore.Dialect {
	return sqlstore.Dialect{
		List: func(v []string) any {
			if v == nil {
				return []string{}
			}
			return v
		},
		Unindexed: func(column string) string { return column },
		In:        func(column string, n int) string { return fmt.Sprintf("%s = ANY($%d::text[])", column, n) },
		Unnest:    func(n int) string { return fmt.Sprintf("(SELECT unnest($%d::text[]) AS value)", n) },
		Numbers: func(v []int64) any {
			if v == nil {
				return []int64{}
			}
			return v
		},
		InNumbers:     func(column string, n int) string { return fmt.Sprintf("%s = ANY($%d::bigint[])", column, n) },
		UnnestNumbers: func(n int) string { return fmt.Sprintf("(SELECT unnest($%d::bigint[]) AS value)", n) },
		ForUpdate:     " FOR UPDATE",
		SkipLocked:    " FOR UPDATE SKIP LOCKED",
	}
}

func (e *engine) Query(ctx context.Context, sql string, args ...any) (sqlstore.Rows, error) {
	r, err := e.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, readFault(err)
	}
	return rows{r, readFault}, nil
}

func (e *engine) Close() error {
	e.pool.Close()
	return nil
}

// retries is how often a transaction that PostgreSQL broke off (deadlock, serialization) is tried again.
const retries = 5

func (e *engine) Write(ctx context.Context, fn func(sqlstore.Tx) error) error {
	var err error
	for range retries {
		if err = e.once(ctx, fn); !again(err) {
			return err
		}
	}
	return err
}

func (e *engine) once(ctx context.Context, fn func(sqlstore.Tx) error) (err error) {
	return fault(pgx.BeginTxFunc(ctx, e.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(p pgx.Tx) error {
		t := &tx{ctx: ctx, tx: p}
		if err := fn(t); err != nil {
			return err
		}
		return t.flush()
	}))
}

// tx queues statements and sends them together, before a query and at the end.
type tx struct {
	ctx    context.Context
	tx     pgx.Tx
	queued pgx.Batch
	checks []sqlstore.Check
}

func (t *tx) Exec(check sqlstore.Check, sql string, args ...any) error {
	t.queued.Queue(sql, args...)
	t.checks = append(t.checks, check)
	return nil
}

func (t *tx) flush() error {
	if len(t.checks) == 0 {
		return nil
	}
	checks, queued := t.checks, t.queued
	t.checks, t.queued = nil, pgx.Batch{}
	res := t.tx.SendBatch(t.ctx, &queued)
	var bad error
	for _, check := range checks {
		tag, err := res.Exec()
		if err == nil && check != nil {
			err = check(tag.RowsAffected())
		}
		if err != nil {
			bad = err
			break
		}
	}
	if err := res.Close(); bad == nil {
		bad = err
	}
	return bad
}

func (t *tx) Query(sql string, args ...any) (sqlstore.Rows, error) {
	if err := t.flush(); err != nil {
		return nil, err
	}
	r, err := t.tx.Query(t.ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return rows{r, func(err error) error { return err }}, nil
}

type rows struct {
	pgx.Rows
	fault func(error) error
}

func (r rows) Scan(dest ...any) error { return r.fault(r.Rows.Scan(dest...)) }
func (r rows) Err() error             { return r.fault(r.Rows.Err()) }

// SQLSTATE codes that mean something to the register.
const (
	serialization  = "40001"
	deadlock       = "40P01"
	uniqueViolated = "23505"
	notText        = "22021" // a NUL or what is no UTF-8
	escapedNotText = "22P05"
)

func again(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && (pe.Code == serialization || pe.Code == deadlock)
}

// fault turns what PostgreSQL says into the register's vocabulary; context errors and what is no database's pass.
func fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var known *registry.Error
	if errors.As(err, &known) {
		return err
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		code := registry.CodeInternal
		switch {
		case pe.Code == uniqueViolated, pe.Code == serialization, pe.Code == deadlock:
			code = registry.CodeConflict
		case pe.Code[:2] == "23", pe.Code == notText, pe.Code == escapedNotText:
			code = registry.CodeInvalid
		case pe.Code[:2] == "08", pe.Code[:2] == "53", pe.Code[:2] == "57", pe.Code[:2] == "58", pe.Code == "25006": // gone, full, shutting down, read-only
			code = registry.CodeUnavailable
		}
		// The detail of a violated key quotes the row: it is left out.
		return &registry.Error{Code: code, Err: fmt.Errorf("postgres: %s (SQLSTATE %s, %s)", pe.Message, pe.Code, pe.ConstraintName)}
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) || pgconn.SafeToRetry(err) || isConnection(err) {
		return &registry.Error{Code: registry.CodeUnavailable, Err: errors.New("postgres: no connection")}
	}
	return err
}

// readFault is fault for a read: what cannot be text cannot be found.
func readFault(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && (pe.Code == notText || pe.Code == escapedNotText) {
		return registry.ErrNotFound
	}
	return fault(err)
}
