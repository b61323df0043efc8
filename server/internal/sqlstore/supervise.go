package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// eachPage is how many records are opened at a time.
const eachPage = 200

// EachPupil reads a school's records page by page, so that no cursor stays open over each's work.
func (s *Store) EachPupil(ctx context.Context, school registry.Unit, each func(registry.Pupil) error) error {
	after := ""
	for {
		n, err := s.records(ctx, func(p registry.Pupil) error {
			after = string(p.UID)
			return each(p)
		}, `p.school = $1 AND p.student_uid > $2 ORDER BY p.student_uid LIMIT $3`, string(school), after, int64(eachPage))
		if err != nil || n < eachPage {
			return err
		}
	}
}

// Pupils reads some records in one statement.
func (s *Store) Pupils(ctx context.Context, uids []registry.UID, each func(registry.Pupil) error) error {
	if len(uids) == 0 {
		return nil
	}
	_, err := s.records(ctx, each, s.d.In("p.student_uid", 1), s.d.List(texts(uids)))
	return err
}

// records reads records whole, then opens each.
func (s *Store) records(ctx context.Context, each func(registry.Pupil) error, where string, args ...any) (n int, err error) {
	type row struct {
		uid, doc string
		version  int64
		sealed   []byte
	}
	var page []row
	err = s.query(ctx, func(r Rows) error {
		var x row
		err := r.Scan(&x.uid, &x.version, &x.doc, &x.sealed)
		page = append(page, x)
		return err
	}, `SELECT p.student_uid, p.version, d.doc, d.sealed FROM pupil p JOIN pupil_doc d ON d.student_uid = p.student_uid WHERE `+where, args...)
	if err != nil {
		return 0, err
	}
	for _, x := range page {
		if len(x.sealed) > 0 {
			if err := s.open(place("pupil_doc", "sealed", x.uid), &x.sealed); err != nil {
				return 0, err
			}
			x.doc = string(x.sealed)
		}
		var p registry.Pupil
		if err := decode("pupil", x.doc, &p); err != nil {
			return 0, err
		}
		p.UID, p.Version = registry.UID(x.uid), x.version
		if err := each(p); err != nil {
			return 0, err
		}
	}
	return len(page), nil
}

// said is the sealed part of a finding that a person entered.
type said struct {
	Words string         `json:"w"`
	By    registry.Actor `json:"by"`
}

const sqlFinding = `INSERT INTO finding (unit, id, kind, student_uid, item, why, since, source, found_at, seen_at, gone_at, words) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 0, $10)
	ON CONFLICT (unit, id) DO UPDATE SET why = excluded.why, since = excluded.since, source = excluded.source, seen_at = excluded.seen_at, words = excluded.words,
	found_at = CASE WHEN finding.gone_at = 0 THEN finding.found_at ELSE excluded.found_at END, gone_at = 0`

func (p *plan) finding(f *store.Finding, source string, at time.Time) {
	words := ""
	if f.Words != "" {
		words = p.sealJSON(place("finding", "words", string(f.Unit), f.ID()), said{f.Words, f.By})
	}
	p.add(nil, sqlFinding, string(f.Unit), f.ID(), int64(f.Kind), string(f.UID), f.Key, f.Why, string(f.Since), source, nanos(at), words)
}

// PutFindings replaces what a source finds, in one transaction.
func (s *Store) PutFindings(ctx context.Context, source string, at time.Time, found []store.Finding) error {
	if source == "" || source == "hand" {
		return invalid("source")
	}
	found = slices.Clone(found)
	slices.SortFunc(found, func(a, b store.Finding) int { // one order of locks
		return strings.Compare(string(a.Unit)+"\x00"+a.ID(), string(b.Unit)+"\x00"+b.ID())
	})
	p := s.plan()
	for i := range found {
		if found[i].Unit == "" || !found[i].Kind.Valid() {
			return invalid("finding")
		}
		p.finding(&found[i], source, at)
	}
	p.add(nil, `UPDATE finding SET gone_at = $2 WHERE source = $1 AND gone_at = 0 AND seen_at < $2`, source, nanos(at))
	if p.err != nil {
		return p.err
	}
	return s.db.Write(ctx, p.run)
}

// AddFinding enters one by hand.
func (s *Store) AddFinding(ctx context.Context, f store.Finding) error {
	if f.Unit == "" || !f.Kind.Valid() || f.Key == "" {
		return invalid("finding")
	}
	p := s.plan()
	p.finding(&f, "hand", f.FoundAt)
	if p.err != nil {
		return p.err
	}
	return s.db.Write(ctx, p.run)
}

// CloseFinding ends a standing one.
func (s *Store) CloseFinding(ctx context.Context, unit registry.Unit, id string, at time.Time) error {
	return s.exec(ctx, oneRow(registry.ErrNotFound), `UPDATE finding SET gone_at = $3 WHERE unit = $1 AND id = $2 AND gone_at = 0`, string(unit), id, nanos(at))
}

