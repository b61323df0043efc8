package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

type unitsView struct {
	Schools []registry.School
	Find    finder
	Ended   []registry.School
	Near    []registry.School // who may take over from One: the open ones of its region or authority
	One     *registry.School
	Runs    []store.BulkRun
	Own     registry.Unit
	Open    unitForm // a school to be opened
	Change  unitForm // of One
	Offices []registry.Office
	Tiers   []registry.Tier // of offices that the own may open; none in a county
	Form    map[string]string
	Today   registry.Date
}

// unitForm is what a school has besides its code and name, as the form shows it.
type unitForm struct {
	Values      map[string]string
	Kinds       []registry.SchoolKind
	Authorities []registry.Unit // whose school it may be: the own office and those below (Art. 3)
}

var schoolKinds = []registry.SchoolKind{registry.KindPrimary, registry.KindJunior, registry.KindSenior, registry.KindNineYear, registry.KindComplete, registry.KindSpecial, registry.KindReform}

// units lists the schools in scope, and acts on them (Arts 2, 3, 9).
func (k *console) units(c *fiber.Ctx, who service.Staff) error { return k.unitsShow(c, who, nil, nil) }

func (k *console) unitsShow(c *fiber.Ctx, who service.Staff, form map[string]string, pr *problem) error {
	if !mayOf(who).Units {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	v := unitsView{Own: who.Unit, Form: form, Today: k.Service.Today(), Offices: k.Service.Offices(who), Tiers: tiersBelow(who.Unit)}
	if v.Form == nil {
		v.Form = map[string]string{}
	}
	authorities := []registry.Unit{who.Unit}
	for _, o := range v.Offices {
		authorities = append(authorities, o.Code)
	}
	v.Open = unitForm{map[string]string{"to_grade": "6", "public": "1"}, schoolKinds, authorities}
	if len(v.Tiers) == 0 {
		v.Open.Values["region"] = string(who.Unit)
	}
	if v.Form["act"] == "open" {
		v.Open.Values = v.Form
	}
	for _, s := range k.Service.Schools(who) {
		if string(s.Code) == c.Query("code") || string(s.Code) == v.Form["code"] {
			one := s
			v.One = &one
			v.Change = unitForm{map[string]string{"kind": string(s.Kind), "region": s.Region, "authority": string(s.Authority), "from_grade": strconv.Itoa(s.FromGrade), "to_grade": strconv.Itoa(s.ToGrade),
				"phone": s.Phone, "address": s.Address}, schoolKinds, authorities}
			if s.Public {
				v.Change.Values["public"] = "1"
			}
			if v.Form["act"] == "change" {
				v.Change.Values = v.Form
			}
		}
		if s.Open() {
			v.Schools = append(v.Schools, s)
		} else {
			v.Ended = append(v.Ended, s)
		}
	}
	if v.One != nil {
		for _, s := range k.Service.Schools(who) {
			if s.Open() && s.Code != v.One.Code && (s.Region == v.One.Region || s.Authority == v.One.Authority) {
				v.Near = append(v.Near, s)
			}
		}
	}
	v.Schools, v.Find = find(c, v.Schools, "/units", nil, schoolText)
	runs, err := k.Service.BulkRuns(c.UserContext(), who, store.BulkEndUnit, "")
	if err != nil {
		return err
	}
	v.Runs = runs
	return k.show(c, &who, "units", "units.title", v, withProblem(pr))
}

// tiersBelow are the tiers of offices under one of the code.
func tiersBelow(u registry.Unit) []registry.Tier {
	switch code := string(u); {
	case strings.HasSuffix(code, "0000"):
		return []registry.Tier{registry.TierCity, registry.TierCounty}
	case strings.HasSuffix(code, "00"):
		return []registry.Tier{registry.TierCounty}
	}
	return nil
}

func (k *console) actUnit(c *fiber.Ctx, who service.Staff) error {
	if !mayOf(who).Units {
		return &registry.Error{Code: registry.CodeForbidden}
	}
	get := func(name string) string { return strings.Clone(strings.TrimSpace(c.FormValue(name))) }
	code := registry.Unit(get("code"))
	var act units.Act
	auth := registry.Unit(cmp.Or(get("authority"), string(who.Unit)))
	switch get("act") {
	case "open":
		act = units.Open{School: registry.School{Code: code, Name: get("name"), Kind: registry.SchoolKind(get("kind")), Region: k.regionOf(get("region")), Authority: auth, FromGrade: gradeOf(get("from_grade")),
			ToGrade: gradeOf(get("to_grade")), Public: get("public") != "", Phone: get("phone"), Address: get("address")}}
	case "change":
		act = units.Change{Code: code, Kind: registry.SchoolKind(get("kind")), Region: k.regionOf(get("region")), Authority: auth, FromGrade: gradeOf(get("from_grade")), ToGrade: gradeOf(get("to_grade")),
			Public: get("public") != "", Phone: get("phone"), Address: get("address")}
	case "open_office":
		act = units.OpenOffice{Office: registry.Office{Code: code, Name: get("name"), Tier: registry.Tier(get("tier")), Parent: auth}}
	case "rename_office":
		act = units.RenameOffice{Code: code, Name: get("name")}
	case "rename":
		act = units.Rename{Code: code, Name: get("name")}
	case "merge":
		act = units.Merge{Code: code, Into: k.schoolOf(who, get("into")), On: registry.Date(get("on")), Ref: get("ref")}
	case "close":
		act = units.Close{Code: code, Keeper: registry.Unit(cmp.Or(string(k.schoolOf(who, get("keeper"))), string(who.Unit))), On: registry.Date(get("on")), Ref: get("ref")}
	default:
		return &registry.Error{Code: registry.CodeInvalid, Field: "act"}
	}
	var run store.BulkRun
	var err error
	if voids := get("act") == "merge" || get("act") == "close"; voids && get("retyped") != string(code) { // for ever: no slip of the hand does it
		err = &registry.Error{Code: registry.CodeInvalid, Field: "retyped"}
	} else {
		run, err = k.Service.ActUnit(c.UserContext(), who, act)
	}
	if err != nil && registry.CodeOf(err) == registry.CodeConflict || correctable(err) && registry.CodeOf(err) != registry.CodeForbidden {
		form := map[string]string{}
		for _, f := range []string{"act", "code", "name", "kind", "region", "authority", "from_grade", "to_grade", "public", "phone", "address", "tier", "into", "keeper", "on", "ref"} {
			form[f] = get(f)
		}
		var e *registry.Error
		errors.As(err, &e)
		lang, help := k.lang(c), ""
		key := "units.bad." + e.Field
		if strings.HasSuffix(get("act"), "_office") && e.Field == "code" {
			key = "units.bad.office_code"
		}
		if k.words.has(lang, key) {
			help = k.words.say(lang, key)
		}
		pr := &problem{Title: k.words.say(lang, "units.refused"), Help: help, Field: e.Field}
		if registry.CodeOf(err) == registry.CodeConflict {
			pr.Help = k.words.say(lang, "units.bad.taken")
		}
		c.Status(fiber.StatusUnprocessableEntity)
		return k.unitsShow(c, who, form, pr)
	}
	if err != nil {
		return err
	}
	if run.ID != "" {
		return k.toRun(c, run, nil)
	}
	return k.done(c, "/units", flash{Key: "units.done." + get("act")})
}

// ruleRow is one number or guard of a pack with where the regulation says so.
type ruleRow struct {
	Key, Title, Value, Article, Note string
	Unsure                           bool
	Other                            bool // differs from the country's pack
}

type rulesView struct {
	Packs []rulePack
	Trial *service.PackTrial
	Lines []trialLine
	Try   bool
	Text  string
}

type rulePack struct {
	*registry.Pack
	In   bool // in force today
	Rows []ruleRow
}

type trialLine struct {
	service.PackTrialLine
	Texts []string
}

// packArticles are where the regulation speaks of what a member of a pack sets.
var packArticles = map[string]string{"step_working_days": "14", "archive_build_months": "7", "archive_send_months": "15", "archive_keep_months": "9", "missing_working_days": "15", "order_working_days": "27", "suspend_max_months": "19",
	"suspend_alert_days": "19", "extend_max_months": "19", "suspended_may_transfer": "11", "dropout_may_transfer": "22", "transfer_windows": "11", "transfer_closed_grades": "11", "evidence": "13",
	"foreign_number": "28", "key_items": "10", "entry_grades": "4", "late_entry_reason": "6", "no_id_to_province": "5", "erase_g_to_nation": "6", "compulsory_to": "22", "school_year_ends": "12",
	"terms": "24", "stage_ends": "12", "promote_over": "12", "promotion": "12", "repeat_grades": "11", "skip_grades": "11", "finish_grades": "13", "death_working_days": "21",
	"dropout_working_days": "22", "absence_contact_days": "22", "absence_report_days": "22", "absence_alert_days": "22", "escalate_working_days": "14", "urge_working_days": "14", "windows": "11", "conditions": "11", "cards": "5", "titles": "2"}

// stepArticles are where it speaks of the business whose steps have a number of days: its own ten working days (Art. 14) are those of 转学 and 升学 alone.
var stepArticles = map[string]string{"transfer": "14", "advance": "14", "enrol": "4", "correct": "10", "arrange": "17", "finish": "13", "suspend": "19", "extend": "19", "home": "20", "death": "21",
	"problem": "6", "erase": "6", "repeat": "11", "skip": "11"}

// ruleArticle is the article and the note of a row. The note of the steps is on those that Article 14 does not speak of.
func ruleArticle(p *registry.Pack, member, sub string) (article, note string) {
	article, note = packArticles[member], p.Notes[member]
	if a := stepArticles[sub]; member == "step_working_days" && a != "" {
		if a == article {
			note = ""
		}
		article = a
	}
	return article, note
}

// flat is every member of a pack as text.
func flat(p *registry.Pack) map[string]string {
	b, _ := json.Marshal(p)
	var m map[string]json.RawMessage
	_ = json.Unmarshal(b, &m)
	out := map[string]string{}
	for key, raw := range m {
		switch key {
		case "version", "title", "effective_on", "province", "draft", "unconfirmed", "notes":
			continue
		}
		var part map[string]json.RawMessage
		if json.Unmarshal(raw, &part) == nil && (key == "step_working_days" || key == "evidence" || key == "finish_grades" || key == "cards" || key == "windows" || key == "titles") {
			for sub, v := range part {
				out[key+"."+sub] = string(v)
			}
			continue
		}
		out[key] = string(raw)
	}
	return out
}

func (k *console) ruleRows(lang string, p, base *registry.Pack) []ruleRow {
	was := map[string]string{}
	if base != nil && base != p {
		was = flat(base)
	}
	var out []ruleRow
	for key, val := range flat(p) {
		member, sub, _ := strings.Cut(key, ".")
		title, text := k.ruleTitle(lang, member, sub), k.ruleValue(lang, member, []byte(val))
		article, note := ruleArticle(p, member, sub)
		out = append(out, ruleRow{Key: key, Title: title, Value: text, Article: article, Note: note, Unsure: slices.Contains(p.Unconfirmed, key) || slices.Contains(p.Unconfirmed, member),
			Other: base != nil && base != p && was[key] != flat(p)[key]})
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := 99, 99 // what no article speaks of comes last
		_, _ = fmt.Sscan(out[i].Article, &a)
		_, _ = fmt.Sscan(out[j].Article, &b)
		if a != b {
			return a < b
		}
		return out[i].Key < out[j].Key
	})
	return out
}

