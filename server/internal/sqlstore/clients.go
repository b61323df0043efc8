package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const clientColumns = `id, name, unit, secret_hash, scopes, approval, until_day, made_by, created_at, revoked_at, seen_at, nets, cert`

// PutClient inserts a credential.
func (s *Store) PutClient(ctx context.Context, c store.Client, by registry.Actor) error {
	p := s.plan()
	p.add(oneRow(conflict("id")), `INSERT INTO api_client (`+clientColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, $10, $11) ON CONFLICT (id) DO NOTHING`,
		c.ID, c.Name, string(c.Unit), c.SecretHash, strings.Join(c.Scopes, " "), c.Approval, string(c.Until), c.MadeBy, nanos(c.CreatedAt),
		strings.Join(c.Nets, " "), c.Cert)
	e := audit.Entry{At: c.CreatedAt, Kind: audit.Account, Subject: audit.SubjectOf("client", c.ID), What: "client_new"}
	if err := p.audit(s.auditKey, e.By(ctx, by)); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

func (s *Store) clients(ctx context.Context, rest string, args ...any) ([]store.Client, error) {
	var out []store.Client
	err := s.query(ctx, func(r Rows) error {
		var c store.Client
		var scopes, nets string
		var made, revoked, seen int64
		err := r.Scan(&c.ID, &c.Name, (*string)(&c.Unit), &c.SecretHash, &scopes, &c.Approval, (*string)(&c.Until), &c.MadeBy, &made, &revoked, &seen, &nets, &c.Cert)
		c.Scopes, c.Nets = strings.Fields(scopes), strings.Fields(nets)
		c.CreatedAt, c.RevokedAt, c.SeenAt = moment(made), moment(revoked), moment(seen)
		out = append(out, c)
		return err
	}, `SELECT `+clientColumns+` FROM api_client `+rest, args...)
	return out, err
}

// Client reads one, ended or not.
func (s *Store) Client(ctx context.Context, id string) (store.Client, error) {
	return only(s.clients(ctx, `WHERE id = $1`, id))
}

// ClientsOf lists those of units, newest first.
func (s *Store) ClientsOf(ctx context.Context, units []registry.Unit) ([]store.Client, error) {
	return s.clients(ctx, `WHERE `+s.d.In("unit", 1)+` ORDER BY created_at DESC, id`, s.d.List(texts(units)))
}

// BindClient sets where one may call from.
func (s *Store) BindClient(ctx context.Context, c store.Client, by registry.Actor, at time.Time) error {
	return s.alterClient(ctx, c.ID, "client_bind", by, at, `UPDATE api_client SET nets = $2, cert = $3 WHERE id = $1 AND revoked_at = 0`, strings.Join(c.Nets, " "), c.Cert)
}

// RevokeClient ends one.
func (s *Store) RevokeClient(ctx context.Context, id string, by registry.Actor, at time.Time) error {
	return s.alterClient(ctx, id, "client_revoke", by, at, `UPDATE api_client SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0`, nanos(at))
}

// alterClient changes one that is not ended, with its entry in the log.
func (s *Store) alterClient(ctx context.Context, id, what string, by registry.Actor, at time.Time, sql string, args ...any) error {
	p := s.plan()
	p.add(oneRow(conflict("client")), sql, append([]any{id}, args...)...)
	e := audit.Entry{At: at, Kind: audit.Account, Subject: audit.SubjectOf("client", id), What: what}
	if err := p.audit(s.auditKey, e.By(ctx, by)); err != nil {
		return err
	}
	return s.db.Write(ctx, p.run)
}

// SeeClient notes a sign of life.
func (s *Store) SeeClient(ctx context.Context, id string, at time.Time) error {
	return s.exec(ctx, nil, `UPDATE api_client SET seen_at = $2 WHERE id = $1 AND seen_at < $2`, id, nanos(at))
}

// RollChanges lists what changed at a school after a mark.
func (s *Store) RollChanges(ctx context.Context, school registry.Unit, after store.RollMark, lag time.Duration, limit int) ([]store.RollChange, error) {
	var out []store.RollChange
	until := nanos(time.Now().Add(-lag))
	for _, left := range []bool{false, true} {
		from := `SELECT student_uid, changed_at FROM pupil WHERE school = $1 AND (changed_at > $2 OR changed_at = $2 AND student_uid > $3) AND changed_at <= $4
			ORDER BY changed_at, student_uid LIMIT $5`
		if left {
			from = `SELECT student_uid, at FROM pupil_left WHERE school = $1 AND (at > $2 OR at = $2 AND student_uid > $3) AND at <= $4 ORDER BY at, student_uid LIMIT $5`
		}
		err := s.query(ctx, func(r Rows) error {
			c := store.RollChange{Left: left}
			var at int64
			err := r.Scan((*string)(&c.UID), &at)
			c.At = moment(at)
			out = append(out, c)
			return err
		}, from, string(school), nanos(after.At), string(after.UID), until, int64(limit))
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b store.RollChange) int {
		if n := a.At.Compare(b.At); n != 0 {
			return n
		}
		return strings.Compare(string(a.UID), string(b.UID))
	})
	return out[:min(limit, len(out))], nil
}

// HolderOf finds whose a 学籍号 is.
func (s *Store) HolderOf(ctx context.Context, n registry.Number) (registry.UID, error) {
	keys := numberClaims(s.v, n)
	if s.legacy.Load() {
		keys = append(keys, string(n))
	}
	var uid registry.UID
	err := s.query(ctx, func(r Rows) error { return r.Scan((*string)(&uid)) }, `SELECT student_uid FROM number_claim WHERE `+s.d.In("number", 1), s.d.List(keys))
	if err == nil && uid == "" {
		err = registry.ErrNotFound
	}
	return uid, err
}

// handedDoc is the sealed part of a newcomer that was handed in.
type handedDoc struct {
	Ref  string        `json:"ref"`
	Form registry.Form `json:"form"`
}

// PutHanded inserts.
func (s *Store) PutHanded(ctx context.Context, h store.Handed) error {
	p := s.plan()
	p.add(oneRow(conflict("ref")), `INSERT INTO handed (id, client, unit, state, at, doc) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
		h.ID, h.Client, string(h.Unit), h.State, nanos(h.At), p.sealJSON(place("handed", "doc", h.ID), handedDoc{h.Ref, h.Form}))
	return s.db.Write(ctx, p.run)
}

