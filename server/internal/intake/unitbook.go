package intake

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"github.com/xuri/excelize/v2"

	"xueji/server/registry"
	"xueji/server/registry/units"
)

// Sheets of the workbook of units.
const (
	SheetOffices = "主管部门"
	SheetSchools = "学校"
)

// UnitRow is where a unit stands in its workbook.
type UnitRow struct {
	Sheet string
	No    int // row number as the spreadsheet shows it
	Code  registry.Unit
}

// unitColumn is a column of a sheet of units, and how a row of it is read and written.
type unitColumn[T any] struct {
	title string
	help  string
	must  bool
	list  []string // what may be chosen; nil for any text
	set   func(*T, string) bool
	get   func(T) string
}

func text[T any](title string, must bool, at func(*T) *string) unitColumn[T] {
	return unitColumn[T]{title: title, must: must, set: func(t *T, v string) bool { *at(t) = v; return true }, get: func(t T) string { return *at(&t) }}
}

func digits[T any, S ~string](title, help string, must bool, at func(*T) *S) unitColumn[T] {
	return unitColumn[T]{title: title, help: help, must: must, set: func(t *T, v string) bool { *at(t) = S(squeeze(halfWidth(v))); return true },
		get: func(t T) string { return string(*at(&t)) }}
}

func chosen[T any, S comparable](title string, at func(*T) *S, choices []string, values []S) unitColumn[T] {
	return unitColumn[T]{title: title, must: true, list: choices,
		set: func(t *T, v string) bool {
			for i, c := range choices {
				if c == v {
					*at(t) = values[i]
					return true
				}
			}
			return false
		},
		get: func(t T) string {
			for i, v := range values {
				if v == *at(&t) {
					return choices[i]
				}
			}
			return ""
		}}
}

func grade(title string, at func(*registry.School) *int) unitColumn[registry.School] {
	return unitColumn[registry.School]{title: title, help: "1 至 12：初一填 7，高一填 10。", must: true,
		set: func(s *registry.School, v string) bool {
			n, err := strconv.Atoi(squeeze(halfWidth(v)))
			*at(s) = n
			return err == nil
		},
		get: func(s registry.School) string { return strconv.Itoa(*at(&s)) }}
}

var kinds = []registry.SchoolKind{registry.KindPrimary, registry.KindJunior, registry.KindNineYear, registry.KindSenior, registry.KindComplete, registry.KindSpecial, registry.KindReform}

var officeColumns = []unitColumn[registry.Office]{
	digits("代码", "行政区划代码，6 位，如 330106。", true, func(o *registry.Office) *registry.Unit { return &o.Code }),
	text("名称", true, func(o *registry.Office) *string { return &o.Name }),
	chosen("层级", func(o *registry.Office) *registry.Tier { return &o.Tier }, []string{"国家", "省", "市", "县"},
		[]registry.Tier{registry.TierNation, registry.TierProvince, registry.TierCity, registry.TierCounty}),
	digits("上级代码", "上级教育行政部门的代码；最上一级不填。", false, func(o *registry.Office) *registry.Unit { return &o.Parent }),
}

var schoolColumns = []unitColumn[registry.School]{
	digits("学校标识码", "10 位，由国家统一分配。", true, func(s *registry.School) *registry.Unit { return &s.Code }),
	text("学校名称", true, func(s *registry.School) *string { return &s.Name }),
	chosen("办学类型", func(s *registry.School) *registry.SchoolKind { return &s.Kind }, titles(kinds), kinds),
	digits("行政区划代码", "学校所在县，6 位，如 330106。", true, func(s *registry.School) *string { return &s.Region }),
	digits("主管部门代码", "学籍主管部门：所在县，或直接管理学校的市、省（第三条）。", true, func(s *registry.School) *registry.Unit { return &s.Authority }),
	grade("起始年级", func(s *registry.School) *int { return &s.FromGrade }),
	grade("最高年级", func(s *registry.School) *int { return &s.ToGrade }),
	chosen("办别", func(s *registry.School) *bool { return &s.Public }, []string{"公办", "民办"}, []bool{true, false}),
	text("电话", false, func(s *registry.School) *string { return &s.Phone }),
	text("地址", false, func(s *registry.School) *string { return &s.Address }),
}

func titles(kinds []registry.SchoolKind) (out []string) {
	for _, k := range kinds {
		out = append(out, k.Title())
	}
	return out
}

// ReadUnits reads a workbook of units: a sheet 主管部门, a sheet 学校, either may be missing. rows tells where each code stands. A workbook that cannot be taken
// gives a *registry.Error as Read does; a cell that cannot be read one with CodeInvalid, Field the column's title, Params sheet and row. Whether the units
// fit the register is for units.Establish to say.
func ReadUnits(src io.ReaderAt, size int64, l Limits) (u units.Units, rows []UnitRow, err error) {
	l = l.withDefaults()
	p, err := openParts(src, size, l)
	if err != nil {
		return u, nil, err
	}
	b, err := openBook(p)
	if err != nil {
		return u, nil, err
	}
	found := false
	for _, s := range b.sheets {
		if s.hidden || s.part == "" {
			continue
		}
		switch s.name {
		case SheetOffices:
			u.Offices, err = readUnits(b, s, l, officeColumns, func(o registry.Office, no int) { rows = append(rows, UnitRow{s.name, no, o.Code}) })
		case SheetSchools:
			u.Schools, err = readUnits(b, s, l, schoolColumns, func(x registry.School, no int) { rows = append(rows, UnitRow{s.name, no, x.Code}) })
		default:
			continue
		}
		if err != nil {
			return units.Units{}, nil, err
		}
		found = true
	}
	if !found {
		return u, nil, refuse(WhyNoHeader, nil)
	}
	if len(rows) == 0 {
		return u, nil, refuse(WhyNoRows, nil)
	}
	return u, rows, nil
}

