package registry

import "slices"

// begin checks what holds for every case (its number, the evidence, the time of the year, the rule pack's conditions) and opens it.
func (d *decision) begin(c Case) error {
	if err := d.admit(&c); err != nil {
		return err
	}
	d.open(c)
	return nil
}

// record is begin for what the school does in one step (复学, 出境 …): the case is complete at once.
func (d *decision) record(c Case) error {
	if err := d.admit(&c); err != nil {
		return err
	}
	c.State, c.OpenedAt, c.ClosedAt, c.Starter, c.Pack = CaseCompleted, d.env.Now, d.env.Now, d.env.Actor, d.env.Pack.Version
	c.Evidence = slices.Clone(c.Evidence)
	c.Steps = []Step{{Party: PartySchool, Unit: d.env.Actor.Unit, ArrivedAt: d.env.Now, DueOn: d.today(), Decision: DecisionAccept, DecidedAt: d.env.Now, By: d.env.Actor,
		Pack: d.env.Pack.Version}}
	d.p.Cases = append(d.p.Cases, c)
	d.notify(WhatCompleted, c.No, d.p.School)
	return nil
}

func (d *decision) admit(c *Case) error {
	if err := d.newCase(c.No, c.Kind); err != nil {
		return err
	}
	if open, windows := d.env.Pack.Open(c.Kind, d.today()); !open {
		return &Error{Code: CodeWindow, Params: map[string]string{"windows": windows, "today": string(d.today())}}
	}
	if err := d.evidence(c.Kind, c.Evidence); err != nil {
		return err
	}
	return d.conditions(c)
}

// conditions asks the rule pack's table.
func (d *decision) conditions(c *Case) error {
	if len(d.env.Pack.Conditions) == 0 {
		return nil
	}
	if k, refused := d.env.Pack.Refuses(c.Kind, factsOf(&d.p, c, d.env.Directory, d.today())); refused {
		return &Error{Code: CodeRule, Params: map[string]string{"rule": k.ID, "say": k.Say}}
	}
	return nil
}

// ruled refuses by a member of the rule pack.
func ruled(member string) error {
	return &Error{Code: CodeRule, Params: map[string]string{"rule": member, "say": ""}}
}

// words are a text that must be there and not too long.
func words(s string, most int, field string) error {
	if s == "" || tooLong(s, most) {
		return invalid(field)
	}
	return nil
}

// first is the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// own are the steps of a case inside one school: the school, then its authority.
func (d *decision) own() ([]Step, error) {
	s, ok := d.env.Directory.School(d.p.School)
	if !ok {
		return nil, &Error{Code: CodeNotFound, Field: "school", Params: map[string]string{"school": string(d.p.School)}}
	}
	return []Step{{Party: PartySchool, Unit: d.acting(s)}, {Party: PartyAuthority, Unit: s.Authority}}, nil
}

// acting is who acts for a school: itself, or the authority of one that ended.
func (d *decision) acting(s School) Unit {
	if s.Open() {
		return s.Code
	}
	if s.State == UnitMerged && s.Successor != "" {
		return s.Successor
	}
	return s.Authority
}

// chain are the offices above an authority that act after it, lowest first, up to and with the tier; offices the directory lacks are left out.
func (d *decision) chain(authority Unit, to Tier) []Step {
	var out []Step
	o, ok := d.env.Directory.Office(authority)
	for range 6 {
		if !ok || o.Tier == to || o.Parent == "" {
			break
		}
		if o, ok = d.env.Directory.Office(o.Parent); !ok {
			break
		}
		switch o.Tier {
		case TierCity:
			out = append(out, Step{Party: PartyCityAuth, Unit: o.Code})
		case TierProvince:
			out = append(out, Step{Party: PartyProvinceAuth, Unit: o.Code})
		case TierNation:
			out = append(out, Step{Party: PartyNationAuth, Unit: o.Code})
		}
	}
	return out
}

// settled: no open case, and the school (registrar or leader) acts for its own pupil.
func (d *decision) settled(want ...Standing) error {
	return first(d.may(d.p.School, RoleRegistrar, RoleLeader), d.unlocked(), d.standing(want...))
}

// system: the clock or a job of the register.
func (d *decision) system() bool { return d.env.Actor.Account == systemAccount }

// endCard takes the card of a pupil whose 学籍 ended for good; its place on the status list is the caller's, in the same transaction.
func (d *decision) endCard() {
	if d.p.Card == nil {
		return
	}
	d.p.Card = nil
	d.notify(WhatCard, "", d.p.School)
}

// retire gives the active number up; it stays the pupil's for ever and nobody else's.
func (d *decision) retire(why string) {
	if d.p.Number == "" {
		return
	}
	d.p.Numbers = append(d.p.Numbers, NumberUse{Number: d.p.Number, Until: d.today(), Why: why})
	d.p.Number = ""
}

// keepFrom starts the clock of permanent keeping (Art. 9).
func (d *decision) keepFrom() {
	d.p.Archive.KeepDue, d.p.Archive.KeepUnsure = d.env.Calendar.AddMonths(d.today(), d.env.Pack.ArchiveKeepMonths)
}

func (d *decision) homeRegion(region string) Unit {
	if len(region) < 6 {
		return ""
	}
	return Unit(region[:6])
}

func params(kv ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}
