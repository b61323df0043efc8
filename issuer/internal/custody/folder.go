package custody

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/securemsg"
	"xueji/issuer/internal/custody/token"
)

// version is the manifest's newest; version 1 knew one issuing key in files of fixed names.
const version = 2

// manifest says what the folder holds. It is replaced whole, never changed in place.
type manifest struct {
	Version   int              `json:"version"`
	Authority string           `json:"authority"`
	Suite     credential.Suite `json:"suite"`
	Created   time.Time        `json:"created"`
	Epochs    []uint16         `json:"epochs"`
	Issuing   []entry          `json:"issuing,omitempty"`
	Pending   []entry          `json:"pending,omitempty"` // keys that wait for the root's certificate
	// Masters are the card master keys that lie in a token: cipher → PKCS#11 URI. The others are in FileMasters.
	// They are those of the first generation; MasterGens tells of all once there is a second, or keys lie in a token.
	Masters    map[securemsg.Cipher]string `json:"masters,omitempty"`
	MasterGens []masterGen                 `json:"master_generations,omitempty"`
	// Readers are the reader master keys that lie in a token: cipher → PKCS#11 URI. The others are in FileReaders.
	Readers map[securemsg.Cipher]string `json:"readers,omitempty"`
}

// entry is an issuing key and its certificate.
type entry struct {
	Key         string `json:"key,omitempty"` // file of the folder, or a PKCS#11 URI; "" once the key was destroyed: its certificate still verifies cards
	Certificate string `json:"certificate,omitempty"`
	KeyID       string `json:"key_id,omitempty"` // hex
}

// ErrNotIssuer says that a folder is not, or not yet, an issuer's.
var ErrNotIssuer = errors.New("not an issuer's folder")

func readManifest(dir string) (manifest, error) {
	var m manifest
	b, err := os.ReadFile(filepath.Join(dir, fileManifest))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s is %w: run `issuer init --dir %s --authority CODE` once, or begin with `issuer ceremony request`; if an earlier init was cut off, empty the folder first (no card was made with it)", dir, ErrNotIssuer, dir)
	}
	if err != nil {
		return m, fmt.Errorf("issuer folder: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", fileManifest, err)
	}
	switch m.Version {
	case 1:
		m.Issuing = []entry{{Key: fileIssuing, Certificate: fileCert}}
	case version:
	default:
		return m, fmt.Errorf("%s: version %d, this program knows %d", fileManifest, m.Version, version)
	}
	for _, e := range slices.Concat(m.Issuing, m.Pending) {
		for _, name := range []string{e.Key, e.Certificate} {
			if name != "" && !strings.HasPrefix(name, token.Scheme) && name != filepath.Base(name) {
				return m, fmt.Errorf("%s: %q is not a file of the folder", fileManifest, name)
			}
		}
	}
	return m, nil
}

// Folder is an issuer's folder open for change by a ceremony. A running issuer sees changes when it is started again.
type Folder struct {
	dir string
	m   manifest
}

