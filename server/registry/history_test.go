package registry_test

import (
	"encoding/json"
	"fmt"
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
		return []registry.EventKind{registry.EvDecideStep}
	case len(a.Missing) > 0:
		return []registry.EventKind{registry.EvSettleMissing, registry.EvStartTransfer}
	case a.State == registry.ArchiveCalled:
		return []registry.EventKind{registry.EvSendArchive, registry.EvStartTransfer}
	case a.State == registry.ArchiveTransit:
		return []registry.EventKind{registry.EvReceiveArchive, registry.EvStartTransfer}
	case p.Standing == registry.StandingSuspended:
		return []registry.EventKind{registry.EvReturn, registry.EvStartTransfer}
	}
	return []registry.EventKind{registry.EvBuildArchive, registry.EvStartTransfer, registry.EvStartSuspend, registry.EvBindCard}
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
		t.Fatalf("no generator for %s", k)
		return nil, nil
	}
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
			lenient, err := env.Pack.Overlay([]byte(`{"version":"ZJ-TEST","title":"test","suspended_may_transfer":true,"foreign_number":"L"}`))
			if err != nil {
				t.Fatal(err)
			}
			env.Pack = lenient
		}
		for n := range rapid.IntRange(1, 40).Draw(t, "length") {
			now = now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "hours")) * time.Hour)
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
			moves(t, &p, &after, ev)
			invariants(t, &after, env)
			for _, e := range effects {
				if e.Unit == "" || e.Kind == "" || e.What == "" {
					t.Fatalf("an effect for nobody: %+v", e)
				}
			}
			p = after
		}
	})
	t.Logf("events that got through: %v", reached)
}

// moves: what one event may change.
func moves(t *rapid.T, before, after *registry.Pupil, ev registry.Event) {
	completed := len(after.Cases) > 0 && before.Lock != "" && after.Lock == "" && after.Case(before.Lock).State == registry.CaseCompleted
	if before.School != after.School && before.School != "" && ev.Kind() != registry.EvEnrol {
		if !completed || after.Case(before.Lock).Kind != registry.CaseTransfer {
			t.Fatalf("%s moved the pupil from %s to %s without a completed transfer", ev.Kind(), before.School, after.School)
		}
		if before.Card != nil && after.Card.Sequence != before.Card.Sequence+1 {
			t.Fatalf("a move without a rewrite of the card")
		}
	}
	if before.Number != "" && after.Number != before.Number {
		t.Fatalf("%s changed the 学籍号", ev.Kind())
	}
	if len(after.Cases) < len(before.Cases) {
		t.Fatalf("%s lost a case", ev.Kind())
	}
	for i := range before.Cases {
		if b, a := &before.Cases[i], &after.Cases[i]; b.State != registry.CaseOpen && !reflect.DeepEqual(*b, *a) {
			t.Fatalf("%s changed a closed case", ev.Kind())
		}
	}
	if before.Archive.Custodian != "" && after.Archive.Custodian != before.Archive.Custodian && ev.Kind() != registry.EvReceiveArchive {
		t.Fatalf("%s moved custody", ev.Kind())
	}
	// A month that runs (Art. 15) ends by a receipt, or falls away when the pupil is back where the paper is; nothing moves it.
	if b, a := before.Archive, after.Archive; b.To != "" && b.DueOn != "" && ev.Kind() != registry.EvReceiveArchive && a.DueOn != b.DueOn &&
		(b.State == registry.ArchiveCalled || b.State == registry.ArchiveTransit || b.State == registry.ArchiveNone) && !(a.DueOn == "" && after.School == a.Custodian) {
		t.Fatalf("%s moved the archive's deadline from %s to %q", ev.Kind(), b.DueOn, a.DueOn)
	}
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
	if (p.Standing == registry.StandingSuspended) != (p.Suspension != nil) {
		t.Fatalf("standing %s, suspension %v", p.Standing, p.Suspension)
	}
	admitted := p.Standing == registry.StandingEnrolled || p.Standing == registry.StandingSuspended
	if admitted != (p.Number != "") || admitted != (p.Archive.Custodian != "") {
		t.Fatalf("standing %s, number given %v, custodian %q", p.Standing, p.Number != "", p.Archive.Custodian)
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
	if admitted && a.Custodian != p.School && a.To == "" {
		t.Fatalf("the pupil is at %s, the archive at %s, and nobody is called", p.School, a.Custodian)
	}
	if len(a.Missing) > 0 && (a.MissingFrom == "" || !a.MissingDue.Valid()) {
		t.Fatalf("missing items that nobody owes by a day")
	}
	if p.Card != nil && (p.Card.Written > p.Card.Sequence || p.Card.Sequence == 0) {
		t.Fatalf("card %d/%d", p.Card.Written, p.Card.Sequence)
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
	want := map[registry.TaskKind]registry.Date{}
	if c := p.OpenCase(); c != nil {
		s, _ := c.Next()
		want[registry.TaskStep] = s.DueOn
	}
	a := &p.Archive
	switch a.State {
	case registry.ArchiveNone:
		want[registry.TaskArchiveBuild] = a.BuildDue
		if a.To != "" {
			want[registry.TaskArchiveSend] = a.DueOn
		}
	case registry.ArchiveCalled:
		want[registry.TaskArchiveSend] = a.DueOn
	case registry.ArchiveTransit:
		want[registry.TaskArchiveReceive] = a.DueOn
	}
	if len(a.Missing) > 0 {
		want[registry.TaskArchiveMissing] = a.MissingDue
	}
	if p.Suspension != nil {
		want[registry.TaskSuspensionEnd] = p.Suspension.Until
	}
	got := registry.Tasks(*p, env)
	if len(got) != len(want) {
		t.Fatalf("tasks %v, want %v", got, want)
	}
	for i, k := range got {
		if want[k.Kind] != k.DueOn || !k.DueOn.Valid() || !k.Arrived.Valid() || k.Unit == "" || k.UID != p.UID {
			t.Fatalf("task %+v, want due %s", k, want[k.Kind])
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
	for _, st := range rt.States() {
		for _, at := range attempts() {
			for _, who := range strangers {
				p := rt.Pupil(st.Name)
				ev := at.ev(&p)
				k := ev.Kind()
				if c, ok := ev.(registry.ChangeCard); ok && (c.Act == registry.CardUse || c.Act == registry.CardExpire) && who.Account == "system" {
					continue
				}
				if r, ok := ev.(registry.RenewCard); ok && r.Why == registry.RenewEpoch && who.Account == "system" {
					continue
				}
				if k == registry.EvCardWritten || (k == registry.EvRevokeCard || k == registry.EvBindCard || k == registry.EvChangeCard || k == registry.EvRenewCard) && who.Role == registry.RoleOfficer && who.Unit != rt.CountyC {
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
