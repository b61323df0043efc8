package e2e

import (
	"time"

	"xueji/server/registry"
)

// suspend is step 5: a suspension by the console and its authority, the return at the kiosk, the card rewritten both times it is asked for.
func (w *world) suspend() {
	t := w.t
	c := w.pupils[0]
	school := w.staff("registrar.qingshi")
	today := registry.DateOf(time.Now())
	school.open("/pupils/" + c.uid)
	school.clickOn(".acts a", "申请休学")
	school.choose(`[name="from"]`, string(today))
	school.choose(`[name="until"]`, string(today.AddDays(20))) // within the days in which its school is alerted
	school.click(`[name="reason"][value="illness"]`)
	school.fill(`[name="guardian"]`, "母亲")
	school.click(".sheet .btn.pri")
	school.partSays(".flash", "休学申请已提交")
	w.accept("registrar.qingshi", c)
	w.accept("officer.qingshi", c)
	school.open("/pupils/" + c.uid)
	school.partSays(".who", "休学")
	// Article 19: a suspension that ends soon stands on its school's list.
	school.open("/todo")
	school.partSays("#tasks", c.name())

	k := w.stand()
	w.menu(c)
	w.goal("return")
	w.answer("要复学吗", "yes")
	w.signIn("registrar.qingshi", false)
	w.answer("看到了哪种康复证明", "hospital")
	w.answer("复学到几年级", "1")
	w.answer("编入哪个班", "2")
	k.partSays("blockquote", "医院康复证明")
	w.answer("登记复学", "agree")
	k.partSays(`[data-value="agree"]`, "再按一次")
	k.click(`[data-value="agree"]`)
	k.partSays("h1", "复学已登记")
	no := k.text(".caseno b")
	receipt := w.printed(no)
	receipt.has(t, "复学登记回执", no, newName)
	receipt.hasNot(t, c.name(), c.Values[registry.FIDNumber])
	k.says("卡片已更新")
	if got := w.readCard(); got.Public == nil || got.Public.Status != 1 {
		t.Errorf("after the return the card says %+v", got.Public)
	}
	w.take()
	school.open("/pupils/" + c.uid)
	school.partSays(".who", "2 班")
	school.open("/cases?kind=return&state=all")
	school.says(no)
}
