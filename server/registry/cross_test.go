package registry_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
)

// envelope is a letter on its way: what package exchange signs and carries. Its rules are the product's: numbered, kept until its receipt, taken once, applied in the
// order of its thread.
type envelope struct {
	seq, prev int
	thread    string
	body      []byte
	acked     bool
}

// register is one of two: its pupils, its outbox to the other and its inbox from it.
type register struct {
	code   string
	dir    *rt.Directory
	pupils map[registry.UID]registry.Pupil
	out    []*envelope       // to the other
	in     map[int]*envelope // from the other, by its number
	done   map[int]bool
	serial int
	clock  *time.Time
	spoil  func() bool // a released 学籍 cannot be continued now and is given back
}

func newRegister(code string, clock *time.Time) *register {
	return &register{code: code, dir: rt.FarWorld(code), pupils: map[registry.UID]registry.Pupil{}, in: map[int]*envelope{}, done: map[int]bool{}, clock: clock, spoil: func() bool { return false }}
}

func (r *register) no(k registry.CaseKind) registry.CaseNo {
	r.serial++
	return registry.CaseNumber(k, 2026, 0, r.serial)
}

// decide is one transaction: the pupil and the letters it promises, or nothing.
func (r *register) decide(uid registry.UID, ev registry.Event, by registry.Actor) error {
	p := r.pupils[uid]
	if p.UID == "" {
		p.UID = uid
	}
	env := registry.Env{Now: *r.clock, Actor: by, Pack: registry.DefaultPack(), Calendar: registry.DefaultCalendar(), Directory: r.dir}
	after, effects, err := registry.Decide(p, ev, env)
	if err != nil {
		return err
	}
	var letters []*envelope
	for _, e := range effects {
		if e.Kind != registry.EffectLetter {
			continue
		}
		l, err := registry.WriteLetter(&after, e, ev, r.dir)
		if err != nil {
			return fmt.Errorf("letter %s: %w", e.What, err)
		}
		letters = append(letters, r.envelope(l, after.Case(e.CaseNo).Thread(r.code), len(letters)))
	}
	r.pupils[uid] = after
	r.out = append(r.out, letters...)
	return nil
}

func (r *register) envelope(l registry.Letter, thread string, ahead int) *envelope {
	body, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	e := &envelope{seq: len(r.out) + ahead + 1, thread: thread, body: body}
	return e
}

// link sets each envelope's predecessor in its thread, as the store does when it numbers them.
func (r *register) link() {
	last := map[string]int{}
	for _, e := range r.out {
		e.prev = last[e.thread]
		last[e.thread] = e.seq
	}
}

// has: the 学籍 of a number is here, with a pupil at school or past its end.
func has(p *registry.Pupil, n registry.Number) bool {
	return p.Number == n && (p.Standing.Living() || p.Standing.Ended())
}

// with finds the pupil of a number who has it here.
func (r *register) with(n registry.Number) (registry.UID, bool) {
	for uid, p := range r.pupils {
		if has(&p, n) {
			return uid, true
		}
	}
	return "", false
}

// of finds the pupil and case of a thread.
func (r *register) of(thread string) (registry.UID, registry.CaseNo, bool) {
	for uid, p := range r.pupils {
		for i := range p.Cases {
			if p.Cases[i].Thread(r.code) == thread {
				return uid, p.Cases[i].No, true
			}
		}
	}
	return "", "", false
}

