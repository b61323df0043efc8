package web

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/words"
)

func serve(t *testing.T) (*Server, *stillDesk) {
	t.Helper()
	c, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	d := newStill(view(flow.Home, nil))
	s, err := New(d, c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

// Every screen in every state draws in every language; no key is missing, no template fails.
func TestEveryScreenDraws(t *testing.T) {
	s, _ := serve(t)
	seen := map[flow.Screen]bool{}
	for _, f := range fixtures() {
		seen[f.view.State.Screen] = true
		for _, l := range flow.Langs {
			v := f.view
			v.State.Lang = l
			html, foot, err := s.draw.screen(v)
			if err != nil {
				t.Errorf("%s %s: %v", f.name, l, err)
				continue
			}
			for _, sign := range []string{"<no value>", "%!", "{n}", "{date}", "{unit}", "{grade}"} {
				body := html
				if sign == "{n}" {
					body = regexp.MustCompile(`data-[a-z]+="[^"]*"`).ReplaceAllString(html, "")
				}
				if strings.Contains(body, sign) {
					t.Errorf("%s %s: holds %s", f.name, l, sign)
				}
			}
			if !strings.Contains(html, "<h1") || !strings.Contains(html, `data-do="lang"`) || !strings.Contains(foot, "data-text") {
				t.Errorf("%s %s: heading, language switch or foot missing", f.name, l)
			}
			if strings.Contains(html, "style=") || strings.Contains(html, "onclick") {
				t.Errorf("%s: inline style or script, which the policy forbids", f.name)
			}
		}
	}
	for _, sc := range flow.Screens {
		if !seen[sc] {
			t.Errorf("no picture of screen %s", sc)
		}
	}
}

// What a card brings is shown as text.
func TestHostileNames(t *testing.T) {
	s, _ := serve(t)
	evil := `<script>alert(1)</script>"'&`
	v := view(flow.Confirm, set(func(st *flow.State) {
		st.Goal, st.Card.Name, st.Card.SchoolName, st.Where = flow.GoalTransfer, evil, evil, flow.Where{}
	}))
	html, _, err := s.draw.screen(v)
	if err != nil || strings.Contains(html, "<script>") {
		t.Fatal(err, html)
	}
}

func do(s http.Handler, method, path, host string, h map[string]string, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = host
	for k, v := range h {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestGuards(t *testing.T) {
	s, d := serve(t)
	const host = "127.0.0.1:7030"
	if w := do(s, http.MethodGet, "/static/", host, nil, ""); w.Code != http.StatusNotFound {
		t.Errorf("the embedded files are listed: %d", w.Code)
	}
	ok := map[string]string{"Xueji-Kiosk": s.token, "Content-Type": "application/json", "Origin": "http://" + host}
	with := func(k, v string) map[string]string {
		m := map[string]string{}
		for a, b := range ok {
			m[a] = b
		}
		m[k] = v
		return m
	}
	w := do(s, "GET", "/", host, nil, "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), s.token) {
		t.Fatal(w.Code)
	}
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || w.Header().Get("Cache-Control") != "no-store" {
		t.Error(w.Header())
	}
	if strings.Contains(w.Body.String(), "李") {
		t.Error("the page itself holds a pupil: it could be restored")
	}
	msg := `{"rev":7,"do":"choose","value":"transfer"}`
	for name, c := range map[string]struct {
		host string
		h    map[string]string
		body string
		want int
	}{
		"good":            {host, ok, msg, 204},
		"rebinding":       {"evil.example:7030", ok, msg, 421},
		"other origin":    {host, with("Origin", "http://evil.example"), msg, 403},
		"no token":        {host, with("Xueji-Kiosk", ""), msg, 403},
		"wrong token":     {host, with("Xueji-Kiosk", "x"), msg, 403},
		"a form":          {host, with("Content-Type", "application/x-www-form-urlencoded"), "do=leave", 415},
		"unknown member":  {host, ok, `{"do":"leave","more":1}`, 400},
		"unknown act":     {host, ok, `{"do":"reboot"}`, 400},
		"two messages":    {host, ok, msg + msg, 400},
		"too long":        {host, ok, `{"do":"scan","value":"` + strings.Repeat("x", MaxBody) + `"}`, 400},
		"IPv6 loopback":   {"[::1]:7030", with("Origin", "http://[::1]:7030"), msg, 204},
		"localhost":       {"localhost:7030", with("Origin", "http://localhost:7030"), msg, 204},
		"loopback prefix": {"127.0.0.1.evil.example", ok, msg, 421},
	} {
		if got := do(s, "POST", "/act", c.host, c.h, c.body).Code; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if len(d.posts) != 3 {
		t.Errorf("%d inputs came through, want 3", len(d.posts))
	}
	for _, p := range []string{"/static/kiosk.css", "/static/kiosk.js", "/static/icon.svg", "/readyz"} {
		if w := do(s, "GET", p, host, nil, ""); w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d", p, w.Code)
		}
	}
	if w := do(s, "GET", "/static/../server.go", host, nil, ""); w.Code == 200 {
		t.Error("a file outside static is served")
	}
}

// What the page may send becomes an input bound to its question, or an error; never a panic, and no password survives in print.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{`{"rev":1,"do":"answer","value":"yes"}`, `{"do":"touch"}`, `{"do":"lang","value":"en"}`, `{"rev":3,"do":"signin","login":"a","password":"b"}`, `{"do":"pin","value":"1"}`,
		`{"do":"scan","value":"XJA1.a.b"}`, `{"do":"choose","value":"transfer"}`, `{"do":"back"}`, `{"do":"leave"}`, `[]`, `{`, `{"do":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := decode(bytes.NewReader(raw))
		if (err == nil) == (in == nil) {
			t.Fatalf("%v %v", in, err)
		}
		if err != nil {
			return
		}
		if p, ok := in.(flow.Press); ok {
			var m message
			if json.Unmarshal(raw, &m) == nil && p.Rev != m.Rev {
				t.Fatal("bound to another question")
			}
		}
		flow.Step(flow.New(testNow), in, testNow, testKiosk)
	})
}

var _ = desk.View{}
