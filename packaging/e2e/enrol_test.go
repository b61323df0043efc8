package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/chromedp/chromedp"

	"xueji/server/registry"
)

// slips are the mistakes in the sample workbook's bad rows, in their order: where, and what the comment must say.
var slips = []struct {
	field registry.FieldKey
	says  string
}{
	{registry.FIDNumber, "校验码不对"},
	{registry.FNation, "代码表"},
	{registry.FBirth, "没有这一天"},
	{registry.FAddress, "必填"},
	{registry.FSex, "不一致"},
	{registry.FIDNumber, "相同"},
	{registry.FName, "不能出现的字符"},
	{registry.FPhone, "电话号码不对"},
	{registry.FPost, "邮政编码"},
	{registry.FNativePlace, "太长"},
}

// upload sends a workbook from a registrar's desk and gives what the page says became of it: rows, good, bad.
func (w *world) upload(p *page, file string) (rows, good, bad string) {
	w.t.Helper()
	p.open("/enrol")
	p.do("choose the workbook", chromedp.SetUploadFiles(chromedp.CSS(`[data-drop] input[type=file]`), []string{file}))
	p.until("the import has ended", `location.pathname.startsWith("/enrol/imports/") && document.querySelector(".nums.three")`)
	n := p.texts(".nums.three b")
	if len(n) != 3 {
		p.fatal("the result has %d numbers", len(n))
	}
	return n[0], n[1], n[2]
}

// marked downloads the workbook that came back.
func (w *world) marked(p *page) []row {
	w.t.Helper()
	return readWorkbook(w.t, p.fetch(p.attr(`a[href$="/marked.xlsx"]`, "href")))
}

// acceptAll ticks everything of a kind on a to-do list, accepts it and answers the question whether that was meant.
func (w *world) acceptAll(p *page, kind string, atLeast int) {
	w.t.Helper()
	p.open("/todo?kind=" + kind)
	p.click("[data-all]")
	p.click("[data-accept]")
	p.partSays("dialog", "同意这")
	p.click("dialog .btn.pri")
	// Whoever resembles another in the register waits for 查重; the rest are accepted.
	said := ".flash, main .problem"
	p.until("what was accepted", fmt.Sprintf(`/已同意|办成/.test(document.querySelector(%s)?.innerText)`, quote(said)))
	if n := number(p.text(said)); n < atLeast {
		p.fatal("accepted %d, want at least %d", n, atLeast)
	}
}

// document is a resident's ID number in a text.
var document = regexp.MustCompile(`\d{17}[\dX]`)

var digits = regexp.MustCompile(`\d+`)

func number(s string) (n int) {
	_, _ = fmt.Sscan(digits.FindString(s), &n)
	return n
}

