package service

import (
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/internal/demo"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// scan files a proof for a pupil.
func (r *rig) scan(login string, uid registry.UID) []string {
	r.t.Helper()
	return []string{must[string](r.t)(r.s.PutFile(r.ctx, r.staff(login), uid, "scan.pdf", "application/pdf", strings.NewReader("%PDF-1.4 "+string(uid))))}
}

// act moves a pupil by a member of staff.
func (r *rig) act(login string, uid registry.UID, ev registry.Event) registry.Pupil {
	r.t.Helper()
	return must[registry.Pupil](r.t)(r.s.Act(r.ctx, r.staff(login), uid, 0, ev))
}

func (r *rig) refused(login string, uid registry.UID, ev registry.Event, code registry.Code) {
	r.t.Helper()
	_, err := r.s.Act(r.ctx, r.staff(login), uid, 0, ev)
	wantCode(r.t, err, code)
}

func (r *rig) refuse(login string, uid registry.UID, why registry.RefusalCode) {
	r.t.Helper()
	p := r.pupil(uid)
	c := p.OpenCase()
	r.act(login, uid, registry.DecideStep{CaseNo: c.No, Party: c.Steps[c.Current()].Party, Decision: registry.DecisionRefuse, Refusal: why, Note: "请补材料"})
}

// Article 10: two approvals, the number stays; a refusal changes nothing; what is no key item is amended at once; another's document is refused before anybody approves.
func TestCorrectionJourney(t *testing.T) {
	r := newRig(t)
	uid, other := r.enrolled(0), r.enrolled(1)
	was := r.pupil(uid)
	name := registry.Change{Field: registry.FName, From: was.Form[registry.FName], To: was.Form[registry.FName] + "𬀩"}
	ev := registry.StartCorrect{Changes: []registry.Change{name}, Reason: "户口簿更正", Guardian: "母亲"}
	r.refused("registrar.yunhe", uid, ev, registry.CodeEvidence)
	ev.Evidence = r.scan("registrar.yunhe", uid)
	r.refused("registrar.yunhe", uid, registry.Amend{Changes: ev.Changes}, registry.CodeRule)
	r.refused("registrar.qingshi", uid, ev, registry.CodeNotFound)
	theirs := registry.Change{Field: registry.FIDNumber, From: was.Form[registry.FIDNumber], To: r.pupil(other).Form[registry.FIDNumber]}
	r.refused("registrar.yunhe", uid, registry.StartCorrect{Changes: []registry.Change{theirs}, Reason: "x", Guardian: "x", Evidence: ev.Evidence}, registry.CodeDuplicate)

	r.act("registrar.yunhe", uid, ev)
	r.refuse("leader.yunhe", uid, registry.RefuseEvidence)
	if p := r.pupil(uid); p.Form[registry.FName] != name.From || p.Lock != "" {
		t.Fatal("a refused correction changed the record")
	}
	r.act("registrar.yunhe", uid, ev)
	r.accept("leader.yunhe", uid)
	if p := r.pupil(uid); p.Form[registry.FName] != name.From {
		t.Fatal("changed before the authority approved")
	}
	r.accept("officer.yunhe", uid)
	p := r.pupil(uid)
	if p.Form[registry.FName] != name.To || p.Number != was.Number {
		t.Fatalf("after both: %s, number moved: %v", p.Form[registry.FName], p.Number != was.Number)
	}
	if c := p.Cases[len(p.Cases)-1]; len(c.Changes) != 1 || c.Changes[0].From != name.From {
		t.Error("what was there before is lost")
	}
	r.act("registrar.yunhe", uid, registry.Amend{Changes: []registry.Change{{Field: registry.FPhone, From: was.Form[registry.FPhone], To: "13900001111"}}})
	if r.pupil(uid).Form[registry.FPhone] != "13900001111" {
		t.Error("not amended")
	}
}

// Articles 20 and 16: abroad on valid documents; the record is found before a new one is begun, and continued at another school with its number.
func TestAbroadAndBackJourney(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	was := r.pupil(uid)
	go1 := registry.GoAbroad{On: r.s.Today(), Country: "840", Papers: "护照", Guardian: "父亲"}
	r.refused("registrar.yunhe", uid, go1, registry.CodeEvidence)
	go1.Evidence = r.scan("registrar.yunhe", uid)
	r.act("registrar.yunhe", uid, go1)
	if p := r.pupil(uid); p.Standing != registry.StandingAbroad || p.Abroad.Country != "840" {
		t.Fatalf("standing %s", p.Standing)
	}
	r.pass(24 * time.Hour)
	// Back in another county: the enrolment is refused with where the record is, and the record is called over.
	_, _, err := r.s.EnrolOne(r.ctx, r.staff("registrar.qingshi"), r.form(0), "")
	wantCode(t, err, registry.CodeDuplicate)
	sum := must2(r.s.FindByDocument(r.ctx, r.staff("registrar.qingshi"), was.Form[registry.FIDNumber], was.Form[registry.FName]))(t)
	if sum.Standing != registry.StandingAbroad {
		t.Fatalf("found as %s", sum.Standing)
	}
	home := registry.ComeHome{School: demo.QingshiCentre, Grade: 1, Class: "1班", Papers: "入境记录", Guardian: "父亲"}
	r.act("registrar.qingshi", uid, home)
	for _, login := range []string{"leader.qingshi", "officer.qingshi", "leader.yunhe", "officer.yunhe"} {
		r.accept(login, uid)
	}
	p := r.pupil(uid)
	if p.Standing != registry.StandingEnrolled || p.School != demo.QingshiCentre || p.Number != was.Number || p.Abroad != nil {
		t.Fatalf("after coming home: %s at %s", p.Standing, p.School)
	}
	r.refused("registrar.qingshi", uid, home, registry.CodeWrongState)
}

// Article 21: from the report on nothing is told at a screen; the authority's word ends the record and the card.
func TestDeathJourney(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	card := r.issue(uid, chipA)
	d := r.device(demo.YunheShiyan)
	ev := registry.ReportDeath{KnownOn: r.s.Today(), Proof: "医学证明"}
	r.refused("registrar.yunhe", uid, ev, registry.CodeEvidence)
	ev.Evidence = r.scan("registrar.yunhe", uid)
	r.refused("registrar.yunhe", uid, registry.ReportDeath{KnownOn: r.s.Today().AddDays(1), Proof: "x", Evidence: ev.Evidence}, registry.CodeInvalid)
	r.act("registrar.yunhe", uid, ev)
	_, err := r.s.Status(r.ctx, d.kiosk, api.StatusRequest{Card: card, PIN: demo.PIN})
	wantCode(t, err, registry.CodeForbidden)
	if e := err.(*registry.Error); e.Params["why"] != "teacher" {
		t.Fatalf("the kiosk is told %v", e.Params)
	}
	r.refused("registrar.yunhe", uid, registry.StartSuspend{From: r.s.Today(), Until: r.s.Today().AddDays(9), Reason: "x", Guardian: "x"}, registry.CodeLocked)
	r.accept("officer.yunhe", uid)
	if p := r.pupil(uid); p.Standing != registry.StandingDeceased || p.Card != nil || p.PIN != "" || !p.NoContact {
		t.Fatalf("after the authority's word: %s", p.Standing)
	}
	if rev := must[api.Revocations](t)(r.s.Revocations(r.ctx)); len(rev.Revoked) != 1 {
		t.Error("the card is not on the deny list")
	}
}

// Article 22: three reports on the school's list until handed in, persuasion logged, the pupil back.
func TestDropoutJourney(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	reg := r.staff("registrar.yunhe")
	r.refused("registrar.yunhe", uid, registry.ReportDropout{Since: r.s.Today().AddDays(1), Reason: "外出"}, registry.CodeInvalid)
	r.act("registrar.yunhe", uid, registry.ReportDropout{Since: r.s.Today(), Reason: "外出"})
	due := func() (n int) {
		for _, row := range must[ToDo](t)(r.s.ToDo(r.ctx, reg, ToDoAsk{})).Mine {
			if row.Kind == registry.TaskDropoutReport {
				n++
			}
		}
		return n
	}
	if due() != 3 {
		t.Fatalf("%d reports are due", due())
	}
	prints := &formPapers{}
	r.s.papers = prints
	for _, k := range []FormKind{FormTownship, FormCounty, FormAuthority} {
		must[[]byte](t)(r.s.PrintForm(r.ctx, reg, uid, k, ""))
		r.act("registrar.yunhe", uid, registry.FileReport{To: registry.ReportTo(k), On: r.s.Today(), Ref: "收 1"})
	}
	if due() != 0 || len(prints.got) != 3 {
		t.Fatalf("%d still due, %d printed", due(), len(prints.got))
	}
	r.refused("registrar.yunhe", uid, registry.FileReport{To: registry.ReportCounty, On: r.s.Today()}, registry.CodeConflict)
	r.act("registrar.yunhe", uid, registry.LogPersuasion{On: r.s.Today(), How: "家访", Note: "家长答应返校"})
	r.refused("officer.yunhe", uid, registry.HandOverArchive{}, registry.CodeWrongState) // not a migrant worker's child
	r.act("registrar.yunhe", uid, registry.ReturnFromDropout{Grade: 1, Class: "1班", Proof: "家长送回"})
	if p := r.pupil(uid); p.Standing != registry.StandingEnrolled || p.Dropout != nil {
		t.Fatalf("after the return: %s", p.Standing)
	}
}

// Articles 22 and 27 item 4: an absence stands on the school's list, with the family to be spoken with first; over its days it is a finding and the county's; the report
// begins with it, and ends it.
func TestAbsenceJourney(t *testing.T) {
	r := newRig(t)
	uid, other := r.enrolled(0), r.enrolled(1)
	reg, officer := r.staff("registrar.yunhe"), r.staff("officer.yunhe")
	from := r.s.Today()
	for login, code := range map[string]registry.Code{"registrar.qingshi": registry.CodeNotFound, "officer.yunhe": registry.CodeForbidden, "clerk.yunhe": registry.CodeForbidden} {
		r.refused(login, uid, registry.RecordAbsence{Since: from, Absence: registry.AbsenceUnexplained}, code)
	}
	r.act("leader.yunhe", uid, registry.RecordAbsence{Since: from, Absence: registry.AbsenceUnexplained, Note: "未请假"})
	r.act("registrar.yunhe", other, registry.RecordAbsence{Since: from, Absence: registry.AbsenceSick, Until: from.AddDays(60), Note: "住院"})
	todo := func(who Staff) (out []registry.TaskKind) {
		d := must[ToDo](t)(r.s.ToDo(r.ctx, who, ToDoAsk{}))
		for _, row := range slices.Concat(tasksOf(d.Mine), d.Above) {
			if row.Task.UID == uid && strings.HasPrefix(string(row.Kind), "absence") {
				out = append(out, row.Kind)
			}
			if row.Task.UID == other && strings.HasPrefix(string(row.Kind), "absence") {
				t.Errorf("a leave that runs is asked about: %s", row.Kind)
			}
		}
		return out
	}
	findings := func() []FindingRow {
		if err := r.look(officer); err != nil {
			t.Fatal(err)
		}
		return must[[]FindingRow](t)(r.s.FindingList(r.ctx, officer, demo.YunheShiyan, supervise.NoReport, 10, 0))
	}
	if got := todo(reg); !slices.Equal(got, []registry.TaskKind{registry.TaskAbsenceContact}) {
		t.Errorf("on the first day: %v", got)
	}
	r.act("registrar.yunhe", uid, registry.FollowAbsence{On: from, With: "母亲", How: "电话", Note: "说下周返校", Absence: registry.AbsenceUnexplained})
	if got := todo(reg); len(got) != 0 || len(findings()) != 0 {
		t.Errorf("spoken with, and not near yet: %v", got)
	}
	p := r.pupil(uid)
	due := p.Absent().DueOn
	r.at(string(due))
	if got := todo(reg); !slices.Equal(got, []registry.TaskKind{registry.TaskAbsence}) || len(todo(officer)) != 0 {
		t.Errorf("on the day: %v", got)
	}
	r.at(string(due.AddDays(1)))
	if rows := findings(); len(rows) != 1 || rows[0].UID != uid || rows[0].Why != "absence" || !slices.Equal(todo(officer), []registry.TaskKind{registry.TaskAbsence}) {
		t.Errorf("over its days: %+v, the county sees %v", rows, todo(officer))
	}
	// The list: both by class, the first to be settled first; another school sees nobody.
	list := must[Absences](t)(r.s.Absences(r.ctx, officer, AbsenceAsk{}))
	if list.Total != 2 || list.Rows[0].UID != uid || len(list.Rows[0].Absence.Contacts) != 1 || list.Classes[0].Late != 1 {
		t.Errorf("%+v", list)
	}
	if list = must[Absences](t)(r.s.Absences(r.ctx, reg, AbsenceAsk{Grade: 1, Class: p.Class, Limit: 1, Offset: 1})); list.Total < 1 || len(list.Rows) != list.Total-1 {
		t.Errorf("the second page: %+v", list)
	}
	if list = must[Absences](t)(r.s.Absences(r.ctx, r.staff("registrar.qingshi"), AbsenceAsk{})); list.Total != 0 {
		t.Errorf("another school: %+v", list)
	}
	// The report ends it and takes over what was said; the other comes back.
	r.act("registrar.yunhe", uid, registry.ReportDropout{Since: from, Reason: "未返校"})
	r.act("leader.yunhe", other, registry.EndAbsence{On: r.s.Today()})
	p = r.pupil(uid)
	r.pass(time.Minute) // for a new look at the school
	if p.Absent() != nil || len(p.Dropout.Log) != 1 || len(findings()) != 0 || must[Absences](t)(r.s.Absences(r.ctx, reg, AbsenceAsk{})).Total != 0 {
		t.Errorf("after both: %+v, %d lines, findings %+v", p.Absences, len(p.Dropout.Log), findings())
	}
}

// Articles 6 and 17: the 学籍 stays, the pupil studies elsewhere, on a filed agreement; and comes back.
func TestArrangementJourney(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	ev := registry.Arrange{School: demo.YunheSecond, Mode: registry.ModeInclusive, AgreedBy: []string{"母亲", "本校"}, Reason: "评估建议", Guardian: "母亲"}
	r.refused("registrar.yunhe", uid, ev, registry.CodeEvidence)
	ev.Agreement = r.scan("registrar.yunhe", uid)[0]
	r.act("registrar.yunhe", uid, ev)
	r.accept("leader.yunhe", uid)
	r.refuse("registrar.yunhe2", uid, registry.RefuseNoPlace)
	if p := r.pupil(uid); p.Study != nil {
		t.Fatal("arranged against the word of the school of study")
	}
	r.act("registrar.yunhe", uid, ev)
	for _, login := range []string{"leader.yunhe", "registrar.yunhe2", "officer.yunhe"} {
		r.accept(login, uid)
	}
	p := r.pupil(uid)
	if p.School != demo.YunheShiyan || p.StudySchool() != demo.YunheSecond || p.Mode != registry.ModeInclusive {
		t.Fatalf("学籍 at %s, studies at %s as %s", p.School, p.StudySchool(), p.Mode)
	}
	if _, _, err := r.s.Pupil(r.ctx, r.staff("registrar.yunhe2"), uid); err != nil {
		t.Errorf("the school of study does not see the pupil: %v", err)
	}
	r.act("leader.yunhe2", uid, registry.RecordAbsence{Since: r.s.Today(), Absence: registry.AbsenceUnexplained}) // who teaches knows who stays away
	for _, login := range []string{"registrar.yunhe", "registrar.yunhe2"} {
		if list := must[Absences](t)(r.s.Absences(r.ctx, r.staff(login), AbsenceAsk{})); list.Total != 1 {
			t.Errorf("%s sees %d absent", login, list.Total)
		}
	}
	r.act("registrar.yunhe", uid, registry.EndArrange{Reason: "评估后回校"})
	if p := r.pupil(uid); p.Study != nil || p.Mode != registry.ModeOrdinary {
		t.Error("the arrangement has not ended")
	}
}

// Article 19: an extension registers the later end, and is bounded by the rule pack.
func TestExtensionJourney(t *testing.T) {
	r := newRig(t)
	uid := r.enrolled(0)
	today := r.s.Today()
	r.refused("registrar.yunhe", uid, registry.StartExtend{Until: today.AddDays(400), Reason: "x", Guardian: "x"}, registry.CodeWrongState)
	must[registry.CaseNo](t)(r.s.StartSuspend(r.ctx, r.staff("registrar.yunhe"), uid, registry.StartSuspend{From: today, Until: today.AddDays(200), Reason: "因病", Guardian: "母亲"}))
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	r.refused("registrar.yunhe", uid, registry.StartExtend{Until: today.AddDays(2000), Reason: "x", Guardian: "x"}, registry.CodeInvalid)
	r.act("registrar.yunhe", uid, registry.StartExtend{Until: today.AddDays(400), Reason: "仍在治疗", Guardian: "母亲"})
	r.accept("leader.yunhe", uid)
	r.accept("officer.yunhe", uid)
	if p := r.pupil(uid); p.Suspension == nil || p.Suspension.Until != today.AddDays(400) {
		t.Fatalf("suspension %+v", p.Suspension)
	}
}

// Article 6: a doubt is raised by the authority, sent back, resolved; an erasure goes up to the nation for a G number; a merger is undone.
func TestDoubtJourney(t *testing.T) {
	r := newRig(t)
	a, b := r.enrolled(0), r.enrolled(1)
	r.act("officer.yunhe", a, registry.RaiseProblem{Problem: registry.ProblemWrongID, Note: "号码存疑"})
	no := r.pupil(a).Lock
	r.refused("registrar.yunhe", a, registry.ResolveProblem{CaseNo: no, Way: registry.WayEvidence, Words: "x", Evidence: r.scan("registrar.yunhe", a)}, registry.CodeInvalid)
	was := r.pupil(a).Form[registry.FName]
	fix := registry.ResolveProblem{CaseNo: no, Way: registry.WayCorrect, Words: "按户口簿", Changes: []registry.Change{{Field: registry.FName, From: was, To: was + "一"}}}
	r.act("registrar.yunhe", a, fix)
	r.refuse("officer.yunhe", a, registry.RefuseEvidence)
	if p := r.pupil(a); p.Lock != no || p.Form[registry.FName] != was {
		t.Fatal("a doubt that was sent back is lost, or changed something")
	}
	r.act("registrar.yunhe", a, fix)
	r.accept("officer.yunhe", a)
	if p := r.pupil(a); p.Lock != "" || p.Form[registry.FName] != was+"一" {
		t.Fatal("not mended")
	}

	r.refused("registrar.yunhe", b, registry.StartErase{Reason: "误建"}, registry.CodeEvidence)
	r.act("registrar.yunhe", b, registry.StartErase{Reason: "误建", Evidence: r.scan("registrar.yunhe", b)})
	erased := r.pupil(b)
	if c := erased.OpenCase(); c == nil || c.Steps[len(c.Steps)-1].Party == registry.PartyAuthority {
		t.Error("a G number's erasure ends at the authority")
	}
	r.act("registrar.yunhe", b, registry.Withdraw{CaseNo: r.pupil(b).Lock})

	number := r.pupil(b).Number
	wantCode(t, r.s.Merge(r.ctx, r.staff("registrar.yunhe"), a, b, "同一人"), registry.CodeForbidden)
	wantCode(t, r.s.Merge(r.ctx, r.staff("officer.yunhe"), a, b, ""), registry.CodeInvalid)
	if err := r.s.Merge(r.ctx, r.staff("officer.yunhe"), a, b, "同一人"); err != nil {
		t.Fatal(err)
	}
	if p := r.pupil(b); p.Merged == nil || p.Number != "" {
		t.Fatal("not merged")
	}
	if err := r.s.Unmerge(r.ctx, r.staff("officer.yunhe"), b, a, "两人"); err != nil {
		t.Fatal(err)
	}
	if p := r.pupil(b); p.Merged != nil || p.Number != number || p.Standing != registry.StandingEnrolled {
		t.Fatal("the merger is not undone")
	}
}
