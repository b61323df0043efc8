package service

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/demo"
	"xueji/server/internal/intake"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// Acts that pages send and that no journey walks: each through the service on a real store, with who may not, what it leads to and what it leaves alone.

// A step that nobody decides is given to the office above by the clock, once; its officer urges, which starts the clock of the next one (督办); nobody else may.
func TestEscalationThroughService(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	no := must[registry.CaseNo](t)(r.s.StartTransfer(r.ctx, r.staff("registrar.qingshi"), uid, registry.StartTransfer{ToGrade: 1, Reason: "moved", Guardian: "mother"}))
	r.accept("leader.qingshi", uid) // now the county 青石 has it
	if n := must[int](t)(r.s.Escalate(r.ctx)); n != 0 {
		t.Fatalf("%d given up on the first day", n)
	}
	step := func() registry.Step {
		p := r.pupil(uid)
		st, _ := p.OpenCase().Next()
		return st
	}
	due := step().DueOn
	r.at(string(due.AddDays(1)))
	if n := must[int](t)(r.s.Escalate(r.ctx)); n != 0 {
		t.Fatalf("given up a day after the due day: the pack leaves five working days")
	}
	r.refused("officer.city", uid, registry.UrgeStep{CaseNo: no, Note: "请办理"}, registry.CodeWrongState)
	r.at(string(due.AddDays(20)))
	if n := must[int](t)(r.s.Escalate(r.ctx)); n != 1 || step().EscalatedOn == "" {
		t.Fatalf("%d given up, %+v", n, step())
	}
	if n := must[int](t)(r.s.Escalate(r.ctx)); n != 0 {
		t.Error("given up twice on one day")
	}
	has := func(login string) (found bool) {
		for _, row := range must[ToDo](t)(r.s.ToDo(r.ctx, r.staff(login), ToDoAsk{})).Mine {
			found = found || row.Task.Kind == registry.TaskEscalated && row.Summary.UID == uid
		}
		return found
	}
	if !has("officer.city") || has("officer.province") {
		t.Error("not on the list of the office above, or on another's")
	}
	for login, code := range map[string]registry.Code{"officer.yunhe": registry.CodeForbidden, "registrar.qingshi": registry.CodeForbidden, "officer.province": registry.CodeForbidden} {
		r.refused(login, uid, registry.UrgeStep{CaseNo: no, Note: "请办理"}, code)
	}
	r.refused("officer.city", uid, registry.UrgeStep{CaseNo: no}, registry.CodeInvalid)
	r.act("officer.city", uid, registry.UrgeStep{CaseNo: no, Note: "请三日内办理"})
	st := step()
	if len(st.Urged) != 1 || st.Urged[0].Note != "请三日内办理" || st.Urged[0].By.Unit != demo.City || has("officer.city") {
		t.Errorf("urged: %+v", st)
	}
	r.accept("officer.qingshi", uid) // it is still their turn, and theirs alone
	if st = step(); st.Party != registry.PartySender || st.EscalatedOn != "" {
		t.Errorf("the next party: %+v", st)
	}
}

