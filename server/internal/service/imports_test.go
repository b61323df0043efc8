package service

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/intake"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// dying is a store whose Commit fails for good after some batches, as a process that is killed there.
type dying struct {
	store.Store
	left atomic.Int64
	// torn: the commit is durable and the process dies before it learns so.
	torn bool
}

var errKilled = errors.New("killed")

func (d *dying) Commit(ctx context.Context, b store.Batch) error {
	if d.left.Add(-1) < 0 {
		if d.torn && d.left.Load() == -1 {
			if err := d.Store.Commit(ctx, b); err != nil {
				return err
			}
		}
		return errKilled
	}
	return d.Store.Commit(ctx, b)
}

func (r *rig) count() int {
	n := must[int](r.t)(r.st.Count(r.ctx, store.Query{All: true}))
	return n
}

// An import that dies after any batch, also between commit and knowing of it, ends with each good row in once and the right counts.
func TestImportResumes(t *testing.T) {
	const rows, bad = 170, 40
	for _, torn := range []bool{false, true} {
		r := newRig(t)
		book := must[[]byte](t)(r.gen.Workbook(rows, bad, nil))
		who := r.staff("registrar.yunhe")
		imp := must[store.Import](t)(r.s.StartImport(r.ctx, who, "新生.xlsx", bytes.NewReader(book)))
		for after := int64(0); after < 3; after++ {
			d := &dying{Store: r.st, torn: torn}
			d.left.Store(after)
			s := must[*Service](t)(New(r.ctx, Options{Store: d, Keys: r.s.keys, Now: r.now, ImportBatch: 20}))
			if err := s.RunImport(r.ctx, imp.ID); err == nil {
				t.Fatal("did not die")
			}
		}
		if err := r.s.RunImport(r.ctx, imp.ID); err != nil { // with other batches than before, too
			t.Fatal(err)
		}
		got := must[store.Import](t)(r.s.Import(r.ctx, who, imp.ID))
		if got.State != importDone || got.Done != rows || got.Good != rows-bad || got.Bad != bad || r.count() != rows-bad {
			t.Fatalf("torn=%v: %+v, %d pupils", torn, got, r.count())
		}
		// The marked workbook comes back as a workbook, its good rows passed over when it is uploaded again.
		f := must[store.File](t)(r.s.File(r.ctx, who, got.Result))
		wb := must[*intake.Workbook](t)(intake.Read(bytes.NewReader(f.Body), int64(len(f.Body)), intake.Limits{}))
		if wb.Already() != rows-bad || len(wb.Rows()) != bad {
			t.Fatalf("marked workbook: %d went in, %d rows left", wb.Already(), len(wb.Rows()))
		}
		// The page shows the wrong rows, in their order, and no name or number of anybody.
		wrong := must[[]WrongRow](t)(r.s.WrongRows(r.ctx, who, imp.ID))
		if len(wrong) != bad || !slices.IsSortedFunc(wrong, func(a, b WrongRow) int { return a.No - b.No }) {
			t.Fatalf("%d wrong rows are told", len(wrong))
		}
		told := string(must[[]byte](t)(json.Marshal(wrong)))
		for n, row := range wb.Rows() {
			if row.No != wrong[n].No || len(wrong[n].Findings) == 0 || registry.MaskName(row.Form[registry.FName]) != wrong[n].Name {
				t.Fatalf("row %d is told as %+v", row.No, wrong[n])
			}
			for _, k := range []registry.FieldKey{registry.FName, registry.FIDNumber, registry.FG1IDNumber} {
				if v := row.Form[k]; len([]rune(v)) > 1 && strings.Contains(told, v) {
					t.Fatalf("row %d: %s stands in the list", row.No, k)
				}
			}
		}
		// The whole first workbook again: every good row is a duplicate now, none goes in.
		again := must[store.Import](t)(r.s.StartImport(r.ctx, who, "again.xlsx", bytes.NewReader(book)))
		if err := r.s.RunImport(r.ctx, again.ID); err != nil {
			t.Fatal(err)
		}
		if got = must[store.Import](t)(r.s.Import(r.ctx, who, again.ID)); got.Good != 0 || r.count() != rows-bad {
			t.Fatalf("again: %+v", got)
		}
		if wrong = must[[]WrongRow](t)(r.s.WrongRows(r.ctx, who, again.ID)); len(wrong) != WrongKept {
			t.Fatalf("again: %d wrong rows are told", len(wrong))
		}
		marked := must[store.File](t)(r.s.File(r.ctx, who, got.Result))
		if !strings.Contains(unzipped(t, marked.Body), "就在本校") {
			t.Fatal("a pupil of the own school is called over by a transfer")
		}
	}
}

