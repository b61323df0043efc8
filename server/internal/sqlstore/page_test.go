package sqlstore

import (
	"os"
	"strings"
	"testing"
)

// Every table with a sealed column stands on the page that says what is sealed, and every other that holds words of people among what stands in clear.
func TestSealedColumnsAreListed(t *testing.T) {
	b, err := os.ReadFile("../../../docs/data-protection.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n## What is sealed\n")
	sealed, rest, ok := strings.Cut(rest, "\n## What stands in clear, and why\n")
	if _, _, more := strings.Cut(rest, "\n## "); !ok || !more {
		t.Fatal("the page has other headings")
	}
	for _, c := range sealedColumns {
		if !strings.Contains(sealed, "`"+c.table+"`") {
			t.Errorf("docs/data-protection.md does not say that %s.%s is sealed", c.table, c.column)
		}
	}
}
