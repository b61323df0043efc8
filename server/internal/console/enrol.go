package console

import (
	"errors"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/audit"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

func (k *console) enrol(c *fiber.Ctx, who service.Staff) error {
	return k.enrolShow(c, who, nil)
}

func (k *console) enrolShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	rows, err := k.Service.Imports(c.UserContext(), who)
	if err != nil {
		return err
	}
	handed, err := k.Service.Handed(audit.NumbersOnly(c.UserContext()), who)
	if err != nil {
		return err
	}
	return k.show(c, &who, "enrol", "enrol.title", fiber.Map{"Rows": rows, "Handed": len(handed), "MaxMB": MaxUpload >> 20}, withProblem(pr))
}

func (k *console) template(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.Template(c.UserContext(), who)
	if err != nil {
		return err
	}
	return sendFile(c, xlsxType, "attachment", "xueji-template.xlsx", b)
}

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

func (k *console) startImport(c *fiber.Ctx, who service.Staff) error {
	h, err := c.FormFile("workbook")
	if err != nil || h.Size == 0 {
		return k.importRefused(c, who, &problem{Title: k.words.say(k.lang(c), "enrol.no_file"), Help: k.words.say(k.lang(c), "enrol.no_file_help")})
	}
	f, err := h.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	imp, err := k.Service.StartImport(c.UserContext(), who, h.Filename, f)
	if err != nil {
		if correctable(err) {
			return k.importRefused(c, who, k.workbookProblem(c, err))
		}
		return err
	}
	to := "/enrol/imports/" + imp.ID
	if wantsJSON(c) {
		return c.JSON(fiber.Map{"href": to})
	}
	return c.Redirect(to, fiber.StatusSeeOther)
}

// workbookProblem says why a whole workbook was refused and who mends it how, by the error's Params["why"]; other errors are told as everywhere.
func (k *console) workbookProblem(c *fiber.Ctx, err error) *problem {
	var e *registry.Error
	if !errors.As(err, &e) || e.Params["why"] == "" {
		return k.problem(c, err)
	}
	lang, pairs := k.lang(c), []any{}
	for _, name := range []string{"max", "rows", "part"} {
		pairs = append(pairs, name, e.Params[name])
	}
	for _, name := range []string{"missing", "unknown", "twice"} {
		text := ""
		if cols := e.Params[name]; cols != "" {
			text = k.words.say(lang, "workbook.header."+name, "cols", cols)
		}
		pairs = append(pairs, name, text)
	}
	return &problem{Title: k.words.say(lang, "workbook.title"), Help: k.words.say(lang, "workbook."+e.Params["why"], pairs...)}
}

func (k *console) importRefused(c *fiber.Ctx, who service.Staff, p *problem) error {
	c.Status(fiber.StatusUnprocessableEntity)
	if wantsJSON(c) {
		return c.JSON(fiber.Map{"title": p.Title, "help": p.Help})
	}
	return k.enrolShow(c, who, p)
}

// importView is an import as its page and its script see it.
type importView struct {
	store.Import
	Running bool
	Percent int
	Stage   string // catalogue key of what happens now
	Problem *problem
	Wrong   []wrongView // of the first rows that did not go in, one a finding
	More    int         // rows that did not go in and are not among them
}

// wrongView is one thing that is wrong with a row of a workbook.
type wrongView struct {
	No    int
	Name  string
	First bool // of its row
	Field registry.Field
	Of    string // the guardian whose item it is
	Rule  string // how the item is written, where that helps
	findingView
}

func (k *console) importView(c *fiber.Ctx, i store.Import) importView {
	v := importView{Import: i, Running: i.State == "queued" || i.State == "running", Percent: percent(i.Done, i.Total), Stage: "import.state." + i.State}
	if i.State == "running" && i.Total > 0 && i.Done == i.Total {
		v.Stage = "import.state.marking" // every row is looked at; the marks take a few seconds more
	}
	if i.State == "failed" {
		v.Problem = k.workbookProblem(c, &registry.Error{Code: i.Code, Params: i.Params})
	}
	return v
}

