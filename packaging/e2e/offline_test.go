package e2e

import (
	"fmt"
	"strings"

	"xueji/packaging/rig"

	"xueji/server/registry"
)

// offline is a transfer while the server is down: taken, numbered and printed by the kiosk alone; reported once when the line is back.
func (w *world) offline() {
	t := w.t
	c := w.pupils[4]
	k := w.stand()
	w.server.Stop()
	no := func() string {
		w.menuOffline(c)
		w.goal("transfer")
		w.answer("要转到本校吗", "yes")
		w.answer("转入几年级", "1")
		w.answer("为什么转学", "work")
		w.signIn("registrar.qingshi", false)
		w.answer("哪位家长在场", "father")
		k.says("网络中断：申请先安全保存在本机")
		w.answer("您同意转学吗", "agree")
		k.partSays(`[data-value="agree"]`, "再按一次")
		k.click(`[data-value="agree"]`)
		k.partSays("h1", "转学申请已受理")
		k.says("申请已在本机安全保存")
		return k.text(".caseno b")
	}()
	receipt := w.printed(no)
	receipt.has(t, no, oldName, newName, "网络暂时中断")
	w.take()
	k.partSays("footer", "待上报")

	w.server.Start()
	k.untilWithin(2*pageWait, "the outbox is empty", `document.querySelector("footer").innerText.includes("网络正常") && !document.querySelector("footer").innerText.includes("待上报")`)
	school := w.staff("registrar.qingshi")
	rig.Await(t, pageWait, "the case is in the register", func() error { // reported is durable; applied is a moment later
		school.open("/cases?kind=transfer")
		if !strings.Contains(school.text("main"), no) {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if n := strings.Count(school.text("main"), no); n != 1 {
		school.fatal("the case stands there %d times", n)
	}
	school.open("/pupils/" + c.uid)
	if cases := school.texts(`a[href*="/cases/ZX-"]`); len(cases) == 0 {
		school.fatal("the pupil has no transfer")
	}
	// The outcome, at the kiosk: the case is open, with its dates.
	w.menu(c)
	w.goal("status")
	k.partSays("h1", "转学正在办理")
	k.says(fmt.Sprintf("现在由“%s”办理，最迟", newName))
	w.take()
	w.accept("registrar.qingshi", c)
}

// menuOffline is menu when the register cannot be asked.
func (w *world) menuOffline(c *pupil) {
	w.t.Helper()
	k := w.stand()
	w.lay(c.card)
	k.partSays("h1", "要办什么")
	k.partSays(".pupil b", registry.MaskName(c.name())) // off the card, which gives it to an enrolled kiosk
	k.silent(c.name())
}
