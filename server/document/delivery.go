package document

import (
	"fmt"

	"xueji/server/registry"
)

// DeliveryRow is one card on a delivery slip.
type DeliveryRow struct {
	Name, CardNo string
	// Replaces says why the card was replaced, in words; "" for a pupil's first card.
	Replaces string
	// GivenOn is set for a card that was signed for already.
	GivenOn registry.Date
}

// DeliverySlip is what a class signs when its cards are handed out: 学生卡发放签收单.
type DeliverySlip struct {
	School, SchoolCode string
	Class              string // 三年级 2 班
	Handler            string
	PrintedOn          registry.Date
	Rows               []DeliveryRow
}

// deliveryCols are the columns of a slip with their widths in mm; they fill the content's width.
var deliveryCols = []column{{"序号", 12, centre}, {"姓名", 42, left}, {"卡号", 42, centre}, {"类别", 22, centre}, {"领取人签名", 30, centre}, {"日期", 18, centre}}

// DeliverySlips makes the slips of several classes in one PDF. Each class begins a page of its own and counts its own pages, so that the stack can be parted.
func (m *Maker) DeliverySlips(slips []DeliverySlip) ([]byte, error) {
	s := m.sheet("学生卡发放签收单", a4W, a4H)
	for i := range slips {
		first := len(s.pages) + 1
		m.deliverySlip(s, &slips[i])
		last := len(s.pages)
		for p := first; p <= last; p++ {
			s.onPage(p)
			s.foot(slips[i].School+"　"+slips[i].Class, string(slips[i].PrintedOn), p-first+1, last-first+1)
		}
		s.onPage(last)
	}
	if len(slips) == 0 {
		s.page()
	}
	return s.finish()
}

func (m *Maker) deliverySlip(s *sheet, d *DeliverySlip) {
	const rowH, ends = 8.9, 46.0
	s.page()
	s.text(a4W/2, marginTop+12, "学生卡发放签收单", write{style: serifBold, pt: 25, ink: black, align: centre, spacing: 0.22})
	y := s.grid(marginTop+20, 9.6, 10.25, [][]pair{
		{{"学校", schoolLine(d.School, d.SchoolCode), false}},
		{{"班级", d.Class, true}, {"卡数", fmt.Sprintf("共 %d 张", len(d.Rows)), false}},
	}) + 6
	top := y
	y = s.tableHead(y, deliveryCols)
	for i, r := range d.Rows {
		if y+rowH > lowest {
			s.tableRules(top, y, deliveryCols)
			s.page()
			s.text(marginX, marginTop+3.4, d.School+"　"+d.Class, write{style: sans, pt: 9.75, ink: grey})
			s.text(a4W-marginX, marginTop+3.4, "学生卡发放签收单（续）", write{style: serif, pt: 9.75, ink: grey, align: right})
			top = marginTop + 8
			y = s.tableHead(top, deliveryCols)
		}
		s.line(marginX, y, marginX+contentW, y, 0.2, rule)
		kind := "首次发卡"
		if r.Replaces != "" {
			kind = "补卡·" + r.Replaces
		}
		x := marginX
		for c, text := range []string{fmt.Sprint(i + 1), r.Name, groups(r.CardNo), kind, "", given(r.GivenOn)} {
			w := write{style: sans, pt: 10, ink: black, align: centre}
			switch c {
			case 1:
				w = write{style: serifBold, pt: 12.5, ink: black}
			case 2:
				w.pt = 10.5
			case 3, 5:
				w.pt = 9
			}
			s.box(x+1.6, y+0.6, deliveryCols[c].w-3.2, rowH-1.2, text, w, 5)
			x += deliveryCols[c].w
		}
		y += rowH
	}
	s.tableRules(top, y, deliveryCols)
	if y+ends > lowest {
		s.page()
		y = marginTop + 4
	}
	y = s.paragraph(marginX, y+8, contentW, 5.4, "领取人核对卡面姓名与卡号后签名；他人代领的，在签名后写明关系。首次发卡和补卡都不收费。没有领走的卡由学校保管，遗失请立即到系统挂失。",
		write{style: sans, pt: 9.5, ink: grey})
	for i, l := range []string{"班主任", "经办人", "发放日期"} {
		x := marginX + float64(i)*(contentW/3)
		s.text(x, y+12, l+"：", write{style: serif, pt: 11, ink: black})
		s.line(x+22, y+13.6, x+contentW/3-5, y+13.6, 0.2, rule)
		if l == "经办人" {
			s.box(x+22, y+7, contentW/3-27, 6.4, d.Handler, write{style: sans, pt: 11, ink: black}, 7)
		}
	}
}

// given is the day a card was signed for, short enough for its column.
func given(d registry.Date) string {
	if _, m, day, ok := split(d); ok {
		return fmt.Sprintf("%d.%02d", m, day)
	}
	return ""
}
