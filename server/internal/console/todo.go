package console

import (
	"context"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// taskView is one row: a task, or newcomers of one grade together.
type taskView struct {
	Refs    string // "uid:seen" joined by commas; "" when it cannot be decided here
	Title   string // pupil's name, or how many of which grade
	Sub     string
	Kind    string
	Route   string
	Holder  string
	Party   string // what the holder is in the case, when it stands on a line of its own
	Arrived registry.Date
	Dots    []string // "d" done, "n" now, "" to come
	DotsSay string
	Clock   clock
	Href    string
	Group   bool
	Count   int

	task store.TaskRow
}

type filter struct {
	Text, Href string
	On         bool
	Count      int
}

type todoView struct {
	Counts   store.TaskCounts
	Rows     []taskView
	Kinds    []filter
	When     string
	First    int
	Last     int
	Total    int
	Prev     string
	Next     string
	Waiting  []taskView
	Above    []taskView
	MoreWait int
	Failed   []failure
	DoneN    int
	Follow   string // key of what follows for those that were done
	CanAct   bool   // something on this page can be decided here
	Empty    bool
	Runs     []store.BulkRun   // many that were decided at once of late
	Orders   []supervise.Order // orders to correct that wait for the unit
	Held     int               // letters of other provinces that the unit has to finish
	Kiosk    int               // events of the school's kiosks that the register refused and somebody must finish
}

// failure is one refused act of many.
type failure struct{ Name, Title, Help, Href string }

func (k *console) todo(c *fiber.Ctx, who service.Staff) error {
	v, err := k.todoView(c, who)
	if err != nil {
		return err
	}
	if v.Kiosk, err = k.kioskTasks(c, who); err != nil {
		return err
	}
	return k.show(c, &who, "todo", "todo.title", v)
}

// todoCount is the small number in the navigation, asked for by script after the page and at each notice.
func (k *console) todoCount(c *fiber.Ctx, who service.Staff) error {
	t, err := k.Service.ToDoCount(c.UserContext(), who)
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"mine": t.Counts.Overdue + t.Counts.Soon + t.Counts.InTime + len(t.Orders) + t.Held, "overdue": t.Counts.Overdue})
}