// apply is the receiver's transaction for one letter.
func (r *register) apply(t interface{ Fatalf(string, ...any) }, e *envelope, from string) {
	var l registry.Letter
	if err := json.Unmarshal(e.body, &l); err != nil {
		t.Fatalf("letter: %v", err)
	}
	r.done[e.seq] = true
	if l.Kind == registry.LetterRequest {
		uid, ok := r.with(l.Request.Number)
		p := r.pupils[uid]
		err := error(registry.ErrNotFound)
		if ok && p.Form[registry.FName] == l.Request.Name && registry.Date(p.Form[registry.FBirth]) == l.Request.Birth {
			way, _ := registry.Crossing(l.Request.Way)
			ev, by, e2 := registry.ReadLetter(l, from, &p, r.no(way))
			if err = e2; err == nil {
				err = r.decide(uid, ev, by)
			}
		}
		if err != nil {
			why := registry.RefusalOf(err)
			if why == "" {
				t.Fatalf("%s cannot answer a request: %v", r.code, err)
			}
			r.out = append(r.out, r.envelope(registry.LetterAnswer(l, why, ""), from+"/"+string(l.Case), 0))
		}
		return
	}
	uid, no, ok := r.of(e.thread)
	if !ok {
		if l.Kind != registry.LetterWithdraw { // of a request that was refused for want of a pupil
			t.Fatalf("%s has no case of a letter %s on %s", r.code, l.Kind, e.thread)
		}
		return
	}
	p := r.pupils[uid]
	ev, by, err := registry.ReadLetter(l, from, &p, no)
	if err != nil {
		t.Fatalf("read %s: %v", l.Kind, err)
	}
	if l.Kind == registry.LetterRelease && r.spoil() {
		c := p.Case(no)
		ev, by = registry.GiveBack{CaseNo: c.No, Refusal: registry.RefuseDouble, Note: "本省已有学籍"}, rt.Officer(c.Steps[1].Unit)
	}
	err = r.decide(uid, ev, by)
	if l.Kind == registry.LetterWithdraw && registry.CodeOf(err) == registry.CodeConflict {
		return // it came too late: how the case ended is in a letter that left before
	}
	if err != nil {
		t.Fatalf("%s cannot apply %s: %v", r.code, l.Kind, err)
	}
}

// holders counts where a number is live, and what carries it: a release that nobody has applied, a return that nobody has.
func holders(a, b *register, n registry.Number) (live, carried int) {
	for _, r := range []*register{a, b} {
		other := map[*register]*register{a: b, b: a}[r]
		for _, p := range r.pupils {
			if has(&p, n) {
				live++
			}
		}
		for _, e := range r.out {
			var l registry.Letter
			_ = json.Unmarshal(e.body, &l)
			if (l.Kind == registry.LetterRelease || l.Kind == registry.LetterReturn) && !other.done[e.seq] {
				carried++
			}
		}
	}
	return live, carried
}

// settled delivers everything in order until both sides are still.
func settle(t interface{ Fatalf(string, ...any) }, a, b *register) {
	for range 100 {
		moved := false
		for _, pair := range [][2]*register{{a, b}, {b, a}} {
			from, to := pair[0], pair[1]
			from.link()
			for i := 0; i < len(from.out); i++ {
				if e := from.out[i]; !to.done[e.seq] && (e.prev == 0 || to.done[e.prev]) {
					to.apply(t, e, from.code)
					moved = true
				}
			}
		}
		if !moved {
			return
		}
	}
	t.Fatalf("the two registers never come to rest")
}

func two() (here, there *register, uid registry.UID) {
	clock := rt.Start
	here, there = newRegister(rt.Here, &clock), newRegister(rt.There, &clock)
	s := rt.In("enrolled+archive+card")
	there.pupils[rt.Other()] = registry.Pupil{UID: rt.Other()}
	here.pupils[s.P.UID] = s.P
	return here, there, s.P.UID
}

// callUp is call by 升学.
func callUp(p registry.Pupil) registry.CallOver {
	e := call(p)
	e.CaseNo, e.Way, e.To, e.ToGrade, e.Reason = "SX-2026-0001-000500", registry.CaseAdvance, rt.JuniorC, 7, ""
	return e
}

func call(p registry.Pupil) registry.CallOver {
	return registry.CallOver{CaseNo: "ZX-2026-0001-000500", Registry: rt.Here, Number: p.Number, Name: p.Form[registry.FName], Birth: registry.Date(p.Form[registry.FBirth]), To: rt.PrimaryC, ToGrade: 3,
		Reason: "随父母迁居", Guardian: "母亲"}
}

func agree(r *register, uid registry.UID) error {
	p := r.pupils[uid]
	s, _ := p.OpenCase().Next()
	by := rt.Leader(s.Unit)
	if !s.Unit.IsSchool() {
		by = rt.Officer(s.Unit)
	}
	ev := registry.DecideStep{CaseNo: p.Lock, Party: s.Party, Decision: registry.DecisionAccept}
	if s.Party == registry.PartyReceiver {
		ev.Class = "5班"
	}
	return r.decide(uid, ev, by)
}

