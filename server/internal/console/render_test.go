package console_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/console/consoletest"
	"xueji/server/registry"
)

const station = "http://127.0.0.1:7021"

func app(t *testing.T, f *consoletest.Fake) *fiber.App {
	t.Helper()
	a, err := consoletest.App(f, station)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

type client struct {
	t   *testing.T
	app *fiber.App
	who string // login
	as  string // language
}

func (c client) do(r *http.Request) (*http.Response, string) {
	c.t.Helper()
	if c.who != "" {
		r.AddCookie(&http.Cookie{Name: "xj_session", Value: "token-" + c.who})
	}
	if c.as != "" {
		r.AddCookie(&http.Cookie{Name: "xj_lang", Value: c.as})
	}
	res, err := c.app.Test(r, -1)
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res, string(b)
}

func (c client) get(path string) (*http.Response, string) {
	c.t.Helper()
	return c.do(httptest.NewRequest("GET", path, nil))
}

func (c client) post(path string, v url.Values) (*http.Response, string) {
	c.t.Helper()
	if v == nil {
		v = url.Values{}
	}
	v.Set("csrf", consoletest.CSRF)
	r := httptest.NewRequest("POST", path, strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(r)
}

// pages lists every page there is with somebody who may see it; %s is a pupil's UID by name, before the first colon.
func pages(f *consoletest.Fake) []struct{ Who, Path string } {
	rare, dot, long := string(f.UID(consoletest.RareName)), string(f.UID(consoletest.DotName)), string(f.UID(consoletest.LongName))
	lock := func(name string) string { return string(f.Get(f.UID(name)).Lock) }
	lastCase := func(name string) string { cs := f.Get(f.UID(name)).Cases; return string(cs[len(cs)-1].No) }
	uid := func(name string) string { return string(f.UID(name)) }
	return []struct{ Who, Path string }{
		{"", "/sign-in"}, {"", "/sign-in?next=/pupils"},
		{"registrar", "/todo"}, {"registrar", "/todo?kind=archive"}, {"registrar", "/todo?when=overdue"}, {"leader", "/todo"}, {"officer", "/todo"}, {"registrar2", "/todo"},
		{"registrar", "/todo?kind=none"},
		{"registrar", "/pupils"}, {"registrar", "/pupils?s=bm9ib2R5"}, {"officer", "/pupils?grade=3&school=2133000101"}, {"registrar", "/pupils?nocard=1&standing=enrolled"},
		{"registrar", "/pupils/" + rare}, {"registrar", "/pupils/" + dot}, {"officer", "/pupils/" + long}, {"registrar", "/pupils/" + uid("胡明轩")}, {"registrar", "/pupils/" + uid("沈语彤")},
		{"registrar", "/pupils/" + uid("陈雨桐")},
		{"registrar", "/pupils/" + rare + "/cases/" + lock(consoletest.RareName)}, {"registrar", "/pupils/" + uid("吴宇轩") + "/cases/" + lock("吴宇轩")},
		{"registrar2", "/pupils/" + uid("孙嘉懿") + "/cases/" + lastCase("孙嘉懿")}, {"registrar", "/pupils/" + uid("刘一诺") + "/cases/" + lastCase("刘一诺")},
		{"officer", "/pupils/" + uid("徐若曦") + "/cases/" + lock("徐若曦")}, {"leader", "/pupils/" + uid("王子涵") + "/cases/" + lock("王子涵")},
		{"registrar", "/pupils/" + uid("马俊杰") + "/suspend"}, {"registrar", "/pupils/" + uid("胡明轩") + "/return"},
		{"registrar", "/pupils/" + rare + "/archive"}, {"registrar", "/pupils/" + uid("陈雨桐") + "/archive"}, {"registrar", "/pupils/" + uid("林诗涵") + "/archive"},
		{"registrar", "/pupils/" + uid("刘一诺") + "/archive"},
		{"registrar", "/cases"}, {"registrar", "/cases?state=all"}, {"officer", "/cases?kind=transfer&state=refused"}, {"registrar", "/archives"}, {"officer", "/archives"},
		{"registrar", "/absences"}, {"officer", "/absences"}, {"registrar", "/pupils/" + uid("马俊杰") + "/act/absent"}, {"registrar", "/enrol"}, {"registrar", "/enrol/imports/im-1"}, {"registrar", "/enrol/imports/im-2"}, {"registrar", "/enrol/imports/im-3"}, {"registrar", "/enrol/new"},
		{"registrar", "/enrol/new?grade=4&doc=foreign&mode=inclusive"}, {"registrar", "/enrol/form"}, {"registrar", "/enrol/form?grade=1&doc=none&mode=ordinary"},
		{"registrar", "/enrol/form?grade=1&doc=hmt&mode=inclusive"}, {"registrar", "/enrol/form?grade=4&doc=foreign&mode=ordinary"}, {"registrar", "/problems"}, {"officer", "/problems?kind=wrong_id&turn=school"},
		{"officer", "/problems?state=done"}, {"province", "/numbers"}, {"officer", "/numbers"},
		{"registrar", "/transfers/new"}, {"registrar", "/transfers/far"}, {"registrar2", "/transfers/far?way=advance"}, {"officer", "/exchange"}, {"security", "/exchange"}, {"operator", "/exchange"}, {"security", "/vault"}, {"operator", "/vault"}, {"clerk", "/cards"}, {"clerk", "/cards?school=2133000101&class=2班"},
		{"clerk", "/cards?run=r-1"}, {"clerk", "/cards/rewrite"}, {"clerk", "/cards/read"}, {"registrar", "/cards/read"}, {"clerk", "/cards/runs"}, {"clerk", "/cards/runs/r-1"}, {"clerk", "/cards/runs/r-1?state=made"}, {"clerk", "/cards/runs/r-9"}, {"clerk", "/cards/handout"},
		{"registrar", "/cards/handout"}, {"registrar", "/cards/handout?school=2133000101&class=1班"}, {"registrar", "/pupils/" + uid("李思源")}, {"operator", "/kiosks"}, {"leader", "/kiosks"}, {"registrar", "/kiosks"},
		{"registrar", "/duplicates"}, {"officer", "/duplicates"}, {"officer", "/duplicates?state=same"}, {"registrar", "/duplicates/" + uid("萧景行") + "/" + rare},
		{"officer", "/duplicates/" + uid("王子涵") + "/" + uid("李思源")},
		{"officer", "/supervise"}, {"registrar", "/supervise"}, {"officer", "/supervise/findings"}, {"officer", "/supervise/findings?kind=6"}, {"officer", "/supervise/findings?unit=2133000101"},
		{"registrar", "/supervise/findings?unit=2133000101&kind=8"}, {"officer", "/supervise/orders"}, {"officer", "/supervise/orders/ZG-2026-330106-0001"}, {"registrar", "/supervise/orders/ZG-2026-330106-0001"},
		{"officer", "/supervise/orders/ZG-2026-330106-0002"}, {"officer", "/statistics"}, {"officer", "/statistics?year=2024"}, {"officer", "/letters"}, {"leader", "/letters"}, {"officer", "/staff-register"},
		{"registrar", "/archives/classes"}, {"officer", "/archives/classes?school=2133000101"}, {"registrar", "/archives/classes?grade=3&class=2班"}, {"registrar", "/archives/kept"},
		{"registrar", "/photos"}, {"registrar", "/archives/left"}, {"registrar", "/archives/handover"}, {"registrar", "/archives/handover?from=2133000102&to=2133000101"}, {"officer", "/archives/migrants"},
		{"registrar", "/archives/receive"}, {"registrar2", "/archives/receive?no=DA-4RT8K2XW9P6M"},
		{"registrar", "/promotion"}, {"officer", "/promotion"}, {"officer", "/promotion?school=2133000101"}, {"registrar", "/bulk/b-1"}, {"registrar", "/bulk/b-2"}, {"officer", "/bulk/b-3"}, {"officer", "/bulk/b-4"},
		{"registrar", "/graduation"}, {"registrar", "/graduation?end=promoted"}, {"officer", "/graduation"}, {"registrar", "/graduation/keep"}, {"registrar", "/certificates"},
		{"registrar", "/certificates/one?no=20260001"}, {"registrar", "/advance"}, {"registrar", "/reviews"}, {"officer", "/reviews"}, {"registrar", "/reviews/rv-1"}, {"leader", "/reviews/rv-1"},
		{"registrar", "/reviews/rv-1?class=03+1班"}, {"officer", "/units"}, {"officer", "/units?code=2133000101"}, {"officer", "/rules"}, {"operator", "/rules"},
		{"security", "/clients"}, {"leader", "/clients"}, {"registrar", "/enrol/handed"}, {"registrar", "/enrol/handed/n-1"}, {"registrar2", "/enrol/handed"},
		{"leader", "/staff"}, {"registrar", "/help"},
		{"officer", "/exports"}, {"officer", "/exports/runs/export-1"}, {"officer", "/exports/runs/export-2"}, {"officer", "/exports/runs/export-3"}, {"officer", "/exports/runs/export-4"},
		{"registrar", "/pupils/nobody"}, {"clerk", "/pupils"}, {"registrar", "/nowhere"},
	}
}

var (
	inlineAttr = regexp.MustCompile(`(?i)<[^>]*\s(on[a-z]+|style)\s*=`)
	scriptTag  = regexp.MustCompile(`(?is)<script([^>]*)>(.*?)</script>`)
	// A text between tags with a place left open; the issuing screen's words are filled by its script.
	unfilled      = regexp.MustCompile(`>[^<>]*\{[a-z]+\}[^<>]*<`)
	wordsTemplate = regexp.MustCompile(`(?s)<template.*?</template>`)
	outside       = regexp.MustCompile(`(?i)(src|href|action)="(https?:)?//`)
)

// clean checks a page for what the content policy would block and for keys without words.
func clean(t *testing.T, where, body string) {
	t.Helper()
	if i := strings.Index(body, "⟦"); i >= 0 {
		t.Errorf("%s: no words for %s", where, body[i:min(len(body), i+60)])
	}
	if m := inlineAttr.FindString(body); m != "" {
		t.Errorf("%s: inline handler or style: %s", where, m)
	}
	for _, m := range scriptTag.FindAllStringSubmatch(body, -1) {
		if !strings.Contains(m[1], `src="/static/console/`) || strings.TrimSpace(m[2]) != "" {
			t.Errorf("%s: inline script %q", where, m[0])
		}
	}
	if strings.Contains(body, "<style") || outside.MatchString(body) {
		t.Errorf("%s: a style element or something from outside", where)
	}
	if m := unfilled.FindString(wordsTemplate.ReplaceAllString(body, "")); m != "" || strings.Contains(body, "<no value>") || strings.Contains(body, "%!") {
		t.Errorf("%s: a place was not filled: %s", where, m)
	}
}

// TestPages renders every page in three languages: no key without words, nothing the content policy blocks, no page heavier than 150 KB with its styles and
// scripts.
func TestPages(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	assets := 0
	for _, name := range []string{"console.css", "console.js", "icon.svg"} {
		res, body := client{t: t, app: a}.get("/static/console/" + name)
		if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Fatalf("%s: %d %v", name, res.StatusCode, res.Header)
		}
		assets += len(body)
	}
	_, issue := client{t: t, app: a}.get("/static/console/issue.js")
	_, station := client{t: t, app: a}.get("/static/console/station.js")
	for _, l := range []string{"zh-Hans", "zh-Hant", "en"} {
		for _, p := range pages(f) {
			where := fmt.Sprintf("%s %s as %s", l, p.Path, p.Who)
			res, body := client{t, a, p.Who, l}.get(escape(p.Path))
			if res.StatusCode >= 500 {
				t.Fatalf("%s: %d %s", where, res.StatusCode, body)
			}
			clean(t, where, body)
			if !strings.Contains(body, `<html lang="`+l+`">`) {
				t.Errorf("%s: not in its language", where)
			}
			if p.Who != "" && res.StatusCode == 200 && strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") && !strings.Contains(body, `<form method="post" action="/sign-out">`) {
				t.Errorf("%s: no way out", where)
			}
			weight := assets + len(body)
			if strings.HasPrefix(p.Path, "/cards") {
				weight += len(issue) + len(station)
			}
			if weight > 150<<10 {
				t.Errorf("%s: weighs %d KB with styles and scripts", where, weight>>10)
			}
		}
	}
}

