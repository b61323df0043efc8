package registry

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Region is a row of GB/T 2260: a province, a city or a county by six digits, and its own name without those above it.
type Region struct {
	Code, Name string
	Gone       bool // withdrawn: who was born or registered under it keeps it
}

//go:embed data/regions.txt
var regionData string

// gazetteer is the list by code, and the codes that a name stands for, as it is spoken too.
type gazetteer struct {
	byCode map[string]Region
	byName map[string][]string // in the order of codes
	codes  []string            // in their order
}

var standard = sync.OnceValue(func() *gazetteer {
	g := &gazetteer{byCode: map[string]Region{}, byName: map[string][]string{}}
	for line := range strings.Lines(regionData) {
		if line = strings.TrimSpace(line); len(line) > 7 && line[0] != '#' {
			g.add(Region{Code: line[:6], Name: line[7:], Gone: line[6] == '-'})
		}
	}
	return g
})

func (g *gazetteer) add(r Region) {
	g.byCode[r.Code] = r
	g.codes = append(g.codes, r.Code)
	for _, n := range spoken(r.Name) {
		g.byName[n] = append(g.byName[n], r.Code)
	}
}

// spoken are the ways to say a place's own name, the whole one first: 浙江省, 浙江; 延边朝鲜族自治州, 延边, 延边州. What would leave less than two characters is none.
func spoken(name string) []string {
	out, s := []string{name}, name
	for _, end := range []string{"特别行政区", "自治区", "自治州", "自治县", "自治旗", "地区", "林区", "省", "市", "区", "县", "旗", "盟"} {
		if cut, ok := strings.CutSuffix(s, end); ok {
			s = cut
			break
		}
	}
	if strings.Contains(name, "自治") {
		s = strings.TrimSuffix(s, "各族")
		for more := true; more; {
			more = false
			for _, p := range codeLists[ListPeople] {
				for _, people := range []string{p.Title, strings.TrimSuffix(p.Title, "族")} {
					if cut, ok := strings.CutSuffix(s, people); ok && utf8.RuneCountInString(cut) >= 2 {
						s, more = cut, true
					}
				}
			}
		}
		if r := []rune(name); utf8.RuneCountInString(s) >= 2 && r[len(r)-1] != '区' {
			out = append(out, s+string(r[len(r)-1]))
		}
	}
	if s != name && utf8.RuneCountInString(s) >= 2 {
		out = append(out, s)
	}
	return out
}

// RegionAbroad stands for a birth place outside China where a form wants a GB/T 2260 code (practice, not the standard).
const RegionAbroad = "990000"

const regionAbroadTitle = "境外"

func provinceItems() []CodeItem {
	var out []CodeItem
	for _, c := range standard().codes {
		if c[2:] == "0000" {
			out = append(out, CodeItem{c, standard().byCode[c].Name})
		}
	}
	return append(out, CodeItem{RegionAbroad, regionAbroadTitle})
}

// knownProvince reports whether numbers may begin with these two digits: a province's, or 83, which is no place: a Taiwan resident's residence permit begins with it.
func knownProvince(two string) bool {
	_, ok := standard().byCode[two+"0000"]
	return ok || two == "83"
}

// ValidRegion accepts a plausible region code: 6 digits (GB/T 2260: province, city, county) or 12 (with township and village), of a known province. Counties
// come and go yearly and an ID number keeps the code of its day, so the county itself need not be in the list: CheckForm warns. A county needs its city ("330006" is none).
func ValidRegion(code string) bool {
	if (len(code) != 6 && len(code) != 12) || !allDigits(code) {
		return false
	}
	if code == RegionAbroad {
		return true
	}
	if !knownProvince(code[:2]) {
		return false
	}
	return code[2:4] != "00" || code[4:6] == "00"
}

// Regions names places and finds them by name: as the offices of a register call them, else by GB/T 2260. Nil knows the standard alone.
type Regions struct{ own *gazetteer }

