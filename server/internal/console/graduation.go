package console

import (
	"cmp"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

type graduationView struct {
	planView
	Ask     service.BulkAsk
	Ends    []registry.Standing
	Kinds   map[int][]registry.Standing // with a certificate, that the rule pack allows in a grade
	Runs    []store.BulkRun
	Start   bool
	Numbers bool // the end carries certificates
	Of      registry.Unit
	Feeders []registry.School
	Read    []admitted
	Bad     int
	School  bool
	Keep    bool
	ToGrade int
}

type admitted struct {
	service.AdmittedRow
	Why string
}

var ends = []registry.Standing{registry.StandingGraduated, registry.StandingCompleted, registry.StandingLeft, registry.StandingPromoted}

func askOf(get func(string, ...string) string) service.BulkAsk {
	a := service.BulkAsk{Kind: store.BulkFinish, End: registry.Standing(get("end")), On: registry.Date(get("on")), Template: strings.TrimSpace(get("template"))}
	planAt(&a, get)
	if a.Template == "" {
		a.Template = service.DefaultTemplate
	}
	return a
}

// graduation lists who may end schooling here, by class, with the kind and the number of the certificate to be given (Art. 13).
func (k *console) graduation(c *fiber.Ctx, who service.Staff) error {
	return k.graduationShow(c, who, askOf(c.Query), nil, nil)
}

// graduationShow draws the plan; picks is what a class's form held when it comes back.
func (k *console) graduationShow(c *fiber.Ctx, who service.Staff, a service.BulkAsk, picks []service.BulkPick, pr *problem) error {
	m := mayOf(who)
	if !m.SeeBulk {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	v := graduationView{Ask: a, Ends: ends, Start: m.Finish, School: who.Unit.IsSchool()}
	var err error
	if v.School {
		plan, err := k.Service.PlanBulk(c.UserContext(), who, a)
		if err != nil {
			return err
		}
		v.Ask = plan.Ask
		v.planView = k.planView(c, plan, "/graduation?"+url.Values{"end": {string(v.Ask.End)}, "on": {string(v.Ask.On)}, "template": {v.Ask.Template}}.Encode()+"&")
		v.planView.keep(a, picks)
		v.Kinds = map[int][]registry.Standing{}
		for _, end := range ends {
			for _, g := range plan.Pack.FinishGrades[end] {
				if end != registry.StandingPromoted {
					v.Kinds[g] = append(v.Kinds[g], end)
				}
			}
		}
		v.Numbers = v.Ask.End != registry.StandingPromoted
	}
	if v.Runs, err = k.Service.BulkRuns(c.UserContext(), who, store.BulkFinish, ""); err != nil {
		return err
	}
	v.Runs = v.Runs[:min(len(v.Runs), 100)]
	return k.show(c, &who, "graduation", "graduation.title", v, withProblem(pr))
}

// picks reads the ticked pupils of a plan with what stands beside each.
func picks(c *fiber.Ctx) []service.BulkPick {
	var out []service.BulkPick
	for _, b := range c.Context().PostArgs().PeekMulti("uid") {
		uid := string(b)
		out = append(out, service.BulkPick{UID: registry.UID(uid), End: registry.Standing(strings.Clone(c.FormValue("end-" + uid))), Certificate: strings.Clone(c.FormValue("no-" + uid)),
			ToClass: strings.Clone(c.FormValue("class-" + uid))})
	}
	return out
}

func (k *console) startGraduation(c *fiber.Ctx, who service.Staff) error {
	a := askOf(c.FormValue)
	show := a
	a.Picks = picks(c)
	for i := range a.Picks {
		if a.Picks[i].End == "" {
			a.Picks[i].End = a.End
		}
	}
	run, err := k.Service.StartBulk(c.UserContext(), who, a)
	if err != nil && registry.CodeOf(err) == registry.CodeConflict || correctable(err) && registry.CodeOf(err) != registry.CodeForbidden {
		pr := k.problem(c, err)
		var e *registry.Error
		if errors.As(err, &e) && e.Params["why"] == "certificate" {
			pr = &problem{Title: k.words.say(k.lang(c), "graduation.used", "no", e.Params["no"]), Help: k.words.say(k.lang(c), "graduation.used_help"), Field: "no-" + e.Params["uid"]}
		}
		c.Status(fiber.StatusUnprocessableEntity)
		return k.graduationShow(c, who, show, a.Picks, pr)
	}
	return k.toRun(c, run, err)
}

// keeping lists ended pupils whose archives are not yet kept for good (Art. 9).
func (k *console) keeping(c *fiber.Ctx, who service.Staff) error {
	ask := service.BulkAsk{Kind: store.BulkKeep}
	planAt(&ask, c.Query)
	plan, err := k.Service.PlanBulk(c.UserContext(), who, ask)
	if err != nil {
		return err
	}
	v := graduationView{Ask: plan.Ask, planView: k.planView(c, plan, "/graduation/keep?"), Start: mayOf(who).Finish, Keep: true}
	return k.show(c, &who, "keeping", "keeping.title", v, withActive("graduation"))
}

func (k *console) startKeeping(c *fiber.Ctx, who service.Staff) error {
	run, err := k.Service.StartBulk(c.UserContext(), who, service.BulkAsk{Kind: store.BulkKeep, Picks: picks(c)})
	return k.toRun(c, run, err)
}

// advance is the receiving school's page of 升学 (Art. 14).
func (k *console) advance(c *fiber.Ctx, who service.Staff) error {
	return k.advanceShow(c, who, nil, nil)
}

func (k *console) advanceShow(c *fiber.Ctx, who service.Staff, read []service.AdmittedRow, pr *problem) error {
	m := mayOf(who)
	if !m.SeeBulk {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	v := graduationView{Start: m.Finish, Of: registry.Unit(c.Query("of")), School: who.Unit.IsSchool()}
	me, _ := k.Service.Directory().School(who.Unit)
	if all, ok := k.Service.Directory().(interface{ Schools() []registry.School }); ok && v.School {
		for _, s := range all.Schools() {
			if len(s.Region) == 6 && len(me.Region) == 6 && s.Region[:4] == me.Region[:4] && s.Remote == "" && (s.Code == me.Code && me.ToGrade > 6 || s.ToGrade < me.ToGrade && s.ToGrade+1 >= me.FromGrade) {
				v.Feeders = append(v.Feeders, s)
			}
		}
	}
	if v.Of != "" && m.Finish {
		ask := service.BulkAsk{Kind: store.BulkAdvance, Of: v.Of}
		planAt(&ask, c.Query)
		plan, err := k.Service.PlanBulk(c.UserContext(), who, ask)
		if err != nil {
			return err
		}
		v.planView = k.planView(c, plan, "/advance?of="+url.QueryEscape(string(v.Of))+"&")
	}
	for _, r := range read {
		x := admitted{AdmittedRow: r, Why: k.whyNot(c, r.Err)}
		if r.Found == nil {
			v.Bad++
		}
		v.Read = append(v.Read, x)
	}
	var err error
	if v.Runs, err = k.Service.BulkRuns(c.UserContext(), who, store.BulkAdvance, ""); err != nil {
		return err
	}
	return k.show(c, &who, "advance", "advance.title", v, withProblem(pr))
}

func (k *console) readAdmitted(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Finish {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	h, err := c.FormFile("workbook")
	if err != nil || h.Size == 0 {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.advanceShow(c, who, nil, &problem{Title: k.words.say(k.lang(c), "enrol.no_file"), Help: k.words.say(k.lang(c), "enrol.no_file_help")})
	}
	f, err := h.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := k.Service.ReadAdmitted(c.UserContext(), who, f)
	if correctable(err) && registry.CodeOf(err) != registry.CodeForbidden {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.advanceShow(c, who, nil, &problem{Title: k.words.say(k.lang(c), "workbook.title"), Help: k.words.say(k.lang(c), "advance.columns")})
	}
	if err != nil {
		return err
	}
	return k.advanceShow(c, who, rows, nil)
}

func (k *console) startAdvance(c *fiber.Ctx, who service.Staff) error {
	chosen := picks(c)
	for i := range chosen { // one class for all who have none beside their name
		chosen[i].ToClass = cmp.Or(strings.TrimSpace(chosen[i].ToClass), strings.TrimSpace(strings.Clone(c.FormValue("class-all"))))
	}
	run, err := k.Service.StartBulk(c.UserContext(), who, service.BulkAsk{Kind: store.BulkAdvance, Picks: chosen})
	if correctable(err) && registry.CodeOf(err) != registry.CodeForbidden {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.advanceShow(c, who, nil, k.problem(c, err))
	}
	return k.toRun(c, run, err)
}

type certificatesView struct {
	Ask     service.CertificateAsk
	Rows    []service.CertificateLine
	Total   int
	Schools []registry.School
	Ends    []registry.Standing
	Years   []string
	Pager   pagerView
	Query   string
	One     *service.CertificateLine
}

const certificateRows = 100

func (k *console) certificateAsk(c *fiber.Ctx, who service.Staff) service.CertificateAsk {
	a := service.CertificateAsk{School: k.schoolOf(who, c.Query("school")), Text: k.searched(c), Year: c.Query("year"), End: registry.Standing(c.Query("end")), Limit: certificateRows}
	if n, err := strconv.Atoi(a.Year); err != nil || n < 1950 || n > 2200 {
		a.Year = ""
	}
	return a
}

// certificates is the register (Art. 13).
func (k *console) certificates(c *fiber.Ctx, who service.Staff) error {
	a := k.certificateAsk(c, who)
	n, _ := strconv.Atoi(c.Query("page"))
	a.Offset = max(0, min(n, 10000)) * certificateRows
	rows, total, err := k.Service.Certificates(c.UserContext(), who, a)
	if err != nil {
		return err
	}
	v := certificatesView{Ask: a, Rows: rows, Total: total, Ends: ends[:3], Schools: k.Service.Schools(who)}
	for y := k.Service.Today().Year(); len(v.Years) < 15; y-- {
		v.Years = append(v.Years, strconv.Itoa(y))
	}
	q := "school=" + string(a.School) + "&year=" + a.Year + "&end=" + string(a.End) + "&s=" + k.veiled(c, a.Text)
	v.Query = q
	v.Pager = pagerView{First: a.Offset + 1, Last: a.Offset + len(rows), Total: total}
	if a.Offset > 0 {
		v.Pager.Prev = "/certificates?" + q + "&page=" + strconv.Itoa(a.Offset/certificateRows-1)
	}
	if a.Offset+len(rows) < total {
		v.Pager.Next = "/certificates?" + q + "&page=" + strconv.Itoa(a.Offset/certificateRows+1)
	}
	return k.show(c, &who, "certificates", "certificates.register", v)
}

func (k *console) certificateOne(c *fiber.Ctx, who service.Staff) error {
	no := c.Query("no")
	if no == "" {
		return registry.ErrNotFound
	}
	rows, _, err := k.Service.Certificates(c.UserContext(), who, service.CertificateAsk{No: no, Limit: 1})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return registry.ErrNotFound
	}
	return k.show(c, &who, "certificate", "certificates.one", certificatesView{One: &rows[0]}, withActive("certificates"))
}

func (k *console) certificateRegister(c *fiber.Ctx, who service.Staff) error {
	a := k.certificateAsk(c, who)
	b, err := k.Service.CertificateRegister(c.UserContext(), who, a)
	return k.pdf(c, "certificates.pdf", b, err)
}
