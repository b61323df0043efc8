// Package custody keeps the keys that make cards, in a folder: the root key, the issuing key with its certificate, and the reading keys by epoch. Everything else
// in the issuer sees signers, never key bytes; nothing here prints a secret.
//
// It must not import net/http.
package custody

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"xueji/cardsvc/credential"
)

// Files of the folder. Key files have mode 0600, the folder 0700; roots.cbor and the certificate are public.
const (
	fileManifest = "custody.json" // written last: without it the folder is not an issuer's
	fileRoot     = "root.key"
	fileIssuing  = "issuing.key"
	fileCert     = "issuing.cert"
	fileReading  = "reading-%04d.key"
	// FileRoots is what verifiers pin (credential.EncodeRoots).
	FileRoots = "roots.cbor"
	// FileJournal is the personalisation journal's place beside the keys.
	FileJournal = "journal.log"
)

const (
	pemKey      = "PRIVATE KEY"
	pemReading  = "XUEJI READING KEY"
	version     = 1
	certYears   = 5
	clockMargin = 24 * time.Hour // the certificate begins earlier than now, for verifiers whose clock is behind
)

// ErrExists says that the folder already holds an issuer, whole or half.
var ErrExists = errors.New("keys are there already")

type manifest struct {
	Version   int              `json:"version"`
	Authority string           `json:"authority"`
	Suite     credential.Suite `json:"suite"`
	Created   time.Time        `json:"created"`
	Epochs    []uint16         `json:"epochs"`
}

// Init makes an issuer for the province authority (six digits) in dir: fresh keys, durable on return. It never overwrites: ErrExists when any file of an issuer is there.
func Init(dir, authority string, suite credential.Suite, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("issuer folder: %w", err)
	}
	names := []string{fileManifest, fileRoot, fileIssuing, fileCert, fmt.Sprintf(fileReading, 1), FileRoots, FileJournal}
	for _, n := range names {
		if _, err := os.Lstat(filepath.Join(dir, n)); err == nil {
			return fmt.Errorf("%w: %s holds %s; cards made with lost keys can never be renewed, so nothing is overwritten: use another folder, or take this one to a safe place first", ErrExists, dir, n)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("issuer folder: %w", err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("issuer folder: %w", err)
	}
	root, err := credential.GenerateKey(suite, rand.Reader)
	if err != nil {
		return err
	}
	issuing, err := credential.GenerateKey(suite, rand.Reader)
	if err != nil {
		return err
	}
	cert, err := credential.SignCertificate(credential.Certificate{
		Suite: suite, PublicKey: issuing.PublicKey(), Authority: authority,
		NotBefore: now.Add(-clockMargin), NotAfter: now.AddDate(certYears, 0, 0),
	}, root)
	if err != nil {
		return err
	}
	roots, err := credential.EncodeRoots([]credential.Root{credential.RootOf(root, authority)})
	if err != nil {
		return err
	}
	readingKey, err := credential.NewReadingKey(1, suite, rand.Reader)
	if err != nil {
		return err
	}
	reading := encodeReading(readingKey)
	m, err := json.MarshalIndent(manifest{Version: version, Authority: authority, Suite: suite, Created: now.UTC(), Epochs: []uint16{1}}, "", "  ")
	if err != nil {
		return err
	}
	rootPEM, err := encodeKey(root)
	if err != nil {
		return err
	}
	issuingPEM, err := encodeKey(issuing)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		b    []byte
		mode fs.FileMode
	}{
		{fileRoot, rootPEM, 0o600},
		{fileIssuing, issuingPEM, 0o600},
		{fmt.Sprintf(fileReading, 1), reading, 0o600},
		{fileCert, cert, 0o644},
		{FileRoots, roots, 0o644},
		{fileManifest, append(m, '\n'), 0o600},
	} {
		if err := create(dir, f.name, f.b, f.mode); err != nil {
			return err
		}
		clear(f.b)
	}
	return nil
}

func encodeKey(k *credential.PrivateKey) ([]byte, error) {
	der, err := k.MarshalBinary()
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

func encodeReading(k credential.ReadingKey) []byte {
	return pem.EncodeToMemory(&pem.Block{
		Type:    pemReading,
		Headers: map[string]string{"Epoch": strconv.Itoa(int(k.Epoch)), "Suite": string(k.Suite)},
		Bytes:   k.Key,
	})
}

// create writes a new file, durable on return; an existing one is an error.
func create(dir, name string, b []byte, mode fs.FileMode) error {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrExists, path)
	}
	if err != nil {
		return err
	}
	err = f.Chmod(mode) // whatever the umask
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Vault is an open folder of keys. It is safe for concurrent use and never prints its keys.
type Vault struct {
	manifest manifest
	issuing  credential.Signer
	cert     []byte
	roots    []credential.Root
	rootsRaw []byte
	reading  []credential.ReadingKey
}

