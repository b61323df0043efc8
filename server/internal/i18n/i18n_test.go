package i18n

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xueji/server/registry"
)

// constants reads the string constants of a named type from the registry's source, so that a new one breaks this test until it has words.
func constants(t *testing.T, typ string) []string {
	t.Helper()
	fset := token.NewFileSet()
	var out []string
	for _, file := range []string{"types.go", "errors.go"} {
		f, err := parser.ParseFile(fset, "../../registry/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				if id, ok := v.Type.(*ast.Ident); ok && id.Name == typ && len(v.Values) == 1 {
					if s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value); err == nil && s != "" {
						out = append(out, s)
					}
				}
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no constants of %s found: the test looks in the wrong place", typ)
	}
	return out
}

func TestEveryConstantHasWords(t *testing.T) {
	for typ, prefix := range map[string]string{"Standing": "standing.", "CaseKind": "case.", "CaseState": "case_state.", "Party": "party.", "ArchiveState": "archive.",
		"Role": "role.", "RefusalCode": "refusal.", "TaskKind": "task."} {
		for _, c := range constants(t, typ) {
			for _, l := range Langs() {
				if s, ok := Text(l, prefix+c, nil); !ok || s == "" {
					t.Errorf("%s: no words for %s%s", l, prefix, c)
				}
			}
		}
	}
	for _, c := range constants(t, "Code") {
		for _, l := range Langs() {
			for _, part := range []string{".title", ".help"} {
				if s, ok := Text(l, "problem."+c+part, nil); !ok || s == "" {
					t.Errorf("%s: no words for problem.%s%s", l, c, part)
				}
			}
		}
	}
	for _, c := range registry.RefusalCodes() {
		for _, l := range Langs() {
			if s, _ := Text(l, "refusal."+string(c)+".help", nil); s == "" {
				t.Errorf("%s: refusal %s does not say who can mend it", l, c)
			}
		}
	}
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

func TestCataloguesAgree(t *testing.T) {
	for _, l := range Langs()[1:] {
		if !slices.Equal(Keys(Hans), Keys(l)) {
			t.Errorf("%s has other keys than %s", l, Hans)
		}
	}
	for _, k := range Keys(Hans) {
		want := placeholder.FindAllString(catalogues[Hans][k], -1)
		slices.Sort(want)
		for _, l := range Langs() {
			got := placeholder.FindAllString(catalogues[l][k], -1)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: placeholders %v, %s has %v", l, k, got, Hans, want)
			}
			if l != En && strings.ContainsAny(placeholder.ReplaceAllString(catalogues[l][k], ""), ",;:?!") {
				t.Errorf("%s %s: half-width punctuation", l, k)
			}
		}
	}
}

func TestProblem(t *testing.T) {
	name := func(u registry.Unit) string { return map[registry.Unit]string{"330106": "西湖区教育局"}[u] }
	p := Problem(Hans, &registry.Error{Code: registry.CodeNotYourTurn, Params: map[string]string{"unit": "330106", "due_on": "2026-09-15"}}, 409, "r", name)
	if !strings.Contains(p.Help, "西湖区教育局") || !strings.Contains(p.Help, "2026-09-15") {
		t.Errorf("help %q", p.Help)
	}
	p = Problem(En, &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "training"}}, 403, "r", name)
	if !strings.Contains(p.Help, "Article 23") {
		t.Errorf("help %q", p.Help)
	}
	p = Problem(En, &registry.Error{Code: registry.CodeForbidden, Params: map[string]string{"why": "something new"}}, 403, "r", name)
	if p.Title == "" {
		t.Error("an unknown why has no words at all")
	}
	p = Problem(Hant, &registry.Error{Code: registry.CodeConflict}, 409, "r", name)
	if strings.Contains(p.Help, "  ") || p.Help == "" {
		t.Errorf("conflict without names: %q", p.Help)
	}
}

func TestMatch(t *testing.T) {
	for header, want := range map[string]Lang{"": Hans, "fr": Hans, "en-GB,zh;q=0.5": En, "zh-TW": Hant, "zh-Hant-HK": Hant, "zh-CN": Hans, "fr, en;q=0.1": En} {
		if got := Match(header); got != want {
			t.Errorf("Match(%q) = %s, want %s", header, got, want)
		}
	}
}
