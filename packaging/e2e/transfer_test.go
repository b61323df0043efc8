package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"xueji/server/registry"
)

// parties are who must agree, in order, when the schools stand in two counties (Art. 14).
var parties = []struct{ login, unit string }{
	{"registrar.qingshi", newName}, {"officer.qingshi", newOffice}, {"registrar.yunhe", oldName}, {"officer.yunhe", oldOffice},
}

// buildArchive has the old school list what a pupil's archive holds (Art. 7).
func (w *world) buildArchive(c *pupil) {
	w.t.Helper()
	p := w.staff("registrar.yunhe")
	p.open("/pupils/" + c.uid + "/archive")
	p.until("the catalogue is offered", `document.querySelectorAll('[name^="title."]').length > 3`)
	for i, pages := range []string{"2", "1", "6", "4"} {
		if p.value(fmt.Sprintf(`[name="title.%d"]`, i)) == "" {
			p.fill(fmt.Sprintf(`[name="title.%d"]`, i), fmt.Sprintf("材料%d", i+1))
		}
		p.fill(fmt.Sprintf(`[name="pages.%d"]`, i), pages)
	}
	p.clickOn("[data-catalogue] .btn.pri", "保存目录")
	p.partSays(".flash", "目录已保存")
}

// setPIN is the guardian at the registrar's desk.
func (w *world) setPIN(login string, c *pupil, pin string) {
	w.t.Helper()
	p := w.staff(login)
	p.open("/pupils/" + c.uid)
	p.click("[data-pin] summary")
	p.fill(`[data-pin] [name="pin"]`, pin)
	p.fill(`[data-pin] [name="again"]`, pin)
	p.click("[data-pin] form button")
	p.partSays(".flash", "家长密码已设置")
}

// openTask opens a case from the to-do list of the one whose turn it is.
func (w *world) openTask(login string, c *pupil) *page {
	w.t.Helper()
	p := w.staff(login)
	p.open("/todo")
	p.clickOn("#tasks a.name", c.name())
	p.until("the case", `location.pathname.includes("/cases/")`)
	return p
}

// accept is a party's yes, from its own to-do list.
func (w *world) accept(login string, c *pupil) {
	w.t.Helper()
	p := w.openTask(login, c)
	p.click("[data-accept-one]")
	p.partSays(".flash", "已同意")
}

// transfer is step 3: a tap at the other school, the parties in their order, a refusal and a withdrawal.
func (w *world) transfer() {
	t := w.t
	moving, refused, withdrawn := w.pupils[0], w.pupils[1], w.pupils[3]
	w.buildArchive(moving)
	w.setPIN("registrar.yunhe", moving, guardedPIN)

	// The old school's desk stands open at its list, and is told without being loaded anew.
	old := w.staff("registrar.yunhe")
	old.open("/todo")
	old.mark()
	moving.caseNo = w.startTransfer(moving, true)
	if !regexp.MustCompile(`^ZX-\d{4}-\d{4}-\d{6}$`).MatchString(moving.caseNo) {
		t.Errorf("the case is called %q", moving.caseNo)
	}
	old.partSays("main", moving.name())
	old.marked()

	now := time.Now().In(registry.Beijing)
	due, _ := registry.DefaultCalendar().AddWorkingDays(registry.DateOf(now), 10)
	receipt := w.printed(moving.caseNo)
	receipt.has(t, moving.caseNo, oldName, newName, newOffice, oldOffice, zhDay(due.Time()), zhDay(now))
	receipt.hasNot(t, moving.name(), moving.Values[registry.FIDNumber])
	if got := receipt.codes(t); len(got) != 1 || got[0] != moving.caseNo {
		t.Errorf("the receipt's code says %q", got)
	}
	w.take()

	for i, p := range parties {
		// Nobody acts before their turn: the case is on no list but that of the one whose turn it is.
		for j, other := range parties {
			if j <= i {
				continue
			}
			desk := w.staff(other.login)
			desk.open("/todo")
			if mine := strings.Join(desk.texts("#tasks a.name"), " "); strings.Contains(mine, moving.name()) {
				desk.fatal("%s is asked before its turn", other.unit)
			}
		}
		if i == 0 {
			w.family(moving)
		}
		w.accept(p.login, moving)
	}
	old.open("/pupils/" + moving.uid)
	w.staff("registrar.qingshi").open("/pupils/" + moving.uid)
	w.staff("registrar.qingshi").partSays(".who", newName)

	// A second is refused by the receiving county, with a reason, who can mend it, and how.
	refused.caseNo = w.startTransfer(refused, false)
	w.take()
	w.accept("registrar.qingshi", refused)
	office := w.openTask("officer.qingshi", refused)
	office.click("[data-refuse-one] summary")
	office.click(`[name="refusal"][value="no_place"]`)
	office.fill(`[data-refuse-one] [name="note"]`, "本学期一年级学位已满")
	office.click("[data-refuse-one] .btn.danger")
	office.partSays(".flash", "已退回")
	starter := w.staff("registrar.qingshi")
	starter.open("/pupils/" + refused.uid + "/cases/" + refused.caseNo)
	starter.says("芯片已验证（签发机构当场核验）") // judged by the register from what came with the event
	starter.says(newOffice + "退回：无空余学位")
	starter.says("由监护人向转入学校主管部门申请协调学位")
	w.menu(refused)
	w.goal("status")
	w.stand().says(newOffice + "”没有同意")
	w.take()

	// A third is withdrawn by the school that started it, before its end.
	withdrawn.caseNo = w.startTransfer(withdrawn, false)
	w.take()
	starter.open("/pupils/" + withdrawn.uid + "/cases/" + withdrawn.caseNo)
	starter.clickOn("summary", "撤回这件业务")
	starter.fill(`form[action$="/withdraw"] [name="note"]`, "家长改变主意")
	starter.click(`form[action$="/withdraw"] .btn.danger`)
	starter.partSays(".flash", "已撤回")
	old.open("/pupils/" + withdrawn.uid)
	old.partSays(".who", oldName)
}

// value is what a field holds.
func (p *page) value(sel string) string {
	p.t.Helper()
	v, err := ask[string](p, fmt.Sprintf(`document.querySelector(%s).value`, quote(sel)))
	if err != nil {
		p.fatal("%s: %v", sel, err)
	}
	return v
}
