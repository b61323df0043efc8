package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// hunt is what a text is looked up by.
type hunt struct {
	words  []string // what the text may mean
	tokens []int64  // of the meanings that the index answers by itself, under every living index key
	uids   []string // who has one of the other meanings: looked up by their longest indexed beginnings, opened and compared
	clear  []string // beginnings of clear terms of before the vault
}

// plain: the index alone answers, without a row being read.
func (h *hunt) plain() bool { return len(h.uids) == 0 && len(h.clear) == 0 }

// hunt is nil for no text and for one that nobody can be found by.
//
// A letter beyond what the index holds costs only its own meaning a look at the rows: "zhang" is a whole beginning of a reading, though five Latin letters of a
// name as written are not.
func (s *Store) hunt(ctx context.Context, q store.Query) (*hunt, error) {
	words := prefixes(q.Text)
	if len(words) == 0 {
		return nil, nil
	}
	exact, loose := asked(words)
	h := &hunt{words: words, tokens: s.tokensOf(exact)}
	if s.legacy.Load() {
		h.clear = words
	}
	if len(loose) == 0 {
		return h, nil
	}
	for _, b := range s.branches(q, &hunt{tokens: s.tokensOf(loose)}) {
		err := s.query(ctx, func(r Rows) error {
			var l listed
			if err := r.Scan((*string)(&l.UID), &l.sealed); err != nil || len(l.sealed) == 0 {
				return err
			}
			x, err := s.openRoll(string(l.UID), l.sealed)
			if err == nil && matches(x.index(), words) {
				h.uids = append(h.uids, string(l.UID))
			}
			return err
		}, "SELECT p.student_uid, p.sealed "+b.sql, b.args...)
		if err != nil {
			return nil, err
		}
	}
	if len(h.tokens) == 0 && len(h.uids) == 0 && len(h.clear) == 0 {
		return nil, nil
	}
	return h, nil
}

func (s *Store) tokensOf(terms []string) []int64 {
	var out []int64
	for _, t := range terms {
		for _, k := range s.v.Indexes() {
			out = append(out, k.Token("term", t))
		}
	}
	return out
}

