package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest/pcscdtest"
)

var guide = flag.String("guide", "", "folder in which TestStaffCard writes the pictures of docs/install-kiosk.md anew")

// pictured keeps the screen as a picture of the guide, when asked to.
func (p *page) pictured(name string) {
	p.t.Helper()
	if *guide == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(*guide, name+".png"), png, 0o644)
	}
	if err != nil {
		p.fatal("picture: %v", err)
	}
}

// staffPIN is the registrar's own.
const staffPIN = "482916"

// TestStaffCard is the registrar's own card, from its binding at the county office to the kiosk: the page for staff and a question of a family's open with card and
// PIN, another card and another PIN do not.
func TestStaffCard(t *testing.T) {
	w := begin(t)
	fresh := func() pcscdtest.Card {
		c, err := cardsim.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	card, other := fresh(), fresh()

	w.step(t, "the school's leader makes a code", func() {
		p := w.staff("leader.qingshi")
		p.open("/kiosks")
		p.until("this kiosk is live", `document.querySelector(".k-live")`)
		p.pictured("live")
		p.fill(`form[action="/kiosks"] [name="name"]`, "二楼走廊")
		p.click(`form[action="/kiosks"] .btn.pri`)
		p.until("the code", `document.querySelector(".bigcode").innerText.length >= 12`)
		p.pictured("code")
	})

	w.step(t, "the security officer binds the card", func() {
		p := w.staff("security.qingshi")
		p.open("/staff")
		p.says("registrar.qingshi")
		at, err := ask[string](p, `[...document.querySelectorAll("tr")].find((r) => r.innerText.includes("registrar.qingshi")).querySelector("a.name").getAttribute("href")`)
		if err != nil {
			p.fatal("no row of the registrar: %v", err)
		}
		p.open(at)
		p.until("the form for the card", `document.querySelector("form[data-staffcard]")`)
		lying := w.station.Insert(stationSlot, card)
		p.until("the station has read the chip", `document.querySelector('[name="chip"]').value.length >= 8`)
		p.fill(`form[data-staffcard] [name="pin"]`, staffPIN)
		p.click(`form[data-staffcard] .btn:not(.danger)`)
		p.until("it is bound", `document.querySelector(".flash")`)
		lying.Remove()
	})

	k := w.stand()
	pin := func(digits string) {
		for _, d := range digits {
			k.click(`[data-key="digit"][data-value="` + string(d) + `"]`)
		}
	}
	w.step(t, "the page for staff", func() {
		w.home()
		k.pictured("home")
		k.click(".staffdoor")
		k.partSays("h1", "老师维护")
		pin(staffPIN)
		k.click(`[value="card"]`)
		k.partSays(".said.bad", "读卡区上没有卡")
		// The reader is looked at a few times a second: whoever presses before it has seen the card presses again.
		try := func(what, digits, until string) {
			k.until(what, `(() => { if (`+until+`) return true; const i = document.querySelector('[name="pin"]');
				if (i && i.value === "" && document.readyState === "complete") { i.value = "`+digits+`"; document.querySelector('[value="card"]').click(); } return false; })()`)
		}
		said := func(text string) string {
			return `(document.querySelector(".said.bad") || {innerText: ""}).innerText.includes("` + text + `")`
		}
		w.lay(other)
		try("another card with the right PIN is refused", staffPIN, said("没有登记为教师卡"))
		w.lying.Remove()
		w.lay(card)
		k.click(`.turns [value="lang:en"]`) // a switch forgets what was said
		k.until("the page is in English", `document.documentElement.lang === "en" && document.readyState === "complete"`)
		k.click(`.turns [value="lang:zh-Hans"]`)
		k.until("nothing is said", `document.documentElement.lang === "zh-Hans" && document.readyState === "complete" && !document.querySelector(".said")`)
		try("the wrong PIN is refused", "482917", said("密码不对"))
		try("signed in", staffPIN, `document.querySelector('[name="session"]')`)
		k.says("最近的回执")
		k.pictured("staff")
		k.click(`[value="leave"]`)
		w.take()
	})

	w.step(t, "a family's question", func() {
		w.goal("lost")
		k.partSays("h1", "请学籍老师登录")
		w.lay(card)
		k.partSays("h1", "请输入教师卡密码")
		pin(staffPIN)
		k.click(`[data-submit="pin"]`)
		k.partSays("h1", "卡")
		k.until("the registrar is known", `document.documentElement.dataset.screen === "find"`)
		k.click(`[data-do="leave"]`)
		w.take()
	})
}
