package console

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// supervising is what a role is offered of supervision; internal/access decides again.
func (m *may) supervising(who service.Staff) {
	school := who.Unit.IsSchool()
	switch who.Role {
	case registry.RoleRegistrar:
		m.Findings = school
	case registry.RoleLeader:
		m.Findings, m.ReportStaff = school, school
	case registry.RoleOfficer:
		m.Findings, m.Correct, m.ReportStaff, m.Inspect = !school, !school, !school, !school
	}
}

func (k *console) mountSupervision(r fiber.Router) {
	r.Get("/absences", k.staff(k.absences))
	r.Get("/supervise", k.staff(k.board))
	r.Post("/supervise/refresh", k.staff(k.refreshBoard))
	r.Get("/supervise/refresh/state", k.staff(k.lookState))
	r.Post("/supervise/refresh/cancel", k.staff(k.cancelLook))
	r.Get("/supervise/findings", k.staff(k.findingList))
	r.Post("/supervise/findings", k.staff(k.addFinding))
	r.Post("/supervise/findings/close", k.staff(k.closeFinding))
	r.Get("/supervise/orders", k.staff(k.corrections))
	r.Post("/supervise/orders", k.staff(k.issueOrder))
	r.Get("/supervise/orders/:no", k.staff(k.correction))
	r.Get("/supervise/orders/:no/order.pdf", k.staff(k.orderPDF))
	r.Get("/supervise/orders/:no/files/:digest", k.staff(k.orderFile))
	r.Post("/supervise/orders/:no/answer", k.staff(k.answerOrder))
	r.Post("/supervise/orders/:no/judge", k.staff(k.judgeOrder))
	r.Get("/supervise/inspection.pdf", k.staff(k.inspectionPDF))
	r.Get("/supervise/parents.pdf", k.staff(k.parentsPDF))
	r.Get("/statistics", k.staff(k.statistics))
	r.Get("/statistics.xlsx", k.staff(k.statisticsBook))
	r.Get("/letters", k.staff(k.letters))
	r.Get("/letters/letter.pdf", k.staff(k.letterPDF))
	r.Post("/letters", k.staff(k.markLetter))
	r.Get("/staff-register", k.staff(k.staffRegister))
	r.Get("/staff-register/register.pdf", k.staff(k.staffRegisterPDF))
	r.Get("/staff-register/register.xlsx", k.staff(k.staffRegisterBook))
	r.Post("/staff-register", k.staff(k.markStaffRegister))
	r.Post("/staff-register/find", k.findAt(func(m may) bool { return m.ReportStaff }, "/staff-register"))
}

// barWidth is how long the longest bar of the board is, in pixels.
const barWidth = 150

type boardRow struct {
	service.BoardUnit
	All, Red int // lengths of the bar
}

type boardView struct {
	service.Board
	Kinds []supervise.Kind
	Rows  []boardRow
	More  int // units without findings, not listed
	Look  *checkView
}

func (k *console) board(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.Board(c.UserContext(), who)
	if err != nil {
		return err
	}
	v := boardView{Board: b, Kinds: supervise.Kinds}
	most := 1
	for _, u := range b.Units {
		most = max(most, u.Counts[0].N)
	}
	for i, u := range b.Units {
		if u.Counts[0].N == 0 && i > 0 && len(b.Units) > 60 {
			v.More++
			continue
		}
		row := boardRow{BoardUnit: u, All: u.Counts[0].N * barWidth / most, Red: u.Counts[0].Severe * barWidth / most}
		if u.Counts[0].N > 0 {
			row.All = max(row.All, 3)
		}
		if u.Counts[0].Severe > 0 {
			row.Red = max(row.Red, 3)
		}
		v.Rows = append(v.Rows, row)
	}
	if v.Look, err = k.lastLook(c, who); err != nil {
		return err
	}
	return k.show(c, &who, "supervise", "supervise.title", v, withRefresh(v.Look != nil && v.Look.Running))
}

func (k *console) refreshBoard(c *fiber.Ctx, who service.Staff) error {
	later, err := k.Service.RefreshFindings(c.UserContext(), who)
	if err != nil {
		return err
	}
	if later {
		return c.Redirect("/supervise", fiber.StatusSeeOther)
	}
	return k.done(c, "/supervise", flash{Key: "supervise.refreshed"})
}

