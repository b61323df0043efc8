package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/cardsim"
	"xueji/cardsvc/cardtest"
	"xueji/cardsvc/credential"
	"xueji/cardsvc/localapi"
)

// running is a cardsvc in this process with simulated readers only.
type running struct {
	t      *testing.T
	url    string
	client *localapi.Client
	stop   func()
}

// start runs `cardsvc serve`; its clock stands at cardtest.Now and runs.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	addr, ended := make(chan string, 1), make(chan error, 1)
	began := time.Now()
	var log bytes.Buffer
	go func() {
		ended <- runWith(append([]string{"serve", "--listen", "127.0.0.1:0", "--no-pcsc"}, args...), io.Discard, &log,
			terminal{ctx: ctx, now: func() time.Time { return cardtest.Now.Add(time.Since(began)) }, listen: func(a string) { addr <- a }})
	}()
	r := &running{t: t}
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		ended <- nil
		r.client.Close()
	}
	select {
	case a := <-addr:
		r.url = "http://" + a
	case err := <-ended:
		t.Fatalf("serve: %v\n%s", err, log.String())
	}
	r.client = localapi.NewClient(r.url, nil)
	t.Cleanup(r.stop)
	return r
}

func rootsFile(t *testing.T, a *cardtest.Authority) string {
	t.Helper()
	b, err := credential.EncodeRoots([]credential.Root{a.Pinned()})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "roots.cbor")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// drawer fills a card folder.
type drawer struct {
	t      *testing.T
	folder *cardsim.Folder
	p      *profiles.Profile
}

func newDrawer(t *testing.T) (*drawer, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := cardsim.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := profiles.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := set.Get(cardsim.Profile)
	return &drawer{t, f, p}, dir
}

// readers are what an enrolled reader of an authority has.
func (d *drawer) readers(a *cardtest.Authority) *localapi.Readers {
	return &localapi.Readers{Authority: a.Code, Keys: map[string][]byte{d.p.Name: cardtest.Reader(d.p, "").Reveal()}}
}

// card makes a card and lets f write to it.
func (d *drawer) card(f func(c *cardsim.Card)) string {
	d.t.Helper()
	info, err := d.folder.Create("", "")
	if err != nil {
		d.t.Fatal(err)
	}
	c, err := d.folder.Insert(info.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	if f != nil {
		f(c)
	}
	if err := c.Eject(); err != nil {
		d.t.Fatal(err)
	}
	return info.ID
}

// issue writes a pupil's record; change alters it before it is signed, spoil after.
func (d *drawer) issue(c *cardsim.Card, a *cardtest.Authority, seq uint32, change func(*credential.Public), spoil func([]byte)) {
	d.t.Helper()
	ctx := context.Background()
	if err := applet.Prepare(ctx, c, d.p, cardtest.WithKeys(d.p)); err != nil {
		d.t.Fatal(err)
	}
	r, err := applet.Read(ctx, c, d.p)
	if err != nil {
		d.t.Fatal(err)
	}
	record, sealed := a.Issue(d.t, c.Serial(), seq, change)
	if spoil != nil {
		spoil(record)
	}
	if err := applet.Write(ctx, c, d.p, r, seq, record, sealed, cardtest.WithKeys(d.p)); err != nil {
		d.t.Fatal(err)
	}
}

// otherHeader writes another check sum into the slot's header than the body has.
type otherHeader struct{ applet.Transmitter }

func (o otherHeader) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if command[1] == 0xD6 && command[4] == applet.HeaderSize {
		command = bytes.Clone(command)
		command[len(command)-1] ^= 1
	}
	return o.Transmitter.Transmit(ctx, command)
}

func TestVerdicts(t *testing.T) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		t.Run(string(suite), func(t *testing.T) { verdicts(t, suite) })
	}
}

