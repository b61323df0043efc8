// Package outbox is the kiosk's durable memory: verified events that wait for the server, the serials of case numbers, and the highest sequence seen on
// each card. SQLite in WAL mode with synchronous=FULL: what Append returned survives a power cut.
//
// Events are numbered from 1 without gaps and chained (api.ChainNext); bodies are sealed at rest. A row leaves only on the server's signed receipt.
// The package must not import net/http, the flow or the web.
package outbox

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"xueji/server/api"

	_ "modernc.org/sqlite" // the driver
)

// MaxBatchBytes bounds the payloads of one batch, in bytes: base64 in JSON adds a third and must stay below the server's 256 KiB body limit.
const MaxBatchBytes = 160 << 10

// Errors of this package.
var (
	// ErrReceipt: the receipt is forged, for another kiosk, lower than one already taken, or beyond what was ever sent. Nothing was deleted.
	ErrReceipt = errors.New("outbox: the receipt is not acceptable; nothing was deleted")
	// ErrDamaged: the chain or the sealing of a stored event does not hold. The file must be kept for an operator; the kiosk must not go on writing to it.
	ErrDamaged = errors.New("outbox: stored events do not verify; keep the file and call the operator")
	// ErrFull: the outbox holds MaxWaiting events; the line has been down too long.
	ErrFull = errors.New("outbox: full; restore the line to the server first")
)

// MaxWaiting is how many events may wait. A school's kiosk writes a few hundred on its busiest day.
const MaxWaiting = 200_000

// Sealer keeps bodies unreadable at rest. Open fails when the bytes or the context are not those sealed.
type Sealer interface {
	Seal(context string, plain []byte) ([]byte, error)
	Open(context string, sealed []byte) ([]byte, error)
}

// Outbox is safe for concurrent use. One process at a time may open a file.
type Outbox struct {
	db   *sql.DB
	seal Sealer
}

const schema = `
CREATE TABLE IF NOT EXISTS head (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  last INTEGER NOT NULL CHECK (last >= confirmed),  -- number of the newest event ever appended
  tail BLOB NOT NULL CHECK (length(tail) = 32),     -- chain value after it
  confirmed INTEGER NOT NULL CHECK (confirmed >= 0),-- everything up to it is durable at the server
  base BLOB NOT NULL CHECK (length(base) = 32)      -- chain value after it
) STRICT;
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  at INTEGER NOT NULL,
  body BLOB NOT NULL,
  chain BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;
CREATE TABLE IF NOT EXISTS serial (
  kind TEXT NOT NULL, year INTEGER NOT NULL, last INTEGER NOT NULL CHECK (last BETWEEN 1 AND 999999),
  PRIMARY KEY (kind, year)
) STRICT;
CREATE TABLE IF NOT EXISTS seen (
  card BLOB PRIMARY KEY, -- keyed digest of the card number
  sequence INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO head VALUES (1, 0, zeroblob(32), 0, zeroblob(32));`

// Open opens or creates the file and checks the whole chain. It fails with ErrDamaged rather than hand out an event that was altered.
func Open(ctx context.Context, path string, seal Sealer) (*Outbox, error) {
	// SQLite gives its journal files the mode of the database.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	f.Close()
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "_txlock=immediate" +
		"&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	o := &Outbox{db: db, seal: seal}
	if err := o.init(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return o, nil
}

func (o *Outbox) init(ctx context.Context) error {
	if _, err := o.db.ExecContext(ctx, schema+stepSchema); err != nil {
		return fmt.Errorf("outbox: open: %w", err)
	}
	var mode string
	var sync int
	if err := o.db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return err
	}
	if err := o.db.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&sync); err != nil {
		return err
	}
	if mode != "wal" || sync != 2 {
		return fmt.Errorf("outbox: journal_mode=%s synchronous=%d, want wal and 2: is the data folder on a file system that SQLite can lock?", mode, sync)
	}
	return o.check(ctx)
}

// Close closes the file.
func (o *Outbox) Close() error { return o.db.Close() }

func sealContext(seq uint64) string { return fmt.Sprintf("outbox/%d", seq) }

