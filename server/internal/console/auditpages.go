package console

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/audit"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// guarding is what a role is offered of the log and of exports; internal/access decides again.
func (m *may) guarding(who service.Staff) {
	switch who.Role {
	case registry.RoleAuditor:
		m.Log, m.Alerts, m.Answer = true, true, true
	case registry.RoleSecurity:
		m.Alerts = true
	case registry.RoleOfficer:
		m.Export, m.Approve = true, !who.Unit.IsSchool()
	case registry.RoleRegistrar:
		m.Export, m.Readers = true, who.Unit.IsSchool()
	}
}

func (k *console) mountAudit(r fiber.Router) {
	r.Get("/audit", k.staff(k.auditLog))
	r.Get("/audit/alerts", k.staff(k.auditAlerts))
	r.Post("/audit/alerts", k.staff(k.answerAlert))
	r.Get("/audit/report.pdf", k.staff(k.auditReport))
	r.Get("/pupils/:uid/readers", k.staff(k.why(k.readers)))
	r.Get("/exports", k.staff(k.exports))
	r.Post("/exports", k.staff(k.putApproval))
	r.Post("/exports/revoke", k.staff(k.revokeApproval))
	r.Post("/exports/list", k.staff(k.exportList))
	k.mountExportRuns(r)
	r.Get("/exports/form.pdf", k.staff(k.approvalForm))
}

type auditView struct {
	Q      service.AuditAsk
	Kinds  []audit.Kind
	Rows   []service.AuditLine
	Next   string
	Year   int
	Years  []int
	Answer bool
}

func (k *console) auditLog(c *fiber.Ctx, who service.Staff) error {
	q := service.AuditAsk{Account: strings.TrimSpace(c.Query("account")), Pupil: strings.TrimSpace(c.Query("pupil")), Kind: audit.Kind(c.Query("kind")),
		From: registry.Date(c.Query("from")), To: registry.Date(c.Query("to")), Before: c.Query("before")}
	rows, more, err := k.Service.AuditLog(c.UserContext(), who, q)
	if err != nil {
		return err
	}
	year, _ := strconv.Atoi(string(k.Service.Today())[:4])
	v := auditView{Q: q, Kinds: audit.Kinds, Rows: rows, Year: year, Years: []int{year, year - 1, year - 2}}
	if more != "" {
		link := url.Values{"account": {q.Account}, "pupil": {q.Pupil}, "kind": {string(q.Kind)}, "from": {string(q.From)}, "to": {string(q.To)}, "before": {more}}
		v.Next = "/audit?" + link.Encode()
	}
	return k.show(c, &who, "audit", "audit.title", v)
}

func (k *console) readers(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	rows, err := k.Service.Readers(c.UserContext(), who, uid)
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].Subject = "" // this pupil, each
	}
	return k.show(c, &who, "readers", "readers.title", fiber.Map{"UID": uid, "Rows": rows}, withActive("pupils"))
}

func (k *console) auditAlerts(c *fiber.Ctx, who service.Staff) error {
	return k.alertsPage(c, who, nil)
}

func (k *console) alertsPage(c *fiber.Ctx, who service.Staff, pr *problem) error {
	all := c.Query("all") != ""
	rows, err := k.Service.AuditAlerts(c.UserContext(), who, !all)
	if err != nil {
		return err
	}
	return k.show(c, &who, "alerts", "alerts.title", fiber.Map{"Rows": rows, "All": all, "Answer": mayOf(who).Answer}, withProblem(pr))
}

func (k *console) answerAlert(c *fiber.Ctx, who service.Staff) error {
	err := k.Service.AnswerAlert(c.UserContext(), who, c.FormValue("id"), c.FormValue("words"))
	if correctable(err) {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.alertsPage(c, who, &problem{Title: k.words.say(k.lang(c), "alerts.say"), Field: "words"})
	}
	if err != nil {
		return err
	}
	return k.done(c, "/audit/alerts", flash{Key: "alerts.done"})
}

func (k *console) auditReport(c *fiber.Ctx, who service.Staff) error {
	year, err := strconv.Atoi(c.Query("year"))
	if err != nil {
		year, _ = strconv.Atoi(string(k.Service.Today())[:4])
	}
	b, err := k.Service.AuditReport(c.UserContext(), who, year)
	return k.pdf(c, "audit-"+strconv.Itoa(year)+".pdf", b, err)
}

