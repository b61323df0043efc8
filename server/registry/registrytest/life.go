package registrytest

import "xueji/server/registry"

// Digest is a file that tests name as evidence.
const Digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// Other is the UID of another pupil, for doubles.
func Other() registry.UID { return NewStory(2).P.UID }

// System is the clock.
func System() registry.Actor { return registry.Actor{Account: "system", Via: "clock"} }

// Item is a change of one item from what the pupil's form says.
func (s *Story) Item(k registry.FieldKey, to string) registry.Change {
	return registry.Change{Field: k, From: s.P.Form[k], To: to}
}

// Correct opens a correction of items given as key, value, key, value.
func (s *Story) Correct(kv ...any) *Story {
	e := registry.StartCorrect{CaseNo: s.No(registry.CaseCorrect), Reason: "户口簿更正", Guardian: "母亲", Evidence: []string{Digest}}
	for i := 0; i+1 < len(kv); i += 2 {
		e.Changes = append(e.Changes, s.Item(kv[i].(registry.FieldKey), kv[i+1].(string)))
	}
	return s.Do(Registrar(s.P.School), e)
}

// Rename opens a correction of the name.
func (s *Story) Rename() *Story { return s.Correct(registry.FName, "欧阳明") }

// Promote promotes within the year.
func (s *Story) Promote() *Story {
	return s.Do(System(), registry.Promote{Year: registry.DateOf(s.Now).Year()})
}

// Finish opens a finish with a certificate.
func (s *Story) Finish(end registry.Standing) *Story {
	return s.Do(Registrar(s.P.School), registry.StartFinish{CaseNo: s.No(registry.CaseFinish), End: end, Certificate: "3301062026060001", On: registry.DateOf(s.Now)})
}

// Keep puts the archive to permanent keeping.
func (s *Story) Keep() *Story {
	return s.Do(Registrar(s.P.Archive.Custodian), registry.KeepArchive{Place: "档案室 2 柜"})
}

// Advance calls the pupil to the next stage's school.
func (s *Story) Advance(to registry.Unit) *Story {
	return s.Do(Registrar(to), registry.StartAdvance{CaseNo: s.No(registry.CaseAdvance), To: to, ToGrade: s.P.Grade + 1, Guardian: "母亲"})
}

// Extend opens an extension of the suspension by three months.
func (s *Story) Extend() *Story {
	e := registry.StartExtend{CaseNo: s.No(registry.CaseExtend), Reason: "仍需治疗", Guardian: "母亲"}
	if s.P.Suspension != nil {
		e.Until = s.P.Suspension.Until.AddMonths(3)
	}
	return s.Do(Registrar(s.P.School), e)
}

// GoAbroad records that the pupil goes abroad.
func (s *Story) GoAbroad() *Story {
	return s.Do(Registrar(s.P.School), registry.GoAbroad{CaseNo: s.No(registry.CaseAbroad), On: registry.DateOf(s.Now), Country: "840", Papers: "护照、签证、录取通知", Guardian: "母亲",
		Evidence: []string{Digest}})
}

// ComeHome continues at a school after abroad.
func (s *Story) ComeHome(at registry.Unit) *Story {
	return s.Do(Registrar(at), registry.ComeHome{CaseNo: s.No(registry.CaseHome), School: at, Grade: s.P.Grade, Class: "3班", Papers: "护照、境外学校证明", Guardian: "母亲"})
}

// Death reports a death known today.
func (s *Story) Death() *Story {
	return s.Do(Registrar(s.P.School), registry.ReportDeath{CaseNo: s.No(registry.CaseDeath), KnownOn: registry.DateOf(s.Now), Proof: "死亡医学证明", Evidence: []string{Digest}})
}

// DropOut reports a dropout since today.
func (s *Story) DropOut() *Story {
	return s.Do(Registrar(s.P.School), registry.ReportDropout{CaseNo: s.No(registry.CaseDropout), Since: registry.DateOf(s.Now), Reason: "长期未到校，家访未果"})
}

// StayAway records an unexplained absence since today.
func (s *Story) StayAway() *Story {
	return s.Do(Leader(s.P.School), registry.RecordAbsence{Since: registry.DateOf(s.Now), Absence: registry.AbsenceUnexplained, Note: "未请假"})
}

// Speak records that the mother was spoken with.
func (s *Story) Speak() *Story {
	return s.Do(Registrar(s.P.School), registry.FollowAbsence{On: registry.DateOf(s.Now), With: "母亲", How: "电话", Note: "在外地亲戚家", Absence: registry.AbsenceUnexplained})
}

// ComeBack ends a dropout.
func (s *Story) ComeBack() *Story {
	return s.Do(Registrar(s.P.School), registry.ReturnFromDropout{CaseNo: s.No(registry.CaseDropoutReturn), Grade: s.P.Grade, Class: "2班", Proof: "家长送返"})
}

// HandOver sends a migrant child's archive to the home county.
func (s *Story) HandOver() *Story {
	return s.Do(Officer(CountyA), registry.HandOverArchive{No: "DA-8QK2M9XC4T5R", Carrier: "机要通信"})
}

// ReceiveAtHome lets the home county receive it.
func (s *Story) ReceiveAtHome() *Story {
	return s.Do(Officer(s.P.Archive.To), registry.ReceiveArchive{No: s.P.Archive.No})
}

// Arrange opens an arrangement at a school of study.
func (s *Story) Arrange(at registry.Unit, m registry.Mode) *Story {
	return s.Do(Registrar(s.P.School), registry.Arrange{CaseNo: s.No(registry.CaseArrange), School: at, Mode: m, Agreement: Digest, AgreedBy: []string{"母亲", "校长"}, Reason: "评估建议",
		Guardian: "母亲"})
}

// GiveNumber gives the G number by the centre's batch.
func (s *Story) GiveNumber() *Story {
	return s.Do(System(), registry.GiveNumber{Ref: "2026-10 批次"})
}

// Doubt raises a problem.
func (s *Story) Doubt(k registry.ProblemKind) *Story {
	return s.Do(Officer(CountyA), registry.RaiseProblem{CaseNo: s.No(registry.CaseProblem), Problem: k, With: Other(), Reasons: []string{"same_document"}})
}

// Resolve is the school's step.
func (s *Story) Resolve(w registry.ProblemWay) *Story {
	e := registry.ResolveProblem{CaseNo: s.P.Lock, Way: w, Words: "已核对户口簿", Evidence: []string{Digest}}
	if w == registry.WayCorrect {
		e.Changes = []registry.Change{s.Item(registry.FName, "欧阳明")}
	}
	return s.Do(Registrar(s.P.School), e)
}

// Merge ties the pupil to another.
func (s *Story) Merge(keep bool) *Story {
	return s.Do(Officer(CountyA), registry.Merge{Other: Other(), Keep: keep, Reason: "同一人重复建籍"})
}

// Escalate is the clock's, on the open case or else the archive.
func (s *Story) Escalate() *Story {
	return s.Do(System(), registry.Escalate{CaseNo: s.P.Lock})
}

// Urge is the office above's, on the open case or else the archive.
func (s *Story) Urge() *Story {
	no := s.P.Lock
	unit, _ := s.P.Archive.Waits()
	if c := s.P.Case(no); c != nil {
		st, _ := c.Next()
		unit = st.Unit
	}
	return s.Do(Officer(registry.Above(s.Env.Directory, unit)), registry.UrgeStep{CaseNo: no, Note: "请三个工作日内办结"})
}
