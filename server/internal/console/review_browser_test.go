package console_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"xueji/server/internal/console/consoletest"
)

// TestReviewByKeyboard: a class is reviewed without a mouse; a remark is of one pupil; a tick by the space bar stays a tick; what was marked stands after a reload.
func TestReviewByKeyboard(t *testing.T) {
	f := consoletest.New()
	b := open(t, serve(t, f, station), "registrar")
	b.goTo("/reviews/rv-1?class=03+1班")
	b.until("the first row that waits", `document.querySelector("tr.at [data-state]")?.textContent.includes("未复核")`)
	at := func(n string) string { return `[...document.querySelectorAll("[data-review-row]")]` + n }
	name, _ := b.js(`document.querySelector("tr.at .name").textContent`).(string)
	mine := at(`.find((r) => r.querySelector(".name").textContent === "` + name + `")`)

	b.keys(" ")
	b.until("the row to be good", mine+`.querySelector("[data-state] .pill.fine")`)
	b.until("the next row", `document.querySelector("tr.at .name").textContent !== "`+name+`"`)
	b.keys("k")
	b.until("back on the row", `document.querySelector("tr.at .name").textContent === "`+name+`"`)
	b.keys("u")
	b.until("taken back", mine+`.querySelector("[data-state]").textContent.includes("未复核")`)
	b.keys("k")

	b.do(chromedp.Focus(chromedp.CSS("[name=note]")))
	b.types("与户口簿不一致")
	b.keys(kb.Escape)
	b.js(`document.querySelector("tr.at").focus()`)
	b.keys("x")
	b.until("marked, with the remark and where to mend it", mine+`.querySelector("[data-state] .pill.soon") && `+mine+`.textContent.includes("与户口簿不一致") && `+mine+`.querySelector("a.btn")`)
	b.until("the remark gone from the field", `document.querySelector("[name=note]").value === ""`)

	b.js(`document.querySelectorAll("[data-review-row] [name=uid]")[0].focus()`)
	before := b.js(at(`[0].querySelector("[data-state]").textContent`))
	b.keys(" ")
	b.until("a tick", `document.querySelectorAll("[data-review-row] [name=uid]")[0].checked`)
	if after := b.js(at(`[0].querySelector("[data-state]").textContent`)); after != before {
		t.Errorf("a tick marked the row: %v", after)
	}

	b.goTo("/reviews/rv-1?class=03+1班")
	b.until("what was said still stands", mine+`.textContent.includes("与户口簿不一致")`)
}
