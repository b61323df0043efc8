package console

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

const casePageRows = 50

func formInt(c *fiber.Ctx, name string) int {
	n, _ := strconv.Atoi(c.FormValue(name))
	return n
}

// seen is the version that the page showed; 0 when the form did not say.
func seen(c *fiber.Ctx) int64 {
	n, _ := strconv.ParseInt(c.FormValue("seen"), 10, 64)
	return n
}

type caseRowView struct {
	caseView
	Name string
}

// caseKinds is the order in which lists offer the kinds of business.
var caseKinds = []registry.CaseKind{registry.CaseTransfer, registry.CaseAdvance, registry.CaseSuspend, registry.CaseExtend, registry.CaseReturn, registry.CaseEnrol, registry.CaseCorrect,
	registry.CaseArrange, registry.CaseDropout, registry.CaseDropoutReturn, registry.CaseAbroad, registry.CaseHome, registry.CaseRepeat, registry.CaseSkip, registry.CaseFinish,
	registry.CaseProblem, registry.CaseErase, registry.CaseDeath}

func (k *console) cases(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Pupils {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	kind, state := registry.CaseKind(c.Query("kind")), registry.CaseState(c.Query("state", string(registry.CaseOpen)))
	if state == "all" {
		state = ""
	}
	page, _ := strconv.Atoi(c.Query("page"))
	page = max(1, page)
	rows, err := k.Service.Cases(c.UserContext(), who, kind, state, casePageRows+1, (page-1)*casePageRows)
	if err != nil {
		return err
	}
	more := len(rows) > casePageRows
	if more {
		rows = rows[:casePageRows]
	}
	lang := k.lang(c)
	out := make([]caseRowView, len(rows))
	for i, r := range rows {
		out[i] = caseRowView{k.caseView(lang, who, r.UID, r.Case), r.Name}
	}
	link := func(n int) string {
		return "/cases?kind=" + string(kind) + "&state=" + c.Query("state", string(registry.CaseOpen)) + "&page=" + strconv.Itoa(n)
	}
	v := fiber.Map{"Rows": out, "Kind": string(kind), "State": c.Query("state", string(registry.CaseOpen)), "Page": page, "Prev": "", "Next": "",
		"Kinds":  caseKinds,
		"States": []string{string(registry.CaseOpen), string(registry.CaseCompleted), string(registry.CaseRefused), string(registry.CaseWithdrawn), "all"}}
	if page > 1 {
		v["Prev"] = link(page - 1)
	}
	if more {
		v["Next"] = link(page + 1)
	}
	return k.show(c, &who, "cases", "cases.title", v)
}

type onePage struct {
	P           registry.Pupil
	Name        string
	C           caseView
	Turn        *stepClock // the open step's time limit, drawn
	MayDecide   bool
	MayWithdraw bool
	AskClass    bool
	Reasons     []registry.RefusalCode
	History     []entryView
	Refusal     string
	Note, Class string
	Facts       []fact
	Changes     []changeRow
	Papers      []service.FormKind
	Resolve     bool // the school says how a 问题学籍 is to be ended
	Urge        bool // the step was given to who's office
	Checks      []string
	Nameless    bool // opened with another province's card: nobody has said yet whose it is
	MayName     bool
	Birth       registry.Date // that the 学籍号 tells
}

func (k *console) casePage(c *fiber.Ctx, who service.Staff) error {
	return k.caseShow(c, who, nil)
}

func (k *console) caseShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	uid, no := registry.UID(c.Params("uid")), registry.CaseNo(c.Params("no"))
	p, entries, err := k.Service.Pupil(c.UserContext(), who, uid)
	if err != nil {
		return err
	}
	cs := p.Case(no)
	if cs == nil {
		return registry.ErrNotFound
	}
	v := onePage{P: p, Name: p.Form[registry.FName], C: k.caseView(k.lang(c), who, uid, *cs), Reasons: refusals,
		Refusal: c.FormValue("refusal"), Note: c.FormValue("note"), Class: c.FormValue("class", cs.ToClass)}
	v.Turn = k.stepClock(k.lang(c), v.C)
	for _, e := range k.history(k.lang(c), entries, true) {
		if e.CaseNo == no {
			e.CaseNo = "" // it stands at the top of the page
			v.History = append(v.History, e)
		}
	}
	if now := v.C.Now; now != nil && now.Unit == who.Unit && k.mayDecide(who, cs.Kind, now.Party) {
		v.MayDecide, v.AskClass = true, now.Party == registry.PartyReceiver
	}
	lang := k.lang(c)
	a := actor{k: k, who: who, p: &p, pack: k.Service.Pack(), lang: lang}
	v.Facts, v.Papers = k.caseFacts(lang, uid, cs), service.FormsOf(&p, cs)
	v.Facts = append(k.entryFacts(lang, &p, cs), v.Facts...)
	if v.MayDecide {
		v.Checks = k.entryChecks(lang, &p, cs, v.C.Now.Party)
	}
	v.Changes = k.changeRows(lang, cs.Changes, !v.MayDecide && (cs.State != registry.CaseOpen || p.School != who.Unit))
	v.Resolve = p.Lock == no && mayOf(who).Keep && a.ownProblem() != nil
	if esc, yes := a.escalated(); yes && esc == no && who.Role == registry.RoleOfficer {
		v.Urge = true
	}
	if v.Nameless = cs.Nameless(&p); v.Nameless {
		v.MayName, v.MayDecide, v.Birth = cs.To == who.Unit && mayOf(who).Transfer, false, registry.Date(p.Form[registry.FBirth])
	}
	v.MayWithdraw = cs.State == registry.CaseOpen && cs.Starter.Unit == who.Unit && mayOf(who).Act && (cs.Far == nil || cs.Far.WithdrawAt.IsZero())
	return k.show(c, &who, "case", "case.title", v, withActive("cases"), withProblem(pr),
		withTitle(v.Name+" · "+k.words.say(k.lang(c), "kind."+string(cs.Kind))))
}

