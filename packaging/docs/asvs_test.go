package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every requirement of levels 1 and 2 stands in one row of docs/asvs.md, no id there is made up, and each row says something: a test, "no" or why it
// does not apply. Nothing is claimed by reading alone.
func TestASVSIsWhole(t *testing.T) {
	list, err := os.ReadFile("testdata/asvs-5.0.0.txt")
	if err != nil {
		t.Fatal(err)
	}
	level := map[string]string{}
	for _, line := range strings.Split(string(list), "\n") {
		if f := strings.Fields(line); len(f) == 2 && f[0] != "#" {
			level[f[0]] = f[1]
		}
	}
	if len(level) != 345 {
		t.Fatalf("%d requirements: 5.0.0 has 345", len(level))
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/asvs.md"))
	if err != nil {
		t.Fatal(err)
	}
	ids := regexp.MustCompile(`^\| ([0-9][0-9., ]*) \|`)
	says := regexp.MustCompile("`(?:[a-z0-9]+\\.)?(?:Test|Fuzz)[A-Z]|\\b(n/a: |no\\b|No\\b|here: )")
	here := map[string]bool{}
	for _, line := range strings.Split(string(page), "\n") {
		m := ids.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		cells := strings.SplitN(strings.Trim(line, "| "), " | ", 3)
		if len(cells) != 3 || !says.MatchString(cells[2]) {
			t.Errorf("%s: says neither a test nor that there is none", m[1])
		}
		for _, id := range strings.Split(m[1], ", ") {
			switch {
			case level[id] == "":
				t.Errorf("%s is no requirement of ASVS 5.0.0", id)
			case here[id]:
				t.Errorf("%s stands in two rows", id)
			}
			here[id] = true
		}
	}
	if strings.Contains(string(page), "by reading") {
		t.Error("something is claimed by reading: name the test that shows it, or say no")
	}
	for id, l := range level {
		key := strings.HasPrefix(id, "11.") || strings.HasPrefix(id, "12.") || strings.HasPrefix(id, "13.") // cryptography, lines and secrets: level 3 for the issuer
		if (l != "3" || key) && !here[id] {
			t.Errorf("%s (level %s) stands in no row", id, l)
		}
	}
}
