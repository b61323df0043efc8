package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
	"xueji/server/internal/openapi/openapitest"
	"xueji/server/registry"
)

// server is the real program on port 0 over a seeded SQLite register.
type server struct {
	addr, admin, data string
	stop              context.CancelFunc
	done              chan error
	token             string
	summary           struct {
		Accounts []struct{ Login, Password, Role string }
		Kiosk    string `json:"kiosk_school"`
		PIN      string `json:"pin"`
		Workbook string `json:"workbook"`
	}
}

func seeded(t *testing.T, pupils int) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "server")
	err := Run(t.Context(), []string{"seed", "--data", data, "--pupils", fmt.Sprint(pupils), "--out", filepath.Join(data, "demo")}, io.Discard, Options{Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func start(t *testing.T, data string, more ...string) *server {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &server{data: data, stop: stop, done: make(chan error, 1)}
	ready := make(chan [2]string, 1)
	go func() {
		s.done <- Run(ctx, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, more...), io.Discard,
			Options{Version: "test", Stderr: io.Discard, Ready: func(a, b string) { ready <- [2]string{a, b} }})
	}()
	select {
	case a := <-ready:
		s.addr, s.admin = a[0], a[1]
	case err := <-s.done:
		t.Fatalf("did not start: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(data, "issuer.token"))
	if err != nil {
		t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(b))
	if b, err := os.ReadFile(filepath.Join(data, "demo", "summary.json")); err == nil {
		if err := json.Unmarshal(b, &s.summary); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.end(t) })
	return s
}

func (s *server) end(t *testing.T) {
	s.stop()
	if err := <-s.done; err != nil {
		t.Errorf("ended with %v", err)
	}
	s.done <- nil
}

func (s *server) url(path string) string { return "http://" + s.addr + path }

// browser is a person's browser: cookies, no redirects followed by itself.
type browser struct {
	t *testing.T
	s *server
	c *http.Client
}

func (s *server) browser(t *testing.T) *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{t, s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) get(path string) (int, string, http.Header) {
	b.t.Helper()
	r, err := b.c.Get(b.s.url(path))
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(body), r.Header
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func (b *browser) csrf(path string) string {
	b.t.Helper()
	_, body, _ := b.get(path)
	m := csrfField.FindStringSubmatch(body)
	if m == nil {
		b.t.Fatalf("no CSRF token on %s", path)
	}
	return m[1]
}

func (b *browser) post(path string, v url.Values) (int, string, http.Header) {
	b.t.Helper()
	r, err := b.c.PostForm(b.s.url(path), v)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(body), r.Header
}

func (b *browser) signIn(login, password string) int {
	b.t.Helper()
	st, _, _ := b.post("/sign-in", url.Values{"csrf": {b.csrf("/sign-in")}, "login": {login}, "password": {password}})
	return st
}

func (s *server) password(t *testing.T, login string) string {
	for _, a := range s.summary.Accounts {
		if a.Login == login {
			return a.Password
		}
	}
	t.Fatalf("no account %s printed", login)
	return ""
}

func TestPeople(t *testing.T) {
	s := start(t, seeded(t, 300))
	b := s.browser(t)

	if st, body, _ := b.get("/readyz"); st != 200 || !strings.HasPrefix(body, "ready") {
		t.Fatalf("readyz: %d %q", st, body)
	}
	if st, _, h := b.get("/todo"); st != http.StatusSeeOther || h.Get("Location") != "/sign-in?next=%2Ftodo" {
		t.Fatalf("without a session: %d %s", st, h.Get("Location"))
	}
	if st := b.signIn("registrar.yunhe", "wrong"); st != http.StatusUnauthorized {
		t.Fatalf("wrong password: %d", st)
	}
	if st, _, _ := b.post("/sign-in", url.Values{"login": {"registrar.yunhe"}, "password": {s.password(t, "registrar.yunhe")}}); st != http.StatusForbidden {
		t.Fatalf("sign-in without a CSRF token: %d", st)
	}
	if st := b.signIn("registrar.yunhe", s.password(t, "registrar.yunhe")); st != http.StatusSeeOther {
		t.Fatalf("sign-in: %d", st)
	}
	for _, c := range b.c.Jar.Cookies(&url.URL{Scheme: "http", Host: s.addr}) {
		if c.Name == "xj_session" && len(c.Value) < 40 {
			t.Error("a short session token")
		}
	}
	st, body, h := b.get("/todo")
	if st != 200 || !strings.Contains(body, "待办") {
		t.Fatalf("to-do: %d", st)
	}
	if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe-inline") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("CSP %q", csp)
	}
	if st, _, _ := b.get("/pupils/aaaaaaaaaaaaaaaaaaaaaaaaaa"); st != http.StatusNotFound {
		t.Errorf("a pupil that is not: %d", st)
	}
	if st, _, _ := b.get("/cards"); st == 200 {
		t.Errorf("the issuing screen for a registrar: %d", st)
	}
	// Another site's form, and a token of another browser.
	token := b.csrf("/enrol")
	req, _ := http.NewRequest(http.MethodPost, s.url("/sign-out"), strings.NewReader(url.Values{"csrf": {token}}.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "http://evil.example")
	if r, err := b.c.Do(req); err != nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("cross-site post: %v %v", r.StatusCode, err)
	}
	other := s.browser(t)
	if st, _, _ := b.post("/sign-out", url.Values{"csrf": {other.csrf("/sign-in")}}); st != http.StatusForbidden {
		t.Errorf("another browser's token: %d", st)
	}

	// A workbook goes in, live news come, the marked workbook comes back.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ev, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url("/events"), nil)
	stream, err := b.c.Do(ev)
	if err != nil || !strings.HasPrefix(stream.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("events: %v", err)
	}
	defer stream.Body.Close()
	page := b.upload("/enrol/imports", "workbook", s.summary.Workbook, token)
	lines := bufio.NewScanner(stream.Body)
	for heard := false; !heard; {
		if !lines.Scan() {
			t.Fatal("the event stream ended")
		}
		heard = lines.Text() == "event: import"
	}
	var state struct{ State string }
	for end := time.Now().Add(30 * time.Second); state.State != "done"; {
		if time.Now().After(end) {
			t.Fatalf("import stands at %q", state.State)
		}
		_, body, _ = b.get(page + "/state")
		if err := json.Unmarshal([]byte(body), &state); err != nil {
			t.Fatal(err)
		}
	}
	if st, body, _ := b.get(page + "/marked.xlsx"); st != 200 || !strings.HasPrefix(body, "PK") {
		t.Errorf("marked workbook: %d", st)
	}
	if st, _, _ := b.post("/sign-out", url.Values{"csrf": {token}}); st != http.StatusSeeOther {
		t.Errorf("sign-out: %d", st)
	}
	if st, _, _ := b.get("/todo"); st != http.StatusSeeOther {
		t.Errorf("signed out, and still in: %d", st)
	}
}

func (b *browser) upload(path, field, file, token string) (location string) {
	b.t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	_ = m.WriteField("csrf", token)
	f, _ := m.CreateFormFile(field, filepath.Base(file))
	_, _ = f.Write(content)
	m.Close()
	r, err := b.c.Post(b.s.url(path), m.FormDataContentType(), &body)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusSeeOther {
		text, _ := io.ReadAll(r.Body)
		b.t.Fatalf("upload: %d %.300s", r.StatusCode, text)
	}
	u, _ := url.Parse(r.Header.Get("Location"))
	return u.Path
}

func TestSignInIsSlowedDown(t *testing.T) {
	s := start(t, seeded(t, 0))
	b := s.browser(t)
	last := 0
	for range 11 {
		last = b.signIn("registrar.yunhe", "guess")
	}
	if last != http.StatusTooManyRequests {
		t.Fatalf("the eleventh guess: %d", last)
	}
	if st := b.signIn("leader.yunhe", s.password(t, "leader.yunhe")); st != http.StatusSeeOther {
		t.Fatalf("somebody else is shut out: %d", st)
	}
}

func wantCode(t *testing.T, what string, err error, want registry.Code) {
	t.Helper()
	if got := registry.CodeOf(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

// Devices and the issuer through the typed clients.
func TestMachines(t *testing.T) {
	data := seeded(t, 0)
	s := start(t, data)
	ctx := t.Context()
	wire := openapitest.New(t)
	issuer := api.NewIssuerClient(s.url(""), s.token, wire.Client())
	wantCode(t, "a wrong token", api.NewIssuerClient(s.url(""), "x"+s.token, wire.Client()).PutCertificates(ctx, api.Certificates{}), registry.CodeForbidden)

	// The operator's command makes the code while the server runs on the same file.
	var code bytes.Buffer
	if err := Run(ctx, []string{"kiosk-code", "--data", data, "--school", s.summary.Kiosk, "--name", "大厅"}, &code, Options{Stderr: io.Discard}); err != nil {
		t.Fatal(err)
	}
	pub, key, _ := ed25519.GenerateKey(rand.Reader)
	seal := sha256.Sum256(pub)
	enrol := api.EnrolRequest{Code: strings.ToLower(strings.TrimSpace(code.String())), PublicKey: pub, SealKey: seal[:]}
	_, err := api.Enrol(ctx, s.url(""), enrol, nil)
	wantCode(t, "enrol before the issuer", err, registry.CodeUnavailable)

	root, _ := credential.GenerateKey(credential.SM2, rand.Reader)
	signer, _ := credential.GenerateKey(credential.SM2, rand.Reader)
	roots, _ := credential.EncodeRoots([]credential.Root{credential.RootOf(root, "330000")})
	now := time.Now()
	cert, err := credential.SignCertificate(credential.Certificate{Suite: credential.SM2, PublicKey: signer.PublicKey(), Authority: "330000", NotBefore: now.Add(-time.Hour),
		NotAfter: now.AddDate(1, 0, 0)}, root)
	if err != nil {
		t.Fatal(err)
	}
	if err := issuer.PutCertificates(ctx, api.Certificates{Roots: roots, Certificates: [][]byte{cert}}); err != nil {
		t.Fatal(err)
	}
	stranger, _ := credential.GenerateKey(credential.ES256, rand.Reader)
	wrong, _ := credential.EncodeRoots([]credential.Root{credential.RootOf(stranger, "330000")})
	wantCode(t, "other roots later", issuer.PutCertificates(ctx, api.Certificates{Roots: wrong}), registry.CodeConflict)
	rev, err := issuer.Revocations(ctx)
	if err != nil {
		t.Fatal(err)
	}
	list, err := credential.SignStatusList(credential.StatusList{Authority: "330000", Number: rev.Number + 1, Issued: now, Expires: now.Add(24 * time.Hour), Revoked: rev.Revoked}, signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := issuer.PutStatusList(ctx, api.SignedList{Number: rev.Number + 1, List: list}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a list under another number", issuer.PutStatusList(ctx, api.SignedList{Number: rev.Number + 9, List: list}), registry.CodeInvalid)

	reply, err := api.Enrol(ctx, s.url(""), enrol, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = api.Enrol(ctx, s.url(""), enrol, nil)
	wantCode(t, "the code again", err, registry.CodeNotFound)

	d := api.NewDeviceClient(s.url(""), reply.KioskID, key, time.Now, wire.Client())
	if dir, err := d.Directory(ctx); err != nil || len(dir.Schools) != 12 {
		t.Fatalf("directory: %d %v", len(dir.Schools), err)
	}
	if tr, err := d.Trust(ctx); err != nil || len(tr.Certificates) != 1 || !bytes.Equal(tr.StatusList, list) {
		t.Fatalf("trust: %v", err)
	}
	if h, err := d.Heartbeat(ctx, api.Heartbeat{Version: "test"}); err != nil || time.Since(h.Now).Abs() > time.Minute {
		t.Fatalf("heartbeat: %v", err)
	}
	devs, err := issuer.Devices(ctx)
	if err != nil || len(devs) != 2 || devs[0].KioskID != api.ConsoleDevice || devs[1].KioskID != reply.KioskID {
		t.Fatalf("devices: %v %v", devs, err)
	}
	var printed bytes.Buffer
	if err := Run(ctx, []string{"reading-key", "--data", s.data}, &printed, Options{Stderr: io.Discard}); err != nil || !strings.HasPrefix(printed.String(), fmt.Sprintf("%x\nfingerprint ", devs[0].SealKey)) {
		t.Fatalf("the key to pin is not the one that the register reads under: %q %v", printed.String(), err)
	}
	if err := issuer.PutSealedKeys(ctx, api.SealedKeys{Keys: map[string]map[uint16][]byte{reply.KioskID: {1: []byte("sealed")}}}); err != nil {
		t.Fatal(err)
	}
	if tr, err := d.Trust(ctx); err != nil || string(tr.ReadingKeys[1]) != "sealed" {
		t.Fatalf("sealed keys: %v", err)
	}
	if err := issuer.PutEpochs(ctx, api.Epochs{Newest: 2, Kept: []uint16{1, 2}}); err != nil {
		t.Fatal(err)
	}
	if e, err := issuer.Epochs(ctx); err != nil || e.Newest != 2 || len(e.Kept) != 2 {
		t.Fatalf("epochs: %+v %v", e, err)
	}
	wantCode(t, "an older copy of the issuer", issuer.PutEpochs(ctx, api.Epochs{Newest: 1, Kept: []uint16{1}}), registry.CodeConflict)
	if err := issuer.PutEpochs(ctx, api.Epochs{Newest: 2, Kept: []uint16{2}}); err != nil {
		t.Fatal(err)
	}
	if tr, err := d.Trust(ctx); err != nil || len(tr.ReadingKeys) != 0 {
		t.Fatalf("keys of an epoch that is over: %d %v", len(tr.ReadingKeys), err)
	}
	sess, err := d.SignIn(ctx, api.SignIn{Login: "registrar.yunhe", Password: s.password(t, "registrar.yunhe")})
	if err != nil || sess.Token == "" {
		t.Fatalf("staff at the kiosk: %v", err)
	}
	_, err = d.SignIn(ctx, api.SignIn{Login: "registrar.qingshi", Password: s.password(t, "registrar.qingshi")})
	wantCode(t, "staff of another school", err, registry.CodeForbidden)
	_, err = d.Status(ctx, api.StatusRequest{Card: api.CardProof{Record: []byte("no card"), ChipSerial: []byte{1, 2, 3, 4}}})
	wantCode(t, "no card", err, registry.CodeCard)

	// A batch, its receipt, its outcome.
	payload, _ := json.Marshal(api.Event{Seq: 1, ID: strings.Repeat("a", 26), At: now, Tap: &api.TapEvent{Verdict: "forged"}})
	b := api.Batch{Kiosk: reply.KioskID, FirstSeq: 1, PrevHash: api.ChainZero(), Payloads: [][]byte{payload}}
	b.Sign(key)
	rec, err := d.Send(ctx, b)
	if err != nil || !rec.Verify(reply.ReceiptKey) || rec.HighWater != 1 {
		t.Fatalf("receipt %+v %v", rec, err)
	}
	for end := time.Now().Add(time.Minute); ; {
		out, err := d.Outcomes(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) == 1 && out[0].State == "applied" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("outcomes %+v", out)
		}
		time.Sleep(5 * time.Millisecond)
	}

	// Who is not the device, or not now, or not for the first time.
	_, otherKey, _ := ed25519.GenerateKey(rand.Reader)
	for what, c := range map[string]*api.DeviceClient{
		"another key":      api.NewDeviceClient(s.url(""), reply.KioskID, otherKey, time.Now, wire.Client()),
		"an unknown id":    api.NewDeviceClient(s.url(""), "k-aaaaaaaaaaaa", key, time.Now, wire.Client()),
		"a clock behind":   api.NewDeviceClient(s.url(""), reply.KioskID, key, func() time.Time { return time.Now().Add(-6 * time.Minute) }, wire.Client()),
		"a clock in front": api.NewDeviceClient(s.url(""), reply.KioskID, key, func() time.Time { return time.Now().Add(6 * time.Minute) }, wire.Client()),
	} {
		_, err := c.Directory(ctx)
		wantCode(t, what, err, registry.CodeForbidden)
	}
	req, _ := http.NewRequest(http.MethodGet, s.url(api.PathDirectory), nil)
	req.Header.Set(api.HeaderDevice, api.SignRequest(reply.KioskID, key, http.MethodGet, api.PathDirectory, time.Now(), nil))
	for i, want := range []int{200, 401} {
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("request %d with one nonce: %d, want %d", i, r.StatusCode, want)
		}
	}
	// The signature covers the query and the body.
	req.Header.Set(api.HeaderDevice, api.SignRequest(reply.KioskID, key, http.MethodGet, api.PathOutcomes+"?after=0", time.Now(), nil))
	req.URL.Path, req.URL.RawQuery = api.PathOutcomes, "after=1"
	if r, err := http.DefaultClient.Do(req); err != nil || r.StatusCode != 401 {
		t.Errorf("a changed query: %v %v", r.StatusCode, err)
	}
}

// Each probe must be refused with the connection closed, or answered once: two answers to one message is how requests are smuggled.
func TestSmuggling(t *testing.T) {
	s := start(t, seeded(t, 0))
	host := "Host: " + s.addr + "\r\n"
	const next = "GET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n"
	for name, raw := range map[string]string{
		"two Hosts":              "GET /livez HTTP/1.1\r\n" + host + "Host: evil\r\n\r\n",
		"no Host":                "GET /livez HTTP/1.1\r\n\r\n",
		"empty Host":             "GET /livez HTTP/1.1\r\nHost: \r\n\r\n",
		"bare LF":                "GET /livez HTTP/1.1\r\n" + host + "X-A: b\nX-C: d\r\n\r\n",
		"CL and TE":              "POST /v1/kiosks/enrol HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
		"two CL":                 "POST /v1/kiosks/enrol HTTP/1.1\r\n" + host + "Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + next,
		"space before the colon": "POST /v1/kiosks/enrol HTTP/1.1\r\n" + host + "Content-Length : 5\r\n\r\nhello" + next,
		"TE not chunked":         "POST /v1/kiosks/enrol HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n" + next,
		"two TE":                 "POST /v1/kiosks/enrol HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + next,
		"newline in a chunk ext": "POST /v1/kiosks/enrol HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n" + next,
		"folded header":          "GET /livez HTTP/1.1\r\n" + host + "X-A: b\r\n Host: evil\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, raw); err != nil {
				t.Fatal(err)
			}
			_ = c.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(c)
			if n := bytes.Count(answer, []byte("HTTP/1.1 ")); n > 1 {
				t.Fatalf("%d answers:\n%s", n, answer)
			}
			if bytes.Contains(answer, []byte("HTTP/1.1 200")) || bytes.Contains(answer, []byte("alive")) {
				t.Fatalf("answered as if nothing were wrong:\n%s", answer)
			}
		})
	}
}

// Every body is small unless its route says otherwise, and the limit bites before the body is read.
func TestBodyLimits(t *testing.T) {
	s := start(t, seeded(t, 0))
	for path, size := range map[string]int{"/v1/kiosks/enrol": 300 << 10, "/sign-in": 300 << 10, api.PathBatches: 9 << 20, api.PathExchange: 24 << 20, "/enrol/imports": 17 << 20} {
		r, err := http.Post(s.url(path), "application/json", bytes.NewReader(make([]byte, size)))
		if err != nil {
			continue // cut off while sending: refused as well
		}
		r.Body.Close()
		if r.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s with %d bytes: %d", path, size, r.StatusCode)
		}
	}
}

func TestEndsGracefully(t *testing.T) {
	s := start(t, seeded(t, 0))
	b := s.browser(t)
	b.signIn("registrar.yunhe", s.password(t, "registrar.yunhe"))
	r, err := b.c.Get(s.url("/events")) // an open stream must not hold the end up
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	began := time.Now()
	s.end(t)
	if d := time.Since(began); d >= drain {
		t.Fatalf("took %s", d)
	}
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Fatal("still listening")
	}
}