func escape(p string) string {
	path, q, ok := strings.Cut(p, "?")
	if !ok {
		return p
	}
	v, _ := url.ParseQuery(q)
	return path + "?" + v.Encode()
}

// TestEmpty renders the pages of a county in which nothing has happened yet.
func TestEmpty(t *testing.T) {
	f := consoletest.Empty()
	a := app(t, f)
	for _, l := range []string{"zh-Hans", "zh-Hant", "en"} {
		for _, p := range []struct{ Who, Path string }{{"registrar", "/todo"}, {"registrar", "/pupils"}, {"registrar", "/cases"}, {"registrar", "/archives"}, {"registrar", "/enrol"},
			{"clerk", "/cards"}, {"operator", "/kiosks"}} {
			res, body := client{t, a, p.Who, l}.get(p.Path)
			if res.StatusCode != 200 || !strings.Contains(body, `class="empty"`) {
				t.Errorf("%s %s: %d, without its empty state", l, p.Path, res.StatusCode)
			}
			clean(t, l+" "+p.Path, body)
		}
	}
}

// TestScope: a page never shows what is not there for the reader, and numbers stay hidden until they are asked for by a post.
func TestMask(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	p := f.Get(f.UID(consoletest.RareName))
	id, phone := p.Form[registry.FIDNumber], p.Form[registry.FPhone]
	reg := client{t: t, app: a, who: "registrar"}
	_, body := reg.get("/pupils/" + string(p.UID))
	for _, s := range []string{id, string(p.Number), phone, p.Form[registry.FAddress]} {
		if strings.Contains(body, s) {
			t.Errorf("the record shows %d characters that should be hidden", len(s))
		}
	}
	_, body = reg.post("/pupils/"+string(p.UID)+"/unmask", nil)
	for _, s := range []string{id, string(p.Number), phone} {
		if !strings.Contains(body, s) {
			t.Error("asked for, the record still hides a number")
		}
	}
	// The receiving school takes part in the case, but the pupil is not (yet) its own.
	other := client{t: t, app: a, who: "registrar2"}
	if _, body = other.get("/pupils/" + string(p.UID)); strings.Contains(body, "/unmask") {
		t.Error("a school that is not the pupil's own is offered the numbers")
	}
	if _, body = other.post("/pupils/"+string(p.UID)+"/unmask", nil); strings.Contains(body, id) {
		t.Error("a school that is not the pupil's own was shown the ID number")
	}
	if res, _ := other.get("/pupils/" + string(f.UID("王子涵"))); res.StatusCode != 404 {
		t.Errorf("a pupil out of scope answers %d", res.StatusCode)
	}
}

