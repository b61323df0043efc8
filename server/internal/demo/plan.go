package demo

import (
	"encoding/base32"
	"encoding/binary"
	"iter"
	"maps"
	"math/rand/v2"
	"time"

	"xueji/server/registry"
)

// Label says why a pupil of the plan is out of the ordinary.
type Label string

const (
	Ordinary         Label = ""
	NeedsCard        Label = "needs_card"        // enrolled, no card yet
	TransferNew      Label = "transfer_new"      // started today: waits for the receiving school
	TransferOverdue  Label = "transfer_overdue"  // the receiver's authority is past its day
	TransferSoon     Label = "transfer_soon"     // the sending school has two working days left
	TransferLast     Label = "transfer_last"     // the sender's authority has the last word
	TransferCounty   Label = "transfer_county"   // within a county: the common authority has it
	TransferRefused  Label = "transfer_refused"  // refused by the receiving school
	ArchiveCalled    Label = "archive_called"    // completed: the sender has a month to send the archive
	ArchiveOnTheWay  Label = "archive_on_way"    // the paper is with the carrier
	ArchiveArrived   Label = "archive_arrived"   // received, two items missing
	Suspended        Label = "suspended"         // away for most of a year
	SuspensionEnding Label = "suspension_ending" // back in under thirty days
	SuspensionAsked  Label = "suspension_asked"  // waits for the authority
	Absent           Label = "absent"            // away without a word for some days, the mother spoken with
	AbsentOverdue    Label = "absent_overdue"    // the same, past the day on which it is reported
	OnLeave          Label = "on_leave"          // on sick leave for a while yet
	DoubleEntry      Label = "double_entry"      // entered a second time at another school without a document: waits for the authority's look (查重)
)

// Story is a pupil's past.
type Story struct {
	Person Person
	Label  Label
	Moves  []Move
	Card   bool // holds a card
	PIN    bool // the guardian has the demonstration's PIN
}

// Move is one event of the past.
type Move struct {
	At    time.Time
	Actor registry.Actor
	Event registry.Event
}

// Options tell what only the register knows.
type Options struct {
	Pupils   int
	Calendar *registry.Calendar
	// PIN is the encoded PIN for Enrol; "" leaves guardians without one.
	PIN string
	// CaseNo draws a fresh case number.
	CaseNo func(kind registry.CaseKind, year int) registry.CaseNo
	// Actor, if set, gives accounts as the register knows them; else Account.Actor.
	Actor func(Account) registry.Actor
}

// cardless is how many pupils of the first school wait for their card.
const cardless = 40

type planner struct {
	g      *Generator
	o      Options
	actors map[registry.Unit]map[registry.Role]registry.Actor
	start  registry.Date // the day the register opened
	r      *rand.Rand
	places map[registry.Unit]registry.School
}

// Plan tells the pasts of n pupils, for registry.Decide one move after the other: enrolled in the register's first days, archives built; some transfers,
// suspensions and an archive on its way stand as the labels say, each label at least once where n allows (a few hundred).
func (g *Generator) Plan(o Options) iter.Seq[Story] {
	p := &planner{g: g, o: o, actors: map[registry.Unit]map[registry.Role]registry.Actor{}, start: opening(g.today), r: rand.New(rand.NewPCG(g.seed, 0)),
		places: map[registry.Unit]registry.School{}}
	for _, a := range g.Accounts() {
		if p.actors[a.Unit] == nil {
			p.actors[a.Unit] = map[registry.Role]registry.Actor{}
		}
		actor := a.Actor()
		if o.Actor != nil {
			actor = o.Actor(a)
		}
		p.actors[a.Unit][a.Role] = actor
	}
	for _, s := range g.schools {
		p.places[s.Code] = s
	}
	return func(yield func(Story) bool) {
		labels := p.roles()
		waiting := cardless
		doubles := []Double{DoubleHomophone, DoublePlain, DoubleBirthSlip}
		for person := range g.Pupils(o.Pupils) {
			s := p.enrolled(person)
			for i, l := range labels {
				if !l.fits(person) {
					continue
				}
				s.Label = l.label
				p.tell(&s, l)
				labels = append(labels[:i], labels[i+1:]...)
				break
			}
			if s.Label == Ordinary && person.School == YunheShiyan && person.Grade <= 2 && waiting > 0 {
				waiting--
				s.Label, s.Card = NeedsCard, false
			}
			if !yield(s) {
				return
			}
			if s.Label == Ordinary && len(doubles) > 0 && person.School == QingshiCentre && person.Grade == 2 {
				if d, ok := p.double(person, doubles[0]); ok {
					doubles = doubles[1:]
					if !yield(d) {
						return
					}
				}
			}
		}
	}
}

