package document

import (
	"xueji/server/registry"
)

// Report is a paper of facts and tables: the yearly audit report, the approval form of an export.
type Report struct {
	Title    string
	Sub      string
	Facts    [][2]string // label and value, two to a row
	Sections []ReportSection
	Note     string
	Seal     string
	Lines    []string // to be signed
	// Seal2 and Lines2 are the other side's, beside the first, of a paper that two units sign.
	Seal2     string
	Lines2    []string
	Copy      int    // the how manieth print of this paper; 0: not numbered
	QR        string // the address at which anybody can check the paper; "" for none
	Left      string // of the foot
	PrintedOn registry.Date
}

// ReportSection is a table with a heading. Widths are shares of the content's width.
type ReportSection struct {
	Title  string
	Say    string
	Cols   []string
	Widths []float64
	Rows   [][]string
	Empty  string // instead of no rows
}

// Report makes it, A4 upright, with page x of y.
func (m *Maker) Report(r Report) ([]byte, error) {
	const rowH, headH = 7.2, 7.6
	s := m.sheet(r.Title, a4W, a4H)
	s.page()
	s.copyNumber(r.Copy)
	s.text(a4W/2, marginTop+12, r.Title, write{style: serifBold, pt: 23, ink: black, align: centre, spacing: 0.12})
	y := marginTop + 18.0
	if r.Sub != "" {
		s.text(a4W/2, y+2, r.Sub, write{style: sans, pt: 10, ink: grey, align: centre})
		y += 7
	}
	next := func() {
		s.page()
		s.text(marginX, marginTop+3.4, r.Title+"（续）", write{style: serif, pt: 9.75, ink: grey})
		y = marginTop + 9
	}
	var rows [][]pair
	for i := 0; i < len(r.Facts); i += 2 {
		row := []pair{{r.Facts[i][0], r.Facts[i][1], false}}
		if i+1 < len(r.Facts) && r.Facts[i+1][0] != "" {
			row = append(row, pair{r.Facts[i+1][0], r.Facts[i+1][1], false})
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		y = s.grid(y, 9, 10, rows) + 3
	}
	for _, sec := range r.Sections {
		if y+30 > lowest {
			next()
		}
		y += 8
		if sec.Title != "" {
			s.text(marginX, y, sec.Title, write{style: serifBold, pt: 13, ink: jadeDeep})
			y += 2.6
		}
		if sec.Say != "" {
			y = s.paragraph(marginX, y+4, contentW, 5.6, sec.Say, write{style: sans, pt: 10.5, ink: black})
		}
		if len(sec.Rows) == 0 {
			if sec.Empty != "" {
				s.text(marginX, y+4.5, sec.Empty, write{style: sans, pt: 10, ink: black})
				y += 6
			}
			continue
		}
		top := y
		begin := func() {
			top = y
			s.rect(marginX, y, contentW, headH, wash)
			x := marginX
			for i, c := range sec.Cols {
				w := sec.Widths[i] * contentW
				s.box(x+1, y+0.6, w-2, headH-1.2, c, write{style: serifBold, pt: 9, ink: black, align: centre}, 6)
				x += w
			}
			y += headH
		}
		end := func() {
			x := marginX
			for _, w := range sec.Widths[:len(sec.Widths)-1] {
				x += w * contentW
				s.line(x, top, x, y, 0.2, hairline)
			}
			s.frame(marginX, top, contentW, y-top, 0.3, rule)
		}
		begin()
		for _, row := range sec.Rows {
			rowH := rowH
			for i, text := range row { // a long name makes its row higher, so that it stays readable
				if n := len(s.t.lines(sans, 7, text, sec.Widths[i]*contentW-2.8)); n > 1 {
					rowH = max(rowH, float64(n)*3.3+1.4)
				}
			}
			if y+rowH > lowest {
				end()
				next()
				begin()
			}
			s.line(marginX, y, marginX+contentW, y, 0.18, hairline)
			x := marginX
			for i, text := range row {
				w := sec.Widths[i] * contentW
				a := write{style: sans, pt: 9, ink: black, align: centre}
				if i == 0 {
					a.align = left
				}
				s.box(x+1.4, y+0.5, w-2.8, rowH-1, text, a, 5)
				x += w
			}
			y += rowH
		}
		end()
	}
	// A list that two units check ends as before, with the place of both seals; what anybody may check stands with the note above them.
	switch {
	case r.QR != "":
		if y+codeSize+8 > lowest {
			next()
		}
		if err := s.checkable(m, y+6, r.Note, r.QR); err != nil {
			return nil, err
		}
		y += codeSize + 6
	case r.Note != "":
		if y+24 > lowest {
			next()
		}
		y = s.paragraph(marginX, y+8, contentW, 5.2, r.Note, write{style: sans, pt: 9.2, ink: grey})
	}
	if len(r.Lines2) > 0 {
		if y+66 > lowest {
			next()
		}
		s.both(y+8, [2]string{r.Seal, r.Seal2}, [2][]string{r.Lines, r.Lines2})
	} else if len(r.Lines) > 0 {
		if y+60 > lowest {
			next()
		}
		var lines [][2]string
		for _, l := range r.Lines {
			lines = append(lines, [2]string{l, ""})
		}
		s.signatures(y+6, r.Seal, lines)
	}
	last := len(s.pages)
	for p := 1; p <= last; p++ {
		s.onPage(p)
		s.foot(r.Left, string(r.PrintedOn), p, last)
	}
	s.onPage(last)
	return s.finish()
}

// both draws what two units sign, beside each other: a place for the seal above lines to be filled by hand.
func (s *sheet) both(y float64, seals [2]string, lines [2][]string) {
	const half = contentW / 2
	for side := range 2 {
		x := marginX + float64(side)*half
		s.seal(x+half/2, y+17, 17, seals[side])
		for i, l := range lines[side] {
			base := y + 42 + float64(i)*8
			s.text(x+4, base, l+"：", write{style: serif, pt: 10.5, ink: black})
			s.line(x+30, base+1.4, x+half-8, base+1.4, 0.2, rule)
		}
	}
}
