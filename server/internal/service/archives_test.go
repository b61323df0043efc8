package service

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"xueji/server/document"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

func pdf(say string) Scan {
	return Scan{Name: say, Type: "application/pdf", Body: strings.NewReader("%PDF-1.4 " + say)}
}

// papers keeps the last report that was asked for.
type papers struct {
	paperless
	last *document.Report
}

func (p papers) Report(r document.Report) ([]byte, error) { *p.last = r; return []byte("%PDF-"), nil }

// An archive with files moves: rows keep their versions, the receiver continues what it received (Art. 16), and the sender's backup stays what it was (Art. 9).
func TestArchiveWithFiles(t *testing.T) {
	r := newRig(t)
	printed := papers{last: &document.Report{}}
	r.s.papers = printed
	uid := r.enrolled(0)
	old, newcomer := r.staff("registrar.yunhe"), r.staff("registrar.qingshi")
	sight := func(who Staff) ArchiveSight { return must[ArchiveSight](t)(r.s.Archive(r.ctx, who, uid)) }
	put := func(who Staff, no, group int, s Scan) int {
		t.Helper()
		row, v, err := r.s.PutScan(r.ctx, who, uid, 0, no, group, s)
		if err != nil || v != r.pupil(uid).Version {
			t.Fatalf("row %d, version %d: %v", row, v, err)
		}
		return row
	}
	read := func(who Staff, digest string) string {
		f, err := r.s.ArchiveFile(r.ctx, who, uid, digest)
		if err != nil {
			return string(registry.CodeOf(err))
		}
		return string(f.Body)
	}

	_, _, err := r.s.PutScan(r.ctx, old, uid, 0, 0, 1, pdf("1.pdf"))
	wantCode(t, err, registry.CodeWrongState) // one scan is no catalogue
	items := []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}, {No: 2, Group: 2, Title: "户籍证明", Pages: 3, Copy: true}}
	must[registry.Pupil](t)(r.s.Act(r.ctx, old, uid, 0, registry.BuildArchive{Items: items}))
	if put(old, 0, 4, pdf("02-户口簿.pdf")) != 2 || put(old, 0, 4, pdf("体检表.pdf")) != 3 || put(old, 1, 0, pdf("a.pdf")) != 1 {
		t.Fatal("scans went to other rows than their names say")
	}
	first := r.pupil(uid).Archive.Items[0].Digest
	put(old, 1, 0, pdf("b.pdf")) // replaced
	if err := r.s.ListHow(r.ctx, old, uid, 0, 3, HowElectronic); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.ListHow(r.ctx, old, uid, 1, 3, HowPaper), registry.CodeConflict)
	_, _, err = r.s.PutScan(r.ctx, old, uid, 0, 9, 0, pdf("c.pdf"))
	wantCode(t, err, registry.CodeInvalid)
	_, _, err = r.s.PutScan(r.ctx, newcomer, uid, 0, 1, 0, pdf("c.pdf"))
	wantCode(t, err, registry.CodeNotFound)
	a := r.pupil(uid).Archive
	if it := a.Items[0]; len(it.Older) != 2 || it.Older[1].Digest != first || it.Older[1].By.Account != old.ID || it.Older[1].Until != r.s.Today() {
		t.Fatalf("versions of row 1: %+v", it)
	}
	if !a.Items[2].NoPaper || a.Items[2].Title != "体检表" || a.Items[2].Group != 4 {
		t.Fatalf("row 3: %+v", a.Items[2])
	}
	if f, ok := sight(old).Filed[first]; !ok || f.By.Account != old.ID || f.At.IsZero() {
		t.Fatal("nobody filed the first version")
	}
	if read(old, first) != "%PDF-1.4 a.pdf" || read(newcomer, first) != string(registry.CodeNotFound) {
		t.Fatal("a former version is not readable, or is to others")
	}

	// To the new school, and received by the number on the cover.
	must[registry.CaseNo](t)(r.s.StartTransfer(r.ctx, newcomer, uid, registry.StartTransfer{ToGrade: 1, Reason: "family_moved", Guardian: "母亲"}))
	for _, login := range []string{"leader.qingshi", "officer.qingshi", "leader.yunhe", "officer.yunhe"} {
		r.accept(login, uid)
	}
	must[registry.Pupil](t)(r.s.Act(r.ctx, old, uid, 0, registry.SendArchive{Carrier: "邮政"}))
	no := r.pupil(uid).Archive.No
	rows := must[[]ArchiveRow](t)(r.s.HandedOver(r.ctx, old, demo.YunheShiyan, demo.QingshiCentre))
	if len(rows) != 1 || rows[0].No != no || rows[0].Scanned != 3 {
		t.Fatalf("on its way: %+v", rows)
	}
	must[[]byte](t)(r.s.ArchiveList(r.ctx, old, ListAsk{Kind: ListHandover, From: demo.YunheShiyan, To: demo.QingshiCentre}))
	if p := printed.last; p.Seal2 == "" || len(p.Sections[0].Rows) != 1 || strings.Contains(strings.Join(p.Sections[0].Rows[0], " "), string(r.pupil(uid).Number)) {
		t.Fatalf("handover list: %+v", p)
	}
	_, err = r.s.Arriving(r.ctx, r.staff("registrar.yunhe2"), no)
	wantCode(t, err, registry.CodeArchive)
	typed := strings.ToLower(strings.ReplaceAll(no, "-", " "))
	come := must[Arriving](t)(r.s.Arriving(r.ctx, newcomer, typed))
	if come.UID != uid || len(come.Items) != 3 || come.From != demo.YunheShiyan {
		t.Fatalf("arriving: %+v", come)
	}
	must[registry.Pupil](t)(r.s.Act(r.ctx, newcomer, uid, come.Version, registry.ReceiveArchive{No: come.No}))
	_, err = r.s.Arriving(r.ctx, newcomer, no)
	wantCode(t, err, registry.CodeWrongState)
	if read(newcomer, first) != "%PDF-1.4 a.pdf" {
		t.Fatal("the receiver cannot open what it received")
	}

	// The receiver continues; the sender keeps what it handed over.
	backup := sight(old)
	if backup.Backup == nil || len(backup.Backup.Items) != 3 || len(backup.P.Archive.Items) != 0 || backup.P.Number != "" || backup.P.Form[registry.FIDNumber] != "" {
		t.Fatalf("the sender's view: %+v", backup)
	}
	put(newcomer, 2, 0, pdf("new.pdf"))
	put(newcomer, 0, 5, pdf("奖状.pdf"))
	later := r.pupil(uid).Archive.Items[3].Digest
	if again := sight(old); !reflect.DeepEqual(again.Backup, backup.Backup) || len(again.Filed) != len(backup.Filed) {
		t.Fatal("the backup changed with the receiver's catalogue")
	}
	if read(old, later) != string(registry.CodeNotFound) || read(old, backup.Backup.Items[1].Digest) != "%PDF-1.4 02-户口簿.pdf" {
		t.Fatal("the former school reads what came later, or not what it handed over")
	}
	now := sight(newcomer)
	if len(now.Since) != 2 || now.Since[0].Was == nil || now.Since[0].Is.No != 2 || now.Since[1].Was != nil || now.Received == nil || len(now.Received.Items) != 3 {
		t.Fatalf("since the receipt: %+v", now.Since)
	}
	_, _, err = r.s.PutScan(r.ctx, old, uid, 0, 1, 0, pdf("late.pdf"))
	if err == nil {
		t.Fatal("the former school still writes")
	}
	left := must[[]ArchiveRow](t)(r.s.Left(r.ctx, old))
	if len(left) != 1 || left[0].UID != uid || left[0].Items != 3 {
		t.Fatalf("left: %+v", left)
	}
	_, err = r.s.Archive(r.ctx, r.staff("registrar.yunhe2"), uid)
	wantCode(t, err, registry.CodeNotFound)
	if v := must[ArchiveSight](t)(r.s.Archive(r.ctx, r.staff("officer.yunhe"), uid)); v.Backup == nil {
		t.Fatal("the office above the former school sees more than the backup")
	}
	// Reads are recorded: the backup's, and each file's.
	es := must[[]audit.Entry](t)(r.st.Audit(r.ctx, store.AuditQuery{Subject: string(uid), Limit: 500}))
	seen := map[string]int{}
	for _, e := range es {
		seen[string(e.Kind)+" "+e.What]++
	}
	r.merged("云教〔2026〕9 号")
	if v := must[ArchiveSight](t)(r.s.Archive(r.ctx, r.staff("registrar.yunhe2"), uid)); !reflect.DeepEqual(v.Backup, backup.Backup) {
		t.Fatal("the backup of a school that merged away is lost")
	}
	if seen["look archive_backup"] == 0 || seen["look archive"] == 0 || seen["file_read "+first] == 0 || seen["print archive_list_handover"] == 0 || seen["look consignment"] == 0 {
		t.Fatalf("recorded %v", seen)
	}
}

