package app_test

import (
	"bufio"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xueji/kiosk/internal/app"
	"xueji/kiosk/internal/kiosktest"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
	"github.com/skip2/go-qrcode"
)

// film writes a film of papers with codes, each held before the camera for two seconds, and gives its path. Chromium plays it round and round as a camera.
func film(t *testing.T, texts ...string) string {
	t.Helper()
	const w, h, rate, side = 640, 480, 10, 300
	path := filepath.Join(t.TempDir(), "camera.y4m")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(f)
	fmt.Fprintf(out, "YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n", w, h, rate)
	for _, text := range texts {
		q, err := qrcode.New(text, qrcode.Medium)
		if err != nil {
			t.Fatal(err)
		}
		img := q.Image(side)
		for n := range 2 * rate {
			fmt.Fprint(out, "FRAME\n")
			at := image.Pt(w/2-side/2+n%5, h/2-side/2-n%3) // no hand is quite still
			for y := range h {
				for x := range w {
					v := byte(140)
					if p := image.Pt(x, y).Sub(at); p.In(img.Bounds()) {
						v = 40 + color.GrayModel.Convert(img.At(p.X, p.Y)).(color.Gray).Y/4*3
					}
					out.WriteByte(v)
				}
			}
			for range w * h / 2 {
				out.WriteByte(128)
			}
		}
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// camera gives the world a camera that shows papers with these codes.
func camera(t *testing.T, texts ...string) []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-file-for-fake-video-capture", film(t, texts...))}
}

// A cover is read by the camera: a wrong code is told and the camera goes on; the right one leads on, and the camera is off with the question. The page's policy
// holds all the while, and no picture is kept.
func TestCamera(t *testing.T) {
	opts := append(camera(t, "https://example.com/", kiosktest.QR), chromedp.Flag("use-fake-ui-for-media-stream", true))
	w := newWorldIn(t, func(c *app.Config) { c.Camera = true }, opts...)
	var breach []string
	if err := chromedp.Listen(w.ctx, func(ev any) {
		if e, ok := ev.(*cdplog.EventEntryAdded); ok && e.Entry.Source == cdplog.EntrySourceSecurity {
			breach = append(breach, e.Entry.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	w.until(`document.querySelector(".gate").innerText.includes("网络正常")`)
	// Every stream the page ever opens is looked at by the test.
	w.do(chromedp.Evaluate[chromedp.Void](`(() => { const m = navigator.mediaDevices, get = m.getUserMedia.bind(m); window.opened = []; m.getUserMedia = async (c) => { const s = await get(c); opened.push(s); return s; }; })()`))
	dark := `opened.every((s) => s.getTracks().every((t) => t.readyState === "ended")) && !document.querySelector("video") && !document.documentElement.dataset.camera`

	w.choose("archive")
	w.at("scan")
	w.until(`!document.querySelector("[data-camera]").hidden && opened.length === 0`) // it is there, and nobody has asked for it
	pressFilm := func(what string) { w.Helper(); w.do(chromedp.Click(chromedp.CSS(`[data-film="` + what + `"]`))) }
	// On and off in one act of the page: the film shows its codes from the first picture on, and a code that is read takes the screen and its button away.
	on := `document.querySelector("[data-finder] video") && document.querySelector("video").videoWidth > 0`
	w.do(chromedp.Evaluate[chromedp.Void](`(() => {
		document.querySelector('[data-film="on"]').click();
		const look = setInterval(() => { if (!(` + on + `)) return; clearInterval(look); document.querySelector('[data-film="off"]').click(); window.lit = true; }, 5);
	})()`))
	w.until(`window.lit`)
	w.until(`opened.length === 1 && ` + dark)
	w.until(`document.querySelector('[name="value"]').offsetHeight > 0`) // typing is possible again
	pressFilm("on")
	w.until(`document.querySelector(".note.bad:not([hidden])") && document.querySelector(".note.bad").innerText.includes("这不是档案封面的二维码")`)
	picture(w, "camera")
	w.at("signin")
	w.until(`opened.length === 2 && ` + dark)
	w.home()

	// It is off as well when the family goes, and when the kiosk program is away.
	w.choose("archive")
	w.at("scan")
	pressFilm("on")
	w.do(chromedp.KeyEvent("\u001b"))
	w.at("home")
	w.until(dark)
	w.home()
	if len(breach) > 0 {
		t.Errorf("the page broke its own policy: %v", breach)
	}
	if log := w.log.String(); strings.Contains(log, "XJA1") || strings.Contains(log, "example.com") {
		t.Error("what was read stands in the log")
	}
}

// A camera that the page may not use is told, and the scanner and the keys go on working.
func TestCameraDenied(t *testing.T) {
	w := newWorldIn(t, func(c *app.Config) { c.Camera = true }, append(camera(t, kiosktest.QR), chromedp.Flag("deny-permission-prompts", true))...)
	w.until(`document.querySelector(".gate").innerText.includes("网络正常")`)
	w.choose("archive")
	w.at("scan")
	w.until(`!document.querySelector("[data-camera]").hidden`)
	w.do(chromedp.Click(chromedp.CSS(`[data-film="on"]`)))
	w.says("摄像头没有对本页开放")
	w.do(chromedp.Click(chromedp.CSS(`[name="value"]`)), chromedp.KeyEvent(kiosktest.QR), chromedp.KeyEvent("\r"))
	w.at("signin")
}

// Where the school wants no camera, the page cannot ask for one.
func TestNoCamera(t *testing.T) {
	w := newWorldIn(t, func(*app.Config) {}, append(camera(t, kiosktest.QR), chromedp.Flag("use-fake-ui-for-media-stream", true))...)
	w.until(`document.querySelector(".gate").innerText.includes("网络正常")`)
	w.choose("archive")
	w.at("scan")
	why, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`navigator.mediaDevices.getUserMedia({ video: true }).then(() => "open", (e) => e.name)`, chromedp.EvalAwaitPromise))
	if err != nil || why != "NotAllowedError" {
		t.Errorf("%s %v", why, err)
	}
	w.until(`!document.querySelector("[data-camera]") && document.querySelector(".qr") !== null`)
}
