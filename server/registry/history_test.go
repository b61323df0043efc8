package registry_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

var everyUnit = []registry.Unit{rt.PrimaryA, rt.PrimaryA2, rt.JuniorA, rt.NineYearB, rt.CitySchool, rt.PrimaryC, rt.CountyA, rt.CountyB, rt.City, rt.CountyC, rt.Province, "9999999999"}

func anyActor(t *rapid.T, p *registry.Pupil) registry.Actor {
	u := rapid.SampledFrom(everyUnit).Draw(t, "unit")
	switch rapid.IntRange(0, 9).Draw(t, "who") {
	case 0, 1, 2, 3:
		return whoseTurn(p)
	case 4, 5, 6:
		return atSchool(p)
	case 7:
		u = unit(p.Archive.Custodian, p.School)
	}
	role := rapid.SampledFrom([]registry.Role{registry.RoleRegistrar, registry.RoleLeader, registry.RoleOfficer, registry.RoleClerk, registry.RoleOperator}).Draw(t, "role")
	return registry.Actor{Account: "a", Name: "n", Unit: u, Role: role}
}

// onwards are the events that life brings next; without them random histories would seldom get far.
func onwards(p *registry.Pupil) []registry.EventKind {
	switch a := &p.Archive; {
	case p.Number == "" && p.Lock == "":
		return []registry.EventKind{registry.EvEnrol}
	case p.Lock != "":
		return []registry.EventKind{registry.EvDecideStep, registry.EvDecideStep, registry.EvResolveProblem, registry.EvEscalate, registry.EvUrge}
	case len(a.Missing) > 0:
		return []registry.EventKind{registry.EvSettleMissing, registry.EvStartTransfer}
	case a.State == registry.ArchiveCalled:
		return []registry.EventKind{registry.EvSendArchive, registry.EvStartTransfer}
	case a.State == registry.ArchiveTransit:
		return []registry.EventKind{registry.EvReceiveArchive, registry.EvStartTransfer}
	case p.Absent() != nil:
		return []registry.EventKind{registry.EvFollowAbsence, registry.EvEndAbsence, registry.EvReportDropout, registry.EvStartTransfer, registry.EvStartSuspend, registry.EvReportDeath}
	case p.Standing == registry.StandingSuspended:
		return []registry.EventKind{registry.EvReturn, registry.EvStartTransfer, registry.EvStartExtend}
	case p.Standing == registry.StandingDropout:
		return []registry.EventKind{registry.EvFileReport, registry.EvHandOverArchive, registry.EvReturnFromDropout, registry.EvLogPersuasion}
	case p.Standing == registry.StandingAbroad:
		return []registry.EventKind{registry.EvComeHome}
	case p.Standing.Ended():
		return []registry.EventKind{registry.EvKeepArchive, registry.EvStartAdvance, registry.EvStartCorrect}
	case p.Merged != nil:
		return []registry.EventKind{registry.EvUnmerge}
	}
	return []registry.EventKind{registry.EvBuildArchive, registry.EvStartTransfer, registry.EvStartSuspend, registry.EvBindCard, registry.EvStartCorrect, registry.EvPromote,
		registry.EvStartFinish, registry.EvGoAbroad, registry.EvReportDropout, registry.EvArrange, registry.EvRaiseProblem, registry.EvPutItem, registry.EvRecordAbsence}
}

