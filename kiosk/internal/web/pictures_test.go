package web

import (
	"context"
	"flag"
	"fmt"
	"image"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
	"xueji/packaging/axetest"
	"xueji/packaging/browsertest"

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

// browser starts a Chromium whose scroll bars show.
func browser(t testing.TB) context.Context {
	return browsertest.Start(t, 12*time.Minute, chromedp.Flag("hide-scrollbars", false))
}

// glass is a kiosk's page in a browser, over a desk that stands still.
type glass struct {
	*stillDesk
	server *Server
	ctx    context.Context
	url    string
}

// glassAt serves a page that begins with v to the browser of ctx.
func glassAt(ctx context.Context, t *testing.T, v desk.View) *glass {
	t.Helper()
	s, d := serve(t)
	d.show(v)
	s.Speak(&Voice{})
	srv := httptest.NewServer(s)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() }) // the page listens until its browser ends
	return &glass{d, s, ctx, srv.URL}
}

// open lays the page on a glass of w by h pixels.
func (g *glass) open(t *testing.T, w, h int64) {
	t.Helper()
	if err := chromedp.Do(g.ctx, chromedp.EmulateViewport(w, h), chromedp.Navigate(g.url+"/")); err != nil {
		t.Fatal(err)
	}
}

// until waits for what js says of the page.
func (g *glass) until(t *testing.T, js string) {
	t.Helper()
	if _, err := chromedp.Run(g.ctx, chromedp.Poll[bool](js, chromedp.WithPollingInterval(5*time.Millisecond), chromedp.WithPollingTimeout(time.Minute))); err != nil {
		t.Fatalf("%s: %v", js, err)
	}
}

// clipped finds what a person could not read or reach: text cut by its box, buttons below the fold or too small for a finger. With the buttons low, whatever
// can be touched lies in the lower half of a standing glass (answers with nothing to type in its lower two fifths), and hardly above the middle of a lying one. In large type the question may
// be scrolled, the answers not. Nothing that a screen says is left out, but for the lead over a keyboard and the pupil's plate beside a statement.
const clipped = `(() => {
  const bad = [], H = innerHeight, W = innerWidth, rem = parseFloat(getComputedStyle(document.documentElement).fontSize), away = document.querySelector('.away');
  const low = document.documentElement.hasAttribute('data-low'), large = document.documentElement.hasAttribute('data-large'), typing = document.querySelector('.typing, .list');
  for (const b of document.querySelectorAll('button, input, a')) {
    const r = b.getBoundingClientRect(), what = (b.textContent || b.name || b.getAttribute('aria-label') || '').trim();
    if (away && !b.closest('.away') || !b.getClientRects().length) continue; // not drawn at all
    if (r.height < 48 || r.width < 48) bad.push('under 48 px: ' + what + ' ' + r.width + '×' + r.height);
    if (b.closest('.rows')) continue;
    if (r.bottom > H + 1 || r.right > W + 1 || r.left < -1 || r.top < -1) bad.push('out of sight: ' + what);
    if (!low && b.matches('.btn, .what button') && r.height < 9.5 * rem) bad.push('too low: ' + what + ' ' + r.height / rem);
    if (b.scrollWidth > b.clientWidth + 2) bad.push('cut: ' + what);
    if (low && r.top < H * (W > H ? 0.42 : typing ? 0.45 : 0.55)) bad.push('out of reach: ' + what + ' at ' + Math.round(100 * r.top / H) + ' %');
  }
  if (low && document.querySelector('.rows .tick:not(.lack)') && document.querySelector('.rows').getBoundingClientRect().top < H * 0.38) bad.push('the list begins too high');
  const m = document.querySelector('main'), act = document.querySelector('.act, .what'), beside = innerHeight > innerWidth;
  if (large && m && m.scrollHeight > m.clientHeight + 2 && m.getBoundingClientRect().height < 0.28 * H) bad.push('hardly anything of the question is in sight: ' + m.getBoundingClientRect().height);
  if (large && m && getComputedStyle(m).overflowY !== 'auto') bad.push('the question cannot be scrolled');
  if (!large && m && !document.querySelector('.rows') && m.scrollHeight > m.clientHeight + 2) bad.push('main overflows by ' + (m.scrollHeight - m.clientHeight));
  if (act && act.scrollHeight > act.clientHeight + 2) bad.push('answers overflow by ' + (act.scrollHeight - act.clientHeight));
  if (!large && m && act && beside) {
    const last = [...m.children].map((e) => e.getBoundingClientRect().bottom).reduce((a, b) => Math.max(a, b), 0);
    if (last > act.getBoundingClientRect().top + 2) bad.push('question runs into answers by ' + (last - act.getBoundingClientRect().top));
  }
  for (const e of document.querySelectorAll('.lead, .ask, .note, .remark')) {
    if (e.getClientRects().length || e.closest('[hidden]') || e.matches('.lead') && e.closest('.typing') || e.closest('main:has(blockquote) .pupil')) continue;
    bad.push('not drawn: ' + e.textContent.trim());
  }
  for (const e of document.querySelectorAll('h1, .pupil b, .caseno b, .route div, .lead')) if (e.scrollWidth > e.clientWidth + 2) bad.push('wide: ' + e.textContent.trim());
  return bad.join('\n');
})()`

