package web_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/factor"
	"xueji/server/internal/password"
	"xueji/server/internal/service"
	"xueji/server/internal/sqlite"
	"xueji/server/internal/store"
	"xueji/server/internal/web"
	"xueji/server/vault"
)

// rig is the edge over the real service on a SQLite file, with the units and staff of the demonstration, on a clock that tests may move.
type rig struct {
	t    testing.TB
	ctx  context.Context
	st   store.Store
	s    *service.Service
	w    *web.Web
	base string // http://localhost:port
	gen  *demo.Generator
	keys *service.Keys

	mu sync.Mutex
	by time.Duration // how far the clock is ahead
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.by)
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	r.by += d
	r.mu.Unlock()
}

const issuerToken = "the issuer's token of this test"

func newRig(t testing.TB, o ...func(*service.Options)) *rig {
	t.Helper()
	r := &rig{t: t, ctx: t.Context()}
	dir := t.TempDir()
	st, err := sqlite.Open(r.ctx, filepath.Join(dir, "xueji.db"), vault.Options{KEK: vault.File(filepath.Join(dir, "vault.key"))})
	ok(t, err)
	t.Cleanup(func() { st.Close() })
	r.st = st
	keys, err := service.NewKeys([]byte("0123456789abcdef0123456789abcdef"))
	ok(t, err)
	ln, err := net.Listen("tcp", "localhost:0")
	ok(t, err)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	r.base = "http://localhost:" + port
	relying, err := factor.NewRelying(r.base, "学籍")
	ok(t, err)
	r.keys = keys
	so := service.Options{Store: st, Keys: keys, Now: r.now, Passes: password.New(password.Params{MemoryKiB: 64, Passes: 1, Lanes: 1}, 4), PollLive: time.Hour, Relying: relying}
	for _, f := range o {
		f(&so)
	}
	r.s, err = service.New(r.ctx, so)
	ok(t, err)
	r.gen = demo.New(7).On(r.s.Today())
	schools, offices := r.gen.Units()
	ok(t, r.s.PutUnits(r.ctx, schools, offices))
	enc, err := so.Passes.Encode(r.ctx, demo.Password)
	ok(t, err)
	for _, a := range r.gen.Accounts() {
		ok(t, r.s.PutStaff(r.ctx, store.Account{ID: "a-" + a.Login, Login: a.Login, Name: a.Name, Unit: a.Unit, Role: a.Role, TrainedOn: a.TrainedOn, TrainedCert: a.TrainedCert,
			Password: enc, CreatedAt: r.now()}))
	}
	r.w, err = web.New(web.Options{Service: r.s, Keys: keys, Log: slog.New(slog.DiscardHandler), Now: r.now, IssuerToken: issuerToken, PublicURL: r.base, Version: "test"})
	ok(t, err)
	go r.w.App.Listener(ln)
	t.Cleanup(func() { r.w.App.ShutdownWithTimeout(time.Second) })
	return r
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// session signs an account in past the second factor, as tests of what comes after want it.
func (r *rig) session(login string) string {
	r.t.Helper()
	in, err := r.s.SignIn(r.ctx, login, demo.Password, service.From{Remote: "127.0.0.1"})
	ok(r.t, err)
	return in.Staff.Token
}

// browser is a person's browser without scripts.
type browser struct {
	r *rig
	c *http.Client
}

func (r *rig) browser() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{r, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) get(path string) (int, string, http.Header) {
	b.r.t.Helper()
	res, err := b.c.Get(b.r.base + path)
	ok(b.r.t, err)
	return read(b.r.t, res)
}

func read(t testing.TB, res *http.Response) (int, string, http.Header) {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ok(t, err)
	return res.StatusCode, string(body), res.Header
}

var csrfOf = regexp.MustCompile(`name="csrf" (?:content|value)="([^"]+)"`)

// post sends the form of a page that was just opened.
func (b *browser) post(page, path string, kv ...string) (int, string, http.Header) {
	b.r.t.Helper()
	_, body, _ := b.get(page)
	m := csrfOf.FindStringSubmatch(body)
	if m == nil {
		b.r.t.Fatalf("%s has no form", page)
	}
	v := url.Values{"csrf": {m[1]}}
	for i := 0; i+1 < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	res, err := b.c.PostForm(b.r.base+path, v)
	ok(b.r.t, err)
	return read(b.r.t, res)
}

// anyone lets every role work with one factor.
func anyone(o *service.Options) {
	p := service.DefaultPolicy()
	p.SecondFactor = nil
	o.Policy = &p
}

func contains(body string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(body, w) {
			return false
		}
	}
	return true
}
