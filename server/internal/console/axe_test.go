package console_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"xueji/packaging/axetest"
	"xueji/server/internal/console/consoletest"
)

// TestAccessible: no page has a serious finding of axe on a telephone's screen, where menu, bar and folded lists are shown, and nothing has to be pushed sideways.
func TestAccessible(t *testing.T) {
	f := consoletest.New()
	base := serve(t, f, station)
	b := open(t, base, "registrar")
	had := map[string]bool{}
	for _, lang := range []string{"zh-Hans"} {
		b.cookie("xj_lang", lang)
		for _, width := range []int64{390} {
			b.do(chromedp.EmulateViewport(width, 844))
			for _, p := range pages(f) {
				b.cookie("xj_session", "token-"+p.Who)
				b.goTo(p.Path)
				found, err := axetest.Violations(b.ctx)
				if err != nil {
					t.Fatal(err)
				}
				if over, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); err != nil || over > 0 && width < 1000 {
					found = append(found, fmt.Sprintf("%d px too wide", over))
				}
				for _, v := range found {
					if !had[v] { // what is on every page is told once
						had[v] = true
						t.Errorf("%s %s as %s at %d: %s", lang, p.Path, p.Who, width, v)
					}
				}
			}
		}
	}
}

// cookie sets a cookie of the browser.
func (b *tab) cookie(name, value string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: b.base}); err != nil {
		b.t.Fatal(err)
	}
}
