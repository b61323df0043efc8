package e2e

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"xueji/server/registry"
)

// row is a line of a workbook of the basic-information form.
type row struct {
	No     int // in the sheet
	Values map[registry.FieldKey]string
	Notes  map[registry.FieldKey]string // comments on its cells
	Red    map[registry.FieldKey]bool   // cells that are filled with a colour
	Result string
}

func (r row) name() string { return r.Values[registry.FName] }

// readWorkbook reads a workbook as a person sees it in a spreadsheet program.
func readWorkbook(t testing.TB, b []byte) []row {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("workbook: %v", err)
	}
	defer f.Close()
	sheet := f.GetSheetList()[0]
	cells, err := f.GetRows(sheet)
	if err != nil {
		t.Fatalf("workbook: %v", err)
	}
	byTitle := map[string]registry.FieldKey{"结果": "result"}
	guardians := strings.NewReplacer("家庭成员或监护人一", "监护人1", "家庭成员或监护人二", "监护人2") // as the sheet shortens them
	for _, field := range registry.Fields {
		byTitle[guardians.Replace(field.Title)] = field.Key
	}
	header, keys := -1, map[int]registry.FieldKey{}
	for i, line := range cells {
		for c, text := range line {
			if k, ok := byTitle[strings.Trim(text, "★* \n")]; ok {
				keys[c] = k
			}
		}
		if len(keys) > 20 {
			header = i
			break // one row has the titles
		}
		clear(keys)
	}
	if header < 0 || len(keys) < len(registry.Fields) {
		t.Fatalf("no row of the workbook names all %d items: %v", len(registry.Fields), cells[:min(len(cells), 3)])
	}
	notes := map[string]string{}
	comments, err := f.GetComments(sheet)
	if err != nil {
		t.Fatalf("comments: %v", err)
	}
	for _, c := range comments {
		text := c.Text
		for _, run := range c.Paragraph {
			text += run.Text
		}
		notes[c.Cell] = text
	}
	var out []row
	for i := header + 1; i < len(cells); i++ {
		r := row{No: i + 1, Values: map[registry.FieldKey]string{}, Notes: map[registry.FieldKey]string{}, Red: map[registry.FieldKey]bool{}}
		for c, k := range keys {
			at, _ := excelize.CoordinatesToCellName(c+1, i+1)
			if c < len(cells[i]) {
				r.Values[k] = cells[i][c]
			}
			if n := notes[at]; n != "" {
				r.Notes[k] = n
			}
			if id, err := f.GetCellStyle(sheet, at); err == nil {
				if st, err := f.GetStyle(id); err == nil && st.Fill.Type == "pattern" && len(st.Fill.Color) > 0 {
					r.Red[k] = true
				}
			}
		}
		if r.Result = r.Values["result"]; r.name() != "" || len(r.Notes) > 0 {
			delete(r.Values, "result")
			out = append(out, r)
		}
	}
	return out
}

func readWorkbookFile(t testing.TB, path string) []row {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return readWorkbook(t, b)
}
