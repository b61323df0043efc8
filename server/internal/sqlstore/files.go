package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"xueji/server/internal/store"
)

// PutFile keeps a file once by its content, and everyone it was put for.
func (s *Store) PutFile(ctx context.Context, f store.File) error {
	if len(f.Body) > store.MaxFile {
		return invalid("body")
	}
	if d := sha256.Sum256(f.Body); hex.EncodeToString(d[:]) != f.Digest {
		return invalid("digest")
	}
	p := s.plan()
	p.add(nil, `INSERT INTO file (digest, name, media_type, unit, owner_uid, at, body) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (digest) DO NOTHING`,
		f.Digest, p.sealText(place("file", "name", f.Digest), fitText(f.Name)), f.Type, string(f.Unit), string(f.UID), nanos(f.At),
		p.seal(place("file", "body", f.Digest), f.Body))
	p.add(nil, `INSERT INTO file_owner (digest, unit, owner_uid) VALUES ($1, $2, $3) ON CONFLICT (digest, unit, owner_uid) DO NOTHING`,
		f.Digest, string(f.Unit), string(f.UID))
	return s.db.Write(ctx, p.run)
}

// File reads a file.
func (s *Store) File(ctx context.Context, digest string) (store.File, error) {
	f := store.File{Digest: digest}
	var at int64
	err := s.row(ctx, []any{&f.Name, &f.Type, (*string)(&f.Unit), (*string)(&f.UID), &at, &f.Body},
		`SELECT name, media_type, unit, owner_uid, at, body FROM file WHERE digest = $1`, digest)
	if err != nil {
		return store.File{}, err
	}
	f.At = moment(at)
	if err := s.openText(place("file", "name", digest), &f.Name); err != nil {
		return store.File{}, err
	}
	if err := s.open(place("file", "body", digest), &f.Body); err != nil {
		return store.File{}, err
	}
	return f, nil
}

// FileOwners lists everyone a file was put for.
func (s *Store) FileOwners(ctx context.Context, digest string) ([]store.FileOwner, error) {
	var out []store.FileOwner
	err := s.query(ctx, func(r Rows) error {
		var o store.FileOwner
		err := r.Scan((*string)(&o.Unit), (*string)(&o.UID))
		out = append(out, o)
		return err
	}, `SELECT unit, owner_uid FROM file_owner WHERE digest = $1 ORDER BY unit, owner_uid`, digest)
	return out, err
}
