package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// summaryColumns are a list row's, of a table or alias p.
const summaryColumns = `p.student_uid, p.name, p.sex, p.birth, p.school, p.grade, p.class, p.number, p.standing, p.lock_case, p.card_no, p.version, p.class_sort,
	p.name_sort, p.sealed, p.study_school`

// listed is a list row as it is scanned, then opened.
type listed struct {
	store.Summary
	class, name string // what it is ordered by
	sealed      []byte
	index       store.Index // what it is found by; empty in a row of before the vault
}

// dest is where summaryColumns are scanned, in their order.
func (l *listed) dest() []any {
	s := &l.Summary
	return []any{(*string)(&s.UID), &s.Name, &s.Sex, (*string)(&s.Birth), (*string)(&s.School), &s.Grade, &s.Class, (*string)(&s.Number),
		(*string)(&s.Standing), (*string)(&s.Lock), &s.CardNo, &s.Version, &l.class, &l.name, &l.sealed, (*string)(&s.Study)}
}

// openListed fills in what is sealed.
func (s *Store) openListed(l *listed) error {
	if len(l.sealed) == 0 {
		return nil
	}
	r, err := s.openRoll(string(l.UID), l.sealed)
	if err != nil {
		return err
	}
	l.Name, l.Sex, l.Birth, l.Number, l.sealed = r.Name, r.Sex, r.Birth, r.Number, nil
	l.index = r.index()
	l.name = r.Order
	return nil
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

// branch is one of the two disjoint parts of a scope: pupils of the schools, and pupils elsewhere whose open case has a step of the unit or who
// are taught there.
type branch struct {
	sql  string // FROM … WHERE …
	args []any

	elsewhere bool // the second part
}

func (s *Store) branches(q store.Query, h *hunt) []branch {
	if q.Text != "" && h == nil {
		return nil
	}
	// Whom a text finds are few: they are looked up one by one, and not the school's pupils whether they are among them.
	school := "p.school"
	if h != nil {
		school = s.d.Unindexed(school)
	}
	build := func(elsewhere bool, scope func(w *where)) branch {
		w := &where{d: s.d}
		scope(w)
		if q.School != "" {
			w.and(school+" = $%d", string(q.School))
		}
		if q.Grade != 0 {
			w.and("p.grade = $%d", int64(q.Grade))
		}
		if q.Class != "" {
			w.and("p.class = $%d", q.Class)
		}
		if q.Study != "" {
			w.and("p.study_school <> '' AND p.study_school = $%d", string(q.Study))
		}
		if q.Standing != "" {
			if q.Standing != registry.StandingEnrolled { // the few others have an index of their own
				w.conds = append(w.conds, "p.standing <> 'enrolled'")
			}
			w.and("p.standing = $%d", string(q.Standing))
		}
		if q.UIDs != nil {
			w.conds = append(w.conds, s.d.In("p.student_uid", w.arg(s.d.List(texts(q.UIDs)))))
		}
		if q.Temporary {
			w.conds = append(w.conds, "p.number_kind IN ('L', 'J')")
		}
		if q.Kept {
			w.conds = append(w.conds, "p.archive = 'permanent'")
		}
		if q.NoCard {
			w.conds = append(w.conds, "p.standing = 'enrolled' AND p.card_no = ''")
		}
		switch {
		case h == nil:
		case elsewhere && h.plain():
			// Few pupils, whom the scope finds: each is asked whether it has the token. (An EXISTS SQLite turns into a join, and begins with everybody who has it.)
			w.conds = append(w.conds, "(SELECT 1 FROM search_token t WHERE "+s.d.InNumbers("t.token", w.arg(s.d.Numbers(h.tokens)))+" AND t.school = p.school AND t.student_uid = p.student_uid LIMIT 1) = 1")
		default:
			of := q
			if !elsewhere {
				of.Unit = "" // of the schools alone
			}
			w.conds = append(w.conds, "p.student_uid IN ("+s.found(w, of, h)+")")
		}
		sql := "FROM pupil p"
		if len(w.conds) > 0 {
			sql += " WHERE " + strings.Join(w.conds, " AND ")
		}
		return branch{sql, w.args, elsewhere}
	}
	schools := texts(q.Schools)
	if q.All {
		return []branch{build(false, func(*where) {})}
	}
	var out []branch
	if len(schools) > 0 && (q.School == "" || slices.Contains(q.Schools, q.School)) {
		out = append(out, build(false, func(w *where) {
			if q.School != "" {
				return // narrower than the list, and in it
			}
			if len(schools) == 1 {
				w.and(school+" = $%d", schools[0])
				return
			}
			w.conds = append(w.conds, s.d.In(school, w.arg(s.d.List(schools))))
		}))
	}
	if q.Unit != "" && (q.School == "" || !slices.Contains(q.Schools, q.School)) { // else nobody is elsewhere
		out = append(out, build(true, func(w *where) {
			unit := w.arg(string(q.Unit))
			w.conds = append(w.conds, fmt.Sprintf(`p.student_uid IN (SELECT student_uid FROM case_unit WHERE state = 'open' AND unit = $%d
				UNION SELECT student_uid FROM pupil WHERE study_school <> '' AND study_school = $%d)`, unit, unit))
			if len(schools) > 0 {
				w.conds = append(w.conds, "NOT ("+s.d.In("p.school", w.arg(s.d.List(schools)))+")")
			}
		}))
	}
	return out
}

// found is the sub-select of pupils that have one of the tokens, or were found otherwise; or, of before the vault, a clear term that begins so.
func (s *Store) found(w *where, q store.Query, h *hunt) string {
	var parts []string
	narrow := ""
	switch {
	case len(h.tokens) == 0 && len(h.clear) == 0: // a parameter that stands nowhere has no type
	case q.School != "":
		narrow = fmt.Sprintf(" AND school = $%d", w.arg(string(q.School)))
	case len(q.Schools) > 0 && len(q.Schools) <= fewSchools && q.Unit == "":
		narrow = " AND " + s.d.In("school", w.arg(s.d.List(texts(q.Schools))))
	}
	if len(h.tokens) > 0 {
		parts = append(parts, "SELECT student_uid FROM search_token WHERE "+s.d.InNumbers("token", w.arg(s.d.Numbers(h.tokens)))+narrow)
	}
	if len(h.uids) > 0 {
		parts = append(parts, "SELECT j.value FROM "+s.d.Unnest(w.arg(s.d.List(h.uids)))+" j")
	}
	for _, p := range h.clear {
		parts = append(parts, fmt.Sprintf("SELECT student_uid FROM search_term WHERE term >= $%d AND term < $%d%s", w.arg(p), w.arg(p+prefixEnd), narrow))
	}
	return strings.Join(parts, " UNION ALL ")
}

// fewSchools are so few that naming them beside a token costs less than reading its pupils of all schools.
const fewSchools = 64

func texts[T ~string](v []T) []string {
	out := make([]string, len(v))
	for i, t := range v {
		out[i] = string(t)
	}
	return out
}

// rollOrder is as far as SQL can order a list: within a class rows stand by UID, which tells nothing. Names order it after they are opened (ordered).
const rollOrder = ` ORDER BY p.school, p.grade, p.class_sort, p.student_uid`

func sameClass(a, b *listed) bool {
	return a.School == b.School && a.Grade == b.Grade && a.class == b.class
}

func (a *listed) compare(b *listed) int {
	return cmp.Or(strings.Compare(string(a.School), string(b.School)), a.Grade-b.Grade, strings.Compare(a.class, b.class), strings.Compare(a.name, b.name),
		strings.Compare(string(a.UID), string(b.UID)))
}

// aClass is about how many pupils a class has: so many more rows are read than a page holds, that its last class is whole.
const aClass = 60

// ordered reads rows skip to skip+n of a branch, ordered by school, grade, class and name, though the database does not know the names: it reads the classes that
// the page touches, whole, and orders them here. columns are those that scan reads, of alone the table p means the row's list row; n < 0 reads all.
func ordered[T any](ctx context.Context, s *Store, b branch, columns string, scan func(Rows, *T) error, of func(*T) *listed, skip, n int) ([]T, error) {
	before := 0 // rows of the first class that stand before skip
	if skip > 0 {
		var first listed
		err := s.row(ctx, []any{(*string)(&first.School), &first.Grade, &first.class, (*string)(&first.UID)},
			fmt.Sprintf("SELECT p.school, p.grade, p.class_sort, p.student_uid %s%s LIMIT 1 OFFSET $%d", b.sql, rollOrder, len(b.args)+1), append(slices.Clone(b.args), int64(skip))...)
		if err == registry.ErrNotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		sql, args := b.class(&first, "<")
		if err := s.row(ctx, []any{&before}, "SELECT COUNT(*) "+sql, args...); err != nil {
			return nil, err
		}
	}
	var all []T
	read := func(sql string, args []any) error {
		return s.query(ctx, func(r Rows) error {
			var row T
			err := scan(r, &row)
			all = append(all, row)
			return err
		}, "SELECT "+columns+" "+sql, args...)
	}
	if n < 0 {
		if err := read(b.sql, b.args); err != nil {
			return nil, err
		}
		n = len(all)
	} else {
		want := before + n + aClass
		sql := fmt.Sprintf("%s%s LIMIT $%d OFFSET $%d", b.sql, rollOrder, len(b.args)+1, len(b.args)+2)
		if skip > before && !strings.Contains(b.sql, " JOIN ") { // rows before the page are passed over in the index
			sql = "FROM pupil p WHERE p.student_uid IN (SELECT p.student_uid " + sql + ")" + rollOrder
		}
		if err := read(sql, append(slices.Clone(b.args), int64(want), int64(skip-before))); err != nil {
			return nil, err
		}
		if len(all) > before+n {
			last := of(&all[before+n-1])
			end := before + n
			for end < len(all) && sameClass(last, of(&all[end])) {
				end++
			}
			whole := end < len(all) || len(all) < want
			all = all[:end]
			if !whole {
				sql, args := b.class(of(&all[end-1]), ">")
				if err := read(sql, args); err != nil {
					return nil, err
				}
			}
		}
	}
	for i := range all {
		if err := s.openListed(of(&all[i])); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b T) int { return of(&a).compare(of(&b)) })
	all = all[min(before, len(all)):]
	return all[:min(n, len(all))], nil
}

// class narrows a branch to the class of a row, to those before (<) or after (>) it.
func (b branch) class(l *listed, side string) (string, []any) {
	n := len(b.args)
	join := " AND "
	if !strings.Contains(b.sql, " WHERE ") {
		join = " WHERE "
	}
	return fmt.Sprintf("%s%sp.school = $%d AND p.grade = $%d AND p.class_sort = $%d AND p.student_uid %s $%d", b.sql, join, n+1, n+2, n+3, side, n+4),
		append(slices.Clone(b.args), string(l.School), int64(l.Grade), l.class, string(l.UID))
}

func (s *Store) page(ctx context.Context, b branch, skip, n int) ([]listed, error) {
	return ordered(ctx, s, b, summaryColumns, func(r Rows, l *listed) error { return r.Scan(l.dest()...) }, func(l *listed) *listed { return l }, skip, n)
}

// param adds a parameter and names it.
func (w *where) param(v any) string { return fmt.Sprintf("$%d", w.arg(v)) }