func anyEvent(t *rapid.T, p *registry.Pupil, n int) (registry.Event, *registry.Actor) {
	no := func(k registry.CaseKind) registry.CaseNo {
		if rapid.IntRange(0, 19).Draw(t, "again") == 0 {
			return lastCase(p).No
		}
		return registry.CaseNumber(k, 2026, 17, n)
	}
	by := func(a registry.Actor) *registry.Actor { return &a }
	text := rapid.SampledFrom([]string{"迁居", "因病", "已补寄", ""})
	kinds := registry.EventKinds()
	if rapid.Bool().Draw(t, "onwards") {
		kinds = onwards(p)
	}
	switch k := rapid.SampledFrom(kinds).Draw(t, "event"); k {
	case registry.EvEnrol:
		s := rapid.SampledFrom(everyUnit).Draw(t, "school")
		return registry.Enrol{CaseNo: no(registry.CaseEnrol), School: s, Form: rt.Form(1)}, by(rt.Registrar(s))
	case registry.EvDecideStep:
		if rapid.IntRange(0, 4).Draw(t, "word") == 0 {
			return say(registry.DecisionRefuse, rapid.SampledFrom(append(registry.RefusalCodes(), "")).Draw(t, "why"))(p), nil
		}
		return say(registry.DecisionAccept, "")(p), by(whoseTurn(p))
	case registry.EvWithdraw:
		return registry.Withdraw{CaseNo: lastCase(p).No}, nil
	case registry.EvStartTransfer:
		s := rapid.SampledFrom(everyUnit).Draw(t, "to")
		return registry.StartTransfer{CaseNo: no(registry.CaseTransfer), To: s, ToGrade: rapid.IntRange(1, 9).Draw(t, "grade"), Reason: text.Draw(t, "reason"), Guardian: "母亲"}, by(rt.Registrar(s))
	case registry.EvBuildArchive:
		return registry.BuildArchive{Items: rt.Items()[:rapid.IntRange(0, 3).Draw(t, "items")]}, by(rt.Registrar(unit(p.Archive.Custodian)))
	case registry.EvSendArchive:
		return registry.SendArchive{No: fmt.Sprintf("DA-%08d", n)}, by(rt.Registrar(unit(p.Archive.Custodian)))
	case registry.EvReceiveArchive:
		return registry.ReceiveArchive{No: p.Archive.No, Missing: rapid.SliceOfN(rapid.IntRange(0, 4), 0, 3).Draw(t, "missing")}, by(rt.Leader(unit(p.Archive.To)))
	case registry.EvSettleMissing:
		return registry.SettleMissing{Note: text.Draw(t, "note")}, by(rt.Registrar(unit(p.Archive.MissingFrom)))
	case registry.EvStartSuspend:
		from := registry.DateOf(rt.Start)
		return registry.StartSuspend{CaseNo: no(registry.CaseSuspend), From: from, Until: from.AddMonths(rapid.IntRange(0, 14).Draw(t, "months")), Reason: "因病", Guardian: "父亲"}, by(atSchool(p))
	case registry.EvReturn:
		return registry.Return{CaseNo: no(registry.CaseReturn), Grade: rapid.IntRange(1, 9).Draw(t, "grade"), Class: "1班", Proof: text.Draw(t, "proof")}, by(atSchool(p))
	case registry.EvBindCard:
		return registry.BindCard{Card: registry.CardRef{Number: registry.NewCardNumber("33", uint64(n)), Sequence: 1, Written: 1, ExpiresOn: "2032-08-31"}}, by(rt.Clerk(rt.CountyA))
	case registry.EvCardWritten:
		e := registry.CardWritten{Sequence: uint32(rapid.IntRange(0, 4).Draw(t, "sequence"))}
		if p.Card != nil {
			e.Number = p.Card.Number
		}
		return e, nil
	case registry.EvRevokeCard:
		e := registry.RevokeCard{Reason: text.Draw(t, "reason")}
		if p.Card != nil {
			e.Number = p.Card.Number
		}
		return e, nil
	case registry.EvChangeCard:
		e := registry.ChangeCard{Act: rapid.SampledFrom(registry.CardActs()).Draw(t, "act"), Reason: text.Draw(t, "reason")}
		if p.Card != nil {
			e.Number = p.Card.Number
		}
		return e, nil
	case registry.EvRenewCard:
		e := registry.RenewCard{Why: rapid.SampledFrom([]string{registry.RenewEpoch, registry.RenewAsked, ""}).Draw(t, "why")}
		if p.Card != nil {
			e.Number = p.Card.Number
		}
		return e, nil
	case registry.EvSetPIN:
		return registry.SetPIN{PIN: text.Draw(t, "pin")}, nil
	default:
		// The rest is drawn from the attempts of the golden table, with numbers of its own.
		var fit []attempt
		for _, a := range attempts() {
			if a.ev(p).Kind() == k {
				fit = append(fit, a)
			}
		}
		if len(fit) == 0 {
			t.Fatalf("no generator for %s", k)
		}
		a := rapid.SampledFrom(fit).Draw(t, "attempt")
		return vary(t, a.ev(p), p, n), by(a.by(p))
	}
}