// When the sender merges away, its successor keeps the backup, and the list of what moved names both schools (Art. 9).
func TestArchivesOfMergedSchool(t *testing.T) {
	r := newRig(t)
	r.s.papers = paperless{}
	uid := r.enrolled(0)
	reg := r.staff("registrar.yunhe")
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "表", Pages: 2}}}))
	second := r.staff("registrar.yunhe2")
	officer := r.staff("officer.yunhe")
	if run := r.merged("云教〔2026〕8 号"); run.Done == 0 {
		t.Fatal("the merger moved nobody")
	}
	rows := must[[]ArchiveRow](t)(r.s.HandedOver(r.ctx, officer, demo.YunheShiyan, second.Unit))
	if len(rows) != 1 || rows[0].UID != uid || rows[0].From != demo.YunheShiyan || rows[0].Pages != 2 {
		t.Fatalf("moved: %+v", rows)
	}
	must[[]byte](t)(r.s.ArchiveList(r.ctx, officer, ListAsk{Kind: ListHandover, From: demo.YunheShiyan, To: second.Unit}))
	if v := must[ArchiveSight](t)(r.s.Archive(r.ctx, second, uid)); v.Backup != nil || len(v.P.Archive.Items) != 1 {
		t.Fatal("the successor does not see the whole archive")
	}
}

