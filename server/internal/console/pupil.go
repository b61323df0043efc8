package console

import (
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

// formGroups is the order of the form's groups on screen and paper.
var formGroups = []string{"identity", "contact", "school", "family", "care", "g1", "g2"}

type formRow struct {
	Field registry.Field
	Value string
}

type formGroup struct {
	Name string
	Rows []formRow
}

// groupsOf lays the form out by group; masked hides what identifies and what is sensitive.
func (k *console) groupsOf(lang string, f registry.Form, masked bool) []formGroup {
	var out []formGroup
	for _, g := range formGroups {
		fg := formGroup{Name: g}
		for _, field := range registry.Fields {
			v := f[field.Key]
			if field.Group != g || v == "" {
				continue
			}
			fg.Rows = append(fg.Rows, formRow{field, k.shownValue(lang, field, v, masked)})
		}
		if len(fg.Rows) > 0 {
			out = append(out, fg)
		}
	}
	return out
}

// stepView is a step as drawn.
type stepView struct {
	registry.Step
	State string // "done", "refused", "now", "todo", "void" (the case ended before it)
	Clock clock
	N     int
}

type caseView struct {
	registry.Case
	Steps   []stepView
	Now     *stepView
	Refused *stepView
	Href    string
	Way     string
}

func (k *console) caseView(lang string, who service.Staff, uid registry.UID, cs registry.Case) caseView {
	v := caseView{Case: cs, Href: "/pupils/" + string(uid) + "/cases/" + string(cs.No)}
	if cs.Kind == registry.CaseTransfer {
		v.Way = k.way(who, cs)
	}
	now := cs.Current()
	for i, s := range cs.Steps {
		sv := stepView{Step: s, N: i + 1, State: "todo"}
		switch {
		case s.Decision == registry.DecisionAccept:
			sv.State = "done"
		case s.Decision == registry.DecisionRefuse:
			sv.State = "refused"
		case i == now:
			sv.State, sv.Clock = "now", k.clock(lang, dateOf(s.ArrivedAt), s.DueOn, s.Unsure)
		case now < 0:
			sv.State = "void"
		}
		v.Steps = append(v.Steps, sv)
	}
	for i := range v.Steps { // the slice no longer moves
		switch v.Steps[i].State {
		case "now":
			v.Now = &v.Steps[i]
		case "refused":
			v.Refused = &v.Steps[i]
		}
	}
	return v
}

type pupilView struct {
	P          registry.Pupil
	Name       string
	Masked     bool
	Brief      bool // only a case or a card of the pupil is for this person: nothing but that is shown
	MayUnmask  bool
	IDTail     string
	Groups     []formGroup
	Cases      []caseView
	Open       *caseView
	History    []entryView
	Cards      []cardView
	Archive    archiveView
	Acts       pupilActs
	Suspension clock
	Life       lifeView
	Away       awayView
	AwayActs   []string // what is offered while the pupil stays away
}

// pupilActs is what this person is offered for this pupil now.
type pupilActs struct {
	Suspend, Return, BuildArchive, SendArchive, Settle, PrintFace, SetPIN bool
}

func (k *console) pupil(c *fiber.Ctx, who service.Staff) error {
	return k.pupilShow(c, who, true, nil)
}

// pupilUnmasked is a POST, so that no link, prefetch or history shows a child's numbers unasked.
func (k *console) pupilUnmasked(c *fiber.Ctx, who service.Staff) error {
	if err := k.Service.Unmask(c.UserContext(), who, registry.UID(c.Params("uid"))); err != nil {
		return err
	}
	return k.pupilShow(c, who, false, nil)
}

func (k *console) inScope(who service.Staff, school registry.Unit) bool {
	for _, s := range k.Service.Schools(who) {
		if s.Code == school {
			return true
		}
	}
	return false
}

func (k *console) pupilShow(c *fiber.Ctx, who service.Staff, masked bool, pr *problem) error {
	ctx, lang := c.UserContext(), k.lang(c)
	uid := registry.UID(c.Params("uid"))
	p, entries, err := k.Service.Pupil(ctx, who, uid)
	if err != nil {
		return err
	}
	v := pupilView{P: p, Name: p.Form[registry.FName], IDTail: tail(p.Form[registry.FIDNumber], 4), Brief: len(entries) == 0}
	v.MayUnmask = !v.Brief && mayOf(who).Pupils && k.inScope(who, p.School)
	v.Masked = masked || !v.MayUnmask
	v.Groups = k.groupsOf(lang, p.Form, v.Masked)
	v.History = k.history(lang, entries, v.Masked)
	for i := len(p.Cases) - 1; i >= 0; i-- {
		v.Cases = append(v.Cases, k.caseView(lang, who, uid, p.Cases[i]))
	}
	for i := range v.Cases {
		if v.Cases[i].No == p.Lock && p.Lock != "" {
			v.Open = &v.Cases[i]
		}
	}
	cards, err := k.Service.Issuances(ctx, who, uid)
	if err != nil {
		return err
	}
	lives, err := k.Service.CardLife(ctx, who, uid)
	if err != nil {
		return err
	}
	explain := p.Card != nil && !p.Card.CopySeenAt.IsZero() && mayOf(who).Explain && p.School == who.Unit
	v.Cards = k.cardViews(lang, cards, lives, mayOf(who).Care && (p.School == who.Unit || !who.Unit.IsSchool()), explain)
	v.Archive = k.archiveView(lang, p)
	v.Life = k.lifeView(lang, who, &p, entries, v.Masked, v.Brief)
	if !v.Brief {
		v.Away = k.awayView(lang, &p)
	}
	for _, name := range v.Life.Acts {
		if v.Away.Now != nil && slices.Contains([]string{"spoke", "present", "dropout"}, name) {
			v.AwayActs = append(v.AwayActs, name)
		}
	}
	if p.Suspension != nil {
		v.Suspension = k.clock(lang, p.Suspension.From, p.Suspension.Until, false)
	}
	mine := p.School == who.Unit
	keep := mayOf(who).Keep
	v.Acts = pupilActs{
		Suspend:      keep && mine && p.Standing == registry.StandingEnrolled && p.Lock == "",
		Return:       keep && mine && p.Standing == registry.StandingSuspended && p.Lock == "",
		BuildArchive: keep && p.Archive.Custodian == who.Unit && v.Archive.Editable,
		SendArchive:  keep && p.Archive.Custodian == who.Unit && p.Archive.State == registry.ArchiveCalled,
		Settle:       keep && p.Archive.MissingFrom == who.Unit && len(p.Archive.Missing) > 0,
		PrintFace:    p.Card.Good(),
		SetPIN:       keep && mine && p.Standing != registry.StandingNone && !p.Tact(),
	}
	return k.show(c, &who, "pupil", "pupil.title", v, withActive("pupils"), withTitle(v.Name), withProblem(pr))
}

// photo sends a pupil's portrait.
func (k *console) photo(c *fiber.Ctx, who service.Staff) error {
	p, _, err := k.Service.Pupil(c.UserContext(), who, registry.UID(c.Params("uid")))
	if err != nil {
		return err
	}
	if p.Photo == "" {
		return registry.ErrNotFound
	}
	f, err := k.Service.File(c.UserContext(), who, p.Photo)
	if err != nil {
		return err
	}
	if f.Type != "image/jpeg" && f.Type != "image/png" {
		return registry.ErrNotFound
	}
	return sendFile(c, f.Type, "inline", "photo", f.Body)
}

// pupilFile sends a scan filed with a case. Only pictures and PDF are shown; anything else is downloaded.
func (k *console) pupilFile(c *fiber.Ctx, who service.Staff) error {
	if _, _, err := k.Service.Pupil(c.UserContext(), who, registry.UID(c.Params("uid"))); err != nil {
		return err
	}
	f, err := k.Service.File(c.UserContext(), who, c.Params("digest"))
	if err != nil {
		return err
	}
	switch f.Type {
	case "image/jpeg", "image/png", "application/pdf":
		return sendFile(c, f.Type, "inline", "evidence-"+f.Digest[:min(8, len(f.Digest))], f.Body)
	}
	return sendFile(c, fiber.MIMEOctetStream, "attachment", "evidence-"+f.Digest[:min(8, len(f.Digest))], f.Body)
}

// evidence stores the files of a form and gives their digests.
func (k *console) evidence(c *fiber.Ctx, who service.Staff, uid registry.UID) ([]string, error) {
	form, err := c.MultipartForm()
	if err != nil {
		return nil, nil // a plain form has none
	}
	var out []string
	for _, h := range form.File["evidence"] {
		if h.Size == 0 {
			continue
		}
		f, err := h.Open()
		if err != nil {
			return nil, err
		}
		d, err := k.Service.PutFile(c.UserContext(), who, uid, h.Filename, h.Header.Get(fiber.HeaderContentType), f)
		f.Close()
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// suspendReasons are the reasons offered; "other" asks for words.
var suspendReasons = []string{"illness", "injury", "family", "other"}

func (k *console) suspendForm(c *fiber.Ctx, who service.Staff, p registry.Pupil, d fiber.Map, pr *problem) error {
	for key, val := range map[string]any{"P": p, "Name": p.Form[registry.FName], "Reasons": suspendReasons, "Guardian": p.Form[registry.FG1Name]} {
		if _, ok := d[key]; !ok {
			d[key] = val
		}
	}
	return k.show(c, &who, "suspend", "suspend.title", d, withActive("pupils"), withProblem(pr))
}

func (k *console) suspendPage(c *fiber.Ctx, who service.Staff) error {
	p, _, err := k.Service.Pupil(c.UserContext(), who, registry.UID(c.Params("uid")))
	if err != nil {
		return err
	}
	today := k.Service.Today()
	until := ""
	if t, ok := parseDate(today); ok {
		until = t.AddDate(1, 0, 0).Format(time.DateOnly)
	}
	return k.suspendForm(c, who, p, fiber.Map{"From": string(today), "Until": until, "Reason": "illness", "Words": ""}, nil)
}

func (k *console) suspend(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	p, _, err := k.Service.Pupil(c.UserContext(), who, uid)
	if err != nil {
		return err
	}
	lang := k.lang(c)
	reason, words := c.FormValue("reason"), strings.TrimSpace(c.FormValue("words"))
	text := words
	if reason != "other" && k.words.has("zh-Hans", "suspend.reason."+reason) {
		text = k.words.say("zh-Hans", "suspend.reason."+reason) // history is kept in the register's language
		if words != "" {
			text += "：" + words
		}
	}
	guardian := strings.TrimSpace(c.FormValue("guardian"))
	again := func(pr *problem) error {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.suspendForm(c, who, p, fiber.Map{"From": c.FormValue("from"), "Until": c.FormValue("until"), "Reason": reason, "Words": words, "Guardian": guardian}, pr)
	}
	from, until := registry.Date(c.FormValue("from")), registry.Date(c.FormValue("until"))
	_, okFrom := parseDate(from)
	_, okUntil := parseDate(until)
	switch {
	case !okFrom || !okUntil || until <= from:
		return again(&problem{Title: k.words.say(lang, "suspend.bad_dates"), Field: "until"})
	case text == "":
		return again(&problem{Title: k.words.say(lang, "suspend.say_why"), Field: "words"})
	}
	files, err := k.evidence(c, who, uid)
	if err == nil {
		var no registry.CaseNo
		no, err = k.Service.StartSuspend(c.UserContext(), who, uid, registry.StartSuspend{From: from, Until: until, Reason: text, Guardian: guardian, Evidence: files})
		if err == nil {
			return k.done(c, "/pupils/"+string(uid)+"/cases/"+string(no), flash{Key: "suspend.started"})
		}
	}
	if correctable(err) {
		return again(k.problem(c, err))
	}
	return k.actFailed(c, who, uid, "/pupils/"+string(uid), err)
}

func (k *console) returnPage(c *fiber.Ctx, who service.Staff) error {
	p, _, err := k.Service.Pupil(c.UserContext(), who, registry.UID(c.Params("uid")))
	if err != nil {
		return err
	}
	return k.returnForm(c, who, p, "", p.Grade, p.Class, nil)
}

func (k *console) returnForm(c *fiber.Ctx, who service.Staff, p registry.Pupil, proof string, grade int, class string, pr *problem) error {
	s, _ := k.Service.Directory().School(p.School)
	return k.show(c, &who, "return", "return.title", fiber.Map{"P": p, "Name": p.Form[registry.FName], "Proof": proof, "Grade": grade, "Class": class,
		"Grades": gradesOf(s), "Seen": p.Version}, withActive("pupils"), withProblem(pr))
}

func gradesOf(s registry.School) []int {
	if s.FromGrade < 1 || s.ToGrade < s.FromGrade {
		return seq(1, 12)
	}
	return seq(s.FromGrade, s.ToGrade)
}

func (k *console) returnPupil(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	p, _, err := k.Service.Pupil(c.UserContext(), who, uid)
	if err != nil {
		return err
	}
	grade, class, proof := formInt(c, "grade"), strings.TrimSpace(c.FormValue("class")), strings.TrimSpace(c.FormValue("proof"))
	if proof == "" {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.returnForm(c, who, p, proof, grade, class, &problem{Title: k.words.say(k.lang(c), "return.say_proof"), Field: "proof"})
	}
	files, err := k.evidence(c, who, uid)
	if err == nil {
		_, err = k.Service.Act(c.UserContext(), who, uid, seen(c), registry.Return{Grade: grade, Class: class, Proof: proof, Evidence: files})
		if err == nil {
			return k.done(c, "/pupils/"+string(uid), flash{Key: "return.done"})
		}
	}
	if correctable(err) {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.returnForm(c, who, p, proof, grade, class, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, "/pupils/"+string(uid), err)
}

// setPIN gives the guardian a new second factor for kiosks. The guardian types it twice at the registrar's desk; it is never shown again.
func (k *console) setPIN(c *fiber.Ctx, who service.Staff) error {
	uid := registry.UID(c.Params("uid"))
	pin := strings.TrimSpace(c.FormValue("pin"))
	if pin == "" || pin != strings.TrimSpace(c.FormValue("again")) {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.pupilShow(c, who, true, &problem{Title: k.words.say(k.lang(c), "pin.differ"), Field: "pin"})
	}
	_, err := k.Service.Act(c.UserContext(), who, uid, 0, registry.SetPIN{PIN: pin})
	switch {
	case err == nil:
		return k.done(c, "/pupils/"+string(uid)+"#card", flash{Key: "pin.done"})
	case correctable(err):
		c.Status(fiber.StatusUnprocessableEntity)
		return k.pupilShow(c, who, true, k.problem(c, err))
	}
	return k.actFailed(c, who, uid, "/pupils/"+string(uid), err)
}
