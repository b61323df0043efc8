package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"xueji/server/internal/sqlstore"
	"xueji/server/registry"
)

// groupMax is how many transactions share a commit at most: it bounds how long the first of them waits.
const groupMax = 1024

var errClosed = &registry.Error{Code: registry.CodeUnavailable, Err: errors.New("sqlite: the store is closed")}

// writer is the one goroutine that writes. A group is one SQLite transaction; each member of it is a savepoint, unless it is alone.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	queue chan *work
	stop  chan struct{}
	ended chan struct{}
	once  sync.Once

	statements map[string]*sql.Stmt // of conn; the writer's goroutine alone uses it
}

type work struct {
	ctx  context.Context
	fn   func(sqlstore.Tx) error
	done chan error
	err  error
}

func newWriter(db *sql.DB, conn *sql.Conn) *writer {
	w := &writer{db: db, conn: conn, queue: make(chan *work, groupMax), stop: make(chan struct{}), ended: make(chan struct{}), statements: map[string]*sql.Stmt{}}
	go w.loop()
	return w
}

// write queues fn and waits for the commit that holds it. Once fn has begun, the answer is waited for even when ctx ends: a caller must not be left not
// knowing whether its change is durable.
func (w *writer) write(ctx context.Context, fn func(sqlstore.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k := &work{ctx: ctx, fn: fn, done: make(chan error, 1)}
	select {
	case <-w.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	case w.queue <- k:
	}
	select {
	case err := <-k.done:
		return err
	case <-w.ended: // closed between queue and loop
		select {
		case err := <-k.done:
			return err
		default:
			return errClosed
		}
	}
}

func (w *writer) loop() {
	defer close(w.ended)
	group := make([]*work, 0, groupMax)
	for {
		group = group[:0]
		select {
		case k := <-w.queue:
			group = append(group, k)
		case <-w.stop:
			for { // what was queued before the end is answered
				select {
				case k := <-w.queue:
					k.done <- errClosed
				default:
					return
				}
			}
		}
	fill:
		for len(group) < groupMax {
			select {
			case k := <-w.queue:
				group = append(group, k)
			default:
				break fill
			}
		}
		w.commit(group)
		clear(group)
	}
}

// commit runs a group and answers each of its members.
func (w *writer) commit(group []*work) {
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		answer(group, err)
		return
	}
	run := w.member
	if len(group) == 1 { // alone: the whole transaction is its own, and SQLite need not keep every page as it was before the savepoint
		run = func(k *work) error { return w.call(k.fn) }
	}
	for _, k := range group {
		k.err = k.ctx.Err()
		if k.err != nil {
			continue
		}
		if k.err = run(k); k.err != nil && w.broken() {
			// SQLite ended the whole transaction by itself (disk full, I/O error): nothing of the group is kept.
			answer(group, fault(k.err))
			return
		}
	}
	end := "COMMIT"
	if len(group) == 1 && group[0].err != nil {
		end = "ROLLBACK"
	}
	if err := w.exec(end); err != nil {
		_ = w.exec("ROLLBACK")
		answer(group, err)
		return
	}
	for _, k := range group {
		k.done <- k.err
	}
}

func answer(group []*work, err error) {
	for _, k := range group {
		if k.err != nil {
			k.done <- k.err
			continue
		}
		k.done <- err
	}
}

// member runs one transaction in its savepoint.
func (w *writer) member(k *work) (err error) {
	if err := w.exec("SAVEPOINT member"); err != nil {
		return err
	}
	if err := w.call(k.fn); err != nil {
		if e := w.exec("ROLLBACK TO member"); e != nil {
			return e
		}
		_ = w.exec("RELEASE member")
		return err
	}
	return w.exec("RELEASE member")
}

func (w *writer) call(fn func(sqlstore.Tx) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &registry.Error{Code: registry.CodeInternal, Err: fmt.Errorf("sqlite: panic in a transaction: %v", r)}
		}
	}()
	return fn(tx{w})
}

// broken reports whether SQLite ended the transaction: a BEGIN inside one is refused.
func (w *writer) broken() bool {
	if _, err := w.conn.ExecContext(context.Background(), "BEGIN"); err != nil {
		return false
	}
	_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK")
	return true
}

func (w *writer) prepare(text string) (*sql.Stmt, error) {
	if st, ok := w.statements[text]; ok {
		return st, nil
	}
	st, err := w.conn.PrepareContext(context.Background(), text)
	if err == nil {
		w.statements[text] = st
	}
	return st, err
}

func (w *writer) exec(text string) error {
	st, err := w.prepare(text)
	if err == nil {
		_, err = st.ExecContext(context.Background())
	}
	return fault(err)
}

func (w *writer) close() error {
	w.once.Do(func() { close(w.stop) })
	<-w.ended
	for _, st := range w.statements {
		_ = st.Close()
	}
	return errors.Join(w.conn.Close(), w.db.Close())
}

// tx runs statements at once on the writer's connection. It uses no cancellable context: a statement of a shared transaction is not interrupted by one
// member's caller going away.
type tx struct{ w *writer }

func (t tx) Query(text string, args ...any) (sqlstore.Rows, error) {
	st, err := t.w.prepare(text)
	if err != nil {
		return nil, fault(err)
	}
	r, err := st.QueryContext(context.Background(), args...)
	if err != nil {
		return nil, fault(err)
	}
	return rows{r}, nil
}

func (t tx) Exec(check sqlstore.Check, text string, args ...any) error {
	st, err := t.w.prepare(text)
	if err != nil {
		return fault(err)
	}
	res, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return fault(err)
	}
	if check == nil {
		return nil
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fault(err)
	}
	return check(n)
}
