package registry_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

// refused runs one event and wants a refusal with a code.
func refused(t *testing.T, s *rt.Story, who registry.Actor, ev registry.Event, want registry.Code) *registry.Error {
	t.Helper()
	if s.Err != nil {
		t.Fatal(s.Err)
	}
	s.Do(who, ev)
	var e *registry.Error
	if !errors.As(s.Err, &e) || e.Code != want {
		t.Errorf("%s: %v, want %s", ev.Kind(), s.Err, want)
		e = &registry.Error{}
	}
	s.Err = nil
	return e
}

func opened(t *testing.T, s *rt.Story) registry.Case {
	t.Helper()
	p := run(t, s)
	c := p.OpenCase()
	if c == nil {
		t.Fatal("no open case")
	}
	return *c
}

func kinds(p registry.Pupil, env registry.Env) []registry.TaskKind {
	var out []registry.TaskKind
	for _, k := range registry.Tasks(p, env) {
		out = append(out, k.Kind)
	}
	return out
}

// Article 10: key items by the guardian's application, the school and the authority; the number stays when the document is corrected; what was there stays known.
func TestCorrection(t *testing.T) {
	s := rt.In("enrolled+archive+card")
	number, old := s.P.Number, s.P.Form[registry.FIDNumber]
	id := rt.Form(2)[registry.FIDNumber]
	p := run(t, s.Correct(registry.FName, "欧阳晨", registry.FIDNumber, id))
	if c := p.OpenCase(); c.Kind != registry.CaseCorrect || c.Steps[0].Unit != rt.PrimaryA || c.Steps[1].Unit != rt.CountyA || p.Form[registry.FName] == "欧阳晨" {
		t.Fatalf("%+v", c)
	}
	p = run(t, s.Accept().Accept())
	if p.Form[registry.FName] != "欧阳晨" || p.Form[registry.FIDNumber] != id || p.Number != number || !p.CardBehind() {
		t.Errorf("%s %s", p.Form[registry.FName], p.Number)
	}
	if c := p.Cases[len(p.Cases)-1]; c.Changes[1].From != old || c.Changes[1].To != id || len(c.Evidence) != 1 {
		t.Errorf("what was there before: %+v", c.Changes)
	}
	// What is no key item is the school's at once; a key item is not, and a page that was out of date changes nothing.
	who := rt.Registrar(rt.PrimaryA)
	p = run(t, s.Do(who, registry.Amend{Changes: []registry.Change{s.Item(registry.FPhone, "13900000000"), s.Item(registry.FClass, "4班")}}))
	if p.Form[registry.FPhone] != "13900000000" || p.Class != "4班" {
		t.Errorf("%+v", p.Form)
	}
	refused(t, s, who, registry.Amend{Changes: []registry.Change{s.Item(registry.FName, "王")}}, registry.CodeRule)
	refused(t, s, who, registry.Amend{Changes: []registry.Change{{Field: registry.FPhone, From: "13800000000", To: "13700000000"}}}, registry.CodeConflict)
	refused(t, s, who, registry.Amend{Changes: []registry.Change{s.Item(registry.FGrade, "4")}}, registry.CodeInvalid)
	correct := func(ch ...registry.Change) registry.StartCorrect {
		return registry.StartCorrect{CaseNo: s.No(registry.CaseCorrect), Changes: ch, Reason: "r", Guardian: "g", Evidence: []string{file}}
	}
	refused(t, s, who, correct(s.Item(registry.FPhone, "13600000000")), registry.CodeRule)
	refused(t, s, who, correct(s.Item(registry.FIDNumber, id[:17]+"!")), registry.CodeInvalid)
	noProof := correct(s.Item(registry.FName, "王小明"))
	noProof.Evidence = nil
	refused(t, s, who, noProof, registry.CodeEvidence)
}

