package console_test

import (
	"os"
	"regexp"
	"testing"
)

// Every finding a kiosk may report has words for the school and says who mends it. The console may not import the kiosk: the list is read from its source.
func TestKioskFindingsHaveWords(t *testing.T) {
	src, err := os.ReadFile("../../../kiosk/internal/gate/gate.go")
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`(?m)^\t[A-Z]\w+ += "([a-z_]+)"`).FindAllSubmatch(src, -1)
	if len(keys) < 20 {
		t.Fatalf("only %d findings found: has the form of gate.go changed?", len(keys))
	}
	for _, lang := range []string{"zh-Hans", "zh-Hant", "en"} {
		c := catalogue(t, lang)
		for _, k := range keys {
			if key := "kiosks.f." + string(k[1]); c[key] == "" || c[key+".mend"] == "" {
				t.Errorf("%s: no words for %s", lang, key)
			}
		}
	}
}
