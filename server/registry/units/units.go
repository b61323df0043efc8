package units

import (
	"slices"
	"strconv"

	"xueji/server/registry"
)

// Act is what happens to one unit.
type Act interface{ unit() registry.Unit }

// Open takes a school into the register under a code that no school ever had.
type Open struct {
	School registry.School `json:"school"`
}

// Rename gives a school another name; its code stays.
type Rename struct {
	Code registry.Unit `json:"code"`
	Name string        `json:"name"`
}

// Change alters what a school offers, its kind, its region, who is its authority, or how it is reached.
type Change struct {
	Code      registry.Unit       `json:"code"`
	Kind      registry.SchoolKind `json:"kind"`
	Region    string              `json:"region"`
	Authority registry.Unit       `json:"authority"`
	FromGrade int                 `json:"from_grade"`
	ToGrade   int                 `json:"to_grade"`
	Public    bool                `json:"public"`
	Phone     string              `json:"phone,omitempty"`
	Address   string              `json:"address,omitempty"`
}

// Merge ends a school: its pupils and archives go to another (Art. 9), its code is void for ever.
type Merge struct {
	Code registry.Unit `json:"code"`
	Into registry.Unit `json:"into"`
	On   registry.Date `json:"on"`
	Ref  string        `json:"ref"` // number of the document that ordered it
}

// Close ends a school: its archives go to the unit that the county names (Art. 9), its pupils are called over one by one, its code is void for ever.
type Close struct {
	Code   registry.Unit `json:"code"`
	Keeper registry.Unit `json:"keeper"`
	On     registry.Date `json:"on"`
	Ref    string        `json:"ref"`
}

// OpenOffice takes an education office into the register.
type OpenOffice struct {
	Office registry.Office `json:"office"`
}

// RenameOffice gives an office another name.
type RenameOffice struct {
	Code registry.Unit `json:"code"`
	Name string        `json:"name"`
}

func (a Open) unit() registry.Unit         { return a.School.Code }
func (a Rename) unit() registry.Unit       { return a.Code }
func (a Change) unit() registry.Unit       { return a.Code }
func (a Merge) unit() registry.Unit        { return a.Code }
func (a Close) unit() registry.Unit        { return a.Code }
func (a OpenOffice) unit() registry.Unit   { return a.Office.Code }
func (a RenameOffice) unit() registry.Unit { return a.Code }

// Outcome is what to write in one transaction, and the bulk that follows it: every pupil with a tie to the school that ended is moved by Move.
type Outcome struct {
	Schools []registry.School
	Offices []registry.Office
	Move    *registry.MoveCustody
}

// Longest name of a unit, in characters.
const maxName = 60