// Article 14 over a province's border: the same four parties in two registers, each with its own clock; the other register's word comes as its signed letter and in no
// other way; the 学籍号 stays, the archive is called, the 回执 closes both.
func TestTransferAcrossProvinces(t *testing.T) {
	for to, want := range map[registry.Unit]registry.Reach{rt.PrimaryC: registry.ReachCross, rt.NineYearB: registry.ReachProvince, rt.PrimaryA2: registry.ReachOne} {
		if c := opened(t, rt.In("enrolled").Transfer(to)); c.Reach != want {
			t.Errorf("to %s: %s", to, c.Reach)
		}
	}
	here, there, uid := two()
	child := here.pupils[uid]
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(there.decide(rt.Other(), call(child), rt.Registrar(rt.PrimaryC)))
	must(agree(there, rt.Other()))
	if len(there.out) != 0 {
		t.Fatal("a letter left before the receiving side's authority agreed")
	}
	must(agree(there, rt.Other()))
	settle(t, here, there)
	c := here.pupils[uid]
	open := c.OpenCase()
	if open == nil || len(open.Steps) != 4 || open.Steps[0].Remote != rt.There || open.Steps[1].Decision != registry.DecisionAccept || open.Steps[2].Unit != rt.PrimaryA || open.Reach != registry.ReachCross {
		t.Fatalf("%+v", open)
	}
	q := there.pupils[rt.Other()]
	if s, _ := q.OpenCase().Next(); s.Unit != rt.PrimaryA || s.Remote != rt.Here || s.DueOn != open.Steps[2].DueOn || q.OpenCase().From != rt.PrimaryA || q.OpenCase().Steps[3].Unit != rt.CountyA {
		t.Errorf("the receiving side sees %+v", s)
	}
	// Nobody here speaks for the other side, nor it for us.
	word := registry.DecideStep{CaseNo: q.Lock, Party: registry.PartySender, Decision: registry.DecisionAccept}
	for _, by := range []registry.Actor{rt.Registrar(rt.PrimaryA), {Account: "remote", Unit: rt.PrimaryA, Via: registry.ViaRemote("310000")}} {
		if err := there.decide(rt.Other(), word, by); registry.CodeOf(err) != registry.CodeForbidden {
			t.Errorf("%+v speaks for the sending school: %v", by, err)
		}
	}
	if err := here.decide(uid, registry.DecideStep{CaseNo: c.Lock, Party: registry.PartySender, Decision: registry.DecisionAccept}, rt.Afar(rt.PrimaryA)); registry.CodeOf(err) != registry.CodeForbidden {
		t.Errorf("a letter speaks for a school of this register: %v", err)
	}
	must(agree(here, uid))
	must(agree(here, uid))
	if p := here.pupils[uid]; p.Standing != registry.StandingMoved || p.Card != nil || p.Number != child.Number || p.Moved == nil || !p.Moved.ConfirmedAt.IsZero() || p.OpenCase() == nil {
		t.Fatalf("released: %s %+v", p.Standing, p.Moved)
	}
	settle(t, here, there)
	p, q := here.pupils[uid], there.pupils[rt.Other()]
	if q.Standing != registry.StandingEnrolled || q.Number != child.Number || q.School != rt.PrimaryC || q.Class != "5班" || q.Form[registry.FName] != child.Form[registry.FName] || q.PIN != "" || q.Card != nil {
		t.Errorf("continued: %+v", q)
	}
	if p.Moved.ConfirmedAt.IsZero() || q.Archive.State != registry.ArchiveCalled || q.Archive.To != rt.PrimaryC || p.Archive.To != rt.PrimaryC || q.Archive.DueOn != p.Archive.DueOn || len(q.Archive.Items) != 3 {
		t.Errorf("archives: %+v %+v", p.Archive, q.Archive)
	}
	// Article 15: the paper goes, is received with one item missing, and that is settled.
	must(here.decide(uid, registry.SendArchive{No: "DA-7QK2M9XC4T5R", Carrier: "机要"}, rt.Registrar(rt.PrimaryA)))
	settle(t, here, there)
	must(there.decide(rt.Other(), registry.ReceiveArchive{No: "DA-7QK2M9XC4T5R", Missing: []int{3}}, rt.Registrar(rt.PrimaryC)))
	settle(t, here, there)
	must(here.decide(uid, registry.SettleMissing{Note: "已补寄"}, rt.Registrar(rt.PrimaryA)))
	settle(t, here, there)
	p, q = here.pupils[uid], there.pupils[rt.Other()]
	if q.Archive.Custodian != rt.PrimaryC || len(q.Archive.Missing) != 0 || p.Archive.Custodian != rt.PrimaryC || !slices.Contains(p.Archive.Backups, rt.PrimaryA) || len(p.Archive.Missing) != 0 {
		t.Errorf("in the end: %+v %+v", p.Archive, q.Archive)
	}
	// And home again: the copy that stayed is continued, in place.
	back := registry.CallOver{CaseNo: "ZX-2026-0001-000501", Registry: rt.There, Number: child.Number, Name: child.Form[registry.FName], Birth: registry.Date(child.Form[registry.FBirth]), To: rt.PrimaryA2,
		ToGrade: 3, Reason: "迁回", Guardian: "母亲"}
	must(here.decide(uid, back, rt.Registrar(rt.PrimaryA2)))
	must(agree(here, uid))
	must(agree(here, uid))
	settle(t, here, there)
	must(agree(there, rt.Other()))
	must(agree(there, rt.Other()))
	settle(t, here, there)
	if p = here.pupils[uid]; p.Standing != registry.StandingEnrolled || p.School != rt.PrimaryA2 || p.Moved != nil || there.pupils[rt.Other()].Standing != registry.StandingMoved {
		t.Errorf("home again: %s at %s", p.Standing, p.School)
	}
}

