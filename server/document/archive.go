package document

import (
	"fmt"
	"slices"
	"strings"

	"xueji/server/registry"
)

// Archive makes the 封面 and behind it the 转递单 with the inventory, in one PDF; each copy's pages are numbered through. The cover's Copy and Copies count for both.
func (m *Maker) Archive(c Cover, sl Slip) ([]byte, error) {
	s := m.sheet("学籍档案转递", a4W, a4H)
	first, last := c.Copy, c.Copy
	if c.Copy == 0 && c.Copies > 0 {
		first, last = 1, c.Copies
	}
	for copy := first; copy <= last; copy++ {
		before := s.pdf.PageNo()
		c.Copy, sl.Copy, sl.Copies = copy, copy, c.Copies
		if err := m.cover(s, &c); err != nil {
			return nil, err
		}
		if err := m.slip(s, &sl); err != nil {
			return nil, err
		}
		n := s.pdf.PageNo() - before
		for p := 1; p <= n; p++ {
			s.onPage(before + p)
			s.foot(handler(sl.Handler, sl.Phone), string(c.PrintedOn), p, n)
		}
	}
	return s.finish()
}

// sentOn is a date to read, or nothing: room to write it by hand.
func sentOn(d registry.Date) string {
	if d == "" {
		return ""
	}
	return zhDate(d)
}

// Covers makes a batch of 封面, one page each.
func (m *Maker) Covers(cs []Cover) ([]byte, error) {
	s := m.sheet("学籍档案转递封面", a4W, a4H)
	for i := range cs {
		if err := m.cover(s, &cs[i]); err != nil {
			return nil, err
		}
		s.foot(handler("", ""), string(cs[i].PrintedOn), 1, 1)
	}
	if len(cs) == 0 {
		s.page()
	}
	return s.finish()
}

func handler(name, phone string) string {
	if name == "" {
		name = "＿＿＿＿＿＿"
	}
	if phone == "" {
		phone = "＿＿＿＿＿＿＿＿"
	}
	return "经办人：" + name + "　电话：" + phone
}

func (m *Maker) cover(s *sheet, c *Cover) error {
	s.page()
	y := s.head(c, "学籍档案", "转递封面", 42) + 15
	holds := fmt.Sprintf("共 %d 卷，%d 件，%d 页", max(c.Volumes, 1), c.Items, c.Pages)
	s.grid(y, 13.4, 11.25, [][]pair{
		{{"姓名", c.Name, true}, {"性别", c.Sex, false}},
		{{"出生日期", zhDate(c.Birth), false}, {"学籍号", c.NumberMasked, false}},
		{{"现学校", schoolLine(c.School, c.SchoolCode), false}},
		{{"转入学校", schoolLine(c.ToSchool, c.ToCode), false}},
		{{"在校时间", period(c.EnrolledOn, c.LeftOn), false}, {"学籍辅号", c.Alt, false}},
		{{"卷内情况", holds, false}, {"保管期限", "永久", false}},
		{{"业务编号", string(c.CaseNo), false}, {"办结日期", zhDate(c.DoneOn), false}},
	})
	text := "扫码核对目录并签收。\n二维码只含档案编号与签名，\n不含身份证号。"
	if c.ArchiveNo != "" {
		text += "\n扫不出来时，在“到件登记”输入编号：\n" + c.ArchiveNo
	}
	if c.DueOn != "" {
		text += "\n应在 " + zhDate(c.DueOn) + "前送达。"
	}
	const size = 40
	if err := s.code(m, marginX, lowest-size-6, size, c.QR, text, 62); err != nil {
		return err
	}
	s.seal(a4W-marginX-25, lowest-31, 25, "转出学校\n盖章处")
	return nil
}

func (m *Maker) slip(s *sheet, sl *Slip) error {
	c := &sl.Cover
	s.page()
	originals, copies, pages := count(sl.Rows)
	y := s.head(c, "学籍档案转递单", "", 27)
	y = s.grid(y+4, 9.6, 10.25, [][]pair{
		{{"转出学校", schoolLine(c.School, c.SchoolCode), false}},
		{{"转入学校", schoolLine(c.ToSchool, c.ToCode), false}},
		{{"收件地址", sl.Address, false}},
		{{"学生姓名", c.Name, true}, {"学籍号", c.NumberMasked, false}},
		{{"联系人", sl.Contact, false}, {"联系电话", sl.Phone, false}},
		{{"业务编号", string(c.CaseNo), false}, {"应送达日", zhDate(c.DueOn), false}},
		{{"卷内材料", fmt.Sprintf("共 %d 卷，原件 %d 件，复印件 %d 件，%d 页", max(c.Volumes, 1), originals, copies, pages), false}},
	})
	next := func() float64 {
		s.page()
		s.text(marginX, marginTop+3.4, "档案编号　"+dash(c.ArchiveNo), write{style: sans, pt: 9.75, ink: grey})
		s.text(a4W-marginX, marginTop+3.4, "学籍档案转递单（续）", write{style: serif, pt: 9.75, ink: grey, align: right})
		return marginTop + 8
	}
	s.text(marginX, y+9, "卷内目录", write{style: serifBold, pt: 12, ink: black})
	s.text(a4W-marginX, y+9, "依《中小学生学籍管理办法》第七条分类", write{style: sans, pt: 8.5, ink: pale, align: right})
	y = s.inventory(y+12, columns(tableCol{"原件／复印件", 24, centre, func(r registry.ArchiveItem) string {
		if r.Copy {
			return "复印件"
		}
		return "原件"
	}}), sl.Rows, nil, next)
	const ends = 62
	if y+ends > lowest {
		y = next()
	}
	y += 8
	y = s.paragraph(marginX, y, contentW, 5.6, "本单一式两份，一份随档案寄出，一份由转出学校留存。转出学校保留电子档案备份和必要的复印件（第九条）；"+
		"档案应在办结之日起一个月内送达（第十五条）。转入学校以本档案为基础接续，不另建新档（第十六条），收到后请扫码核对并寄回回执。",
		write{style: sans, pt: 9.5, ink: grey})
	s.signatures(y+3, "转出学校\n盖章处", [][2]string{{"经办人", sl.Handler}, {"寄出日期", sentOn(sl.SentOn)}, {"承运方式", sl.Carrier}})
	return nil
}

