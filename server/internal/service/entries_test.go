package service

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

func scan() []Upload {
	return []Upload{{Name: "材料.pdf", Type: "application/pdf", Body: strings.NewReader("%PDF-1.7 scan")}}
}

// without makes a form of a pupil who has no document at all.
func without(f registry.Form) registry.Form {
	f[registry.FIDType], f[registry.FIDNumber], f[registry.FOverseas] = "Z", "", "00"
	return f
}

// A pupil without a document goes school, county, city, province, each on its own list, and has a J number after the last word (T1).
func TestNoDocumentUpToProvince(t *testing.T) {
	r := newRig(t)
	uid, findings, err := r.s.Enter(r.ctx, r.staff("registrar.yunhe"), NewPupil{Form: without(r.form(0)), Document: registry.DocNone, Files: scan()})
	if err != nil || uid == "" {
		t.Fatalf("%v %+v", err, findings)
	}
	parties := []struct {
		login string
		party registry.Party
	}{{"leader.yunhe", registry.PartySchool}, {"officer.yunhe", registry.PartyAuthority}, {"officer.city", registry.PartyCityAuth}, {"officer.province", registry.PartyProvinceAuth}}
	for i, p := range parties {
		who := r.staff(p.login)
		todo := must[ToDo](t)(r.s.ToDo(r.ctx, who, ToDoAsk{}))
		found := false
		for _, row := range todo.Mine {
			found = found || row.Summary.UID == uid && row.Party == p.party
		}
		if !found {
			t.Fatalf("%s does not have it on the list", p.login)
		}
		if _, _, err := r.s.Pupil(r.ctx, who, uid); err != nil {
			t.Fatalf("%s cannot read it: %v", p.login, err)
		}
		if f := r.pupil(uid).Cases[0].Evidence; len(f) != 1 {
			t.Fatalf("evidence %v", f)
		} else if _, err := r.s.File(r.ctx, who, f[0]); err != nil {
			t.Fatalf("%s cannot open the scan: %v", p.login, err)
		}
		if i+1 < len(parties) { // nobody speaks before their turn
			_, err := r.s.Act(r.ctx, r.staff("officer.province"), uid, 0, registry.DecideStep{CaseNo: r.pupil(uid).Lock, Party: registry.PartyProvinceAuth, Decision: registry.DecisionAccept})
			if i < 3 {
				wantCode(t, err, registry.CodeNotYourTurn)
			}
		}
		r.accept(p.login, uid)
	}
	got := r.pupil(uid)
	if got.Standing != registry.StandingEnrolled || got.Number == "" || got.Number[0] != 'J' {
		t.Errorf("%s %.1s", got.Standing, got.Number)
	}
}

// What was answered about the document must be what the form says.
func TestDocumentKindIsHeld(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		kind  registry.DocumentKind
		set   map[registry.FieldKey]string
		field registry.FieldKey
	}{
		{registry.DocNone, nil, registry.FIDType},
		{registry.DocHMT, map[registry.FieldKey]string{registry.FIDType: "6", registry.FIDNumber: "H12345678"}, registry.FOverseas},
		{registry.DocForeign, map[registry.FieldKey]string{registry.FIDType: "A", registry.FIDNumber: ""}, registry.FIDNumber},
		{registry.DocPending, nil, registry.FIDNumber},
	} {
		f := r.form(0)
		for k, v := range c.set {
			f[k] = v
		}
		uid, findings, err := r.s.Enter(r.ctx, r.staff("registrar.yunhe"), NewPupil{Form: f, Document: c.kind})
		if err != nil || uid != "" {
			t.Fatalf("%s: went in (%v)", c.kind, err)
		}
		ok := false
		for _, x := range findings {
			ok = ok || x.Field == c.field && !x.Warning()
		}
		if !ok {
			t.Errorf("%s: %+v", c.kind, findings)
		}
	}
	// A pupil of Hong Kong goes in like every other, by the authority alone (Art. 28).
	f := r.form(1)
	f[registry.FIDType], f[registry.FIDNumber], f[registry.FOverseas] = "6", "H12345678", "01"
	uid, findings, err := r.s.Enter(r.ctx, r.staff("registrar.yunhe"), NewPupil{Form: f, Document: registry.DocHMT})
	if err != nil || uid == "" {
		t.Fatalf("%v %+v", err, findings)
	}
	if p := r.pupil(uid); len(p.Cases[0].Steps) != 2 {
		t.Errorf("%d parties", len(p.Cases[0].Steps))
	}
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	if p := r.pupil(uid); p.Standing != registry.StandingEnrolled || p.Number == "" {
		t.Errorf("%s", p.Standing)
	}
}

