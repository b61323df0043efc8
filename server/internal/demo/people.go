package demo

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"xueji/server/registry"
)

// Generator invents the same people for the same seed and day.
type Generator struct {
	seed    uint64
	today   registry.Date
	schools []registry.School
}

// New begins a province. Ages fit the school year of today; see On.
func New(seed uint64) *Generator {
	return &Generator{seed: seed, today: registry.DateOf(time.Now()), schools: schools}
}

// On is g for another day, for tests that must not change with the calendar.
func (g *Generator) On(today registry.Date) *Generator { return &Generator{g.seed, today, g.schools} }

// pupilsPerSchool is about what a school of a large register has.
const pupilsPerSchool = 1200

// For is g with as many schools as a register of so many pupils has: the dozen, and more of the usual kinds from some 15,000 pupils on.
func (g *Generator) For(pupils int) *Generator {
	list := slices.Clone(schools)
	for i := range max(0, pupils/pupilsPerSchool-len(schools)) {
		list = append(list, numbered(i))
	}
	return &Generator{g.seed, g.today, list}
}

// Person is a child with a whole form that registry.CheckForm accepts.
type Person struct {
	UID      registry.UID
	Form     registry.Form
	School   registry.Unit
	Grade    int
	Class    string
	Portrait int    // of Portrait(i)
	Family   uint64 // siblings share it
	Twin     bool   // one of two born on one day
}

// schoolYear is the year in which the running school year began.
func (g *Generator) schoolYear() int {
	if g.today[5:7] < "08" {
		return g.today.Year() - 1
	}
	return g.today.Year()
}

// seat is where the next pupils of a county's grade go.
type seat struct {
	school registry.School
	filled map[int]int
}

const classSize = 42

// Pupils gives n pupils, family by family. Memory grows with the days of birth, not with n: ask for millions.
func (g *Generator) Pupils(n int) iter.Seq[Person] {
	return func(yield func(Person) bool) {
		w := g.world()
		for k := uint64(0); n > 0; k++ {
			for _, p := range w.family(g, k) {
				if n--; !yield(p) || n <= 0 {
					return
				}
			}
		}
	}
}

// world is what must be counted so that no number is given twice.
type world struct {
	serials map[string]uint16 // region and day of birth, by sex → how many
	seats   []*seat
	classNo map[string]int
	first   map[registry.Unit]int // grade of each school
}

func (g *Generator) world() *world {
	w := &world{serials: map[string]uint16{}, classNo: map[string]int{}, first: map[registry.Unit]int{}}
	for _, s := range g.schools {
		w.seats = append(w.seats, &seat{s, map[int]int{}})
		w.first[s.Code] = s.FromGrade
	}
	return w
}

// id gives a fresh ID number of someone born on a day; when the day's numbers are used up the next day is taken, and returned.
func (w *world) id(prefix string, birth registry.Date, male bool) (string, registry.Date) {
	for ; ; birth = birth.AddDays(1) {
		day := string(birth[:4] + birth[5:7] + birth[8:])
		key := prefix + day
		if male {
			key += "m"
		}
		n := w.serials[key]
		if n >= 499 {
			continue
		}
		w.serials[key] = n + 1
		serial := 2 * int((uint32(n)*211+97)%499+1) // 2…998, spread
		if male {
			serial--
		}
		body := fmt.Sprintf("%s%s%03d", prefix, day, serial)
		return body + string(registry.IDCheckChar(body)), birth
	}
}

type parent struct {
	name, id, phone, work string
}

func phone(r *rand.Rand) string { return fmt.Sprintf("1990%07d", r.IntN(10_000_000)) }

var works = []string{"云州市第三人民医院", "云河纺织有限公司", "个体经营", "青石竹业有限公司", "云州地铁运营有限公司", "务农", "云河区市场监督管理局", "顺达物流", "自由职业", "云州大学", "青石县农商银行", "务工"}