// Article 12: once a year, in its time, not over a stage's end, not with a case open, not whom the new year placed already; undone before the close.
func TestPromotion(t *testing.T) {
	s := rt.In("promoted")
	if s.P.Grade != 4 || s.P.Form[registry.FGrade] != "4" || s.P.Promotion.FromGrade != 3 {
		t.Fatalf("%+v", s.P.Promotion)
	}
	why := func(s *rt.Story) string {
		return refused(t, s, rt.System(), registry.Promote{Year: 2026}, registry.CodeWrongState).Params["why"]
	}
	if w := why(s); w != "promoted" {
		t.Error(w)
	}
	who := rt.Registrar(rt.PrimaryA)
	p := run(t, s.Do(who, registry.UndoPromote{Year: 2026, Reason: "误操作"}))
	if p.Grade != 3 || p.Class != "2班" || p.Form[registry.FClassNo] != "17" || p.Promotion != nil {
		t.Errorf("%+v", p)
	}
	p = run(t, s.Do(rt.System(), registry.Promote{Year: 2026, Class: "5班"}))
	if p.Grade != 4 || p.Class != "5班" || p.Form[registry.FClassNo] != "" {
		t.Errorf("%d %s", p.Grade, p.Class)
	}
	s.Wait(60) // after the close
	refused(t, s, who, registry.UndoPromote{Year: 2026, Reason: "迟了"}, registry.CodeWindow)
	refused(t, s, rt.System(), registry.Promote{Year: 2026}, registry.CodeWindow)
	refused(t, rt.In("transfer/receiver"), rt.System(), registry.Promote{Year: 2026}, registry.CodeLocked)
	refused(t, rt.In("enrolled"), rt.Officer(rt.CountyA), registry.Promote{Year: 2026}, registry.CodeForbidden)
	if w := why(rt.In("last grade")); w != "stage_end" {
		t.Error(w)
	}
	if w := why(rt.In("moved/received")); w != "placed" {
		t.Error(w)
	}
	newcomer := rt.NewStory(1).Enrol(rt.PrimaryA, rt.FormOf("王小明", "2020-03-09", 21, 1)).AcceptAll()
	if w := why(newcomer); w != "placed" {
		t.Error(w)
	}
	// A nine-year school takes its own pupils over the first stage's end.
	nine := rt.NewStory(1).Enrol(rt.NineYearB, rt.FormOf("王小明", "2015-03-09", 21, 6)).AcceptAll().Promote()
	if p := run(t, nine); p.Grade != 7 {
		t.Errorf("grade %d", p.Grade)
	}
}

// Article 11: repeating and skipping a grade only where the province allows it; who repeats is passed over.
func TestRepeatAndSkip(t *testing.T) {
	s := rt.In("enrolled")
	who := rt.Registrar(rt.PrimaryA)
	repeat := registry.StartRepeat{CaseNo: s.No(registry.CaseRepeat), ToGrade: 3, Reason: "因病", Guardian: "母亲"}
	if e := refused(t, s, who, repeat, registry.CodeRule); e.Params["rule"] != "repeat_grades" {
		t.Error(e.Params)
	}
	pack, err := registry.DefaultPack().Overlay([]byte(`{"version":"P","title":"t","repeat_grades":[3],"skip_grades":[3,6]}`))
	if err != nil {
		t.Fatal(err)
	}
	s.Env.Pack = pack
	p := run(t, s.Do(who, repeat).AcceptAll())
	if p.StayYear != 2026 || p.Grade != 3 {
		t.Errorf("%d %d", p.StayYear, p.Grade)
	}
	if e := refused(t, s, rt.System(), registry.Promote{Year: 2026}, registry.CodeWrongState); e.Params["why"] != "stay" && e.Params["why"] != "placed" {
		t.Error(e.Params)
	}
	p = run(t, s.Do(who, registry.StartSkip{CaseNo: s.No(registry.CaseSkip), ToGrade: 4, Reason: "超常", Guardian: "母亲"}).AcceptAll())
	if p.Grade != 4 {
		t.Error(p.Grade)
	}
}

// Articles 9, 13, 14: a certificate at the end, the archive kept for good within the rule pack's time; the next stage's school calls pupil and archive over.
func TestFinishAndAdvance(t *testing.T) {
	s := rt.In("graduated")
	if c := s.P.Certificates; len(c) != 1 || c[0].No != "3301062026060001" || c[0].End != registry.StandingGraduated || c[0].Grade != 6 {
		t.Errorf("%+v", c)
	}
	if k := kinds(s.P, s.Env); !reflect.DeepEqual(k, []registry.TaskKind{registry.TaskArchiveKeep}) || s.P.Archive.KeepDue != "2026-12-07" {
		t.Errorf("%v by %s", k, s.P.Archive.KeepDue)
	}
	p := run(t, s.Keep())
	if p.Archive.State != registry.ArchivePermanent || len(kinds(p, s.Env)) != 0 {
		t.Errorf("%+v", p.Archive)
	}
	p = run(t, s.Advance(rt.JuniorA))
	c := p.OpenCase()
	due, _ := registry.DefaultCalendar().AddWorkingDays(registry.DateOf(s.Now), 10)
	if c.Kind != registry.CaseAdvance || c.Reach != registry.ReachOne || c.Steps[0].Unit != rt.JuniorA || c.Steps[0].DueOn != due || p.Standing != registry.StandingGraduated {
		t.Fatalf("%+v", c)
	}
	p = run(t, s.AcceptAll())
	if p.Standing != registry.StandingEnrolled || p.School != rt.JuniorA || p.Grade != 7 || p.Archive.State != registry.ArchiveCalled || p.Archive.From != rt.PrimaryA || len(p.Certificates) != 1 {
		t.Errorf("%+v", p)
	}
	if p = run(t, s.Send().Receive()); p.Archive.Custodian != rt.JuniorA || !slices.Contains(p.Archive.Backups, rt.PrimaryA) {
		t.Errorf("%+v", p.Archive)
	}
	// The compulsory years are not left by 肄业, and 升学 begins at a stage's end.
	s = rt.In("enrolled")
	who := rt.Registrar(rt.PrimaryA)
	refused(t, s, who, registry.StartFinish{CaseNo: s.No(registry.CaseFinish), End: registry.StandingLeft, Certificate: "1", On: "2026-09-01"}, registry.CodeRule)
	refused(t, s, rt.Registrar(rt.NineYearB), registry.StartAdvance{CaseNo: s.No(registry.CaseAdvance), To: rt.NineYearB, ToGrade: 4}, registry.CodeRule)
	s = rt.In("last grade")
	refused(t, s, who, registry.StartFinish{CaseNo: s.No(registry.CaseFinish), End: registry.StandingGraduated, On: "2026-09-01"}, registry.CodeInvalid)
}

