package app_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/app"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/kiosktest"
	"xueji/kiosk/internal/printer/printertest"
	"xueji/kiosk/internal/words"
	"xueji/server/api"
	"xueji/server/registry"

	"github.com/chromedp/chromedp"
)

// visitor is a family of one language before one glass.
type visitor struct {
	*world
	lang  flow.Lang
	words words.Catalogue
	dev   *printertest.Device
	no    int // of the next card
}

// heads waits until a screen stands there in the visitor's language, with a text of the catalogue on it.
func (v *visitor) heads(screen, key string, pairs ...string) {
	v.Helper()
	v.at(screen)
	text, err := v.words.Text(string(v.lang), key, pairs...)
	if err != nil {
		v.Fatal(err)
	}
	v.until(fmt.Sprintf(`document.documentElement.lang === %q && document.querySelector("#app").innerText.replace(/\s+/g, " ").includes(%q)`, v.lang, strings.ReplaceAll(text, "\n", " ")))
}

// begin chooses the language at home.
func (v *visitor) begin() {
	v.Helper()
	v.at("home")
	v.until(`!document.querySelector("#app").innerText.includes("请取走卡片")`)
	v.press("lang", string(v.lang))
	v.heads("home", "home.title")
}

// card is a card that this kiosk has not seen yet.
func (v *visitor) card(school registry.Unit) kiosktest.Card {
	v.no++
	return card(v.no, school)
}

// staff signs the registrar in by the keyboard.
func (v *visitor) staff() {
	v.Helper()
	v.heads("signin", "signin.title")
	v.until(`document.activeElement && document.activeElement.name === "login"`)
	v.do(chromedp.KeyEvent(kiosktest.Login), chromedp.KeyEvent("\r"))
	v.until(`document.activeElement && document.activeElement.name === "password"`)
	v.do(chromedp.KeyEvent(kiosktest.Password), chromedp.KeyEvent("\r"))
}

func (v *visitor) finish() {
	v.Helper()
	v.answer("finish")
	v.cards.Take()
	v.at("home")
}