func TestImportCancelledAndHidden(t *testing.T) {
	r := newRig(t)
	who := r.staff("registrar.yunhe")
	book := must[[]byte](t)(r.gen.Workbook(20, 0, nil))
	imp := must[store.Import](t)(r.s.StartImport(r.ctx, who, "a.xlsx", bytes.NewReader(book)))
	_, err := r.s.Import(r.ctx, r.staff("registrar.qingshi"), imp.ID)
	wantCode(t, err, registry.CodeNotFound)
	wantCode(t, r.s.CancelImport(r.ctx, r.staff("registrar.qingshi"), imp.ID), registry.CodeNotFound)
	if err := r.s.CancelImport(r.ctx, who, imp.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.s.RunImport(r.ctx, imp.ID); err != nil {
		t.Fatal(err)
	}
	if r.count() != 0 {
		t.Fatal("a cancelled import let rows in")
	}
	wantCode(t, r.s.CancelImport(r.ctx, who, imp.ID), registry.CodeWrongState)
}

func TestImportByTheWorker(t *testing.T) {
	r := newRig(t)
	r.work()
	who := r.staff("registrar.yunhe")
	uid := r.enrolled(0)
	f := r.form(0)
	book := must[[]byte](t)(r.gen.Workbook(60, 10, f))
	imp := must[store.Import](t)(r.s.StartImport(r.ctx, who, "新生.xlsx", bytes.NewReader(book)))
	r.await("the import's end", func() bool {
		imp = must[store.Import](t)(r.s.Import(r.ctx, who, imp.ID))
		return imp.State == importDone
	})
	if imp.Good+imp.Bad != imp.Total || imp.Bad < 11 {
		t.Fatalf("%+v", imp)
	}
	_ = uid
}

func TestWorkbooksRefused(t *testing.T) {
	r := newRig(t)
	who := r.staff("registrar.yunhe")
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	for _, name := range []string{"[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"} {
		w, _ := z.Create(name)
		chunk := make([]byte, 1<<20)
		for range 100 {
			_, _ = w.Write(chunk)
		}
	}
	z.Close()
	many := must[[]byte](t)(intake.Fill(nil, nil))
	for name, b := range map[string][]byte{"not a workbook": []byte("姓名,性别\n"), "empty": {}, "bomb": bomb.Bytes(), "no rows": many, "too large": make([]byte, store.MaxFile+1)} {
		_, err := r.s.StartImport(r.ctx, who, "x.xlsx", bytes.NewReader(b))
		if registry.CodeOf(err) != registry.CodeInvalid || err.(*registry.Error).Params["why"] == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list := must[[]store.Import](t)(r.s.Imports(r.ctx, who)); len(list) != 0 {
		t.Fatalf("a refused workbook left a run: %+v", list)
	}
}

// BenchmarkImport is a whole import: upload, checks, Decide, commits, the marked workbook. In turn with it excelize alone reads the same workbook.
func BenchmarkImport(b *testing.B) {
	const rows = 5000
	var ours, bare time.Duration
	for range b.N {
		b.StopTimer()
		r := newRig(b) // a register that knows none of them
		who := r.staff("registrar.yunhe")
		book := must[[]byte](b)(r.gen.Workbook(rows, 0, nil))
		b.StartTimer()
		start := time.Now()
		imp := must[store.Import](b)(r.s.StartImport(r.ctx, who, "b.xlsx", bytes.NewReader(book)))
		if err := r.s.RunImport(r.ctx, imp.ID); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		b.StopTimer()
		if got := must[store.Import](b)(r.s.Import(r.ctx, who, imp.ID)); got.Good != rows {
			b.Fatalf("%d of %d rows went in", got.Good, rows)
		}
		start = time.Now()
		readBare(b, book)
		bare += time.Since(start)
		b.StartTimer()
	}
	total := float64(rows * b.N)
	b.ReportMetric(total/ours.Seconds(), "rows/s")
	b.ReportMetric(total/bare.Seconds(), "bare-excelize-rows/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "×bare-excelize")
}

// readBare is excelize's streaming reader: values only, nothing is looked at.
func readBare(b *testing.B, book []byte) {
	b.Helper()
	f := must[*excelize.File](b)(excelize.OpenReader(bytes.NewReader(book)))
	defer f.Close()
	rows := must[*excelize.Rows](b)(f.Rows("学生信息"))
	for rows.Next() {
		if _, err := rows.Columns(); err != nil {
			b.Fatal(err)
		}
	}
}

// unzipped is all parts of a workbook in a row, to look for words in.
func unzipped(t *testing.T, b []byte) string {
	z := must[*zip.Reader](t)(zip.NewReader(bytes.NewReader(b), int64(len(b))))
	var all strings.Builder
	for _, f := range z.File {
		rc := must[io.ReadCloser](t)(f.Open())
		_ = must[int64](t)(io.Copy(&all, rc))
		rc.Close()
	}
	return all.String()
}
