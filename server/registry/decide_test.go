package registry_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

func run(t *testing.T, s *rt.Story) registry.Pupil {
	t.Helper()
	if s.Err != nil {
		t.Fatal(s.Err)
	}
	return s.P
}

// The domain's worked example as a case: it arrives on Friday 2013-09-27, and the step ends on 2013-10-16.
func TestStepClock(t *testing.T) {
	s := rt.NewStory(1)
	s.Now = time.Date(2013, 9, 27, 16, 0, 0, 0, registry.Beijing)
	f := rt.FormOf("李明", "2006-03-09", 1, 2)
	p := run(t, s.Enrol(rt.PrimaryA, f))
	if st := p.Cases[0].Steps[0]; st.DueOn != "2013-10-16" || st.Unsure {
		t.Errorf("due %s", st.DueOn)
	}
}

// The whole journey: each party in order, ten working days from its own arrival, and what the end brings about.
func TestTransferAcrossCounties(t *testing.T) {
	s := rt.In("enrolled+archive+card").Transfer(rt.NineYearB)
	p := run(t, s)
	want := []registry.Step{{Party: registry.PartyReceiver, Unit: rt.NineYearB}, {Party: registry.PartyReceiverAuth, Unit: rt.CountyB},
		{Party: registry.PartySender, Unit: rt.PrimaryA}, {Party: registry.PartySenderAuth, Unit: rt.CountyA}}
	for i, w := range want {
		c := p.OpenCase()
		if c == nil || len(c.Steps) != 4 || c.Steps[i].Party != w.Party || c.Steps[i].Unit != w.Unit || c.Current() != i {
			t.Fatalf("step %d: %+v", i, c)
		}
		due, _ := registry.DefaultCalendar().AddWorkingDays(registry.DateOf(s.Now), 10)
		if c.Steps[i].DueOn != due {
			t.Errorf("step %d is due %s, want %s", i, c.Steps[i].DueOn, due)
		}
		for _, later := range c.Steps[i+1:] {
			if !later.ArrivedAt.IsZero() || later.DueOn != "" {
				t.Errorf("the clock of %s runs before its turn", later.Party)
			}
		}
		p = run(t, s.Wait(3).Accept())
	}
	if p.School != rt.NineYearB || p.Class != "5班" || p.Form[registry.FClass] != "5班" || p.Form[registry.FClassNo] != "" || p.Lock != "" {
		t.Errorf("%+v", p)
	}
	a := p.Archive
	due, _ := registry.DefaultCalendar().AddMonths(registry.DateOf(s.Now), 1)
	if a.State != registry.ArchiveCalled || a.From != rt.PrimaryA || a.To != rt.NineYearB || a.Custodian != rt.PrimaryA || a.DueOn != due || len(a.Backups) != 1 {
		t.Errorf("archive %+v, due %s", a, due)
	}
	if !p.CardBehind() || p.Card.Sequence != 2 {
		t.Errorf("card %+v", p.Card)
	}
	p = run(t, s.Send().Receive(2))
	if a := p.Archive; a.State != registry.ArchiveReceived || a.Custodian != rt.NineYearB || !reflect.DeepEqual(a.Missing, []int{2}) || a.MissingFrom != rt.PrimaryA {
		t.Errorf("archive %+v", p.Archive)
	}
	told := map[registry.Unit]string{}
	for _, e := range s.Effects {
		told[e.Unit] = e.What
	}
	if told[rt.PrimaryA] != registry.WhatArchiveMissing {
		t.Errorf("the sender is told what is missing: %v", s.Effects)
	}
	// Article 16: the receiver continues what it received.
	p = run(t, s.Do(rt.Registrar(rt.PrimaryA), registry.SettleMissing{Note: "已挂号补寄"}).Build())
	if p.Archive.State != registry.ArchiveHeld || p.Archive.Custodian != rt.NineYearB || len(registry.Tasks(p, s.Env)) != 0 {
		t.Errorf("archive %+v", p.Archive)
	}
}

func TestTransferInOneCounty(t *testing.T) {
	p := run(t, rt.In("enrolled").Transfer(rt.PrimaryA2))
	var got []registry.Party
	for _, s := range p.OpenCase().Steps {
		got = append(got, s.Party)
	}
	if !reflect.DeepEqual(got, []registry.Party{registry.PartyReceiver, registry.PartySender, registry.PartyCommonAuth}) {
		t.Error(got)
	}
}

