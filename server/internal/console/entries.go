package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// mountEntries registers the pages of establishment (Arts 4–6): new pupils of every kind, the queue of 问题学籍, official numbers in a batch, and arrangements that the
// school of study starts.
func (k *console) mountEntries(r fiber.Router) {
	r.Get("/enrol/new", k.only(may.enrols, k.enrolAsk))
	r.Get("/enrol/form", k.only(may.enrols, k.enrolFormPage))
	r.Post("/enrol/search", k.only(may.enrols, k.enrolSearch))
	r.Post("/enrol/form", k.only(may.enrols, k.enrolApart))
	r.Post("/enrol/new", k.only(may.enrols, k.enrolOne))
	r.Get("/problems", k.staff(k.problems))
	r.Get("/numbers", k.only(may.numbers, k.numbers))
	r.Post("/numbers/list", k.only(may.numbers, k.numberBook))
	r.Post("/numbers/read", k.only(may.numbers, k.numberRead))
	r.Post("/numbers", k.only(may.numbers, k.numberStart))
	r.Post("/arrangements/find", k.only(may.transfers, k.arrangeFind))
	r.Post("/arrangements", k.only(may.transfers, k.arrangeStart))
}

// fieldView is an item of the form by hand.
type fieldView struct {
	registry.Field
	Value    string
	Findings []findingView
	Items    []registry.CodeItem
	Input    string // HTML input type
	Place    bool   // a region: its name or its code is typed, and found
	Rule     string // said of this item, instead of what is said of its type
}

// Wrong reports whether what stands there cannot go in; a warning can.
func (v fieldView) Wrong() bool {
	return slices.ContainsFunc(v.Findings, func(f findingView) bool { return !f.Warning })
}

// fieldView is an item with a value, as a form asks for it.
func (k *console) fieldView(f registry.Field, v string) fieldView {
	fv := fieldView{Field: f, Value: v, Input: inputOf(f), Place: f.List == registry.ListRegion}
	if fv.Place {
		fv.Value, fv.Max = k.regionText(k.regionOf(v)), 60
	}
	return fv
}

// findingView is a finding in words, with repairs that one press takes over.
type findingView struct {
	Text    string
	Repairs []string
	Warning bool
}

// inputOf is the HTML input type of an item.
func inputOf(f registry.Field) string {
	switch f.Type {
	case registry.TypeDate:
		return "date"
	case registry.TypeMonth:
		return "month"
	case registry.TypePhone:
		return "tel"
	case registry.TypeMail:
		return "email"
	}
	return "text"
}

type fieldGroup struct {
	Name   string
	Fields []fieldView
	Bad    int
}

// duplicate tells where the person already is.
type duplicate struct {
	School   registry.Unit
	Standing registry.Standing
	Mine     bool
}

// answered is what was answered before the form: it stands in its address and in the form itself.
type answered struct {
	Grade int
	Doc   registry.DocumentKind
	Mode  registry.Mode
	// Free: nothing was answered; it follows from the form, which is asked whole.
	Free bool
}

// answersOf follow from a form that came without them: handed in by another system, or of a page of before.
func answersOf(f registry.Form) answered {
	a := answered{Doc: registry.DocumentKindOf(f), Free: true}
	a.Grade, _ = strconv.Atoi(f[registry.FGrade])
	return a
}

// modeWords: 普通 has an empty code, which no form can send apart from nothing.
const ordinary = "ordinary"

func modeOf(word string) registry.Mode {
	if word == ordinary {
		return registry.ModeOrdinary
	}
	return registry.Mode(word)
}

func wordOf(m registry.Mode) string {
	if m == registry.ModeOrdinary {
		return ordinary
	}
	return string(m)
}

// answers reads them; ok is false while one is missing or is not among those offered.
func (k *console) answered(c *fiber.Ctx, who service.Staff) (a answered, ok bool) {
	get := func(name string) string { return strings.Clone(c.FormValue(name)) }
	a.Grade, _ = strconv.Atoi(get("grade"))
	a.Doc, a.Mode = registry.DocumentKind(get("doc")), modeOf(get("mode"))
	school, _ := k.Service.Directory().School(who.Unit)
	return a, slices.Contains(gradesOf(school), a.Grade) && slices.Contains(registry.DocumentKinds(), a.Doc) && slices.Contains(modesAt(school), a.Mode) && get("mode") != ""
}

