package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/document"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Nothing leaves without an approval that holds today; what leaves holds its fields and scope alone, is watermarked and stands in the log with rows and digest (Art. 25).
func TestExportGate(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	officer, reg, far := r.staff("officer.yunhe"), r.staff("registrar.yunhe"), r.staff("registrar.qingshi")
	a := store.Approval{No: "云教学籍〔2026〕12号", To: "云河区疾控中心", Purpose: "接种查验", Fields: []registry.FieldKey{registry.FName, ExportSchool, ExportNumber}, School: demo.YunheShiyan, Until: r.s.Today()}
	put := func(a store.Approval) error {
		return r.s.PutApproval(r.ctx, officer, a, "application/pdf", strings.NewReader("%PDF-1.7 scan"))
	}
	for _, bad := range []func(*store.Approval){
		func(a *store.Approval) { a.No = "" }, func(a *store.Approval) { a.To = "" }, func(a *store.Approval) { a.Purpose = "" }, func(a *store.Approval) { a.Fields = nil },
		func(a *store.Approval) { a.Fields = []registry.FieldKey{"pin"} }, func(a *store.Approval) { a.Until = "2020-01-01" }, func(a *store.Approval) { a.School = demo.QingshiCentre },
	} {
		b := a
		bad(&b)
		wantCode(t, put(b), registry.CodeInvalid)
	}
	if err := put(a); err != nil {
		t.Fatal(err)
	}
	wantCode(t, put(a), registry.CodeConflict)
	_, _, err := r.s.ExportList(r.ctx, far, a.No)
	wantCode(t, err, registry.CodeNotFound)
	_, _, err = r.s.ExportList(r.ctx, reg, "no approval")
	wantCode(t, err, registry.CodeNotFound)

	b, n, err := r.s.ExportList(r.ctx, reg, a.No)
	if err != nil || n != 1 {
		t.Fatal(n, err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := f.GetRows("学籍信息")
	if err != nil {
		t.Fatal(err)
	}
	p := r.pupil(uid)
	if len(rows) != 3 || len(rows[1]) != 4 || rows[2][1] != p.Form[registry.FName] || rows[2][3] != string(p.Number) {
		t.Fatalf("%q", rows)
	}
	for _, mark := range []string{a.No, "第 1 份", reg.Login} {
		if !strings.Contains(rows[0][0], mark) {
			t.Errorf("the watermark lacks %q: %q", mark, rows[0][0])
		}
	}
	hf, err := f.GetHeaderFooter("学籍信息")
	if err != nil || !strings.Contains(hf.OddHeader, a.No) || !strings.Contains(hf.OddFooter, "第1份") {
		t.Fatalf("%+v %v", hf, err)
	}
	if strings.Contains(string(b), p.Form[registry.FIDNumber]) {
		t.Fatal("a field that was not approved is in the file")
	}
	sum := sha256.Sum256(b)
	if e := r.lookOf(t, audit.Export, "approval/"+a.No); e.N != 1 || !strings.HasSuffix(e.What, hex.EncodeToString(sum[:])) || e.Account != reg.ID {
		t.Fatalf("%+v", e)
	}
	if _, n, err := r.s.ExportList(r.ctx, reg, a.No); err != nil || n != 2 {
		t.Fatal("the second copy", n, err)
	}
	if err := r.s.RevokeApproval(r.ctx, officer, a.No); err != nil {
		t.Fatal(err)
	}
	_, _, err = r.s.ExportList(r.ctx, reg, a.No)
	wantCode(t, err, registry.CodeForbidden)
	a.No = "云教学籍〔2026〕13号"
	if err := put(a); err != nil {
		t.Fatal(err)
	}
	r.pass(48 * time.Hour)
	_, _, err = r.s.ExportList(r.ctx, reg, a.No)
	wantCode(t, err, registry.CodeForbidden)
}

// Unusual reading raises one alert, the auditor answers it, and the yearly report tells of both.
func TestUnusualReading(t *testing.T) {
	r := newRig(t)
	r.authority()
	m, err := document.NewMaker(document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.s.papers = m
	reg, auditor := r.staff("registrar.yunhe"), r.staff("auditor.yunhe")
	signer, err := audit.NewSigner("log.test", bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	rules := func(context.Context) audit.Rules {
		return audit.Rules{PupilsPerHour: 5, Times: 2, BarePerDay: 3, NightFrom: 22, NightTo: 6}
	}
	seq := &audit.Sequencer{Store: r.st, Signer: signer, Now: r.now, Raise: r.s.Raise, Rules: rules}
	for i := range 6 {
		e := audit.Entry{Kind: audit.Look, Subject: string(newUID()), Why: audit.WhyDaily, N: i}
		if err := r.s.record(r.ctx, reg, e); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := seq.Step(r.ctx); err != nil {
			t.Fatal(err)
		}
	}
	alerts := must[[]AlertLine](t)(r.s.AuditAlerts(r.ctx, auditor, true))
	if len(alerts) != 2 {
		t.Fatalf("alerts %+v", alerts)
	}
	if got := must[[]AlertLine](t)(r.s.AuditAlerts(r.ctx, r.staff("security.yunhe"), true)); len(got) != 2 {
		t.Fatal("the security administrator is not told")
	}
	if err := r.s.AnswerAlert(r.ctx, auditor, alerts[0].ID, "年度核对，已向学校核实"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.AnswerAlert(r.ctx, auditor, alerts[0].ID, "again"), registry.CodeConflict)
	if got := must[[]AlertLine](t)(r.s.AuditAlerts(r.ctx, auditor, true)); len(got) != 1 {
		t.Fatal("an answered alert stays open")
	}
	lines, _, err := r.s.AuditLog(r.ctx, auditor, AuditAsk{Account: reg.Login, Kind: audit.Look})
	if err != nil || len(lines) != 6 || lines[0].Name != reg.Name {
		t.Fatalf("%d %v", len(lines), err)
	}
	key, _ := audit.ParseKey(signer.LogKey())
	r.s.UseVerifier((&audit.Verifier{Source: r.st, Log: key}).Run)
	b := must[[]byte](t)(r.s.AuditReport(r.ctx, auditor, r.now().Year()))
	if !bytes.HasPrefix(b, []byte("%PDF")) {
		t.Fatal("no paper")
	}
	if dir := os.Getenv("XUEJI_PICTURES"); dir != "" {
		if err := os.WriteFile(dir+"/audit-report.pdf", b, 0o600); err != nil {
			t.Fatal(err)
		}
		a := store.Approval{No: "云教学籍〔2026〕12号", To: "云河区疾控中心", Purpose: "秋季入学预防接种查验", Fields: []registry.FieldKey{registry.FName, ExportSchool}, Until: r.s.Today()}
		if err := r.s.PutApproval(r.ctx, r.staff("officer.yunhe"), a, "application/pdf", strings.NewReader("%PDF-1.7")); err != nil {
			t.Fatal(err)
		}
		f := must[[]byte](t)(r.s.ApprovalForm(r.ctx, r.staff("officer.yunhe"), a.No))
		if err := os.WriteFile(dir+"/approval.pdf", f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
