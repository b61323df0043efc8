package custody

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xueji/cardsvc/credential"
	"xueji/issuer/internal/custody/token"
)

// ErrNoCertificate says that no issuing certificate is valid now.
var ErrNoCertificate = errors.New("no issuing certificate is valid today: certify a new key (`issuer ceremony request`), docs/issuing-keys.md")

// Vault is an open folder of keys. It is safe for concurrent use and never prints its keys.
type Vault struct {
	manifest manifest
	issuing  []issuing
	roots    []credential.Root
	rootsRaw []byte
	reading  []credential.ReadingKey
	tokens   []*token.Token
	now      func() time.Time
}

// issuing is a certified key.
type issuing struct {
	signer credential.Signer // nil when the key was destroyed
	cert   credential.Certificate
	raw    []byte
}

// Open reads the folder and logs in to the tokens that its keys lie in. It refuses key files that others on this machine can read, and keys, certificates and roots that do
// not belong together. Close ends it.
func Open(dir string) (*Vault, error) { return OpenAt(dir, time.Now) }

// OpenAt is Open with a clock, which chooses among issuing keys.
func OpenAt(dir string, now func() time.Time) (*Vault, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	if len(m.Issuing) == 0 || len(m.Epochs) == 0 {
		return nil, fmt.Errorf("%s is %w yet: its first key waits for the root's certificate; go on with `issuer ceremony accept`", dir, ErrNotIssuer)
	}
	v := &Vault{manifest: m, now: now}
	if err := v.open(dir); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

func (v *Vault) open(dir string) (err error) {
	if v.rootsRaw, err = os.ReadFile(filepath.Join(dir, FileRoots)); err != nil {
		return err
	}
	if v.roots, err = credential.DecodeRoots(v.rootsRaw); err != nil {
		return fmt.Errorf("%s: %w", FileRoots, err)
	}
	for _, e := range v.manifest.Issuing {
		if err := v.add(dir, e); err != nil {
			return err
		}
	}
	// The key that began last signs: see Signer.
	slices.SortStableFunc(v.issuing, func(a, b issuing) int { return a.cert.NotBefore.Compare(b.cert.NotBefore) })
	for _, epoch := range v.manifest.Epochs {
		k, err := readReading(dir, epoch)
		if err != nil {
			return err
		}
		v.reading = append(v.reading, k)
	}
	slices.SortFunc(v.reading, func(a, b credential.ReadingKey) int { return int(a.Epoch) - int(b.Epoch) })
	return nil
}

func (v *Vault) add(dir string, e entry) error {
	raw, err := os.ReadFile(filepath.Join(dir, e.Certificate))
	if err != nil {
		return err
	}
	if err := credential.NewVerifier(v.roots).SetCertificates([][]byte{raw}); err != nil {
		return fmt.Errorf("%s does not stand under %s: %w", e.Certificate, FileRoots, err)
	}
	c, err := credential.DecodeCertificate(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Certificate, err)
	}
	i := issuing{cert: c, raw: raw}
	// The key of a certificate that has ended signs nothing: it need not be in reach.
	if e.Key != "" && v.now().Before(c.NotAfter) {
		if i.signer, err = v.signer(dir, e.Key); err != nil {
			return err
		}
		if c.KeyID != i.signer.KeyID() {
			return fmt.Errorf("%s is not the certificate of its key", e.Certificate)
		}
	}
	if c.Authority != v.manifest.Authority {
		return fmt.Errorf("%s is for authority %s, this issuer is %s", e.Certificate, c.Authority, v.manifest.Authority)
	}
	v.issuing = append(v.issuing, i)
	return nil
}

func (v *Vault) signer(dir, where string) (credential.Signer, error) {
	if !strings.HasPrefix(where, token.Scheme) {
		block, err := readSecret(dir, where, pemKey)
		if err != nil {
			return nil, err
		}
		defer clear(block.Bytes)
		key, err := credential.ParsePrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		return key, nil
	}
	a, err := token.Parse(where)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileManifest, err)
	}
	for _, t := range v.tokens {
		if t.Address() == a.WithObject("") {
			return t.Signer(a.Object)
		}
	}
	t, err := token.Open(a)
	if err != nil {
		return nil, err
	}
	v.tokens = append(v.tokens, t)
	return t.Signer(a.Object)
}

// Close logs out of the tokens. Keys in files stay usable.
func (v *Vault) Close() {
	for _, t := range v.tokens {
		_ = t.Close()
	}
}

// Authority is the province's region code.
func (v *Vault) Authority() string { return v.manifest.Authority }

// Signer is the issuing key of today: of those whose certificate is valid now, the one that began last. When none is, Sign of what it returns fails with ErrNoCertificate,
// so that no card is made that would not be good.
func (v *Vault) Signer() credential.Signer {
	now := v.now()
	for _, i := range slices.Backward(v.issuing) {
		if i.signer != nil && !now.Before(i.cert.NotBefore) && now.Before(i.cert.NotAfter) {
			return i.signer
		}
	}
	return ended{v.issuing[len(v.issuing)-1].cert}
}

// ended is a key that may not sign.
type ended struct{ c credential.Certificate }

func (e ended) KeyID() [credential.KeyIDSize]byte { return e.c.KeyID }
func (e ended) Suite() credential.Suite           { return e.c.Suite }
func (e ended) PublicKey() []byte                 { return bytes.Clone(e.c.PublicKey) }
func (ended) Sign([]byte) ([]byte, error)         { return nil, ErrNoCertificate }

// Certificates are those of all issuing keys, the ended and the coming ones too: verifiers need the first for cards that live on, and the second before they begin.
func (v *Vault) Certificates() [][]byte {
	var out [][]byte
	for _, i := range v.issuing {
		out = append(out, bytes.Clone(i.raw))
	}
	return out
}

// CertificateEnd is when the last of the issuing certificates ends.
func (v *Vault) CertificateEnd() time.Time {
	var end time.Time
	for _, i := range v.issuing {
		if i.cert.NotAfter.After(end) {
			end = i.cert.NotAfter
		}
	}
	return end
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
