package registry

import "strings"

// DocumentKind is what a new pupil has to show who they are: it decides the letter of the 学籍号 and how far up the approval goes (Art. 4, T1).
type DocumentKind string

const (
	DocResident DocumentKind = "resident" // 居民身份证 with its number
	DocPending  DocumentKind = "pending"  // 居民身份证 that is applied for: L
	DocHMT      DocumentKind = "hmt"      // of Hong Kong, Macao or Taiwan (Art. 28)
	DocForeign  DocumentKind = "foreign"  // passport or permanent residence (Art. 28)
	DocOther    DocumentKind = "other"    // 户口簿 or another paper with a number: J
	DocNone     DocumentKind = "none"     // none at all: J, level by level up to the province
)

// DocumentKinds lists them in the order in which screens offer them.
func DocumentKinds() []DocumentKind {
	return []DocumentKind{DocResident, DocPending, DocHMT, DocForeign, DocOther, DocNone}
}

// IDTypes are the codes of FIDType that a kind may have, the usual one first.
func (k DocumentKind) IDTypes() []string {
	switch k {
	case DocResident, DocPending:
		return []string{"1"}
	case DocHMT:
		return []string{"6", "7", "8"}
	case DocForeign:
		return []string{"A", "9"}
	case DocOther:
		return []string{"B", "Z"}
	case DocNone:
		return []string{"Z"}
	}
	return nil
}

// Numbered reports whether the kind has a number to be entered.
func (k DocumentKind) Numbered() bool { return k != DocPending && k != DocNone }

// DocumentKindOf says which kind a form's document is.
func DocumentKindOf(f Form) DocumentKind {
	switch t := f[FIDType]; {
	case t == "1" && f[FIDNumber] != "":
		return DocResident
	case t == "1":
		return DocPending
	case t != "" && strings.Contains("678", t):
		return DocHMT
	case t == "9" || t == "A":
		return DocForeign
	case f[FIDNumber] != "":
		return DocOther
	case noDocument(f):
		return DocNone
	}
	return DocForeign // of abroad, without a paper yet
}

// CheckDocumentKind finds what in a form does not fit the kind that was answered for; nil when all does.
func CheckDocumentKind(k DocumentKind, f Form) []Finding {
	var out []Finding
	fits := false
	for _, t := range k.IDTypes() {
		fits = fits || f[FIDType] == t
	}
	if !fits {
		out = append(out, Finding{Field: FIDType, Code: FindKind})
	}
	switch {
	case k.Numbered() && f[FIDNumber] == "":
		out = append(out, Finding{Field: FIDNumber, Code: FindMissing})
	case !k.Numbered() && f[FIDNumber] != "":
		out = append(out, Finding{Field: FIDNumber, Code: FindKind})
	}
	home := f[FOverseas] == "00"
	if (k == DocHMT || k == DocForeign) && home || k == DocNone && !home {
		out = append(out, Finding{Field: FOverseas, Code: FindKind})
	}
	return out
}
