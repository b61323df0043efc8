package sqlstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"xueji/server/internal/store"
	"xueji/server/vault"
)

// Store is store.Store over an engine.
type Store struct {
	db       Engine
	d        Dialect
	v        *vault.Vault
	legacy   atomic.Bool // rows of before the vault may be there
	auditKey []byte      // of MACs and digests
	stop     context.CancelFunc
	kept     chan struct{}
}

var _ store.Store = (*Store)(nil)

// New is a store over db, whose schema is migrated already, sealed by a vault with its keys in db. Close closes db; so does New when it fails.
func New(ctx context.Context, db Engine, o vault.Options) (*Store, error) {
	s := &Store{db: db, d: db.Dialect(), kept: make(chan struct{})}
	var err error
	if s.v, err = vault.Open(ctx, table{db}, o); err == nil {
		err = s.hashNumbers(ctx)
	}
	if err == nil {
		err = s.findLegacy(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(s.kept)
		s.keep(ctx)
	}()
	return s, nil
}

// Engine is "sqlite" or "postgres".
func (s *Store) Engine() string { return s.db.Name() }

// Ping reads one row.
func (s *Store) Ping(ctx context.Context) error {
	var n int
	rows, err := s.db.Query(ctx, `SELECT 1`)
	return one(rows, err, &n)
}

// Close ends reads and writes; what Write returned for is on disk already.
func (s *Store) Close() error {
	s.stop()
	<-s.kept
	return s.db.Close()
}

// keepDone is how long outbox rows stay after they were done, for whoever looks into a complaint.
const keepDone = 7 * 24 * time.Hour

// Sweep removes sessions, one-time things and counts past their end and outbox rows done more than a week ago.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	return s.db.Write(ctx, func(tx Tx) error {
		if err := tx.Exec(nil, `DELETE FROM audit_reason WHERE until <= $1`, nanos(now)); err != nil {
			return err
		}
		if err := tx.Exec(nil, `DELETE FROM session WHERE expires_at <= $1`, nanos(now)); err != nil {
			return err
		}
		if err := tx.Exec(nil, `DELETE FROM once WHERE until <= $1`, nanos(now)); err != nil {
			return err
		}
		if err := tx.Exec(nil, `DELETE FROM guard_try WHERE until <= $1`, nanos(now)); err != nil {
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