// vary gives an attempt a number of its own, and other values here and there.
func vary(t *rapid.T, ev registry.Event, p *registry.Pupil, n int) registry.Event {
	no := func(k registry.CaseKind) registry.CaseNo { return registry.CaseNumber(k, 2026, 17, n) }
	school := rapid.SampledFrom([]registry.Unit{unit(p.School), rt.PrimaryA2, rt.NineYearB, rt.JuniorA, rt.SpecialA}).Draw(t, "at")
	switch e := ev.(type) {
	case registry.StartCorrect:
		e.CaseNo = no(registry.CaseCorrect)
		if rapid.Bool().Draw(t, "document") {
			e.Changes = append(e.Changes, registry.Change{Field: registry.FIDNumber, From: p.Form[registry.FIDNumber], To: rt.Form(2)[registry.FIDNumber]})
		}
		return e
	case registry.Promote:
		e.Year = rapid.IntRange(2026, 2028).Draw(t, "year")
		return e
	case registry.StartRepeat:
		e.CaseNo, e.ToGrade = no(registry.CaseRepeat), p.Grade-rapid.IntRange(0, 1).Draw(t, "down")
		return e
	case registry.StartSkip:
		e.CaseNo = no(registry.CaseSkip)
		return e
	case registry.StartFinish:
		e.CaseNo, e.End = no(registry.CaseFinish), rapid.SampledFrom([]registry.Standing{registry.StandingGraduated, registry.StandingCompleted, registry.StandingLeft}).Draw(t, "end")
		return e
	case registry.StartAdvance:
		e.CaseNo, e.To, e.ToGrade = no(registry.CaseAdvance), school, p.Grade+1
		return e
	case registry.StartExtend:
		e.CaseNo = no(registry.CaseExtend)
		if p.Suspension != nil {
			e.Until = p.Suspension.Until.AddMonths(rapid.IntRange(0, 20).Draw(t, "longer"))
		}
		return e
	case registry.GoAbroad:
		e.CaseNo = no(registry.CaseAbroad)
		return e
	case registry.ComeHome:
		e.CaseNo, e.School = no(registry.CaseHome), school
		return e
	case registry.ReportDeath:
		if rapid.IntRange(0, 3).Draw(t, "spare") > 0 { // few lives end early, so that histories go on
			return registry.LogPersuasion{On: registry.DateOf(rt.Start), How: "电话", Note: "已联系"}
		}
		e.CaseNo = no(registry.CaseDeath)
		return e
	case registry.ReportDropout:
		e.CaseNo = no(registry.CaseDropout)
		return e
	case registry.FileReport:
		e.To = rapid.SampledFrom([]registry.ReportTo{registry.ReportTownship, registry.ReportCounty, registry.ReportAuthority}).Draw(t, "to")
		return e
	case registry.ReturnFromDropout:
		e.CaseNo, e.Grade = no(registry.CaseDropoutReturn), p.Grade
		return e
	case registry.HandOverArchive:
		e.No = fmt.Sprintf("DA-%08d", n)
		return e
	case registry.PutItem:
		e.Item.No = rapid.IntRange(1, len(p.Archive.Items)+1).Draw(t, "row")
		e.Item.Pages = n
		return e
	case registry.MoveCustody:
		e.From = rapid.SampledFrom([]registry.Unit{unit(p.School), unit(p.Archive.Custodian)}).Draw(t, "from")
		if e.State == registry.UnitMerged {
			e.To = school
		}
		return e
	case registry.Arrange:
		e.CaseNo = no(registry.CaseArrange)
		return e
	case registry.RaiseProblem:
		e.CaseNo = no(registry.CaseProblem)
		e.Problem = rapid.SampledFrom([]registry.ProblemKind{registry.ProblemWrongID, registry.ProblemDoubleID, registry.ProblemDoubleNoID}).Draw(t, "problem")
		return e
	case registry.ResolveProblem:
		e.Way = rapid.SampledFrom([]registry.ProblemWay{registry.WayEvidence, registry.WayCorrect, registry.WayErase}).Draw(t, "way")
		e.Evidence = []string{file}
		if e.Way == registry.WayCorrect {
			e.Changes = change(p, registry.FName, fmt.Sprintf("欧阳%c", '一'+rune(n)))
		}
		return e
	case registry.StartErase:
		e.CaseNo = no(registry.CaseErase)
		return e
	case registry.RecordAbsence:
		e.Since = e.Since.AddDays(rapid.IntRange(-3, 60).Draw(t, "since"))
		e.Until = e.Since.AddDays(rapid.IntRange(0, 400).Draw(t, "leave"))
		if rapid.Bool().Draw(t, "unexplained") {
			e.Absence, e.Until = registry.AbsenceUnexplained, ""
		}
		return e
	case registry.FollowAbsence:
		if a := p.Absent(); a != nil {
			e.On, e.Until = a.Since, a.Since.AddDays(rapid.IntRange(0, 60).Draw(t, "leave"))
		}
		return e
	case registry.EndAbsence:
		if a := p.Absent(); a != nil {
			e.On = a.Since.AddDays(rapid.IntRange(-1, 9).Draw(t, "back"))
		}
		return e
	case registry.Merge:
		e.Keep = rapid.Bool().Draw(t, "keep")
		return e
	case registry.Unmerge:
		if rapid.Bool().Draw(t, "third") {
			e.Other = rt.NewStory(3).P.UID
		}
		return e
	}
	return ev
}

