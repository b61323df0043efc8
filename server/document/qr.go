package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/skip2/go-qrcode"

	"xueji/server/registry"
)

// matrices keeps QR codes that repeat (reprints, the pages of one archive). It forgets all when full, which is simpler than forgetting the oldest and costs
// less than a millisecond a code.
type matrices struct {
	mu   sync.Mutex
	kept map[string][][]bool
}

const matricesKept = 4096

// of gives the modules without a quiet zone, at medium error correction.
func (c *matrices) of(text string) ([][]bool, error) {
	c.mu.Lock()
	m := c.kept[text]
	c.mu.Unlock()
	if m != nil {
		return m, nil
	}
	q, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("document: QR: %w", err)
	}
	q.DisableBorder = true
	m = q.Bitmap()
	c.mu.Lock()
	if c.kept == nil || len(c.kept) >= matricesKept {
		c.kept = map[string][][]bool{}
	}
	c.kept[text] = m
	c.mu.Unlock()
	return m, nil
}

// qr draws a code of size mm, dark modules only; the caller leaves four modules of quiet around it.
func (s *sheet) qr(m *Maker, x, y, size float64, text string, c ink) error {
	if text == "" {
		return nil
	}
	mods, err := m.codes.of(text)
	if err != nil {
		return err
	}
	b := s.cur()
	c.fill(b)
	step := size / float64(len(mods))
	for row, line := range mods {
		for col := 0; col < len(line); {
			if !line[col] {
				col++
				continue
			}
			end := col
			for end < len(line) && line[end] {
				end++
			}
			rectPath(b, (x+float64(col)*step)*ptPerMM, (s.h-y-float64(row+1)*step)*ptPerMM, float64(end-col)*step*ptPerMM, step*ptPerMM)
			col = end
		}
	}
	b.WriteString("f\n")
	return nil
}

func rectPath(b *bytes.Buffer, x, y, w, h float64) {
	num(b, x)
	num(b, y)
	num(b, w)
	num(b, h)
	b.WriteString("re ")
}

// qrPrefix begins the text of an archive's code, version 1.
const qrPrefix = "XJA1."

// InventoryDigest is SHA-256 over an inventory: for each row in the order given, each member as its length (4 bytes, big-endian) and bytes, or as 8 bytes
// big-endian for numbers.
func InventoryDigest(inventory []registry.ArchiveItem) [32]byte {
	h := sha256.New()
	var n [8]byte
	put := func(v uint64) {
		binary.BigEndian.PutUint64(n[:], v)
		h.Write(n[:])
	}
	str := func(s string) {
		binary.BigEndian.PutUint32(n[:4], uint32(len(s)))
		h.Write(n[:4])
		h.Write([]byte(s))
	}
	put(uint64(len(inventory)))
	for _, it := range inventory {
		put(uint64(it.No))
		put(uint64(it.Group))
		str(it.Title)
		str(string(it.Date))
		put(uint64(it.Pages))
		if it.Copy {
			put(1)
		} else {
			put(0)
		}
		str(it.Digest)
	}
	var d [32]byte
	h.Sum(d[:0])
	return d
}

// ArchiveMessage is what an archive's code signs: "XJA1" ‖ 0x00 ‖ archive number ‖ 0x00 ‖ InventoryDigest.
func ArchiveMessage(archiveNo string, inventory []registry.ArchiveItem) []byte {
	d := InventoryDigest(inventory)
	msg := append([]byte("XJA1\x00"), archiveNo...)
	return append(append(msg, 0), d[:]...)
}

// ArchiveQR is the text of the code on a cover: "XJA1." archive number "." base64url signature over ArchiveMessage. It says nothing of the pupil. sign is
// the server's signing key; archiveNo must hold no dot.
func ArchiveQR(archiveNo string, inventory []registry.ArchiveItem, sign func([]byte) []byte) string {
	return qrPrefix + archiveNo + "." + base64.RawURLEncoding.EncodeToString(sign(ArchiveMessage(archiveNo, inventory)))
}

// ErrNotArchiveQR means that a scanned text is not an archive's code.
var ErrNotArchiveQR = errors.New("not an archive's code")

// ParseArchiveQR is the inverse of ArchiveQR: the archive number and the signature, to be verified over ArchiveMessage of the inventory on file. It takes
// only texts that ArchiveQR writes: any other is ErrNotArchiveQR.
func ParseArchiveQR(text string) (archiveNo string, signature []byte, err error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), qrPrefix)
	if !ok || len(rest) > 512 {
		return "", nil, ErrNotArchiveQR
	}
	no, sig, ok := strings.Cut(rest, ".")
	if !ok || no == "" || len(no) > 64 || sig == "" {
		return "", nil, ErrNotArchiveQR
	}
	for _, c := range []byte(no) {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-') {
			return "", nil, ErrNotArchiveQR
		}
	}
	signature, err = base64.RawURLEncoding.Strict().DecodeString(sig)
	if err != nil || base64.RawURLEncoding.EncodeToString(signature) != sig { // the decoder skips line breaks
		return "", nil, ErrNotArchiveQR
	}
	return no, signature, nil
}
