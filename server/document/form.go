package document

import (
	"bytes"
	"fmt"

	"github.com/jung-kurt/gofpdf"

	"xueji/server/registry"
)

// Form is an A4 paper of labelled cells, tables and places for signatures and seals: applications, reports, the record itself. It flows over as many pages as it
// needs. Plain values: the caller masks what must be masked before it comes here.
type Form struct {
	Title string
	Sub   string // who issues it, or to whom it goes
	// NoTitle and No stand at the top left, such as 业务编号.
	NoTitle, No string
	Copy        int // the how manieth copy of this paper; 0: not numbered
	// Photo (JPEG, may be nil) has its place of 26 × 32 mm at the top right when Portrait is set.
	Portrait  bool
	Photo     []byte
	Dense     bool // small rows, for a whole record on one page
	Parts     []Part
	Opinions  []Opinion
	Note      string // what the paper rests on and where it goes
	QR        string // the address at which anybody can check the paper
	Foot      string
	PrintedOn registry.Date
}

// Part is a section of a form: labelled cells, one or two a row, or a table, or running text.
type Part struct {
	Title string
	Rows  [][]FormCell
	Text  string // a letter's text, "\n" between paragraphs
	Cols  []FormCol
	Table [][]string
}

// FormCell is a labelled cell; a name stands strong.
type FormCell struct {
	Label, Value string
	Strong       bool
}

// FormCol is a column of a form's table; Share is its part of the width, the shares of a table add up to 1.
type FormCol struct {
	Title  string
	Share  float64
	Centre bool
}

// Opinion is a place where somebody writes, signs and seals.
type Opinion struct {
	Who  string // 学校意见
	Says string // what stands there already
	Sign string // 负责人签字; "" leaves the line out
	Seal string // where the seal goes; "" for a person
	On   string // a date that is known, else room to write it
}

// Form makes the paper.
func (m *Maker) Form(f Form) ([]byte, error) {
	s := m.sheet(f.Title, a4W, a4H)
	s.page()
	y := s.formHead(&f)
	if f.Portrait {
		if err := s.portrait(f.Photo); err != nil {
			return nil, err
		}
	}
	next := func() float64 {
		s.page()
		s.text(marginX, marginTop+3.4, f.mark(), write{style: sans, pt: 9.75, ink: grey})
		s.text(a4W-marginX, marginTop+3.4, f.Title+"（续）", write{style: serif, pt: 9.75, ink: grey, align: right})
		return marginTop + 8
	}
	rowH, pt := 9.6, 10.25
	switch {
	case f.Dense:
		rowH, pt = 6.5, 8.75
	case len(f.Opinions) > 2:
		rowH, pt = 8.4, 10
	}
	for _, p := range f.Parts {
		if p.Title != "" {
			if y+rowH*2+9 > lowest {
				y = next()
			}
			y += 6.2
			s.text(marginX, y, p.Title, write{style: serifBold, pt: pt + 1.5, ink: black})
			y += 2.2
		}
		y = s.cells(y, rowH, pt, p.Rows, next)
		if len(p.Cols) > 0 {
			cols := make([]column, len(p.Cols))
			for i, c := range p.Cols {
				cols[i] = column{c.Title, c.Share * contentW, left}
				if c.Centre {
					cols[i].align = centre
				}
			}
			y = s.table(y, cols, p.Table, nil, next)
		}
		if p.Text != "" {
			const pt, lead = 11.5, 7.2
			for _, l := range s.t.lines(serif, pt, p.Text, contentW) {
				if y+lead > lowest {
					y = next()
				}
				y += lead
				s.text(marginX, y, l, write{style: serif, pt: pt, ink: black})
			}
			y += 3
		}
	}
	y += 3
	// The places to sign share what the page has left, so that one page holds them where it can.
	h := 36.0
	if n := float64(len(f.Opinions)); n > 0 {
		if share := (lowest - y - codeSize) / n; share >= 20.5 && share < h {
			h = share
		}
	}
	for i := range f.Opinions {
		if y+h > lowest {
			y = next()
		}
		s.opinion(y, h, &f.Opinions[i])
		y += h
	}
	if err := s.formEnd(m, &f, y, next); err != nil {
		return nil, err
	}
	n := s.pdf.PageNo()
	for p := 1; p <= n; p++ {
		s.onPage(p)
		s.foot(f.Foot, string(f.PrintedOn), p, n)
	}
	return s.finish()
}

func (f *Form) mark() string {
	if f.No == "" {
		return ""
	}
	title := f.NoTitle
	if title == "" {
		title = "业务编号"
	}
	return title + "　" + f.No
}

// formHead writes number, copy and title and returns the y below.
func (s *sheet) formHead(f *Form) float64 {
	s.text(marginX, marginTop+3.4, f.mark(), write{style: sans, pt: 9.75, ink: grey})
	edge := a4W - marginX
	width := contentW - 4
	mid := a4W / 2
	if f.Portrait {
		edge -= 30
		width -= 60
	}
	if f.Copy > 0 {
		s.text(edge, marginTop+3.4, fmt.Sprintf("第 %d 份", f.Copy), write{style: sans, pt: 9.75, ink: grey, align: right})
	}
	s.box(mid-width/2, marginTop+9, width, 12, f.Title, write{style: serifBold, pt: 22, ink: black, align: centre}, 12)
	y := marginTop + 23
	if f.Sub != "" {
		s.box(mid-width/2, y, width, 7, f.Sub, write{style: serif, pt: 11.5, ink: grey, align: centre}, 7)
		y += 8
	}
	if f.Portrait {
		y = max(y, marginTop+34)
	}
	return y + 2
}

