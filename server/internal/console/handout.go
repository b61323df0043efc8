package console

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// handoutClass is one class's cards that wait to be handed out.
type handoutClass struct {
	Grade int
	Class string
	N     int
	Rows  []store.CardRow
	UIDs  string
}

type handoutView struct {
	Schools []registry.School
	School  string
	Grade   int
	Class   string
	Classes []handoutClass
	Waiting int
	Given   []store.CardRow
	GivenN  int
	// Brief: too many for one page; classes are listed, and open by themselves.
	Brief bool
}

// handoutRows is how many names one page lists.
const handoutRows = 400

// handout lists a school's cards by class: what is to be handed out, and what was signed for.
func (k *console) handout(c *fiber.Ctx, who service.Staff) error { return k.handoutShow(c, who, nil) }

func (k *console) handoutShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	if !mayOf(who).HandOut {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	v := handoutView{Schools: k.Service.Schools(who), School: string(k.schoolOf(who, c.Query("school"))), Grade: gradeOf(c.Query("grade")), Class: strings.TrimSpace(c.Query("class"))}
	if v.School == "" && len(v.Schools) > 0 {
		v.School = string(v.Schools[0].Code)
	}
	if v.School != "" {
		if err := k.handoutLists(c, who, &v); err != nil {
			return err
		}
	}
	return k.show(c, &who, "handout", "handout.title", v, withActive("handout"), withProblem(pr))
}

// handoutLists fills in the cards by class: all names, or, when they are too many, the classes alone.
func (k *console) handoutLists(c *fiber.Ctx, who service.Staff, v *handoutView) error {
	counts, err := k.Service.HeldCounts(c.UserContext(), who, registry.Unit(v.School))
	if err != nil {
		return err
	}
	for _, n := range counts {
		if v.Grade != 0 && v.Grade != n.Grade || v.Class != "" && v.Class != n.Class {
			continue
		}
		v.Waiting, v.GivenN = v.Waiting+n.Waiting, v.GivenN+n.Given
		if n.Waiting > 0 {
			v.Classes = append(v.Classes, handoutClass{Grade: n.Grade, Class: n.Class, N: n.Waiting})
		}
	}
	if v.Brief = v.Waiting > handoutRows; v.Brief {
		return nil
	}
	if v.GivenN > 0 {
		if v.Given, err = k.Service.GivenCards(c.UserContext(), who, registry.Unit(v.School), v.Grade, v.Class); err != nil {
			return err
		}
	}
	if v.Waiting == 0 {
		return nil
	}
	waiting, err := k.Service.HeldCards(c.UserContext(), who, registry.Unit(v.School), v.Grade, v.Class)
	if err != nil {
		return err
	}
	v.Classes, v.Waiting = nil, 0
	for _, row := range waiting {
		n := len(v.Classes)
		if n == 0 || v.Classes[n-1].Grade != row.Grade || v.Classes[n-1].Class != row.Class {
			v.Classes = append(v.Classes, handoutClass{Grade: row.Grade, Class: row.Class})
			n++
		}
		cl := &v.Classes[n-1]
		cl.Rows = append(cl.Rows, row)
		if row.Card.State.Good() {
			v.Waiting++
			cl.UIDs += "," + string(row.UID)
		}
	}
	for i := range v.Classes {
		v.Classes[i].UIDs = strings.TrimPrefix(v.Classes[i].UIDs, ",")
	}
	return nil
}

// handedOut is the receipt of a slip: the pupils ticked, or the whole class.
func (k *console) handedOut(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).HandOut {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	var uids []registry.UID
	if c.FormValue("all") != "" {
		uids = uidsOf(c.FormValue("class_uids"))
	} else {
		for _, b := range c.Context().PostArgs().PeekMulti("uid") {
			uids = append(uids, registry.UID(b))
		}
	}
	back := "/cards/handout?school=" + c.FormValue("school")
	if len(uids) == 0 {
		return k.done(c, back, flash{Key: "handout.nobody"})
	}
	n, err := k.Service.DeliverCards(c.UserContext(), who, uids)
	if err != nil {
		return err
	}
	return k.done(c, back, flash{Key: "handout.done", Args: []string{"n", strconv.Itoa(n)}})
}

// gradeOf reads a grade, 0 for every one.
func gradeOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 12 {
		return 0
	}
	return n
}

// deliverySlip is the paper that a class signs.
func (k *console) deliverySlip(c *fiber.Ctx, who service.Staff) error {
	b, err := k.Service.DeliverySlip(c.UserContext(), who, registry.Unit(c.Query("school")), gradeOf(c.Query("grade")), strings.TrimSpace(c.Query("class")))
	return k.pdf(c, "card-slip.pdf", b, err)
}
