package registry

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Basis is what a plan over many pupils hangs on beside school, grade, class and standing: Decide answers Promote, StartFinish, StartAdvance and KeepArchive for the pupil
// that Stand makes of it with the error it has for the whole record, so that pupils of one basis are decided once. No name and no item of the form is in it. A pack
// whose conditions ask for more (Pack.Personal) wants the record.
type Basis struct {
	Placed   Date         `json:"d,omitempty"` // the last day a case or the enrolment put the pupil in a grade
	Promoted int          `json:"p,omitempty"` // year of the last promotion
	Stay     int          `json:"s,omitempty"`
	Dropout  bool         `json:"q,omitempty"`
	Keep     Date         `json:"k,omitempty"` // until when a dropout's 学籍 is kept
	Archive  ArchiveState `json:"a,omitempty"`
	// Custodian has the archive, when that is not the school; nobody: "-".
	Custodian Unit   `json:"c,omitempty"`
	Lock      CaseNo `json:"l,omitempty"`
	// Of the open case: its kind, to whom it goes, whose turn it is and until when, and whether its other end is in another register.
	Kind CaseKind `json:"lk,omitempty"`
	To   Unit     `json:"lt,omitempty"`
	Turn Unit     `json:"lu,omitempty"`
	Due  Date     `json:"ld,omitempty"`
	Far  *bool    `json:"lf,omitempty"` // nil: no; else Far.Mine
}

// nobody is no unit; without a type, so that openapi.json does not take it for one.
const nobody = "-"

// BasisOf takes a pupil's.
func BasisOf(p *Pupil) Basis {
	b := Basis{Placed: p.EnrolledOn, Stay: p.StayYear, Archive: p.Archive.State, Lock: p.Lock}
	for i := range p.Cases {
		if c := &p.Cases[i]; c.State == CaseCompleted && places(c.Kind) {
			b.Placed = max(b.Placed, DateOf(c.ClosedAt))
		}
	}
	if p.Promotion != nil {
		b.Promoted = p.Promotion.Year
	}
	if p.Dropout != nil {
		b.Dropout, b.Keep = true, p.Dropout.KeepUntil
	}
	if p.Archive.Custodian != p.School {
		b.Custodian = cmp.Or(p.Archive.Custodian, nobody)
	}
	if c := p.OpenCase(); c != nil {
		b.Kind, b.To = c.Kind, c.To
		if i := c.Current(); i >= 0 {
			b.Turn, b.Due = c.Steps[i].Unit, c.Steps[i].DueOn
		}
		if c.Far != nil {
			b.Far = &c.Far.Mine
		}
	}
	return b
}

// String is the basis as a store keeps it: equal for equal ones.
func (b Basis) String() string {
	out, _ := json.Marshal(b) // strings, numbers and a bool
	return string(out)
}

// ParseBasis reads String.
func ParseBasis(s string) (Basis, error) {
	var b Basis
	err := json.Unmarshal([]byte(s), &b)
	return b, err
}

// Stand is a pupil with this basis and nothing else.
func (b Basis) Stand(school Unit, grade int, class string, standing Standing) Pupil {
	p := Pupil{School: school, Grade: grade, Class: class, Standing: standing, EnrolledOn: b.Placed, StayYear: b.Stay, Lock: b.Lock, Archive: Archive{State: b.Archive, Custodian: b.Custodian}}
	switch b.Custodian {
	case "":
		p.Archive.Custodian = school
	case nobody:
		p.Archive.Custodian = ""
	}
	if b.Promoted != 0 {
		p.Promotion = &Promotion{Year: b.Promoted}
	}
	if b.Dropout {
		p.Dropout = &Dropout{KeepUntil: b.Keep}
	}
	if b.Kind != "" {
		c := Case{No: b.Lock, Kind: b.Kind, State: CaseOpen, To: b.To}
		if b.Turn != "" {
			c.Steps = []Step{{Unit: b.Turn, DueOn: b.Due, Decision: DecisionPending}}
		}
		if b.Far != nil {
			c.Far = &Far{Mine: *b.Far}
		}
		p.Cases = []Case{c}
	}
	return p
}

// impersonal are facts that follow from the case, the units and what a Basis stands beside.
var impersonal = []string{"grade", "to_grade", "standing", "reach", "entry", "end", "kind", "to_kind", "public", "to_public", "day"}

// Personal reports whether a condition on cases of the kind asks for what only the record tells: an item of the form, an age.
func (p *Pack) Personal(k CaseKind) bool {
	return slices.ContainsFunc(p.Conditions, func(c Condition) bool {
		return slices.Contains(c.On, k) && slices.ContainsFunc(c.When, func(t Test) bool { return !slices.Contains(impersonal, t.Fact) })
	})
}