// family makes the children of family k who are at school.
func (w *world) family(g *Generator, k uint64) []Person {
	r := rand.New(rand.NewPCG(g.seed, k+1))
	county := Yunhe
	if r.IntN(100) < 42 {
		county = Qingshi
	}
	at := counties[county]
	migrant := r.IntN(100) < 18
	hukou, prefix, native := at.hukou, at.idPrefix, "之江云州"
	if migrant {
		a := one(r, away)
		hukou, prefix, native = a.hukou, a.idPrefix, a.name
	}
	people := folk{code: "01"}
	if x := r.IntN(1000); x < 85 {
		for _, f := range folks {
			if x -= f.share; x < 0 {
				people = f
				break
			}
		}
	}
	surname := surnames.pick(r)
	year := g.schoolYear()
	oldest := 1 + r.IntN(12)
	children := 1
	switch x := r.IntN(100); {
	case x < 42:
		children = 2
	case x < 48:
		children = 3
	}
	twins := r.IntN(100) == 0
	fatherBirth := registry.NewDate(year-27-oldest-r.IntN(9), 1+r.IntN(12), 1+r.IntN(28))
	motherBirth := fatherBirth.AddDays(r.IntN(1400))
	father := parent{name: people.parent(r, surname, true), phone: phone(r), work: one(r, works)}
	mother := parent{name: people.parent(r, surnames.pick(r), false), phone: phone(r), work: one(r, works)}
	father.id, _ = w.id(prefix, fatherBirth, true)
	mother.id, _ = w.id(prefix, motherBirth, false)
	address := fmt.Sprintf("之江省云州市%s%s %d 号%s %d 幢 %d 单元 %d%02d 室", at.name, one(r, at.streets), 1+r.IntN(280), one(r, at.estates), 1+r.IntN(20), 1+r.IntN(4), 1+r.IntN(18), 1+r.IntN(4))

	var out []Person
	used := map[string]bool{}
	grade := oldest
	for c := 0; c < children || (twins && c == 1); c++ {
		twin := twins && c < 2
		if c > 0 && !(twins && c == 1) {
			if grade -= 1 + r.IntN(4); grade < 1 {
				break
			}
		}
		male := r.IntN(100) < 53
		var birth registry.Date
		if twins && c == 1 {
			birth = registry.Date(out[0].Form[registry.FBirth])
		} else {
			birth = registry.NewDate(year-5-grade, 9, 1).AddDays(-r.IntN(365)) // six by 31 August before grade 1
		}
		id, born := w.id(prefix, birth, male)
		name := people.child(r, surname, father.name, male, used)
		used[name] = true
		p := w.seated(r, county, grade, out)
		var uid [16]byte
		binary.BigEndian.PutUint64(uid[:8], r.Uint64())
		binary.BigEndian.PutUint64(uid[8:], r.Uint64())
		p.UID = registry.NewUID(uid)
		p.Family, p.Twin = k, twin
		p.Portrait = r.IntN(Portraits/2) * 2
		if !male {
			p.Portrait++
		}
		p.Form = form(r, formIn{name: name, male: male, birth: born, id: id, people: people.code, hukou: hukou, native: native, rural: county == Qingshi || migrant && r.IntN(4) > 0,
			migrant: migrant, only: children == 1 && !twins, address: address, post: at.post, grade: grade, class: p.Class,
			classNo: w.number(p), enrol: enrolMonth(year, grade, w.first[p.School]), mother: mother, father: father})
		out = append(out, p)
	}
	return out
}

func (w *world) number(p Person) string {
	k := string(p.School) + strconv.Itoa(p.Grade) + p.Class
	w.classNo[k]++
	return fmt.Sprintf("%02d", w.classNo[k])
}

// seated finds the pupil's school in the county by grade: a sibling's, else the emptier one; and the class in it.
func (w *world) seated(r *rand.Rand, county registry.Unit, grade int, siblings []Person) Person {
	var best *seat
	for _, s := range w.seats {
		if s.school.Region != counties[county].hukou && !(grade > 9 && s.school.FromGrade == 10) || grade < s.school.FromGrade || grade > s.school.ToGrade {
			continue
		}
		if len(siblings) > 0 && siblings[len(siblings)-1].School == s.school.Code {
			best = s
			break
		}
		if s.school.Kind == registry.KindSpecial && r.IntN(60) > 0 {
			continue
		}
		if best == nil || weight(s, grade) < weight(best, grade) {
			best = s
		}
	}
	n := best.filled[grade]
	best.filled[grade]++
	return Person{School: best.school.Code, Grade: grade, Class: strconv.Itoa(n/classSize+1) + " 班"}
}

func weight(s *seat, grade int) int {
	n := s.filled[grade]
	if s.school.Kind == registry.KindSpecial {
		return n * 20
	}
	return n
}

// enrolMonth is when a pupil of the grade came to the school: at its first grade.
func enrolMonth(year, grade, first int) string {
	return fmt.Sprintf("%04d-09", year-(grade-first))
}

func (f folk) parent(r *rand.Rand, surname string, male bool) string {
	if f.given[0] != nil {
		return f.made(r, male)
	}
	if male {
		return surname + fathers.pick(r)
	}
	return surname + mothers.pick(r)
}

