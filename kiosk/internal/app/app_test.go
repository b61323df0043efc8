package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
	"xueji/kiosk/internal/app"
	"xueji/kiosk/internal/kiosktest"
	"xueji/packaging/browsertest"
	"xueji/server/api"
	"xueji/server/registry"

	"github.com/chromedp/chromedp"
)

// world is a kiosk between its two neighbours, with a browser before it.
type world struct {
	*testing.T
	server  *kiosktest.Server
	cards   *kiosktest.Cards
	data    string
	log     *syncBuffer
	addr    string
	stop    func()
	ctx     context.Context
	profile string            // the browser's folder
	config  func(*app.Config) // changes what a test's kiosk is started with
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newWorld(t *testing.T) *world { t.Helper(); return newWorldWith(t, func(*app.Config) {}) }

func newWorldWith(t *testing.T, config func(*app.Config)) *world {
	t.Helper()
	return newWorldIn(t, config)
}

// newWorldIn is newWorldWith before a browser that is started with more options.
func newWorldIn(t *testing.T, config func(*app.Config), more ...chromedp.ExecAllocatorOption) *world {
	t.Helper()
	s := kiosktest.NewServer(t)
	w := &world{T: t, server: s, cards: kiosktest.NewCards(t, s), data: t.TempDir(), profile: t.TempDir(), log: &syncBuffer{}, config: config}
	s.Status = api.StatusReply{Name: "欧阳*", Standing: registry.StandingEnrolled, School: kiosktest.OtherName, Grade: 3, HasPIN: true}
	if err := app.Enrol(context.Background(), s.URL, kiosktest.Code, w.data, nil, io.Discard); err != nil {
		t.Fatal(err)
	}
	w.run()
	t.Cleanup(func() { w.stop() })
	start := browsertest.Start
	if len(more) > 0 {
		start = browsertest.StartWhole
	}
	w.ctx = start(t, 13*time.Minute, append(more, chromedp.UserDataDir(w.profile))...)
	w.do(chromedp.EmulateViewport(1080, 1920), chromedp.Navigate("http://"+w.addr+"/"))
	w.at("home")
	return w
}

// run starts the kiosk program's Run; stop ends it.
func (w *world) run() {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	started, done := make(chan string, 1), make(chan error, 1)
	listen := "127.0.0.1:0"
	if w.addr != "" {
		listen = w.addr // the browser finds it again
	}
	go func() {
		c := app.Config{Listen: listen, Data: w.data, Cardsvc: w.cards.URL, Version: "test", Started: func(a string) { started <- a },
			Log: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Beat: 200 * time.Millisecond, Retry: 20 * time.Millisecond}
		w.config(&c)
		done <- app.Run(ctx, c)
	}()
	select {
	case w.addr = <-started:
	case err := <-done:
		cancel()
		w.Fatal("kiosk did not start:", err)
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.Error("kiosk ended with", err)
		}
	})
}

// do acts on the page; what cannot be done within a minute fails (chromedp would wait for ever for a thing that is not there).
func (w *world) do(a ...chromedp.Action[chromedp.Void]) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, a...); err != nil {
		w.Fatal(err)
	}
}

// until waits for a condition of the page.
func (w *world) until(js string) {
	w.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && w.ctx.Err() == nil; time.Sleep(15 * time.Millisecond) {
		var ok bool
		if ok, err = chromedp.Run(w.ctx, chromedp.Evaluate[bool](js)); err == nil && ok { // the page may be loading anew
			return
		}
	}
	w.Fatalf("waited in vain for %s: %v\nthe screen says: %s\n%s", js, err, w.text(), w.log)
}

func (w *world) at(screen string) {
	w.Helper()
	w.until(fmt.Sprintf(`document.documentElement.dataset.screen === %q`, screen))
}

