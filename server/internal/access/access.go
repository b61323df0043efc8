// Package access is the one place that says what exists for a member of staff and what they may do: tier, territory, directly run schools and role
// (Art. 3). The answer is no unless a rule here says yes; what a person may not see does not exist for them (CodeNotFound).
//
// It imports registry and the store's plain types, and reads nothing itself: the directory and the pupil are handed in.
package access

import (
	"slices"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Action is what a member of staff may be allowed to do. Moves of a pupil are actions by their event; see Event.
type Action string

const (
	ToDo        Action = "todo"         // to-do list, live notices, cases of the unit
	Search      Action = "search"       // lists of pupils in scope
	Import      Action = "import"       // enrol by workbook or form
	FindPerson  Action = "find_person"  // find a pupil elsewhere by exact document and name, to call over
	StartMove   Action = "start_move"   // transfer in
	Attend      Action = "attend"       // record who stays away, who was spoken with, who is back
	SeeAbsences Action = "see_absences" // list who stays away
	SchoolWork  Action = "school_work"  // archive, suspension, return, PIN: the registrar's daily work
	Confirm     Action = "confirm"      // the school leader's word on enrolment and suspension
	PartyStep   Action = "party_step"   // the receiving or sending school's word in a transfer
	Authority   Action = "authority"    // an office's word
	Withdraw    Action = "withdraw"     // take back what the own unit started
	PutPaper    Action = "put_paper"    // file evidence and photos
	Paper       Action = "paper"        // print receipts and archive papers
	Issue       Action = "issue"        // make cards
	ReadCard    Action = "read_card"    // look at a card that lies before one: what stands on it, and what the register says
	Revoke      Action = "revoke"       // put a card on the deny list
	CardCare    Action = "card_care"    // a card is lost, found again, damaged, destroyed
	ExplainCopy Action = "explain_copy" // say why a copy of a card that was met is none, or none to fear: not for who makes cards
	Deliver     Action = "deliver"      // hand cards out against a signature
	SeeKiosks   Action = "see_kiosks"   // list devices
	KeepKiosks  Action = "keep_kiosks"  // enrol and revoke devices
	HandleKiosk Action = "handle_kiosk" // finish what a family did at a kiosk and the register refused
	SeeStaff    Action = "see_staff"    // list accounts in scope
	KioskSignIn Action = "kiosk_signin" // stand behind a kiosk of the own school

	SeeDuplicates    Action = "see_duplicates"    // what looks like one child twice (查重)
	ProveDuplicates  Action = "prove_duplicates"  // file proof with it (佐证)
	DecideDuplicates Action = "decide_duplicates" // say what it is
	Doubt            Action = "doubt"             // mark a record as doubtful, ask for its erasure
	Tie              Action = "tie"               // merge two records, undo it
	Numbers          Action = "numbers"           // give an official number
	Oversee          Action = "oversee"           // urge overdue work below; move papers of a school that ended
	KeepStaff        Action = "keep_staff"        // create, change, disable accounts; end sessions (see Keeps)
	Substitute       Action = "substitute"        // name who stands in while somebody of the unit is away
)

// at says in which kind of unit a role has an action.
type at uint8

const (
	atSchool at = 1 << iota
	atOffice
	anywhere = atSchool | atOffice
)

// grants is the whole table of role × action. A missing row or cell is a no.
//
// Operator, security and auditor are the three separated duties (GB/T 22239 三权分立): none of them may have an action that shows a pupil, and no action that
// changes accounts or logs is shared between two of them.
var grants = map[Action]map[registry.Role]at{
	ToDo:        {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice, registry.RoleClerk: anywhere, registry.RoleOperator: anywhere},
	Search:      {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice, registry.RoleClerk: anywhere},
	Import:      {registry.RoleRegistrar: atSchool},
	FindPerson:  {registry.RoleRegistrar: atSchool},
	StartMove:   {registry.RoleRegistrar: atSchool},
	Attend:      {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool},
	SeeAbsences: {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice},
	SchoolWork:  {registry.RoleRegistrar: atSchool},
	Confirm:     {registry.RoleLeader: atSchool},
	PartyStep:   {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool},
	Authority:   {registry.RoleOfficer: atOffice},
	Withdraw:    {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool},
	PutPaper:    {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice},
	Paper:       {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice},
	Issue:       {registry.RoleClerk: anywhere},
	ReadCard:    {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice, registry.RoleClerk: anywhere},
	Revoke:      {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleClerk: anywhere},
	CardCare:    {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleClerk: anywhere},
	ExplainCopy: {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool},
	Deliver:     {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleClerk: anywhere},
	SeeKiosks:   {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice, registry.RoleOperator: anywhere},
	KeepKiosks:  {registry.RoleLeader: atSchool, registry.RoleOperator: anywhere},
	HandleKiosk: {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool},
	SeeStaff:    {registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice, registry.RoleOperator: anywhere, registry.RoleSecurity: anywhere},
	KioskSignIn: {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool},

	SeeDuplicates:    {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice},
	ProveDuplicates:  {registry.RoleRegistrar: atSchool},
	DecideDuplicates: {registry.RoleOfficer: atOffice},
	Doubt:            {registry.RoleRegistrar: atSchool, registry.RoleLeader: atSchool, registry.RoleOfficer: atOffice},
	Tie:              {registry.RoleOfficer: atOffice},
	Numbers:          {registry.RoleOfficer: atOffice},
	Oversee:          {registry.RoleOfficer: atOffice},
	KeepStaff:        {registry.RoleSecurity: atOffice},
	Substitute:       {registry.RoleLeader: atSchool, registry.RoleSecurity: atOffice},
}

// Actions on the log and on exports. The log is the auditor's; alerts are shown to the security administrator too; an export wants an office's written approval
// (Art. 25), which the office's officer enters and a school's registrar may use.
const (
	SeeLog       Action = "see_log"
	AnswerAlerts Action = "answer_alerts"
	SeeAlerts    Action = "see_alerts"
	SeeReaders   Action = "see_readers" // who has read a pupil's record
	Approve      Action = "approve"     // enter and end approvals of exports
	ExportList   Action = "export"      // take a list out under an approval
)

func init() {
	grants[SeeLog] = map[registry.Role]at{registry.RoleAuditor: anywhere}
	grants[AnswerAlerts] = map[registry.Role]at{registry.RoleAuditor: anywhere}
	grants[SeeAlerts] = map[registry.Role]at{registry.RoleAuditor: anywhere, registry.RoleSecurity: anywhere}
	grants[SeeReaders] = map[registry.Role]at{registry.RoleRegistrar: atSchool}
	grants[Approve] = map[registry.Role]at{registry.RoleOfficer: atOffice}
	grants[ExportList] = map[registry.Role]at{registry.RoleOfficer: atOffice, registry.RoleRegistrar: atSchool}
}

// Register is the directory with its list of schools.
type Register interface {
	registry.Directory
	Schools() []registry.School
}

// Scope is what exists for one account.
type Scope struct {
	unit    registry.Unit
	role    registry.Role
	all     bool
	schools map[registry.Unit]struct{}
	list    []registry.Unit
	heirs   map[registry.Unit]registry.Unit // who keeps the papers of a school that ended
}

// Of resolves an account's scope. A disabled account, and one whose unit is not in the directory, has an empty scope.
//
// A school is in scope of itself; of its 学籍主管部门; and of the city, province or nation above its region. A county does not see schools in its
// territory that the city or province runs directly: for those, the city or province is the authority (Art. 3).
func Of(a store.Account, dir Register) Scope {
	s := Scope{unit: a.Unit, role: a.Role, schools: map[registry.Unit]struct{}{}}
	if a.Disabled {
		return Scope{}
	}
	office, isOffice := dir.Office(a.Unit)
	if _, ok := dir.School(a.Unit); !ok && !isOffice {
		return Scope{}
	}
	s.all = isOffice && office.Tier == registry.TierNation
	for _, sc := range dir.Schools() {
		if sc.Keeper != "" {
			if s.heirs == nil {
				s.heirs = map[registry.Unit]registry.Unit{}
			}
			s.heirs[sc.Code] = sc.Keeper
		}
		if s.all || sc.Code == a.Unit || sc.Authority == a.Unit || isOffice && above(office, sc.Region) {
			s.schools[sc.Code] = struct{}{}
			s.list = append(s.list, sc.Code)
		}
	}
	return s
}

// above reports whether a city or province holds a county region in its territory.
func above(o registry.Office, region string) bool {
	if len(region) != 6 || len(o.Code) != 6 {
		return false
	}
	switch o.Tier {
	case registry.TierProvince:
		return region[:2] == string(o.Code[:2])
	case registry.TierCity:
		return region[:4] == string(o.Code[:4])
	}
	return false
}

// May reports whether the role has the action at all.
func (s Scope) May(a Action) bool {
	where, ok := grants[a][s.role]
	if !ok || s.unit == "" {
		return false
	}
	if s.unit.IsSchool() {
		return where&atSchool != 0
	}
	return where&atOffice != 0
}

// Check is May as an error.
func (s Scope) Check(a Action) error {
	if s.May(a) {
		return nil
	}
	return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"action": string(a)}}
}

