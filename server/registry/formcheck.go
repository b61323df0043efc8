package registry

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Warning reports whether a finding is for the eye only and does not keep the form out.
func (f Finding) Warning() bool { return f.Params["level"] == "warning" }

// Blocking reports whether any finding keeps the form out.
func Blocking(fs []Finding) bool {
	return slices.ContainsFunc(fs, func(f Finding) bool { return !f.Warning() })
}

// CheckForm finds all that is wrong with a form on a date, in the order of Fields; empty when it may go in. Warnings have Params["level"]="warning".
// An unknown key is FindFormat with Params["unknown"]="1". The form is not changed; Tidy mends what needs no person.
func CheckForm(f Form, on Date) []Finding {
	c := formCheck{form: f, on: on}
	for i := range Fields {
		c.field(&Fields[i])
	}
	c.together()
	c.unknown()
	return c.found
}

type formCheck struct {
	form  Form
	on    Date
	found []Finding
}

func (c *formCheck) add(k FieldKey, code FindingCode, params map[string]string, mean ...string) {
	if len(mean) > 3 {
		mean = mean[:3]
	}
	c.found = append(c.found, Finding{Field: k, Code: code, DidYouMean: mean, Params: params})
}

func (c *formCheck) has(k FieldKey) bool {
	return slices.ContainsFunc(c.found, func(f Finding) bool { return f.Field == k })
}

func (c *formCheck) field(f *Field) {
	v := c.form[f.Key]
	if v == "" {
		if f.Required && (f.Group != "g2" || c.anyOf("g2")) {
			c.add(f.Key, FindMissing, nil)
		}
		return
	}
	if !utf8.ValidString(v) || strings.ContainsFunc(v, badRune) {
		c.add(f.Key, FindChars, nil)
		return
	}
	if f.Type != TypeCode && utf8.RuneCountInString(v) > f.Max { // a code that is too long is one that the list does not have
		c.add(f.Key, FindTooLong, map[string]string{"max": itoa(f.Max)})
		return
	}
	switch f.Type {
	case TypeText:
		switch {
		case f.Key == FName, f.Key == FFormerName, strings.HasSuffix(string(f.Key), ".name"):
			c.name(f.Key, v)
		}
	case TypeCode:
		if !InList(f.List, v) {
			var mean []string
			if f.List == ListRegion {
				mean = (*Regions)(nil).Find(halfWidth(v))
			} else if code, ok := FindCode(f.List, v); ok {
				mean = []string{code}
			}
			params := map[string]string{"list": string(f.List)}
			if len(mean) > 1 {
				params["n"] = itoa(len(mean))
			}
			c.add(f.Key, FindNotInList, params, mean...)
		} else if f.List == ListRegion {
			if name, known := (*Regions)(nil).Name(v); !known {
				c.add(f.Key, FindUnlisted, map[string]string{"level": "warning", "place": name})
			}
		}
	case TypeDate:
		switch d := Date(v); {
		case !d.Valid():
			c.add(f.Key, FindDate, nil, tidyDate(v)...)
		case f.Key == FBirth && (d > c.on || d < "1900-01-01"):
			c.add(f.Key, FindDate, nil)
		}
	case TypeMonth:
		if !Date(v + "-01").Valid() {
			c.add(f.Key, FindDate, nil, tidyMonth(v)...)
		}
	case TypeID:
		c.document(f, v)
	case TypePhone:
		if !phoneLike(v) {
			c.add(f.Key, FindFormat, map[string]string{"type": string(f.Type)})
		}
	case TypePost:
		if len(v) != 6 || !allDigits(v) {
			c.add(f.Key, FindFormat, map[string]string{"type": string(f.Type)})
		}
	case TypeMail:
		if at := strings.IndexByte(v, '@'); at < 1 || at == len(v)-1 || strings.ContainsAny(v, " ,;，；") || strings.Count(v, "@") != 1 {
			c.add(f.Key, FindFormat, map[string]string{"type": string(f.Type)})
		}
	case TypeInt:
		if !allDigits(v) {
			c.add(f.Key, FindFormat, map[string]string{"type": string(f.Type)})
		}
	}
}

func (c *formCheck) anyOf(group string) bool {
	for k, v := range c.form {
		if v != "" && strings.HasPrefix(string(k), group+".") {
			return true
		}
	}
	return false
}

// name: Han of every plane, the one dot U+00B7 inside, and for people of other scripts letters with spaces, hyphens and apostrophes.
func (c *formCheck) name(k FieldKey, v string) {
	r := []rune(v)
	ok, dots := true, 0
	for i, x := range r {
		inside := i > 0 && i < len(r)-1
		switch {
		case unicode.IsLetter(x) || unicode.Is(unicode.Han, x) || unicode.Is(unicode.M, x):
		case x == MiddleDot && inside && r[i-1] != MiddleDot:
			dots++
		case (x == ' ' || x == '-' || x == '\'' || x == '’' || x == '.') && inside:
		default:
			ok = false
		}
	}
	if unicode.Is(unicode.Han, r[0]) && strings.ContainsAny(v, " -'’.") {
		ok = false // 张 三, 阿依古丽.买买提
	}
	if ok {
		return
	}
	var mean []string
	if fixed := tidyName(v); fixed != v && fixed != "" {
		again := formCheck{form: c.form, on: c.on}
		if again.name(k, fixed); len(again.found) == 0 {
			mean = []string{fixed}
		}
	}
	c.add(k, FindChars, nil, mean...)
}

