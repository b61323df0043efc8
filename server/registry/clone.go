package registry

import (
	"maps"
	"slices"
)

// Clone is a deep copy: nothing that is changed in one shows in the other.
func (p Pupil) Clone() Pupil {
	p.Form = maps.Clone(p.Form)
	p.Cases = slices.Clone(p.Cases)
	for i := range p.Cases {
		p.Cases[i].Steps = slices.Clone(p.Cases[i].Steps)
		p.Cases[i].Evidence = slices.Clone(p.Cases[i].Evidence)
		p.Cases[i].Card = p.Cases[i].Card.clone()
	}
	p.Archive.Items = slices.Clone(p.Archive.Items)
	p.Archive.Missing = slices.Clone(p.Archive.Missing)
	p.Archive.Card = p.Archive.Card.clone()
	p.Archive.Backups = slices.Clone(p.Archive.Backups)
	if p.Suspension != nil {
		s := *p.Suspension
		p.Suspension = &s
	}
	if p.Card != nil {
		c := *p.Card
		p.Card = &c
	}
	return p
}
