package sqlstore

import (
	"context"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// unbased stands in rows of before there were bases, until the worker comes to them.
const unbased = "?"

// Bases counts a school's pupils by grade, class, standing and basis.
func (s *Store) Bases(ctx context.Context, school registry.Unit) ([]store.BasisCount, error) {
	var out []store.BasisCount
	err := s.query(ctx, func(r Rows) error {
		var c store.BasisCount
		var n int64
		err := r.Scan(&c.Grade, &c.Class, (*string)(&c.Standing), &c.Basis, &n)
		c.N = int(n)
		out = append(out, c)
		return err
	}, `SELECT grade, class, standing, basis, COUNT(*) FROM pupil WHERE school = $1 AND basis <> '`+unbased+`' GROUP BY grade, class, standing, basis`, string(school))
	if err != nil {
		return nil, err
	}
	var missing []string
	if err := s.query(ctx, uidsInto(&missing), `SELECT student_uid FROM pupil WHERE school = $1 AND basis = '`+unbased+`'`, string(school)); err != nil {
		return nil, err
	}
	for _, uid := range missing {
		p, err := s.Pupil(ctx, registry.UID(uid))
		if err != nil {
			return nil, err
		}
		out = append(out, store.BasisCount{Grade: p.Grade, Class: p.Class, Standing: p.Standing, Basis: registry.BasisOf(&p).String(), N: 1})
	}
	return out, nil
}

// BasesOf reads the bases of pupils.
func (s *Store) BasesOf(ctx context.Context, uids []registry.UID) (map[registry.UID]string, error) {
	out := make(map[registry.UID]string, len(uids))
	if len(uids) == 0 {
		return out, nil
	}
	err := s.query(ctx, func(r Rows) error {
		var uid, b string
		err := r.Scan(&uid, &b)
		out[registry.UID(uid)] = b
		return err
	}, `SELECT student_uid, basis FROM pupil WHERE `+s.d.In("student_uid", 1), s.d.List(texts(uids)))
	if err != nil {
		return nil, err
	}
	for uid, b := range out {
		if b != unbased {
			continue
		}
		p, err := s.Pupil(ctx, uid)
		if err != nil {
			return nil, err
		}
		out[uid] = registry.BasisOf(&p).String()
	}
	return out, nil
}

// bases fills in what rows of before lack, in small batches; a row that a commit comes to first needs it no more.
func (s *Store) bases(ctx context.Context) error {
	for {
		n, err := s.eachPupil(ctx, func(ctx context.Context, uid string) error {
			p, err := s.Pupil(ctx, registry.UID(uid))
			if err != nil {
				return err
			}
			return s.exec(ctx, nil, `UPDATE pupil SET basis = $2 WHERE student_uid = $1 AND version = $3 AND basis = '`+unbased+`'`, uid, registry.BasisOf(&p).String(), p.Version)
		}, `SELECT student_uid FROM pupil WHERE basis = '`+unbased+`' LIMIT 100`)
		if err != nil || n == 0 {
			return err
		}
	}
}

func uidsInto(to *[]string) func(Rows) error {
	return func(r Rows) error {
		var uid string
		err := r.Scan(&uid)
		*to = append(*to, uid)
		return err
	}
}

// ClassTasks lists the tasks of a school about its own pupils, with their class and without their names.
func (s *Store) ClassTasks(ctx context.Context, school registry.Unit, kind registry.TaskKind) ([]store.ClassTask, error) {
	var out []store.ClassTask
	err := s.query(ctx, func(r Rows) error {
		var t store.ClassTask
		var doc string
		if err := r.Scan(&t.Grade, &t.Class, (*string)(&t.Standing), &doc); err != nil {
			return err
		}
		err := decode("task", doc, &t.Task)
		out = append(out, t)
		return err
	}, `SELECT p.grade, p.class, p.standing, t.doc FROM task t JOIN pupil p ON p.student_uid = t.student_uid WHERE t.unit = $1 AND t.kind = $2 AND p.school = $1`, string(school), string(kind))
	return out, err
}

// topics files the tasks that a server of before wrote; a row that a commit comes to first needs it no more.
func (s *Store) topics(ctx context.Context) error {
	for {
		n, err := s.eachPupil(ctx, func(ctx context.Context, uid string) error {
			p, err := s.Pupil(ctx, registry.UID(uid))
			if err != nil {
				return err
			}
			plan := s.plan()
			if err := s.query(ctx, func(r Rows) error {
				var n int64
				var doc string
				var t registry.Task
				if err := r.Scan(&n, &doc); err != nil {
					return err
				}
				if err := decode("task", doc, &t); err != nil {
					return err
				}
				plan.add(nil, `UPDATE task SET kind = $4, topic = $5, seen = $6 WHERE student_uid = $1 AND n = $2 AND doc = $3 AND topic = ''`, uid, n, doc, string(t.Kind),
					store.TopicOf(&t, p.School, p.Grade).String(), p.Version)
				return nil
			}, `SELECT n, doc FROM task WHERE student_uid = $1 AND topic = ''`, uid); err != nil {
				return err
			}
			return s.db.Write(ctx, plan.run)
		}, `SELECT DISTINCT student_uid FROM task WHERE topic = '' LIMIT 100`)
		if err != nil || n == 0 {
			return err
		}
	}
}
