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

// read turns a cell into a value that registry.Tidy understands. A finding means that the value could not be known; the value is then "".
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
	case registry.TypeDate, registry.TypeMonth:
		return day(halfWidth(s)), nil
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
		return s, nil // a name is a person's: what looks wrong in it is asked, not mended
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
			return strconv.FormatFloat(n, 'f', 0, 64), nil
		}
		if n >= 1 && n < 2958466 {
			return serial(n, date1904).Format(time.DateOnly), nil
		}
	case registry.TypeMonth:
		switch {
		case whole && n >= 190001 && n <= 999912:
			return strconv.FormatFloat(n, 'f', 0, 64), nil
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

// day drops the time of day from "2017-03-09 00:00:00" and "2017-03-09T00:00:00"; registry.Tidy reads the rest.
func day(s string) string {
	if i := strings.IndexAny(s, "T "); i >= 8 && strings.Contains(s[i:], ":") {
		return s[:i]
	}
	return s
}

// found keeps what registry.FindCode said of a text: a workbook repeats few of them. It forgets all when full.
var found struct {
	sync.RWMutex
	m map[[2]string]string
}

// code turns what a person chose ("男", "1", "1 男", "01") into the list's code. What is in no list is given back as typed, for CheckForm to refuse.
func code(f *registry.Field, s string) string {
	k := [2]string{string(f.List), s}
	found.RLock()
	c, ok := found.m[k]
	found.RUnlock()
	if ok {
		return c
	}
	c = s
	for _, try := range []string{s, halfWidth(s), squeeze(halfWidth(s))} {
		if v, ok := registry.FindCode(f.List, try); ok {
			c = v
			break
		}
	}
	found.Lock()
	if found.m == nil || len(found.m) > 20000 {
		found.m = map[[2]string]string{}
	}
	found.m[k] = c
	found.Unlock()
	return c
}
