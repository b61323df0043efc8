package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// mountBulk registers the pages of work on many pupils, on units and on rules.
func (k *console) mountBulk(r fiber.Router) {
	r.Get("/promotion", k.staff(k.promotion))
	r.Post("/promotion", k.staff(k.startPromotion))
	r.Post("/promotion/except", k.staff(k.promotionExcept))
	r.Get("/graduation", k.staff(k.graduation))
	r.Post("/graduation", k.staff(k.startGraduation))
	r.Get("/graduation/keep", k.staff(k.keeping))
	r.Post("/graduation/keep", k.staff(k.startKeeping))
	r.Get("/certificates", k.staff(k.certificates))
	r.Post("/certificates", k.findAt(func(m may) bool { return m.SeeBulk }, "/certificates", "school", "year", "end"))
	r.Get("/certificates/register.pdf", k.staff(k.certificateRegister))
	r.Get("/certificates/one", k.staff(k.certificateOne))
	r.Get("/advance", k.staff(k.advance))
	r.Post("/advance", k.staff(k.startAdvance))
	r.Post("/advance/read", k.staff(k.readAdmitted))
	r.Get("/advance/away", k.staff(k.offer))
	r.Post("/advance/away", k.staff(k.startOffer))
	r.Get("/bulk/:id", k.staff(k.bulkPage))
	r.Get("/bulk/:id/state", k.staff(k.bulkState))
	r.Post("/bulk/:id/cancel", k.staff(k.bulkCancel))
	r.Post("/bulk/:id/retry", k.staff(k.bulkRetry))
	r.Post("/bulk/:id/undo", k.staff(k.bulkUndo))
	r.Get("/bulk/:id/handover.pdf", k.staff(k.handoverPDF))
	r.Get("/reviews", k.staff(k.reviews))
	r.Post("/reviews", k.staff(k.openReviews))
	r.Get("/reviews/:id", k.staff(k.review))
	r.Post("/reviews/:id", k.staff(k.markReview))
	r.Post("/reviews/:id/sign", k.staff(k.signReview))
	r.Get("/reviews/:id/sheet.pdf", k.staff(k.reviewSheet))
	r.Get("/units", k.staff(k.units))
	r.Post("/units", k.staff(k.actUnit))
	r.Get("/rules", k.staff(k.rules))
	r.Post("/rules/try", k.staff(k.tryRules))
}

// bulking is what a role is offered of these.
func (m *may) bulking(who service.Staff) {
	school := who.Unit.IsSchool()
	switch who.Role {
	case registry.RoleRegistrar, registry.RoleLeader:
		m.SeeBulk, m.Promote = school, school
		m.Finish = school && who.Role == registry.RoleRegistrar
	case registry.RoleOfficer:
		m.SeeBulk, m.Units, m.Rules = !school, !school, !school
	case registry.RoleOperator:
		m.Rules = !school
	}
}

// whyNot is why a pupil would be passed over, or was, in a few words.
func (k *console) whyNot(c *fiber.Ctx, err error) string {
	var e *registry.Error
	if err == nil || !errors.As(err, &e) {
		return ""
	}
	lang := k.lang(c)
	if key := "bulk.why." + e.Params["why"]; e.Params["why"] != "" && k.words.has(lang, key) {
		return k.words.say(lang, key)
	}
	if s := e.Params["standing"]; s != "" && k.words.has(lang, "standing."+s) {
		return k.words.say(lang, "standing."+s)
	}
	if e.Code == registry.CodeRule {
		if e.Params["say"] != "" {
			return e.Params["say"] // the rule pack's own words
		}
		if key := "bulk.why.rule." + e.Params["rule"]; k.words.has(lang, key) {
			return k.words.say(lang, key)
		}
	}
	if key := "bulk.why." + string(e.Code); k.words.has(lang, key) {
		return k.words.say(lang, key, "case", e.Params["case"])
	}
	return k.Problem(c, err).Title
}

// whyMany is whyNot of several: no case is named.
func (k *console) whyMany(c *fiber.Ctx, err error) string {
	if registry.CodeOf(err) == registry.CodeLocked {
		err = &registry.Error{Code: registry.CodeLocked}
	}
	return strings.TrimSpace(k.whyNot(c, err))
}

// planLine is a pupil of a plan on screen.
type planLine struct {
	service.PlanRow
	Why  string
	End  registry.Standing // chosen in a form that came back
	Off  bool              // not ticked in it
	Sent bool              // the open case is the plan's own: already asked for
}

// planClass is a class of a plan: with its pupils when the page holds them, else with where they are.
type planClass struct {
	service.PlanClass
	Whys  []planWhy
	Lines []planLine
	Href  string
	Here  bool // the page was asked for this one
}

type planWhy struct {
	Say string
	N   int
}

