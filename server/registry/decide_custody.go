package registry

import (
	"slices"
	"strconv"
)

// rowOpen: the unit that has the paper may write the catalogue.
func (d *decision) rowOpen() error {
	a := &d.p.Archive
	if err := d.may(a.Custodian, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
		return err
	}
	switch a.State {
	case ArchiveNone, ArchiveHeld, ArchiveReceived, ArchiveCalled, ArchiveReturned:
		return nil
	}
	return &Error{Code: CodeWrongState, Params: params("archive", string(a.State))}
}

// putItem adds or replaces one catalogue row; what was replaced is kept (Art. 8).
func (d *decision) putItem(e PutItem) error {
	if err := d.rowOpen(); err != nil {
		return err
	}
	a := &d.p.Archive
	if a.State == ArchiveNone {
		return &Error{Code: CodeWrongState, Params: params("archive", string(a.State))} // the first catalogue builds the archive
	}
	it := e.Item
	it.Older = nil
	if it.No < 1 || it.No > len(a.Items)+1 || it.No > maxItems {
		return &Error{Code: CodeInvalid, Field: "item", Params: params("row", strconv.Itoa(it.No))}
	}
	if !rowGood(it) {
		return &Error{Code: CodeInvalid, Field: "item", Params: params("row", strconv.Itoa(it.No))}
	}
	items := cloneItems(a.Items)
	if it.No > len(items) {
		items = append(items, it)
	} else {
		items[it.No-1] = it
	}
	d.list(items)
	d.notify(WhatTasks, "", a.Custodian)
	return nil
}

// list replaces the catalogue. A row that stands as it was keeps its past; one that replaces a row of its number takes that row's past and the row itself; rows that
// no longer stand are kept as retired.
func (d *decision) list(items []ArchiveItem) {
	a := &d.p.Archive
	old := cloneItems(a.Items)
	used := make([]bool, len(old))
	out := cloneItems(items)
	same := make([]bool, len(out))
	for i := range out {
		out[i].Older = nil
		for j := range old {
			if !used[j] && sameRow(out[i], old[j]) {
				used[j], same[i] = true, true
				out[i].Older = old[j].Older
				break
			}
		}
	}
	for i := range out {
		if !same[i] && i < len(old) && !used[i] {
			used[i] = true
			o := old[i]
			out[i].Older = append(o.Older, ItemVersion{Group: o.Group, Title: o.Title, Date: o.Date, Pages: o.Pages, Copy: o.Copy, Digest: o.Digest, NoPaper: o.NoPaper,
				Until: d.today(), By: d.env.Actor})
		}
	}
	for j := range old {
		if !used[j] {
			a.Retired = append(a.Retired, old[j])
		}
	}
	a.Items = out
}

// sameRow compares what a row says, not its number.
func sameRow(a, b ArchiveItem) bool {
	return a.Group == b.Group && a.Title == b.Title && a.Date == b.Date && a.Pages == b.Pages && a.Copy == b.Copy && a.Digest == b.Digest && a.NoPaper == b.NoPaper
}

func rowGood(it ArchiveItem) bool {
	return it.Group >= 1 && it.Group <= 7 && it.Title != "" && !tooLong(it.Title, 100) && it.Pages >= 0 && it.Pages <= 9999 && (it.Date == "" || it.Date.Valid()) &&
		(it.Digest == "" || hexDigest(it.Digest)) && !(it.NoPaper && it.Digest == "")
}

// handed keeps the catalogue as the sender closed it: with what the receiver lists later, both versions stay (Art. 16).
func (d *decision) handed() {
	a := &d.p.Archive
	a.Handed = append(a.Handed, Handed{No: a.No, From: a.From, To: a.To, On: d.today(), Items: cloneItems(a.Items)})
}

// keepArchive puts the archive to permanent keeping where schooling ended (Art. 9).
func (d *decision) keepArchive(e KeepArchive) error {
	a := &d.p.Archive
	if err := d.may(a.Custodian, RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
		return err
	}
	if !d.p.Standing.Ended() {
		return d.standing()
	}
	if err := d.unlocked(); err != nil {
		return err
	}
	switch a.State {
	case ArchiveHeld, ArchiveReceived, ArchiveReturned:
	default:
		return &Error{Code: CodeWrongState, Params: params("archive", string(a.State))}
	}
	if tooLong(e.Place, 100) {
		return invalid("place")
	}
	a.State, a.Place = ArchivePermanent, e.Place
	a.KeepDue, a.KeepUnsure = "", false
	d.notify(WhatTasks, "", a.Custodian)
	return nil
}

// moveCustody is one pupil's part of the end of a school (Art. 9): the paper, what the school still owed, its turn in an open case, and on a merger the pupil too.
func (d *decision) moveCustody(e MoveCustody) error {
	from, ok := d.env.Directory.School(e.From)
	if !ok {
		return invalid("from")
	}
	if err := d.may(from.Authority, RoleOfficer); err != nil {
		return err
	}
	if e.From == e.To || e.State != UnitMerged && e.State != UnitClosed {
		return invalid("state")
	}
	if err := words(e.Ref, maxReason, "ref"); err != nil {
		return err
	}
	to, isSchool := d.env.Directory.School(e.To)
	_, isOffice := d.env.Directory.Office(e.To)
	if e.State == UnitMerged && (!isSchool || !to.Open()) || !isSchool && !isOffice || isSchool && !to.Open() {
		return invalid("to")
	}
	p, touched := &d.p, false
	swap := func(u *Unit, with Unit) {
		if *u == e.From {
			*u, touched = with, true
		}
	}
	if e.State == UnitMerged && p.School == e.From {
		if p.Standing.Living() {
			if _, err := d.school(e.To, p.Grade, "to", "grade"); err != nil {
				return err
			}
		}
		touched = true
		d.place(e.To, p.Grade, p.Class)
	}
	a := &p.Archive
	for _, u := range []*Unit{&a.Custodian, &a.From, &a.To, &a.MissingFrom} {
		swap(u, e.To)
	}
	for i := range a.Backups {
		swap(&a.Backups[i], e.To)
	}
	slices.Sort(a.Backups)
	a.Backups = slices.DeleteFunc(slices.Compact(a.Backups), func(u Unit) bool { return u == a.Custodian && u == p.School })
	if a.To != "" && a.To == a.Custodian && a.State != ArchiveTransit { // it was called from the school that ended to the one that took it over
		a.recall()
	}
	if c := p.OpenCase(); c != nil {
		acting := from.Authority
		if e.State == UnitMerged {
			acting = e.To
			swap(&c.From, e.To)
			swap(&c.To, e.To)
		}
		for i := range c.Steps {
			if s := &c.Steps[i]; s.Decision == DecisionPending {
				swap(&s.Unit, acting)
			}
		}
	}
	if p.Study != nil && p.Study.School == e.From {
		touched = true
		if p.Study.School = e.To; e.State == UnitClosed {
			d.endStudy()
		}
	}
	if !touched {
		return &Error{Code: CodeWrongState, Params: params("why", "custody")}
	}
	d.notify(WhatCustody, "", e.To)
	return nil
}
