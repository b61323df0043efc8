package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

func urlQuery(s string) string { return url.QueryEscape(s) }

type reviewsView struct {
	Rows     []reviewRow
	Schools  int
	Find     finder
	Term     string
	Open     bool // some school in scope has none this term
	Officer  bool
	Total    int
	Done     int
	Signed   int
	Missing  int
	Terms    []string
	ThisTerm string
}

type reviewRow struct {
	School registry.School
	Run    *store.BulkRun
}

// term is a term in words.
func (k *console) term(lang, period string) string {
	year, n, ok := strings.Cut(period, "-")
	y, err := strconv.Atoi(year)
	if !ok || err != nil {
		return period
	}
	return k.words.say(lang, "reviews.term", "year", y, "next", y+1, "n", k.words.say(lang, "reviews.term."+n))
}

// reviews is the term's review at the schools in scope (Art. 24).
func (k *console) reviews(c *fiber.Ctx, who service.Staff) error {
	runs, err := k.Service.BulkRuns(c.UserContext(), who, store.BulkReview, "")
	if err != nil {
		return err
	}
	v := reviewsView{Officer: !who.Unit.IsSchool(), ThisTerm: service.TermOf(k.Service.Pack(), k.Service.Today())}
	for _, r := range runs {
		if !slices.Contains(v.Terms, r.Period) {
			v.Terms = append(v.Terms, r.Period)
		}
	}
	if !slices.Contains(v.Terms, v.ThisTerm) {
		v.Terms = append(v.Terms, v.ThisTerm)
	}
	slices.Sort(v.Terms)
	slices.Reverse(v.Terms)
	if v.Term = c.Query("term"); !slices.Contains(v.Terms, v.Term) {
		v.Term = v.ThisTerm
	}
	for _, s := range k.Service.Schools(who) {
		row := reviewRow{School: s}
		if i := slices.IndexFunc(runs, func(r store.BulkRun) bool { return r.School == s.Code && r.Period == v.Term }); i >= 0 {
			row.Run = &runs[i]
			v.Total, v.Done = v.Total+row.Run.Total, v.Done+row.Run.Done+row.Run.Failed
			if row.Run.State == store.BulkSigned {
				v.Signed++
			}
		} else if !s.Open() || s.Remote != "" {
			continue
		} else {
			v.Missing++
		}
		v.Rows = append(v.Rows, row)
	}
	v.Open, v.Schools = v.Missing > 0 && v.Term == v.ThisTerm, len(v.Rows)
	v.Rows, v.Find = find(c, v.Rows, "/reviews", map[string]string{"term": v.Term}, func(r reviewRow) string { return schoolText(r.School) })
	return k.show(c, &who, "reviews", "reviews.title", fiber.Map{"V": v, "Term": k.term(k.lang(c), v.Term), "Words": k.termWords(k.lang(c), v.Terms)})
}

func (k *console) termWords(lang string, terms []string) map[string]string {
	out := map[string]string{}
	for _, t := range terms {
		out[t] = k.term(lang, t)
	}
	return out
}

func (k *console) openReviews(c *fiber.Ctx, who service.Staff) error {
	n, err := k.Service.OpenReviews(c.UserContext(), who)
	if err != nil {
		return err
	}
	return k.done(c, "/reviews", flash{Key: "reviews.opened", Args: []string{"n", strconv.Itoa(n)}})
}

type reviewView struct {
	store.BulkRun
	Term    string
	Classes []classProgress
	Class   string
	Grade   int
	Name    string
	Lines   []service.BulkLine
	Mark    bool
	Sign    bool
	Percent int
	Filling bool
}

func (k *console) review(c *fiber.Ctx, who service.Staff) error { return k.reviewShow(c, who, nil) }

func (k *console) reviewShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	run, classes, err := k.Service.BulkRun(c.UserContext(), who, c.Params("id"))
	if err != nil {
		return err
	}
	if run.Kind != store.BulkReview {
		return registry.ErrNotFound
	}
	mine := run.School == who.Unit
	v := reviewView{BulkRun: run, Term: k.term(k.lang(c), run.Period), Classes: classesOf(classes), Class: c.Query("class"), Percent: percent(run.Done+run.Failed, run.Total),
		Mark: mine && who.Role == registry.RoleRegistrar && run.State == store.BulkOpen, Sign: mine && who.Role == registry.RoleLeader && run.State == store.BulkOpen && run.Total > 0,
		Filling: run.State == store.BulkQueued || run.State == store.BulkRunning}
	if v.Class != "" {
		v.Grade, v.Name = service.GroupOf(v.Class)
		if v.Lines, err = k.Service.BulkList(c.UserContext(), who, run.ID, "", v.Class, 500, 0); err != nil {
			return err
		}
	}
	return k.show(c, &who, "review", "reviews.title", v, withActive("reviews"), withProblem(pr), withScript("review"), func(p *page) { p.Again = v.Filling })
}

// markReview takes the word on the ticked records, or from the keyboard on one.
func (k *console) markReview(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Finish {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	var uids []registry.UID
	for _, b := range c.Context().PostArgs().PeekMulti("uid") {
		uids = append(uids, registry.UID(string(b)))
	}
	state, note := c.FormValue("state"), c.FormValue("note")
	if c.FormValue("rest") != "" { // everybody of the class who is not marked yet
		lines, err := k.Service.BulkList(c.UserContext(), who, c.Params("id"), store.RowWaiting, c.FormValue("class"), 500, 0)
		if err != nil {
			return err
		}
		for _, l := range lines {
			uids = append(uids, l.UID)
		}
	}
	to := "/reviews/" + c.Params("id") + "?class=" + urlQuery(c.FormValue("class"))
	if len(uids) == 0 {
		if wantsJSON(c) {
			return &registry.Error{Code: registry.CodeInvalid, Field: "uid"}
		}
		return k.done(c, to, flash{Key: "reviews.nobody"})
	}
	if err := k.Service.MarkReview(c.UserContext(), who, c.Params("id"), uids, state, note); err != nil {
		return err
	}
	if wantsJSON(c) {
		return c.JSON(fiber.Map{"ok": true})
	}
	return c.Redirect(to, fiber.StatusSeeOther)
}

func (k *console) signReview(c *fiber.Ctx, who service.Staff) error {
	err := k.Service.SignReview(c.UserContext(), who, c.Params("id"))
	if registry.CodeOf(err) == registry.CodeWrongState {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.reviewShow(c, who, &problem{Title: k.words.say(k.lang(c), "reviews.not_yet"), Help: k.words.say(k.lang(c), "reviews.not_yet_help")})
	}
	if err != nil {
		return err
	}
	return k.done(c, "/reviews/"+c.Params("id"), flash{Key: "reviews.signed", Href: "/reviews/" + c.Params("id") + "/sheet.pdf", Open: "reviews.sheet"})
}

func (k *console) reviewSheet(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.ReviewSheet(c.UserContext(), who, c.Params("id"), c.Query("class"))
	return k.pdf(c, "review.pdf", b, err)
}