func (k *console) todoView(c *fiber.Ctx, who service.Staff) (*todoView, error) {
	ctx, lang := c.UserContext(), k.lang(c)
	page, _ := strconv.Atoi(c.Query("page"))
	page = max(1, page)
	ask := service.ToDoAsk{Kind: c.Query("kind"), When: c.Query("when"), Group: c.Query("group"), Page: page}
	t, err := k.Service.ToDo(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	all := 0
	for _, n := range t.Kinds {
		all += n
	}
	v := &todoView{Counts: t.Counts, Orders: t.Orders, Held: t.Held, When: ask.When, Empty: all == 0}
	v.Kinds = append(v.Kinds, filter{Text: k.words.say(lang, "todo.all"), Href: "/todo", On: ask.Kind == "" && ask.Group == "", Count: all})
	for _, kk := range []string{service.ToDoTransfer, service.ToDoSuspend, service.ToDoChange, service.ToDoEnrol, service.ToDoArchive, service.ToDoOther} {
		if t.Kinds[kk] > 0 {
			v.Kinds = append(v.Kinds, filter{Text: k.words.say(lang, "todo.kind."+kk), Href: "/todo?kind=" + kk, On: ask.Kind == kk, Count: t.Kinds[kk]})
		}
	}
	from := (page - 1) * service.ToDoPage
	v.Rows, v.First, v.Last, v.Total = k.taskRows(lang, who, t.Mine), from+1, from+len(t.Mine), t.Rows
	v.CanAct = slices.ContainsFunc(v.Rows, func(r taskView) bool { return r.Refs != "" })
	v.Prev, v.Next = turns("/todo", map[string]string{"kind": ask.Kind, "when": ask.When, "group": ask.Group}, page, v.Last < v.Total && len(v.Rows) > 0)
	v.Waiting = k.taskRows(lang, who, t.Waiting)
	v.MoreWait = t.Counts.Waiting
	for i := range v.Waiting {
		v.MoreWait = max(0, v.MoreWait-v.Waiting[i].Count)
		if v.Waiting[i].Group {
			v.Waiting[i].Href = "/cases?kind=enrol&state=open" // a group's own page lists what is mine
		}
	}
	for _, r := range t.Above {
		v.Above = append(v.Above, k.taskRow(lang, who, r))
	}
	k.withCases(ctx, lang, who, v.Rows, v.Waiting, v.Above)
	if mayOf(who).SeeBulk {
		v.Runs, err = k.Service.DecideRuns(ctx, who)
	}
	return v, err
}

// withCases reads the cases behind the rows that are shown, for routes and progress; without them the list still stands.
func (k *console) withCases(ctx context.Context, lang string, who service.Staff, lists ...[]taskView) {
	var tasks []store.TaskRow
	for _, rows := range lists {
		for i := range rows {
			if rows[i].task.CaseNo != "" {
				tasks = append(tasks, rows[i].task)
			}
		}
	}
	cases, err := k.Service.CasesBehind(ctx, who, tasks)
	if err != nil {
		return
	}
	for _, rows := range lists {
		for i := range rows {
			if cs, ok := cases[rows[i].task.CaseNo]; ok && rows[i].task.Kind == registry.TaskStep {
				k.progress(lang, who, &rows[i], cs)
			}
		}
	}
}

// handedRow is the row of newcomers that other systems handed in on a day: they are looked through one by one.
func (k *console) handedRow(lang string, who service.Staff, d service.HandedDay) taskView {
	return taskView{Title: k.words.say(lang, "todo.handed", "n", d.N), Sub: k.words.say(lang, "handed.title"), Kind: k.words.say(lang, "handed.one"), Route: k.Service.Directory().Name(who.Unit),
		Holder: k.words.say(lang, "todo.me"), Arrived: d.On, Clock: k.clock(lang, d.On, d.DueOn, d.Unsure), Href: "/enrol/handed", Group: true, Count: d.N}
}

// taskRows are the rows of a list as they are shown.
func (k *console) taskRows(lang string, who service.Staff, rows []service.ToDoRow) []taskView {
	out := make([]taskView, len(rows))
	for i, r := range rows {
		if r.Handed != nil {
			out[i] = k.handedRow(lang, who, *r.Handed)
			continue
		}
		v := k.taskRow(lang, who, r.TaskRow)
		if r.Group != "" {
			v.Group, v.Count, v.Href = true, r.N, "/todo?group="+url.QueryEscape(r.Group)
			v.Title, v.Sub = k.words.say(lang, "todo.group", "n", r.N, "grade", k.grade(lang, r.Grade)), k.Service.Directory().Name(r.School)
			if v.Refs != "" { // all of a group or none: what the row's reader may decide does not differ within it
				refs := make([]string, len(r.Refs))
				for n, f := range r.Refs {
					refs[n] = refOf(f)
				}
				v.Refs = strings.Join(refs, ",")
			}
		}
		out[i] = v
	}
	return out
}

func (k *console) taskRow(lang string, who service.Staff, r store.TaskRow) taskView {
	say := func(key string, pairs ...any) string { return k.words.say(lang, key, pairs...) }
	dir := k.Service.Directory()
	uid := r.Task.UID
	v := taskView{
		Title: r.Name, Arrived: r.Arrived, Clock: k.clock(lang, r.Arrived, r.DueOn, r.Unsure), Href: "/pupils/" + string(uid), Count: 1,
		Sub: k.grade(lang, r.Grade), Route: dir.Name(r.School), task: r,
	}
	if r.Number != "" {
		v.Sub += " · " + say("pupil.tail", "tail", tail(string(r.Number), 4))
	}
	if r.Case == registry.CaseEnrol || r.Kind == registry.TaskArchiveBuild {
		v.Sub = k.grade(lang, r.Grade) + " " + r.Class
	}
	holder := dir.Name(r.Unit)
	if r.Unit == who.Unit {
		holder = say("todo.me")
	}
	switch {
	case r.Kind == registry.TaskStep:
		v.Kind = say("kind." + string(r.Case))
		v.Holder, v.Party = holder, say("party."+string(r.Party))
		if r.Unit == who.Unit {
			if r.Case == registry.CaseEnrol && r.Party == registry.PartySchool {
				v.Party = say("role.leader") // the school's word on an enrolment is its leader's alone
			}
			v.Holder, v.Party = say("todo.holder", "unit", holder, "party", v.Party), ""
		}
		v.Href += "/cases/" + string(r.CaseNo)
		if r.Unit == who.Unit && k.mayDecide(who, r.Case, r.Party) {
			v.Refs = refOf(service.Ref{UID: uid, Seen: r.Version})
		}
	default:
		v.Kind = say("task." + string(r.Kind))
		v.Holder = holder
		if strings.HasPrefix(string(r.Kind), "archive") {
			v.Href += "/archive"
			v.Dots, v.DotsSay = archiveDots(r.Kind), say("task."+string(r.Kind))
		}
		switch r.Kind {
		case registry.TaskDropoutReport:
			v.Kind += " · " + say("reportto."+string(r.To))
			v.Href += "#dropout"
		case registry.TaskAbsence, registry.TaskAbsenceContact:
			v.Href += "#absence"
			v.Party, v.Arrived = say("absences.from", "day", r.Arrived), ""
		case registry.TaskHandOver:
			v.Href += "/act/handover"
		case registry.TaskEscalated:
			v.Href += "/act/urge"
		}
		if r.Kind == registry.TaskCardCopy {
			v.Href += "#card"
		}
	}
	return v
}

// progress draws a step's case: how far it is, from where to where.
func (k *console) progress(lang string, who service.Staff, v *taskView, cs registry.Case) {
	say := func(key string, pairs ...any) string { return k.words.say(lang, key, pairs...) }
	dir := k.Service.Directory()
	now := cs.Current()
	for i := range cs.Steps {
		switch {
		case i < now || now < 0:
			v.Dots = append(v.Dots, "d")
		case i == now:
			v.Dots = append(v.Dots, "n")
		default:
			v.Dots = append(v.Dots, "")
		}
	}
	v.DotsSay = say("todo.progress", "done", max(0, now), "total", len(cs.Steps))
	switch cs.Kind {
	case registry.CaseTransfer, registry.CaseAdvance:
		v.Route = say("route", "from", dir.Name(cs.From), "to", dir.Name(cs.To))
		if way := k.way(who, cs); way != "" {
			v.Kind += " · " + say("way."+way)
		}
	case registry.CaseSuspend:
		v.Route = dir.Name(v.task.School) + " · " + say("suspend.until", "day", cs.Until)
	case registry.CaseFinish:
		v.Kind = say("standing." + string(cs.End))
		if cs.Certificate != "" {
			v.Route += " · " + say("certificates.no") + " " + cs.Certificate
		}
	case registry.CaseCorrect:
		var items []string
		for _, ch := range cs.Changes[:min(len(cs.Changes), 3)] {
			if f, ok := registry.FieldOf(ch.Field); ok {
				items = append(items, k.fieldTitle(lang, f))
			}
		}
		v.Kind += " · " + strings.Join(items, say("punct.list"))
	}
}

// refOf is "uid:seen".
func refOf(r service.Ref) string { return string(r.UID) + ":" + strconv.FormatInt(r.Seen, 10) }

// way tells whether a transfer comes in or goes out, seen from who.
func (k *console) way(who service.Staff, cs registry.Case) string {
	auth := func(u registry.Unit) registry.Unit {
		s, _ := k.Service.Directory().School(u)
		return s.Authority
	}
	in, out := cs.To == who.Unit || auth(cs.To) == who.Unit, cs.From == who.Unit || auth(cs.From) == who.Unit
	switch {
	case in && out:
		return "inside"
	case in:
		return "in"
	case out:
		return "out"
	}
	return ""
}

// archiveDots draws where the paper is: called, on its way, received.
func archiveDots(kind registry.TaskKind) []string {
	switch kind {
	case registry.TaskArchiveSend:
		return []string{"n", "", ""}
	case registry.TaskArchiveReceive:
		return []string{"d", "n", ""}
	case registry.TaskArchiveMissing:
		return []string{"d", "d", "n"}
	}
	return nil
}

// mayDecide: a school's enrolment is confirmed by its leader, an office's steps by its officer, a school's other steps by registrar or leader.
func (k *console) mayDecide(who service.Staff, kind registry.CaseKind, party registry.Party) bool {
	if kind == registry.CaseProblem && party == registry.PartySchool {
		return false // it says how the doubt is to be ended: a page of its own
	}
	switch who.Role {
	case registry.RoleOfficer:
		return !who.Unit.IsSchool()
	case registry.RoleLeader:
		return who.Unit.IsSchool()
	case registry.RoleRegistrar:
		return who.Unit.IsSchool() && kind != registry.CaseEnrol
	}
	return false
}

// parseRefs reads the boxes ticked: each holds one "uid:seen" or several joined by commas.
func parseRefs(values []string) []service.Ref {
	var refs []service.Ref
	had := map[registry.UID]bool{}
	for _, v := range values {
		for _, one := range strings.Split(v, ",") {
			uid, seen, ok := strings.Cut(strings.TrimSpace(one), ":")
			n, err := strconv.ParseInt(seen, 10, 64)
			if !ok || err != nil || uid == "" || had[registry.UID(uid)] {
				continue
			}
			had[registry.UID(uid)] = true
			refs = append(refs, service.Ref{UID: registry.UID(uid), Seen: n})
		}
	}
	return refs
}

// formValues lists every value of a form's field, in the order sent.
func formValues(c *fiber.Ctx, name string) []string {
	var out []string
	if form, err := c.MultipartForm(); err == nil {
		return append(out, form.Value[name]...)
	}
	for _, b := range c.Request().PostArgs().PeekMulti(name) {
		out = append(out, string(b))
	}
	return out
}

// todoAccept says yes to all that are ticked. A receiving school is asked for each pupil's class first.
func (k *console) todoAccept(c *fiber.Ctx, who service.Staff) error {
	refs := parseRefs(formValues(c, "ref"))
	if len(refs) == 0 {
		return k.done(c, "/todo", flash{Key: "todo.none_chosen"})
	}
	if rows := k.receiving(c, who, refs); len(rows) > 0 && c.FormValue("classes") == "" {
		return k.show(c, &who, "accept", "accept.title", fiber.Map{"Rows": rows, "Others": others(refs, rows)}, withActive("todo"))
	}
	for i := range refs {
		asked := "class." + string(refs[i].UID)
		cl := strings.TrimSpace(c.FormValue(asked))
		if cl == "" && c.Context().PostArgs().Has(asked) {
			cl = strings.TrimSpace(c.FormValue("class-all"))
		}
		refs[i].Class = cl
	}
	return k.decideMany(c, who, "todo.accepted", refs, registry.DecideStep{Decision: registry.DecisionAccept})
}

// decideMany decides a few while the page waits, and more as a run with a page of its own. key says what was done.
func (k *console) decideMany(c *fiber.Ctx, who service.Staff, key string, refs []service.Ref, ev registry.DecideStep) error {
	if len(refs) > service.ManyAtOnce {
		run, err := k.Service.StartDecide(c.UserContext(), who, refs, ev)
		return k.toRun(c, run, err)
	}
	done, failed, err := k.Service.ActMany(c.UserContext(), who, refs, ev)
	if err != nil {
		return err
	}
	return k.acted(c, who, key, done, failed)
}

// acceptRow is a pupil whose class the receiving school must give.
type acceptRow struct{ Ref, UID, Name, Grade, Route, Class string }

// receiving lists those of refs whose open step is the receiving school's.
func (k *console) receiving(c *fiber.Ctx, who service.Staff, refs []service.Ref) []acceptRow {
	if !who.Unit.IsSchool() {
		return nil
	}
	tasks, err := k.Service.OwnTasks(c.UserContext(), who, refs, registry.PartyReceiver)
	if err != nil {
		return nil
	}
	want := map[registry.UID]service.Ref{}
	for _, r := range refs {
		want[r.UID] = r
	}
	tasks = slices.DeleteFunc(tasks, func(r store.TaskRow) bool { return r.Kind != registry.TaskStep })
	cases, err := k.Service.CasesBehind(c.UserContext(), who, tasks)
	if err != nil {
		return nil
	}
	var out []acceptRow
	for _, r := range tasks {
		ref, cs := want[r.Task.UID], cases[r.CaseNo]
		out = append(out, acceptRow{Ref: refOf(ref), UID: string(ref.UID), Name: r.Name, Grade: k.grade(k.lang(c), max(cs.ToGrade, r.Grade)),
			Route: k.Service.Directory().Name(r.School), Class: cs.ToClass})
	}
	return out
}

func others(refs []service.Ref, rows []acceptRow) []string {
	asked := map[string]bool{}
	for _, r := range rows {
		asked[r.UID] = true
	}
	var out []string
	for _, r := range refs {
		if !asked[string(r.UID)] {
			out = append(out, refOf(r))
		}
	}
	return out
}

// refusals are the coded reasons in the order of the form; what each says and who can mend it stands in the catalogue.
var refusals = []registry.RefusalCode{
	registry.RefuseIdentity, registry.RefuseEvidence, registry.RefuseGrade, registry.RefuseNoPlace,
	registry.RefuseWindow, registry.RefuseNotLeft, registry.RefuseOther,
}

// todoRefuse first shows what would be refused and asks for the reason, then refuses.
func (k *console) todoRefuse(c *fiber.Ctx, who service.Staff) error {
	values := formValues(c, "ref")
	refs := parseRefs(values)
	if len(refs) == 0 {
		return k.done(c, "/todo", flash{Key: "todo.none_chosen"})
	}
	lang := k.lang(c)
	code, note := registry.RefusalCode(c.FormValue("refusal")), strings.TrimSpace(c.FormValue("note"))
	ask := func(p *problem) error {
		return k.show(c, &who, "refuse", "refuse.title", fiber.Map{
			"Refs": values, "N": len(refs), "Names": k.names(c, who, refs), "Reasons": refusals, "Refusal": string(code), "Note": note,
		}, withActive("todo"), withProblem(p))
	}
	if c.FormValue("confirm") == "" {
		return ask(nil)
	}
	if !knownRefusal(code) {
		c.Status(fiber.StatusUnprocessableEntity)
		return ask(&problem{Title: k.words.say(lang, "refuse.choose"), Field: "refusal"})
	}
	if code == registry.RefuseOther && note == "" {
		c.Status(fiber.StatusUnprocessableEntity)
		return ask(&problem{Title: k.words.say(lang, "refuse.say_why"), Field: "note"})
	}
	return k.decideMany(c, who, "todo.refused", refs, registry.DecideStep{Decision: registry.DecisionRefuse, Refusal: code, Note: note})
}

func knownRefusal(code registry.RefusalCode) bool {
	for _, r := range refusals {
		if r == code {
			return true
		}
	}
	return false
}

// names lists whom refs are about, as far as they still stand on the list.
func (k *console) names(c *fiber.Ctx, who service.Staff, refs []service.Ref) []string {
	tasks, err := k.Service.OwnTasks(c.UserContext(), who, refs, "")
	if err != nil {
		return nil
	}
	by := map[registry.UID]string{}
	for _, r := range tasks {
		by[r.Task.UID] = r.Name
	}
	var out []string
	for _, r := range refs {
		if n := by[r.UID]; n != "" {
			out = append(out, n)
		}
	}
	return out
}

// followOf says what follows of an act on many that cannot be undone.
func followOf(key string) string {
	if key == "todo.refused" {
		return "todo.follow_refused"
	}
	return "todo.follow"
}

// acted ends an act on many: all done leads back with one sentence; what failed is listed above the list with who can mend it.
func (k *console) acted(c *fiber.Ctx, who service.Staff, key string, done int, failed map[registry.UID]error) error {
	if len(failed) == 0 {
		return k.done(c, "/todo", flash{Key: key, Args: []string{"n", strconv.Itoa(done)}, More: followOf(key)})
	}
	v, err := k.todoView(c, who)
	if err != nil {
		return err
	}
	v.DoneN, v.Follow = done, followOf(key)
	for uid, e := range failed {
		p := k.Problem(c, e)
		f := failure{Title: p.Title, Help: p.Help, Href: "/pupils/" + string(uid), Name: string(uid)}
		if pupil, _, err := k.Service.Pupil(c.UserContext(), who, uid); err == nil {
			f.Name = pupil.Form[registry.FName]
		}
		v.Failed = append(v.Failed, f)
	}
	sort.Slice(v.Failed, func(i, j int) bool { return v.Failed[i].Name < v.Failed[j].Name })
	c.Status(fiber.StatusConflict)
	return k.show(c, &who, "todo", "todo.title", v)
}