// TestHistories walks random histories and holds the invariants of the register after each event.
func TestHistories(t *testing.T) {
	reached := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := rt.NewStory(1)
		if rapid.Bool().Draw(t, "settled") {
			s = rt.In(rapid.SampledFrom(rt.States()).Draw(t, "state").Name)
		}
		p, now := s.P, s.Now
		env := s.Env
		if rapid.Bool().Draw(t, "lenient") {
			lenient, err := env.Pack.Overlay([]byte(`{"version":"ZJ-TEST","title":"test","suspended_may_transfer":true,"foreign_number":"L","repeat_grades":[1,2,3,4,5,6],"skip_grades":[1,2,3,4,5],
				"conditions":[{"id":"T","on":["finish","advance"],"say":"s","when":[{"fact":"standing","op":"in","values":["enrolled"]},{"fact":"day","op":"ge","values":["12-01"]},{"fact":"public","op":"in","values":["1"]}]}]}`))
			if err != nil {
				t.Fatal(err)
			}
			env.Pack = lenient
		}
		type step struct {
			ev  registry.Event
			env registry.Env
		}
		var past []step
		told := s.Past
		var versions []registry.Pupil
		for n := range rapid.IntRange(1, 40).Draw(t, "length") {
			now = now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "hours")) * time.Hour)
			if rapid.IntRange(0, 9).Draw(t, "jump") == 0 {
				now = now.AddDate(0, 0, rapid.IntRange(1, 400).Draw(t, "days"))
			}
			ev, by := anyEvent(t, &p, 100+n)
			a := anyActor(t, &p)
			if by != nil && rapid.IntRange(0, 4).Draw(t, "rightful") > 0 {
				a = *by
			}
			env.Now, env.Actor = now, a
			before, _ := json.Marshal(p)
			after, effects, err := registry.Decide(p, ev, env)
			if b, _ := json.Marshal(p); string(b) != string(before) {
				t.Fatalf("%s changed its argument", ev.Kind())
			}
			again, effects2, err2 := registry.Decide(p, ev, env)
			if !reflect.DeepEqual(after, again) || !reflect.DeepEqual(effects, effects2) || registry.CodeOf(err) != registry.CodeOf(err2) {
				t.Fatalf("%s is not a function of its arguments", ev.Kind())
			}
			if err != nil {
				if c := registry.CodeOf(err); c == registry.CodeInternal || c == "" {
					t.Fatalf("%s: %v", ev.Kind(), err)
				}
				if !reflect.DeepEqual(after, p) || len(effects) > 0 {
					t.Fatalf("a refused %s left something behind", ev.Kind())
				}
				continue
			}
			reached[string(ev.Kind())]++
			past = append(past, step{ev, env})
			told = append(told, registry.Past{At: now, Event: ev})
			versions = append(versions, after)
			moves(t, &p, &after, ev)
			invariants(t, &after, env)
			planned(t, &after, env)
			for _, e := range effects {
				if (e.Unit == "") == (e.Registry == "") || e.Kind == "" || e.What == "" {
					t.Fatalf("an effect for nobody: %+v", e)
				}
			}
			p = after
		}
		// Every past version is reachable: the events lead to it again.
		again := s.P
		for i, st := range past {
			var err error
			if again, _, err = registry.Decide(again, st.ev, st.env); err != nil || !reflect.DeepEqual(again, versions[i]) {
				t.Fatalf("version %d (%s) is not reached again: %v", i, st.ev.Kind(), err)
			}
			// Nor does the form of any time need the rules and units of that time.
			if form := registry.FormAfter(told[:len(s.Past)+i+1], p.Cases); !maps.Equal(form, versions[i].Form) {
				t.Fatalf("after %s the form was %v, told again %v", st.ev.Kind(), versions[i].Form, form)
			}
		}
	})
	t.Logf("events that got through: %v", reached)
}

