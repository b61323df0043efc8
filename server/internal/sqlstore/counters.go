package sqlstore

import (
	"context"
)

// Next draws n numbers of a counter.
func (s *Store) Next(ctx context.Context, name string, n int) (first uint64, err error) {
	if name == "" || n < 1 {
		return 0, invalid("counter")
	}
	var last int64
	err = s.db.Write(ctx, func(tx Tx) error {
		r, err := tx.Query(`INSERT INTO counter (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value RETURNING value`, name, int64(n))
		return one(r, err, &last)
	})
	return uint64(last) - uint64(n) + 1, err
}

// NextKioskNo draws a kiosk's short number.
func (s *Store) NextKioskNo(ctx context.Context) (int, error) {
	n, err := s.Next(ctx, "kiosk", 1)
	return int(n), err
}
