package intake

import (
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
)

// cell is what a spreadsheet cell holds, before anything is read into it.
type cell struct {
	col     int // 0…
	kind    kind
	text    string // characters, or the number as the file writes it
	formula bool
}

type kind uint8

const (
	kindText kind = iota
	kindNumber
	kindBool
	kindError
)

// book is the skeleton of an xlsx file (ECMA-376 part 1, SpreadsheetML): its sheets in order, its strings and its date system.
type book struct {
	parts    parts
	strings  []string
	sheets   []sheetRef
	date1904 bool
}

type sheetRef struct {
	name, part string
	hidden     bool
}

func openBook(p parts) (*book, error) {
	b := &book{parts: p}
	main := "xl/workbook.xml"
	if rels, err := p.rels("_rels/.rels", ""); err == nil {
		for _, r := range rels {
			if strings.HasSuffix(r.kind, "/officeDocument") {
				main = r.target
			}
		}
	}
	if p[strings.ToLower(main)] == nil {
		return nil, refuse(WhyNotXLSX, nil)
	}
	rels, err := p.rels(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), path.Dir(main))
	if err != nil {
		return nil, damaged(main, err)
	}
	err = p.scan(main, func(t xml.StartElement, _ *xml.Decoder) error {
		switch t.Name.Local {
		case "workbookPr":
			v := attr(t, "date1904")
			b.date1904 = v == "1" || v == "true"
		case "sheet":
			ref := sheetRef{name: attr(t, "name"), hidden: attr(t, "state") != "" && attr(t, "state") != "visible"}
			ref.part = rels[attr(t, "id")].target
			b.sheets = append(b.sheets, ref)
		}
		return nil
	})
	if err != nil {
		return nil, damaged(main, err)
	}
	for _, r := range rels {
		if strings.HasSuffix(r.kind, "/sharedStrings") && p[strings.ToLower(r.target)] != nil {
			if err := b.readStrings(r.target); err != nil {
				return nil, damaged(r.target, err)
			}
		}
	}
	return b, nil
}

func damaged(part string, err error) error {
	if errors.Is(err, errLies) {
		return refuse(WhyBomb, err)
	}
	return refuse(WhyDamaged, err, "part", part)
}

type rel struct{ kind, target string }

func (p parts) rels(name, folder string) (map[string]rel, error) {
	out := map[string]rel{}
	err := p.scan(name, func(t xml.StartElement, _ *xml.Decoder) error {
		if t.Name.Local == "Relationship" && attr(t, "TargetMode") != "External" {
			out[attr(t, "Id")] = rel{attr(t, "Type"), relative(folder, attr(t, "Target"))}
		}
		return nil
	})
	return out, err
}

// scan runs over the start elements of a part. Documents with a DTD are refused (entity expansion).
func (p parts) scan(name string, on func(xml.StartElement, *xml.Decoder) error) error {
	rc, err := p.open(name)
	if err != nil {
		return err
	}
	defer rc.Close()
	d := xml.NewDecoder(bufio.NewReaderSize(rc, 64<<10))
	for {
		t, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := on(t, d); err != nil {
				return err
			}
		case xml.Directive:
			return errors.New("document type declarations are not read")
		}
	}
}

func attr(t xml.StartElement, local string) string {
	for i := range t.Attr {
		if t.Attr[i].Name.Local == local {
			return t.Attr[i].Value
		}
	}
	return ""
}

// richText gathers the text of a string item (<si> or <is>) up to its end, without phonetic runs.
func richText(d *xml.Decoder, end string) (string, error) {
	var first string
	var b strings.Builder
	in, phonetic := false, 0
	for {
		t, err := d.RawToken()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "t":
				in = true
			case "rPh":
				phonetic++
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "t":
				in = false
			case "rPh":
				phonetic--
			case end:
				if b.Len() > 0 {
					return b.String(), nil
				}
				return first, nil
			}
		case xml.CharData:
			if in && phonetic <= 0 {
				if first == "" && b.Len() == 0 {
					first = string(t)
				} else {
					if b.Len() == 0 {
						b.WriteString(first)
					}
					b.Write(t)
				}
			}
		}
	}
}

func (b *book) readStrings(part string) error {
	return b.parts.scan(part, func(t xml.StartElement, d *xml.Decoder) error {
		if t.Name.Local != "si" {
			return nil
		}
		s, err := richText(d, "si")
		b.strings = append(b.strings, s)
		return err
	})
}

// errStop ends a walk early without an error.
var errStop = errors.New("stop")

// rows walks a sheet's rows in file order. no is the row's number in the sheet (1…). cells is reused between calls.
func (b *book) rows(part string, on func(no int, cells []cell) error) error {
	var cells []cell
	row, col := 0, 0
	rc, err := b.parts.open(part)
	if err != nil {
		return err
	}
	defer rc.Close()
	d := xml.NewDecoder(bufio.NewReaderSize(rc, 64<<10))
	var c cell
	var typ string
	var value []byte
	inValue, inRow := false, false
	for {
		t, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.Directive:
			return errors.New("document type declarations are not read")
		case xml.StartElement:
			switch t.Name.Local {
			case "row":
				row, col, inRow = row+1, 0, true
				if n, err := strconv.Atoi(attr(t, "r")); err == nil && n >= row {
					row = n
				}
				cells = cells[:0]
			case "c":
				if n := column(attr(t, "r")); n >= col {
					col = n
				}
				c = cell{col: col}
				typ, value = attr(t, "t"), value[:0]
				col++
			case "f":
				c.formula = true
			case "v":
				inValue = true
			case "is":
				s, err := richText(d, "is")
				if err != nil {
					return err
				}
				c.text = s
			}
		case xml.CharData:
			if inValue {
				value = append(value, t...)
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "v":
				inValue = false
			case "c":
				switch typ {
				case "s":
					n, err := strconv.Atoi(strings.TrimSpace(string(value)))
					if err != nil || n < 0 || n >= len(b.strings) {
						return errors.New("a cell names a string that is not there")
					}
					c.text = b.strings[n]
				case "inlineStr":
				case "str", "d":
					c.text = string(value)
				case "b":
					c.kind, c.text = kindBool, string(value)
				case "e":
					c.kind, c.text = kindError, string(value)
				default:
					c.kind, c.text = kindNumber, strings.TrimSpace(string(value))
				}
				if inRow && (c.text != "" || c.formula) {
					if strings.Contains(c.text, "_x000D_") {
						c.text = strings.ReplaceAll(c.text, "_x000D_", "")
					}
					cells = append(cells, c)
				}
			case "row":
				inRow = false
				if err := on(row, cells); err != nil {
					if err == errStop {
						return nil
					}
					return err
				}
			case "sheetData":
				return nil
			}
		}
	}
}

// column reads the letters of a reference ("AB12" → 27); -1 when there are none.
func column(ref string) int {
	n := 0
	for i := 0; i < len(ref) && i < 4; i++ {
		c := ref[i] &^ 0x20
		if c < 'A' || c > 'Z' {
			break
		}
		n = n*26 + int(c-'A') + 1
	}
	return n - 1
}