func (f folk) made(r *rand.Rand, male bool) string {
	i := 1
	if male {
		i = 0
	}
	n := one(r, f.given[i])
	if f.last != nil {
		n += "·" + one(r, f.last)
	}
	return n
}

// child makes a name that no sibling has.
func (f folk) child(r *rand.Rand, surname, father string, male bool, used map[string]bool) string {
	for try := 0; ; try++ {
		var n string
		switch {
		case f.given[0] != nil:
			n = f.made(r, male)
		case r.IntN(1000) < 12:
			n = surname + one(r, rareGiven)
		case male:
			n = surname + boys.pick(r)
		default:
			n = surname + girls.pick(r)
		}
		if !used[n] && n != father || try > 20 {
			return n
		}
	}
}

type formIn struct {
	name                                 string
	male                                 bool
	birth                                registry.Date
	id, people, hukou, native            string
	rural, migrant, only                 bool
	address, post, class, classNo, enrol string
	grade                                int
	mother, father                       parent
}

func yes(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// form fills every required item and most others.
func form(r *rand.Rand, in formIn) registry.Form {
	sex, kind, politics := "2", "2", "13"
	if in.male {
		sex = "1"
	}
	if in.rural {
		kind = "1"
	}
	if in.grade >= 8 && r.IntN(3) == 0 {
		politics = "03"
	}
	left := "0"
	if in.rural && !in.migrant && r.IntN(12) == 0 {
		left = one(r, []string{"1", "2"})
	}
	health := "10"
	if r.IntN(40) == 0 {
		health = "20"
	}
	talent := one(r, []string{"", "", "", "书法", "围棋", "篮球", "舞蹈", "钢琴", "绘画", "游泳", "武术"})
	mode := "1"
	if in.grade >= 10 && r.IntN(3) > 0 || in.rural && in.grade >= 7 && r.IntN(4) == 0 {
		mode = "2"
	}
	needs := in.rural && r.IntN(15) == 0
	f := registry.Form{
		registry.FName: in.name, registry.FSex: sex, registry.FBirth: string(in.birth), registry.FBirthPlace: in.hukou, registry.FNativePlace: in.native,
		registry.FNation: in.people, registry.FCountry: "156", registry.FIDType: "1", registry.FIDNumber: in.id, registry.FOverseas: "00",
		registry.FPolitics: politics, registry.FHealth: health, registry.FHukou: in.hukou, registry.FHukouKind: kind, registry.FTalent: talent,
		registry.FClassNo: in.classNo, registry.FGrade: strconv.Itoa(in.grade), registry.FClass: in.class, registry.FEnrolMonth: in.enrol,
		registry.FEnrolWay: "1", registry.FMode: mode, registry.FSource: "1", registry.FAddress: in.address, registry.FMailAddress: in.address,
		registry.FHomeAddress: in.address, registry.FPhone: in.mother.phone, registry.FPost: in.post, registry.FOnlyChild: yes(in.only), registry.FPreschool: "1",
		registry.FLeftBehind: left, registry.FMigrant: yes(in.migrant), registry.FOrphan: "0", registry.FMartyr: "0", registry.FInclusive: "0",
		registry.FDisability: "0", registry.FBoughtPlace: "0", registry.FAidApply: yes(needs), registry.FAllowance: yes(needs), registry.FDistance: strconv.Itoa(1 + r.IntN(9)),
		registry.FTransport: one(r, []string{"1", "1", "2", "3", "4"}), registry.FSchoolBus: "0",
	}
	guardian := func(g string, p parent, relation string) {
		k := func(s string) registry.FieldKey { return registry.FieldKey(g + "." + s) }
		f[k("name")], f[k("relation")], f[k("people")], f[k("work")] = p.name, relation, in.people, p.work
		f[k("address")], f[k("hukou")], f[k("phone")], f[k("guardian")] = in.address, in.hukou, p.phone, "1"
		f[k("id_type")], f[k("id_number")] = "1", p.id
	}
	guardian("g1", in.mother, "52")
	if r.IntN(25) > 0 {
		guardian("g2", in.father, "51")
	}
	for k, v := range f {
		if v == "" {
			delete(f, k)
		}
	}
	return f
}

// Key is how a demonstration names a person: school, class and name.
func (p Person) Key() string {
	return string(p.School) + "/" + strconv.Itoa(p.Grade) + "/" + p.Class + "/" + p.Form[registry.FName]
}
