package document

import (
	"fmt"

	"xueji/server/registry"
)

// A4 papers share margins, a grid of labelled cells, a foot line and the way an inventory flows over pages.
const (
	a4W, a4H   = 210.0, 297.0
	marginX    = 22.0
	marginTop  = 20.0
	contentW   = a4W - 2*marginX
	footY      = 279.0 // baseline of the foot line
	lowest     = 268.0 // no content below
	labelWidth = 26.0
)

// pair is a labelled cell. Strong values are names.
type pair struct {
	label, value string
	strong       bool
}

// head writes the archive number, the copy number and the title, and returns the y below it.
func (s *sheet) head(c *Cover, title, sub string, y float64) float64 {
	s.text(marginX, marginTop+3.4, "档案编号　"+dash(c.ArchiveNo), write{style: sans, pt: 9.75, ink: grey})
	if c.Copies > 0 {
		s.text(a4W-marginX, marginTop+3.4, fmt.Sprintf("第 %d 份 · 共 %d 份", max(c.Copy, 1), c.Copies), write{style: sans, pt: 9.75, ink: grey, align: right})
	}
	if sub == "" {
		s.text(a4W/2, y+10, title, write{style: serifBold, pt: 25, ink: black, align: centre, spacing: 0.22})
		return y + 18
	}
	s.text(a4W/2, y+12.5, title, write{style: serifBold, pt: 34.5, ink: black, align: centre, spacing: 0.5})
	s.text(a4W/2, y+24, sub, write{style: serif, pt: 13.5, ink: grey, align: centre, spacing: 0.6})
	return y + 28
}

// spread sets a label of two or three characters over the width of four.
func (s *sheet) spread(x, w, base float64, label string, wr write) {
	n := len([]rune(label))
	if n == 2 || n == 3 {
		wr.spacing = (4 - float64(n)) / float64(n-1)
	}
	wr.align = centre
	if s.t.width(wr.style, wr.pt, label) > w-2 {
		s.box(x+1, base-5, w-2, 7, label, wr, 5)
		return
	}
	s.text(x+w/2, base, label, wr)
}

// grid draws rows of one or two labelled cells over the content's width and returns the y below.
func (s *sheet) grid(y, rowH, pt float64, rows [][]pair) float64 {
	const secondLabel = marginX + 94
	y0 := y
	for i, row := range rows { // grounds first: they must not cover the rules
		at := y + float64(i)*rowH
		s.rect(marginX, at, labelWidth, rowH, wash)
		if len(row) == 2 {
			s.rect(secondLabel, at, labelWidth, rowH, wash)
		}
	}
	for _, row := range rows {
		mid := y + rowH/2 + pt*0.38/ptPerMM
		cell := func(x, end float64, p pair) {
			s.spread(x, labelWidth, mid, p.label, write{style: serif, pt: pt, ink: black})
			w := write{style: sans, pt: pt, ink: black}
			if p.strong {
				w.style, w.pt = serifBold, pt*1.27
			}
			const pad = 3.2
			s.box(x+labelWidth+pad, y+1.1, end-x-labelWidth-2*pad, rowH-2.2, dash(p.value), w, 6.5)
			s.line(x+labelWidth, y, x+labelWidth, y+rowH, 0.22, rule)
		}
		if len(row) == 2 {
			cell(marginX, secondLabel, row[0])
			cell(secondLabel, marginX+contentW, row[1])
			s.line(secondLabel, y, secondLabel, y+rowH, 0.22, rule)
		} else {
			cell(marginX, marginX+contentW, row[0])
		}
		y += rowH
		if y < y0+float64(len(rows))*rowH-0.01 {
			s.line(marginX, y, marginX+contentW, y, 0.22, rule)
		}
	}
	s.frame(marginX, y0, contentW, y-y0, 0.35, rule)
	return y
}

// foot writes the last line of a page.
func (s *sheet) foot(leftText, printed string, page, pages int) {
	s.line(marginX, footY-5, a4W-marginX, footY-5, 0.18, hairline)
	w := write{style: sans, pt: 9, ink: grey}
	s.box(marginX, footY-3.9, contentW-66, 5, leftText, w, 6)
	w.align = right
	if printed != "" {
		printed = zhDate(registry.Date(printed)) + "打印 · "
	}
	s.text(a4W-marginX, footY, fmt.Sprintf("%s第 %d 页，共 %d 页", printed, page, pages), w)
}