// 升学 over the border: a graduate, or a pupil of the last grade, goes on under the same number in the next stage; the sending register's record ends as 升学, and the
// certificate comes along. Who is not at a stage's end, and whom the sending register's rules keep, is refused with a code.
func TestAdvanceAcrossProvinces(t *testing.T) {
	for _, before := range []string{"last grade", "graduated+kept"} {
		clock := rt.Start
		here, there := newRegister(rt.Here, &clock), newRegister(rt.There, &clock)
		child := rt.Pupil(before)
		here.pupils[child.UID] = child
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", before, err)
			}
		}
		must(there.decide(rt.Other(), callUp(child), rt.Registrar(rt.JuniorC)))
		must(agree(there, rt.Other()))
		must(agree(there, rt.Other()))
		settle(t, here, there)
		p := here.pupils[child.UID]
		due, _ := registry.DefaultCalendar().AddWorkingDays(registry.DateOf(clock), registry.DefaultPack().StepWorkingDays[registry.CaseAdvance])
		if c := p.OpenCase(); c == nil || c.Kind != registry.CaseAdvance || c.To != rt.JuniorC || c.Steps[2].Unit != rt.PrimaryA || c.Steps[2].DueOn != due || p.Standing != child.Standing {
			t.Fatalf("%s: asked for: %s %+v", before, p.Standing, c)
		}
		must(agree(here, child.UID))
		must(agree(here, child.UID))
		settle(t, here, there)
		p, q := here.pupils[child.UID], there.pupils[rt.Other()]
		if p.Standing != registry.StandingMovedUp || p.Moved.ConfirmedAt.IsZero() || p.Card != nil || p.Archive.State != registry.ArchiveCalled || p.Archive.KeepDue != "" || p.Archive.To != rt.JuniorC {
			t.Errorf("%s: here in the end %s %+v", before, p.Standing, p.Archive)
		}
		if q.Standing != registry.StandingEnrolled || q.Number != child.Number || q.School != rt.JuniorC || q.Grade != 7 || q.Class != "5班" || len(q.Certificates) != len(child.Certificates) ||
			q.Archive.State != registry.ArchiveCalled || q.Archive.KeepDue != "" || q.Case(q.Cases[0].No).State != registry.CaseCompleted {
			t.Errorf("%s: there in the end %+v", before, q)
		}
		must(here.decide(child.UID, registry.SendArchive{No: "DA-7QK2M9XC4T5R"}, rt.Registrar(rt.PrimaryA)))
		settle(t, here, there)
		must(there.decide(rt.Other(), registry.ReceiveArchive{No: "DA-7QK2M9XC4T5R"}, rt.Registrar(rt.JuniorC)))
		settle(t, here, there)
		if q := there.pupils[rt.Other()]; q.Archive.Custodian != rt.JuniorC || here.pupils[child.UID].Archive.Custodian != rt.JuniorC {
			t.Errorf("%s: the paper is with %s", before, q.Archive.Custodian)
		}
	}
	// What cannot be asked.
	clock := rt.Start
	there := newRegister(rt.There, &clock)
	child := rt.Pupil("graduated")
	for _, spoil := range []func(*registry.CallOver){
		func(e *registry.CallOver) { e.ToGrade = 8 },
		func(e *registry.CallOver) { e.Way = registry.CaseHome },
		func(e *registry.CallOver) { e.CaseNo = "ZX-2026-0001-000500" },
	} {
		e := callUp(child)
		spoil(&e)
		if err := there.decide(rt.Other(), e, rt.Registrar(rt.JuniorC)); err == nil {
			t.Errorf("opened: %+v", e)
		}
	}
	// What the sending register's rules do not let go: not at a stage's end; a graduate by transfer; a guard of its rule pack.
	pack := *registry.DefaultPack()
	pack.Conditions = []registry.Condition{{ID: "T-1", On: []registry.CaseKind{registry.CaseAdvance}, When: []registry.Test{{Fact: "reach", Op: "in", Values: []string{"cross"}}}, Say: "请到省厅办理"}}
	up := registry.FarRequest{CaseNo: "SX-2026-0001-000700", Way: registry.CaseAdvance, Registry: rt.There, Far: "SX-2026-0001-000500", To: rt.JuniorC, ToGrade: 7,
		Words: []registry.FarWord{{Party: registry.PartyReceiver, Unit: rt.JuniorC, At: clock}, {Party: registry.PartyReceiverAuth, Unit: rt.CountyC, At: clock}}}
	over := rt.FarAsk("ZX-2026-0001-000700")
	for name, c := range map[string]struct {
		before string
		ev     registry.FarRequest
		pack   *registry.Pack
		code   registry.Code
	}{
		"grade 3":               {"enrolled", up, registry.DefaultPack(), registry.CodeRule},
		"suspended":             {"suspended", up, registry.DefaultPack(), registry.CodeWrongState},
		"a graduate's transfer": {"graduated", over, registry.DefaultPack(), registry.CodeWrongState},
		"the pack":              {"graduated", up, &pack, registry.CodeRule},
	} {
		s := rt.In(c.before).Over()
		_, _, err := registry.Decide(s.P, c.ev, registry.Env{Now: s.Now, Actor: rt.Afar(c.ev.To), Pack: c.pack, Calendar: s.Env.Calendar, Directory: s.Env.Directory})
		if registry.CodeOf(err) != c.code || registry.RefusalOf(err) != registry.RefuseUnfit {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two registers, letters lost, doubled, out of order and days late, either side's process gone before it wrote a receipt, both sides doing what they may meanwhile: the
// 学籍 is never live twice, never gone, and in the end both registers tell the case alike.
func TestTwoRegisters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := rt.Start
		here, there := newRegister(rt.Here, &clock), newRegister(rt.There, &clock)
		ask, before := call, []string{"enrolled", "enrolled+archive+card"}
		if rapid.Bool().Draw(t, "升学") {
			ask, before = callUp, []string{"last grade", "graduated", "graduated+kept"}
		}
		s := rt.In(rapid.SampledFrom(before).Draw(t, "before"))
		here.pupils[s.P.UID] = s.P
		uid, shell, n := s.P.UID, rt.Other(), s.P.Number
		refuse := rapid.IntRange(0, 5).Draw(t, "given back") == 0
		there.spoil = func() bool { return refuse }
		called := ask(s.P)
		if err := there.decide(shell, called, rt.Registrar(called.To)); err != nil {
			t.Fatal(err)
		}
		step := func(r *register, uid registry.UID) {
			p := r.pupils[uid]
			if c := p.OpenCase(); c == nil || c.Far == nil {
				return
			} else if s, _ := c.Next(); s.Remote == "" {
				_ = agree(r, uid)
			}
		}
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			clock = clock.Add(time.Duration(rapid.IntRange(1, 72).Draw(t, "hours")) * time.Hour)
			switch rapid.IntRange(0, 11).Draw(t, "what") {
			case 0, 1:
				step(there, shell)
			case 2, 3:
				step(here, uid)
			case 4: // the receiving side would rather not
				if rapid.IntRange(0, 2).Draw(t, "really") == 0 {
					_ = there.decide(shell, registry.Withdraw{CaseNo: called.CaseNo}, rt.Registrar(called.To))
				}
			case 5: // the sending side refuses
				p := here.pupils[uid]
				if c := p.OpenCase(); c != nil && c.Far != nil && rapid.IntRange(0, 2).Draw(t, "really") == 0 {
					st, _ := c.Next()
					by := rt.Leader(st.Unit)
					if !st.Unit.IsSchool() {
						by = rt.Officer(st.Unit)
					}
					_ = here.decide(uid, registry.DecideStep{CaseNo: c.No, Party: st.Party, Decision: registry.DecisionRefuse, Refusal: registry.RefuseNotLeft}, by)
				}
			case 6: // other business on the sending side: it crosses the request, or ends the case
				p := here.pupils[uid]
				if rapid.Bool().Draw(t, "suspends") {
					_ = here.decide(uid, registry.StartSuspend{CaseNo: registry.CaseNumber(registry.CaseSuspend, 2026, 1, i+1), From: registry.DateOf(clock), Until: registry.DateOf(clock).AddMonths(6), Reason: "因病", Guardian: "母"}, rt.Registrar(rt.PrimaryA))
				} else if c := p.OpenCase(); c != nil && c.Kind == registry.CaseSuspend {
					_ = here.decide(uid, registry.Withdraw{CaseNo: c.No}, rt.Registrar(rt.PrimaryA))
				}
			default: // a letter is carried: any one, once more, and perhaps its receipt is lost
				from, to := here, there
				if rapid.Bool().Draw(t, "way") {
					from, to = there, here
				}
				from.link()
				if len(from.out) == 0 {
					continue
				}
				e := from.out[rapid.IntRange(0, len(from.out)-1).Draw(t, "letter")]
				if rapid.IntRange(0, 4).Draw(t, "lost") == 0 {
					continue // lost, or the receiver's process died before its transaction
				}
				if _, have := to.in[e.seq]; !have {
					to.in[e.seq] = e
				}
				e.acked = e.acked || rapid.Bool().Draw(t, "receipt")
				for again := true; again; { // what lies in the inbox and is in order
					again = false
					for seq := 1; seq <= len(from.out); seq++ {
						if x := to.in[seq]; x != nil && !to.done[seq] && (x.prev == 0 || to.done[x.prev]) {
							to.apply(t, x, from.code)
							again = true
						}
					}
				}
			}
			if live, carried := holders(here, there, n); live+carried != 1 {
				t.Fatalf("after step %d the 学籍 is live %d times and carried %d times", i, live, carried)
			}
		}
		// Both are up again, and every letter comes.
		settle(t, here, there)
		for range 20 { // whoever's turn it is acts
			step(there, shell)
			step(here, uid)
			if c := func() *registry.Case { p := here.pupils[uid]; return p.OpenCase() }(); c != nil && c.Kind == registry.CaseSuspend {
				_ = here.decide(uid, registry.Withdraw{CaseNo: c.No}, rt.Registrar(rt.PrimaryA))
			}
			settle(t, here, there)
		}
		if live, carried := holders(here, there, n); live != 1 || carried != 0 {
			t.Fatalf("in the end the 学籍 is live %d times and carried %d times", live, carried)
		}
		q := there.pupils[shell]
		mine := q.Case(called.CaseNo)
		if mine.State == registry.CaseOpen {
			t.Fatalf("the receiving side's case never closed: %+v", mine.Steps)
		}
		p := here.pupils[uid]
		for i := range p.Cases {
			if c := &p.Cases[i]; c.Far != nil {
				if c.State != mine.State {
					t.Fatalf("here %s, there %s", c.State, mine.State)
				}
			}
		}
		if way := p.Standing == registry.StandingMovedUp; p.Standing.Away() && way != (mine.Kind == registry.CaseAdvance) {
			t.Fatalf("left by %s, %s", mine.Kind, p.Standing)
		}
		if moved := p.Standing.Away(); moved != (mine.State == registry.CaseCompleted) || moved && (p.Moved.ConfirmedAt.IsZero() || q.Number != n) {
			t.Fatalf("the pupil is %s here, the case %s there", p.Standing, mine.State)
		}
	})
}