// All reports whether every school is in scope.
func (s Scope) All() bool { return s.all }

// Schools lists the schools in scope; callers must not change it.
func (s Scope) Schools() []registry.Unit { return s.list }

// HasSchool reports whether a school is in scope.
func (s Scope) HasSchool(u registry.Unit) bool { _, ok := s.schools[u]; return ok }

// HasUnit reports whether a unit is the own one or a school in scope.
func (s Scope) HasUnit(u registry.Unit) bool { return u == s.unit && u != "" || s.HasSchool(u) }

// View is how much of a pupil exists for somebody.
type View int

const (
	ViewNone View = iota
	ViewCase      // name, sex, birth, school and the cases the unit took part in
	ViewCard      // what making a card needs
	ViewFull
)

// Pupil says how much of a pupil exists. The school of study and whoever has the paper see the whole record as the pupil's school does; so does a unit that takes
// part in the open case, or holds or awaits the archive. One that took part in a closed case sees that case and whose it was; a card clerk what a card needs; the
// three separated duties nothing.
func (s Scope) Pupil(p *registry.Pupil) View {
	if !s.May(Search) {
		return ViewNone
	}
	if s.role == registry.RoleClerk {
		if s.HasSchool(p.School) {
			return ViewCard
		}
		return ViewNone
	}
	if s.HasSchool(p.School) || p.Study != nil && s.HasSchool(p.Study.School) || p.Archive.Custodian == s.unit {
		return ViewFull
	}
	if c := p.OpenCase(); c != nil && s.takesPart(c) {
		return ViewFull
	}
	if a := &p.Archive; (a.State == registry.ArchiveCalled || a.State == registry.ArchiveTransit || len(a.Missing) > 0) && (a.From == s.unit || a.To == s.unit || a.MissingFrom == s.unit) {
		return ViewFull
	}
	for i := range p.Cases {
		if s.takesPart(&p.Cases[i]) {
			return ViewCase
		}
	}
	if s.backup(p) != nil {
		return ViewCase
	}
	return ViewNone
}

