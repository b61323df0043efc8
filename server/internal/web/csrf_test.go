package web_test

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"xueji/server/internal/demo"
	"xueji/server/internal/service"
	"xueji/server/internal/web"
)

// Every form and act of the console, as Fiber lists them: without this session's token, or from another site's page, nothing is looked at, whoever is signed in.
func TestEveryPostWantsItsToken(t *testing.T) {
	r := newRig(t, anyone)
	session, other := r.session("registrar.yunhe"), r.session("leader.yunhe")
	token := func(of string) string { return base64.RawURLEncoding.EncodeToString(r.keys.CSRF(of)) }
	fill := strings.NewReplacer(":uid", "u", ":no", "ZX-2026-0000-000001", ":digest", "0", ":id", "a-1", ":act", "lose", ":seq", "1", ":a", "a", ":b", "b", "*", "x")
	seen := 0
	for _, route := range r.w.App.GetRoutes(true) {
		if route.Method == http.MethodGet || route.Method == http.MethodHead || route.Method == http.MethodOptions || strings.HasPrefix(route.Path, "/v1/") || strings.HasPrefix(route.Path, "/audit/") && route.Path != "/audit/alerts" {
			continue
		}
		if route.Method != http.MethodPost {
			if route.Path != "/" && route.Path != "/*" {
				t.Errorf("%s %s: an act of another method than POST", route.Method, route.Path)
			}
			continue
		}
		seen++
		for name, h := range map[string][]string{
			"no token":           nil,
			"another's token":    {"X-CSRF-Token", token(other)},
			"another site":       {"X-CSRF-Token", token(session), "Sec-Fetch-Site", "cross-site"},
			"a neighbour's site": {"X-CSRF-Token", token(session), "Sec-Fetch-Site", "same-site"},
			"another origin":     {"X-CSRF-Token", token(session), "Origin", "https://evil.example"},
		} {
			req := httptest.NewRequest(http.MethodPost, fill.Replace(route.Path), strings.NewReader("a=b"))
			req.Host = "localhost"
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Accept", "application/json")
			req.AddCookie(&http.Cookie{Name: "xj_session", Value: session})
			for i := 0; i < len(h); i += 2 {
				req.Header.Set(h[i], h[i+1])
			}
			res, err := r.w.App.Test(req, -1)
			ok(t, err)
			if status, _, _ := read(t, res); status != http.StatusForbidden {
				t.Errorf("POST %s with %s: %d", route.Path, name, status)
			}
		}
	}
	if seen < 60 {
		t.Fatalf("only %d acts: the test looks in the wrong place", seen)
	}
}

// Where an address of the request says where to go on, only paths of this site are followed.
func TestNoOpenRedirect(t *testing.T) {
	r := newRig(t, anyone)
	for _, to := range []string{"https://evil.example/x", "//evil.example", `/\evil.example`, "/%5Cevil.example", "javascript:alert(1)", "/\t/evil.example", "evil.example"} {
		for _, path := range []string{"/lang/en?back=", "/sign-in?next="} {
			req := httptest.NewRequest(http.MethodGet, path+url.QueryEscape(to), nil)
			req.Host = "localhost"
			req.AddCookie(&http.Cookie{Name: "xj_session", Value: r.session("registrar.yunhe")})
			res, err := r.w.App.Test(req, -1)
			ok(t, err)
			_, _, h := read(t, res)
			if at := h.Get("Location"); strings.Contains(at, "evil") && !strings.HasPrefix(at, "/%5Cevil") || strings.Contains(at, "javascript") {
				t.Errorf("%s%s leads to %q", path, to, at)
			}
		}
	}
}

// apart is a service of its own to the console, which keeps what it parsed by service.
type apart struct{ web.Service }

// Every cookie is out of reach of scripts and of other sites' forms, and over TLS of clear lines, of the host's neighbours and of other paths.
func TestCookies(t *testing.T) {
	r := newRig(t, anyone, func(o *service.Options) { o.Provider = &provider{} })
	lax := []string{"xj_lang", "xj_flash", "xj_oidc"} // the last comes back from the provider's page; the others hold no secret
	for _, secure := range []bool{false, true} {
		w := r.w
		if secure {
			var err error
			w, err = web.New(web.Options{Service: apart{r.s}, Keys: r.keys, Log: slog.New(slog.DiscardHandler), Now: r.now, PublicURL: "https://localhost", Version: "test"})
			ok(t, err)
		}
		req := httptest.NewRequest(http.MethodGet, "/sign-in", nil)
		req.Host = "localhost"
		res, err := w.App.Test(req, -1)
		ok(t, err)
		set := res.Cookies()
		res.Body.Close()
		if len(set) == 0 {
			t.Fatal("no cookie")
		}
		anon := set[0]
		req = httptest.NewRequest(http.MethodPost, "/sign-in", strings.NewReader(url.Values{"login": {"registrar.yunhe"}, "password": {demo.Password}}.Encode()))
		req.Host = "localhost"
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("X-CSRF-Token", base64.RawURLEncoding.EncodeToString(r.keys.CSRF("anon:"+anon.Value)))
		req.AddCookie(anon)
		res, err = w.App.Test(req, -1)
		ok(t, err)
		res.Body.Close()
		set = append(set, res.Cookies()...)
		session := ""
		for _, c := range res.Cookies() {
			if strings.HasSuffix(c.Name, "xj_session") && len(c.Value) >= 40 {
				session = c.Name + "=" + c.Value
			}
		}
		if session == "" {
			t.Fatalf("https %t: no session of 256 bits after signing in: %v", secure, res.Cookies())
		}
		for _, path := range []string{"GET /lang/en", "GET /sign-in/oidc", "POST /account/sessions/end"} {
			method, path, _ := strings.Cut(path, " ")
			req = httptest.NewRequest(method, path, nil)
			req.Host = "localhost"
			req.Header.Set("Cookie", session)
			_, token, _ := strings.Cut(session, "=")
			req.Header.Set("X-CSRF-Token", base64.RawURLEncoding.EncodeToString(r.keys.CSRF(token)))
			res, err = w.App.Test(req, -1)
			ok(t, err)
			res.Body.Close()
			set = append(set, res.Cookies()...)
		}
		seen := map[string]bool{}
		for _, c := range set {
			name, prefixed := strings.CutPrefix(c.Name, "__Host-")
			seen[name] = true
			site := http.SameSiteStrictMode
			if slices.Contains(lax, name) {
				site = http.SameSiteLaxMode
			}
			if prefixed != secure || !c.HttpOnly || c.SameSite != site || c.Secure != secure || c.Domain != "" || c.Path != "/" {
				t.Errorf("https %t: %s", secure, c.Raw)
			}
		}
		for _, name := range append(lax, "xj_session", "xj_anon", "xj_half", "xj_known") {
			if !seen[name] {
				t.Errorf("https %t: no %s", secure, name)
			}
		}
	}
}
