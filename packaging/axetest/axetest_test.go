package axetest

import (
	"slices"
	"strings"
	"testing"
	"time"
	"xueji/packaging/browsertest"

	"github.com/chromedp/chromedp"
)

// TestViolations: a page with faults is found out, also under a policy that lets no script in; a good one is not accused.
func TestViolations(t *testing.T) {
	ctx := browsertest.Start(t, 3*time.Minute)
	page := func(body string) string {
		return `data:text/html,<!doctype html><html lang="en"><head><title>t</title><meta http-equiv="Content-Security-Policy" content="default-src 'none'"></head><body><main>` + body + `</main></body></html>`
	}
	for body, want := range map[string][]string{
		`<h1>Good</h1><button>Go</button>`:                                        nil,
		`<h1>Bad</h1><button></button><p><font color="lightgray">pale</font></p>`: {"critical button-name", "serious color-contrast"},
	} {
		if err := chromedp.Do(ctx, chromedp.Navigate(page(body))); err != nil {
			t.Fatal(err)
		}
		got, err := Violations(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, w) }) {
				t.Errorf("%s: %q lacks %s", body, got, w)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %q", body, got)
		}
	}
}
