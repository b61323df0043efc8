package web

import (
	"fmt"
	"image"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xueji/kiosk/internal/camera"
	"xueji/kiosk/internal/flow"
	"xueji/packaging/axetest"
	"xueji/packaging/browsertest"

	"github.com/chromedp/chromedp"
)

// A picture is taken from the page itself only, while the code is asked for, in its bounds; and none at all where the school wants no camera.
func TestFrameGuards(t *testing.T) {
	s, d := serve(t)
	const host = "127.0.0.1:7030"
	good := "\x00\x40\x00\x40" + strings.Repeat("\x80", 64*64)
	ok := map[string]string{"Xueji-Kiosk": s.token, "Content-Type": frameBody, "Origin": "http://" + host}
	post := func(h map[string]string, body string) int { return do(s, "POST", "/frame", host, h, body).Code }
	d.show(view(flow.Scan, nil))
	if got := post(ok, good); got != 404 {
		t.Errorf("without a camera: %d", got)
	}
	if got := do(s, "GET", "/", host, nil, "").Header().Get("Permissions-Policy"); !strings.HasPrefix(got, "camera=(),") {
		t.Error(got)
	}
	s.Film(true)
	if w := do(s, "POST", "/frame", host, ok, good); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"text":""}` || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for name, c := range map[string]struct {
		h    map[string]string
		body string
		want int
	}{
		"no token":     {map[string]string{"Content-Type": frameBody}, good, 403},
		"other origin": {map[string]string{"Xueji-Kiosk": s.token, "Content-Type": frameBody, "Origin": "http://evil.example"}, good, 403},
		"other type":   {map[string]string{"Xueji-Kiosk": s.token, "Content-Type": "image/png"}, good, 415},
		"one too few":  {ok, good[:len(good)-1], 400},
		"too long":     {ok, good + strings.Repeat("x", camera.MaxFrame), 400},
		"empty":        {ok, "", 400},
	} {
		if got := post(c.h, c.body); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	for _, other := range []flow.Screen{flow.Home, flow.Status, flow.Consent} {
		d.show(view(other, nil))
		if got := post(ok, good); got != 409 {
			t.Errorf("on %s: %d", other, got)
		}
	}
	if got := do(s, "GET", "/", host, nil, "").Header().Get("Permissions-Policy"); !strings.HasPrefix(got, "camera=(self), microphone=(),") {
		t.Error(got)
	}
	if w := do(s, "GET", "/", host, nil, ""); strings.Contains(w.Header().Get("Content-Security-Policy"), "unsafe") {
		t.Error(w.Header())
	}
}

// TestCameraPictures looks at the question for the archive's code where there is a camera: offered, and on.
func TestCameraPictures(t *testing.T) {
	ctx := browsertest.StartWhole(t, 12*time.Minute, chromedp.Flag("hide-scrollbars", false), chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-fake-ui-for-media-stream", true))
	g := glassAt(ctx, t, view(flow.Scan, nil))
	g.server.Film(true)
	var rev uint64 = 100
	for _, size := range orientations {
		g.open(t, size.w, size.h)
		for _, note := range []string{"", "scan.bad"} {
			for _, on := range []bool{false, true} {
				var pictures []image.Image
				for _, lang := range flow.Langs {
					rev++
					g.show(view(flow.Scan, set(func(st *flow.State) {
						st.Goal, st.Note, st.Lang, st.Rev, st.Touched = flow.GoalArchive, note, lang, rev, testNow.Add(-4*time.Second)
					})))
					g.until(t, fmt.Sprintf(`document.documentElement.dataset.rev === "%d" && document.documentElement.lang === %q && !document.querySelector("[data-camera]").hidden`, rev, lang))
					name := fmt.Sprintf("scan-camera %s on=%v note=%q %s", size.name, on, note, lang)
					if on {
						g.until(t, `(() => { if (!document.documentElement.dataset.camera) document.querySelector('[data-film="on"]').click(); const v = document.querySelector("[data-finder] video"); return !!v && v.videoWidth > 0; })()`)
					}
					for _, low := range []bool{true, false} {
						bad, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`(() => { const b = document.querySelector('[data-aid="low"]'); if ((b.getAttribute("aria-pressed") === "true") !== %v) b.click(); return %s; })()`, low, clipped)))
						if err != nil || bad != "" {
							t.Errorf("%s low=%v: %v\n%s", name, low, err, bad)
						}
					}
					axetest.Check(ctx, t, name)
					if *updateScreens {
						pictures = append(pictures, picture(t, ctx))
					}
				}
				if len(pictures) > 0 && (note == "") {
					keep(t, filepath.Join(screensDir, map[bool]string{false: "scan-camera", true: "scan-camera-on"}[on]+"."+size.name+".png"), pictures, size.w < size.h)
				}
				if on {
					g.until(t, `(() => { const b = document.querySelector('[data-film="off"]'); if (document.documentElement.dataset.camera) b.click(); return !document.documentElement.dataset.camera; })()`)
				}
			}
		}
	}
}
