package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"xueji/cardsvc/localapi"
	"xueji/packaging/rig"
	"xueji/server/registry"
)

// archive is step 4: cover and slip with the code, the paper's journey, ticked off at the kiosk with one thing missing, the card rewritten at that tap.
func (w *world) archive() {
	t := w.t
	c := w.pupils[0]
	sender, receiver := w.staff("registrar.yunhe"), w.staff("registrar.qingshi")

	sender.open("/archives")
	sender.clickOn(`#send ~ form[action="/archives/send"] a.name`, c.name())
	sender.fill(`#send [name="carrier"]`, "机要交换 第 17 号")
	sender.click("#send .btn.pri")
	sender.partSays(".flash", "已登记寄出")
	cover := readPaper(t, w.path("pictures"), "cover", sender.fetch("/pupils/"+c.uid+"/archive/cover.pdf"))
	cover.has(t, "转递封面", "转递单", c.name(), oldName, newName, c.caseNo, "4件，13页")
	cover.hasNot(t, c.Values[registry.FIDNumber], "G"+c.Values[registry.FIDNumber])
	codes := slices.Compact(slices.Sorted(slices.Values(cover.codes(t))))
	if len(codes) != 1 || !strings.HasPrefix(codes[0], "XJA1.") {
		t.Fatalf("cover and slip bear the codes %q", codes)
	}
	qr := codes[0]
	for _, never := range []string{c.Values[registry.FIDNumber], c.uid, c.cardNo} {
		if strings.Contains(qr, never) {
			t.Errorf("the code holds %q", never)
		}
	}
	no := strings.Split(qr, ".")[1]

	// A forged code is told apart: one character of the signature changed.
	k := w.stand()
	forged := []byte(qr)
	if forged[len(forged)-3]++; forged[len(forged)-3] > 'z' {
		forged[len(forged)-3] = 'A'
	}
	w.scan(string(forged))
	w.signIn("registrar.qingshi", false)
	k.partSays("h1", "查不到这份档案")
	k.click(`[data-do="answer"][data-value="finish"]`)
	w.home()

	w.scan(qr)
	w.signIn("registrar.qingshi", false)
	k.partSays("h1", "请把学生卡")
	// Another pupil's card: told, nothing received.
	w.lay(w.pupils[2].card)
	k.partSays("h1", "卡和档案不是同一个人的")
	w.lift()
	k.click(`[data-do="answer"][data-value="retry"]`)
	k.partSays("h1", "请把学生卡")
	w.lay(c.card)
	k.partSays("h1", "请逐项清点")
	k.partSays(".lead", oldName)
	k.silent(c.name())
	for _, item := range []int{1, 2, 4} {
		k.click(fmt.Sprintf(`[data-value="item:%d"]`, item))
		k.until("ticked", fmt.Sprintf(`document.querySelector('[data-value="item:%d"]').getAttribute("aria-checked") === "true"`, item))
	}
	w.answer("请逐项清点", "next")
	w.answer("确实缺这 1 项吗", "yes")
	k.partSays("h1", "档案已签收")
	k.says("缺少 1 项，已通知“" + oldName + "”补寄")
	k.says("卡片已更新")
	receipt := w.printed(no)
	receipt.has(t, "学籍档案回执", no, oldName, newName, "缺1件", "√已收")
	receipt.hasNot(t, c.Values[registry.FIDNumber])

	// The card tells the new school now, under a higher sequence, and still verifies.
	if got := w.readCard(); got.Public == nil || got.Public.School != newSchool || got.Public.Sequence < 2 {
		t.Errorf("the card says %+v", got.Public)
	}
	w.verifyCard()
	// Whoever is not an enrolled kiosk is not given the sealed record.
	if got := w.readCard(); !got.Guarded || got.Sealed != nil {
		t.Errorf("a program without a key: guarded %t, %d bytes sealed", got.Guarded, len(got.Sealed))
	}
	w.take()

	// The sender has it back as a task, and its receipt; the month's clock has stopped.
	sender.open("/todo?kind=archive")
	sender.partSays("#tasks", c.name())
	sender.open("/archives")
	sender.clickOn("#missing + p + table a.name", c.name())
	sender.partSays("#missing", "缺 1 件")
	if sender.has(".road") || sender.has("#send") {
		sender.fatal("the month's clock still runs")
	}
	filed := readPaper(t, w.path("pictures"), "filed", sender.fetch("/pupils/"+c.uid+"/archive/receipt.pdf"))
	filed.has(t, "学籍档案回执", no, newName, "缺1件")
	sender.fill(`#missing [name="note"]`, "已补寄综合素质发展报告")
	sender.click("#missing .btn.pri")
	sender.partSays(".flash", "已登记补齐")
	sender.open("/todo?kind=archive")
	if rows := strings.Join(sender.texts("#tasks a.name"), " "); strings.Contains(rows, c.name()) {
		sender.fatal("settled, and still asked for")
	}
	receiver.open("/pupils/" + c.uid + "/archive")
	receiver.partSays(".sub", newName)
	receiver.open("/pupils/" + c.uid)
	receiver.partSays("#archive", "电子备份")
	receiver.partSays("#archive", oldName)
}

// scan is the scanner at the kiosk: a keyboard that types what stands in the code and presses Enter.
func (w *world) scan(text string) {
	w.t.Helper()
	w.home()
	w.stand().keys(text + "\r")
}

// readCard reads the card on the kiosk's reader with the command for hands.
func (w *world) readCard() (out localapi.Tap) {
	w.t.Helper()
	b := w.byHand("read", "--json")
	if err := json.Unmarshal([]byte(b), &out); err != nil {
		w.t.Fatalf("cardsvc read --json: %v\n%s", err, b)
	}
	return out
}

// verifyCard judges it; the command fails when it is not good.
func (w *world) verifyCard() {
	w.t.Helper()
	w.byHand("verify", "--roots", w.path("kiosk", "roots.cbor"), "--data", w.path("corridor"))
}

func (w *world) byHand(args ...string) string {
	w.t.Helper()
	return rig.Run(w.t, append(slices.Clone(w.env), w.corridor.Env()), rig.Binary(w.t, "cardsvc"), args...)
}
