package web_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/internal/demo"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/internal/web"
	"xueji/server/registry"
)

// broken is a register in which one thing fails.
type broken struct{ web.Service }

func (broken) Clients(context.Context, service.Staff) ([]store.Client, error) {
	return nil, errors.New("the disk of 李雷 is gone")
}

// edge is another edge over the rig's register, and what it logs.
func (r *rig) edge(o web.Options) (*web.Web, *bytes.Buffer) {
	r.t.Helper()
	var log bytes.Buffer
	o.Service, o.Keys, o.Now, o.Version = &broken{r.s}, r.keys, r.now, "test"
	o.Log = slog.New(slog.NewJSONHandler(&log, nil))
	w, err := web.New(o)
	ok(r.t, err)
	return w, &log
}

// send sends one request to an edge as a browser with cookies would.
func (r *rig) send(w *web.Web, method, path, form string, header ...string) (int, string, http.Header) {
	r.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(form))
	req.Host = "localhost"
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := w.App.Test(req, -1)
	ok(r.t, err)
	return read(r.t, res)
}

// What stands in an address is decoded once, taken once when it is given twice, and written into a page as text.
func TestOneReadingOfARequest(t *testing.T) {
	r := newRig(t, anyone)
	session := r.session("registrar.yunhe")
	for sent, want := range map[string]string{
		"class=%2541%253Cb%253E":                                `value="%41%3Cb%3E"`,
		"class=first&class=second":                              `value="first"`,
		"class=" + url.QueryEscape(`"><script>x('&')</script>`): `value="&#34;&gt;&lt;script&gt;x(&#39;&amp;&#39;)&lt;/script&gt;"`,
	} {
		status, body, _ := r.signedIn(session, http.MethodGet, "/pupils?"+sent, "")
		if status != http.StatusOK || !strings.Contains(body, want) || strings.Contains(body, "<script>x") {
			t.Errorf("%s: %d, %s is not there", sent, status, want)
		}
	}
}

// Over TLS browsers are held to TLS. The address of a caller is the connection's, or what a proxy says that the operator names; nobody is led from http to https by an answer.
func TestWhoIsBelieved(t *testing.T) {
	r := newRig(t, anyone)
	for name, c := range map[string]struct {
		proxies []string
		want    string
	}{"nobody's word": {nil, "0.0.0.0"}, "another proxy's": {[]string{"192.0.2.1"}, "0.0.0.0"}, "the proxy's": {[]string{"0.0.0.0"}, "203.0.113.9"}} {
		w, _ := r.edge(web.Options{PublicURL: "https://localhost", Proxies: c.proxies, HSTSSubdomains: c.proxies == nil})
		status, page, h := r.send(w, http.MethodGet, "/sign-in", "")
		if status != http.StatusOK || h.Get("Location") != "" {
			t.Fatalf("led to %q", h.Get("Location"))
		}
		if got := h.Get("Strict-Transport-Security"); !strings.HasPrefix(got, "max-age=31536000") || strings.Contains(got, "includeSubDomains") != (c.proxies == nil) {
			t.Errorf("HSTS %q", got)
		}
		token := csrfOf.FindStringSubmatch(page)
		cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
		status, _, _ = r.send(w, http.MethodPost, "/sign-in", url.Values{"csrf": {token[1]}, "login": {"registrar.yunhe"}, "password": {demo.Password}}.Encode(),
			"Cookie", cookie, "X-Forwarded-For", "203.0.113.9", "X-Real-Ip", "203.0.113.10", "Forwarded", "for=203.0.113.11")
		if status != http.StatusSeeOther {
			t.Fatal(status)
		}
		all, err := r.st.SessionsOf(r.ctx, "a-registrar.yunhe")
		ok(t, err)
		if all[0].Remote != c.want {
			t.Errorf("%s: %q, want %q", name, all[0].Remote, c.want)
		}
		ok(t, r.st.DropSessions(r.ctx, "a-registrar.yunhe", nil))
	}
}