// Outside the entry grades somebody who looks like a pupil of the register does not go in without a reason; with one the authority judges first (Art. 6).
func TestLaterEntrySearchesFirst(t *testing.T) {
	r := newRig(t)
	there := r.enrolled(0)
	reg := r.staff("registrar.qingshi")
	f := r.form(0)
	found := must[[]registry.Finding](t)(r.s.SearchNewcomer(r.ctx, reg, registry.Form{registry.FIDType: "1", registry.FIDNumber: f[registry.FIDNumber], registry.FName: f[registry.FName]}))
	if len(found) == 0 || found[0].Warning() || found[0].Params["uid"] != string(there) || found[0].Params["school"] != string(demo.YunheShiyan) {
		t.Fatalf("the same document: %+v", found)
	}
	if _, err := r.s.SearchNewcomer(r.ctx, reg, registry.Form{registry.FName: f[registry.FName]}); registry.CodeOf(err) != registry.CodeInvalid {
		t.Errorf("a name alone is searched: %v", err)
	}
	without(f)
	f[registry.FGrade] = "4"
	found = must[[]registry.Finding](t)(r.s.SearchNewcomer(r.ctx, reg, f))
	if len(found) != 1 || !found[0].Warning() {
		t.Fatalf("no document: %+v", found)
	}
	uid, findings, err := r.s.Enter(r.ctx, reg, NewPupil{Form: f, Document: registry.DocNone, Reason: "随父母来"})
	wantCode(t, err, registry.CodeDuplicate)
	if uid != "" || len(findings) == 0 {
		t.Fatalf("%q %+v", uid, findings)
	}
	uid, _, err = r.s.Enter(r.ctx, reg, NewPupil{Form: f, Document: registry.DocNone, Reason: "随父母来", Apart: "同名不同人，已看过户口簿"})
	if err != nil || uid == "" {
		t.Fatal(err)
	}
	p := r.pupil(uid)
	if p.Cases[0].Entry != registry.EntryLater || p.Cases[0].Reason != "随父母来" {
		t.Errorf("%+v", p.Cases[0])
	}
	r.accept("leader.qingshi", uid)
	_, err = r.s.Act(r.ctx, r.staff("officer.qingshi"), uid, 0, registry.DecideStep{CaseNo: p.Lock, Party: registry.PartyAuthority, Decision: registry.DecisionAccept})
	wantCode(t, err, registry.CodeWrongState)
	l := must[Likeness](t)(r.s.Duplicate(r.ctx, r.staff("officer.qingshi"), there, uid))
	if len(l.Proofs) != 1 || !strings.Contains(l.Proofs[0].Note, "已看过户口簿") {
		t.Errorf("the reason is not before the authority: %+v", l.Proofs)
	}
	if err := r.s.DecideDuplicate(r.ctx, r.staff("officer.qingshi"), there, uid, store.SuspicionApart, "两名学生"); err != nil {
		t.Fatal(err)
	}
	for _, login := range []string{"officer.qingshi", "officer.city", "officer.province"} {
		r.accept(login, uid)
	}
	if p := r.pupil(uid); p.Standing != registry.StandingEnrolled {
		t.Errorf("%s", p.Standing)
	}
}

// A pupil may begin in another form of schooling at their own school, and come back to the ordinary one.
func TestEntryMode(t *testing.T) {
	r := newRig(t)
	reg, f := r.staff("registrar.yunhe"), r.form(0)
	_, _, err := r.s.Enter(r.ctx, reg, NewPupil{Form: f, Mode: registry.ModeHome})
	wantCode(t, err, registry.CodeInvalid)
	_, _, err = r.s.Enter(r.ctx, reg, NewPupil{Form: f, Mode: registry.ModeReform})
	wantCode(t, err, registry.CodeInvalid)
	f[registry.FDisability] = "4"
	uid, _, err := r.s.Enter(r.ctx, reg, NewPupil{Form: f, Mode: registry.ModeHome})
	if err != nil {
		t.Fatal(err)
	}
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	if p := r.pupil(uid); p.Mode != registry.ModeHome || p.Study != nil {
		t.Fatalf("%q", p.Mode)
	}
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.EndArrange{Reason: "康复，回班上课"}))
	if p := r.pupil(uid); p.Mode != registry.ModeOrdinary {
		t.Errorf("%q", p.Mode)
	}
}

