package console

import (
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

func (m may) numbers() bool { return m.Numbers }

// numbersView is the page of official numbers in a batch.
type numbersView struct {
	service.NumberList
	Shown     []store.Summary
	Approvals []store.Approval
	Answers   []answerView
	Give      int
	Doubt     int
	Stop      int
	Ref       string
	Runs      []store.BulkRun
}

type answerView struct {
	service.NumberAnswer
	Why string
}

// numbersShown is how many names the page lists before the workbook does.
const numbersShown = 100

func (k *console) numbers(c *fiber.Ctx, who service.Staff) error {
	return k.numbersShow(c, who, numbersView{}, nil)
}

func (k *console) numbersShow(c *fiber.Ctx, who service.Staff, v numbersView, pr *problem) error {
	ctx := c.UserContext()
	var err error
	if v.NumberList, err = k.Service.NumberList(ctx, who); err != nil {
		return err
	}
	v.Shown = v.Ready[:min(len(v.Ready), numbersShown)]
	all, err := k.Service.Approvals(ctx, who)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.RevokedAt.IsZero() && a.Until >= k.Service.Today() && covers(a.Fields, v.Fields) {
			v.Approvals = append(v.Approvals, a)
		}
	}
	if v.Runs, err = k.Service.NumberRuns(ctx, who); err != nil {
		return err
	}
	return k.show(c, &who, "numbers", "numbers.title", v, withProblem(pr))
}

func covers(have, need []registry.FieldKey) bool {
	set := map[registry.FieldKey]bool{}
	for _, f := range have {
		set[f] = true
	}
	for _, f := range need {
		if !set[f] {
			return false
		}
	}
	return true
}

// numberBook hands the list out, under an approval.
func (k *console) numberBook(c *fiber.Ctx, who service.Staff) error {
	no := strings.Clone(c.FormValue("no"))
	b, copyNo, err := k.Service.NumberBook(c.UserContext(), who, no)
	if correctable(err) {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.numbersShow(c, who, numbersView{}, k.problem(c, err))
	}
	if err != nil {
		return err
	}
	return sendFile(c, xlsxType, "attachment", fmt.Sprintf("xueji-numbers-%d.xlsx", copyNo), b)
}

// numberRead shows what the answers would lead to.
func (k *console) numberRead(c *fiber.Ctx, who service.Staff) error {
	refused := func(pr *problem) error {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.numbersShow(c, who, numbersView{}, pr)
	}
	h, err := c.FormFile("workbook")
	if err != nil || h.Size == 0 {
		return refused(&problem{Title: k.words.say(k.lang(c), "enrol.no_file"), Help: k.words.say(k.lang(c), "enrol.no_file_help")})
	}
	f, err := h.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := k.Service.ReadNumbers(c.UserContext(), who, f)
	if err != nil {
		if correctable(err) {
			return refused(&problem{Title: k.words.say(k.lang(c), "numbers.bad_book"), Help: k.workbookProblem(c, err).Help})
		}
		return err
	}
	v := numbersView{Ref: strings.TrimSpace(c.FormValue("ref"))}
	for _, r := range rows {
		a := answerView{NumberAnswer: r, Why: k.answerFault(c, r.Err)}
		switch {
		case r.Err != nil:
			v.Stop++
		case r.Passed:
			v.Give++
		default:
			v.Doubt++
		}
		v.Answers = append(v.Answers, a)
	}
	return k.numbersShow(c, who, v, nil)
}

// answerFault says why nothing comes of a row, and who mends it.
func (k *console) answerFault(c *fiber.Ctx, err error) string {
	if err == nil {
		return ""
	}
	var why, row string
	if e, ok := err.(*registry.Error); ok {
		why, row = e.Params["why"], e.Params["row"]
	}
	if key := "numbers.why." + why; k.words.has(k.lang(c), key) {
		return k.words.say(k.lang(c), key, "row", row)
	}
	if registry.CodeOf(err) == registry.CodeNotFound {
		return k.words.say(k.lang(c), "numbers.why.not_found")
	}
	return k.whyNot(c, err)
}

func (k *console) numberStart(c *fiber.Ctx, who service.Staff) error {
	uids := func(name string) (out []registry.UID) {
		for _, v := range formValues(c, name) {
			out = append(out, registry.UID(v))
		}
		return out
	}
	run, err := k.Service.StartNumbers(c.UserContext(), who, strings.Clone(c.FormValue("ref")), uids("give"), uids("doubt"))
	if correctable(err) {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.numbersShow(c, who, numbersView{}, k.problem(c, err))
	}
	return k.toRun(c, run, err)
}