// rules shows the packs with every number and its article, and tries another (Arts 11, 29).
func (k *console) rules(c *fiber.Ctx, who service.Staff) error {
	return k.rulesShow(c, who, nil, "", nil)
}

func (k *console) rulesShow(c *fiber.Ctx, who service.Staff, t *service.PackTrial, text string, pr *problem) error {
	packs, err := k.Service.RulePacks(c.UserContext(), who)
	if err != nil {
		return err
	}
	lang := k.lang(c)
	v := rulesView{Trial: t, Try: who.Role == registry.RoleOfficer, Text: text}
	today := k.Service.Today()
	for i, p := range packs {
		x := rulePack{Pack: p, In: p.EffectiveOn <= today}
		for _, q := range packs[i+1:] {
			if q.Province == p.Province && q.EffectiveOn <= today && q.EffectiveOn >= p.EffectiveOn {
				x.In = false
			}
		}
		x.Rows = k.ruleRows(lang, p, packs[0])
		v.Packs = append(v.Packs, x)
	}
	if t != nil {
		for _, l := range t.Lines {
			x := trialLine{PackTrialLine: l}
			for _, ch := range l.Changes {
				was, is := ch.Was, ch.Is // dates are in figures already, as in every column
				what := ch.What
				if k.words.has(lang, "rules.what."+what) {
					what = k.words.say(lang, "rules.what."+what)
				}
				if ch.Party != "" { // each party after this one has its own latest day
					what = k.words.say(lang, "rules.of_party", "what", what, "party", k.words.say(lang, "party."+string(ch.Party)))
				}
				if ch.What == "guard" { // in the pack's words, not by its members' names
					is = cmp.Or(ch.Say, is)
					if ch.Is == "windows" {
						is = k.words.say(lang, "rules.member.windows") + " " + ch.Say
					}
				}
				if was == "" {
					was = k.words.say(lang, "rules.none")
				}
				x.Texts = append(x.Texts, k.words.say(lang, "rules.change", "what", what, "was", was, "is", is))
			}
			v.Lines = append(v.Lines, x)
		}
	}
	return k.show(c, &who, "rules", "rules.title", v, withProblem(pr))
}

