package document

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/jung-kurt/gofpdf"
)

// ink is a colour, 0xRRGGBB.
type ink uint32

const (
	black    ink = 0x1b2530
	grey     ink = 0x55606b
	pale     ink = 0x8a929a
	rule     ink = 0x222a33
	hairline ink = 0xbbbfc4
	wash     ink = 0xf7f6f2
	jade     ink = 0x0e6b5c
	jadeDeep ink = 0x0a4f44
	sealRed  ink = 0xb3321f
	stampRed ink = 0xf0d3cc
)

// sheet is a document being made. gofpdf keeps the pages, lines and pictures; text goes into a form of its own on each page, with the fonts' subsets, since
// gofpdf's own text stops at U+FFFF and reads a whole font for each document. Lengths are mm from the top left corner, sizes are points.
type sheet struct {
	t     *typeset
	pdf   *gofpdf.Fpdf
	w, h  float64
	pages []*bytes.Buffer // text and line art of each page, PDF operators
	at    int             // index of the current page
	fonts map[*face]*subset
	order []*subset
	stamp string
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (m *Maker) sheet(title string, w, h float64) *sheet {
	pdf := gofpdf.NewCustom(&gofpdf.InitType{OrientationStr: "P", UnitStr: "mm", Size: gofpdf.SizeType{Wd: w, Ht: h}})
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetMargins(0, 0, 0)
	pdf.SetCompression(false) // our streams are packed already; gofpdf's hold a few lines
	pdf.SetTitle(title, true)
	pdf.SetCreator("Xueji", true)
	return &sheet{t: m.fonts, pdf: pdf, w: w, h: h, fonts: map[*face]*subset{}, stamp: m.stamp}
}

func (s *sheet) page() {
	s.pdf.AddPage()
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	s.pages = append(s.pages, b)
	s.at = len(s.pages) - 1
	if s.stamp != "" {
		const pointsPerMM = 72 / 25.4
		pt := 0.86 * s.w / float64(len([]rune(s.stamp))) * pointsPerMM
		for _, at := range []float64{0.3, 0.55, 0.8} {
			s.text(s.w/2, s.h*at, s.stamp, write{style: sansBold, pt: pt, ink: stampRed, align: centre})
		}
	}
}

func (s *sheet) cur() *bytes.Buffer { return s.pages[s.at] }

func num(b *bytes.Buffer, v float64) {
	b.Write(strconv.AppendFloat(b.AvailableBuffer(), v, 'f', 2, 64))
	b.WriteByte(' ')
}

func (c ink) fill(b *bytes.Buffer) {
	for _, v := range []ink{c >> 16 & 255, c >> 8 & 255, c & 255} {
		b.Write(strconv.AppendFloat(b.AvailableBuffer(), float64(v)/255, 'f', 3, 64))
		b.WriteByte(' ')
	}
	b.WriteString("rg ")
}

func (s *sheet) subset(f *face) *subset {
	sub := s.fonts[f]
	if sub == nil {
		sub = newSubset(f, "F"+strconv.Itoa(len(s.order)+1))
		s.fonts[f] = sub
		s.order = append(s.order, sub)
	}
	return sub
}

// align is where x lies in a text.
type align int

const (
	left align = iota
	centre
	right
)

// write is a text's look.
type write struct {
	style   style
	pt      float64
	ink     ink
	align   align
	spacing float64 // after each character, in em
	stretch float64 // horizontal scale; 0 is 1
}

// text writes one line with its baseline at y and returns its width in mm.
func (s *sheet) text(x, y float64, text string, w write) float64 {
	return s.textOn(s.cur(), x, y, text, w)
}

func (s *sheet) textOn(b *bytes.Buffer, x, y float64, text string, w write) float64 {
	if w.stretch == 0 {
		w.stretch = 1
	}
	type run struct {
		sub *subset
		ids []uint16
	}
	var runs []run
	total, n := 0, 0
	for _, r := range text {
		g := s.t.glyph(w.style, r)
		if g == nil {
			continue
		}
		sub := s.subset(g.face)
		if len(runs) == 0 || runs[len(runs)-1].sub != sub {
			runs = append(runs, run{sub: sub})
		}
		last := &runs[len(runs)-1]
		last.ids = append(last.ids, sub.id(g))
		total += g.advance
		n++
	}
	if n == 0 {
		return 0
	}
	width := (float64(total)/em*w.pt + w.spacing*w.pt*float64(n-1)) * w.stretch / ptPerMM
	switch w.align {
	case centre:
		x -= width / 2
	case right:
		x -= width
	}
	w.ink.fill(b)
	b.WriteString("BT ")
	if w.spacing != 0 {
		num(b, w.spacing*w.pt)
		b.WriteString("Tc ")
	}
	if w.stretch != 1 {
		num(b, w.stretch*100)
		b.WriteString("Tz ")
	}
	b.WriteString("1 0 0 1 ")
	num(b, x*ptPerMM)
	num(b, (s.h-y)*ptPerMM)
	b.WriteString("Tm ")
	for _, r := range runs {
		b.WriteByte('/')
		b.WriteString(r.sub.name)
		b.WriteByte(' ')
		num(b, w.pt)
		b.WriteString("Tf <")
		for _, id := range r.ids {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{hex[id>>12], hex[id>>8&15], hex[id>>4&15], hex[id&15]})
		}
		b.WriteString("> Tj ")
	}
	if w.spacing != 0 {
		b.WriteString("0 Tc ")
	}
	if w.stretch != 1 {
		b.WriteString("100 Tz ")
	}
	b.WriteString("ET\n")
	return width
}

