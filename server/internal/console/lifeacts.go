package console

import (
	"slices"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// actor is who would act on which pupil.
type actor struct {
	k    *console
	who  service.Staff
	p    *registry.Pupil
	pack *registry.Pack
	lang string
}

// keeps: the registrar of the pupil's own school.
func (a actor) keeps() bool { return mayOf(a.who).Keep && a.p.School == a.who.Unit }

// teaches: the pupil's own school or school of study, which know who stays away.
func (a actor) teaches() bool {
	return mayOf(a.who).Attend && (a.p.School == a.who.Unit || a.p.StudySchool() == a.who.Unit)
}
func (a actor) free() bool { return a.p.Lock == "" }

func (a actor) is(s ...registry.Standing) bool { return slices.Contains(s, a.p.Standing) }

// officer: an officer of the authority of the pupil's school.
func (a actor) officer() bool {
	s, _ := a.k.Service.Directory().School(a.p.School)
	return a.who.Role == registry.RoleOfficer && s.Authority == a.who.Unit
}

// over: somebody of the school or of an office above it.
func (a actor) over() bool { return mayOf(a.who).Act && a.k.inScope(a.who, a.p.School) }

func (a actor) hasRecord() bool {
	return a.p.Standing.Living() || a.p.Standing.Ended() && a.p.Standing != registry.StandingDeceased
}

func (a actor) today() string { return string(a.k.Service.Today()) }

// ask is one thing a page asks for.
type ask struct {
	Name    string
	Kind    string // "date", "text", "long", "grade", "pick", "radio", "files", "sheet" (one file that must be there)
	Value   string
	Max     int
	Need    bool
	Options []option
	Label   string
	Help    string
}

type option struct{ Value, Text string }

// act is one of the regulation's acts on one pupil: a page that asks, and the event that comes of it. Its words stand in the catalogue under act.NAME.
type act struct {
	name  string
	tone  string // "danger": what ends a 学籍; "quiet": Article 21
	items string // "must": asks which items of the form change; "may": may ask
	may   func(a actor) bool
	asks  func(a actor) []ask
	event func(in *answers) registry.Event
	do    func(in *answers) error // instead of an event: two records at once
}

func text(name, value string, most int) ask {
	return ask{Name: name, Kind: "text", Value: value, Max: most, Need: true}
}
func long(name string) ask         { return ask{Name: name, Kind: "long", Max: 200, Need: true} }
func day(name, value string) ask   { return ask{Name: name, Kind: "date", Value: value, Need: true} }
func files() ask                   { return ask{Name: "evidence", Kind: "files"} }
func proof() ask                   { return ask{Name: "evidence", Kind: "files", Need: true} }
func optional(x ask) ask           { x.Need = false; return x }
func (a actor) guardian() ask      { return text("guardian", a.p.Form[registry.FG1Name], 50) }
func (a actor) class(v string) ask { return text("class", v, 20) }

// choice offers codes whose words stand in the catalogue under prefix.
func (a actor) choice(name, kind, prefix string, value string, codes ...string) ask {
	x := ask{Name: name, Kind: kind, Value: value, Need: true}
	for _, c := range codes {
		x.Options = append(x.Options, option{c, a.k.words.say(a.lang, prefix+c)})
	}
	return x
}

func (a actor) grades(name string, value int) ask {
	s, _ := a.k.Service.Directory().School(a.p.School)
	x := ask{Name: name, Kind: "pick", Value: itoa(value), Need: true}
	for _, g := range gradesOf(s) {
		x.Options = append(x.Options, option{itoa(g), a.k.grade(a.lang, g)})
	}
	return x
}

// leave asks how an absence stands: of which kind, and for a leave until when.
func (a actor) leave(now *registry.Absence) []ask {
	kind, until := "", ""
	if now != nil {
		kind, until = string(now.Kind), string(now.Until)
	}
	var codes []string
	for _, k := range registry.AbsenceKinds() {
		codes = append(codes, string(k))
	}
	return []ask{a.choice("absence", "radio", "absence.kind.", kind, codes...), optional(day("until", until))}
}

// awaySince begins a dropout report from the absence that runs: since when, and in the register's language what is known.
func (a actor) awaySince() (since string, why ask) {
	why = long("reason")
	away := a.p.Absent()
	if away == nil {
		return "", why
	}
	say := func(key string, pairs ...any) string { return a.k.words.say("zh-Hans", key, pairs...) }
	why.Value = say("absence.reason", "day", a.k.date("zh-Hans", away.Since), "kind", say("absence.kind."+string(away.Kind)))
	if n := len(away.Contacts); n > 0 {
		c := away.Contacts[n-1]
		why.Value += say("absence.reason_spoke", "n", n, "day", a.k.date("zh-Hans", c.On), "with", c.With, "how", c.How, "note", c.Note)
	}
	if r := []rune(why.Value); len(r) > why.Max {
		why.Value = string(r[:why.Max])
	}
	return string(away.Since), why
}

// ends are what may end schooling in the pupil's grade.
func (a actor) ends() (out []string) {
	for _, e := range []registry.Standing{registry.StandingGraduated, registry.StandingCompleted, registry.StandingLeft, registry.StandingPromoted} {
		if slices.Contains(a.pack.FinishGrades[e], a.p.Grade) && a.p.Standing == registry.StandingEnrolled {
			out = append(out, string(e))
		}
	}
	if d := a.p.Dropout; d != nil && registry.Date(a.today()) > d.KeepUntil {
		out = append(out, string(registry.StandingLeft)) // Art. 22: kept to the end of the compulsory years, no longer
	}
	return out
}

// unfiled are the written reports of a dropout that are not handed in.
func (a actor) unfiled() (out []string) {
	if a.p.Dropout == nil {
		return nil
	}
	for _, r := range a.p.Dropout.Reports {
		if r.FiledOn == "" {
			out = append(out, string(r.To))
		}
	}
	return out
}

// ownProblem is the open 问题学籍 that waits for the school.
func (a actor) ownProblem() *registry.Case {
	c := a.p.OpenCase()
	if c == nil || c.Kind != registry.CaseProblem {
		return nil
	}
	if i := c.Current(); i < 0 || c.Steps[i].Party != registry.PartySchool || c.Steps[i].Unit != a.who.Unit {
		return nil
	}
	return c
}

// escalated is the case whose overdue step was given to who's office.
func (a actor) escalated() (registry.CaseNo, bool) {
	dir := a.k.Service.Directory()
	if c := a.p.OpenCase(); c != nil {
		if i := c.Current(); i >= 0 && c.Steps[i].EscalatedOn != "" && registry.Above(dir, c.Steps[i].Unit) == a.who.Unit {
			return c.No, true
		}
	}
	if u, _ := a.p.Archive.Waits(); u != "" && a.p.Archive.EscalatedOn != "" && registry.Above(dir, u) == a.who.Unit {
		return "", true
	}
	return "", false
}

// acts are all of them, in the order in which the pupil's page offers them.
var acts = []act{
	{name: "correct", items: "must", may: func(a actor) bool {
		return a.keeps() && a.free() && a.hasRecord()
	}, asks: func(a actor) []ask {
		return []ask{long("reason"), a.guardian(), files()}
	}, event: func(in *answers) registry.Event {
		if !in.key() {
			return registry.Amend{Changes: in.changes, Reason: in.s("reason")}
		}
		return registry.StartCorrect{Changes: in.changes, Reason: in.s("reason"), Guardian: in.s("guardian"), Evidence: in.files}
	}},
	{name: "resolve", items: "may", may: func(a actor) bool { return mayOf(a.who).Keep && a.ownProblem() != nil }, asks: func(a actor) []ask {
		ways := []string{string(registry.WayEvidence), string(registry.WayCorrect), string(registry.WayErase)}
		if c := a.p.OpenCase(); c != nil && c.Problem != nil && c.Problem.Kind == registry.ProblemWrongID {
			ways = ways[1:] // a wrong document is not proved right
		}
		return []ask{a.choice("way", "radio", "way.record.", "", ways...), long("words"), files()}
	}, event: func(in *answers) registry.Event {
		ev := registry.ResolveProblem{CaseNo: in.p.Lock, Way: registry.ProblemWay(in.s("way")), Words: in.s("words"), Evidence: in.files}
		if ev.Way == registry.WayCorrect {
			ev.Changes = in.changes
		}
		return ev
	}},
	{name: "extend", may: func(a actor) bool {
		return a.keeps() && a.free() && a.is(registry.StandingSuspended) && a.p.Suspension != nil
	}, asks: func(a actor) []ask {
		until := ""
		if a.p.Suspension != nil {
			until = string(a.p.Suspension.Until.AddMonths(6))
		}
		return []ask{day("until", until), long("reason"), a.guardian(), files()}
	}, event: func(in *answers) registry.Event {
		return registry.StartExtend{Until: in.date("until"), Reason: in.s("reason"), Guardian: in.s("guardian"), Evidence: in.files}
	}},
	{name: "repeat", may: func(a actor) bool {
		return a.keeps() && a.free() && a.is(registry.StandingEnrolled) && slices.Contains(a.pack.RepeatGrades, a.p.Grade)
	}, asks: func(a actor) []ask {
		return []ask{a.grades("grade", max(1, a.p.Grade-1)), optional(a.class(a.p.Class)), long("reason"), a.guardian(), files()}
	}, event: func(in *answers) registry.Event {
		return registry.StartRepeat{ToGrade: in.n("grade"), ToClass: in.s("class"), Reason: in.s("reason"), Guardian: in.s("guardian"), Evidence: in.files}
	}},
	{name: "skip", may: func(a actor) bool {
		return a.keeps() && a.free() && a.is(registry.StandingEnrolled) && slices.Contains(a.pack.SkipGrades, a.p.Grade) && !slices.Contains(a.pack.StageEnds, a.p.Grade)
	}, asks: func(a actor) []ask {
		return []ask{a.grades("grade", a.p.Grade+1), optional(a.class(a.p.Class)), long("reason"), a.guardian(), files()}
	}, event: func(in *answers) registry.Event {
		return registry.StartSkip{ToGrade: in.n("grade"), ToClass: in.s("class"), Reason: in.s("reason"), Guardian: in.s("guardian"), Evidence: in.files}
	}},
	{name: "finish", may: func(a actor) bool { return a.keeps() && a.free() && len(a.ends()) > 0 }, asks: func(a actor) []ask {
		return []ask{a.choice("end", "radio", "standing.", "", a.ends()...), optional(text("certificate", "", 40)), day("on", a.today()), optional(long("reason")), files()}
	}, event: func(in *answers) registry.Event {
		return registry.StartFinish{End: registry.Standing(in.s("end")), Certificate: in.s("certificate"), On: in.date("on"), Reason: in.s("reason"), Evidence: in.files}
	}},
	{name: "abroad", may: func(a actor) bool { return a.keeps() && a.free() && a.is(registry.StandingEnrolled) }, asks: func(a actor) []ask {
		x := ask{Name: "country", Kind: "pick", Need: true}
		for _, c := range registry.List(registry.ListCountry) {
			if c.Code != "156" {
				x.Options = append(x.Options, option{c.Code, a.k.code(a.lang, registry.ListCountry, c.Code)})
			}
		}
		return []ask{day("on", a.today()), x, text("papers", "", 200), a.guardian(), proof()}
	}, event: func(in *answers) registry.Event {
		return registry.GoAbroad{On: in.date("on"), Country: in.s("country"), Papers: in.s("papers"), Guardian: in.s("guardian"), Evidence: in.files}
	}},
	{name: "home", may: func(a actor) bool { return a.keeps() && a.free() && a.is(registry.StandingAbroad) }, asks: func(a actor) []ask {
		return []ask{a.grades("grade", a.p.Grade), a.class(a.p.Class), text("papers", "", 200), a.guardian(), files()}
	}, event: func(in *answers) registry.Event {
		return registry.ComeHome{School: in.who.Unit, Grade: in.n("grade"), Class: in.s("class"), Papers: in.s("papers"), Guardian: in.s("guardian"), Evidence: in.files}
	}},
	{name: "absent", may: func(a actor) bool {
		return a.teaches() && a.is(registry.StandingEnrolled) && a.p.Absent() == nil && !a.p.Tact()
	}, asks: func(a actor) []ask {
		return append([]ask{day("since", a.today())}, append(a.leave(nil), optional(text("with", "", 50)), optional(text("how", "", 50)), optional(long("note")))...)
	}, event: func(in *answers) registry.Event {
		return registry.RecordAbsence{Since: in.date("since"), Absence: registry.AbsenceKind(in.s("absence")), Until: in.date("until"), With: in.s("with"), How: in.s("how"), Note: in.s("note")}
	}},
	{name: "spoke", may: func(a actor) bool { return a.teaches() && a.p.Absent() != nil && !a.p.Tact() }, asks: func(a actor) []ask {
		return append([]ask{day("on", a.today()), text("with", "", 50), text("how", "", 50), long("note")}, a.leave(a.p.Absent())...)
	}, event: func(in *answers) registry.Event {
		return registry.FollowAbsence{On: in.date("on"), With: in.s("with"), How: in.s("how"), Note: in.s("note"), Absence: registry.AbsenceKind(in.s("absence")), Until: in.date("until")}
	}},
	{name: "present", may: func(a actor) bool { return a.teaches() && a.p.Absent() != nil }, asks: func(a actor) []ask {
		return []ask{day("on", a.today()), optional(long("note"))}
	}, event: func(in *answers) registry.Event { return registry.EndAbsence{On: in.date("on"), Note: in.s("note")} }},
	{name: "dropout", may: func(a actor) bool {
		return a.keeps() && a.free() && a.is(registry.StandingEnrolled, registry.StandingSuspended) && a.p.Grade <= a.pack.CompulsoryTo
	}, asks: func(a actor) []ask {
		since, why := a.awaySince()
		return []ask{day("since", since), why, files()}
	}, event: func(in *answers) registry.Event {
		return registry.ReportDropout{Since: in.date("since"), Reason: in.s("reason"), Evidence: in.files}
	}},
	{name: "persuade", may: func(a actor) bool { return a.keeps() && a.is(registry.StandingDropout) && a.p.Dropout != nil }, asks: func(a actor) []ask {
		return []ask{day("on", a.today()), text("how", "", 50), long("note")}
	}, event: func(in *answers) registry.Event {
		return registry.LogPersuasion{On: in.date("on"), How: in.s("how"), Note: in.s("note")}
	}},
	{name: "report", may: func(a actor) bool { return a.keeps() && a.is(registry.StandingDropout) && len(a.unfiled()) > 0 }, asks: func(a actor) []ask {
		return []ask{a.choice("to", "radio", "reportto.", "", a.unfiled()...), day("on", a.today()), optional(text("ref", "", 100))}
	}, event: func(in *answers) registry.Event {
		return registry.FileReport{To: registry.ReportTo(in.s("to")), On: in.date("on"), Ref: in.s("ref")}
	}},
	{name: "back", may: func(a actor) bool { return a.keeps() && a.free() && a.is(registry.StandingDropout) }, asks: func(a actor) []ask {
		return []ask{a.grades("grade", a.p.Grade), a.class(a.p.Class), text("proof", "", 200), files()}
	}, event: func(in *answers) registry.Event {
		return registry.ReturnFromDropout{Grade: in.n("grade"), Class: in.s("class"), Proof: in.s("proof"), Evidence: in.files}
	}},
	{name: "handover", may: func(a actor) bool {
		return a.officer() && a.is(registry.StandingDropout) && a.p.Dropout != nil && a.p.Dropout.HandOverDue != ""
	}, asks: func(a actor) []ask {
		return []ask{optional(text("carrier", "", 100))}
	}, event: func(in *answers) registry.Event { return registry.HandOverArchive{Carrier: in.s("carrier")} }},
	{name: "arrange", may: func(a actor) bool {
		return a.keeps() && a.free() && a.is(registry.StandingEnrolled) && a.p.Study == nil
	}, asks: func(a actor) []ask {
		return []ask{a.choice("mode", "radio", "schooling.", "", string(registry.ModeInclusive), string(registry.ModeSpecial), string(registry.ModeHome), string(registry.ModeReform)),
			text("school", string(a.p.School), 10), text("agreed", a.p.Form[registry.FG1Name]+"；"+a.k.Service.Directory().Name(a.p.School), 200),
			{Name: "agreement", Kind: "sheet", Need: true}, long("reason"), a.guardian(), files()}
	}, event: func(in *answers) registry.Event {
		return registry.Arrange{School: registry.Unit(in.s("school")), Mode: registry.Mode(in.s("mode")), Agreement: in.sheet, AgreedBy: in.names("agreed"), Reason: in.s("reason"),
			Guardian: in.s("guardian"), Evidence: in.files}
	}},
	{name: "unarrange", may: func(a actor) bool { return a.keeps() && a.free() && a.p.Study != nil }, asks: func(a actor) []ask { return []ask{long("reason")} },
		event: func(in *answers) registry.Event { return registry.EndArrange{Reason: in.s("reason")} }},
	{name: "problem", may: func(a actor) bool { return a.over() && a.free() && a.hasRecord() }, asks: func(a actor) []ask {
		return []ask{a.choice("problem", "radio", "problemkind.", "", string(registry.ProblemWrongID), string(registry.ProblemDoubleID), string(registry.ProblemDoubleNoID)), long("note")}
	}, event: func(in *answers) registry.Event {
		return registry.RaiseProblem{Problem: registry.ProblemKind(in.s("problem")), With: registry.UID(in.s("with")), Note: in.s("note")}
	}},
	{name: "number", may: func(a actor) bool {
		o, _ := a.k.Service.Directory().Office(a.who.Unit)
		return a.who.Role == registry.RoleOfficer && (o.Tier == registry.TierProvince || o.Tier == registry.TierNation) && a.p.Number != "" && a.p.Number[0] != byte(registry.NumberG) && a.hasRecord()
	}, asks: func(a actor) []ask { return []ask{text("ref", "", 100)} }, event: func(in *answers) registry.Event { return registry.GiveNumber{Ref: in.s("ref")} }},
	{name: "urge", may: func(a actor) bool {
		_, yes := a.escalated()
		return yes && a.who.Role == registry.RoleOfficer
	}, asks: func(a actor) []ask { return []ask{long("note")} }, event: func(in *answers) registry.Event {
		no, _ := in.escalated()
		return registry.UrgeStep{CaseNo: no, Note: in.s("note")}
	}},
	{name: "unmerge", may: func(a actor) bool {
		return a.who.Role == registry.RoleOfficer && (a.p.Merged != nil || len(a.p.Absorbed) > 0)
	}, asks: func(a actor) []ask {
		return []ask{long("reason")}
	}, do: func(in *answers) error {
		var other registry.UID
		if in.p.Merged != nil {
			other = in.p.Merged.With
		} else if n := len(in.p.Absorbed); n > 0 {
			other = in.p.Absorbed[n-1].With
		}
		return in.k.Service.Unmerge(in.c.UserContext(), in.who, in.p.UID, other, in.s("reason"))
	}},
	{name: "erase", tone: "danger", may: func(a actor) bool { return (a.keeps() || a.officer()) && a.free() && a.hasRecord() }, asks: func(a actor) []ask {
		return []ask{long("reason"), proof()}
	}, event: func(in *answers) registry.Event {
		return registry.StartErase{Reason: in.s("reason"), Evidence: in.files}
	}},
	{name: "death", tone: "quiet", may: func(a actor) bool {
		c := a.p.OpenCase()
		return a.keeps() && a.p.Standing.Living() && (c == nil || c.Kind != registry.CaseDeath)
	}, asks: func(a actor) []ask {
		return []ask{day("known_on", a.today()), text("proof", "", 200), proof()}
	}, event: func(in *answers) registry.Event {
		return registry.ReportDeath{KnownOn: in.date("known_on"), Proof: in.s("proof"), Evidence: in.files}
	}},
}

func actNamed(name string) *act {
	for i := range acts {
		if acts[i].name == name {
			return &acts[i]
		}
	}
	return nil
}