// modesAt are the forms of schooling that a new pupil may begin in at a school.
func modesAt(s registry.School) (out []registry.Mode) {
	for _, m := range registry.Modes() {
		if m != registry.ModeReform || s.Kind == registry.KindReform {
			out = append(out, m)
		}
	}
	return out
}

// Query is the answers as they stand in an address.
func (a answered) Query() string {
	return url.Values{"grade": {strconv.Itoa(a.Grade)}, "doc": {string(a.Doc)}, "mode": {wordOf(a.Mode)}}.Encode()
}

// Letter is the letter of the 学籍号 that comes of it.
func (a answered) letter(p *registry.Pack) string {
	f := registry.Form{registry.FIDType: a.Doc.IDTypes()[0], registry.FOverseas: "00"}
	switch a.Doc {
	case registry.DocResident, registry.DocOther:
		f[registry.FIDNumber] = "1"
	case registry.DocHMT, registry.DocForeign:
		f[registry.FOverseas] = "99"
	}
	return string(rune(p.NumberLetter(f)))
}

// askView is the page of questions.
type askView struct {
	answered
	Bad    bool // something was left out
	Grades []askGrade
	Docs   []askDoc
	Modes  []registry.Mode
}

type askGrade struct {
	N     int
	Later bool
}

type askDoc struct {
	Kind   registry.DocumentKind
	Letter string
}

func (k *console) enrolAsk(c *fiber.Ctx, who service.Staff) error {
	return k.enrolAskShow(c, who, false)
}

func (k *console) enrolAskShow(c *fiber.Ctx, who service.Staff, bad bool) error {
	school, _ := k.Service.Directory().School(who.Unit)
	pack := k.Service.Pack()
	v := askView{Bad: bad, Modes: modesAt(school)}
	v.answered, _ = k.answered(c, who)
	for _, g := range gradesOf(school) {
		v.Grades = append(v.Grades, askGrade{g, k.later(answered{Grade: g})})
	}
	for _, d := range registry.DocumentKinds() {
		v.Docs = append(v.Docs, askDoc{d, answered{Doc: d}.letter(pack)})
	}
	return k.show(c, &who, "enrolnew", "entry.title", v, withActive("enrol"))
}

// searchView is the page that looks for somebody before they are entered.
type searchView struct {
	answered
	Summary entrySummary
	F       registry.Form
	Types   []registry.CodeItem
	Numbers bool
	Done    bool
	Hits    []hitView
	Same    bool // one of them holds the same document
}

// hitView is somebody of the register who is, or looks like, the newcomer. No more of them is told than where they are and why.
type hitView struct {
	School   registry.Unit
	Standing registry.Standing
	Same     bool
	Mine     bool
	Signs    []string // catalogue keys
}

// entrySummary says what the answers lead to.
type entrySummary struct {
	answered
	Later  bool
	Letter string
	Chain  []entryParty // who approves, in order
}

type entryParty struct {
	Party registry.Party
	Unit  registry.Unit
}

// summaryOf names the parties as registry.Decide will: the school's leader, the authority, and for a pupil without a document the offices above it up to the province.
func (k *console) entrySummary(who service.Staff, a answered) entrySummary {
	dir, pack := k.Service.Directory(), k.Service.Pack()
	out := entrySummary{answered: a, Later: k.later(a), Letter: a.letter(pack), Chain: []entryParty{{registry.PartySchool, who.Unit}}}
	school, _ := dir.School(who.Unit)
	out.Chain = append(out.Chain, entryParty{registry.PartyAuthority, school.Authority})
	o, ok := dir.Office(school.Authority)
	for ok && pack.NoIDToProvince && a.Doc == registry.DocNone && o.Tier != registry.TierProvince && o.Parent != "" {
		if o, ok = dir.Office(o.Parent); ok {
			party := registry.PartyCityAuth
			if o.Tier == registry.TierProvince {
				party = registry.PartyProvinceAuth
			}
			out.Chain = append(out.Chain, entryParty{party, o.Code})
		}
	}
	return out
}

func (k *console) enrolFormPage(c *fiber.Ctx, who service.Staff) error {
	a, ok := k.answered(c, who)
	if !ok {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.enrolAskShow(c, who, true)
	}
	if k.later(a) { // outside the entry grades one searches first
		return k.searchShow(c, who, searchView{answered: a, F: registry.Form{}}, nil)
	}
	return k.enrolOneShow(c, who, enrolOneView{Summary: k.entrySummary(who, a)}, k.begun(a), nil, nil)
}

