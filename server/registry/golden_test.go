package registry_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

var update = flag.Bool("update", false, "write testdata/transitions.golden anew: read the difference before you commit it")

// attempt is an event that somebody with the right to it would try in a state; the state decides.
type attempt struct {
	name string
	by   func(p *registry.Pupil) registry.Actor
	ev   func(p *registry.Pupil) registry.Event
}

func atSchool(p *registry.Pupil) registry.Actor {
	if p.School == "" {
		return rt.Registrar(rt.PrimaryA)
	}
	return rt.Registrar(p.School)
}

func whoseTurn(p *registry.Pupil) registry.Actor {
	if c := p.OpenCase(); c != nil {
		if s, ok := c.Next(); ok {
			if s.Unit.IsSchool() {
				return rt.Leader(s.Unit)
			}
			return rt.Officer(s.Unit)
		}
	}
	return rt.Officer(rt.CountyA)
}

func lastCase(p *registry.Pupil) registry.Case {
	if len(p.Cases) == 0 {
		return registry.Case{No: "ZX-2026-0001-000999", Starter: rt.Registrar(rt.PrimaryA)}
	}
	return p.Cases[len(p.Cases)-1]
}

func say(w registry.StepDecision, why registry.RefusalCode) func(p *registry.Pupil) registry.Event {
	return func(p *registry.Pupil) registry.Event {
		c := lastCase(p)
		s, _ := c.Next()
		return registry.DecideStep{CaseNo: c.No, Party: s.Party, Decision: w, Refusal: why, Serial: 7}
	}
}

func unit(us ...registry.Unit) registry.Unit {
	for _, u := range us {
		if u != "" {
			return u
		}
	}
	return rt.PrimaryA
}

func bySystem(*registry.Pupil) registry.Actor { return rt.System() }

// custodian is who has the paper, with the role that fits.
func custodian(p *registry.Pupil) registry.Actor {
	u := unit(p.Archive.Custodian)
	if !u.IsSchool() {
		return rt.Officer(u)
	}
	return rt.Registrar(u)
}

func change(p *registry.Pupil, k registry.FieldKey, to string) []registry.Change {
	return []registry.Change{{Field: k, From: p.Form[k], To: to}}
}

// waits is whom the pupil's clock runs against.
func waits(p *registry.Pupil) registry.Unit {
	if c := p.OpenCase(); c != nil {
		s, _ := c.Next()
		return s.Unit
	}
	u, _ := p.Archive.Waits()
	return u
}

