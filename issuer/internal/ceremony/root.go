package ceremony

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xueji/cardsvc/credential"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/custody/token"
)

// Files of the root's folder on the offline machine.
const (
	fileState  = "root.json"
	fileSealed = "root.sealed"
	// FileRoots is what verifiers pin.
	FileRoots = custody.FileRoots
)

// Zone is the clock of every date of a ceremony: Beijing.
var Zone = time.FixedZone("UTC+8", 8*3600)

// Limits of a certificate: yearly keys that overlap.
const (
	// Overlap is how long a key may go on signing beside its successor.
	Overlap = 90 * 24 * time.Hour
	// MaxLife is the longest certificate: a year, the overlap, and a leap day.
	MaxLife = 366*24*time.Hour + Overlap
)

// ErrGap says that no issuing key would be valid for a while.
var ErrGap = errors.New("there would be days without a valid issuing key")

// state is root.json: nothing in it is secret, all of it is worth keeping.
type state struct {
	Version   int              `json:"version"`
	Authority string           `json:"authority"`
	Suite     credential.Suite `json:"suite"`
	Created   time.Time        `json:"created"`
	KeyID     string           `json:"key_id"`
	Key       string           `json:"key"` // root.sealed, or a PKCS#11 URI
	Issued    []Issued         `json:"issued"`
}

