package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// summaryColumns are a list row's, of a table or alias p.
const summaryColumns = `p.student_uid, p.name, p.sex, p.birth, p.school, p.grade, p.class, p.number, p.standing, p.lock_case, p.card_no, p.version`

// summaryDest is where summaryColumns are scanned, in their order.
func summaryDest(s *store.Summary) []any {
	return []any{(*string)(&s.UID), &s.Name, &s.Sex, (*string)(&s.Birth), (*string)(&s.School), &s.Grade, &s.Class, (*string)(&s.Number),
		(*string)(&s.Standing), (*string)(&s.Lock), &s.CardNo, &s.Version}
}

// maxPage is the most rows a list gives.
const maxPage = 500

func page(limit int) int {
	if limit <= 0 || limit > maxPage {
		return maxPage
	}
	return limit
}

// where collects conditions and their parameters.
type where struct {
	d     Dialect
	conds []string
	args  []any
}

func (w *where) arg(v any) int {
	w.args = append(w.args, v)
	return len(w.args)
}

func (w *where) and(format string, v any) {
	w.conds = append(w.conds, fmt.Sprintf(format, w.arg(v)))
}

// branch is one of the two disjoint parts of a scope: pupils of the schools, and pupils elsewhere whose open case has a step of the unit.
type branch struct {
	sql  string // FROM … WHERE …
	args []any
}

func (s *Store) branches(q store.Query) []branch {
	words := prefixes(q.Text)
	if q.Text != "" && words == nil {
		return nil
	}
	build := func(scope func(w *where)) branch {
		w := &where{d: s.d}
		scope(w)
		if q.School != "" {
			w.and("p.school = $%d", string(q.School))
		}
		if q.Grade != 0 {
			w.and("p.grade = $%d", int64(q.Grade))
		}
		if q.Class != "" {
			w.and("p.class = $%d", q.Class)
		}
		if q.Standing != "" {
			w.and("p.standing = $%d", string(q.Standing))
		}
		if q.UIDs != nil {
			uids := make([]string, len(q.UIDs))
			for i, u := range q.UIDs {
				uids[i] = string(u)
			}
			w.conds = append(w.conds, s.d.In("p.student_uid", w.arg(s.d.List(uids))))
		}
		if q.NoCard {
			w.conds = append(w.conds, "p.standing = 'enrolled' AND p.card_no = ''")
		}
		if words != nil {
			w.conds = append(w.conds, "p.student_uid IN ("+w.terms(words, q.School)+")")
		}
		sql := "FROM pupil p"
		if len(w.conds) > 0 {
			sql += " WHERE " + strings.Join(w.conds, " AND ")
		}
		return branch{sql, w.args}
	}
	schools := make([]string, len(q.Schools))
	for i, u := range q.Schools {
		schools[i] = string(u)
	}
	if q.All {
		return []branch{build(func(*where) {})}
	}
	var out []branch
	if len(schools) > 0 && (q.School == "" || slices.Contains(q.Schools, q.School)) {
		out = append(out, build(func(w *where) {
			if q.School != "" {
				return // narrower than the list, and in it
			}
			if len(schools) == 1 {
				w.and("p.school = $%d", schools[0])
				return
			}
			w.conds = append(w.conds, s.d.In("p.school", w.arg(s.d.List(schools))))
		}))
	}
	if q.Unit != "" {
		out = append(out, build(func(w *where) {
			w.and("p.student_uid IN (SELECT student_uid FROM case_unit WHERE state = 'open' AND unit = $%d)", string(q.Unit))
			if len(schools) > 0 {
				w.conds = append(w.conds, "NOT ("+s.d.In("p.school", w.arg(s.d.List(schools)))+")")
			}
		}))
	}
	return out
}

// terms is the sub-select of pupils that have a term with one of the prefixes.
func (w *where) terms(prefixes []string, school registry.Unit) string {
	parts := make([]string, len(prefixes))
	narrow := ""
	if school != "" {
		narrow = fmt.Sprintf(" AND school = $%d", w.arg(string(school)))
	}
	for i, p := range prefixes {
		parts[i] = fmt.Sprintf("SELECT student_uid FROM search_term WHERE term >= $%d AND term < $%d%s", w.arg(p), w.arg(p+prefixEnd), narrow)
	}
	return strings.Join(parts, " UNION ALL ")
}

const listOrder = ` ORDER BY p.school, p.grade, p.class_sort, p.name_sort, p.student_uid`

// sorted is a list row with the columns it is ordered by.
type sorted struct {
	store.Summary
	class, name string
}

func (a *sorted) compare(b *sorted) int {
	if n := strings.Compare(string(a.School), string(b.School)); n != 0 {
		return n
	}
	if n := a.Grade - b.Grade; n != 0 {
		return n
	}
	if n := strings.Compare(a.class, b.class); n != 0 {
		return n
	}
	if n := strings.Compare(a.name, b.name); n != 0 {
		return n
	}
	return strings.Compare(string(a.UID), string(b.UID))
}

// Search finds pupils in scope, by school, grade, class and name.
func (s *Store) Search(ctx context.Context, q store.Query) ([]store.Summary, error) {
	limit, offset := page(q.Limit), max(q.Offset, 0)
	bs := s.branches(q)
	var all []sorted
	skipped := 0
	// The last branch is the short one (open cases of pupils elsewhere): it is read first, up to the page's end. Of the long one, all but as many rows as the
	// short one has may be skipped unseen: they stand before the page whatever the merge brings.
	for i := len(bs) - 1; i >= 0; i-- {
		skip, n := max(offset-len(all), 0), limit+min(offset, len(all))
		if i > 0 {
			skip, n = 0, limit+offset
		}
		b := bs[i]
		sql := fmt.Sprintf("SELECT %s, p.class_sort, p.name_sort %s%s LIMIT $%d OFFSET $%d", summaryColumns, b.sql, listOrder, len(b.args)+1, len(b.args)+2)
		err := s.query(ctx, func(r Rows) error {
			var row sorted
			err := r.Scan(append(summaryDest(&row.Summary), &row.class, &row.name)...)
			all = append(all, row)
			return err
		}, sql, append(b.args, int64(n), int64(skip))...)
		if err != nil {
			return nil, err
		}
		skipped = skip
	}
	if len(bs) > 1 {
		slices.SortFunc(all, func(a, b sorted) int { return a.compare(&b) })
	}
	all = all[min(offset-skipped, len(all)):]
	all = all[:min(limit, len(all))]
	out := make([]store.Summary, len(all))
	for i := range all {
		out[i] = all[i].Summary
	}
	return out, nil
}

// Count is how many pupils Search finds without a limit.
func (s *Store) Count(ctx context.Context, q store.Query) (int, error) {
	total := 0
	for _, b := range s.branches(q) {
		n := 0
		if err := s.row(ctx, []any{&n}, "SELECT COUNT(*) "+b.sql, b.args...); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// param adds a parameter and names it.
func (w *where) param(v any) string { return fmt.Sprintf("$%d", w.arg(v)) }
