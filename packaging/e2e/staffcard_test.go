package e2e

import (
	"testing"

	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest/pcscdtest"
)

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
		k.click(".staffdoor")
		k.partSays("h1", "老师维护")
		pin(staffPIN)
		k.click(`[value="card"]`)
		k.partSays(".said.bad", "读卡区上没有卡")
		w.lay(other)
		k.until("another card with the right PIN is refused", `(() => { const s = document.querySelector(".said.bad"); if (s && s.innerText.includes("没有登记为教师卡")) return true;
			if (s && document.querySelector('[name="pin"]').value === "") { document.querySelector('[name="pin"]').value = "`+staffPIN+`"; document.querySelector('[value="card"]').click(); } return false; })()`)
		w.lying.Remove()
		w.lay(card)
		pin("482917")
		k.click(`[value="card"]`)
		k.partSays(".said.bad", "密码不对")
		k.until("signed in", `(() => { if (document.querySelector('[name="session"]')) return true; const i = document.querySelector('[name="pin"]');
			if (i && i.value === "") { i.value = "`+staffPIN+`"; document.querySelector('[value="card"]').click(); } return false; })()`)
		k.says("最近的回执")
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