// Article 19: an extension within the rule pack's bound; the return may come early.
func TestExtension(t *testing.T) {
	s := rt.In("suspended")
	from := s.P.Suspension.From
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.StartExtend{CaseNo: s.No(registry.CaseExtend), Until: from.AddMonths(25), Reason: "r", Guardian: "g"}, registry.CodeInvalid)
	p := run(t, s.Extend().AcceptAll())
	if p.Suspension.Until != from.AddMonths(9) || p.Suspension.From != from {
		t.Errorf("%+v", p.Suspension)
	}
	if p = run(t, s.Return()); p.Standing != registry.StandingEnrolled {
		t.Error(p.Standing)
	}
}

// Article 20: abroad on valid documents; the old record and archive are continued, at the old school or another.
func TestAbroadAndBack(t *testing.T) {
	s := rt.In("abroad")
	items := s.P.Archive.Items
	if s.P.Abroad.Country != "840" || s.P.Number == "" {
		t.Errorf("%+v", s.P.Abroad)
	}
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.Enrol{CaseNo: s.No(registry.CaseEnrol), School: rt.PrimaryA, Form: rt.Form(1)}, registry.CodeWrongState)
	p := run(t, s.Wait(300).ComeHome(rt.NineYearB).AcceptAll())
	if p.Standing != registry.StandingEnrolled || p.Abroad != nil || p.School != rt.NineYearB || p.Archive.State != registry.ArchiveCalled || !reflect.DeepEqual(p.Archive.Items, items) {
		t.Errorf("%+v", p)
	}
	s = rt.In("enrolled")
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.GoAbroad{CaseNo: s.No(registry.CaseAbroad), On: "2026-09-01", Country: "156", Papers: "护照", Guardian: "g", Evidence: []string{file}}, registry.CodeInvalid)
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.GoAbroad{CaseNo: s.No(registry.CaseAbroad), On: "2026-09-01", Country: "840", Papers: "护照", Guardian: "g"}, registry.CodeEvidence)
}

// Article 21: ten working days from the day the school knew; nothing waits for other business; the family is left in peace; a wrong report is taken back whole.
func TestDeath(t *testing.T) {
	s := rt.In("transfer/sender")
	no := s.P.Lock
	p := run(t, s.Death())
	c := p.OpenCase()
	due, _ := registry.DefaultCalendar().AddWorkingDays(registry.DateOf(s.Now), 10)
	if c.Kind != registry.CaseDeath || c.Steps[0].DueOn != due || c.Steps[0].Decision != registry.DecisionAccept || c.Steps[1].Unit != rt.CountyA || !p.Tact() || p.Case(no).State != registry.CaseWithdrawn {
		t.Fatalf("%+v", c)
	}
	p = run(t, s.Accept())
	if p.Standing != registry.StandingDeceased || p.Card != nil || p.PIN != "" || !p.NoContact || !p.Tact() || p.Archive.Custodian != rt.PrimaryA {
		t.Errorf("%+v", p)
	}
	if k := kinds(p, s.Env); !reflect.DeepEqual(k, []registry.TaskKind{registry.TaskArchiveKeep}) {
		t.Error(k)
	}
	s = rt.In("enrolled+archive+card").Death()
	p = run(t, s.Do(rt.Registrar(rt.PrimaryA), registry.Withdraw{CaseNo: s.P.Lock, Note: "误报"}))
	if p.Tact() || p.Standing != registry.StandingEnrolled || p.Card == nil {
		t.Errorf("%+v", p)
	}
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.ReportDeath{CaseNo: s.No(registry.CaseDeath), KnownOn: "2026-12-01", Proof: "x", Evidence: []string{file}}, registry.CodeInvalid)
}