// moves: what one event may change.
func moves(t *rapid.T, before, after *registry.Pupil, ev registry.Event) {
	completed := len(after.Cases) > 0 && before.Lock != "" && after.Lock == "" && after.Case(before.Lock).State == registry.CaseCompleted
	if before.School != after.School && before.School != "" && ev.Kind() != registry.EvEnrol {
		if ev.Kind() != registry.EvMoveCustody && (!completed || after.Case(before.Lock).Reach == "") {
			t.Fatalf("%s moved the pupil from %s to %s without a completed transfer", ev.Kind(), before.School, after.School)
		}
		if before.Card != nil && after.Card.Sequence != before.Card.Sequence+1 {
			t.Fatalf("a move without a rewrite of the card")
		}
	}
	if before.Number != "" && after.Number != before.Number {
		last := after.Numbers
		if len(last) == 0 || last[len(last)-1].Number != before.Number || after.Number != "" && after.Number[0] != 'G' {
			t.Fatalf("%s changed the 学籍号", ev.Kind())
		}
		if k := ev.Kind(); after.Number != "" && k != registry.EvGiveNumber {
			t.Fatalf("%s gave another 学籍号", k)
		}
	}
	for _, it := range before.Archive.Items { // nothing that was ever listed is lost
		if !known(&after.Archive, it.Title, it.Pages) {
			t.Fatalf("%s lost the row %q", ev.Kind(), it.Title)
		}
	}
	if len(after.Archive.Handed) < len(before.Archive.Handed) || len(after.Certificates) < len(before.Certificates) || len(after.Archive.Retired) < len(before.Archive.Retired) {
		t.Fatalf("%s lost what was handed over, a certificate or a retired row", ev.Kind())
	}
	if len(after.Cases) < len(before.Cases) {
		t.Fatalf("%s lost a case", ev.Kind())
	}
	if a := before.Absent(); a != nil { // an absence ends, and only by a return, a transfer, or what takes the pupil out of 在读; what was said goes on in the dropout's log
		i := len(before.Absences) - 1
		if len(after.Absences) != len(before.Absences) || after.Absences[i].Since != a.Since || len(after.Absences[i].Contacts) < len(a.Contacts) {
			t.Fatalf("%s lost an absence", ev.Kind())
		}
		stays := after.Standing == registry.StandingEnrolled && (after.School == before.School || ev.Kind() == registry.EvMoveCustody)
		if (after.Absent() != nil) != (stays && ev.Kind() != registry.EvEndAbsence) {
			t.Fatalf("%s: absent %v, standing %s", ev.Kind(), after.Absent() != nil, after.Standing)
		}
		if ev.Kind() == registry.EvReportDropout && len(after.Dropout.Log) != len(a.Contacts) {
			t.Fatalf("the dropout's log begins with %d of %d", len(after.Dropout.Log), len(a.Contacts))
		}
	}
	for i := range before.Cases {
		if b, a := &before.Cases[i], &after.Cases[i]; b.State != registry.CaseOpen && !reflect.DeepEqual(*b, *a) {
			t.Fatalf("%s changed a closed case", ev.Kind())
		}
	}
	if before.Archive.Custodian != "" && after.Archive.Custodian != before.Archive.Custodian && ev.Kind() != registry.EvReceiveArchive &&
		ev.Kind() != registry.EvMoveCustody {
		t.Fatalf("%s moved custody", ev.Kind())
	}
	// A month that runs (Art. 15) ends by a receipt, or falls away when the pupil is back where the paper is; nothing moves it.
	if b, a := before.Archive, after.Archive; b.To != "" && b.DueOn != "" && ev.Kind() != registry.EvReceiveArchive && a.DueOn != b.DueOn &&
		(b.State == registry.ArchiveCalled || b.State == registry.ArchiveTransit || b.State == registry.ArchiveNone) && !(a.DueOn == "" && after.School == a.Custodian) &&
		ev.Kind() != registry.EvHandOverArchive && !(ev.Kind() == registry.EvMoveCustody && a.To == "") {
		t.Fatalf("%s moved the archive's deadline from %s to %q", ev.Kind(), b.DueOn, a.DueOn)
	}
}

