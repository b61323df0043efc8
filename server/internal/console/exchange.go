package console

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// exchanging is what a role is offered of the exchange with other provinces; internal/access decides again.
func (m *may) exchanging(who service.Staff) {
	switch who.Role {
	case registry.RoleOfficer, registry.RoleSecurity:
		m.Exchange = !who.Unit.IsSchool()
	case registry.RoleOperator:
		m.Exchange = true
	}
}

func (k *console) mountExchange(r fiber.Router) {
	r.Get("/transfers/far", k.staff(k.farPage))
	r.Post("/transfers/far", k.staff(k.farStart))
	r.Get("/exchange", k.staff(k.exchange))
	r.Post("/exchange/letters/:peer/:seq", k.staff(k.finishLetter))
	r.Post("/exchange/peers/:province/call", k.staff(k.callPeer))
}

// farView is the form that calls a pupil over from another province.
type farView struct {
	Peers     []store.Peer
	Ways      []registry.CaseKind // 转学, and 升学 where the school begins a stage
	Way       registry.CaseKind
	School    registry.School
	Registry  string
	Number    string
	Name      string
	Birth     string
	Grades    []int
	Grade     int
	Class     string
	Reasons   []string
	Reason    string
	Words     string
	Guardians []string
	Guardian  string
}

func (k *console) farPage(c *fiber.Ctx, who service.Staff) error {
	return k.farShow(c, who, farView{Way: registry.CaseKind(c.Query("way"))}, nil)
}

func (k *console) farShow(c *fiber.Ctx, who service.Staff, v farView, pr *problem) error {
	if !mayOf(who).Transfer {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	var err error
	if v.Peers, err = k.Service.ExchangePeers(c.UserContext()); err != nil {
		return err
	}
	v.School, _ = k.Service.Directory().School(who.Unit)
	v.Ways, v.Grades, v.Reasons, v.Guardians = []registry.CaseKind{registry.CaseTransfer}, gradesOf(v.School), transferReasons, guardianCodes
	if first := k.stagesOf(v.School); len(first) > 0 {
		v.Ways = append(v.Ways, registry.CaseAdvance)
		if v.Way == registry.CaseAdvance {
			v.Grades = first
		}
	}
	if !slices.Contains(v.Ways, v.Way) {
		v.Way = registry.CaseTransfer
	}
	return k.show(c, &who, "far", "far.title", v, withActive("transfer"), withProblem(pr))
}

// stagesOf are the grades of a school that 升学 leads into: each follows a stage's last grade.
func (k *console) stagesOf(s registry.School) (out []int) {
	for _, end := range k.Service.Pack().StageEnds {
		if slices.Contains(gradesOf(s), end+1) {
			out = append(out, end+1)
		}
	}
	return out
}

func (k *console) farStart(c *fiber.Ctx, who service.Staff) error {
	text := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	v := farView{Way: registry.CaseKind(c.FormValue("way")), Registry: c.FormValue("registry"), Number: strings.ToUpper(text("number")), Name: text("name"), Birth: text("birth"), Grade: formInt(c, "grade"), Class: text("class"),
		Reason: c.FormValue("reason"), Words: text("words"), Guardian: c.FormValue("guardian")}
	again := func(pr *problem) error {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.farShow(c, who, v, pr)
	}
	if c.FormValue("consent") == "" {
		return again(&problem{Title: k.words.say(k.lang(c), "transfer.need_consent"), Field: "consent"})
	}
	reason := v.Reason
	if reason == "other" && v.Words != "" {
		reason = v.Words
	}
	files, err := k.evidence(c, who, "")
	if err == nil {
		var uid registry.UID
		var no registry.CaseNo
		uid, no, err = k.Service.CallOver(c.UserContext(), who, registry.CallOver{Way: v.Way, Registry: v.Registry, Number: registry.Number(v.Number), Name: v.Name, Birth: registry.Date(v.Birth), ToGrade: v.Grade,
			ToClass: v.Class, Reason: reason, Guardian: v.Guardian, Evidence: files})
		if err == nil {
			here := "/pupils/" + string(uid) + "/cases/" + string(no)
			return k.done(c, here, flash{Key: "far.started", Href: here + "/receipt.pdf", Open: "case.print_receipt"})
		}
	}
	if correctable(err) || registry.CodeOf(err) == registry.CodeNotFound || registry.CodeOf(err) == registry.CodeDuplicate || registry.CodeOf(err) == registry.CodeLocked {
		return again(k.problem(c, err))
	}
	return err
}

type exchangeView struct {
	service.ExchangeState
	Print   string // fingerprint of the own identity
	Text    string
	Reasons []registry.RefusalCode
	MayCall bool
	Held    []heldView
}

type heldView struct {
	service.HeldLetter
	Why, Help string
}

func (k *console) exchange(c *fiber.Ctx, who service.Staff) error { return k.exchangeShow(c, who, nil) }

func (k *console) exchangeShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	st, err := k.Service.ExchangeState(c.UserContext(), who)
	if err != nil {
		return err
	}
	v := exchangeView{ExchangeState: st, Reasons: refusals, MayCall: who.Role == registry.RoleSecurity}
	if st.Identity != nil {
		v.Print = st.Identity.Fingerprint()
		if v.Text, err = st.Identity.Text(); err != nil {
			return err
		}
	}
	for _, h := range st.Held {
		p := k.problem(c, &registry.Error{Code: h.Code, Params: h.Params})
		v.Held = append(v.Held, heldView{h, p.Title, p.Help})
	}
	return k.show(c, &who, "exchange", "exchange.title", v, withProblem(pr))
}

func (k *console) finishLetter(c *fiber.Ctx, who service.Staff) error {
	seq, err := strconv.ParseUint(c.Params("seq"), 10, 62)
	if err != nil {
		return registry.ErrNotFound
	}
	try := c.FormValue("act") == "try"
	err = k.Service.FinishLetter(c.UserContext(), who, c.Params("peer"), seq, try, registry.RefusalCode(c.FormValue("refusal")), strings.TrimSpace(c.FormValue("note")))
	switch {
	case err == nil && try:
		return k.done(c, "/exchange", flash{Key: "exchange.tried"})
	case err == nil:
		return k.done(c, "/exchange", flash{Key: "exchange.ended"})
	case registry.CodeOf(err) == registry.CodeForbidden:
		return err
	case correctable(err) || registry.CodeOf(err) == registry.CodeConflict || registry.CodeOf(err) == registry.CodeWrongState:
		c.Status(fiber.StatusUnprocessableEntity)
		return k.exchangeShow(c, who, k.problem(c, err))
	}
	return err
}

func (k *console) callPeer(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.CallPeer(c.UserContext(), who, c.Params("province")); err != nil {
		return err
	}
	return k.done(c, "/exchange", flash{Key: "exchange.called"})
}
