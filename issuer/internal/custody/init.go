// Package custody keeps the keys that make cards, in a folder: the issuing keys with their certificates, several of which may be valid at once, and the reading keys by
// epoch. An issuing key is a file of the folder or lies in a PKCS#11 token. Everything else in the issuer sees signers, never key bytes; nothing here prints a secret.
//
// The root's key is here only for a demo (Init); a real one stays on the ceremony's offline machine. It must not import net/http.
package custody

import (
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"xueji/cardsvc/credential"
)

// Files of the folder. Key files have mode 0600, the folder 0700; roots.cbor and the certificates are public.
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
	certYears   = 5
	clockMargin = 24 * time.Hour // the certificate begins earlier than now, for verifiers whose clock is behind
)

// ErrExists says that the folder already holds an issuer, whole or half.
var ErrExists = errors.New("keys are there already")

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
	m, err := json.MarshalIndent(manifest{Version: 1, Authority: authority, Suite: suite, Created: now.UTC(), Epochs: []uint16{1}}, "", "  ")
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
	return syncDir(dir)
}