// portrait draws the photograph, or its place, at the top right: 26 × 32 mm.
func (s *sheet) portrait(photo []byte) error {
	const w, h = 26.0, 32.0
	x, y := a4W-marginX-w, marginTop-1.0
	if len(photo) > 0 {
		o := gofpdf.ImageOptions{ImageType: "JPG", AllowNegativePosition: true}
		info := s.pdf.RegisterImageOptionsReader("portrait", o, bytes.NewReader(photo))
		if err := s.pdf.Error(); err != nil || info == nil {
			return fmt.Errorf("document: photo: %w", err)
		}
		// The middle of a picture of another shape is shown: it is never drawn out of proportion.
		pw, ph := w, h
		if r := info.Width() / info.Height(); r > w/h {
			pw = h * r
		} else {
			ph = w / r
		}
		s.pdf.ClipRect(x, y, w, h, false)
		s.pdf.ImageOptions("portrait", x-(pw-w)/2, y-(ph-h)/2, pw, ph, false, o, 0, "")
		s.pdf.ClipEnd()
	} else {
		s.text(x+w/2, y+h/2+1.2, "照片", write{style: sans, pt: 9, ink: pale, align: centre})
	}
	s.frame(x, y, w, h, 0.25, rule)
	return nil
}

// cells draws rows of labelled cells, over pages where they do not fit.
func (s *sheet) cells(y, rowH, pt float64, rows [][]FormCell, next func() float64) float64 {
	pairs := make([][]pair, len(rows))
	for i, r := range rows {
		for _, c := range r {
			pairs[i] = append(pairs[i], pair{c.Label, c.Value, c.Strong})
		}
	}
	for len(pairs) > 0 {
		fit := int((lowest - y) / rowH)
		if fit < 1 {
			y = next()
			continue
		}
		n := min(fit, len(pairs))
		y = s.grid(y, rowH, pt, pairs[:n])
		pairs = pairs[n:]
	}
	return y
}

// opinion draws a place to write, sign and seal.
func (s *sheet) opinion(y, h float64, o *Opinion) {
	s.rect(marginX, y, labelWidth, h, wash)
	s.box(marginX+2, y+2, labelWidth-4, h-4, o.Who, write{style: serif, pt: 11, ink: black, align: centre}, 7)
	s.line(marginX+labelWidth, y, marginX+labelWidth, y+h, 0.22, rule)
	s.frame(marginX, y, contentW, h, 0.3, rule)
	x := marginX + labelWidth + 4
	w := contentW - labelWidth - 8
	if o.Seal != "" {
		s.seal(a4W-marginX-21, y+h/2, h/2-2, o.Seal)
		w -= 42
	}
	if o.Says != "" {
		s.box(x, y+2.5, w, h-14, o.Says, write{style: sans, pt: 10.5, ink: black}, 7)
	}
	base := y + h - 4
	if o.Sign != "" {
		s.text(x, base, o.Sign+"：", write{style: serif, pt: 10.5, ink: black})
	}
	on := o.On
	if on == "" {
		on = "　　年　　月　　日"
	}
	s.text(x+w, base, on, write{style: serif, pt: 10.5, ink: black, align: right})
}

// codeSize is the side of a form's code, with its frame, in mm.
const codeSize = 27.0

// formEnd writes the note and the code with the line that says what it holds.
func (s *sheet) formEnd(m *Maker, f *Form, y float64, next func() float64) error {
	const size = codeSize
	if f.QR == "" {
		if f.Note != "" {
			s.paragraph(marginX, y+6, contentW, 5, f.Note, write{style: sans, pt: 9, ink: grey})
		}
		return nil
	}
	if y+size+4 > lowest+4 {
		y = next()
	}
	return s.checkable(m, max(y+3, 0), f.Note, f.QR)
}

// checkable draws the code of codeSize at y, and beside it the note and how anybody checks the paper.
func (s *sheet) checkable(m *Maker, y float64, note, qr string) error {
	const size = codeSize
	says := "扫码或打开 " + checkHost(qr) + "，任何人都能核对本件是否由系统开具；核对页不显示学生信息。"
	if note != "" {
		says = note + "\n" + says
	}
	s.frame(marginX, y, size, size, 0.15, hairline)
	if err := s.qr(m, marginX+2.4, y+2.4, size-4.8, qr, black); err != nil {
		return err
	}
	s.box(marginX+size+5, y, contentW-size-5, size, says, write{style: sans, pt: 9, ink: grey}, 6)
	return nil
}

// copyNumber writes at the top right the how manieth print it is.
func (s *sheet) copyNumber(n int) {
	if n > 0 {
		s.text(a4W-marginX, marginTop+3.4, fmt.Sprintf("第 %d 份", n), write{style: sans, pt: 9.75, ink: grey, align: right})
	}
}

// checkHost is the address up to the code.
func checkHost(url string) string {
	for i := len(url) - 1; i >= 0; i-- {
		if url[i] == '/' {
			return url[:i]
		}
	}
	return url
}
