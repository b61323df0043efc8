package document

import (
	"fmt"
	"strings"

	"xueji/server/registry"
)

// The roll of a kiosk's receipt printer is 80 mm wide; 72 mm of it print.
const (
	rollW      = 80.0
	rollMargin = 5.0
	rollText   = rollW - 2*rollMargin
)

// CaseReceipt makes what a family takes home: on a roll of 80 mm, as long as it needs to be. All of it is pure black: a thermal head knows no grey.
func (m *Maker) CaseReceipt(r CaseReceipt) ([]byte, error) {
	draft := m.sheet("", rollW, 2000)
	draft.page()
	h, err := m.roll(draft, &r)
	if err != nil {
		return nil, err
	}
	buffers.Put(draft.pages[0])
	s := m.sheet(r.Title, rollW, max(h, 100))
	s.page()
	if _, err := m.roll(s, &r); err != nil {
		return nil, err
	}
	return s.finish()
}

// roll draws the receipt from the top and returns its length.
func (m *Maker) roll(s *sheet, r *CaseReceipt) (float64, error) {
	const ink0 ink = 0
	small := write{style: sans, pt: 8.5, ink: ink0}
	body := write{style: sans, pt: 9.5, ink: ink0}
	y := 12.0
	title := s.t.fit(serifBold, r.Title, rollText, 14, 17, 11)
	for _, l := range title.lines {
		s.text(rollW/2, y, l, write{style: serifBold, pt: title.pt, ink: ink0, align: centre, stretch: title.stretch})
		y += title.leading
	}
	y += 1
	s.line(rollMargin, y, rollW-rollMargin, y, 0.4, ink0)
	y += 6
	s.text(rollW/2, y, r.heading(), write{style: sans, pt: 8.5, ink: ink0, align: centre})
	y += 7
	s.box(rollMargin, y-5.4, rollText, 7, string(r.CaseNo), write{style: sansBold, pt: 15, ink: ink0, align: centre}, 8)
	y += 7
	row := func(label, value string) {
		if value == "" {
			return
		}
		s.text(rollMargin, y, label, small)
		for _, l := range s.t.lines(body.style, body.pt, value, rollText-18) {
			s.text(rollMargin+18, y, l, body)
			y += 4.8
		}
		y += 0.8
	}
	row("学生", r.NameMasked)
	row("转出学校", r.From)
	if r.From == "" {
		row("学校", r.To)
	} else {
		row("转入学校", r.To)
	}
	if !r.At.IsZero() {
		row("受理时间", zhDate(registry.DateOf(r.At))+r.At.In(registry.Beijing).Format(" 15:04"))
	}
	if len(r.Steps) > 0 {
		y += 1
		s.dashes(y)
		y += 6
		s.text(rollMargin, y, "由谁办理，最迟哪一天", write{style: serifBold, pt: 11, ink: ink0})
		y += 6.5
		for i, st := range r.Steps {
			y = s.step(y, i+1, st)
		}
	}
	if r.Note != "" {
		s.dashes(y)
		y = s.paragraph(rollMargin, y+6, rollText, 4.9, r.Note, body) + 1
	}
	if unsure(r.Steps) {
		y = s.paragraph(rollMargin, y+3, rollText, 4.4, "＊该年度放假安排尚未公布，日期按周一至周五推算，公布后以新日期为准。", small) + 1
	}
	if r.QR != "" {
		const size = 30
		y += 3
		if err := s.qr(m, (rollW-size)/2, y, size, r.QR, ink0); err != nil {
			return 0, err
		}
		y += size + 5.5
		s.text(rollW/2, y, "凭业务编号或学生卡可随时查询进度", write{style: sans, pt: 8.5, ink: ink0, align: centre})
		y += 5
	}
	s.dashes(y)
	y += 5
	foot := "每一方最多十个工作日（第十四条）。办理不收费。"
	y = s.paragraph(rollMargin, y, rollText, 4.3, foot, small)
	if r.Kiosk != "" {
		y = s.paragraph(rollMargin, y, rollText, 4.3, "自助机 "+r.Kiosk, small)
	}
	if r.Print > 1 {
		y = s.paragraph(rollMargin, y, rollText, 4.3, again(r.Print), small)
	}
	return y + 6, nil
}

// again says on a paper that it is not the first of its kind.
func again(n int) string { return fmt.Sprintf("第 %d 次打印（补打）", n) }

func unsure(steps []CaseStep) bool {
	for _, s := range steps {
		if s.Unsure {
			return true
		}
	}
	return false
}

func (s *sheet) dashes(y float64) {
	s.pdf.SetDashPattern([]float64{1.2, 1}, 0)
	s.line(rollMargin, y, rollW-rollMargin, y, 0.25, 0)
	s.pdf.SetDashPattern([]float64{}, 0)
}

// step writes one party's turn and returns the y of the next.
func (s *sheet) step(y float64, n int, st CaseStep) float64 {
	const ink0 ink = 0
	x := rollMargin + 7.0
	s.pdf.SetLineWidth(0.3)
	s.pdf.SetDrawColor(0, 0, 0)
	s.pdf.Circle(rollMargin+2.4, y-1.25, 2.4, "D")
	s.text(rollMargin+2.4, y, fmt.Sprint(n), write{style: sansBold, pt: 8.5, ink: ink0, align: centre})
	for _, l := range s.t.lines(sansBold, 9.5, dash(st.Unit), rollText-7) {
		s.text(x, y, l, write{style: sansBold, pt: 9.5, ink: ink0})
		y += 4.7
	}
	var when string
	switch {
	case st.DoneOn != "":
		when = "已于 " + zhDate(st.DoneOn) + "办好"
	case st.DueOn != "" || st.Latest != "":
		on := st.DueOn
		if on == "" {
			on = st.Latest
		}
		when = "最迟 " + zhDate(on)
		if st.Unsure {
			when += "＊"
		}
	default:
		when = "上一方办好后开始计时"
	}
	line := strings.TrimPrefix(st.Party+" · "+when, " · ")
	for _, l := range s.t.lines(sans, 8.75, line, rollText-7) {
		s.text(x, y, l, write{style: sans, pt: 8.75, ink: ink0})
		y += 4.4
	}
	return y + 2.2
}

func (r *CaseReceipt) heading() string {
	if r.NoTitle != "" {
		return r.NoTitle
	}
	return "业务编号"
}
