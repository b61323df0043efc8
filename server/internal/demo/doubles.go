package demo

import (
	"iter"
	"maps"
	"math/rand/v2"
	"strings"

	"xueji/server/registry"
)

// Double is how a child comes into a register a second time.
type Double string

// The ways, each with what a hurried scribe or a family that moved gets wrong. In all but the first two the second record has no document.
const (
	DoubleDocument  Double = "document"   // the same document, other things changed
	DoubleIDSlip    Double = "id_slip"    // one character of the ID number wrong, or two neighbours swapped
	DoublePlain     Double = "plain"      // name, birth date and telephone the same
	DoubleHomophone Double = "homophone"  // one character of the name written with another of the same sound
	DoubleOldScript Double = "old_script" // traditional characters
	DoubleStandIn   Double = "stand_in"   // a character that the machine could not write
	DoubleDot       Double = "dot"        // another dot, or a blank, in the name
	DoubleRenamed   Double = "renamed"    // a new name, the old one as 曾用名
	DoubleSwapped   Double = "swapped"    // day and month of birth swapped, or one digit wrong where they can't be
	DoubleBirthSlip Double = "birth_slip" // one digit of the birth date wrong
	DoubleParent    Double = "parent"     // the other parent came, with another telephone
)

// Doubles are all ways, in the order in which Register takes turns.
var Doubles = []Double{DoubleDocument, DoubleIDSlip, DoublePlain, DoubleHomophone, DoubleOldScript, DoubleStandIn, DoubleDot, DoubleRenamed, DoubleSwapped, DoubleBirthSlip, DoubleParent}

// Record is a row of a register with its truth: Of is the number of the record that is the same child (its place in the sequence, from 0), or -1.
type Record struct {
	Form registry.Form
	Of   int
	How  Double
	Twin bool
}

// Register gives n children and, one for each `every` of them, a second record of a child that went before. Where a way does not fit the child (no dot in the name) the next
// that fits is taken. Twins, siblings and people who share a common name stand among them as they do in life.
func (g *Generator) Register(n, every int) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		r := rand.New(rand.NewPCG(g.seed, 1<<62))
		turn, at, k := 0, 0, 0
		for p := range g.Pupils(n) {
			if !yield(Record{Form: p.Form, Of: -1, Twin: p.Twin}) {
				return
			}
			here := at
			at++
			if k++; k%every != 0 {
				continue
			}
			for try := range Doubles {
				how := Doubles[(turn+try)%len(Doubles)]
				f := maps.Clone(p.Form)
				if !again(r, f, how) {
					continue
				}
				turn++
				if !yield(Record{Form: f, Of: here, How: how, Twin: p.Twin}) {
					return
				}
				at++
				break
			}
		}
	}
}

// homophones: characters of given names that sound alike, and older forms of the same.
var (
	homophones = sounds("涵晗函寒 梓子紫 轩萱宣 怡宜仪贻 浩皓昊灏 雨宇羽禹 欣昕馨鑫 佳嘉家 静婧靖敬 婷亭庭 杰洁捷 晨辰宸 睿瑞锐 琪祺棋齐 明铭鸣 思斯 文雯 博伯 阳洋扬 俊军君 诗施 瑶遥尧 航杭 泽择 磊垒 " +
		"丽莉俐 芳方 敏闵 强蔷 伟玮炜 娜纳 霞侠 燕艳 平萍苹 红虹宏洪 林琳霖 华桦 玲铃灵 刚钢 建健剑 国帼 志智致 海亥 云芸 春椿 兰岚 梅玫 英莹瑛 慧惠卉 娟涓 媛源元 妍言研 依一伊 可珂 若偌 奕亦逸艺")
	oldScript = strings.NewReplacer("刘", "劉", "陈", "陳", "张", "張", "杨", "楊", "赵", "趙", "黄", "黃", "吴", "吳", "孙", "孫", "马", "馬", "罗", "羅", "郑", "鄭", "谢", "謝", "韩", "韓", "冯", "馮",
		"邓", "鄧", "许", "許", "苏", "蘇", "卢", "盧", "蒋", "蔣", "贾", "賈", "叶", "葉", "阎", "閻", "钟", "鍾", "陆", "陸", "范", "範", "轩", "軒", "丽", "麗", "伟", "偉", "静", "靜", "华", "華", "国", "國",
		"杰", "傑", "泽", "澤", "颖", "穎", "宁", "寧", "龙", "龍", "凤", "鳳", "云", "雲", "诗", "詩", "语", "語", "婵", "嬋")
)