func (s Scope) takesPart(c *registry.Case) bool {
	if s.HasUnit(c.From) || s.HasUnit(c.To) {
		return true
	}
	return slices.ContainsFunc(c.Steps, func(st registry.Step) bool { return st.Unit == s.unit })
}

// briefKeys are the form's items that stand in every view.
var briefKeys = []registry.FieldKey{registry.FName, registry.FSex, registry.FBirth, registry.FGrade, registry.FClass, registry.FPinyin}

// See cuts a pupil to the view; ErrNotFound for none. The pupil handed in is not changed.
func (s Scope) See(p registry.Pupil) (registry.Pupil, View, error) {
	v := s.Pupil(&p)
	switch v {
	case ViewFull:
		p.PIN = maskedPIN(p.PIN)
		return p, v, nil
	case ViewNone:
		return registry.Pupil{}, v, registry.ErrNotFound
	}
	cut := registry.Pupil{UID: p.UID, Version: p.Version, Form: registry.Form{}, Standing: p.Standing, School: p.School, Grade: p.Grade, Class: p.Class}
	for _, k := range briefKeys {
		if x, ok := p.Form[k]; ok {
			cut.Form[k] = x
		}
	}
	if v == ViewCard {
		cut.Card, cut.Photo, cut.EnrolledOn, cut.Lock = p.Card, p.Photo, p.EnrolledOn, p.Lock
		return cut, v, nil
	}
	for i := range p.Cases {
		if s.takesPart(&p.Cases[i]) {
			cut.Cases = append(cut.Cases, p.Cases[i])
		}
	}
	return cut, v, nil
}

// maskedPIN tells that there is one, and nothing about it.
func maskedPIN(pin string) string {
	if pin == "" {
		return ""
	}
	return "set"
}

// Event says whether a console act may be tried on a pupil: that it exists for the actor, and that the role has the kind of act. Whose turn it is and what
// the state allows is registry.Decide's.
func (s Scope) Event(p *registry.Pupil, ev registry.Event) error {
	act, ok := s.actionOf(p, ev)
	if !callsOver(p, ev, s.unit) && s.Pupil(p) == ViewNone {
		return registry.ErrNotFound
	}
	if !ok {
		return &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"action": string(ev.Kind())}}
	}
	return s.Check(act)
}

