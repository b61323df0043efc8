package sqlstore

import (
	"context"
	"strings"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// soonest orders tasks; the pupil breaks ties, so that pages do not overlap.
const soonest = ` ORDER BY t.due_on, t.student_uid, t.n`

func (s *Store) tasks(ctx context.Context, sql string, args ...any) ([]store.TaskRow, error) {
	var out []store.TaskRow
	err := s.query(ctx, func(r Rows) error {
		var row store.TaskRow
		var l listed
		var doc string
		if err := r.Scan(append(l.dest(), &doc)...); err != nil {
			return err
		}
		if err := s.openListed(&l); err != nil {
			return err
		}
		row.Summary = l.Summary
		if err := decode("task", doc, &row.Task); err != nil {
			return err
		}
		row.Task.UID = row.Summary.UID
		out = append(out, row)
		return nil
	}, `SELECT `+summaryColumns+`, t.doc FROM `+sql, args...)
	return out, err
}

// listedTasks is the FROM and WHERE of a query; of names the task as t, the order is its columns'. with says whether the pupils are asked for too.
func (s *Store) listedTasks(q store.TaskQuery, with string) (string, []any) {
	w := &where{d: s.d}
	from := "task t"
	if q.Waiting {
		from = `(SELECT student_uid, n FROM task_other WHERE unit = ` + w.param(string(q.Unit)) + ` ORDER BY due_on, student_uid, n LIMIT ` + w.param(int64(store.SideTasks)) + `) o
			JOIN task t ON t.student_uid = o.student_uid AND t.n = o.n`
	} else {
		w.and("t.unit = $%d", string(q.Unit))
	}
	if q.Of != nil {
		keys, first, last := make([]string, len(q.Of)), neverDue, ""
		for i, of := range q.Of {
			due := dueOn(of.DueOn)
			keys[i], first, last = due+of.Topic.String(), min(first, due), max(last, due)
		}
		w.and("t.due_on >= $%d", first)
		w.and("t.due_on <= $%d", last)
		w.conds = append(w.conds, s.d.In("t.due_on || t.topic", w.arg(s.d.List(keys))))
	}
	if q.UIDs != nil {
		w.conds = append(w.conds, s.d.In("t.student_uid", w.arg(s.d.List(texts(q.UIDs)))))
	}
	sql := from + with
	if len(w.conds) > 0 {
		sql += " WHERE " + strings.Join(w.conds, " AND ")
	}
	return sql + ` ORDER BY t.due_on, t.topic, t.student_uid, t.n LIMIT ` + w.param(int64(page(q.Limit))) + ` OFFSET ` + w.param(int64(max(q.Offset, 0))), w.args
}

// Tasks lists a part of a unit's list.
func (s *Store) Tasks(ctx context.Context, q store.TaskQuery) ([]store.TaskRow, error) {
	sql, args := s.listedTasks(q, " JOIN pupil p ON p.student_uid = t.student_uid")
	return s.tasks(ctx, sql, args...)
}

// TaskRefs are the pupils of a part of a unit's list.
func (s *Store) TaskRefs(ctx context.Context, q store.TaskQuery) ([]store.TaskRef, error) {
	var out []store.TaskRef
	sql, args := s.listedTasks(q, "")
	err := s.query(ctx, func(r Rows) error {
		var t store.TaskRef
		err := r.Scan((*string)(&t.UID), &t.Seen)
		out = append(out, t)
		return err
	}, `SELECT t.student_uid, t.seen FROM `+sql, args...)
	return out, err
}

// TaskSums counts a unit's list by day and topic.
func (s *Store) TaskSums(ctx context.Context, unit registry.Unit, waiting bool) ([]store.TaskSum, error) {
	from, args := `task t WHERE t.unit = $1`, []any{string(unit)}
	if waiting {
		from = `(SELECT student_uid, n FROM task_other WHERE unit = $1 ORDER BY due_on, student_uid, n LIMIT $2) o JOIN task t ON t.student_uid = o.student_uid AND t.n = o.n`
		args = append(args, int64(store.SideTasks))
	}
	var out []store.TaskSum
	err := s.query(ctx, func(r Rows) error {
		var due, topic string
		var n int64
		err := r.Scan(&due, &topic, &n)
		sum := store.TaskSum{Topic: store.ParseTopic(topic), DueOn: registry.Date(due), N: int(n)}
		if due == neverDue {
			sum.DueOn = ""
		}
		out = append(out, sum)
		return err
	}, `SELECT t.due_on, t.topic, COUNT(*) FROM `+from+` GROUP BY t.due_on, t.topic ORDER BY t.due_on, t.topic`, args...)
	return out, err
}

// Keeping lists whose archives a school's are still to be put to keeping. The kind is written out, as the partial index has it; the school stands in the topic.
func (s *Store) Keeping(ctx context.Context, school registry.Unit) ([]store.KeepRef, error) {
	of := store.TaskTopic{Kind: registry.TaskArchiveKeep, School: school}.String()
	from := strings.TrimSuffix(of, "0")
	var out []store.KeepRef
	err := s.query(ctx, func(r Rows) error {
		var k store.KeepRef
		err := r.Scan((*string)(&k.UID), (*string)(&k.DueOn))
		out = append(out, k)
		return err
	}, `SELECT t.student_uid, t.due_on FROM task t WHERE t.kind = 'archive_keep' AND t.topic >= $1 AND t.topic < $2 ORDER BY t.due_on DESC, t.topic, t.student_uid`, from, from+prefixEnd)
	return out, err
}

// TasksAbove lists overdue tasks of units under an authority.
func (s *Store) TasksAbove(ctx context.Context, unit registry.Unit, today registry.Date, limit int) ([]store.TaskRow, error) {
	return s.tasks(ctx, `task t JOIN pupil p ON p.student_uid = t.student_uid WHERE t.above = $1 AND t.due_on < $2`+soonest+` LIMIT $3`,
		string(unit), string(today), int64(page(limit)))
}

// Absences lists pupils who stay away, the first to be settled first: of an office right below it, of a school its own and those it teaches. The kind is written out, as
// the partial indexes have it.
func (s *Store) Absences(ctx context.Context, unit registry.Unit, below bool, limit, offset int) ([]store.TaskRow, error) {
	from := `SELECT * FROM task WHERE kind = 'absence' AND above = $1`
	if !below {
		from = `SELECT * FROM task WHERE kind = 'absence' AND unit = $1
			UNION ALL SELECT k.* FROM task_other o JOIN task k ON k.student_uid = o.student_uid AND k.n = o.n WHERE o.unit = $1 AND k.kind = 'absence'`
	}
	return s.tasks(ctx, `(`+from+`) t JOIN pupil p ON p.student_uid = t.student_uid`+soonest+` LIMIT $2 OFFSET $3`, string(unit), int64(page(limit)), int64(max(offset, 0)))
}

// OverdueTasks lists tasks of whatever unit that were due before a day.
func (s *Store) OverdueTasks(ctx context.Context, before registry.Date, limit, offset int) ([]store.TaskRow, error) {
	return s.tasks(ctx, `task t JOIN pupil p ON p.student_uid = t.student_uid WHERE t.due_on < $1`+soonest+` LIMIT $2 OFFSET $3`,
		string(before), int64(page(limit)), int64(max(offset, 0)))
}

// TaskCounts counts beside a unit's to-do list: waiting for others, overdue below.
func (s *Store) TaskCounts(ctx context.Context, unit registry.Unit, today registry.Date) (store.TaskCounts, error) {
	var c store.TaskCounts
	err := s.row(ctx, []any{&c.Waiting, &c.Above}, `SELECT (SELECT COUNT(*) FROM task_other WHERE unit = $1), (SELECT COUNT(*) FROM task WHERE above = $1 AND due_on < $2)`,
		string(unit), string(today))
	return c, err
}

// Cases lists cases a unit takes part in, newest first.
func (s *Store) Cases(ctx context.Context, unit registry.Unit, kind registry.CaseKind, state registry.CaseState, limit, offset int) ([]store.CaseRow, error) {
	w := &where{d: s.d}
	w.and("u.unit = $%d", string(unit))
	if kind != "" {
		if kind != registry.CaseEnrol { // nearly all cases are: the others have an index of their own
			w.conds = append(w.conds, "u.kind <> 'enrol'")
		}
		w.and("u.kind = $%d", string(kind))
	}
	if state != "" {
		w.and("u.state = $%d", string(state))
	}
	// The page is cut in the index: rows before it are passed over there, without a look at their cases and pupils.
	sql := `SELECT ` + summaryColumns + `, c.case_no, c.doc FROM (SELECT u.student_uid, u.case_no, u.opened_at FROM case_unit u WHERE ` + strings.Join(w.conds, " AND ") + `
		ORDER BY u.opened_at DESC, u.case_no DESC LIMIT ` + w.param(int64(page(limit))) + ` OFFSET ` + w.param(int64(max(offset, 0))) + `) u
		JOIN pupil_case c ON c.student_uid = u.student_uid AND c.case_no = u.case_no JOIN pupil p ON p.student_uid = u.student_uid ORDER BY u.opened_at DESC, u.case_no DESC`
	return s.caseRows(ctx, sql, w.args)
}

// CasesOf lists cases over many units.
func (s *Store) CasesOf(ctx context.Context, q store.CaseQuery) ([]store.CaseRow, error) {
	w := &where{d: s.d}
	if !q.All {
		u := `EXISTS (SELECT 1 FROM case_unit u WHERE u.student_uid = c.student_uid AND u.case_no = c.case_no AND ` + s.d.In("u.unit", w.arg(s.d.List(codesOf(q.Units)))) + `)`
		w.conds = append(w.conds, u)
	}
	if q.Kind != "" {
		w.and("c.kind = $%d", string(q.Kind))
	}
	if q.State != "" {
		w.and("c.state = $%d", string(q.State))
	}
	if q.Nos != nil {
		w.conds = append(w.conds, s.d.In("c.student_uid", w.arg(s.d.List(texts(q.UIDs)))), s.d.In("c.case_no", w.arg(s.d.List(texts(q.Nos)))))
	}
	sql := `SELECT ` + summaryColumns + `, c.case_no, c.doc FROM pupil_case c JOIN pupil p ON p.student_uid = c.student_uid`
	if len(w.conds) > 0 {
		sql += ` WHERE ` + strings.Join(w.conds, " AND ")
	}
	sql += ` ORDER BY c.opened_at DESC, c.case_no DESC LIMIT ` + w.param(int64(page(q.Limit))) + ` OFFSET ` + w.param(int64(max(q.Offset, 0)))
	return s.caseRows(ctx, sql, w.args)
}

func (s *Store) caseRows(ctx context.Context, sql string, args []any) ([]store.CaseRow, error) {
	var out []store.CaseRow
	err := s.query(ctx, func(r Rows) error {
		var row store.CaseRow
		var l listed
		var no, doc string
		if err := r.Scan(append(l.dest(), &no, &doc)...); err != nil {
			return err
		}
		if err := s.openListed(&l); err != nil {
			return err
		}
		row.UID, row.Name = l.UID, l.Name
		if err := s.openJSON(place("pupil_case", "doc", string(l.UID), no), doc, &row.Case); err != nil {
			return err
		}
		out = append(out, row)
		return nil
	}, sql, args...)
	return out, err
}
