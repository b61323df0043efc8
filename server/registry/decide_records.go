package registry

import (
	"slices"
)

// arrange opens an arrangement of schooling without a transfer (Arts 6, 17).
func (d *decision) arrange(e Arrange) error {
	if d.env.Actor.Unit != d.p.School {
		if err := d.may(e.School, RoleRegistrar, RoleLeader); err != nil {
			return err
		}
	} else if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	if err := first(d.unlocked(), d.standing(StandingEnrolled)); err != nil {
		return err
	}
	study, ok := d.env.Directory.School(e.School)
	if !ok || !study.Open() {
		return invalid("school")
	}
	switch {
	case e.Mode == ModeOrdinary || !slices.Contains(Modes(), e.Mode),
		e.Mode == ModeReform && study.Kind != KindReform,
		e.Mode != ModeHome && e.Mode != ModeSpecial && e.School == d.p.School:
		return invalid("mode")
	case !hexDigest(e.Agreement):
		return &Error{Code: CodeEvidence, Field: "agreement"}
	case len(e.AgreedBy) == 0 || len(e.AgreedBy) > 6 || slices.ContainsFunc(e.AgreedBy, func(s string) bool { return words(s, maxGuardian, "") != nil }):
		return invalid("agreed_by")
	}
	steps, err := d.own()
	if err := first(err, words(e.Reason, maxReason, "reason"), words(e.Guardian, maxGuardian, "guardian")); err != nil {
		return err
	}
	if e.School != d.p.School {
		steps = slices.Insert(steps, 1, Step{Party: PartyStudy, Unit: e.School})
	}
	return d.begin(Case{No: e.CaseNo, Kind: CaseArrange, From: d.p.School, To: e.School, Reason: e.Reason, Guardian: e.Guardian, Evidence: e.Evidence, Mode: e.Mode,
		Agreement: e.Agreement, AgreedBy: slices.Clone(e.AgreedBy), Steps: steps})
}

func (d *decision) arranged(c *Case) {
	d.p.Mode = c.Mode
	d.p.Study = &Study{CaseNo: c.No, School: c.To, Since: d.today(), Agreement: c.Agreement, AgreedBy: slices.Clone(c.AgreedBy)}
	d.shut(c, CaseCompleted, WhatCompleted)
}

// endArrange: the pupil is back at the school of the 学籍, in the ordinary form; also one who began in another form there.
func (d *decision) endArrange(e EndArrange) error {
	if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	if d.p.Study == nil && d.p.Mode == ModeOrdinary {
		return &Error{Code: CodeWrongState, Params: params("why", "study")}
	}
	if err := first(d.unlocked(), words(e.Reason, maxReason, "reason")); err != nil {
		return err
	}
	if d.p.Study != nil {
		d.notify(WhatTasks, d.p.Study.CaseNo, d.p.School, d.p.Study.School)
	}
	d.endStudy()
	return nil
}

func (d *decision) endStudy() { d.p.Study, d.p.Mode = nil, ModeOrdinary }

// hasRecord: there is a 学籍 to doubt, and its owner lives.
func (d *decision) hasRecord() error {
	if d.p.Standing.Living() || d.p.Standing.Ended() && d.p.Standing != StandingDeceased {
		return nil
	}
	return d.standing()
}

