package custody

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fileTold keeps the fingerprint of the readers' keys that devices were given last.
const fileTold = "readers.told"

// Told remembers, in the issuer's folder, which readers' keys devices were given: when they change, all are given anew. Losing it costs one more delivery.
type Told struct{ Dir string }

// Last is the fingerprint that was kept last, "" when none was.
func (t Told) Last() (string, error) {
	b, err := os.ReadFile(filepath.Join(t.Dir, fileTold))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// Keep keeps a fingerprint, durable on return.
func (t Told) Keep(fingerprint string) error {
	return replace(t.Dir, fileTold, []byte(fingerprint+"\n"), 0o600)
}