// Classes are counted by what is still to be built, late ones first, from 入学之日 on (Art. 7).
func TestArchiveClasses(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	reg := r.staff("registrar.yunhe")
	p := r.pupil(uid)
	classes := must[[]ArchiveClass](t)(r.s.ArchiveClasses(r.ctx, reg, demo.YunheShiyan))
	if len(classes) != 1 || classes[0].Open != 1 || classes[0].Built() != 0 || classes[0].DueOn != p.Archive.BuildDue {
		t.Fatalf("%+v", classes)
	}
	r.pass(90 * 24 * 3600 * 1e9)
	if classes = must[[]ArchiveClass](t)(r.s.ArchiveClasses(r.ctx, reg, demo.YunheShiyan)); classes[0].Late != 1 {
		t.Fatalf("three months later: %+v", classes)
	}
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "表", Pages: 2}}}))
	if classes = must[[]ArchiveClass](t)(r.s.ArchiveClasses(r.ctx, reg, demo.YunheShiyan)); classes[0].Open != 0 || classes[0].Built() != 1 {
		t.Fatalf("built: %+v", classes)
	}
	rows := must[[]ArchiveRow](t)(r.s.ArchiveClass(r.ctx, reg, demo.YunheShiyan, p.Grade, p.Class))
	if len(rows) != 1 || rows[0].Items != 1 || rows[0].Custodian != demo.YunheShiyan {
		t.Fatalf("%+v", rows)
	}
}

// A migrant child's archive goes to the home county by its office, with a letter (Art. 22).
func TestMigrantArchives(t *testing.T) {
	r := newRig(t)
	printed := papers{last: &document.Report{}}
	r.s.papers = printed
	reg, officer := r.staff("registrar.yunhe"), r.staff("officer.yunhe")
	home := r.staff("officer.qingshi").Unit
	form := r.form(0)
	form[registry.FMigrant], form[registry.FHukou] = "1", string(home)
	uid, findings, err := r.s.EnrolOne(r.ctx, reg, form, demo.PIN)
	if err != nil || uid == "" {
		t.Fatal(findings, err)
	}
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "表", Pages: 2}}}))
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.ReportDropout{Since: r.s.Today(), Reason: "随父母返乡"}))
	rows := must[[]ArchiveRow](t)(r.s.Migrants(r.ctx, officer))
	if len(rows) != 1 || rows[0].To != home || rows[0].DueOn == "" {
		t.Fatalf("%+v", rows)
	}
	done, failed, err := r.s.HandOverMigrants(r.ctx, officer, []Ref{{UID: uid, Seen: rows[0].Version}}, "机要交换")
	if done != 1 || len(failed) != 0 || err != nil {
		t.Fatal(done, failed, err)
	}
	must[[]byte](t)(r.s.ArchiveList(r.ctx, officer, ListAsk{Kind: ListMigrants, To: home}))
	if p := printed.last; len(p.Sections) != 3 || len(p.Sections[2].Rows) != 1 || p.Seal2 == "" {
		t.Fatalf("the letter: %+v", p)
	}
	if _, err := r.s.Arriving(r.ctx, r.staff("officer.qingshi"), r.pupil(uid).Archive.No); err != nil {
		t.Fatal(err)
	}
}