// raiseProblem opens 问题学籍 (Art. 6).
func (d *decision) raiseProblem(e RaiseProblem) error {
	s, ok := d.env.Directory.School(d.p.School)
	if !ok {
		return &Error{Code: CodeNotFound, Field: "school", Params: params("school", string(d.p.School))}
	}
	if d.system() {
		d.env.Actor.Unit = s.Authority // the system checks for the authority, which may take the doubt back
	} else if err := d.overSchool(RoleRegistrar, RoleLeader, RoleOfficer); err != nil {
		return err
	}
	if err := first(d.unlocked(), d.hasRecord()); err != nil {
		return err
	}
	switch {
	case problemTitles[e.Problem] == "":
		return invalid("problem")
	case e.With == d.p.UID:
		return invalid("with")
	case len(e.Reasons) > 20 || slices.ContainsFunc(e.Reasons, func(r string) bool { return words(r, 60, "") != nil }):
		return invalid("reasons")
	case tooLong(e.Note, maxNote):
		return invalid("note")
	}
	steps, err := d.own()
	if err != nil {
		return err
	}
	return d.begin(Case{No: e.CaseNo, Kind: CaseProblem, To: d.p.School, Steps: steps,
		Problem: &Problem{Kind: e.Problem, With: e.With, Reasons: slices.Clone(e.Reasons), Note: e.Note}})
}

// resolveProblem is the school's step: 佐证, 变更 or 删除 (a wrong ID leaves only the last two).
func (d *decision) resolveProblem(e ResolveProblem) error {
	c := d.p.Case(e.CaseNo)
	if c == nil {
		return &Error{Code: CodeNotFound, Field: "case_no"}
	}
	if c.State != CaseOpen {
		return &Error{Code: CodeConflict, Field: "case_no", Params: params("case", string(c.No), "state", string(c.State))}
	}
	i := c.Current()
	s := &c.Steps[i]
	if c.Kind != CaseProblem || s.Party != PartySchool || d.env.Actor.Unit != s.Unit {
		return &Error{Code: CodeNotYourTurn, Params: params("case", string(c.No), "party", string(s.Party), "unit", string(s.Unit), "due_on", string(s.DueOn))}
	}
	if err := first(d.may(s.Unit, stepRoles(c.Kind, s.Party, s.Unit)...), words(e.Words, maxNote, "words")); err != nil {
		return err
	}
	for _, f := range e.Evidence {
		if !hexDigest(f) {
			return invalid("evidence")
		}
	}
	if len(e.Changes) > 0 && e.Way != WayCorrect {
		return invalid("changes")
	}
	switch e.Way {
	case WayEvidence:
		if c.Problem.Kind == ProblemWrongID {
			return invalid("way")
		}
		if len(e.Evidence) == 0 {
			return &Error{Code: CodeEvidence, Field: "evidence", Params: params("need", "1", "have", "0")}
		}
	case WayCorrect:
		if err := d.checkChanges(e.Changes); err != nil {
			return err
		}
		if slices.ContainsFunc(e.Changes, func(x Change) bool { return x.Field == FClass }) {
			return invalid("changes")
		}
	case WayErase:
		if d.env.Pack.EraseGToNation && d.p.Number != "" && NumberKind(d.p.Number[0]) == NumberG {
			c.Steps = append(c.Steps, d.beyond(c.Steps[len(c.Steps)-1].Unit)...)
			s = &c.Steps[i]
		}
	default:
		return invalid("way")
	}
	c.Problem.Way, c.Problem.Words, c.Changes = e.Way, e.Words, slices.Clone(e.Changes)
	for _, f := range e.Evidence {
		if !slices.Contains(c.Evidence, f) {
			c.Evidence = append(c.Evidence, f)
		}
	}
	s.Decision, s.Note, s.DecidedAt, s.By, s.Pack = DecisionAccept, e.Words, d.env.Now, d.env.Actor, d.env.Pack.Version
	d.notify(WhatTasks, c.No, s.Unit)
	d.arrive(c)
	return nil
}

// beyond: the province proves, the nation approves (T13).
func (d *decision) beyond(authority Unit) []Step {
	return slices.DeleteFunc(d.chain(authority, TierNation), func(s Step) bool { return s.Party == PartyCityAuth })
}

// sendBack: an office does not accept how a 问题学籍 was to be ended; the school tries again, and no problem is lost.
func (d *decision) sendBack(c *Case, at int) {
	school, authority := c.Steps[0].Unit, c.Steps[1].Unit
	c.Steps = append(c.Steps[:at+1], Step{Party: PartySchool, Unit: school}, Step{Party: PartyAuthority, Unit: authority})
	c.Problem.Way, c.Problem.Words, c.Changes = "", "", nil
	d.notify(WhatRefused, c.No, school)
	d.arrive(c)
}

