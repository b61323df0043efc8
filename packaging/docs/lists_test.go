package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every library of ours stands in docs/dependencies.md, at the version that is built, comes from where its name says, and is checked by its hash.
func TestLibraries(t *testing.T) {
	page, sums := read(t, "docs/dependencies.md"), read(t, "go.sum")
	mod, err := modfile.Parse("go.mod", []byte(read(t, "go.mod")), nil)
	if err != nil {
		t.Fatal(err)
	}
	version := map[string]string{}
	for _, r := range mod.Require {
		version[r.Mod.Path] = r.Mod.Version
		if !strings.Contains(sums, r.Mod.Path+" "+r.Mod.Version+" h1:") && !r.Indirect {
			t.Errorf("go.sum has no hash of %s %s", r.Mod.Path, r.Mod.Version)
		}
		short := strings.TrimPrefix(r.Mod.Path, "golang.org/")
		if !r.Indirect && !strings.Contains(page, r.Mod.Path) && !strings.Contains(page, ", "+short) {
			t.Errorf("docs/dependencies.md does not name %s", r.Mod.Path)
		}
	}
	if len(mod.Replace) > 0 {
		t.Errorf("%d libraries come from elsewhere", len(mod.Replace))
	}
	row := regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]*) \|`)
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		versions := strings.Split(strings.TrimSpace(m[2]), ", ")
		for i, path := range strings.Split(m[1], ", ") {
			if v := version[path]; v != "" && i < len(versions) && !strings.HasSuffix(v, versions[i]) {
				t.Errorf("docs/dependencies.md says %s %s, and %s is built", path, versions[i], v)
			}
		}
	}
	for _, file := range []string{"Makefile", ".ci/test.sh"} {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err == nil && regexp.MustCompile(`GONOSUM|GOSUMDB|GOINSECURE|GONOSUMDB|GOFLAGS.*-mod=mod|-insecure`).Match(b) {
			t.Errorf("%s goes round the hashes", file)
		}
	}
}

// Every kind of entry of the audit log stands on its page.
func TestAuditKindsAreListed(t *testing.T) {
	page, source := read(t, "docs/audit.md"), read(t, "server/internal/audit/entry.go")
	kinds := regexp.MustCompile(`Kind = "([a-z_]+)"`).FindAllStringSubmatch(source, -1)
	if len(kinds) < 20 {
		t.Fatalf("%d kinds: the test looks in the wrong place", len(kinds))
	}
	for _, k := range kinds {
		if !strings.Contains(page, "`"+k[1]+"`") {
			t.Errorf("docs/audit.md does not name the kind %s", k[1])
		}
	}
}

// keyPages say where keys and secrets lie.
var keyPages = []string{"docs/data-protection.md", "docs/issuing-keys.md", "docs/audit.md", "docs/kiosk.md"}

// Every file of a key or secret that a program names stands on one of the pages that list them.
func TestKeyFilesAreListed(t *testing.T) {
	var pages string
	for _, p := range keyPages {
		pages += read(t, p)
	}
	file := regexp.MustCompile(`^[a-z][a-z0-9%-]+\.(key|token|pem|seed|secret|kek)$`)
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "data", "bin", "packaging", "docs", "cardsim"}, name) || strings.HasSuffix(name, "test")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, _ := strconv.Unquote(l.Value); file.MatchString(s) {
					found = append(found, s)
					if !strings.Contains(pages, s) {
						t.Errorf("%s names %s, which is on none of %v", path, s, keyPages)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 5 {
		t.Errorf("only %v: the test looks in the wrong place", found)
	}
}