// lastLook is nil before the first.
func (k *console) lastLook(c *fiber.Ctx, who service.Staff) (*checkView, error) {
	i, err := k.Service.LastLook(c.UserContext(), who)
	if err != nil || i == nil {
		return nil, err
	}
	return k.checkOf(c, i), nil
}

func (k *console) lookState(c *fiber.Ctx, who service.Staff) error {
	v, err := k.lastLook(c, who)
	if err != nil {
		return err
	}
	return v.state(c)
}

func (k *console) cancelLook(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.CancelLook(c.UserContext(), who); err != nil {
		return err
	}
	return k.done(c, "/supervise", flash{Key: "look.was_cancelled"})
}

// findingPage is how many findings a page lists.
const findingPage = 100

type findingsView struct {
	Rows   []service.FindingRow
	Unit   registry.Unit
	Kind   supervise.Kind
	Kinds  []supervise.Kind
	Order  bool // the unit may be ordered to correct
	Text   string
	Prev   string
	Next   string
	First  int
	Last   int
	Total  string
	Back   string
	Choose bool // an order goes to one unit: choose it first
}

func (k *console) findingList(c *fiber.Ctx, who service.Staff) error {
	return k.findingsPage(c, who, registry.Unit(c.Query("unit")), supervise.Kind(c.QueryInt("kind")), "", nil)
}

func (k *console) findingsPage(c *fiber.Ctx, who service.Staff, unit registry.Unit, kind supervise.Kind, text string, pr *problem) error {
	if kind != 0 && !kind.Valid() {
		return registry.ErrNotFound
	}
	page := max(1, c.QueryInt("page"))
	rows, err := k.Service.FindingList(c.UserContext(), who, unit, kind, findingPage+1, (page-1)*findingPage)
	if err != nil {
		return err
	}
	v := findingsView{Unit: unit, Kind: kind, Kinds: supervise.Kinds, Text: text, First: (page-1)*findingPage + 1}
	link := func(n int) string {
		return "/supervise/findings?" + url.Values{"unit": {string(unit)}, "kind": {strconv.Itoa(int(kind))}, "page": {strconv.Itoa(n)}}.Encode()
	}
	if page > 1 {
		v.Prev = link(page - 1)
	}
	if len(rows) > findingPage {
		rows, v.Next = rows[:findingPage], link(page+1)
	}
	v.Rows, v.Last = rows, (page-1)*findingPage+len(rows)
	v.Order = unit != "" && mayOf(who).Correct && registry.Above(k.Service.Directory(), unit) == who.Unit
	v.Choose = unit == "" && mayOf(who).Correct && len(rows) > 0
	return k.show(c, &who, "findings", "findings.title", v, withActive("supervise"), withProblem(pr))
}

func (k *console) addFinding(c *fiber.Ctx, who service.Staff) error {
	unit := registry.Unit(c.FormValue("unit"))
	err := k.Service.AddFinding(c.UserContext(), who, unit, c.FormValue("words"))
	if correctable(err) && mayOf(who).Correct {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.findingsPage(c, who, unit, 0, "", &problem{Title: k.words.say(k.lang(c), "findings.say"), Field: "words"})
	}
	if err != nil {
		return err
	}
	return k.done(c, "/supervise/findings?unit="+url.QueryEscape(string(unit)), flash{Key: "findings.added"})
}

func (k *console) closeFinding(c *fiber.Ctx, who service.Staff) error {
	unit := registry.Unit(c.FormValue("unit"))
	if err := k.Service.CloseFinding(c.UserContext(), who, unit, c.FormValue("id")); err != nil {
		return err
	}
	return k.done(c, "/supervise/findings?unit="+url.QueryEscape(string(unit)), flash{Key: "findings.closed"})
}

func (k *console) corrections(c *fiber.Ctx, who service.Staff) error {
	rows, err := k.Service.Corrections(c.UserContext(), who)
	if err != nil {
		return err
	}
	return k.show(c, &who, "orders", "orders.title", fiber.Map{"Rows": rows, "Today": k.Service.Today()}, withActive("supervise"))
}