// Decide decides one act. Errors are *registry.Error: CodeInvalid names the member; CodeConflict says that the code was given before, or is void; CodeForbidden that
// the actor's office has no say over the unit; CodeWrongState that the school has ended.
//
// The officer of the school's authority, or of an office above it, acts on schools; an office is opened and renamed by one above it (the operator sets up the first).
func Decide(dir registry.Directory, act Act, actor registry.Actor, today registry.Date) (Outcome, error) {
	if dir == nil || act == nil || !today.Valid() {
		return Outcome{}, &registry.Error{Code: registry.CodeInternal}
	}
	switch a := act.(type) {
	case Open:
		return open(dir, a, actor)
	case OpenOffice:
		return openOffice(dir, a, actor)
	case RenameOffice:
		o, ok := dir.Office(a.Code)
		if !ok {
			return Outcome{}, registry.ErrNotFound
		}
		if err := over(dir, o.Parent, actor); err != nil {
			return Outcome{}, err
		}
		if !name(a.Name) || a.Name == o.Name {
			return Outcome{}, invalid("name")
		}
		o.Name = a.Name
		return Outcome{Offices: []registry.Office{o}}, nil
	}
	s, ok := dir.School(act.unit())
	if !ok {
		return Outcome{}, registry.ErrNotFound
	}
	if !s.Open() {
		return Outcome{}, &registry.Error{Code: registry.CodeWrongState, Params: map[string]string{"why": "school_ended", "school": string(s.Code)}}
	}
	if s.Remote != "" {
		return Outcome{}, &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"unit": string(s.Code), "remote": s.Remote}}
	}
	if err := over(dir, s.Authority, actor); err != nil {
		return Outcome{}, err
	}
	s.Former = slices.Clone(s.Former)
	switch a := act.(type) {
	case Rename:
		if !name(a.Name) || a.Name == s.Name {
			return Outcome{}, invalid("name")
		}
		s.Former = append(s.Former, registry.FormerName{Name: s.Name, Until: today})
		s.Name = a.Name
		return Outcome{Schools: []registry.School{s}}, nil
	case Change:
		if a.Authority != s.Authority {
			if err := over(dir, a.Authority, actor); err != nil {
				return Outcome{}, err
			}
		}
		s.Kind, s.Region, s.Authority, s.FromGrade, s.ToGrade, s.Public, s.Phone, s.Address = a.Kind, a.Region, a.Authority, a.FromGrade, a.ToGrade, a.Public, a.Phone, a.Address
		if err := check(dir, s); err != nil {
			return Outcome{}, err
		}
		return Outcome{Schools: []registry.School{s}}, nil
	case Merge:
		to, ok := dir.School(a.Into)
		if !ok || !to.Open() || to.Remote != "" || a.Into == s.Code {
			return Outcome{}, invalid("into")
		}
		if err := order(a.On, a.Ref, today); err != nil {
			return Outcome{}, err
		}
		s.State, s.EndedOn, s.Successor, s.Keeper = registry.UnitMerged, a.On, a.Into, a.Into
		return Outcome{Schools: []registry.School{s}, Move: &registry.MoveCustody{From: s.Code, To: a.Into, State: registry.UnitMerged, Ref: a.Ref}}, nil
	case Close:
		keeper, isSchool := dir.School(a.Keeper)
		_, isOffice := dir.Office(a.Keeper)
		if a.Keeper == s.Code || !isOffice && (!isSchool || !keeper.Open() || keeper.Remote != "") {
			return Outcome{}, invalid("keeper")
		}
		if err := order(a.On, a.Ref, today); err != nil {
			return Outcome{}, err
		}
		s.State, s.EndedOn, s.Keeper = registry.UnitClosed, a.On, a.Keeper
		return Outcome{Schools: []registry.School{s}, Move: &registry.MoveCustody{From: s.Code, To: a.Keeper, State: registry.UnitClosed, Ref: a.Ref}}, nil
	}
	return Outcome{}, &registry.Error{Code: registry.CodeInternal}
}

func open(dir registry.Directory, a Open, actor registry.Actor) (Outcome, error) {
	s := a.School
	if _, taken := dir.School(s.Code); taken { // open or ended: a code is given once
		return Outcome{}, &registry.Error{Code: registry.CodeConflict, Field: "code", Params: map[string]string{"school": string(s.Code)}}
	}
	if err := over(dir, s.Authority, actor); err != nil {
		return Outcome{}, err
	}
	if err := checkNew(dir, s); err != nil {
		return Outcome{}, err
	}
	return Outcome{Schools: []registry.School{s}}, nil
}

// checkNew holds what is true of a school that begins.
func checkNew(dir registry.Directory, s registry.School) error {
	if err := registry.CheckSchoolCode(s.Code); err != nil {
		return invalid("code")
	}
	if !s.Open() || s.EndedOn != "" || s.Successor != "" || s.Keeper != "" || s.Remote != "" || len(s.Former) > 0 {
		return invalid("state")
	}
	if len(s.Region) == 6 && string(s.Code[2:4]) != s.Region[:2] {
		return invalid("code") // the code names the province
	}
	return check(dir, s)
}