// planView is a plan on screen: all classes, the pupils of some.
type planView struct {
	Classes  []planClass
	Go, Stop int
	Next     string
}

// planView joins the rows of a page to their classes. base is the page's address with a query to add to.
func (k *console) planView(c *fiber.Ctx, p service.BulkPlan, base string) planView {
	v := planView{}
	at := func(a service.PlanAt) string {
		q := url.Values{"grade": {strconv.Itoa(a.Grade)}, "class": {a.Class}}
		if a.Offset > 0 {
			q.Set("from", strconv.Itoa(a.Offset))
		}
		return base + q.Encode() + "#names"
	}
	index := map[service.PlanAt]int{}
	for _, x := range p.Classes {
		key := service.PlanAt{Grade: x.Grade, Class: x.Class}
		index[key] = len(v.Classes)
		cl := planClass{PlanClass: x, Href: at(key), Here: x.Grade == p.Ask.Grade && x.Class == p.Ask.Class}
		for _, w := range x.Whys {
			say := k.whyMany(c, w.Err)
			if i := slices.IndexFunc(cl.Whys, func(o planWhy) bool { return o.Say == say }); i >= 0 {
				cl.Whys[i].N += w.N
				continue
			}
			cl.Whys = append(cl.Whys, planWhy{say, w.N})
		}
		slices.SortFunc(cl.Whys, func(a, b planWhy) int { return cmp.Or(b.N-a.N, strings.Compare(a.Say, b.Say)) })
		v.Classes = append(v.Classes, cl)
		v.Go, v.Stop = v.Go+x.Go, v.Stop+x.Stop
	}
	for _, r := range p.Rows {
		if i, ok := index[service.PlanAt{Grade: r.Grade, Class: r.Class}]; ok {
			v.Classes[i].Lines = append(v.Classes[i].Lines, planLine{PlanRow: r, Why: k.whyNot(c, r.Err), Sent: r.Open != nil && r.Open.Kind == planned[p.Ask.Kind]})
		}
	}
	if p.Next != nil {
		v.Next = at(*p.Next)
	}
	return v
}

// planned is the case that a plan opens.
var planned = map[store.BulkKind]registry.CaseKind{store.BulkFinish: registry.CaseFinish, store.BulkAdvance: registry.CaseAdvance}

// keep puts what a class's form held back into it.
func (v *planView) keep(a service.BulkAsk, picks []service.BulkPick) {
	if len(picks) == 0 {
		return
	}
	for i := range v.Classes {
		if cl := &v.Classes[i]; cl.Grade == a.Grade && cl.Class == a.Class {
			for j := range cl.Lines {
				l := &cl.Lines[j]
				n := slices.IndexFunc(picks, func(p service.BulkPick) bool { return p.UID == l.UID })
				if l.Off = n < 0; !l.Off {
					l.End, l.Certificate, l.ToClass = picks[n].End, picks[n].Certificate, picks[n].ToClass
				}
			}
		}
	}
}

// planAt reads where a page of a plan begins.
func planAt(a *service.BulkAsk, get func(string, ...string) string) {
	a.Grade, a.Class = gradeOf(get("grade")), strings.Clone(strings.TrimSpace(get("class")))
	a.Offset, _ = strconv.Atoi(get("from"))
}

// promotion is the school's preview, or an office's board of schools.
func (k *console) promotion(c *fiber.Ctx, who service.Staff) error {
	return k.promotionShow(c, who, nil)
}

type promotionView struct {
	planView
	Year        int
	Closed      bool
	From, To    registry.Date
	Runs        []store.BulkRun
	Schools     int // of the board
	Find        finder
	Board       []promotionRow
	School      registry.Unit
	Repeat      []int
	Skip        []int
	Start, Mend bool
	NotYet      int
}

// schoolQuery names the school in an address, where a reader has more than one.
func schoolQuery(who service.Staff, school registry.Unit) string {
	if who.Unit == school {
		return ""
	}
	return "school=" + url.QueryEscape(string(school)) + "&"
}

type promotionRow struct {
	School registry.School
	Run    *store.BulkRun
}

