package sqlstore

import (
	"context"
	"strings"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const (
	sqlBulkRow = `INSERT INTO bulk_row (run, student_uid, pos, class, state, doc, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (run, student_uid) DO NOTHING`
	// A row is moved by its pupil's commit once only.
	sqlBulkMove = `UPDATE bulk_row SET state = $3, doc = $4, at = $5 WHERE run = $1 AND student_uid = $2 AND state = 'waiting'`
	sqlBulkMark = `UPDATE bulk_row SET state = $3, doc = $4, at = $5 WHERE run = $1 AND student_uid = $2`

	sqlCertificate = `INSERT INTO certificate (certificate_no, student_uid, school, ended, grade, ended_on, case_no) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (certificate_no) DO NOTHING`

	bulkColumns = `id, kind, school, period, unit, state, doc, created_at, updated_at, version`
	bulkCounts  = `, (SELECT COUNT(*) FROM bulk_row w WHERE w.run = b.id), (SELECT COUNT(*) FROM bulk_row w WHERE w.run = b.id AND w.state = 'done'),
		(SELECT COUNT(*) FROM bulk_row w WHERE w.run = b.id AND w.state = 'failed')`
)

func (p *plan) bulkRow(sql string, check Check, r store.BulkRow) {
	doc := p.sealJSON(place("bulk_row", "doc", r.Run, string(r.UID)), r.Doc)
	if r.State == "" {
		r.State = store.RowWaiting
	}
	if sql == sqlBulkRow {
		p.add(check, sql, r.Run, string(r.UID), int64(r.Pos), r.Class, r.State, doc, nanos(r.At))
		return
	}
	p.add(check, sql, r.Run, string(r.UID), r.State, doc, nanos(r.At))
}

// certificates writes the register's lines of certificates that a change gave.
func (p *plan) certificates(changes []store.Change) {
	for i := range changes {
		c := &changes[i]
		for _, k := range c.Pupil.Certificates {
			if k.No != "" && (k.CaseNo == c.Entry.CaseNo || c.Pupil.Version == 0) {
				p.add(nil, sqlCertificate, k.No, string(c.Pupil.UID), string(k.School), string(k.End), int64(k.Grade), string(k.On), string(k.CaseNo))
			}
		}
	}
}

// PutBulk inserts a run with its rows.
func (s *Store) PutBulk(ctx context.Context, r store.BulkRun, rows []store.BulkRow) error {
	if r.ID == "" || r.Kind == "" {
		return invalid("run")
	}
	p := s.plan()
	p.add(oneRow(conflict("run")), `INSERT INTO bulk_run (`+bulkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) ON CONFLICT (id) DO NOTHING`, r.ID, string(r.Kind),
		string(r.School), r.Period, string(r.Unit), r.State, p.sealJSON(place("bulk_run", "doc", r.ID), r.Doc), nanos(r.CreatedAt), nanos(r.UpdatedAt))
	for _, row := range rows {
		row.Run = r.ID
		p.bulkRow(sqlBulkRow, nil, row)
	}
	return s.db.Write(ctx, p.run)
}

// AddBulkRows adds rows.
func (s *Store) AddBulkRows(ctx context.Context, run string, rows []store.BulkRow) error {
	p := s.plan()
	for _, row := range rows {
		row.Run = run
		p.bulkRow(sqlBulkRow, nil, row)
	}
	if len(p.steps) == 0 {
		return nil
	}
	return s.db.Write(ctx, p.run)
}

// SaveBulk writes a run's state and doc.
func (s *Store) SaveBulk(ctx context.Context, r store.BulkRun) error {
	p := s.plan()
	p.add(oneRow(conflict("run")), `UPDATE bulk_run SET version = version + 1, state = $3, doc = $4, updated_at = $5 WHERE id = $1 AND version = $2`, r.ID, r.Version, r.State,
		p.sealJSON(place("bulk_run", "doc", r.ID), r.Doc), nanos(r.UpdatedAt))
	return s.db.Write(ctx, p.run)
}

func (s *Store) scanBulk(r Rows, counted bool) (store.BulkRun, error) {
	var b store.BulkRun
	var doc string
	var made, changed int64
	dest := []any{&b.ID, (*string)(&b.Kind), (*string)(&b.School), &b.Period, (*string)(&b.Unit), &b.State, &doc, &made, &changed, &b.Version}
	if counted {
		dest = append(dest, &b.Total, &b.Done, &b.Failed)
	}
	if err := r.Scan(dest...); err != nil {
		return b, err
	}
	b.CreatedAt, b.UpdatedAt = moment(made), moment(changed)
	return b, s.openJSON(place("bulk_run", "doc", b.ID), doc, &b.Doc)
}

// Bulk reads a run with its counts.
func (s *Store) Bulk(ctx context.Context, id string) (store.BulkRun, error) {
	return first(ctx, s, func(r Rows) (store.BulkRun, error) { return s.scanBulk(r, true) }, `SELECT `+bulkColumns+bulkCounts+` FROM bulk_run b WHERE id = $1`, id)
}

// Bulks lists runs of schools.
func (s *Store) Bulks(ctx context.Context, q store.BulkQuery) ([]store.BulkRun, error) {
	w := &where{d: s.d}
	if !q.All {
		w.conds = append(w.conds, s.d.In("school", w.arg(s.d.List(codesOf(q.Schools)))))
	}
	for col, v := range map[string]string{"kind": string(q.Kind), "period": q.Period, "state": q.State} {
		if v != "" {
			w.and(col+" = $%d", v)
		}
	}
	sql := `SELECT ` + bulkColumns + bulkCounts + ` FROM bulk_run b`
	if len(w.conds) > 0 {
		sql += ` WHERE ` + strings.Join(w.conds, " AND ")
	}
	limit := q.Limit
	if limit <= 0 {
		limit = maxPage
	}
	var out []store.BulkRun
	err := s.query(ctx, func(r Rows) error {
		b, err := s.scanBulk(r, true)
		out = append(out, b)
		return err
	}, sql+` ORDER BY created_at DESC, id LIMIT `+w.param(int64(limit)), w.args...)
	return out, err
}

func codesOf(units []registry.Unit) []string {
	out := make([]string, len(units))
	for i, u := range units {
		out[i] = string(u)
	}
	return out
}

// LeaseBulk hands out a run that waits.
func (s *Store) LeaseBulk(ctx context.Context, now time.Time, lease time.Duration) (store.BulkRun, error) {
	idle, err := s.idle(ctx, `SELECT 1 FROM bulk_run WHERE state IN ('queued', 'running') AND lease_until <= $1 LIMIT 1`, nanos(now))
	if err == nil && idle {
		err = registry.ErrNotFound
	}
	if err != nil {
		return store.BulkRun{}, err
	}
	var out store.BulkRun
	err = s.db.Write(ctx, func(tx Tx) error {
		found := false
		r, err := tx.Query(`UPDATE bulk_run SET lease_until = $2 WHERE id IN (SELECT id FROM bulk_run WHERE state IN ('queued', 'running') AND lease_until <= $1
			ORDER BY created_at, id LIMIT 1`+s.d.SkipLocked+`) RETURNING `+bulkColumns, nanos(now), nanos(now.Add(lease)))
		err = each(r, err, func(r Rows) (err error) {
			found = true
			out, err = s.scanBulk(r, false)
			return err
		})
		if err == nil && !found {
			err = registry.ErrNotFound
		}
		return err
	})
	return out, err
}

// HoldBulk renews or gives up the hold.
func (s *Store) HoldBulk(ctx context.Context, id string, until time.Time) error {
	return s.exec(ctx, nil, `UPDATE bulk_run SET lease_until = $2 WHERE id = $1`, id, nanos(until))
}

// BulkRows lists rows of a run.
func (s *Store) BulkRows(ctx context.Context, run, state, class string, limit, offset int) ([]store.BulkRow, error) {
	w := &where{d: s.d}
	w.and("run = $%d", run)
	if state != "" {
		w.and("state = $%d", state)
	}
	if class != "" {
		w.and("class = $%d", class)
	}
	var out []store.BulkRow
	err := s.query(ctx, func(r Rows) error {
		var b store.BulkRow
		var doc string
		var at int64
		if err := r.Scan(&b.Run, (*string)(&b.UID), &b.Pos, &b.Class, &b.State, &doc, &at); err != nil {
			return err
		}
		b.At = moment(at)
		err := s.openJSON(place("bulk_row", "doc", b.Run, string(b.UID)), doc, &b.Doc)
		out = append(out, b)
		return err
	}, `SELECT run, student_uid, pos, class, state, doc, at FROM bulk_row WHERE `+strings.Join(w.conds, " AND ")+` ORDER BY pos, student_uid LIMIT `+w.param(int64(page(limit)))+
		` OFFSET `+w.param(int64(max(offset, 0))), w.args...)
	return out, err
}

// BulkClasses counts rows by class.
func (s *Store) BulkClasses(ctx context.Context, run string) ([]store.BulkClass, error) {
	var out []store.BulkClass
	err := s.query(ctx, func(r Rows) error {
		var c store.BulkClass
		err := r.Scan(&c.Class, &c.Total, &c.Done, &c.Failed)
		out = append(out, c)
		return err
	}, `SELECT class, COUNT(*), SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END), SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END) FROM bulk_row WHERE run = $1
		GROUP BY class ORDER BY MIN(pos)`, run)
	return out, err
}

// MarkBulk writes rows and who did it.
func (s *Store) MarkBulk(ctx context.Context, rows []store.BulkRow, log ...audit.Entry) error {
	p := s.plan()
	for _, r := range rows {
		p.bulkRow(sqlBulkMark, oneRow(registry.ErrNotFound), r)
	}
	for _, e := range log {
		if err := p.audit(s.auditKey, e); err != nil {
			return err
		}
	}
	if len(p.steps) == 0 {
		return nil
	}
	return s.db.Write(ctx, p.run)
}

// Certificates lists the register.
func (s *Store) Certificates(ctx context.Context, q store.CertificateQuery) ([]store.CertificateRow, int, error) {
	w := &where{d: s.d}
	if !q.All {
		w.conds = append(w.conds, s.d.In("school", w.arg(s.d.List(codesOf(q.Schools)))))
	}
	if q.No != "" {
		w.and("certificate_no = $%d", q.No)
	}
	if q.UIDs != nil {
		uids := make([]string, len(q.UIDs))
		for i, u := range q.UIDs {
			uids[i] = string(u)
		}
		w.conds = append(w.conds, s.d.In("student_uid", w.arg(s.d.List(uids))))
	}
	if q.Year != "" {
		w.and("ended_on >= $%d", q.Year+"-01-01")
		w.and("ended_on <= $%d", q.Year+"-12-31")
	}
	if q.End != "" {
		w.and("ended = $%d", string(q.End))
	}
	sql := ` FROM certificate`
	if len(w.conds) > 0 {
		sql += ` WHERE ` + strings.Join(w.conds, " AND ")
	}
	var n int
	if err := s.row(ctx, []any{&n}, `SELECT COUNT(*)`+sql, w.args...); err != nil {
		return nil, 0, err
	}
	var out []store.CertificateRow
	err := s.query(ctx, func(r Rows) error {
		var c store.CertificateRow
		err := r.Scan(&c.No, (*string)(&c.UID), (*string)(&c.School), (*string)(&c.End), &c.Grade, (*string)(&c.On), (*string)(&c.CaseNo))
		out = append(out, c)
		return err
	}, `SELECT certificate_no, student_uid, school, ended, grade, ended_on, case_no`+sql+` ORDER BY ended_on DESC, certificate_no LIMIT `+w.param(int64(page(q.Limit)))+
		` OFFSET `+w.param(int64(max(q.Offset, 0))), w.args...)
	return out, n, err
}
