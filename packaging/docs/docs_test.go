// Package docs holds the project's pages to the tree: a test that a page names exists, a file that a page links to is there. It has no code of its own.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// claims are the pages whose every row stands on tests.
var claims = []string{"docs/regulation.md", "docs/threat-model.md", "docs/asvs.md"}

// pages are README.md and all under docs.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		more, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, more...)
	}
	if len(out) < 5 {
		t.Fatalf("only %d pages found: is this the tree?", len(out))
	}
	return out
}

// tests are the names of all test, fuzz and benchmark functions, each with the folders it stands in.
func tests(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "data" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil {
				continue
			}
			for _, prefix := range []string{"Test", "Fuzz", "Benchmark"} {
				if strings.HasPrefix(f.Name.Name, prefix) {
					out[f.Name.Name] = append(out[f.Name.Name], filepath.Base(filepath.Dir(path)))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// named finds `TestX`, `FuzzX`, and `folder.TestX` where a name stands in several packages.
var named = regexp.MustCompile("`(?:([a-z0-9]+)\\.)?((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)`")

// TestClaims: each test that a page of claims names exists, in the folder it names.
func TestClaims(t *testing.T) {
	known := tests(t)
	for _, page := range claims {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Error(err)
			continue
		}
		found := named.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no test at all", page)
		}
		for _, m := range found {
			folders := known[m[2]]
			if len(folders) == 0 {
				t.Errorf("%s names %s, which is not in the tree", page, m[2])
				continue
			}
			if m[1] == "" {
				continue
			}
			ok := false
			for _, f := range folders {
				ok = ok || f == m[1]
			}
			if !ok {
				t.Errorf("%s names %s in a folder %s; it stands in %s", page, m[2], m[1], strings.Join(folders, ", "))
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^()\s]+)\)`)

// TestLinks: each relative link of a page leads to a file.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", strings.TrimPrefix(page, root+"/"), m[1])
			}
		}
	}
}