func verdicts(t *testing.T, suite credential.Suite) {
	a, foreign := cardtest.NewAuthority(t, "330000", suite), cardtest.NewAuthority(t, "310000", suite)
	d, dir := newDrawer(t)
	r := start(t, "--roots", rootsFile(t, a), "--simulate", "1", "--cards", dir)
	ctx := context.Background()
	if err := r.client.PutTrust(ctx, localapi.Trust{Certificates: [][]byte{a.Certificate},
		StatusList: a.StatusList(t, 5, []uint32{99}, map[uint32]uint32{50: 3}), Readers: d.readers(a)}); err != nil {
		t.Fatal(err)
	}
	flip := func(b []byte) { b[len(b)-1] ^= 1 }
	good := func(c *cardsim.Card) { d.issue(c, a, 1, nil, nil) }
	for _, c := range []struct {
		name  string
		make  func(c *cardsim.Card)
		want  localapi.Verdict
		level int
	}{
		{"valid", good, localapi.VerdictValid, 1},
		{"blank", nil, localapi.VerdictBlank, 0},
		{"prepared, nothing written", func(c *cardsim.Card) {
			if err := applet.Prepare(ctx, c, d.p, cardtest.WithKeys(d.p)); err != nil {
				t.Fatal(err)
			}
		}, localapi.VerdictBlank, 0},
		{"forged", func(c *cardsim.Card) { d.issue(c, a, 1, nil, flip) }, localapi.VerdictForged, 0},
		{"a newer forged record over a good one", func(c *cardsim.Card) { good(c); d.issue(c, a, 2, nil, flip) }, localapi.VerdictValid, 1},
		{"another authority's", func(c *cardsim.Card) { d.issue(c, foreign, 1, nil, nil) }, localapi.VerdictUnknownIssuer, 0},
		{"expired", func(c *cardsim.Card) {
			d.issue(c, a, 1, func(p *credential.Public) { p.Expires = cardtest.Now.Add(-time.Hour) }, nil)
		}, localapi.VerdictExpired, 1},
		{"not yet", func(c *cardsim.Card) {
			d.issue(c, a, 1, func(p *credential.Public) { p.Issued = cardtest.Now.Add(24 * time.Hour) }, nil)
		}, localapi.VerdictNotYet, 1},
		{"revoked", func(c *cardsim.Card) { d.issue(c, a, 1, func(p *credential.Public) { p.StatusIdx = 99 }, nil) }, localapi.VerdictRevoked, 1},
		{"rolled back", func(c *cardsim.Card) { d.issue(c, a, 2, func(p *credential.Public) { p.StatusIdx = 50 }, nil) }, localapi.VerdictRolledBack, 1},
		{"a copy", func(c *cardsim.Card) {
			d.issue(c, a, 1, func(p *credential.Public) { p.ChipSerial = []byte("12345678") }, nil)
		}, localapi.VerdictWrongChip, 0},
		{"torn", func(c *cardsim.Card) {
			if err := applet.Prepare(ctx, c, d.p, cardtest.WithKeys(d.p)); err != nil {
				t.Fatal(err)
			}
			// The header stands, the body is not the one it was made for.
			record, sealed := a.Issue(t, c.Serial(), 1, nil)
			err := applet.Write(ctx, otherHeader{c}, d.p, applet.Reading{Blank: true}, 1, record, sealed, cardtest.WithKeys(d.p))
			if !errors.Is(err, applet.ErrVerify) {
				t.Fatal(err)
			}
		}, localapi.VerdictTorn, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := d.card(c.make)
			if err := r.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: id}); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.client.SimRemove(ctx, "sim-1") }()
			tap, err := r.client.Tap(ctx, "sim-1")
			if err != nil || tap.Verdict != c.want || tap.Level != c.level {
				t.Fatalf("%+v, %v; want %s level %d", tap, err, c.want, c.level)
			}
			most := 11
			if c.name != "valid" {
				most = 14 // the newest was refused: the other slot is read as well
			}
			if c.want == localapi.VerdictValid && (tap.Public == nil || tap.Public.Sequence != 1 || len(tap.Sealed) == 0 || tap.APDUs > most || tap.ListStale) {
				t.Fatalf("%+v", tap)
			}
		})
	}
	t.Run("two cards at once", func(t *testing.T) {
		for _, id := range []string{d.card(good), d.card(good)} {
			if err := r.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: id}); err != nil {
				t.Fatal(err)
			}
		}
		var e *localapi.Error
		if _, err := r.client.Tap(ctx, "sim-1"); !errors.As(err, &e) || e.Code != localapi.CodeMany {
			t.Fatalf("%v", err)
		}
		_ = r.client.SimRemove(ctx, "sim-1")
		if _, err := r.client.Tap(ctx, "sim-1"); !errors.As(err, &e) || e.Code != localapi.CodeNoCard {
			t.Fatalf("%v", err)
		}
	})
	t.Run("pulled in mid tap", func(t *testing.T) {
		for n := 1; n <= 2; n++ {
			if err := r.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: d.card(good), TearAfter: n}); err != nil {
				t.Fatal(err)
			}
			if tap, err := r.client.Tap(ctx, "sim-1"); err != nil || tap.Verdict != localapi.VerdictUnreadable {
				t.Fatalf("%+v, %v", tap, err)
			}
			_ = r.client.SimRemove(ctx, "sim-1")
		}
	})
}

