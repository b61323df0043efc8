package service

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// An archive that is not built becomes a finding of the school, the county orders it to correct, the school answers with a file, the county is not content and orders
// again, the school answers again, the county closes; the finding is gone once the archive is built, and counted as mended.
func TestOrderToCorrect(t *testing.T) {
	r := newRig(t)
	r.s.papers = paperless{}
	uid := r.enrolled(0)
	officer, registrar := r.staff("officer.yunhe"), r.staff("registrar.yunhe")
	count := func(unit registry.Unit, k supervise.Kind) int {
		t.Helper()
		if err := r.look(r.staff("officer.city")); err != nil {
			t.Fatal(err)
		}
		return len(must[[]FindingRow](t)(r.s.FindingList(r.ctx, r.staff("officer.city"), unit, k, 100, 0)))
	}
	if n := count(demo.YunheShiyan, supervise.NoArchive); n != 0 {
		t.Fatalf("%d findings on the first day", n)
	}
	r.pass(60 * 24 * time.Hour)
	if n := count(demo.YunheShiyan, supervise.NoArchive); n != 1 {
		t.Fatalf("%d findings after two months without an archive", n)
	}
	rows := must[[]FindingRow](t)(r.s.FindingList(r.ctx, officer, demo.YunheShiyan, supervise.NoArchive, 100, 0))
	if rows[0].UID != uid || rows[0].Name == "" || !rows[0].Mine || !rows[0].Severe {
		t.Fatalf("%+v", rows[0])
	}
	b := must[Board](t)(r.s.Board(r.ctx, officer))
	if b.Total[1] != (FindingTotal{1, 1}) {
		t.Fatalf("the board says %+v", b.Total)
	}
	no := must[string](t)(r.s.IssueOrder(r.ctx, officer, demo.YunheShiyan, nil, []string{rows[0].ID(), "forged"}, "请于期限内补建档案。"))
	if !strings.HasPrefix(no, "ZG-") {
		t.Fatal(no)
	}
	o := must[supervise.Order](t)(r.s.Correction(r.ctx, registrar, no))
	if len(o.Findings) != 1 || len(o.Kinds) != 1 || o.Kinds[0] != supervise.NoArchive {
		t.Fatalf("%+v", o)
	}
	if todo := must[ToDo](t)(r.s.ToDo(r.ctx, registrar, ToDoAsk{})); len(todo.Orders) != 1 || todo.Orders[0].No != no {
		t.Fatalf("the school's list holds %+v", todo.Orders)
	}
	answer := func() {
		t.Helper()
		if err := r.s.AnswerOrder(r.ctx, registrar, no, "已补建。", []Upload{{Name: "a.pdf", Type: "application/pdf", Body: strings.NewReader("%PDF-1.7 proof")}}); err != nil {
			t.Fatal(err)
		}
	}
	answer()
	if todo := must[ToDo](t)(r.s.ToDo(r.ctx, officer, ToDoAsk{})); len(todo.Orders) != 1 {
		t.Fatal("the county is not told of the answer")
	}
	if err := r.s.JudgeOrder(r.ctx, officer, no, true, "档案目录不全，请补齐。"); err != nil {
		t.Fatal(err)
	}
	answer()
	o = must[supervise.Order](t)(r.s.Correction(r.ctx, officer, no))
	if len(o.Rounds) != 2 || len(o.Rounds[1].Files) != 1 {
		t.Fatalf("%+v", o)
	}
	must[store.File](t)(r.s.OrderFile(r.ctx, officer, no, o.Rounds[1].Files[0]))
	if err := r.s.JudgeOrder(r.ctx, officer, no, false, "核查无误。"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.JudgeOrder(r.ctx, officer, no, false, "再次"), registry.CodeWrongState)
	must[registry.Pupil](t)(r.s.Act(r.ctx, registrar, uid, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "表", Pages: 1}}}))
	r.pass(time.Minute)
	if n := count(demo.YunheShiyan, supervise.NoArchive); n != 0 {
		t.Fatalf("%d findings after it was mended", n)
	}
	_, gone, err := r.st.FindingMoves(r.ctx, []registry.Unit{demo.YunheShiyan}, time.Time{})
	if err != nil || gone[supervise.NoArchive] != 1 {
		t.Fatalf("mended %v %v", gone, err)
	}
}

// An office's own overdue step is a finding of that office: the office above sees it and orders it to correct, the office answers (Art. 26).
func TestOrderUpward(t *testing.T) {
	r := newRig(t)
	reg := r.staff("registrar.yunhe")
	uid, _, err := r.s.EnrolOne(r.ctx, reg, r.form(0), "")
	if err != nil {
		t.Fatal(err)
	}
	r.accept("leader.yunhe", uid) // now the county has it, and lets it lie
	r.pass(60 * 24 * time.Hour)
	if err := r.s.superviseSweep(r.ctx); err != nil {
		t.Fatal(err)
	}
	city, county := r.staff("officer.city"), r.staff("officer.yunhe")
	rows := must[[]FindingRow](t)(r.s.FindingList(r.ctx, city, demo.Yunhe, supervise.Late, 10, 0))
	if len(rows) != 1 || rows[0].Why != "step" || !rows[0].Mine {
		t.Fatalf("%+v", rows)
	}
	// The county may not order itself, nor another county's office.
	_, err = r.s.IssueOrder(r.ctx, county, demo.Yunhe, nil, []string{rows[0].ID()}, "请办理")
	wantCode(t, err, registry.CodeNotFound)
	no := must[string](t)(r.s.IssueOrder(r.ctx, city, demo.Yunhe, nil, []string{rows[0].ID()}, "请立即核办。"))
	if todo := must[ToDo](t)(r.s.ToDo(r.ctx, county, ToDoAsk{})); len(todo.Orders) != 1 {
		t.Fatal("the county is not told")
	}
	if err := r.s.AnswerOrder(r.ctx, county, no, "已核办。", nil); err != nil {
		t.Fatal(err)
	}
	if err := r.s.JudgeOrder(r.ctx, city, no, false, "同意。"); err != nil {
		t.Fatal(err)
	}
}

