package registry

import (
	"slices"
	"strconv"
	"time"
)

// fromAfar: the word of a unit that another register holds, brought by that register's letter. Every such word is checked here and nowhere else.
func (d *decision) fromAfar(u Unit) error {
	a, r := d.env.Actor, d.remote(u)
	if r == "" || a.Account != remoteAccount || a.Via != ViaRemote(r) || a.Unit != u {
		return &Error{Code: CodeForbidden, Params: params("unit", string(u), "remote", r)}
	}
	return nil
}

// afar is fromAfar for a word of the register that a case's other end is in.
func (d *decision) afar(c *Case, u Unit) error {
	if c.Far == nil || d.remote(u) != c.Far.Registry {
		return &Error{Code: CodeForbidden, Params: params("unit", string(u))}
	}
	return d.fromAfar(u)
}

// farCase finds an open case of the exchange.
func (d *decision) farCase(no CaseNo, mine bool) (*Case, error) {
	c := d.p.Case(no)
	if c == nil || c.Far == nil || c.Far.Mine != mine {
		return nil, &Error{Code: CodeNotFound, Field: "case_no"}
	}
	if c.State != CaseOpen {
		return nil, &Error{Code: CodeConflict, Field: "case_no", Params: params("case", string(c.No), "state", string(c.State))}
	}
	return c, nil
}

// tell promises a letter to the case's other end.
func (d *decision) tell(c *Case, kind LetterKind) {
	if c != nil && c.Far != nil {
		d.effects = append(d.effects, Effect{Kind: EffectLetter, Registry: c.Far.Registry, CaseNo: c.No, What: string(kind)})
	}
}

// link is the last finished case with the register that holds a unit; nil when the unit is this register's.
func (d *decision) link(u Unit) *Case {
	r := d.remote(u)
	for i := len(d.p.Cases) - 1; i >= 0 && r != ""; i-- {
		if c := &d.p.Cases[i]; c.Far != nil && c.Far.Registry == r && c.State == CaseCompleted {
			return c
		}
	}
	return nil
}

// callOver opens the receiving side's case (Art. 14). Nothing leaves this register before its own authority has agreed.
func (d *decision) callOver(e CallOver) error {
	way, ok := Crossing(e.Way)
	if !ok {
		return invalid("way")
	}
	starts := d.may(e.To, RoleRegistrar, RoleLeader)
	if e.Offer != "" {
		starts = first(d.fromAfar(d.env.Actor.Unit), need(way == CaseAdvance && d.remote(d.env.Actor.Unit) == e.Registry && d.env.Actor.Unit.IsSchool(), "offer"))
	}
	if err := first(starts, d.unlocked(), d.standing(StandingNone, StandingMoved, StandingMovedUp)); err != nil {
		return err
	}
	if m := d.p.Moved; m != nil && m.ConfirmedAt.IsZero() {
		return &Error{Code: CodeWrongState, Params: params("why", "in_transit", "registry", m.Registry)}
	}
	if err := d.newCase(e.CaseNo, way); err != nil {
		return err
	}
	there := Unit(e.Registry)
	if r := d.remote(there); r == "" || r != e.Registry {
		return invalid("registry")
	}
	to, err := d.school(e.To, e.ToGrade, "to", "to_grade")
	if err != nil {
		return err
	}
	if to.Remote != "" {
		return invalid("to")
	}
	if _, err := ParseNumber(e.Number); err != nil || d.p.Standing.Away() && d.p.Number != e.Number {
		return invalid("number")
	}
	if len(e.Record) > 0 && e.Name == "" {
		if way != CaseTransfer || d.p.Standing != StandingNone {
			return invalid("name")
		}
	} else if err := words(e.Name, maxGuardian, "name"); err != nil {
		return err
	}
	if len(e.Record) > maxCardRecord || (len(e.Record) > 0) != (e.Card != nil) {
		return invalid("record")
	}
	if e.Card != nil && !e.Card.Vouched { // what stands on another province's card cannot be read here: somebody has held the child against the papers
		return &Error{Code: CodeEvidence, Field: "card", Params: params("why", "vouch")}
	}
	if err := d.shown(BusinessTransfer, e.Card); err != nil {
		return err
	}
	if !e.Birth.Valid() || e.Birth > d.today() {
		return invalid("birth")
	}
	admit := d.conditions
	if way == CaseAdvance {
		admit, err = d.admit, d.advanceTerms(e.ToGrade-1, e.ToGrade, e.ToClass, e.Reason, e.Guardian)
	} else {
		err = d.transferTerms(e.To, e.ToGrade, e.ToClass, e.Reason, e.Guardian, e.Evidence)
	}
	if err != nil {
		return err
	}
	if d.p.Standing == StandingNone {
		d.p.School, d.p.Grade, d.p.Class = e.To, e.ToGrade, e.ToClass
		d.p.Form = Form{FName: e.Name, FBirth: string(e.Birth)}
	}
	c := Case{No: e.CaseNo, Kind: way, From: there, To: to.Code, ToGrade: e.ToGrade, ToClass: e.ToClass, Reason: e.Reason, Guardian: e.Guardian,
		Evidence: e.Evidence, Reach: ReachCross, Card: e.Card.clone(), Far: &Far{Registry: e.Registry, Mine: true, Number: e.Number, Card: slices.Clone(e.Record), Offer: e.Offer},
		Steps: []Step{{Party: PartyReceiver, Unit: to.Code}, {Party: PartyReceiverAuth, Unit: to.Authority}, {Party: PartySender, Unit: there}, {Party: PartySenderAuth, Unit: there}}}
	if e.Offer != "" {
		c.From = d.env.Actor.Unit
	}
	if err := admit(&c); err != nil {
		return err
	}
	d.open(c)
	if len(e.Record) > 0 {
		d.tell(d.p.Case(c.No), LetterCard)
	}
	return nil
}

