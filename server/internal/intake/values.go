package intake

import (
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"xueji/server/registry"
)

// Params["why"] of a finding that the reading of a cell made.
const (
	WhyExcelNumber = "excel_number" // Excel kept an ID number as a number and lost its last digits
	WhyExcelMonth  = "excel_month"  // a month typed as 2023.10 became the number 2023.1
	WhyExcelError  = "excel_error"  // #N/A, #REF!…
)

// read turns a cell into the form's value. A finding means that the value could not be known; the value is then "".
func read(f *registry.Field, c cell, date1904 bool) (string, *registry.Finding) {
	bad := func(code registry.FindingCode, why string) (string, *registry.Finding) {
		fd := &registry.Finding{Field: f.Key, Code: code}
		if why != "" {
			fd.Params = map[string]string{"why": why}
		}
		return "", fd
	}
	if c.formula {
		return bad(registry.FindFormula, "")
	}
	switch c.kind {
	case kindError:
		return bad(registry.FindFormat, WhyExcelError)
	case kindNumber:
		return readNumber(f, c.text, date1904, bad)
	case kindBool:
		if c.text == "1" {
			return code(f, "是"), nil
		}
		return code(f, "否"), nil
	}
	s := clean(c.text)
	switch f.Type {
	case registry.TypeDate:
		return date(halfWidth(s)), nil
	case registry.TypeMonth:
		return month(halfWidth(s)), nil
	case registry.TypeCode:
		return code(f, s), nil
	case registry.TypeID:
		return strings.ToUpper(squeeze(strings.TrimLeft(halfWidth(s), "'‘’`"))), nil
	case registry.TypePhone, registry.TypePost, registry.TypeInt:
		return squeeze(strings.TrimLeft(halfWidth(s), "'‘’`")), nil
	case registry.TypeMail:
		return squeeze(halfWidth(s)), nil
	}
	if isName(f) {
		return name(s), nil
	}
	return halfWidthWords(s), nil
}

func readNumber(f *registry.Field, raw string, date1904 bool, bad func(registry.FindingCode, string) (string, *registry.Finding)) (string, *registry.Finding) {
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return clean(raw), nil
	}
	whole := n == math.Trunc(n)
	switch f.Type {
	case registry.TypeID:
		// A double holds 15 to 17 significant digits and Excel keeps 15: the last three of 18 are gone (they read 000).
		if math.Abs(n) >= 1e15 {
			return bad(registry.FindFormat, WhyExcelNumber)
		}
	case registry.TypeDate:
		if whole && n >= 19000101 && n <= 99991231 {
			return date(strconv.FormatFloat(n, 'f', 0, 64)), nil
		}
		if n >= 1 && n < 2958466 {
			return serial(n, date1904).Format(time.DateOnly), nil
		}
	case registry.TypeMonth:
		switch {
		case whole && n >= 190001 && n <= 999912:
			return month(strconv.FormatFloat(n, 'f', 0, 64)), nil
		case !whole && n >= 1900 && n < 2100:
			return bad(registry.FindFormat, WhyExcelMonth)
		case n >= 3653 && n < 2958466: // a serial later than 1909
			return serial(n, date1904).Format("2006-01"), nil
		}
	}
	s := strconv.FormatFloat(n, 'f', -1, 64)
	if f.Type == registry.TypeCode {
		return code(f, s), nil
	}
	return s, nil
}

// serial is the day of an Excel serial number (ECMA-376 18.17.4.1): day 1 is 1900-01-01 and day 60 the 29 February that 1900 did not have; or days after
// 1904-01-01.
func serial(n float64, date1904 bool) time.Time {
	days := int(n)
	if date1904 {
		return time.Date(1904, 1, 1+days, 0, 0, 0, 0, time.UTC)
	}
	if days < 60 {
		days++
	}
	return time.Date(1899, 12, 30+days, 0, 0, 0, 0, time.UTC)
}

// squeeze drops spaces inside.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func isName(f *registry.Field) bool {
	k := string(f.Key)
	return k == string(registry.FName) || k == string(registry.FFormerName) || strings.HasSuffix(k, ".name")
}