// The archives of many go in one act, with a cover each; they are received in one act when nothing is missing. Each is judged by itself.
func TestManyArchives(t *testing.T) {
	r := newRig(t)
	r.authority()
	r.s.papers = paperless{}
	reg, there := r.staff("registrar.yunhe"), r.staff("registrar.qingshi")
	var refs []Ref
	for i := range 2 {
		uid := r.enrolled(i)
		r.act("registrar.yunhe", uid, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}}})
		_ = must[registry.CaseNo](t)(r.s.StartTransfer(r.ctx, there, uid, registry.StartTransfer{ToGrade: 1, Reason: "moved", Guardian: "母亲"}))
		for _, who := range []string{"registrar.qingshi", "officer.qingshi", "registrar.yunhe", "officer.yunhe"} {
			r.yes(who, uid, "")
		}
		refs = append(refs, Ref{UID: uid})
	}
	stays := r.enrolled(2)
	if done, failed, err := r.s.SendArchives(r.ctx, reg, append(refs, Ref{UID: stays}), "机要交换"); done != 2 || registry.CodeOf(failed[stays]) != registry.CodeWrongState || err != nil {
		t.Fatal(done, failed, err)
	}
	for _, ref := range refs {
		if a := r.pupil(ref.UID).Archive; a.State != registry.ArchiveTransit || a.Carrier != "机要交换" || a.No == "" {
			t.Fatalf("%+v", a)
		}
	}
	must[[]byte](t)(r.s.ArchiveCovers(r.ctx, reg, there.Unit))
	if _, err := r.s.ArchiveCovers(r.ctx, there, reg.Unit); registry.CodeOf(err) != registry.CodeNotFound {
		t.Fatal("covers of nothing", err)
	}
	if done, failed, _ := r.s.ReceiveArchives(r.ctx, r.staff("registrar.yunhe2"), refs); done != 0 || len(failed) != 2 {
		t.Fatal("another school received them", failed)
	}
	if done, failed, err := r.s.ReceiveArchives(r.ctx, there, refs); done != 2 || err != nil {
		t.Fatal(done, failed, err)
	}
	if a := r.pupil(refs[0].UID).Archive; a.State != registry.ArchiveReceived || a.Custodian != there.Unit || len(a.Missing) > 0 {
		t.Fatalf("%+v", a)
	}
}

func TestRowOfName(t *testing.T) {
	for name, want := range map[string]struct {
		no    int
		title string
	}{"3.pdf": {3, ""}, "03 体检表.jpg": {3, "体检表"}, "12-奖状.png": {12, "奖状"}, `C:\scan\2、户口簿.pdf`: {2, "户口簿"}, "体检表.pdf": {0, "体检表"}, "2026年体检表.pdf": {0, "2026年体检表"}, "3年级成绩.pdf": {0, "3年级成绩"},
		"": {0, ""}} {
		if no, title := rowOfName(name); no != want.no || title != want.title {
			t.Errorf("%q: row %d, title %q", name, no, title)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		no, title := rowOfName(rapid.String().Draw(t, "name"))
		if no < 0 || no > 999 || len([]rune(title)) > 80 || bytes.ContainsAny([]byte(title), "\n\x00") {
			t.Fatalf("row %d, title %q", no, title)
		}
	})
}

func TestTypedNo(t *testing.T) {
	want := "DA-4RT8-K2XW-9P6M"
	for _, s := range []string{want, "da-4rt8-k2xw-9p6m", "DA4RT8K2XW9P6M", "4rt8 k2xw 9p6m", " ＤＡ－4RT8－K2XW－9P6M "} {
		if typedNo(s) != want {
			t.Errorf("%q: %q", s, typedNo(s))
		}
	}
	for _, s := range []string{"", "DA-", "DA-4RT8-K2XW-9P6", strings.Repeat("4", 40)} {
		if typedNo(s) != "" {
			t.Errorf("%q was taken", s)
		}
	}
}

// merged merges 云河区实验小学 into 云河区第二小学, and moves everybody and everything.
func (r *rig) merged(ref string) store.BulkRun {
	r.t.Helper()
	who := r.staff("officer.yunhe")
	run := must[store.BulkRun](r.t)(r.s.ActUnit(r.ctx, who, units.Merge{Code: demo.YunheShiyan, Into: demo.YunheSecond, Ref: ref, On: r.s.Today()}))
	r.workBulk()
	run, _, err := r.s.BulkRun(r.ctx, who, run.ID)
	if err != nil || run.State != store.BulkDone || run.Failed != 0 {
		r.t.Fatalf("merger: %+v %v", run, err)
	}
	return run
}
