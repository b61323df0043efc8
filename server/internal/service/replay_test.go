package service

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"

	"golang.org/x/sys/unix"
)

var (
	replayPupils = flag.Int("replay.pupils", 120, "pupils of the county whose years are replayed")
	replayYears  = flag.Int("replay.years", 2, "school years")
)

// county is the replay of a county's years: each working day's events in order, decided by the rules at that day's clock and committed together, through the real
// store. It keeps of a pupil only the UID and the day something happens next; what happens is told by the pupil's record as the store gives it.
type county struct {
	*rig
	r        *rand.Rand
	day      registry.Date
	days     map[registry.Date][]int
	lives    []life
	schools  []registry.School
	serials  map[string]int
	cards    uint64
	batch    store.Batch
	flushed  time.Duration // in Commit
	took     time.Duration // of the days, as the clock and as the processors have it
	busy     time.Duration
	heap     uint64 // bytes at most, between two days
	done     map[registry.EventKind]int
	refused  map[string]int
	barred   int // wrongful acts, each refused
	outcomes map[string]int
}

type life struct {
	uid  registry.UID
	form registry.Form // until enrolled
	at   registry.Unit
	lag  bool // whose turn it is takes longer than allowed
}

// events are those that happened.
func (c *county) events() (n int) {
	for _, k := range c.done {
		n += k
	}
	return n
}

// processor is how long a clock of unix.CLOCK_…_CPUTIME_ID, of this process or thread, says that processors were kept busy.
func processor(clock int32) time.Duration {
	var at unix.Timespec
	_ = unix.ClockGettime(clock, &at)
	return time.Duration(at.Nano())
}

const replayStart registry.Date = "2024-09-02"

// replaySchools are n schools in two counties of one city: primary, junior and nine-year schools, senior ones run by the city.
func replaySchools(n int) []registry.School {
	var out []registry.School
	for i := range n {
		at, s := demo.Yunhe, registry.School{FromGrade: 1, ToGrade: 6, Kind: registry.KindPrimary, Public: true}
		if i%10 == 9 {
			at = demo.Qingshi
		}
		s.Authority, s.Region = at, string(at)
		prefix := "21"
		switch i % 5 {
		case 1:
			prefix, s.Kind, s.FromGrade, s.ToGrade = "31", registry.KindJunior, 7, 9
		case 2:
			prefix, s.Kind, s.ToGrade = "32", registry.KindNineYear, 9
		case 3:
			prefix, s.Kind, s.FromGrade, s.ToGrade, s.Authority = "34", registry.KindSenior, 10, 12, demo.City
		}
		s.Code, s.Name = registry.Unit(fmt.Sprintf("%s3309%04d", prefix, i+1)), fmt.Sprintf("第%d学校", i+1)
		out = append(out, s)
	}
	return out
}

func (c *county) who(u registry.Unit) registry.Actor {
	role := registry.RoleRegistrar
	if !u.IsSchool() {
		role = registry.RoleOfficer
	}
	return registry.Actor{Account: "a-" + string(u), Name: "李老师", Unit: u, Role: role, Via: "console"}
}

func (c *county) leader(u registry.Unit) registry.Actor {
	a := c.who(u)
	if u.IsSchool() {
		a.Role = registry.RoleLeader
	}
	return a
}

func (c *county) clock() registry.Actor { return registry.Actor{Account: systemAccount, Via: "clock"} }

func (c *county) no(k registry.CaseKind) registry.CaseNo {
	key := fmt.Sprint(k, c.day.Year())
	c.serials[key]++
	return registry.CaseNumber(k, c.day.Year(), officeDesk, c.serials[key])
}

// school is one that takes the grade, another than not.
func (c *county) school(grade int, not registry.Unit) registry.Unit {
	for {
		s := c.schools[c.r.IntN(len(c.schools))]
		if s.FromGrade <= grade && grade <= s.ToGrade && s.Code != not {
			return s.Code
		}
	}
}

// later is when the pupil is looked at again: so many days on, at the next working day.
func (c *county) later(i, days int) {
	d := c.day.AddDays(max(days, 1))
	for {
		if works, _ := c.s.cal.IsWorkingDay(d); works {
			break
		}
		d = d.AddDays(1)
	}
	c.days[d] = append(c.days[d], i)
}

func (c *county) chance(in int) bool { return c.r.IntN(in) == 0 }

