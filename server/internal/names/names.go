// Package names knows how Chinese names are spelled and compared: every pinyin reading with the readings that only family names have, names as scribes write
// them, and the characters that stand in for one that a machine could not write. Search and the duplicate check read names through it.
//
// It is pure: no files, no clock, no store.
package names

import (
	"slices"
	"strings"
	"unicode"

	"github.com/mozillazg/go-pinyin"
	"golang.org/x/text/unicode/norm"

	"xueji/server/registry"
)

// MaxReadings bounds how many readings of a name are kept.
const MaxReadings = 8

// surnameReadings are readings that only occur in family names; the general dictionary lacks them or puts them last.
var surnameReadings = map[rune][]string{
	'单': {"shan", "dan"}, '曾': {"zeng", "ceng"}, '解': {"xie", "jie"}, '仇': {"qiu", "chou"}, '区': {"ou", "qu"}, '查': {"zha", "cha"},
	'朴': {"piao", "pu"}, '尉': {"wei", "yu"}, '盖': {"ge", "gai"}, '任': {"ren"}, '纪': {"ji"}, '缪': {"miao", "mou"}, '翟': {"zhai", "di"},
	'乐': {"yue", "le"}, '覃': {"qin", "tan"}, '种': {"chong", "zhong"}, '晁': {"chao"}, '冼': {"xian"}, '召': {"shao", "zhao"}, '逄': {"pang"},
	'员': {"yun", "yuan"}, '秘': {"bi", "mi"}, '黑': {"he", "hei"}, '繁': {"po", "fan"}, '华': {"hua"}, '燕': {"yan"}, '洗': {"xian", "xi"},
}

// Readings spells a name in every reading of its family name and the common reading of the rest, without tones or breaks, and gives the initials of each.
// Characters without a reading are passed over; Latin letters stand as they are, in lower case.
func Readings(name string) (full, initials []string) {
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
				if len(next) < MaxReadings {
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

// Order is the text by whose bytes a list of names stands as a class list does: character by character, each by its first reading, characters read alike
// apart, so that all 陈 stand before all 程 and nobody between two 陈. Latin letters stand in lower case, other marks divide.
func Order(name string) string {
	var b strings.Builder
	args := pinyin.NewArgs()
	first := true
	for _, r := range norm.NFKC.String(name) {
		switch {
		case unicode.Is(unicode.Han, r):
			if options := surnameReadings[r]; first && len(options) > 0 {
				b.WriteString(options[0])
			} else if options = pinyin.SinglePinyin(r, args); len(options) > 0 {
				b.WriteString(options[0])
			}
			b.WriteString(" " + string(r) + " ")
		case unicode.IsLetter(r):
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteByte(' ')
		}
		first = false
	}
	return b.String()
}

// Letters keeps the Latin letters of a typed pinyin, lower case, without tone marks; ü is v.
func Letters(s string) string {
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

// Same compares names as people write them: composed forms and spaces aside, and every dot that stands for "·" alike. An empty name is the same as none.
func Same(a, b string) bool { return a != "" && Plain(a) == Plain(b) }

// Plain is a name without what scribes add or vary: spaces gone, NFC, one kind of dot.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '\u2022', '\u30FB', '\uFF65', '\u2027', '\u22C5', '.', '\uFF0E':
			return registry.MiddleDot
		}
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, strings.TrimSpace(norm.NFC.String(s)))
}

// StandIn reports whether a character stands where a machine could not write the right one: a question mark, a star, a box, 某.
func StandIn(r rune) bool { return strings.ContainsRune("?？*＊□〇○■▢\uFFFD某", r) }

// Fits reports whether one name may be the other with stand-ins for some characters, or with a character spelled out in letters: 欧阳? and 欧阳wei fit 欧阳𬀩. At
// least one character must be the same in both, and names without a stand-in or letters do not fit others.
func Fits(a, b string) bool {
	a, b = Plain(a), Plain(b)
	return a != b && (fits([]rune(a), []rune(b), false) || fits([]rune(b), []rune(a), false))
}

// fits: pattern has stand-ins, name has none at those places.
func fits(pattern, name []rune, same bool) bool {
	if len(pattern) == 0 {
		return len(name) == 0 && same
	}
	if len(name) == 0 {
		return false
	}
	if pattern[0] == name[0] {
		return fits(pattern[1:], name[1:], true)
	}
	if StandIn(pattern[0]) {
		return fits(pattern[1:], name[1:], same)
	}
	n := 0
	for n < len(pattern) && (pattern[n] >= 'a' && pattern[n] <= 'z' || pattern[n] >= 'A' && pattern[n] <= 'Z') {
		n++
	}
	if n == 0 || !unicode.Is(unicode.Han, name[0]) {
		return false
	}
	full, _ := Readings(string(name[:1]))
	return slices.Contains(full, strings.ToLower(string(pattern[:n]))) && fits(pattern[n:], name[1:], same)
}
