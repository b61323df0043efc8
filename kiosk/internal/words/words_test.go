package words_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xueji/kiosk/internal/words"
)

func load(t *testing.T) words.Catalogue {
	t.Helper()
	c, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every key stands in all three languages with the same places to fill, and no text is empty.
func TestSameKeys(t *testing.T) {
	c := load(t)
	place := regexp.MustCompile(`\{[a-z]+\}`)
	want := c.Keys("zh-Hans")
	if len(want) < 300 {
		t.Fatalf("only %d keys: wrong file?", len(want))
	}
	for _, l := range words.Langs {
		if got := c.Keys(l); !slices.Equal(got, want) {
			t.Errorf("%s has other keys than zh-Hans", l)
		}
		for k, v := range c[l] {
			if strings.TrimSpace(v) == "" {
				t.Errorf("%s: %q is empty", l, k)
			}
			a, b := place.FindAllString(v, -1), place.FindAllString(c["zh-Hans"][k], -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(slices.Compact(a), slices.Compact(b)) {
				t.Errorf("%s: %q fills %v, zh-Hans fills %v", l, k, a, b)
			}
		}
	}
}

// Chinese takes full-width punctuation, English half-width.
func TestPunctuation(t *testing.T) {
	c := load(t)
	half := regexp.MustCompile(`\p{Han}[,.:;?!()]|[,:;?!()]\p{Han}`)
	full := regexp.MustCompile(`[，。：；？！（）“”‘’、]`)
	for _, l := range []string{"zh-Hans", "zh-Hant"} {
		for k, v := range c[l] {
			if half.MatchString(v) {
				t.Errorf("%s %q: half-width punctuation: %s", l, k, v)
			}
		}
	}
	for k, v := range c["en"] {
		if full.MatchString(v) {
			t.Errorf("en %q: full-width punctuation: %s", k, v)
		}
	}
	for k, v := range c["zh-Hant"] {
		if strings.ContainsAny(v, "学转请读这办为时间复绿网络员师签档标归还错误过") {
			t.Errorf("zh-Hant %q holds simplified characters: %s", k, v)
		}
	}
}

// What the pages and their code name by a whole key exists.
func TestUsedKeysExist(t *testing.T) {
	c := load(t)
	used := regexp.MustCompile(`\.T "([a-z_.]+)"|Lines "([a-z_.]+)"|p\.T\("([a-z_.0-9]+)"`)
	files, err := filepath.Glob("../web/templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal("no templates", err)
	}
	n := 0
	for _, f := range append(files, "../web/draw.go") {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(raw), -1) {
			n++
			if k := m[1] + m[2] + m[3]; !strings.HasSuffix(k, ".") && !c.Has("en", k) {
				t.Errorf("%s uses %q, which is not in the catalogue", filepath.Base(f), k)
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d uses found: has the form of the templates changed?", n)
	}
}