// next is what happens to a pupil today, nil for nothing, and in how many days to look again.
func (c *county) next(l *life, p *registry.Pupil) (registry.Event, registry.Actor, int) {
	soon := 1 + c.r.IntN(8)
	if p.Standing == "" && len(p.Cases) == 0 {
		return registry.Enrol{CaseNo: c.no(registry.CaseEnrol), School: l.at, Form: l.form}, c.who(l.at), soon
	}
	a := &p.Archive
	const proof = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	at, own := p.School, c.who(p.School)
	guardian := p.Form[registry.FG1Name]
	if k := p.OpenCase(); k != nil {
		st, _ := k.Next()
		who := c.leader(st.Unit)
		if !l.lag && c.chance(12) {
			l.lag = true
			return nil, who, 25 // past its day and past the office above's patience
		}
		if l.lag && st.EscalatedOn == "" && registry.EscalateFrom(st.DueOn, st.Urged, c.s.PackOf(c.day, st.Unit), c.s.cal) <= c.day {
			return registry.Escalate{CaseNo: k.No}, c.clock(), soon
		}
		l.lag = false
		ev := registry.DecideStep{CaseNo: k.No, Party: st.Party, Decision: registry.DecisionAccept}
		switch {
		case k.Kind == registry.CaseProblem && st.Party == registry.PartySchool:
			return registry.ResolveProblem{CaseNo: k.No, Way: registry.WayCorrect, Words: "已核对户口簿", Evidence: []string{proof}, Changes: rename(p)}, c.who(st.Unit), soon
		case k.Kind == registry.CaseTransfer && c.chance(15) && k.Starter.Unit == k.To:
			return registry.Withdraw{CaseNo: k.No}, c.who(k.Starter.Unit), soon
		case k.Kind != registry.CaseDeath && k.Kind != registry.CaseEnrol && k.Kind != registry.CaseProblem && c.chance(12):
			ev.Decision, ev.Refusal = registry.DecisionRefuse, registry.RefuseEvidence
		case st.Party == registry.PartyReceiver:
			ev.Class = "2班"
		}
		return ev, who, soon
	}
	switch {
	case p.Standing == registry.StandingNone:
		return nil, own, 0
	case a.State == registry.ArchiveNone && p.Standing == registry.StandingEnrolled && a.Custodian == at && len(a.Items) == 0:
		return registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Date: c.day, Pages: 2},
			{No: 2, Group: 2, Title: "居民户口簿复印件", Date: c.day, Pages: 3, Copy: true}, {No: 3, Group: 4, Title: "预防接种证明", Date: c.day, Pages: 1, Copy: true}}}, own, soon
	case a.State == registry.ArchiveCalled && a.From != "":
		c.cards++
		return registry.SendArchive{No: fmt.Sprintf("DA-%012d", c.cards), Carrier: "机要通信"}, c.who(a.From), soon
	case a.State == registry.ArchiveTransit:
		ev := registry.ReceiveArchive{No: a.No}
		if c.chance(10) {
			ev.Missing = []int{2}
		}
		return ev, c.who(a.To), soon
	case len(a.Missing) > 0:
		return registry.SettleMissing{Note: "已补寄"}, c.who(a.MissingFrom), soon
	case p.Standing == registry.StandingSuspended:
		if c.day < p.Suspension.Until && c.chance(8) && p.Suspension.Until < p.Suspension.From.AddMonths(18) {
			return registry.StartExtend{CaseNo: c.no(registry.CaseExtend), Until: p.Suspension.Until.AddMonths(2), Reason: "仍需治疗", Guardian: guardian}, own, soon
		}
		if c.day.AddDays(30) < p.Suspension.Until {
			return nil, own, 40
		}
		return registry.Return{CaseNo: c.no(registry.CaseReturn), Grade: p.Grade, Class: "1班", Proof: "县医院康复证明"}, own, 30
	case p.Standing == registry.StandingAbroad:
		if c.chance(2) {
			return nil, own, 60
		}
		to := at
		if c.chance(2) {
			to = c.school(p.Grade, at)
		}
		return registry.ComeHome{CaseNo: c.no(registry.CaseHome), School: to, Grade: p.Grade, Class: "3班", Papers: "护照、境外学校证明", Guardian: guardian}, c.who(to), soon
	case p.Standing == registry.StandingDropout:
		for _, r := range p.Dropout.Reports {
			if r.FiledOn == "" {
				return registry.FileReport{To: r.To, On: c.day, Ref: "收文"}, own, soon
			}
		}
		if len(p.Dropout.Log) < 2 {
			return registry.LogPersuasion{On: c.day, How: "家访", Note: "家长愿意送返"}, own, 20
		}
		return registry.ReturnFromDropout{CaseNo: c.no(registry.CaseDropoutReturn), Grade: p.Grade, Class: "2班", Proof: "家长送返"}, own, soon
	case p.Standing.Ended():
		if a.KeepDue != "" && a.State == registry.ArchiveHeld && p.Standing != registry.StandingPromoted {
			return registry.KeepArchive{Place: "档案室 2 柜"}, c.who(a.Custodian), 0
		}
		return nil, own, 0
	case p.Card == nil:
		c.cards++
		return registry.BindCard{Card: registry.CardRef{Number: registry.NewCardNumber("33", c.cards), Sequence: 1, Written: 1, Profile: "xueji-soft", Level: 2, StatusIdx: uint32(c.cards),
			ExpiresOn: c.day.AddMonths(72)}}, registry.Actor{Account: "a-clerk", Name: "制卡员", Unit: c.authority(at), Role: registry.RoleClerk, Via: "console"}, soon
	case p.Card.Written < p.Card.Sequence:
		return registry.CardWritten{Number: p.Card.Number, Sequence: p.Card.Sequence}, registry.Actor{Account: systemAccount, Via: "kiosk:0017"}, soon
	case !p.Card.Good():
		return registry.RevokeCard{Number: p.Card.Number, Reason: "遗失"}, own, soon
	}
	// Summer: up a grade, on to the next stage, or out.
	if m := c.day[5:7]; m == "07" || m == "08" {
		year := c.day.Year()
		if p.Promotion != nil && p.Promotion.Year >= year || p.EnrolledOn > registry.NewDate(year, 5, 1) {
			return nil, own, 30 + c.r.IntN(40)
		}
		s, _ := c.s.dir.Load().School(at)
		switch {
		case p.Grade == 12 || p.Grade == 9 && c.chance(3):
			c.cards++
			return registry.StartFinish{CaseNo: c.no(registry.CaseFinish), End: registry.StandingGraduated, Certificate: fmt.Sprintf("330106%012d", c.cards), On: c.day}, own, soon
		case p.Grade == 9 || p.Grade == 6 && s.ToGrade == 6:
			to := c.school(p.Grade+1, at)
			return registry.StartAdvance{CaseNo: c.no(registry.CaseAdvance), To: to, ToGrade: p.Grade + 1, Guardian: guardian}, c.who(to), soon
		}
		return registry.Promote{Year: year}, c.clock(), 30 + c.r.IntN(40)
	}
	rest := 60 + c.r.IntN(240)
	switch n := c.r.IntN(100); {
	case n < 30:
		to := c.school(p.Grade, at)
		return registry.StartTransfer{CaseNo: c.no(registry.CaseTransfer), To: to, ToGrade: p.Grade, Reason: "随父母迁居", Guardian: guardian}, c.who(to), soon
	case n < 40:
		return registry.StartSuspend{CaseNo: c.no(registry.CaseSuspend), From: c.day, Until: c.day.AddMonths(3 + c.r.IntN(8)), Reason: "因病", Guardian: guardian}, own, soon
	case n < 52:
		return registry.StartCorrect{CaseNo: c.no(registry.CaseCorrect), Changes: rename(p), Reason: "改名", Guardian: guardian, Evidence: []string{proof}}, own, soon
	case n < 66:
		return registry.Amend{Changes: []registry.Change{{Field: registry.FPhone, From: p.Form[registry.FPhone], To: fmt.Sprintf("139%08d", c.r.IntN(1e8))}}}, own, rest
	case n < 78:
		return registry.ChangeCard{Number: p.Card.Number, Act: registry.CardLose, Reason: "lost"}, own, soon
	case n < 82:
		return registry.GoAbroad{CaseNo: c.no(registry.CaseAbroad), On: c.day, Country: "840", Papers: "护照、签证、录取通知", Guardian: guardian, Evidence: []string{proof}}, own, 60
	case n < 86 && p.Grade <= 9:
		return registry.ReportDropout{CaseNo: c.no(registry.CaseDropout), Since: c.day, Reason: "长期未到校，家访未果"}, own, soon
	case n < 88:
		return registry.RaiseProblem{CaseNo: c.no(registry.CaseProblem), Problem: registry.ProblemWrongID}, c.who(c.authority(at)), soon
	case n == 88 && c.chance(3):
		return registry.ReportDeath{CaseNo: c.no(registry.CaseDeath), KnownOn: c.day, Proof: "死亡医学证明", Evidence: []string{proof}}, own, soon
	}
	return nil, own, rest
}