// begun is the form as the answers leave it.
func (k *console) begun(a answered) registry.Form {
	f := registry.Form{registry.FIDType: a.Doc.IDTypes()[0], registry.FGrade: strconv.Itoa(a.Grade)}
	if a.Doc != registry.DocForeign {
		f[registry.FCountry] = "156"
	}
	if a.Doc != registry.DocForeign && a.Doc != registry.DocHMT {
		f[registry.FOverseas] = "00"
	}
	today := string(k.Service.Today())
	if len(today) >= 7 && !k.later(a) {
		f[registry.FEnrolMonth] = today[:4] + "-09"
	}
	return f
}

// later: outside the grades in which schooling begins.
func (k *console) later(a answered) bool {
	return !slices.Contains(k.Service.Pack().EntryGrades, a.Grade)
}

func (k *console) searchShow(c *fiber.Ctx, who service.Staff, v searchView, pr *problem) error {
	v.Summary, v.Numbers = k.entrySummary(who, v.answered), v.Doc.Numbered()
	for _, t := range v.Doc.IDTypes() {
		v.Types = append(v.Types, registry.CodeItem{Code: t})
	}
	return k.show(c, &who, "enrolsearch", "entry.search", v, withActive("enrol"), withProblem(pr))
}

// typedForm is what a page typed into the form's items.
func typedForm(c *fiber.Ctx) registry.Form {
	f := registry.Form{}
	for _, field := range registry.Fields {
		if v := strings.TrimSpace(c.FormValue("f." + string(field.Key))); v != "" {
			f[field.Key] = strings.Clone(v)
		}
	}
	return f
}

func (k *console) enrolSearch(c *fiber.Ctx, who service.Staff) error {
	a, ok := k.answered(c, who)
	if !ok {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.enrolAskShow(c, who, true)
	}
	v := searchView{answered: a, F: typedForm(c)}
	if v.F[registry.FIDType] == "" {
		v.F[registry.FIDType] = a.Doc.IDTypes()[0]
	}
	found, err := k.Service.SearchNewcomer(c.UserContext(), who, v.F)
	if err != nil {
		if !correctable(err) {
			return err
		}
		c.Status(fiber.StatusUnprocessableEntity)
		return k.searchShow(c, who, v, &problem{Title: k.words.say(k.lang(c), "entry.search_needs")})
	}
	if len(found) == 0 { // nobody: on to the form, with what was typed
		return k.enrolOneShow(c, who, enrolOneView{Summary: k.entrySummary(who, a), Searched: true}, k.withTyped(a, v.F), nil, nil)
	}
	v.Done, v.Hits = true, k.hits(who, found)
	v.Same = slices.ContainsFunc(v.Hits, func(h hitView) bool { return h.Same })
	return k.searchShow(c, who, v, nil)
}

func (k *console) withTyped(a answered, typed registry.Form) registry.Form {
	f := k.begun(a)
	for key, v := range typed {
		f[key] = v
	}
	return f
}

func (k *console) hits(who service.Staff, found []registry.Finding) (out []hitView) {
	for _, x := range found {
		h := hitView{School: registry.Unit(x.Params["school"]), Standing: registry.Standing(x.Params["standing"]), Same: x.Params["level"] != "warning"}
		h.Mine = h.School == who.Unit
		for _, r := range strings.Split(x.Params["reasons"], ",") {
			if r != "" {
				h.Signs = append(h.Signs, "match."+r)
			}
		}
		out = append(out, h)
	}
	return out
}

// enrolApart goes on to the form although somebody looks alike: the reason goes with it to whoever judges the likeness.
func (k *console) enrolApart(c *fiber.Ctx, who service.Staff) error {
	a, ok := k.answered(c, who)
	if !ok {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.enrolAskShow(c, who, true)
	}
	apart := strings.TrimSpace(c.FormValue("apart"))
	if apart == "" {
		return k.enrolSearch(c, who)
	}
	return k.enrolOneShow(c, who, enrolOneView{Summary: k.entrySummary(who, a), Apart: strings.Clone(apart), Searched: true}, k.withTyped(a, typedForm(c)), nil, nil)
}

// enrolOneView is the form.
type enrolOneView struct {
	Summary  entrySummary
	Groups   []fieldGroup
	Bad      int
	Dup      *duplicate
	Alike    []hitView
	Name     string
	ID       string
	Reason   string
	Apart    string
	Searched bool
	Handed   string // the hand-in of another system that the form came by
}

