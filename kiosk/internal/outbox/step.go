package outbox

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// One row says what a family was about, so that the screen can tell when the program comes back in the middle of it. It is sealed like the events, written over
// and deleted with the family's session; secure_delete leaves nothing of it in the file.
const stepSchema = `
CREATE TABLE IF NOT EXISTS step (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  at INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;`

const stepContext = "step"

// MaxStep bounds the row's body, in bytes.
const MaxStep = 4 << 10

// SetStep writes what is under way in place of what stood there; durable on return.
func (o *Outbox) SetStep(ctx context.Context, at time.Time, body []byte) error {
	return o.tx(ctx, func(tx *sql.Tx) error { return o.setStep(ctx, tx, at, body) })
}

func (o *Outbox) setStep(ctx context.Context, tx *sql.Tx, at time.Time, body []byte) error {
	if len(body) > MaxStep {
		return errors.New("outbox: a step's note is too long")
	}
	sealed, err := o.seal.Seal(stepContext, body)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO step VALUES (1, $1, $2) ON CONFLICT (one) DO UPDATE SET at = excluded.at, body = excluded.body`, at.Unix(), sealed)
	return err
}

// ClearStep: nothing is under way.
func (o *Outbox) ClearStep(ctx context.Context) error {
	_, err := o.db.ExecContext(ctx, `DELETE FROM step`)
	return err
}

// Step is what was under way when it was last said; ok is false when nothing was, or when it cannot be opened.
func (o *Outbox) Step(ctx context.Context) (at time.Time, body []byte, ok bool, err error) {
	var unix int64
	var sealed []byte
	err = o.db.QueryRowContext(ctx, `SELECT at, body FROM step`).Scan(&unix, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil, false, nil
	}
	if err != nil {
		return time.Time{}, nil, false, err
	}
	body, err = o.seal.Open(stepContext, sealed)
	return time.Unix(unix, 0), body, err == nil, nil
}
