package registry

import (
	"slices"
	"strconv"
)

const maxChanges = 40

// startCorrect opens 关键信息变更 (Art. 10).
func (d *decision) startCorrect(e StartCorrect) error {
	if err := d.settled(StandingEnrolled, StandingSuspended, StandingDropout, StandingAbroad, StandingPromoted, StandingGraduated, StandingCompleted, StandingLeft); err != nil {
		return err
	}
	if err := first(words(e.Reason, maxReason, "reason"), words(e.Guardian, maxGuardian, "guardian"), d.checkChanges(e.Changes)); err != nil {
		return err
	}
	if !slices.ContainsFunc(e.Changes, func(c Change) bool { return slices.Contains(d.env.Pack.KeyItems, c.Field) }) {
		return ruled("key_items") // nothing here wants two approvals: the school amends it at once
	}
	if slices.ContainsFunc(e.Changes, func(c Change) bool { return c.Field == FClass }) {
		return invalid("changes")
	}
	steps, err := d.own()
	if err != nil {
		return err
	}
	return d.begin(Case{No: e.CaseNo, Kind: CaseCorrect, To: d.p.School, Reason: e.Reason, Guardian: e.Guardian, Evidence: e.Evidence, Changes: slices.Clone(e.Changes),
		Steps: steps})
}

// amend corrects what is no key item, at once (Art. 13: the school keeps the record up to date).
func (d *decision) amend(e Amend) error {
	if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	if !d.p.Standing.Living() {
		return d.standing()
	}
	if tooLong(e.Reason, maxReason) {
		return invalid("reason")
	}
	if err := d.checkChanges(e.Changes); err != nil {
		return err
	}
	for _, c := range e.Changes {
		if slices.Contains(d.env.Pack.KeyItems, c.Field) {
			return &Error{Code: CodeRule, Field: string(c.Field), Params: params("say", "", "rule", "key_items")}
		}
	}
	d.apply(e.Changes)
	d.notify(WhatTasks, "", d.p.School)
	return nil
}

// checkChanges: each names an item once, starts from what the register holds, and leaves a form without a fault that was not there before.
func (d *decision) checkChanges(list []Change) error {
	if len(list) == 0 || len(list) > maxChanges {
		return &Error{Code: CodeInvalid, Field: "changes", Params: params("max", strconv.Itoa(maxChanges))}
	}
	seen := map[FieldKey]bool{}
	for _, c := range list {
		_, known := FieldOf(c.Field)
		switch {
		case !known, seen[c.Field], c.To == c.From, c.Field == FGrade, c.Field == FPhoto && c.To != "" && !hexDigest(c.To),
			c.Field == FClass && (c.To == "" || tooLong(c.To, maxClass)):
			return &Error{Code: CodeInvalid, Field: string(c.Field)}
		case d.p.Form[c.Field] != c.From:
			return &Error{Code: CodeConflict, Field: string(c.Field)}
		}
		seen[c.Field] = true
	}
	after := Pupil{Form: d.p.Form}.Clone().Form
	if after == nil {
		after = Form{}
	}
	write(after, list)
	type fault struct {
		f FieldKey
		c FindingCode
	}
	before := map[fault]bool{}
	for _, f := range CheckForm(d.p.Form, d.today()) {
		before[fault{f.Field, f.Code}] = true
	}
	for _, f := range CheckForm(after, d.today()) {
		if !f.Warning() && !before[fault{f.Field, f.Code}] {
			return &Error{Code: CodeInvalid, Field: string(f.Field), Params: params("finding", string(f.Code))}
		}
	}
	return nil
}

func write(f Form, list []Change) {
	for _, c := range list {
		if c.To == "" {
			delete(f, c.Field)
			continue
		}
		f[c.Field] = c.To
	}
}

// apply writes the changes. The 学籍号 stays whatever they are (Art. 5).
func (d *decision) apply(list []Change) {
	if d.p.Form == nil {
		d.p.Form = Form{}
	}
	for _, c := range list {
		switch {
		case c.Field == FClass:
			d.place(d.p.School, d.p.Grade, c.To)
		case c.Field == FPhoto:
			d.p.Photo = c.To
		}
	}
	write(d.p.Form, list)
}

// giveNumber: L or J becomes G (T2). The old number is kept in the pupil's list and stays theirs.
func (d *decision) giveNumber(e GiveNumber) error {
	if !d.system() {
		if err := d.overSchool(RoleOfficer); err != nil {
			return err
		}
		if o, _ := d.env.Directory.Office(d.env.Actor.Unit); o.Tier != TierProvince && o.Tier != TierNation {
			return &Error{Code: CodeForbidden, Params: params("unit", string(d.env.Actor.Unit))}
		}
	}
	if !d.p.Standing.Living() && (!d.p.Standing.Ended() || d.p.Standing == StandingDeceased) {
		return d.standing()
	}
	if c := d.p.OpenCase(); c != nil && (c.Kind == CaseProblem || c.Kind == CaseErase || c.Kind == CaseCorrect || c.Kind == CaseDeath) {
		return d.unlocked() // what the number would be made of is in question
	}
	if d.p.Number == "" || NumberKind(d.p.Number[0]) == NumberG {
		return &Error{Code: CodeWrongState, Params: params("why", "number")}
	}
	if err := words(e.Ref, maxReason, "ref"); err != nil {
		return err
	}
	if d.p.Form[FIDType] != "1" {
		return invalid(string(FIDType))
	}
	n, err := NewNumberG(d.p.Form[FIDNumber], d.today())
	if err != nil {
		return err
	}
	d.retire("given")
	d.p.Number = n
	d.notify(WhatTasks, "", d.p.School)
	return nil
}