// ascent and descent of a Chinese line around its baseline, in em: what centres a line in a cell.
const (
	ascent  = 0.88
	descent = 0.12
)

// box writes text into a box, as large as most allows, centred in height; align counts in the box. Nothing is clipped: see typeset.fit.
func (s *sheet) box(x, y, w, h float64, text string, wr write, least float64) {
	if text == "" {
		return
	}
	f := s.t.fit(wr.style, text, w, h, wr.pt, least)
	wr.pt, wr.stretch = f.pt, f.stretch
	em := f.pt / ptPerMM
	block := float64(len(f.lines)-1)*f.leading + em
	base := y + (h-block)/2 + ascent*em
	at := map[align]float64{left: x, centre: x + w/2, right: x + w}[wr.align]
	for i, l := range f.lines {
		s.text(at, base+float64(i)*f.leading, l, wr)
	}
}

// paragraph writes broken lines from a first baseline y on and returns the baseline after the last.
func (s *sheet) paragraph(x, y, width, leading float64, text string, w write) float64 {
	for _, l := range s.t.lines(w.style, w.pt, text, width) {
		at := x
		if w.align == centre {
			at = x + width/2
		}
		s.text(at, y, l, w)
		y += leading
	}
	return y
}

func (s *sheet) line(x0, y0, x1, y1, width float64, c ink) {
	s.pdf.SetLineWidth(width)
	s.pdf.SetDrawColor(int(c>>16&255), int(c>>8&255), int(c&255))
	s.pdf.Line(x0, y0, x1, y1)
}

func (s *sheet) rect(x, y, w, h float64, fill ink) {
	s.pdf.SetFillColor(int(fill>>16&255), int(fill>>8&255), int(fill&255))
	s.pdf.Rect(x, y, w, h, "F")
}

func (s *sheet) frame(x, y, w, h, width float64, c ink) {
	s.pdf.SetLineWidth(width)
	s.pdf.SetDrawColor(int(c>>16&255), int(c>>8&255), int(c&255))
	s.pdf.Rect(x, y, w, h, "D")
}

// seal draws the place for a unit's seal: 42 mm is the size of a school's (State Council rules on official seals), the ring a little wider.
func (s *sheet) seal(cx, cy, r float64, text string) {
	s.pdf.SetLineWidth(0.25)
	s.pdf.SetDrawColor(0x99, 0x99, 0x99)
	s.pdf.SetDashPattern([]float64{1.2, 1.1}, 0)
	s.pdf.Circle(cx, cy, r, "D")
	s.pdf.SetDashPattern([]float64{}, 0)
	s.box(cx-r*0.8, cy-r*0.6, r*1.6, r*1.2, text, write{style: sans, pt: 9.5, ink: pale, align: centre}, 6)
}

// flate packs quickly; writers are kept, since each weighs over half a megabyte.
var flates = sync.Pool{New: func() any {
	w, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed)
	return w
}}

func flate(b []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(b)/2 + 64)
	w := flates.Get().(*zlib.Writer)
	w.Reset(&out)
	w.Write(b)
	w.Close()
	flates.Put(w)
	return out.Bytes()
}

// hole is where gofpdf writes the number of another object: forty characters, since it was made for SHA-1 names.
var hole = strings.Repeat(" ", 40)

