package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
)

// Names of the database inside a backup.
const (
	SQLite   = "xueji.db"
	Postgres = "xueji.pgdump"

	manifest    = "manifest.json"
	format      = "xueji-backup/1"
	maxManifest = 64 << 10
)

// Manifest says what a backup is.
type Manifest struct {
	Format  string    `json:"format"`
	Version string    `json:"version"` // of the program that made it
	At      time.Time `json:"at"`
	File    string    `json:"file"` // SQLite or Postgres
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256"`
	// KEK names the vault key that opens the register in it (vault.FileKEK.ID), without telling it.
	KEK string `json:"kek"`
}

// Recipients reads public keys, one a line, # begins a remark.
func Recipients(path string) ([]age.Recipient, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out, err := age.ParseRecipients(f)
	if err != nil {
		return nil, fmt.Errorf("%s: no public keys of the office (lines that begin with age1): %w", path, err)
	}
	return out, nil
}

// Identities reads secret keys. A file that others may read is refused.
func Identities(path string) ([]age.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (mode %04o): chmod 600 it, and think whether it has leaked", path, st.Mode().Perm())
	}
	out, err := age.ParseIdentities(f)
	if err != nil {
		return nil, fmt.Errorf("%s: no secret key of the office (a line that begins with AGE-SECRET-KEY-)", path) // its text is not repeated
	}
	return out, nil
}

// NewIdentity makes a secret key of the office in a new file of mode 0600 and gives its public key.
func NewIdentity(path string) (public string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, "# public key: %s\n%s\n", id.Recipient(), id)
	return id.Recipient().String(), errors.Join(err, f.Sync(), f.Close())
}

// Create seals the copy of a database at from into a new file. It is whole and on disk on return; a file that is there already is not overwritten.
func Create(to, from string, m Manifest, recipients []age.Recipient) (_ Manifest, err error) {
	if len(recipients) == 0 {
		return m, errors.New("backup: a recipient is needed")
	}
	if m.File != SQLite && m.File != Postgres {
		return m, fmt.Errorf("backup: %q is no database", m.File)
	}
	if _, err := os.Lstat(to); err == nil {
		return m, fmt.Errorf("%s is there already: choose another name, a backup is never overwritten", to)
	}
	src, err := os.Open(from)
	if err != nil {
		return m, err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return m, err
	}
	part := to + ".part"
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			_ = out.Close()
			_ = os.Remove(part)
		}
	}()
	sealed, err := age.Encrypt(out, recipients...)
	if err != nil {
		return m, err
	}
	t := tar.NewWriter(sealed)
	m.Format, m.Size, m.At = format, st.Size(), m.At.UTC()
	h := sha256.New()
	if err := t.WriteHeader(&tar.Header{Name: m.File, Mode: 0o600, Size: m.Size, ModTime: m.At}); err != nil {
		return m, err
	}
	if _, err := io.Copy(io.MultiWriter(t, h), src); err != nil {
		return m, err
	}
	m.SHA256 = hex.EncodeToString(h.Sum(nil))
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	if err := t.WriteHeader(&tar.Header{Name: manifest, Mode: 0o600, Size: int64(len(b)), ModTime: m.At}); err != nil {
		return m, err
	}
	if _, err := t.Write(b); err != nil {
		return m, err
	}
	if err := errors.Join(t.Close(), sealed.Close(), out.Sync(), out.Close()); err != nil {
		return m, err
	}
	return m, os.Rename(part, to)
}

// ErrDamaged says that a backup is not whole.
var ErrDamaged = errors.New("backup: damaged or cut short: take another one")

// Verify reads a backup to its end and holds it to its manifest.
func Verify(path string, ids []age.Identity) (Manifest, error) {
	var m Manifest
	err := opened(path, ids, func(r io.Reader) (err error) {
		m, err = read(r, io.Discard)
		return err
	})
	return m, err
}

// Restore writes the database of a backup into dir, which must be empty or not there. The file takes its name only when it is whole: what fails leaves nothing.
func Restore(path string, ids []age.Identity, dir string) (m Manifest, err error) {
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	for _, n := range names {
		if n.Name() != "vault.key" && n.Name() != "server.key" && n.Name() != "issuer.token" && !strings.HasPrefix(n.Name(), "vault.key.") {
			return m, fmt.Errorf("%s is not empty (%s): restore into an empty folder, or one with its keys alone, so that nothing is overwritten", dir, n.Name())
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return m, err
	}
	part := filepath.Join(dir, "restore.part")
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return m, err
	}
	defer os.Remove(part)
	err = opened(path, ids, func(r io.Reader) (err error) {
		m, err = read(r, out)
		return err
	})
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return m, err
	}
	return m, os.Rename(part, filepath.Join(dir, m.File))
}

func opened(path string, ids []age.Identity, do func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := age.Decrypt(f, ids...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return fmt.Errorf("%s is sealed to other keys than the one given: whoever keeps the office's secret key must open it", filepath.Base(path))
	}
	if err != nil {
		return fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return do(r)
}

// read takes the tar apart: the database, its manifest, nothing else.
func read(r io.Reader, db io.Writer) (Manifest, error) {
	var m Manifest
	damaged := func(why any) (Manifest, error) { return Manifest{}, fmt.Errorf("%w (%v)", ErrDamaged, why) }
	t := tar.NewReader(r)
	head, err := t.Next()
	if err != nil {
		return damaged(err)
	}
	if head.Name != SQLite && head.Name != Postgres || head.Typeflag != tar.TypeReg {
		return damaged("its first entry is no database")
	}
	var h hash.Hash = sha256.New()
	n, err := io.Copy(io.MultiWriter(db, h), t)
	if err != nil {
		return damaged(err)
	}
	second, err := t.Next()
	if err != nil || second.Name != manifest || second.Size > maxManifest {
		return damaged("no manifest")
	}
	b, err := io.ReadAll(t)
	if err != nil {
		return damaged(err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return damaged("its manifest cannot be read")
	}
	if m.Format != format {
		return damaged("made by another version: " + m.Format)
	}
	if m.File != head.Name || m.Size != n || m.SHA256 != hex.EncodeToString(h.Sum(nil)) {
		return damaged("the database is not what its manifest says")
	}
	if _, err := t.Next(); err != io.EOF {
		return damaged("more in it than a backup has")
	}
	// To the very end: the last chunk's seal is judged there.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return damaged(err)
	}
	return m, nil
}
