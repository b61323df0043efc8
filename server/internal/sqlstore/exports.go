package sqlstore

import (
	"context"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// PutApproval keeps a new approval, with its entry in the log; ErrConflict when its number is taken: an approval is never changed.
func (s *Store) PutApproval(ctx context.Context, a store.Approval) error {
	doc, err := encode("approval", a)
	if err != nil {
		return err
	}
	var p plan
	p.add(oneRow(conflict("no")), `INSERT INTO export_approval (no, unit, doc, until_day, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (no) DO NOTHING`,
		a.No, string(a.Unit), doc, string(a.Until), nanos(a.At))
	e := act(ctx, audit.Approval, "approval", a.No, "put", nil)
	e.Row = ""
	e = e.By(ctx, a.By)
	if err := p.audit(s.auditKey, e); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

func (s *Store) approvals(ctx context.Context, rest string, args ...any) ([]store.Approval, error) {
	var out []store.Approval
	err := s.query(ctx, func(r Rows) error {
		var a store.Approval
		var doc string
		var ended int64
		var copies int
		if err := r.Scan(&doc, &ended, &copies); err != nil {
			return err
		}
		err := decode("approval", doc, &a)
		a.RevokedAt, a.Copies = moment(ended), copies
		out = append(out, a)
		return err
	}, `SELECT doc, revoked_at, copies FROM export_approval `+rest, args...)
	return out, err
}

// Approval reads one by its number.
func (s *Store) Approval(ctx context.Context, no string) (store.Approval, error) {
	return only(s.approvals(ctx, `WHERE no = $1`, no))
}

// Approvals lists those of units, newest first.
func (s *Store) Approvals(ctx context.Context, units []registry.Unit, limit int) ([]store.Approval, error) {
	list := make([]string, len(units))
	for i, u := range units {
		list[i] = string(u)
	}
	return s.approvals(ctx, `WHERE `+s.d.In("unit", 1)+` ORDER BY created_at DESC, no LIMIT $2`, s.d.List(list), int64(limit))
}

// RevokeApproval ends an approval; ErrConflict when it was ended before.
func (s *Store) RevokeApproval(ctx context.Context, no string, by registry.Actor, at time.Time) error {
	var p plan
	p.add(oneRow(conflict("approval")), `UPDATE export_approval SET revoked_at = $2 WHERE no = $1 AND revoked_at = 0`, no, nanos(at))
	e := audit.Entry{At: at, Kind: audit.Approval, Subject: audit.SubjectOf("approval", no), What: "revoke"}
	if err := p.audit(s.auditKey, e.By(ctx, by)); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

// TakeCopy draws the next copy number of an approval; ErrConflict when it was ended.
func (s *Store) TakeCopy(ctx context.Context, no string, by registry.Actor, at time.Time) (int, error) {
	n := 0
	err := s.db.Write(ctx, func(tx Tx) error {
		n = 0
		rows, err := tx.Query(`UPDATE export_approval SET copies = copies + 1 WHERE no = $1 AND revoked_at = 0 RETURNING copies`, no)
		if err := one(rows, err, &n); err != nil {
			if err == registry.ErrNotFound {
				return conflict("approval")
			}
			return err
		}
		return tx.Exec(nil, `INSERT INTO export_copy (no, copy, account, unit, at, n, digest) VALUES ($1, $2, $3, $4, $5, 0, '')`, no, int64(n), by.Account, string(by.Unit), nanos(at))
	})
	return n, err
}

// SealCopy says what the copy holds, with its entry in the log. Durable on return: only then may the file leave.
func (s *Store) SealCopy(ctx context.Context, c store.ExportCopy) error {
	var p plan
	p.add(oneRow(conflict("copy")), `UPDATE export_copy SET n = $3, digest = $4 WHERE no = $1 AND copy = $2 AND digest = ''`, c.No, int64(c.Copy), int64(c.N), c.Digest)
	e := audit.Entry{At: c.At, Kind: audit.Export, Subject: audit.SubjectOf("approval", c.No), What: c.No + "/" + c.Digest, N: c.N}
	if err := p.audit(s.auditKey, e.By(ctx, c.By)); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

// ExportCopies lists the copies that left, newest first.
func (s *Store) ExportCopies(ctx context.Context, from, to time.Time, limit int) ([]store.ExportCopy, error) {
	var out []store.ExportCopy
	err := s.query(ctx, func(r Rows) error {
		var c store.ExportCopy
		var at int64
		err := r.Scan(&c.No, &c.Copy, &c.By.Account, (*string)(&c.By.Unit), &at, &c.N, &c.Digest)
		c.At = moment(at)
		out = append(out, c)
		return err
	}, `SELECT no, copy, account, unit, at, n, digest FROM export_copy WHERE digest <> '' AND at >= $1 AND at < $2 ORDER BY at DESC LIMIT $3`, nanos(from), nanos(to), int64(limit))
	return out, err
}
