package service

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/intake"
	"xueji/server/registry"
)

// sheetRow is a row of a workbook's first sheet by the columns that were asked for.
type sheetRow struct {
	no    int // 1…, as the sheet counts
	cells map[string]string
}

// readSheet reads the first sheet of a workbook. heads says which column a heading is; the heading is the first row among ten that has every column of need. Rows
// without any value are passed over. CodeInvalid with Params why: not_xlsx, damaged, header, rows (more than most).
func readSheet(body []byte, heads map[string]string, need []string, most int) ([]sheetRow, error) {
	bad := func(why string) error {
		return fail(registry.CodeInvalid, "workbook", map[string]string{"why": why, "max": fmt.Sprint(most)})
	}
	if err := intake.Weigh(bytes.NewReader(body), int64(len(body)), intake.Limits{Unpacked: 64 << 20}); err != nil {
		return nil, internal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(body), excelize.Options{UnzipSizeLimit: 64 << 20, UnzipXMLSizeLimit: 64 << 20})
	if err != nil {
		return nil, bad("not_xlsx")
	}
	defer f.Close()
	rows, err := f.Rows(f.GetSheetName(0))
	if err != nil {
		return nil, bad("damaged")
	}
	defer rows.Close()
	var cols map[string]int
	var out []sheetRow
	for no := 1; rows.Next(); no++ {
		cells, err := rows.Columns()
		if err != nil {
			return nil, bad("damaged")
		}
		if cols == nil {
			if cols = headsOf(cells, heads, need); cols == nil && no > 10 {
				break
			}
			continue
		}
		r := sheetRow{no: no, cells: map[string]string{}}
		for k, i := range cols {
			if i < len(cells) {
				if v := strings.TrimSpace(cells[i]); v != "" {
					r.cells[k] = v
				}
			}
		}
		if len(r.cells) == 0 {
			continue
		}
		if len(out) >= most {
			return nil, bad("rows")
		}
		out = append(out, r)
	}
	if cols == nil {
		return nil, bad("header")
	}
	return out, nil
}

// headsOf is where each column stands; nil when one of need is missing.
func headsOf(cells []string, heads map[string]string, need []string) map[string]int {
	found := map[string]int{}
	for i, c := range cells {
		if k := heads[strings.ToLower(strings.TrimSpace(c))]; k != "" {
			if _, twice := found[k]; !twice {
				found[k] = i
			}
		}
	}
	for _, k := range need {
		if _, ok := found[k]; !ok {
			return nil
		}
	}
	return found
}
