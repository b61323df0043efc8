package console

import (
	"encoding/json"
	"strings"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// entryView is a line of the history: what, who and why, and under which rule pack.
type entryView struct {
	At      time.Time
	What    string // key
	Tone    string
	By      registry.Actor
	Via     string
	CaseNo  registry.CaseNo
	Refusal string
	Why     string // key of a coded reason
	Detail  string
	Pack    string
	Changes []changeView
}

// changeView is one item of a correction, with the value it had before.
type changeView struct {
	Field    registry.Field
	From, To string
}

func viaKey(a registry.Actor) string {
	if a.Account == "system" {
		return "clock"
	}
	via, _, _ := strings.Cut(a.Via, ":")
	return via
}

// history words a pupil's past, newest first. masked hides earlier values as the form hides today's.
func (k *console) history(lang string, es []store.Entry, masked bool) []entryView {
	out := make([]entryView, 0, len(es))
	for i := len(es) - 1; i >= 0; i-- {
		e := es[i]
		v := entryView{At: e.At, What: "event." + string(e.Kind), By: e.Actor, Via: viaKey(e.Actor), CaseNo: e.CaseNo, Pack: e.Pack}
		var p struct {
			Decision registry.StepDecision `json:"decision"`
			Refusal  string                `json:"refusal"`
			Note     string                `json:"note"`
			Proof    string                `json:"proof"`
			Carrier  string                `json:"carrier"`
			Act      string                `json:"act"`
			Words    string                `json:"words"`
			Papers   string                `json:"papers"`
			Ref      string                `json:"ref"`
		}
		if json.Unmarshal(e.Payload, &p) == nil {
			switch {
			case p.Decision == registry.DecisionRefuse:
				v.What, v.Tone, v.Refusal = "event.refuse", "late", p.Refusal
			case p.Decision == registry.DecisionAccept:
				v.What, v.Tone = "event.accept", "fine"
			}
			for _, s := range []string{p.Note, p.Proof, p.Words, p.Papers, p.Ref, p.Carrier} {
				if s != "" {
					v.Detail = s
					break
				}
			}
			if e.Kind == registry.EvChangeCard {
				v.What = "cardact." + p.Act
			}
		}
		k.reasonOf(lang, &v, e)
		v.Changes = k.changesOf(lang, e.Payload, masked)
		out = append(out, v)
	}
	return out
}

// reasonOf words why: a coded reason by the catalogue, or what was typed.
func (k *console) reasonOf(lang string, v *entryView, e store.Entry) {
	var p struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(e.Payload, &p) != nil || p.Reason == "" {
		return
	}
	what := strings.TrimPrefix(string(e.Kind), "start_")
	for _, key := range []string{what + ".reason." + p.Reason, "cardreason." + p.Reason} {
		if k.words.has(lang, key) {
			v.Why = key
			return
		}
	}
	if v.Detail == "" {
		v.Detail = p.Reason
	}
}

// changesOf lists the items that an event changed; what no form holds is left out.
func (k *console) changesOf(lang string, payload []byte, masked bool) []changeView {
	var p struct {
		Changes []registry.Change `json:"changes"`
	}
	if json.Unmarshal(payload, &p) != nil {
		return nil
	}
	var out []changeView
	for _, c := range p.Changes {
		f, ok := registry.FieldOf(c.Field)
		if !ok {
			continue
		}
		out = append(out, changeView{f, k.shownValue(lang, f, c.From, masked), k.shownValue(lang, f, c.To, masked)})
	}
	return out
}

// shownValue is a form's value as a page shows it, a dash for none.
func (k *console) shownValue(lang string, f registry.Field, v string, masked bool) string {
	if v == "" {
		return k.words.say(lang, "dash")
	}
	return k.valueWords(lang, f, v, masked)
}

// valueWords is a form's value in words, "" for none.
func (k *console) valueWords(lang string, f registry.Field, v string, masked bool) string {
	switch {
	case masked && maskField(f, v) != v:
		return maskField(f, v)
	case f.Type == registry.TypeCode:
		return k.code(lang, f.List, v)
	case f.Type == registry.TypeDate:
		return k.date(lang, registry.Date(v))
	case f.Type == registry.TypeMonth:
		return k.month(lang, v)
	}
	return v
}
