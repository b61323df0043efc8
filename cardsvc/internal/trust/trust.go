// Package trust keeps what this cardsvc judges cards by: the pinned roots, and the last good certificates and status list, durable so that cards are judged
// offline after a restart. It must not import net/http.
package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
	"xueji/cardsvc/securemsg"
)

const file = "trust.json"

// maxRoots bounds a roots file in bytes.
const maxRoots = 64 << 10

// ErrRefused says that pushed trust does not stand under the pinned roots; what was held stays.
var ErrRefused = errors.New("not vouched for by the pinned roots")

// LoadRoots reads a roots file as `issuer init` writes it.
func LoadRoots(path string) ([]credential.Root, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("roots file: %w; it is written by `issuer init`, or comes with the kiosk's enrolment", err)
	}
	if info.Size() > maxRoots {
		return nil, fmt.Errorf("roots file %s: %d bytes is too long for a roots file", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("roots file: %w", err)
	}
	roots, err := credential.DecodeRoots(b)
	if err != nil {
		return nil, fmt.Errorf("roots file %s: %w", path, err)
	}
	return roots, nil
}

// Store holds the trust. It is safe for concurrent use.
type Store struct {
	roots    []credential.Root
	verifier *credential.Verifier
	dir      string

	mu   sync.Mutex
	held localapi.Trust // without Readers

	readers atomic.Pointer[localapi.Readers] // memory alone
}

// Open makes a store over dir ("" keeps nothing) and takes up the last good trust there. A damaged file is set aside under another name and reported: judging then
// says "unknown issuer" until trust is pushed again.
func Open(log *slog.Logger, roots []credential.Root, dir string) (*Store, error) {
	s := &Store{roots: roots, verifier: credential.NewVerifier(roots), dir: dir}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("trust file: %w", err)
	}
	var t localapi.Trust
	if err = json.Unmarshal(b, &t); err == nil {
		err = s.apply(t)
	}
	if err != nil {
		bad := filepath.Join(dir, file+".bad")
		log.Error("the kept trust is not good under the pinned roots; set aside", "file", bad, "error", err)
		if err := os.Rename(filepath.Join(dir, file), bad); err != nil {
			return nil, fmt.Errorf("trust file: %w", err)
		}
	}
	return s, nil
}

// Verifier judges by the trust held now.
func (s *Store) Verifier() *credential.Verifier { return s.verifier }

// maxReaders bounds the keys of readers: one for each kind of card.
const maxReaders = 64

// Reader is the key that opens the sealed records of an authority's cards of a profile.
func (s *Store) Reader(authority, profile string) (securemsg.Secret, bool) {
	r := s.readers.Load()
	if r == nil || r.Authority != authority || r.Keys[profile] == nil {
		return securemsg.Secret{}, false
	}
	return securemsg.NewSecret(r.Keys[profile]), true
}

// putReaders takes readers' keys, never to the disk.
func (s *Store) putReaders(r *localapi.Readers) error {
	if r == nil {
		return nil
	}
	if len(r.Keys) > maxReaders {
		return fmt.Errorf("%w: %d keys of readers", ErrRefused, len(r.Keys))
	}
	for profile, key := range r.Keys {
		if len(key) != credential.ReaderKeySize {
			return fmt.Errorf("%w: the reader's key of profile %q has %d bytes", ErrRefused, profile, len(key))
		}
	}
	s.readers.Store(r)
	return nil
}

// Put takes pushed trust; on nil it is durable, but for the readers' keys. A part left empty stays as it is; a status list older than the one held is passed over. Errors
// unwrap to ErrRefused when the fault is in the trust, else they are this machine's.
func (s *Store) Put(t localapi.Trust) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.putReaders(t.Readers); err != nil {
		return err
	}
	merged := s.held
	if len(t.Certificates) > 0 {
		merged.Certificates = t.Certificates
	}
	if len(t.StatusList) > 0 && !older(t.StatusList, s.held.StatusList) {
		merged.StatusList = t.StatusList
	}
	if err := s.apply(merged); err != nil {
		return err
	}
	if s.dir == "" {
		return nil
	}
	b, err := json.Marshal(merged)
	if err != nil {
		return err
	}
	return writeDurably(s.dir, file, b)
}

// apply checks t as a whole on a fresh verifier before it touches the one in use.
func (s *Store) apply(t localapi.Trust) error {
	if len(t.Certificates) == 0 {
		return fmt.Errorf("%w: no certificate", ErrRefused)
	}
	trial := credential.NewVerifier(s.roots)
	for _, v := range []*credential.Verifier{trial, s.verifier} {
		if err := v.SetCertificates(t.Certificates); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		if len(t.StatusList) == 0 {
			continue
		}
		if err := v.SetStatusList(t.StatusList); err != nil {
			return fmt.Errorf("%w: status list: %w", ErrRefused, err)
		}
	}
	s.held = t
	return nil
}

// older says that list a has a lower number than b, both of one authority. Nothing is trusted here: a list that wins is verified after.
func older(a, b []byte) bool {
	la, err := credential.DecodeStatusList(a)
	if err != nil {
		return false
	}
	lb, err := credential.DecodeStatusList(b)
	return err == nil && la.Authority == lb.Authority && la.Number < lb.Number
}

// writeDurably replaces dir/name by b: after it returns nil, b survives a power cut; before, the old file does.
func writeDurably(dir, name string, b []byte) (err error) {
	f, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