// need is an error about a field unless a condition holds.
func need(holds bool, field string) error {
	if holds {
		return nil
	}
	return invalid(field)
}

// offerUp names the pupil to a school of another province. The rules of letting go are asked when that province's request comes; here only what would certainly stand in the way.
func (d *decision) offerUp(e OfferUp) error {
	if err := first(d.may(d.p.School, RoleRegistrar, RoleLeader), d.unlocked(), d.standing(advancing...)); err != nil {
		return err
	}
	if !slices.Contains(d.env.Pack.StageEnds, d.p.Grade) {
		return &Error{Code: CodeRule, Params: params("say", "", "rule", "stage_ends", "grade", strconv.Itoa(d.p.Grade))}
	}
	if _, err := ParseNumber(d.p.Number); err != nil {
		return &Error{Code: CodeWrongState, Params: params("why", "no_number")}
	}
	if d.remote(Unit(e.Registry)) != e.Registry || e.Registry == "" {
		return invalid("registry")
	}
	if CheckSchoolCode(e.To) != nil || string(e.To[2:4]) != e.Registry[:2] {
		return invalid("to")
	}
	if o := d.p.Offered; o != nil && o.To == e.To && o.Refusal == "" {
		return &Error{Code: CodeWrongState, Params: params("why", "offered")}
	}
	d.p.Offered = &Offered{Registry: e.Registry, To: e.To, On: d.today()}
	d.effects = append(d.effects, Effect{Kind: EffectLetter, Registry: e.Registry, What: string(LetterOffer)})
	return nil
}

// offerDeclined: the other province's side will not ask.
func (d *decision) offerDeclined(e OfferDeclined) error {
	if err := d.fromAfar(Unit(e.Registry)); err != nil {
		return err
	}
	o := d.p.Offered
	if o == nil || o.Registry != e.Registry || o.Refusal != "" {
		return &Error{Code: CodeConflict, Field: "offer"}
	}
	if !slices.Contains(RefusalCodes(), e.Refusal) || tooLong(e.Note, maxNote) {
		return invalid("refusal")
	}
	o.Refusal, o.Note = e.Refusal, e.Note
	d.notify(WhatTasks, "", d.p.School)
	return nil
}

// maxCardRecord bounds a card's public record in bytes (docs/card-format.md).
const maxCardRecord = 496