func (k *console) issueOrder(c *fiber.Ctx, who service.Staff) error {
	to, words := registry.Unit(c.FormValue("unit")), c.FormValue("text")
	var kinds []supervise.Kind
	for _, v := range formValues(c, "kind") {
		n, _ := strconv.Atoi(v)
		kinds = append(kinds, supervise.Kind(n))
	}
	no, err := k.Service.IssueOrder(c.UserContext(), who, to, kinds, formValues(c, "finding"), words)
	if correctable(err) && mayOf(who).Correct && registry.CodeOf(err) == registry.CodeInvalid {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.findingsPage(c, who, to, 0, words, &problem{Title: k.words.say(k.lang(c), "orders.say"), Field: "text"})
	}
	if err != nil {
		return err
	}
	return k.done(c, "/supervise/orders/"+no, flash{Key: "orders.issued", Href: "/supervise/orders/" + no + "/order.pdf", Open: "orders.print"})
}

type orderView struct {
	supervise.Order
	Answer, Judge, Again bool
	Clock                clock
	Overdue              bool
	Words                string // as written, when the form comes back
}

func (k *console) correction(c *fiber.Ctx, who service.Staff) error {
	return k.correctionPage(c, who, "", nil)
}

func (k *console) correctionPage(c *fiber.Ctx, who service.Staff, words string, pr *problem) error {
	o, err := k.Service.Correction(c.UserContext(), who, c.Params("no"))
	if err != nil {
		return err
	}
	v := orderView{Order: o, Words: words, Overdue: o.Overdue(k.Service.Today()), Clock: k.clock(k.lang(c), o.Rounds[len(o.Rounds)-1].On, o.DueOn, o.Unsure)}
	v.Answer = o.To == who.Unit && o.State == supervise.Open
	v.Judge = o.By == who.Unit && o.State != supervise.Closed && mayOf(who).Correct
	v.Again = v.Judge && (o.State == supervise.Answered || v.Overdue)
	return k.show(c, &who, "order", "order.title", v, withActive("supervise"), withProblem(pr))
}

func (k *console) orderPDF(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.OrderPaper(c.UserContext(), who, c.Params("no"))
	return k.pdf(c, c.Params("no")+".pdf", b, err)
}

func (k *console) orderFile(c *fiber.Ctx, who service.Staff) error {
	f, err := k.Service.OrderFile(c.UserContext(), who, c.Params("no"), c.Params("digest"))
	if err != nil {
		return err
	}
	return sendFile(c, f.Type, "inline", "answer", f.Body)
}

// chosen opens the files of a field of a form that hold something; done closes them, and is never nil.
func chosen(c *fiber.Ctx, field string) (files []service.Upload, done func(), err error) {
	var open []io.Closer
	done = func() {
		for _, f := range open {
			_ = f.Close()
		}
	}
	form, err := c.MultipartForm()
	if err != nil { // a form without files
		return nil, done, nil
	}
	for _, h := range form.File[field] {
		if h.Size == 0 {
			continue
		}
		f, err := h.Open()
		if err != nil {
			return nil, done, err
		}
		open = append(open, f)
		files = append(files, service.Upload{Name: h.Filename, Type: h.Header.Get(fiber.HeaderContentType), Body: f})
	}
	return files, done, nil
}

func (k *console) answerOrder(c *fiber.Ctx, who service.Staff) error {
	files, done, err := chosen(c, "file")
	defer done()
	if err != nil {
		return err
	}
	words := c.FormValue("answer")
	err = k.Service.AnswerOrder(c.UserContext(), who, c.Params("no"), words, files)
	return k.ordered(c, who, err, words, "order.answered")
}

func (k *console) judgeOrder(c *fiber.Ctx, who service.Staff) error {
	again, words, key := c.FormValue("again") != "", c.FormValue("words"), "order.closed"
	if again {
		key = "order.repeated"
	}
	return k.ordered(c, who, k.Service.JudgeOrder(c.UserContext(), who, c.Params("no"), again, words), words, key)
}

// ordered leads back to the order, or says above its form, which keeps the words, what is wanting.
func (k *console) ordered(c *fiber.Ctx, who service.Staff, err error, words, key string) error {
	if registry.CodeOf(err) == registry.CodeInvalid || registry.CodeOf(err) == registry.CodeWrongState {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.correctionPage(c, who, words, k.problem(c, err))
	}
	if err != nil {
		return err
	}
	return k.done(c, "/supervise/orders/"+c.Params("no"), flash{Key: key})
}

