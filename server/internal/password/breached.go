package password

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Breached is a file of passwords that are known from breaches, in the form of Have I Been Pwned: a line "SHA-1 in hex:count" each, ordered by the digest. A question
// reads some kilobytes of it and leaves the machine for nobody. It is safe for concurrent use.
type Breached struct {
	f    io.ReaderAt
	size int64
}

// maxLine bounds a line of the file, in bytes: 40 of a digest, a colon, a count, the line's end.
const maxLine = 64

// OpenBreached opens the file and looks at its first and last line. It stays open with the program.
func OpenBreached(path string) (*Breached, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b := &Breached{f, st.Size()}
	first, err := b.after(0)
	last, err2 := b.after(max(0, b.size-maxLine))
	if err != nil || err2 != nil || first == "" || last < first {
		return nil, errors.Join(fmt.Errorf("%s is no list of SHA-1 digests ordered by them, one a line", path), f.Close())
	}
	return b, nil
}

// Has reports whether a password is in the file.
func (b *Breached) Has(secret string) (bool, error) {
	sum := sha1.Sum([]byte(secret))
	want := strings.ToUpper(hex.EncodeToString(sum[:]))
	lo, hi := int64(0), b.size // the line begins at lo or behind it, and before hi
	for lo < hi {
		mid := lo + (hi-lo)/2
		got, err := b.after(mid)
		switch {
		case err != nil:
			return false, err
		case got == want:
			return true, nil
		case got == "" || got > want:
			hi = mid
		default:
			lo = mid + 1
		}
	}
	return false, nil
}

// after is the digest of the first line that begins at an offset or behind it; "" when none does.
func (b *Breached) after(at int64) (string, error) {
	buf := make([]byte, 3*maxLine)
	from := max(0, at-1) // a line that begins at the offset has the end of another before it
	n, err := b.f.ReadAt(buf, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	buf = buf[:n]
	if at > 0 {
		i := bytes.IndexByte(buf, '\n')
		if i < 0 {
			return "", b.ended(from + int64(n))
		}
		buf = buf[i+1:]
	}
	line, _, whole := bytes.Cut(buf, []byte{'\n'})
	if len(line) == 0 {
		return "", b.ended(from + int64(n))
	}
	digest, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(string(line))), ":")
	if _, err := hex.DecodeString(digest); err != nil || len(digest) != 2*sha1.Size || !whole && from+int64(n) < b.size {
		return "", errors.New("password: a line of the breached passwords is damaged")
	}
	return digest, nil
}

// ended is nil at the end of the file: no line follows.
func (b *Breached) ended(at int64) error {
	if at < b.size {
		return errors.New("password: a line of the breached passwords is damaged")
	}
	return nil
}