// known: the row stands in the catalogue, in a version of a row, or among the retired.
func known(a *registry.Archive, title string, pages int) bool {
	for _, it := range slices.Concat(a.Items, a.Retired) {
		if it.Title == title && it.Pages == pages || slices.ContainsFunc(it.Older, func(v registry.ItemVersion) bool { return v.Title == title && v.Pages == pages }) {
			return true
		}
	}
	return false
}

// invariants: what holds of every pupil at every time.
func invariants(t *rapid.T, p *registry.Pupil, env registry.Env) {
	open := 0
	for i := range p.Cases {
		c := &p.Cases[i]
		if c.State == registry.CaseOpen {
			open++
			if p.Lock != c.No {
				t.Fatalf("an open case %s without the lock %q", c.No, p.Lock)
			}
			if s, ok := c.Next(); !ok || s.ArrivedAt.IsZero() || !s.DueOn.Valid() {
				t.Fatalf("an open case %s nobody has to decide by a day", c.No)
			}
		} else if c.ClosedAt.IsZero() || c.Current() != -1 {
			t.Fatalf("a closed case %s that is not closed", c.No)
		}
		if c.Pack == "" || c.Starter.Unit == "" {
			t.Fatalf("case %s does not say under which rules, or who began", c.No)
		}
	}
	if open > 1 || (open == 0) != (p.Lock == "") || (p.Lock != "") != (p.OpenCase() != nil) {
		t.Fatalf("lock %q with %d open cases", p.Lock, open)
	}
	if p.Merged == nil && ((p.Standing == registry.StandingSuspended) != (p.Suspension != nil) || (p.Standing == registry.StandingDropout) != (p.Dropout != nil) ||
		(p.Standing == registry.StandingAbroad) != (p.Abroad != nil)) {
		t.Fatalf("standing %s, suspension %v, dropout %v, abroad %v", p.Standing, p.Suspension, p.Dropout, p.Abroad)
	}
	// One active number, and custody known, of everybody with a 学籍; neither before.
	admitted := p.Standing.Living() || p.Standing.Ended() || p.Standing.Away()
	if admitted != (p.Number != "") || admitted != (p.Archive.Custodian != "") && p.Standing != registry.StandingErased {
		t.Fatalf("standing %s, number given %v, custodian %q", p.Standing, p.Number != "", p.Archive.Custodian)
	}
	if p.Standing == registry.StandingErased && (p.Archive.Custodian == "" || p.Card != nil || len(p.Numbers) == 0) {
		t.Fatalf("an erased record with custodian %q, card %v, %d former numbers", p.Archive.Custodian, p.Card, len(p.Numbers))
	}
	if (p.Mode != "") != (p.Study != nil) && p.Merged == nil {
		t.Fatalf("mode %q, study %v", p.Mode, p.Study)
	}
	if p.Standing == registry.StandingDeceased && (!p.Tact() || p.Card != nil || p.PIN != "") {
		t.Fatalf("deceased with contact, a card or a PIN")
	}
	for i, n := range p.Numbers {
		if n.Number == p.Number || i > 0 && p.Numbers[i-1].Number == n.Number {
			t.Fatalf("the active number stands among the former")
		}
	}
	if admitted && p.Form[registry.FGrade] != fmt.Sprint(p.Grade) {
		t.Fatalf("the form says grade %s, the record %d", p.Form[registry.FGrade], p.Grade)
	}
	a := &p.Archive
	if a.State != registry.ArchiveNone && a.State != "" && (len(a.Items) == 0 || a.Custodian == "") {
		t.Fatalf("archive %s with %d items at %q", a.State, len(a.Items), a.Custodian)
	}
	if slices.Contains(a.Backups, "") || len(slices.Compact(slices.Sorted(slices.Values(a.Backups)))) != len(a.Backups) {
		t.Fatalf("backups %v", a.Backups)
	}
	handed := p.Dropout != nil && p.Dropout.Home == a.Custodian // Art. 22
	kept := a.Custodian != "" && !a.Custodian.IsSchool()        // Art. 9: the unit the county named when the school closed
	if admitted && a.Custodian != p.School && a.To == "" && !handed && !kept {
		t.Fatalf("the pupil is at %s, the archive at %s, and nobody is called", p.School, a.Custodian)
	}
	if len(a.Missing) > 0 && (a.MissingFrom == "" || !a.MissingDue.Valid()) {
		t.Fatalf("missing items that nobody owes by a day")
	}
	if p.Card != nil && (p.Card.Written > p.Card.Sequence || p.Card.Sequence == 0) {
		t.Fatalf("card %d/%d", p.Card.Written, p.Card.Sequence)
	}
	for i := range p.Absences {
		a := &p.Absences[i]
		if (a.EndedOn == "") != (a.End == "") || a.EndedOn != "" && a.EndedOn < a.Since || !a.DueOn.Valid() || a.DueOn <= a.Since || (a.Kind == registry.AbsenceUnexplained) != (a.Until == "") ||
			a.EndedOn == "" && (i+1 < len(p.Absences) || p.Standing != registry.StandingEnrolled) {
			t.Fatalf("absence %d of %d in %s: %+v", i+1, len(p.Absences), p.Standing, a)
		}
	}
	tasks(t, p, env)

	// What a store keeps is what comes back.
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back registry.Pupil
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if b2, _ := json.Marshal(back); string(b2) != string(b) {
		t.Fatalf("the record does not survive JSON")
	}
}