// enrol is step 1: a workbook goes up, bad rows come back marked, good ones are confirmed, approved and numbered; a document twice is refused.
func (w *world) enrol() {
	t := w.t
	sent := readWorkbookFile(t, w.workbook)
	if len(sent) != newcomers+1 {
		t.Fatalf("the sample workbook has %d rows", len(sent))
	}
	good := sent[:newcomers-badRows]
	registrar := w.staff("registrar.yunhe")
	rows, in, bad := w.upload(registrar, w.workbook)
	if rows != fmt.Sprint(len(sent)) || in != fmt.Sprint(len(good)) || bad != fmt.Sprint(len(sent)-len(good)) {
		registrar.fatal("%s rows, %s good, %s bad", rows, in, bad)
	}
	back := w.marked(registrar)
	if len(back) != len(sent) {
		t.Fatalf("%d rows came back of %d", len(back), len(sent))
	}
	for i, r := range back {
		switch {
		case i < len(good):
			if len(r.Notes) > 0 {
				t.Errorf("row %d is right and has comments %v", r.No, r.Notes)
			}
			w.pupils = append(w.pupils, &pupil{row: r})
		case i < newcomers:
			s := slips[i-len(good)]
			if !strings.Contains(r.Notes[s.field], s.says) || !r.Red[s.field] {
				t.Errorf("row %d: the cell of %s says %q, coloured %v; want %q", r.No, s.field, r.Notes[s.field], r.Red[s.field], s.says)
			}
			if r.Result == "" {
				t.Errorf("row %d has no result", r.No)
			}
		default:
			if note := r.Notes[registry.FIDNumber]; !strings.Contains(note, "已有学籍") {
				t.Errorf("row %d is in the register already; its document says %q", r.No, note)
			}
		}
	}
	// Did you mean: what is offered for a wrong check digit are whole numbers with a right one.
	note := back[len(good)].Notes[registry.FIDNumber]
	offered := document.FindAllString(note, -1)
	for _, id := range offered {
		if registry.IDCheckChar(id[:17]) != id[17] {
			t.Errorf("did you mean %s: its check digit is wrong too", id)
		}
	}
	if len(offered) == 0 || !strings.Contains(note, "是不是") {
		t.Errorf("no number is offered for a wrong check digit: %q", note)
	}

	leader := w.staff("leader.yunhe")
	w.acceptAll(leader, "enrol", len(good))
	w.acceptAll(w.staff("officer.yunhe"), "enrol", len(good))

	// Each is in the register now, with a 学籍号 of the document: rare characters and the middle dot as they were written.
	for _, c := range w.pupils {
		c.uid = w.find(registrar, c.name())
		registrar.open("/pupils/" + c.uid)
		registrar.partSays("h1", c.name())
		registrar.partSays(".who", "学籍号")
		registrar.silent(c.Values[registry.FIDNumber])
	}
	first := w.pupils[0]
	registrar.open("/pupils/" + first.uid)
	registrar.click(`form[action$="/unmask"] button`)
	registrar.partSays(".who", "G"+first.Values[registry.FIDNumber])

	// The same documents from another school: refused, each with where the pupil is.
	other := w.staff("registrar.qingshi")
	if rows, in, _ := w.upload(other, w.workbook); in != "0" {
		other.fatal("of %s rows %s went in though they are at another school", rows, in)
	}
	for _, r := range w.marked(other)[:len(good)] {
		if note := r.Notes[registry.FIDNumber]; !strings.Contains(note, oldName) || !strings.Contains(note, "请改办转学") {
			t.Errorf("row %d is a pupil of %s already; its document says %q", r.No, oldName, note)
		}
	}
}

// find looks a pupil up in a registrar's list by the whole name and gives the UID.
func (w *world) find(p *page, name string) string {
	w.t.Helper()
	p.open("/pupils")
	p.fill(`[data-filters] [data-search]`, name)
	js := fmt.Sprintf(`[...document.querySelectorAll("[data-rows] a.name")].filter(a => a.innerText === %s).map(a => a.getAttribute("href"))`, quote(name))
	p.until("one row says "+name, "("+js+").length === 1")
	hrefs, err := ask[[]string](p, js)
	if err != nil || len(hrefs) != 1 {
		p.fatal("%s is found %d times: %v", name, len(hrefs), err)
	}
	return strings.TrimPrefix(hrefs[0], "/pupils/")
}

// byHandTwice enters a pupil of another school on the form by hand: refused with where the pupil is, and a transfer is one press away.
func (w *world) byHandTwice(c *pupil) {
	w.t.Helper()
	p := w.staff("registrar.qingshi")
	p.open("/enrol/new")
	for _, answer := range []string{`[name="grade"][value="1"]`, `[name="doc"][value="resident"]`, `[name="mode"][value="ordinary"]`} {
		p.click("label:has(" + answer + ")")
	}
	p.click(`form[action="/enrol/form"] .btn.pri`)
	p.until("the form that fits", `document.querySelector('form[action="/enrol/new"] [name="f.name"]') && document.readyState === "complete"`)
	fields := map[string]string{}
	for k, v := range c.Values {
		if v != "" {
			fields["f."+string(k)] = v
		}
	}
	form, _ := json.Marshal(fields)
	left, err := ask[[]string](p, fmt.Sprintf(`Object.entries(%s).filter(([name, text]) => {
		const e = document.getElementById(name);
		if (!e) return true;
		const o = e.options && [...e.options].find(o => o.text === text || o.value === text || o.text.includes(text));
		e.value = o ? o.value : text;
		e.dispatchEvent(new Event("input", {bubbles: true}));
		return !e.value;
	}).map(([name, text]) => name)`, form))
	if err != nil || len(left) > 0 {
		p.fatal("the form takes no value for %v (%v)", left, err)
	}
	p.click(".sticky .btn.pri")
	p.until("an answer", `document.querySelector(".problem")`)
	if !p.has(".problem.dup") {
		p.fatal("no duplicate is told; the form says %q", p.texts(".field.bad"))
	}
	p.partSays(".problem.dup", oldName)
	p.click(".problem.dup .btn.pri")
	p.partSays(".found", c.name())
	p.partSays(".found", oldName)
}
