package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xueji/kiosk/internal/kiosktest"

	"github.com/chromedp/chromedp"
)

// The registrar looks after the machine at its screen: what is wrong, what waits, the latest receipts; a reprint says on the paper that it is one.
func TestStaffPage(t *testing.T) {
	w := newWorld(t)
	w.until(`document.querySelector(".gate").innerText.includes("网络正常")`)
	w.choose("transfer")
	w.cards.Put(card(1, kiosktest.Other))
	w.at("confirm")
	w.answer("yes")
	w.answer("3")
	w.at("reason")
	w.answer("moved")
	w.signIn(kiosktest.Password)
	w.at("guardian")
	w.answer("mother")
	w.at("consent")
	w.agree()
	w.at("done")
	w.says("打印文件夹")
	w.home()

	w.do(chromedp.Click(chromedp.CSS(".staffdoor")))
	w.until(`document.documentElement.dataset.screen === "staff" && document.querySelector('[name="login"]') !== null`)
	sign := func(password string) {
		w.do(chromedp.SendKeys(chromedp.CSS(`[name="password"]`), password+"\r"))
	}
	w.do(chromedp.SendKeys(chromedp.CSS(`[name="login"]`), kiosktest.Login))
	sign("wrong")
	w.until(`document.querySelector(".said.bad") !== null`)
	sign(kiosktest.Password)
	w.until(`document.querySelector(".paper") !== null`)
	w.says("一切正常")
	w.says("没有待上报的手续")
	picture(w, "staff")
	w.do(chromedp.Click(chromedp.CSS(`[value="reprint"]`)))
	w.says("第 2 次打印")
	papers := w.papers()
	if len(papers) != 2 || strings.Contains(papers[0], "补打") || !strings.Contains(papers[1], "第 2 次打印（补打）") {
		t.Errorf("papers: %q", papers)
	}
	w.do(chromedp.Click(chromedp.CSS(`[value="leave"]`)))
	w.at("home")
	w.do(chromedp.Navigate("http://" + w.addr + "/staff"))
	w.until(`document.querySelector('[name="login"]') !== null && document.querySelector(".paper") === null`)
	if !strings.Contains(w.log.String(), `"msg":"reprint"`) {
		t.Error("a reprint is not logged")
	}
}

// picture keeps the screen as an image in the folder XUEJI_PICTURES names.
func picture(w *world, name string) {
	dir := os.Getenv("XUEJI_PICTURES")
	if dir == "" {
		return
	}
	raw, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "kiosk-"+name+".png"), raw, 0o644)
	}
	if err != nil {
		w.Error(err)
	}
}
