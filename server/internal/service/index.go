package service

import (
	"slices"
	"strings"
	"unicode"

	"github.com/mozillazg/go-pinyin"
	"golang.org/x/text/unicode/norm"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// maxReadings bounds how many readings of a name are kept.
const maxReadings = 8

// surnameReadings are readings that only occur in family names; the general dictionary lacks them or puts them last.
var surnameReadings = map[rune][]string{
	'单': {"shan", "dan"}, '曾': {"zeng", "ceng"}, '解': {"xie", "jie"}, '仇': {"qiu", "chou"}, '区': {"ou", "qu"}, '查': {"zha", "cha"},
	'朴': {"piao", "pu"}, '尉': {"wei", "yu"}, '盖': {"ge", "gai"}, '任': {"ren"}, '纪': {"ji"}, '缪': {"miao", "mou"}, '翟': {"zhai", "di"},
	'乐': {"yue", "le"}, '覃': {"qin", "tan"}, '种': {"chong", "zhong"}, '晁': {"chao"}, '冼': {"xian"}, '召': {"shao", "zhao"}, '逄': {"pang"},
	'员': {"yun", "yuan"}, '秘': {"bi", "mi"}, '黑': {"he", "hei"}, '繁': {"po", "fan"}, '华': {"hua"}, '燕': {"yan"}, '洗': {"xian", "xi"},
}

// indexOf is what lists and search read of a pupil.
func indexOf(p registry.Pupil) store.Index {
	name := p.Form[registry.FName]
	full, initials := readings(name)
	if typed := letters(p.Form[registry.FPinyin]); typed != "" && !slices.Contains(full, typed) {
		full = append(full, typed)
	}
	id := p.Form[registry.FIDNumber]
	return store.Index{Name: name, Pinyin: full, Initials: initials, IDTail: tail(id, 4), NumTail: tail(string(p.Number), 4), Alt: p.Form[registry.FAltNumber]}
}

// readings spells a name in every reading of its family name and the common reading of the rest, without tones or breaks, and gives the initials of each.
// Characters without a reading are passed over; Latin letters stand as they are.
func readings(name string) (full, initials []string) {
	args := pinyin.NewArgs()
	args.Heteronym = true
	type spelling struct{ full, initials string }
	all := []spelling{{}}
	first := true
	for _, r := range norm.NFKC.String(name) {
		var options []string
		switch {
		case unicode.Is(unicode.Han, r):
			if first {
				options = slices.Clone(surnameReadings[r])
			}
			for i, o := range pinyin.SinglePinyin(r, args) {
				if (first || i == 0) && !slices.Contains(options, o) {
					options = append(options, o)
				}
			}
		case unicode.IsLetter(r):
			options = []string{string(unicode.ToLower(r))}
		}
		if len(options) == 0 {
			continue
		}
		first = false
		var next []spelling
		for _, o := range options {
			for _, s := range all {
				if len(next) < maxReadings {
					next = append(next, spelling{s.full + o, s.initials + string([]rune(o)[:1])})
				}
			}
		}
		all = next
	}
	for _, s := range all {
		if s.full != "" && !slices.Contains(full, s.full) {
			full = append(full, s.full)
		}
		if s.initials != "" && !slices.Contains(initials, s.initials) {
			initials = append(initials, s.initials)
		}
	}
	return full, initials
}

// letters keeps the Latin letters of a typed pinyin, lower case, without tone marks.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		r = unicode.ToLower(r)
		if r == 'ü' {
			return 'v'
		}
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, norm.NFD.String(strings.ReplaceAll(norm.NFC.String(strings.ToLower(s)), "ü", "v")))
}

func tail(s string, n int) string {
	r := []rune(s)
	return string(r[max(0, len(r)-n):])
}

// sameName compares names as people write them: compatible forms and spaces aside, and every dot that stands for "·" alike.
func sameName(a, b string) bool { return a != "" && plainName(a) == plainName(b) }

func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '\u2022', '\u30FB', '\uFF65', '\u2027', '\u22C5', '.', '\uFF0E':
			return '\u00B7'
		}
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(norm.NFC.String(s)))
}