// flows are the ways through the kiosk, each from home to home.
var flows = []struct {
	name string
	walk func(*visitor)
}{
	{"transfer", func(v *visitor) {
		v.cards.Put(v.card(kiosktest.Other))
		v.heads("menu", "menu.title")
		v.choose("transfer")
		v.heads("confirm", "confirm.title.transfer")
		v.answer("yes")
		v.heads("grade", "grade.title.transfer")
		v.answer("3")
		v.heads("reason", "reason.title")
		v.answer("moved")
		v.staff()
		v.heads("guardian", "guardian.title")
		v.answer("mother")
		v.heads("consent", "consent.title.transfer")
		v.agree()
		v.heads("done", "done.title.transfer")
		v.heads("done", "done.print.printed")
		v.says("ZX-")
		v.finish()
	}},
	{"transfer from another province", func(v *visitor) {
		c := v.card("2132000401")
		c.Far = true
		v.cards.Put(c)
		v.heads("menu", "pupil.noname.far", "province", kiosktest.FarName)
		v.choose("transfer")
		v.heads("confirm", "confirm.title.transfer")
		v.says(kiosktest.FarName)
		v.answer("yes")
		v.answer("3")
		v.heads("reason", "reason.title")
		v.answer("moved")
		v.staff()
		v.heads("vouch", "vouch.lead.far", "province", kiosktest.FarName)
		v.answer("yes")
		v.heads("number", "number.title")
		v.until(`document.activeElement && document.activeElement.name === "value"`)
		v.do(chromedp.KeyEvent("330106201703091415"), chromedp.KeyEvent("\r"))
		v.heads("number", "number.bad")
		v.do(chromedp.KeyEvent("\b"), chromedp.KeyEvent("4"), chromedp.KeyEvent("\r"))
		v.heads("guardian", "guardian.title")
		v.answer("mother")
		v.heads("consent", "consent.title.transfer")
		v.agree()
		v.heads("done", "done.title.transfer")
		v.says("ZX-")
		v.finish()
		v.server.Set(func(s *kiosktest.Server) {
			s.FarCase = &api.CaseView{No: "ZX-2026-0017-000001", Kind: registry.CaseTransfer, State: registry.CaseOpen, Steps: []api.CaseStep{{Party: registry.PartyReceiver, Unit: kiosktest.SchoolName, State: "now"}}}
		})
		v.begin()
		v.cards.Put(c)
		v.heads("menu", "pupil.noname.far", "province", kiosktest.FarName)
		v.choose("status")
		v.heads("status", "status.far_unnamed", "province", kiosktest.FarName)
		v.press("leave", "")
		v.cards.Take()
		v.at("home")
		v.server.Set(func(s *kiosktest.Server) { s.FarCase = nil })
	}},
	{"return, and the printer is out of paper", func(v *visitor) {
		v.server.Set(func(s *kiosktest.Server) {
			s.Status.School, s.Status.Standing, s.Status.Suspension = kiosktest.SchoolName, registry.StandingSuspended, &api.SuspensionView{Until: "2030-08-31"}
		})
		v.dev.Wrong("media-empty-error")
		v.choose("return")
		v.heads("place", "place.title")
		v.cards.Put(v.card(kiosktest.School))
		v.heads("confirm", "confirm.title.return")
		v.answer("yes")
		v.staff()
		v.heads("proof", "proof.title")
		v.answer("hospital")
		v.heads("grade", "grade.title.return")
		v.answer("4")
		v.heads("class", "class.title")
		v.answer("7")
		v.heads("consent", "consent.title.return")
		v.agree()
		v.heads("done", "done.title.return")
		v.heads("done", "done.print.paper")
		v.says("FX-")
		v.dev.Wrong()
		v.heads("done", "done.print.printed")
		v.finish()
		v.server.Set(func(s *kiosktest.Server) {
			s.Status.School, s.Status.Standing, s.Status.Suspension = kiosktest.OtherName, registry.StandingEnrolled, nil
		})
	}},
	{"archive", func(v *visitor) {
		c := v.card(kiosktest.Other)
		v.server.Set(func(s *kiosktest.Server) { s.Parcel.PupilRef = bytes.Repeat([]byte{c.Ref}, 16) })
		v.choose("archive")
		v.heads("scan", "scan.title")
		v.do(chromedp.Click(chromedp.CSS(`[name="value"]`)), chromedp.KeyEvent(kiosktest.QR), chromedp.KeyEvent("\r"))
		v.staff()
		v.heads("place", "place.title")
		v.cards.Put(c)
		v.heads("inventory", "inventory.title")
		v.answer("item:1")
		v.answer("next")
		v.heads("missing", "missing.title", "n", "1")
		v.answer("yes")
		v.heads("done", "done.title.archive")
		v.finish()
	}},
	{"status, and the PIN locks after five failures", func(v *visitor) {
		v.cards.Put(v.card(kiosktest.Other))
		v.at("menu")
		v.choose("status")
		v.heads("status", "status.title.none")
		v.answer("pin")
		v.heads("pin", "pin.title")
		for left := 4; left > 0; left-- {
			v.do(chromedp.KeyEvent("000000"), chromedp.KeyEvent("\r"))
			v.heads("pin", "pin.wrong", "n", fmt.Sprint(left))
		}
		v.do(chromedp.KeyEvent("000000"), chromedp.KeyEvent("\r"))
		v.heads("pin", "pin.locked")
		v.until(`!document.querySelector(".pad")`)
		v.server.Set(func(s *kiosktest.Server) { s.PINLeft = 5 })
		v.cards.Take()
		v.at("home")
	}},
	{"refresh", func(v *visitor) {
		v.server.Set(func(s *kiosktest.Server) { s.Behind = true })
		v.cards.Put(v.card(kiosktest.Other))
		v.at("menu")
		v.choose("refresh")
		v.heads("done", "done.title.refresh")
		v.server.Set(func(s *kiosktest.Server) { s.Behind = false })
		v.finish()
	}},
	{"lost card", func(v *visitor) {
		v.choose("lost")
		v.staff()
		v.heads("find", "find.title")
		v.until(`document.activeElement && document.activeElement.name === "value"`)
		v.do(chromedp.KeyEvent("20150308"), chromedp.KeyEvent("\r"))
		v.until(`document.activeElement && document.activeElement.name === "tail"`)
		v.do(chromedp.KeyEvent("002x"), chromedp.KeyEvent("\r"))
		v.heads("pick", "pick.title")
		v.answer("1")
		v.heads("report", "report.title")
		v.answer("stolen")
		v.heads("done", "done.title.lost")
		v.finish()
	}},
	{"found card", func(v *visitor) {
		c := v.card(kiosktest.School)
		c.Verdict = localapi.VerdictRevoked
		v.cards.Put(c)
		v.heads("problem", "problem.revoked")
		v.answer("found")
		v.staff()
		v.heads("report", "report.found.title")
		v.answer("yes")
		v.heads("done", "done.title.found")
		v.finish()
	}},
	{"offline", func(v *visitor) {
		v.server.SetDown(true)
		v.heads("home", "foot.line.down")
		v.cards.Put(v.card(kiosktest.Other))
		v.at("menu")
		v.choose("status") // a way that ends without a line says what to do
		v.heads("trouble", "trouble.status_offline.help")
		v.finish()
		v.begin()
		v.cards.Put(v.card(kiosktest.Other))
		v.transferTo("signin")
		v.staff()
		v.at("guardian")
		v.answer("father")
		v.at("consent")
		v.agree()
		v.heads("done", "done.title.transfer")
		v.heads("done", "done.pending")
		v.finish()
		v.server.SetDown(false)
		v.until(`document.querySelector(".gate").innerText.includes("网络正常")`)
	}},
	{"the register refuses", func(v *visitor) {
		v.server.SetRefuse(registry.CodeLocked)
		v.cards.Put(v.card(kiosktest.Other))
		v.transferTo("signin")
		v.staff()
		v.at("guardian")
		v.answer("other")
		v.at("consent")
		v.agree()
		v.heads("refused", "refused.locked")
		v.server.SetRefuse("")
		v.finish()
	}},
	{"the gate refuses", func(v *visitor) {
		v.server.Set(func(s *kiosktest.Server) { s.Skew = time.Hour })
		v.heads("home", "home.stopped")
		v.choose("transfer")
		v.heads("trouble", "trouble.gate.clock.help")
		v.server.Set(func(s *kiosktest.Server) { s.Skew = 0 })
		v.finish()
		v.until(`!document.querySelector(".note")`)
	}},
}

