package intake

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"xueji/server/registry"
)

// author signs the comments, so that they can be taken off when the workbook comes back.
const author = "学籍系统"

const (
	redFill   = "F8D7D3" // what keeps the row out
	amberFill = "FBF0D9" // what only should be looked at
)

type mark struct {
	findings []registry.Finding
	text     []string // words of each
	in       bool
}

// Mark says what became of a row: findings go on their cells (light red, with a comment of what is wrong and how to mend it) and, in short, into the 结果
// column. Give the whole list: Row.All(CheckForm(…)) and what the register found; with no finding, or with warnings only, the row is marked as gone in. A
// row that is never marked stays blank in 结果. A later Mark of the same row replaces the earlier.
func (w *Workbook) Mark(rowNo int, findings []registry.Finding, words func(registry.Finding) string) {
	if _, ours := w.byNo[rowNo]; !ours {
		return
	}
	m := mark{findings: findings, in: !registry.Blocking(findings)}
	for _, f := range findings {
		m.text = append(m.text, words(f))
	}
	w.marks[rowNo] = m
}

// WriteTo writes the workbook as it came, with the marks. Nothing else in it is changed; marks of an earlier run are taken off first.
func (w *Workbook) WriteTo(out io.Writer) (int64, error) {
	if err := w.parts.weigh(); err != nil {
		return 0, err
	}
	// Both limits alike: excelize then keeps every part in memory and writes no pupil's data into a temporary file.
	f, err := excelize.OpenReader(io.NewSectionReader(w.src, 0, w.size),
		excelize.Options{UnzipSizeLimit: w.limits.Unpacked, UnzipXMLSizeLimit: w.limits.Unpacked})
	if err != nil {
		return 0, refuse(WhyDamaged, err, "part", w.sheet)
	}
	defer f.Close()
	p := pen{f: f, sheet: w.sheet, styles: map[styleKey]int{}}
	p.wipe(w)
	p.resultHeader(w)
	for _, no := range slices.Sorted(maps.Keys(w.marks)) {
		p.row(w, no, w.marks[no])
	}
	if p.err != nil {
		return 0, p.err
	}
	return f.WriteTo(out)
}

type styleKey struct {
	base int
	fill string
}

// pen draws marks and keeps the first error.
type pen struct {
	f      *excelize.File
	sheet  string
	styles map[styleKey]int
	err    error
}

func (p *pen) keep(err error) {
	if p.err == nil && err != nil {
		p.err = err
	}
}

func ref(col, row int) string {
	s, _ := excelize.CoordinatesToCellName(col+1, row)
	return s
}

// paint gives a cell a ground, or takes it away (fill ""), and leaves the rest of its style.
func (p *pen) paint(at, fill string) {
	base, err := p.f.GetCellStyle(p.sheet, at)
	if err != nil {
		p.keep(err)
		return
	}
	k := styleKey{base, fill}
	id, ok := p.styles[k]
	if !ok {
		st, err := p.f.GetStyle(base)
		if err != nil {
			st = &excelize.Style{}
		}
		st.Fill = excelize.Fill{}
		if fill != "" {
			st.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{fill}}
		}
		if id, err = p.f.NewStyle(st); err != nil {
			p.keep(err)
			return
		}
		p.styles[k] = id
	}
	p.keep(p.f.SetCellStyle(p.sheet, at, at, id))
}

// wipe takes off the marks that an earlier run left on rows that were read now.
func (p *pen) wipe(w *Workbook) {
	comments, err := p.f.GetComments(p.sheet)
	if err != nil {
		return // a workbook without readable comments has none of ours
	}
	for _, c := range comments {
		_, row, err := excelize.CellNameToCoordinates(c.Cell)
		if err != nil || c.Author != author || row <= w.plan.headerRow {
			continue
		}
		p.keep(p.f.DeleteComment(p.sheet, c.Cell))
		p.paint(c.Cell, "")
	}
}

func (w *Workbook) resultCol() int {
	if w.plan.result >= 0 {
		return w.plan.result
	}
	return w.plan.last + 1
}

func (p *pen) resultHeader(w *Workbook) {
	col := w.resultCol()
	at := ref(col, w.plan.headerRow)
	if w.plan.result < 0 {
		p.keep(p.f.SetCellStr(p.sheet, at, ResultColumn))
		if beside, err := p.f.GetCellStyle(p.sheet, ref(w.plan.last, w.plan.headerRow)); err == nil {
			p.keep(p.f.SetCellStyle(p.sheet, at, at, beside))
		}
	}
	letters, _ := excelize.ColumnNumberToName(col + 1)
	p.keep(p.f.SetColWidth(p.sheet, letters, letters, 48))
}

func (p *pen) row(w *Workbook, no int, m mark) {
	type note struct {
		fill string
		text []string
	}
	cells := map[int]*note{}
	var long []string
	for i, fd := range m.findings {
		title := string(fd.Field)
		if f, ok := registry.FieldOf(fd.Field); ok {
			title = Header(f)
		}
		long = append(long, title+"："+m.text[i])
		col, ok := w.plan.columns[fd.Field]
		if !ok {
			continue // the column is not in the sheet: 结果 says it
		}
		n := cells[col]
		if n == nil {
			n = &note{fill: amberFill}
			cells[col] = n
		}
		if fd.Params["level"] != "warning" {
			n.fill = redFill
		}
		n.text = append(n.text, m.text[i])
	}
	for _, col := range slices.Sorted(maps.Keys(cells)) {
		at := ref(col, no)
		p.paint(at, cells[col].fill)
		p.comment(at, strings.Join(cells[col].text, "\n"))
	}
	result := ResultDone
	switch {
	case !m.in:
		result = ResultBad + "。" + strings.Join(long, "；")
	case len(long) > 0:
		result = ResultDone + "。请留意：" + strings.Join(long, "；")
	}
	at := ref(w.resultCol(), no)
	p.keep(p.f.SetCellStr(p.sheet, at, result))
	switch {
	case !m.in:
		p.paint(at, redFill)
	case len(long) > 0:
		p.paint(at, amberFill)
	default:
		p.paint(at, "")
	}
}

