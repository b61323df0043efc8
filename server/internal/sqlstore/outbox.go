package sqlstore

import (
	"context"
	"slices"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// LeaseOutbox hands out waiting rows whose lease ran out, oldest first.
func (s *Store) LeaseOutbox(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]store.OutboxRow, error) {
	idle, err := s.idle(ctx, `SELECT 1 FROM outbox WHERE state = 'waiting' AND lease_until <= $1 LIMIT 1`, nanos(now))
	if err != nil || idle {
		return nil, err
	}
	var out []store.OutboxRow
	err = s.db.Write(ctx, func(tx Tx) error {
		out = nil
		r, err := tx.Query(`UPDATE outbox SET lease_until = $2 WHERE (student_uid, id) IN (SELECT student_uid, id FROM outbox
			WHERE state = 'waiting' AND lease_until <= $1 ORDER BY lease_until, at, student_uid, id LIMIT $3`+s.d.SkipLocked+`)
			RETURNING student_uid, id, kind, payload, at`, nanos(now), nanos(now.Add(lease)), int64(limit))
		return each(r, err, func(r Rows) error {
			row, err := s.scanOutbox(r)
			out = append(out, row)
			return err
		})
	})
	slices.SortFunc(out, func(a, b store.OutboxRow) int { return a.At.Compare(b.At) })
	return out, err
}

func (s *Store) scanOutbox(r Rows) (store.OutboxRow, error) {
	var row store.OutboxRow
	var uid string
	var at int64
	err := r.Scan(&uid, &row.ID, &row.Kind, &row.Payload, &at)
	row.UID, row.At = registry.UID(uid), moment(at)
	if err == nil {
		err = s.open(place("outbox", "payload", uid, row.ID), &row.Payload)
	}
	return row, err
}

// OutboxRow reads a row, done or not.
func (s *Store) OutboxRow(ctx context.Context, uid registry.UID, id string) (store.OutboxRow, error) {
	return first(ctx, s, s.scanOutbox, `SELECT student_uid, id, kind, payload, at FROM outbox WHERE student_uid = $1 AND id = $2`, string(uid), id)
}

// Finish marks a row done.
func (s *Store) Finish(ctx context.Context, uid registry.UID, id string) error {
	p := s.plan()
	p.finish(uid, id)
	return s.db.Write(ctx, p.run)
}

func (p *plan) finish(uid registry.UID, id string) {
	now := nanos(time.Now())
	if uid == "" {
		p.add(oneRow(conflict("outbox")), `UPDATE outbox SET state = 'done', settled_at = $2 WHERE id = $1 AND state <> 'done'`, id, now)
		return
	}
	p.add(oneRow(conflict("outbox")), `UPDATE outbox SET state = 'done', settled_at = $3 WHERE student_uid = $1 AND id = $2 AND state <> 'done'`,
		string(uid), id, now)
}