// tasks: no deadline is lost.
func tasks(t *rapid.T, p *registry.Pupil, env registry.Env) {
	var want []string
	add := func(k registry.TaskKind, due registry.Date) { want = append(want, fmt.Sprintf("%s %s", due, k)) }
	if c := p.OpenCase(); c != nil {
		s, _ := c.Next()
		add(registry.TaskStep, s.DueOn)
		if s.EscalatedOn != "" {
			add(registry.TaskEscalated, s.UrgeBy)
		}
	}
	a := &p.Archive
	if a.EscalatedOn != "" {
		add(registry.TaskEscalated, a.UrgeBy)
	}
	switch a.State {
	case registry.ArchiveNone:
		add(registry.TaskArchiveBuild, a.BuildDue)
		if a.To != "" {
			add(registry.TaskArchiveSend, a.DueOn)
		}
	case registry.ArchiveCalled:
		add(registry.TaskArchiveSend, a.DueOn)
	case registry.ArchiveTransit:
		add(registry.TaskArchiveReceive, a.DueOn)
	}
	if len(a.Missing) > 0 {
		add(registry.TaskArchiveMissing, a.MissingDue)
	}
	if a.KeepDue != "" && p.Standing.Ended() {
		add(registry.TaskArchiveKeep, a.KeepDue)
	}
	if p.Suspension != nil && p.Standing == registry.StandingSuspended {
		add(registry.TaskSuspensionEnd, p.Suspension.Until)
	}
	if a := p.Absent(); a != nil && !p.NoContact {
		add(registry.TaskAbsence, a.DueOn)
		if a.ContactDue != "" {
			add(registry.TaskAbsenceContact, a.ContactDue)
		}
	}
	if p.Dropout != nil && p.Standing == registry.StandingDropout {
		for _, r := range p.Dropout.Reports {
			if r.FiledOn == "" {
				add(registry.TaskDropoutReport, r.DueOn)
			}
		}
		if p.Dropout.HandOverDue != "" {
			add(registry.TaskHandOver, p.Dropout.HandOverDue)
		}
	}
	slices.Sort(want)
	got := registry.Tasks(*p, env)
	var have []string
	for _, k := range got {
		have = append(have, fmt.Sprintf("%s %s", k.DueOn, k.Kind))
	}
	if !slices.Equal(have, want) {
		t.Fatalf("tasks %v, want %v", have, want)
	}
	for i, k := range got {
		if !k.DueOn.Valid() || !k.Arrived.Valid() || k.Unit == "" || k.UID != p.UID {
			t.Fatalf("task %+v", k)
		}
		if slices.Contains(k.Others, k.Unit) || k.Above == k.Unit {
			t.Fatalf("task %+v waits for itself", k)
		}
		if i > 0 && got[i-1].DueOn > k.DueOn {
			t.Fatalf("not soonest first")
		}
	}
}

