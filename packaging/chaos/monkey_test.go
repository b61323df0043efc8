package chaos

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"xueji/cardsvc/localapi"
	"xueji/packaging/browsertest"
	"xueji/packaging/rig"
	"xueji/server/registry"
)

var monkeyFor = flag.Duration("monkey.for", 45*time.Second, "how long TestMonkey goes on")

// monkey is a family that does anything, before the real kiosk in a real Chromium, and the bad luck around it.
type monkey struct {
	*testing.T
	w      *world
	g      *glass
	server *rig.Program
	rnd    *rand.Rand
	ctx    context.Context
	names  []string // of the pupils whose cards there are
	cards  []string
	acts   int
	did    []string // the last acts, for the report
	press  *deadPress

	mu         sync.Mutex
	complaints []string
	seen       map[string]int // screens
}

// TestMonkey: whatever is tapped, pulled, typed and broken, the screen comes home by itself within its time, with nothing of a family on it; no script fails, no
// answer of the kiosk is a 5xx, and when everything is mended a card is read again.
func TestMonkey(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
		if *monkeyFor <= time.Minute {
			*seed = 14840423782553029396 // the short walk of `make test` is one known walk; `make monkey` goes another way each time
		}
	}
	w, server := begin(t, 120)
	t.Cleanup(server.Resume)
	press := newDeadPress(t)
	pupils := w.take(kioskSchool, 8)
	g := w.stand(kioskSchool, pupils, "--speech", "browser", "--printer", "Kiosk", "--cups", press.addr)
	m := &monkey{T: t, w: w, g: g, server: server, rnd: rand.New(rand.NewPCG(*seed, 7)), cards: g.queue, press: press, seen: map[string]int{}}
	t.Logf("seed %d, for %v", *seed, *monkeyFor)
	for _, p := range pupils {
		m.names = append(m.names, p.Form[registry.FName], p.Card.Number, string(p.Number))
	}
	m.open()
	rounds := 0
	for end := time.Now().Add(*monkeyFor); rounds == 0 || time.Now().Before(end); rounds++ {
		m.round(time.Duration(4+m.rnd.IntN(8)) * time.Second)
	}
	t.Logf("%d rounds, %d acts, screens %v", rounds, m.acts, m.seen)
	if m.acts < 20 || len(m.seen) < 3 {
		t.Error("the monkey did hardly anything")
	}
}

func (m *monkey) open() {
	ctx := browsertest.Start(m, 24*time.Hour) // as long as MONKEY says
	m.ctx = ctx
	err := chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			what := ev.ExceptionDetails.Text
			if e := ev.ExceptionDetails.Exception; e != nil {
				what += " " + e.Description
			}
			m.complain("script: " + what)
		case *network.EventResponseReceived:
			if ev.Response.Status >= http.StatusInternalServerError {
				m.complain(fmt.Sprintf("%d of %s", int(ev.Response.Status), ev.Response.URL))
			}
		}
	})
	if err == nil {
		err = chromedp.Do(ctx, chromedp.EmulateViewport(1080, 1920), chromedp.Navigate(m.g.base+"/"))
	}
	if err != nil {
		m.Fatal(err)
	}
	m.await(time.Minute, "home", `document.documentElement.dataset.screen === "home"`)
}

func (m *monkey) complain(s string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.complaints = append(m.complaints, s)
}

func ask[T any](m *monkey, js string) (T, error) {
	ctx, cancel := context.WithTimeout(m.ctx, 15*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](js))
}

// screen is what stands there; "" while the page is being loaded or the kiosk program is away.
func (m *monkey) screen() string {
	s, err := ask[string](m, `document.documentElement.dataset.screen || ""`)
	if err != nil {
		return ""
	}
	return s
}

