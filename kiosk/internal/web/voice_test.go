package web

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/words"

	"github.com/chromedp/chromedp"
)

var (
	spoken = regexp.MustCompile(`(?s)<(h1|p)[^>]*data-say>(.*?)</(?:h1|p)>`)
	tags   = regexp.MustCompile(`<[^>]*>`)
)

// What is marked for speaking is the catalogue's, word for word, with nothing but a small number set in: never a pupil's name, school, grade, class, number or date.
func TestSpoken(t *testing.T) {
	s, _ := serve(t)
	c, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fixtures() {
		for _, lang := range flow.Langs {
			v := f.view
			v.State.Lang = lang
			html, _, err := s.draw.screen(v)
			if err != nil {
				t.Fatal(err)
			}
			said := spoken.FindAllStringSubmatch(html, -1)
			if len(said) == 0 {
				t.Errorf("%s %s: nothing is spoken", f.name, lang)
			}
			texts := map[string]bool{}
			for _, k := range c.Keys(string(lang)) {
				raw, _ := c.Text(string(lang), k)
				for n := range 10 {
					texts[strings.Join(strings.Fields(strings.ReplaceAll(raw, "{n}", string(rune('0'+n)))), "")] = true
				}
			}
			for _, m := range said {
				text := strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&amp;", "&").Replace(tags.ReplaceAllString(m[2], ""))
				if text = strings.Join(strings.Fields(text), ""); !texts[text] {
					t.Errorf("%s %s: %q is spoken and is not the catalogue's alone", f.name, lang, text)
				}
			}
		}
	}
}

// The school's recordings: the more exact one first, nothing but recordings of the folder, a button only where there is one.
func TestRecordings(t *testing.T) {
	if _, err := NewVoice("folder", ""); err == nil {
		t.Error("no folder, no complaint")
	}
	dir := t.TempDir()
	if _, err := NewVoice("folder", dir); err == nil || !strings.Contains(err.Error(), "home.zh-Hans.mp3") {
		t.Errorf("an empty folder: %v", err)
	}
	for _, n := range []string{"home.zh-Hans.mp3", "problem.zh-Hans.mp3", "problem-revoked.zh-Hans.ogg", "secret.txt", "../x.mp3"} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(n)), []byte("sound of "+n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := NewVoice("folder", dir)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := serve(t)
	s.Speak(v)
	for want, view := range map[string]desk.View{
		"home.zh-Hans":            view(flow.Home, nil),
		"problem.zh-Hans":         view(flow.Problem, set(func(st *flow.State) { st.Problem = "torn" })),
		"problem-revoked.zh-Hans": view(flow.Problem, set(func(st *flow.State) { st.Problem = "revoked" })),
		"":                        view(flow.Menu, nil),
	} {
		html, _, err := s.draw.screen(view)
		if err != nil || strings.Contains(html, `data-aid="hear"`) != (want != "") || !strings.Contains(html, want) {
			t.Errorf("%s: %v", want, err)
		}
		if want == "" {
			continue
		}
		w := do(s, "GET", "/speech/"+want, "127.0.0.1:7030", nil, "")
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "sound of") || w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "media-src 'self'") {
			t.Errorf("%s: %d %v", want, w.Code, w.Header())
		}
	}
	for _, n := range []string{"secret", "secret.txt", "..%2Fsecret.txt", "home.en"} {
		if w := do(s, "GET", "/speech/"+n, "127.0.0.1:7030", nil, ""); w.Code != 404 {
			t.Errorf("%s: %d", n, w.Code)
		}
	}
}

// At the glass: the button speaks in the screen's language and goes on with the next question; it is silent and the buttons are up again for the next family.
func TestHelps(t *testing.T) {
	g := glassAt(browser(t), t, view(flow.Menu, nil))
	until := func(js string) {
		t.Helper()
		g.until(t, js)
	}
	show := func(screen flow.Screen, lang flow.Lang) {
		v := view(screen, set(func(st *flow.State) { st.Goal, st.Lang = flow.GoalTransfer, lang }))
		v.State.Rev = g.View().State.Rev + 1
		g.show(v)
		until(`document.documentElement.dataset.screen === "` + string(screen) + `" && document.documentElement.lang === "` + string(lang) + `"`)
	}
	g.open(t, 1080, 1920)
	until(`document.documentElement.dataset.screen === "menu"`)
	if err := chromedp.Do(g.ctx, chromedp.Evaluate[chromedp.Void](`window.said = []; speechSynthesis.speak = (u) => said.push(u.lang + " " + u.text); speechSynthesis.cancel = () => said.push("hush"); 0`),
		chromedp.Click(chromedp.CSS(`[data-aid="hear"]`)), chromedp.Click(chromedp.CSS(`[data-aid="low"]`))); err != nil {
		t.Fatal(err)
	}
	until(`said.some((s) => s.startsWith("zh-CN 要办什么？")) && document.documentElement.hasAttribute("data-low")`)
	show(flow.Reason, flow.English)
	until(`said.some((s) => s.startsWith("en-GB Why"))`)
	show(flow.Home, flow.Simplified)
	until(`said[said.length - 1] === "hush" && !document.documentElement.hasAttribute("data-low") && document.querySelector('[data-aid="hear"]').getAttribute("aria-pressed") === "false"`)
}