// double is a child entered again: at 云河区实验小学, by a scribe who had no document before him; the school has confirmed it.
func (p *planner) double(person Person, how Double) (Story, bool) {
	person.Form = maps.Clone(person.Form)
	if !again(p.r, person.Form, how) {
		return Story{}, false
	}
	var uid [16]byte
	binary.BigEndian.PutUint64(uid[:8], p.r.Uint64())
	binary.BigEndian.PutUint64(uid[8:], p.r.Uint64())
	person.UID, person.School, person.Class = registry.NewUID(uid), YunheShiyan, "3 班"
	person.Form[registry.FClass], person.Form[registry.FClassNo] = "3 班", "49"
	s := Story{Person: person, Label: DoubleEntry}
	no := p.o.CaseNo(registry.CaseEnrol, p.g.today.Year())
	s.do(p.at(p.back(2), 9), p.who(YunheShiyan, registry.RoleRegistrar), registry.Enrol{CaseNo: no, School: YunheShiyan, Form: person.Form})
	s.do(p.at(p.back(1), 10), p.who(YunheShiyan, registry.RoleLeader), registry.DecideStep{CaseNo: no, Party: registry.PartySchool, Decision: registry.DecisionAccept})
	return s, true
}

// opening is a 5 September at least sixty days before today.
func opening(today registry.Date) registry.Date {
	d := registry.NewDate(today.Year(), 9, 5)
	if d > today.AddDays(-60) {
		d = registry.NewDate(today.Year()-1, 9, 5)
	}
	return d
}

// role is a pupil to be found for a label.
type role struct {
	label    Label
	from, to registry.Unit
	grade    int
}

func (r role) fits(p Person) bool {
	return p.School == r.from && p.Grade == r.grade && p.Form[registry.FIDNumber] != ""
}

// roles: transfers between the two counties, one within a county, and the rest.
func (p *planner) roles() []role {
	return []role{
		{TransferOverdue, QingshiCentre, YunheShiyan, 3}, {TransferSoon, QingshiCentre, YunheSecond, 4}, {TransferNew, "2133010048", YunheShiyan, 2},
		{TransferLast, "2133010055", YunheShiyan, 5}, {TransferCounty, YunheSecond, YunheShiyan, 3}, {TransferRefused, "2133010031", YunheShiyan, 6},
		{TransferOverdue, YunheMiddle, "3133010011", 8}, {TransferNew, QingshiCentre, YunheShiyan, 1}, {TransferSoon, YunheShiyan, QingshiCentre, 4},
		{ArchiveCalled, QingshiCentre, YunheShiyan, 5}, {ArchiveOnTheWay, QingshiCentre, YunheShiyan, 2}, {ArchiveCalled, YunheShiyan, "2133010048", 5},
		{ArchiveArrived, "2133010048", YunheShiyan, 4},
		{SuspensionEnding, YunheShiyan, "", 4}, {Suspended, YunheShiyan, "", 5}, {Suspended, YunheMiddle, "", 7}, {Suspended, QingshiCentre, "", 3},
		{SuspensionAsked, YunheShiyan, "", 6}, {SuspensionEnding, YunheMiddle, "", 8},
		{Absent, YunheShiyan, "", 3}, {OnLeave, YunheShiyan, "", 2}, {AbsentOverdue, YunheMiddle, "", 9},
	}
}

// at is a working hour of a day.
func (p *planner) at(d registry.Date, hour int) time.Time {
	return d.Time().Add(time.Duration(hour)*time.Hour + time.Duration(p.r.IntN(3600))*time.Second)
}

// back is the day n working days before today.
func (p *planner) back(n int) registry.Date {
	d := p.g.today
	for n > 0 {
		d = d.AddDays(-1)
		if works, _ := p.o.Calendar.IsWorkingDay(d); works {
			n--
		}
	}
	return d
}

func (p *planner) who(u registry.Unit, r registry.Role) registry.Actor { return p.actors[u][r] }