func unitList(units []registry.Unit) []string {
	out := make([]string, len(units))
	for i, u := range units {
		out[i] = string(u)
	}
	return out
}

// Findings lists standing ones.
func (s *Store) Findings(ctx context.Context, units []registry.Unit, kind supervise.Kind, limit, offset int) ([]store.Finding, error) {
	var out []store.Finding
	sql, args := `WHERE gone_at = 0 AND `+s.d.In("unit", 1), []any{s.d.List(unitList(units)), int64(page(limit)), int64(max(offset, 0))}
	if kind != 0 {
		sql, args = sql+` AND kind = $4`, append(args, int64(kind))
	}
	err := s.query(ctx, func(r Rows) error {
		var f store.Finding
		var k, found int64
		var id, words string
		if err := r.Scan((*string)(&f.Unit), &id, &k, (*string)(&f.UID), &f.Key, &f.Why, (*string)(&f.Since), &f.Source, &found, &words); err != nil {
			return err
		}
		f.Kind, f.FoundAt = supervise.Kind(k), moment(found)
		if words != "" {
			var w said
			if err := s.openJSON(place("finding", "words", string(f.Unit), id), words, &w); err != nil {
				return err
			}
			f.Words, f.By = w.Words, w.By
		}
		out = append(out, f)
		return nil
	}, `SELECT unit, id, kind, student_uid, item, why, since, source, found_at, words FROM finding `+sql+` ORDER BY since, unit, id LIMIT $2 OFFSET $3`, args...)
	return out, err
}

// FindingCounts counts standing ones by unit and kind.
func (s *Store) FindingCounts(ctx context.Context, units []registry.Unit, severeBefore registry.Date) ([]store.FindingCount, error) {
	var out []store.FindingCount
	err := s.query(ctx, func(r Rows) error {
		var c store.FindingCount
		var k, n, severe int64
		err := r.Scan((*string)(&c.Unit), &k, &n, &severe)
		c.Kind, c.N, c.Severe = supervise.Kind(k), int(n), int(severe)
		out = append(out, c)
		return err
	}, `SELECT unit, kind, COUNT(*), SUM(CASE WHEN since < $2 THEN 1 ELSE 0 END) FROM finding WHERE gone_at = 0 AND `+s.d.In("unit", 1)+` GROUP BY unit, kind ORDER BY unit, kind`,
		s.d.List(unitList(units)), string(severeBefore))
	return out, err
}

// FindingMoves counts what came and went.
func (s *Store) FindingMoves(ctx context.Context, units []registry.Unit, since time.Time) (found, gone map[supervise.Kind]int, err error) {
	found, gone = map[supervise.Kind]int{}, map[supervise.Kind]int{}
	err = s.query(ctx, func(r Rows) error {
		var k, f, g int64
		err := r.Scan(&k, &f, &g)
		found[supervise.Kind(k)], gone[supervise.Kind(k)] = int(f), int(g)
		return err
	}, `SELECT kind, SUM(CASE WHEN found_at >= $2 THEN 1 ELSE 0 END), SUM(CASE WHEN gone_at >= $2 THEN 1 ELSE 0 END) FROM finding WHERE `+s.d.In("unit", 1)+` GROUP BY kind`,
		s.d.List(unitList(units)), nanos(since))
	return found, gone, err
}

// PutOrder inserts or replaces an order under its version.
func (s *Store) PutOrder(ctx context.Context, o supervise.Order) error {
	p := s.plan()
	doc := p.sealJSON(place("correction_order", "doc", o.No), o)
	if o.No == "" || len(o.Rounds) == 0 {
		return invalid("order")
	}
	args := []any{o.No, string(o.State), string(o.Waits()), string(o.DueOn), doc}
	if o.Version == 0 {
		p.add(oneRow(conflict("no")), `INSERT INTO correction_order (no, version, state, waits, due_on, doc, by_unit, to_unit, issued_on) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (no) DO NOTHING`,
			append(args, string(o.By), string(o.To), string(o.Rounds[0].On))...)
	} else {
		p.add(oneRow(conflict("version")), `UPDATE correction_order SET version = version + 1, state = $2, waits = $3, due_on = $4, doc = $5 WHERE no = $1 AND version = $6`, append(args, o.Version)...)
	}
	if p.err != nil {
		return p.err
	}
	return s.db.Write(ctx, p.run)
}

func (s *Store) orders(ctx context.Context, rest string, args ...any) ([]supervise.Order, error) {
	var out []supervise.Order
	err := s.query(ctx, func(r Rows) error {
		var o supervise.Order
		var no, doc string
		var version int64
		if err := r.Scan(&no, &version, &doc); err != nil {
			return err
		}
		err := s.openJSON(place("correction_order", "doc", no), doc, &o)
		o.No, o.Version = no, version
		out = append(out, o)
		return err
	}, `SELECT no, version, doc FROM correction_order `+rest, args...)
	return out, err
}

