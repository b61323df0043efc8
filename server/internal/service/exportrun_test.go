package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A long list is made in the background: stopped it leaves nothing, begun again after a restart it keeps its copy number, what is in the log is what is given, and only
// the account that asked gets it while the approval holds.
func TestExportRun(t *testing.T) {
	r := newRig(t)
	r.authority()
	for n := range 3 {
		r.enrolled(n)
	}
	officer, reg := r.staff("officer.yunhe"), r.staff("registrar.yunhe")
	a := store.Approval{No: "云教学籍〔2026〕21号", To: "云河区疾控中心", Purpose: "接种查验", Fields: []registry.FieldKey{registry.FName, ExportNumber}, School: demo.YunheShiyan, Until: r.s.Today()}
	if err := r.s.PutApproval(r.ctx, officer, a, "application/pdf", strings.NewReader("%PDF-1.7 scan")); err != nil {
		t.Fatal(err)
	}
	if n := must[int](t)(r.s.ExportSize(r.ctx, reg, a.No)); n != 3 {
		t.Fatalf("%d pupils", n)
	}
	i := must[store.Import](t)(r.s.StartExport(r.ctx, reg, a.No))
	if again := must[store.Import](t)(r.s.StartExport(r.ctx, reg, a.No)); again.ID != i.ID {
		t.Fatal("two runs of one list under way")
	}
	_, err := r.s.Import(r.ctx, reg, i.ID)
	wantCode(t, err, registry.CodeNotFound) // it is no import of newcomers
	if all := must[[]store.Import](t)(r.s.Imports(r.ctx, reg)); len(all) != 0 {
		t.Fatalf("%d imports", len(all))
	}
	_, _, err = r.s.ExportFile(r.ctx, reg, i.ID)
	wantCode(t, err, registry.CodeWrongState)
	_, err = r.s.ExportRun(r.ctx, officer, i.ID)
	wantCode(t, err, registry.CodeNotFound)
	_, err = r.s.ExportRun(r.ctx, r.staff("registrar.qingshi"), i.ID)
	wantCode(t, err, registry.CodeNotFound)

	// Stopped before it runs.
	if err := r.s.CancelExport(r.ctx, reg, i.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.s.RunImport(r.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	if i = must[store.Import](t)(r.s.ExportRun(r.ctx, reg, i.ID)); i.State != importCancelled || i.Result != "" {
		t.Fatalf("%+v", i)
	}
	wantCode(t, r.s.CancelExport(r.ctx, reg, i.ID), registry.CodeWrongState)

	// Broken off half-way, and gone on with after a restart: what was read is not read again, who left meanwhile is on no later part, the names are those of the beginning.
	i = must[store.Import](t)(r.s.StartExport(r.ctx, reg, a.No))
	first, real := r.s.exportPart, r.s.st
	r.s.exportPart = 1
	ends := &ending{Store: real, pieces: 2}
	r.s.st = ends
	if err := r.s.RunImport(r.ctx, i.ID); !errors.Is(err, errEnds) {
		t.Fatal(err)
	}
	half := must[store.Import](t)(r.s.ExportRun(r.ctx, reg, i.ID))
	if half.State != importRunning || half.Done != 1 || half.Total != 3 || half.Params[copyParam] != "1" || half.Result != "" {
		t.Fatalf("%+v", half)
	}
	r.s.exportPart = first // another version may read more at once
	late := r.enrolled(3)
	r.pass(time.Hour)
	ends.pieces, ends.read = 100, nil
	if err := r.s.RunImport(r.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	r.s.st = real
	if len(ends.read) != 2 || slices.Contains(ends.read, late) {
		t.Fatalf("%d pupils were read after the restart", len(ends.read))
	}
	i = must[store.Import](t)(r.s.ExportRun(r.ctx, reg, i.ID))
	if i.State != importDone || i.Done != 3 || i.Good != 3 || i.Params[copyParam] != "1" {
		t.Fatalf("%+v", i)
	}
	for n := range 4 {
		_, err := r.st.RunPart(r.ctx, i.ID, n)
		wantCode(t, err, registry.CodeNotFound)
	}
	b, n, err := r.s.ExportFile(r.ctx, reg, i.ID)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	sum := sha256.Sum256(b)
	if e := r.lookOf(t, audit.Export, "approval/"+a.No); e.N != 3 || !strings.HasSuffix(e.What, hex.EncodeToString(sum[:])) || e.Account != reg.ID {
		t.Fatalf("%+v", e)
	}
	rows := must[[][]string](t)(must[*excelize.File](t)(excelize.OpenReader(bytes.NewReader(b))).GetRows("学籍信息"))
	if len(rows) != 5 || !strings.Contains(rows[0][0], "第 1 份") || !strings.Contains(rows[0][0], "名单确定于") {
		t.Fatalf("%q", rows)
	}
	named := map[string]bool{}
	for _, row := range rows[2:] {
		named[row[2]] = true
	}
	if len(named) != 3 || named[string(r.pupil(late).Number)] {
		t.Fatalf("%q", rows)
	}
	// Run once more after a crash between the log and the row's end: the same bytes, nothing in the log twice.
	unsaid := i
	unsaid.State = importRunning
	if err := r.st.PutImport(r.ctx, unsaid); err != nil {
		t.Fatal(err)
	}
	if err := r.s.RunImport(r.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	if again, _, err := r.s.ExportFile(r.ctx, reg, i.ID); err != nil || sha256.Sum256(again) != sum {
		t.Fatal("another list under the same copy number", err)
	}

	// An approval that ended gives nothing more, made or not.
	waiting := must[store.Import](t)(r.s.StartExport(r.ctx, reg, a.No))
	ends.pieces = 2
	r.s.exportPart, r.s.st = 1, ends
	if err := r.s.RunImport(r.ctx, waiting.ID); !errors.Is(err, errEnds) {
		t.Fatal(err)
	}
	r.s.st = real
	if _, err := r.st.RunPart(r.ctx, waiting.ID, 1); err != nil {
		t.Fatal(err)
	}
	if err := r.s.RevokeApproval(r.ctx, officer, a.No); err != nil {
		t.Fatal(err)
	}
	if err := r.s.RunImport(r.ctx, waiting.ID); err != nil {
		t.Fatal(err)
	}
	if waiting = must[store.Import](t)(r.s.ExportRun(r.ctx, reg, waiting.ID)); waiting.State != importFailed || waiting.Code != registry.CodeForbidden {
		t.Fatalf("%+v", waiting)
	}
	_, err = r.st.RunPart(r.ctx, waiting.ID, 1)
	wantCode(t, err, registry.CodeNotFound)
	_, _, err = r.s.ExportFile(r.ctx, reg, i.ID)
	wantCode(t, err, registry.CodeForbidden)
}

var errEnds = errors.New("the server ends")

// ending is a store whose server ends after some pieces of a run, and that tells which pupils were read.
type ending struct {
	store.Store
	pieces int
	read   []registry.UID
	listed int // rows of tasks
}

func (e *ending) Tasks(ctx context.Context, q store.TaskQuery) ([]store.TaskRow, error) {
	rows, err := e.Store.Tasks(ctx, q)
	e.listed += len(rows)
	return rows, err
}

func (e *ending) PutImport(ctx context.Context, i store.Import, made ...store.RunPart) error {
	if len(made) > 0 {
		if e.pieces--; e.pieces < 0 {
			return errEnds
		}
	}
	return e.Store.PutImport(ctx, i, made...)
}

func (e *ending) Pupil(ctx context.Context, uid registry.UID) (registry.Pupil, error) {
	e.read = append(e.read, uid)
	return e.Store.Pupil(ctx, uid)
}
