package web

import (
	"context"
	"fmt"
	"image"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/printer"
	"xueji/kiosk/internal/words"
	"xueji/packaging/axetest"
	"xueji/server/api"

	"github.com/chromedp/chromedp"
)

// stillStaff is a desk that knows one card's PIN and one account.
type stillStaff struct{ *stillDesk }

func (stillStaff) StaffSignIn(_ context.Context, login, password string) (account, name, why string) {
	if login != "wangli" || password != "right" {
		return "", "", "wrong"
	}
	return "a", "王丽", ""
}

func (stillStaff) StaffCardSignIn(_ context.Context, pin string) (account, name, why string) {
	switch pin {
	case "314159":
		return "a", "王丽", ""
	case "":
		return "", "", "empty"
	case "1":
		return "", "", "locked"
	}
	return "", "", "nocard"
}

func (stillStaff) Staff(context.Context) desk.StaffView {
	return desk.StaffView{Findings: []api.Finding{{Key: "paper"}, {Key: "clock", Stops: []string{"transfer"}}}, Waiting: 3, Oldest: "2026-03-01 08:15", Sticks: []string{"/media/博尔塔拉蒙古自治州精河县U盘"},
		Papers: []printer.Item{{ID: "1", Title: "转学申请回执 ZX-2026-0017-000042", Made: testNow, How: printer.Printed, Prints: 2}, {ID: "2", Title: "档案签收回执 DA-7K2M-9QXF-31", Made: testNow, How: printer.Paper}}}
}

func (stillStaff) StaffDo(context.Context, string, string, string) (string, []string) {
	return "staff.reprinted", []string{"n", "2"}
}

