package console

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed text/*.json
var textFS embed.FS

// Languages in the order of the switch. Each names itself.
var languages = []struct{ Code, Name string }{
	{"zh-Hans", "简体"},
	{"zh-Hant", "繁體"},
	{"en", "English"},
}

// words are the catalogues: language → key → text. A text may hold {name} places and, for counts, two forms parted by "|" (one, other) chosen by {n}.
type words struct{ by map[string]map[string]string }

func loadWords() (*words, error) {
	w := &words{by: map[string]map[string]string{}}
	for _, l := range languages {
		b, err := textFS.ReadFile("text/" + l.Code + ".json")
		if err != nil {
			return nil, fmt.Errorf("console: catalogue %s: %w", l.Code, err)
		}
		m := map[string]string{}
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("console: catalogue %s: %w", l.Code, err)
		}
		w.by[l.Code] = m
	}
	return w, nil
}

// lang is a known language, simplified Chinese for any other.
func (w *words) lang(l string) string {
	if _, ok := w.by[l]; ok {
		return l
	}
	return languages[0].Code
}

func (w *words) has(lang, key string) bool {
	_, ok := w.by[lang][key]
	return ok
}

// missing brackets a key without text, so that no test and no reader overlooks it.
const missingOpen, missingClose = "⟦", "⟧"

// say gives the text of key with its places filled from pairs (name, value, …).
func (w *words) say(lang, key string, pairs ...any) string {
	s, ok := w.by[lang][key]
	if !ok {
		return missingOpen + key + missingClose
	}
	if one, other, two := strings.Cut(s, "|"); two {
		s = other
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == "n" && fmt.Sprint(pairs[i+1]) == "1" {
				s = one
			}
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		s = strings.ReplaceAll(s, fmt.Sprintf("{%v}", pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	return s
}
