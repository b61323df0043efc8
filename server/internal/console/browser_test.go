package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"xueji/packaging/browsertest"
	"xueji/server/internal/console/consoletest"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// patience bounds every wait for a condition; reaching it is a failure.
const patience = 30 * time.Second

// tab is one browser tab on a served console. What the page's console says of errors is kept and must stay empty.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	mu   sync.Mutex
	said []string
}

// serve serves the console on a free port and gives its address.
func serve(t *testing.T, f *consoletest.Fake, station string) string {
	t.Helper()
	a, err := consoletest.App(f, station)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go a.Listener(ln)
	t.Cleanup(func() { a.ShutdownWithTimeout(time.Second) })
	return "http://" + ln.Addr().String()
}

func open(t *testing.T, base, who string) *tab {
	t.Helper()
	ctx := browsertest.Start(t, 8*time.Minute)
	b := &tab{t: t, ctx: ctx, base: base}
	b.do(chromedp.Navigate("about:blank"), chromedp.EmulateViewport(1366, 768))
	go func() {
		for m, err := range chromedp.Console(ctx) {
			if err != nil {
				return
			}
			if strings.Contains(m.Text, "Security Policy") || m.Type == chromedp.ConsoleException {
				b.mu.Lock()
				b.said = append(b.said, m.Text)
				b.mu.Unlock()
			}
		}
	}()
	if _, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: "xj_session", Value: "token-" + who, URL: base}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.said) > 0 {
			t.Errorf("the browser complained: %q", b.said)
		}
	})
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) goTo(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.base + path)) }

// keys presses one key. A printable key is pressed as a keyboard does, so that a page that takes the key also keeps its character out of a field.
func (b *tab) keys(s string) {
	b.t.Helper()
	if s != kb.Enter && (s[0] < ' ' || len(s) > 1) {
		b.do(chromedp.KeyEvent(s))
		return
	}
	for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		p := input.DispatchKeyEventParams{Type: typ, Key: s}
		if typ == input.DispatchKeyEventTypeKeyDown {
			p.Text = s
		}
		switch s {
		case " ":
			p.Code, p.WindowsVirtualKeyCode = "Space", 32
		case kb.Enter:
			p.Key, p.Code, p.WindowsVirtualKeyCode = "Enter", "Enter", 13
		}
		if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, p); err != nil {
			b.t.Fatal(err)
		}
	}
}

// types puts text into the field with the focus as an input method does: no key event tells of it.
func (b *tab) types(s string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: s}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) js(expr string) any {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](expr))
	if err != nil {
		b.t.Fatalf("%s: %v", expr, err)
	}
	return v
}

// until waits for a condition in the page. Between two pages there is none to ask: that is asked again.
func (b *tab) until(what, expr string) {
	b.t.Helper()
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		if v, err := chromedp.Run(b.ctx, chromedp.Evaluate[any]("document.readyState === 'complete' && !!("+expr+")")); err == nil && v == true {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[any](`location.pathname + " | " + document.querySelector("main").innerText.slice(0, 600)`))
	b.t.Fatalf("never came: %s\n%v", what, text)
}

func (b *tab) at(path string) {
	b.t.Helper()
	b.until("to be at "+path, fmt.Sprintf("document.readyState === 'complete' && (location.pathname + location.search) === %q", path))
}

