package sqlstore

import (
	"context"
	"time"

	"xueji/server/registry"
)

// TakeTry takes one attempt at a second factor before it is judged.
func (s *Store) TakeTry(ctx context.Context, uid registry.UID, now time.Time, max int, lock time.Duration) (left int, until time.Time, err error) {
	err = s.db.Write(ctx, func(tx Tx) error {
		left, until = 0, time.Time{}
		if err := tx.Exec(nil, `INSERT INTO pin_try (student_uid, tries, locked_until) VALUES ($1, 0, 0) ON CONFLICT (student_uid) DO NOTHING`, string(uid)); err != nil {
			return err
		}
		var tries, locked int64
		r, err := tx.Query(`SELECT tries, locked_until FROM pin_try WHERE student_uid = $1`+s.d.ForUpdate, string(uid))
		if err := one(r, err, &tries, &locked); err != nil {
			return err
		}
		if locked > nanos(now) {
			left, until = -1, moment(locked)
			return nil
		}
		if locked != 0 { // the lock ran out: count anew
			tries, locked = 0, 0
		}
		tries++
		if left = max - int(tries); left <= 0 {
			left, until = 0, now.Add(lock)
			locked = nanos(until)
		}
		return tx.Exec(nil, `UPDATE pin_try SET tries = $2, locked_until = $3 WHERE student_uid = $1`, string(uid), tries, locked)
	})
	return left, until, err
}

// ClearTries forgets a pupil's wrong attempts.
func (s *Store) ClearTries(ctx context.Context, uid registry.UID) error {
	return s.exec(ctx, nil, `DELETE FROM pin_try WHERE student_uid = $1`, string(uid))
}
