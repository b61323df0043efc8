package service

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"xueji/server/document"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
	"xueji/server/registry/units"
)

// shown is a drawn paper's text without white space. XUEJI_PAPERS names a folder that keeps the papers for looking at.
func shown(t *testing.T, name string, b []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	at := filepath.Join(t.TempDir(), "p.pdf")
	if dir := os.Getenv("XUEJI_PAPERS"); dir != "" {
		at = filepath.Join(dir, name+".pdf")
	}
	if err := os.WriteFile(at, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdftotext", "-layout", at, "-").Output()
	if err != nil {
		t.Fatal("pdftotext is not here: make setup-test installs it")
	}
	return strings.Join(strings.Fields(string(out)), "")
}

// named gives a pupil another name without a story.
func (r *rig) named(uid registry.UID, name string) {
	r.t.Helper()
	p := r.pupil(uid)
	p.Form[registry.FName] = name
	c := store.Change{Pupil: p, Entry: store.Entry{At: r.now(), Kind: registry.EvAmend, Actor: registry.Actor{Account: "system"}, Payload: []byte("{}")}, Index: indexOf(p)}
	if err := r.st.Commit(r.ctx, store.Batch{Changes: []store.Change{c}}); err != nil {
		r.t.Fatal(err)
	}
}

// TestUnitPapersLook draws by the real Maker every paper of a unit's own work, with rare and long names: what must stand on it stands, pages are counted, copies are
// numbered and the code is one that CheckPaper knows.
func TestUnitPapersLook(t *testing.T) {
	r := newRig(t)
	m, err := document.NewMaker(document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.s.papers, r.s.publicURL = m, "https://xueji.example"
	reg, lead, off, city := r.staff("registrar.yunhe"), r.staff("leader.yunhe"), r.staff("officer.yunhe"), r.staff("officer.city")
	rare, dot, long := r.enrolled(0), r.enrolled(1), r.enrolled(2)
	r.named(rare, "欧阳𬀩")
	r.named(dot, "阿依古丽·买买提")
	r.named(long, "努尔古丽·阿卜杜热合曼·库尔班江·吐尔逊阿依")
	for _, uid := range []registry.UID{rare, dot, long} {
		items := []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}, {No: 2, Group: 2, Title: "户籍证明", Pages: 3, Copy: true}}
		must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.BuildArchive{Items: items}))
	}
	code := regexp.MustCompile(`XP1\.[a-z]+\.`)
	want := func(kind FormKind, name, got string, words ...string) {
		t.Helper()
		for _, w := range append(words, "第1页，共", "打印") {
			if !strings.Contains(got, w) {
				t.Errorf("%s does not read %q:\n%.900s", name, w, got)
			}
		}
		if kind == "" {
			return
		}
		if !strings.Contains(got, "第1份") || !strings.Contains(got, "xueji.example/check") || code.MatchString(got) {
			t.Errorf("%s: copy number or the way to check it is wanting:\n%.900s", name, got)
		}
		p, err := r.s.CheckPaper(r.ctx, r.s.paperCode(kind, reg.Unit, r.s.Today(), 1))
		if err != nil || p.Kind != kind {
			t.Errorf("%s: its code is unknown: %v", name, err)
		}
	}

	// Art. 24: the term's review, one class and the school, before and after the leader's word.
	must[int](t)(r.s.OpenReviews(r.ctx, off))
	r.workBulk()
	id := "rv-" + string(demo.YunheShiyan) + "-" + TermOf(r.s.Pack(), r.s.Today())
	for uid, state := range map[registry.UID]string{rare: store.RowDone, dot: store.RowFailed, long: store.RowDone} {
		if err := r.s.MarkReview(r.ctx, reg, id, []registry.UID{uid}, state, map[string]string{store.RowFailed: "与户口簿不一致"}[state]); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.s.SignReview(r.ctx, lead, id); err != nil {
		t.Fatal(err)
	}
	b, err := r.s.ReviewSheet(r.ctx, reg, id, "")
	want(PaperReview, "review", shown(t, "review", b, err), "学生学籍学期复核表", "欧阳𬀩", "阿依古丽·买买提", "与户口簿不一致", "√无误", "×待更正", "盖章处", "班主任：", "陈立华")
	b, err = r.s.ReviewSheet(r.ctx, reg, id, "")
	if got := shown(t, "review-2", b, err); !strings.Contains(got, "第2份") {
		t.Error("the second print is not numbered 2")
	}

	// Notice 4, with the review's figures.
	if err := r.look(city); err != nil {
		t.Fatal(err)
	}
	b, err = r.s.InspectionReport(r.ctx, off)
	want(PaperInspection, "inspection", shown(t, "inspection", b, err), "学籍管理督导检查报告", "六、学期复核", "1所已由学校确认", "已确认", "待更正1名", "报告单位", "第二十七条各项", "一、覆盖")

	// Arts 26, 27.
	no := must[string](t)(r.s.IssueOrder(r.ctx, off, demo.YunheShiyan, []supervise.Kind{supervise.NoArchive}, nil, "请补建学籍档案，并逐份核对目录。"))
	b, err = r.s.OrderPaper(r.ctx, reg, no)
	want(PaperOrder, "order", shown(t, "order", b, err), "责令改正通知书", no, "云河区实验小学：", "请补建学籍档案", "盖章处", "云河区教育局")
	if codes := scanned(t, b); len(codes) != 1 {
		t.Fatalf("the order's code: %q", codes)
	} else if p := must[CheckedPaper](t)(r.s.CheckPaper(r.ctx, strings.TrimPrefix(codes[0], "https://xueji.example"+CheckPath))); p.Unit != off.Unit {
		t.Errorf("printed by the school, an order is %s's, not the office's that gave it", p.Unit)
	}

	// Art. 18, Art. 23, Art. 25, Notice 5.
	b, err = r.s.LetterPaper(r.ctx, city, "3433010001", supervise.Terms(r.s.Pack(), r.s.Today(), 1)[0].ID)
	want(PaperLetter, "letter", shown(t, "letter", b, err), "学生转入转出情况告知函", "一、转入", "二、转出", "本学期没有", "盖章处", "校长：")
	b, err = r.s.StaffRegisterPaper(r.ctx, off)
	want(PaperStaff, "staff", shown(t, "staff", b, err), "学籍管理员基本信息报送表", "云州市教育局", "周敏", "填表人：")
	a := store.Approval{No: "云教学籍〔2026〕12号", To: "云河区疾控中心", Purpose: "接种查验", Fields: []registry.FieldKey{registry.FName, ExportSchool, ExportNumber}, School: demo.YunheShiyan, Until: r.s.Today()}
	if err := r.s.PutApproval(r.ctx, off, a, "application/pdf", strings.NewReader("%PDF-1.7 scan")); err != nil {
		t.Fatal(err)
	}
	b, err = r.s.ApprovalForm(r.ctx, off, a.No)
	want(PaperApproval, "approval", shown(t, "approval", b, err), "学籍信息提供审批表", "云教学籍〔2026〕12号", "云河区疾控中心", "接种查验", "批准人：")
	for _, lang := range []string{"zh-Hans", "zh-Hant", "en"} {
		b, err = r.s.ParentLetter(r.ctx, reg, lang)
		got := shown(t, "parents-"+lang, b, err)
		for _, w := range map[string][]string{"zh-Hans": {"学籍管理告知书", "第1页，共1页"}, "zh-Hant": {"學籍管理告知書", "第1頁，共1頁"}, "en": {"Noticetoparents", "page1of1", "Seal"}}[lang] {
			if !strings.Contains(got, w) {
				t.Errorf("parents %s does not read %q", lang, w)
			}
		}
	}
	b, err = r.s.AuditReport(r.ctx, r.staff("auditor.yunhe"), r.now().Year())
	want("", "audit", shown(t, "audit", b, err), fmt.Sprint(r.now().Year()))

	// Art. 8, and Art. 9 between two units.
	b, err = r.s.ArchiveList(r.ctx, reg, ListAsk{Kind: ListHolding, School: demo.YunheShiyan})
	want(PaperHolding, "holding", shown(t, "holding", b, err), "学籍档案保管清单", "欧阳𬀩", "3份", "盖章处")
	b, err = r.s.ArchiveList(r.ctx, off, ListAsk{Kind: ListMigrants, To: "330110"})
	if registry.CodeOf(err) == "" {
		want(PaperMigrants, "migrants", shown(t, "migrants", b, err), "移交学籍档案的函")
	}

	// Art. 13: two certificates in the register.
	r.regraded(rare, 6)
	r.regraded(dot, 6)
	must[store.BulkRun](t)(r.s.StartBulk(r.ctx, reg, BulkAsk{Kind: store.BulkFinish, On: r.s.Today(), Picks: []BulkPick{{UID: rare, End: registry.StandingGraduated, Certificate: "云2026-0001"},
		{UID: dot, End: registry.StandingCompleted, Certificate: "云2026-0002"}}}))
	r.workBulk()
	for _, who := range []string{"leader.yunhe", "officer.yunhe"} {
		for _, uid := range []registry.UID{rare, dot} {
			if p := r.pupil(uid); p.Lock != "" {
				if st, ok := p.OpenCase().Next(); ok && st.Unit == r.staff(who).Unit {
					r.accept(who, uid)
				}
			}
		}
	}
	b, err = r.s.CertificateRegister(r.ctx, reg, CertificateAsk{School: demo.YunheShiyan})
	want(PaperCertificates, "certificates", shown(t, "certificates", b, err), "证书登记册", "欧阳𬀩", "云2026-0001", "毕业1", "结业1", "校长：", "盖章处")

	// Art. 9: a school is merged away, its archives go with a list that both sign.
	run := must[store.BulkRun](t)(r.s.ActUnit(r.ctx, off, units.Merge{Code: demo.YunheShiyan, Into: demo.YunheSecond, On: r.s.Today(), Ref: "云教〔2026〕8号"}))
	r.workBulk()
	r.pass(time.Minute)
	b, err = r.s.HandoverList(r.ctx, off, run.ID)
	want(PaperHandover, "handover", shown(t, "handover", b, err), "学籍档案移交清单", "云教〔2026〕8号", "努尔古丽·阿卜杜", "一式两份", "接收单位", "移交人：", "接收人：", "监交人：")
}
