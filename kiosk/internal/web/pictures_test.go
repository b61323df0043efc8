package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/words"

	"github.com/chromedp/chromedp"
)

// stillDesk shows what it is given.
type stillDesk struct {
	mu    sync.Mutex
	v     desk.View
	posts []flow.Input
	c     chan struct{}
}

func newStill(v desk.View) *stillDesk { return &stillDesk{v: v, c: make(chan struct{}, 1)} }

func (d *stillDesk) View() desk.View {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.v
}
func (d *stillDesk) Post(in flow.Input) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.posts = append(d.posts, in)
}
func (d *stillDesk) Subscribe() (<-chan struct{}, func()) {
	d.tell()
	return d.c, func() {}
}
func (d *stillDesk) show(v desk.View) {
	d.mu.Lock()
	d.v = v
	d.mu.Unlock()
	d.tell()
}

func (d *stillDesk) tell() {
	select {
	case d.c <- struct{}{}:
	default:
	}
}

// browser starts a headless Chromium for one test.
func browser(t testing.TB, w, h int) context.Context {
	t.Helper()
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.WindowSize(w, h),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", false), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	actx, cancelA := chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancelA)
	bctx, cancelB := chromedp.NewContext(actx)
	t.Cleanup(cancelB)
	return bctx
}

// clipped finds what a person could not read or reach: text cut by its box, buttons below the fold or too small for a finger.
const clipped = `(() => {
  const bad = [], H = innerHeight, W = innerWidth, rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  for (const b of document.querySelectorAll('.act button, .what button, .away button, header button, .fields button')) {
    const r = b.getBoundingClientRect();
    if (b.closest('.away') == null && document.querySelector('.away')) continue;
    if (r.bottom > H + 1 || r.right > W + 1 || r.left < -1 || r.top < -1) bad.push('out of sight: ' + b.textContent.trim());
    if (r.height < (b.closest('header') ? 7 : 9.5) * rem) bad.push('too low: ' + b.textContent.trim() + ' ' + r.height / rem);
    if (b.scrollWidth > b.clientWidth + 2) bad.push('cut: ' + b.textContent.trim());
  }
  const m = document.querySelector('main'), act = document.querySelector('.act, .what');
  if (m && !document.querySelector('.rows') && m.scrollHeight > m.clientHeight + 2) bad.push('main overflows by ' + (m.scrollHeight - m.clientHeight));
  if (m && act && innerHeight > innerWidth) {
    const last = [...m.children].map((e) => e.getBoundingClientRect().bottom).reduce((a, b) => Math.max(a, b), 0);
    if (last > act.getBoundingClientRect().top + 2) bad.push('question runs into answers by ' + (last - act.getBoundingClientRect().top));
  }
  for (const e of document.querySelectorAll('h1, .pupil b, .caseno b, .route div, .lead')) if (e.scrollWidth > e.clientWidth + 2) bad.push('wide: ' + e.textContent.trim());
  return bad.join('\n');
})()`

// TestPictures looks at every screen in three languages on a standing screen, and in one on a lying one: nothing cut, nothing out of reach. With
// XUEJI_PICTURES=DIR it also writes the pictures.
func TestPictures(t *testing.T) {
	c, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	still := newStill(view(flow.Home, nil))
	s, err := New(still, c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	dir, only := os.Getenv("XUEJI_PICTURES"), os.Getenv("XUEJI_PICTURES_ONLY")
	for _, size := range []struct {
		name  string
		w, h  int64
		langs []flow.Lang
	}{{"standing", 1080, 1920, flow.Langs}, {"lying", 1920, 1080, []flow.Lang{flow.Simplified, flow.English}}} {
		t.Run(size.name, func(t *testing.T) {
			ctx := browser(t, int(size.w), int(size.h))
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(size.w, size.h), chromedp.Navigate(srv.URL+"/")); err != nil {
				t.Fatal(err)
			}
			var rev uint64
			for _, lang := range size.langs {
				for _, f := range fixtures() {
					name := f.name + "." + string(lang) + "." + size.name
					if only != "" && !strings.HasPrefix(name, only) {
						continue
					}
					v := f.view
					v.State.Lang = lang
					if v.State.Touched.Equal(v.Now) {
						v.State.Touched = v.Now.Add(-4 * time.Second)
					}
					rev++
					v.State.Rev = rev
					still.show(v)
					shown := fmt.Sprintf(`document.documentElement.dataset.rev === "%d" && document.documentElement.dataset.screen === %q && document.documentElement.lang === %q`, rev, v.State.Screen, lang)
					if _, err := chromedp.Run(ctx, chromedp.Poll[bool](shown, chromedp.WithPollingInterval(5*time.Millisecond), chromedp.WithPollingTimeout(20*time.Second))); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					bad, err := chromedp.Run(ctx, chromedp.Evaluate[string](clipped))
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if bad != "" {
						t.Errorf("%s:\n%s", name, bad)
					}
					if dir != "" {
						png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
						if err != nil {
							t.Fatal(err)
						}
						if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
}
