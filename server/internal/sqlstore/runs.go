package sqlstore

import (
	"context"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

const (
	sqlRun     = `INSERT INTO card_run (id, school, grade, class, unit, actor, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING`
	sqlRunName = `INSERT INTO card_run_name (run, student_uid, pos) VALUES ($1, $2, $3) ON CONFLICT (run, student_uid) DO NOTHING`
	// A name that was made or left keeps that, and its card; what was tried and spoiled adds up.
	sqlMark = `UPDATE card_run_name SET tries = tries + $3, spoiled = spoiled + $4,
		last_code = CASE WHEN $5 = '' THEN last_code ELSE $5 END,
		card_no = CASE WHEN state = 'waiting' AND $6 <> '' THEN $7 ELSE card_no END,
		millis = CASE WHEN state = 'waiting' AND $6 <> '' THEN $8 ELSE millis END,
		made_by = CASE WHEN state = 'waiting' AND $6 <> '' THEN $9 ELSE made_by END,
		at = CASE WHEN state = 'waiting' THEN $10 ELSE at END,
		state = CASE WHEN state = 'waiting' AND $6 <> '' THEN $6 ELSE state END
		WHERE run = $1 AND student_uid = $2`
	sqlLeaseFree = `DELETE FROM card_lease WHERE holder = $1`
	// sqlLeaseTake touches a row only when nobody else holds the pupil.
	sqlLeaseTake = `INSERT INTO card_lease (student_uid, holder, name, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (student_uid) DO UPDATE SET holder = excluded.holder, name = excluded.name, until = excluded.until
		WHERE card_lease.holder = excluded.holder OR card_lease.until <= $5 RETURNING student_uid`
)

func (p *plan) mark(m store.CardMark) error {
	if m.Run == "" || m.UID == "" || m.Tries < 0 || m.Spoiled < 0 || m.Millis < 0 {
		return invalid("mark")
	}
	p.add(nil, sqlMark, m.Run, string(m.UID), int64(m.Tries), int64(m.Spoiled), m.Code, m.State, m.CardNo, m.Millis, p.sealText(place("card_run_name", "made_by", m.Run, string(m.UID)), m.By), nanos(m.At))
	return nil
}

// MarkCards adds marks.
func (s *Store) MarkCards(ctx context.Context, marks ...store.CardMark) error {
	p := s.plan()
	for _, m := range marks {
		if err := p.mark(m); err != nil {
			return err
		}
	}
	if len(p.steps) == 0 {
		return nil
	}
	return s.db.Write(ctx, p.run)
}

// PutCardRun stores a list and its names in one transaction.
func (s *Store) PutCardRun(ctx context.Context, r store.CardRun, names []registry.UID) error {
	if r.ID == "" {
		return invalid("run")
	}
	p := s.plan()
	p.add(oneRow(conflict("run")), sqlRun, r.ID, string(r.School), int64(r.Grade), r.Class, string(r.Unit), p.sealJSON(place("card_run", "actor", r.ID), r.By), nanos(r.CreatedAt))
	for i, uid := range names {
		p.add(nil, sqlRunName, r.ID, string(uid), int64(i+1))
	}
	return s.db.Write(ctx, p.run)
}

// runColumns count the names of each run as they stand.
const runColumns = `r.id, r.school, r.grade, r.class, r.unit, r.actor, r.created_at, r.closed_at,
	(SELECT COUNT(*) FROM card_run_name n WHERE n.run = r.id), (SELECT COUNT(*) FROM card_run_name n WHERE n.run = r.id AND n.state = 'made'),
	(SELECT COUNT(*) FROM card_run_name n WHERE n.run = r.id AND n.state = 'left'), (SELECT COALESCE(SUM(n.tries), 0) FROM card_run_name n WHERE n.run = r.id),
	(SELECT COALESCE(SUM(n.spoiled), 0) FROM card_run_name n WHERE n.run = r.id), (SELECT CAST(COALESCE(SUM(n.millis), 0) AS BIGINT) FROM card_run_name n WHERE n.run = r.id)`

func (s *Store) runs(ctx context.Context, rest string, args ...any) ([]store.CardRun, error) {
	var out []store.CardRun
	err := s.query(ctx, func(rows Rows) error {
		var (
			r            store.CardRun
			actor        string
			made, closed int64
		)
		if err := rows.Scan(&r.ID, (*string)(&r.School), &r.Grade, &r.Class, (*string)(&r.Unit), &actor, &made, &closed, &r.Total, &r.Made, &r.Left, &r.Tries, &r.Spoiled,
			&r.Millis); err != nil {
			return err
		}
		r.CreatedAt, r.ClosedAt = moment(made), moment(closed)
		if err := s.openJSON(place("card_run", "actor", r.ID), actor, &r.By); err != nil {
			return err
		}
		out = append(out, r)
		return nil
	}, `SELECT `+runColumns+` FROM card_run r `+rest, args...)
	return out, err
}

// CardRun reads a list with its counts.
func (s *Store) CardRun(ctx context.Context, id string) (store.CardRun, error) {
	return only(s.runs(ctx, `WHERE r.id = $1`, id))
}

// CardRunsOf lists the lists of schools.
func (s *Store) CardRunsOf(ctx context.Context, schools []registry.Unit, all bool, limit int) ([]store.CardRun, error) {
	const order = ` ORDER BY CASE WHEN r.closed_at = 0 THEN 0 ELSE 1 END, r.created_at DESC, r.id`
	if all {
		return s.runs(ctx, order+` LIMIT $1`, int64(page(limit)))
	}
	codes := make([]string, len(schools))
	for i, u := range schools {
		codes[i] = string(u)
	}
	return s.runs(ctx, `WHERE `+s.d.In("r.school", 1)+order+` LIMIT $2`, s.d.List(codes), int64(page(limit)))
}

// CloseCardRun ends a list; closing again changes nothing.
func (s *Store) CloseCardRun(ctx context.Context, id string, at time.Time) error {
	return s.exec(ctx, nil, `UPDATE card_run SET closed_at = $2 WHERE id = $1 AND closed_at = 0`, id, nanos(at))
}

// CardItems lists names in order.
func (s *Store) CardItems(ctx context.Context, run, state string, limit, offset int) ([]store.CardItem, error) {
	w := &where{d: s.d}
	w.and("run = $%d", run)
	sql := `SELECT run, pos, student_uid, state, card_no, tries, spoiled, millis, last_code, at, made_by FROM card_run_name WHERE run = $1`
	if state != "" {
		w.and("state = $%d", state)
		sql += ` AND state = $2`
	}
	var out []store.CardItem
	err := s.query(ctx, func(r Rows) error {
		var i store.CardItem
		var at int64
		err := r.Scan(&i.Run, &i.Pos, (*string)(&i.UID), &i.State, &i.CardNo, &i.Tries, &i.Spoiled, &i.Millis, &i.LastCode, &at, &i.By)
		if err == nil {
			err = s.openText(place("card_run_name", "made_by", i.Run, string(i.UID)), &i.By)
		}
		i.At = moment(at)
		out = append(out, i)
		return err
	}, sql+` ORDER BY pos LIMIT `+w.param(int64(page(limit)))+` OFFSET `+w.param(int64(max(offset, 0))), w.args...)
	return out, err
}

// LeaseCard tries one pupil after another: each is one row, taken or not, so that two who ask at once never get the same one.
func (s *Store) LeaseCard(ctx context.Context, uids []registry.UID, holder, name string, now, until time.Time) (registry.UID, error) {
	if holder == "" {
		return "", invalid("holder")
	}
	var got registry.UID
	err := s.db.Write(ctx, func(tx Tx) error {
		got = ""
		if err := tx.Exec(nil, sqlLeaseFree, holder); err != nil {
			return err
		}
		for _, uid := range uids {
			var taken string
			sealed, err := s.v.SealText(place("card_lease", "name", string(uid)), name)
			if err != nil {
				return openFault(err)
			}
			r, err := tx.Query(sqlLeaseTake, string(uid), holder, sealed, nanos(until), nanos(now))
			switch err := one(r, err, &taken); err {
			case nil:
				got = uid
				return nil
			case registry.ErrNotFound: // somebody's
			default:
				return err
			}
		}
		return nil
	})
	if err == nil && got == "" {
		return "", registry.ErrNotFound
	}
	return got, err
}

// CardLease tells who is at a pupil.
func (s *Store) CardLease(ctx context.Context, uid registry.UID, now time.Time) (holder, name string, err error) {
	err = s.row(ctx, []any{&holder, &name}, `SELECT holder, name FROM card_lease WHERE student_uid = $1 AND until > $2`, string(uid), nanos(now))
	if err == registry.ErrNotFound {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return holder, name, s.openText(place("card_lease", "name", string(uid)), &name)
}

// DropCardLease lets go.
func (s *Store) DropCardLease(ctx context.Context, holder string) error {
	return s.exec(ctx, nil, sqlLeaseFree, holder)
}
