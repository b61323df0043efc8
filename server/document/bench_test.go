package document

import (
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/jung-kurt/gofpdf"
)

// naive is the cover as a first attempt with gofpdf makes it: a TrueType font that knows Chinese, read and parsed for the document, cells and a line of text
// each. It cannot even hold a name above U+FFFF, so it gets another.
func naive(b *testing.B, ttf []byte, w io.Writer, n int) {
	b.Helper()
	pdf := gofpdf.New("P", "mm", "A4", "")
	pdf.AddUTF8FontFromBytes("cjk", "", ttf)
	for range n {
		c := cover("欧阳晖")
		pdf.AddPage()
		pdf.SetFont("cjk", "", 34)
		pdf.CellFormat(0, 40, "学籍档案", "", 1, "C", false, 0, "")
		pdf.SetFont("cjk", "", 11)
		for _, row := range [][2]string{{"姓名", c.Name}, {"性别", c.Sex}, {"出生日期", zhDate(c.Birth)}, {"学籍号", c.NumberMasked}, {"现学校", schoolLine(c.School, c.SchoolCode)},
			{"转入学校", schoolLine(c.ToSchool, c.ToCode)}, {"在校时间", period(c.EnrolledOn, c.LeftOn)}, {"学籍辅号", c.Alt}, {"卷内情况", fmt.Sprint(c.Volumes, c.Items, c.Pages)},
			{"业务编号", string(c.CaseNo)}, {"办结日期", zhDate(c.DoneOn)}} {
			pdf.CellFormat(30, 12, row[0], "1", 0, "C", false, 0, "")
			pdf.CellFormat(130, 12, row[1], "1", 1, "L", false, 0, "")
		}
		pdf.CellFormat(0, 10, "扫码核对目录并签收。二维码只含档案编号与签名，不含身份证号。", "", 1, "L", false, 0, "")
	}
	if err := pdf.Output(w); err != nil {
		b.Fatal(err)
	}
}

const naiveFont = debianHana + "HanaMinA.ttf"

// BenchmarkCover prints how many times as fast as a naive gofpdf document ours is, alternating in one run, for one cover in a PDF and for a hundred.
func BenchmarkCover(b *testing.B) {
	m := newMaker(b)
	ttf, err := os.ReadFile(naiveFont)
	if err != nil {
		b.Fatal("install the Debian package fonts-hanazono: ", err)
	}
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("covers=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			cs := make([]Cover, n)
			for i := range cs {
				cs[i] = cover(rareName)
			}
			if _, err := m.Covers(cs); err != nil {
				b.Fatal(err)
			}
			var ours, theirs, together stopwatch
			for b.Loop() {
				ours.time(func() {
					if _, err := m.Covers(cs); err != nil {
						b.Fatal(err)
					}
				})
				b.StopTimer()
				theirs.time(func() { // a document for each cover, as an office asks for them
					for range min(n, 3) {
						naive(b, ttf, io.Discard, 1)
					}
				})
				together.time(func() { naive(b, ttf, io.Discard, n) }) // all in one document: its best case
				b.StartTimer()
			}
			each := theirs.mean() / float64(min(n, 3))
			b.ReportMetric(float64(n)/ours.mean(), "covers/s")
			b.ReportMetric(each/(ours.mean()/float64(n)), "×naive-document")
			b.ReportMetric(together.mean()/ours.mean(), "×naive-same-batch")
		})
	}
}