func (d *decision) resolved(c *Case) {
	switch c.Problem.Way {
	case WayCorrect:
		d.apply(c.Changes)
	case WayErase:
		d.erase()
	}
	d.shut(c, CaseCompleted, WhatCompleted)
}

// startErase opens 误建删除 (T13).
func (d *decision) startErase(e StartErase) error {
	if d.env.Actor.Role == RoleOfficer {
		s, _ := d.env.Directory.School(d.p.School)
		if err := d.may(s.Authority, RoleOfficer); err != nil {
			return err
		}
	} else if err := d.may(d.p.School, RoleRegistrar, RoleLeader); err != nil {
		return err
	}
	steps, err := d.own()
	if err := first(d.unlocked(), d.hasRecord(), err, words(e.Reason, maxReason, "reason")); err != nil {
		return err
	}
	if d.env.Pack.EraseGToNation && d.p.Number != "" && NumberKind(d.p.Number[0]) == NumberG {
		steps = append(steps, d.beyond(steps[1].Unit)...)
	}
	return d.begin(Case{No: e.CaseNo, Kind: CaseErase, To: d.p.School, Reason: e.Reason, Evidence: e.Evidence, Steps: steps})
}

func (d *decision) erase() {
	d.p.Standing = StandingErased
	d.p.Suspension, d.p.Dropout, d.p.Abroad, d.p.PIN = nil, nil, nil, ""
	d.endStudy()
	d.retire("erased")
	d.endCard()
}

// merge ties two records of one person. The double's 学籍 ends, its number is given up but stays known, its papers stay where they are.
func (d *decision) merge(e Merge) error {
	if err := d.overSchool(RoleOfficer); err != nil {
		return err
	}
	if err := first(d.unlocked(), d.hasRecord(), words(e.Reason, maxReason, "reason")); err != nil {
		return err
	}
	if _, err := e.Other.Ref(); err != nil || e.Other == d.p.UID {
		return invalid("other")
	}
	if d.linked(e.Other) >= 0 {
		return &Error{Code: CodeConflict, Field: "other"}
	}
	link := MergeLink{With: e.Other, On: d.today(), By: d.env.Actor, Reason: e.Reason}
	if e.Keep {
		d.p.Absorbed = append(d.p.Absorbed, link)
	} else {
		link.Was, link.Number = d.p.Standing, d.p.Number
		d.p.Merged = &link
		d.p.Standing = StandingErased
		d.retire("merged")
		d.endCard()
	}
	d.notify(WhatMerged, "", d.p.School)
	return nil
}

func (d *decision) linked(other UID) int {
	return slices.IndexFunc(d.p.Absorbed, func(l MergeLink) bool { return l.With == other })
}

// unmerge restores what merge ended; a card does not come back, a new one is made.
func (d *decision) unmerge(e Unmerge) error {
	if err := first(d.overSchool(RoleOfficer), d.unlocked(), words(e.Reason, maxReason, "reason")); err != nil {
		return err
	}
	if m := d.p.Merged; m != nil && m.With == e.Other {
		d.p.Standing, d.p.Number, d.p.Merged = m.Was, m.Number, nil
		if n := len(d.p.Numbers); n > 0 && d.p.Numbers[n-1].Number == m.Number {
			d.p.Numbers = d.p.Numbers[:n-1]
		}
	} else if i := d.linked(e.Other); i >= 0 {
		d.p.Absorbed = slices.Delete(d.p.Absorbed, i, i+1)
	} else {
		return &Error{Code: CodeWrongState, Params: params("why", "merge")}
	}
	d.notify(WhatMerged, "", d.p.School)
	return nil
}