// Issued is a certificate the root has signed.
type Issued struct {
	KeyID     string    `json:"key_id"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	At        time.Time `json:"at"`
	SHA256    string    `json:"sha256"` // of the certificate's file
}

// Root is the root's folder with its key shut.
type Root struct {
	dir   string
	state state
	root  credential.Root
	raw   []byte // roots.cbor
}

// NewRoot makes a province's root in a new folder. The key is sealed with the passphrases, or, when where is a PKCS#11 URI, made inside that token. Durable on return.
func NewRoot(dir, authority string, suite credential.Suite, p Passphrases, where string, now time.Time) (*Root, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("root folder: %w", err)
	}
	for _, n := range []string{fileState, fileSealed, FileRoots} {
		if _, err := os.Lstat(filepath.Join(dir, n)); err == nil {
			return nil, fmt.Errorf("%w: %s holds %s; a root is never overwritten: use another folder", custody.ErrExists, dir, n)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("root folder: %w", err)
		}
	}
	st := state{Version: 1, Authority: authority, Suite: suite, Created: now.UTC(), Issued: []Issued{}}
	var signer credential.Signer
	if where == "" {
		if err := p.check(); err != nil {
			return nil, err
		}
		key, err := credential.GenerateKey(suite, rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := key.MarshalBinary()
		if err != nil {
			return nil, err
		}
		defer clear(der)
		sealed, err := seal(der, p, rootCost)
		if err != nil {
			return nil, err
		}
		if err := write(dir, fileSealed, sealed, 0o600); err != nil {
			return nil, err
		}
		signer, st.Key = key, fileSealed
	} else {
		if suite != credential.ES256 {
			return nil, fmt.Errorf("a token signs with %s only: seal an %s root with passphrases", credential.ES256, suite)
		}
		a, err := token.Parse(where)
		if err != nil {
			return nil, err
		}
		if a.Object == "" {
			a.Object = fmt.Sprintf("xueji-%s-root-%s", authority, now.UTC().Format("20060102-150405"))
		}
		tok, err := token.Open(a)
		if err != nil {
			return nil, err
		}
		defer tok.Close()
		if signer, err = tok.GenerateSigner(a.Object); err != nil {
			return nil, err
		}
		st.Key = a.String()
	}
	id := signer.KeyID()
	st.KeyID = hex.EncodeToString(id[:])
	r := &Root{dir: dir, state: st, root: credential.RootOf(signer, authority)}
	var err error
	if r.raw, err = credential.EncodeRoots([]credential.Root{r.root}); err != nil {
		return nil, err
	}
	if err := write(dir, FileRoots, r.raw, 0o644); err != nil {
		return nil, err
	}
	return r, r.save()
}

// OpenRoot reads the folder; the key stays shut.
func OpenRoot(dir string) (*Root, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileState))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a root's folder: make one with `issuer ceremony root`", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("root folder: %w", err)
	}
	r := &Root{dir: dir}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r.state); err != nil || r.state.Version != 1 {
		return nil, fmt.Errorf("%s is not one this program knows", fileState)
	}
	if r.raw, err = os.ReadFile(filepath.Join(dir, FileRoots)); err != nil {
		return nil, err
	}
	roots, err := credential.DecodeRoots(r.raw)
	if err != nil || len(roots) != 1 || hex.EncodeToString(roots[0].KeyID[:]) != r.state.KeyID || roots[0].Authority != r.state.Authority {
		return nil, fmt.Errorf("%s and %s do not belong together", FileRoots, fileState)
	}
	r.root = roots[0]
	return r, nil
}

// Pinned is the root as verifiers pin it.
func (r *Root) Pinned() credential.Root { return r.root }

// RootsFile is roots.cbor.
func (r *Root) RootsFile() []byte { return bytes.Clone(r.raw) }

// InToken says that the key lies in a token and no passphrase is wanted.
func (r *Root) InToken() bool { return strings.HasPrefix(r.state.Key, token.Scheme) }

// Holders is how many passphrases open the key; 0 when it lies in a token.
func (r *Root) Holders() (int, error) {
	if r.InToken() {
		return 0, nil
	}
	b, err := os.ReadFile(filepath.Join(r.dir, fileSealed))
	if err != nil {
		return 0, err
	}
	return holders(b)
}

// signer opens the key.
func (r *Root) signer(p Passphrases) (s credential.Signer, done func(), err error) {
	done = func() {}
	if r.InToken() {
		a, err := token.Parse(r.state.Key)
		if err != nil {
			return nil, done, err
		}
		tok, err := token.Open(a)
		if err != nil {
			return nil, done, err
		}
		if s, err = tok.Signer(a.Object); err != nil {
			_ = tok.Close()
			return nil, done, err
		}
		done = func() { _ = tok.Close() }
	} else {
		b, err := os.ReadFile(filepath.Join(r.dir, fileSealed))
		if err != nil {
			return nil, done, err
		}
		der, err := unseal(b, p)
		if err != nil {
			return nil, done, err
		}
		defer clear(der)
		if s, err = credential.ParsePrivateKey(der); err != nil {
			return nil, done, err
		}
	}
	if s.KeyID() != r.root.KeyID {
		done()
		return nil, func() {}, errors.New("the key is not this root's")
	}
	return s, done, nil
}

// Validity is when a key may sign.
type Validity struct{ From, Until time.Time }

// Year is the yearly validity that begins on a day: a year and the overlap.
func Year(from time.Time) Validity {
	y, m, d := from.In(Zone).Date()
	begin := time.Date(y, m, d, 0, 0, 0, 0, Zone)
	return Validity{begin, begin.AddDate(1, 0, 0).Add(Overlap)}
}

// Check says whether the root would certify, before anybody types a passphrase. Errors: ErrGap when the newest certificate so far ends before this one begins (unless
// allowGap), a life above MaxLife, a key that was certified before, another authority or suite.
func (r *Root) Check(q Request, v Validity, allowGap bool, now time.Time) error {
	id := hex.EncodeToString(q.KeyID[:])
	switch {
	case q.Authority != r.state.Authority || q.Suite != r.state.Suite:
		return fmt.Errorf("the request is for authority %s and suite %s, this root is %s and %s", q.Authority, q.Suite, r.state.Authority, r.state.Suite)
	case q.KeyID == r.root.KeyID:
		return errors.New("the root's own key issues no cards")
	case !v.Until.After(v.From) || v.Until.Sub(v.From) > MaxLife:
		return fmt.Errorf("an issuing key is certified for a year and %d days of overlap at most", Overlap/(24*time.Hour))
	case !v.Until.After(now):
		return errors.New("the validity lies in the past: is this machine's clock right?")
	case slices.ContainsFunc(r.state.Issued, func(i Issued) bool { return i.KeyID == id }):
		return fmt.Errorf("key %s was certified before: each year has a key of its own", id)
	}
	var last time.Time
	for _, i := range r.state.Issued {
		if i.NotAfter.After(last) {
			last = i.NotAfter
		}
	}
	if !last.IsZero() && last.Before(v.From) && !allowGap {
		return fmt.Errorf("%w: the last one ends on %s; begin this one earlier, or say --allow-gap", ErrGap, last.In(Zone).Format(time.DateOnly))
	}
	return nil
}

// Certify signs a certificate for the key of a request, logged in the root's folder before it is handed out. Errors: Check's, ErrPassphrase.
func (r *Root) Certify(q Request, v Validity, p Passphrases, allowGap bool, now time.Time) ([]byte, error) {
	if err := r.Check(q, v, allowGap, now); err != nil {
		return nil, err
	}
	signer, done, err := r.signer(p)
	if err != nil {
		return nil, err
	}
	defer done()
	cert, err := credential.SignCertificate(credential.Certificate{Suite: q.Suite, PublicKey: q.PublicKey, Authority: q.Authority, NotBefore: v.From, NotAfter: v.Until}, signer)
	if err != nil {
		return nil, err
	}
	if err := credential.NewVerifier([]credential.Root{r.root}).SetCertificates([][]byte{cert}); err != nil {
		return nil, fmt.Errorf("the certificate just made does not verify: %w", err)
	}
	sum := sha256.Sum256(cert)
	r.state.Issued = append(r.state.Issued, Issued{hex.EncodeToString(q.KeyID[:]), v.From.UTC(), v.Until.UTC(), now.UTC(), hex.EncodeToString(sum[:])})
	return cert, r.save()
}

func (r *Root) save() error {
	b, err := json.MarshalIndent(r.state, "", "  ")
	if err != nil {
		return err
	}
	return write(r.dir, fileState, append(b, '\n'), 0o600)
}

// write puts a file in place at once, durable on return.
func write(dir, name string, b []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = f.Chmod(mode)
	if err == nil {
		_, err = f.Write(b)
	}
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
		return fmt.Errorf("%s: %w", name, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
