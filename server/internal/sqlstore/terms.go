package sqlstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"xueji/server/internal/store"
	"xueji/server/vault"
)

// A term is a letter for what it is and the text: 'n' a suffix of the name, 'p' pinyin, 'i' initials, 'd' last digits, 'a' 辅号. A prefix range over the
// suffixes of a name finds any part of it; over the others it finds what begins so.
const (
	termName     = "n"
	termPinyin   = "p"
	termInitials = "i"
	termDigits   = "d"
	termAlt      = "a"
)

// fold is the common form of what is indexed and what is asked: NFKC (full-width digits and letters become plain), lower case, without spaces, middle dots of
// any kind and control characters.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '·', '•', '‧', '・', '･', '∙', '⋅', '.', '\'', '’':
			return -1
		}
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(s))
}

// terms lists what a pupil is found by, sorted, each once.
func terms(x store.Index) []string {
	var out []string
	name := []rune(fold(x.Name))
	for i := range name {
		out = append(out, termName+string(name[i:]))
	}
	add := func(kind string, words ...string) {
		for _, w := range words {
			if w = fold(w); w != "" {
				out = append(out, kind+w)
			}
		}
	}
	add(termPinyin, x.Pinyin...)
	add(termInitials, x.Initials...)
	add(termDigits, x.IDTail, x.NumTail)
	add(termAlt, x.Alt)
	slices.Sort(out)
	return slices.Compact(out)
}

// The blind index holds tokens (package vault) of beginnings of terms, so that one look-up answers one beginning: of a suffix of the name its first one to four
// characters, of what is typed in Latin letters the lengths below. What is asked beyond is looked up by its longest indexed beginning, opened and compared.
const nameGram = 4

// Six letters are the longest syllable.
var prefixLengths = [...]int{1, 2, 3, 4, 5, 6, 8}

// grams calls yield with each indexed beginning of a term.
func grams(term string, yield func(gram string)) {
	kind, text := term[:1], term[1:]
	if kind == termDigits {
		yield(term)
		return
	}
	n := 0
	for i := range text {
		if n > 0 && indexed(kind, n) {
			yield(term[:1+i])
		}
		n++
	}
	if indexed(kind, n) {
		yield(term)
	}
}

func indexed(kind string, n int) bool {
	if kind == termName {
		return n <= nameGram
	}
	return slices.Contains(prefixLengths[:], n)
}

// tokens are what a pupil is found by in the blind index, sorted, each once.
func tokens(k *vault.IndexKey, x store.Index) []int64 {
	var out []int64
	seen := map[string]bool{}
	for _, t := range terms(x) {
		grams(t, func(g string) {
			if !seen[g] {
				seen[g] = true
				out = append(out, k.Token("term", g))
			}
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// asked sorts what a query text may mean: exact are those that the index answers by themselves, loose the longest indexed beginnings of the others.
func asked(prefixes []string) (exact, loose []string) {
	for _, p := range prefixes {
		longest := ""
		grams(p, func(g string) { longest = g })
		if longest == p {
			exact = append(exact, p)
		} else if longest != "" {
			loose = append(loose, longest)
		}
	}
	return exact, loose
}

// matches reports whether a pupil has a term that begins with one of the prefixes.
func matches(x store.Index, prefixes []string) bool {
	return slices.ContainsFunc(terms(x), func(t string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(t, p) })
	})
}

// sum names a set of tokens at a school, so that a commit that changes neither rewrites no index row. Tokens tell nothing, so their digest needs no key.
func sum(key int64, tokens []int64, school string) string {
	h := sha256.New()
	var b [8]byte
	for _, t := range append([]int64{key}, tokens...) {
		binary.BigEndian.PutUint64(b[:], uint64(t))
		h.Write(b[:])
	}
	h.Write([]byte(school))
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// prefixes are the term prefixes a query text may mean.
func prefixes(text string) []string {
	t := fold(text)
	if t == "" {
		return nil
	}
	out := []string{termName + t, termAlt + t}
	plain, digits := true, true
	for _, r := range t {
		plain = plain && r < unicode.MaxASCII
		digits = digits && (unicode.IsDigit(r) || r == 'x')
	}
	if plain {
		out = append(out, termPinyin+t, termInitials+t)
	}
	if digits && len(t) == 4 {
		out = append(out, termDigits+t)
	}
	return out
}

// prefixEnd is the last text that begins with a prefix can be, for a range over UTF-8 bytes.
const prefixEnd = "\U0010FFFF"

// classSort orders 2班 before 10班: each run of digits is padded.
func classSort(class string) string {
	var b strings.Builder
	run := ""
	flush := func() {
		if run != "" {
			b.WriteString(strings.Repeat("0", max(0, 6-len(run))))
			b.WriteString(run)
			run = ""
		}
	}
	for _, r := range norm.NFKC.String(class) {
		if r >= '0' && r <= '9' {
			run += string(r)
			continue
		}
		flush()
		b.WriteRune(r)
	}
	flush()
	return b.String()
}

// nameSort is what lists follow within a class.
func nameSort(x store.Index) string {
	if x.Order != "" {
		return x.Order
	}
	return fold(x.Name)
}