// object builds a raw PDF object that names others.
type object struct {
	b    bytes.Buffer
	refs map[int]string
}

func (o *object) ref(name string) {
	if o.refs == nil {
		o.refs = map[int]string{}
	}
	o.refs[o.b.Len()] = name
	o.b.WriteString(hole)
	o.b.WriteString(" 0 R ")
}

func (o *object) stream(dict string, data []byte) {
	fmt.Fprintf(&o.b, "<<%s /Length %d>>\nstream\n", dict, len(data))
	o.b.Write(data)
	o.b.WriteString("\nendstream\nendobj")
}

// finish gives the PDF. The sheet must not be used after.
func (s *sheet) finish() ([]byte, error) {
	objs := map[string][]byte{}
	refs := map[string]map[int]string{}
	put := func(name string, o *object) {
		objs[name], refs[name] = o.b.Bytes(), o.refs
	}
	var res object
	res.b.WriteString("<</ProcSet [/PDF /Text] /Font <<")
	for _, f := range s.order {
		res.b.WriteString("/" + f.name + " ")
		res.ref(f.name)
		s.putFont(f, put)
	}
	res.b.WriteString(">>>>\nendobj")
	put("resources", &res)

	forms := map[string]string{}
	for i, b := range s.pages {
		name := "text" + strconv.Itoa(i+1)
		var o object
		fmt.Fprintf(&o.b, "<</Type /XObject /Subtype /Form /BBox [0 0 %.2f %.2f] /Resources ", s.w*ptPerMM, s.h*ptPerMM)
		o.ref("resources")
		data := flate(b.Bytes())
		fmt.Fprintf(&o.b, "/Filter /FlateDecode /Length %d>>\nstream\n", len(data))
		o.b.Write(data)
		o.b.WriteString("\nendstream\nendobj")
		put(name, &o)
		forms["/T"+strconv.Itoa(i+1)] = name
		s.pdf.SetPage(i + 1)
		s.pdf.UseImportedTemplate("/T"+strconv.Itoa(i+1), 1/ptPerMM, 1/ptPerMM, 0, -s.h)
		buffers.Put(b)
	}
	s.pages = nil
	s.pdf.ImportObjects(objs)
	s.pdf.ImportObjPos(refs)
	s.pdf.ImportTemplates(forms)
	var out bytes.Buffer
	if err := s.pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return out.Bytes(), nil
}

// putFont writes a subset as a composite font with glyph numbers as its codes (ISO 32000-1, 9.7).
func (s *sheet) putFont(f *subset, put func(string, *object)) {
	base := fmt.Sprintf("XUEJI%c+%s", 'A'+len(s.fonts)%26, f.face.name)
	var font, cid, desc, file, uni object
	fmt.Fprintf(&font.b, "<</Type /Font /Subtype /Type0 /BaseFont /%s /Encoding /Identity-H /DescendantFonts [", base)
	font.ref(f.name + "cid")
	font.b.WriteString("] /ToUnicode ")
	font.ref(f.name + "uni")
	font.b.WriteString(">>\nendobj")

	fmt.Fprintf(&cid.b, "<</Type /Font /Subtype /CIDFontType2 /BaseFont /%s /CIDSystemInfo <</Registry (Adobe) /Ordering (Identity) /Supplement 0>> /FontDescriptor ", base)
	cid.ref(f.name + "desc")
	fmt.Fprintf(&cid.b, "/DW %d /W %s /CIDToGIDMap /Identity>>\nendobj", em, f.widths())

	fmt.Fprintf(&desc.b, "<</Type /FontDescriptor /FontName /%s /Flags 4 /FontBBox [0 -120 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 733 /StemV 80 /FontFile2 ", base)
	desc.ref(f.name + "file")
	desc.b.WriteString(">>\nendobj")

	raw := f.trueType()
	file.stream(fmt.Sprintf("/Filter /FlateDecode /Length1 %d", len(raw)), flate(raw))
	uni.stream("/Filter /FlateDecode", flate(f.toUnicode()))

	put(f.name, &font)
	put(f.name+"cid", &cid)
	put(f.name+"desc", &desc)
	put(f.name+"file", &file)
	put(f.name+"uni", &uni)
}

// onPage makes an earlier page the current one, for both text and lines.
func (s *sheet) onPage(n int) {
	s.pdf.SetPage(n)
	s.at = n - 1
}
