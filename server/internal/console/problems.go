package console

import (
	"net/url"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// problemsView is the queue of 问题学籍.
type problemsView struct {
	service.ProblemQueue
	Ask   service.ProblemAsk
	Lines []problemLine
	Kinds []problemTab
	Turns []problemTab
	Do    bool // the reader's unit says how one is to be ended
}

type problemTab struct {
	Name, Href string
	N          int
	On         bool
}

// problemLine is one on screen.
type problemLine struct {
	caseView
	Name    string
	Turn    string
	Days    int
	Problem registry.Problem
	Signs   []string
	Mine    bool
	Ways    []string
	Resolve string
}

var problemKinds = []registry.ProblemKind{registry.ProblemWrongID, registry.ProblemDoubleID, registry.ProblemDoubleNoID}

func (k *console) problems(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Act {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	ask := service.ProblemAsk{Kind: registry.ProblemKind(c.Query("kind")), School: registry.Unit(c.Query("school")), Turn: c.Query("turn"), Done: c.Query("state") == "done"}
	q, err := k.Service.Problems(c.UserContext(), who, ask)
	if err != nil {
		return err
	}
	v := problemsView{ProblemQueue: q, Ask: ask}
	link := func(kind, turn, school string, done bool) string {
		u := url.Values{}
		for name, val := range map[string]string{"kind": kind, "turn": turn, "school": school} {
			if val != "" {
				u.Set(name, val)
			}
		}
		if done {
			u.Set("state", "done")
		}
		if len(u) == 0 {
			return "/problems"
		}
		return "/problems?" + u.Encode()
	}
	v.Kinds = append(v.Kinds, problemTab{"", link("", ask.Turn, string(ask.School), ask.Done), q.Total, ask.Kind == ""})
	for _, x := range problemKinds {
		v.Kinds = append(v.Kinds, problemTab{string(x), link(string(x), ask.Turn, string(ask.School), ask.Done), q.Kinds[x], ask.Kind == x})
	}
	for _, x := range []string{"", service.TurnSchool, service.TurnAuthority, service.TurnAbove} {
		n := q.Turns[x]
		if x == "" {
			n = q.Total
		}
		v.Turns = append(v.Turns, problemTab{x, link(string(ask.Kind), x, string(ask.School), false), n, !ask.Done && ask.Turn == x})
	}
	v.Turns = append(v.Turns, problemTab{"done", link(string(ask.Kind), "", string(ask.School), true), -1, ask.Done})
	lang := k.lang(c)
	for _, r := range q.Rows {
		l := problemLine{caseView: k.caseView(lang, who, r.UID, r.Case), Name: r.Name, Turn: r.Turn, Days: r.Days, Problem: *r.Case.Problem}
		l.Mine = l.Now != nil && l.Now.Unit == who.Unit
		for _, s := range l.Problem.Reasons {
			if key := "match." + s; k.words.has(lang, key) {
				l.Signs = append(l.Signs, key)
			}
		}
		switch {
		case l.Problem.Way != "":
			l.Ways = []string{string(l.Problem.Way)}
		case l.Problem.Kind == registry.ProblemWrongID:
			l.Ways = []string{string(registry.WayCorrect), string(registry.WayErase)}
		default:
			l.Ways = []string{string(registry.WayEvidence), string(registry.WayCorrect), string(registry.WayErase)}
		}
		if l.Mine && l.Turn == service.TurnSchool && mayOf(who).Keep {
			l.Resolve, v.Do = "/pupils/"+string(r.UID)+"/act/resolve", true
		}
		v.Lines = append(v.Lines, l)
	}
	return k.show(c, &who, "problems", "problems.title", v)
}
