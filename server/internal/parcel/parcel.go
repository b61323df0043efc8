package parcel

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Format names this form in the manifest.
const Format = "xueji-archive/1"

const (
	manifestName  = "manifest.json"
	signatureName = "manifest.sig"
	label         = "xueji archive manifest\x00"

	// Bounds of what Check reads.
	maxManifest = 4 << 20
	maxEntries  = 4000
	maxFile     = 64 << 20
)

// Manifest is what a parcel says of itself.
type Manifest struct {
	Format  string    `json:"format"`
	MadeAt  time.Time `json:"made_at"`
	By      string    `json:"by"`   // account and unit
	Unit    string    `json:"unit"` // the office or school that made it
	Purpose string    `json:"purpose"`
	// Approval and Copy are of what left the unit (Art. 25); "" and 0 for the unit's own keeping.
	Approval string  `json:"approval,omitempty"`
	Copy     int     `json:"copy,omitempty"`
	To       string  `json:"to,omitempty"`
	Archive  string  `json:"archive,omitempty"` // 档案编号
	Entries  []Entry `json:"entries"`
	// Lacks says in words what should be in the parcel and is not, because the register no longer has it.
	Lacks []string `json:"lacks,omitempty"`
}

// Entry is one file of the parcel.
type Entry struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"` // hex
	Type   string `json:"type"`   // media type
	What   string `json:"what"`   // in words: of a scan, its title in the catalogue
	Row    int    `json:"row,omitempty"`
}

// Part is an entry with its content. Open is called once, when its turn comes.
type Part struct {
	Entry
	Open func() (io.ReadCloser, error)
}