const file = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func attempts() []attempt {
	day := registry.DateOf(rt.Start)
	transfer := func(to registry.Unit, grade int) attempt {
		return attempt{fmt.Sprintf("start_transfer to %s", rt.SmallWorld().Name(to)), func(*registry.Pupil) registry.Actor { return rt.Registrar(to) },
			func(*registry.Pupil) registry.Event {
				return registry.StartTransfer{CaseNo: "ZX-2026-0017-000042", To: to, ToGrade: grade, Reason: "迁居", Guardian: "父亲", Evidence: []string{file}}
			}}
	}
	return []attempt{
		{"enrol", func(*registry.Pupil) registry.Actor { return rt.Registrar(rt.PrimaryA) }, func(*registry.Pupil) registry.Event {
			return registry.Enrol{CaseNo: "ZC-2026-0001-000077", School: rt.PrimaryA, Form: rt.Form(1)}
		}},
		{"decide_step accept", whoseTurn, say(registry.DecisionAccept, "")},
		{"decide_step refuse", whoseTurn, say(registry.DecisionRefuse, registry.RefuseEvidence)},
		{"withdraw", func(p *registry.Pupil) registry.Actor { return rt.Registrar(lastCase(p).Starter.Unit) },
			func(p *registry.Pupil) registry.Event { return registry.Withdraw{CaseNo: lastCase(p).No} }},
		transfer(rt.PrimaryA2, 3), transfer(rt.NineYearB, 3), transfer(rt.PrimaryA, 3), transfer(rt.JuniorA, 3),
		{"build_archive", func(p *registry.Pupil) registry.Actor { return rt.Registrar(unit(p.Archive.Custodian)) },
			func(*registry.Pupil) registry.Event { return registry.BuildArchive{Items: rt.Items()} }},
		{"send_archive", func(p *registry.Pupil) registry.Actor { return rt.Registrar(unit(p.Archive.Custodian)) },
			func(*registry.Pupil) registry.Event {
				return registry.SendArchive{No: "DA-7QK2M9XC4T5R", Carrier: "中国邮政"}
			}},
		{"receive_archive", func(p *registry.Pupil) registry.Actor { return rt.Registrar(unit(p.Archive.To)) },
			func(p *registry.Pupil) registry.Event {
				return registry.ReceiveArchive{No: p.Archive.No, Missing: []int{3, 1, 3}}
			}},
		{"settle_missing", func(p *registry.Pupil) registry.Actor { return rt.Registrar(unit(p.Archive.MissingFrom)) },
			func(*registry.Pupil) registry.Event { return registry.SettleMissing{Note: "已补寄"} }},
		{"start_suspend", atSchool, func(*registry.Pupil) registry.Event {
			return registry.StartSuspend{CaseNo: "XX-2026-0001-000050", From: day, Until: day.AddMonths(12), Reason: "因病", Guardian: "父亲"}
		}},
		{"return", atSchool, func(p *registry.Pupil) registry.Event {
			return registry.Return{CaseNo: "FX-2026-0001-000051", Grade: 3, Class: "1班", Proof: "康复证明"}
		}},
		{"bind_card", func(*registry.Pupil) registry.Actor { return rt.Clerk(rt.City) }, func(*registry.Pupil) registry.Event {
			return registry.BindCard{Card: registry.CardRef{Number: registry.NewCardNumber("33", 99), Sequence: 1, Written: 1, ExpiresOn: "2032-08-31"}}
		}},
		{"card_written", func(*registry.Pupil) registry.Actor { return registry.Actor{Account: "system", Via: "kiosk:0017"} },
			func(p *registry.Pupil) registry.Event {
				if p.Card == nil {
					return registry.CardWritten{Number: registry.NewCardNumber("33", 42), Sequence: 1}
				}
				return registry.CardWritten{Number: p.Card.Number, Sequence: p.Card.Sequence}
			}},
		{"revoke_card", func(*registry.Pupil) registry.Actor { return rt.Officer(rt.City) }, func(*registry.Pupil) registry.Event {
			return registry.RevokeCard{Number: registry.NewCardNumber("33", 42), Reason: "遗失"}
		}},
		changeCard(registry.CardDeliver, "", atSchool), changeCard(registry.CardLose, "lost", atSchool), changeCard(registry.CardLose, "", atSchool),
		changeCard(registry.CardFind, "", atSchool), changeCard(registry.CardDamage, "worn", atSchool), changeCard(registry.CardReplace, "lost", atSchool),
		changeCard(registry.CardUse, "", func(*registry.Pupil) registry.Actor { return registry.Actor{Account: "system", Via: "kiosk:0017"} }),
		changeCard(registry.CardExpire, "", func(*registry.Pupil) registry.Actor { return registry.Actor{Account: "system", Via: "clock"} }),
		{"renew_card epoch", func(*registry.Pupil) registry.Actor { return registry.Actor{Account: "system", Via: "kiosk:0017"} }, renewCard(registry.RenewEpoch)},
		{"renew_card asked", atSchool, renewCard(registry.RenewAsked)},
		{"start_correct", atSchool, func(p *registry.Pupil) registry.Event {
			return registry.StartCorrect{CaseNo: "BG-2026-0001-000060", Changes: change(p, registry.FName, "欧阳晨"), Reason: "改名", Guardian: "母亲", Evidence: []string{file}}
		}},
		{"amend", atSchool, func(p *registry.Pupil) registry.Event {
			return registry.Amend{Changes: change(p, registry.FPhone, "13900000009")}
		}},
		{"promote", bySystem, func(*registry.Pupil) registry.Event { return registry.Promote{Year: 2026} }},
		{"undo_promote", atSchool, func(*registry.Pupil) registry.Event { return registry.UndoPromote{Year: 2026, Reason: "误操作"} }},
		{"start_repeat", atSchool, func(p *registry.Pupil) registry.Event {
			return registry.StartRepeat{CaseNo: "LJ-2026-0001-000061", ToGrade: p.Grade, Reason: "因病", Guardian: "母亲"}
		}},
		{"start_skip", atSchool, func(p *registry.Pupil) registry.Event {
			return registry.StartSkip{CaseNo: "TJ-2026-0001-000062", ToGrade: p.Grade + 1, Reason: "超常", Guardian: "母亲"}
		}},
		{"start_finish", atSchool, func(*registry.Pupil) registry.Event {
			return registry.StartFinish{CaseNo: "BY-2026-0001-000063", End: registry.StandingGraduated, Certificate: "3301062026060002", On: day}
		}},
		{"start_advance", func(*registry.Pupil) registry.Actor { return rt.Registrar(rt.JuniorA) }, func(*registry.Pupil) registry.Event {
			return registry.StartAdvance{CaseNo: "SX-2026-0001-000064", To: rt.JuniorA, ToGrade: 7}
		}},
		{"start_extend", atSchool, func(p *registry.Pupil) registry.Event {
			return registry.StartExtend{CaseNo: "YX-2026-0001-000065", Until: day.AddMonths(11), Reason: "因病", Guardian: "母亲"}
		}},
		{"go_abroad", atSchool, func(*registry.Pupil) registry.Event {
			return registry.GoAbroad{CaseNo: "CJ-2026-0001-000066", On: day, Country: "392", Papers: "护照", Guardian: "母亲", Evidence: []string{file}}
		}},
		{"come_home", atSchool, func(p *registry.Pupil) registry.Event {
			return registry.ComeHome{CaseNo: "HG-2026-0001-000067", School: unit(p.School), Grade: p.Grade, Class: "1班", Papers: "护照", Guardian: "母亲"}
		}},
		{"report_death", atSchool, func(*registry.Pupil) registry.Event {
			return registry.ReportDeath{CaseNo: "SW-2026-0001-000068", KnownOn: day, Proof: "证明", Evidence: []string{file}}
		}},
		{"report_dropout", atSchool, func(*registry.Pupil) registry.Event {
			return registry.ReportDropout{CaseNo: "CX-2026-0001-000069", Since: day, Reason: "未到校"}
		}},
		{"file_report", atSchool, func(*registry.Pupil) registry.Event {
			return registry.FileReport{To: registry.ReportTownship, On: day, Ref: "收文 12 号"}
		}},
		{"log_persuasion", atSchool, func(*registry.Pupil) registry.Event {
			return registry.LogPersuasion{On: day, How: "家访", Note: "家长愿意送返"}
		}},
		{"return_from_dropout", atSchool, func(*registry.Pupil) registry.Event {
			return registry.ReturnFromDropout{CaseNo: "QF-2026-0001-000070", Grade: 3, Class: "1班", Proof: "家长送返"}
		}},
		{"hand_over_archive", func(*registry.Pupil) registry.Actor { return rt.Officer(rt.CountyA) }, func(*registry.Pupil) registry.Event {
			return registry.HandOverArchive{No: "DA-9QK2M9XC4T5R"}
		}},
		{"put_item", func(p *registry.Pupil) registry.Actor { return custodian(p) }, func(*registry.Pupil) registry.Event {
			return registry.PutItem{Item: registry.ArchiveItem{No: 2, Group: 2, Title: "户口簿复印件（补）", Pages: 2, Copy: true, Digest: file}}
		}},
		{"keep_archive", func(p *registry.Pupil) registry.Actor { return custodian(p) }, func(*registry.Pupil) registry.Event { return registry.KeepArchive{} }},
		{"move_custody merged", func(*registry.Pupil) registry.Actor { return rt.Officer(rt.CountyA) }, func(*registry.Pupil) registry.Event {
			return registry.MoveCustody{From: rt.PrimaryA, To: rt.PrimaryA2, State: registry.UnitMerged, Ref: "西教〔2026〕1号"}
		}},
		{"move_custody closed", func(*registry.Pupil) registry.Actor { return rt.Officer(rt.CountyA) }, func(*registry.Pupil) registry.Event {
			return registry.MoveCustody{From: rt.PrimaryA, To: rt.CountyA, State: registry.UnitClosed, Ref: "西教〔2026〕2号"}
		}},
		{"arrange", atSchool, func(*registry.Pupil) registry.Event {
			return registry.Arrange{CaseNo: "JD-2026-0001-000071", School: rt.SpecialA, Mode: registry.ModeSpecial, Agreement: file, AgreedBy: []string{"母亲"}, Reason: "评估", Guardian: "母亲"}
		}},
		{"end_arrange", atSchool, func(*registry.Pupil) registry.Event { return registry.EndArrange{Reason: "复评"} }},
		{"give_number", bySystem, func(*registry.Pupil) registry.Event { return registry.GiveNumber{Ref: "2026-09"} }},
		{"raise_problem", bySystem, func(*registry.Pupil) registry.Event {
			return registry.RaiseProblem{CaseNo: "WT-2026-0001-000072", Problem: registry.ProblemWrongID}
		}},
		{"resolve_problem", atSchool, func(p *registry.Pupil) registry.Event {
			return registry.ResolveProblem{CaseNo: lastCase(p).No, Way: registry.WayErase, Words: "误建"}
		}},
		{"start_erase", atSchool, func(*registry.Pupil) registry.Event {
			return registry.StartErase{CaseNo: "SC-2026-0001-000073", Reason: "误建", Evidence: []string{file}}
		}},
		{"merge", func(*registry.Pupil) registry.Actor { return rt.Officer(rt.City) }, func(*registry.Pupil) registry.Event {
			return registry.Merge{Other: rt.NewStory(3).P.UID, Reason: "重复"}
		}},
		{"unmerge", func(*registry.Pupil) registry.Actor { return rt.Officer(rt.City) }, func(*registry.Pupil) registry.Event {
			return registry.Unmerge{Other: rt.Other(), Reason: "不是同一人"}
		}},
		{"escalate", bySystem, func(p *registry.Pupil) registry.Event { return registry.Escalate{CaseNo: p.Lock} }},
		{"urge", func(p *registry.Pupil) registry.Actor { return rt.Officer(registry.Above(rt.SmallWorld(), waits(p))) },
			func(p *registry.Pupil) registry.Event {
				return registry.UrgeStep{CaseNo: p.Lock, Note: "请尽快办结"}
			}},
		{"call_over", func(*registry.Pupil) registry.Actor { return rt.Registrar(rt.PrimaryA) }, func(p *registry.Pupil) registry.Event {
			return registry.CallOver{CaseNo: "ZX-2026-0001-000080", Registry: rt.There, Number: rt.Handover().Number, Name: "欧阳明", Birth: "2017-03-09", To: rt.PrimaryA, ToGrade: 3, Reason: "迁居",
				Guardian: "父亲", Evidence: []string{file}}
		}},
		{"call_over by card", func(*registry.Pupil) registry.Actor { return rt.Registrar(rt.PrimaryA) }, func(p *registry.Pupil) registry.Event {
			return registry.CallOver{CaseNo: "ZX-2026-0001-000082", Registry: rt.There, Number: rt.Handover().Number, Birth: "2017-03-09", To: rt.PrimaryA, ToGrade: 3, Reason: "迁居", Guardian: "父亲",
				Record: []byte("record"), Card: &registry.CardShown{Level: 1, Vouched: true}}
		}},
		{"name_far", from(rt.OtherProvince), func(p *registry.Pupil) registry.Event {
			return registry.NameFar{CaseNo: lastCase(p).No, Name: "欧阳明", Birth: "2017-03-09"}
		}},
		{"name_far here", func(*registry.Pupil) registry.Actor { return rt.Registrar(rt.PrimaryA) }, func(p *registry.Pupil) registry.Event {
			return registry.NameFar{CaseNo: lastCase(p).No, Name: "欧阳明", Birth: "2017-03-09"}
		}},
		{"far_closed no such card", from(rt.OtherProvince), func(p *registry.Pupil) registry.Event {
			return registry.FarClosed{CaseNo: lastCase(p).No, State: registry.CaseRefused, Party: registry.PartySender, Unit: rt.OtherProvince, Refusal: registry.RefuseIdentity, OfCard: true}
		}},
		{"call_over by offer", from(rt.PrimaryC), func(p *registry.Pupil) registry.Event {
			return registry.CallOver{CaseNo: "SX-2026-0001-000083", Way: registry.CaseAdvance, Registry: rt.There, Number: rt.Handover().Number, Name: "欧阳明", Birth: "2017-03-09", To: rt.JuniorA, ToGrade: 7, Offer: "320000/offer-a"}
		}},
		{"offer_up", atSchool, func(*registry.Pupil) registry.Event { return registry.OfferUp{Registry: rt.There, To: rt.JuniorC} }},
		{"offer_declined", from(rt.OtherProvince), func(*registry.Pupil) registry.Event {
			return registry.OfferDeclined{Registry: rt.There, Refusal: registry.RefuseNoPlace}
		}},
		{"far_request", from(rt.PrimaryC), func(*registry.Pupil) registry.Event { return rt.FarAsk("ZX-2026-0001-000081") }},
		{"far_arrived", from(rt.CountyC), func(p *registry.Pupil) registry.Event {
			c := lastCase(p)
			s, _ := c.Next()
			return rt.FarTurn(*p, s.Party, rt.CountyC)
		}},
		{"far_closed refused", from(rt.PrimaryC), func(p *registry.Pupil) registry.Event {
			return registry.FarClosed{CaseNo: lastCase(p).No, State: registry.CaseRefused, Party: registry.PartySender, Unit: rt.PrimaryC, Refusal: registry.RefuseNotLeft}
		}},
		{"far_closed withdrawn", from(rt.PrimaryC), func(p *registry.Pupil) registry.Event {
			return registry.FarClosed{CaseNo: lastCase(p).No, State: registry.CaseWithdrawn, Unit: rt.PrimaryC}
		}},
		{"continue", from(rt.CountyC), func(p *registry.Pupil) registry.Event {
			return registry.Continue{CaseNo: lastCase(p).No, Unit: rt.CountyC, Handover: rt.Handover()}
		}},
		{"far_receipt", from(rt.PrimaryC), func(p *registry.Pupil) registry.Event { return registry.FarReceipt{CaseNo: lastCase(p).No} }},
		{"give_back", func(*registry.Pupil) registry.Actor { return rt.Officer(rt.CountyA) }, func(p *registry.Pupil) registry.Event {
			return registry.GiveBack{CaseNo: lastCase(p).No, Refusal: registry.RefuseDouble, Note: "本省已有学籍"}
		}},
		{"take_back", from(rt.PrimaryC), func(p *registry.Pupil) registry.Event {
			return registry.TakeBack{CaseNo: lastCase(p).No, Refusal: registry.RefuseDouble}
		}},
		{"far_sent", from(rt.PrimaryC), func(*registry.Pupil) registry.Event {
			return registry.FarSent{No: "DA-7QK2M9XC4T5S", Items: rt.Items(), From: rt.PrimaryC}
		}},
		{"receive_archive afar", from(rt.PrimaryC), func(p *registry.Pupil) registry.Event { return registry.ReceiveArchive{No: p.Archive.No} }},
		{"withdraw afar", from(rt.PrimaryC), func(p *registry.Pupil) registry.Event { return registry.Withdraw{CaseNo: lastCase(p).No} }},
		{"record_absence", atSchool, func(*registry.Pupil) registry.Event {
			return registry.RecordAbsence{Since: day, Absence: registry.AbsenceSick, Until: day.AddDays(10), Note: "住院"}
		}},
		{"follow_absence", atSchool, func(*registry.Pupil) registry.Event {
			return registry.FollowAbsence{On: day, With: "母亲", How: "家访", Note: "下周返校", Absence: registry.AbsencePersonal, Until: day.AddDays(7)}
		}},
		{"end_absence", atSchool, func(*registry.Pupil) registry.Event { return registry.EndAbsence{On: day} }},
		{"set_pin", atSchool, func(*registry.Pupil) registry.Event { return registry.SetPIN{PIN: "$argon2id$other"} }},
	}
}

