package web_test

import (
	"context"
	"encoding/base32"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"xueji/packaging/browsertest"
	"xueji/server/internal/demo"
	"xueji/server/internal/factor"
	"xueji/server/internal/service"
)

const patience = 40 * time.Second

// tab is a page in the real Chromium.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
}

func openTab(t *testing.T, base string) *tab {
	t.Helper()
	b := &tab{t, browsertest.Start(t, 4*time.Minute), base}
	b.do(chromedp.Navigate("about:blank"), chromedp.EmulateViewport(1366, 900))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) goTo(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.base + path)) }

func (b *tab) js(expr string) any {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](expr))
	if err != nil {
		b.t.Fatalf("%s: %v", expr, err)
	}
	return v
}

func (b *tab) until(what, expr string) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(25 * time.Millisecond) {
		if v, err := chromedp.Run(b.ctx, chromedp.Evaluate[any]("document.readyState === 'complete' && !!("+expr+")")); err == nil && v == true {
			return
		}
	}
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[any](`location.pathname + " | " + document.querySelector("main").innerText.slice(0, 600)`))
	b.t.Fatalf("never came: %s\n%v", what, text)
}

func (b *tab) at(path string) {
	b.t.Helper()
	b.until("to be at "+path, fmt.Sprintf("location.pathname === %q", path))
}

// fill types into fields by name and presses the form's button, as a keyboard's Enter does.
func (b *tab) fill(form string, kv ...string) {
	b.t.Helper()
	for i := 0; i+1 < len(kv); i += 2 {
		b.js(fmt.Sprintf(`document.querySelector(%q).elements[%q].value = %q; 1`, form, kv[i], kv[i+1]))
	}
	b.js(fmt.Sprintf(`document.querySelector(%q).requestSubmit(); 1`, form))
}

// shot keeps a picture when SHOTS names a folder.
func (b *tab) shot(name string) {
	dir := os.Getenv("SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	os.MkdirAll(dir, 0o755)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// An officer's first day, in a real browser: sign in, be led to set up a second factor, add an authenticator and a passkey, sign in by each, and by the passkey
// alone. The authenticator is Chromium's virtual one: the ceremonies are the real ones.
func TestSecondFactorInABrowser(t *testing.T) {
	r := newRig(t)
	b := openTab(t, r.base)
	if _, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true,
		IsUserVerified: true, AutomaticPresenceSimulation: true}}); err != nil {
		t.Fatal(err)
	}
	signIn := func() {
		t.Helper()
		b.goTo("/sign-in")
		b.fill(`form[action="/sign-in"]`, "login", "officer.yunhe", "password", demo.Password)
	}
	signOut := func() {
		t.Helper()
		b.js(`document.querySelector('form[action="/sign-out"]').requestSubmit(); 1`)
		b.at("/sign-in")
	}
	b.goTo("/sign-in")
	b.shot("signin")
	signIn()
	b.at("/account/second")
	b.shot("second-setup")
	if b.goTo("/todo"); b.js(`location.pathname`) != "/account/second" {
		t.Fatal("works before the second factor is set up")
	}
	// The authenticator app.
	secret := strings.ReplaceAll(fmt.Sprint(b.js(`document.querySelector(".secret").textContent`)), " ", "")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(secret, err)
	}
	code := func() string { return factor.Code(raw, factor.Step(r.now())) }
	b.fill(`form[action="/account/totp"]`, "code", code())
	b.until("the recovery codes", `document.querySelectorAll(".recovery li").length === 8`)
	recovery := fmt.Sprint(b.js(`document.querySelector(".recovery li").textContent`))
	b.shot("recovery")
	// The passkey.
	b.goTo("/account/second")
	b.until("the script", `!document.querySelector("form[data-new]").hidden`)
	b.fill(`form[data-new]`, "name", "办公室电脑")
	b.at("/account")
	b.until("both factors listed", `document.body.textContent.includes("办公室电脑")`)
	b.shot("account")
	signOut()
	// Password, then the passkey.
	signIn()
	b.at("/sign-in/second")
	b.shot("second-passkey")
	b.until("the script", `document.querySelector("form[data-passkey]")`)
	b.js(`document.querySelector("form[data-passkey] button").click(); 1`)
	b.at("/todo")
	signOut()
	// The passkey alone.
	b.until("the button", `!document.querySelector('form[action="/sign-in/passkey"]').hidden`)
	b.js(`document.querySelector('form[action="/sign-in/passkey"] button').click(); 1`)
	b.at("/todo")
	signOut()
	// Password, then the authenticator's code; the same code again is refused.
	r.pass(2 * factor.Period)
	signIn()
	b.at("/sign-in/second")
	b.goTo("/sign-in/second?way=totp")
	b.shot("second-totp")
	used := code()
	b.fill(`form[action="/sign-in/second"]`, "code", used)
	b.at("/todo")
	signOut()
	signIn()
	b.at("/sign-in/second")
	b.goTo("/sign-in/second?way=totp")
	b.fill(`form[action="/sign-in/second"]`, "code", used)
	b.until("to be refused", `document.querySelector("[role=alert] b")`)
	b.shot("second-refused")
	b.goTo("/sign-in/second?way=recovery")
	b.fill(`form[action="/sign-in/second"]`, "code", recovery)
	b.at("/todo")
	// A dangerous act after a while asks again who it is.
	r.pass(16 * time.Minute)
	b.goTo("/account/second")
	b.at("/account/confirm")
	b.shot("confirm")
	b.js(`document.querySelector("form[data-passkey] button").click(); 1`)
	b.at("/account/second")
}

