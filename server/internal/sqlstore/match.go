package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"xueji/server/internal/match"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const (
	sqlMatchAdd  = `INSERT INTO match_key (match_key, student_uid) VALUES ($1, $2) ON CONFLICT (match_key, student_uid) DO NOTHING`
	sqlMatchDrop = `DELETE FROM match_key WHERE match_key = $1 AND student_uid = $2`

	sqlSuspicion = `INSERT INTO suspicion (student_uid, other_uid, state, score, doc) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (student_uid, other_uid) DO NOTHING RETURNING score`
	sqlSuspicionUnit  = `INSERT INTO suspicion_unit (student_uid, other_uid, unit, state, score) VALUES ($1, $2, $3, $4, $5)`
	sqlSuspicionState = `UPDATE suspicion SET state = $3, doc = $4 WHERE student_uid = $1 AND other_uid = $2 AND state = $5 AND doc = $6`
	sqlSuspicionShown = `UPDATE suspicion_unit SET state = $3 WHERE student_uid = $1 AND other_uid = $2`
)

// matchKeys writes the keys of a batch in their order, for neighbours stand on one page. Of several moves of a pupil the last word on a key holds.
func (p *plan) matchKeys(changes []store.Change) {
	type held struct {
		key int64
		uid string
	}
	taken := map[held]bool{}
	for i := range changes {
		c := &changes[i]
		for _, k := range c.MatchDrop {
			taken[held{k, string(c.Pupil.UID)}] = false
		}
		for _, k := range c.MatchAdd {
			taken[held{k, string(c.Pupil.UID)}] = true
		}
	}
	all := slices.SortedFunc(maps.Keys(taken), func(a, b held) int { return cmp.Or(cmp.Compare(a.key, b.key), strings.Compare(a.uid, b.uid)) })
	for _, h := range all {
		sql := sqlMatchDrop
		if taken[h] {
			sql = sqlMatchAdd
		}
		p.add(nil, sql, h.key, h.uid)
	}
}

// Sharers asks for all keys in one statement; of each no more is read than shows that too many hold it.
func (s *Store) Sharers(ctx context.Context, keys []int64, limit int) ([]registry.UID, error) {
	var out []registry.UID
	seen := map[registry.UID]bool{}
	err := s.query(ctx, func(r Rows) error {
		var holders string
		if err := r.Scan(&holders); err != nil {
			return err
		}
		block := strings.Split(holders, ",")
		if holders == "" || len(block) > match.MaxBlock {
			return nil
		}
		for _, h := range block {
			if uid := registry.UID(h); !seen[uid] && len(out) < limit {
				seen[uid] = true
				out = append(out, uid)
			}
		}
		return nil
	}, `SELECT COALESCE((SELECT string_agg(h.student_uid, ',') FROM (SELECT student_uid FROM match_key WHERE match_key = k.value LIMIT $2) h), '') FROM `+s.d.UnnestNumbers(1)+` k`,
		s.d.Numbers(keys), int64(match.MaxBlock+1))
	return out, err
}

// EachMatchKey reads the whole table in one pass.
func (s *Store) EachMatchKey(ctx context.Context, each func(key int64, uid registry.UID) error) error {
	return s.query(ctx, func(r Rows) error {
		var k int64
		var uid registry.UID
		if err := r.Scan(&k, (*string)(&uid)); err != nil {
			return err
		}
		return each(k, uid)
	}, `SELECT match_key, student_uid FROM match_key`)
}