// from is the word of a unit of the other province.
func from(u registry.Unit) func(*registry.Pupil) registry.Actor {
	return func(*registry.Pupil) registry.Actor { return rt.Afar(u) }
}

func renewCard(why string) func(*registry.Pupil) registry.Event {
	return func(*registry.Pupil) registry.Event {
		return registry.RenewCard{Number: registry.NewCardNumber("33", 42), Why: why}
	}
}

func changeCard(act registry.CardAct, reason string, by func(*registry.Pupil) registry.Actor) attempt {
	return attempt{strings.TrimSpace("change_card " + string(act) + " " + reason), by, func(p *registry.Pupil) registry.Event {
		e := registry.ChangeCard{Number: registry.NewCardNumber("33", 42), Act: act, Reason: reason}
		if p.Card != nil {
			e.Number = p.Card.Number
		}
		return e
	}}
}

// TestGolden holds every state against every event. A new state or event changes the file, and somebody has to look.
func TestGolden(t *testing.T) {
	var out strings.Builder
	tried := map[registry.EventKind]bool{}
	for _, st := range rt.States() {
		fmt.Fprintf(&out, "%s: %s\n", st.Name, where(rt.Pupil(st.Name)))
		s := rt.In(st.Name)
		for _, a := range attempts() {
			before, _ := json.Marshal(s.P)
			ev := a.ev(&s.P)
			tried[ev.Kind()] = true
			env := s.Env
			env.Now, env.Actor = s.Now.Add(time.Hour), a.by(&s.P)
			after, effects, err := registry.Decide(s.P, ev, env)
			if now, _ := json.Marshal(s.P); string(now) != string(before) {
				t.Fatalf("%s × %s: Decide changed its argument", st.Name, a.name)
			}
			fmt.Fprintf(&out, "    %-30s ", a.name)
			if err != nil {
				if len(effects) != 0 || !reflect.DeepEqual(after, s.P) {
					t.Errorf("%s × %s: a refusal left something behind", st.Name, a.name)
				}
				fmt.Fprintf(&out, "✗ %s\n", err)
				continue
			}
			fmt.Fprintf(&out, "→ %s", where(after))
			for _, e := range effects {
				fmt.Fprintf(&out, " · %s %s", e.What, env.Directory.Name(e.Unit))
			}
			fmt.Fprintln(&out)
		}
	}
	for _, k := range registry.EventKinds() {
		if !tried[k] {
			t.Errorf("no attempt of %s", k)
		}
	}
	const name = "testdata/transitions.golden"
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got, exp := strings.Split(out.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(exp)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(exp) {
			w = exp[i]
		}
		if g != w {
			t.Fatalf("line %d\n got %s\nwant %s", i+1, g, w)
		}
	}
}