// same are fixtures that differ from another in their words alone: they are measured, and neither given to axe nor kept as pictures.
func same(name string) bool {
	kind, word, _ := strings.Cut(name, "-")
	switch kind {
	case "problem":
		return word != "revoked" && word != "copy" && word != "far-revoked"
	case "trouble":
		return word != "save_failed"
	case "refused":
		return word != "locked"
	case "signin", "staffpin":
		return slices.Contains([]string{"empty", "locked", "unit", "training", "unknown_offline", "unreachable"}, word)
	}
	return false
}

// orientations of the glass.
var orientations = []struct {
	name string
	w, h int64
}{{"standing", 1080, 1920}, {"lying", 1920, 1080}}

var (
	updateScreens = flag.Bool("update-screens", false, "write the pictures of docs/screens/kiosk anew")
	onlyScreens   = flag.String("screens", "", "only the fixtures whose name begins with one of these, comma-separated")
)

// screensDir holds a sheet for each screen and orientation: its three languages side by side.
const screensDir = "../../../docs/screens/kiosk"

// TestPictures looks at every screen in three languages, on a standing and on a lying glass: nothing cut, nothing out of reach, no target under 48 px, nothing
// serious that axe-core finds (contrast, names, roles). Then once more with the buttons low, and in large type.
func TestPictures(t *testing.T) {
	g := glassAt(browser(t), t, view(flow.Home, nil))
	ctx := g.ctx
	var rev uint64
	show := func(t *testing.T, f fixture, lang flow.Lang, low, large bool) {
		t.Helper()
		v := f.view
		v.State.Lang = lang
		if v.State.Touched.Equal(v.Now) {
			v.State.Touched = v.Now.Add(-4 * time.Second)
		}
		rev++
		v.State.Rev = rev
		g.show(v)
		g.until(t, fmt.Sprintf(`document.documentElement.dataset.rev === "%d" && document.documentElement.dataset.screen === %q && document.documentElement.lang === %q`, rev, v.State.Screen, lang))
		js := fmt.Sprintf(`(() => { for (const [aid, on] of [["low", %v], ["large", %v]]) { const b = document.querySelector('[data-aid="' + aid + '"]'); if ((b.getAttribute("aria-pressed") === "true") !== on) b.click(); } return %s; })()`, low, large, clipped)
		bad, err := chromedp.Run(ctx, chromedp.Evaluate[string](js))
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if bad != "" {
			t.Errorf("%s %s low=%v large=%v:\n%s", f.name, lang, low, large, bad)
		}
	}
	for _, size := range orientations {
		t.Run(size.name, func(t *testing.T) {
			g.open(t, size.w, size.h)
			for _, f := range fixtures() {
				if !slices.ContainsFunc(strings.Split(*onlyScreens, ","), func(p string) bool { return strings.HasPrefix(f.name, p) }) {
					continue
				}
				var pictures []image.Image
				for _, low := range []bool{false, true} {
					if low && same(f.name) {
						continue
					}
					for _, lang := range flow.Langs {
						if low && lang == flow.Traditional { // its words are as long as the others'
							continue
						}
						show(t, f, lang, low, false)
						if same(f.name) {
							continue
						}
						if !low && (kept(f.name) || size.w < size.h && lang == flow.Simplified) {
							axetest.Check(ctx, t, f.name+" "+string(lang))
						}
						if *updateScreens && kept(f.name) && (!low || lang == flow.Simplified && lowPicture[f.name]) {
							pictures = append(pictures, picture(t, ctx))
						}
					}
				}
				if !same(f.name) {
					show(t, f, flow.English, false, true)
					if size.w < size.h && kept(f.name) {
						axetest.Check(ctx, t, f.name+" large")
					}
					if *updateScreens && largePicture[f.name] {
						pictures = append(pictures, picture(t, ctx))
						show(t, f, flow.Simplified, false, true)
						pictures = append(pictures, picture(t, ctx))
					}
				}
				if len(pictures) > 0 {
					keep(t, filepath.Join(screensDir, f.name+"."+size.name+".png"), pictures, size.w < size.h)
				}
			}
		})
	}
}

// kept are the fixtures with a sheet: the others differ little from one of these.
func kept(name string) bool {
	return !slices.Contains([]string{"menu-unproven", "menu-confirm", "menu-stale-refuse", "menu-checking", "find-none", "find-busy", "signin-busy", "signin-lost", "scan-busy", "confirm-noname", "confirm-guarded",
		"vouch-stale", "report-busy", "report-nocard", "report-already", "saving-wait", "saving-card", "done-current", "done-failed", "done-refresh", "done-found", "grade", "guardian", "reason", "status-busy",
		"confirm-far", "status-none", "status-suspended", "scan-bad", "consent-offline", "place-archive", "restarted-archive", "restarted-open", "restarted-lost"}, name)
}

// largePicture are the fixtures whose sheet ends with two pictures in large type.
var largePicture = map[string]bool{"home": true, "confirm": true, "consent": true, "done": true, "signin": true}

// lowPicture are the fixtures whose sheet has a fourth picture, with the buttons low.
var lowPicture = map[string]bool{"home": true, "menu": true, "signin": true, "inventory": true, "grade-12": true}