func (k *console) tryRules(c *fiber.Ctx, who service.Staff) error {
	text := strings.Clone(c.FormValue("pack"))
	t, err := k.Service.TryPack(c.UserContext(), who, []byte(text))
	if registry.CodeOf(err) == registry.CodeInvalid {
		var e *registry.Error
		errors.As(err, &e)
		lang := k.lang(c)
		pr := &problem{Title: k.words.say(lang, "rules.bad"), Field: "pack", Help: k.words.say(lang, "rules.bad_at", "member", e.Field, "why", e.Params["why"])}
		if e.Params["line"] != "" {
			pr.Help = k.words.say(lang, "rules.bad_line", "line", e.Params["line"], "member", e.Field, "why", e.Params["why"])
		}
		var kind *json.UnmarshalTypeError
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &kind):
			want := map[reflect.Kind]string{reflect.String: "text", reflect.Bool: "bool", reflect.Slice: "list", reflect.Map: "object", reflect.Struct: "object"}[kind.Type.Kind()]
			pr.Help = k.words.say(lang, "rules.bad_type", "line", cmp.Or(e.Params["line"], "1"), "member", kind.Field, "want", k.words.say(lang, "rules.type."+cmp.Or(want, "number")))
		case errors.As(err, &syntax):
			pr.Help = k.words.say(lang, "rules.bad_json", "line", cmp.Or(e.Params["line"], "1"))
		}
		c.Status(fiber.StatusUnprocessableEntity)
		return k.rulesShow(c, who, nil, text, pr)
	}
	if err != nil {
		return err
	}
	return k.rulesShow(c, who, &t, text, nil)
}