// Nameless reports whether the open case of a pupil was opened with another province's card, and nobody has said yet whose it is.
func (c *Case) Nameless(p *Pupil) bool {
	return c.State == CaseOpen && c.Far != nil && c.Far.Mine && len(c.Far.Card) > 0 && p.Form[FName] == ""
}

// nameFar gives the record the name that the other register tells, or that the school reads in the papers first. The other register's word stands over the school's, until the
// request has left with either.
func (d *decision) nameFar(e NameFar) error {
	c, err := d.farCase(e.CaseNo, true)
	if err != nil {
		return err
	}
	if d.env.Actor.Account == remoteAccount {
		err = d.afar(c, Unit(c.Far.Registry))
	} else if err = d.may(c.To, RoleRegistrar, RoleLeader); err == nil && !c.Nameless(&d.p) {
		err = &Error{Code: CodeWrongState, Params: params("why", "named")}
	}
	if err != nil {
		return err
	}
	if !c.Far.AskedAt.IsZero() || len(c.Far.Card) == 0 {
		return &Error{Code: CodeConflict, Field: "case_no", Params: params("case", string(c.No), "state", string(c.State))}
	}
	if err := words(e.Name, maxGuardian, "name"); err != nil {
		return err
	}
	if !e.Birth.Valid() || e.Birth > d.today() {
		return invalid("birth")
	}
	if d.p.Standing == StandingNone { // else it is the copy of one who left from here, and has its name
		d.p.Form = Form{FName: e.Name, FBirth: string(e.Birth)}
	}
	d.notify(WhatTasks, c.No, c.To)
	return nil
}

// farRequest opens the case where the pupil is, whom this register's rules must let go. The window is the receiving side's, which it was opened in; here a party may
// refuse as outside its own.
func (d *decision) farRequest(e FarRequest) error {
	if d.remote(e.To) != e.Registry {
		return &Error{Code: CodeForbidden, Params: params("unit", string(e.To))}
	}
	way, ok := Crossing(e.Way)
	if !ok {
		return invalid("way")
	}
	if err := first(d.fromAfar(e.To), d.unlocked(), d.standing(d.crossing(way)...), d.newCase(e.CaseNo, way)); err != nil {
		return err
	}
	if way == CaseAdvance && (!slices.Contains(d.env.Pack.StageEnds, d.p.Grade) || e.ToGrade != d.p.Grade+1) {
		return &Error{Code: CodeRule, Field: "to_grade", Params: params("say", "", "rule", "stage_ends", "grade", strconv.Itoa(d.p.Grade))}
	}
	from, ok := d.env.Directory.School(d.p.School)
	if !ok || from.Remote != "" {
		return &Error{Code: CodeNotFound, Field: "school", Params: params("school", string(d.p.School))}
	}
	if tooLong(e.Reason, maxReason) || tooLong(e.Guardian, maxGuardian) || tooLong(e.ToClass, maxClass) || e.ToGrade < 1 || e.ToGrade > 12 || e.Far == "" {
		return invalid("request")
	}
	c := Case{No: e.CaseNo, Kind: way, From: from.Code, To: e.To, ToGrade: e.ToGrade, ToClass: e.ToClass, Reason: e.Reason, Guardian: e.Guardian, Reach: ReachCross,
		Far: &Far{Registry: e.Registry, CaseNo: e.Far}}
	for i, w := range e.Words {
		if d.remote(w.Unit) != e.Registry || i > 1 || w.Party != []Party{PartyReceiver, PartyReceiverAuth}[i] || tooLong(w.Note, maxNote) {
			return invalid("words")
		}
		c.Steps = append(c.Steps, Step{Party: w.Party, Unit: w.Unit, ArrivedAt: w.At.UTC(), Decision: DecisionAccept, Note: w.Note, DecidedAt: w.At.UTC(),
			By: Actor{Account: remoteAccount, Unit: w.Unit, Via: ViaRemote(e.Registry)}})
	}
	if len(c.Steps) != 2 {
		return invalid("words")
	}
	c.Steps = append(c.Steps, Step{Party: PartySender, Unit: d.acting(from)}, Step{Party: PartySenderAuth, Unit: from.Authority})
	if err := d.conditions(&c); err != nil {
		return err
	}
	d.open(c)
	d.notify(WhatStartTransfer, e.CaseNo, from.Code)
	return nil
}

