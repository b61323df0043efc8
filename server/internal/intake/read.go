package intake

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"xueji/server/registry"
)

// Workbook is a read workbook: its rows, and the marks to be written back. Rows may be read by several goroutines; Mark and WriteTo by one.
type Workbook struct {
	src    io.ReaderAt
	size   int64
	limits Limits
	parts  parts
	sheet  string
	plan   *plan
	rows   []Row
	byNo   map[int]int // row number → index in rows
	done   []int       // rows that say they went in before
	marks  map[int]mark
}

// Row is one pupil's line.
type Row struct {
	No       int           // row number as the spreadsheet shows it
	Form     registry.Form // values the form's way: NFC, trimmed, codes, ISO dates
	Findings []registry.Finding
}

// All puts the findings of reading and those of checking together. Where a cell could not be read, what CheckForm says of its emptiness is left out.
func (r Row) All(checked []registry.Finding) []registry.Finding {
	if len(r.Findings) == 0 {
		return checked
	}
	out := append([]registry.Finding(nil), r.Findings...)
	unread := map[registry.FieldKey]bool{}
	for _, f := range r.Findings {
		unread[f.Field] = true
	}
	for _, f := range checked {
		if !unread[f.Field] {
			out = append(out, f)
		}
	}
	return out
}

// Read reads a workbook. src must stay readable until the last WriteTo. A workbook that cannot be taken at all gives a *registry.Error with CodeInvalid,
// Field FieldWorkbook and Params["why"] (see Explain); it says nothing of any pupil. What is wrong in single cells is in the rows' Findings.
//
// The first visible sheet with the form's header is read; the header may stand in any of the first twenty rows, columns in any order. Rows without any
// value are passed over, and so are rows whose 结果 says that they went in before (see Already).
func Read(src io.ReaderAt, size int64, l Limits) (*Workbook, error) {
	l = l.withDefaults()
	p, err := openParts(src, size, l)
	if err != nil {
		return nil, err
	}
	b, err := openBook(p)
	if err != nil {
		return nil, err
	}
	w := &Workbook{src: src, size: size, limits: l, parts: p, byNo: map[int]int{}, marks: map[int]mark{}}
	for _, s := range b.sheets {
		if s.hidden || s.part == "" {
			continue
		}
		found, err := w.readSheet(b, s)
		if err != nil {
			return nil, err
		}
		if found {
			if len(w.rows) == 0 && len(w.done) == 0 {
				return nil, refuse(WhyNoRows, nil)
			}
			return w, nil
		}
	}
	return nil, refuse(WhyNoHeader, nil)
}

// Rows are the filled rows in the sheet's order.
func (w *Workbook) Rows() []Row { return w.rows }

// Already counts rows that were passed over because their 结果 says they went in before.
func (w *Workbook) Already() int { return len(w.done) }

func (w *Workbook) readSheet(b *book, s sheetRef) (bool, error) {
	seen, filled := 0, 0
	over := false
	err := b.rows(s.part, func(no int, cells []cell) error {
		if w.plan == nil {
			if seen++; seen > 20 {
				return errStop
			}
			pl, missing, unknown, twice, ok := planHeader(no, cells)
			if !ok {
				return nil
			}
			if len(missing)+len(unknown)+len(twice) > 0 {
				return refuse(WhyHeader, nil, "missing", listed(missing), "unknown", listed(unknown), "twice", listed(twice))
			}
			w.plan, w.sheet = pl, s.name
			return nil
		}
		if no > max(6*w.limits.Rows, 120_000) { // blank rows cost as much as filled ones when the marks are written
			return refuse(WhyRows, nil, "rows", strconv.Itoa(no), "max", strconv.Itoa(w.limits.Rows))
		}
		if !w.filled(cells) {
			return nil
		}
		if filled++; filled > w.limits.Rows {
			over = true
			w.rows = nil
		}
		if over {
			return nil // only counting, so that the refusal can name the number
		}
		for _, c := range cells {
			if c.col == w.plan.result && strings.HasPrefix(clean(c.text), ResultDone) {
				w.done = append(w.done, no)
				return nil
			}
		}
		row := Row{No: no, Form: make(registry.Form, len(cells))}
		for _, c := range cells {
			f := w.plan.fields[c.col]
			if f == nil {
				continue
			}
			v, bad := read(f, c, b.date1904)
			if bad != nil {
				row.Findings = append(row.Findings, *bad)
			} else if v != "" {
				row.Form[f.Key] = v
			}
		}
		row.Form = registry.Tidy(row.Form)
		w.byNo[no] = len(w.rows)
		w.rows = append(w.rows, row)
		return nil
	})
	var refused *registry.Error
	if errors.As(err, &refused) {
		return false, refused
	}
	if err != nil {
		return false, damaged(s.part, err)
	}
	if over {
		return false, refuse(WhyRows, nil, "rows", strconv.Itoa(filled), "max", strconv.Itoa(w.limits.Rows))
	}
	return w.plan != nil, nil
}

// filled reports whether any column of the form holds something.
func (w *Workbook) filled(cells []cell) bool {
	for _, c := range cells {
		if w.plan.fields[c.col] != nil && (c.formula || clean(c.text) != "") {
			return true
		}
	}
	return false
}
