package axetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// source is the program's text, read once.
var source = sync.OnceValues(func() (string, error) {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return "", fmt.Errorf("axetest: where this package lies is not known")
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(here), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("axetest: axe-core is not here; `make setup-axe` gets it: %w", err)
	}
	return string(b), nil
})

// look runs the rules of WCAG 2.2 A and AA, and axe's best practices where they are serious. Colours are told with their ratio.
const look = `axe.run(document, {runOnly: {type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}, resultTypes: ["violations"]}).then((r) =>
  r.violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => v.impact + " " + v.id + ": " + v.help + "\n" +
    v.nodes.slice(0, 4).map((n) => "    " + n.target.join(" ") + "  " + [...n.any, ...n.all, ...n.none].map((c) => c.message).slice(0, 1).join("")).join("\n") +
    (v.nodes.length > 4 ? "\n    and " + (v.nodes.length - 4) + " more" : "")))`

// Violations are the serious and critical findings on the page that ctx stands at, one text each; empty when there is none. The page's own policy does not
// matter: the program comes in by the debugger.
func Violations(ctx context.Context) ([]string, error) {
	src, err := source()
	if err != nil {
		return nil, err
	}
	there, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`typeof axe === "object"`))
	if err == nil && !there {
		err = chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](src+"\n;0"))
	}
	if err != nil {
		return nil, fmt.Errorf("axetest: %w", err)
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](look, chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, fmt.Errorf("axetest: %w", err)
	}
	return found, nil
}

// Check wants no serious and no critical finding on the page that ctx stands at; name says in the test's report which page it is.
func Check(ctx context.Context, t testing.TB, name string) {
	t.Helper()
	found, err := Violations(ctx)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(found) > 0 {
		t.Errorf("%s: %s", name, strings.Join(found, "\n"))
	}
}
