package document

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// subset is the part of one face that a document uses; glyph numbers are given in the order of first use, 0 is .notdef.
type subset struct {
	face   *face
	name   string // resource name, "F1"
	ids    map[rune]uint16
	glyphs []*glyph
}

func newSubset(f *face, name string) *subset {
	return &subset{face: f, name: name, ids: map[rune]uint16{}, glyphs: []*glyph{{advance: em}}}
}

func (s *subset) id(g *glyph) uint16 {
	id, ok := s.ids[g.r]
	if !ok {
		id = uint16(len(s.glyphs))
		s.ids[g.r] = id
		s.glyphs = append(s.glyphs, g)
	}
	return id
}

// trueType writes the subset as a TrueType font with the tables that a PDF viewer needs of a CIDFontType2 (ISO 32000-1, 9.9): glyf, head, hhea, hmtx,
// loca and maxp. Characters are found by glyph number, so there is no cmap.
func (s *subset) trueType() []byte {
	be := binary.BigEndian
	n := len(s.glyphs)
	box := [4]int{0, 0, em, em}
	points, contours, size := 0, 0, 0
	for _, g := range s.glyphs {
		size += len(g.glyf)
		points, contours = max(points, g.points), max(contours, g.parts)
		if g.parts > 0 {
			box = [4]int{min(box[0], g.box[0]), min(box[1], g.box[1]), max(box[2], g.box[2]), max(box[3], g.box[3])}
		}
	}
	glyf := make([]byte, 0, size)
	loca := make([]byte, 0, 4*(n+1))
	hmtx := make([]byte, 0, 4*n)
	for _, g := range s.glyphs {
		loca = be.AppendUint32(loca, uint32(len(glyf)))
		glyf = append(glyf, g.glyf...)
		hmtx = be.AppendUint16(hmtx, uint16(g.advance))
		hmtx = be.AppendUint16(hmtx, uint16(int16(g.box[0])))
	}
	loca = be.AppendUint32(loca, uint32(len(glyf)))

	head := words16(0x0001, 0x0000, 0x0001, 0x0000, 0, 0, 0x5F0F, 0x3CF5, 0, em, 0, 0, 0, 0, 0, 0, 0, 0, box[0], box[1], box[2], box[3], 0, 8, 2, 1, 0)
	hhea := words16(1, 0, 880, -120, 0, em, 0, 0, em, 1, 0, 0, 0, 0, 0, 0, 0, n)
	maxp := words16(1, 0, n, points, contours, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)

	tables := []struct {
		tag  string
		data []byte
	}{{"glyf", glyf}, {"head", head}, {"hhea", hhea}, {"hmtx", hmtx}, {"loca", loca}, {"maxp", maxp}}
	offset := 12 + 16*len(tables)
	out := words16(1, 0, len(tables), 64, 2, 16*len(tables)-64)
	for _, t := range tables {
		out = append(out, t.tag...)
		out = be.AppendUint32(out, checksum(t.data))
		out = be.AppendUint32(out, uint32(offset))
		out = be.AppendUint32(out, uint32(len(t.data)))
		offset += (len(t.data) + 3) &^ 3
	}
	out = slices.Grow(out, offset-len(out))
	headAt := 0
	for _, t := range tables {
		if t.tag == "head" {
			headAt = len(out)
		}
		out = append(out, t.data...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
	}
	be.PutUint32(out[headAt+8:], 0xB1B0AFBA-checksum(out))
	return out
}

func words16(v ...int) []byte {
	b := make([]byte, 0, 2*len(v))
	for _, x := range v {
		b = binary.BigEndian.AppendUint16(b, uint16(x))
	}
	return b
}

func checksum(b []byte) (sum uint32) {
	for len(b) >= 4 {
		sum += binary.BigEndian.Uint32(b)
		b = b[4:]
	}
	if len(b) > 0 {
		var last [4]byte
		copy(last[:], b)
		sum += binary.BigEndian.Uint32(last[:])
	}
	return sum
}

// widths is the W array of the CID font.
func (s *subset) widths() string {
	var b strings.Builder
	b.WriteString("[0 [")
	for _, g := range s.glyphs {
		fmt.Fprintf(&b, "%d ", g.advance)
	}
	b.WriteString("]]")
	return b.String()
}

// toUnicode maps glyph numbers to UTF-16, so that names copy and search as they are, above U+FFFF too.
func (s *subset) toUnicode() []byte {
	var b bytes.Buffer
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n")
	const block = 100 // the most that one bfchar section may hold
	for at := 1; at < len(s.glyphs); at += block {
		part := s.glyphs[at:min(at+block, len(s.glyphs))]
		fmt.Fprintf(&b, "%d beginbfchar\n", len(part))
		for i, g := range part {
			fmt.Fprintf(&b, "<%04X> <", at+i)
			for _, u := range utf16.Encode([]rune{g.r}) {
				fmt.Fprintf(&b, "%04X", u)
			}
			b.WriteString(">\n")
		}
		b.WriteString("endbfchar\n")
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return b.Bytes()
}
