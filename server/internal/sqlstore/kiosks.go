package sqlstore

import (
	"bytes"
	"context"
	"strings"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const kioskColumns = `id, no, name, school, public_key, seal_key, code_hash, code_until, revoked, seen_at, created_at, former, health`

// PutKiosk inserts or updates by ID; ErrConflict when the short number is another's.
func (s *Store) PutKiosk(ctx context.Context, k store.Kiosk) error {
	p := s.plan()
	// A sign of life is no act: only what the log vouches for counts.
	digest := kioskDigest(s.auditKey, k)
	if was, err := s.Kiosk(ctx, k.ID); err != nil || !bytes.Equal(kioskDigest(s.auditKey, was), digest) {
		what := "put"
		if k.Revoked {
			what = "revoke"
		}
		if err := p.audit(s.auditKey, act(ctx, audit.Kiosk, audit.ClassKiosk, k.ID, what, digest)); err != nil {
			return err
		}
	}
	p.add(nil, `INSERT INTO kiosk (`+kioskColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, school = excluded.school, public_key = excluded.public_key, seal_key = excluded.seal_key,
		code_hash = excluded.code_hash, code_until = excluded.code_until, revoked = excluded.revoked, seen_at = excluded.seen_at,
		former = excluded.former, health = excluded.health`,
		k.ID, int64(k.No), k.Name, string(k.School), blobOf(k.PublicKey), blobOf(k.SealKey), hexed(k.CodeHash), nanos(k.CodeUntil), k.Revoked,
		nanos(k.SeenAt), nanos(k.CreatedAt), joinUnits(k.Former), string(k.Health))
	return s.db.Write(ctx, p.run)
}

func joinUnits(us []registry.Unit) string {
	s := make([]string, len(us))
	for i, u := range us {
		s[i] = string(u)
	}
	return strings.Join(s, " ")
}

// SeeKiosk notes a sign of life; ErrNotFound when there is no such device.
func (s *Store) SeeKiosk(ctx context.Context, id string, at time.Time, health []byte) error {
	return s.exec(ctx, oneRow(registry.ErrNotFound), `UPDATE kiosk SET seen_at = $2, health = $3 WHERE id = $1`, id, nanos(at), string(health))
}

func (s *Store) kiosks(ctx context.Context, where string, args ...any) ([]store.Kiosk, error) {
	var out []store.Kiosk
	err := s.query(ctx, func(r Rows) error {
		var (
			k                 store.Kiosk
			code, former      string
			health            string
			until, seen, made int64
		)
		err := r.Scan(&k.ID, &k.No, &k.Name, (*string)(&k.School), &k.PublicKey, &k.SealKey, &code, &until, &k.Revoked, &seen, &made, &former, &health)
		k.CodeHash, k.CodeUntil, k.SeenAt, k.CreatedAt = unhex(code), moment(until), moment(seen), moment(made)
		for _, u := range strings.Fields(former) {
			k.Former = append(k.Former, registry.Unit(u))
		}
		if health != "" {
			k.Health = []byte(health)
		}
		out = append(out, k)
		return err
	}, `SELECT `+kioskColumns+` FROM kiosk `+where, args...)
	return out, err
}

func (s *Store) kiosk(ctx context.Context, where string, args ...any) (store.Kiosk, error) {
	return only(s.kiosks(ctx, where, args...))
}

// Kiosk reads a device, revoked or not.
func (s *Store) Kiosk(ctx context.Context, id string) (store.Kiosk, error) {
	return s.kiosk(ctx, `WHERE id = $1`, id)
}

// KioskByCode finds the device a one-time code enrols; the caller judges CodeUntil.
func (s *Store) KioskByCode(ctx context.Context, codeHash []byte) (store.Kiosk, error) {
	if len(codeHash) == 0 {
		return store.Kiosk{}, registry.ErrNotFound
	}
	return s.kiosk(ctx, `WHERE code_hash <> '' AND code_hash = $1`, hexed(codeHash))
}

// Kiosks lists the devices that belong, or once belonged, to a school, or all, by number.
func (s *Store) Kiosks(ctx context.Context, school registry.Unit) ([]store.Kiosk, error) {
	if school == "" {
		return s.kiosks(ctx, `ORDER BY no`)
	}
	return s.kiosks(ctx, `WHERE school = $1 OR ' ' || former || ' ' LIKE '% ' || $1 || ' %' ORDER BY no`, string(school))
}
