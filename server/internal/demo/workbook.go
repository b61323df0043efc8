package demo

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"

	"xueji/server/internal/intake"
	"xueji/server/registry"
)

// newcomersPrefix begins the ID numbers of newcomers, so that they collide with no pupil of the register.
const newcomersPrefix = "330198"

// Newcomers gives n children who come to grade 1 of 云河区实验小学 this month, forms whole and right. The first three have the names that break things.
func (g *Generator) Newcomers(n int) []registry.Form {
	r := rand.New(rand.NewPCG(g.seed, 1<<63))
	w := g.world()
	at := counties[Yunhe]
	var out []registry.Form
	for i := range n {
		male := r.IntN(2) == 0
		surname := surnames.pick(r)
		birth := registry.NewDate(g.schoolYear()-6, 9, 1).AddDays(-r.IntN(365))
		father := parent{name: surname + fathers.pick(r), phone: phone(r), work: one(r, works)}
		mother := parent{name: surnames.pick(r) + mothers.pick(r), phone: phone(r), work: one(r, works)}
		name, people := folk{}.child(r, surname, father.name, male, nil), "01"
		switch i {
		case 0:
			male, name, father.name = true, "欧阳𬀩", "欧阳志强"
		case 1:
			male, name, people, mother.name, father.name = false, "阿依古丽·买买提", "05", "古丽努尔·艾合买提", "买买提·吐尔逊"
		case 2:
			male, name, people, mother.name, father.name = true, "阿卜杜热合曼·麦麦提艾力·艾斯卡尔江·吐尔逊古丽·买合木提", "05", "热依汗·卡德尔", "麦麦提艾力·玉素甫"
		}
		id, born := w.id(newcomersPrefix, birth, male)
		father.id, _ = w.id(newcomersPrefix, registry.NewDate(g.schoolYear()-36, 1+r.IntN(12), 1+r.IntN(28)), true)
		mother.id, _ = w.id(newcomersPrefix, registry.NewDate(g.schoolYear()-34, 1+r.IntN(12), 1+r.IntN(28)), false)
		address := fmt.Sprintf("之江省云州市%s%s %d 号%s %d 幢 %d 单元 %d01 室", at.name, one(r, at.streets), 1+r.IntN(280), one(r, at.estates), 1+r.IntN(20), 1+r.IntN(4), 1+r.IntN(18))
		out = append(out, form(r, formIn{name: name, male: male, birth: born, id: id, people: people, hukou: at.hukou, native: "之江云州", only: r.IntN(2) == 0,
			address: address, post: at.post, grade: 1, class: strconv.Itoa(8+i/classSize) + " 班", classNo: fmt.Sprintf("%02d", i%classSize+1),
			enrol: string(g.today[:7]), mother: mother, father: father}))
	}
	return out
}

// Slip is a mistake that the import must find.
type Slip struct {
	Name  string
	Field registry.FieldKey
	Code  registry.FindingCode
	make  func(f, before registry.Form)
}

// Slips are the mistakes of the sample workbook, in the order in which its bad rows show them.
var Slips = []Slip{
	{"check digit", registry.FIDNumber, registry.FindCheck, func(f, _ registry.Form) {
		id := []byte(f[registry.FIDNumber])
		id[16] = '0' + (id[16]-'0'+2)%10 // one digit, same sex
		f[registry.FIDNumber] = string(id)
	}},
	{"code not in list", registry.FNation, registry.FindNotInList, func(f, _ registry.Form) { f[registry.FNation] = "华夏" }},
	{"no such day", registry.FBirth, registry.FindDate, func(f, _ registry.Form) { f[registry.FBirth] = f[registry.FBirth][:4] + "-02-30" }},
	{"missing", registry.FAddress, registry.FindMissing, func(f, _ registry.Form) { delete(f, registry.FAddress) }},
	{"sex against number", registry.FSex, registry.FindMismatch, func(f, _ registry.Form) {
		f[registry.FSex] = map[string]string{"1": "2", "2": "1"}[f[registry.FSex]]
	}},
	{"same document in two rows", registry.FIDNumber, registry.FindDupFile, func(f, before registry.Form) {
		for _, k := range []registry.FieldKey{registry.FIDNumber, registry.FBirth, registry.FSex} {
			f[k] = before[k]
		}
	}},
	{"wrong characters in the name", registry.FName, registry.FindChars, func(f, _ registry.Form) { f[registry.FName] = "张 三?" }},
	{"telephone", registry.FPhone, registry.FindFormat, func(f, _ registry.Form) { f[registry.FPhone] = "妈妈的手机" }},
	{"postcode", registry.FPost, registry.FindFormat, func(f, _ registry.Form) { f[registry.FPost] = "31001" }},
	{"too long", registry.FNativePlace, registry.FindTooLong, func(f, _ registry.Form) { f[registry.FNativePlace] = strings.Repeat("之江省云州市", 5) }},
}

// Workbook is a sample workbook of n newcomers, the last bad of them each with one of Slips in turn (the first row is never bad). enrolled, if given, is put
// as a further last row: somebody who is in the register already.
func (g *Generator) Workbook(n, bad int, enrolled registry.Form) ([]byte, error) {
	rows := g.Newcomers(n)
	first := max(1, n-bad)
	for i := first; i < n; i++ {
		f := maps.Clone(rows[i])
		Slips[(i-first)%len(Slips)].make(f, rows[0])
		rows[i] = f
	}
	if enrolled != nil {
		rows = append(rows, enrolled)
	}
	return intake.Fill(rows, nil)
}
