package service

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// markedBook is a workbook of one sheet that says whose copy it is: in the first row, and in the header and footer of each printed page. The second row is the heads.
// It is written here and not by excelize, which puts a sheet of more than 16 MiB into a file of the machine, in clear.
type markedBook struct {
	out   bytes.Buffer
	zip   *zip.Writer
	sheet io.Writer
	foot  string
	line  bytes.Buffer
	cols  []string // A, B, …
	n     int      // rows written
}

// newMarkedBook begins the copy of an approval's list; note stands behind the mark.
func (s *Service) newMarkedBook(sheet string, who Staff, a store.Approval, copyNo int, note string, heads []string) (*markedBook, error) {
	at := s.now().In(registry.Beijing)
	mark := fmt.Sprintf("批准文号 %s　第 %d 份　%s（%s）　%s　提供给：%s%s", a.No, copyNo, who.Name, who.Login, at.Format("2006-01-02 15:04:05"), a.To, note)
	short := strings.ReplaceAll(fmt.Sprintf("%s 第%d份 %s %s", a.No, copyNo, who.Login, at.Format("2006-01-02 15:04")), "&", "&&")
	b := &markedBook{}
	b.zip = zip.NewWriter(&b.out)
	const ns, rels, kind = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://schemas.openxmlformats.org/package/2006/relationships",
		"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	const media = "application/vnd.openxmlformats-officedocument.spreadsheetml"
	for _, f := range [][2]string{
		{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + media + `.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="` + media + `.worksheet+xml"/>` +
			`<Override PartName="/xl/styles.xml" ContentType="` + media + `.styles+xml"/></Types>`},
		{"_rels/.rels", `<Relationships xmlns="` + rels + `"><Relationship Id="rId1" Type="` + kind + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="` + ns + `" xmlns:r="` + kind + `"><sheets><sheet name="` + escaped(sheet) + `" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + rels + `"><Relationship Id="rId1" Type="` + kind + `/worksheet" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="rId2" Type="` + kind + `/styles" Target="styles.xml"/></Relationships>`},
		{"xl/styles.xml", `<styleSheet xmlns="` + ns + `"><fonts count="2"><font><sz val="11"/><name val="宋体"/></font><font><b/><sz val="11"/><color rgb="FFB3321F"/><name val="宋体"/></font></fonts>` +
			`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>` +
			`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>` +
			`<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`},
		{"xl/worksheets/sheet1.xml", `<worksheet xmlns="` + ns + `"><sheetFormatPr defaultRowHeight="15"/><cols><col min="1" max="` + strconv.Itoa(len(heads)) + `" width="20" customWidth="1"/></cols><sheetData>`},
	} {
		w, err := b.zip.Create(f[0])
		if err == nil {
			_, err = io.WriteString(w, xml.Header+f[1])
		}
		if err != nil {
			return nil, err
		}
		b.sheet = w // the last stays open
	}
	b.foot = `</sheetData><headerFooter><oddHeader>` + escaped("&C"+short) + `</oddHeader><oddFooter>` + escaped("&L"+short+"&R第&P页 共&N页") + `</oddFooter></headerFooter></worksheet>`
	for i := range heads {
		name, err := excelize.ColumnNumberToName(i + 1)
		if err != nil {
			return nil, err
		}
		b.cols = append(b.cols, name)
	}
	if err := b.styled(1, mark); err != nil {
		return nil, err
	}
	return b, b.row(heads...)
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// row writes the next row, of as many cells as there are heads.
func (b *markedBook) row(cells ...string) error { return b.styled(0, cells...) }

// styled writes a row in a style of the workbook's. Cells are text: nothing in them is a formula.
func (b *markedBook) styled(style int, cells ...string) error {
	b.n++
	b.line.Reset()
	fmt.Fprintf(&b.line, `<row r="%d">`, b.n)
	for i, c := range cells {
		fmt.Fprintf(&b.line, `<c r="%s%d" s="%d" t="inlineStr"><is><t xml:space="preserve">`, b.cols[i], b.n, style)
		if err := xml.EscapeText(&b.line, []byte(c)); err != nil {
			return err
		}
		b.line.WriteString(`</t></is></c>`)
	}
	b.line.WriteString(`</row>`)
	_, err := b.sheet.Write(b.line.Bytes())
	return err
}

// bytes ends the workbook.
func (b *markedBook) bytes() ([]byte, error) {
	if _, err := io.WriteString(b.sheet, b.foot); err != nil {
		return nil, err
	}
	err := b.zip.Close()
	return b.out.Bytes(), err
}
