package registrytest

import (
	"fmt"
	"time"

	"xueji/server/registry"
)

// Start is the first moment of every story: Monday 2026-09-07, 10:00 in Beijing.
var Start = time.Date(2026, 9, 7, 10, 0, 0, 0, registry.Beijing)

// Story tells a pupil's life by events. Each event that is refused stops it: Err is the first refusal.
type Story struct {
	P       registry.Pupil
	Now     time.Time
	Env     registry.Env // Now and Actor are set at each event
	Events  []registry.Event
	Past    []registry.Past   // the events with their times, as a history keeps them
	Effects []registry.Effect // of the last event
	Err     error
	serial  int
}

// NewStory begins with an unknown pupil whose UID comes from n.
func NewStory(n int) *Story {
	var random [16]byte
	copy(random[:], fmt.Sprintf("%016d", n))
	return &Story{
		P:   registry.Pupil{UID: registry.NewUID(random)},
		Now: Start,
		Env: registry.Env{Pack: registry.DefaultPack(), Calendar: registry.DefaultCalendar(), Directory: SmallWorld()},
	}
}

// Do applies an event as an actor, a minute after the last.
func (s *Story) Do(a registry.Actor, ev registry.Event) *Story {
	if s.Err != nil {
		return s
	}
	s.Now = s.Now.Add(time.Minute)
	env := s.Env
	env.Now, env.Actor = s.Now, a
	after, effects, err := registry.Decide(s.P, ev, env)
	if err != nil {
		s.Err = fmt.Errorf("%s by %s of %s: %w", ev.Kind(), a.Role, a.Unit, err)
		return s
	}
	s.P, s.Effects = after, effects
	s.P.Version++
	s.Events = append(s.Events, ev)
	s.Past = append(s.Past, registry.Past{At: s.Now, Event: ev})
	return s
}

// Wait lets days pass.
func (s *Story) Wait(days int) *Story { s.Now = s.Now.AddDate(0, 0, days); return s }

// No draws the next case number of the story.
func (s *Story) No(k registry.CaseKind) registry.CaseNo {
	s.serial++
	return registry.CaseNumber(k, s.Now.In(registry.Beijing).Year(), 1, s.serial)
}

// Actors.
func Registrar(u registry.Unit) registry.Actor { return actor(u, registry.RoleRegistrar) }
func Leader(u registry.Unit) registry.Actor    { return actor(u, registry.RoleLeader) }
func Officer(u registry.Unit) registry.Actor   { return actor(u, registry.RoleOfficer) }
func Clerk(u registry.Unit) registry.Actor     { return actor(u, registry.RoleClerk) }

func actor(u registry.Unit, r registry.Role) registry.Actor {
	return registry.Actor{Account: fmt.Sprintf("%s-%s", r, u), Name: "王老师", Unit: u, Role: r, Via: "console"}
}

// Enrol opens the enrolment at a school.
func (s *Story) Enrol(school registry.Unit, f registry.Form) *Story {
	return s.Do(Registrar(school), registry.Enrol{CaseNo: s.No(registry.CaseEnrol), School: school, Form: f, PIN: "$argon2id$test"})
}

// Accept lets the unit whose turn it is accept.
func (s *Story) Accept() *Story { return s.Say(registry.DecisionAccept, "") }

// Refuse lets the unit whose turn it is refuse.
func (s *Story) Refuse(why registry.RefusalCode) *Story { return s.Say(registry.DecisionRefuse, why) }

// Say lets the unit whose turn it is speak.
func (s *Story) Say(w registry.StepDecision, why registry.RefusalCode) *Story {
	c := s.P.OpenCase()
	if s.Err != nil || c == nil {
		if s.Err == nil {
			s.Err = fmt.Errorf("no open case")
		}
		return s
	}
	st, _ := c.Next()
	a := Leader(st.Unit)
	if !st.Unit.IsSchool() {
		a = Officer(st.Unit)
	}
	ev := registry.DecideStep{CaseNo: c.No, Party: st.Party, Decision: w, Refusal: why, Serial: 7}
	if st.Party == registry.PartyReceiver && w == registry.DecisionAccept {
		ev.Class = "5班"
	}
	return s.Do(a, ev)
}

// AcceptAll accepts until the case is closed.
func (s *Story) AcceptAll() *Story {
	for s.Err == nil && s.P.OpenCase() != nil {
		s.Accept()
	}
	return s
}

// Transfer opens a transfer to a school, in the pupil's grade.
func (s *Story) Transfer(to registry.Unit) *Story {
	return s.Do(Registrar(to), registry.StartTransfer{CaseNo: s.No(registry.CaseTransfer), To: to, ToGrade: s.P.Grade, Reason: "随父母迁居", Guardian: "母亲"})
}

// Suspend opens a suspension of half a year from today.
func (s *Story) Suspend() *Story {
	from := registry.DateOf(s.Now)
	return s.Do(Registrar(s.P.School), registry.StartSuspend{CaseNo: s.No(registry.CaseSuspend), From: from, Until: from.AddMonths(6), Reason: "因病", Guardian: "母亲"})
}

// Return files a return at the same grade.
func (s *Story) Return() *Story {
	return s.Do(Registrar(s.P.School), registry.Return{CaseNo: s.No(registry.CaseReturn), Grade: s.P.Grade, Class: "1班", Proof: "县医院康复证明"})
}

// Items is a plausible inventory.
func Items() []registry.ArchiveItem {
	return []registry.ArchiveItem{
		{No: 1, Group: 1, Title: "学籍基础信息表", Date: "2026-09-07", Pages: 2},
		{No: 2, Group: 2, Title: "居民户口簿复印件", Date: "2026-09-07", Pages: 3, Copy: true},
		{No: 3, Group: 4, Title: "预防接种证明", Date: "2026-09-08", Pages: 1, Copy: true},
	}
}

// Build builds the archive at its custodian.
func (s *Story) Build() *Story {
	return s.Do(Registrar(s.P.Archive.Custodian), registry.BuildArchive{Items: Items()})
}

// Send sends the archive that was called.
func (s *Story) Send() *Story {
	return s.Do(Registrar(s.P.Archive.From), registry.SendArchive{No: "DA-7QK2M9XC4T5R"})
}

// Receive ticks the inventory off.
func (s *Story) Receive(missing ...int) *Story {
	return s.Do(Registrar(s.P.Archive.To), registry.ReceiveArchive{No: s.P.Archive.No, Missing: missing})
}

// Card binds a card that is in use.
func (s *Story) Card() *Story { return s.Bind("") }

// Bind binds a card in a state of its life; "" is active.
func (s *Story) Bind(state registry.CardState) *Story {
	return s.Do(Clerk(CountyA), registry.BindCard{Card: registry.CardRef{Number: registry.NewCardNumber("33", 42), Sequence: 1, Written: 1, Profile: "sim", Level: 2,
		StatusIdx: 7, ExpiresOn: "2032-08-31", State: state}})
}

// Change moves the pupil's card, at the pupil's school.
func (s *Story) Change(act registry.CardAct, reason string) *Story {
	number := ""
	if s.P.Card != nil {
		number = s.P.Card.Number
	}
	return s.Do(Registrar(s.P.School), registry.ChangeCard{Number: number, Act: act, Reason: reason})
}