// code draws the archive's QR with the lines that say what it holds.
func (s *sheet) code(m *Maker, x, y, size float64, text string, lines string, width float64) error {
	if text == "" {
		return nil
	}
	s.frame(x, y, size, size, 0.15, hairline)
	const quiet = 3.4
	if err := s.qr(m, x+quiet, y+quiet, size-2*quiet, text, black); err != nil {
		return err
	}
	w := write{style: sans, pt: 9.25, ink: grey}
	ls := s.t.lines(w.style, w.pt, lines, width)
	const lead = 5.4
	base := y + (size-float64(len(ls)-1)*lead)/2 + 1.2
	for i, l := range ls {
		s.text(x+size+5, base+float64(i)*lead, l, w)
	}
	return nil
}

// column of an inventory.
type tableCol struct {
	title string
	w     float64
	align align
	text  func(registry.ArchiveItem) string
}

// inventory is a table of archive items.
func (s *sheet) inventory(y float64, cols []tableCol, rows []registry.ArchiveItem, mark func(registry.ArchiveItem) ink, next func() float64) float64 {
	heads := make([]column, len(cols))
	for i, c := range cols {
		heads[i] = column{c.title, c.w, c.align}
	}
	cells, inks := make([][]string, len(rows)), make([]ink, len(rows))
	for k, r := range rows {
		inks[k] = black
		if mark != nil {
			inks[k] = mark(r)
		}
		for _, c := range cols {
			cells[k] = append(cells[k], c.text(r))
		}
	}
	return s.table(y, heads, cells, inks, next)
}

// column of any table; widths are mm and fill the content's width.
type column struct {
	title string
	w     float64
	align align
}

// table flows rows over as many pages as they need, each with the head row; next begins a page and says where its content starts. inks may be nil. It returns the y
// below the last row.
func (s *sheet) table(y float64, cols []column, rows [][]string, inks []ink, next func() float64) float64 {
	const pt, lead, padY = 9.5, 4.6, 1.75
	top := y
	y = s.tableHead(y, cols)
	for n, r := range rows {
		cells := make([][]string, len(cols))
		h := 0.0
		for i, c := range cols {
			cells[i] = s.t.lines(sans, pt, r[i], c.w-3)
			h = max(h, float64(len(cells[i]))*lead+2*padY)
		}
		if y+h > lowest {
			s.tableRules(top, y, cols)
			top = next()
			y = s.tableHead(top, cols)
		}
		s.line(marginX, y, marginX+contentW, y, 0.2, rule)
		colour := black
		if inks != nil {
			colour = inks[n]
		}
		x := marginX
		for i, c := range cols {
			base := y + (h-float64(len(cells[i])-1)*lead)/2 + 1.2
			for k, l := range cells[i] {
				w := write{style: sans, pt: pt, ink: colour, align: c.align}
				at := x + 1.5
				if c.align == centre {
					at = x + c.w/2
				}
				s.text(at, base+float64(k)*lead, l, w)
			}
			x += c.w
		}
		y += h
	}
	s.tableRules(top, y, cols)
	return y
}

// tableHead writes the titles of columns at y, and returns the y below them.
func (s *sheet) tableHead(y float64, cols []column) float64 {
	const h = 8.5
	s.rect(marginX, y, contentW, h, wash)
	x := marginX
	for _, c := range cols {
		s.text(x+c.w/2, y+h/2+1.25, c.title, write{style: serifBold, pt: 9.5, ink: black, align: centre})
		x += c.w
	}
	return y + h
}

// tableRules draws the frame of a table from top to y, and the lines between its columns.
func (s *sheet) tableRules(top, y float64, cols []column) {
	x := marginX
	for _, c := range cols[:len(cols)-1] {
		x += c.w
		s.line(x, top, x, y, 0.2, rule)
	}
	s.frame(marginX, top, contentW, y-top, 0.35, rule)
}

// columns are those of every inventory; the last is given by the paper.
func columns(last tableCol) []tableCol {
	return []tableCol{
		{"序号", 12, centre, func(r registry.ArchiveItem) string { return fmt.Sprint(r.No) }},
		{"类别", 37, left, func(r registry.ArchiveItem) string { return groupTitle(r.Group) }},
		{"材料名称", contentW - 12 - 37 - 24 - 14 - last.w, left, func(r registry.ArchiveItem) string { return r.Title }},
		{"形成日期", 24, centre, func(r registry.ArchiveItem) string { return dash(string(r.Date)) }},
		{"页数", 14, centre, func(r registry.ArchiveItem) string { return fmt.Sprint(r.Pages) }},
		last,
	}
}

func groupTitle(g int) string {
	if t, ok := shortGroups[g]; ok {
		return t
	}
	return fmt.Sprint(g)
}

// shortGroups are the seven groups of Article 7, short enough for a column.
var shortGroups = map[int]string{
	1: "一、基础信息及变动", 2: "二、证明材料", 3: "三、综合素质", 4: "四、体质与健康", 5: "五、获奖信息", 6: "六、资助信息", 7: "七、省级规定材料",
}