// Who is kept out and what breaks stands in the operators' log, under the number that the person is shown; the cause is told to nobody else, and names nobody.
func TestRefusalsAndFaultsAreLogged(t *testing.T) {
	r := newRig(t, anyone)
	session, registrar := r.session("security.yunhe"), r.session("registrar.yunhe")
	w, log := r.edge(web.Options{PublicURL: r.base})
	cookie := func(token string) string { return "xj_session=" + token }
	line := func(ref, msg string) map[string]any {
		t.Helper()
		for l := range strings.Lines(log.String()) {
			var m map[string]any
			ok(t, json.Unmarshal([]byte(l), &m))
			if m["ref"] == ref && m["msg"] == msg {
				return m
			}
		}
		t.Fatalf("no line %q of %q in\n%s", msg, ref, log.String())
		return nil
	}
	for _, c := range []struct {
		method, path string
		header       []string
		status       int
		why, account string
	}{
		{http.MethodGet, "/audit", []string{"Cookie", cookie(registrar)}, http.StatusForbidden, "", "a-registrar.yunhe"},
		{http.MethodPost, "/clients", []string{"Cookie", cookie(session)}, http.StatusForbidden, "csrf", "a-security.yunhe"},
		{http.MethodGet, "/todo", []string{"Accept", "application/json"}, http.StatusUnauthorized, "session", ""},
		{http.MethodGet, "/v1/kiosk/trust", nil, http.StatusUnauthorized, "signature", ""},
		{http.MethodGet, "/v1/issuer/devices", []string{"Authorization", "Bearer wrong"}, http.StatusUnauthorized, "token", ""},
	} {
		log.Reset()
		status, _, h := r.send(w, c.method, c.path, "", c.header...)
		if status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, status, c.status)
			continue
		}
		if m := line(h.Get("X-Request-Id"), "refused"); m["why"] != c.why || m["account"] != c.account || m["status"] != float64(c.status) || m["net"] == "" {
			t.Errorf("%s %s: %v", c.method, c.path, m)
		}
	}
	log.Reset()
	status, body, h := r.send(w, http.MethodGet, "/clients", "", "Cookie", cookie(session))
	ref := h.Get("X-Request-Id")
	if status != http.StatusInternalServerError || ref == "" || !strings.Contains(body, ref) || strings.Contains(body, "disk") || strings.Contains(body, "李雷") {
		t.Fatalf("%d, %q: %s", status, ref, body)
	}
	if m := line(ref, "request failed"); m["route"] != "/clients" {
		t.Fatal(m)
	}
	// No value makes a line of its own.
	r.send(w, http.MethodPost, "/clients", "", "Cookie", cookie(session), "User-Agent", "x\"}\n{\"msg\":\"refused\"")
	for l := range strings.Lines(log.String()) {
		if !json.Valid([]byte(l)) {
			t.Fatal(l)
		}
	}
}

// dozing does something when a session is looked at for the second time.
type dozing struct {
	web.Service
	looked *atomic.Int32
	then   func()
}

func (d dozing) Lives(ctx context.Context, token string) bool {
	if d.looked.Add(1) == 2 {
		d.then()
	}
	return d.Service.Lives(ctx, token)
}

// Whose session is ended, or lies idle, hears of no pupil any more: the stream ends, and does not keep the session awake.
func TestStreamsEndWithTheirSession(t *testing.T) {
	r := newRig(t, anyone)
	for what, then := range map[string]func(){
		"ended": func() { ok(t, r.st.DropSessions(r.ctx, "a-registrar.yunhe", nil)) },
		"idle":  func() { r.pass(service.DefaultPolicy().Idle + time.Second) },
	} {
		d := &dozing{r.s, new(atomic.Int32), then}
		w, err := web.New(web.Options{Service: d, Keys: r.keys, Log: slog.New(slog.DiscardHandler), Now: r.now, PublicURL: r.base, Version: "test", KeepAlive: time.Millisecond})
		ok(t, err)
		cookie := "xj_session=" + r.session("registrar.yunhe")
		status, body, _ := r.send(w, http.MethodGet, "/events", "", "Cookie", cookie)
		if status != http.StatusOK || !strings.Contains(body, ": still here") || d.looked.Load() < 2 {
			t.Errorf("%s: %d %q", what, status, body)
		}
		if status, _, _ := r.send(w, http.MethodGet, "/events", "", "Cookie", cookie); status != http.StatusUnauthorized {
			t.Errorf("%s: listened again: %d", what, status)
		}
	}
}