func (k *console) importPage(c *fiber.Ctx, who service.Staff) error {
	i, err := k.Service.Import(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	v := k.importView(c, i)
	rows, err := k.Service.WrongRows(c.UserContext(), who, i.ID)
	if err != nil {
		return err
	}
	lang := k.lang(c)
	for _, r := range rows {
		for n, x := range r.Findings {
			f, _ := registry.FieldOf(x.Field)
			w := wrongView{No: r.No, Name: r.Name, First: n == 0, Field: f, Of: k.ofGuardian(lang, f), findingView: k.findingView(lang, x)}
			if f.List != registry.ListRegion {
				for i, r := range w.Repairs {
					w.Repairs[i] = k.valueWords(lang, f, r, false)
				}
				if len(w.Repairs) > 0 {
					w.Text += k.words.say(lang, "import.mean")
				}
			}
			if x.Code == registry.FindFormat && x.Params["why"] == "" || x.Code == registry.FindDate {
				w.Rule = k.words.say(lang, "rule."+string(f.Type), "max", f.Max)
			}
			v.Wrong = append(v.Wrong, w)
		}
	}
	v.More = max(0, i.Bad-len(rows))
	return k.show(c, &who, "import", "import.title", v, withActive("enrol"), withRefresh(v.Running))
}

func (k *console) importState(c *fiber.Ctx, who service.Staff) error {
	i, err := k.Service.Import(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	v := k.importView(c, i)
	return c.JSON(fiber.Map{"state": i.State, "total": i.Total, "done": i.Done, "good": i.Good, "bad": i.Bad, "running": v.Running, "percent": v.Percent, "stage": k.words.say(k.lang(c), v.Stage)})
}

func (k *console) importMarked(c *fiber.Ctx, who service.Staff) error {
	i, err := k.Service.Import(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	if i.Result == "" {
		return registry.ErrNotFound
	}
	f, err := k.Service.File(c.UserContext(), who, i.Result)
	if err != nil {
		return err
	}
	return sendFile(c, xlsxType, "attachment", "xueji-marked-"+i.ID+".xlsx", f.Body)
}

func (k *console) cancelImport(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.CancelImport(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return k.done(c, "/enrol/imports/"+c.Params("id"), flash{Key: "import.cancelled"})
}

func (k *console) findingView(lang string, x registry.Finding) findingView {
	pairs := make([]any, 0, 2*len(x.Params)+2)
	for name, val := range x.Params {
		switch name {
		case "school":
			val = k.Service.Directory().Name(registry.Unit(val))
		case "list":
			if key := "listname." + val; k.words.has(lang, key) {
				val = k.words.say(lang, key)
			}
		}
		pairs = append(pairs, name, val)
	}
	v := findingView{Repairs: x.DidYouMean, Warning: x.Params["level"] == "warning"}
	key := "find." + string(x.Code)
	if why := key + "." + x.Params["why"]; k.words.has(lang, why) {
		key = why
	} else if x.Params["own"] != "" {
		key += ".own"
	} else if x.Code == registry.FindCheck && len(x.DidYouMean) == 0 {
		key += ".plain"
	}
	if x.Params["list"] == string(registry.ListRegion) {
		key += ".region"
		if x.Params["n"] != "" {
			key += "_many"
		}
		v.Repairs = nil
		for _, code := range x.DidYouMean {
			v.Repairs = append(v.Repairs, k.regionText(code))
		}
	}
	v.Text = k.words.say(lang, key, pairs...)
	return v
}

// transferReasons are the reasons offered for a transfer; kiosk/internal/flow offers the same codes.
var transferReasons = []string{"moved", "work", "household", "boarding", "other"}

type transferView struct {
	ID, Name  string
	Found     *store.Summary
	School    registry.School
	Schools   []registry.School
	Grades    []int
	Grade     int
	Class     string
	Reasons   []string
	Reason    string
	Words     string
	Guardians []string
	Guardian  string
	NotFound  bool
	Ways      []string // "transfer", "advance" (升学), "home" (back from abroad): what the found pupil may come by
	Way       string
	Papers    string
}

// waysOf: a pupil who went abroad comes home and the old archive is continued (Art. 20); one in, or out of, a stage's last grade comes by 升学 where the school offers
// the next grade; all others by transfer.
func (k *console) waysOf(v *transferView) []string {
	f, pack := v.Found, k.Service.Pack()
	if f.Standing == registry.StandingAbroad {
		return []string{"home"}
	}
	up := slices.Contains(pack.StageEnds, f.Grade) && f.Grade+1 >= v.School.FromGrade && f.Grade+1 <= v.School.ToGrade
	switch f.Standing {
	case registry.StandingGraduated, registry.StandingCompleted, registry.StandingPromoted:
		return []string{"advance"}
	}
	if !up {
		return []string{"transfer"}
	}
	if f.Grade >= v.School.FromGrade {
		return []string{"advance", "transfer"}
	}
	return []string{"advance"}
}

// comeBy is the event of the way that was chosen.
func comeBy(v transferView, to registry.Unit, files []string) registry.Event {
	switch v.Way {
	case "home":
		return registry.ComeHome{School: to, Grade: v.Grade, Class: v.Class, Papers: v.Papers, Guardian: v.Guardian, Evidence: files}
	case "advance":
		return registry.StartAdvance{To: to, ToGrade: v.Grade, ToClass: v.Class, Guardian: v.Guardian, Reason: reasonText(v), Evidence: files}
	}
	return nil
}

// guardianCodes say who consented; kiosk/internal/flow offers the same codes.
var guardianCodes = []string{"father", "mother", "other"}

func (k *console) transferPage(c *fiber.Ctx, who service.Staff) error {
	return k.show(c, &who, "transfer", "transfer.title", transferView{}, withActive("transfer"))
}

// transferFind looks a pupil up by exact ID number and name: posted, so that no number stands in an address.
func (k *console) transferFind(c *fiber.Ctx, who service.Staff) error {
	v := transferView{ID: strings.ToUpper(strings.TrimSpace(c.FormValue("id_number"))), Name: strings.TrimSpace(c.FormValue("name"))}
	s, err := k.Service.FindByDocument(c.UserContext(), who, v.ID, v.Name)
	if registry.CodeOf(err) == registry.CodeNotFound {
		v.NotFound = true
		c.Status(fiber.StatusNotFound)
		return k.show(c, &who, "transfer", "transfer.title", v, withActive("transfer"))
	}
	if err != nil {
		if correctable(err) {
			c.Status(fiber.StatusUnprocessableEntity)
			return k.show(c, &who, "transfer", "transfer.title", v, withActive("transfer"), withProblem(k.problem(c, err)))
		}
		return err
	}
	v.Found, v.Grade = &s, s.Grade
	return k.transferForm(c, who, v, nil)
}

func (k *console) transferForm(c *fiber.Ctx, who service.Staff, v transferView, pr *problem) error {
	v.School, _ = k.Service.Directory().School(who.Unit)
	v.Grades, v.Reasons, v.Guardians = gradesOf(v.School), transferReasons, guardianCodes
	if v.Found != nil {
		v.Ways = k.waysOf(&v)
		if !slices.Contains(v.Ways, v.Way) {
			v.Way = v.Ways[0]
		}
		if pr == nil && v.Way == "advance" {
			v.Grade++
		}
	}
	return k.show(c, &who, "transfer", "transfer.title", v, withActive("transfer"), withProblem(pr))
}

func (k *console) transferStart(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.FormValue("uid"))
	v := transferView{ID: strings.TrimSpace(c.FormValue("id_number")), Name: strings.TrimSpace(c.FormValue("name")), Grade: formInt(c, "grade"), Class: strings.TrimSpace(c.FormValue("class")),
		Reason: c.FormValue("reason"), Words: strings.TrimSpace(c.FormValue("words")), Guardian: c.FormValue("guardian"),
		Way: c.FormValue("way"), Papers: strings.TrimSpace(c.FormValue("papers"))}
	again := func(pr *problem) error {
		s, err := k.Service.FindByDocument(c.UserContext(), who, v.ID, v.Name)
		if err != nil {
			return err
		}
		v.Found = &s
		c.Status(fiber.StatusUnprocessableEntity)
		return k.transferForm(c, who, v, pr)
	}
	if c.FormValue("consent") == "" {
		return again(&problem{Title: k.words.say(k.lang(c), "transfer.need_consent"), Field: "consent"})
	}
	files, err := k.evidence(c, who, "") // the pupil is not in sight yet: the papers are tied to them by the act
	if err == nil {
		var no registry.CaseNo
		if ev := comeBy(v, who.Unit, files); ev != nil {
			var after registry.Pupil
			if after, err = k.Service.Act(c.UserContext(), who, uid, 0, ev); err == nil {
				if no = after.Lock; no == "" {
					return k.done(c, "/pupils/"+string(uid), flash{Key: "act.home.done"})
				}
			}
		} else {
			no, err = k.Service.StartTransfer(c.UserContext(), who, uid, registry.StartTransfer{To: who.Unit, ToGrade: v.Grade, ToClass: v.Class, Reason: reasonText(v), Guardian: v.Guardian, Evidence: files})
		}
		if err == nil {
			here := "/pupils/" + string(uid) + "/cases/" + string(no)
			return k.done(c, here, flash{Key: "transfer.started", Href: here + "/receipt.pdf", Open: "case.print_receipt"})
		}
	}
	if correctable(err) {
		return again(k.problem(c, err))
	}
	return k.actFailed(c, who, uid, "/transfers/new", err)
}

func reasonText(v transferView) string {
	if v.Reason == "other" && v.Words != "" {
		return v.Words
	}
	return v.Reason
}
