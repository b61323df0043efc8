package sqlstore

import (
	"context"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// rowOf is the table of a reference, its key as a condition on $1 and $2, and the key.
func rowOf(ref store.RowRef) (table, where string, key []any) {
	if ref.Kiosk != "" {
		return "inbox", "kiosk = $1 AND seq = $2", []any{ref.Kiosk, int64(ref.Seq)}
	}
	return "outbox", "student_uid = $1 AND id = $2", []any{string(ref.UID), ref.ID}
}

// reasonMax bounds a stored reason, in bytes.
const reasonMax = 500

func short(reason string) string {
	reason = fitText(reason)
	if len(reason) > reasonMax {
		reason = fitText(reason[:reasonMax])
	}
	return reason
}

// Failed counts a failure of a waiting row.
func (s *Store) Failed(ctx context.Context, ref store.RowRef, reason string, now time.Time, backoff time.Duration, max int) (dead bool, err error) {
	table, where, key := rowOf(ref)
	args := append(key, short(reason), nanos(now), int64(backoff), int64(max))
	err = s.db.Write(ctx, func(tx Tx) error {
		dead = false
		r, err := tx.Query(`UPDATE `+table+` SET failures = failures + 1, reason = $3,
			lease_until = CAST($4 AS BIGINT) + (CAST($5 AS BIGINT) << CAST(CASE WHEN failures > 6 THEN 6 ELSE failures END AS INTEGER)),
			state = CASE WHEN failures + 1 >= CAST($6 AS BIGINT) THEN 'dead' ELSE state END, settled_at = CASE WHEN failures + 1 >= CAST($6 AS BIGINT) THEN CAST($4 AS BIGINT) ELSE settled_at END
			WHERE `+where+` AND state = 'waiting' RETURNING state`, args...)
		return each(r, err, func(r Rows) error {
			var state string
			err := r.Scan(&state)
			dead = state == "dead"
			return err
		})
	})
	return dead, err
}

// Dead makes a waiting inbox row a dead letter at once.
func (s *Store) Dead(ctx context.Context, key store.InboxKey, reason string) error {
	return s.exec(ctx, oneRow(conflict("inbox")), `UPDATE inbox SET state = 'dead', reason = $3, settled_at = $4 WHERE kiosk = $1 AND seq = $2 AND state = 'waiting'`,
		key.Kiosk, int64(key.Seq), short(reason), nanos(time.Now()))
}

// DeadLetters lists dead rows of inbox and outbox, oldest first.
func (s *Store) DeadLetters(ctx context.Context, limit int) ([]store.DeadLetter, error) {
	var out []store.DeadLetter
	err := s.query(ctx, func(r Rows) error {
		var (
			d       store.DeadLetter
			uid     string
			seq, at int64
		)
		if err := r.Scan(&d.Kiosk, &seq, &uid, &d.ID, &d.Reason, &d.Failures, &at); err != nil {
			return err
		}
		d.Seq, d.UID, d.At = uint64(seq), registry.UID(uid), moment(at)
		out = append(out, d)
		return nil
	}, `SELECT kiosk, seq, '' AS uid, '' AS id, reason, failures, settled_at FROM inbox WHERE state = 'dead'
		UNION ALL SELECT '', 0, student_uid, id, reason, failures, settled_at FROM outbox WHERE state = 'dead'
		ORDER BY settled_at LIMIT $1`, int64(limit))
	return out, err
}

// Revive puts a dead letter back.
func (s *Store) Revive(ctx context.Context, ref store.RowRef) error {
	table, where, key := rowOf(ref)
	return s.exec(ctx, oneRow(conflict("dead")), `UPDATE `+table+` SET state = 'waiting', failures = 0, lease_until = 0, settled_at = 0, reason = ''
		WHERE `+where+` AND state = 'dead'`, key...)
}
