package sqlstore

import (
	"context"
	"errors"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// record reads a pupil's record as it was written, opened: the bytes that its audit entry vouches for.
func (s *Store) record(ctx context.Context, uid registry.UID) (version int64, doc []byte, err error) {
	var clear string // of before the vault
	err = s.row(ctx, []any{&version, &clear, &doc},
		`SELECT p.version, d.doc, d.sealed FROM pupil p JOIN pupil_doc d ON d.student_uid = p.student_uid WHERE p.student_uid = $1`, string(uid))
	if err == nil && len(doc) > 0 {
		return version, doc, s.open(place("pupil_doc", "sealed", string(uid)), &doc)
	}
	return version, []byte(clear), err
}

// Pupil reads the aggregate.
func (s *Store) Pupil(ctx context.Context, uid registry.UID) (registry.Pupil, error) {
	var p registry.Pupil
	version, doc, err := s.record(ctx, uid)
	if err != nil {
		return p, err
	}
	if err := decode("pupil", doc, &p); err != nil {
		return registry.Pupil{}, err
	}
	p.UID, p.Version = uid, version
	return p, nil
}

// History lists a pupil's events, oldest first.
func (s *Store) History(ctx context.Context, uid registry.UID) ([]store.Entry, error) {
	var out []store.Entry
	err := s.query(ctx, func(r Rows) error {
		var (
			e                         store.Entry
			at                        int64
			actor, kind, caseNo, pack string
		)
		if err := r.Scan(&e.Version, &at, &actor, &kind, &caseNo, &e.Payload, &pack); err != nil {
			return err
		}
		e.At, e.Kind, e.CaseNo, e.Pack = moment(at), registry.EventKind(kind), registry.CaseNo(caseNo), pack
		n := decimal(e.Version)
		if err := s.open(place("history", "payload", string(uid), n), &e.Payload); err != nil {
			return err
		}
		if err := s.openJSON(place("history", "actor", string(uid), n), actor, &e.Actor); err != nil {
			return err
		}
		out = append(out, e)
		return nil
	}, `SELECT version, at, actor, kind, case_no, payload, pack FROM history WHERE student_uid = $1 ORDER BY version`, string(uid))
	return out, err
}

// ClaimedBy finds who claimed a document hash.
func (s *Store) ClaimedBy(ctx context.Context, hash []byte) (registry.UID, error) {
	uid, err := s.claimant(ctx, `SELECT student_uid FROM id_claim WHERE id_hash = $1`, hexed(hash))
	if errors.Is(err, registry.ErrNotFound) {
		return "", nil
	}
	return uid, err
}

// ClaimedByMany is ClaimedBy for an import.
func (s *Store) ClaimedByMany(ctx context.Context, hashes [][]byte) (map[string]registry.UID, error) {
	out := map[string]registry.UID{}
	keys := make([]string, len(hashes))
	for i, h := range hashes {
		keys[i] = hexed(h)
	}
	if len(keys) == 0 {
		return out, nil
	}
	err := s.query(ctx, func(r Rows) error {
		var key, uid string
		if err := r.Scan(&key, &uid); err != nil {
			return err
		}
		out[string(unhex(key))] = registry.UID(uid)
		return nil
	}, `SELECT id_hash, student_uid FROM id_claim WHERE `+s.d.In("id_hash", 1), s.d.List(keys))
	return out, err
}

// FindCase finds whose a case number is.
func (s *Store) FindCase(ctx context.Context, no registry.CaseNo) (registry.UID, error) {
	return s.claimant(ctx, `SELECT student_uid FROM case_claim WHERE case_no = $1`, string(no))
}

// FindArchive finds whose an archive number is.
func (s *Store) FindArchive(ctx context.Context, no string) (registry.UID, error) {
	return s.claimant(ctx, `SELECT student_uid FROM archive_claim WHERE archive_no = $1`, no)
}

func (s *Store) claimant(ctx context.Context, sql, key string) (registry.UID, error) {
	var uid string
	err := s.row(ctx, []any{&uid}, sql, key)
	return registry.UID(uid), err
}
