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
		c := &p.Cases[i]
		c.Steps = slices.Clone(c.Steps)
		for j := range c.Steps {
			c.Steps[j].Urged = slices.Clone(c.Steps[j].Urged)
		}
		c.Evidence = slices.Clone(c.Evidence)
		c.Card = c.Card.clone()
		c.Changes = slices.Clone(c.Changes)
		c.AgreedBy = slices.Clone(c.AgreedBy)
		if c.Problem != nil {
			q := *c.Problem
			q.Reasons = slices.Clone(q.Reasons)
			c.Problem = &q
		}
		if c.Far = clonePtr(c.Far); c.Far != nil {
			c.Far.Card = slices.Clone(c.Far.Card)
		}
	}
	p.Archive.Items = cloneItems(p.Archive.Items)
	p.Archive.Retired = cloneItems(p.Archive.Retired)
	p.Archive.Handed = slices.Clone(p.Archive.Handed)
	for i := range p.Archive.Handed {
		p.Archive.Handed[i].Items = cloneItems(p.Archive.Handed[i].Items)
	}
	p.Archive.Missing = slices.Clone(p.Archive.Missing)
	p.Archive.Card = p.Archive.Card.clone()
	p.Archive.Backups = slices.Clone(p.Archive.Backups)
	p.Archive.Urged = slices.Clone(p.Archive.Urged)
	p.Suspension = clonePtr(p.Suspension)
	p.Card = clonePtr(p.Card)
	p.Abroad = clonePtr(p.Abroad)
	p.Promotion = clonePtr(p.Promotion)
	p.Merged = clonePtr(p.Merged)
	if p.Study = clonePtr(p.Study); p.Study != nil {
		p.Study.AgreedBy = slices.Clone(p.Study.AgreedBy)
	}
	if p.Dropout = clonePtr(p.Dropout); p.Dropout != nil {
		p.Dropout.Reports = slices.Clone(p.Dropout.Reports)
		p.Dropout.Log = slices.Clone(p.Dropout.Log)
	}
	p.Offered = clonePtr(p.Offered)
	if p.Moved = clonePtr(p.Moved); p.Moved != nil {
		if p.Moved.Study = clonePtr(p.Moved.Study); p.Moved.Study != nil {
			p.Moved.Study.AgreedBy = slices.Clone(p.Moved.Study.AgreedBy)
		}
		p.Moved.Suspension = clonePtr(p.Moved.Suspension)
		p.Moved.Files = slices.Clone(p.Moved.Files)
	}
	p.Absences = slices.Clone(p.Absences)
	for i := range p.Absences {
		p.Absences[i].Contacts = slices.Clone(p.Absences[i].Contacts)
	}
	p.Numbers = slices.Clone(p.Numbers)
	p.Certificates = slices.Clone(p.Certificates)
	p.Absorbed = slices.Clone(p.Absorbed)
	return p
}

func cloneItems(items []ArchiveItem) []ArchiveItem {
	items = slices.Clone(items)
	for i := range items {
		items[i].Older = slices.Clone(items[i].Older)
	}
	return items
}

// clonePtr copies what p points to; nil stays nil.
func clonePtr[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
