package document

import (
	"fmt"
	"strings"

	"xueji/server/registry"
)

// Letter is an official letter: an order to correct, a letter to parents. Paragraphs are indented by two characters unless Lang is "en".
type Letter struct {
	Lang      string // "", "zh-Hans", "zh-Hant" or "en": of the foot and the indent
	Title     string
	No        string // 文号, "" for none
	To        string
	Paras     []string
	Points    [][2]string // heading and text, after the paragraphs
	After     []string    // paragraphs after the points
	Sign      string      // the unit, at the right
	On        registry.Date
	Seal      string // words in the place of the seal; "" for no seal
	Copy      int    // the how manieth print; 0: not numbered
	QR        string // the address at which anybody can check the paper; "" for none
	Left      string // of the foot
	PrintedOn registry.Date
}

// Letter makes it: A4 upright, page x of y.
func (m *Maker) Letter(l Letter) ([]byte, error) {
	pt, lead, small, r := 12.0, 8.2, 6.4, 21.0
	if len(l.Points) > 0 { // a letter of points stands on one page
		pt, lead, small, r = 11.0, 6.4, 5.2, 16
	}
	s := m.sheet(l.Title, a4W, a4H)
	s.page()
	s.copyNumber(l.Copy)
	s.box(marginX, marginTop+3, contentW, 14, l.Title, write{style: serifBold, pt: 24, ink: black, align: centre}, 14)
	y := marginTop + 24.0
	if l.No != "" {
		s.text(a4W-marginX, y, l.No, write{style: sans, pt: 10.5, ink: grey, align: right})
		y += 4
		s.line(marginX, y, a4W-marginX, y, 0.5, sealRed)
		y += 4
	}
	body := write{style: serif, pt: pt, ink: black}
	room := func(h float64) {
		if y+h > lowest {
			s.page()
			y = marginTop + 10
		}
	}
	indent := "　　"
	if l.Lang == "en" {
		indent = ""
	}
	para := func(text string, w write, lead float64) {
		for _, line := range s.t.lines(w.style, w.pt, text, contentW) {
			room(lead)
			y += lead
			s.text(marginX, y, line, w)
		}
	}
	if l.To != "" {
		bold := body
		bold.style = serifBold
		para(l.To, bold, lead)
	}
	gap := func() {
		if l.Lang == "en" {
			y += 2.4
		}
	}
	for _, p := range l.Paras {
		gap()
		para(indent+p, body, lead)
	}
	for i, p := range l.Points {
		room(3 * lead)
		y += 1.8
		para(fmt.Sprintf("%d. %s", i+1, p[0]), write{style: serifBold, pt: pt, ink: jadeDeep}, small+0.6)
		para(indent+p[1], write{style: sans, pt: 10.5, ink: black}, small)
	}
	y += 1.5
	for _, p := range l.After {
		gap()
		para(indent+p, body, lead)
	}
	room(2*r + 14)
	if l.QR != "" { // to the left of the seal
		const size = codeSize
		top := y + 8 + r - size/2
		s.frame(marginX, top, size, size, 0.15, hairline)
		if err := s.qr(m, marginX+2.4, top+2.4, size-4.8, l.QR, black); err != nil {
			return nil, err
		}
		s.box(marginX+size+4, top, contentW-size-84, size, "扫码或打开 "+strings.TrimPrefix(checkHost(l.QR), "https://")+"，任何人都能核对本件是否由系统开具。", write{style: sans, pt: 8.5, ink: grey}, 5)
	}
	cx := a4W - marginX - 36
	if l.Seal != "" {
		y += 8
		s.seal(cx, y+r, r, "") // what is signed stands across the seal's place
		s.box(cx-r*0.8, y+3, r*1.6, 6, l.Seal, write{style: sans, pt: 8.5, ink: pale, align: centre}, 6)
		y += r - 2
	} else {
		y += 12
	}
	s.box(cx-40, y-5, 76, 7, l.Sign, write{style: serifBold, pt: 12.5, ink: black, align: centre}, 8)
	on := zhDate(l.On)
	if l.Lang == "en" {
		on = l.On.Time().Format("2 January 2006")
	}
	s.text(cx-2, y+9, on, write{style: serif, pt: 11.5, ink: black, align: centre})
	last := len(s.pages)
	for p := 1; p <= last; p++ {
		s.onPage(p)
		switch l.Lang {
		case "en":
			s.footLine(l.Left, fmt.Sprintf("printed %s · page %d of %d", l.PrintedOn.Time().Format("2 January 2006"), p, last))
		case "zh-Hant":
			s.footLine(l.Left, fmt.Sprintf("%s列印 · 第 %d 頁，共 %d 頁", zhDate(l.PrintedOn), p, last))
		default:
			s.foot(l.Left, string(l.PrintedOn), p, last)
		}
	}
	s.onPage(last)
	return s.finish()
}

// footLine is foot in other words.
func (s *sheet) footLine(leftText, rightText string) {
	s.line(marginX, footY-5, a4W-marginX, footY-5, 0.18, hairline)
	w := write{style: sans, pt: 9, ink: grey}
	s.box(marginX, footY-3.9, contentW-66, 5, leftText, w, 6)
	w.align = right
	s.text(a4W-marginX, footY, rightText, w)
}