func (k *console) inspectionPDF(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.InspectionReport(c.UserContext(), who)
	return k.pdf(c, "inspection.pdf", b, err)
}

func (k *console) parentsPDF(c *fiber.Ctx, who service.Staff) error {
	lang := c.Query("lang")
	if lang == "" {
		lang = k.lang(c)
	}
	b, err := k.Service.ParentLetter(c.UserContext(), who, lang)
	return k.pdf(c, "parents-"+lang+".pdf", b, err)
}

func (k *console) letters(c *fiber.Ctx, who service.Staff) error {
	rows, err := k.Service.Letters(c.UserContext(), who)
	if err != nil {
		return err
	}
	words := map[string]string{}
	for _, r := range rows {
		words[r.Term.ID] = k.term(k.lang(c), r.Term.ID)
	}
	return k.show(c, &who, "letters", "letters.title", fiber.Map{"Rows": rows, "Words": words}, withActive("supervise"))
}

func (k *console) letterPDF(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.LetterPaper(c.UserContext(), who, registry.Unit(c.Query("school")), c.Query("term"))
	return k.pdf(c, "letter-"+c.Query("term")+".pdf", b, err)
}

func (k *console) markLetter(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.MarkLetter(c.UserContext(), who, registry.Unit(c.FormValue("school")), c.FormValue("term")); err != nil {
		return err
	}
	return k.done(c, "/letters", flash{Key: "letters.marked"})
}

func (k *console) staffRegister(c *fiber.Ctx, who service.Staff) error {
	r, err := k.Service.StaffRegister(c.UserContext(), who)
	if err != nil {
		return err
	}
	people := len(r.Rows)
	rows, find := findPerson(k, c, r.Rows, "/staff-register", "/staff-register/find", k.staffText)
	r.Rows = rows
	return k.show(c, &who, "staffregister", "staffreg.title", fiber.Map{"R": r, "People": people, "Find": find, "Own": who.Unit}, withActive("staff"))
}

func (k *console) staffRegisterPDF(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.StaffRegisterPaper(c.UserContext(), who)
	return k.pdf(c, "staff-register.pdf", b, err)
}

func (k *console) staffRegisterBook(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.StaffRegisterBook(c.UserContext(), who)
	if err != nil {
		return err
	}
	return sendFile(c, xlsxType, "attachment", "staff-register.xlsx", b)
}

func (k *console) markStaffRegister(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.MarkStaffRegister(c.UserContext(), who, registry.Unit(c.FormValue("unit"))); err != nil {
		return err
	}
	return k.done(c, "/staff-register", flash{Key: "staffreg.marked"})
}

// Statistics ----------------------------------------------------------------------------------------------------------------------------------------------

// chart is the year's flow as columns, drawn here: a page needs no script for it.
type chart struct {
	W, H   int
	Lines  []chartMark // numbers at the left
	Bars   []chartBar
	Months []chartMark
}

type chartBar struct {
	X, Y, W, H int
	Kind       string // "in", "out", "inner"
	N          int
}

type chartMark struct {
	X, Y int
	Text string
}

// schoolYear are the months of a school year, September to August, each with what is known of it.
func schoolYear(year int, months []service.MonthFlow) []service.MonthFlow {
	out := make([]service.MonthFlow, 12)
	for i := range out {
		y, m := year, 9+i
		if m > 12 {
			y, m = year+1, m-12
		}
		out[i].Month = fmt.Sprintf("%04d-%02d", y, m)
	}
	for _, f := range months {
		if i := slices.IndexFunc(out, func(o service.MonthFlow) bool { return o.Month == f.Month }); i >= 0 {
			out[i] = f
		} else {
			out = append(out, f)
		}
	}
	return out
}