func (k *console) promotionShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	ctx, m := c.UserContext(), mayOf(who)
	if !m.SeeBulk {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	v := promotionView{School: registry.Unit(c.Query("school")), Start: m.Promote, Mend: m.Finish}
	if who.Unit.IsSchool() {
		v.School = who.Unit
	}
	today := k.Service.Today()
	v.Year = today.Year()
	if v.School == "" { // the office's board
		runs, err := k.Service.BulkRuns(ctx, who, store.BulkPromote, strconv.Itoa(v.Year))
		if err != nil {
			return err
		}
		for _, s := range k.Service.Schools(who) {
			row := promotionRow{School: s}
			if i := slices.IndexFunc(runs, func(r store.BulkRun) bool { return r.School == s.Code }); i >= 0 {
				row.Run = &runs[i]
			} else if s.Open() {
				v.NotYet++
			}
			if s.Open() || row.Run != nil {
				v.Board = append(v.Board, row)
			}
		}
		v.Schools = len(v.Board)
		v.Board, v.Find = find(c, v.Board, "/promotion", nil, func(r promotionRow) string { return schoolText(r.School) })
		return k.show(c, &who, "promotion", "promotion.title", v, withProblem(pr))
	}
	ask := service.BulkAsk{Kind: store.BulkPromote, School: v.School}
	planAt(&ask, c.Query)
	plan, err := k.Service.PlanBulk(ctx, who, ask)
	if err != nil {
		return err
	}
	v.Year, v.Closed = plan.Ask.Year, plan.Closed != nil
	v.From, v.To = registry.Date(fmt.Sprintf("%d-%s", v.Year, plan.Pack.Promotion.From)), registry.Date(fmt.Sprintf("%d-%s", v.Year, plan.Pack.Promotion.To))
	v.Repeat, v.Skip = plan.Pack.RepeatGrades, plan.Pack.SkipGrades
	v.planView = k.planView(c, plan, "/promotion?"+schoolQuery(who, v.School))
	for _, kind := range []store.BulkKind{store.BulkPromote, store.BulkUndo} {
		runs, err := k.Service.BulkRuns(ctx, who, kind, "")
		if err != nil {
			return err
		}
		for _, r := range runs {
			if r.School == v.School {
				v.Runs = append(v.Runs, r)
			}
		}
	}
	slices.SortStableFunc(v.Runs, func(a, b store.BulkRun) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return k.show(c, &who, "promotion", "promotion.title", v, withProblem(pr))
}

func (k *console) startPromotion(c *fiber.Ctx, who service.Staff) error {
	year, _ := strconv.Atoi(c.FormValue("year"))
	run, err := k.Service.StartBulk(c.UserContext(), who, service.BulkAsk{Kind: store.BulkPromote, Year: year})
	if correctable(err) && registry.CodeOf(err) != registry.CodeForbidden {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.promotionShow(c, who, k.problem(c, err))
	}
	return k.toRun(c, run, err)
}

func (k *console) toRun(c *fiber.Ctx, run store.BulkRun, err error) error {
	if err != nil {
		return err
	}
	return c.Redirect("/bulk/"+run.ID, fiber.StatusSeeOther)
}

// promotionExcept opens 留级 or 跳级 for one pupil of the preview.
func (k *console) promotionExcept(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Finish {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	uid := registry.UID(c.FormValue("uid"))
	grade := gradeOf(c.FormValue("grade"))
	var ev registry.Event
	switch c.FormValue("kind") {
	case "repeat":
		ev = registry.StartRepeat{ToGrade: grade, Reason: c.FormValue("reason"), Guardian: c.FormValue("guardian")}
	case "skip":
		ev = registry.StartSkip{ToGrade: grade + 1, Reason: c.FormValue("reason"), Guardian: c.FormValue("guardian")}
	default:
		return &registry.Error{Code: registry.CodeInvalid, Field: "kind"}
	}
	if _, err := k.Service.Act(c.UserContext(), who, uid, 0, ev); err != nil {
		if correctable(err) && registry.CodeOf(err) != registry.CodeForbidden {
			c.Status(fiber.StatusUnprocessableEntity)
			return k.promotionShow(c, who, k.problem(c, err))
		}
		return err
	}
	return k.done(c, "/promotion", flash{Key: "promotion.excepted"})
}

// bulkView is a run on screen.
type bulkView struct {
	store.BulkRun
	Running, Closes  bool
	Percent          int
	Classes          []classProgress
	Failed, Done     []bulkLine
	FailedN, DoneN   int
	Undo, Stop, More bool
	Back             string
	Handover         bool
	Follow           string // key of what follows for those that were decided
	Paged            pagerView
}

type classProgress struct {
	Grade int
	Name  string
	Key   string
	store.BulkClass
}

func (p classProgress) Left() int { return p.Total - p.BulkClass.Done - p.BulkClass.Failed }

type bulkLine struct {
	service.BulkLine
	Why string
}

type pagerView struct {
	Prev, Next         string
	First, Last, Total int
}

// bulkPageRows is how many names a list of a run shows.
const bulkPageRows = 200

var bulkBack = map[store.BulkKind]string{store.BulkPromote: "/promotion", store.BulkUndo: "/promotion", store.BulkFinish: "/graduation", store.BulkKeep: "/graduation/keep",
	store.BulkAdvance: "/advance", store.BulkOffer: "/advance/away", store.BulkEndUnit: "/units", store.BulkReview: "/reviews", store.BulkNumber: "/numbers", store.BulkDecide: "/todo"}

func classesOf(all []store.BulkClass) []classProgress {
	var out []classProgress
	for _, x := range all {
		g, name := service.GroupOf(x.Class)
		out = append(out, classProgress{Grade: g, Name: name, Key: x.Class, BulkClass: x})
	}
	return out
}

func (k *console) bulkPage(c *fiber.Ctx, who service.Staff) error { return k.bulkShow(c, who, nil) }

func (k *console) bulkShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	ctx := c.UserContext()
	run, classes, err := k.Service.BulkRun(ctx, who, c.Params("id"))
	if err != nil {
		return err
	}
	if run.Kind == store.BulkReview {
		return c.Redirect("/reviews/"+run.ID, fiber.StatusSeeOther)
	}
	m := mayOf(who)
	v := bulkView{BulkRun: run, Running: run.State == store.BulkQueued || run.State == store.BulkRunning, Percent: percent(run.Done+run.Failed, run.Total), Classes: classesOf(classes), Back: bulkBack[run.Kind],
		FailedN: run.Failed, DoneN: run.Done}
	mine := run.Unit == who.Unit && (m.Promote && (run.Kind == store.BulkPromote || run.Kind == store.BulkUndo) || m.Finish || m.Units && run.Kind == store.BulkEndUnit || m.Numbers && run.Kind == store.BulkNumber)
	if run.Kind == store.BulkDecide { // what was not decided is on the to-do list, to be decided there
		mine, v.Classes = false, nil
		v.Follow = followOf(map[bool]string{true: "todo.accepted", false: "todo.refused"}[run.Doc.Step.Decision == registry.DecisionAccept])
	}
	v.Stop = (mine || run.Kind == store.BulkDecide && service.Asked(run, who)) && v.Running
	v.More = mine && !v.Running && (run.Failed > 0 || run.State == store.BulkCancelled)
	v.Handover = run.Kind == store.BulkEndUnit && m.Units && run.Done > 0
	v.Undo = mine && run.Kind == store.BulkPromote && !v.Running && run.Done > 0 && run.Doc.Year == k.Service.Today().Year()
	if !v.Running {
		for _, part := range []struct {
			state string
			to    *[]bulkLine
		}{{store.RowFailed, &v.Failed}, {store.RowDone, &v.Done}} {
			lines, err := k.Service.BulkList(ctx, who, run.ID, part.state, "", bulkPageRows, 0)
			if err != nil {
				return err
			}
			for _, l := range lines {
				why := ""
				if l.Doc.Code != "" {
					why = k.whyNot(c, &registry.Error{Code: l.Doc.Code, Field: l.Doc.Field, Params: l.Doc.Params})
				}
				if run.Kind == store.BulkDecide && l.Doc.Code != "" && l.Doc.Params["why"] != "asker" { // in the words of one by one: who was first, who can mend it
					p := k.Problem(c, &registry.Error{Code: l.Doc.Code, Field: l.Doc.Field, Params: l.Doc.Params})
					why = strings.TrimSpace(p.Title + " " + p.Help)
				}
				*part.to = append(*part.to, bulkLine{BulkLine: l, Why: why})
			}
		}
	}
	return k.show(c, &who, "bulk", "bulk.title."+string(run.Kind), v, withActive(strings.TrimPrefix(strings.TrimSuffix(v.Back, "/keep"), "/")), withRefresh(v.Running), withProblem(pr))
}

func (k *console) bulkState(c *fiber.Ctx, who service.Staff) error {
	run, _, err := k.Service.BulkRun(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	done := run.Done + run.Failed
	return c.JSON(fiber.Map{"state": run.State, "total": run.Total, "done": done, "good": run.Done, "bad": run.Failed, "running": run.State == store.BulkQueued || run.State == store.BulkRunning,
		"percent": percent(done, run.Total), "stage": k.words.say(k.lang(c), "bulk.state."+run.State)})
}

func (k *console) bulkCancel(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.CancelBulk(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return k.done(c, "/bulk/"+c.Params("id"), flash{Key: "bulk.cancelled"})
}

func (k *console) bulkRetry(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.RetryBulk(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return c.Redirect("/bulk/"+c.Params("id"), fiber.StatusSeeOther)
}

func (k *console) bulkUndo(c *fiber.Ctx, who service.Staff) error {
	run, err := k.Service.UndoBulk(c.UserContext(), who, c.Params("id"), c.FormValue("reason"))
	if correctable(err) && registry.CodeOf(err) != registry.CodeForbidden {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.bulkShow(c, who, k.problem(c, err))
	}
	return k.toRun(c, run, err)
}

func (k *console) handoverPDF(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.HandoverList(c.UserContext(), who, c.Params("id"))
	return k.pdf(c, "handover.pdf", b, err)
}
