package match

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"

	"xueji/server/internal/names"
	"xueji/server/registry"
)

// Person is what the ladder compares of a pupil.
type Person struct {
	Name      string // plain (names.Plain)
	Former    string // 曾用名, plain
	Readings  []string
	Sex       string
	Birth     registry.Date
	Document  string // Document; "" for none
	Guardians []Guardian
	Address   string
	Hukou     string
}

// Guardian is what tells a guardian.
type Guardian struct {
	Name     string
	Document string
	Phone    string
}

// Of takes a form apart.
func Of(f registry.Form) Person {
	p := Person{Name: names.Plain(f[registry.FName]), Former: names.Plain(f[registry.FFormerName]), Sex: f[registry.FSex], Birth: registry.Date(f[registry.FBirth]),
		Document: Document(f[registry.FIDType], f[registry.FIDNumber]), Address: plainText(f[registry.FAddress]), Hukou: f[registry.FHukou]}
	for _, n := range []string{p.Name, p.Former} {
		if n == "" {
			continue
		}
		full, _ := names.Readings(n)
		if len(full) == 0 {
			full = []string{n}
		}
		for _, r := range full {
			if !slices.Contains(p.Readings, r) {
				p.Readings = append(p.Readings, r)
			}
		}
	}
	for _, g := range []string{"g1", "g2"} {
		k := func(item string) string { return f[registry.FieldKey(g+"."+item)] }
		if x := (Guardian{Name: names.Plain(k("name")), Document: Document(k("id_type"), k("id_number")), Phone: phone(k("phone"))}); x != (Guardian{}) {
			p.Guardians = append(p.Guardians, x)
		}
	}
	return p
}

// Document is an identity document in one spelling, "type/number"; "" when there is no number. An 18-digit resident number is the same person whatever paper it was
// read from (居民身份证 or 户口簿), so it always has type 1; one of which only the check character is wrong keeps the type too, so that a slip finds its original.
func Document(kind, number string) string {
	number = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u3000' || r == '\t' {
			return -1
		}
		return r
	}, strings.ToUpper(width.Narrow.String(norm.NFKC.String(number))))
	if number == "" {
		return ""
	}
	if residentForm(number) {
		kind = "1"
	}
	return kind + "/" + number
}

// residentForm: 17 digits and a digit or X.
func residentForm(s string) bool {
	if len(s) != 18 {
		return false
	}
	for i := range 17 {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s[17] == 'X' || s[17] >= '0' && s[17] <= '9'
}

// resident is the 18-character number of a document, "" for another kind.
func resident(document string) string {
	if n, ok := strings.CutPrefix(document, "1/"); ok && residentForm(n) {
		return n
	}
	return ""
}

// whole reports whether a resident number is right in itself.
func whole(id string) bool {
	return id != "" && registry.IDCheckChar(id[:17]) == id[17] && registry.IDBirth(id) != ""
}

// phone keeps the digits of a number, without the country's code.
func phone(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, width.Narrow.String(s))
	if len(s) == 13 {
		s = strings.TrimPrefix(s, "86")
	}
	if len(s) < 7 {
		return ""
	}
	return s
}

func plainText(s string) string {
	return strings.Join(strings.Fields(width.Narrow.String(norm.NFKC.String(s))), "")
}