// TestOutsiders: nobody without a part in it gets anything through, but the fact that a card was written.
func TestOutsiders(t *testing.T) {
	strangers := []registry.Actor{
		rt.Registrar(rt.PrimaryC), rt.Leader(rt.JuniorA), rt.Officer(rt.CountyC), rt.Officer(rt.Province), rt.Clerk(rt.PrimaryC),
		{Account: "system", Via: "clock"}, {}, {Account: "x", Unit: rt.PrimaryA, Role: registry.RoleOperator}, {Account: "x", Unit: rt.CountyA, Role: registry.RoleOperator},
		{Account: "x", Unit: rt.PrimaryA, Role: registry.RoleOfficer}, {Account: "x", Unit: rt.CountyA, Role: registry.RoleLeader},
	}
	tries := attempts()
	for _, st := range rt.States() {
		p := rt.Pupil(st.Name)
		for _, at := range tries {
			for _, who := range strangers {
				ev := at.ev(&p)
				k := ev.Kind()
				if c, ok := ev.(registry.ChangeCard); ok && (c.Act == registry.CardUse || c.Act == registry.CardExpire) && who.Account == "system" {
					continue
				}
				if r, ok := ev.(registry.RenewCard); ok && r.Why == registry.RenewEpoch && who.Account == "system" {
					continue
				}
				if who.Account == "system" && slices.Contains(clockEvents, k) || part(&p, who.Unit) {
					continue
				}
				if a, ok := ev.(registry.StartAdvance); ok && a.To == who.Unit {
					continue
				}
				if k == registry.EvCardWritten || slices.Contains(officeEvents, k) && who.Role == registry.RoleOfficer && who.Unit != rt.CountyC {
					continue
				}
				env := rt.NewStory(1).Env
				env.Now, env.Actor = rt.Start.AddDate(0, 6, 0), who
				if _, _, err := registry.Decide(p, ev, env); err == nil {
					t.Errorf("%s: %s by %s of %q went through", st.Name, at.name, who.Role, who.Unit)
				}
			}
		}
	}
}

// clockEvents are the register's own, officeEvents any office's above the school.
var (
	clockEvents  = []registry.EventKind{registry.EvPromote, registry.EvUndoPromote, registry.EvEscalate, registry.EvGiveNumber, registry.EvRaiseProblem}
	officeEvents = []registry.EventKind{registry.EvRevokeCard, registry.EvBindCard, registry.EvChangeCard, registry.EvRenewCard, registry.EvUndoPromote, registry.EvGiveNumber, registry.EvRaiseProblem,
		registry.EvMerge, registry.EvUnmerge}
)

// part: the unit is one of the pupil's own: its school, where its paper is or goes, or a party of its open case.
func part(p *registry.Pupil, u registry.Unit) bool {
	if u == "" {
		return false
	}
	c := p.OpenCase()
	a := &p.Archive
	return u == p.School || u == a.Custodian || u == a.To || u == a.From || u == a.MissingFrom || c != nil && c.Takes(u)
}