// asks: items that the answers have settled are not asked again.
func (a answered) asks(key registry.FieldKey) bool {
	switch key {
	case registry.FIDNumber, registry.FIDValid:
		return a.Free || a.Doc.Numbered()
	case registry.FPhoto:
		return false // a photograph is no text: it comes as a file, with the delivery or into the archive
	}
	return true
}

// limited are the codes that the answers leave of a list; nil for all.
func (a answered) limited(key registry.FieldKey) []string {
	if a.Free {
		return nil
	}
	switch key {
	case registry.FIDType:
		return a.Doc.IDTypes()
	case registry.FGrade:
		return []string{strconv.Itoa(a.Grade)}
	case registry.FOverseas:
		switch a.Doc {
		case registry.DocHMT:
			return []string{"01", "03", "05"}
		case registry.DocForeign:
			return []string{"31", "41", "51", "99"}
		case registry.DocNone:
			return []string{"00"}
		}
	}
	return nil
}

// must: items that the answers make required beyond the form's own rule.
func (a answered) must(key registry.FieldKey) bool {
	if a.Free {
		return false
	}
	switch key {
	case registry.FIDNumber:
		return a.Doc.Numbered()
	case registry.FG1IDType, registry.FG1IDNumber:
		return !a.Doc.Numbered()
	case registry.FInclusive:
		return a.Mode == registry.ModeInclusive
	case registry.FDisability:
		return a.Mode == registry.ModeHome || a.Mode == registry.ModeSpecial
	}
	return false
}

func (k *console) enrolOneShow(c *fiber.Ctx, who service.Staff, v enrolOneView, f registry.Form, fs []registry.Finding, pr *problem) error {
	if v.Summary.Chain == nil {
		v.Summary = k.entrySummary(who, answersOf(f))
	}
	lang, a := k.lang(c), v.Summary.answered
	by := map[registry.FieldKey][]findingView{}
	for _, x := range fs {
		by[x.Field] = append(by[x.Field], k.findingView(lang, x))
	}
	v.Name, v.ID = f[registry.FName], f[registry.FIDNumber]
	for _, g := range formGroups {
		fg := fieldGroup{Name: g}
		for _, field := range registry.Fields {
			if field.Group != g || !a.asks(field.Key) {
				continue
			}
			if !field.Required && a.must(field.Key) {
				field.Required = true
				if strings.HasSuffix(string(field.Key), "id_number") || strings.HasSuffix(string(field.Key), "id_type") {
					field.Article = "4"
				}
			}
			fv := k.fieldView(field, f[field.Key])
			fv.Findings = by[field.Key]
			for _, key := range []string{"entry.rule." + string(field.Key) + "." + string(a.Doc), "entry.rule." + string(field.Key)} {
				if fv.Rule == "" && k.words.has(lang, key) {
					fv.Rule = k.words.say(lang, key)
				}
			}
			if field.Type == registry.TypeCode && !fv.Place {
				for _, it := range registry.List(field.List) {
					if only := a.limited(field.Key); only == nil || slices.Contains(only, it.Code) {
						fv.Items = append(fv.Items, it)
					}
				}
			}
			for _, x := range fv.Findings {
				if !x.Warning {
					fg.Bad++
				}
			}
			fg.Fields = append(fg.Fields, fv)
		}
		v.Bad += fg.Bad
		if len(fg.Fields) > 0 {
			v.Groups = append(v.Groups, fg)
		}
	}
	return k.show(c, &who, "enrolone", "enrolone.title", v, withActive("enrol"), withProblem(pr))
}

// uploads opens the scans of a form.
func uploads(c *fiber.Ctx, name string) (out []service.Upload, done func(), err error) {
	var closers []func() error
	done = func() {
		for _, f := range closers {
			_ = f()
		}
	}
	form, e := c.MultipartForm()
	if e != nil {
		return nil, done, nil // a plain form has none
	}
	for _, h := range form.File[name] {
		if h.Size == 0 {
			continue
		}
		f, err := h.Open()
		if err != nil {
			return nil, done, err
		}
		closers = append(closers, f.Close)
		out = append(out, service.Upload{Name: h.Filename, Type: h.Header.Get(fiber.HeaderContentType), Body: f})
	}
	return out, done, nil
}

func (k *console) enrolOne(c *fiber.Ctx, who service.Staff) error {
	return k.enrolBy(c, who, enrolOneView{}, func(n service.NewPupil) (registry.UID, []registry.Finding, error) {
		return k.Service.Enter(c.UserContext(), who, n)
	})
}

