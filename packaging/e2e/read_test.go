package e2e

import (
	"xueji/cardsvc/cardtest/pcscdtest"
)

// cardsRead lays a made card on the desk's reader before the console: its sealed record, kept by the chip, is opened by the register's own keys and stands beside the register; a
// clerk sees the desk's section of it, another school's registrar that it is genuine, and nothing of the child. It works while the issuer is away.
func (w *world) cardsRead() {
	c := w.pupils[1]
	lay := func(p *page, say string) *pcscdtest.Inserted {
		p.partSays("[data-say]", "请放学生卡")
		lying := w.station.Insert(stationSlot, c.card)
		p.partSays("[data-say]", say)
		return lying
	}
	shows := func(p *page, chip string, whole bool) {
		p.partSays("[data-name]", c.name())
		p.partSays("[data-tally]", "项全部一致")
		p.partSays("[data-facts]", chip)
		p.partSays("[data-facts]", c.cardNo)
		p.partSays("[data-items]", oldName)
		items := `[...document.querySelectorAll("[data-items] tr.same th")].map(e => e.firstChild.textContent).join()`
		if whole {
			p.until("the whole record", items+`.includes("姓名,性别,出生日期") && `+items+`.includes("学籍状态")`)
		} else {
			p.until("the desk's section alone", items+`.startsWith("姓名,学") && !/性别|出生/.test(`+items+`)`)
		}
	}
	gone := func(p *page, lying *pcscdtest.Inserted) {
		lying.Remove()
		p.until("nothing stays on the screen", `document.querySelector("[data-result]").hidden`)
		p.silent(c.name())
	}
	registrar := w.staff("registrar.yunhe")
	registrar.open("/cards/read")
	registrar.choose(`select[name="why"]`, "family")
	lying := lay(registrar, "真卡，有效")
	shows(registrar, "芯片已验证", true)
	gone(registrar, lying)

	w.issuer.Stop()
	lying = lay(registrar, "真卡，有效")
	shows(registrar, "仅签名有效", true)
	gone(registrar, lying)
	w.issuer.Start()
	registrar.wellBehaved()
	registrar.open("/todo")

	clerk := w.staff("clerk.yunhe")
	clerk.open("/cards/read")
	lying = lay(clerk, "真卡，有效")
	shows(clerk, "芯片已验证", false)
	gone(clerk, lying)
	clerk.wellBehaved()
	clerk.open("/cards")

	stranger := w.staff("registrar.qingshi")
	stranger.open("/cards/read")
	lying = lay(stranger, "真卡，有效")
	stranger.partSays("[data-help-text]", "不在您的范围内")
	stranger.partSays("[data-facts]", c.cardNo)
	stranger.silent(c.name())
	gone(stranger, lying)
	stranger.wellBehaved()
	stranger.open("/todo")
}
