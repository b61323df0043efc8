package intake_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/demo"
	"xueji/server/registry"
)

// BenchmarkRead reads 5,000 rows, beside excelize alone reading the same workbook in the same run (its streaming Rows, values only: no formulas, no types).
func BenchmarkRead(b *testing.B) {
	const n = 5000
	body, err := demo.New(5).On(today).Workbook(n, n/10, nil)
	if err != nil {
		b.Fatal(err)
	}
	var ours, bare time.Duration
	runs := 0
	for b.Loop() {
		t := time.Now()
		if got := len(mustRead(b, body).Rows()); got != n {
			b.Fatal(got)
		}
		ours += time.Since(t)
		b.StopTimer()
		t = time.Now()
		f, err := excelize.OpenReader(bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		rows, err := f.Rows("学生信息")
		if err != nil {
			b.Fatal(err)
		}
		for rows.Next() {
			if _, err := rows.Columns(); err != nil {
				b.Fatal(err)
			}
		}
		f.Close()
		bare += time.Since(t)
		runs++
		b.StartTimer()
	}
	b.ReportMetric(n*float64(runs)/ours.Seconds(), "rows/s")
	b.ReportMetric(n*float64(runs)/bare.Seconds(), "bare-excelize-rows/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "×bare-excelize")
}

// BenchmarkMark checks 5,000 rows, a tenth of them wrong, and writes the marked workbook.
func BenchmarkMark(b *testing.B) {
	const n = 5000
	body, err := demo.New(5).On(today).Workbook(n, n/10, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		wb := mustRead(b, body)
		judge(wb)
		if _, err := wb.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCheck is the form's rules alone, the part of an import that no faster reader helps.
func BenchmarkCheck(b *testing.B) {
	f := demo.New(5).On(today).Newcomers(1)[0]
	for b.Loop() {
		registry.CheckForm(f, today)
	}
}