// enrolBy enters the posted form, or shows it again with what is wrong.
func (k *console) enrolBy(c *fiber.Ctx, who service.Staff, v enrolOneView, enter func(service.NewPupil) (registry.UID, []registry.Finding, error)) error {
	a, ok := k.answered(c, who)
	f := typedForm(c)
	if !ok {
		a = answersOf(f)
	}
	v.Summary, v.Reason, v.Apart, v.Searched = k.entrySummary(who, a), strings.TrimSpace(c.FormValue("reason")), strings.TrimSpace(c.FormValue("apart")), c.FormValue("searched") != ""
	if f[registry.FGrade] == "" && a.Grade > 0 {
		f[registry.FGrade] = strconv.Itoa(a.Grade)
	}
	refused := func(fs []registry.Finding, pr *problem) error {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.enrolOneShow(c, who, v, f, fs, pr)
	}
	if ok && v.Summary.Later && v.Reason == "" {
		return refused(nil, &problem{Title: k.words.say(k.lang(c), "entry.reason_needed"), Field: "reason"})
	}
	files, done, err := uploads(c, "evidence")
	defer done()
	if err != nil {
		return err
	}
	n := service.NewPupil{Form: f, PIN: strings.TrimSpace(c.FormValue("pin")), Mode: a.Mode, Reason: v.Reason, Files: files, Apart: v.Apart}
	if ok {
		n.Document = a.Doc
	}
	uid, findings, err := enter(n)
	if err == nil && uid != "" {
		key := "enrolone.done"
		if a.Doc == registry.DocNone {
			key = "entry.done_none"
		}
		return k.done(c, "/pupils/"+string(uid), flash{Key: key})
	}
	for _, x := range findings {
		if x.Code == registry.FindDupRegister && x.Params["level"] != "warning" {
			v.Dup = &duplicate{School: registry.Unit(x.Params["school"]), Mine: registry.Unit(x.Params["school"]) == who.Unit}
			if school, standing, e := k.Service.WhereIs(c.UserContext(), who, registry.UID(x.Params["uid"])); e == nil {
				v.Dup.School, v.Dup.Standing, v.Dup.Mine = school, standing, school == who.Unit
			}
		}
	}
	var pr *problem
	if err != nil {
		if !correctable(err) {
			return err
		}
		switch pr = k.problem(c, err); {
		case registry.CodeOf(err) == registry.CodeDuplicate && v.Dup == nil && len(findings) > 0: // looks alike, outside an entry grade
			var alike []registry.Finding
			for _, x := range findings {
				if x.Code == registry.FindDupRegister {
					alike = append(alike, x)
				}
			}
			v.Alike, pr = k.hits(who, alike), nil
		case registry.CodeOf(err) == registry.CodeDuplicate:
			pr = nil // the panel says it better
		}
	}
	return refused(findings, pr)
}

// entryFacts are what an enrolment is about, in words, for everybody who has to approve it.
func (k *console) entryFacts(lang string, p *registry.Pupil, c *registry.Case) (out []fact) {
	if c.Kind != registry.CaseEnrol || p.Form[registry.FIDType] == "" {
		return nil
	}
	say := func(key string) string { return k.words.say(lang, key) }
	doc := registry.DocumentKindOf(p.Form)
	entry := c.Entry
	if entry == "" {
		entry = registry.EntryFirst
	}
	out = append(out, fact{Label: say("entry.when"), Value: say("entry.when." + string(entry))}, fact{Label: say("entry.doc"), Value: say("entry.doc." + string(doc))})
	if c.Mode == registry.ModeOrdinary {
		out = append(out, fact{Label: say("act.f.mode"), Value: say("schooling.")})
	}
	return out
}

// entryChecks are what the party whose turn it is looks at.
func (k *console) entryChecks(lang string, p *registry.Pupil, c *registry.Case, party registry.Party) (out []string) {
	if c.Kind != registry.CaseEnrol {
		return nil
	}
	keys := []string{"entry.check." + string(party)}
	doc := registry.DocumentKindOf(p.Form)
	if party == registry.PartySchool || party == registry.PartyAuthority {
		keys = append(keys, "entry.check.doc."+string(doc))
		if c.Entry == registry.EntryLater {
			keys = append(keys, "entry.check.later")
		}
		if c.Mode != registry.ModeOrdinary {
			keys = append(keys, "entry.check.mode")
		}
	}
	if doc == registry.DocNone && party != registry.PartySchool {
		keys = append(keys, "entry.check.up")
	}
	for _, key := range keys {
		if k.words.has(lang, key) {
			out = append(out, k.words.say(lang, key))
		}
	}
	return out
}