// CreateFolder begins an issuer that has no key yet. ErrExists when one is there.
func CreateFolder(dir, authority string, suite credential.Suite, now time.Time) (*Folder, error) {
	if credential.ReadingKeySize(suite) == 0 {
		return nil, credential.ErrSuite
	}
	if len(authority) != 6 || strings.Trim(authority, "0123456789") != "" {
		return nil, errors.New("the authority is a province's code of six digits, such as 330000")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("issuer folder: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, fileManifest)); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("issuer folder: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("issuer folder: %w", err)
	}
	f := &Folder{dir, manifest{Version: version, Authority: authority, Suite: suite, Created: now.UTC()}}
	return f, f.save()
}

// OpenFolder opens a folder, ready for making cards or not.
func OpenFolder(dir string) (*Folder, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{dir, m}, nil
}

// save replaces the manifest, durable on return.
func (f *Folder) save() error {
	f.m.Version = version
	b, err := json.MarshalIndent(f.m, "", "  ")
	if err != nil {
		return err
	}
	const next = fileManifest + ".next"
	if err := os.Remove(filepath.Join(f.dir, next)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := create(f.dir, next, append(b, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(f.dir, next), filepath.Join(f.dir, fileManifest)); err != nil {
		return err
	}
	return syncDir(f.dir)
}

// Authority is the province's code.
func (f *Folder) Authority() string { return f.m.Authority }

// Suite of the issuing keys.
func (f *Folder) Suite() credential.Suite { return f.m.Suite }

// NewKey makes an issuing key that waits for its certificate: a file of the folder, or, when where is a PKCS#11 URI, a key inside that token (its object is the key's
// label; one is chosen when it names none). Durable on return. done logs out of the token.
func (f *Folder) NewKey(where string, now time.Time) (key credential.Signer, done func(), err error) {
	done = func() {}
	if where == "" {
		made, err := credential.GenerateKey(f.m.Suite, rand.Reader)
		if err != nil {
			return nil, done, err
		}
		b, err := encodeKey(made)
		if err != nil {
			return nil, done, err
		}
		defer clear(b)
		id := keyName(made.KeyID())
		name := "issuing-" + id + ".key"
		if err := create(f.dir, name, b, 0o600); err != nil {
			return nil, done, err
		}
		f.m.Pending = append(f.m.Pending, entry{Key: name, KeyID: id})
		return made, done, f.save()
	}
	if f.m.Suite != credential.ES256 {
		return nil, done, fmt.Errorf("a token signs with %s only, this issuer's suite is %s: keep its keys in files, or make an issuer of suite %s", credential.ES256, f.m.Suite, credential.ES256)
	}
	a, err := token.Parse(where)
	if err != nil {
		return nil, done, err
	}
	if a.Object == "" {
		a.Object = fmt.Sprintf("xueji-%s-issuing-%s", f.m.Authority, now.UTC().Format("20060102-150405"))
	}
	tok, err := token.Open(a)
	if err != nil {
		return nil, done, err
	}
	done = func() { _ = tok.Close() }
	inside, err := tok.GenerateSigner(a.Object)
	if err != nil {
		done()
		return nil, func() {}, err
	}
	key = inside
	f.m.Pending = append(f.m.Pending, entry{Key: a.String(), KeyID: keyName(key.KeyID())})
	return key, done, f.save()
}

func keyName(id [credential.KeyIDSize]byte) string { return hex.EncodeToString(id[:]) }

// Accept takes the root's certificate for a key that waits. roots is the file that verifiers pin: wanted the first time; later it may only add roots. With the first
// certificate the folder gets its first reading key and becomes an issuer's. Durable on return; a refusal changes nothing.
func (f *Folder) Accept(cert, roots []byte) (credential.Certificate, error) {
	none := credential.Certificate{}
	c, err := credential.DecodeCertificate(cert)
	if err != nil {
		return none, err
	}
	at := slices.IndexFunc(f.m.Pending, func(e entry) bool { return e.KeyID == keyName(c.KeyID) })
	if at < 0 {
		return none, fmt.Errorf("no key of this folder waits for the certificate of key %s: is it another issuer's, or accepted already?", keyName(c.KeyID))
	}
	if c.Authority != f.m.Authority {
		return none, fmt.Errorf("the certificate is for authority %s, this issuer is %s", c.Authority, f.m.Authority)
	}
	held, err := os.ReadFile(filepath.Join(f.dir, FileRoots))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return none, err
	}
	all, changed, err := mergeRoots(held, roots)
	if err != nil {
		return none, err
	}
	if err := credential.NewVerifier(all).SetCertificates([][]byte{cert}); err != nil {
		return none, fmt.Errorf("the certificate does not stand under the pinned roots: %w", err)
	}
	if changed {
		b, err := credential.EncodeRoots(all)
		if err != nil {
			return none, err
		}
		if err := replace(f.dir, FileRoots, b, 0o644); err != nil {
			return none, err
		}
	}
	e := f.m.Pending[at]
	e.Certificate = "issuing-" + e.KeyID + ".cert"
	if err := replace(f.dir, e.Certificate, cert, 0o644); err != nil {
		return none, err
	}
	if len(f.m.Epochs) == 0 {
		k, err := credential.NewReadingKey(1, f.m.Suite, rand.Reader)
		if err != nil {
			return none, err
		}
		b := encodeReading(k)
		defer clear(b)
		if err := replace(f.dir, fmt.Sprintf(fileReading, 1), b, 0o600); err != nil { // one left by an accept that was cut off sealed nothing yet
			return none, err
		}
		f.m.Epochs = []uint16{1}
	}
	f.m.Pending = slices.Delete(f.m.Pending, at, at+1)
	f.m.Issuing = append(f.m.Issuing, e)
	return c, f.save()
}

// NewEpoch draws the reading key of the next epoch: from the issuer's next start new cards are sealed under it. Durable on return. It gives the epoch.
func (f *Folder) NewEpoch() (uint16, error) {
	if len(f.m.Epochs) == 0 {
		return 0, fmt.Errorf("%s is %w yet: its first epoch begins with its first certificate", f.dir, ErrNotIssuer)
	}
	last := slices.Max(f.m.Epochs)
	if last == math.MaxUint16 {
		return 0, errors.New("there is no epoch after the last one that a card can name: make a new issuer")
	}
	k, err := credential.NewReadingKey(last+1, f.m.Suite, rand.Reader)
	if err != nil {
		return 0, err
	}
	defer clear(k.Key)
	b := encodeReading(k)
	defer clear(b)
	if err := replace(f.dir, fmt.Sprintf(fileReading, k.Epoch), b, 0o600); err != nil { // one left by an act that was cut off sealed nothing yet
		return 0, err
	}
	f.m.Epochs = append(f.m.Epochs, k.Epoch)
	return k.Epoch, f.save()
}

// Epochs are those whose keys the folder keeps, ascending.
func (f *Folder) Epochs() []uint16 { return slices.Sorted(slices.Values(f.m.Epochs)) }

// RetireEpoch destroys the reading key of an epoch that is not the newest: no device gets its keys any more. Cards on it stay good; kiosks cannot open them until they are
// rewritten. Durable on return.
func (f *Folder) RetireEpoch(epoch uint16) error {
	switch at := slices.Index(f.m.Epochs, epoch); {
	case at < 0:
		return fmt.Errorf("no epoch %d here", epoch)
	case epoch == slices.Max(f.m.Epochs):
		return fmt.Errorf("epoch %d is the newest: cards are made on it. Begin the next one first (`issuer ceremony epoch`)", epoch)
	default:
		f.m.Epochs = slices.Delete(f.m.Epochs, at, at+1)
		return f.destroy(entry{Key: fmt.Sprintf(fileReading, epoch)})
	}
}

// mergeRoots adds the roots of more to those held; a held one never goes.
func mergeRoots(held, more []byte) (all []credential.Root, changed bool, err error) {
	if held != nil {
		if all, err = credential.DecodeRoots(held); err != nil {
			return nil, false, fmt.Errorf("%s: %w", FileRoots, err)
		}
	}
	if more != nil {
		add, err := credential.DecodeRoots(more)
		if err != nil {
			return nil, false, fmt.Errorf("the roots file: %w", err)
		}
		for _, r := range add {
			if !slices.ContainsFunc(all, func(h credential.Root) bool { return h.KeyID == r.KeyID && bytes.Equal(h.PublicKey, r.PublicKey) }) {
				all, changed = append(all, r), true
			}
		}
	}
	if len(all) == 0 {
		return nil, false, fmt.Errorf("this folder knows no root yet: give the %s of the root's ceremony with --roots", FileRoots)
	}
	return all, changed, nil
}

// KeyState is an issuing key for people.
type KeyState struct {
	KeyID       string
	Place       string // "file", the token's URI, or "destroyed"
	Pending     bool
	Certificate credential.Certificate // zero when pending
	PublicKey   []byte                 // nil when pending
}

// Keys lists all issuing keys, those that wait last.
func (f *Folder) Keys() ([]KeyState, error) {
	var out []KeyState
	for _, e := range f.m.Issuing {
		b, err := os.ReadFile(filepath.Join(f.dir, e.Certificate))
		if err != nil {
			return nil, err
		}
		c, err := credential.DecodeCertificate(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Certificate, err)
		}
		out = append(out, KeyState{KeyID: keyName(c.KeyID), Place: e.place(), Certificate: c, PublicKey: c.PublicKey})
	}
	for _, e := range f.m.Pending {
		out = append(out, KeyState{KeyID: e.KeyID, Place: e.place(), Pending: true})
	}
	return out, nil
}

func (e entry) place() string {
	switch {
	case e.Key == "":
		return "destroyed"
	case strings.HasPrefix(e.Key, token.Scheme):
		return e.Key
	}
	return "file"
}

// Retire destroys the private half of an issuing key whose certificate has ended, or one that waits and is given up; cards it signed go on verifying by the certificate,
// which stays. Durable on return.
func (f *Folder) Retire(keyID string, now time.Time) error {
	if at := slices.IndexFunc(f.m.Pending, func(e entry) bool { return e.KeyID == keyID }); at >= 0 {
		e := f.m.Pending[at]
		f.m.Pending = slices.Delete(f.m.Pending, at, at+1)
		return f.destroy(e)
	}
	keys, err := f.Keys()
	if err != nil {
		return err
	}
	at := slices.IndexFunc(keys, func(k KeyState) bool { return !k.Pending && k.KeyID == keyID })
	switch {
	case at < 0:
		return fmt.Errorf("no issuing key %s here", keyID)
	case now.Before(keys[at].Certificate.NotAfter):
		return fmt.Errorf("the certificate of key %s runs until %s: a key in use is not destroyed", keyID, keys[at].Certificate.NotAfter.Format(time.DateOnly))
	case f.m.Issuing[at].Key == "":
		return nil
	}
	e := f.m.Issuing[at]
	f.m.Issuing[at].Key, f.m.Issuing[at].KeyID = "", keyID
	return f.destroy(e)
}

// destroy forgets a key in the manifest first: a manifest that names a missing key could not be opened.
func (f *Folder) destroy(e entry) error {
	if err := f.save(); err != nil {
		return err
	}
	if !strings.HasPrefix(e.Key, token.Scheme) {
		return shred(filepath.Join(f.dir, e.Key))
	}
	a, err := token.Parse(e.Key)
	if err != nil {
		return err
	}
	tok, err := token.Open(a)
	if err != nil {
		return err
	}
	defer tok.Close()
	return tok.Destroy(a.Object)
}

// shred overwrites a key file before it removes it. On a disk that writes elsewhere (SSD, journalling) the old bytes may outlive it: docs/issuing-keys.md.
func shred(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, info.Size()))
	if err == nil {
		err = file.Sync()
	}
	if err2 := file.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// replace writes a file under its name at once, durable on return.