// Article 22: three written reports, the 学籍 kept for the compulsory years, and a migrant child's archive with the home county at the term's end.
func TestDropout(t *testing.T) {
	s := rt.In("dropout")
	if k := kinds(s.P, s.Env); !reflect.DeepEqual(k, []registry.TaskKind{registry.TaskDropoutReport, registry.TaskDropoutReport, registry.TaskDropoutReport}) || s.P.Dropout.KeepUntil != "2033-08-31" || s.P.Number == "" {
		t.Errorf("%v until %s", k, s.P.Dropout.KeepUntil)
	}
	who := rt.Registrar(rt.PrimaryA)
	for _, to := range []registry.ReportTo{registry.ReportTownship, registry.ReportCounty, registry.ReportAuthority} {
		run(t, s.Do(who, registry.FileReport{To: to, On: registry.DateOf(s.Now), Ref: "收文"}))
	}
	run(t, s.Do(who, registry.LogPersuasion{On: registry.DateOf(s.Now), How: "家访", Note: "家长同意"}))
	if len(kinds(s.P, s.Env)) != 0 || len(s.P.Dropout.Log) != 1 {
		t.Errorf("%+v", s.P.Dropout)
	}
	refused(t, s, who, registry.FileReport{To: registry.ReportCounty, On: registry.DateOf(s.Now)}, registry.CodeConflict)
	refused(t, s, who, registry.StartFinish{CaseNo: s.No(registry.CaseFinish), End: registry.StandingLeft, On: registry.DateOf(s.Now)}, registry.CodeWrongState)
	// Called over by another school: the dropout is over.
	if p := run(t, s.Transfer(rt.NineYearB).AcceptAll()); p.Standing != registry.StandingEnrolled || p.Dropout != nil {
		t.Errorf("%+v", p)
	}

	s = rt.In("dropout/migrant")
	if d := s.P.Dropout; d.Home != rt.CountyC || d.HandOverDue != "2027-01-31" {
		t.Errorf("%+v", d)
	}
	var office registry.Unit
	for _, k := range registry.Tasks(s.P, s.Env) {
		if k.Kind == registry.TaskHandOver {
			office = k.Unit
		}
	}
	if office != rt.CountyA {
		t.Errorf("the school's authority hands over, not %q", office)
	}
	p := run(t, s.HandOver().ReceiveAtHome())
	if p.Archive.Custodian != rt.CountyC || p.Archive.To != rt.CountyC || p.Standing != registry.StandingDropout {
		t.Errorf("%+v", p.Archive)
	}
	p = run(t, s.ComeBack())
	if a := p.Archive; a.State != registry.ArchiveCalled || a.From != rt.CountyC || a.To != rt.PrimaryA || !a.DueOn.Valid() {
		t.Errorf("%+v", a)
	}
	p = run(t, s.Do(rt.Officer(rt.CountyC), registry.SendArchive{No: "DA-00000001"}).Receive())
	if p.Archive.Custodian != rt.PrimaryA {
		t.Errorf("%+v", p.Archive)
	}
	s = rt.NewStory(1).Enrol(rt.PrimaryA, rt.Form(1)).AcceptAll()
	s.P.Grade = 10
	refused(t, s, who, registry.ReportDropout{CaseNo: s.No(registry.CaseDropout), Since: "2026-09-07", Reason: "r"}, registry.CodeRule)
}