// MoveMatchKeys looks at each record's version within the transaction.
func (s *Store) MoveMatchKeys(ctx context.Context, moves []store.KeyMove) (movedOn []registry.UID, err error) {
	err = s.db.Write(ctx, func(tx Tx) error {
		movedOn = movedOn[:0]
		for _, m := range moves {
			var version int64
			r, err := tx.Query(`SELECT version FROM pupil WHERE student_uid = $1`, string(m.UID))
			if err := one(r, err, &version); err != nil {
				return err
			}
			if version != m.Version {
				movedOn = append(movedOn, m.UID)
				continue
			}
			for _, k := range m.Drop {
				if err := tx.Exec(nil, sqlMatchDrop, k, string(m.UID)); err != nil {
					return err
				}
			}
			for _, k := range m.Add {
				if err := tx.Exec(nil, sqlMatchAdd, k, string(m.UID)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return movedOn, err
}

// PutSuspicions adds the new ones in one transaction.
func (s *Store) PutSuspicions(ctx context.Context, found []store.Suspicion) (int, error) {
	type row struct {
		store.Suspicion
		doc string
	}
	rows := make([]row, 0, len(found))
	p := s.plan()
	for _, f := range found {
		if f.UID >= f.Other || f.UID == "" {
			return 0, invalid("uid")
		}
		f.State = store.SuspicionOpen
		rows = append(rows, row{f, p.sealJSON(place("suspicion", "doc", string(f.UID), string(f.Other)), f)})
	}
	if p.err != nil {
		return 0, p.err
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(string(a.UID+a.Other), string(b.UID+b.Other)) })
	fresh := 0
	err := s.db.Write(ctx, func(tx Tx) error {
		fresh = 0
		for _, f := range rows {
			var score int64
			r, err := tx.Query(sqlSuspicion, string(f.UID), string(f.Other), string(f.State), int64(f.Score), f.doc)
			if err := one(r, err, &score); err == registry.ErrNotFound {
				continue
			} else if err != nil {
				return err
			}
			fresh++
			units := slices.Clone(f.Units)
			slices.Sort(units)
			for _, u := range slices.Compact(units) {
				if u == "" {
					continue
				}
				if err := tx.Exec(nil, sqlSuspicionUnit, string(f.UID), string(f.Other), string(u), string(f.State), int64(f.Score)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return fresh, err
}

// DecideSuspicion closes an open one.
func (s *Store) DecideSuspicion(ctx context.Context, d store.Suspicion) error {
	if d.State != store.SuspicionApart && d.State != store.SuspicionSame {
		return invalid("state")
	}
	was, old, err := s.suspicion(ctx, d.UID, d.Other)
	if err != nil {
		return err
	}
	was.State, was.By, was.DecidedAt, was.Note = d.State, d.By, d.DecidedAt.UTC(), d.Note
	return s.moveSuspicion(ctx, was, old, store.SuspicionOpen)
}

// ProveSuspicion adds a proof; of two at once one is told to look again.
func (s *Store) ProveSuspicion(ctx context.Context, uid, other registry.UID, p store.Proof) error {
	f, old, err := s.suspicion(ctx, uid, other)
	if err != nil {
		return err
	}
	p.At = p.At.UTC()
	f.Proofs = append(f.Proofs, p)
	return s.moveSuspicion(ctx, f, old, store.SuspicionOpen)
}

// ReopenSuspicion undoes a decision; who decided before stays in the log of acts, not here.
func (s *Store) ReopenSuspicion(ctx context.Context, uid, other registry.UID) error {
	was, old, err := s.suspicion(ctx, uid, other)
	if err != nil {
		return err
	}
	from := was.State
	if from == store.SuspicionOpen {
		return conflict("state")
	}
	was.State = store.SuspicionOpen
	return s.moveSuspicion(ctx, was, old, from)
}

func (s *Store) moveSuspicion(ctx context.Context, f store.Suspicion, old string, from store.SuspicionState) error {
	p := s.plan()
	doc := p.sealJSON(place("suspicion", "doc", string(f.UID), string(f.Other)), f)
	if p.err != nil {
		return p.err
	}
	return s.db.Write(ctx, func(tx Tx) error {
		if err := tx.Exec(oneRow(conflict("state")), sqlSuspicionState, string(f.UID), string(f.Other), string(f.State), doc, string(from), old); err != nil {
			return err
		}
		return tx.Exec(nil, sqlSuspicionShown, string(f.UID), string(f.Other), string(f.State))
	})
}

func (s *Store) suspicions(ctx context.Context, sql string, args ...any) (out []store.Suspicion, docs []string, err error) {
	err = s.query(ctx, func(r Rows) error {
		var uid, other, doc string
		var f store.Suspicion
		if err := r.Scan(&uid, &other, &doc); err != nil {
			return err
		}
		err := s.openJSON(place("suspicion", "doc", uid, other), doc, &f)
		out, docs = append(out, f), append(docs, doc)
		return err
	}, sql, args...)
	return out, docs, err
}

// suspicion finds a pair in either order, with the text it is stored as: the compare-and-swap token.
func (s *Store) suspicion(ctx context.Context, a, b registry.UID) (store.Suspicion, string, error) {
	if a > b {
		a, b = b, a
	}
	found, docs, err := s.suspicions(ctx, `SELECT student_uid, other_uid, doc FROM suspicion WHERE student_uid = $1 AND other_uid = $2`, string(a), string(b))
	f, err := only(found, err)
	if err != nil {
		return f, "", err
	}
	return f, docs[0], nil
}

// Suspicion finds a pair in either order.
func (s *Store) Suspicion(ctx context.Context, a, b registry.UID) (store.Suspicion, error) {
	f, _, err := s.suspicion(ctx, a, b)
	return f, err
}

// Suspicions lists a unit's, surest first.
func (s *Store) Suspicions(ctx context.Context, unit registry.Unit, state store.SuspicionState, limit, offset int) ([]store.Suspicion, error) {
	found, _, err := s.suspicions(ctx, fmt.Sprintf(`SELECT p.student_uid, p.other_uid, p.doc FROM suspicion_unit u JOIN suspicion p ON p.student_uid = u.student_uid AND p.other_uid = u.other_uid
		WHERE u.unit = $1 AND u.state = $2 ORDER BY u.score DESC, u.student_uid, u.other_uid LIMIT %s OFFSET %s`, strconv.Itoa(page(limit)), strconv.Itoa(max(offset, 0))),
		string(unit), string(state))
	return found, err
}

// SuspicionsOf lists a pupil's.
func (s *Store) SuspicionsOf(ctx context.Context, uid registry.UID) ([]store.Suspicion, error) {
	found, _, err := s.suspicions(ctx, `SELECT student_uid, other_uid, doc FROM suspicion WHERE student_uid = $1 OR other_uid = $1 ORDER BY score DESC, student_uid, other_uid`, string(uid))
	return found, err
}

// OpenSuspicions counts a unit's.
func (s *Store) OpenSuspicions(ctx context.Context, unit registry.Unit) (int, error) {
	n := 0
	err := s.row(ctx, []any{&n}, `SELECT COUNT(*) FROM suspicion_unit WHERE unit = $1 AND state = 'open'`, string(unit))
	return n, err
}