// Open reads the folder. It refuses key files that others on this machine can read, and keys, certificate and roots that do not belong together.
func Open(dir string) (*Vault, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileManifest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not an issuer's folder: run `issuer init --dir %s --authority CODE` once; if an earlier init was cut off, empty the folder first (no card was made with it)", dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("issuer folder: %w", err)
	}
	v := &Vault{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v.manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", fileManifest, err)
	}
	if v.manifest.Version != version || len(v.manifest.Epochs) == 0 {
		return nil, fmt.Errorf("%s: version %d, this program knows %d", fileManifest, v.manifest.Version, version)
	}
	key, err := readSecret(dir, fileIssuing, pemKey)
	if err != nil {
		return nil, err
	}
	signer, err := credential.ParsePrivateKey(key.Bytes)
	clear(key.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileIssuing, err)
	}
	v.issuing = signer
	if v.cert, err = os.ReadFile(filepath.Join(dir, fileCert)); err != nil {
		return nil, err
	}
	if v.rootsRaw, err = os.ReadFile(filepath.Join(dir, FileRoots)); err != nil {
		return nil, err
	}
	if v.roots, err = credential.DecodeRoots(v.rootsRaw); err != nil {
		return nil, fmt.Errorf("%s: %w", FileRoots, err)
	}
	for _, epoch := range v.manifest.Epochs {
		k, err := readReading(dir, epoch)
		if err != nil {
			return nil, err
		}
		v.reading = append(v.reading, k)
	}
	slices.SortFunc(v.reading, func(a, b credential.ReadingKey) int { return int(a.Epoch) - int(b.Epoch) })
	return v, v.check()
}

func (v *Vault) check() error {
	if err := credential.NewVerifier(v.roots).SetCertificates([][]byte{v.cert}); err != nil {
		return fmt.Errorf("%s does not stand under %s: %w", fileCert, FileRoots, err)
	}
	c, err := credential.DecodeCertificate(v.cert)
	if err != nil {
		return fmt.Errorf("%s: %w", fileCert, err)
	}
	if c.KeyID != v.issuing.KeyID() || c.Authority != v.manifest.Authority {
		return fmt.Errorf("%s is not the certificate of %s for authority %s", fileCert, fileIssuing, v.manifest.Authority)
	}
	return nil
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

// Authority is the province's region code.
func (v *Vault) Authority() string { return v.manifest.Authority }

// Signer is the issuing key.
func (v *Vault) Signer() credential.Signer { return v.issuing }

// Certificates are the issuing keys' certificates.
func (v *Vault) Certificates() [][]byte { return [][]byte{bytes.Clone(v.cert)} }

// CertificateEnd is when the issuing certificate ends.
func (v *Vault) CertificateEnd() time.Time {
	c, err := credential.DecodeCertificate(v.cert)
	if err != nil {
		return time.Time{}
	}
	return c.NotAfter
}

// RootsFile is the pinned roots as verifiers load them.
func (v *Vault) RootsFile() []byte { return bytes.Clone(v.rootsRaw) }

// Verifier is a fresh verifier that trusts this issuer.
func (v *Vault) Verifier() (*credential.Verifier, error) {
	ver := credential.NewVerifier(v.roots)
	return ver, ver.SetCertificates(v.Certificates())
}

// ReadingKey is the newest reading key: new records are sealed with it.
func (v *Vault) ReadingKey() credential.ReadingKey { return v.reading[len(v.reading)-1] }

// ReadingKeys are all of them, by ascending epoch.
func (v *Vault) ReadingKeys() []credential.ReadingKey { return slices.Clone(v.reading) }

// String keeps keys off screens.
func (v *Vault) String() string { return "[issuer keys]" }

// GoString keeps keys off screens.
func (v *Vault) GoString() string { return v.String() }

// Format keeps keys off screens, whatever the verb.
func (v *Vault) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(v.String())) }

// LogValue keeps keys out of logs.
func (v *Vault) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText keeps keys out of encodings.
func (v *Vault) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
