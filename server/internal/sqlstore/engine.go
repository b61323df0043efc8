package sqlstore

import (
	"context"

	"xueji/server/registry"
)

// Rows is what both database/sql and pgx call rows.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// Engine is a database: reads that see what is committed, and transactions that are durable when Write returns nil.
type Engine interface {
	// Name is "sqlite" or "postgres".
	Name() string
	Dialect() Dialect
	// Query reads outside a transaction. Its errors, and those of the rows, are mapped to registry errors.
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
	// Write runs fn in one transaction. fn may run more than once (a deadlock, a group that had to be split), so it must have no effect outside tx but
	// variables it sets anew each time. An error from fn rolls everything back and is returned as it is.
	Write(ctx context.Context, fn func(tx Tx) error) error
	Close() error
}

// Tx is a transaction.
type Tx interface {
	// Query reads inside the transaction, after everything queued by Exec.
	Query(sql string, args ...any) (Rows, error)
	// Exec queues or runs a statement. check, when given, judges the number of rows it touched; its error ends the transaction. An engine may run queued
	// statements late (in a pipeline), but in order and before Query or commit.
	Exec(check Check, sql string, args ...any) error
}

// Check judges how many rows a statement touched.
type Check func(n int64) error

// Dialect is where the engines differ.
type Dialect struct {
	// List turns strings into the one parameter that In and Unnest read.
	List func([]string) any
	// In is "column is one of the list in parameter n".
	In func(column string, n int) string
	// Unnest is a FROM item with one column, value, of the list in parameter n.
	Unnest func(n int) string
	// Numbers, InNumbers and UnnestNumbers are the same for numbers of 64 bits.
	Numbers       func([]int64) any
	InNumbers     func(column string, n int) string
	UnnestNumbers func(n int) string
	// Unindexed names a column so that a planner without statistics does not choose an index by it.
	Unindexed func(column string) string
	// ForUpdate locks the rows a transaction read; SkipLocked also passes over those another has locked. "" where there is one writer.
	ForUpdate  string
	SkipLocked string
}

// oneRow fails with err unless exactly one row was touched.
func oneRow(err error) Check {
	return func(n int64) error {
		if n != 1 {
			return err
		}
		return nil
	}
}

func conflict(field string) error { return &registry.Error{Code: registry.CodeConflict, Field: field} }

func invalid(field string) error { return &registry.Error{Code: registry.CodeInvalid, Field: field} }

// each scans every row of a query and closes it.
func each(rows Rows, err error, scan func(Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one scans the first row of a query, or is ErrNotFound.
func one(rows Rows, err error, dest ...any) error {
	found := false
	err = each(rows, err, func(r Rows) error {
		if found {
			return nil
		}
		found = true
		return r.Scan(dest...)
	})
	if err == nil && !found {
		return registry.ErrNotFound
	}
	return err
}

// only is the one of a list that has one at the most, or ErrNotFound.
func only[T any](found []T, err error) (T, error) {
	var none T
	if err == nil && len(found) == 0 {
		err = registry.ErrNotFound
	}
	if err != nil {
		return none, err
	}
	return found[0], nil
}

// first scans the row of a query that has one at the most, or is ErrNotFound.
func first[T any](ctx context.Context, s *Store, scan func(Rows) (T, error), sql string, args ...any) (T, error) {
	var found []T
	err := s.query(ctx, func(r Rows) error {
		v, err := scan(r)
		found = append(found, v)
		return err
	}, sql, args...)
	return only(found, err)
}