// crossing are the standings from which a pupil may be called over the border.
func (d *decision) crossing(way CaseKind) []Standing {
	switch {
	case way == CaseAdvance:
		return advancing
	case d.env.Pack.SuspendedMayTransfer:
		return []Standing{StandingEnrolled, StandingSuspended}
	}
	return []Standing{StandingEnrolled}
}

// farArrived puts names and dates to the other side's steps.
func (d *decision) farArrived(e FarArrived) error {
	c, err := d.farCase(e.CaseNo, true)
	if err != nil {
		return err
	}
	if err := d.afar(c, e.Unit); err != nil {
		return err
	}
	at := c.Current()
	s := &c.Steps[at]
	if s.Remote == "" || s.Party != e.Party || d.remote(e.From) != c.Far.Registry || !e.DueOn.Valid() {
		return invalid("party")
	}
	c.Far.CaseNo, c.From = e.Far, e.From
	s.Unit, s.ArrivedAt, s.DueOn, s.Unsure = e.Unit, e.At.UTC().Truncate(time.Millisecond), e.DueOn, e.Unsure
	if at+1 < len(c.Steps) && s.Party == PartySender {
		if from, ok := d.env.Directory.School(e.From); ok && d.remote(from.Authority) == c.Far.Registry {
			c.Steps[at+1].Unit = from.Authority
		}
	}
	d.notify(WhatTasks, c.No, c.To)
	return nil
}

// farClosed ends the case here as the register that has the pupil ended it.
func (d *decision) farClosed(e FarClosed) error {
	c, err := d.farCase(e.CaseNo, true)
	if err != nil {
		return err
	}
	s := &c.Steps[c.Current()]
	if e.OfCard {
		if !c.Far.AskedAt.IsZero() || len(c.Far.Card) == 0 {
			return &Error{Code: CodeConflict, Field: "case_no", Params: params("case", string(c.No), "state", string(c.State))}
		}
		s = &c.Steps[slices.IndexFunc(c.Steps, func(s Step) bool { return s.Party == PartySender })]
	}
	if e.Unit == "" {
		e.Unit = s.Unit
	}
	if err := d.afar(c, e.Unit); err != nil {
		return err
	}
	switch e.State {
	case CaseWithdrawn:
		d.abandon(c, CaseWithdrawn, WhatWithdrawn)
		return nil
	case CaseRefused:
	default:
		return invalid("state")
	}
	if s.Remote == "" || !slices.Contains(RefusalCodes(), e.Refusal) || tooLong(e.Note, maxNote) {
		return invalid("refusal")
	}
	s.Unit, s.Decision, s.Refusal, s.Note, s.DecidedAt, s.By, s.Pack = e.Unit, DecisionRefuse, e.Refusal, e.Note, d.env.Now, d.env.Actor, d.env.Pack.Version
	d.abandon(c, CaseRefused, WhatRefused)
	return nil
}

// release gives the 学籍 out of hand: from here on it is in the letter. The record stays as the read-only copy, the card ends. The case stays open, and the record
// locked, until the other register has confirmed (FarReceipt) or given it back (TakeBack).
func (d *decision) release(c *Case) {
	p := &d.p
	p.Moved = &Moved{Registry: c.Far.Registry, School: c.To, On: d.today(), CaseNo: c.No, Was: p.Standing, Study: clonePtr(p.Study), Mode: p.Mode, Suspension: p.Suspension}
	p.Standing, p.Suspension, p.Offered = StandingMoved, nil, nil
	if c.Kind == CaseAdvance {
		p.Standing = StandingMovedUp
	}
	if p.Photo != "" {
		p.Moved.Files = append(p.Moved.Files, p.Photo)
	}
	d.sendFiles()
	d.endStudy()
	d.endCard()
	c.Steps = append(c.Steps, Step{Party: PartyReceipt, Unit: c.To, Remote: c.Far.Registry})
	d.arrive(c)
	for _, s := range c.Steps {
		d.notify(WhatTasks, c.No, s.Unit)
	}
	d.tell(c, LetterRelease)
}