// Search finds pupils in scope, by school, grade, class and name.
func (s *Store) Search(ctx context.Context, q store.Query) ([]store.Summary, error) {
	limit, offset := page(q.Limit), max(q.Offset, 0)
	h, err := s.hunt(ctx, q)
	if err != nil {
		return nil, err
	}
	bs := s.branches(q, h)
	var all []listed
	skipped := 0
	// The last branch is the short one (open cases of pupils elsewhere): it is read first, and whole. Of the long one, all but as many rows as the short one has
	// may be skipped unseen: they stand before the page whatever the merge brings.
	for i := len(bs) - 1; i >= 0; i-- {
		skip, n := max(offset-len(all), 0), limit+min(offset, len(all))
		var rows []listed
		if i > 0 {
			skip = 0
			rows, err = s.page(ctx, bs[i], 0, -1)
		} else {
			rows, err = s.bySchools(ctx, q, h, bs[i], skip, n)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		skipped = skip
	}
	slices.SortFunc(all, func(a, b listed) int { return a.compare(&b) })
	all = all[min(offset-skipped, len(all)):]
	all = all[:min(limit, len(all))]
	out := make([]store.Summary, 0, len(all))
	for i := range all {
		// Two terms may share a token by chance: what does not match is not shown.
		if x := all[i].index; h == nil || x.Name == "" || matches(x, h.words) {
			out = append(out, all[i].Summary)
		}
	}
	return out, nil
}

// atOnce is how many rows of several schools are sorted by the database in one go; more are read school by school, in the order of the index.
const atOnce = 1000

// bySchools reads rows skip to skip+n of the branch of q's schools. Pages stand by school: the schools before the page are counted, not read, and those after it
// not even counted.
func (s *Store) bySchools(ctx context.Context, q store.Query, h *hunt, whole branch, skip, n int) ([]listed, error) {
	if q.School != "" || q.UIDs != nil || q.All && h == nil || !q.All && len(q.Schools) < 2 {
		return s.page(ctx, whole, skip, n)
	}
	var take []registry.Unit
	rows, before := 0, 0 // of those taken, of those passed over
	chunks := [][]registry.Unit{nil}
	if !q.All {
		schools := slices.Clone(q.Schools)
		slices.Sort(schools)
		schools = slices.Compact(schools)
		for chunks = nil; len(schools) > 0; {
			c := min(1<<min(len(chunks), 8), len(schools))
			chunks, schools = append(chunks, schools[:c]), schools[c:]
		}
	}
	for _, c := range chunks {
		counts, err := s.schoolCounts(ctx, q, h, c)
		if err != nil {
			return nil, err
		}
		for _, u := range slices.Sorted(maps.Keys(counts)) {
			switch {
			case before+rows >= skip+n:
			case rows == 0 && before+counts[u] <= skip:
				before += counts[u]
			default:
				take = append(take, u)
				rows += counts[u]
			}
		}
		if before+rows >= skip+n {
			break
		}
	}
	skip -= before
	part := func(schools ...registry.Unit) branch {
		q := q
		q.All, q.Unit, q.Schools = false, "", schools
		return s.branches(q, h)[0]
	}
	if len(take) == 0 {
		return nil, nil
	}
	if rows <= atOnce {
		return s.page(ctx, part(take...), skip, n)
	}
	var all []listed
	for _, u := range take {
		got, err := s.page(ctx, part(u), skip, n-len(all))
		if err != nil {
			return nil, err
		}
		if all, skip = append(all, got...), 0; len(all) >= n {
			break
		}
	}
	return all, nil
}

// schoolCounts are how many rows of a query each school has, of the schools given; nil is all. A school without any is not in it.
func (s *Store) schoolCounts(ctx context.Context, q store.Query, h *hunt, schools []registry.Unit) (map[registry.Unit]int, error) {
	var sql string
	var args []any
	if byTokens(q, h) {
		sql, args = s.tokenHits(h, schools)
		sql = "SELECT school, COUNT(DISTINCT student_uid) " + sql + " GROUP BY school"
	} else {
		q.Unit = ""
		if schools != nil {
			q.All, q.Schools = false, schools
		}
		b := s.branches(q, h)[0]
		sql, args = "SELECT p.school, COUNT(*) "+b.sql+" GROUP BY p.school", b.args
	}
	out := map[registry.Unit]int{}
	err := s.query(ctx, func(r Rows) error {
		var u string
		var n int
		err := r.Scan(&u, &n)
		out[registry.Unit(u)] = n
		return err
	}, sql, args...)
	return out, err
}

// byTokens: the rows of the query can be counted in the index, without the pupils. Two terms share a token by chance once in 2⁶⁴: a count may be one too high.
func byTokens(q store.Query, h *hunt) bool {
	return h != nil && h.plain() && q.Grade == 0 && q.Class == "" && q.Study == "" && q.Standing == "" && q.UIDs == nil && !q.NoCard
}

func (s *Store) tokenHits(h *hunt, schools []registry.Unit) (string, []any) {
	sql, args := "FROM search_token WHERE "+s.d.InNumbers("token", 1), []any{s.d.Numbers(h.tokens)}
	if schools != nil {
		sql += " AND " + s.d.In("school", 2)
		args = append(args, s.d.List(texts(schools)))
	}
	return sql, args
}

// Count is how many pupils Search finds without a limit.
func (s *Store) Count(ctx context.Context, q store.Query) (int, error) {
	h, err := s.hunt(ctx, q)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, b := range s.branches(q, h) {
		rows, args := "SELECT 1 "+b.sql, b.args
		if !b.elsewhere && byTokens(q, h) {
			schools := q.Schools
			switch {
			case q.School != "":
				schools = []registry.Unit{q.School}
			case q.All:
				schools = nil
			}
			rows, args = s.tokenHits(h, schools)
			rows = "SELECT DISTINCT student_uid " + rows
		}
		if q.Most > 0 {
			args = append(slices.Clone(args), int64(max(q.Most-total, 0)))
			rows += fmt.Sprintf(" LIMIT $%d", len(args))
		}
		n := 0
		if err := s.row(ctx, []any{&n}, "SELECT COUNT(*) FROM ("+rows+") x", args...); err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}
