package sqlstore

import (
	"bytes"
	"context"
	"slices"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const (
	sqlMarkInsert = `INSERT INTO kiosk_mark (kiosk, high_water) VALUES ($1, 0) ON CONFLICT (kiosk) DO NOTHING`
	sqlMarkRead   = `SELECT high_water FROM kiosk_mark WHERE kiosk = $1`
	sqlMarkUpdate = `UPDATE kiosk_mark SET high_water = $2 WHERE kiosk = $1`
	sqlInboxPut   = `INSERT INTO inbox (kiosk, seq, hash, payload, at, chain, event_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	sqlInboxHash  = `SELECT seq, hash FROM inbox WHERE kiosk = $1 AND seq BETWEEN $2 AND $3`
	sqlQuarantine = `INSERT INTO quarantine (kiosk, seq, hash, payload, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kiosk, seq, hash) DO NOTHING`
)

// Ingest stores rows that are new and follow on without a gap. Concurrent calls share a commit where the engine groups them.
func (s *Store) Ingest(ctx context.Context, kiosk string, rows []store.InboxRow) (highWater uint64, quarantined int, err error) {
	if kiosk == "" {
		return 0, 0, invalid("kiosk")
	}
	rows = slices.Clone(rows)
	for _, r := range rows {
		if r.Seq == 0 || r.Seq > 1<<62 || len(r.Hash) == 0 {
			return 0, 0, invalid("seq")
		}
	}
	slices.SortStableFunc(rows, func(a, b store.InboxRow) int { return cmpUint(a.Seq, b.Seq) })
	// Sealed before the transaction begins; the hash stays the clear payload's, which the kiosk signed.
	sealed := s.plan()
	payloads := make([][]byte, len(rows))
	for i, r := range rows {
		payloads[i] = sealed.seal(place("inbox", "payload", kiosk, decimal(r.Seq)), r.Payload)
	}
	if sealed.err != nil {
		return 0, 0, sealed.err
	}
	err = s.db.Write(ctx, func(tx Tx) error {
		var e error
		highWater, quarantined, e = s.ingest(tx, kiosk, rows, payloads)
		return e
	})
	if err != nil {
		return 0, 0, err
	}
	return highWater, quarantined, nil
}

func (s *Store) ingest(tx Tx, kiosk string, rows []store.InboxRow, payloads [][]byte) (uint64, int, error) {
	mark, err := s.lockMark(tx, kiosk)
	if err != nil {
		return 0, 0, err
	}
	before := mark
	// hashes of rows that this call meets again
	seen := map[uint64][]byte{}
	if len(rows) > 0 && rows[0].Seq <= before {
		last := min(before, rows[len(rows)-1].Seq)
		r, err := tx.Query(sqlInboxHash, kiosk, int64(rows[0].Seq), int64(last))
		if err := each(r, err, func(r Rows) error {
			var seq int64
			var hash []byte
			if err := r.Scan(&seq, &hash); err != nil {
				return err
			}
			seen[uint64(seq)] = bytes.Clone(hash)
			return nil
		}); err != nil {
			return 0, 0, err
		}
	}
	quarantined := 0
	for i, row := range rows {
		args := []any{kiosk, int64(row.Seq), row.Hash, payloads[i], nanos(row.At)}
		switch {
		case row.Seq == mark+1:
			if err := tx.Exec(nil, sqlInboxPut, append(args, blobOf(row.Chain), row.EventID)...); err != nil {
				return 0, 0, err
			}
			mark++
			seen[row.Seq] = row.Hash
		case row.Seq > mark: // a gap: not stored, not acknowledged
		case !bytes.Equal(seen[row.Seq], row.Hash):
			quarantined++
			p := s.plan()
			if args[3] = p.seal(place("quarantine", "payload", kiosk, decimal(row.Seq), hexed(row.Hash)), row.Payload); p.err != nil {
				return 0, 0, p.err
			}
			if err := tx.Exec(nil, sqlQuarantine, args...); err != nil {
				return 0, 0, err
			}
		}
	}
	if mark > before {
		// The chain's value at the end of the batch binds every row before it.
		last := rows[slices.IndexFunc(rows, func(r store.InboxRow) bool { return r.Seq == mark })]
		e := audit.Entry{At: orNow(last.At), Kind: audit.Inbox, Subject: inboxSubject(kiosk, mark), Via: "kiosk:" + kiosk, What: "ingest", N: int(mark - before),
			Row: chainRow(mark), Digest: chainDigest(s.auditKey, kiosk, mark, last.Chain)}
		p := s.plan()
		if err := p.audit(s.auditKey, e); err != nil {
			return 0, 0, err
		}
		if err := p.run(tx); err != nil {
			return 0, 0, err
		}
		if err := tx.Exec(nil, sqlMarkUpdate, kiosk, int64(mark)); err != nil {
			return 0, 0, err
		}
	}
	return mark, quarantined, nil
}

// lockMark reads the kiosk's high-water mark and keeps others from moving it until the transaction ends.
func (s *Store) lockMark(tx Tx, kiosk string) (uint64, error) {
	var mark int64
	read := func() error {
		r, err := tx.Query(sqlMarkRead+s.d.ForUpdate, kiosk)
		return one(r, err, &mark)
	}
	err := read()
	if err == registry.ErrNotFound {
		if err = tx.Exec(nil, sqlMarkInsert, kiosk); err == nil {
			err = read()
		}
	}
	return uint64(mark), err
}

func cmpUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// HighWater is the last number without a gap below it; 0 for a kiosk never heard of.
func (s *Store) HighWater(ctx context.Context, kiosk string) (uint64, error) {
	var mark int64
	err := s.row(ctx, []any{&mark}, sqlMarkRead, kiosk)
	if err == registry.ErrNotFound {
		return 0, nil
	}
	return uint64(mark), err
}

// LeaseInbox hands out waiting rows whose lease ran out: the longest unleased first, then by number.
func (s *Store) LeaseInbox(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]store.InboxKey, error) {
	idle, err := s.idle(ctx, `SELECT 1 FROM inbox WHERE state = 'waiting' AND lease_until <= $1 LIMIT 1`, nanos(now))
	if err != nil || idle {
		return nil, err
	}
	var out []store.InboxKey
	err = s.db.Write(ctx, func(tx Tx) error {
		out = nil
		r, err := tx.Query(`UPDATE inbox SET lease_until = $2 WHERE (kiosk, seq) IN (SELECT kiosk, seq FROM inbox WHERE state = 'waiting' AND lease_until <= $1
			ORDER BY lease_until, seq, kiosk LIMIT $3`+s.d.SkipLocked+`) RETURNING kiosk, seq`, nanos(now), nanos(now.Add(lease)), int64(limit))
		return each(r, err, func(r Rows) error {
			var k string
			var seq int64
			if err := r.Scan(&k, &seq); err != nil {
				return err
			}
			out = append(out, store.InboxKey{Kiosk: k, Seq: uint64(seq)})
			return nil
		})
	})
	slices.SortFunc(out, func(a, b store.InboxKey) int { return cmpUint(a.Seq, b.Seq) })
	return out, err
}

// idle asks with a read whether a lease would find nothing, to spare the writer.
func (s *Store) idle(ctx context.Context, sql string, args ...any) (bool, error) {
	var n int
	err := s.row(ctx, []any{&n}, sql, args...)
	if err == registry.ErrNotFound {
		return true, nil
	}
	return false, err
}

// InboxRow reads a row, whatever became of it.
func (s *Store) InboxRow(ctx context.Context, kiosk string, seq uint64) (store.InboxRow, error) {
	row := store.InboxRow{Kiosk: kiosk, Seq: seq}
	var at int64
	err := s.row(ctx, []any{&row.Hash, &row.Payload, &at, &row.Chain, &row.EventID},
		`SELECT hash, payload, at, chain, event_id FROM inbox WHERE kiosk = $1 AND seq = $2`, kiosk, int64(seq))
	if err != nil {
		return store.InboxRow{}, err
	}
	row.At = moment(at)
	if err := s.open(place("inbox", "payload", kiosk, decimal(seq)), &row.Payload); err != nil {
		return store.InboxRow{}, err
	}
	return row, nil
}

// SeqOfEvent is the lowest number that carries an event ID; 0 when none does.
func (s *Store) SeqOfEvent(ctx context.Context, kiosk, eventID string) (uint64, error) {
	var seq int64
	err := s.row(ctx, []any{&seq}, `SELECT COALESCE(MIN(seq), 0) FROM inbox WHERE kiosk = $1 AND event_id = $2 AND event_id <> ''`, kiosk, eventID)
	return uint64(seq), err
}

// outcome settles an inbox row once. A dead letter may be settled too: someone put it right by hand.
func (p *plan) outcome(o store.Outcome) error {
	if o.State != "applied" && o.State != "refused" {
		return invalid("state")
	}
	params := ""
	if len(o.Params) > 0 {
		params = p.sealJSON(place("inbox", "params", o.Kiosk, decimal(o.Seq)), o.Params)
	}
	p.add(oneRow(conflict("inbox")), `UPDATE inbox SET state = $3, case_no = $4, code = $5, params = $6, settled_at = $7
		WHERE kiosk = $1 AND seq = $2 AND state IN ('waiting', 'dead')`,
		o.Kiosk, int64(o.Seq), o.State, string(o.CaseNo), string(o.Code), params, nanos(o.At))
	return nil
}

// Refuse records a refusal.
func (s *Store) Refuse(ctx context.Context, o store.Outcome) error {
	o.State = "refused"
	p := s.plan()
	if err := p.outcome(o); err != nil {
		return err
	}
	if err := p.auditOutcome(s.auditKey, o); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

// Unhandled lists refused rows that nobody has seen to, oldest first.
func (s *Store) Unhandled(ctx context.Context, kiosk string, limit int) ([]store.Outcome, error) {
	return s.outcomes(ctx, kiosk, `state = 'refused' AND handled_at = 0 ORDER BY seq LIMIT $2`, int64(limit))
}

// Handle notes once who saw to a refused row.
func (s *Store) Handle(ctx context.Context, key store.InboxKey, by, note string, at time.Time) error {
	return s.exec(ctx, oneRow(conflict("inbox")), `UPDATE inbox SET handled_at = $3, handled_by = $4, handled_note = $5
		WHERE kiosk = $1 AND seq = $2 AND state = 'refused' AND handled_at = 0`, key.Kiosk, int64(key.Seq), nanos(at), by, note)
}

// Outcomes lists outcomes after seq up to the first row still waiting.
func (s *Store) Outcomes(ctx context.Context, kiosk string, after uint64, limit int) ([]store.Outcome, error) {
	return s.outcomes(ctx, kiosk, `seq > $2 AND state IN ('applied', 'refused')
		AND seq < COALESCE((SELECT MIN(seq) FROM inbox WHERE kiosk = $1 AND seq > $2 AND state = 'waiting'), 9223372036854775807)
		ORDER BY seq LIMIT $3`, int64(min(after, 1<<62)), int64(limit))
}

// outcomes reads settled rows of a kiosk; where goes on after "kiosk = $1 AND", args from $2.
func (s *Store) outcomes(ctx context.Context, kiosk, where string, args ...any) ([]store.Outcome, error) {
	var out []store.Outcome
	err := s.query(ctx, func(r Rows) error {
		o := store.Outcome{Kiosk: kiosk}
		var seq, at int64
		var caseNo, code, params string
		if err := r.Scan(&seq, &o.State, &caseNo, &code, &params, &at); err != nil {
			return err
		}
		o.Seq, o.CaseNo, o.Code, o.At = uint64(seq), registry.CaseNo(caseNo), registry.Code(code), moment(at)
		if err := s.openJSON(place("inbox", "params", kiosk, decimal(o.Seq)), params, &o.Params); err != nil {
			return err
		}
		out = append(out, o)
		return nil
	}, `SELECT seq, state, case_no, code, params, settled_at FROM inbox WHERE kiosk = $1 AND `+where, append([]any{kiosk}, args...)...)
	return out, err
}