func TestCommandLine(t *testing.T) {
	data := t.TempDir()
	for _, args := range [][]string{{"serve", "--nonsense"}, {"serve", "--listen", "nowhere", "--data", data}, {"serve", "--database-url", "mysql://x", "--data", data},
		{"serve", "--redis-url", "http://x", "--data", data}, {"kiosk-code", "--school", "1234567890", "--name", "x", "--data", data}, {"dance"}} {
		if err := Run(t.Context(), args, io.Discard, Options{Stderr: io.Discard}); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	var out bytes.Buffer
	if err := Run(t.Context(), []string{"version"}, &out, Options{Version: "1.2"}); err != nil || !strings.Contains(out.String(), "1.2") {
		t.Errorf("version: %q %v", out.String(), err)
	}
	full := seeded(t, 10)
	if err := Run(t.Context(), []string{"seed", "--data", full, "--pupils", "1"}, io.Discard, Options{Stderr: io.Discard}); err == nil {
		t.Error("seeded over a register in use")
	}
	key := filepath.Join(full, "server.key")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), []string{"kiosk-code", "--school", "2133010017", "--name", "x", "--data", full}, io.Discard, Options{Stderr: io.Discard}); err == nil {
		t.Error("a key that others may read was taken")
	}
}

// TestLogGoesElsewhere: what the running server logs comes to the other machine as well: its start, who was kept out, its end; and the checkpoints of the audit log, which `audit verify` takes.
func TestLogGoesElsewhere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	took := make(chan string, 10000)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					n := 0
					if _, err := fmt.Fscanf(r, "%d ", &n); err != nil {
						return
					}
					b := make([]byte, n)
					if _, err := io.ReadFull(r, b); err != nil {
						return
					}
					_, line, _ := strings.Cut(string(b), "] ")
					took <- line
				}
			}()
		}
	}()
	until := func(word string) string {
		t.Helper()
		for {
			select {
			case line := <-took:
				if strings.Contains(line, word) {
					return line
				}
			case <-time.After(time.Minute):
				t.Fatalf("%q did not come", word)
			}
		}
	}
	s := start(t, seeded(t, 5), "--log-to", "tcp://"+ln.Addr().String(), "--no-practice")
	until(`"serving"`)
	b := s.browser(t)
	b.signIn("registrar.yunhe", s.password(t, "registrar.yunhe"))
	if st, _, _ := b.post("/pupils", url.Values{"csrf": {"forged"}, "q": {"欧阳"}}); st != http.StatusForbidden {
		t.Fatal(st)
	}
	if line := until(`"csrf"`); strings.Contains(line, "欧阳") || strings.Contains(line, "registrar.yunhe") {
		t.Fatal(line)
	}
	s.stop()
	until(`"ended"`)
	if err := Run(t.Context(), []string{"serve", "--data", s.data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-to", "tcp://log.example.cn:601"}, io.Discard, Options{Stderr: io.Discard}); err == nil || !strings.Contains(err.Error(), "--log-to") {
		t.Fatalf("in clear to another machine: %v", err)
	}
}

func TestLogKeepsSecrets(t *testing.T) {
	var out bytes.Buffer
	log := newLog(&out, "info")
	log.Info("x", "password", "hunter2", "Token", "abc", "pupil", "欧阳", "kiosk", "k-1")
	if s := out.String(); strings.Contains(s, "hunter2") || strings.Contains(s, "abc") || strings.Contains(s, "欧阳") || !strings.Contains(s, "k-1") {
		t.Error(s)
	}
	// One line of JSON an entry, whatever is in it, with a time that says its zone.
	out.Reset()
	log.Warn("a\nb", "err", errors.New("x\n{\"msg\":\"y\"}\u2028\x1b[2J"), "n\nm", 1)
	var m struct {
		Time       time.Time
		Level, Msg string
	}
	if err := json.Unmarshal(out.Bytes(), &m); err != nil || strings.Count(out.String(), "\n") != 1 || strings.ContainsAny(out.String(), "\x1b\u2028") || m.Time.IsZero() || m.Level != "WARN" || m.Msg != "a\nb" {
		t.Errorf("%q %v", out.String(), err)
	}
}