func readUnits[T any](b *book, s sheetRef, l Limits, columns []unitColumn[T], at func(T, int)) (out []T, err error) {
	var plan map[int]int // column of the sheet → of columns
	err = b.rows(s.part, func(no int, cells []cell) error {
		if no > max(6*l.Rows, 120_000) || len(out) >= l.Rows {
			return refuse(WhyRows, nil, "rows", strconv.Itoa(no), "max", strconv.Itoa(l.Rows))
		}
		if plan == nil {
			plan, err = unitHeader(cells, columns)
			return err
		}
		var one T
		got := make([]bool, len(columns))
		any := false
		for _, c := range cells {
			i, ok := plan[c.col]
			v := clean(c.text)
			if !ok || v == "" && !c.formula {
				continue
			}
			any = true
			if c.formula || c.kind == kindError || !columns[i].set(&one, v) {
				return unreadable(s.name, no, columns[i].title)
			}
			got[i] = true
		}
		if !any {
			return nil
		}
		for i, c := range columns {
			if c.must && !got[i] {
				return unreadable(s.name, no, c.title)
			}
		}
		out = append(out, one)
		at(one, no)
		return nil
	})
	if registry.CodeOf(err) == registry.CodeInvalid || err == nil {
		return out, err
	}
	return nil, damaged(s.part, err)
}

// unitHeader reads the first row that is not empty.
func unitHeader[T any](cells []cell, columns []unitColumn[T]) (map[int]int, error) {
	plan := map[int]int{}
	var unknown, missing []string
	for _, c := range cells {
		key, known := headerKey(c.text), false
		for i, col := range columns {
			if col.title == key {
				plan[c.col], known = i, true
			}
		}
		if !known && key != "" {
			unknown = append(unknown, key)
		}
	}
	if len(cells) == 0 {
		return nil, nil
	}
	for i, col := range columns {
		there := false
		for _, at := range plan {
			there = there || at == i
		}
		if col.must && !there {
			missing = append(missing, col.title)
		}
	}
	if len(missing)+len(unknown) > 0 {
		return nil, refuse(WhyHeader, nil, "missing", listed(missing), "unknown", listed(unknown))
	}
	return plan, nil
}

func unreadable(sheet string, no int, column string) error {
	return &registry.Error{Code: registry.CodeInvalid, Field: column, Params: map[string]string{"sheet": sheet, "row": strconv.Itoa(no)}}
}

// UnitsBook is the workbook that ReadUnits reads, with these units in it: empty it is the template.
func UnitsBook(u units.Units) ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close()
	t := tmpl{pen: pen{f: f}}
	t.keep(f.SetSheetName("Sheet1", SheetOffices))
	_, err := f.NewSheet(SheetSchools)
	t.keep(err)
	writeUnits(&t, SheetOffices, officeColumns, u.Offices)
	writeUnits(&t, SheetSchools, schoolColumns, u.Schools)
	var b bytes.Buffer
	if t.err == nil {
		_, t.err = f.WriteTo(&b)
	}
	return b.Bytes(), t.err
}

func writeUnits[T any](t *tmpl, sheet string, columns []unitColumn[T], rows []T) {
	must, may, cell := t.heads()
	for i, c := range columns {
		head, style := c.title, may
		if c.must {
			head, style = "★"+head, must
		}
		col, _ := excelize.ColumnNumberToName(i + 1)
		t.keep(t.f.SetColStyle(sheet, col, cell)) // text, so that Excel keeps every digit
		t.keep(t.f.SetColWidth(sheet, col, col, map[bool]float64{true: 36, false: 18}[c.title == "地址" || c.title == "名称" || c.title == "学校名称"]))
		t.keep(t.f.SetCellStr(sheet, col+"1", head))
		t.keep(t.f.SetCellStyle(sheet, col+"1", col+"1", style))
		if c.help != "" {
			t.sheet = sheet
			t.comment(col+"1", c.help)
		}
		if c.list != nil {
			dv := excelize.NewDataValidation(true)
			dv.Sqref = fmt.Sprintf("%s2:%s20001", col, col)
			t.keep(dv.SetDropList(c.list))
			t.keep(t.f.AddDataValidation(sheet, dv))
		}
		for n, row := range rows {
			t.keep(t.f.SetCellStr(sheet, ref(i, n+2), c.get(row)))
			t.keep(t.f.SetCellStyle(sheet, ref(i, n+2), ref(i, n+2), cell))
		}
	}
	t.keep(t.f.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
}