// Article 27 item 4: an absence nobody explained is followed by a talk and then by a return, a leave or a report; what else becomes of the pupil ends it.
func TestAbsence(t *testing.T) {
	school := rt.Registrar(rt.PrimaryA)
	s := rt.In("enrolled+archive+card") // Monday 2026-09-07
	refused(t, s, school, registry.RecordAbsence{Since: "2026-09-08", Absence: registry.AbsenceUnexplained}, registry.CodeInvalid)
	refused(t, s, school, registry.RecordAbsence{Since: "2026-09-07", Absence: registry.AbsenceSick}, registry.CodeInvalid)
	refused(t, s, school, registry.RecordAbsence{Since: "2026-09-07", Absence: registry.AbsenceUnexplained, Until: "2026-09-09"}, registry.CodeInvalid)
	refused(t, s, school, registry.RecordAbsence{Since: "2026-09-07", Absence: registry.AbsenceSick, Until: "2027-09-08"}, registry.CodeInvalid) // that is a suspension
	refused(t, s, rt.Registrar(rt.PrimaryA2), registry.RecordAbsence{Since: "2026-09-07", Absence: registry.AbsenceUnexplained}, registry.CodeForbidden)
	refused(t, s, school, registry.EndAbsence{On: "2026-09-07"}, registry.CodeWrongState)
	p := run(t, s.StayAway())
	if a := p.Absent(); a.ContactDue != "2026-09-08" || a.DueOn != "2026-09-14" || a.Unsure {
		t.Errorf("%+v", a)
	}
	if k := kinds(p, s.Env); !reflect.DeepEqual(k, []registry.TaskKind{registry.TaskAbsenceContact, registry.TaskAbsence}) {
		t.Error(k)
	}
	pack := registry.DefaultPack()
	for _, k := range registry.Tasks(p, s.Env) {
		if k.Kind == registry.TaskAbsence && (k.Shown("2026-09-10", pack) || !k.Shown("2026-09-11", pack)) {
			t.Error("it is shown as it comes near")
		}
	}
	refused(t, s, school, registry.RecordAbsence{Since: "2026-09-07", Absence: registry.AbsenceUnexplained}, registry.CodeConflict)
	// A talk settles the first day; a leave moves the second to five school days after the first day on which the pupil should be back, over the October holidays.
	p = run(t, s.Wait(1).Speak())
	if a := p.Absent(); a.ContactDue != "" || a.DueOn != "2026-09-14" || len(a.Contacts) != 1 {
		t.Errorf("%+v", a)
	}
	leave := registry.FollowAbsence{On: "2026-09-08", With: "父亲", How: "家访", Note: "住院", Absence: registry.AbsenceSick, Until: "2026-09-30"}
	p = run(t, s.Do(school, leave))
	if a := p.Absent(); a.DueOn != "2026-10-14" || a.Kind != registry.AbsenceSick { // 10-08, then 10-09, 10-10 (make-up), 10-12, 10-13, 10-14
		t.Errorf("%+v", a)
	}
	// Days between terms are no school days.
	if due, _ := pack.AddSchoolDays(registry.DefaultCalendar(), "2026-07-14", 2); due != "2026-09-01" {
		t.Errorf("over the summer: %s", due)
	}
	p = run(t, s.Wait(3).Do(school, registry.EndAbsence{On: "2026-09-10", Note: "返校"}))
	if p.Absent() != nil || p.Absences[0].End != registry.AbsenceBack || p.Absences[0].EndedOn != "2026-09-10" || len(kinds(p, s.Env)) != 0 {
		t.Errorf("%+v", p.Absences)
	}
	refused(t, s, school, registry.RecordAbsence{Since: "2026-09-09", Absence: registry.AbsenceUnexplained}, registry.CodeInvalid) // it was there

	// The dropout report takes over what was said.
	s = rt.In("absent/spoken")
	p = run(t, s.DropOut())
	if p.Absent() != nil || p.Absences[0].End != string(registry.StandingDropout) || len(p.Dropout.Log) != 1 || p.Dropout.Log[0].How != "电话（母亲）" {
		t.Errorf("%+v %+v", p.Absences, p.Dropout)
	}
	// So do a suspension, a transfer and a death; a merger of schools does not.
	for end, q := range map[string]registry.Pupil{
		string(registry.StandingSuspended): run(t, rt.In("absent").Suspend().AcceptAll()),
		registry.AbsenceMoved:              run(t, rt.In("absent").Transfer(rt.NineYearB).AcceptAll()),
		string(registry.StandingDeceased):  run(t, rt.In("absent").Death().Accept()),
		"":                                 run(t, rt.In("absent").Do(rt.Officer(rt.CountyA), registry.MoveCustody{From: rt.PrimaryA, To: rt.PrimaryA2, State: registry.UnitMerged, Ref: "1"})),
	} {
		if q.Absences[0].End != end || (q.Absent() != nil) != (end == "") {
			t.Errorf("%q: %+v", end, q.Absences)
		}
	}
	// The school of study sees who stays away.
	s = rt.In("arranged")
	if p = run(t, s.Do(rt.Leader(rt.SpecialA), registry.RecordAbsence{Since: registry.DateOf(s.Now), Absence: registry.AbsenceUnexplained})); p.Absent() == nil {
		t.Error("not recorded")
	}
	if k := registry.Tasks(p, s.Env); len(k) != 2 || k[0].Unit != rt.PrimaryA || !reflect.DeepEqual(k[0].Others, []registry.Unit{rt.SpecialA}) {
		t.Errorf("%+v", k)
	}
}

// Article 22 when the home county is not in this register: the office that sent the archive records the receipt that came on paper.
func TestHandOverOutOfReach(t *testing.T) {
	f := rt.Form(1)
	f[registry.FMigrant], f[registry.FHukou] = "1", "510104000000"
	s := rt.NewStory(1).Enrol(rt.PrimaryA, f).AcceptAll().Build().DropOut().HandOver()
	refused(t, s, rt.Officer(rt.CountyB), registry.ReceiveArchive{No: s.P.Archive.No}, registry.CodeForbidden)
	if p := run(t, s.Do(rt.Officer(rt.CountyA), registry.ReceiveArchive{No: s.P.Archive.No})); p.Archive.Custodian != "510104" {
		t.Errorf("%+v", p.Archive)
	}
}