type exportsView struct {
	Rows      []approvalRow
	Runs      []exportRunView
	Approve   bool
	Form      store.Approval
	Schools   []registry.School
	Columns   []exportColumn
	Grades    []int
	TodayPlus registry.Date
}

type approvalRow struct {
	store.Approval
	State string // "good", "over", "ended"
	Cols  []string
}

type exportColumn struct {
	Key   registry.FieldKey
	Title string
	On    bool
	Of    string // whose, of a guardian's item
}

func (k *console) columnTitle(lang string, key registry.FieldKey) string {
	if f, ok := registry.FieldOf(key); ok {
		return k.fieldTitle(lang, f)
	}
	return k.words.say(lang, "exports.col."+string(key))
}

func (k *console) exports(c *fiber.Ctx, who service.Staff) error {
	return k.exportsPage(c, who, store.Approval{}, nil)
}

func (k *console) exportsPage(c *fiber.Ctx, who service.Staff, form store.Approval, pr *problem) error {
	as, err := k.Service.Approvals(c.UserContext(), who)
	if err != nil {
		return err
	}
	runs, err := k.Service.ExportRuns(c.UserContext(), who)
	if err != nil {
		return err
	}
	lang, today := k.lang(c), k.Service.Today()
	v := exportsView{Approve: mayOf(who).Approve, Form: form, Schools: k.Service.Schools(who), Grades: seq(1, 12)}
	if t, ok := parseDate(today); ok {
		v.TodayPlus = registry.Date(t.AddDate(0, 1, 0).Format(time.DateOnly))
	}
	for _, i := range runs {
		v.Runs = append(v.Runs, exportRunOf(i))
	}
	for _, a := range as {
		row := approvalRow{Approval: a, State: "good"}
		switch {
		case !a.RevokedAt.IsZero():
			row.State = "ended"
		case a.Until < today:
			row.State = "over"
		}
		for _, f := range a.Fields {
			item, _ := registry.FieldOf(f)
			row.Cols = append(row.Cols, strings.TrimSpace(k.ofGuardian(lang, item)+" "+k.columnTitle(lang, f)))
		}
		v.Rows = append(v.Rows, row)
	}
	chosen := map[registry.FieldKey]bool{}
	for _, f := range form.Fields {
		chosen[f] = true
	}
	for _, key := range service.Exportable() {
		f, _ := registry.FieldOf(key)
		v.Columns = append(v.Columns, exportColumn{Key: key, Title: k.columnTitle(lang, key), Of: k.ofGuardian(lang, f), On: chosen[key]})
	}
	return k.show(c, &who, "exports", "exports.title", v, withProblem(pr))
}

func (k *console) putApproval(c *fiber.Ctx, who service.Staff) error {
	a := store.Approval{No: c.FormValue("no"), To: c.FormValue("to"), Purpose: c.FormValue("purpose"), School: k.schoolOf(who, c.FormValue("school")), Grade: formInt(c, "grade"),
		Until: registry.Date(c.FormValue("until"))}
	form, err := c.MultipartForm()
	if err != nil {
		return &registry.Error{Code: registry.CodeInvalid, Field: "scan"}
	}
	for _, f := range form.Value["field"] {
		a.Fields = append(a.Fields, registry.FieldKey(f))
	}
	err = &registry.Error{Code: registry.CodeInvalid, Field: "scan"}
	if hs := form.File["scan"]; len(hs) > 0 && hs[0].Size > 0 {
		f, e := hs[0].Open()
		if e != nil {
			return e
		}
		err = k.Service.PutApproval(c.UserContext(), who, a, hs[0].Header.Get(fiber.HeaderContentType), f)
		f.Close()
	}
	switch {
	case err == nil:
		return k.done(c, "/exports", flash{Key: "exports.put"})
	case registry.CodeOf(err) == registry.CodeConflict:
		c.Status(fiber.StatusConflict)
		return k.exportsPage(c, who, a, &problem{Title: k.words.say(k.lang(c), "exports.taken"), Field: "no"})
	case correctable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return k.exportsPage(c, who, a, k.problem(c, err))
	}
	return err
}

func (k *console) revokeApproval(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.RevokeApproval(c.UserContext(), who, c.FormValue("no")); err != nil {
		return err
	}
	return k.done(c, "/exports", flash{Key: "exports.revoked"})
}

// exportList is a POST: no link or prefetch takes a list out.
func (k *console) approvalForm(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.ApprovalForm(c.UserContext(), who, c.Query("no"))
	return k.pdf(c, "approval.pdf", b, err)
}