// document checks a number by the type beside it. For a resident ID: the check digit with repairs, region and date.
func (c *formCheck) document(f *Field, v string) {
	kind := c.form[FieldKey(strings.TrimSuffix(string(f.Key), "number")+"type")]
	switch kind {
	case "1":
		hints := IDHints{}
		if f.Key == FIDNumber {
			hints = IDHints{Birth: Date(c.form[FBirth]), Sex: c.form[FSex], Regions: []string{c.form[FBirthPlace], c.form[FHukou], c.form[FG1IDNumber], c.form[FG2IDNumber]}}
		}
		code, mean := checkID(v, c.on, hints)
		if code == "" && v != strings.ToUpper(v) {
			code, mean = FindFormat, []string{strings.ToUpper(v)}
		}
		if code != "" {
			c.add(f.Key, code, nil, mean...)
		}
	default:
		if least := 5; !documentLike(v) || len(v) < least {
			c.add(f.Key, FindFormat, map[string]string{"type": "id"})
		}
	}
}

// together checks items against one another.
func (c *formCheck) together() {
	f := c.form
	if id := f[FIDNumber]; f[FIDType] == "1" && id != "" && !c.has(FIDNumber) {
		if b := IDBirth(id); b != Date(f[FBirth]) && f[FBirth] != "" && !c.has(FBirth) {
			c.add(FBirth, FindMismatch, map[string]string{"with": string(FIDNumber)}, string(b))
		}
		if s := IDSex(id); (f[FSex] == "1" || f[FSex] == "2") && f[FSex] != s {
			c.add(FSex, FindMismatch, map[string]string{"with": string(FIDNumber)}, s)
		}
	}
	// A pupil without any document needs at least one guardian's (T1).
	if f[FIDNumber] == "" && f[FG1IDNumber] == "" && f[FG2IDNumber] == "" {
		c.add(FG1IDNumber, FindMissing, map[string]string{"with": string(FIDNumber)})
	}
	for _, g := range []FieldKey{"g1.", "g2."} {
		if f[g+"id_number"] != "" && f[g+"id_type"] == "" {
			c.add(g+"id_type", FindMissing, nil)
		}
	}
	if m := f[FEnrolMonth]; m != "" && !c.has(FEnrolMonth) {
		switch first := Date(m + "-01"); {
		case f[FBirth] != "" && !c.has(FBirth) && string(first) <= f[FBirth]:
			c.add(FEnrolMonth, FindMismatch, map[string]string{"with": string(FBirth)})
		case first > c.on.AddMonths(12):
			c.add(FEnrolMonth, FindDate, nil)
		}
	}
	c.age()
}

// Plausible ages at 31 August of the running school year: grade 1 starts at 6; late starts, repeats and skips are usual within these bounds. This is an aid for
// the eye (a warning), not a rule of the regulation.
const (
	ageOfGradeZero = 5
	ageBelow       = 1
	ageAbove       = 4
)

func (c *formCheck) age() {
	g, err := strconv.Atoi(c.form[FGrade])
	b := Date(c.form[FBirth])
	if err != nil || g < 1 || g > 12 || !b.Valid() || b > c.on || !c.on.Valid() {
		return
	}
	year := c.on.Year()
	if c.on[5:] < "08-01" {
		year--
	}
	if a := b.AgeOn(NewDate(year, 8, 31)); a < ageOfGradeZero+g-ageBelow || a > ageOfGradeZero+g+ageAbove {
		c.add(FBirth, FindAge, map[string]string{"level": "warning", "age": itoa(a), "grade": c.form[FGrade]})
	}
}

func (c *formCheck) unknown() {
	var keys []FieldKey
	for k, v := range c.form {
		if _, ok := fieldIndex[k]; !ok && v != "" {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		c.add(k, FindFormat, map[string]string{"unknown": "1"})
	}
}

// badRune: controls, private use (a font's own picture of a rare character: it will not survive), non-characters, and spaces that look like nothing.
func badRune(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Co, r) || r == '\u200b' || r == '\ufeff' || r&0xfffe == 0xfffe
}

func phoneLike(s string) bool {
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '-' || r == '+' || r == ' ' || r == '(' || r == ')' || r == '/' || r == ',' || r == '、':
		default:
			return false
		}
	}
	return digits >= 7
}

func documentLike(s string) bool {
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == '(' || r == ')' || r == '-' || r == '/':
		default:
			if !unicode.Is(unicode.Han, r) { // 户口簿, 其他: 出生证第…号
				return false
			}
		}
	}
	return true
}