// Order reads one.
func (s *Store) Order(ctx context.Context, no string) (supervise.Order, error) {
	return only(s.orders(ctx, `WHERE no = $1`, no))
}

// Orders lists those to or by units.
func (s *Store) Orders(ctx context.Context, units []registry.Unit, limit int) ([]supervise.Order, error) {
	list := s.d.List(unitList(units))
	return s.orders(ctx, `WHERE `+s.d.In("to_unit", 1)+` OR `+s.d.In("by_unit", 1)+` ORDER BY CASE WHEN state = 'closed' THEN 1 ELSE 0 END, issued_on DESC, no DESC LIMIT $2`, list, int64(page(limit)))
}

// OrdersFor lists those that wait for a unit.
func (s *Store) OrdersFor(ctx context.Context, unit registry.Unit, limit int) ([]supervise.Order, error) {
	return s.orders(ctx, `WHERE waits = $1 AND waits <> '' ORDER BY due_on, no LIMIT $2`, string(unit), int64(page(limit)))
}

// PutTally replaces a unit's.
func (s *Store) PutTally(ctx context.Context, t supervise.Tally, at time.Time) error {
	doc, err := encode("tally", t)
	if err != nil {
		return err
	}
	return s.exec(ctx, nil, `INSERT INTO tally (unit, year, taken_at, doc) VALUES ($1, $2, $3, $4) ON CONFLICT (unit, year) DO UPDATE SET taken_at = excluded.taken_at, doc = excluded.doc`,
		string(t.Unit), int64(t.Year), nanos(at), doc)
}

// Tallies reads those of a year.
func (s *Store) Tallies(ctx context.Context, units []registry.Unit, year int) (map[registry.Unit]supervise.Tally, error) {
	out := map[registry.Unit]supervise.Tally{}
	err := s.query(ctx, func(r Rows) error {
		var doc string
		var t supervise.Tally
		if err := r.Scan(&doc); err != nil {
			return err
		}
		err := decode("tally", doc, &t)
		out[t.Unit] = t
		return err
	}, `SELECT doc FROM tally WHERE year = $2 AND `+s.d.In("unit", 1), s.d.List(unitList(units)), int64(year))
	return out, err
}

// TallyTimes says when units were tallied last.
func (s *Store) TallyTimes(ctx context.Context, units []registry.Unit) (map[registry.Unit]time.Time, error) {
	out := map[registry.Unit]time.Time{}
	err := s.query(ctx, func(r Rows) error {
		var u registry.Unit
		var at int64
		err := r.Scan((*string)(&u), &at)
		out[u] = moment(at)
		return err
	}, `SELECT unit, MAX(taken_at) FROM tally WHERE `+s.d.In("unit", 1)+` GROUP BY unit`, s.d.List(unitList(units)))
	return out, err
}

// PutMark sets a side of a mark that is not set yet.
func (s *Store) PutMark(ctx context.Context, m store.Mark) error {
	return s.exec(ctx, nil, `INSERT INTO report_mark (unit, kind, period, sent_at, sent_by, seen_at, seen_by) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (unit, kind, period) DO UPDATE SET
		sent_by = CASE WHEN report_mark.sent_at = 0 THEN excluded.sent_by ELSE report_mark.sent_by END, sent_at = CASE WHEN report_mark.sent_at = 0 THEN excluded.sent_at ELSE report_mark.sent_at END,
		seen_by = CASE WHEN report_mark.seen_at = 0 THEN excluded.seen_by ELSE report_mark.seen_by END, seen_at = CASE WHEN report_mark.seen_at = 0 THEN excluded.seen_at ELSE report_mark.seen_at END`,
		string(m.Unit), m.Kind, m.Period, nanos(m.SentAt), m.SentBy, nanos(m.SeenAt), m.SeenBy)
}

// Marks reads them.
func (s *Store) Marks(ctx context.Context, kind, period string, units []registry.Unit) ([]store.Mark, error) {
	var out []store.Mark
	err := s.query(ctx, func(r Rows) error {
		var m store.Mark
		var sent, seen int64
		err := r.Scan((*string)(&m.Unit), &m.Kind, &m.Period, &sent, &m.SentBy, &seen, &m.SeenBy)
		m.SentAt, m.SeenAt = moment(sent), moment(seen)
		out = append(out, m)
		return err
	}, `SELECT unit, kind, period, sent_at, sent_by, seen_at, seen_by FROM report_mark WHERE kind = $2 AND ($3 = '' OR period = $3) AND `+s.d.In("unit", 1)+` ORDER BY period DESC, unit`,
		s.d.List(unitList(units)), kind, period)
	return out, err
}
