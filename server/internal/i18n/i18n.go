// Package i18n is the words of problems and enumerations in Simplified Chinese, Traditional Chinese and English. Pages and the kiosk keep their own.
//
// It owns three JSON catalogues with the same keys, and the choice of a language. It must not import HTTP, the store or the service.
package i18n

import (
	"embed"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"xueji/server/api"
	"xueji/server/registry"
)

// Lang is a language by its BCP 47 tag.
type Lang string

// Languages, the first is the default.
const (
	Hans Lang = "zh-Hans"
	Hant Lang = "zh-Hant"
	En   Lang = "en"
)

// Langs lists the languages.
func Langs() []Lang { return []Lang{Hans, Hant, En} }

//go:embed zh-Hans.json zh-Hant.json en.json
var files embed.FS

var catalogues = load()

func load() map[Lang]map[string]string {
	out := map[Lang]map[string]string{}
	for _, l := range Langs() {
		b, err := files.ReadFile(string(l) + ".json")
		if err == nil {
			m := map[string]string{}
			if err = json.Unmarshal(b, &m); err == nil {
				out[l] = m
			}
		}
		if err != nil {
			panic("i18n: " + string(l) + ": " + err.Error()) // embedded: a build that starts at all has them; a test reads every key
		}
	}
	return out
}

// Keys are the keys of a catalogue, sorted.
func Keys(l Lang) []string { return slices.Sorted(maps.Keys(catalogues[l])) }

// Text is the words of a key with {name} filled from params; a name that params lack leaves nothing. An unknown key is "", false.
func Text(l Lang, key string, params map[string]string) (string, bool) {
	m, ok := catalogues[l]
	if !ok {
		m = catalogues[Hans]
	}
	s, ok := m[key]
	if !ok || !strings.Contains(s, "{") {
		return s, ok
	}
	return fill(s, params), true
}

func fill(s string, params map[string]string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			b.WriteString("{" + rest)
			return b.String()
		}
		b.WriteString(params[name])
		s = after
	}
}

// Problem words a domain error. names turns unit codes in params into names ("" keeps the code). It never shows an error's cause.
func Problem(l Lang, e *registry.Error, status int, ref string, names func(registry.Unit) string) api.Problem {
	params := map[string]string{"ref": ref}
	for k, v := range e.Params {
		if n := ""; k == "school" || k == "unit" || k == "to" {
			if n = names(registry.Unit(v)); n != "" {
				v = n
			}
		}
		params[k] = v
	}
	if params["school_name"] == "" {
		params["school_name"] = params["school"]
	}
	p := api.Problem{Code: e.Code, Status: status, Field: e.Field, Params: e.Params, Ref: ref}
	base := "problem." + string(e.Code)
	bases := []string{base}
	if w := e.Params["why"]; w != "" {
		bases = append([]string{base + ".why." + w}, bases...)
	}
	for _, b := range bases {
		if t, ok := Text(l, b+".title", params); ok {
			p.Title = t
			p.Help, _ = Text(l, b+".help", params)
			break
		}
	}
	if e.Code == registry.CodeConflict && params["who"] == "" {
		p.Help, _ = Text(l, "problem.conflict.plain.help", params)
	}
	return p
}

// Match chooses the language of an Accept-Language header or a stored tag; Simplified Chinese when none fits.
func Match(header string) Lang {
	for _, part := range strings.Split(header, ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		t := strings.ToLower(tag)
		switch {
		case strings.HasPrefix(t, "en"):
			return En
		case strings.HasPrefix(t, "zh-hant"), strings.HasPrefix(t, "zh-tw"), strings.HasPrefix(t, "zh-hk"), strings.HasPrefix(t, "zh-mo"):
			return Hant
		case strings.HasPrefix(t, "zh"):
			return Hans
		}
	}
	return Hans
}
