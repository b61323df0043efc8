package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"xueji/server/internal/store"
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

// sum names a set of terms at a school, so that a commit that changes neither rewrites no index row.
func sum(terms []string, school string) string {
	h := sha256.New()
	h.Write([]byte(school))
	for _, t := range terms {
		h.Write([]byte{0})
		h.Write([]byte(t))
	}
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

// nameSort orders by the first pinyin reading, then by the name as written.
func nameSort(x store.Index) string {
	if len(x.Pinyin) == 0 {
		return fold(x.Name)
	}
	return fold(x.Pinyin[0]) + " " + fold(x.Name)
}