// Figures come from tallies; a transfer is told once, by both schools' rows and by the month; the workbook marks groups of one and two.
func TestStatistics(t *testing.T) {
	r := newRig(t)
	for n := range 4 {
		r.enrolled(n)
	}
	officer := r.staff("officer.yunhe")
	if st := must[Statistics](t)(r.s.Statistics(r.ctx, officer, 0)); st.Missing == 0 || st.Total.N != 0 {
		t.Fatalf("before the first pass: %+v", st.Total)
	}
	if err := r.s.superviseSweep(r.ctx); err != nil {
		t.Fatal(err)
	}
	st := must[Statistics](t)(r.s.Statistics(r.ctx, officer, 0))
	if st.Missing != 0 || st.Total.N != 4 || st.Total.Enrolled != 4 || st.Total.Male+st.Total.Female != 4 {
		t.Fatalf("%+v", st)
	}
	homes := 0
	for _, h := range st.Homes {
		homes += h.N
	}
	if homes != 4 || len(st.Clocks) == 0 {
		t.Fatalf("%+v %+v", st.Homes, st.Clocks)
	}
	if other := must[Statistics](t)(r.s.Statistics(r.ctx, r.staff("officer.qingshi"), 0)); other.Total.N != 0 {
		t.Fatal("another county counts them")
	}
	book := must[[]byte](t)(r.s.StatisticsBook(r.ctx, officer, 0))
	f, err := excelize.OpenReader(bytes.NewReader(book))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cells := must[[][]string](t)(f.GetRows("按学校"))
	if len(cells) < 3 || cells[1][0] != "学校" || cells[len(cells)-1][0] != "合计" || cells[len(cells)-1][2] != "4" {
		t.Fatalf("%v", cells)
	}
	if small(2) != "<3" || small(0) != 0 || small(3) != 3 {
		t.Fatal("small groups are told")
	}
}

// A directly run school tells the county who came and left, once the term is over; the county sees the letter once it was sent, and says so (Art. 18). The register of
// 学籍管理员 goes one tier up (Art. 23).
func TestTermLetterAndStaffRegister(t *testing.T) {
	r := newRig(t)
	r.s.papers = paperless{}
	a := must[store.Account](t)(r.st.AccountByLogin(r.ctx, "registrar.yunhe"))
	a.ID, a.Login, a.Unit, a.TrainedCert = "a-direct", "registrar.direct", "3433010001", "C-1"
	if err := r.st.PutAccount(r.ctx, a); err != nil {
		t.Fatal(err)
	}
	direct, county := Staff{Account: a}, r.staff("officer.yunhe")
	if ls := must[[]Letter](t)(r.s.Letters(r.ctx, county)); len(ls) != 0 {
		t.Fatalf("letters before any was sent: %+v", ls)
	}
	ls := must[[]Letter](t)(r.s.Letters(r.ctx, direct))
	if len(ls) != letterTerms || ls[0].Ended || !ls[1].Ended || !ls[1].MaySend {
		t.Fatalf("%+v", ls)
	}
	wantCode(t, r.s.MarkLetter(r.ctx, direct, a.Unit, ls[0].Term.ID), registry.CodeWrongState) // the term runs
	if err := r.s.MarkLetter(r.ctx, direct, a.Unit, ls[1].Term.ID); err != nil {
		t.Fatal(err)
	}
	got := must[[]Letter](t)(r.s.Letters(r.ctx, county))
	if len(got) != 1 || !got[0].MaySee {
		t.Fatalf("%+v", got)
	}
	must[[]byte](t)(r.s.LetterPaper(r.ctx, county, a.Unit, ls[1].Term.ID))
	if err := r.s.MarkLetter(r.ctx, county, a.Unit, ls[1].Term.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.MarkLetter(r.ctx, county, a.Unit, ls[1].Term.ID), registry.CodeWrongState)

	leader := r.staff("leader.yunhe")
	if err := r.s.MarkStaffRegister(r.ctx, leader, leader.Unit); err != nil {
		t.Fatal(err)
	}
	reg := must[StaffRegister](t)(r.s.StaffRegister(r.ctx, county))
	named := 0
	for _, row := range reg.Rows {
		if row.Unit == leader.Unit {
			named++
		}
	}
	if named == 0 {
		t.Fatal("the school's staff are not in the county's register")
	}
	if err := r.s.MarkStaffRegister(r.ctx, county, leader.Unit); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.s.MarkStaffRegister(r.ctx, county, leader.Unit), registry.CodeWrongState)
}