// TestKeyboard walks through a morning without a mouse.
func TestKeyboard(t *testing.T) {
	f := consoletest.New()
	b := open(t, serve(t, f, station), "registrar")
	b.goTo("/todo")
	b.until("the count in the navigation", `document.querySelector("[data-count]").textContent === "19"`)

	// Search from anywhere; suggestions under the field, chosen by arrow and Enter.
	b.keys("/")
	b.until("the field to have the focus", `document.activeElement.id === "q"`)
	b.types("阿依古丽")
	b.until("a suggestion", `document.querySelector("#suggest a b")?.textContent === "`+consoletest.DotName+`"`)
	b.keys(kb.ArrowDown)
	b.keys(kb.Enter)
	b.at("/pupils/" + string(f.UID(consoletest.DotName)))

	// g s: pupils; typing narrows the list without Enter; Esc, j, Enter opens.
	b.keys("g")
	b.keys("s")
	b.at("/pupils")
	b.keys("/")
	b.until("the list's own field to have the focus", `document.activeElement.matches("[data-search]")`)
	b.types("欧阳")
	b.until("one row", `document.querySelectorAll("[data-rows] tbody tr").length === 1`)
	b.keys(kb.Escape)
	b.keys("j")
	b.keys(kb.Enter)
	b.at("/pupils/" + string(f.UID(consoletest.RareName)))
	b.until("the name whole", `document.querySelector("h1").textContent === "`+consoletest.RareName+`"`)

	// g t, then down to the case that waits for us, x, a, Enter: done.
	b.keys("g")
	b.keys("t")
	b.at("/todo")
	here := `document.querySelector("tr.cur .name")?.textContent`
	for i := 0; i < 12 && b.js(here) != consoletest.RareName; i++ {
		b.keys("j")
	}
	b.keys("x")
	b.until("the button to count", `document.querySelector("[data-accept]").textContent.includes("（1）")`)
	b.keys("a")
	b.until("to be asked once", `document.querySelector("dialog[open]")?.textContent.includes("`+consoletest.RareName+`")`)
	b.keys(kb.Enter)
	b.until("the word that it is done", `document.querySelector(".flash")?.textContent.includes("已同意 1 件")`)
	if p := f.Get(f.UID(consoletest.RareName)); p.OpenCase().Current() != 3 {
		t.Error("the transfer did not move on")
	}

	// r refuses the current row: reason page, arrow keys choose, the form posts.
	for i := 0; i < 12 && b.js(here) != consoletest.DotName; i++ {
		b.keys("j")
	}
	b.keys("r")
	b.at("/todo/refuse")
	b.do(chromedp.Focus(chromedp.CSS(`input[value="identity_mismatch"]`)))
	b.keys(" ")
	b.keys(kb.ArrowDown)
	b.keys(kb.Enter)
	b.until("back on the list", `document.querySelector(".flash")?.textContent.includes("已退回 1 件")`)
	if p := f.Get(f.UID(consoletest.DotName)); p.Lock != "" {
		t.Error("the case is still open")
	}
	b.keys("?")
	b.at("/help")
}

// TestLive: another's act appears by itself, and what is ticked stays ticked.
func TestLive(t *testing.T) {
	f := consoletest.New()
	b := open(t, serve(t, f, station), "officer")
	b.goTo("/todo")
	b.until("the count in the navigation", `document.querySelector("[data-count]").textContent !== ""`)
	b.js(`window.sameDocument = true; document.querySelector('[aria-label="徐若曦"]').click()`)
	p := f.Get(f.UID("吴宇轩"))
	reg := f.Staff["registrar"]
	if _, err := f.Act(b.ctx, reg, p.UID, 0, registry.DecideStep{CaseNo: p.Lock, Party: registry.PartyReceiver, Decision: registry.DecisionAccept, Class: "1班"}); err != nil {
		t.Fatal(err)
	}
	mine := `[...document.querySelectorAll("#tasks .name")].some((a) => a.textContent === "吴宇轩")`
	if b.js(mine) == true {
		t.Fatal("the row was there before")
	}
	f.Notify("tasks")
	b.until("the new row", mine)
	b.until("same page, still ticked", `window.sameDocument && document.querySelector('[aria-label="徐若曦"]').checked && document.querySelector("[data-accept]").textContent.includes("（1）")`)
	// A session that was ended elsewhere takes the pupils off the screen, without a hand on it.
	f.EndSessionOf("officer")
	b.until("the sign-in page", `location.pathname === "/sign-in" && !document.body.textContent.includes("吴宇轩")`)
}