// name mends what keyboards do to names: every middle dot is U+00B7, a Chinese name holds no spaces, a Latin one single spaces.
func name(s string) string {
	han := false
	for _, r := range s {
		han = han || unicode.Is(unicode.Han, r)
	}
	s = strings.Map(func(r rune) rune {
		switch r {
		case '•', '‧', '・', '･', '∙', '⋅', '●', '▪', 'ㆍ', '᛫':
			return '·'
		case '.', '．', '。':
			if han {
				return '·'
			}
		case ' ':
			if han {
				return -1
			}
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// date reads the ways people write a day; what it cannot read it gives back as it is, for CheckForm to refuse.
func date(s string) string {
	s = squeeze(s[:cut(s)])
	if y, m, d, ok := three(s); ok {
		return pad(y, 4) + "-" + pad(m, 2) + "-" + pad(d, 2)
	}
	if len(s) == 8 && digits(s) {
		return s[:4] + "-" + s[4:6] + "-" + s[6:]
	}
	return s
}

// cut finds the end of the day in "2017-03-09 00:00:00" or "2017-03-09T…".
func cut(s string) int {
	if i := strings.IndexAny(s, "T "); i >= 8 && strings.Contains(s[i:], ":") {
		return i
	}
	return len(s)
}

func month(s string) string {
	s = squeeze(s)
	if y, m, _, ok := three(s + "-1"); ok {
		return pad(y, 4) + "-" + pad(m, 2)
	}
	if y, m, _, ok := three(s); ok { // a whole day was given
		return pad(y, 4) + "-" + pad(m, 2)
	}
	if len(s) == 6 && digits(s) {
		return s[:4] + "-" + s[4:]
	}
	if len(s) == 8 && digits(s) {
		return s[:4] + "-" + s[4:6]
	}
	return s
}

// three splits "2017年3月9日", "2017/3/9", "2017.03.09".
func three(s string) (y, m, d string, ok bool) {
	s = strings.TrimRight(strings.NewReplacer("年", "-", "月", "-", "日", "", "号", "", "/", "-", ".", "-", "--", "-").Replace(s), "-")
	s = strings.ReplaceAll(s, "--", "-")
	p := strings.Split(s, "-")
	if len(p) != 3 || len(p[0]) != 4 {
		return
	}
	for _, x := range p {
		if len(x) == 0 || !digits(x) {
			return
		}
	}
	if len(p[1]) > 2 || len(p[2]) > 2 {
		return
	}
	return p[0], p[1], p[2], true
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func pad(s string, n int) string {
	for len(s) < n {
		s = "0" + s
	}
	return s
}

// lists holds, per code list, every way to write an item → its code.
var lists sync.Map // registry.ListName → map[string]string

// code turns what a person chose ("男", "1", "1 男", "01") into the list's code. What is in no list is given back as typed, for CheckForm to refuse.
func code(f *registry.Field, s string) string {
	if s == "" || f.List == "" {
		return s
	}
	m := listOf(f.List)
	h := squeeze(halfWidth(s))
	if c, ok := m[h]; ok {
		return c
	}
	if i := strings.IndexFunc(h, func(r rune) bool { return r != '-' && !isCodeRune(r) }); i > 0 { // "1男", "01-汉族"
		if c, ok := m[strings.TrimRight(h[:i], "-")]; ok {
			if title := strings.Trim(h[i:], "-:.、_)"); m[title] == c {
				return c
			}
		}
	}
	return h
}

func isCodeRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

func listOf(name registry.ListName) map[string]string {
	if m, ok := lists.Load(name); ok {
		return m.(map[string]string)
	}
	m := map[string]string{}
	items := registry.List(name)
	put := func(k, c string) {
		if _, taken := m[k]; k != "" && !taken {
			m[k] = c
		}
	}
	for _, it := range items { // exact writings first: they win over the lenient ones
		put(it.Code, it.Code)
		put(squeeze(halfWidth(it.Title)), it.Code)
	}
	for _, it := range items {
		t := squeeze(halfWidth(it.Title))
		put(strings.ToUpper(it.Code), it.Code)
		put(strings.TrimLeft(it.Code, "0"), it.Code)
		put(strings.TrimSuffix(t, "族"), it.Code)
		put(strings.TrimSuffix(t, "性"), it.Code)
		if i := strings.IndexAny(t, "(（"); i > 0 {
			put(t[:i], it.Code)
		}
	}
	lists.Store(name, m)
	return m
}