func (m *monkey) await(limit time.Duration, what, js string) {
	m.Helper()
	start := time.Now()
	for time.Since(start) < limit {
		if ok, err := ask[bool](m, "!!("+js+")"); err == nil && ok {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	text, _ := ask[string](m, `document.documentElement.dataset.screen + "\n" + document.body.innerText`)
	file := "no picture"
	if png, err := chromedp.Run(m.ctx, chromedp.CaptureScreenshot()); err == nil {
		file = filepath.Join(m.w.reg.Logs, "stuck.png")
		_ = os.WriteFile(file, png, 0o600)
	}
	m.Fatalf("not within %v: %s\nseed %d, after %s\npicture %s; the screen says %s\n%s", limit, what, *seed, strings.Join(m.did, ", "), file, text, m.g.program.Tail())
}

// act does something and remembers it.
func (m *monkey) act(what string, f func()) {
	if m.did = append(m.did, what); len(m.did) > 40 {
		m.did = m.did[1:]
	}
	m.acts++
	f()
}

func (m *monkey) do(a ...chromedp.Action[chromedp.Void]) {
	ctx, cancel := context.WithTimeout(m.ctx, 15*time.Second)
	defer cancel()
	_ = chromedp.Do(ctx, a...) // the page may be gone under the finger
}

// round acts for a while, takes the hands off with whatever is broken still broken, wants the screen home and clean, mends everything and wants a card read.
func (m *monkey) round(long time.Duration) {
	m.Helper()
	for end := time.Now().Add(long); time.Now().Before(end); {
		s := m.screen()
		m.seen[s]++
		m.one(s)
		time.Sleep(time.Duration(m.rnd.IntN(120)) * time.Millisecond)
	}
	// The longest that a screen may stay untouched: a rewrite has 90 s, everything else what it waits for and the 30 s until it is cleared. The loaded machine has its share.
	limit := 75 * time.Second
	if slices.Contains([]string{"rewrite", "cardback", "saving"}, m.screen()) {
		limit = 150 * time.Second
	}
	m.did = append(m.did, "hands off at "+m.screen())
	m.await(limit, "home by itself", `document.documentElement.dataset.screen === "home" || !document.getElementById("lost").hidden`)
	m.clean()
	m.mend()
	m.await(time.Minute, "home after everything is mended", `document.documentElement.dataset.screen === "home" && document.querySelector(".gate .ok") && !document.querySelector("#app").innerText.includes("暂时不能读卡")`)
	m.clean()
	m.lay(m.cards[m.rnd.IntN(len(m.cards))])
	m.await(40*time.Second, "a card is read again", `["menu", "problem", "confirm"].includes(document.documentElement.dataset.screen)`)
	m.take()
	m.await(40*time.Second, "home when the card is gone", `document.documentElement.dataset.screen === "home"`)
	m.clean()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.complaints {
		m.Errorf("%s\nseed %d, after %s", c, *seed, strings.Join(m.did, ", "))
	}
	m.complaints = nil
	if m.Failed() {
		m.FailNow()
	}
}

// clean wants nothing of a family in the page.
func (m *monkey) clean() {
	m.Helper()
	html, err := ask[string](m, `document.documentElement.outerHTML + [...document.querySelectorAll("input")].map((i) => i.value).join(" ")`)
	if err != nil {
		return // the page is being loaded: it comes from a program that knows nothing
	}
	for _, n := range append(slices.Clone(m.names), "**", "ZX-", "FX-", "DA-") {
		if n != "" && strings.Contains(html, n) {
			m.Errorf("%q is on the screen at home; seed %d, after %s", n, *seed, strings.Join(m.did, ", "))
		}
	}
}

// hand is how long a card is held to a reader whose card service hangs.
const hand = 3 * time.Second

func (m *monkey) lay(id string) {
	ctx, cancel := context.WithTimeout(m.ctx, hand)
	defer cancel()
	_ = m.g.cards.SimInsert(ctx, reader, localapi.SimInsert{Card: id}) // a second card on the reader is a trial too; a card service that is down or hangs takes none
}

func (m *monkey) take() {
	ctx, cancel := context.WithTimeout(m.ctx, hand)
	defer cancel()
	_ = m.g.cards.SimRemove(ctx, reader)
}

// mend makes everything work again; the reader is left empty.
func (m *monkey) mend() {
	m.server.Resume()
	m.g.svc.Resume()
	m.press.set(pressRefuses)
	m.g.svc.Kill()
	m.g.svc.Start()
	m.take()
}

// one thing at random; buttons of the question most of all, so that the ways are walked deep.
func (m *monkey) one(screen string) {
	click := func(sel string, times int) {
		js := fmt.Sprintf(`(() => { const bs = [...document.querySelectorAll(%q)].filter((b) => !b.disabled && b.getBoundingClientRect().width); if (!bs.length) return []; const r = bs[%d %% bs.length].getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })()`, sel, m.rnd.IntN(1000))
		at, err := ask[[]float64](m, js)
		if err != nil || len(at) != 2 {
			return
		}
		for range times {
			m.do(chromedp.MouseClickXY(at[0], at[1]))
		}
	}
	keys := func(s string) { m.do(chromedp.KeyEvent(s)) }
	if screen == "signin" && m.rnd.IntN(3) == 0 {
		m.act("sign in", func() {
			m.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => { const l = document.querySelector('[name="login"]'), p = document.querySelector('[name="password"]'); if (l && p) { l.value = %q; p.value = %q; document.querySelector('[data-submit="signin"]').click(); } })()`, m.g.login, m.w.reg.Password)))
		})
		return
	}
	if screen == "home" && m.rnd.IntN(2) == 0 {
		m.act("lay a card", func() { m.lay(m.cards[m.rnd.IntN(len(m.cards))]) })
		return
	}
	switch n := m.rnd.IntN(100); {
	case n < 46:
		m.act("press an answer", func() { click(`[data-do="answer"], [data-do="choose"]`, 1) })
	case n < 54:
		m.act("press an answer twice", func() { click(`[data-do="answer"], [data-do="choose"]`, 2) })
	case n < 60:
		m.act("press anything", func() { click(`button`, 1) })
	case n < 66:
		m.act("change the language", func() { click(`[data-do="lang"], [data-aid]`, 1) })
	case n < 71:
		m.act("tap the glass", func() { m.do(chromedp.MouseClickXY(m.rnd.Float64()*1080, m.rnd.Float64()*1840)) })
	case n < 76:
		m.act("mash the keys", func() {
			const all = "1234567890qwertyuiop \t\r\b中."
			r := []rune(all)
			var b strings.Builder
			for range 1 + m.rnd.IntN(12) {
				b.WriteRune(r[m.rnd.IntN(len(r))])
			}
			keys(b.String())
		})
	case n < 78:
		m.act("scan something", func() { keys("XJA1.DA-7K2M-9QXF-31.c2lnbmF0dXJl\r") })
	case n < 80:
		m.act("escape", func() { keys("\u001b") })
	case n < 85:
		m.act("lay a card", func() { m.lay(m.cards[m.rnd.IntN(len(m.cards))]) })
	case n < 90:
		m.act("pull the card", m.take)
	case n < 92:
		m.act("unplug the reader", func() { m.g.svc.Kill() })
	case n < 94:
		m.act("plug the reader", func() { m.g.svc.Kill(); m.g.svc.Launch() })
	case n < 95:
		m.act("the reader hangs", m.g.svc.Pause)
	case n < 96:
		m.act("the line is dead", m.server.Pause)
	case n < 98:
		m.act("the line is back", m.server.Resume)
	case n < 99:
		m.act("the printer changes", func() { m.press.set(m.rnd.IntN(3)) })
	default:
		m.act("the kiosk program restarts", func() { m.g.program.Kill(); m.g.program.Launch() })
	}
}

// deadPress is a print system that never prints: it refuses, hangs, or answers nonsense.
type deadPress struct {
	addr string
	mu   sync.Mutex
	how  int
}

// How a deadPress fails.
const (
	pressRefuses = iota
	pressHangs
	pressBabbles
)

func newDeadPress(t *testing.T) *deadPress {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &deadPress{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			how := p.how
			p.mu.Unlock()
			switch how {
			case pressRefuses:
				c.Close()
			case pressHangs:
				time.AfterFunc(time.Minute, func() { c.Close() })
			default:
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: 4\r\n\r\n????"))
				c.Close()
			}
		}
	}()
	return p
}

func (p *deadPress) set(how int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.how = how
}