// A school run by the city is under the city, wherever it lies (Art. 3).
func TestDirectlyRunSchool(t *testing.T) {
	p := run(t, rt.In("enrolled").Transfer(rt.CitySchool))
	if s := p.OpenCase().Steps; len(s) != 4 || s[1].Unit != rt.City || s[3].Unit != rt.CountyA {
		t.Errorf("%+v", s)
	}
}

// The pupil moves on before the paper has: it is called from where it is, and no deadline is lost.
func TestArchiveFollows(t *testing.T) {
	t.Run("called to the next school", func(t *testing.T) {
		s := rt.In("moved/called")
		due := s.P.Archive.DueOn
		a := run(t, s.Wait(2).Transfer(rt.PrimaryA2).AcceptAll()).Archive
		if a.State != registry.ArchiveCalled || a.From != rt.PrimaryA || a.To != rt.PrimaryA2 || a.DueOn != due {
			t.Errorf("%+v, was due %s", a, due)
		}
	})
	t.Run("back to the old school", func(t *testing.T) {
		a := run(t, rt.In("moved/called").Transfer(rt.PrimaryA).AcceptAll()).Archive
		if a.State != registry.ArchiveHeld || a.Custodian != rt.PrimaryA || a.To != "" || a.DueOn != "" || !reflect.DeepEqual(a.Backups, []registry.Unit{rt.NineYearB}) {
			t.Errorf("%+v", a)
		}
	})
	t.Run("called on from where it arrives", func(t *testing.T) {
		s := rt.In("moved/transit").Transfer(rt.PrimaryA2).AcceptAll()
		if a := run(t, s).Archive; a.State != registry.ArchiveTransit || a.To != rt.NineYearB {
			t.Errorf("%+v", a)
		}
		a := run(t, s.Receive()).Archive
		if a.State != registry.ArchiveCalled || a.From != rt.NineYearB || a.To != rt.PrimaryA2 || a.CaseNo != s.P.Cases[2].No || !a.DueOn.Valid() {
			t.Errorf("%+v", a)
		}
		if a := run(t, s.Send().Receive()).Archive; a.Custodian != rt.PrimaryA2 || !reflect.DeepEqual(a.Backups, []registry.Unit{rt.PrimaryA, rt.NineYearB}) {
			t.Errorf("%+v", a)
		}
	})
	t.Run("not built yet", func(t *testing.T) {
		s := rt.In("moved/unbuilt")
		if k := registry.Tasks(s.P, s.Env); len(k) != 2 || k[0].Unit != rt.PrimaryA || k[1].Unit != rt.PrimaryA {
			t.Errorf("the old school has to build and to send: %+v", k)
		}
		if a := run(t, s.Build().Send().Receive()).Archive; a.Custodian != rt.NineYearB || a.State != registry.ArchiveReceived {
			t.Errorf("%+v", a)
		}
	})
}

func TestNumberLetters(t *testing.T) {
	form := func(set map[registry.FieldKey]string) registry.Form {
		f := rt.WithoutID(rt.Form(1))
		for k, v := range set {
			f[k] = v
		}
		return f
	}
	for name, c := range map[string]struct {
		f    registry.Form
		want registry.NumberKind
	}{
		"resident ID":      {rt.Form(1), registry.NumberG},
		"no document":      {form(nil), registry.NumberJ},
		"ID not given yet": {form(map[registry.FieldKey]string{registry.FIDType: "1"}), registry.NumberL},
		"passport":         {form(map[registry.FieldKey]string{registry.FIDType: "A", registry.FIDNumber: "E12345678", registry.FOverseas: "51"}), registry.NumberJ},
	} {
		p := run(t, rt.NewStory(1).Enrol(rt.PrimaryA, c.f).AcceptAll())
		parts, err := registry.ParseNumber(p.Number)
		if err != nil || parts.Kind != c.want || parts.Birth != "2018-03-09" || parts.Region != "330106" {
			t.Errorf("%s: %s %v", name, p.Number[:1], err)
		}
	}
	// Without a serial the last office's word does not go through, and nothing has changed.
	s := rt.NewStory(1).Enrol(rt.PrimaryA, form(nil)).Accept().Accept().Accept()
	c := s.P.OpenCase()
	env := s.Env
	env.Now, env.Actor = s.Now, rt.Officer(rt.Province)
	if _, _, err := registry.Decide(s.P, registry.DecideStep{CaseNo: c.No, Party: registry.PartyProvinceAuth, Decision: registry.DecisionAccept}, env); registry.CodeOf(err) != registry.CodeInvalid {
		t.Error(err)
	}
}