func (w *world) text() string {
	s, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`document.documentElement.dataset.screen + ": " + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return s
}

func (w *world) says(text string) {
	w.Helper()
	w.until(fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
}

// press clicks a button by what it does; the pointer is a real one.
func (w *world) press(do, value string) {
	w.Helper()
	sel := fmt.Sprintf(`[data-do=%q][data-value=%q]`, do, value)
	if value == "" {
		sel = fmt.Sprintf(`[data-do=%q]`, do)
	}
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(sel)))
		cancel()
		if err == nil {
			return
		}
		// The screen was drawn anew between finding the button and pressing it: what the press was for is still there.
		if try == 5 || !strings.Contains(err.Error(), "Could not find node") {
			w.Fatal(err)
		}
	}
}

// choose presses a goal and waits until it is taken: a card laid down before that would lead to the menu.
func (w *world) choose(goal string) {
	w.Helper()
	w.press("choose", goal)
	w.until(`document.documentElement.dataset.screen !== "home"`)
}

func (w *world) answer(value string) { w.Helper(); w.press("answer", value) }

// agree presses twice, as the consent wants it.
func (w *world) agree() {
	w.Helper()
	w.answer("agree")
	w.until(`document.querySelector('[data-value="agree"]').classList.contains("armed")`)
	w.answer("agree")
}

// signIn types the account on the glass and the password on a keyboard.
func (w *world) signIn(password string) {
	w.Helper()
	w.at("signin")
	w.until(`document.activeElement && document.activeElement.name === "login" && document.activeElement.value === ""`)
	for _, r := range kiosktest.Login {
		w.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`[data-lower=%q]`, string(r)))))
	}
	w.until(fmt.Sprintf(`document.querySelector('[name="login"]').value === %q`, kiosktest.Login))
	w.do(chromedp.Click(chromedp.CSS(`[name="password"]`)), chromedp.KeyEvent(password), chromedp.KeyEvent("\r"))
}

func (w *world) home() {
	w.Helper()
	w.cards.Take()
	w.do(chromedp.KeyEvent("\u001b"))
	w.at("home")
	w.until(`!document.body.innerText.includes("请取走卡片")`)
}

// event waits for the nth event at the server.
func (w *world) event(n int) api.Event {
	w.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ev := w.server.Events(); len(ev) >= n {
			return ev[n-1]
		}
	}
	w.Fatalf("event %d did not come to the server\n%s", n, w.log)
	return api.Event{}
}

func card(no int, school registry.Unit) kiosktest.Card {
	return kiosktest.Card{No: fmt.Sprintf("33000000000%04d", no), School: string(school), Ref: byte(no), Sequence: 3}
}

// papers are the texts of the print tray, oldest first.
func (w *world) papers() []string {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.data, "print-tray", "*.pdf"))
	if err != nil {
		w.Fatal(err)
	}
	var out []string
	for _, f := range files {
		txt, err := exec.Command("pdftotext", "-layout", f, "-").Output()
		if err != nil {
			w.Fatal("pdftotext:", err)
		}
		out = append(out, string(txt))
	}
	return out
}

func TestJourneys(t *testing.T) {
	w := newWorld(t)
	w.until(`document.querySelector(".gate").innerText.includes("网络正常")`)
	sub := func(name string, f func(w *world)) {
		t.Run(name, func(t *testing.T) {
			v := *w
			v.T = t
			f(&v)
			if !t.Failed() {
				v.home()
			}
			w.stop = v.stop
		})
	}

	sub("transfer", func(w *world) {
		w.cards.Put(card(1, kiosktest.Other))
		w.at("menu")
		w.says("欧阳*") // 𬀩 is behind the star
		w.says("芯片已验证")
		w.choose("transfer")
		w.at("confirm")
		w.says(kiosktest.OtherName)
		// The language may change at any time; the question stays.
		w.press("lang", "en")
		w.says("Is this the pupil")
		w.press("lang", "zh-Hant")
		w.says("是這位同學")
		w.press("lang", "zh-Hans")
		w.says("是这位同学")
		w.answer("yes")
		w.at("grade")
		w.answer("3")
		w.at("reason")
		w.answer("moved")
		w.signIn("wrong")
		w.says("账号或密码不对")
		w.until(`document.querySelector('[name="login"]').value === "` + kiosktest.Login + `"`) // kept
		w.do(chromedp.Click(chromedp.CSS(`[name="password"]`)), chromedp.KeyEvent(kiosktest.Password), chromedp.KeyEvent("\r"))
		w.at("guardian")
		w.answer("mother")
		w.at("consent")
		w.says("我是这位学生的母亲")
		w.agree()
		w.at("done")
		e := w.event(1)
		no := fmt.Sprintf("ZX-%d-0017-000001", e.At.In(registry.Beijing).Year())
		if e.Transfer == nil || string(e.Transfer.CaseNo) != no || e.Transfer.ToGrade != 3 || e.Transfer.Reason != "moved" || e.Transfer.Guardian != "mother" || e.Transfer.Consent.IsZero() {
			w.Errorf("event %+v", e.Transfer)
		}
		if e.Staff == nil || e.Staff.Account != "acc-1" || e.Staff.Offline || e.Card == nil || len(e.Card.Record) == 0 || e.Card.Level != 2 || len(e.ID) != 26 {
			w.Errorf("proofs %+v %+v", e.Staff, e.Card)
		}
		w.says(no)
		w.says("云河区教育局")
		w.says("回执已生成")
		w.press("lang", "en")
		w.says("Transfer accepted")
		p := w.papers()
		if len(p) != 1 || !strings.Contains(p[0], no) || strings.Contains(p[0], "𬀩") {
			w.Errorf("papers %q", p)
		}
		w.answer("finish")
		w.at("home")
		w.says("请取走卡片")
	})

	sub("refused", func(w *world) {
		w.server.SetRefuse(registry.CodeLocked)
		defer w.server.SetRefuse("")
		w.cards.Put(card(2, kiosktest.Other))
		w.transferTo("signin")
		w.signIn(kiosktest.Password)
		w.at("guardian")
		w.answer("father")
		w.at("consent")
		w.agree()
		w.at("refused")
		w.says("已有一件手续正在办理")
		w.says("请学籍老师在后台查看")
	})

	sub("offline", func(w *world) {
		w.server.SetDown(true)
		w.says("网络中断")
		w.cards.Put(card(3, kiosktest.Other))
		w.at("menu")
		w.transferTo("signin")
		w.signIn(kiosktest.Password)
		w.at("guardian")
		w.answer("other")
		w.at("consent")
		w.says("网络中断")
		w.agree()
		w.at("done")
		w.says("ZX-")
		w.says("网络暂时中断")
		w.says("件待上报")
		before := len(w.server.Events())
		// The program is killed and started again; what was accepted is still there.
		w.stop()
		w.cards.Take()
		w.until(`document.documentElement.dataset.screen === undefined && !document.getElementById("lost").hidden && document.getElementById("screen").innerText === ""`)
		w.run()
		w.at("restarted") // and the family is told so
		w.until(`document.getElementById("lost").hidden`)
		w.says("上一步已经办好并保存")
		w.says("-0017-000003")
		w.answer("finish")
		w.at("home")
		w.server.SetDown(false)
		e := w.event(before + 1)
		if e.Transfer == nil || e.Transfer.Guardian != "other" || !e.Staff.Offline || e.Staff.Account != "acc-1" {
			w.Errorf("event %+v %+v", e.Transfer, e.Staff)
		}
		if e.Transfer != nil && !strings.HasSuffix(string(e.Transfer.CaseNo), "-0017-000003") {
			w.Errorf("case number %s after two others", e.Transfer.CaseNo)
		}
		w.until(`document.querySelector(".gate") && document.querySelector(".gate").innerText.includes("网络正常")`)
		p := w.papers()
		if !strings.Contains(p[len(p)-1], "网络暂时中断") {
			w.Errorf("the paper does not say that dates follow: %q", p[len(p)-1])
		}
	})

	sub("restarted in the middle", func(w *world) {
		w.cards.Put(card(30, kiosktest.Other))
		w.at("menu")
		w.press("lang", "en")
		w.choose("transfer")
		w.at("confirm")
		w.answer("yes")
		w.at("grade")
		before := len(w.server.Events())
		w.stop()
		w.run()
		w.at("restarted")
		w.says("What was not kept has been cleared")
		w.until(`document.querySelector('[data-value="again"]') !== null`) // the card lies there still
		w.answer("again")
		w.at("menu")
		w.says("What would you like to do")
		w.press("leave", "")
		w.cards.Take()
		w.at("home")
		// Nobody was in the middle of anything: nothing is told.
		w.stop()
		w.run()
		w.at("home")
		if n := len(w.server.Events()); n > before+1 { // the tap report of the card, at the most
			w.Errorf("%d events out of a step that was not finished", n-before)
		}
	})

	sub("status and PIN", func(w *world) {
		w.server.Set(func(s *kiosktest.Server) {
			s.Status.Case = &api.CaseView{No: "ZX-2026-0017-000001", Kind: registry.CaseTransfer, State: registry.CaseOpen, Steps: []api.CaseStep{
				{Party: registry.PartyReceiver, Unit: kiosktest.SchoolName, State: "done", DoneOn: "2026-03-04"}, {Party: registry.PartyReceiverAuth, Unit: "云河区教育局", State: "now", DueOn: registry.DateOf(time.Now())}}}
		})
		defer w.server.Set(func(s *kiosktest.Server) { s.Status.Case = nil })
		w.cards.Put(card(1, kiosktest.Other))
		w.at("menu")
		if strings.Contains(w.text(), "办理转学") {
			w.Error("a second transfer is offered beside an open one")
		}
		w.choose("status")
		w.at("status")
		w.says("转学正在办理")
		w.says("现在由“云河区教育局”办理")
		w.says("今天到期")
		w.answer("pin")
		w.at("pin")
		w.do(chromedp.KeyEvent("000000"), chromedp.KeyEvent("\r"))
		w.says("还可以试 4 次")
		for _, d := range kiosktest.PIN {
			w.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`.pad [data-value=%q]`, string(d)))))
		}
		w.do(chromedp.Click(chromedp.CSS(`[data-submit="pin"]`)))
		w.at("status")
		w.says("家长密码已核对")
		w.says(cardtest.Items()[credential.ItemName])
		w.cards.Take()
		w.at("home")
		html, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](`document.documentElement.outerHTML`))
		if err != nil || strings.Contains(html, "欧阳") || strings.Contains(html, "ZX-2026") {
			w.Error("the last family is still in the page", err)
		}
		if n, err := chromedp.Run(w.ctx, chromedp.Evaluate[int](`history.length`)); err != nil || n > 2 {
			w.Errorf("history of %d pages", n)
		}
	})

	sub("return", func(w *world) {
		w.server.Set(func(s *kiosktest.Server) {
			s.Status.School, s.Status.Standing, s.Status.Suspension = kiosktest.SchoolName, registry.StandingSuspended, &api.SuspensionView{Until: "2030-08-31"}
		})
		n := len(w.server.Events())
		w.choose("return") // chosen first, card afterwards
		w.at("place")
		w.cards.Put(card(4, kiosktest.School))
		w.at("confirm")
		w.says("要复学吗")
		w.says("2030年8月31日")
		w.answer("yes")
		w.signIn(kiosktest.Password)
		w.at("proof")
		w.answer("hospital")
		w.at("grade")
		w.answer("4")
		w.at("class")
		w.answer("7")
		w.at("consent")
		w.says("王丽 已查看康复证明（医院康复证明）")
		w.agree()
		w.at("done")
		w.says("复学已登记")
		e := w.event(n + 1)
		if e.Return == nil || !strings.HasPrefix(string(e.Return.CaseNo), "FX-") || e.Return.Grade != 4 || e.Return.Class != "7 班" || e.Return.Proof == "" {
			w.Errorf("event %+v", e.Return)
		}
	})

	sub("archive", func(w *world) {
		n := len(w.server.Events())
		w.server.Set(func(s *kiosktest.Server) {
			s.Status.Standing, s.Status.Suspension = registry.StandingEnrolled, nil
			s.Parcel = api.Consignment{ArchiveNo: "DA-7K2M-9QXF-31", PupilRef: bytes.Repeat([]byte{5}, 16), Name: "欧阳*", From: kiosktest.OtherName, To: kiosktest.SchoolName, SentOn: "2026-03-01",
				Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Pages: 2}, {No: 2, Group: 2, Title: "户口簿复印件", Pages: 1, Copy: true}, {No: 3, Group: 4, Title: "健康体检表", Pages: 2}}}
			s.Behind = true
		})
		w.do(chromedp.KeyEvent("https://example.com/no"), chromedp.KeyEvent("\r"))
		w.at("scan")
		w.says("这不是档案封面的二维码")
		w.press("leave", "")
		w.at("home")
		w.do(chromedp.KeyEvent(kiosktest.QR), chromedp.KeyEvent("\r")) // the scanner is a keyboard
		w.signIn(kiosktest.Password)
		w.at("place")
		w.cards.Put(card(6, kiosktest.Other))
		w.at("trouble")
		w.says("不是同一个人")
		w.answer("retry")
		w.at("place")
		w.cards.Take()
		w.cards.Put(card(5, kiosktest.Other))
		w.at("inventory")
		w.says("已清点 0／3")
		w.answer("all")
		w.says("已清点 3／3")
		w.answer("item:2")
		w.says("缺 1 项")
		w.answer("next")
		w.at("missing")
		w.says("户口簿复印件")
		// The card slips, and is put back.
		w.cards.Take()
		w.says("请把卡片放回读卡区")
		w.cards.Put(card(5, kiosktest.Other))
		w.until(`!document.querySelector(".away")`)
		w.cards.BreakRelays(1, w.cards.Take)
		w.answer("yes")
		w.at("cardback")
		w.says("请放回读卡区")
		w.cards.Put(card(5, kiosktest.Other))
		w.at("done")
		w.says("档案已签收")
		w.says("缺少 1 项")
		w.says("卡片已更新")
		e := w.event(n + 1)
		if e.Receive == nil || e.Receive.ArchiveNo != "DA-7K2M-9QXF-31" || !slices.Equal(e.Receive.Missing, []int{2}) {
			w.Errorf("event %+v", e.Receive)
		}
		if got := w.cards.Relays(); !slices.Equal(got, []string{"ticket-1", "ticket-2"}) {
			w.Errorf("relays %v", got)
		}
		w.says("回执已生成")
		p := w.papers()
		if !strings.Contains(p[len(p)-1], "户口簿复印件") {
			w.Errorf("receipt %q", p[len(p)-1])
		}
		w.server.Set(func(s *kiosktest.Server) { s.Behind = false })
	})

	sub("problem cards", func(w *world) {
		for verdict, text := range map[localapi.Verdict]string{localapi.VerdictForged: "验证不通过", localapi.VerdictUnknownIssuer: "不认识这张卡的发卡单位", localapi.VerdictExpired: "过期",
			localapi.VerdictNotYet: "时间可能不对", localapi.VerdictRevoked: "已经停用", localapi.VerdictWrongChip: "复制的", localapi.VerdictTorn: "到制卡处", localapi.VerdictBlank: "空白卡",
			localapi.VerdictUnreadable: "没有读出来"} {
			c := card(7, kiosktest.Other)
			c.Verdict = verdict
			w.cards.Put(c)
			w.at("problem")
			w.says(text)
			w.cards.Take()
			w.at("home")
		}
		for state, text := range map[localapi.ReaderState]string{localapi.ReaderMany: "两张卡", localapi.ReaderMute: "没有反应", localapi.ReaderUnknown: "不是学生卡"} {
			w.cards.State(state)
			w.at("problem")
			w.says(text)
			w.cards.Take()
			w.at("home")
		}
		// The card service calls it valid; the kiosk checks for itself.
		c := card(8, kiosktest.Other)
		c.Forge = true
		w.cards.Put(c)
		w.at("problem")
		w.says("验证不通过")
		w.home()
		// An older record than this kiosk has seen on the card.
		c = card(9, kiosktest.Other)
		c.Sequence = 8
		w.cards.Put(c)
		w.at("menu")
		w.home()
		c.Sequence = 7
		w.cards.Put(c)
		w.at("problem")
		w.says("被换成旧的")
		w.home()
		for _, v := range []string{"forged", "rolled_back", "revoked", "unknown_chip"} {
			for end := time.Now().Add(time.Minute); !slices.Contains(w.server.Taps(), v); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					w.Errorf("the register never heard of a %s card: %v", v, w.server.Taps())
					break
				}
			}
		}
		w.cards.State(localapi.ReaderGone)
		w.says("暂时不能读卡")
	})

	sub("keyboard alone", func(w *world) {
		w.cards.Put(card(10, kiosktest.Other))
		w.at("menu")
		w.until(`document.activeElement.tagName === "H1"`)
		w.do(chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
		w.at("status") // transfer is not offered: the register says the pupil is here
		w.do(chromedp.KeyEvent("\u001b"))
		w.at("home")
	})

	if w.cards.Trust().StatusList == nil {
		t.Error("the card service never got the trust")
	}
	w.stop()
	t.Run("nothing personal at rest", func(t *testing.T) { atRest(t, w) })
}

// transferTo walks a transfer from the menu up to a screen.
func (w *world) transferTo(screen string) {
	w.Helper()
	w.at("menu")
	w.choose("transfer")
	w.at("confirm")
	w.answer("yes")
	w.at("grade")
	w.answer("3")
	w.at("reason")
	w.answer("work")
	w.at(screen)
}

// atRest reads every byte the kiosk left on its disk and in its log.
func atRest(t *testing.T, w *world) {
	it := cardtest.Items()
	secrets := map[string]string{"name": it[credential.ItemName], "given name": "𬀩", "register number": it[credential.ItemNumber], "birth date": it[credential.ItemBirth], "PIN": kiosktest.PIN,
		"password": kiosktest.Password, "login": kiosktest.Login, "staff name": "王丽", "card number": "330000000000001", "pupil reference": string(bytes.Repeat([]byte{1}, 16))}
	look := func(where string, raw []byte) {
		for what, s := range secrets {
			if bytes.Contains(raw, []byte(s)) {
				t.Errorf("%s holds the %s in clear", where, what)
			}
		}
	}
	n := 0
	err := filepath.WalkDir(w.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && path != w.data {
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		}
		if d.IsDir() {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		look(filepath.Base(path), raw)
		if strings.HasSuffix(path, ".pdf") {
			txt, err := exec.Command("pdftotext", path, "-").Output()
			if err != nil {
				return err
			}
			for _, s := range []string{"𬀩", it[credential.ItemNumber], it[credential.ItemBirth], "330000000000001"} {
				if strings.Contains(string(txt), s) {
					t.Errorf("a paper in the tray says %s", s)
				}
			}
		}
		return nil
	})
	if err != nil || n < 6 {
		t.Fatal("read only", n, "files:", err)
	}
	look("the log", []byte(w.log.String()))
}

func TestConfig(t *testing.T) {
	good := app.Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Cardsvc: "http://127.0.0.1:7022"}
	for name, change := range map[string]func(*app.Config){
		"open to the network": func(c *app.Config) { c.Listen = "0.0.0.0:7030" }, "no port": func(c *app.Config) { c.Listen = "127.0.0.1" },
		"clear line": func(c *app.Config) { c.Server = "http://register.example.org" }, "foreign card service": func(c *app.Config) { c.Cardsvc = "http://10.0.0.1:7022" },
		"no data": func(c *app.Config) { c.Data = "" }, "not enrolled": func(*app.Config) {},
	} {
		c := good
		change(&c)
		err := app.Run(context.Background(), c)
		if err == nil {
			t.Errorf("%s: started", name)
		} else if name == "not enrolled" && !strings.Contains(err.Error(), "kiosk enrol") {
			t.Errorf("%s: does not say what to do: %v", name, err)
		}
	}
}

func TestEnrolTwiceAndWrongCode(t *testing.T) {
	s := kiosktest.NewServer(t)
	dir := t.TempDir()
	if err := app.Enrol(context.Background(), s.URL, "WRONG", dir, nil, io.Discard); err == nil || !strings.Contains(err.Error(), "console") {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := app.Enrol(context.Background(), s.URL, kiosktest.Code, dir, nil, &out); err != nil || !strings.Contains(out.String(), "0017") {
		t.Fatal(err, out.String())
	}
	if err := app.Enrol(context.Background(), s.URL, kiosktest.Code, dir, nil, io.Discard); err == nil {
		t.Fatal("enrolled twice into one folder")
	}
	if err := app.Enrol(context.Background(), "http://127.0.0.1:1", kiosktest.Code, t.TempDir(), nil, io.Discard); err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Fatal(err)
	}
}