// The queue counts every open doubt in scope, narrows, and follows who has it.
func TestProblemQueue(t *testing.T) {
	r := newRig(t)
	a, b := r.enrolled(0), r.enrolled(1)
	officer := r.staff("officer.yunhe")
	for uid, kind := range map[registry.UID]registry.ProblemKind{a: registry.ProblemWrongID, b: registry.ProblemDoubleID} {
		ev := registry.RaiseProblem{Problem: kind, Note: "核查不一致"}
		if kind == registry.ProblemDoubleID {
			ev.With = a
		}
		must[registry.Pupil](t)(r.s.Act(r.ctx, officer, uid, 0, ev))
	}
	r.pass(49 * 60 * 60 * 1e9)
	for _, login := range []string{"registrar.yunhe", "officer.yunhe", "officer.city", "officer.province"} {
		q := must[ProblemQueue](t)(r.s.Problems(r.ctx, r.staff(login), ProblemAsk{}))
		if q.Total != 2 || len(q.Rows) != 2 || q.Turns[TurnSchool] != 2 || q.Kinds[registry.ProblemWrongID] != 1 || len(q.Schools) != 1 || q.Schools[0].N != 2 || q.Rows[0].Days != 2 {
			t.Fatalf("%s: %+v", login, q)
		}
	}
	if q := must[ProblemQueue](t)(r.s.Problems(r.ctx, r.staff("officer.qingshi"), ProblemAsk{})); q.Total != 0 {
		t.Errorf("another county sees %d", q.Total)
	}
	must[registry.Pupil](t)(r.s.Act(r.ctx, r.staff("registrar.yunhe"), b, 0, registry.ResolveProblem{CaseNo: r.pupil(b).Lock, Way: registry.WayEvidence, Words: "双胞胎，附户口簿", Evidence: []string{evidence}}))
	q := must[ProblemQueue](t)(r.s.Problems(r.ctx, officer, ProblemAsk{Turn: TurnAuthority}))
	if len(q.Rows) != 1 || q.Rows[0].UID != b || q.Total != 2 {
		t.Errorf("with the authority: %+v", q.Rows)
	}
	r.accept("officer.yunhe", b)
	if q = must[ProblemQueue](t)(r.s.Problems(r.ctx, officer, ProblemAsk{Done: true})); len(q.Rows) != 1 || q.Rows[0].UID != b || q.Total != 1 {
		t.Errorf("resolved: %+v", q)
	}
	if q = must[ProblemQueue](t)(r.s.Problems(r.ctx, officer, ProblemAsk{Kind: registry.ProblemDoubleNoID})); len(q.Rows) != 0 || q.Total != 1 {
		t.Errorf("narrowed: %+v", q)
	}
}