// Where the operator wants it, the issuer's token is worth nothing without the certificate that the server's authority gave the issuer.
func TestIssuerShowsItsCertificate(t *testing.T) {
	r := newRig(t, anyone)
	w, log := r.edge(web.Options{PublicURL: r.base, IssuerToken: issuerToken, IssuerCert: true})
	base := r.secure(w)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	ok(t, err)
	other, err := r.keys.CA().Program(csr, "c-another", r.now().Add(time.Hour), r.now())
	ok(t, err)
	mine, err := r.keys.CA().Issuer(r.now())
	ok(t, err)
	for what, c := range map[string]struct {
		certs []tls.Certificate
		token string
		code  registry.Code
	}{
		"its own": {[]tls.Certificate{mine}, issuerToken, ""}, "none": {nil, issuerToken, registry.CodeForbidden}, "without the token": {[]tls.Certificate{mine}, "x" + issuerToken, registry.CodeForbidden},
		"another system's": {[]tls.Certificate{{Certificate: [][]byte{other}, PrivateKey: key}}, issuerToken, registry.CodeForbidden},
	} {
		h := api.NewHTTPClient(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: r.keys.CA().Pool(), Certificates: c.certs})
		_, err := api.NewIssuerClient(base, c.token, h).Revocations(r.ctx)
		if got := registry.CodeOf(err); got != c.code {
			t.Errorf("%s: %v", what, err)
		}
		h.CloseIdleConnections()
	}
	if status, _, _ := r.send(w, http.MethodGet, api.PathRevocations, "", "Authorization", "Bearer "+issuerToken); status != http.StatusForbidden {
		t.Errorf("in clear: %d\n%s", status, log.String())
	}
}

// Signing out tells the browser to drop what it may have kept.
func TestSignOutClears(t *testing.T) {
	r := newRig(t, anyone)
	session := r.session("registrar.yunhe")
	if _, _, h := r.signedIn(session, http.MethodPost, "/sign-out", "a=b"); h.Get("Clear-Site-Data") != `"cache"` || !strings.HasPrefix(h.Get("Location"), "/sign-in") {
		t.Fatal(h)
	}
	if _, err := r.s.WhoIs(r.ctx, session); err == nil {
		t.Fatal("the session lives on")
	}
}

// Signing in again in the same browser ends the session of before, and no token from before a sign-in is one after it.
func TestSignInGivesANewSession(t *testing.T) {
	r := newRig(t, anyone)
	b := r.browser()
	token := func() string {
		t.Helper()
		u, _ := url.Parse(r.base)
		for _, c := range b.c.Jar.Cookies(u) {
			if c.Name == "xj_session" {
				return c.Value
			}
		}
		return ""
	}
	b.post("/sign-in", "/sign-in", "login", "registrar.yunhe", "password", demo.Password)
	first := token()
	b.post("/account", "/sign-in", "login", "leader.yunhe", "password", demo.Password)
	second := token()
	if first == "" || second == "" || first == second {
		t.Fatalf("%q, %q", first, second)
	}
	if _, err := r.s.WhoIs(r.ctx, first); err == nil {
		t.Fatal("the session of before lives on")
	}
	if who, err := r.s.WhoIs(r.ctx, second); err != nil || who.Login != "leader.yunhe" {
		t.Fatal(who.Login, err)
	}
}

// What somebody searched for opens at the address that it led to for the same account alone.
func TestSearchesAreSealed(t *testing.T) {
	r := newRig(t, anyone)
	_, _, h := r.signedIn(r.session("registrar.yunhe"), http.MethodPost, "/pupils", "q="+url.QueryEscape("欧阳文博"))
	to := h.Get("Location")
	if !strings.HasPrefix(to, "/pupils?s=") || len(to) < 40 {
		t.Fatal(to)
	}
	for login, shown := range map[string]bool{"registrar.yunhe": true, "leader.yunhe": false} {
		status, body, _ := r.signedIn(r.session(login), http.MethodGet, to, "")
		if status != http.StatusOK || strings.Contains(body, "欧阳文博") != shown {
			t.Errorf("%s: %d, shown %t", login, status, !shown)
		}
	}
	if status, _, _ := r.signedIn(r.session("registrar.yunhe"), http.MethodGet, "/pupils?s=AAAA", ""); status != http.StatusOK {
		t.Errorf("what was made up: %d", status)
	}
}