// where tells a pupil's five regions in one line.
func where(p registry.Pupil) string {
	s := string(p.Standing)
	if p.Number != "" {
		s += " " + string(p.Number[:1])
	}
	if p.School != "" {
		s += fmt.Sprintf(" @%s %d/%s", rt.SmallWorld().Name(p.School), p.Grade, p.Class)
	}
	if c := p.OpenCase(); c != nil {
		n, _ := c.Next()
		s += fmt.Sprintf(" [%s:%s %s by %s]", c.Kind, n.Party, rt.SmallWorld().Name(n.Unit), n.DueOn)
	}
	if a := p.Archive; a.State != "" {
		s += fmt.Sprintf(" archive %s at %s", a.State, rt.SmallWorld().Name(a.Custodian))
		if a.To != "" && a.To != a.Custodian {
			s += fmt.Sprintf(" →%s by %s", rt.SmallWorld().Name(a.To), a.DueOn)
		}
		if len(a.Missing) > 0 {
			s += fmt.Sprintf(" missing %v by %s", a.Missing, a.MissingDue)
		}
	}
	if p.Moved != nil {
		s += fmt.Sprintf(" moved to %s", rt.SmallWorld().Name(p.Moved.School))
	}
	if p.Study != nil || p.Mode != "" {
		s += fmt.Sprintf(" %s at %s", p.Mode, rt.SmallWorld().Name(p.StudySchool()))
	}
	if n := len(p.Absences); n > 0 {
		if a := p.Absent(); a != nil {
			s += fmt.Sprintf(" absent %s by %s", a.Kind, a.DueOn)
		} else {
			s += fmt.Sprintf(" absence ended %s", p.Absences[n-1].End)
		}
	}
	if p.Dropout != nil {
		s += fmt.Sprintf(" kept until %s", p.Dropout.KeepUntil)
	}
	if len(p.Numbers) > 0 {
		s += fmt.Sprintf(" numbers before %d", len(p.Numbers))
	}
	if len(p.Absorbed) > 0 {
		s += fmt.Sprintf(" absorbed %d", len(p.Absorbed))
	}
	if p.NoContact {
		s += " no contact"
	}
	if p.Card != nil {
		s += fmt.Sprintf(" card %d/%d", p.Card.Written, p.Card.Sequence)
		if l := p.Card.Life(); l != registry.CardActive {
			s += " " + string(l)
		}
	}
	return s
}