// check walks the chain from the last receipt to the newest event.
func (o *Outbox) check(ctx context.Context) error {
	var last, confirmed uint64
	var tail, chain []byte
	if err := o.db.QueryRowContext(ctx, `SELECT last, tail, confirmed, base FROM head`).Scan(&last, &tail, &confirmed, &chain); err != nil {
		return err
	}
	rows, err := o.db.QueryContext(ctx, `SELECT seq, body, chain FROM event ORDER BY seq`)
	if err != nil {
		return err
	}
	defer rows.Close()
	next := confirmed + 1
	for rows.Next() {
		var seq uint64
		var body, stored []byte
		if err := rows.Scan(&seq, &body, &stored); err != nil {
			return err
		}
		plain, err := o.seal.Open(sealContext(seq), body)
		if err != nil {
			return fmt.Errorf("%w (event %d)", ErrDamaged, seq)
		}
		if chain = api.ChainNext(chain, plain); seq != next || !bytes.Equal(chain, stored) {
			return fmt.Errorf("%w (event %d)", ErrDamaged, seq)
		}
		next++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if next != last+1 || !bytes.Equal(chain, tail) {
		return fmt.Errorf("%w (the newest is %d, expected %d)", ErrDamaged, next-1, last)
	}
	return nil
}

// Draft is an event to be numbered.
type Draft struct {
	At time.Time
	// Case asks for a serial of this kind ("ZX", "FX") in the year of At, Beijing time; "" for none.
	Case string
	// Build makes the payload once the number, and the serial if asked for, are known. It may run again after a failed attempt.
	Build func(seq uint64, serial int) ([]byte, error)
	Year  int
	// Step, asked after Build, is what the screen must say of this event when the program ends before the family has seen it (SetStep); it is durable with the
	// event or not at all. Nil leaves what stood there.
	Step func() []byte
}

// Append numbers, chains, seals and stores one event. It is durable on return; on error nothing was stored and no number was used.
func (o *Outbox) Append(ctx context.Context, d Draft) (seq uint64, err error) {
	err = o.tx(ctx, func(tx *sql.Tx) error {
		var last, confirmed uint64
		var tail []byte
		if err := tx.QueryRowContext(ctx, `SELECT last, tail, confirmed FROM head`).Scan(&last, &tail, &confirmed); err != nil {
			return err
		}
		if last-confirmed >= MaxWaiting {
			return ErrFull
		}
		serial := 0
		if d.Case != "" {
			err := tx.QueryRowContext(ctx, `INSERT INTO serial VALUES ($1, $2, 1) ON CONFLICT (kind, year) DO UPDATE SET last = last + 1 RETURNING last`,
				d.Case, d.Year).Scan(&serial)
			if err != nil {
				return err
			}
		}
		seq = last + 1
		payload, err := d.Build(seq, serial)
		if err != nil {
			return err
		}
		if len(payload) > MaxBatchBytes {
			return fmt.Errorf("outbox: event of %d bytes, at most %d", len(payload), MaxBatchBytes)
		}
		chain := api.ChainNext(tail, payload)
		body, err := o.seal.Seal(sealContext(seq), payload)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO event VALUES ($1, $2, $3, $4)`, seq, d.At.Unix(), body, chain); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, `UPDATE head SET last = $1, tail = $2`, seq, chain); err != nil || d.Step == nil {
			return err
		}
		return o.setStep(ctx, tx, d.At, d.Step())
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// Batch is the oldest waiting events as an unsigned batch, ≤256 and ≤MaxBatchBytes; ok is false when none waits.
func (o *Outbox) Batch(ctx context.Context, kiosk string) (b api.Batch, ok bool, err error) {
	return o.BatchAfter(ctx, kiosk, 0)
}

// BatchAfter is Batch from the first waiting event after a number; it says the same bytes whenever it is asked.
func (o *Outbox) BatchAfter(ctx context.Context, kiosk string, after uint64) (b api.Batch, ok bool, err error) {
	err = o.tx(ctx, func(tx *sql.Tx) error {
		b = api.Batch{Kiosk: kiosk}
		var confirmed uint64
		if err := tx.QueryRowContext(ctx, `SELECT confirmed, base FROM head`).Scan(&confirmed, &b.PrevHash); err != nil {
			return err
		}
		if after > confirmed {
			if err := tx.QueryRowContext(ctx, `SELECT chain FROM event WHERE seq = $1`, after).Scan(&b.PrevHash); errors.Is(err, sql.ErrNoRows) {
				return nil
			} else if err != nil {
				return err
			}
		}
		b.FirstSeq = max(after, confirmed) + 1
		rows, err := tx.QueryContext(ctx, `SELECT seq, body FROM event WHERE seq >= $1 ORDER BY seq LIMIT $2`, b.FirstSeq, api.MaxBatch)
		if err != nil {
			return err
		}
		defer rows.Close()
		size := 0
		for rows.Next() {
			var seq uint64
			var body []byte
			if err := rows.Scan(&seq, &body); err != nil {
				return err
			}
			plain, err := o.seal.Open(sealContext(seq), body)
			if err != nil || seq != b.FirstSeq+uint64(len(b.Payloads)) {
				return fmt.Errorf("%w (event %d)", ErrDamaged, seq)
			}
			if size += len(plain); size > MaxBatchBytes {
				break
			}
			b.Payloads = append(b.Payloads, plain)
		}
		return rows.Err()
	})
	return b, err == nil && len(b.Payloads) > 0, err
}

// All is every waiting event in signed batches, oldest first, as the line would send them.
func (o *Outbox) All(ctx context.Context, kiosk string, sign func(*api.Batch)) ([]api.Batch, error) {
	var out []api.Batch
	var after uint64
	for {
		b, ok, err := o.BatchAfter(ctx, kiosk, after)
		if err != nil || !ok {
			return out, err
		}
		sign(&b)
		out = append(out, b)
		after = b.FirstSeq + uint64(len(b.Payloads)) - 1
	}
}

// Confirm takes a receipt: it verifies the signature against the pinned key and deletes the events it covers, in one transaction. A repeated receipt
// changes nothing. ErrReceipt otherwise.
func (o *Outbox) Confirm(ctx context.Context, r api.Receipt, kiosk string, receiptKey []byte) error {
	if r.Kiosk != kiosk || !r.Verify(receiptKey) {
		return ErrReceipt
	}
	return o.tx(ctx, func(tx *sql.Tx) error {
		var last, confirmed uint64
		if err := tx.QueryRowContext(ctx, `SELECT last, confirmed FROM head`).Scan(&last, &confirmed); err != nil {
			return err
		}
		if r.HighWater < confirmed || r.HighWater > last {
			return fmt.Errorf("%w (it says %d; confirmed %d, newest %d)", ErrReceipt, r.HighWater, confirmed, last)
		}
		if r.HighWater == confirmed {
			return nil
		}
		var base []byte
		if err := tx.QueryRowContext(ctx, `SELECT chain FROM event WHERE seq = $1`, r.HighWater).Scan(&base); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM event WHERE seq <= $1`, r.HighWater); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE head SET confirmed = $1, base = $2`, r.HighWater, base)
		return err
	})
}

// Waiting is how many events wait and since when the oldest does (zero when none).
func (o *Outbox) Waiting(ctx context.Context) (n int, oldest time.Time, err error) {
	var at sql.NullInt64
	if err = o.db.QueryRowContext(ctx, `SELECT count(*), min(at) FROM event`).Scan(&n, &at); err == nil && at.Valid {
		oldest = time.Unix(at.Int64, 0)
	}
	return n, oldest, err
}

// Newest is when the newest waiting event was kept; zero when none waits.
func (o *Outbox) Newest(ctx context.Context) (t time.Time, err error) {
	var at sql.NullInt64
	if err = o.db.QueryRowContext(ctx, `SELECT max(at) FROM event`).Scan(&at); err == nil && at.Valid {
		t = time.Unix(at.Int64, 0)
	}
	return t, err
}

// Confirmed is the highest number the server has confirmed.
func (o *Outbox) Confirmed(ctx context.Context) (seq uint64, err error) {
	err = o.db.QueryRowContext(ctx, `SELECT confirmed FROM head`).Scan(&seq)
	return seq, err
}

// Seen remembers a verified sequence of a card and returns the highest seen before or now. card is a keyed digest.
func (o *Outbox) Seen(ctx context.Context, card []byte, sequence uint32) (highest uint32, err error) {
	err = o.db.QueryRowContext(ctx, `INSERT INTO seen VALUES ($1, $2)
		ON CONFLICT (card) DO UPDATE SET sequence = max(sequence, excluded.sequence) RETURNING sequence`, card, sequence).Scan(&highest)
	return highest, err
}

func (o *Outbox) tx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("outbox: commit: %w", err)
	}
	return nil
}
