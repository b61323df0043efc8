package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"xueji/packaging/rig"
)

// paper is a PDF read back as people and scanners read it.
type paper struct {
	text string // words, without the white space between them
	size string // of the first page, as pdfinfo says
	file string
}

var space = regexp.MustCompile(`\s+`)

// readPaper has pdftotext read a PDF.
func readPaper(t testing.TB, dir, name string, pdf []byte) paper {
	t.Helper()
	if !strings.HasPrefix(string(pdf), "%PDF-") {
		t.Fatalf("%s is no PDF: %q", name, pdf[:min(len(pdf), 200)])
	}
	file := filepath.Join(dir, name+".pdf")
	if err := os.WriteFile(file, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	p := paper{file: file, text: space.ReplaceAllString(rig.Run(t, nil, "pdftotext", "-layout", "-enc", "UTF-8", file, "-"), "")}
	for line := range strings.Lines(rig.Run(t, nil, "pdfinfo", file)) {
		if s, ok := strings.CutPrefix(line, "Page size:"); ok {
			p.size = strings.TrimSpace(s)
		}
	}
	return p
}

// has wants each text on the paper.
func (p paper) has(t testing.TB, want ...string) {
	t.Helper()
	for _, x := range want {
		if !strings.Contains(p.text, space.ReplaceAllString(x, "")) {
			t.Errorf("%s does not say %q; it says:\n%s", filepath.Base(p.file), x, p.text)
		}
	}
}

// hasNot wants none of the texts on it.
func (p paper) hasNot(t testing.TB, never ...string) {
	t.Helper()
	for _, x := range never {
		if x == "" {
			t.Errorf("nothing to look for on %s", filepath.Base(p.file))
		} else if strings.Contains(p.text, x) {
			t.Errorf("%s shows %q", filepath.Base(p.file), x)
		}
	}
}

// codes are the QR codes on all pages, as zbarimg scans them off the printed page.
func (p paper) codes(t testing.TB) []string {
	t.Helper()
	stem := strings.TrimSuffix(p.file, ".pdf")
	rig.Run(t, nil, "pdftoppm", "-r", "200", "-png", p.file, stem)
	pages, _ := filepath.Glob(stem + "-*.png")
	if len(pages) == 0 {
		t.Fatalf("%s has no pages", p.file)
	}
	var out []string
	for _, png := range pages {
		// zbarimg ends with 4 when a page bears no code.
		text := rig.Run(t, nil, "sh", "-c", `zbarimg --raw -q "$0" || [ $? -eq 4 ]`, png)
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				out = append(out, line)
			}
		}
	}
	return out
}