// Articles 4–6, T1: a pupil without any document is approved level by level to the province, on a guardian's document; a named or foreign document is not that.
func TestNoDocument(t *testing.T) {
	s := rt.NewStory(1).Enrol(rt.PrimaryA, rt.WithoutID(rt.Form(1)))
	var got []registry.Unit
	for _, st := range opened(t, s).Steps {
		got = append(got, st.Unit)
	}
	if !reflect.DeepEqual(got, []registry.Unit{rt.PrimaryA, rt.CountyA, rt.City, rt.Province}) {
		t.Error(got)
	}
	p := run(t, s.AcceptAll())
	if p.Number[0] != 'J' || p.Standing != registry.StandingEnrolled {
		t.Error(p.Number[:1], p.Standing)
	}
	f := rt.WithoutID(rt.Form(1))
	delete(f, registry.FG1IDNumber)
	delete(f, registry.FG1IDType)
	refused(t, rt.NewStory(1), rt.Registrar(rt.PrimaryA), registry.Enrol{CaseNo: s.No(registry.CaseEnrol), School: rt.PrimaryA, Form: f}, registry.CodeInvalid)
	foreign := rt.WithoutID(rt.Form(1))
	foreign[registry.FIDType], foreign[registry.FIDNumber], foreign[registry.FOverseas] = "A", "E12345678", "51"
	if c := opened(t, rt.NewStory(1).Enrol(rt.PrimaryA, foreign)); len(c.Steps) != 2 || c.Entry != registry.EntryLater {
		t.Errorf("%+v", c)
	}
	directly := rt.NewStory(1).Enrol(rt.CitySchool, rt.WithoutID(rt.Form(1)))
	if c := opened(t, directly); len(c.Steps) != 3 || c.Steps[2].Unit != rt.Province {
		t.Errorf("a school run by the city: %+v", c.Steps)
	}
}

// Articles 6, 17: taught elsewhere while the 学籍 stays, with the agreement and who agreed; a transfer ends it.
func TestArrangement(t *testing.T) {
	s := rt.In("arranged")
	p := s.P
	if p.School != rt.PrimaryA || p.StudySchool() != rt.SpecialA || p.Mode != registry.ModeSpecial || p.Study.Agreement != file || len(p.Study.AgreedBy) != 2 {
		t.Errorf("%+v", p.Study)
	}
	who := rt.Registrar(rt.PrimaryA)
	try := registry.Arrange{CaseNo: s.No(registry.CaseArrange), School: rt.NineYearB, Mode: registry.ModeReform, Agreement: file, AgreedBy: []string{"母亲"}, Reason: "r", Guardian: "g"}
	refused(t, s, who, try, registry.CodeInvalid) // no 工读学校
	try.Mode, try.Agreement = registry.ModeInclusive, ""
	refused(t, s, who, try, registry.CodeEvidence)
	home := try
	home.School, home.Mode, home.Agreement = rt.PrimaryA, registry.ModeHome, file
	if p := run(t, rt.In("enrolled").Do(who, home).AcceptAll()); p.StudySchool() != rt.PrimaryA || p.Mode != registry.ModeHome {
		t.Errorf("%+v", p.Study)
	}
	if p := run(t, s.Do(who, registry.EndArrange{Reason: "复评"})); p.Study != nil || p.Mode != "" {
		t.Errorf("%+v", p.Study)
	}
	if p := run(t, rt.In("arranged").Transfer(rt.NineYearB).AcceptAll()); p.Study != nil || p.Mode != "" {
		t.Errorf("%+v", p.Study)
	}
}

// Article 5, T2: L and J become G after the national check; the old number stays the pupil's.
func TestGiveNumber(t *testing.T) {
	s := rt.In("G from J")
	p := s.P
	if p.Number != registry.Number("G"+rt.Form(1)[registry.FIDNumber]) || len(p.Numbers) != 1 || p.Numbers[0].Number[0] != 'J' || p.Numbers[0].Why != "given" {
		t.Errorf("%s %+v", p.Number, p.Numbers)
	}
	refused(t, s, rt.System(), registry.GiveNumber{Ref: "x"}, registry.CodeWrongState)
	s = rt.In("enrolled J")
	refused(t, s, rt.System(), registry.GiveNumber{Ref: "x"}, registry.CodeInvalid)
	refused(t, s, rt.Officer(rt.CountyA), registry.GiveNumber{Ref: "x"}, registry.CodeForbidden)
}

