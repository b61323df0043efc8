package service

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

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

	// Broken off after its copy number was taken, and begun again.
	i = must[store.Import](t)(r.s.StartExport(r.ctx, reg, a.No))
	broken := errors.New("the server ends")
	i = must[store.Import](t)(r.s.ExportRun(r.ctx, reg, i.ID))
	half := i
	if err := r.s.makeExport(r.ctx, &half, func(int) error {
		half.State = importRunning
		if err := r.st.PutImport(r.ctx, half); err != nil {
			t.Fatal(err)
		}
		return broken
	}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if err := r.s.RunImport(r.ctx, i.ID); err != nil {
		t.Fatal(err)
	}
	i = must[store.Import](t)(r.s.ExportRun(r.ctx, reg, i.ID))
	if i.State != importDone || i.Done != 3 || i.Params[copyParam] != half.Params[copyParam] || i.Params[copyParam] == "" {
		t.Fatalf("%+v, before the restart %v", i, half.Params)
	}
	b, n, err := r.s.ExportFile(r.ctx, reg, i.ID)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	sum := sha256.Sum256(b)
	if e := r.lookOf(t, audit.Export, "approval/"+a.No); e.N != 3 || !strings.HasSuffix(e.What, hex.EncodeToString(sum[:])) || e.Account != reg.ID {
		t.Fatalf("%+v", e)
	}
	// Run once more after a crash between the log and the row's end: the same bytes, nothing in the log twice.
	late := i
	late.State = importRunning
	if err := r.st.PutImport(r.ctx, late); err != nil {
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
	if err := r.s.RevokeApproval(r.ctx, officer, a.No); err != nil {
		t.Fatal(err)
	}
	if err := r.s.RunImport(r.ctx, waiting.ID); err != nil {
		t.Fatal(err)
	}
	if waiting = must[store.Import](t)(r.s.ExportRun(r.ctx, reg, waiting.ID)); waiting.State != importFailed || waiting.Code != registry.CodeForbidden {
		t.Fatalf("%+v", waiting)
	}
	_, _, err = r.s.ExportFile(r.ctx, reg, i.ID)
	wantCode(t, err, registry.CodeForbidden)
}
