package intake

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"xueji/server/registry"
)

// Sheet names of the template.
const (
	SheetForm  = "学生信息"
	SheetHelp  = "填写说明"
	sheetLists = "代码表"
)

// Help says a field's rule in Chinese: what goes in, how long, from which list, under which article. It is the default for Template.
func Help(f registry.Field) string {
	var b strings.Builder
	if f.Required {
		b.WriteString("必填。")
	} else {
		b.WriteString("选填。")
	}
	switch f.Type {
	case registry.TypeCode:
		if f.List == registry.ListRegion {
			b.WriteString("填名称，如浙江省杭州市西湖区，或行政区划代码，6 位（县）或 12 位（到村），如 330106。")
			break
		}
		b.WriteString("从下拉列表中选择，或填代码。")
	case registry.TypeDate:
		b.WriteString("写成 2017-03-09 的样子。")
	case registry.TypeMonth:
		b.WriteString("写成 2023-09 的样子。")
	case registry.TypeID:
		b.WriteString("按证件逐位填写；本列为文本格式，请勿改为数字。")
	case registry.TypePhone:
		b.WriteString("11 位手机号，或区号加固定电话。")
	case registry.TypePost:
		b.WriteString("6 位数字。")
	case registry.TypeInt:
		b.WriteString("填整数。")
	}
	if isName(&f) {
		b.WriteString("与户口簿一致；少数民族姓名的间隔号用“·”；生僻字照写。")
	}
	if f.Max > 0 && f.Type == registry.TypeText {
		fmt.Fprintf(&b, "最多 %d 个字。", f.Max)
	}
	if f.Sensitive {
		b.WriteString("敏感信息，只在办理时使用。")
	}
	if f.Article != "" {
		fmt.Fprintf(&b, "依据《中小学生学籍管理办法》第%s条。", f.Article)
	}
	return b.String()
}

// Template is the empty workbook of the form: required columns marked ★, drop-downs of the code lists, a comment on each header by help (nil: Help), all
// cells as text so that Excel keeps every digit.
func Template(help func(registry.Field) string) ([]byte, error) { return Fill(nil, help) }

// Fill is the template with rows in it. A form's codes are written as their titles, as people choose them.
func Fill(rows []registry.Form, help func(registry.Field) string) ([]byte, error) {
	if help == nil {
		help = Help
	}
	f := excelize.NewFile()
	defer f.Close()
	t := tmpl{pen: pen{f: f, sheet: SheetForm}, last: max(len(rows)+1, 5001), help: help}
	t.keep(f.SetSheetName("Sheet1", SheetForm))
	t.form(rows)
	t.helpSheet()
	if t.err != nil {
		return nil, t.err
	}
	f.SetActiveSheet(0)
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

type tmpl struct {
	pen
	last int // last row with drop-downs and text format
	help func(registry.Field) string
}

func (t *tmpl) style(s *excelize.Style) int {
	id, err := t.f.NewStyle(s)
	t.keep(err)
	return id
}

// heads are the styles of a required header, of another, and of cells that keep every digit.
func (t *tmpl) heads() (must, may, cell int) {
	const line = "DCD8CD"
	border := []excelize.Border{{Type: "left", Color: line, Style: 1}, {Type: "right", Color: line, Style: 1}, {Type: "top", Color: line, Style: 1}, {Type: "bottom", Color: line, Style: 1}}
	head := func(fill, ink string) int {
		return t.style(&excelize.Style{
			Font:      &excelize.Font{Bold: true, Color: ink, Size: 11},
			Fill:      excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{fill}},
			Alignment: &excelize.Alignment{Horizontal: "center", Vertical: "center", WrapText: true}, Border: border,
		})
	}
	return head("0A4F44", "FFFFFF"), head("E3F0EC", "0A4F44"),
		t.style(&excelize.Style{NumFmt: 49, Font: &excelize.Font{Size: 11}, Border: border, Alignment: &excelize.Alignment{Vertical: "center"}})
}

func (t *tmpl) form(rows []registry.Form) {
	must, may, text := t.heads()
	_, err := t.f.NewSheet(sheetLists)
	t.keep(err)
	t.keep(t.f.SetSheetVisible(sheetLists, false))
	lists := map[registry.ListName]string{}
	for _, fd := range registry.Fields {
		if fd.List != "" && fd.List != registry.ListRegion && lists[fd.List] == "" {
			lists[fd.List] = t.list(len(lists), fd.List)
		}
	}
	header := make([]any, len(registry.Fields))
	for i, fd := range registry.Fields {
		title, st := Header(fd), may
		if fd.Required {
			title, st = "★"+title, must
		}
		header[i] = excelize.Cell{StyleID: st, Value: title}
		col, _ := excelize.ColumnNumberToName(i + 1)
		if r := lists[fd.List]; r != "" {
			dv := excelize.NewDataValidation(true)
			dv.Sqref = fmt.Sprintf("%s2:%s%d", col, col, t.last)
			dv.SetSqrefDropList(r)
			dv.SetError(excelize.DataValidationErrorStyleWarning, "不在代码表里", "请从列表中选择。")
			t.keep(t.f.AddDataValidation(SheetForm, dv))
		}
		t.comment(col+"1", t.help(fd))
	}
	sw, err := t.f.NewStreamWriter(SheetForm)
	if err != nil {
		t.keep(err)
		return
	}
	for i, fd := range registry.Fields {
		t.keep(sw.SetColStyle(i+1, i+1, text))
		t.keep(sw.SetColWidth(i+1, i+1, width(fd)))
	}
	t.keep(sw.SetPanes(&excelize.Panes{Freeze: true, XSplit: 1, YSplit: 1, TopLeftCell: "B2", ActivePane: "bottomRight"}))
	t.keep(sw.SetRow("A1", header, excelize.RowOpts{Height: 34}))
	line1 := make([]any, len(registry.Fields))
	for n, form := range rows {
		for i, fd := range registry.Fields {
			line1[i] = nil // the column's style holds
			v := form[fd.Key]
			if fd.List != registry.ListRegion { // a place stays the code: its name is the reader's to look up
				v = shown(fd, v)
			}
			if v != "" {
				line1[i] = excelize.Cell{StyleID: text, Value: v}
			}
		}
		t.keep(sw.SetRow("A"+strconv.Itoa(n+2), line1))
	}
	t.keep(sw.Flush())
}