// Article 6, T13: a doubt is settled by proof, correction or erasure; a wrong ID not by proof; a G number's erasure goes to the nation; what an office does not accept
// goes back and is not lost.
func TestProblem(t *testing.T) {
	s := rt.In("problem/sent back")
	if c := s.P.OpenCase(); c == nil || len(c.Steps) != 4 || c.Problem.Way != "" || c.Steps[1].Refusal != registry.RefuseEvidence {
		t.Fatalf("%+v", c)
	}
	p := run(t, s.Resolve(registry.WayCorrect).AcceptAll())
	if p.Form[registry.FName] != "欧阳明" || p.Lock != "" || p.Standing != registry.StandingEnrolled {
		t.Errorf("%+v", p.Form)
	}
	s = rt.In("enrolled").Doubt(registry.ProblemWrongID)
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.ResolveProblem{CaseNo: s.P.Lock, Way: registry.WayEvidence, Words: "w", Evidence: []string{file}}, registry.CodeInvalid)
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.DecideStep{CaseNo: s.P.Lock, Party: registry.PartySchool, Decision: registry.DecisionAccept}, registry.CodeWrongState)
	p = run(t, s.Resolve(registry.WayErase))
	var got []registry.Party
	for _, st := range p.OpenCase().Steps {
		got = append(got, st.Party)
	}
	if !reflect.DeepEqual(got, []registry.Party{registry.PartySchool, registry.PartyAuthority, registry.PartyProvinceAuth, registry.PartyNationAuth}) {
		t.Error(got)
	}
	p = run(t, s.AcceptAll())
	if p.Standing != registry.StandingErased || p.Number != "" || p.Numbers[0].Number[0] != 'G' || p.Archive.Custodian != rt.PrimaryA {
		t.Errorf("%+v", p)
	}
	j := rt.In("enrolled J").Doubt(registry.ProblemDoubleNoID).Resolve(registry.WayErase)
	if c := opened(t, j); len(c.Steps) != 2 {
		t.Errorf("a J number's erasure: %+v", c.Steps)
	}
}

// A merge loses nothing: undone, the record is what it was, but for the card.
func TestMergeIsUndone(t *testing.T) {
	s := rt.In("enrolled+archive+card")
	before := s.P.Clone()
	p := run(t, s.Merge(false))
	if p.Standing != registry.StandingErased || p.Number != "" || p.Merged.With != rt.Other() || p.Card != nil || !reflect.DeepEqual(p.Archive, before.Archive) {
		t.Errorf("%+v", p)
	}
	p = run(t, s.Do(rt.Officer(rt.CountyA), registry.Unmerge{Other: rt.Other(), Reason: "不是同一人"}))
	before.Card, before.Version = nil, p.Version
	if before.Numbers == nil {
		p.Numbers = slices.Clip(p.Numbers)
		if len(p.Numbers) == 0 {
			p.Numbers = nil
		}
	}
	if !reflect.DeepEqual(p, before) {
		t.Errorf("%+v\nwas %+v", p, before)
	}
	s = rt.In("absorbing")
	refused(t, s, rt.Officer(rt.CountyA), registry.Merge{Other: rt.Other(), Keep: true, Reason: "again"}, registry.CodeConflict)
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.Unmerge{Other: rt.Other(), Reason: "x"}, registry.CodeForbidden)
}

// Articles 7, 8, 16: a row that is replaced keeps what it was; what was handed over stays beside what the receiver lists, and the difference is told.
func TestArchiveVersions(t *testing.T) {
	s := rt.In("moved/received")
	who := rt.Registrar(rt.NineYearB)
	run(t, s.Do(who, registry.PutItem{Item: registry.ArchiveItem{No: 2, Group: 2, Title: "居民户口簿复印件", Pages: 4, Copy: true, Digest: file}}))
	run(t, s.Do(who, registry.PutItem{Item: registry.ArchiveItem{No: 4, Group: 5, Title: "奖状", Pages: 1, Digest: file, NoPaper: true}}))
	a := s.P.Archive
	if o := a.Items[1].Older; len(o) != 1 || o[0].Pages != 3 || o[0].By.Unit != rt.NineYearB {
		t.Errorf("%+v", a.Items[1])
	}
	d := a.SinceHanded()
	if len(d) != 2 || d[0].Was.Pages != 3 || d[0].Is.Pages != 4 || d[1].Was != nil || d[1].Is.Title != "奖状" {
		t.Errorf("%+v", d)
	}
	items := rt.Items()[1:]
	for i := range items {
		items[i].No = i + 1
	}
	run(t, s.Do(who, registry.BuildArchive{Items: items}))
	a = s.P.Archive
	if len(a.Items) != 2 || len(a.Retired) == 0 || !known(&a, "居民户口簿复印件", 4) || !known(&a, "学籍基础信息表", 2) {
		t.Errorf("%+v retired %+v", a.Items, a.Retired)
	}
	refused(t, s, who, registry.PutItem{Item: registry.ArchiveItem{No: 9, Group: 1, Title: "x"}}, registry.CodeInvalid)
	refused(t, s, who, registry.PutItem{Item: registry.ArchiveItem{No: 1, Group: 1, Title: "x", NoPaper: true}}, registry.CodeInvalid)
	refused(t, s, rt.Registrar(rt.PrimaryA), registry.PutItem{Item: registry.ArchiveItem{No: 1, Group: 1, Title: "x"}}, registry.CodeForbidden)
	if ch := registry.DiffForms(registry.Form{registry.FName: "甲", registry.FSex: "1"}, registry.Form{registry.FName: "乙", registry.FSex: "1"}); len(ch) != 1 || ch[0].To != "乙" {
		t.Error(ch)
	}
}

