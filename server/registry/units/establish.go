package units

import (
	"cmp"
	"reflect"
	"slices"

	"xueji/server/registry"
)

// Refused is a unit that cannot be taken in, and why.
type Refused struct {
	Code registry.Unit
	Err  error // as of Decide
}

// Establish takes in many units at once: all of a register that begins, or a term's new schools (Arts 2, 3). The operator does it at the machine, with the
// list of the office above in hand. It holds each unit to what Open and OpenOffice hold it to, but for who may.
//
// The order of the lists does not matter. One office alone has none above it: the first of the register. A unit that stands there as the list has it is passed
// over, so a list may be brought twice; one that stands there otherwise is refused, for Rename, Change, Merge and Close keep what was. When anything is
// refused nothing is to be written.
func Establish(standing, added Units) (Outcome, []Refused) {
	dir := newDirectory(standing)
	var out Outcome
	var refused []Refused
	seen := map[registry.Unit]bool{}
	twice := func(u registry.Unit) bool { was := seen[u]; seen[u] = true; return was }
	root := slices.ContainsFunc(standing.Offices, func(o registry.Office) bool { return o.Remote == "" && o.Parent == "" })

	offices := slices.Clone(added.Offices)
	slices.SortStableFunc(offices, func(a, b registry.Office) int { return cmp.Compare(tiers[a.Tier], tiers[b.Tier]) })
	for _, o := range offices {
		was, there := dir.Office(o.Code)
		var err error
		switch {
		case twice(o.Code), there && was != o:
			err = &registry.Error{Code: registry.CodeConflict, Field: "code"}
		case there:
			continue
		case o.Parent == "" && root:
			err = invalid("parent")
		default:
			err = checkOffice(dir, o)
		}
		if err != nil {
			refused = append(refused, Refused{o.Code, err})
			continue
		}
		root = root || o.Parent == ""
		dir.offices[o.Code] = o
		out.Offices = append(out.Offices, o)
	}
	for _, s := range added.Schools {
		was, there := dir.School(s.Code)
		var err error
		switch {
		case twice(s.Code), there && !same(was, s):
			err = &registry.Error{Code: registry.CodeConflict, Field: "code"}
		case there:
			continue
		default:
			err = checkNew(dir, s)
		}
		if err != nil {
			refused = append(refused, Refused{s.Code, err})
			continue
		}
		dir.schools[s.Code] = s
		out.Schools = append(out.Schools, s)
	}
	if len(refused) > 0 {
		return Outcome{}, refused
	}
	return out, nil
}

// same: a list says nothing of the names a school had.
func same(standing, listed registry.School) bool {
	standing.Former = listed.Former
	return reflect.DeepEqual(standing, listed)
}

// Units are schools and offices.
type Units struct {
	Schools []registry.School
	Offices []registry.Office
}

// directory is Units by code.
type directory struct {
	schools map[registry.Unit]registry.School
	offices map[registry.Unit]registry.Office
}

func newDirectory(u Units) directory {
	d := directory{map[registry.Unit]registry.School{}, map[registry.Unit]registry.Office{}}
	for _, s := range u.Schools {
		d.schools[s.Code] = s
	}
	for _, o := range u.Offices {
		d.offices[o.Code] = o
	}
	return d
}

func (d directory) School(u registry.Unit) (registry.School, bool) {
	s, ok := d.schools[u]
	return s, ok
}
func (d directory) Office(u registry.Unit) (registry.Office, bool) {
	o, ok := d.offices[u]
	return o, ok
}
func (d directory) Name(u registry.Unit) string {
	return cmp.Or(d.schools[u].Name, d.offices[u].Name, string(u))
}