func answers(t *testing.T, head []string, rows ...[]string) *bytes.Buffer {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, row := range append([][]string{{"批准文号 …"}, head}, rows...) {
		line := make([]any, len(row))
		for j, v := range row {
			line[j] = v
		}
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &line); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := f.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// The ministry's batch: the list leaves under an approval, the answers come back, each row says what follows or what is wrong, and the run gives official numbers and
// marks doubtful records (T2).
func TestNumberBatch(t *testing.T) {
	r := newRig(t)
	// Two pupils with a temporary number whose resident ID came later; the third has none yet.
	var uids []registry.UID
	for i := range 3 {
		f := r.form(i)
		id := f[registry.FIDNumber]
		f[registry.FIDNumber] = ""
		uid, findings, err := r.s.Enter(r.ctx, r.staff("registrar.yunhe"), NewPupil{Form: f, Document: registry.DocPending})
		if err != nil || uid == "" {
			t.Fatalf("%v %+v", err, findings)
		}
		r.accept("leader.yunhe", uid)
		r.accept("officer.yunhe", uid)
		if n := r.pupil(uid).Number; n == "" || n[0] != 'L' {
			t.Fatalf("number %.1s", n)
		}
		if i < 2 {
			must[registry.Pupil](t)(r.s.Act(r.ctx, r.staff("registrar.yunhe"), uid, 0, registry.StartCorrect{Reason: "身份号码办好", Guardian: "母亲", Evidence: []string{evidence},
				Changes: []registry.Change{{Field: registry.FIDNumber, From: "", To: id}}}))
			r.accept("leader.yunhe", uid)
			r.accept("officer.yunhe", uid)
		}
		uids = append(uids, uid)
	}
	who := r.staff("officer.province")
	list := must[NumberList](t)(r.s.NumberList(r.ctx, who))
	if len(list.Ready) != 2 || list.Waiting != 1 {
		t.Fatalf("%d ready, %d waiting", len(list.Ready), list.Waiting)
	}
	_, _, err := r.s.NumberBook(r.ctx, who, "none")
	wantCode(t, err, registry.CodeNotFound)
	a := store.Approval{No: "之教核〔2026〕3号", To: "教育部学籍管理中心", Purpose: "身份信息核查", Fields: numberFields[:3], Until: r.s.Today().AddDays(30)}
	put := func(a store.Approval) {
		t.Helper()
		if err := r.s.PutApproval(r.ctx, who, a, "application/pdf", strings.NewReader("%PDF-1.7")); err != nil {
			t.Fatal(err)
		}
	}
	put(a)
	_, _, err = r.s.NumberBook(r.ctx, who, a.No)
	wantCode(t, err, registry.CodeInvalid) // the approval does not cover what the list says
	a.No, a.Fields = "之教核〔2026〕4号", numberFields
	put(a)
	b, copyNo, err := r.s.NumberBook(r.ctx, who, a.No)
	if err != nil || copyNo != 1 {
		t.Fatal(copyNo, err)
	}
	f := must[*excelize.File](t)(excelize.OpenReader(bytes.NewReader(b)))
	rows := must[[][]string](t)(f.GetRows(f.GetSheetName(0)))
	f.Close()
	if len(rows) != 4 || !strings.Contains(rows[0][0], a.No) || rows[1][0] != "学籍号" {
		t.Fatalf("the list: %q", rows)
	}
	// The list comes back with answers, and with rows that are wrong in one way each.
	head := rows[1]
	answer := func(row []string, word string) []string {
		out := append([]string(nil), row...)
		for len(out) < len(head) {
			out = append(out, "")
		}
		out[7] = word
		return out
	}
	other := answer(rows[2], "通过")
	other[1] = "另一人"
	odd := answer(rows[2], "通过")
	odd[0] = "L330106201905060001"
	nobody := answer(rows[2], "通过")
	nobody[4] = "330196201905069990"
	read := must[[]NumberAnswer](t)(r.s.ReadNumbers(r.ctx, who, answers(t, head, answer(rows[2], "通过"), answer(rows[3], "不通过"), answer(rows[2], ""), other, odd, nobody, answer(rows[2], "通过"))))
	var give, doubt []registry.UID
	why := map[int]string{}
	for _, x := range read {
		switch {
		case x.Err != nil:
			why[x.No] = string(registry.CodeOf(x.Err))
			if e, ok := x.Err.(*registry.Error); ok && e.Params["why"] != "" {
				why[x.No] = e.Params["why"]
			}
		case x.Passed:
			give = append(give, x.Found.UID)
		default:
			doubt = append(doubt, x.Found.UID)
		}
	}
	for no, want := range map[int]string{5: "answer", 6: "name_differs", 7: "number_differs", 8: "not_found", 9: "twice"} {
		if why[no] != want {
			t.Errorf("row %d: %q, want %q", no, why[no], want)
		}
	}
	if len(give) != 1 || len(doubt) != 1 {
		t.Fatalf("%v %v", give, doubt)
	}
	_, err = r.s.StartNumbers(r.ctx, who, " ", give, doubt)
	wantCode(t, err, registry.CodeInvalid)
	run := must[store.BulkRun](t)(r.s.StartNumbers(r.ctx, who, "核查 2026-3", give, append(doubt, uids[2])))
	r.workBulk()
	run, _, err = r.s.BulkRun(r.ctx, who, run.ID)
	if err != nil || run.State != store.BulkDone || run.Done != 3 || run.Failed != 0 {
		t.Fatalf("%+v %v", run, err)
	}
	p := r.pupil(give[0])
	if p.Number[0] != 'G' || len(p.Numbers) != 1 || p.Numbers[0].Number[0] != 'L' {
		t.Errorf("%.1s, before: %+v", p.Number, len(p.Numbers))
	}
	q := r.pupil(doubt[0])
	if c := q.OpenCase(); c == nil || c.Kind != registry.CaseProblem || c.Problem.Kind != registry.ProblemWrongID || !strings.Contains(c.Problem.Note, "核查 2026-3") {
		t.Errorf("not doubtful: %+v", c)
	}
	if list = must[NumberList](t)(r.s.NumberList(r.ctx, who)); len(list.Ready) != 1 {
		t.Errorf("%d still to be checked", len(list.Ready))
	}
	read = must[[]NumberAnswer](t)(r.s.ReadNumbers(r.ctx, who, answers(t, head, answer(rows[2], "通过"), answer(rows[3], "通过"))))
	for _, x := range read {
		if x.Err == nil {
			t.Errorf("row %d: an answer is taken twice, or of a record in doubt", x.No)
		}
	}
	if runs := must[[]store.BulkRun](t)(r.s.NumberRuns(r.ctx, who)); len(runs) != 1 || runs[0].Doc.Ref != "核查 2026-3" {
		t.Errorf("%+v", runs)
	}
}

// The school of study starts an arrangement for a pupil who is not in its sight; the agreement is then both schools' to read (Arts 6, 17).
func TestArrangementByStudySchool(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	reg := r.staff("registrar.qiming") // 特殊教育学校
	sheet := must[string](t)(r.s.PutFile(r.ctx, reg, "", "协议.pdf", "application/pdf", strings.NewReader("%PDF-1.7 agreement")))
	_, err := r.s.File(r.ctx, r.staff("registrar.yunhe"), sheet)
	wantCode(t, err, registry.CodeNotFound)
	must[registry.Pupil](t)(r.s.Act(r.ctx, reg, uid, 0, registry.Arrange{School: reg.Unit, Mode: registry.ModeSpecial, Agreement: sheet, AgreedBy: []string{"母亲", "原学校"}, Reason: "需要特教", Guardian: "母亲"}))
	for _, login := range []string{"registrar.yunhe", "registrar.qiming", "officer.yunhe"} {
		if _, err := r.s.File(r.ctx, r.staff(login), sheet); err != nil {
			t.Errorf("%s cannot read the agreement: %v", login, err)
		}
	}
	for _, login := range []string{"registrar.yunhe", "registrar.qiming", "officer.yunhe"} {
		r.accept(login, uid)
	}
	if p := r.pupil(uid); p.Study == nil || p.Study.School != reg.Unit || p.School != demo.YunheShiyan || p.Mode != registry.ModeSpecial {
		t.Errorf("%+v", p.Study)
	}
}

// FuzzSheet: whatever bytes come as a workbook, they are rows within the bound or a coded refusal.
func FuzzSheet(f *testing.F) {
	x := excelize.NewFile()
	for i, row := range [][]any{{"学籍号", "姓名", "身份证件号", "核查结果"}, {"L1", "王一", "330196201905060013", "通过"}, {"", "", "", ""}} {
		if err := x.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			f.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := x.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	x.Close()
	if rows, err := readSheet(b.Bytes(), numberHeads, []string{"name", "id", "result"}, 5); err != nil || len(rows) != 1 || rows[0].no != 2 || rows[0].cells["name"] != "王一" {
		f.Fatalf("the seed: %+v %v", rows, err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("no workbook"))
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := readSheet(body, numberHeads, []string{"name", "id", "result"}, 5)
		switch {
		case err != nil && registry.CodeOf(err) != registry.CodeInvalid:
			t.Fatal(err)
		case len(rows) > 5:
			t.Fatalf("%d rows", len(rows))
		}
		for _, r := range rows {
			if len(r.cells) == 0 || r.no < 2 {
				t.Fatalf("%+v", r)
			}
			answerOf(r.cells["result"])
		}
	})
}