// Article 9: on a merger pupil, paper, debts and turns go to the school that takes over; on a closure the paper goes to the unit the county names.
func TestCustody(t *testing.T) {
	move := func(to registry.Unit, st registry.UnitState) registry.MoveCustody {
		return registry.MoveCustody{From: rt.PrimaryA, To: to, State: st, Ref: "西教〔2026〕1号"}
	}
	officer := rt.Officer(rt.CountyA)
	p := run(t, rt.In("transfer/sender").Do(officer, move(rt.PrimaryA2, registry.UnitMerged)))
	if st, _ := p.OpenCase().Next(); st.Unit != rt.PrimaryA2 || p.School != rt.PrimaryA2 || p.Archive.Custodian != rt.PrimaryA2 {
		t.Errorf("%+v", st)
	}
	p = run(t, rt.In("moved/called").Do(officer, move(rt.PrimaryA2, registry.UnitMerged)))
	if p.School != rt.NineYearB || p.Archive.From != rt.PrimaryA2 || p.Archive.Custodian != rt.PrimaryA2 || !slices.Contains(p.Archive.Backups, rt.PrimaryA2) {
		t.Errorf("%+v", p.Archive)
	}
	p = run(t, rt.In("graduated+kept").Do(officer, move(rt.CountyA, registry.UnitClosed)))
	if p.Archive.Custodian != rt.CountyA || p.Archive.State != registry.ArchivePermanent {
		t.Errorf("%+v", p.Archive)
	}
	s := rt.In("moved/received")
	refused(t, s, rt.Officer(rt.CountyB), registry.MoveCustody{From: rt.PrimaryA2, To: rt.PrimaryA, State: registry.UnitMerged, Ref: "r"}, registry.CodeForbidden)
	refused(t, s, officer, registry.MoveCustody{From: rt.PrimaryA2, To: rt.PrimaryA, State: registry.UnitMerged, Ref: "r"}, registry.CodeWrongState)
	refused(t, rt.In("enrolled"), officer, move(rt.JuniorA, registry.UnitMerged), registry.CodeGrade)
}

// Article 14: what is overdue by the rule pack's days is given to the office above as its own task; urged, the clock of the next escalation begins.
func TestEscalation(t *testing.T) {
	s := rt.In("transfer/receiver")
	due := s.P.OpenCase().Steps[0].DueOn
	s.Now = due.Time().AddDate(0, 0, 1)
	if e := refused(t, s, rt.System(), registry.Escalate{CaseNo: s.P.Lock}, registry.CodeWrongState); e.Params["from"] == "" {
		t.Error(e.Params)
	}
	from := registry.EscalateFrom(due, nil, s.Env.Pack, s.Env.Calendar)
	s.Now = from.Time()
	p := run(t, s.Escalate())
	i := slices.IndexFunc(registry.Tasks(p, s.Env), func(k registry.Task) bool { return k.Kind == registry.TaskEscalated })
	if i < 0 || registry.Tasks(p, s.Env)[i].Unit != rt.CountyB || !registry.Tasks(p, s.Env)[0].Escalated {
		t.Fatalf("%+v", registry.Tasks(p, s.Env))
	}
	refused(t, s, rt.System(), registry.Escalate{CaseNo: s.P.Lock}, registry.CodeConflict)
	refused(t, s, rt.Officer(rt.City), registry.UrgeStep{CaseNo: s.P.Lock, Note: "x"}, registry.CodeForbidden)
	p = run(t, s.Urge())
	if len(kinds(p, s.Env)) != 1 || len(p.OpenCase().Steps[0].Urged) != 1 || s.Effects[0].What != registry.WhatUrged || s.Effects[0].Unit != rt.NineYearB {
		t.Errorf("%+v", s.Effects)
	}
	refused(t, s, rt.System(), registry.Escalate{CaseNo: s.P.Lock}, registry.CodeWrongState)
	run(t, s.Wait(20).Escalate())
	// The archive's month likewise.
	s = rt.In("moved/escalated")
	if k := kinds(s.P, s.Env); !slices.Contains(k, registry.TaskEscalated) {
		t.Error(k)
	}
	if p := run(t, s.Send().Receive()); p.Archive.EscalatedOn != "" {
		t.Errorf("%+v", p.Archive)
	}
}
