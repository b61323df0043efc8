package upload

import (
	"bytes"
	"encoding/binary"
)

// Media types that are taken.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png"
	PDF  = "application/pdf"
)

// Reason is what is wrong with a file; its words stand in the catalogues under problem.invalid.why.
type Reason string

const (
	Type      Reason = "type"         // none of the types that are taken
	Differs   Reason = "type_differs" // of another type than it says
	Damaged   Reason = "damaged"
	Attached  Reason = "attached"   // something hangs on behind the picture
	Pixels    Reason = "pixels"     // too many of them
	Active    Reason = "active"     // a PDF that runs scripts or starts something
	Embedded  Reason = "embedded"   // a PDF that carries other files
	Encrypted Reason = "encrypted"  // a PDF with a password or restrictions
	Hidden    Reason = "unreadable" // a PDF with parts that cannot be looked into
)

// Bounds of a picture. An A3 page scanned at 600 dpi has 70 million pixels.
const (
	MaxSide   = 20_000
	MaxPixels = 80_000_000
)

// TypeOf tells a file's type by its first bytes; "" for one that is not taken.
func TypeOf(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return JPEG
	case bytes.HasPrefix(b, []byte(pngMagic)):
		return PNG
	case bytes.HasPrefix(b, []byte("%PDF-")):
		return PDF
	}
	return ""
}

// Check gives the first thing that is wrong with a file that says it is of a media type; "" when nothing is.
func Check(said string, b []byte) Reason {
	is := TypeOf(b)
	switch {
	case is == "" || said != JPEG && said != PNG && said != PDF:
		return Type
	case is != said:
		return Differs
	case is == JPEG:
		return checkJPEG(b)
	case is == PNG:
		return checkPNG(b)
	}
	return checkPDF(b)
}

func pixels(w, h uint32) Reason {
	switch {
	case w == 0 || h == 0:
		return Damaged
	case w > MaxSide || h > MaxSide || uint64(w)*uint64(h) > MaxPixels:
		return Pixels
	}
	return ""
}

// checkJPEG walks the segments to the end of the picture (ITU T.81 B.1). Behind it only padding and further pictures (the previews of cameras) may stand.
func checkJPEG(b []byte) Reason {
	for {
		rest, why := onePicture(b)
		if why != "" {
			return why
		}
		i := 0
		for i < len(rest) && (rest[i] == 0 || rest[i] == 0xff) {
			i++
		}
		switch {
		case i == len(rest):
			return ""
		case i == 0 || !bytes.HasPrefix(rest[i-1:], []byte("\xff\xd8\xff")):
			return Attached
		}
		b = rest[i-1:]
	}
}

// onePicture gives what stands behind the first picture.
func onePicture(b []byte) (rest []byte, why Reason) {
	sized := false
	for i := 2; ; {
		for i < len(b) && b[i] == 0xff { // a marker may be padded with FF
			i++
		}
		if i >= len(b) || i < 3 || b[i-1] != 0xff {
			return nil, Damaged
		}
		m := b[i]
		i++
		switch {
		case m == 0xd9: // end of image
			if !sized {
				return nil, Damaged
			}
			return b[i:], ""
		case m >= 0xd0 && m <= 0xd7 || m == 0x01: // stand alone
			continue
		case m == 0xd8 || m == 0x00:
			return nil, Damaged
		}
		if i+2 > len(b) {
			return nil, Damaged
		}
		n := int(binary.BigEndian.Uint16(b[i:]))
		if n < 2 || i+n > len(b) {
			return nil, Damaged
		}
		if m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc { // frame header: sizes
			if n < 8 {
				return nil, Damaged
			}
			if why := pixels(uint32(binary.BigEndian.Uint16(b[i+5:])), uint32(binary.BigEndian.Uint16(b[i+3:]))); why != "" {
				return nil, why
			}
			sized = true
		}
		i += n
		if m == 0xda { // scan: coded data until a marker that is neither a stuffed FF nor a restart
			for i+1 < len(b) && !(b[i] == 0xff && b[i+1] != 0 && (b[i+1] < 0xd0 || b[i+1] > 0xd7)) {
				i++
			}
			if i+1 >= len(b) {
				return nil, Damaged
			}
		} else if i >= len(b) || b[i] != 0xff {
			return nil, Damaged
		}
	}
}

const pngMagic = "\x89PNG\r\n\x1a\n"

// checkPNG walks the chunks (ISO 15948): the header first, the end last and nothing behind it.
func checkPNG(b []byte) Reason {
	for i, first := len(pngMagic), true; ; first = false {
		if len(b)-i < 12 {
			return Damaged
		}
		n, kind := binary.BigEndian.Uint32(b[i:]), string(b[i+4:i+8])
		if uint64(n) > uint64(len(b)-i-12) {
			return Damaged
		}
		if first != (kind == "IHDR") || first && n != 13 {
			return Damaged
		}
		if first {
			if why := pixels(binary.BigEndian.Uint32(b[i+8:]), binary.BigEndian.Uint32(b[i+12:])); why != "" {
				return why
			}
		}
		i += 12 + int(n)
		if kind == "IEND" {
			if i < len(b) {
				return Attached
			}
			return ""
		}
	}
}