// officeEnds are what the name of an office of education ends with behind its place.
var officeEnds = []string{"教育委员会", "教育体育局", "教育和体育局", "教育局", "教育厅", "教体局", "教委"}

// NewRegions takes the places of a register's offices: 云河区教育局 of 330106 says what 330106 is called there, unless the standard's own name is in it.
func NewRegions(offices []Office) *Regions {
	r := &Regions{own: &gazetteer{byCode: map[string]Region{}, byName: map[string][]string{}}}
	sorted := slices.Clone(offices)
	slices.SortFunc(sorted, func(a, b Office) int {
		return cmp.Or(cmp.Compare(len(tierCode(string(a.Code))), len(tierCode(string(b.Code)))), cmp.Compare(a.Code, b.Code))
	})
	for _, o := range sorted {
		code, name := string(o.Code), ""
		for _, end := range officeEnds {
			if cut, ok := strings.CutSuffix(o.Name, end); ok {
				name = cut
				break
			}
		}
		for _, up := range above(code) {
			name = strings.TrimPrefix(name, r.part(up))
		}
		last := []rune(name)
		if len(code) != 6 || len(last) < 2 || !strings.ContainsRune("省市区县旗盟州", last[len(last)-1]) || strings.HasSuffix(name, cmp.Or(standard().byCode[code].Name, "?")) {
			continue
		}
		r.own.add(Region{Code: code, Name: name})
	}
	return r
}

// tierCode is a code without the noughts of the tiers below it: 33, 3301, 330106.
func tierCode(code string) string {
	for len(code) == 6 && strings.HasSuffix(code, "00") || len(code) == 4 && strings.HasSuffix(code, "00") {
		code = code[:len(code)-2]
	}
	return code
}

// above are the codes of the province and the city over a code of six digits, those that there can be.
func above(code string) []string {
	switch len(tierCode(code)) {
	case 6:
		return []string{code[:2] + "0000", code[:4] + "00"}
	case 4:
		return []string{code[:2] + "0000"}
	}
	return nil
}

func (r *Regions) region(code string) (Region, bool) {
	if r != nil {
		if own, ok := r.own.byCode[code]; ok {
			return own, true
		}
	}
	reg, ok := standard().byCode[code]
	return reg, ok
}

// part is the name of one code alone, "" for none.
func (r *Regions) part(code string) string {
	reg, _ := r.region(code)
	return reg.Name
}

// Name is the whole name of the place behind a code of 6 or 12 digits: 浙江省杭州市西湖区; townships are not in the list. known is false where the list has not the place itself: then the
// name is that of what lies over it, "" when that is unknown too.
func (r *Regions) Name(code string) (name string, known bool) {
	if code == RegionAbroad {
		return regionAbroadTitle, true
	}
	if !ValidRegion(code) {
		return "", false
	}
	six := code[:6]
	for _, c := range above(six) {
		name += r.part(c)
	}
	reg, known := r.region(six)
	return name + reg.Name, known
}

// Title is a place as pages and papers say it: its whole name and the code; the code alone when nothing of it is known.
func (r *Regions) Title(code string) string {
	name, _ := r.Name(code)
	return strings.TrimSpace(name + " " + code)
}

// placeSeparators may stand between the parts of a place that somebody writes, and beside its code.
const placeSeparators = " 　-—–·・/\\,，、.．。:：>（）()"