// Refusals say what the catalogue needs: who has the lock, until when, what the school offers.
func TestRefusalsTell(t *testing.T) {
	try := func(s *rt.Story, a registry.Actor, ev registry.Event) *registry.Error {
		t.Helper()
		var e *registry.Error
		if err := s.Do(a, ev).Err; !errors.As(err, &e) {
			t.Fatalf("%s: %v", ev.Kind(), err)
		}
		return e
	}
	start := registry.StartTransfer{CaseNo: "ZX-2026-0017-000042", To: rt.PrimaryA2, ToGrade: 3, Reason: "迁居", Guardian: "母亲"}
	s := rt.In("transfer/sender")
	if e := try(s, rt.Registrar(rt.PrimaryA2), start); e.Code != registry.CodeLocked || e.Params["case"] != string(s.P.Lock) || e.Params["unit"] != string(rt.PrimaryA) || e.Params["due_on"] == "" {
		t.Errorf("%+v", e)
	}
	start.To = rt.JuniorA
	if e := try(rt.In("enrolled"), rt.Registrar(rt.JuniorA), start); e.Code != registry.CodeGrade || e.Params["from_grade"] != "7" || e.Params["to_grade"] != "9" {
		t.Errorf("%+v", e)
	}
	s = rt.In("transfer/sender")
	ev := registry.DecideStep{CaseNo: s.P.Lock, Party: registry.PartyReceiver, Decision: registry.DecisionAccept}
	if e := try(s, rt.Leader(rt.NineYearB), ev); e.Code != registry.CodeNotYourTurn || e.Params["unit"] != string(rt.PrimaryA) {
		t.Errorf("%+v", e)
	}
	s = rt.In("enrol/school")
	if e := try(s, rt.Registrar(rt.PrimaryA), registry.DecideStep{CaseNo: s.P.Lock, Party: registry.PartySchool, Decision: registry.DecisionAccept}); e.Code != registry.CodeForbidden {
		t.Errorf("the registrar does not confirm for the leader: %+v", e)
	}
	s = rt.In("transfer/receiver")
	if e := try(s, rt.Leader(rt.NineYearB), registry.DecideStep{CaseNo: s.P.Lock, Party: registry.PartyReceiver, Decision: registry.DecisionRefuse, Refusal: registry.RefuseOther}); e.Field != "note" {
		t.Errorf("其他 needs words: %+v", e)
	}
	s = rt.In("moved/transit")
	if e := try(s, rt.Registrar(rt.NineYearB), registry.ReceiveArchive{No: "DA-WRONGWRONG1"}); e.Code != registry.CodeArchive {
		t.Errorf("%+v", e)
	}
	s = rt.In("suspended")
	if e := try(s, rt.Registrar(rt.PrimaryA), registry.Return{CaseNo: "FX-2026-0017-000001", Grade: 3, Class: "1班"}); e.Code != registry.CodeEvidence {
		t.Errorf("%+v", e)
	}
	s = rt.In("enrolled")
	day := registry.DateOf(s.Now)
	if e := try(s, rt.Registrar(rt.PrimaryA), registry.StartSuspend{CaseNo: "XX-2026-0017-000001", From: day, Until: day.AddMonths(12).AddDays(1), Reason: "因病", Guardian: "父亲"}); e.Field != "until" || e.Params["latest"] == "" {
		t.Errorf("%+v", e)
	}
	s = rt.NewStory(1)
	f := rt.Form(1)
	f[registry.FIDNumber] = "330106201803090017"
	if e := try(s, rt.Registrar(rt.PrimaryA), registry.Enrol{CaseNo: "ZC-2026-0001-000001", School: rt.PrimaryA, Form: f}); e.Code != registry.CodeInvalid || e.Field != string(registry.FIDNumber) || e.Params["finding"] != "check_digit" {
		t.Errorf("%+v", e)
	}
}

