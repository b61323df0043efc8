package match

import (
	"strings"

	"xueji/server/internal/names"
	"xueji/server/registry"
)

// Rung is a step of the ladder; the lower the number, the surer. 0 is none.
type Rung int

// The ladder (domain.md 5). SameDocument refuses an entry; the rest ask a person to look.
const (
	SameDocument Rung = 1 + iota // the same document
	DocumentSlip                 // the documents differ by one slip, the names agree; a stand-in agrees with too many names, so a guardian must agree besides
	SameName                     // name, birth date and a guardian's document or telephone agree
	SameReading                  // the names read alike or one has a stand-in, birth date and a guardian agree
	BirthSlip                    // the names agree or read alike, the birth dates differ by one slip, a guardian agrees
)

// Reason says what agrees or differs; the catalogue words it as "match.<reason>".
type Reason string

// The reasons.
const (
	ReasonDocument      Reason = "document"       // same document
	ReasonDocumentSlip  Reason = "document_slip"  // documents one slip apart
	ReasonName          Reason = "name"           // same written name
	ReasonFormer        Reason = "former"         // one's name is the other's former name
	ReasonReading       Reason = "reading"        // names read alike (traditional, variant or homophone characters)
	ReasonStandIn       Reason = "stand_in"       // one name has a stand-in for a character
	ReasonBirth         Reason = "birth"          // same birth date
	ReasonBirthSlip     Reason = "birth_slip"     // birth dates differ by one digit or two swapped ones
	ReasonBirthSwapped  Reason = "birth_swapped"  // day and month swapped
	ReasonGuardianID    Reason = "guardian_id"    // a guardian's document is the same
	ReasonGuardianPhone Reason = "guardian_phone" // a guardian's telephone is the same
	ReasonGuardianName  Reason = "guardian_name"  // a guardian's name is the same
	ReasonAddress       Reason = "address"        // same address
	ReasonOtherDocument Reason = "other_document" // speaks against: two whole documents that differ
	ReasonOtherSex      Reason = "other_sex"      // speaks against
)

// Against reports whether a reason speaks for two children.
func (r Reason) Against() bool { return r == ReasonOtherDocument || r == ReasonOtherSex }

// Hit is what the ladder says of two records.
type Hit struct {
	Rung    Rung
	Score   int // 1–100, how sure
	Reasons []Reason
}

// Block reports whether the entry is refused rather than put before a person.
func (h Hit) Block() bool { return h.Rung == SameDocument }

// base is each rung's score before small things are added or taken.
var base = map[Rung]int{SameDocument: 100, DocumentSlip: 94, SameName: 88, SameReading: 76, BirthSlip: 66}

// Judge climbs the ladder for two records of the register; ok is false when no rung holds. It is symmetric.
func Judge(a, b Person) (hit Hit, ok bool) {
	var h Hit
	say := func(r Reason) { h.Reasons = append(h.Reasons, r) }
	name := nameOf(a, b)
	birth := birthOf(a.Birth, b.Birth)
	g := guardiansOf(a.Guardians, b.Guardians)
	ida, idb := resident(a.Document), resident(b.Document)
	differ := whole(ida) && whole(idb) && ida != idb
	slip := ida != "" && idb != "" && oneSlip(ida, idb)
	address := a.Address != "" && a.Address == b.Address
	written := name == ReasonName || name == ReasonFormer

	switch {
	case a.Document != "" && a.Document == b.Document:
		h.Rung = SameDocument
		say(ReasonDocument)
	case slip && name != "" && (name != ReasonStandIn || g.strong() || g.name && birth == ReasonBirth):
		h.Rung = DocumentSlip
		say(ReasonDocumentSlip)
	case written && birth == ReasonBirth && g.strong():
		h.Rung = SameName
	case name != "" && birth == ReasonBirth && g.any() && !differ:
		h.Rung = SameReading
	case name != "" && birth != "" && !differ && (g.strong() || g.name && name != ReasonStandIn && (address || a.Hukou != "" && a.Hukou == b.Hukou)), name == ReasonName && birth != "" && g.strong():
		h.Rung = BirthSlip
	default:
		return Hit{}, false
	}
	if name != "" {
		say(name)
	}
	if birth != "" {
		say(birth)
	}
	h.Reasons = append(h.Reasons, g.reasons()...)
	if address {
		say(ReasonAddress)
	}
	h.Score = base[h.Rung]
	if h.Rung != SameDocument {
		if g.id {
			h.Score += 3
		}
		if address {
			h.Score += 2
		}
		if differ {
			say(ReasonOtherDocument)
			h.Score -= 12
		}
		if a.Sex != "" && b.Sex != "" && a.Sex != b.Sex {
			say(ReasonOtherSex)
			h.Score -= 6
		}
		h.Score = min(h.Score, 99)
	}
	return h, true
}

// nameOf is how two names agree, "" when they do not.
func nameOf(a, b Person) Reason {
	switch {
	case a.Name == "" || b.Name == "":
		return ""
	case a.Name == b.Name:
		return ReasonName
	case a.Former == b.Name || b.Former == a.Name || a.Former != "" && a.Former == b.Former:
		return ReasonFormer
	}
	for _, x := range a.Readings {
		for _, y := range b.Readings {
			if x == y {
				return ReasonReading
			}
		}
	}
	if names.Fits(a.Name, b.Name) {
		return ReasonStandIn
	}
	return ""
}

// birthOf is how two dates agree, "" when they do not.
func birthOf(a, b registry.Date) Reason {
	switch {
	case a == "" || b == "":
		return ""
	case a == b:
		return ReasonBirth
	case len(a) != 10 || len(b) != 10:
		return ""
	case a[:4] == b[:4] && a[5:7] == b[8:] && a[8:] == b[5:7]:
		return ReasonBirthSwapped
	case oneSlip(strings.ReplaceAll(string(a), "-", ""), strings.ReplaceAll(string(b), "-", "")):
		return ReasonBirthSlip
	}
	return ""
}

// oneSlip: texts of one length that differ in one place, or in two neighbours that are swapped.
func oneSlip(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	at := -1
	for i := range len(a) {
		if a[i] == b[i] {
			continue
		}
		switch {
		case at < 0:
			at = i
		case i == at+1 && a[i] == b[at] && b[i] == a[at] && a[i+1:] == b[i+1:]:
			return true
		default:
			return false
		}
	}
	return at >= 0
}

// guardians is what two families share.
type guardians struct{ id, phone, name bool }

func guardiansOf(a, b []Guardian) (g guardians) {
	for _, x := range a {
		for _, y := range b {
			g.id = g.id || x.Document != "" && x.Document == y.Document
			g.phone = g.phone || x.Phone != "" && x.Phone == y.Phone
			// A name is no sign of one guardian where two whole documents say that there are two.
			g.name = g.name || x.Name != "" && x.Name == y.Name && !(x.Document != y.Document && whole(resident(x.Document)) && whole(resident(y.Document)))
		}
	}
	return g
}

func (g guardians) strong() bool { return g.id || g.phone }
func (g guardians) any() bool    { return g.id || g.phone || g.name }

func (g guardians) reasons() (out []Reason) {
	if g.id {
		out = append(out, ReasonGuardianID)
	}
	if g.phone {
		out = append(out, ReasonGuardianPhone)
	}
	if g.name {
		out = append(out, ReasonGuardianName)
	}
	return out
}