// An archive that is not built in its month goes the same way (Arts 7, 27).
func TestArchiveEscalates(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	r.at(string(r.pupil(uid).Archive.BuildDue.AddDays(20)))
	if n := must[int](t)(r.s.Escalate(r.ctx)); n != 1 || r.pupil(uid).Archive.EscalatedOn == "" {
		t.Fatalf("%d", n)
	}
	r.refused("officer.city", uid, registry.UrgeStep{Note: "请建档"}, registry.CodeForbidden) // a school's authority is its county
	r.act("officer.yunhe", uid, registry.UrgeStep{Note: "请建档"})
	r.act("registrar.yunhe", uid, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学生学籍基础信息表", Pages: 1}}})
	for _, row := range must[ToDo](t)(r.s.ToDo(r.ctx, r.staff("officer.yunhe"), ToDoAsk{})).Mine {
		if row.Task.Kind == registry.TaskEscalated {
			t.Error("still on the list of the office after it was built")
		}
	}
}

// 留级, 跳级 and the undoing of one pupil's promotion: only where the province's rules allow it, by the school, and the authority approves (Arts 11, 12).
func TestGradeActs(t *testing.T) {
	r := newRig(t)
	uid, other := r.enrolled(0), r.enrolled(1)
	repeat := registry.StartRepeat{ToGrade: 1, Reason: "病假过长", Guardian: "母亲"}
	r.refused("registrar.yunhe", uid, repeat, registry.CodeRule) // CN-2013 knows none
	r.refused("registrar.yunhe", uid, registry.StartSkip{ToGrade: 2, Reason: "已学完", Guardian: "母亲"}, registry.CodeRule)
	pack, err := r.s.Pack().Overlay([]byte(`{"version":"ZJ-TEST","title":"试","effective_on":"2020-01-01","repeat_grades":[1,2,3],"skip_grades":[1,2,3]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.s.packs = registry.OnePack(pack)
	r.refused("registrar.qingshi", uid, repeat, registry.CodeNotFound)
	r.refused("officer.yunhe", uid, repeat, registry.CodeForbidden)
	r.refused("registrar.yunhe", uid, registry.StartSkip{ToGrade: 4, Reason: "已学完", Guardian: "母亲"}, registry.CodeInvalid)
	r.act("registrar.yunhe", uid, registry.StartSkip{ToGrade: 2, ToClass: "2班", Reason: "已学完", Guardian: "母亲"})
	if p := r.pupil(uid); p.Grade != 1 || p.Lock == "" {
		t.Fatal("moved before it was approved")
	}
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	p := r.pupil(uid)
	if p.Grade != 2 || p.Class != "2班" || p.Form[registry.FGrade] != "2" || p.Cases[len(p.Cases)-1].Pack != "ZJ-TEST" {
		t.Errorf("grade %d %s", p.Grade, p.Class)
	}
	r.act("registrar.yunhe", uid, registry.StartRepeat{ToGrade: 1, ToClass: "1班", Reason: "跟不上", Guardian: "母亲"})
	r.refuse("officer.yunhe", r.spoken("leader.yunhe", uid), registry.RefuseUnfit)
	if p = r.pupil(uid); p.Grade != 2 || p.Lock != "" {
		t.Errorf("a refused 留级 left grade %d", p.Grade)
	}
	// One pupil of the promotion is taken back, the others stay.
	r.at("2027-07-10")
	run := must[store.BulkRun](t)(r.s.StartBulk(r.ctx, r.staff("registrar.yunhe"), BulkAsk{Kind: store.BulkPromote, Year: 2027}))
	r.workBulk()
	if run, _, _ = r.s.BulkRun(r.ctx, r.staff("registrar.yunhe"), run.ID); run.Done != 2 {
		t.Fatalf("promoted %d", run.Done)
	}
	r.refused("registrar.yunhe", other, registry.UndoPromote{Year: 2027}, registry.CodeInvalid)
	r.refused("officer.qingshi", other, registry.UndoPromote{Year: 2027, Reason: "误升"}, registry.CodeNotFound)
	r.act("registrar.yunhe", other, registry.UndoPromote{Year: 2027, Reason: "误升"})
	if a, b := r.pupil(other).Grade, r.pupil(uid).Grade; a != 1 || b != 3 {
		t.Errorf("grades %d and %d", a, b)
	}
	r.refused("registrar.yunhe", other, registry.UndoPromote{Year: 2027, Reason: "误升"}, registry.CodeWrongState)
}

// spoken accepts for a unit and gives the pupil back.
func (r *rig) spoken(login string, uid registry.UID) registry.UID {
	r.t.Helper()
	r.accept(login, uid)
	return uid
}

// An official number for one pupil, by the province alone; the old one stays theirs for ever (T2).
func TestGiveNumberToOne(t *testing.T) {
	r := newRig(t)
	f := r.form(0)
	id := f[registry.FIDNumber]
	f[registry.FIDNumber] = ""
	uid, _, err := r.s.EnrolOne(r.ctx, r.staff("registrar.yunhe"), f, "")
	if err != nil {
		t.Fatal(err)
	}
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	give := registry.GiveNumber{Ref: "核查 2026-1"}
	r.refused("officer.province", uid, give, registry.CodeInvalid) // there is no document to make it of
	r.act("registrar.yunhe", uid, registry.StartCorrect{Reason: "号码办好", Guardian: "母亲", Evidence: r.scan("registrar.yunhe", uid), Changes: []registry.Change{{Field: registry.FIDNumber, To: id}}})
	r.refused("officer.province", uid, give, registry.CodeLocked) // what it would be made of is being changed
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	temporary := r.pupil(uid).Number
	r.refused("officer.yunhe", uid, give, registry.CodeForbidden)
	r.refused("officer.city", uid, give, registry.CodeForbidden)
	r.refused("registrar.yunhe", uid, give, registry.CodeForbidden)
	r.act("officer.province", uid, give)
	p := r.pupil(uid)
	if p.Number != registry.Number("G"+id) || len(p.Numbers) != 1 || p.Numbers[0].Number != temporary {
		t.Errorf("%.1s, %d before", p.Number, len(p.Numbers))
	}
	r.refused("officer.province", uid, give, registry.CodeWrongState)
}

// What the receiver missed is the sender's to settle; then it stands on nobody's list (Art. 15).
func TestMissingIsSettled(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	r.act("registrar.yunhe", uid, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学生学籍基础信息表", Pages: 2}, {No: 2, Group: 4, Title: "体检表", Pages: 1}}})
	must[registry.CaseNo](t)(r.s.StartTransfer(r.ctx, r.staff("registrar.qingshi"), uid, registry.StartTransfer{ToGrade: 1, Reason: "moved", Guardian: "mother"}))
	for _, login := range []string{"leader.qingshi", "officer.qingshi", "leader.yunhe", "officer.yunhe"} {
		r.accept(login, uid)
	}
	r.refused("registrar.qingshi", uid, registry.SendArchive{Carrier: "邮政"}, registry.CodeForbidden)
	r.act("registrar.yunhe", uid, registry.SendArchive{Carrier: "邮政"})
	r.act("registrar.qingshi", uid, registry.ReceiveArchive{No: r.pupil(uid).Archive.No, Missing: []int{2}})
	owed := func(login string) (found bool) {
		for _, row := range must[ToDo](t)(r.s.ToDo(r.ctx, r.staff(login), ToDoAsk{})).Mine {
			found = found || row.Task.Kind == registry.TaskArchiveMissing && row.Summary.UID == uid
		}
		return found
	}
	if !owed("registrar.yunhe") || owed("registrar.qingshi") {
		t.Fatal("what is missing is not on the sender's list, or on the receiver's")
	}
	r.refused("registrar.qingshi", uid, registry.SettleMissing{Note: "找到了"}, registry.CodeForbidden)
	r.refused("registrar.yunhe", uid, registry.SettleMissing{}, registry.CodeInvalid)
	if _, err := r.s.Act(r.ctx, r.staff("registrar.yunhe"), uid, 0, registry.SettleMissing{Note: "11 月补寄"}); err != nil {
		t.Fatal(err)
	}
	if owed("registrar.yunhe") || len(r.pupil(uid).Archive.Missing) != 0 {
		t.Error("still owed")
	}
}

// A judgement on a likeness is taken back by an office, with what was said of it kept in the log.
func TestDuplicateReopened(t *testing.T) {
	r := newRig(t)
	there := r.enrolled(0)
	f := without(r.form(0))
	uid, _, err := r.s.EnrolOne(r.ctx, r.staff("registrar.qingshi"), f, "")
	if err != nil || uid == "" {
		t.Fatal(err)
	}
	officer := r.staff("officer.qingshi")
	wantCode(t, r.s.ReopenDuplicate(r.ctx, officer, there, uid), registry.CodeConflict)
	if err := r.s.DecideDuplicate(r.ctx, officer, there, uid, store.SuspicionApart, "两名学生"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.ReopenDuplicate(r.ctx, r.staff("registrar.qingshi"), there, uid), registry.CodeForbidden)
	if err := r.s.ReopenDuplicate(r.ctx, officer, there, uid); err != nil {
		t.Fatal(err)
	}
	l := must[Likeness](t)(r.s.Duplicate(r.ctx, officer, there, uid))
	if l.State != store.SuspicionOpen || !l.Decide {
		t.Errorf("%+v", l.State)
	}
	r.accept("leader.qingshi", uid)
	c := r.pupil(uid)
	r.refused("officer.qingshi", uid, registry.DecideStep{CaseNo: c.Lock, Party: registry.PartyAuthority, Decision: registry.DecisionAccept}, registry.CodeWrongState) // open again: not approved
}

// What an office found by itself stands on the unit's board until the office closes it; what a detector found is closed by nobody (Art. 27).
func TestFindingByHand(t *testing.T) {
	r := newRig(t)
	officer, reg := r.staff("officer.yunhe"), r.staff("registrar.yunhe")
	wantCode(t, r.s.AddFinding(r.ctx, reg, demo.YunheShiyan, "旷课多日未报"), registry.CodeForbidden)
	if err := r.s.AddFinding(r.ctx, officer, demo.YunheShiyan, "旷课多日未报"); err != nil {
		t.Fatal(err)
	}
	list := must[[]FindingRow](t)(r.s.FindingList(r.ctx, reg, demo.YunheShiyan, supervise.Other, 10, 0))
	if len(list) != 1 || list[0].Words != "旷课多日未报" {
		t.Fatalf("%+v", list)
	}
	wantCode(t, r.s.CloseFinding(r.ctx, reg, demo.YunheShiyan, list[0].ID()), registry.CodeForbidden)
	wantCode(t, r.s.CloseFinding(r.ctx, r.staff("officer.qingshi"), demo.YunheShiyan, list[0].ID()), registry.CodeNotFound)
	wantCode(t, r.s.CloseFinding(r.ctx, officer, demo.YunheShiyan, "1//none"), registry.CodeNotFound)
	if err := r.s.CloseFinding(r.ctx, officer, demo.YunheShiyan, list[0].ID()); err != nil {
		t.Fatal(err)
	}
	if list = must[[]FindingRow](t)(r.s.FindingList(r.ctx, reg, demo.YunheShiyan, supervise.Other, 10, 0)); len(list) != 0 {
		t.Errorf("%d still stand", len(list))
	}
}

// Whoever signs out is nobody from then on, and signing out twice does no harm.
func TestSignOut(t *testing.T) {
	r := newRig(t)
	in := r.signIn("registrar.yunhe", From{})
	if who := must[Staff](t)(r.s.WhoIs(r.ctx, in.Staff.Token)); who.Login != "registrar.yunhe" {
		t.Fatal(who.Login)
	}
	for range 2 {
		if err := r.s.SignOut(r.ctx, in.Staff.Token); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.s.WhoIs(r.ctx, in.Staff.Token); err == nil {
		t.Error("the session is still good")
	}
}

// The electronic archive leaves as a parcel that anybody can check: whole for the custodian, as it was handed over for the former school, under an approval for others, and
// each copy stands in the log before it leaves (Arts 7–9, 16, 25).
func TestArchiveLeaves(t *testing.T) {
	r := newRig(t)
	r.s.papers = paperless{}
	uid := r.enrolled(0)
	reg, other := r.staff("registrar.yunhe"), r.staff("registrar.qingshi")
	_, err := r.s.PackArchive(r.ctx, reg, uid, ArchiveOut{})
	wantCode(t, err, registry.CodeWrongState) // there is none yet
	r.act("registrar.yunhe", uid, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学生学籍基础信息表", Pages: 2}}})
	put := func(who Staff, name, body string) int64 {
		_, v, err := r.s.PutScan(r.ctx, who, uid, 0, 0, 4, Scan{Name: name, Type: "application/pdf", Body: strings.NewReader("%PDF-1.7 " + body)})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	put(reg, "体检表.pdf", "first")
	if _, _, err := r.s.PutScan(r.ctx, reg, uid, 0, 2, 0, Scan{Name: "2.pdf", Type: "application/pdf", Body: strings.NewReader("%PDF-1.7 better")}); err != nil {
		t.Fatal(err)
	}
	open := func(who Staff, out ArchiveOut) (parcelChecked, map[string]string) {
		t.Helper()
		p, err := r.s.PackArchive(r.ctx, who, uid, out)
		if err != nil {
			t.Fatal(err)
		}
		return r.unpack(p)
	}
	c, files := open(reg, ArchiveOut{})
	if len(c.Faults) != 0 || c.Manifest.Approval != "" || c.Manifest.Unit != r.s.Directory().Name(demo.YunheShiyan) {
		t.Fatalf("%+v", c)
	}
	for path, want := range map[string]string{"files/002-体检表": "better", "files/older/002-1-体检表": "first", "catalogue/now.json": "学生学籍基础信息表", "record/now.json": r.pupil(uid).Form[registry.FName], "封面与目录.pdf": "%PDF"} {
		if !strings.Contains(files[path], want) {
			t.Errorf("%s: %q", path, files[path])
		}
	}
	if strings.Contains(fmt.Sprint(files), "argon2") {
		t.Error("the guardian's PIN is in the parcel")
	}
	// Who has neither the paper nor a backup takes nothing without an approval; the office above neither.
	_, err = r.s.PackArchive(r.ctx, other, uid, ArchiveOut{})
	wantCode(t, err, registry.CodeNotFound)
	_, err = r.s.PackArchive(r.ctx, r.staff("officer.yunhe"), uid, ArchiveOut{})
	wantCode(t, err, registry.CodeForbidden)
	r.approve("云教〔2026〕1号", demo.YunheShiyan, 0, registry.FName)
	r.approve("云教〔2026〕2号", demo.YunheSecond, 0, ExportArchive)
	r.approve("云教〔2026〕3号", demo.YunheShiyan, 1, registry.FName, ExportArchive)
	for no, code := range map[string]registry.Code{"none": registry.CodeNotFound, "云教〔2026〕1号": registry.CodeForbidden, "云教〔2026〕2号": registry.CodeForbidden} {
		_, err = r.s.PackArchive(r.ctx, r.staff("officer.yunhe"), uid, ArchiveOut{Approval: no})
		wantCode(t, err, code)
	}
	c, _ = open(r.staff("officer.yunhe"), ArchiveOut{Approval: "云教〔2026〕3号"})
	if c.Manifest.Copy != 1 || c.Manifest.Approval != "云教〔2026〕3号" || c.Manifest.Purpose != "排课" {
		t.Errorf("%+v", c.Manifest)
	}
	must[[]byte](t)(r.s.ArchiveBook(r.ctx, r.staff("officer.yunhe"), uid, ArchiveOut{Approval: "云教〔2026〕3号"}))
	copies := must[[]store.ExportCopy](t)(r.st.ExportCopies(r.ctx, r.now().Add(-time.Hour), r.now().Add(time.Hour), 10))
	if len(copies) != 2 || copies[0].N != 1 || copies[0].Digest != c.Digest && copies[1].Digest != c.Digest {
		t.Errorf("copies %+v", copies)
	}

	// It travels on: the receiver's parcel holds both versions and what differs, the former school's what it handed over.
	must[registry.CaseNo](t)(r.s.StartTransfer(r.ctx, other, uid, registry.StartTransfer{ToGrade: 1, Reason: "moved", Guardian: "mother"}))
	for _, login := range []string{"leader.qingshi", "officer.qingshi", "leader.yunhe", "officer.yunhe"} {
		r.accept(login, uid)
	}
	r.act("registrar.yunhe", uid, registry.SendArchive{Carrier: "邮政"})
	r.act("registrar.qingshi", uid, registry.ReceiveArchive{No: r.pupil(uid).Archive.No})
	put(other, "奖状.pdf", "later")
	p := r.pupil(uid)
	r.act("registrar.qingshi", uid, registry.Amend{Changes: []registry.Change{{Field: registry.FAddress, From: p.Form[registry.FAddress], To: "青石街 9 号"}}})
	// The rules of that time are gone, and its school; what was received is told all the same.
	pack, err := r.s.Pack().Overlay([]byte(`{"version":"ZJ-TEST","title":"试","effective_on":"2020-01-01","evidence":{"transfer":3},"transfer_closed_grades":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.s.packs = registry.OnePack(pack)
	c, files = open(other, ArchiveOut{})
	if len(c.Manifest.Lacks) != 0 {
		t.Errorf("lacks %v", c.Manifest.Lacks)
	}
	if !strings.Contains(files["record/received.json"], p.Form[registry.FAddress]) || !strings.Contains(files["record/now.json"], "青石街 9 号") || !strings.Contains(files["record/changes.json"], "青石街 9 号") {
		t.Error("the record's versions and their difference are not in the parcel")
	}
	if !strings.Contains(files["catalogue/changes.json"], "奖状") || strings.Contains(files["catalogue/received.json"], "奖状") || files["files/003-奖状"] == "" {
		t.Error("the catalogue's versions and their difference are not in the parcel")
	}
	// What the catalogue names and the register does not have is said in the manifest and in the name.
	r.act("registrar.qingshi", uid, registry.PutItem{Item: registry.ArchiveItem{No: 4, Group: 4, Title: "接种证", Pages: 1, Digest: strings.Repeat("ab", 32)}})
	lacking := must[ArchiveParcel](t)(r.s.PackArchive(r.ctx, other, uid, ArchiveOut{}))
	if c, _ = r.unpack(lacking); len(c.Manifest.Lacks) != 1 || !strings.Contains(c.Manifest.Lacks[0], "接种证") || !strings.Contains(lacking.Name, "不完整") {
		t.Errorf("%s lacks %v", lacking.Name, c.Manifest.Lacks)
	}
	if _, err := receivedForm(&p, []store.Entry{{Kind: "of_another_time"}, {Kind: registry.EvReceiveArchive, Actor: registry.Actor{Unit: p.Archive.Custodian}}}); err == nil {
		t.Error("a history that cannot be read is told")
	}
	_, files = open(reg, ArchiveOut{})
	if files["files/002-体检表"] == "" || strings.Contains(fmt.Sprint(files), "奖状") || strings.Contains(fmt.Sprint(files), "青石街 9 号") {
		t.Error("the former school's parcel is not what it handed over")
	}
	r.refused("registrar.yunhe", uid, registry.PutItem{Item: registry.ArchiveItem{No: 1, Group: 1, Title: "x", Pages: 1}}, registry.CodeForbidden)
}

// The empty workbook is refused as it is, and taken back with a pupil typed under its own headers.
func TestTemplateComesBack(t *testing.T) {
	r := newRig(t)
	reg := r.staff("registrar.yunhe")
	book := must[[]byte](t)(r.s.Template(r.ctx, reg))
	_, err := r.s.StartImport(r.ctx, reg, "empty.xlsx", bytes.NewReader(book))
	wantCode(t, err, registry.CodeInvalid)
	f := must[*excelize.File](t)(excelize.OpenReader(bytes.NewReader(book)))
	defer f.Close()
	form, typed := r.form(0), 0
	heads := must[[][]string](t)(f.GetRows(intake.SheetForm))[0]
	for i, head := range heads {
		at := slices.IndexFunc(registry.Fields, func(x registry.Field) bool { return intake.Header(x) == strings.Trim(head, "★ ") })
		if at < 0 || form[registry.Fields[at].Key] == "" {
			continue
		}
		cell := must[string](t)(excelize.CoordinatesToCellName(i+1, 2))
		if err := f.SetCellStr(intake.SheetForm, cell, form[registry.Fields[at].Key]); err != nil {
			t.Fatal(err)
		}
		typed++
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil || typed < len(form)-1 { // the portrait comes by itself
		t.Fatalf("%d of %d items have a column: %v", typed, len(form), err)
	}
	imp := must[store.Import](t)(r.s.StartImport(r.ctx, reg, "one.xlsx", &b))
	if err := r.s.RunImport(r.ctx, imp.ID); err != nil {
		t.Fatal(err)
	}
	if imp = must[store.Import](t)(r.s.Import(r.ctx, reg, imp.ID)); imp.Good != 1 || imp.Bad != 0 {
		t.Errorf("%+v", imp)
	}
}

// The list of accounts ends at the reader's territory, and holds no secret.
func TestStaffListEndsAtTheTerritory(t *testing.T) {
	r := newRig(t)
	units := func(login string) map[registry.Unit]int {
		out := map[registry.Unit]int{}
		var last store.Account
		for _, a := range must[[]store.Account](t)(r.s.StaffList(r.ctx, r.staff(login))) {
			out[a.Unit]++
			if a.Password != "" {
				t.Fatalf("%s is told a password's hash", login)
			}
			if a.Unit < last.Unit || a.Unit == last.Unit && a.Name < last.Name {
				t.Errorf("%s: %s stands after %s", login, a.Name, last.Name)
			}
			last = a
		}
		return out
	}
	if got := units("leader.yunhe"); len(got) != 1 || got[demo.YunheShiyan] < 2 {
		t.Errorf("a school's leader sees %v", got)
	}
	county, city := units("officer.yunhe"), units("officer.city")
	if county[demo.YunheShiyan] == 0 || county[demo.Yunhe] == 0 || county[demo.QingshiCentre] != 0 || county[demo.City] != 0 {
		t.Errorf("a county's officer sees %v", county)
	}
	if city[demo.YunheShiyan] == 0 || city[demo.QingshiCentre] == 0 || city[demo.City] == 0 {
		t.Errorf("the city's officer sees %v", city)
	}
	_, err := r.s.StaffList(r.ctx, r.staff("registrar.yunhe"))
	wantCode(t, err, registry.CodeForbidden)
}

// leaderForRegistrar signs the leader in and lets them act for the registrar under a substitution.
func (r *rig) leaderForRegistrar() (id string, acting Staff) {
	r.t.Helper()
	v := store.Substitution{Account: "a-leader.yunhe", Away: "a-registrar.yunhe", Until: r.s.Today().AddDays(5)}
	if err := r.s.NewSubstitution(r.ctx, r.staff("leader.yunhe"), v); err != nil {
		r.t.Fatal(err)
	}
	in := r.signIn("leader.yunhe", From{Remote: "192.0.2.1"})
	id = must[Me](r.t)(r.s.Me(r.ctx, r.who(in.Staff.Token))).StandIns[0].ID
	if err := r.s.ActAs(r.ctx, r.who(in.Staff.Token), id); err != nil {
		r.t.Fatal(err)
	}
	return id, r.who(in.Staff.Token)
}

// A substitution is ended before its day by who keeps the unit's accounts, at once: the session that acts in it is in its own role again.
func TestSubstitutionIsEnded(t *testing.T) {
	r := newRig(t)
	lead := r.staff("leader.yunhe")
	id, acting := r.leaderForRegistrar()
	for what, c := range map[string]struct {
		who  Staff
		code registry.Code
	}{
		"in the role itself": {acting, registry.CodeForbidden}, "another county's": {r.staff("security.qingshi"), registry.CodeNotFound}, "another school's leader": {r.staff("leader.qingshi"), registry.CodeNotFound},
		"the registrar": {r.staff("registrar.yunhe"), registry.CodeForbidden},
	} {
		if err := r.s.EndSubstitution(r.ctx, c.who, id); registry.CodeOf(err) != c.code {
			t.Errorf("%s: %v", what, err)
		}
	}
	if w := r.who(acting.Token); w.Role != registry.RoleRegistrar {
		t.Fatal("ended by who may not")
	}
	if err := r.s.EndSubstitution(r.ctx, r.staff("security.yunhe"), id); err != nil {
		t.Fatal(err)
	}
	if w := r.who(acting.Token); w.Role != registry.RoleLeader || w.For != nil {
		t.Error("still in the role")
	}
	if err := r.s.ActAs(r.ctx, r.who(acting.Token), id); registry.CodeOf(err) != registry.CodeNotFound {
		t.Errorf("taken again: %v", err)
	}
	if rows := must[[]SubstituteRow](t)(r.s.Substitutions(r.ctx, lead)); len(rows) != 0 {
		t.Errorf("%+v", rows)
	}
}
