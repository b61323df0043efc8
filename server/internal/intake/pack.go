package intake

import (
	"archive/zip"
	"errors"
	"io"
	"path"
	"strings"
)

// Limits bound what a workbook may cost. Zero members take the defaults.
type Limits struct {
	Rows     int   // filled rows; 20,000
	Bytes    int64 // of the file as it came; 16 MiB
	Unpacked int64 // of all parts together; 256 MiB
	Ratio    int64 // unpacked to packed, of a part over 4 MiB; 400
	Parts    int   // entries of the zip directory; 4,096
}

func (l Limits) withDefaults() Limits {
	if l.Rows == 0 {
		l.Rows = 20000
	}
	if l.Bytes == 0 {
		l.Bytes = 16 << 20
	}
	if l.Unpacked == 0 {
		l.Unpacked = 256 << 20
	}
	if l.Ratio == 0 {
		l.Ratio = 400
	}
	if l.Parts == 0 {
		l.Parts = 4096
	}
	return l
}

// parts is a zip whose directory has been weighed. No part gives more bytes than its directory entry promised.
type parts map[string]*zip.File

var errLies = errors.New("part is larger than the directory says")

// openParts checks the directory before any part is unpacked.
func openParts(r io.ReaderAt, size int64, l Limits) (parts, error) {
	if size > l.Bytes {
		return nil, refuse(WhyTooBig, nil, "max", mib(l.Bytes))
	}
	var magic [8]byte
	n, _ := r.ReadAt(magic[:], 0)
	if n == 8 && magic == [8]byte{0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1} {
		return nil, refuse(WhyOldFormat, nil)
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, refuse(WhyNotXLSX, err)
	}
	if len(z.File) > l.Parts {
		return nil, refuse(WhyBomb, nil, "max", mib(l.Unpacked))
	}
	p := make(parts, len(z.File))
	var total uint64
	for _, f := range z.File {
		u, c := f.UncompressedSize64, f.CompressedSize64
		total += u
		if u > uint64(l.Unpacked) || total > uint64(l.Unpacked) || (u > 4<<20 && u/(c+1) > uint64(l.Ratio)) {
			return nil, refuse(WhyBomb, nil, "max", mib(l.Unpacked))
		}
		p[strings.ToLower(strings.TrimPrefix(f.Name, "/"))] = f
	}
	return p, nil
}

// Weigh refuses a workbook that would cost too much to unpack, before another library reads it: every part is unpacked once, to nowhere.
func Weigh(r io.ReaderAt, size int64, l Limits) error {
	p, err := openParts(r, size, l.withDefaults())
	if err != nil {
		return err
	}
	return p.weigh()
}

// open unpacks a part. The reader fails with errLies past the promised size.
func (p parts) open(name string) (io.ReadCloser, error) {
	f := p[strings.ToLower(name)]
	if f == nil {
		return nil, errors.ErrUnsupported
	}
	rc, err := f.Open()
	if err != nil {
		return nil, err
	}
	return &honest{rc, int64(f.UncompressedSize64)}, nil
}

// weigh unpacks every part once, to nowhere, so that a later reader of the same bytes cannot be surprised by a directory that lied.
func (p parts) weigh() error {
	for name := range p {
		rc, err := p.open(name)
		if err != nil {
			return refuse(WhyDamaged, err, "part", name)
		}
		_, err = io.Copy(io.Discard, rc)
		rc.Close()
		if errors.Is(err, errLies) {
			return refuse(WhyBomb, err)
		}
		if err != nil {
			return refuse(WhyDamaged, err, "part", name)
		}
	}
	return nil
}

type honest struct {
	io.ReadCloser
	left int64
}

func (h *honest) Read(b []byte) (int, error) {
	n, err := h.ReadCloser.Read(b)
	if h.left -= int64(n); h.left < 0 {
		return 0, errLies
	}
	return n, err
}

// relative resolves a relationship target against the folder of its source part.
func relative(folder, target string) string {
	if strings.HasPrefix(target, "/") {
		return strings.TrimPrefix(target, "/")
	}
	return path.Join(folder, target)
}