// goOn continues a released 学籍 (Art. 16).
func (d *decision) goOn(e Continue) error {
	c, err := d.farCase(e.CaseNo, true)
	if err != nil {
		return err
	}
	if err := d.afar(c, e.Unit); err != nil {
		return err
	}
	s := &c.Steps[c.Current()]
	h := e.Handover
	if s.Party != PartySenderAuth || h.Number != c.Far.Number {
		return invalid("handover")
	}
	if !c.continues(h) || len(h.Items) > maxItems || h.Form[FName] == "" {
		return invalid("handover")
	}
	for i, it := range h.Items {
		if it.No != i+1 || !rowGood(it) {
			return invalid("handover")
		}
	}
	s.Unit, s.Decision, s.DecidedAt, s.By, s.Pack = e.Unit, DecisionAccept, d.env.Now, d.env.Actor, d.env.Pack.Version
	p := &d.p
	p.Form = Pupil{Form: h.Form}.Clone().Form
	p.Number, p.Numbers, p.EnrolledOn, p.Photo = h.Number, slices.Clone(h.Numbers), h.EnrolledOn, h.Photo
	p.Certificates = slices.Clone(h.Certificates)
	p.Standing, p.Suspension, p.Moved, p.Card, p.PIN = h.Standing, clonePtr(h.Suspension), nil, nil, ""
	p.Study, p.Mode, p.Promotion, p.StayYear = nil, ModeOrdinary, nil, 0
	if c.Kind == CaseAdvance {
		p.Standing, p.Suspension = StandingEnrolled, nil
	}
	if p.Suspension != nil {
		p.Suspension.CaseNo = c.No
	}
	d.place(c.To, c.ToGrade, c.ToClass)
	c.Far.ReceiptAt = d.env.Now
	d.shut(c, CaseCompleted, WhatCompleted)
	a := Archive{State: ArchiveCalled, Custodian: h.Custodian, Items: cloneItems(h.Items), CaseNo: c.No, From: c.From, To: c.To, CalledAt: d.env.Now, Backups: p.Archive.Backups,
		Handed: p.Archive.Handed}
	if d.remote(a.Custodian) != c.Far.Registry {
		a.Custodian = c.From
	}
	a.DueOn, a.Unsure = d.env.Calendar.AddMonths(d.today(), d.env.Pack.ArchiveSendMonths)
	if len(a.Items) == 0 { // the sending school builds it first
		a.State, a.BuildDue, a.BuildUnsure = ArchiveNone, a.DueOn, a.Unsure
	}
	if old := p.Archive; old.Custodian == c.To || d.remote(old.Custodian) == "" && old.Custodian != "" && old.State.Held() {
		// The paper never left: it lies with a unit of this register and is called from there.
		a = old
		p.Archive = a
		d.callArchive(c.No)
		a = p.Archive
	}
	p.Archive = a
	d.notify(WhatArchiveCalled, c.No, c.To)
	d.tell(c, LetterReceipt)
	return nil
}

// continues: a 学籍 that is handed over in this standing can go on by this case.
func (c *Case) continues(h Handover) bool {
	if c.Kind == CaseAdvance {
		return slices.Contains(advancing, h.Standing)
	}
	return h.Standing == StandingEnrolled || h.Standing == StandingSuspended && h.Suspension != nil
}

// sendFiles adds the catalogue's files to those that go along; the caller writes a letter for each that is new.
func (d *decision) sendFiles() {
	m := d.p.Moved
	if m == nil {
		return
	}
	for _, it := range d.p.Archive.Items {
		if it.Digest != "" && !slices.Contains(m.Files, it.Digest) {
			m.Files = append(m.Files, it.Digest)
		}
	}
}

// released finds the open case of a 学籍 that is on its way, and its waiting step.
func (d *decision) released(no CaseNo) (*Case, *Step, error) {
	c, err := d.farCase(no, false)
	if err != nil {
		return nil, nil, err
	}
	if err := d.afar(c, c.To); err != nil {
		return nil, nil, err
	}
	s := &c.Steps[c.Current()]
	if s.Party != PartyReceipt || d.p.Moved == nil || d.p.Moved.CaseNo != c.No {
		return nil, nil, &Error{Code: CodeWrongState, Params: params("why", "not_released")}
	}
	s.DecidedAt, s.By, s.Pack = d.env.Now, d.env.Actor, d.env.Pack.Version
	return c, s, nil
}

