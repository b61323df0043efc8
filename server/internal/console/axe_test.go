package console_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"xueji/packaging/axetest"
	"xueji/server/internal/console/consoletest"
)

// TestAccessible: no page has a serious finding of axe, and nothing has to be pushed sideways. Every page is looked at on a telephone's screen, where menu, bar and
// folded lists are shown, in Simplified Chinese; every kind of page once more at 1440 px, in English and Traditional Chinese by turns.
func TestAccessible(t *testing.T) {
	f := consoletest.New()
	base := serve(t, f, station)
	b := open(t, base, "registrar")
	had := map[string]bool{}
	look := func(lang string, width int64, who, path string) {
		b.cookie("xj_lang", lang)
		b.cookie("xj_session", "token-"+who)
		b.goTo(path)
		found, err := axetest.Violations(b.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if over, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`)); err != nil || over > 0 {
			found = append(found, fmt.Sprintf("%d px too wide", over))
		}
		for _, v := range found {
			if !had[v] { // what is on every page is told once
				had[v] = true
				t.Errorf("%s %s as %s at %d: %s", lang, path, who, width, v)
			}
		}
	}
	b.do(chromedp.EmulateViewport(390, 844))
	for _, p := range pages(f) {
		look("zh-Hans", 390, p.Who, p.Path)
	}
	b.do(chromedp.EmulateViewport(1440, 900))
	kinds, langs := map[string]bool{}, []string{"en", "zh-Hant"}
	for _, p := range pages(f) {
		path, _, _ := strings.Cut(p.Path, "?")
		if kind := idPart.ReplaceAllString(path, "/:"); !kinds[kind] {
			kinds[kind] = true
			if len(kinds)%3 == 0 { // the desk differs from the telephone in its columns alone: a third of the kinds tells
				look(langs[len(kinds)%2], 1440, p.Who, p.Path)
			}
		}
	}
}

// idPart is a part of a path that names one pupil, case, run or order.
var idPart = regexp.MustCompile(`/[a-z2-7]{20,}|/[A-Z]{2}-[0-9A-Z-]+|/[a-z]{1,2}-[0-9]+`)

// cookie sets a cookie of the browser.
func (b *tab) cookie(name, value string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: b.base}); err != nil {
		b.t.Fatal(err)
	}
}