const handedColumns = `id, client, unit, state, at, doc, student_uid, settled_at, settled_by, words`

func (s *Store) handed(ctx context.Context, rest string, args ...any) ([]store.Handed, error) {
	var out []store.Handed
	err := s.query(ctx, func(r Rows) error {
		var h store.Handed
		var at, settled int64
		var doc string
		if err := r.Scan(&h.ID, &h.Client, (*string)(&h.Unit), &h.State, &at, &doc, (*string)(&h.UID), &settled, &h.SettledBy, &h.Words); err != nil {
			return err
		}
		h.At, h.SettledAt = moment(at), moment(settled)
		var d handedDoc
		if err := s.openJSON(place("handed", "doc", h.ID), doc, &d); err != nil {
			return err
		}
		h.Ref, h.Form = d.Ref, d.Form
		if err := s.openText(place("handed", "words", h.ID), &h.Words); err != nil {
			return err
		}
		out = append(out, h)
		return nil
	}, `SELECT `+handedColumns+` FROM handed `+rest, args...)
	return out, err
}

// Handed reads one.
func (s *Store) Handed(ctx context.Context, id string) (store.Handed, error) {
	return only(s.handed(ctx, `WHERE id = $1`, id))
}

// SettleHanded moves one out of waiting.
func (s *Store) SettleHanded(ctx context.Context, h store.Handed) error {
	p := s.plan()
	p.add(oneRow(conflict("state")), `UPDATE handed SET state = $2, student_uid = $3, settled_at = $4, settled_by = $5, words = $6 WHERE id = $1 AND state = 'waiting'`,
		h.ID, h.State, string(h.UID), nanos(h.SettledAt), h.SettledBy, p.sealText(place("handed", "words", h.ID), h.Words))
	return s.db.Write(ctx, p.run)
}

// HandedTo lists a unit's of a state, oldest first.
func (s *Store) HandedTo(ctx context.Context, unit registry.Unit, state string, limit int) ([]store.Handed, error) {
	return s.handed(ctx, `WHERE unit = $1 AND state = $2 ORDER BY at, id LIMIT $3`, string(unit), state, int64(limit))
}

// HandedAt says when each came.
func (s *Store) HandedAt(ctx context.Context, unit registry.Unit, state string) ([]time.Time, error) {
	var out []time.Time
	err := s.query(ctx, func(r Rows) error {
		var at int64
		err := r.Scan(&at)
		out = append(out, moment(at))
		return err
	}, `SELECT at FROM handed WHERE unit = $1 AND state = $2 ORDER BY at`, string(unit), state)
	return out, err
}
