package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"xueji/packaging/browsertest"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// pageWait is how long a page may take to show what is awaited.
const pageWait = 45 * time.Second

// stage is the subtest that is on now: what is opened in one is used in the next, and closed when the whole walk ends.
type stage struct {
	testing.TB
	whole testing.TB
}

// Cleanup overrides the subtest's.
func (s *stage) Cleanup(f func()) { s.whole.Cleanup(f) }

// browser is one Chromium; each page of it has cookies of its own, as each person has.
type browser struct {
	t     *stage
	ctx   context.Context
	shots string
}

func openBrowser(t *stage, shots string) *browser {
	t.Helper()
	return &browser{t: t, ctx: browsertest.Start(t.whole, time.Hour), shots: shots}
}

// page is one person at one screen.
type page struct {
	t     *stage
	who   string
	base  string
	ctx   context.Context
	shots string

	mu         sync.Mutex
	complaints []string
}

// page opens a screen of a size in pixels at base.
func (b *browser) page(who, base string, width, height int64) *page {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	b.t.Cleanup(cancel)
	p := &page{t: b.t, who: who, base: base, ctx: ctx, shots: b.shots}
	err := chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			what := ev.ExceptionDetails.Text
			if e := ev.ExceptionDetails.Exception; e != nil {
				what += " " + e.Description
			}
			p.complain(what)
		case *cdplog.EventEntryAdded:
			if ev.Entry.Source == cdplog.EntrySourceSecurity && ev.Entry.Level == cdplog.EntryLevelError {
				p.complain(ev.Entry.Text)
			}
		}
	})
	if err == nil {
		err = chromedp.Do(ctx, chromedp.EmulateViewport(width, height))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", who, err)
	}
	return p
}

func (p *page) complain(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, s)
}

// wellBehaved wants no script error and no breach of the page's own security policy so far.
func (p *page) wellBehaved() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		p.t.Errorf("%s: the page complained: %s", p.who, c)
	}
	p.complaints = nil
}

// fatal ends the test with a picture of the screen.
func (p *page) fatal(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s: %s\n%s", p.who, fmt.Sprintf(format, args...), p.picture())
}

// picture says where the browser stands and keeps a screenshot.
func (p *page) picture() string {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	at, err1 := chromedp.Run(ctx, chromedp.Location())
	text, err2 := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => { for (const s of document.querySelectorAll("select")) s.style.display = "none"; return document.body ? document.body.innerText : ""; })()`))
	png, err3 := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err := errors.Join(err1, err2, err3); err != nil {
		return fmt.Sprintf("no picture: %v", err)
	}
	file := filepath.Join(p.shots, strings.ReplaceAll(p.who, "/", "-")+"-"+time.Now().Format("150405.000")+".png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		file = err.Error()
	}
	return fmt.Sprintf("at %s, picture %s, it says:\n%s", at, file, text[:min(len(text), 3000)])
}

func (p *page) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageWait)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.fatal("%s: %v", what, err)
	}
}

// open goes to a path of the site.
func (p *page) open(path string) {
	p.t.Helper()
	p.do("open "+path, chromedp.Navigate(p.base+path))
	if !strings.HasPrefix(path, "/pupils/") {
		return
	}
	// A pupil without business for this unit: the console asks why, once. The first reason is chosen already.
	if asked, err := ask[bool](p, `!!document.querySelector('form[action$="/why"]')`); err == nil && asked {
		p.do("give the reason", chromedp.Click(`form[action$="/why"] button.pri`))
		p.until("the page after the reason", `document.readyState === "complete" && !document.querySelector('form[action$="/why"]')`)
	}
}

// ask evaluates a JavaScript expression; a page that is just being replaced answers with an error.
func ask[T any](p *page, js string, opts ...chromedp.EvaluateOption) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](js, opts...))
}

// until waits until a JavaScript expression is true.
func (p *page) until(what, js string) { p.t.Helper(); p.untilWithin(pageWait, what, js) }

func (p *page) untilWithin(limit time.Duration, what, js string) {
	p.t.Helper()
	var last error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		var ok bool
		if ok, last = ask[bool](p, "!!("+js+")"); last == nil && ok {
			return
		}
		if p.ctx.Err() != nil {
			break
		}
	}
	p.fatal("not within %v: %s (%v)", limit, what, last)
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// says waits until the page, or the part of it that sel names, shows a text.
func (p *page) says(text string) { p.t.Helper(); p.partSays("body", text) }

func (p *page) partSays(sel, text string) {
	p.t.Helper()
	p.until(sel+" says "+text, fmt.Sprintf(`[...document.querySelectorAll(%s)].some(e => e.innerText.replace(/\s+/g, " ").includes(%s))`, quote(sel), quote(text)))
}

// silent wants a text to be nowhere on the page now.
func (p *page) silent(text string) {
	p.t.Helper()
	if got := p.text("body"); strings.Contains(got, text) {
		p.fatal("the page says %q", text)
	}
}

// text is what the first element says.
func (p *page) text(sel string) string {
	p.t.Helper()
	p.until("there is "+sel, fmt.Sprintf(`document.querySelector(%s)`, quote(sel)))
	out, err := ask[string](p, fmt.Sprintf(`document.querySelector(%s).innerText`, quote(sel)))
	if err != nil {
		p.fatal("text of %s: %v", sel, err)
	}
	return out
}

// texts is what each element says.
func (p *page) texts(sel string) []string {
	p.t.Helper()
	out, err := ask[[]string](p, fmt.Sprintf(`[...document.querySelectorAll(%s)].map(e => e.innerText.replace(/\s+/g, " ").trim())`, quote(sel)))
	if err != nil {
		p.fatal("texts of %s: %v", sel, err)
	}
	return out
}

// attr is an attribute of the first element.
func (p *page) attr(sel, name string) string {
	p.t.Helper()
	p.until("there is "+sel, fmt.Sprintf(`document.querySelector(%s)`, quote(sel)))
	out, err := ask[string](p, fmt.Sprintf(`document.querySelector(%s).getAttribute(%s) || ""`, quote(sel), quote(name)))
	if err != nil {
		p.fatal("%s of %s: %v", name, sel, err)
	}
	return out
}

// click presses the first element that can be seen and reached at its middle, scrolling to it as a person would.
func (p *page) click(sel string) { p.t.Helper(); p.clickOn(sel, "") }

// clickOn is click on the element that says text.
func (p *page) clickOn(sel, text string) {
	p.t.Helper()
	js := fmt.Sprintf(`(() => {
		for (const e of document.querySelectorAll(%s)) {
			if (e.disabled || %s && !e.innerText.replace(/\s+/g, " ").includes(%s)) continue;
			let r = e.getBoundingClientRect();
			if (!r.width || !r.height) continue;
			if (r.top < 0 || r.bottom > innerHeight || r.left < 0 || r.right > innerWidth) { e.scrollIntoView({block: "center", behavior: "instant"}); r = e.getBoundingClientRect(); }
			const x = r.left + Math.min(r.width / 2, 400), y = r.top + r.height / 2, hit = document.elementFromPoint(x, y);
			if (hit && (e === hit || e.contains(hit))) return [x, y];
		}
		return [];
	})()`, quote(sel), quote(text), quote(text))
	var at []float64
	var last error
	for end := time.Now().Add(pageWait); time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		if at, last = ask[[]float64](p, js); last == nil && len(at) == 2 {
			p.do("click "+sel+" "+text, chromedp.MouseClickXY(at[0], at[1]))
			return
		}
	}
	p.fatal("nothing to press: %s %q (%v)", sel, text, last)
}

// fill puts text into a field in place of what is there, as a paste or an input method does.
func (p *page) fill(sel, text string) {
	p.t.Helper()
	p.click(sel)
	p.do("fill "+sel, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector(%s).select()`, quote(sel))), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
	p.until(sel+" holds what was typed", fmt.Sprintf(`document.querySelector(%s).value === %s`, quote(sel), quote(text)))
}

