package console

import (
	"encoding/json"

	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// fact is a line of a case's facts.
type fact struct{ Label, Value, Href string }

// changeRow is one item, old beside new.
type changeRow struct {
	Title    string
	Of       string
	From, To string
	Key      bool
}

func (k *console) changeRows(lang string, list []registry.Change, masked bool) []changeRow {
	var out []changeRow
	key := map[registry.FieldKey]bool{}
	for _, f := range k.Service.Pack().KeyItems {
		key[f] = true
	}
	for _, c := range list {
		f, ok := registry.FieldOf(c.Field)
		if !ok {
			continue
		}
		out = append(out, changeRow{Title: k.fieldTitle(lang, f), Of: k.ofGuardian(lang, f), From: k.valueWords(lang, f, c.From, masked), To: k.valueWords(lang, f, c.To, masked), Key: key[c.Field]})
	}
	return out
}

// pastChange is what was changed when.
type pastChange struct {
	On   registry.Date
	By   string
	Href string
	Rows []changeRow
}

// pastChanges are the values the record held before, newest first: approved corrections, and what the school amended itself.
func (k *console) pastChanges(lang string, p *registry.Pupil, entries []store.Entry, masked bool) []pastChange {
	var out []pastChange
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		x := pastChange{On: dateOf(e.At), By: e.Actor.Name}
		switch e.Kind {
		case registry.EvAmend:
			var ev registry.Amend
			if json.Unmarshal(e.Payload, &ev) == nil {
				x.Rows = k.changeRows(lang, ev.Changes, masked)
			}
		case registry.EvDecideStep:
			c := p.Case(e.CaseNo)
			if c == nil || c.State != registry.CaseCompleted || len(c.Changes) == 0 || dateOf(c.ClosedAt) != x.On || !e.At.Equal(c.ClosedAt) {
				continue
			}
			x.Rows, x.Href = k.changeRows(lang, c.Changes, masked), "/pupils/"+string(p.UID)+"/cases/"+string(c.No)
		}
		if len(x.Rows) > 0 {
			out = append(out, x)
		}
	}
	return out
}

// caseFacts are what a case is about beyond its parties, in words.
func (k *console) caseFacts(lang string, uid registry.UID, c *registry.Case) (out []fact) {
	say := func(key string) string { return k.words.say(lang, key) }
	add := func(key, value string) {
		if value != "" {
			out = append(out, fact{Label: say(key), Value: value})
		}
	}
	if c.Since != "" {
		key := "act.f.on"
		switch c.Kind {
		case registry.CaseSuspend, registry.CaseExtend:
			key = "suspend.from"
		case registry.CaseDeath:
			key = "act.f.known_on"
		case registry.CaseDropout:
			key = "act.f.since"
		}
		add(key, k.date(lang, c.Since))
	}
	if c.End != "" {
		add("act.f.end", say("standing."+string(c.End)))
	}
	add("act.f.certificate", c.Certificate)
	if c.Mode != "" {
		add("act.f.mode", say("schooling."+string(c.Mode)))
	}
	for _, n := range c.AgreedBy {
		add("act.f.agreed", n)
	}
	if c.Agreement != "" {
		out = append(out, fact{Label: say("act.f.agreement"), Value: say("act.see_scan"), Href: "/pupils/" + string(uid) + "/files/" + c.Agreement})
	}
	if c.Country != "" {
		add("act.f.country", k.code(lang, registry.ListCountry, c.Country))
	}
	add("act.f.papers", c.Papers)
	if q := c.Problem; q != nil {
		add("act.f.problem", say("problemkind."+string(q.Kind)))
		if q.With != "" {
			out = append(out, fact{Label: say("act.f.with"), Value: say("act.see_record"), Href: "/pupils/" + string(q.With)})
		}
		for _, r := range q.Reasons {
			if key := "match." + r; k.words.has(lang, key) {
				add("act.f.signs", say(key))
			}
		}
		add("act.f.note", q.Note)
		if q.Way != "" {
			add("act.f.way", say("way.record."+string(q.Way)))
		}
		add("act.f.words", q.Words)
	}
	if c.Reach != "" && c.From != "" {
		add("act.f.reach", say("reach."+string(c.Reach)))
	}
	return out
}

// lifeView is what the pupil's page shows of a life beyond the common case.
type lifeView struct {
	Acts    []string // names of acts that are offered now
	Papers  []service.FormKind
	Reports []reportView
	Changes []pastChange
	Tact    bool
	Country string
}

type reportView struct {
	registry.Report
	Clock clock
	Paper service.FormKind
	Href  string
}

func (k *console) lifeView(lang string, who service.Staff, p *registry.Pupil, entries []store.Entry, masked, brief bool) lifeView {
	v := lifeView{Tact: p.Tact()}
	if brief {
		return v
	}
	a := actor{k: k, who: who, p: p, pack: k.Service.Pack(), lang: lang}
	for i := range acts {
		if acts[i].may(a) {
			v.Acts = append(v.Acts, acts[i].name)
		}
	}
	if mayOf(who).Act {
		for _, f := range service.FormsOf(p, nil) {
			if p.Dropout == nil || f != service.FormTownship && f != service.FormCounty && f != service.FormAuthority {
				v.Papers = append(v.Papers, f)
			}
		}
	}
	if d := p.Dropout; d != nil {
		for _, r := range d.Reports {
			x := reportView{Report: r, Paper: service.FormKind(r.To), Href: "/pupils/" + string(p.UID) + "/papers/" + string(r.To) + ".pdf?case=" + string(d.CaseNo)}
			if r.FiledOn == "" {
				x.Clock = k.clock(lang, "", r.DueOn, r.Unsure)
			}
			v.Reports = append(v.Reports, x)
		}
	}
	if p.Abroad != nil {
		v.Country = k.code(lang, registry.ListCountry, p.Abroad.Country)
	}
	v.Changes = k.pastChanges(lang, p, entries, masked)
	return v
}