// TestUpload: a workbook picked goes up with progress, and the import's page follows it to its end by itself.
func TestUpload(t *testing.T) {
	f := consoletest.New()
	b := open(t, serve(t, f, station), "registrar")
	b.goTo("/enrol")
	dir := t.TempDir()
	bad, good := filepath.Join(dir, "名单.xlsx"), filepath.Join(dir, "一年级.xlsx")
	os.WriteFile(bad, []byte("not a workbook"), 0o600)
	os.WriteFile(good, []byte("PK\x03\x04 workbook"), 0o600)
	b.until("the script to listen", `document.querySelector("[data-pick]")?.hidden === false`)
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#workbook"), []string{bad}))
	b.until("to be told what is wrong", `!document.querySelector("[data-drop] [role=alert]").hidden && location.pathname === "/enrol"`)
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#workbook"), []string{good}))
	b.at("/enrol/imports/im-4")
	i, _ := f.Import(b.ctx, f.Staff["registrar"], "im-4")
	i.Done, i.Good = 90, 88
	f.SetImport(i)
	b.until("progress", `document.querySelector("[data-done]")?.textContent === "90" && document.querySelector("[data-bar]").value === 75`)
	i.State, i.Done, i.Good, i.Bad, i.Result = "done", 120, 118, 2, "r1"
	f.SetImport(i)
	b.until("the marked workbook", `document.querySelector('a[href="/enrol/imports/im-4/marked.xlsx"]')`)
}

// stationFake is a cardsvc as a script plays it: one reader, and relays that end as told.
type stationFake struct {
	card    string // the record of what lies on the reader
	mu      sync.Mutex
	reader  map[string]any
	events  []chan string
	relays  chan relayed
	trusted chan string
}

// relayed is a relay that the page asked for; the test answers it.
type relayed struct {
	ticket string
	answer chan map[string]any
}

func newStation(t *testing.T) (*stationFake, string) {
	s := &stationFake{reader: map[string]any{"id": "r0", "name": "模拟读卡器 1", "state": "empty", "tap": 0}, relays: make(chan relayed, 4), trusted: make(chan string, 4)}
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		s.mu.Lock()
		for _, c := range s.events {
			close(c)
		}
		s.events = nil
		s.mu.Unlock()
		srv.CloseClientConnections()
		srv.Close()
	})
	return s, srv.URL
}

