package console

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// runView is an issuing list as its row and its page show it.
type runView struct {
	store.CardRun
	Done    int // of Total, made and left together
	Seconds int // of a card, on average
	Retries int
	Open    bool
}

func runOf(r store.CardRun) runView {
	v := runView{CardRun: r, Done: r.Made + r.Left, Retries: max(0, r.Tries-r.Made), Open: r.ClosedAt.IsZero()}
	if r.Made > 0 {
		v.Seconds = int((r.Millis/int64(r.Made) + 500) / 1000)
	}
	return v
}

type runsView struct {
	Rows    []runView
	Schools []registry.School
	School  string
	Grade   int
	Grades  []int
	Class   string
}

func (k *console) cardRuns(c *fiber.Ctx, who service.Staff) error { return k.runsShow(c, who, nil) }

func (k *console) runsShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	if !mayOf(who).Cards {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	rows, err := k.Service.CardRuns(c.UserContext(), who)
	if err != nil {
		return err
	}
	v := runsView{Schools: k.Service.Schools(who), Grade: gradeOf(c.FormValue("grade", c.Query("grade"))), Grades: seq(1, 12), School: string(k.schoolOf(who, c.FormValue("school", c.Query("school")))), Class: strings.TrimSpace(c.FormValue("class", c.Query("class")))}
	for _, r := range rows {
		v.Rows = append(v.Rows, runOf(r))
	}
	return k.show(c, &who, "cardruns", "runs.title", v, withActive("cards"), withProblem(pr))
}

// newRun plans an issuing list.
func (k *console) newRun(c *fiber.Ctx, who service.Staff) error {
	r, err := k.Service.StartRun(c.UserContext(), who, k.schoolOf(who, c.FormValue("school")), gradeOf(c.FormValue("grade")), strings.TrimSpace(c.FormValue("class")))
	if err != nil {
		if correctable(err) {
			c.Status(fiber.StatusUnprocessableEntity)
			return k.runsShow(c, who, k.problem(c, err))
		}
		return err
	}
	return k.done(c, "/cards/runs/"+r.ID, flash{Key: "runs.started", Args: []string{"n", strconv.Itoa(r.Total)}})
}

// runNames is how many names of a list stand on one page.
const runNames = 100

type runPage struct {
	runView
	Names      []service.RunName
	State      string
	States     []string // tabs
	Prev, Next string
	First      int
	Last       int
	Of         int
	UIDs       string // of the made cards on this page, for their faces
}

func (k *console) cardRun(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Cards {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	id, state := c.Params("id"), c.Query("state")
	switch state {
	case "", store.ItemWaiting, store.ItemMade, store.ItemLeft:
	default:
		state = ""
	}
	at := max(c.QueryInt("at"), 0)
	r, names, err := k.Service.CardRun(c.UserContext(), who, id, state, runNames, at)
	if err != nil {
		return err
	}
	v := runPage{runView: runOf(r), Names: names, State: state, States: []string{"", store.ItemWaiting, store.ItemMade, store.ItemLeft}, First: at + 1, Last: at + len(names)}
	v.Of = map[string]int{"": r.Total, store.ItemWaiting: r.Waiting(), store.ItemMade: r.Made, store.ItemLeft: r.Left}[state]
	page := func(n int) string { return "/cards/runs/" + id + "?state=" + state + "&at=" + strconv.Itoa(n) }
	if at > 0 {
		v.Prev = page(max(at-runNames, 0))
	}
	if v.Last < v.Of {
		v.Next = page(at + runNames)
	}
	var made []string
	for _, n := range names {
		if n.State == store.ItemMade && n.Summary.CardNo != "" {
			made = append(made, string(n.CardItem.UID))
		}
	}
	v.UIDs = strings.Join(made, ",")
	return k.show(c, &who, "cardrun", "runs.title", v, withActive("cards"))
}

// runState is a list's counts, for script.
func (k *console) runState(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Cards {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	r, _, err := k.Service.CardRun(c.UserContext(), who, c.Params("id"), store.ItemLeft, 1, 0)
	if err != nil {
		return err
	}
	v := runOf(r)
	return c.JSON(fiber.Map{"total": v.Total, "made": v.Made, "left": v.Left, "waiting": v.Waiting(), "tries": v.Tries, "spoiled": v.Spoiled, "seconds": v.Seconds})
}

func (k *console) closeRun(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.CloseRun(c.UserContext(), who, c.Params("id")); err != nil {
		return err
	}
	return k.done(c, "/cards/runs/"+c.Params("id"), flash{Key: "runs.closed"})
}

// laneBody is what the issuing screen's readers ask with.
type laneBody struct {
	UID    registry.UID   `json:"uid"`
	Reason string         `json:"reason"`
	Run    string         `json:"run"`
	School registry.Unit  `json:"school"`
	Class  string         `json:"class"`
	Lane   string         `json:"lane"`
	Later  []registry.UID `json:"later"`
}

func (k *console) lane(c *fiber.Ctx, who service.Staff) (laneBody, error) {
	var in laneBody
	if !mayOf(who).Cards {
		return in, &registry.Error{Code: registry.CodeForbidden}
	}
	if err := c.BodyParser(&in); err != nil {
		return in, &registry.Error{Code: registry.CodeInvalid, Field: "lane", Err: err}
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return in, nil
}

// cardNext gives a reader the next name that no other has.
func (k *console) cardNext(c *fiber.Ctx, who service.Staff) error {
	in, err := k.lane(c, who)
	if err != nil {
		return err
	}
	d, err := k.Service.Draw(c.UserContext(), who, service.DrawRequest{Run: in.Run, School: in.School, Class: strings.TrimSpace(in.Class), Lane: in.Lane, Later: in.Later})
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"uid": d.UID, "name": d.Name, "sub": k.grade(k.lang(c), d.Grade) + " " + d.Summary.Class, "left": d.Left})
}

// cardRelease lets a reader's name go.
func (k *console) cardRelease(c *fiber.Ctx, who service.Staff) error {
	in, err := k.lane(c, who)
	if err == nil {
		err = k.Service.ReleaseLane(c.UserContext(), who, in.Lane)
	}
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{})
}

// cardReject puts a chip aside: the next one gets a number of its own.
func (k *console) cardReject(c *fiber.Ctx, who service.Staff) error {
	in, err := k.lane(c, who)
	if err != nil {
		return err
	}
	err = k.Service.SpoilCard(c.UserContext(), who, service.IssueRequest{UID: in.UID, Reason: in.Reason, Run: in.Run, Lane: in.Lane})
	if err != nil && registry.CodeOf(err) != registry.CodeWrongState { // nothing was begun: nothing to put aside
		return err
	}
	return c.JSON(fiber.Map{})
}

// cardLabels prints faces on A4 label sheets.
func (k *console) cardLabels(c *fiber.Ctx, who service.Staff) error {
	uids := uidsOf(c.Query("uid"))
	if len(uids) == 0 {
		return &registry.Error{Code: registry.CodeInvalid, Field: "uid"}
	}
	b, err := k.Service.CardLabels(c.UserContext(), who, uids)
	return k.pdf(c, "card-labels.pdf", b, err)
}

// uidsOf reads a list of pupils, 200 at most.
func uidsOf(s string) []registry.UID {
	var out []registry.UID
	for _, u := range strings.Split(s, ",") {
		if u != "" && len(out) < 200 {
			out = append(out, registry.UID(u))
		}
	}
	return out
}
