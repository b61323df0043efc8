package console

import (
	"encoding/json"
	"strconv"
	"strings"

	"xueji/server/registry"
)

// ruleTitle is what a member of a rule pack is called; sub is its part (a kind of case, an end, a business), "" for a member without parts.
func (k *console) ruleTitle(lang, member, sub string) string {
	title := member
	if key := "rules.member." + member; k.words.has(lang, key) {
		title = k.words.say(lang, key)
	}
	if sub == "" {
		return title
	}
	for _, pre := range []string{"rules.part." + member + ".", "rules.part.", "kind.", "standing."} {
		if k.words.has(lang, pre+sub) {
			sub = k.words.say(lang, pre+sub)
			break
		}
	}
	return title + k.words.say(lang, "punct.colon") + sub
}

// ruleValue is a member's value in words. What has no words of its own is shown as the pack has it, so that a new member is never hidden.
func (k *console) ruleValue(lang, member string, raw []byte) string {
	say := func(key string, pairs ...any) string { return k.words.say(lang, key, pairs...) }
	list := func(n int, word func(i int) string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = word(i)
		}
		return strings.Join(parts, say("punct.list"))
	}
	switch string(raw) {
	case "true", "false":
		return say("rules." + string(raw))
	case "null", "[]", "{}":
		return say("rules.none")
	}
	switch member {
	case "cards":
		var d registry.CardDemand
		if json.Unmarshal(raw, &d) == nil {
			return say("rules.card", "level", say("rules.level."+strconv.Itoa(d.Level)), "days", d.StaleDays, "otherwise", say("rules.otherwise."+d.Otherwise))
		}
	case "entry_grades", "stage_ends", "promote_over", "repeat_grades", "skip_grades", "transfer_closed_grades", "finish_grades", "compulsory_to":
		var grades []int
		if member == "compulsory_to" {
			grades = make([]int, 1)
			if json.Unmarshal(raw, &grades[0]) != nil {
				break
			}
		} else if json.Unmarshal(raw, &grades) != nil {
			break
		}
		return list(len(grades), func(i int) string { return k.grade(lang, grades[i]) })
	case "terms", "transfer_windows", "windows":
		var w []registry.Window
		if json.Unmarshal(raw, &w) == nil {
			return list(len(w), func(i int) string { return k.window(lang, w[i]) })
		}
	case "promotion":
		var w registry.Window
		if json.Unmarshal(raw, &w) == nil {
			return k.window(lang, w)
		}
	case "school_year_ends":
		var d string
		if json.Unmarshal(raw, &d) == nil {
			return k.monthDay(lang, d)
		}
	case "key_items":
		var keys []registry.FieldKey
		if json.Unmarshal(raw, &keys) == nil {
			return list(len(keys), func(i int) string {
				if f, ok := registry.FieldOf(keys[i]); ok {
					return k.fieldTitle(lang, f)
				}
				return string(keys[i])
			})
		}
	case "conditions":
		var cs []registry.Condition
		if json.Unmarshal(raw, &cs) == nil {
			return list(len(cs), func(i int) string { return cs[i].ID + say("punct.colon") + cs[i].Say })
		}
	}
	return strings.NewReplacer(`"`, "", "[", "", "]", "", "{", "", "}", "", ",", say("punct.list")).Replace(string(raw))
}

// window is a time of the year in words.
func (k *console) window(lang string, w registry.Window) string {
	return k.words.say(lang, "rules.window", "from", k.monthDay(lang, w.From), "to", k.monthDay(lang, w.To))
}

// monthDay is a day of the year, "09-01", in words.
func (k *console) monthDay(lang, d string) string {
	t, ok := parseDate(registry.Date("2024-" + d)) // a leap year has every day
	if !ok {
		return d
	}
	if lang == "en" {
		return t.Format("2 Jan")
	}
	return strconv.Itoa(int(t.Month())) + " 月 " + strconv.Itoa(t.Day()) + " 日"
}