func (k *console) drawFlows(lang string, months []service.MonthFlow) chart {
	const left, top, height, group = 40, 14, 190, 52
	c := chart{W: left + len(months)*group + 4, H: top + height + 28}
	most := 4
	for _, m := range months {
		most = max(most, m.In, m.Out, m.Inner)
	}
	step := 1
	for s := 1; most/step > 4; s++ {
		step = []int{1, 2, 5}[s%3]
		for range s / 3 {
			step *= 10
		}
	}
	most = (most + step - 1) / step * step
	for n := 0; n <= most; n += step {
		c.Lines = append(c.Lines, chartMark{left, top + height - n*height/most, strconv.Itoa(n)})
	}
	for i, m := range months {
		x := left + i*group + 6
		for j, b := range []chartBar{{Kind: "in", N: m.In}, {Kind: "out", N: m.Out}, {Kind: "inner", N: m.Inner}} {
			if b.N == 0 {
				continue
			}
			b.H = max(2, b.N*height/most)
			b.X, b.Y, b.W = x+j*14, top+height-b.H, 12
			c.Bars = append(c.Bars, b)
		}
		c.Months = append(c.Months, chartMark{x + 20, top + height + 18, k.monthName(lang, m.Month)})
	}
	return c
}

// monthName is a month of "2026-09"; January says its year.
func (k *console) monthName(lang, month string) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	if lang == "en" {
		return t.Format("Jan")
	}
	return strconv.Itoa(int(t.Month())) + " 月"
}

type statisticsView struct {
	service.Statistics
	Find     finder // of Schools
	Chart    chart
	Most     int // the largest group of the bars
	PlaceSay []string
	Heat     [][]heat
	Links    []service.FlowLink
	Standing []standingCount
	Clocks   []clockView
}

type heat struct {
	N    int
	Tone int // 0 none, 1 to 4
}

type standingCount struct {
	Standing registry.Standing
	N        int
}

type clockView struct {
	service.ClockRow
	OnTime, Bar int // per cent, −1 without any; length
}

// standingOrder is the order in which a table names them.
var standingOrder = []registry.Standing{registry.StandingEnrolled, registry.StandingSuspended, registry.StandingDropout, registry.StandingAbroad, registry.StandingDupCheck, registry.StandingSchoolCheck,
	registry.StandingApproval, registry.StandingPromoted, registry.StandingGraduated, registry.StandingCompleted, registry.StandingLeft, registry.StandingDeceased}

func (k *console) statistics(c *fiber.Ctx, who service.Staff) error {
	st, err := k.Service.Statistics(c.UserContext(), who, c.QueryInt("year"))
	if err != nil {
		return err
	}
	lang := k.lang(c)
	v := statisticsView{Statistics: st, Chart: k.drawFlows(lang, schoolYear(st.Year, st.Months)), Most: 1, Links: st.Flows[:min(15, len(st.Flows))]}
	for _, r := range st.Schools {
		v.Most = max(v.Most, r.N)
	}
	v.Schools, v.Find = find(c, st.Schools, "/statistics", map[string]string{"year": strconv.Itoa(st.Year)}, func(r service.StatRow) string { return k.Service.Directory().Name(r.Unit) + " " + string(r.Unit) })
	for _, s := range standingOrder {
		if n := st.Standing[s]; n > 0 {
			v.Standing = append(v.Standing, standingCount{s, n})
		}
	}
	most := 1
	for _, row := range st.Map {
		for _, n := range row {
			most = max(most, n)
		}
	}
	for i, p := range st.Places {
		switch {
		case p == "":
			v.PlaceSay = append(v.PlaceSay, k.words.say(lang, "stats.elsewhere"))
		default: // a county by its office, or by its place
			v.PlaceSay = append(v.PlaceSay, k.Service.Directory().Name(registry.Unit(p)))
		}
		var row []heat
		for _, n := range st.Map[i] {
			h := heat{N: n}
			if n > 0 {
				h.Tone = 1 + min(3, n*4/(most+1))
			}
			row = append(row, h)
		}
		v.Heat = append(v.Heat, row)
	}
	for _, cl := range st.Clocks[:min(80, len(st.Clocks))] {
		x := clockView{ClockRow: cl, OnTime: -1}
		if cl.Done > 0 {
			x.OnTime = (cl.Done - cl.Late) * 100 / cl.Done
			x.Bar = x.OnTime
		}
		v.Clocks = append(v.Clocks, x)
	}
	return k.show(c, &who, "statistics", "stats.title", v)
}

func (k *console) statisticsBook(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.StatisticsBook(c.UserContext(), who, c.QueryInt("year"))
	if err != nil {
		return err
	}
	return sendFile(c, xlsxType, "attachment", "statistics.xlsx", b)
}