func replace(dir, name string, b []byte, mode fs.FileMode) error {
	next := name + ".next"
	if err := os.Remove(filepath.Join(dir, next)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := create(dir, next, b, mode); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, next), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func readSecret(dir, name, kind string) (*pem.Block, error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: others on this machine may have read the key. If they cannot have, run chmod 600 on it; else it must be replaced", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	block, rest := pem.Decode(b)
	if block == nil || block.Type != kind || strings.TrimSpace(string(rest)) != "" {
		return nil, fmt.Errorf("%s is not one PEM block of type %s", path, kind)
	}
	return block, nil
}

func readReading(dir string, epoch uint16) (credential.ReadingKey, error) {
	name := fmt.Sprintf(fileReading, epoch)
	block, err := readSecret(dir, name, pemReading)
	if err != nil {
		return credential.ReadingKey{}, err
	}
	k := credential.ReadingKey{Epoch: epoch, Suite: credential.Suite(block.Headers["Suite"]), Key: block.Bytes}
	want := map[credential.Suite]int{credential.ES256: 32, credential.SM2: 16}[k.Suite]
	if block.Headers["Epoch"] != strconv.Itoa(int(epoch)) || want == 0 || len(k.Key) != want {
		return credential.ReadingKey{}, fmt.Errorf("%s is not a reading key of epoch %d", name, epoch)
	}
	return k, nil
}
