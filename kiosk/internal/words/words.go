// Package words is the kiosk's catalogue: every text a person reads, in Simplified Chinese, Traditional Chinese and English. It imports nothing of the kiosk.
package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed *.json
var files embed.FS

// Langs are the languages of the catalogue, BCP 47.
var Langs = []string{"zh-Hans", "zh-Hant", "en"}

// Catalogue is language → key → text. It is read-only after Load.
type Catalogue map[string]map[string]string

// Load reads the embedded files.
func Load() (Catalogue, error) {
	c := Catalogue{}
	for _, l := range Langs {
		raw, err := files.ReadFile(l + ".json")
		if err != nil {
			return nil, err
		}
		m := map[string]string{}
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("words: %s: %w", l, err)
		}
		c[l] = m
	}
	return c, nil
}

// Has reports whether a key exists.
func (c Catalogue) Has(lang, key string) bool { _, ok := c[lang][key]; return ok }

// Text is the text of a key with {name} replaced by the pairs name, value, …. A missing key or an odd pair is an error: no screen may show one.
func (c Catalogue) Text(lang, key string, pairs ...string) (string, error) {
	t, ok := c[lang][key]
	if !ok {
		return "", fmt.Errorf("words: no %q in %s", key, lang)
	}
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("words: %q: odd number of arguments", key)
	}
	for i := 0; i < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(t), nil
}

// Keys lists a language's keys, sorted.
func (c Catalogue) Keys(lang string) []string { return slices.Sorted(maps.Keys(c[lang])) }