func shown(f registry.Field, v string) string {
	if f.Type == registry.TypeCode && v != "" {
		return registry.CodeTitle(f.List, v)
	}
	return v
}

func width(f registry.Field) float64 {
	switch {
	case f.Type == registry.TypeID:
		return 22
	case f.Max >= 100:
		return 40
	case f.Type == registry.TypePhone, isName(&f), f.Type == registry.TypeDate:
		return 15
	}
	return float64(max(9, 2*len([]rune(Header(f)))+4))
}

// list writes a code list into a column of the hidden sheet and gives its range; "" for an empty list.
func (t *tmpl) list(n int, name registry.ListName) string {
	items := registry.List(name)
	if len(items) == 0 {
		return ""
	}
	col, _ := excelize.ColumnNumberToName(n + 1)
	for i, it := range items {
		t.keep(t.f.SetCellStr(sheetLists, col+strconv.Itoa(i+1), it.Title))
	}
	return fmt.Sprintf("'%s'!$%s$1:$%s$%d", sheetLists, col, col, len(items))
}

func (t *tmpl) helpSheet() {
	_, err := t.f.NewSheet(SheetHelp)
	t.keep(err)
	t.sheet = SheetHelp
	wrap := t.style(&excelize.Style{Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}})
	bold := t.style(&excelize.Style{Font: &excelize.Font{Bold: true, Size: 14}})
	lines := []string{
		"一、每名学生一行，从第 2 行填起；深色带★的列必填，其余有则填。",
		"二、列的次序可以调整，不要改动表头文字，不要使用公式。",
		"三、上传后，有错的行会在同一工作簿里标成浅红色，批注写明错在哪里、怎样改；改好后把整个工作簿再传一次，已导入的行不会重复。",
		"四、同一证件号已在学籍系统中的，不能重复建籍，请改办转学（第六条、第十四条）。",
		"五、学生信息只用于学籍管理，请妥善保管本工作簿（第二十五条）。",
	}
	t.keep(t.f.SetCellStr(SheetHelp, "A1", "中小学生学籍基础信息表填写说明"))
	t.keep(t.f.SetCellStyle(SheetHelp, "A1", "A1", bold))
	row := 2
	for _, l := range lines {
		t.keep(t.f.MergeCell(SheetHelp, ref(0, row), ref(2, row)))
		t.keep(t.f.SetCellStr(SheetHelp, ref(0, row), l))
		t.keep(t.f.SetCellStyle(SheetHelp, ref(0, row), ref(2, row), wrap))
		t.keep(t.f.SetRowHeight(SheetHelp, row, 34))
		row++
	}
	row++
	for i, h := range []string{"栏目", "怎样填写", "可选内容"} {
		t.keep(t.f.SetCellStr(SheetHelp, ref(i, row), h))
	}
	t.keep(t.f.SetCellStyle(SheetHelp, ref(0, row), ref(2, row), bold))
	for _, fd := range registry.Fields {
		row++
		t.keep(t.f.SetCellStr(SheetHelp, ref(0, row), Header(fd)))
		t.keep(t.f.SetCellStr(SheetHelp, ref(1, row), t.help(fd)))
		t.keep(t.f.SetCellStr(SheetHelp, ref(2, row), cmp.Or(choices(fd.List), "")))
		t.keep(t.f.SetCellStyle(SheetHelp, ref(0, row), ref(2, row), wrap))
	}
	t.keep(t.f.SetColWidth(SheetHelp, "A", "A", 24))
	t.keep(t.f.SetColWidth(SheetHelp, "B", "B", 64))
	t.keep(t.f.SetColWidth(SheetHelp, "C", "C", 64))
}

// choices names a short list's items in words.
func choices(name registry.ListName) string {
	items := registry.List(name)
	if name == registry.ListRegion {
		return "GB/T 2260 行政区划名称或代码"
	}
	if len(items) > 20 {
		return "见下拉列表"
	}
	var s []string
	for _, it := range items {
		s = append(s, it.Code+" "+it.Title)
	}
	return strings.Join(s, "，")
}