// TestFlows walks every way through the kiosk in three languages on a standing and a lying glass, with the print system and a printer behind it, and ends with
// a search of what the browser kept.
func TestFlows(t *testing.T) {
	dev := printertest.NewDevice(t)
	cups := printertest.NewCUPS(t, dev)
	w := newWorldWith(t, func(c *app.Config) { c.Printer, c.CUPS = printertest.Queue, cups.Server })
	w.server.Set(func(s *kiosktest.Server) {
		s.Parcel = api.Consignment{ArchiveNo: "DA-7K2M-9QXF-31", Name: "欧阳*", From: kiosktest.OtherName, To: kiosktest.SchoolName, SentOn: "2026-03-01",
			Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}, {No: 2, Group: 2, Title: "户口簿复印件", Pages: 1, Copy: true}}}
		s.Pupils = []api.PupilRow{{UID: "a", Name: "李**", Grade: 3, Class: "2 班", CardNo: "330000000000917"}, {UID: "b", Name: "阿***", Grade: 3, Class: "1 班", CardNo: "330000000000925"}}
	})
	catalogue, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.until(`document.querySelector(".gate").innerText.includes("网络正常")`)
	no := 100
	for _, size := range []struct {
		name string
		w, h int64
	}{{"standing", 1080, 1920}, {"lying", 1920, 1080}} {
		w.do(chromedp.EmulateViewport(size.w, size.h))
		for _, lang := range flow.Langs {
			for _, f := range flows {
				t.Run(size.name+"/"+string(lang)+"/"+f.name, func(t *testing.T) {
					in := *w
					in.T = t
					v := &visitor{world: &in, lang: lang, words: catalogue, dev: dev, no: no}
					v.begin()
					f.walk(v)
					no = v.no
				})
				if t.Failed() {
					t.FailNow() // the next one would begin in the middle
				}
			}
		}
	}
	if n := len(w.server.Moved); n != 12 || !slices.Contains(w.server.Moved, "stolen 330000000000925") {
		t.Errorf("cards moved: %v", w.server.Moved)
	}
	t.Run("nothing to go back to", func(t *testing.T) {
		in := *w
		in.T = t
		nothingKept(t, &in)
	})
}

// nothingKept: no way back in the browser leads to a family, and nothing of one is in its stores, its caches or its folder.
func nothingKept(t *testing.T, w *world) {
	family := []string{"欧阳", "李**", "阿***", "ZX-", "FX-", "DA-7K2M", "330106201703091414", cardtest.Items()[credential.ItemNumber]}
	clean := func(where, text string) {
		t.Helper()
		for _, f := range family {
			if strings.Contains(text, f) {
				t.Errorf("%s: %s is still there", where, f)
			}
		}
	}
	html := func() string {
		s, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`document.documentElement.outerHTML`))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	clean("the page", html())
	stores, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`(async () => JSON.stringify([localStorage.length, sessionStorage.length, document.cookie, (await caches.keys()).length,
		(await indexedDB.databases()).length, (await navigator.serviceWorker.getRegistrations()).length, history.length]))()`, chromedp.EvalAwaitPromise))
	if err != nil || stores != `[0,0,"",0,0,0,2]` { // history: the blank page of the start and this one
		t.Errorf("stores %s %v", stores, err)
	}
	if n, err := chromedp.Run(w.ctx, chromedp.Evaluate[int](`performance.getEntriesByType("resource").filter((r) => !/\/(static\/[a-z.]+|act|events)$/.test(new URL(r.name).pathname) || new URL(r.name).search).length`)); err != nil || n != 0 {
		t.Errorf("%d addresses say more than that a page was there: %v", n, err)
	}
	// Back is the blank page, forward the home screen drawn anew; the back-forward cache gives no family back.
	w.cards.Put(card(999, kiosktest.Other))
	w.at("menu")
	w.do(chromedp.Evaluate[chromedp.Void](`setTimeout(() => history.back(), 50); 0`))
	w.until(`location.href === "about:blank"`)
	clean("behind", html())
	w.cards.Take()
	time.Sleep(300 * time.Millisecond) // the reader's word arrives while no page listens
	w.do(chromedp.Evaluate[chromedp.Void](`setTimeout(() => history.forward(), 50); 0`))
	w.at("home")
	clean("forward again", html())
	err = filepath.WalkDir(w.profile, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return nil // Chromium removes files meanwhile
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			clean("the browser's "+d.Name(), string(raw))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