func TestTrustOutlivesARestart(t *testing.T) {
	a, foreign := cardtest.NewAuthority(t, "330000", credential.ES256), cardtest.NewAuthority(t, "310000", credential.ES256)
	d, dir := newDrawer(t)
	id := d.card(func(c *cardsim.Card) { d.issue(c, a, 1, nil, nil) })
	data, roots := t.TempDir(), rootsFile(t, a)
	args := []string{"--roots", roots, "--simulate", "1", "--cards", dir, "--data", data}
	ctx := context.Background()
	tap := func(r *running) localapi.Verdict {
		t.Helper()
		if err := r.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: id}); err != nil {
			t.Fatal(err)
		}
		out, err := r.client.Tap(ctx, "sim-1")
		if err != nil {
			t.Fatal(err)
		}
		return out.Verdict
	}
	r := start(t, args...)
	if v := tap(r); v != localapi.VerdictUnknownIssuer {
		t.Fatalf("before any trust: %s", v)
	}
	list := a.StatusList(t, 7, []uint32{17}, nil)
	if err := r.client.PutTrust(ctx, localapi.Trust{Certificates: [][]byte{a.Certificate}, StatusList: list}); err != nil {
		t.Fatal(err)
	}
	var e *localapi.Error
	for name, bad := range map[string]localapi.Trust{
		"another authority's certificate": {Certificates: [][]byte{foreign.Certificate}},
		"one good, one not":               {Certificates: [][]byte{a.Certificate, foreign.Certificate}},
		"another authority's list":        {StatusList: foreign.StatusList(t, 9, nil, nil)},
		"the same number, other words":    {StatusList: a.StatusList(t, 7, nil, nil)},
		"rubbish":                         {StatusList: []byte("rubbish")},
	} {
		if err := r.client.PutTrust(ctx, bad); !errors.As(err, &e) || e.Code != localapi.CodeBadTrust {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An older list is passed over, not an error: two pages may push in any order.
	if err := r.client.PutTrust(ctx, localapi.Trust{Certificates: [][]byte{a.Certificate}, StatusList: a.StatusList(t, 6, nil, nil)}); err != nil {
		t.Fatal(err)
	}
	r.stop()

	r = start(t, args...)
	if v := tap(r); v != localapi.VerdictRevoked {
		t.Fatalf("after a restart, offline: %s", v)
	}
	if h, err := r.client.Health(ctx); err != nil || h.ListNumber != 7 || h.PCSC != "simulated" || h.Readers != 1 || !h.OK || h.ListUntil.IsZero() {
		t.Fatalf("%+v, %v", h, err)
	}
	r.stop()

	if err := os.WriteFile(filepath.Join(data, "trust.json"), []byte(`{"certificates":["AAAA"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, args...)
	if v := tap(r); v != localapi.VerdictUnknownIssuer {
		t.Fatalf("with a damaged trust file: %s", v)
	}
	if _, err := os.Stat(filepath.Join(data, "trust.json.bad")); err != nil {
		t.Fatal(err)
	}
}

// TestReadersStayInMemory: the readers' key opens the sealed record until the service is restarted, is replaced and forgotten as it is pushed, and is never on the disk.
func TestReadersStayInMemory(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	d, dir := newDrawer(t)
	id := d.card(func(c *cardsim.Card) { d.issue(c, a, 1, nil, nil) })
	data := t.TempDir()
	args := []string{"--roots", rootsFile(t, a), "--simulate", "1", "--cards", dir, "--data", data}
	ctx := context.Background()
	r := start(t, args...)
	opens := func(what string, want bool) {
		t.Helper()
		if err := r.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: id}); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.client.SimRemove(ctx, "sim-1") }()
		got, err := r.client.Tap(ctx, "sim-1")
		if err != nil || got.Verdict != localapi.VerdictValid || got.Guarded == want || (len(got.Sealed) > 0) != want || got.Level != 1 {
			t.Fatalf("%s: %s, guarded %t, %d bytes sealed, %v", what, got.Verdict, got.Guarded, len(got.Sealed), err)
		}
	}
	push := func(readers *localapi.Readers) error {
		return r.client.PutTrust(ctx, localapi.Trust{Certificates: [][]byte{a.Certificate}, StatusList: a.StatusList(t, 7, nil, nil), Readers: readers})
	}
	put := func(readers *localapi.Readers) {
		t.Helper()
		if err := push(readers); err != nil {
			t.Fatal(err)
		}
	}
	put(nil)
	opens("no key", false)
	put(d.readers(a))
	opens("the key", true)
	put(nil)
	opens("pushed without: it stays", true)
	for name, bad := range map[string]*localapi.Readers{
		"short": {Authority: a.Code, Keys: map[string][]byte{d.p.Name: {1, 2, 3}}},
		"none":  {Authority: a.Code, Keys: map[string][]byte{d.p.Name: nil}},
	} {
		var e *localapi.Error
		if err := push(bad); !errors.As(err, &e) || e.Code != localapi.CodeBadTrust {
			t.Errorf("%s: %v", name, err)
		}
	}
	opens("after refused ones", true)
	foreign := d.readers(a)
	foreign.Authority = "310000"
	put(foreign)
	opens("another authority's", false)
	put(d.readers(a))
	opens("the key again", true)
	put(&localapi.Readers{})
	opens("taken away", false)
	put(d.readers(a))
	key := cardtest.Reader(d.p, "").Reveal()
	err := filepath.WalkDir(data, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, form := range []string{string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key)} {
			if strings.Contains(strings.ToLower(string(b)), strings.ToLower(form)) {
				t.Errorf("the key stands in %s", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = start(t, args...)
	opens("after a restart", false)
	put(d.readers(a))
	opens("pushed again", true)
}

func TestTwoServicesShareAFolder(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	d, dir := newDrawer(t)
	id := d.card(nil)
	one, two := start(t, "--roots", rootsFile(t, a), "--simulate", "1", "--cards", dir), start(t, "--roots", rootsFile(t, a), "--simulate", "1", "--cards", dir)
	ctx := context.Background()
	if err := one.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: id}); err != nil {
		t.Fatal(err)
	}
	var e *localapi.Error
	if err := two.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: id}); !errors.As(err, &e) || e.Code != localapi.CodeSimLocked {
		t.Fatalf("%v", err)
	}
	one.stop() // its cards go back
	if err := two.client.SimInsert(ctx, "sim-1", localapi.SimInsert{Card: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := two.client.Check(ctx, "sim-1", localapi.TapRequest{}); !errors.As(err, &e) || e.Code != localapi.CodeNoIssuer {
		t.Errorf("a check without an issuer: %v", err)
	}
	if _, err := two.client.Relay(ctx, "sim-1", "T"); !errors.As(err, &e) || e.Code != localapi.CodeNoIssuer {
		t.Fatalf("%v", err)
	}
}

func TestWhoMayAsk(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	_, dir := newDrawer(t)
	r := start(t, "--roots", rootsFile(t, a), "--simulate", "1", "--cards", dir, "--allow-origin", "http://127.0.0.1:7030", "--allow-origin", "https://Console.example/")
	json := "application/json"
	for _, c := range []struct {
		name, method, path, body string
		host                     string
		header                   map[string]string
		want                     int
		then                     map[string]string // answer headers
	}{
		{"no page", "GET", "/v1/readers", "", "", nil, 200, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"an allowed page", "GET", "/v1/readers", "", "", map[string]string{"Origin": "http://127.0.0.1:7030"}, 200,
			map[string]string{"Access-Control-Allow-Origin": "http://127.0.0.1:7030", "Vary": "Origin", "Cache-Control": "no-store"}},
		{"capitals", "GET", "/v1/readers", "", "", map[string]string{"Origin": "https://console.example"}, 200, nil},
		{"another page", "GET", "/v1/readers", "", "", map[string]string{"Origin": "http://evil.example"}, 403, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"null", "GET", "/v1/readers", "", "", map[string]string{"Origin": "null"}, 403, nil},
		{"another port", "GET", "/v1/readers", "", "", map[string]string{"Origin": "http://127.0.0.1:7031"}, 403, nil},
		{"another site without an origin", "GET", "/v1/readers", "", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, nil},
		{"rebound name", "GET", "/v1/readers", "", "evil.example:7021", nil, 403, nil},
		{"localhost", "GET", "/v1/readers", "", "localhost:7021", nil, 200, nil},
		{"IPv6", "GET", "/v1/readers", "", "[::1]:7021", nil, 200, nil},
		{"preflight", "OPTIONS", "/v1/readers/sim-1/tap", "", "",
			map[string]string{"Origin": "http://127.0.0.1:7030", "Access-Control-Request-Method": "POST", "Access-Control-Request-Private-Network": "true"}, 204,
			map[string]string{"Access-Control-Allow-Private-Network": "true", "Access-Control-Allow-Methods": "GET, POST, PUT"}},
		{"preflight of another page", "OPTIONS", "/v1/readers/sim-1/tap", "", "",
			map[string]string{"Origin": "http://evil.example", "Access-Control-Request-Private-Network": "true"}, 403, map[string]string{"Access-Control-Allow-Private-Network": ""}},
		{"a form", "POST", "/v1/readers/sim-1/tap", "a=b", "", map[string]string{"Content-Type": "text/plain"}, 415, nil},
		{"wrong method", "DELETE", "/v1/readers", "", "", nil, 405, map[string]string{"Allow": "GET"}},
		{"no such path", "GET", "/v2", "", "", nil, 404, nil},
		{"no such reader", "POST", "/v1/readers/none/tap", "{}", "", map[string]string{"Content-Type": json}, 404, nil},
		{"empty reader", "POST", "/v1/readers/sim-1/tap", "{}", "", map[string]string{"Content-Type": json}, 409, nil},
		{"not JSON", "PUT", "/v1/trust", "<", "", map[string]string{"Content-Type": json}, 400, nil},
		{"empty trust", "PUT", "/v1/trust", "{}", "", map[string]string{"Content-Type": json}, 400, nil},
		{"too long", "POST", "/v1/readers/sim-1/tap", strings.Repeat(" ", 65<<10), "", map[string]string{"Content-Type": json}, 413, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequest(c.method, r.url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.host != "" {
				req.Host = c.host
			}
			for k, v := range c.header {
				req.Header.Set(k, v)
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.want {
				t.Fatalf("%d %s, want %d", resp.StatusCode, body, c.want)
			}
			if c.want >= 400 && !bytes.Contains(body, []byte(`"code"`)) {
				t.Fatalf("an error without a code: %s", body)
			}
			for k, v := range c.then {
				if resp.Header.Get(k) != v {
					t.Errorf("%s: %q, want %q", k, resp.Header.Get(k), v)
				}
			}
		})
	}
}

// The stream begins with the present state; stopping ends open streams at once and leaves no goroutine.
func TestEventsAndStop(t *testing.T) {
	before := runtime.NumGoroutine()
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	d, dir := newDrawer(t)
	id := d.card(nil)
	r := start(t, "--roots", rootsFile(t, a), "--simulate", "2", "--cards", dir)
	ctx := context.Background()
	if err := r.client.SimInsert(ctx, "sim-2", localapi.SimInsert{Card: id}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(r.url + localapi.PathEvents)
	if err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(resp.Body)
	var states []string
	for len(states) < 2 && sc.Scan() {
		if line, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
			for _, s := range []string{"empty", "card"} {
				if strings.Contains(line, fmt.Sprintf("%q", s)) {
					states = append(states, s)
				}
			}
		}
	}
	if len(states) < 2 {
		t.Fatalf("%v", states)
	}
	r.stop()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Logf("stream ended: %v", err)
	}
	_ = resp.Body.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for range 500 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Fatalf("goroutines left: %d > %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

func TestCommandLine(t *testing.T) {
	a := cardtest.NewAuthority(t, "330000", credential.ES256)
	roots, dir := rootsFile(t, a), t.TempDir()
	rubbish := filepath.Join(dir, "rubbish")
	if err := os.WriteFile(rubbish, []byte("rubbish"), 0o644); err != nil {
		t.Fatal(err)
	}
	record, _ := a.Issue(t, []byte("12345678"), 1, nil)
	recordFile, certFile := filepath.Join(dir, "record"), filepath.Join(dir, "cert")
	_ = os.WriteFile(recordFile, record, 0o644)
	_ = os.WriteFile(certFile, a.Certificate, 0o644)
	for _, c := range []struct {
		name string
		args []string
		out  string
		want string // in the error; "" is success
	}{
		{"version", []string{"version"}, "cardsvc", ""},
		{"help", []string{"serve", "--help"}, "--allow-origin", ""},
		{"unknown flag", []string{"serve", "--roots", roots, "--loud"}, "", "unknown flag"},
		{"no roots", []string{"serve"}, "", "--roots"},
		{"roots that are none", []string{"serve", "--roots", rubbish}, "", "roots file"},
		{"missing roots", []string{"serve", "--roots", filepath.Join(dir, "none")}, "", "issuer init"},
		{"beyond this machine", []string{"serve", "--roots", roots, "--listen", "0.0.0.0:0"}, "", "127.0.0.1"},
		{"a name beyond this machine", []string{"serve", "--roots", roots, "--listen", "example.org:80"}, "", "127.0.0.1"},
		{"a wildcard origin", []string{"serve", "--roots", roots, "--allow-origin", "*"}, "", "origin"},
		{"an origin with a path", []string{"serve", "--roots", roots, "--allow-origin", "http://a/b"}, "", "origin"},
		{"an issuer that is no URL", []string{"serve", "--roots", roots, "--issuer", "127.0.0.1:7010"}, "", "issuer URL"},
		{"no readers at all", []string{"serve", "--roots", roots, "--no-pcsc"}, "", "no readers"},
		{"simulated readers without a folder", []string{"serve", "--roots", roots, "--simulate", "1"}, "", "--cards"},
		{"too many simulated readers", []string{"serve", "--roots", roots, "--simulate", "99", "--cards", dir}, "", "1–8"},
		{"verify a record in a file", []string{"verify", "--roots", roots, "--cert", certFile, "--record", recordFile}, "valid", ""},
		{"verify without the certificate", []string{"verify", "--roots", roots, "--record", recordFile, "--json"}, "unknown_issuer", "not good"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := runWith(c.args, &out, io.Discard, terminal{ctx: context.Background(), now: func() time.Time { return cardtest.Now }, log: slog.New(slog.DiscardHandler), listen: func(string) {}})
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) || !strings.Contains(out.String(), c.out) {
				t.Fatalf("%v, want %q; out %s", err, c.want, out.String())
			}
		})
	}
}