// Without scripts all but passkeys works; cookies are what they must be.
func TestSignInWithoutScripts(t *testing.T) {
	r := newRig(t, anyone)
	b := r.browser()
	st, _, h := b.post("/sign-in", "/sign-in", "login", "registrar.yunhe", "password", demo.Password)
	if st != http.StatusSeeOther {
		t.Fatal(st)
	}
	for _, c := range h.Values("Set-Cookie") {
		if strings.HasPrefix(c, "xj_anon") {
			continue
		}
		if low := strings.ToLower(c); !strings.Contains(low, "httponly") || !strings.Contains(low, "samesite=strict") {
			t.Errorf("cookie %s", c)
		}
	}
	if st, body, _ := b.get("/account"); st != 200 || !contains(body, "registrar.yunhe", "我的账号") && !contains(body, "registrar.yunhe") {
		t.Fatal(st)
	}
	if st, _, _ := b.post("/account", "/account/sessions/end", "session", ""); st != http.StatusSeeOther {
		t.Fatal(st)
	}
}

// provider stands for an office's identity provider where the question is what the console does with its word; package oidc tests the protocol.
type provider struct{ subject string }

func (provider) Name() string { return "统一身份认证" }
func (provider) AuthURL(_ context.Context, state, nonce, verifier string) (string, error) {
	return "https://idp.example.cn/auth?state=" + state, nil
}
func (p *provider) Redeem(context.Context, string, string, string) (string, error) {
	return p.subject, nil
}

// A claim signs in the one account that names it, makes none, and only in the browser that began.
func TestProviderSignIn(t *testing.T) {
	p := &provider{subject: "u-77"}
	r := newRig(t, anyone, func(o *service.Options) { o.Provider = p })
	back := func(b *browser, state string) (int, string) {
		st, body, _ := b.get("/sign-in/oidc/back?code=x&state=" + state)
		return st, body
	}
	start := func() (*browser, string) {
		b := r.browser()
		st, _, h := b.get("/sign-in/oidc")
		_, state, ok := strings.Cut(h.Get("Location"), "state=")
		if st != http.StatusSeeOther || !ok {
			t.Fatal(st, h)
		}
		return b, state
	}
	// Nobody is led to the provider unasked: a page leads to the sign-in page, which has a button.
	if st, _, h := r.browser().get("/todo"); st != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), "/sign-in?") {
		t.Fatal(st, h.Get("Location"))
	}
	if st, body, h := r.browser().get("/sign-in?next=/todo"); st != http.StatusOK || h.Get("Location")+h.Get("Refresh") != "" || !contains(body, "/sign-in/oidc") || contains(body, `http-equiv="refresh"`) {
		t.Fatal(st)
	}
	b, state := start()
	if st, _ := back(b, state); st != http.StatusUnauthorized {
		t.Fatalf("somebody without an account: %d", st)
	}
	a, err := r.st.Account(r.ctx, "a-registrar.yunhe")
	ok(t, err)
	a.ExternalID = "u-77"
	ok(t, r.st.PutAccount(r.ctx, a))
	b, state = start()
	if st, _ := back(r.browser(), state); st != http.StatusUnauthorized {
		t.Fatalf("another browser: %d", st)
	}
	if st, _ := back(b, state+"x"); st != http.StatusUnauthorized {
		t.Fatalf("another state: %d", st)
	}
	if st, _ := back(b, state); st != http.StatusUnauthorized {
		t.Fatalf("a ticket was used twice: %d", st)
	}
	b, state = start()
	if st, body := back(b, state); st != http.StatusOK || !contains(body, `http-equiv="refresh"`) {
		t.Fatal(st)
	}
	if st, body, _ := b.get("/account"); st != http.StatusOK || !contains(body, "registrar.yunhe") {
		t.Fatal(st)
	}
}
