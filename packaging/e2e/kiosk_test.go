package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/cardsvc/localapi"
	"xueji/packaging/rig"
)

// kioskSlot is the kiosk's reader.
const kioskSlot = 1

// stand opens the kiosk's screen as its browser does: 1080 × 1920, one page for the day.
func (w *world) stand() *page {
	w.t.Helper()
	if w.glass == nil {
		w.glass = w.browser.page("kiosk", w.kioskAt, 1080, 1920)
		w.glass.open("/")
	}
	return w.glass
}

// lay puts a card on the kiosk's reader.
func (w *world) lay(c pcscdtest.Card) {
	w.t.Helper()
	w.lying = w.corridor.Insert(kioskSlot, c)
}

// lift takes the card off and waits until the machine has seen the reader empty: one laid on sooner may be taken for the same.
func (w *world) lift() {
	w.t.Helper()
	w.lying.Remove()
	w.lying = nil
	c := localapi.NewClient(w.corridorURL, nil)
	defer c.Close()
	for end := time.Now().Add(pageWait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		readers, err := c.Readers(context.Background())
		if err == nil && !slices.ContainsFunc(readers, func(r localapi.Reader) bool { return r.State != localapi.ReaderEmpty }) {
			return
		}
	}
	w.t.Fatal("the card was lifted and the reader is not seen empty")
}

// take lifts it off and waits for the kiosk to stand at home.
func (w *world) take() {
	w.t.Helper()
	if w.lying != nil {
		w.lying.Remove()
		w.lying = nil
	}
	k := w.stand()
	const finish = `[data-do="answer"][data-value="finish"]`
	k.until("the kiosk has seen the card leave", `document.querySelector("h1").innerText.includes("请把学生卡") || (document.querySelector('`+finish+`') || {}).innerText === "好了"`)
	if k.has(finish) { // a last screen stays until it is answered
		k.click(finish)
	}
	w.home()
}

// home waits for the first screen with nothing of a family on it.
func (w *world) home() {
	w.t.Helper()
	w.stand().partSays("h1", "请把学生卡")
}

// answer presses one of a question's answers, after the question stands there.
func (w *world) answer(question, value string) {
	w.t.Helper()
	k := w.stand()
	k.partSays("h1", question)
	k.click(fmt.Sprintf(`[data-do="answer"][data-value=%q]`, value))
}

// menu lays the card down and waits until the kiosk has judged it and asks what to do.
func (w *world) menu(c *pupil) {
	w.t.Helper()
	k := w.stand()
	w.lay(c.card)
	k.partSays("h1", "要办什么")
	k.silent(c.name())
	// The signature held, and the record belongs to this chip; the issuer's word on the chip may be here already.
	k.until("what the card proved", `/有效|芯片已验证/.test(document.querySelector(".pupil .chip").innerText)`)
}

func (w *world) goal(name string) {
	w.t.Helper()
	w.stand().click(fmt.Sprintf(`[data-do="choose"][data-value=%q]`, name))
}

// signIn is the registrar at the kiosk's keyboard: with fingers on the glass, or on keys.
func (w *world) signIn(login string, glass bool) {
	w.t.Helper()
	k := w.stand()
	k.partSays("h1", "请学籍老师登录")
	type_ := k.keys
	if glass {
		type_ = w.touchKeys
	}
	k.click(`[name="login"]`)
	type_(login)
	k.click(`[name="password"]`)
	type_(w.password)
	k.click(`[data-submit="signin"]`)
}

// touchKeys types on the keyboard on the glass: capitals by its shift, signs by its other face.
func (w *world) touchKeys(text string) {
	w.t.Helper()
	k := w.stand()
	press := func(face, r string) { k.click(fmt.Sprintf(`[data-key="char"][data-%s=%s]`, face, quote(r))) }
	for _, r := range text {
		s := string(r)
		switch {
		case k.has(fmt.Sprintf(`[data-key="char"][data-lower=%s]`, quote(s))):
			press("lower", s)
		case strings.ToLower(s) != s:
			k.click(`[data-key="shift"]`)
			press("upper", s)
		default:
			k.click(`[data-key="symbols"]`)
			press("symbol", s)
			k.click(`[data-key="symbols"]`)
		}
	}
}

// startTransfer is the family and the registrar at the kiosk: one question a screen, to the case's number.
func (w *world) startTransfer(c *pupil, glass bool) (caseNo string) {
	w.t.Helper()
	k := w.stand()
	w.menu(c)
	k.partSays(".pupil .chip", "芯片已验证") // the issuer asked the chip, through the reader
	w.goal("transfer")
	w.answer("要转到本校吗", "yes")
	w.answer("转入几年级", "1")
	w.answer("为什么转学", "moved")
	w.signIn("registrar.qingshi", glass)
	w.answer("哪位家长在场", "mother")
	k.partSays("blockquote", newName)
	w.answer("您同意转学吗", "agree")
	k.partSays(`[data-value="agree"]`, "再按一次")
	k.click(`[data-value="agree"]`)
	k.partSays("h1", "转学申请已受理")
	k.silent(c.name())
	return k.text(".caseno b")
}

// enterPIN presses the digits of a PIN.
func (w *world) enterPIN(pin string) {
	w.t.Helper()
	k := w.stand()
	k.partSays("h1", "请输入家长密码")
	for _, r := range pin {
		k.click(fmt.Sprintf(`[data-key="digit"][data-value="%c"]`, r))
	}
	k.click(`[data-submit="pin"]`)
}

// printed waits for a paper in the kiosk's print tray whose name holds a number, and reads it.
func (w *world) printed(number string) paper {
	w.t.Helper()
	var file string
	rig.Await(w.t, pageWait, "a paper for "+number+" in the tray", func() error {
		found, _ := filepath.Glob(w.path("kiosk", "print-tray", "*"+number+"*.pdf"))
		if len(found) == 0 {
			return fmt.Errorf("the tray holds none")
		}
		slices.Sort(found)
		file = found[len(found)-1]
		return nil
	})
	w.stand().partSays(".hint", "回执已生成")
	b, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	return readPaper(w.t, w.path("pictures"), "receipt-"+number, b)
}

// has reports whether an element is there now.
func (p *page) has(sel string) bool {
	p.t.Helper()
	ok, err := ask[bool](p, fmt.Sprintf(`!!document.querySelector(%s)`, quote(sel)))
	if err != nil {
		p.fatal("%s: %v", sel, err)
	}
	return ok
}

// zhDay writes a date as papers do.
func zhDay(t time.Time) string { return fmt.Sprintf("%d年%d月%d日", t.Year(), t.Month(), t.Day()) }