// Bytes is a part that is held already.
func Bytes(path, media, what string, b []byte) Part {
	sum := sha256.Sum256(b)
	return Part{Entry{Path: path, SHA256: hex.EncodeToString(sum[:]), Type: media, What: what}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// Parcel is ready to be written: its manifest stands, and with it what the copy's digest is.
type Parcel struct {
	manifest, signature []byte
	parts               []Part
	at                  time.Time
}

type signature struct {
	Alg       string `json:"alg"`
	Key       []byte `json:"key"`
	Signature []byte `json:"signature"`
}

// New seals a manifest over the parts. sign signs for the key.
func New(m Manifest, parts []Part, key ed25519.PublicKey, sign func([]byte) []byte) (*Parcel, error) {
	m.Format, m.Entries = Format, nil
	seen := map[string]bool{manifestName: true, signatureName: true}
	for _, p := range parts {
		if !clean(p.Path) || seen[p.Path] || len(p.SHA256) != 64 {
			return nil, fmt.Errorf("parcel: the entry %q", p.Path)
		}
		seen[p.Path] = true
		m.Entries = append(m.Entries, p.Entry)
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	if len(b) > maxManifest || len(parts) > maxEntries {
		return nil, errors.New("parcel: more than one parcel holds")
	}
	sig, err := json.MarshalIndent(signature{Alg: "Ed25519", Key: key, Signature: sign(append([]byte(label), b...))}, "", "  ")
	if err != nil {
		return nil, err
	}
	return &Parcel{manifest: b, signature: sig, parts: slices.Clone(parts), at: m.MadeAt}, nil
}

// clean is a relative path without tricks.
func clean(p string) bool {
	return p != "" && len(p) <= 300 && !strings.HasPrefix(p, "/") && !strings.ContainsAny(p, "\\\x00") && !strings.Contains("/"+p+"/", "/../") && !strings.Contains(p, "//") && !strings.HasSuffix(p, "/")
}

// Digest is the hex SHA-256 of the manifest: it stands for the whole parcel, since the manifest names the digest of each file.
func (p *Parcel) Digest() string {
	sum := sha256.Sum256(p.manifest)
	return hex.EncodeToString(sum[:])
}

// Write streams the ZIP, one file at a time. A file whose content is not what the manifest says ends it with an error and without a directory, so that what was written
// opens nowhere.
func (p *Parcel) Write(w io.Writer) error {
	z := zip.NewWriter(w)
	put := func(name, media string, r io.Reader) (string, error) {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: p.at}
		if strings.HasPrefix(media, "image/") || media == "application/pdf" { // packed already
			h.Method = zip.Store
		}
		f, err := z.CreateHeader(h)
		if err != nil {
			return "", err
		}
		sum := sha256.New()
		if _, err := io.Copy(io.MultiWriter(f, sum), r); err != nil {
			return "", err
		}
		return hex.EncodeToString(sum.Sum(nil)), nil
	}
	if _, err := put(manifestName, "", bytes.NewReader(p.manifest)); err != nil {
		return err
	}
	if _, err := put(signatureName, "", bytes.NewReader(p.signature)); err != nil {
		return err
	}
	for _, x := range p.parts {
		r, err := x.Open()
		if err != nil {
			return fmt.Errorf("parcel: %s: %w", x.Path, err)
		}
		sum, err := put(x.Path, x.Type, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("parcel: %s: %w", x.Path, err)
		}
		if sum != x.SHA256 {
			return fmt.Errorf("parcel: %s is not what the manifest says", x.Path)
		}
	}
	return z.Close()
}

// Checked is what Check found. Faults are empty when the parcel is as it was made.
type Checked struct {
	Manifest Manifest
	Digest   string
	Key      ed25519.PublicKey // that signed
	Faults   []string
}

// Check reads a parcel in bounded memory. key is the register's; nil accepts whichever key the parcel names, which then proves no more than that nothing was altered
// since somebody signed. An error is about what cannot be read at all.
func Check(r io.ReaderAt, size int64, key ed25519.PublicKey) (Checked, error) {
	var out Checked
	z, err := zip.NewReader(r, size)
	if err != nil {
		return out, fmt.Errorf("parcel: not a whole ZIP: %w", err)
	}
	if len(z.File) > maxEntries+2 {
		return out, errors.New("parcel: too many files")
	}
	files := map[string]*zip.File{}
	for _, f := range z.File {
		if files[f.Name] != nil {
			out.Faults = append(out.Faults, fmt.Sprintf("%q stands twice", f.Name))
		}
		files[f.Name] = f
	}
	manifest, err := small(files[manifestName])
	if err != nil {
		return out, fmt.Errorf("parcel: %s: %w", manifestName, err)
	}
	sigText, err := small(files[signatureName])
	if err != nil {
		return out, fmt.Errorf("parcel: %s: %w", signatureName, err)
	}
	var sig signature
	if err := json.Unmarshal(sigText, &sig); err != nil {
		return out, fmt.Errorf("parcel: %s: %w", signatureName, err)
	}
	if err := json.Unmarshal(manifest, &out.Manifest); err != nil {
		return out, fmt.Errorf("parcel: %s: %w", manifestName, err)
	}
	if out.Manifest.Format != Format {
		return out, fmt.Errorf("parcel: of the form %q, not %q", out.Manifest.Format, Format)
	}
	sum := sha256.Sum256(manifest)
	out.Digest, out.Key = hex.EncodeToString(sum[:]), sig.Key
	by := ed25519.PublicKey(sig.Key)
	switch {
	case len(by) != ed25519.PublicKeySize || sig.Alg != "Ed25519" || !ed25519.Verify(by, append([]byte(label), manifest...), sig.Signature):
		out.Faults = append(out.Faults, "the manifest is not what was signed")
	case key != nil && !key.Equal(by):
		out.Faults = append(out.Faults, "signed by another key than the register's")
	}
	listed := map[string]bool{manifestName: true, signatureName: true}
	for _, e := range out.Manifest.Entries {
		if listed[e.Path] || !clean(e.Path) {
			out.Faults = append(out.Faults, fmt.Sprintf("the manifest's entry %q", e.Path))
			continue
		}
		listed[e.Path] = true
		f := files[e.Path]
		if f == nil {
			out.Faults = append(out.Faults, fmt.Sprintf("%q is missing", e.Path))
			continue
		}
		got, err := digest(f)
		switch {
		case err != nil:
			out.Faults = append(out.Faults, fmt.Sprintf("%q cannot be read: %v", e.Path, err))
		case got != e.SHA256:
			out.Faults = append(out.Faults, fmt.Sprintf("%q was altered", e.Path))
		}
	}
	for _, f := range z.File {
		if !listed[f.Name] {
			out.Faults = append(out.Faults, fmt.Sprintf("%q is not in the manifest", f.Name))
		}
	}
	return out, nil
}

func small(f *zip.File) ([]byte, error) {
	if f == nil {
		return nil, errors.New("missing")
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err == nil && len(b) > maxManifest {
		err = errors.New("too long")
	}
	return b, err
}

func digest(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(r, maxFile+1))
	if err == nil && n > maxFile {
		err = errors.New("too long")
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}
