package console

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

func itoa(n int) string { return strconv.Itoa(n) }

// mountLife registers the pages of the regulation's acts on one pupil, and the papers that go with them.
func (k *console) mountLife(r fiber.Router) {
	r.Get("/pupils/:uid/act/:act", k.staff(k.why(k.actPage)))
	r.Post("/pupils/:uid/act/:act", k.staff(k.actPost))
	r.Get("/pupils/:uid/papers/:kind", k.staff(k.why(k.paperPDF)))
	r.Post("/duplicates/:a/:b/merge", k.staff(k.mergeDuplicate))
}

// answers are what a page of an act brought back.
type answers struct {
	actor
	c       *fiber.Ctx
	files   []string
	sheet   string
	changes []registry.Change
}

func (in *answers) s(name string) string { return strings.TrimSpace(in.c.FormValue(name)) }
func (in *answers) n(name string) int    { return formInt(in.c, name) }
func (in *answers) date(name string) registry.Date {
	return registry.Date(in.s(name))
}

// names are written with any of the usual marks between them.
func (in *answers) names(name string) []string {
	var out []string
	for _, x := range strings.FieldsFunc(in.s(name), func(r rune) bool { return strings.ContainsRune("、；;，,\n", r) }) {
		if x = strings.TrimSpace(x); x != "" {
			out = append(out, x)
		}
	}
	return out
}

// key: the changes touch what only the authority may change.
func (in *answers) key() bool {
	return slices.ContainsFunc(in.changes, func(c registry.Change) bool { return slices.Contains(in.pack.KeyItems, c.Field) })
}

// itemView is an item of the form that may be, or is to be, changed.
type itemView struct {
	fieldView
	Of   string // whose, where it is a guardian's
	Key  bool
	Now  string // as people read it
	Pick bool
}

type itemGroup struct {
	Name string
	Rows []itemView
}

type actView struct {
	P       registry.Pupil
	Name    string
	Act     string
	Tone    string
	Asks    []ask
	Choose  []itemGroup // which items: the first page of a correction
	Items   []itemView  // the chosen ones, old beside new
	Keyed   bool
	MayPick bool // items may still be chosen
	Seen    int64
	With    string
}

func (k *console) actorOf(c *fiber.Ctx, who service.Staff, p *registry.Pupil) actor {
	return actor{k: k, who: who, p: p, pack: k.Service.Pack(), lang: k.lang(c)}
}

// changeable are the items that a correction may name; the grade is moved by business of its own, a photograph by its delivery.
func changeable(f registry.Field) bool {
	return f.Key != registry.FGrade && f.Key != registry.FPhoto
}

func (k *console) actPage(c *fiber.Ctx, who service.Staff) error {
	x := actNamed(c.Params("act"))
	if x == nil {
		return registry.ErrNotFound
	}
	p, _, err := k.Service.Pupil(c.UserContext(), who, registry.UID(c.Params("uid")))
	if err != nil {
		return err
	}
	if a := k.actorOf(c, who, &p); !x.may(a) {
		if !mayOf(who).Act {
			return &registry.Error{Code: registry.CodeForbidden}
		}
		return &registry.Error{Code: registry.CodeWrongState}
	}
	var items []registry.FieldKey
	for _, b := range c.Context().QueryArgs().PeekMulti("item") {
		items = append(items, registry.FieldKey(b))
	}
	return k.actShow(c, who, p, x, items, nil)
}

// actShow draws the page: with what was typed, when it comes back.
func (k *console) actShow(c *fiber.Ctx, who service.Staff, p registry.Pupil, x *act, items []registry.FieldKey, pr *problem) error {
	a := k.actorOf(c, who, &p)
	v := actView{P: p, Name: p.Form[registry.FName], Act: x.name, Tone: x.tone, Asks: x.asks(a), Seen: p.Version, With: c.Query("with", c.FormValue("with"))}
	posted := c.Method() == fiber.MethodPost
	for i := range v.Asks {
		q := &v.Asks[i]
		q.Label, q.Help = a.askWords(x.name, q.Name), a.askWords(x.name, q.Name+".help")
		switch {
		case posted:
			q.Value = strings.TrimSpace(c.FormValue(q.Name))
		case c.Query(q.Name) != "" && q.Kind != "files" && q.Kind != "sheet":
			q.Value = c.Query(q.Name)
		}
	}
	if x.items != "" {
		if err := k.actItems(c, who, &p, x, items, &v); err != nil {
			return err
		}
	}
	return k.show(c, &who, "act", "act."+x.name, v, withActive("pupils"), withProblem(pr))
}

// askWords are the words of what an act asks: its own where it has them, else those of every act, else none.
func (a actor) askWords(act, name string) string {
	for _, key := range []string{"act." + act + ".f." + name, "act.f." + name} {
		if a.k.words.has(a.lang, key) {
			return a.k.words.say(a.lang, key)
		}
	}
	return ""
}

