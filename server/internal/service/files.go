package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/internal/upload"
	"xueji/server/registry"
)

// readAll reads an upload of at most store.MaxFile bytes; more is CodeInvalid with the limit in MiB.
func readAll(r io.Reader, field string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, store.MaxFile+1))
	if err != nil {
		return nil, &registry.Error{Code: registry.CodeInvalid, Field: field, Params: map[string]string{"why": "damaged"}, Err: err}
	}
	if len(body) > store.MaxFile {
		return nil, fail(registry.CodeInvalid, field, map[string]string{"why": "too_big", "max": strconv.Itoa(store.MaxFile >> 20)})
	}
	if len(body) == 0 {
		return nil, fail(registry.CodeInvalid, field, map[string]string{"why": "empty"})
	}
	return body, nil
}

// keep stores a file under its digest.
func (s *Service) keep(ctx context.Context, f store.File) (string, error) {
	sum := sha256.Sum256(f.Body)
	f.Digest, f.At = hex.EncodeToString(sum[:]), s.now().UTC()
	return f.Digest, internal(s.st.PutFile(ctx, f))
}

// takes refuses a file that package upload or the virus scanner has something against: CodeInvalid, why.
func (s *Service) takes(ctx context.Context, field, mediaType string, b []byte) error {
	why := upload.Check(mediaType, b)
	if why == "" {
		return s.uninfected(ctx, field, b)
	}
	s.onEvent("upload", string(why))
	return fail(registry.CodeInvalid, field, map[string]string{"why": string(why), "types": "JPEG, PNG, PDF"})
}

// uninfected refuses a file in which the virus scanner finds something (why=virus), and one that cannot be asked about (CodeUnavailable).
func (s *Service) uninfected(ctx context.Context, field string, b []byte) error {
	if s.scan == nil {
		return nil
	}
	found, err := s.scan(ctx, b)
	if err != nil {
		return &registry.Error{Code: registry.CodeUnavailable, Field: field, Err: err}
	}
	if found == "" {
		return nil
	}
	s.onEvent("upload", "virus")
	s.log.WarnContext(ctx, "a file with something in it was refused", "found", found)
	return fail(registry.CodeInvalid, field, map[string]string{"why": "virus", "found": found})
}

// PutFile files a scan or a photo for a pupil ("" : for the unit), once package upload has nothing against it.
func (s *Service) PutFile(ctx context.Context, who Staff, uid registry.UID, name, mediaType string, body io.Reader) (string, error) {
	if err := s.scope(who).Check(access.PutPaper); err != nil {
		return "", err
	}
	if uid != "" {
		if _, v, err := s.see(ctx, who, uid); err != nil {
			return "", err
		} else if v != access.ViewFull {
			return "", registry.ErrNotFound
		}
	}
	b, err := readAll(body, "file")
	if err != nil {
		return "", err
	}
	if err := s.takes(ctx, "file", mediaType, b); err != nil {
		return "", err
	}
	return s.keep(ctx, store.File{Name: name, Type: mediaType, Unit: who.Unit, UID: uid, Body: b})
}

// File is a file that was put for a pupil who exists for who, or by who's own unit.
func (s *Service) File(ctx context.Context, who Staff, digest string) (store.File, error) {
	sc := s.scope(who)
	if !sc.May(access.PutPaper) && !sc.May(access.Issue) {
		return store.File{}, registry.ErrNotFound
	}
	owners, err := s.st.FileOwners(ctx, digest)
	if err != nil {
		return store.File{}, internal(err)
	}
	for _, o := range owners {
		if o.UID == "" {
			if o.Unit == who.Unit && sc.May(access.PutPaper) {
				return s.file(ctx, who, nil, digest)
			}
			continue
		}
		p, err := s.st.Pupil(ctx, o.UID)
		if err != nil {
			continue
		}
		switch sc.Pupil(&p) {
		case access.ViewFull:
			return s.file(ctx, who, &p, digest)
		case access.ViewCard:
			if p.Photo == digest {
				return s.file(ctx, who, &p, digest)
			}
		}
	}
	return store.File{}, registry.ErrNotFound
}

// file reads a file and records that it was read; p is the pupil whose it is, nil for a unit's own.
func (s *Service) file(ctx context.Context, who Staff, p *registry.Pupil, digest string) (store.File, error) {
	f, err := s.st.File(ctx, digest)
	if err != nil {
		return f, internal(err)
	}
	if p != nil {
		return f, s.look(ctx, who, audit.FileRead, p, digest)
	}
	return f, s.record(ctx, who, audit.Entry{Kind: audit.FileRead, What: digest})
}