// rename corrects the given name to another than it is.
func rename(p *registry.Pupil) []registry.Change {
	was := p.Form[registry.FName]
	to := string([]rune(was)[:1]) + "思远"
	if to == was {
		to = string([]rune(was)[:1]) + "思齐"
	}
	return []registry.Change{{Field: registry.FName, From: was, To: to}}
}

func (c *county) authority(u registry.Unit) registry.Unit {
	s, _ := c.s.dir.Load().School(u)
	return s.Authority
}

// step moves one pupil.
func (c *county) step(i int) {
	l := &c.lives[i]
	p, err := c.st.Pupil(c.ctx, l.uid)
	if isNotFound(err) {
		p, err = registry.Pupil{UID: l.uid}, nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	ev, who, again := c.next(l, &p)
	if again > 0 {
		c.later(i, again)
	}
	if ev == nil {
		return
	}
	at := c.day.Time().Add(9*time.Hour + time.Duration(len(c.batch.Changes))*time.Second).UTC()
	if d, ok := ev.(registry.DecideStep); ok && d.Decision == registry.DecisionAccept && needsSerial(&p, d.CaseNo) {
		d.Serial = must[int](c.t)(c.s.pupilSerial(c.ctx, &p))
		ev = d
	}
	ch, err := c.s.decide(p, ev, who, at)
	if err != nil {
		c.refused[fmt.Sprintf("%s of %s by %s: %v", ev.Kind(), p.Standing, who.Role, err)]++
		if again == 0 {
			c.later(i, 30)
		}
		return
	}
	l.form = nil
	c.done[ev.Kind()]++
	if d, ok := ev.(registry.DecideStep); ok {
		c.outcomes[fmt.Sprint(ch.Pupil.Case(d.CaseNo).Kind, " ", ch.Pupil.Case(d.CaseNo).State)]++
	}
	if p.Lock != "" && c.chance(20) { // a second case beside the open one
		if _, err := c.s.decide(p, registry.StartTransfer{CaseNo: c.no(registry.CaseTransfer), To: c.school(max(p.Grade, 1), p.School), ToGrade: p.Grade, Reason: "迁居", Guardian: "母亲"},
			c.who(c.school(max(p.Grade, 1), p.School)), at); err == nil {
			c.t.Fatalf("a second case was opened beside %s", p.Lock)
		}
		c.barred++
	}
	c.batch.Changes = append(c.batch.Changes, ch)
	if len(c.batch.Changes) == 500 {
		c.flush()
	}
}

func (c *county) flush() {
	if len(c.batch.Changes) == 0 {
		return
	}
	start := time.Now()
	if err := c.st.Commit(c.ctx, c.batch); err != nil {
		c.t.Fatalf("%s: %v", c.day, err)
	}
	c.flushed += time.Since(start)
	c.batch = store.Batch{}
}

// replay tells the years of so many pupils to a new register.
func replay(t testing.TB, pupils, years int) *county {
	r := newRig(t)
	c := &county{rig: r, r: rand.New(rand.NewPCG(2013, 7)), day: replayStart, days: map[registry.Date][]int{}, serials: map[string]int{}, done: map[registry.EventKind]int{},
		refused: map[string]int{}, outcomes: map[string]int{}, schools: replaySchools(max(10, pupils/300))}
	_, offices := r.gen.Units()
	must0(t, r.s.PutUnits(r.ctx, c.schools, offices))
	for person := range demo.New(13).On(replayStart).Pupils(pupils) {
		c.lives = append(c.lives, life{uid: person.UID, form: person.Form, at: c.school(person.Grade, "")})
		c.days[replayStart] = append(c.days[replayStart], len(c.lives)-1)
	}
	start, busy, told := time.Now(), processor(unix.CLOCK_PROCESS_CPUTIME_ID), 0
	for end := replayStart.AddMonths(12 * years); c.day < end; c.day = c.day.AddDays(1) {
		today := c.days[c.day]
		delete(c.days, c.day)
		if len(today) == 0 {
			continue
		}
		if n := c.events(); n >= told+100_000 {
			told = n
			t.Logf("%s: %d events in %s", c.day, n, time.Since(start).Round(time.Second))
		}
		r.set(c.day.Time().Add(9 * time.Hour))
		for _, i := range today {
			c.step(i)
		}
		c.flush()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.heap = max(c.heap, m.HeapInuse)
	}
	c.took, c.busy = time.Since(start), processor(unix.CLOCK_PROCESS_CPUTIME_ID)-busy
	return c
}

// perEvent is the processor time that an event took, the making of it and its refused seconds counted in.
func (c *county) perEvent() float64 { return 1000 * c.busy.Seconds() / float64(c.events()) }

// BenchmarkReplay is what an event of the replay takes, of time and memory.
func BenchmarkReplay(b *testing.B) {
	for b.Loop() {
		c := replay(b, *replayPupils, *replayYears)
		b.ReportMetric(float64(c.events()), "events")
		b.ReportMetric(c.took.Seconds(), "s")
		b.ReportMetric(c.perEvent(), "ms-cpu/event")
		b.ReportMetric(float64(c.heap>>20), "MiB-heap")
		start := time.Now()
		c.hold()
		b.ReportMetric(time.Since(start).Seconds(), "s-held")
	}
}

// TestYearsReplayed replays a term's work of a county and more: two years of enrolments, cards, transfers (completed, refused, withdrawn, overdue and escalated), suspensions,
// corrections, dropouts, going abroad, deaths, promotion, 升学 and ends, in the order of the days; then it holds the register's invariants over every record.
func TestYearsReplayed(t *testing.T) {
	c := replay(t, *replayPupils, *replayYears)
	n, no := c.events(), 0
	for _, k := range c.refused {
		no += k
	}
	t.Logf("%d pupils, %d schools, %d years: %d events in %s, %.0f/s (%.0f%% of it in Commit), %.2f ms of processor an event, heap at most %d MiB; %d refused by the rules, %d wrongful acts refused",
		len(c.lives), len(c.schools), *replayYears, n, c.took.Round(time.Millisecond), float64(n)/c.took.Seconds(), 100*c.flushed.Seconds()/c.took.Seconds(), c.perEvent(), c.heap>>20, no, c.barred)
	t.Logf("events %v", c.done)
	t.Logf("cases %v", c.outcomes)
	for _, k := range slices.Sorted(maps.Keys(c.refused)) {
		t.Logf("%6d refused: %s", c.refused[k], k)
	}
	if no*50 > n {
		t.Errorf("%d of %d events were refused: the replay does not know the rules", no, n)
	}
	seen := []registry.EventKind{registry.EvEnrol, registry.EvDecideStep, registry.EvWithdraw, registry.EvStartTransfer, registry.EvBuildArchive, registry.EvSendArchive,
		registry.EvReceiveArchive, registry.EvStartSuspend, registry.EvReturn, registry.EvBindCard, registry.EvCardWritten, registry.EvRevokeCard, registry.EvChangeCard,
		registry.EvStartCorrect, registry.EvAmend, registry.EvPromote, registry.EvStartAdvance, registry.EvGoAbroad, registry.EvEscalate}
	if *replayPupils >= 600 { // rarer in life
		seen = append(seen, registry.EvSettleMissing, registry.EvStartFinish, registry.EvComeHome, registry.EvReportDropout, registry.EvFileReport, registry.EvReturnFromDropout,
			registry.EvKeepArchive, registry.EvRaiseProblem, registry.EvResolveProblem, registry.EvReportDeath)
	}
	for _, k := range seen {
		if c.done[k] == 0 {
			t.Errorf("no %s happened", k)
		}
	}
	start := time.Now()
	c.hold()
	t.Logf("held over every record in %s", time.Since(start).Round(time.Millisecond))
}

// hold checks the whole register.
func (c *county) hold() {
	t := c.t
	tasks := map[string]int{} // as the to-do lists have them
	key := func(k registry.Task) string { return fmt.Sprint(k.UID, k.Kind, k.Unit, k.CaseNo, k.DueOn) }
	dir := c.s.dir.Load()
	units := []registry.Unit{demo.Province, demo.City, demo.Yunhe, demo.Qingshi}
	for _, s := range c.schools {
		units = append(units, s.Code)
	}
	for _, u := range units {
		for at := 0; ; at += 500 {
			rows := must[[]store.TaskRow](t)(c.st.Tasks(c.ctx, store.TaskQuery{Unit: u, Limit: 500, Offset: at}))
			for _, row := range rows {
				tasks[key(row.Task)]++
			}
			if len(rows) < 500 {
				break
			}
		}
	}
	numbers, documents, archives := map[registry.Number]registry.UID{}, map[string]registry.UID{}, map[string]registry.UID{}
	records := 0
	for i := range c.lives {
		p, err := c.st.Pupil(c.ctx, c.lives[i].uid)
		if isNotFound(err) {
			continue // still on a list of refused enrolments
		}
		must0(t, err)
		records++
		open := 0
		for j := range p.Cases {
			if k := &p.Cases[j]; k.State == registry.CaseOpen {
				open++
				if st, ok := k.Next(); !ok || !st.DueOn.Valid() || p.Lock != k.No {
					t.Fatalf("%s: case %s is open, and nobody has to decide it by a day", p.UID, k.No)
				}
			}
		}
		if open > 1 || (open == 1) != (p.Lock != "") {
			t.Fatalf("%s: %d open cases, lock %q", p.UID, open, p.Lock)
		}
		if admitted := p.Standing.Living() || p.Standing.Ended(); admitted {
			if p.Number == "" || numbers[p.Number] != "" {
				t.Fatalf("%s: number %q, also of %q", p.UID, p.Number, numbers[p.Number])
			}
			numbers[p.Number] = p.UID
			if h := c.s.keys.DocumentHash(p.Form); h != nil {
				if documents[string(h)] != "" {
					t.Fatalf("%s and %s are one person", p.UID, documents[string(h)])
				}
				documents[string(h)] = p.UID
				if by := must[registry.UID](t)(c.st.ClaimedBy(c.ctx, h)); by != p.UID {
					t.Fatalf("the document of %s is %q's", p.UID, by)
				}
			}
			a := &p.Archive
			if a.Custodian == "" || a.Custodian != p.School && a.To == "" && !(p.Dropout != nil && p.Dropout.Home == a.Custodian) {
				t.Fatalf("%s: at %s, the archive at %q, and nobody is called", p.UID, p.School, a.Custodian)
			}
			if a.No != "" {
				if archives[a.No] != "" {
					t.Fatalf("archive %s twice", a.No)
				}
				archives[a.No] = p.UID
			}
		}
		for _, k := range registry.Tasks(p, registry.Env{Directory: dir}) {
			if tasks[key(k)] == 0 {
				t.Fatalf("%s: %s of %s by %s is on no list", p.UID, k.Kind, k.Unit, k.DueOn)
			}
			tasks[key(k)]--
		}
		c.retell(&p)
	}
	for k, n := range tasks {
		if n != 0 {
			t.Fatalf("%s stands %d times too often on a list", k, n)
		}
	}
	if all := must[int](t)(c.st.Count(c.ctx, store.Query{All: true})); all != records {
		t.Fatalf("%d pupils in the register, %d told", all, records)
	}
}

// retell decides a pupil's history anew from its first event and compares with the record.
func (c *county) retell(p *registry.Pupil) {
	var again registry.Pupil
	again.UID = p.UID
	h := must[[]store.Entry](c.t)(c.st.History(c.ctx, p.UID))
	for _, e := range h {
		ev := must[registry.Event](c.t)(registry.DecodeEvent(e.Kind, e.Payload))
		var err error
		if again, _, err = registry.Decide(again, ev, c.s.env(e.At, e.Actor, ruler(&again, ev))); err != nil {
			c.t.Fatalf("%s: version %d (%s) is not decided again: %v", p.UID, e.Version, e.Kind, err)
		}
		again.Version++
	}
	a, b := must[[]byte](c.t)(json.Marshal(again)), must[[]byte](c.t)(json.Marshal(p))
	if string(a) != string(b) {
		i := 0
		for i < min(len(a), len(b)) && a[i] == b[i] {
			i++
		}
		c.t.Fatalf("%s: %d events lead to another record: …%s, stored …%s", p.UID, len(h), strings.ToValidUTF8(string(a[max(0, i-60):min(len(a), i+60)]), ""),
			strings.ToValidUTF8(string(b[max(0, i-60):min(len(b), i+60)]), ""))
	}
}