// A province's pack: windows, closed grades, evidence. The case keeps the version it was opened under.
func TestProvincePack(t *testing.T) {
	pack, err := registry.DefaultPack().Overlay([]byte(`{"version":"ZJ-1","title":"t","transfer_windows":[{"from":"08-01","to":"08-31"}],"evidence":{"suspend":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	s := rt.In("enrolled")
	s.Env.Pack = pack
	if err := s.Transfer(rt.PrimaryA2).Err; registry.CodeOf(errors.Unwrap(err)) != registry.CodeWindow {
		t.Error(err)
	}
	s.Err = nil
	if err := s.Suspend().Err; registry.CodeOf(errors.Unwrap(err)) != registry.CodeEvidence {
		t.Error(err)
	}
	if p := rt.Pupil("enrolled"); p.Cases[0].Pack != "CN-2013" {
		t.Error(p.Cases[0].Pack)
	}
}

func TestTasksAbove(t *testing.T) {
	s := rt.In("transfer/receiver_auth")
	k := registry.Tasks(s.P, s.Env)
	if len(k) != 1 || k[0].Unit != rt.CountyB || k[0].Above != rt.City || !reflect.DeepEqual(k[0].Others, []registry.Unit{rt.PrimaryA, rt.NineYearB}) {
		t.Errorf("%+v", k)
	}
	s = rt.In("suspended")
	k = registry.Tasks(s.P, s.Env)
	pack := registry.DefaultPack()
	if len(k) != 1 || k[0].Kind != registry.TaskSuspensionEnd || k[0].Shown(k[0].DueOn.AddDays(-31), pack) || !k[0].Shown(k[0].DueOn.AddDays(-30), pack) || k[0].Overdue(k[0].DueOn) || !k[0].Overdue(k[0].DueOn.AddDays(1)) {
		t.Errorf("%+v", k)
	}
}

// Clone shares nothing: every map, slice and pointer of a full record is its own.
func TestClone(t *testing.T) {
	p := rt.Pupil("moved/missing")
	p.Cases[0].Evidence = []string{file}
	p.Suspension = &registry.Suspension{}
	p.Archive.Card = &registry.CardShown{}
	for i := range p.Cases {
		p.Cases[i].Card, p.Cases[i].Far = &registry.CardShown{}, &registry.Far{Card: []byte{1}}
	}
	p.Offered = &registry.Offered{}
	p.Moved = &registry.Moved{Study: &registry.Study{AgreedBy: []string{"母亲"}}, Suspension: &registry.Suspension{}, Files: []string{file}}
	p.Study, p.Abroad, p.Promotion, p.Merged = &registry.Study{AgreedBy: []string{"母亲"}}, &registry.Abroad{}, &registry.Promotion{}, &registry.MergeLink{}
	p.Absences = []registry.Absence{{Contacts: []registry.Contact{{}}}}
	p.Dropout = &registry.Dropout{Reports: []registry.Report{{}}, Log: []registry.Persuasion{{}}}
	for i := range p.Cases {
		p.Cases[i].Problem = &registry.Problem{Reasons: []string{"same_document"}}
		p.Cases[i].Changes, p.Cases[i].AgreedBy = []registry.Change{{}}, []string{"母亲"}
		p.Cases[i].Steps[0].Urged = []registry.Urge{{}}
	}
	p.Numbers, p.Certificates, p.Absorbed = []registry.NumberUse{{}}, []registry.Certificate{{}}, []registry.MergeLink{{}}
	p.Archive.Retired, p.Archive.Urged = rt.Items(), []registry.Urge{{}}
	p.Archive.Items[0].Older = []registry.ItemVersion{{}}
	c := p.Clone()
	if !reflect.DeepEqual(p, c) {
		t.Fatal("not a copy")
	}
	shared(t, "Pupil", reflect.ValueOf(p), reflect.ValueOf(c))
}

func shared(t *testing.T, path string, a, b reflect.Value) {
	if a.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			shared(t, path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	case reflect.Slice, reflect.Map, reflect.Pointer:
		if a.IsNil() || a.Kind() == reflect.Slice && a.Len() == 0 {
			if a.Kind() != reflect.Slice {
				t.Errorf("%s is empty: the test looks at nothing", path)
			}
			return
		}
		if a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", path)
		}
		switch a.Kind() {
		case reflect.Pointer:
			shared(t, path, a.Elem(), b.Elem())
		case reflect.Slice:
			for i := range a.Len() {
				shared(t, path, a.Index(i), b.Index(i))
			}
		}
	}
}

// A card made while the pupil moved says the old school: it is bound, and behind.
func TestCardMadeDuringMove(t *testing.T) {
	card := registry.CardRef{Number: registry.NewCardNumber("33", 7), Sequence: 1, Written: 1, ExpiresOn: "2032-08-31"}
	p := run(t, rt.In("moved/called").Do(rt.Clerk(rt.CountyB), registry.BindCard{Card: card, School: rt.PrimaryA}))
	if !p.CardBehind() {
		t.Errorf("%+v", p.Card)
	}
	p = run(t, rt.In("moved/called").Do(rt.Clerk(rt.CountyB), registry.BindCard{Card: card, School: rt.NineYearB}))
	if p.CardBehind() {
		t.Errorf("%+v", p.Card)
	}
}

func TestDecideWithoutEnvironment(t *testing.T) {
	for _, env := range []registry.Env{{}, {Now: rt.Start}, {Now: rt.Start, Pack: registry.DefaultPack()}} {
		if _, _, err := registry.Decide(rt.Pupil("enrolled"), registry.SetPIN{}, env); registry.CodeOf(err) != registry.CodeInternal {
			t.Error(err)
		}
	}
}

// Every event comes back from JSON as it went.
func TestDecodeEvent(t *testing.T) {
	seen := map[registry.EventKind]bool{}
	for _, st := range rt.States() {
		p := rt.Pupil(st.Name)
		for _, a := range attempts() {
			ev := a.ev(&p)
			seen[ev.Kind()] = true
			b, err := json.Marshal(ev)
			if err != nil {
				t.Fatal(err)
			}
			back, err := registry.DecodeEvent(ev.Kind(), b)
			if err != nil || !reflect.DeepEqual(back, ev) {
				t.Errorf("%s: %+v %v", a.name, back, err)
			}
		}
	}
	for _, k := range registry.EventKinds() {
		if !seen[k] {
			t.Errorf("%s was not tried", k)
		}
	}
	for _, bad := range []struct{ kind, payload string }{{"picnic", `{}`}, {"set_pin", `{"pin":"x","p":1}`}, {"set_pin", `{"pin":"x"}{}`}, {"set_pin", ``}, {"set_pin", `[]`}} {
		if _, err := registry.DecodeEvent(registry.EventKind(bad.kind), []byte(bad.payload)); registry.CodeOf(err) != registry.CodeInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	seeds := 0
	p := rt.Pupil("moved/missing")
	for _, a := range attempts() {
		ev := a.ev(&p)
		b, _ := json.Marshal(ev)
		f.Add(string(ev.Kind()), b)
		seeds++
	}
	if seeds < len(registry.EventKinds()) {
		f.Fatal("seeds are missing")
	}
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		ev, err := registry.DecodeEvent(registry.EventKind(kind), payload)
		if err != nil {
			return
		}
		b, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		again, err := registry.DecodeEvent(ev.Kind(), b)
		if err != nil {
			t.Fatal(err)
		}
		b2, _ := json.Marshal(again)
		if string(b2) != string(b) {
			t.Fatalf("%s then %s", b, b2)
		}
		// And whatever it says, Decide answers with a refusal or a record, never with a panic.
		for _, st := range []string{"unknown", "transfer/receiver", "moved/transit", "suspended"} {
			s := rt.In(st)
			env := s.Env
			env.Now, env.Actor = s.Now, rt.Registrar(rt.PrimaryA)
			if _, _, err := registry.Decide(s.P, ev, env); registry.CodeOf(err) == registry.CodeInternal {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	s := rt.In("enrolled+archive+card")
	env := s.Env
	env.Now, env.Actor = s.Now, rt.Registrar(rt.NineYearB)
	ev := registry.StartTransfer{CaseNo: "ZX-2026-0017-000042", To: rt.NineYearB, ToGrade: 3, Reason: "迁居", Guardian: "母亲"}
	b.ReportAllocs()
	for b.Loop() {
		p, _, err := registry.Decide(s.P, ev, env)
		if err != nil {
			b.Fatal(err)
		}
		registry.Tasks(p, env)
	}
}