func (s *stationFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
	w.Header().Set("Access-Control-Allow-Methods", "GET, POST, PUT")
	switch {
	case r.Method == http.MethodOptions:
	case r.URL.Path == "/v1/trust" && r.Method == http.MethodPut:
		var b struct{ Certificates []string }
		json.NewDecoder(r.Body).Decode(&b)
		s.trusted <- strings.Join(b.Certificates, ",")
	case r.URL.Path == "/v1/events":
		c := make(chan string, 64)
		s.mu.Lock()
		s.events = append(s.events, c)
		first, _ := json.Marshal(s.reader)
		s.mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: reader\ndata: %s\n\n", first)
		w.(http.Flusher).Flush()
		for {
			select {
			case m, ok := <-c:
				if !ok {
					return
				}
				fmt.Fprint(w, m)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	case strings.HasSuffix(r.URL.Path, "/tap") && r.Method == http.MethodPost:
		var in struct {
			ReadKey []byte `json:"read_key"`
		}
		json.NewDecoder(r.Body).Decode(&in)
		s.mu.Lock()
		card, n := s.card, s.reader["tap"]
		s.mu.Unlock()
		out := map[string]any{"tap": n, "verdict": "valid", "record": []byte(card), "chip_serial": []byte{1, 2, 3, 4}, "sealed": []byte("sealed")}
		if strings.HasPrefix(card, "copied ") {
			out["verdict"] = "wrong_chip"
		}
		if strings.HasPrefix(card, "guarded ") && len(in.ReadKey) == 0 {
			out["guarded"], out["sealed"] = true, nil
		}
		json.NewEncoder(w).Encode(out)
	case strings.HasSuffix(r.URL.Path, "/check") && r.Method == http.MethodPost:
		s.mu.Lock()
		card, n := s.card, s.reader["tap"]
		s.mu.Unlock()
		if strings.HasPrefix(card, "clone ") { // the issuer asked the chip for its key
			json.NewEncoder(w).Encode(map[string]any{"tap": n, "verdict": "valid", "record": []byte(card), "chip_serial": []byte{1, 2, 3, 4}, "sealed": []byte("sealed"), "check": "copy"})
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		json.NewEncoder(w).Encode(map[string]any{"code": "no_issuer"})
	case strings.HasSuffix(r.URL.Path, "/relay") && r.Method == http.MethodPost:
		var b struct{ Ticket string }
		json.NewDecoder(r.Body).Decode(&b)
		x := relayed{ticket: b.Ticket, answer: make(chan map[string]any)}
		s.relays <- x
		json.NewEncoder(w).Encode(<-x.answer)
	default:
		http.NotFound(w, r)
	}
}

func (s *stationFake) send(event string, data any) {
	b, _ := json.Marshal(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.events {
		c <- fmt.Sprintf("event: %s\ndata: %s\n\n", event, b)
	}
}

// lay puts the reader in a state; a card laid is a new tap.
func (s *stationFake) lay(state string) {
	s.mu.Lock()
	s.reader["state"] = state
	if state != "empty" && state != "gone" {
		s.reader["tap"] = s.reader["tap"].(int) + 1
	}
	r := map[string]any{}
	for k, v := range s.reader {
		r[k] = v
	}
	s.mu.Unlock()
	s.send("reader", r)
}

func (s *stationFake) relay(t *testing.T) relayed {
	t.Helper()
	select {
	case r := <-s.relays:
		return r
	case <-time.After(patience):
		t.Fatal("no card was begun")
	}
	return relayed{}
}

// TestIssuing plays a clerk's quarter of an hour: a card made, one torn out and finished, one that is another pupil's, a server out of reach, and the end of
// the list.
func TestIssuing(t *testing.T) {
	f := consoletest.New()
	s, addr := newStation(t)
	b := open(t, serve(t, f, addr), "clerk")
	b.goTo("/cards?school=" + string(registrytest.PrimaryA))
	says := func(text string) {
		t.Helper()
		b.until(text, fmt.Sprintf(`document.querySelector("[data-say]").textContent.includes(%q)`, text))
	}
	next := func(name string) {
		t.Helper()
		b.until("next is "+name, fmt.Sprintf(`document.querySelector("[data-who]").textContent === %q`, name))
	}
	select {
	case c := <-s.trusted:
		if c == "" {
			t.Error("nothing to trust was handed over")
		}
	case <-time.After(patience):
		t.Fatal("the station was not given what to trust")
	}
	first, second := f.Get(f.UID("王子涵")), f.Get(f.UID("高欣怡"))
	says("请放空白卡")
	next("王子涵")

	// A card is laid: ticket, relay, progress, done, next name.
	s.lay("card")
	r := s.relay(t)
	if r.ticket != "ticket-"+string(first.UID) {
		t.Fatalf("ticket %s", r.ticket)
	}
	s.send("relay", map[string]any{"reader": "r0", "step": "write", "done": 3, "total": 12})
	b.until("the bar", `(() => { const p = document.querySelector("[data-progress]"); return !p.hidden && p.max === 12 && p.value === 3 })()`)
	no, err := f.Issue(r.ticket)
	if err != nil {
		t.Fatal(err)
	}
	r.answer <- map[string]any{"ok": true, "card_no": no}
	says("王子涵的卡已发好")
	next("高欣怡")
	if len(s.relays) != 0 {
		t.Fatal("the finished card was begun again")
	}
	s.lay("empty")
	says("请放空白卡")

	// Torn out: the same card, the same pupil.
	s.lay("card")
	r = s.relay(t)
	s.lay("empty")
	r.answer <- map[string]any{"ok": false, "code": "gone"}
	says("卡离开太早")
	next("高欣怡")
	s.lay("card")
	r = s.relay(t)
	if r.ticket != "ticket-"+string(second.UID) {
		t.Fatalf("resumed with %s", r.ticket)
	}
	// Another pupil's card by mistake: said; the next card laid goes on by itself.
	r.answer <- map[string]any{"ok": false, "code": "not_blank"}
	says("这张卡没有写成")
	s.lay("empty")
	b.until("to wait for another card", `document.querySelector(".stage").dataset.tone !== "bad" || document.querySelector("[data-say]").textContent.includes("请放空白卡")`)

	// The register says no: its words stand on the screen, and the button tries again.
	f.Refuse = &registry.Error{Code: registry.CodeUnavailable}
	s.lay("card")
	says("这张卡没有写成")
	b.do(chromedp.Click(chromedp.CSS(`[data-act="again"]`)))
	r = s.relay(t)
	if no, err = f.Issue(r.ticket); err != nil {
		t.Fatal(err)
	}
	r.answer <- map[string]any{"ok": true, "card_no": no, "resumed": true}
	says("高欣怡的卡已接着写完")
	s.lay("empty")
	says("全部发完")
	b.until("both on the list of those made", `document.querySelectorAll("[data-made] li").length === 2 && document.querySelector("[data-faces]").href.includes("`+string(first.UID)+`")`)
	b.until("nobody waits", `document.querySelector("[data-left]").textContent === "0"`)

	// What may stand on a reader.
	for state, text := range map[string]string{"gone": "没有读卡器"} {
		s.lay(state)
		says(text)
	}
}

// TestRewriting: cards laid one after the other at a station; one is behind and written anew, one leaves too early and is finished, one is up to date and written on demand,
// one is not a card of the register.
func TestRewriting(t *testing.T) {
	f := consoletest.New()
	s, addr := newStation(t)
	b := open(t, serve(t, f, addr), "clerk")
	b.goTo("/cards/rewrite")
	says := func(text string) {
		t.Helper()
		b.until(text, fmt.Sprintf(`document.querySelector("[data-say]").textContent.includes(%q)`, text))
	}
	lay := func(record string) {
		s.mu.Lock()
		s.card = record
		s.mu.Unlock()
		s.lay("card")
	}
	uid := string(f.UID("王子涵"))
	says("请放学生卡")
	lay("behind " + uid)
	r := s.relay(t)
	if r.ticket != "ticket-"+uid {
		t.Fatalf("ticket %s", r.ticket)
	}
	r.answer <- map[string]any{"ok": true, "card_no": "1"}
	says("王子涵的卡已重写")
	s.lay("empty")
	says("请放学生卡")

	lay("behind " + uid)
	r = s.relay(t)
	s.lay("empty")
	r.answer <- map[string]any{"ok": false, "code": "gone"}
	says("卡离开太早")
	lay("behind " + uid)
	r = s.relay(t)
	r.answer <- map[string]any{"ok": true, "resumed": true}
	says("王子涵的卡已重写")
	s.lay("empty")

	lay(uid)
	says("王子涵的卡内容已是最新")
	b.do(chromedp.Click(chromedp.CSS(`[data-act="ask"]`)))
	r = s.relay(t)
	r.answer <- map[string]any{"ok": true}
	says("王子涵的卡已重写")
	s.lay("empty")

	lay("another province's")
	says("这张卡没有写成")
	b.until("three on the list", `document.querySelectorAll("[data-list] li").length === 3 && document.querySelector("[data-none]").hidden`)
}

// TestTwoReaders: two readers at one desk never have the same name; the second keeps none until it is used; each works by itself.
func TestTwoReaders(t *testing.T) {
	f := consoletest.New()
	s, addr := newStation(t)
	b := open(t, serve(t, f, addr), "clerk")
	b.goTo("/cards?school=" + string(registrytest.PrimaryA))
	name := func(lane int) string {
		return fmt.Sprintf(`document.querySelectorAll(".stage")[%d].querySelector("[data-who]").textContent`, lane)
	}
	says := func(lane int, text string) {
		t.Helper()
		b.until(text, fmt.Sprintf(`document.querySelectorAll(".stage")[%d]?.querySelector("[data-say]").textContent.includes(%q)`, lane, text))
	}
	says(0, "请放空白卡")
	second := map[string]any{"id": "r1", "name": "模拟读卡器 2", "state": "empty", "tap": 0}
	s.send("reader", second)
	says(1, "这个读卡器空着")
	b.until("the second reader holds no name", name(1)+` === "" && `+name(0)+` === "王子涵"`)
	second["state"], second["tap"] = "card", 1
	s.send("reader", second)
	other := s.relay(t)
	s.lay("card")
	mine := s.relay(t)
	if mine.ticket == other.ticket || mine.ticket != "ticket-"+string(f.UID("王子涵")) || other.ticket != "ticket-"+string(f.UID("高欣怡")) {
		t.Fatalf("tickets %s and %s", mine.ticket, other.ticket)
	}
	s.send("relay", map[string]any{"reader": "r1", "step": "write", "done": 2, "total": 9})
	b.until("the second bar", `document.querySelectorAll(".stage")[1].querySelector("[data-progress]").value === 2 && document.querySelectorAll(".stage")[0].querySelector("[data-progress]").value !== 2`)
	no, err := f.Issue(mine.ticket)
	if err != nil {
		t.Fatal(err)
	}
	mine.answer <- map[string]any{"ok": true, "card_no": no}
	says(0, "王子涵的卡已发好")
	s.lay("empty")
	says(0, "剩下的在别的读卡器上")
	// The second card is bad: put aside, the same pupil, the next chip.
	other.answer <- map[string]any{"ok": false, "code": "card"}
	says(1, "这张卡没有写成")
	// By the keyboard alone: the reader's number, the next button, Enter.
	b.until("the focus is where the trouble is", `document.querySelectorAll(".stage")[1].contains(document.activeElement)`)
	b.until("nothing has the focus", `(() => { document.activeElement.blur(); return document.activeElement === document.body })()`)
	b.keys("2")
	b.keys(kb.Tab)
	b.until("to put the chip aside", `document.activeElement.dataset.act === "reject" && document.querySelectorAll(".stage")[1].contains(document.activeElement)`)
	b.keys(kb.Enter)
	b.until("the chip is put aside", name(1)+` === "高欣怡"`)
	says(1, "请取走")
	second["state"] = "empty"
	s.send("reader", second)
	says(1, "请放空白卡")
	second["state"], second["tap"] = "card", 2
	s.send("reader", second)
	other = s.relay(t)
	if no, err = f.Issue(other.ticket); err != nil {
		t.Fatal(err)
	}
	other.answer <- map[string]any{"ok": true, "card_no": no}
	says(1, "高欣怡的卡已发好")
	says(0, "全部发完")
	b.until("what it took", `document.querySelector("[data-stats]").textContent.includes("作废 1 张") && document.querySelector("[data-labels]").href.includes("labels.pdf?uid=")`)
	b.until("the tally", `["made", "spoiled", "left"].map((k) => document.querySelector("[data-tally=" + k + "]").textContent).join() === "2,1,0" && Number(document.querySelector("[data-tally=rate]").textContent) > 0`)
	// The second reader is unplugged: its lane goes.
	second["state"] = "gone"
	s.send("reader", second)
	b.until("one lane", `document.querySelectorAll(".stage").length === 1`)
	if !slices.ContainsFunc(f.Posted, func(p any) bool { return p == "spoil:"+string(f.UID("高欣怡"))+":chip" }) {
		t.Errorf("posted %v", f.Posted)
	}
}

// TestIssuingOffline: without a station the screen says what to start.
func TestIssuingOffline(t *testing.T) {
	f := consoletest.New()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := "http://" + ln.Addr().String()
	ln.Close()
	b := open(t, serve(t, f, addr), "clerk")
	b.goTo("/cards")
	b.until("to be told what is missing", `document.querySelector("[data-say]").textContent.includes("连不上本机的读卡程序") && document.querySelector("[data-help-text]").textContent.includes("`+addr+`")`)
}