// signatures draws lines to be filled by hand on the left and a seal's place on the right.
func (s *sheet) signatures(y float64, seal string, lines [][2]string) {
	for i, l := range lines {
		base := y + 8 + float64(i)*11
		s.text(marginX, base, l[0]+"：", write{style: serif, pt: 11, ink: black})
		s.line(marginX+24, base+1.6, marginX+86, base+1.6, 0.2, rule)
		s.box(marginX+26, base-5, 58, 7, l[1], write{style: sans, pt: 11, ink: black}, 7)
	}
	s.seal(a4W-marginX-21, y+19, 19, seal)
}

// ArchiveReceipt makes the 回执 that the receiving school returns (Art. 15): what came, what was missing.
func (m *Maker) ArchiveReceipt(r Receipt) ([]byte, error) {
	s := m.sheet("学籍档案回执", a4W, a4H)
	s.page()
	c := &r.Cover
	c.Copies = 0 // copies are counted on the archive, not on its receipt
	y := s.head(c, "学籍档案回执", "", 27)
	if r.Print > 1 {
		s.text(a4W-marginX, y+8, again(r.Print), write{style: sans, pt: 9.75, ink: grey, align: right})
	}
	s.text(marginX, y+8, dash(c.School)+"：", write{style: serifBold, pt: 13, ink: black})
	said := fmt.Sprintf("　　贵校转来%s同学的学籍档案（档案编号 %s，业务编号 %s），我校已于 %s收到，并按目录逐项核对，", c.Name, dash(c.ArchiveNo), dash(string(c.CaseNo)), zhDate(r.ReceivedOn))
	_, _, pages := count(r.Rows)
	if len(r.Missing) == 0 {
		said += fmt.Sprintf("共 %d 件，%d 页，材料齐全，准予归档接续。", len(r.Rows), pages)
	} else {
		said += fmt.Sprintf("目录所列 %d 件，实收 %d 件，缺 %d 件（序号 %s）。请贵校补寄，或书面说明。", len(r.Rows), len(r.Rows)-len(r.Missing), len(r.Missing), numbers(r.Missing))
	}
	y = s.paragraph(marginX, y+17, contentW, 7.4, said, write{style: serif, pt: 12, ink: black})
	next := func() float64 {
		s.page()
		s.text(marginX, marginTop+3.4, "档案编号　"+dash(c.ArchiveNo), write{style: sans, pt: 9.75, ink: grey})
		s.text(a4W-marginX, marginTop+3.4, "学籍档案回执（续）", write{style: serif, pt: 9.75, ink: grey, align: right})
		return marginTop + 8
	}
	missing := func(i registry.ArchiveItem) bool { return slices.Contains(r.Missing, i.No) }
	y = s.inventory(y+1, columns(tableCol{"核对", 20, centre, func(i registry.ArchiveItem) string {
		if missing(i) {
			return "缺"
		}
		return "√ 已收"
	}}), r.Rows, func(i registry.ArchiveItem) ink {
		if missing(i) {
			return sealRed
		}
		return black
	}, next)
	const ends = 66
	if y+ends > lowest {
		y = next()
	}
	s.signatures(y+10, "转入学校\n盖章处", [][2]string{{"接收学校", c.ToSchool}, {"接收人", r.Receiver}, {"接收日期", zhDate(r.ReceivedOn)}})
	n := s.pdf.PageNo()
	for p := 1; p <= n; p++ {
		s.onPage(p)
		s.foot("本回执由转入学校盖章后寄回转出学校存档。", string(c.PrintedOn), p, n)
	}
	return s.finish()
}

func numbers(n []int) string {
	out := make([]string, len(n))
	for i, v := range n {
		out[i] = fmt.Sprint(v)
	}
	return strings.Join(out, "、")
}