func (p *pen) comment(at, text string) {
	lines := 1
	for _, l := range strings.Split(text, "\n") {
		lines += utf8.RuneCountInString(l)/17 + 1
	}
	p.keep(p.f.AddComment(p.sheet, excelize.Comment{
		Cell: at, Author: author, Text: text, Width: 260, Height: uint(min(20*lines, 360)),
	}))
}

// Words says a finding in Chinese: what is wrong, then how to mend it. It is the default for Mark; a console in another language gives its own.
func Words(f registry.Finding) string {
	fd, _ := registry.FieldOf(f.Field)
	said := say(f, fd)
	if len(f.DidYouMean) == 0 || f.Code == registry.FindCheck {
		return said
	}
	mean := make([]string, len(f.DidYouMean))
	for i, m := range f.DidYouMean {
		mean[i] = shown(fd, m)
	}
	return said + "是不是“" + strings.Join(mean, "”或“") + "”？"
}

func say(f registry.Finding, fd registry.Field) string {
	p := f.Params
	code := f.Code
	if code == registry.FindTooLong && fd.Type == registry.TypeCode { // whatever its length, it is in no list
		code = registry.FindNotInList
	}
	if p["why"] == string(registry.CodeGrade) {
		return "本校不开设这个年级，请核对年级，或由开设该年级的学校办理。"
	}
	switch code {
	case registry.FindMissing:
		if p["with"] == string(registry.FIDNumber) {
			return "学生没有证件号时，至少要有一名监护人的证件号，请补上。"
		}
		return "必填，请补上。"
	case registry.FindTooLong:
		return fmt.Sprintf("太长，最多 %s 个字。", cmp.Or(p["max"], fmt.Sprint(fd.Max)))
	case registry.FindNotInList:
		if fd.List == registry.ListRegion {
			if p["n"] != "" {
				return "同名的地方有 " + p["n"] + " 个，请写上所在的省、市，或填 6 位代码。"
			}
			return "认不出这个地方，请写全省、市、县的名称，如浙江省杭州市西湖区，或填 6 位行政区划代码。"
		}
		return "不在代码表里，请从单元格的下拉列表中选择。"
	case registry.FindUnlisted:
		return "行政区划代码表里没有这个代码，请核对；无误可以保留。"
	case registry.FindCheck:
		if len(f.DidYouMean) > 0 {
			return "校验码不对，有一位写错了。是不是 " + strings.Join(f.DidYouMean, " 或 ") + "？请与户口簿核对。"
		}
		return "校验码不对，请与户口簿或身份证逐位核对。"
	case registry.FindFormat:
		switch p["why"] {
		case WhyExcelNumber:
			return "Excel 把证件号当成数字，末几位已经丢失。请先把这一列设为“文本”格式，再重新填写完整号码。"
		case WhyExcelMonth:
			return "Excel 把年月当成小数，无法分辨 1 月和 10 月。请写成 2023-10 的样子。"
		case WhyExcelError:
			return "单元格里是 Excel 的错误值，请填写实际内容。"
		}
		switch fd.Type {
		case registry.TypeDate:
			return "日期认不出，请写成 2017-03-09 的样子。"
		case registry.TypeMonth:
			return "年月认不出，请写成 2023-09 的样子。"
		case registry.TypePhone:
			return "电话号码不对，请写 11 位手机号，或区号加固定电话。"
		case registry.TypePost:
			return "邮政编码应为 6 位数字。"
		case registry.TypeID:
			return "证件号格式不对，居民身份证为 18 位，末位可为 X。"
		}
		return "格式不对，请按“填写说明”改正。"
	case registry.FindDate:
		return "没有这一天，或日期不可能，请核对。"
	case registry.FindMismatch:
		if w, ok := registry.FieldOf(registry.FieldKey(p["with"])); ok {
			return "与“" + Header(w) + "”不一致，请核对两处。"
		}
		return "与证件号不一致，请核对两处。"
	case registry.FindAge:
		return "年龄与年级不相称，请确认。"
	case registry.FindDupFile:
		if p["row"] != "" {
			return "与第 " + p["row"] + " 行的证件号相同，请删去一行或改正。"
		}
		return "本工作簿里另有一行是同一证件号，请删去一行或改正。"
	case registry.FindDupRegister:
		s := "这名学生已有学籍"
		if at := cmp.Or(p["school_name"], p["school"]); at != "" {
			s += "，现在“" + at + "”"
		}
		if p["own"] != "" {
			return s + "。就在本校，不必再报，请删去这一行。"
		}
		return s + "。不能重复建籍（第六条），请改办转学。"
	case registry.FindFormula:
		return "这里是公式。请复制后用“选择性粘贴—数值”粘贴为文字。"
	case registry.FindChars:
		return "含有不能出现的字符，请核对；姓名中间不留空格，间隔号用“·”。"
	}
	return "请核对。"
}