func sounds(s string) map[rune][]rune {
	m := map[rune][]rune{}
	for _, set := range strings.Fields(s) {
		all := []rune(set)
		for i, r := range all {
			m[r] = append(append(m[r], all[:i]...), all[i+1:]...)
		}
	}
	return m
}

// again turns a form into a second record of the child; false where the way does not fit.
func again(r *rand.Rand, f registry.Form, how Double) bool {
	name := []rune(f[registry.FName])
	f[registry.FPhone] = phone(r)
	if r.IntN(2) == 0 { // a family that moved
		f[registry.FAddress] = f[registry.FAddress] + " 西侧"
	}
	if how != DoubleDocument && how != DoubleIDSlip {
		delete(f, registry.FIDNumber)
		f[registry.FIDType] = "Z"
	}
	switch how {
	case DoubleDocument:
		f["g1.phone"] = phone(r)
	case DoubleIDSlip:
		id := []byte(f[registry.FIDNumber])
		if len(id) != 18 {
			return false
		}
		if i := r.IntN(16); r.IntN(4) == 0 && id[i] != id[i+1] {
			id[i], id[i+1] = id[i+1], id[i]
		} else {
			i := r.IntN(17)
			id[i] = '0' + (id[i]-'0'+byte(1+r.IntN(9)))%10
		}
		f[registry.FIDNumber] = string(id)
		f["g1.phone"] = phone(r)
	case DoubleHomophone:
		for i := len(name) - 1; i > 0; i-- {
			if alike := homophones[name[i]]; alike != nil {
				name[i] = one(r, alike)
				f[registry.FName] = string(name)
				return true
			}
		}
		return false
	case DoubleOldScript:
		f[registry.FName] = oldScript.Replace(f[registry.FName])
		return f[registry.FName] != string(name)
	case DoubleStandIn:
		if len(name) < 2 {
			return false
		}
		name[len(name)-1] = one(r, []rune("?*□"))
		f[registry.FName] = string(name)
	case DoubleDot:
		if !strings.ContainsRune(string(name), registry.MiddleDot) {
			return false
		}
		f[registry.FName] = strings.ReplaceAll(string(name), string(registry.MiddleDot), one(r, []string{"•", ".", "．", " · "}))
	case DoubleRenamed:
		f[registry.FFormerName] = string(name)
		f[registry.FName] = string(name[:1]) + one(r, []string{"思齐", "念安", "景行", "知远", "若水"})
		return f[registry.FName] != f[registry.FFormerName]
	case DoubleSwapped, DoubleBirthSlip:
		b := f[registry.FBirth]
		swapped := b[:4] + "-" + b[8:] + "-" + b[5:7]
		if how == DoubleSwapped && swapped != b && registry.Date(swapped).Valid() {
			f[registry.FBirth] = swapped
			break
		}
		for range 50 {
			s := []byte(b)
			i := one(r, []int{3, 6, 8, 9})
			s[i] = '0' + byte(r.IntN(10))
			if string(s) != b && registry.Date(s).Valid() {
				f[registry.FBirth] = string(s)
				return true
			}
		}
		return false
	case DoubleParent:
		if f["g2.name"] == "" {
			return false
		}
		for k, v := range f {
			if rest, ok := strings.CutPrefix(string(k), "g2."); ok {
				f[registry.FieldKey("g1."+rest)] = v
				delete(f, k)
			}
		}
		f["g1.phone"] = phone(r)
		delete(f, "g1.id_number")
	}
	return true
}