// TestNames: names that break screens stand whole, escaped once, on list, page and suggestion.
func TestNames(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	for _, n := range []string{consoletest.RareName, consoletest.DotName, consoletest.LongName} {
		for _, path := range []string{"/pupils?s=" + base64.RawURLEncoding.EncodeToString([]byte(n)), "/pupils/" + string(f.UID(n)), "/pupils/suggest?q=" + url.QueryEscape(n)} {
			if _, body := reg.get(path); !strings.Contains(body, n) {
				t.Errorf("%s is not whole on %s", n, path)
			}
		}
	}
}

// TestCrowd: at term start a list holds hundreds; a page of it stays light, and a grade can be approved in one go.
func TestCrowd(t *testing.T) {
	f := consoletest.New()
	if err := f.Crowd(450); err != nil {
		t.Fatal(err)
	}
	officer := client{t: t, app: app(t, f), who: "officer"}
	_, body := officer.get("/todo")
	m := regexp.MustCompile(`data-n="(4\d\d)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatal("the newcomers do not stand together")
	}
	if refs := regexp.MustCompile(`value="([^"]+)" data-n="4\d\d"`).FindStringSubmatch(body); refs == nil || strings.Count(refs[1], ":") < 400 {
		t.Error("a group's box does not name each of its pupils")
	}
	link := regexp.MustCompile(`/todo\?group=[^"]+`).FindString(body)
	for _, path := range []string{"/todo", strings.ReplaceAll(link, "&amp;", "&"), "/pupils", "/cases"} {
		if _, body = officer.get(path); len(body) > 100<<10 {
			t.Errorf("%s weighs %d KB before styles and scripts", path, len(body)>>10)
		}
	}
	if _, body = officer.get(link); strings.Count(body, `name="ref"`) != 60 || !strings.Contains(body, `rel="next"`) {
		t.Error("the group does not open into pages")
	}
}
