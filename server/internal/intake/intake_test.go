package intake_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/demo"
	"xueji/server/internal/intake"
	"xueji/server/registry"
)

const today registry.Date = "2026-11-23"

func read(t testing.TB, b []byte) (*intake.Workbook, error) {
	t.Helper()
	return intake.Read(bytes.NewReader(b), int64(len(b)), intake.Limits{})
}

func mustRead(t testing.TB, b []byte) *intake.Workbook {
	t.Helper()
	wb, err := read(t, b)
	if err != nil {
		t.Fatal(err)
	}
	return wb
}

// book makes a workbook with the template's header and cells set by hand; a cell is a field of row 2.
func book(t testing.TB, set func(f *excelize.File, at func(registry.FieldKey) string)) []byte {
	t.Helper()
	g := demo.New(5).On(today)
	b, err := intake.Fill(g.Newcomers(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	col := map[registry.FieldKey]string{}
	for i, fd := range registry.Fields {
		col[fd.Key], _ = excelize.ColumnNumberToName(i + 1)
	}
	set(f, func(k registry.FieldKey) string { return col[k] + "2" })
	var out bytes.Buffer
	if _, err := f.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCellsAreReadAsTheyAreMeant(t *testing.T) {
	type put struct {
		field registry.FieldKey
		value any
		want  string
	}
	for _, c := range []put{
		{registry.FBirth, 42803, "2017-03-09"}, // Excel's serial: days after 1899-12-30 (ECMA-376 18.17.4.1): 42,803
		{registry.FBirth, 42803.5, "2017-03-09"},
		{registry.FBirth, 20170309, "2017-03-09"},
		{registry.FBirth, "2017年3月9日", "2017-03-09"},
		{registry.FBirth, "２０１７／３／９", "2017-03-09"},
		{registry.FBirth, "2017-03-09 00:00:00", "2017-03-09"},
		{registry.FBirth, time.Date(2017, 3, 9, 0, 0, 0, 0, time.UTC), "2017-03-09"},
		{registry.FEnrolMonth, "2023年9月", "2023-09"},
		{registry.FEnrolMonth, 202309, "2023-09"},
		{registry.FEnrolMonth, 45170, "2023-09"}, // 2023-09-01
		{registry.FSex, "男", "1"},
		{registry.FSex, 1, "1"},
		{registry.FSex, "1 男", "1"},
		{registry.FNation, 1, "01"},
		{registry.FNation, "汉", "01"},
		{registry.FNation, "05-维吾尔族", "05"},
		{registry.FOnlyChild, true, "1"},
		{registry.FPhone, 19900000000, "19900000000"},
		{registry.FPhone, "１９９　００００　００００", "19900000000"},
		{registry.FIDNumber, " 33019８20170309001ｘ ", "33019820170309001X"},
		{registry.FIDNumber, "'330198201703090013", "330198201703090013"},
		{registry.FName, "  欧阳𬀩\u200b　", "欧阳𬀩"},
		{registry.FName, "阿依古丽·买买提", "阿依古丽·买买提"},
		{registry.FName, "a\u0308b", "äb"},       // NFC
		{registry.FName, "阿依古丽•买买提", "阿依古丽•买买提"}, // not the register's dot: asked, not mended
		{registry.FClass, "３ 班", "3 班"},
		{registry.FHukou, 330106, "330106"},
		{registry.FHukou, "浙江省杭州市西湖区", "330106"},
		{registry.FHukou, "浙江 杭州 西湖区（３３０１０６）", "330106"},
		{registry.FHukou, "杭州市下城区", "330103"}, // withdrawn in 2021: it keeps the code and the name of its day
		{registry.FHukou, "鼓楼区", "鼓楼区"},       // which of four: asked, not mended
		{registry.FDistance, 3.0, "3"},
	} {
		wb := mustRead(t, book(t, func(f *excelize.File, at func(registry.FieldKey) string) {
			if err := f.SetCellValue("学生信息", at(c.field), c.value); err != nil {
				t.Fatal(err)
			}
		}))
		r := wb.Rows()[0]
		if r.Form[c.field] != c.want || len(r.Findings) > 0 {
			t.Errorf("%s: %v was read as %q, want %q; %v", c.field, c.value, r.Form[c.field], c.want, r.Findings)
		}
	}
}

func TestDate1904(t *testing.T) {
	wb := mustRead(t, book(t, func(f *excelize.File, at func(registry.FieldKey) string) {
		yes := true
		f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &yes})
		f.SetCellValue("学生信息", at(registry.FBirth), 41341) // 42,803 − 1,462
	}))
	if got := wb.Rows()[0].Form[registry.FBirth]; got != "2017-03-09" {
		t.Error(got)
	}
}

func TestCellsThatCannotBeKnown(t *testing.T) {
	for _, c := range []struct {
		field registry.FieldKey
		set   func(f *excelize.File, at string) error
		code  registry.FindingCode
		why   string
	}{
		{registry.FIDNumber, func(f *excelize.File, at string) error { return f.SetCellValue("学生信息", at, 330198201703090013) }, registry.FindFormat, intake.WhyExcelNumber},
		{registry.FIDNumber, func(f *excelize.File, at string) error {
			return f.SetCellValue("学生信息", at, 3.30198201703090e17)
		}, registry.FindFormat, intake.WhyExcelNumber},
		{registry.FEnrolMonth, func(f *excelize.File, at string) error { return f.SetCellValue("学生信息", at, 2023.1) }, registry.FindFormat, intake.WhyExcelMonth},
		{registry.FName, func(f *excelize.File, at string) error {
			return f.SetCellFormula("学生信息", at, `CONCATENATE("王","一")`)
		}, registry.FindFormula, ""},
	} {
		wb := mustRead(t, book(t, func(f *excelize.File, at func(registry.FieldKey) string) {
			if err := c.set(f, at(c.field)); err != nil {
				t.Fatal(err)
			}
		}))
		r := wb.Rows()[0]
		if len(r.Findings) != 1 || r.Findings[0].Field != c.field || r.Findings[0].Code != c.code || r.Findings[0].Params["why"] != c.why {
			t.Errorf("%s: %+v", c.field, r.Findings)
			continue
		}
		all := r.All(registry.CheckForm(r.Form, today))
		for _, f := range all[1:] {
			if f.Field == c.field {
				t.Error("an unread cell is also called", f.Code)
			}
		}
		if w := intake.Words(r.Findings[0]); w == "" || strings.Contains(w, "%!") {
			t.Error(w)
		}
	}
}

// plain makes a workbook of strings.
func plain(t testing.TB, rows ...[]string) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, r := range rows {
		cells := make([]any, len(r))
		for k, v := range r {
			cells[k] = v
		}
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &cells); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func header() []string {
	var h []string
	for _, f := range registry.Fields {
		h = append(h, intake.Header(f))
	}
	return h
}

func zipOf(t testing.TB, files map[string]func(io.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, fill := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		fill(w)
	}
	z.Close()
	return b.Bytes()
}

// huge is a workbook with one whole row and n-1 rows of one filled cell from a row on, written by hand since excelize would take long.
func huge(t testing.TB, n, from int) []byte {
	g := demo.New(5).On(today)
	b, err := intake.Fill(g.Newcomers(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	src, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range src.File {
		rc, _ := f.Open()
		body, _ := io.ReadAll(rc)
		rc.Close()
		w, _ := z.Create(f.Name)
		if f.Name == "xl/worksheets/sheet1.xml" {
			i := bytes.Index(body, []byte("</sheetData>"))
			w.Write(body[:i])
			for r := range n - 1 {
				fmt.Fprintf(w, `<row r="%d"><c r="A%d" t="inlineStr"><is><t>王一%d</t></is></c></row>`, r+from, r+from, r)
			}
			body = body[i:]
		}
		w.Write(body)
	}
	z.Close()
	return out.Bytes()
}

func TestRefusedWorkbooks(t *testing.T) {
	zeros := func(n int) func(io.Writer) {
		return func(w io.Writer) {
			b := make([]byte, 1<<20)
			for range n {
				w.Write(b)
			}
		}
	}
	text := func(s string) func(io.Writer) { return func(w io.Writer) { io.WriteString(w, s) } }
	whole := header()
	without := append([]string(nil), whole[1:]...)
	twice := append(append([]string(nil), whole...), "姓名")
	unknown := append(append([]string(nil), whole...), "血型")
	for name, c := range map[string]struct {
		body  []byte
		why   string
		param string // "key=value"
	}{
		"text":          {[]byte("姓名,性别\n"), intake.WhyNotXLSX, ""},
		"empty":         {nil, intake.WhyNotXLSX, ""},
		"old xls":       {append([]byte{0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1}, make([]byte, 4096)...), intake.WhyOldFormat, ""},
		"another zip":   {zipOf(t, map[string]func(io.Writer){"a.txt": text("x")}), intake.WhyNotXLSX, ""},
		"zip bomb":      {zipOf(t, map[string]func(io.Writer){"xl/workbook.xml": zeros(300)}), intake.WhyBomb, "max=256"},
		"dense part":    {zipOf(t, map[string]func(io.Writer){"xl/workbook.xml": zeros(20)}), intake.WhyBomb, ""},
		"too big":       {make([]byte, 17<<20), intake.WhyTooBig, "max=16"},
		"100,000 rows":  {huge(t, 100000, 3), intake.WhyRows, "rows=100000"},
		"a far row":     {huge(t, 2, 1048576), intake.WhyRows, "rows=1048576"},
		"no header":     {plain(t, []string{"你好"}, []string{"世界"}), intake.WhyNoHeader, ""},
		"no rows":       {plain(t, whole), intake.WhyNoRows, ""},
		"column gone":   {plain(t, without, without), intake.WhyHeader, "missing=姓名"},
		"column twice":  {plain(t, twice, whole), intake.WhyHeader, "twice=姓名"},
		"column by own": {plain(t, unknown, whole), intake.WhyHeader, "unknown=血型"},
		"no workbook":   {zipOf(t, map[string]func(io.Writer){"xl/workbook.xml": text("<workbook"), "_rels/.rels": text("<a/>")}), intake.WhyDamaged, ""},
		"entities": {zipOf(t, map[string]func(io.Writer){"_rels/.rels": text("<Relationships/>"), "xl/_rels/workbook.xml.rels": text("<Relationships/>"),
			"xl/workbook.xml": text(`<!DOCTYPE x [<!ENTITY a "aaaa">]><workbook>&a;</workbook>`)}), intake.WhyDamaged, ""},
	} {
		_, err := read(t, c.body)
		var e *registry.Error
		if !errors.As(err, &e) || e.Code != registry.CodeInvalid || e.Field != intake.FieldWorkbook || e.Params["why"] != c.why {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if k, v, ok := strings.Cut(c.param, "="); ok && e.Params[k] != v {
			t.Errorf("%s: %s is %q, want %q", name, k, e.Params[k], v)
		}
		if words := intake.Explain(e.Params); words == "" {
			t.Errorf("%s is not explained", name)
		}
	}
}

// TestLyingDirectory: a part that unpacks to more than its directory entry says is not read on.
func TestLyingDirectory(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("xl/workbook.xml")
	w.Write(bytes.Repeat([]byte("<a/>"), 1<<20))
	z.Close()
	body := b.Bytes()
	i := bytes.LastIndex(body, []byte("PK\x01\x02"))
	copy(body[i+24:i+28], []byte{0, 1, 0, 0}) // 256 bytes, the directory says
	_, err := read(t, body)
	if err == nil {
		t.Error("a lying directory was believed")
	}
}

func TestAnyOrderAndGuardianHeaders(t *testing.T) {
	form := demo.New(5).On(today).Newcomers(1)[0]
	var head, line []string
	for i := len(registry.Fields) - 1; i >= 0; i-- {
		f := registry.Fields[i]
		head = append(head, " ★"+strings.Replace(intake.Header(f), "监护人1", "监护人一", 1)+"\n（填写）")
		line = append(line, form[f.Key])
	}
	wb := mustRead(t, plain(t, []string{"云河区实验小学新生名册"}, nil, head, line))
	r := wb.Rows()[0]
	if r.No != 4 {
		t.Error("row", r.No)
	}
	for k, v := range form {
		if r.Form[k] != v {
			t.Errorf("%s: %q, want %q", k, r.Form[k], v)
		}
	}
}

func cellsOf(t testing.TB, b []byte) (*excelize.File, map[string]string) {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	cs, err := f.GetComments("学生信息")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, c := range cs {
		m[c.Cell] = c.Text
		for _, p := range c.Paragraph {
			if c.Text == "" {
				m[c.Cell] += p.Text
			}
		}
	}
	return f, m
}

// judge marks every row as the service does.
func judge(wb *intake.Workbook) (good, bad int) {
	for _, r := range wb.Rows() {
		fs := r.All(registry.CheckForm(r.Form, today))
		wb.Mark(r.No, fs, intake.Words)
		if registry.Blocking(fs) {
			bad++
		} else {
			good++
		}
	}
	return
}

// TestMarkedWorkbook: the workbook comes back whole, wrong cells red with a comment, and when it is mended and sent again the rows that went in are passed
// over and the old marks are gone.
func TestMarkedWorkbook(t *testing.T) {
	b, err := demo.New(5).On(today).Workbook(20, 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	wb := mustRead(t, b)
	if good, bad := judge(wb); good != 15 || bad != 5 {
		t.Fatal(good, bad)
	}
	var out bytes.Buffer
	if _, err := wb.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	f, comments := cellsOf(t, out.Bytes())
	result := column(t, f, intake.ResultColumn)
	for row := 2; row <= 16; row++ {
		if v, _ := f.GetCellValue("学生信息", fmt.Sprintf("%s%d", result, row)); v != intake.ResultDone {
			t.Errorf("row %d: %q", row, v)
		}
	}
	check := column(t, f, "身份证件号") + "17" // the first bad row has a wrong check digit
	if c := comments[check]; !strings.Contains(c, "校验码") || !strings.Contains(c, "是不是") {
		t.Errorf("comment at %s: %q; all %v", check, c, comments)
	}
	id, _ := f.GetCellStyle("学生信息", check)
	if st, err := f.GetStyle(id); err != nil || len(st.Fill.Color) == 0 || !strings.Contains(strings.ToUpper(st.Fill.Color[0]), "F8D7D3") || st.NumFmt != 49 {
		t.Errorf("style %+v %v", st, err)
	}
	if v, _ := f.GetCellValue("学生信息", result+"17"); !strings.HasPrefix(v, intake.ResultBad) || !strings.Contains(v, "身份证件号") {
		t.Error(v)
	}
	if n := len(f.GetSheetList()); n != 3 {
		t.Error(n, "sheets came back")
	}

	// Mend the first bad row and send the same workbook again.
	good := demo.New(5).On(today).Newcomers(20)[15]
	if err := f.SetCellStr("学生信息", check, good[registry.FIDNumber]); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	f.WriteTo(&again)
	f.Close()
	wb = mustRead(t, again.Bytes())
	if wb.Already() != 15 || len(wb.Rows()) != 5 {
		t.Fatal(wb.Already(), len(wb.Rows()))
	}
	if good, bad := judge(wb); good != 1 || bad != 4 {
		t.Error(good, bad)
	}
	out.Reset()
	if _, err := wb.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	f, comments = cellsOf(t, out.Bytes())
	defer f.Close()
	if comments[check] != "" {
		t.Error("an old mark stayed:", comments[check])
	}
	id, _ = f.GetCellStyle("学生信息", check)
	if st, _ := f.GetStyle(id); len(st.Fill.Color) > 0 {
		t.Error("an old colour stayed", st.Fill)
	}
	if v, _ := f.GetCellValue("学生信息", result+"17"); v != intake.ResultDone {
		t.Error(v)
	}
}

func column(t testing.TB, f *excelize.File, title string) string {
	t.Helper()
	rows, err := f.GetRows("学生信息")
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range rows[0] {
		if strings.TrimPrefix(h, "★") == strings.TrimPrefix(title, "★") {
			n, _ := excelize.ColumnNumberToName(i + 1)
			return n
		}
	}
	t.Fatal("no column", title)
	return ""
}

func TestTemplate(t *testing.T) {
	b, err := intake.Template(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, b); err == nil || !strings.Contains(intake.Explain(err.(*registry.Error).Params), "没有学生") {
		t.Error(err)
	}
	f, comments := cellsOf(t, b)
	defer f.Close()
	if c := comments["A1"]; !strings.Contains(c, "必填") || !strings.Contains(c, "第7条") {
		t.Error(c)
	}
	dvs, err := f.GetDataValidations("学生信息")
	if err != nil || len(dvs) < 25 {
		t.Error(len(dvs), err)
	}
	if v, _ := f.GetSheetVisible("代码表"); v {
		t.Error("the code lists are shown")
	}
}

func TestWordsNameNobody(t *testing.T) {
	for _, f := range registry.Fields {
		for _, c := range []registry.FindingCode{registry.FindMissing, registry.FindTooLong, registry.FindNotInList, registry.FindCheck, registry.FindFormat, registry.FindDate,
			registry.FindMismatch, registry.FindAge, registry.FindDupFile, registry.FindDupRegister, registry.FindFormula, registry.FindChars} {
			w := intake.Words(registry.Finding{Field: f.Key, Code: c})
			if w == "" || w == "请核对。" || !strings.HasSuffix(w, "。") && !strings.HasSuffix(w, "？") {
				t.Errorf("%s %s: %q", f.Key, c, w)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	b, err := demo.New(5).On(today).Workbook(3, 1, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(plain(f, header(), header()))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, b []byte) {
		wb, err := intake.Read(bytes.NewReader(b), int64(len(b)), intake.Limits{Rows: 100, Unpacked: 4 << 20})
		if err != nil {
			var e *registry.Error
			if !errors.As(err, &e) || intake.Explain(e.Params) == "" {
				t.Fatalf("an error without words: %v", err)
			}
			return
		}
		judge(wb)
		var out bytes.Buffer
		if _, err := wb.WriteTo(&out); err != nil {
			return // a part that Read did not need was damaged
		}
		again, err := intake.Read(bytes.NewReader(out.Bytes()), int64(out.Len()), intake.Limits{})
		if err == nil && again.Already()+len(again.Rows()) != wb.Already()+len(wb.Rows()) {
			t.Fatalf("rows were lost: %d+%d of %d+%d", again.Already(), len(again.Rows()), wb.Already(), len(wb.Rows()))
		}
	})
}

// FuzzSheet feeds the sheet part alone, in a workbook whose other parts are whole.
func FuzzSheet(f *testing.F) {
	b, err := demo.New(5).On(today).Workbook(2, 1, nil)
	if err != nil {
		f.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		f.Fatal(err)
	}
	const part = "xl/worksheets/sheet1.xml"
	others := map[string][]byte{}
	for _, e := range z.File {
		rc, err := e.Open()
		if err != nil {
			f.Fatal(err)
		}
		body, _ := io.ReadAll(rc)
		rc.Close()
		if e.Name == part {
			f.Add(body)
		} else {
			others[e.Name] = body
		}
	}
	f.Add([]byte(`<worksheet><sheetData><row r="1"><c t="inlineStr"><is><r><t>姓</t></r><rPh><t>x</t></rPh><r><t>名</t></r></is></c></row></sheetData></worksheet>`))
	f.Fuzz(func(t *testing.T, sheet []byte) {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for name, body := range others {
			p, _ := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
			p.Write(body)
		}
		p, _ := w.CreateHeader(&zip.FileHeader{Name: part, Method: zip.Store})
		p.Write(sheet)
		w.Close()
		wb, err := intake.Read(bytes.NewReader(out.Bytes()), int64(out.Len()), intake.Limits{Rows: 100})
		if err != nil {
			var e *registry.Error
			if !errors.As(err, &e) || intake.Explain(e.Params) == "" {
				t.Fatalf("an error without words: %v", err)
			}
			return
		}
		last := 0
		for _, r := range wb.Rows() {
			if r.No <= last {
				t.Fatalf("row %d after row %d", r.No, last)
			}
			last = r.No
			r.All(registry.CheckForm(r.Form, today))
		}
	})
}