// enrolled: registered, confirmed and approved in the register's first days, archive built the week after.
func (p *planner) enrolled(person Person) Story {
	s := Story{Person: person, Card: true, PIN: p.o.PIN != ""}
	authority := p.places[person.School].Authority
	no := p.o.CaseNo(registry.CaseEnrol, p.start.Year())
	day := p.start.AddDays(int(person.Family % 3))
	s.do(p.at(day, 9), p.who(person.School, registry.RoleRegistrar), registry.Enrol{CaseNo: no, School: p.places[person.School].Code, Form: person.Form, PIN: p.o.PIN})
	s.do(p.at(day.AddDays(1), 10), p.who(person.School, registry.RoleLeader),
		registry.DecideStep{CaseNo: no, Party: registry.PartySchool, Decision: registry.DecisionAccept})
	s.do(p.at(day.AddDays(4), 14), p.who(authority, registry.RoleOfficer),
		registry.DecideStep{CaseNo: no, Party: registry.PartyAuthority, Decision: registry.DecisionAccept})
	s.do(p.at(day.AddDays(12), 15), p.who(person.School, registry.RoleRegistrar), registry.BuildArchive{Items: p.items(person, day)})
	return s
}

func (s *Story) do(at time.Time, who registry.Actor, ev registry.Event) {
	s.Moves = append(s.Moves, Move{at, who, ev})
}

// items is an archive's catalogue (Art. 7); older pupils have more.
func (p *planner) items(person Person, day registry.Date) []registry.ArchiveItem {
	var out []registry.ArchiveItem
	add := func(group, pages int, copy bool, title string, on registry.Date) {
		out = append(out, registry.ArchiveItem{No: len(out) + 1, Group: group, Title: title, Date: on, Pages: pages, Copy: copy})
	}
	add(1, 2, false, "学生学籍基础信息表", day)
	add(2, 3, true, "户口簿（户主页、增减页、学生页）", day)
	add(2, 1, true, "出生医学证明", day)
	first := p.g.schoolYear() - min(person.Grade-1, 5)
	for y := first; y < p.g.schoolYear(); y++ {
		title := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC).Format("2006") + " 学年"
		add(3, 4, false, title+"综合素质发展报告", registry.NewDate(y+1, 7, 2))
		add(4, 1, false, title+"国家学生体质健康标准登记卡", registry.NewDate(y+1, 6, 20))
	}
	add(4, 2, true, "预防接种查验证明", day)
	if p.r.IntN(3) == 0 {
		add(5, 1, true, "校级“三好学生”奖状", registry.NewDate(p.g.schoolYear(), 6, 28))
	}
	if person.Form[registry.FAidApply] == "1" {
		add(6, 3, false, "家庭经济困难学生认定申请表", day)
	}
	return out
}

func (p *planner) tell(s *Story, l role) {
	switch l.label {
	case Suspended, SuspensionEnding, SuspensionAsked:
		p.suspension(s, l)
	case Absent, AbsentOverdue, OnLeave:
		p.absence(s, l)
	default:
		p.transfer(s, l)
	}
}

func (p *planner) suspension(s *Story, l role) {
	from, until := p.g.today.AddDays(-34), p.g.today.AddDays(300)
	switch l.label {
	case SuspensionEnding:
		from, until = p.g.today.AddDays(-45), p.g.today.AddDays(18)
	case SuspensionAsked:
		from = p.back(2)
	}
	no := p.o.CaseNo(registry.CaseSuspend, from.Year())
	u := s.Person.School
	s.do(p.at(from, 9), p.who(u, registry.RoleRegistrar), registry.StartSuspend{CaseNo: no, From: from, Until: until,
		Reason: "因病休养，附县级以上医院证明", Guardian: s.Person.Form[registry.FG1Name]})
	s.do(p.at(from, 15), p.who(u, registry.RoleLeader), registry.DecideStep{CaseNo: no, Party: registry.PartySchool, Decision: registry.DecisionAccept})
	if l.label != SuspensionAsked {
		s.do(p.at(from.AddDays(2), 10), p.who(p.places[u].Authority, registry.RoleOfficer),
			registry.DecideStep{CaseNo: no, Party: registry.PartyAuthority, Decision: registry.DecisionAccept})
	}
}

