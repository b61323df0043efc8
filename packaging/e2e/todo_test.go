package e2e

import (
	"fmt"
	"slices"
)

// idle is the second half of step 6: a screen that nobody touches is wiped after its seconds, card or no card. It is left standing here and looked at by wiped.
func (w *world) idle(c *pupil) {
	w.t.Helper()
	k := w.stand()
	w.menu(c)
	w.goal("status")
	w.answer("已经办完", "pin")
	w.enterPIN(guardedPIN)
	k.says(c.name())
	k.silent("（最迟") // the archive was received: no date runs
}

// wiped waits for what idle left to be gone, though the card still lies there.
func (w *world) wiped(c *pupil) {
	w.t.Helper()
	k := w.stand()
	k.untilWithin(2*pageWait, "the screen is wiped", `document.querySelector("h1") && document.querySelector("h1").innerText.includes("请取走卡片")`)
	k.silent(c.name())
	w.take()
}

// todo is step 7: every desk shows its own list, soonest date first. Meanwhile the kiosk is left standing.
func (w *world) todo(patient bool) {
	t := w.t
	w.idle(w.pupils[0])
	some := 0
	for _, login := range []string{"registrar.yunhe", "leader.yunhe", "officer.yunhe", "registrar.qingshi", "leader.qingshi", "officer.qingshi", "officer.city"} {
		desk := w.staff(login)
		desk.open("/todo")
		desk.partSays("h1", "待办")
		var due []int
		titles, err := ask[[]string](desk, `[...document.querySelectorAll("#tasks td.due .pill")].map(e => e.title)`)
		if err != nil {
			desk.fatal("dates of the list: %v", err)
		}
		for _, d := range titles {
			var y, m, day int
			parts := digits.FindAllString(d, 3)
			if len(parts) != 3 {
				desk.fatal("a task is due on %q", d)
			}
			_, _ = fmt.Sscan(parts[0]+" "+parts[1]+" "+parts[2], &y, &m, &day)
			due = append(due, y*10000+m*100+day)
		}
		if !slices.IsSorted(due) {
			desk.fatal("the list is not soonest first: %v", titles)
		}
		some = max(some, len(due))
	}
	if some < 2 {
		t.Errorf("no list has two dates: nothing was put in order")
	}
	w.byHandTwice(w.pupils[6])
	if patient {
		w.wiped(w.pupils[0])
	} else {
		w.take()
	}
}