// Find reads what somebody writes for a place: a code; a name, whole or in part (浙江省杭州市西湖区, 杭州西湖区, 西湖); or both, which must agree. It gives the codes that fit best: one when the
// text is plain, several when it may mean each of them (those of the register's own offices first), none when nothing fits. Places that are there go before those that were withdrawn,
// and whole names before short ones.
func (r *Regions) Find(text string) []string {
	digits := strings.Trim(strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return c
		}
		return ' '
	}, text), " ")
	name := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || strings.ContainsRune(placeSeparators, c) {
			return -1
		}
		return c
	}, text)
	if digits != "" {
		if !ValidRegion(digits) || name != "" && !r.fits(digits, name) {
			return nil
		}
		return []string{digits}
	}
	if name == regionAbroadTitle {
		return []string{RegionAbroad}
	}
	if cut := strings.Replace(name, "市辖区", "", 1); cut != "" && !strings.HasSuffix(name, "市辖区") {
		name = cut // 北京市市辖区海淀区
	}
	best, found := 0, []string(nil)
	runes := []rune(name)
	for n := min(len(runes), 15); n >= 2; n-- { // the last part of the name is the place itself
		head, tail := string(runes[:len(runes)-n]), string(runes[len(runes)-n:])
		for _, code := range r.named(tail) {
			reg, _ := r.region(code)
			if !r.leads(code, head) {
				continue
			}
			score := 1
			if !reg.Gone {
				score += 2
			}
			if reg.Name == tail {
				score += 4
			}
			if score > best {
				best, found = score, nil
			}
			if score == best && !slices.Contains(found, code) {
				found = append(found, code)
			}
		}
	}
	return found
}

// named gives the codes that a name or a short name stands for, the register's own first.
func (r *Regions) named(name string) []string {
	if r == nil {
		return standard().byName[name]
	}
	out := slices.Clone(r.own.byName[name])
	for _, c := range standard().byName[name] {
		if _, renamed := r.own.byCode[c]; !renamed {
			out = append(out, c)
		}
	}
	return out
}

// leads reports whether text names places over a code, from the province down, each by its whole or short name or not at all.
func (r *Regions) leads(code, text string) bool {
	var up []string
	for _, c := range above(code) {
		up = append(up, cmp.Or(r.part(c), r.part(code[:2]+"0000"))) // 北京市北京市东城区
	}
	return leads(up, text)
}

func leads(up []string, text string) bool {
	if text == "" {
		return true
	}
	if len(up) == 0 {
		return false
	}
	if up[0] != "" {
		for _, n := range spoken(up[0]) {
			if rest, ok := strings.CutPrefix(text, n); ok && leads(up[1:], rest) {
				return true
			}
		}
	}
	return leads(up[1:], text)
}

// fits reports whether a name may be that of a code: of the place itself, or, where the list has it not, of what lies over it.
func (r *Regions) fits(code, name string) bool {
	whole, known := r.Name(code)
	if whole == "" || whole == name || !known {
		return true
	}
	reg, _ := r.region(code[:6])
	for _, n := range spoken(reg.Name) {
		if head, ok := strings.CutSuffix(name, n); ok && r.leads(code[:6], head) {
			return true
		}
	}
	return false
}

// Like gives the places that begin with the digits typed or hold the text in their whole names, at most most; counties of the register first, then the standard's, the withdrawn last.
func (r *Regions) Like(text string, most int) []string {
	text = strings.TrimFunc(text, isSpace)
	if text == "" {
		return nil
	}
	var first, then, gone []string
	see := func(code string, own bool) {
		reg, _ := r.region(code)
		whole, _ := r.Name(code)
		if !strings.HasPrefix(code, text) && !strings.Contains(whole, text) {
			return
		}
		switch {
		case own:
			first = append(first, code)
		case reg.Gone:
			gone = append(gone, code)
		default:
			then = append(then, code)
		}
	}
	for _, c := range r.Find(text) {
		if _, ok := r.region(c); ok || c == RegionAbroad {
			first = append(first, c)
		}
	}
	if r != nil {
		for _, c := range r.own.codes {
			see(c, true)
		}
	}
	for _, c := range standard().codes {
		see(c, false)
	}
	var out []string
	for _, c := range slices.Concat(first, then, gone) {
		if len(out) < most && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// Read brings the places of a form that are written as names to their codes, where a name means one place alone. The form is changed.
func (r *Regions) Read(f Form) {
	for i := range Fields {
		if k := Fields[i].Key; Fields[i].List == ListRegion && f[k] != "" && !ValidRegion(f[k]) {
			if found := r.Find(f[k]); len(found) == 1 {
				f[k] = found[0]
			}
		}
	}
}
