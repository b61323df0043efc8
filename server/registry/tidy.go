package registry

import (
	"strings"
	"unicode"
)

// Tidy mends what needs no person, as a school's workbook brings it: spaces around values, full-width digits and letters in codes, numbers and dates, dates
// written 20180203 or 2018/2/3 or 2018年2月3日, codes written as titles (男 → 1), a lower-case x. What it does not understand it leaves for CheckForm. Names
// are only trimmed. Empty values go. The form given is not changed. Values must be NFC already: that is the caller's business.
func Tidy(f Form) Form {
	out := make(Form, len(f))
	for k, v := range f {
		fd, known := FieldOf(k)
		if known && fd.Type != TypeText {
			v = halfWidth(v)
		}
		if v = strings.TrimFunc(v, isSpace); v == "" {
			continue
		}
		switch fd.Type {
		case TypeCode:
			if code, ok := FindCode(fd.List, v); ok {
				v = code
			}
		case TypeDate:
			if d := tidyDate(v); len(d) == 1 {
				v = d[0]
			}
		case TypeMonth:
			if m := tidyMonth(v); len(m) == 1 {
				v = m[0]
			}
		case TypeID:
			if v = strings.ToUpper(strings.Join(strings.FieldsFunc(v, isSpace), "")); v == "" {
				continue
			}
		}
		out[k] = v
	}
	return out
}

func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff'
}

// halfWidth turns full-width ASCII (U+FF01–U+FF5E) and the ideographic space into ASCII.
func halfWidth(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0xff01 && r <= 0xff5e:
			return r - 0xfee0
		case r == 0x3000:
			return ' '
		}
		return r
	}, s)
}

// tidyName is what a name was probably meant to be: the right dot, no spaces between Han.
func tidyName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r {
		case '•', '‧', '・', '･', '∙', '⋅', '．', '.', '。', '●', '᛫':
			return MiddleDot
		}
		if isSpace(r) {
			return -1
		}
		return r
	}, s)
	return strings.Trim(s, string(MiddleDot))
}

func numbersIn(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// tidyDate reads other ways to write a day; empty when it is none.
func tidyDate(s string) []string {
	s = halfWidth(s)
	if t, _, cut := strings.Cut(s, " "); cut {
		s = t // "2018-02-03 00:00:00"
	}
	n := numbersIn(s)
	if len(n) == 1 && len(n[0]) == 8 {
		n = []string{n[0][:4], n[0][4:6], n[0][6:]}
	}
	if len(n) != 3 || len(n[0]) != 4 || len(n[1]) > 2 || len(n[2]) > 2 {
		return nil
	}
	d := NewDate(atoi(n[0]), atoi(n[1]), atoi(n[2]))
	if d == "" {
		return nil
	}
	return []string{string(d)}
}

func tidyMonth(s string) []string {
	n := numbersIn(halfWidth(s))
	if len(n) == 1 && (len(n[0]) == 6 || len(n[0]) == 8) {
		n = []string{n[0][:4], n[0][4:6]}
	}
	if len(n) < 2 || len(n) > 6 || len(n[0]) != 4 || len(n[1]) > 2 {
		return nil
	}
	d := NewDate(atoi(n[0]), atoi(n[1]), 1)
	if d == "" {
		return nil
	}
	return []string{string(d[:7])}
}

func atoi(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
