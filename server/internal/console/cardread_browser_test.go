package console_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"xueji/server/internal/console/consoletest"
	"xueji/server/registry"
)

// TestReadingCards: cards laid one after the other before a registrar: one that agrees, one that is behind, one that keeps its record, one without a reason yet, one of somebody
// else's pupil, a false one; nothing stays on the screen when a card is taken away. XUEJI_PICTURES names a folder for pictures of them in three languages.
func TestReadingCards(t *testing.T) {
	f := consoletest.New()
	s, addr := newStation(t)
	b := open(t, serve(t, f, addr), "registrar")
	pictures := os.Getenv("XUEJI_PICTURES")
	languages := []string{"zh-Hans"}
	if pictures != "" {
		languages = []string{"zh-Hant", "en", "zh-Hans"}
	}
	uid := string(f.UID("王子涵"))
	for _, l := range languages {
		for len(s.trusted) > 0 { // each page brings what to trust; the fake keeps a few
			<-s.trusted
		}
		b.goTo("/cards/read")
		b.js(fmt.Sprintf(`document.cookie = "xj_lang=%s; path=/"`, l))
		b.goTo("/cards/read")
		tone := func(want string) {
			t.Helper()
			b.until("the tone "+want, fmt.Sprintf(`document.querySelector(".stage").dataset.tone === %q`, want))
		}
		lay := func(record, want string) {
			t.Helper()
			tone("ready")
			s.mu.Lock()
			s.card = record
			s.mu.Unlock()
			s.lay("card")
			tone(want)
			if pictures != "" {
				b.picture(filepath.Join(pictures, l+"-"+record[:3]+want+".png"))
			}
		}
		shown := `document.querySelector("[data-name]").textContent === "王子涵" && !document.querySelector("[data-result]").hidden`
		take := func() {
			t.Helper()
			s.lay("empty")
			tone("ready")
			b.until("nothing stays", `document.querySelector("[data-result]").hidden && !document.querySelector("main").textContent.includes("王子涵")`)
		}
		lay("good "+uid, "ok")
		b.until("all agree", shown+` && document.querySelectorAll("[data-items] tr.same").length >= 6 && document.querySelectorAll("[data-items] tr.differs").length === 0 && document.querySelector("[data-note]").hidden`)
		take()
		lay("old "+uid, "ok")
		b.until("what differs", shown+` && document.querySelectorAll("[data-items] tr.differs").length === 1 && document.querySelector("[data-items] tr.differs").textContent.includes("9班") && !document.querySelector("[data-note]").hidden && document.querySelector("[data-onto]").hidden`)
		take()
		lay("guarded "+uid, "ok")
		b.until("opened by its own key", shown+` && document.querySelectorAll("[data-items] tr.same").length >= 6`)
		take()
		lay("ask "+uid, "ask")
		b.until("the reason has the focus, and nothing is shown", `document.activeElement === document.querySelector("select[name=why]") && document.querySelector("[data-result]").hidden`)
		b.js(`(() => { const s = document.querySelector("select[name=why]"); s.value = "family"; s.dispatchEvent(new Event("change", { bubbles: true })); })()`)
		tone("ok")
		b.until("shown after the reason", shown)
		take()
		lay("beyond "+uid, "ok")
		b.until("genuine, and no word of the child", `document.querySelector("[data-result]").hidden && !document.querySelector("[data-facts]").hidden && !document.querySelector("main").textContent.includes("王子涵")`)
		take()
		lay("copied "+uid, "bad")
		b.until("no word of the child", `document.querySelector("[data-result]").hidden && !document.querySelector("main").textContent.includes("王子涵")`)
		if f.Get(registry.UID(uid)).Card.CopySeenAt.IsZero() {
			t.Fatal("the register was not told of a copy that the station saw")
		}
		take()
		lay("clone "+uid, "bad")
		b.until("a clone shows nobody", `document.querySelector("[data-result]").hidden && !document.querySelector("main").textContent.includes("王子涵")`)
		take()
		lay("forged", "bad")
		b.until("no facts of a false card", `document.querySelector("[data-facts]").hidden && document.querySelector("[data-result]").hidden`)
		s.lay("empty")
		tone("ready")

	}
}

// picture keeps the screen as an image.
func (b *tab) picture(file string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(file, png, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