// check holds what is true of every open school.
func check(dir registry.Directory, s registry.School) error {
	auth, ok := dir.Office(s.Authority)
	switch {
	case !name(s.Name):
		return invalid("name")
	case s.Kind.Title() == string(s.Kind):
		return invalid("kind")
	case s.FromGrade < 1 || s.ToGrade > 12 || s.FromGrade > s.ToGrade:
		return &registry.Error{Code: registry.CodeInvalid, Field: "to_grade", Params: map[string]string{"from": strconv.Itoa(s.FromGrade), "to": strconv.Itoa(s.ToGrade)}}
	case len(s.Region) != 6 || !registry.ValidRegion(s.Region) || s.Region[4:] == "00":
		return invalid("region")
	case !ok || auth.Tier == registry.TierNation:
		return invalid("authority")
	}
	// Art. 3: the county of the region, or the city or province above it that runs the school directly.
	code := string(s.Authority)
	switch auth.Tier {
	case registry.TierProvince:
		ok = code[:2] == s.Region[:2]
	case registry.TierCity:
		ok = code[:4] == s.Region[:4]
	default:
		ok = code == s.Region
	}
	if !ok {
		return invalid("authority")
	}
	return nil
}

var tiers = map[registry.Tier]int{registry.TierNation: 0, registry.TierProvince: 1, registry.TierCity: 2, registry.TierCounty: 3}

func openOffice(dir registry.Directory, a OpenOffice, actor registry.Actor) (Outcome, error) {
	o := a.Office
	if _, taken := dir.Office(o.Code); taken {
		return Outcome{}, &registry.Error{Code: registry.CodeConflict, Field: "code"}
	}
	if err := over(dir, o.Parent, actor); err != nil {
		return Outcome{}, err
	}
	if err := checkOffice(dir, o); err != nil {
		return Outcome{}, err
	}
	return Outcome{Offices: []registry.Office{o}}, nil
}

// checkOffice holds what is true of every office: it lies within the office above it, if there is one.
func checkOffice(dir registry.Directory, o registry.Office) error {
	rank, known := tiers[o.Tier]
	parent, ok := dir.Office(o.Parent)
	switch {
	case o.Tier == registry.TierNation && (o.Code != nation || o.Parent != ""):
		return invalid("code")
	case o.Tier != registry.TierNation && (len(o.Code) != 6 || !registry.ValidRegion(string(o.Code))):
		return invalid("code")
	case o.Parent != "" && (!ok || parent.Remote != "" || !within(o.Code, parent)):
		return invalid("parent")
	case !known || ok && rank <= tiers[parent.Tier] || o.Tier != tierOf(o.Code):
		return invalid("tier")
	case !name(o.Name):
		return invalid("name")
	case o.Remote != "":
		return invalid("remote")
	}
	return nil
}

// nation is the code of the ministry's office.
const nation registry.Unit = "000000"

// tierOf reads a region's tier off its code (GB/T 2260): 330000 a province, 330100 a city, 330106 a county.
func tierOf(code registry.Unit) registry.Tier {
	switch {
	case code == nation:
		return registry.TierNation
	case code[2:] == "0000":
		return registry.TierProvince
	case code[4:] == "00":
		return registry.TierCity
	}
	return registry.TierCounty
}

// within: a code begins with the digits of the region above it (GB/T 2260): two of a province, four of a city.
func within(code registry.Unit, above registry.Office) bool {
	switch above.Tier {
	case registry.TierProvince:
		return code[:2] == above.Code[:2]
	case registry.TierCity:
		return code[:4] == above.Code[:4]
	}
	return true
}

// over: the actor is an officer of the office or of one above it.
func over(dir registry.Directory, u registry.Unit, actor registry.Actor) error {
	no := &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"unit": string(u)}}
	if actor.Role != registry.RoleOfficer || actor.Unit == "" || actor.Unit.IsSchool() {
		return no
	}
	for range 6 {
		if u == actor.Unit {
			return nil
		}
		o, ok := dir.Office(u)
		if !ok || o.Parent == "" {
			return no
		}
		u = o.Parent
	}
	return no
}

// order: an end is ordered in writing, and not for a day to come.
func order(on registry.Date, ref string, today registry.Date) error {
	if !on.Valid() || on > today {
		return invalid("on")
	}
	if ref == "" || len([]rune(ref)) > 200 {
		return invalid("ref")
	}
	return nil
}

func name(s string) bool { return s != "" && len([]rune(s)) <= maxName }

func invalid(field string) error { return &registry.Error{Code: registry.CodeInvalid, Field: field} }
