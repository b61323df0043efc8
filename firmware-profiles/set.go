package profiles

import "maps"

// With is the set and one profile more, in the place of one of its name. The same conflicts are errors as in Load; the set itself stays as it is.
func (s *Set) With(p *Profile) (*Set, error) {
	out := &Set{}
	for _, o := range s.list {
		if o.Name != p.Name {
			out.list = append(out.list, o)
		}
	}
	return out, out.add(p)
}

// Only is a set of one.
func Only(p *Profile) *Set { return &Set{list: []*Profile{p}} }

// Shipped is the text of a built-in profile's file, such as "fmcos.yaml": what a new profile is best begun with.
func Shipped(file string) ([]byte, error) { return shipped.ReadFile(file) }

// Without is the profile as somebody would use it who leaves an operation out: to see what the card then lets through.
func (p *Profile) Without(op Operation) *Profile {
	q := *p
	q.operations = maps.Clone(p.operations)
	delete(q.operations, op)
	return &q
}
