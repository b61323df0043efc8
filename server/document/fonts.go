package document

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Options say where the fonts are. Empty members take the places of Debian's packages fonts-noto-cjk and fonts-hanazono.
type Options struct {
	Serif, SerifBold string // collections that hold "Noto Serif CJK SC"
	Sans, SansBold   string // collections that hold "Noto Sans CJK SC"
	// Rare are fonts asked, in order, for characters that the above lack. A missing one is no error when none was named here.
	Rare []string
	// Stamp stands large and pale under everything on each page; "" for none. A register for practice says so on its papers.
	Stamp string
}

const (
	debianNoto = "/usr/share/fonts/opentype/noto/"
	debianHana = "/usr/share/fonts/truetype/hanazono/"
)

// style names a face of the house: serif for headings and names, sans for all else.
type style int

const (
	serif style = iota
	serifBold
	sans
	sansBold
	styles
)

// face is one font file's outlines, read glyph by glyph and kept. It is safe for concurrent use.
type face struct {
	name string // PostScript-like, for the PDF
	font *sfnt.Font

	mu     sync.RWMutex
	buf    sfnt.Buffer
	glyphs map[rune]*glyph // nil entry: the face lacks it
}

// glyph is ready to be copied into a subset.
type glyph struct {
	face    *face
	r       rune
	advance int // units of em
	glyf    []byte
	box     [4]int
	points  int     // of all contours
	parts   int     // contours
	shape   outline // kept for hexadecimal digits only, which box draws with
}

// newGlyph encodes a shape.
func newGlyph(f *face, r rune, advance int, shape outline) *glyph {
	g := &glyph{face: f, r: r, advance: advance, parts: len(shape)}
	g.glyf, g.box = shape.glyf()
	for _, c := range shape {
		g.points += len(c)
	}
	if r < 0x80 {
		g.shape = shape
	}
	return g
}

// openFace opens a font file, or the member of a collection with the family's name. The file stays open: glyphs are read when first used.
func openFace(path, family, debianPackage string) (*face, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("font %s is missing: install the Debian package %s, or name the file in document.Options", path, debianPackage)
		}
		return nil, fmt.Errorf("font %s: %w", path, err)
	}
	c, err := sfnt.ParseCollectionReaderAt(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("font %s cannot be read: %w", path, err)
	}
	for i := range c.NumFonts() {
		ft, err := c.Font(i)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("font %s cannot be read: %w", path, err)
		}
		name, _ := ft.Name(nil, sfnt.NameIDFamily)
		if family != "" && name != family {
			continue
		}
		ps, _ := ft.Name(nil, sfnt.NameIDPostScript)
		return &face{name: pdfName(ps), font: ft, glyphs: map[rune]*glyph{}}, nil
	}
	f.Close()
	return nil, fmt.Errorf("font %s does not hold %q: install the Debian package %s, or name another file in document.Options", path, family, debianPackage)
}

// pdfName keeps what a PDF name may hold unescaped.
func pdfName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '-' {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "Font"
	}
	return s
}

// glyph finds a character's glyph, or nil.
func (f *face) glyph(r rune) *glyph {
	f.mu.RLock()
	g, known := f.glyphs[r]
	f.mu.RUnlock()
	if known {
		return g
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if g, known = f.glyphs[r]; known {
		return g
	}
	g = f.load(r)
	if g != nil || len(f.glyphs) < 1<<17 { // absences are kept too, within reason
		f.glyphs[r] = g
	}
	return g
}

func (f *face) load(r rune) *glyph {
	gi, err := f.font.GlyphIndex(&f.buf, r)
	if err != nil || gi == 0 {
		return nil
	}
	segs, err := f.font.LoadGlyph(&f.buf, gi, fixed.I(em), nil)
	if err != nil {
		return nil
	}
	adv, err := f.font.GlyphAdvance(&f.buf, gi, fixed.I(em), font.HintingNone)
	if err != nil {
		return nil
	}
	return newGlyph(f, r, adv.Round(), outlineOf(segs))
}

// typeset is every face that a document may use.
type typeset struct {
	faces [styles]*face
	rare  []*face
	// boxes holds drawn stand-ins for characters that no face has.
	boxes *face
}

func openTypeset(o Options) (*typeset, error) {
	t := &typeset{boxes: &face{name: "XuejiMissing", glyphs: map[rune]*glyph{}}}
	want := [styles]struct{ path, def, family string }{
		serif:     {o.Serif, debianNoto + "NotoSerifCJK-Regular.ttc", "Noto Serif CJK SC"},
		serifBold: {o.SerifBold, debianNoto + "NotoSerifCJK-Bold.ttc", "Noto Serif CJK SC"},
		sans:      {o.Sans, debianNoto + "NotoSansCJK-Regular.ttc", "Noto Sans CJK SC"},
		sansBold:  {o.SansBold, debianNoto + "NotoSansCJK-Bold.ttc", "Noto Sans CJK SC"},
	}
	for s, w := range want {
		path := w.path
		if path == "" {
			path = w.def
		}
		var err error
		if t.faces[s], err = openFace(path, w.family, "fonts-noto-cjk"); err != nil {
			return nil, err
		}
	}
	rare, named := o.Rare, true
	if rare == nil {
		rare, named = []string{debianHana + "HanaMinA.ttf", debianHana + "HanaMinB.ttf"}, false
	}
	for _, path := range rare {
		f, err := openFace(path, "", "fonts-hanazono")
		if err != nil {
			if !named && errors.Is(statErr(path), os.ErrNotExist) {
				continue
			}
			return nil, err
		}
		t.rare = append(t.rare, f)
	}
	return t, nil
}

func statErr(path string) error {
	_, err := os.Stat(path)
	return err
}

// silent characters shape or order others; alone they draw nothing.
func silent(r rune) bool {
	return r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f ||
		r == 0xfeff || r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef
}

// glyph finds a character in a style, then in the other faces, then in the fonts of rare characters; at last it draws a box with the code point. It never
// fails; nil means that the character draws nothing.
func (t *typeset) glyph(s style, r rune) *glyph {
	if silent(r) {
		return nil
	}
	if g := t.faces[s].glyph(r); g != nil {
		return g
	}
	if g := t.faces[serif].glyph(r); g != nil {
		return g
	}
	for _, f := range t.rare {
		if g := f.glyph(r); g != nil {
			return g
		}
	}
	return t.box(r)
}

// box draws a frame with the code point in it, so that a missing character is seen and can be named, and never stands as a blank.
func (t *typeset) box(r rune) *glyph {
	t.boxes.mu.RLock()
	g := t.boxes.glyphs[r]
	t.boxes.mu.RUnlock()
	if g != nil {
		return g
	}
	shape := outline{rect(40, -80, 960, 840, false), rect(75, -45, 925, 805, true)}
	code := fmt.Sprintf("%04X", r)
	half := (len(code) + 1) / 2
	for i, d := range code {
		dg := t.faces[sans].glyph(d)
		if dg == nil {
			continue
		}
		row, col, n := 0, i, half
		if i >= half {
			row, col, n = 1, i-half, len(code)-half
		}
		const scale = 0.46
		step := 850.0 / float64(n)
		x := 75 + step*(float64(col)+0.5) - float64(dg.advance)*scale/2
		shape = append(shape, dg.shape.place(scale, x, []float64{430, 30}[row])...)
	}
	g = newGlyph(t.boxes, r, em, shape)
	t.boxes.mu.Lock()
	if len(t.boxes.glyphs) > 1<<14 {
		clear(t.boxes.glyphs)
	}
	t.boxes.glyphs[r] = g
	t.boxes.mu.Unlock()
	return g
}
