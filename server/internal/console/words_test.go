package console_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xueji/server/internal/intake"
)

var place = regexp.MustCompile(`\{[a-z]+\}`)

func catalogue(t *testing.T, lang string) map[string]string {
	t.Helper()
	b, err := os.ReadFile("text/" + lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// optional keys translate the standards' own terms; without one the official Chinese term stands.
func optional(key string) bool {
	return strings.HasPrefix(key, "list.") || strings.HasPrefix(key, "field.")
}

// TestCataloguesAgree: the same keys in three languages, none empty, with the same places to fill.
func TestCataloguesAgree(t *testing.T) {
	hans, hant, en := catalogue(t, "zh-Hans"), catalogue(t, "zh-Hant"), catalogue(t, "en")
	for name, other := range map[string]map[string]string{"zh-Hant": hant, "en": en} {
		for k, v := range hans {
			o, ok := other[k]
			switch {
			case !ok && optional(k):
			case !ok:
				t.Errorf("%s lacks %s", name, k)
			default:
				a, b := slices.Compact(slices.Sorted(slices.Values(place.FindAllString(v, -1)))), slices.Compact(slices.Sorted(slices.Values(place.FindAllString(o, -1))))
				for _, p := range b {
					if !slices.Contains(a, p) {
						t.Errorf("%s %s: the place %s is not in zh-Hans", name, k, p)
					}
				}
			}
			if strings.TrimSpace(v) == "" || strings.TrimSpace(o) == "" && ok {
				t.Errorf("%s is empty", k)
			}
		}
		for k := range other {
			if _, ok := hans[k]; !ok && !optional(k) {
				t.Errorf("zh-Hans lacks %s", k)
			}
		}
	}
	for k, v := range hans {
		if strings.ContainsAny(v, ",;?!") && !strings.Contains(k, "issue.offline") || strings.Contains(v, "...") {
			t.Errorf("%s: half-width punctuation in Chinese text: %s", k, v)
		}
	}
}

// TestVocabulary: each constant that a page may show has its words, so that a new one in package registry breaks this test until it is named.
func TestVocabulary(t *testing.T) {
	prefix := map[string][]string{
		"Standing": {"standing."}, "CaseKind": {"kind."}, "CaseState": {"cstate."}, "Party": {"party."}, "RefusalCode": {"refusal.", "refusal.+.mend"}, "TaskKind": {"task."},
		"EventKind": {"event."}, "ArchiveState": {"archive.state."}, "Role": {"role."}, "FindingCode": {"find."}, "FieldType": {"rule."},
	}
	hans := catalogue(t, "zh-Hans")
	files, err := filepath.Glob("../../registry/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("package registry is not where it was", err)
	}
	seen := map[string]int{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			typ, ok := v.Type.(*ast.Ident)
			lit, isLit := v.Values[0].(*ast.BasicLit)
			if !ok || !isLit {
				return true
			}
			value, _ := strconv.Unquote(lit.Value)
			for _, p := range prefix[typ.Name] {
				seen[typ.Name]++
				key := p + value
				if before, after, two := strings.Cut(p, "+"); two {
					key = before + value + after
				}
				if hans[key] == "" {
					t.Errorf("%s %s has no words under %s", typ.Name, v.Names[0].Name, key)
				}
			}
			return true
		})
	}
	for typ := range prefix {
		if seen[typ] == 0 {
			t.Errorf("no constant of type %s was found", typ)
		}
	}
}

// TestWorkbookRefusals: whatever keeps a whole workbook out is told in every language, with who mends it how.
func TestWorkbookRefusals(t *testing.T) {
	for _, lang := range []string{"zh-Hans", "zh-Hant", "en"} {
		m := catalogue(t, lang)
		for _, why := range []string{intake.WhyNotXLSX, intake.WhyOldFormat, intake.WhyTooBig, intake.WhyBomb, intake.WhyRows, intake.WhyNoRows, intake.WhyNoHeader, intake.WhyHeader, intake.WhyDamaged} {
			if m["workbook."+why] == "" {
				t.Errorf("%s does not say %s", lang, why)
			}
		}
	}
}