// actItems lays out the items: those to choose from, or the chosen ones in clear, which is recorded as asked for.
func (k *console) actItems(c *fiber.Ctx, who service.Staff, p *registry.Pupil, x *act, items []registry.FieldKey, v *actView) error {
	lang, pack := k.lang(c), k.Service.Pack()
	one := func(f registry.Field, masked bool) itemView {
		val := p.Form[f.Key]
		iv := itemView{fieldView: k.fieldView(f, val), Key: slices.Contains(pack.KeyItems, f.Key), Now: k.valueWords(lang, f, val, masked), Of: k.ofGuardian(lang, f)}
		if f.Type == registry.TypeCode && !iv.Place {
			iv.fieldView.Items = registry.List(f.List)
		}
		return iv
	}
	if len(items) == 0 && (x.items == "must" || c.Query("pick") != "") {
		for _, g := range formGroups {
			ig := itemGroup{Name: g}
			for _, f := range registry.Fields {
				if f.Group == g && changeable(f) {
					ig.Rows = append(ig.Rows, one(f, true))
				}
			}
			v.Choose = append(v.Choose, ig)
		}
		return nil
	}
	v.MayPick = x.items == "may" && len(items) == 0
	if len(items) == 0 {
		return nil
	}
	if err := k.Service.Unmask(c.UserContext(), who, p.UID); err != nil {
		return err
	}
	for _, key := range items {
		f, ok := registry.FieldOf(key)
		if !ok || !changeable(f) {
			continue
		}
		iv := one(f, false)
		if c.Method() == fiber.MethodPost {
			iv.Value = strings.TrimSpace(c.FormValue("to." + string(key)))
		}
		v.Items = append(v.Items, iv)
		v.Keyed = v.Keyed || iv.Key
	}
	return nil
}

// sheetOf stores the one file of a form that must be there, such as an agreement.
func (k *console) sheetOf(c *fiber.Ctx, who service.Staff, uid registry.UID, name string) (string, error) {
	form, err := c.MultipartForm()
	if err != nil {
		return "", nil
	}
	for _, h := range form.File[name] {
		if h.Size == 0 {
			continue
		}
		f, err := h.Open()
		if err != nil {
			return "", err
		}
		defer f.Close()
		return k.Service.PutFile(c.UserContext(), who, uid, h.Filename, h.Header.Get(fiber.HeaderContentType), f)
	}
	return "", nil
}

func (k *console) actPost(c *fiber.Ctx, who service.Staff) error {
	x := actNamed(c.Params("act"))
	if x == nil {
		return registry.ErrNotFound
	}
	uid := registry.UID(c.Params("uid"))
	p, _, err := k.Service.Pupil(c.UserContext(), who, uid)
	if err != nil {
		return err
	}
	in := &answers{actor: k.actorOf(c, who, &p), c: c}
	var items []registry.FieldKey
	for _, v := range formValues(c, "item") {
		key := registry.FieldKey(v)
		f, ok := registry.FieldOf(key)
		if !ok || !changeable(f) || slices.Contains(items, key) {
			continue
		}
		items = append(items, key)
		to := in.s("to." + v)
		if f.List == registry.ListRegion {
			to = k.regionOf(to)
		}
		if to != p.Form[key] {
			in.changes = append(in.changes, registry.Change{Field: key, From: p.Form[key], To: to})
		}
	}
	again := func(pr *problem) error {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.actShow(c, who, p, x, items, pr)
	}
	say := func(key, field string) error { return again(&problem{Title: k.words.say(in.lang, key), Field: field}) }
	if x.items == "must" && len(in.changes) == 0 {
		return say("act.nothing", "")
	}
	for _, q := range x.asks(in.actor) {
		if !q.Need || q.Kind == "files" || q.Kind == "sheet" || x.name == "correct" && !in.key() {
			continue
		}
		if in.s(q.Name) == "" {
			return say("act.say", q.Name)
		}
	}
	if in.files, err = k.evidence(c, who, uid); err == nil {
		in.sheet, err = k.sheetOf(c, who, uid, "agreement")
	}
	back := "/pupils/" + string(uid)
	if err == nil && x.do != nil {
		if err = x.do(in); err == nil {
			return k.done(c, back, flash{Key: "act." + x.name + ".done"})
		}
	} else if err == nil {
		var after registry.Pupil
		ev := x.event(in)
		after, err = k.Service.Act(c.UserContext(), who, uid, seen(c), ev)
		if err == nil {
			f := flash{Key: "act." + x.name + ".done"}
			if ev.Kind() == registry.EvAmend {
				f.Key = "act.amend.done"
			}
			if after.Lock != "" {
				back += "/cases/" + string(after.Lock)
				f.Href, f.Open = back+"/receipt.pdf", "case.print_receipt"
				if x.tone == "quiet" {
					f.Href, f.Open = "", ""
				}
			}
			return k.done(c, back, f)
		}
	}
	if registry.CodeOf(err) == registry.CodeNotFound && in.s("school") != "" {
		return say("act.no_school", "school")
	}
	if correctable(err) {
		return again(k.problem(c, err))
	}
	return k.actFailed(c, who, uid, back, err)
}

// paperPDF prints a form of one pupil; the case it belongs to is named in the query.
func (k *console) paperPDF(c *fiber.Ctx, who service.Staff) error {
	kind := strings.TrimSuffix(c.Params("kind"), ".pdf")
	b, err := k.Service.PrintForm(c.UserContext(), who, registry.UID(c.Params("uid")), service.FormKind(kind), registry.CaseNo(c.Query("case")))
	return k.pdf(c, kind+".pdf", b, err)
}

// mergeDuplicate ties two records that were judged to be one person: keep names the one that stays.
func (k *console) mergeDuplicate(c *fiber.Ctx, who service.Staff) error {
	a, b := registry.UID(c.Params("a")), registry.UID(c.Params("b"))
	keep, double := a, b
	if registry.UID(c.FormValue("keep")) == b {
		keep, double = b, a
	}
	reason := strings.TrimSpace(c.FormValue("reason"))
	if reason == "" || registry.UID(c.FormValue("keep")) != keep {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.duplicateShow(c, who, &problem{Title: k.words.say(k.lang(c), "merge.say"), Field: "reason"})
	}
	err := k.Service.Merge(c.UserContext(), who, keep, double, reason)
	switch {
	case err == nil:
		return k.done(c, "/pupils/"+string(keep), flash{Key: "merge.done"})
	case correctable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return k.duplicateShow(c, who, k.problem(c, err))
	}
	return k.actFailed(c, who, keep, "/duplicates/"+string(a)+"/"+string(b), err)
}
