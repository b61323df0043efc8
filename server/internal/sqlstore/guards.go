package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

const factorColumns = `account, id, kind, name, secret, counter, created_at, used_at`

// PutFactor inserts or renames.
func (s *Store) PutFactor(ctx context.Context, f store.Factor) error {
	p := s.plan()
	p.add(nil, `INSERT INTO factor (`+factorColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (account, id) DO UPDATE SET name = excluded.name`,
		f.Account, f.ID, f.Kind, p.sealText(place("factor", "name", f.Account, f.ID), f.Name), p.seal(place("factor", "secret", f.Account, f.ID), blobOf(f.Secret)),
		f.Counter, nanos(f.CreatedAt), nanos(f.UsedAt))
	return s.db.Write(ctx, p.run)
}

// Factors lists an account's factors, oldest first.
func (s *Store) Factors(ctx context.Context, account string) ([]store.Factor, error) {
	var out []store.Factor
	err := s.query(ctx, func(r Rows) error {
		var f store.Factor
		var made, used int64
		err := r.Scan(&f.Account, &f.ID, &f.Kind, &f.Name, &f.Secret, &f.Counter, &made, &used)
		if err != nil {
			return err
		}
		f.CreatedAt, f.UsedAt = moment(made), moment(used)
		if err := s.openText(place("factor", "name", f.Account, f.ID), &f.Name); err != nil {
			return err
		}
		err = s.open(place("factor", "secret", f.Account, f.ID), &f.Secret)
		out = append(out, f)
		return err
	}, `SELECT `+factorColumns+` FROM factor WHERE account = $1 ORDER BY created_at, id`, account)
	return out, err
}

// UseFactor moves a factor's counter up.
func (s *Store) UseFactor(ctx context.Context, account, id string, counter int64, secret []byte, at time.Time) error {
	used := oneRow(conflict("factor"))
	if secret == nil {
		return s.exec(ctx, used, `UPDATE factor SET counter = $3, used_at = $4 WHERE account = $1 AND id = $2 AND counter < $3`, account, id, counter, nanos(at))
	}
	p := s.plan()
	p.add(used, `UPDATE factor SET counter = $3, used_at = $4, secret = $5 WHERE account = $1 AND id = $2 AND counter < $3`, account, id, counter,
		nanos(at), p.seal(place("factor", "secret", account, id), secret))
	return s.db.Write(ctx, p.run)
}

// DropFactors ends factors.
func (s *Store) DropFactors(ctx context.Context, account, kind, id string) error {
	return s.exec(ctx, nil, `DELETE FROM factor WHERE account = $1 AND ($2 = '' OR kind = $2) AND ($3 = '' OR id = $3)`, account, kind, id)
}

const substitutionColumns = `id, account, away, unit, role, from_on, until_on, made_by, created_at, ended_at`

// PutSubstitution inserts, or ends early.
func (s *Store) PutSubstitution(ctx context.Context, v store.Substitution) error {
	return s.exec(ctx, nil, `INSERT INTO substitution (`+substitutionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at`,
		v.ID, v.Account, v.Away, string(v.Unit), string(v.Role), string(v.From), string(v.Until), v.MadeBy, nanos(v.CreatedAt), nanos(v.EndedAt))
}

func (s *Store) substitutions(ctx context.Context, where string, args ...any) ([]store.Substitution, error) {
	var out []store.Substitution
	err := s.query(ctx, func(r Rows) error {
		var v store.Substitution
		var made, ended int64
		err := r.Scan(&v.ID, &v.Account, &v.Away, (*string)(&v.Unit), (*string)(&v.Role), (*string)(&v.From), (*string)(&v.Until), &v.MadeBy, &made, &ended)
		v.CreatedAt, v.EndedAt = moment(made), moment(ended)
		out = append(out, v)
		return err
	}, `SELECT `+substitutionColumns+` FROM substitution WHERE `+where, args...)
	return out, err
}

// Substitution reads one, ended or not.
func (s *Store) Substitution(ctx context.Context, id string) (store.Substitution, error) {
	return only(s.substitutions(ctx, `id = $1`, id))
}

// SubstitutionsOf lists those that are not over, of one who stands in, or of a unit.
func (s *Store) SubstitutionsOf(ctx context.Context, account string, unit registry.Unit, today registry.Date) ([]store.Substitution, error) {
	if account != "" {
		return s.substitutions(ctx, `account = $1 AND until_on >= $2 AND ended_at = 0 ORDER BY until_on, id`, account, string(today))
	}
	return s.substitutions(ctx, `unit = $1 AND until_on >= $2 AND ended_at = 0 ORDER BY until_on, id`, string(unit), string(today))
}

// TakeTries takes one attempt under every name, or none. Names are locked in order, so that two takers of the same names cannot wait for each other.
func (s *Store) TakeTries(ctx context.Context, now time.Time, limits ...store.Limit) (until time.Time, err error) {
	limits = slices.Clone(limits)
	slices.SortFunc(limits, func(a, b store.Limit) int { return strings.Compare(a.Name, b.Name) })
	err = s.db.Write(ctx, func(tx Tx) error {
		until = time.Time{}
		counts := make([]int64, len(limits))
		since := make([]int64, len(limits))
		for i, l := range limits {
			if err := tx.Exec(nil, `INSERT INTO guard_try (name, tries, since, until) VALUES ($1, 0, $2, $3) ON CONFLICT (name) DO NOTHING`, l.Name, nanos(now),
				nanos(now.Add(l.Span))); err != nil {
				return err
			}
			r, err := tx.Query(`SELECT tries, since FROM guard_try WHERE name = $1`+s.d.ForUpdate, l.Name)
			if err := one(r, err, &counts[i], &since[i]); err != nil {
				return err
			}
			over := moment(since[i]).Add(l.Span)
			switch {
			case !now.Before(over):
				counts[i], since[i] = 0, nanos(now)
			case counts[i] >= int64(l.Max) && over.After(until):
				until = over
			}
		}
		if !until.IsZero() {
			return nil
		}
		for i, l := range limits {
			if counts[i]++; counts[i] >= int64(l.Max) {
				since[i] = nanos(now) // the last attempt begins the wait
			}
			if err := tx.Exec(nil, `UPDATE guard_try SET tries = $2, since = $3, until = $4 WHERE name = $1`, l.Name, counts[i], since[i],
				nanos(moment(since[i]).Add(l.Span))); err != nil {
				return err
			}
		}
		return nil
	})
	return until, err
}

// ReturnTries gives attempts back.
func (s *Store) ReturnTries(ctx context.Context, forget, less []string) error {
	forget, less = slices.Clone(forget), slices.Clone(less)
	slices.Sort(forget)
	slices.Sort(less)
	return s.db.Write(ctx, func(tx Tx) error {
		for _, n := range less {
			if err := tx.Exec(nil, `UPDATE guard_try SET tries = tries - 1 WHERE name = $1 AND tries > 0`, n); err != nil {
				return err
			}
		}
		for _, n := range forget {
			if err := tx.Exec(nil, `DELETE FROM guard_try WHERE name = $1`, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// PutOnce keeps something to be taken once.
func (s *Store) PutOnce(ctx context.Context, id, kind string, data []byte, until time.Time) error {
	return s.exec(ctx, nil, `INSERT INTO once (id, kind, data, until) VALUES ($1, $2, $3, $4)`, id, kind, blobOf(data), nanos(until))
}

// TakeOnce takes it; of two takers one gets it.
func (s *Store) TakeOnce(ctx context.Context, id, kind string, now time.Time) (data []byte, err error) {
	err = s.db.Write(ctx, func(tx Tx) error {
		data = nil
		r, err := tx.Query(`DELETE FROM once WHERE id = $1 AND kind = $2 AND until > $3 RETURNING data`, id, kind, nanos(now))
		return one(r, err, &data)
	})
	return data, err
}