func (p *planner) absence(s *Story, l role) {
	since := p.back(4)
	if l.label == AbsentOverdue {
		since = p.back(9)
	}
	ev := registry.RecordAbsence{Since: since, Absence: registry.AbsenceUnexplained, Note: "未请假，班主任报告"}
	if l.label == OnLeave {
		ev = registry.RecordAbsence{Since: since, Absence: registry.AbsenceSick, Until: p.g.today.AddDays(20), With: "母亲", How: "电话", Note: "家长已请假，在家休养"}
	}
	u := s.Person.School
	s.do(p.at(since, 16), p.who(u, registry.RoleRegistrar), ev)
	if l.label == Absent {
		on := p.back(3)
		s.do(p.at(on, 10), p.who(u, registry.RoleLeader), registry.FollowAbsence{On: on, With: "母亲", How: "家访", Note: "随父亲外出，答应下周返校", Absence: registry.AbsenceUnexplained})
	}
}

// transfer starts a case and lets as many parties speak, at such a time, that the one whose turn it is stands as the label says.
func (p *planner) transfer(s *Story, l role) {
	from, to := p.places[s.Person.School], p.places[l.to]
	type turn struct {
		party registry.Party
		unit  registry.Unit
		role  registry.Role
	}
	turns := []turn{{registry.PartyReceiver, to.Code, registry.RoleRegistrar}, {registry.PartyReceiverAuth, to.Authority, registry.RoleOfficer},
		{registry.PartySender, from.Code, registry.RoleRegistrar}, {registry.PartySenderAuth, from.Authority, registry.RoleOfficer}}
	if from.Authority == to.Authority {
		turns = []turn{turns[0], turns[2], {registry.PartyCommonAuth, to.Authority, registry.RoleOfficer}}
	}
	var spoken, waited int // how many have spoken, and how long the next has had it, in working days
	switch l.label {
	case TransferNew:
		spoken, waited = 0, 0
	case TransferOverdue:
		spoken, waited = 1, 11
	case TransferSoon:
		spoken, waited = 2, 8
	case TransferLast:
		spoken, waited = 3, 3
	case TransferCounty:
		spoken, waited = 2, 5
	case TransferRefused:
		spoken, waited = 0, 4
	case ArchiveCalled:
		spoken, waited = len(turns), 6
	case ArchiveOnTheWay:
		spoken, waited = len(turns), 9
	case ArchiveArrived:
		spoken, waited = len(turns), 16
	}
	began := p.back(waited + 2*spoken)
	no := p.o.CaseNo(registry.CaseTransfer, began.Year())
	s.do(p.at(began, 8), p.who(to.Code, registry.RoleRegistrar), registry.StartTransfer{CaseNo: no, To: to.Code, ToGrade: s.Person.Grade,
		Reason: "随父母迁居", Guardian: s.Person.Form[registry.FG1Name]})
	for i, t := range turns[:spoken] {
		ev := registry.DecideStep{CaseNo: no, Party: t.party, Decision: registry.DecisionAccept}
		if t.party == registry.PartyReceiver {
			ev.Class = "2 班"
		}
		s.do(p.at(p.back(waited+2*(spoken-1-i)), 9), p.who(t.unit, t.role), ev)
	}
	archive := p.archiveNo()
	switch l.label {
	case TransferRefused:
		s.do(p.at(p.back(2), 11), p.who(to.Code, registry.RoleRegistrar), registry.DecideStep{CaseNo: no, Party: registry.PartyReceiver,
			Decision: registry.DecisionRefuse, Refusal: registry.RefuseNoPlace, Note: "本年级各班已满，请到县局咨询其他学校。"})
	case ArchiveOnTheWay:
		s.do(p.at(p.back(3), 16), p.who(from.Code, registry.RoleRegistrar), registry.SendArchive{No: archive, Carrier: "机要通信"})
	case ArchiveArrived:
		s.do(p.at(p.back(8), 16), p.who(from.Code, registry.RoleRegistrar), registry.SendArchive{No: archive, Carrier: "机要通信"})
		s.do(p.at(p.back(4), 10), p.who(to.Code, registry.RoleRegistrar), registry.ReceiveArchive{No: archive, Missing: []int{2, 3}})
	}
}

// archiveNo is opaque: sixteen random characters in fours.
func (p *planner) archiveNo() string {
	var b [10]byte
	for i := range b {
		b[i] = byte(p.r.Uint32())
	}
	s := base32.StdEncoding.EncodeToString(b[:])
	return "DA-" + s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
}