// farReceipt closes the case: the other register has the 学籍. The archive is called (Art. 15).
func (d *decision) farReceipt(e FarReceipt) error {
	c, s, err := d.released(e.CaseNo)
	if err != nil {
		return err
	}
	s.Decision, c.Far.ReceiptAt, d.p.Moved.ConfirmedAt = DecisionAccept, d.env.Now, d.env.Now
	d.p.Archive.KeepDue, d.p.Archive.KeepUnsure = "", false
	d.shut(c, CaseCompleted, WhatCompleted)
	d.keepBackup(c.From)
	d.callArchive(c.No)
	return nil
}

// giveBack sends a released 学籍 back that this register cannot continue. The caller settles the letter that brought it in the same transaction.
func (d *decision) giveBack(e GiveBack) error {
	c, err := d.farCase(e.CaseNo, true)
	if err != nil {
		return err
	}
	auth := Unit("")
	for _, s := range c.Steps {
		if s.Party == PartyReceiverAuth {
			auth = s.Unit
		}
	}
	if err := d.may(auth, RoleOfficer); err != nil {
		return err
	}
	if c.Far.AskedAt.IsZero() || c.Steps[c.Current()].Party != PartySenderAuth {
		return &Error{Code: CodeWrongState, Params: params("why", "not_released")}
	}
	if !slices.Contains(RefusalCodes(), e.Refusal) {
		return invalid("refusal")
	}
	if err := words(e.Note, maxNote, "note"); err != nil {
		return err
	}
	c.Steps = append(c.Steps, Step{Party: PartyReceiverAuth, Unit: auth, ArrivedAt: d.env.Now, DueOn: d.today(), Decision: DecisionRefuse, Refusal: e.Refusal, Note: e.Note, DecidedAt: d.env.Now,
		By: d.env.Actor, Pack: d.env.Pack.Version})
	d.abandon(c, CaseRefused, WhatRefused)
	d.tell(c, LetterReturn)
	return nil
}

// takeBack: the 学籍 goes on here.
func (d *decision) takeBack(e TakeBack) error {
	c, s, err := d.released(e.CaseNo)
	if err != nil {
		return err
	}
	if !slices.Contains(RefusalCodes(), e.Refusal) || tooLong(e.Note, maxNote) {
		return invalid("refusal")
	}
	p, m := &d.p, d.p.Moved
	p.Standing, p.Study, p.Mode, p.Suspension, p.Moved = m.Was, m.Study, m.Mode, m.Suspension, nil
	s.Decision, s.Refusal, s.Note = DecisionRefuse, e.Refusal, e.Note
	d.shut(c, CaseRefused, WhatRefused)
	return nil
}

// farSent: the paper is on its way to this register.
func (d *decision) farSent(e FarSent) error {
	a := &d.p.Archive
	if err := d.fromAfar(e.From); err != nil {
		return err
	}
	if a.State != ArchiveCalled && (a.State != ArchiveNone || a.To == "") || d.remote(a.From) != d.remote(e.From) {
		return &Error{Code: CodeWrongState, Params: params("archive", string(a.State))}
	}
	if !archiveNo(e.No) || tooLong(e.Carrier, 100) || checkItems(e.Items) != nil {
		return invalid("items")
	}
	if c := d.link(e.From); c != nil && c.Far.Mine && d.p.Standing.Away() {
		a.To = c.To // the pupil moved on to a third register: the paper comes here first, as it was called
	}
	a.State, a.No, a.Carrier, a.From, a.Custodian = ArchiveTransit, e.No, e.Carrier, e.From, e.From
	a.SentAt, a.Sender = d.env.Now, d.env.Actor
	a.Items = cloneItems(e.Items)
	d.handed()
	d.notify(WhatTasks, a.CaseNo, a.To)
	return nil
}

// home is where the archive belongs: with the school of the 学籍, here or in the register it moved to.
func (d *decision) home() Unit {
	if d.p.Moved != nil && d.p.Standing.Away() {
		return d.p.Moved.School
	}
	return d.p.School
}
