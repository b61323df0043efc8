package sqlstore

import (
	"context"
	"time"

	"xueji/server/internal/store"
)

// Store is store.Store over an engine.
type Store struct {
	db Engine
	d  Dialect

	auditKey []byte // of MACs and digests
}

var _ store.Store = (*Store)(nil)

// New is a store over db, whose schema is migrated already. Close closes db.
func New(db Engine) *Store { return &Store{db: db, d: db.Dialect()} }

// Engine is "sqlite" or "postgres".
func (s *Store) Engine() string { return s.db.Name() }

// Ping reads one row.
func (s *Store) Ping(ctx context.Context) error {
	var n int
	rows, err := s.db.Query(ctx, `SELECT 1`)
	return one(rows, err, &n)
}

// Close ends reads and writes; what Write returned for is on disk already.
func (s *Store) Close() error { return s.db.Close() }

// keepDone is how long outbox rows stay after they were done, for whoever looks into a complaint.
const keepDone = 7 * 24 * time.Hour

// Sweep removes sessions past their end and outbox rows done more than a week ago.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	return s.db.Write(ctx, func(tx Tx) error {
		if err := tx.Exec(nil, `DELETE FROM audit_reason WHERE until <= $1`, nanos(now)); err != nil {
			return err
		}
		if err := tx.Exec(nil, `DELETE FROM session WHERE expires_at <= $1`, nanos(now)); err != nil {
			return err
		}
		return tx.Exec(nil, `DELETE FROM outbox WHERE state = 'done' AND settled_at <= $1`, nanos(now.Add(-keepDone)))
	})
}

// query and row shorten reads outside a transaction.
func (s *Store) query(ctx context.Context, scan func(Rows) error, sql string, args ...any) error {
	rows, err := s.db.Query(ctx, sql, args...)
	return each(rows, err, scan)
}

func (s *Store) row(ctx context.Context, dest []any, sql string, args ...any) error {
	rows, err := s.db.Query(ctx, sql, args...)
	return one(rows, err, dest...)
}

// exec is a transaction of one statement.
func (s *Store) exec(ctx context.Context, check Check, sql string, args ...any) error {
	return s.db.Write(ctx, func(tx Tx) error { return tx.Exec(check, sql, args...) })
}