func serveStaff(t *testing.T) *Server {
	t.Helper()
	c, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(stillStaff{newStill(view(flow.Home, nil))}, c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var sessionField = regexp.MustCompile(`name="session" value="([^"]+)"`)

// A card and its PIN sign in; the switches of the head keep the session, the language and the help that is on, and whoever comes next begins as the screen stood.
func TestStaffSignIn(t *testing.T) {
	s := serveStaff(t)
	const host = "127.0.0.1:7030"
	post := func(v url.Values) string {
		t.Helper()
		v.Set("page", s.token)
		return do(s, "POST", "/staff", host, map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://" + host}, v.Encode()).Body.String()
	}
	get := func(q string) string { return do(s, "GET", "/staff"+q, host, nil, "").Body.String() }
	want := func(html string, in bool, texts ...string) string {
		t.Helper()
		m := sessionField.FindStringSubmatch(html)
		if (m != nil) != in {
			t.Fatalf("signed in: %v, want %v\n%s", m != nil, in, html)
		}
		for _, x := range texts {
			if !strings.Contains(html, x) {
				t.Fatalf("the page lacks %q:\n%s", x, html)
			}
		}
		if in {
			return m[1]
		}
		return ""
	}
	want(get(""), false, `lang="zh-Hans"`, "用教师卡", `class="staff"`)
	want(get("?low&large"), false, `class="staff low large"`)
	want(get("?low&large"), false, `class="staff low large"`)
	want(get(""), false, `class="staff"`)
	want(post(url.Values{"do": {"card"}}), false, "请输入教师卡密码")
	want(post(url.Values{"do": {"card"}, "pin": {"2"}}), false, "读卡区上没有卡")
	want(post(url.Values{"do": {"card"}, "pin": {"1"}}), false, "或用账号登录")
	want(post(url.Values{"do": {"lang:en"}}), false, `lang="en"`, "With a staff card")
	want(post(url.Values{"do": {"lang:xx"}}), false)
	want(get(""), false, `lang="zh-Hans"`)
	post(url.Values{"do": {"lang:zh-Hant"}})
	token := want(post(url.Values{"do": {"card"}, "pin": {"314159"}}), true, "王丽", `lang="zh-Hant"`)
	want(post(url.Values{"do": {"aid:low"}, "session": {token}}), true, `class="staff low"`, "王丽")
	want(post(url.Values{"do": {"aid:large"}, "session": {token}}), true, `class="staff low large"`)
	want(post(url.Values{"do": {"reprint"}, "value": {"1"}, "session": {token}}), true, `class="staff low large"`, `lang="zh-Hant"`)
	want(post(url.Values{"do": {"aid:low"}, "session": {"another"}}), false) // a switch opens nothing
	want(get(""), false)
	want(post(url.Values{"do": {"reprint"}, "session": {token}}), false) // coming back ended it
}

// misfit finds what could not be read or touched on a page that scrolls: targets under 48 px, text cut, anything wider than the glass; with the buttons low,
// what is to be touched can be brought into the lower half.
const misfit = `(() => {
  const bad = [], W = innerWidth, H = innerHeight;
  if (document.documentElement.scrollWidth > W + 1) bad.push('wider than the glass: ' + document.documentElement.scrollWidth);
  for (const b of document.querySelectorAll('button, input:not([type=hidden]), a')) {
    const r = b.getBoundingClientRect(), what = (b.textContent || b.name).trim();
    if (r.height < 48 || r.width < 48) bad.push('under 48 px: ' + what + ' ' + r.width + '×' + r.height);
    if (r.right > W + 1 || r.left < -1) bad.push('out of sight: ' + what);
    if (b.scrollWidth > b.clientWidth + 2) bad.push('cut: ' + what);
    if (document.body.classList.contains('low') && r.top + scrollY < 0.4 * H) bad.push('out of reach: ' + what);
  }
  if (document.body.classList.contains('low') && document.querySelector('header').getBoundingClientRect().bottom < 0.9 * H) bad.push('the head of the page is not at its foot');
  return bad.join('\n');
})()`

// TestStaffPictures looks at the page for staff in three languages, both orientations, with the buttons low and in large type; nothing serious by axe-core. Keys on
// the glass type, so a machine without a keyboard will do.
func TestStaffPictures(t *testing.T) {
	s := serveStaff(t)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	ctx := browser(t)
	run := func(a ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, a...); err != nil {
			t.Fatal(err)
		}
	}
	await := func(js string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](js)); err == nil && ok { // the page may just be replaced
				return
			}
		}
		t.Fatal("waited in vain for ", js)
	}
	press := func(value string) {
		t.Helper()
		run(chromedp.Evaluate[chromedp.Void](`window.old = true; 0`), chromedp.Click(chromedp.CSS(fmt.Sprintf(`[name="do"][value=%q]`, value))))
		await(`!window.old && document.readyState === "complete"`)
	}
	look := func(name string, axe bool) {
		t.Helper()
		bad, err := chromedp.Run(ctx, chromedp.Evaluate[string](misfit))
		if err != nil || bad != "" {
			t.Errorf("%s: %v\n%s", name, err, bad)
		}
		if axe {
			axetest.Check(ctx, t, name)
		}
	}
	for _, size := range orientations {
		run(chromedp.EmulateViewport(size.w, size.h))
		for _, in := range []bool{false, true} {
			var pictures []image.Image
			for _, lang := range flow.Langs {
				run(chromedp.Navigate(srv.URL + "/staff"))
				press("lang:" + string(lang))
				await(fmt.Sprintf(`document.readyState === "complete" && document.documentElement.lang === %q`, lang))
				if in { // by the keys on the glass
					for _, d := range "314159" {
						run(chromedp.Click(chromedp.CSS(fmt.Sprintf(`[data-key="digit"][data-value="%c"]`, d))))
					}
					press("card")
					await(`document.readyState === "complete" && document.querySelector(".paper") !== null`)
				}
				name := fmt.Sprintf("staff %s %s in=%v", size.name, lang, in)
				look(name, true)
				if *updateScreens {
					pictures = append(pictures, picture(t, ctx))
				}
				press("aid:low")
				await(`document.body.classList.contains("low")`)
				look(name+" low", lang == flow.Simplified)
				press("aid:large")
				await(`document.body.classList.contains("large") && document.readyState === "complete"`)
				look(name+" low large", false)
				press("aid:low")
				await(`!document.body.classList.contains("low") && document.readyState === "complete"`)
				look(name+" large", lang == flow.English)
				if *updateScreens && lang == flow.Simplified {
					pictures = append(pictures, picture(t, ctx))
				}
			}
			if len(pictures) > 0 {
				keep(t, filepath.Join(screensDir, map[bool]string{false: "staff", true: "staff-in"}[in]+"."+size.name+".png"), pictures, size.w < size.h)
			}
		}
	}
	// The account by the letters of the glass; the case falls back after one capital.
	run(chromedp.Navigate(srv.URL+"/staff"), chromedp.Click(chromedp.CSS(`[name="login"]`)))
	for _, k := range "wangli" {
		run(chromedp.Click(chromedp.CSS(fmt.Sprintf(`[data-key="char"][data-lower="%c"]`, k))))
	}
	await(`document.querySelector('[name="login"]').value === "wangli"`)
	run(chromedp.Click(chromedp.CSS(`[name="password"]`)), chromedp.Click(chromedp.CSS(`[data-key="shift"]`)), chromedp.Click(chromedp.CSS(`[data-key="char"][data-lower="r"]`)), chromedp.Click(chromedp.CSS(`[data-key="char"][data-lower="x"]`)),
		chromedp.Click(chromedp.CSS(`form:has([name="login"]) [data-key="erase"]`)))
	await(`document.querySelector('[name="password"]').value === "R"`)
}
