package console

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/match"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

const duplicatesPage = 30

// reason is one sign, for or against.
type reason struct {
	Key     string
	Against bool
}

func reasonsOf(l service.Likeness) (out []reason) {
	for _, r := range l.Reasons {
		out = append(out, reason{"match." + r, match.Reason(r).Against()})
	}
	return out
}

type likenessRow struct {
	service.Likeness
	Signs []reason
	Href  string
}

// duplicates lists what looks like one child twice (查重, Art. 6).
func (k *console) duplicates(c *fiber.Ctx, who service.Staff) error {
	state := store.SuspicionState(c.Query("state", string(store.SuspicionOpen)))
	switch state {
	case store.SuspicionOpen, store.SuspicionApart, store.SuspicionSame:
	default:
		state = store.SuspicionOpen
	}
	page, _ := strconv.Atoi(c.Query("page"))
	page = max(1, page)
	rows, open, err := k.Service.Duplicates(c.UserContext(), who, state, duplicatesPage+1, (page-1)*duplicatesPage)
	if err != nil {
		return err
	}
	link := func(n int) string { return "/duplicates?state=" + string(state) + "&page=" + strconv.Itoa(n) }
	v := fiber.Map{"Open": open, "State": string(state), "States": []store.SuspicionState{store.SuspicionOpen, store.SuspicionApart, store.SuspicionSame}, "Prev": "", "Next": ""}
	if page > 1 {
		v["Prev"] = link(page - 1)
	}
	if len(rows) > duplicatesPage {
		rows, v["Next"] = rows[:duplicatesPage], link(page+1)
	}
	out := make([]likenessRow, len(rows))
	for i, l := range rows {
		out[i] = likenessRow{l, reasonsOf(l), duplicateHref(l)}
	}
	v["Rows"] = out
	check, err := k.lastCheck(c, who)
	if err != nil {
		return err
	}
	v["Check"] = check
	return k.show(c, &who, "duplicates", "duplicates.title", v, withRefresh(check != nil && check.Running))
}

func duplicateHref(l service.Likeness) string {
	return "/duplicates/" + string(l.UID) + "/" + string(l.Other)
}

// compared is one item side by side.
type compared struct {
	Field registry.Field
	Of    string // whose it is, where it is not the pupil's own
	A, B  string
	Same  bool
	Bold  bool // both are there and differ
}

func (k *console) duplicate(c *fiber.Ctx, who service.Staff) error {
	return k.duplicateShow(c, who, nil)
}

func (k *console) duplicateShow(c *fiber.Ctx, who service.Staff, pr *problem) error {
	l, err := k.Service.Duplicate(c.UserContext(), who, registry.UID(c.Params("a")), registry.UID(c.Params("b")))
	if err != nil {
		return err
	}
	lang := k.lang(c)
	var rows []compared
	for _, key := range service.ComparedFields {
		f, ok := registry.FieldOf(key)
		if !ok || l.A.Values[key] == "" && l.B.Values[key] == "" {
			continue
		}
		r := compared{Field: f, Of: k.ofGuardian(lang, f), A: k.valueWords(lang, f, l.A.Values[key], false), B: k.valueWords(lang, f, l.B.Values[key], false), Same: l.Agree[key]}
		r.Bold = !r.Same && r.A != "" && r.B != ""
		rows = append(rows, r)
	}
	next, free := k.likenessNext(c, who, l)
	v := fiber.Map{"L": l, "Signs": reasonsOf(l), "Rows": rows, "Next": next, "Merge": free && mayOf(who).Judge && l.A.Open && l.B.Open, "Here": duplicateHref(l), "Note": c.FormValue("note")}
	return k.show(c, &who, "duplicate", "duplicates.one", v, withActive("duplicates"), withProblem(pr))
}

// onwards leads to an act on one of two records.
type onwards struct{ Href, Key, No string }

// likenessNext is what the reader may do next about two records that were judged to be one child's: open business first, for nothing else can be done before it is
// over (a newcomer's enrolment is refused there). free: neither has any.
func (k *console) likenessNext(c *fiber.Ctx, who service.Staff, l service.Likeness) (out []onwards, free bool) {
	free = true
	if l.State != store.SuspicionSame {
		return nil, free
	}
	for i, h := range []service.Half{l.A, l.B} {
		if !h.Open {
			continue
		}
		p := registry.Pupil{UID: h.UID, School: h.School, Standing: h.Standing, Lock: h.Lock} // what the acts' conditions ask of it
		side, other := "_a", l.B.UID
		if i == 1 {
			side, other = "_b", l.A.UID
		}
		here := "/pupils/" + string(h.UID)
		if p.Lock != "" {
			out, free = append(out, onwards{here + "/cases/" + string(p.Lock), "merge.open" + side, string(p.Lock)}), false
			continue
		}
		a := k.actorOf(c, who, &p)
		for _, name := range []string{"correct", "problem", "erase"} {
			if !actNamed(name).may(a) {
				continue
			}
			href := here + "/act/" + name
			if name == "problem" {
				href += "?with=" + string(other)
			}
			out = append(out, onwards{href, "merge." + name + side, ""})
		}
	}
	return out, free
}

// duplicateAct answers a posted form on the page of one likeness.
func (k *console) duplicateAct(c *fiber.Ctx, who service.Staff, said string, err error) error {
	if err == nil {
		return k.done(c, "/duplicates/"+c.Params("a")+"/"+c.Params("b"), flash{Key: said})
	}
	switch code := registry.CodeOf(err); {
	case code == registry.CodeConflict:
		c.Status(fiber.StatusConflict)
		return k.duplicateShow(c, who, k.problem(c, err))
	case code == registry.CodeInvalid || code == registry.CodeEvidence:
		c.Status(fiber.StatusUnprocessableEntity)
		return k.duplicateShow(c, who, &problem{Title: k.words.say(k.lang(c), "duplicates.say_why"), Field: "note"})
	}
	return err
}

func (k *console) decideDuplicate(c *fiber.Ctx, who service.Staff) error {
	state := store.SuspicionState(c.FormValue("state"))
	err := k.Service.DecideDuplicate(c.UserContext(), who, registry.UID(c.Params("a")), registry.UID(c.Params("b")), state, strings.TrimSpace(c.FormValue("note")))
	return k.duplicateAct(c, who, "duplicates.done."+string(state), err)
}

func (k *console) proveDuplicate(c *fiber.Ctx, who service.Staff) error {
	a, b := registry.UID(c.Params("a")), registry.UID(c.Params("b"))
	l, err := k.Service.Duplicate(c.UserContext(), who, a, b)
	if err != nil {
		return err
	}
	uid := l.UID
	if !l.A.Open {
		uid = l.Other
	}
	files, err := k.evidence(c, who, uid)
	if err == nil {
		err = k.Service.ProveDuplicate(c.UserContext(), who, a, b, strings.TrimSpace(c.FormValue("note")), files)
	}
	return k.duplicateAct(c, who, "duplicates.proved", err)
}

func (k *console) reopenDuplicate(c *fiber.Ctx, who service.Staff) error {
	err := k.Service.ReopenDuplicate(c.UserContext(), who, registry.UID(c.Params("a")), registry.UID(c.Params("b")))
	return k.duplicateAct(c, who, "duplicates.reopened", err)
}