// callsOver: a school starts business on a pupil it found by document, who is not in its scope yet (Arts 14, 20; an arrangement by the school of study, Art. 17).
func callsOver(p *registry.Pupil, ev registry.Event, unit registry.Unit) bool {
	switch e := ev.(type) {
	case registry.StartTransfer, registry.StartAdvance, registry.CallOver:
		return true
	case registry.ComeHome:
		return e.School == unit
	case registry.Arrange:
		return e.School == unit
	}
	return false
}

// actionOf maps an event to the action it needs; false for events that no console may send (cards are bound by the issuer's report alone).
func (s Scope) actionOf(p *registry.Pupil, ev registry.Event) (Action, bool) {
	switch e := ev.(type) {
	case registry.Enrol:
		return Import, true
	case registry.DecideStep:
		if !s.unit.IsSchool() && s.turn(p, e) {
			return Authority, true // an office that acts for a school that ended
		}
		if c := p.Case(e.CaseNo); e.Party == registry.PartySchool && c != nil && c.Kind != registry.CaseEnrol {
			return PartyStep, true // the school's word on a suspension; its word on an enrolment is the leader's alone
		}
		return stepAction(e.Party)
	case registry.Withdraw:
		return Withdraw, true
	case registry.StartTransfer, registry.CallOver, registry.NameFar:
		return StartMove, true
	case registry.GiveBack:
		return Authority, true
	case registry.BuildArchive, registry.SendArchive, registry.ReceiveArchive, registry.SettleMissing, registry.StartSuspend, registry.Return, registry.SetPIN:
		return s.paperWork(ev)
	case registry.StartAdvance:
		return StartMove, true
	case registry.ComeHome:
		if e.School != p.School {
			return StartMove, true
		}
		return SchoolWork, true
	case registry.StartCorrect, registry.Amend, registry.StartRepeat, registry.StartSkip, registry.StartFinish, registry.StartExtend, registry.GoAbroad, registry.ReportDeath,
		registry.ReportDropout, registry.FileReport, registry.LogPersuasion, registry.ReturnFromDropout, registry.Arrange, registry.EndArrange, registry.ResolveProblem:
		return SchoolWork, true
	case registry.RecordAbsence, registry.FollowAbsence, registry.EndAbsence:
		return Attend, true
	case registry.PutItem, registry.KeepArchive:
		return s.paperWork(ev)
	case registry.UndoPromote:
		if s.unit.IsSchool() {
			return SchoolWork, true
		}
		return Authority, true
	case registry.HandOverArchive:
		return Authority, true
	case registry.RaiseProblem, registry.StartErase:
		return Doubt, true
	case registry.Merge, registry.Unmerge:
		return Tie, true
	case registry.GiveNumber:
		return Numbers, true
	case registry.MoveCustody, registry.UrgeStep:
		return Oversee, true
	}
	return "", false // Promote and Escalate are the register's own; cards are bound by the issuer's report
}

// paperWork: a school's registrar keeps its papers; an office that was given some (Arts 9, 22) does so by its officer.
func (s Scope) paperWork(ev registry.Event) (Action, bool) {
	switch ev.(type) {
	case registry.BuildArchive, registry.SendArchive, registry.ReceiveArchive, registry.SettleMissing, registry.PutItem, registry.KeepArchive:
		if !s.unit.IsSchool() {
			return Authority, true
		}
	}
	return SchoolWork, true
}

// turn: the step whose turn it is belongs to the scope's unit.
func (s Scope) turn(p *registry.Pupil, e registry.DecideStep) bool {
	if c := p.Case(e.CaseNo); c != nil {
		if st, ok := c.Next(); ok {
			return st.Unit == s.unit && st.Party == e.Party
		}
	}
	return false
}

func stepAction(party registry.Party) (Action, bool) {
	switch party {
	case registry.PartySchool:
		return Confirm, true
	case registry.PartyReceiver, registry.PartySender, registry.PartySenderArchive, registry.PartyStudy:
		return PartyStep, true
	case registry.PartyAuthority, registry.PartyReceiverAuth, registry.PartySenderAuth, registry.PartyCommonAuth, registry.PartyCityAuth, registry.PartyProvinceAuth,
		registry.PartyNationAuth:
		return Authority, true
	}
	return "", false
}