func (k *console) decide(c *fiber.Ctx, who service.Staff) error {
	uid, no := registry.UID(c.Params("uid")), registry.CaseNo(c.Params("no"))
	lang := k.lang(c)
	here := "/pupils/" + string(uid) + "/cases/" + string(no)
	ev := registry.DecideStep{CaseNo: no, Party: registry.Party(c.FormValue("party")), Note: strings.TrimSpace(c.FormValue("note")), Class: strings.TrimSpace(c.FormValue("class"))}
	key := "case.accepted"
	switch c.FormValue("decision") {
	case "accept":
		ev.Decision, ev.Note = registry.DecisionAccept, ""
	case "refuse":
		ev.Decision, ev.Refusal, ev.Class, key = registry.DecisionRefuse, registry.RefusalCode(c.FormValue("refusal")), "", "case.refused"
		switch {
		case !knownRefusal(ev.Refusal):
			c.Status(fiber.StatusUnprocessableEntity)
			return k.caseShow(c, who, &problem{Title: k.words.say(lang, "refuse.choose"), Field: "refusal"})
		case ev.Refusal == registry.RefuseOther && ev.Note == "":
			c.Status(fiber.StatusUnprocessableEntity)
			return k.caseShow(c, who, &problem{Title: k.words.say(lang, "refuse.say_why"), Field: "note"})
		}
	default:
		return &registry.Error{Code: registry.CodeInvalid, Field: "decision"}
	}
	p, err := k.Service.Act(c.UserContext(), who, uid, seen(c), ev)
	switch {
	case err == nil:
		if cs := p.Case(no); key == "case.accepted" && cs != nil && cs.State == registry.CaseCompleted {
			key = "case.accepted_last"
		}
		return k.done(c, here, flash{Key: key})
	case correctable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return k.caseShow(c, who, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, here, err)
}

// nameFar enters the name that the registrar reads in the papers of a pupil whose card is another province's.
func (k *console) nameFar(c *fiber.Ctx, who service.Staff) error {
	uid, no := registry.UID(c.Params("uid")), registry.CaseNo(c.Params("no"))
	here := "/pupils/" + string(uid) + "/cases/" + string(no)
	_, err := k.Service.Act(c.UserContext(), who, uid, seen(c), registry.NameFar{CaseNo: no, Name: strings.TrimSpace(c.FormValue("name")), Birth: registry.Date(c.FormValue("birth"))})
	switch {
	case err == nil:
		return k.done(c, here, flash{Key: "far.named"})
	case correctable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return k.caseShow(c, who, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, here, err)
}

func (k *console) withdraw(c *fiber.Ctx, who service.Staff) error {
	uid, no := registry.UID(c.Params("uid")), registry.CaseNo(c.Params("no"))
	here := "/pupils/" + string(uid) + "/cases/" + string(no)
	_, err := k.Service.Act(c.UserContext(), who, uid, seen(c), registry.Withdraw{CaseNo: no, Note: strings.TrimSpace(c.FormValue("note"))})
	switch {
	case err == nil:
		return k.done(c, here, flash{Key: "case.withdrawn"})
	case correctable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return k.caseShow(c, who, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, here, err)
}

func (k *console) caseReceiptPDF(c *fiber.Ctx, who service.Staff) error {
	no := registry.CaseNo(c.Params("no"))
	b, err := k.Service.CaseReceipt(c.UserContext(), who, registry.UID(c.Params("uid")), no)
	return k.pdf(c, string(no)+".pdf", b, err)
}