// choose sets a list or a date field and tells the page so.
func (p *page) choose(sel, value string) {
	p.t.Helper()
	p.until("there is "+sel, fmt.Sprintf(`document.querySelector(%s)`, quote(sel)))
	ok, err := ask[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector(%s); e.value = %s; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); return e.value === %s; })()`,
		quote(sel), quote(value), quote(value)))
	if err != nil || !ok {
		p.fatal("%s cannot be set to %q: %v", sel, value, err)
	}
}

// keys types on the keyboard, key by key; "\r" is Enter.
func (p *page) keys(text string) {
	p.t.Helper()
	p.do("keys", chromedp.KeyEvent(text))
}

// fetch gets an address of the site with the page's session, as a link to a file does.
func (p *page) fetch(path string) []byte {
	p.t.Helper()
	b, status := p.get(path)
	if status != 200 {
		p.fatal("GET %s: %d\n%s", path, status, b[:min(len(b), 500)])
	}
	return b
}

func (p *page) get(path string) ([]byte, int) {
	p.t.Helper()
	type answer struct {
		Status int    `json:"status"`
		Body   string `json:"body"`
	}
	js := fmt.Sprintf(`fetch(%s, {cache: "no-store"}).then(async r => { const b = new Uint8Array(await r.arrayBuffer()); let s = ""; for (let i = 0; i < b.length; i += 8192) s += String.fromCharCode(...b.subarray(i, i + 8192)); return {status: r.status, body: btoa(s)}; })`, quote(path))
	out, err := ask[answer](p, js, chromedp.EvalAwaitPromise)
	if err != nil {
		p.fatal("GET %s: %v", path, err)
	}
	b, err := base64.StdEncoding.DecodeString(out.Body)
	if err != nil {
		p.fatal("GET %s: %v", path, err)
	}
	return b, out.Status
}

// mark and marked tell whether the page was loaded anew meanwhile.
func (p *page) mark() {
	p.t.Helper()
	p.do("mark", chromedp.Evaluate[chromedp.Void](`window.xuejiE2E = true`))
}

func (p *page) marked() {
	p.t.Helper()
	if ok, err := ask[bool](p, `window.xuejiE2E === true`); err != nil || !ok {
		p.fatal("the page was loaded anew: %v", err)
	}
}
