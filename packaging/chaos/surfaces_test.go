package chaos

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"xueji/packaging/rig"
)

// surface is one listener of one real program.
type surface struct {
	name, addr string
	tls        bool
	std        bool // Go's own HTTP server: it takes a header line ended by LF alone, or folded, and answers it once
	local      bool // for this machine alone: foreign names and pages are refused
	get        string
	post       string
	pages      []string // answers that are HTML; all else must say that it is none
	others     []string
}

// Every listener of every program, as processes of their own: what each answer carries, that a foreign name or page reaches none of the local ones, and that no
// message is read as two.
func TestSurfaces(t *testing.T) {
	ports := rig.FreePorts(t, 4)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	r := rig.Seed(t, rig.Options{Pupils: 4, Env: []string{"XUEJI_TLS_LISTEN=" + at(0), "XUEJI_DEVICE_URL=https://" + at(0), "XUEJI_PUBLIC_URL=http://xueji.test"}})
	r.Serve("server")
	keys, data := r.Dir("issuer"), r.Dir("kiosk")
	rig.Run(t, r.Env, rig.Binary(t, "issuer"), "init", "--dir", keys, "--authority", "330000")
	r.Program("issuer", "issuer", "http://"+at(1)+"/readyz", "serve", "--listen", at(1), "--dir", keys, "--server", r.Base, "--token-file", filepath.Join(r.Data, "issuer.token")).Start()
	rig.Run(t, r.Env, rig.Binary(t, "kiosk"), "enrol", "--server", r.Base, "--code", r.KioskCode(kioskSchool, "大厅"), "--data", data)
	r.Program("cardsvc", "cardsvc", "http://"+at(2)+"/v1/health", "serve", "--listen", at(2), "--no-pcsc", "--simulate", "1", "--cards", r.Dir("cards"), "--roots", filepath.Join(keys, "roots.cbor"),
		"--allow-origin", "http://"+at(3), "--data", r.Dir("svc")).Start()
	r.Program("kiosk", "kiosk", "http://"+at(3)+"/readyz", "serve", "--listen", at(3), "--data", data, "--server", r.Base, "--cardsvc", "http://"+at(2)).Start()

	edge := func(name, addr string, secure bool) surface {
		return surface{name: name, addr: addr, tls: secure, get: "/livez", post: "/v1/kiosks/enrol", pages: []string{"/sign-in", "/check", "/check/XJA1.none", "/nothing", "/events"},
			others: []string{"/livez", "/readyz", "/openapi.json", "/v1/kiosk/trust", "/v1/school/pupils", "/v1/nothing", "/audit/key"}}
	}
	surfaces := []surface{
		edge("server", strings.TrimPrefix(r.Base, "http://"), false),
		edge("server, TLS", at(0), true),
		{name: "operators' port", addr: strings.TrimPrefix(r.Admin, "http://"), std: true, local: true, get: "/livez", post: "/livez", pages: []string{"/debug/pprof/"}, others: []string{"/metrics", "/livez", "/readyz", "/nothing"}},
		{name: "issuer", addr: at(1), std: true, get: "/livez", post: "/v1/relay", others: []string{"/livez", "/readyz", "/v1/relay", "/nothing"}},
		{name: "card service", addr: at(2), std: true, local: true, get: "/v1/health", post: "/v1/relay", others: []string{"/v1/health", "/v1/readers", "/v1/nothing"}},
		{name: "kiosk", addr: at(3), std: true, local: true, get: "/readyz", post: "/act", pages: []string{"/", "/staff"}, others: []string{"/readyz", "/static/kiosk.css", "/nothing"}},
	}
	h := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // what the certificate is worth is TestMutualTLS's
	ask := func(s surface, method, path, host string, more ...string) (int, http.Header, string) {
		t.Helper()
		scheme := "http"
		if s.tls {
			scheme = "https"
		}
		var body io.Reader
		if method == http.MethodPost {
			body = strings.NewReader("{}")
		}
		req, err := http.NewRequestWithContext(t.Context(), method, scheme+"://"+s.addr+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		for i := 0; i < len(more); i += 2 {
			req.Header.Set(more[i], more[i+1])
		}
		res, err := h.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", s.name, path, err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		return res.StatusCode, res.Header, string(b)
	}
	for _, s := range surfaces {
		t.Run(s.name, func(t *testing.T) {
			for i, path := range append(s.pages, s.others...) {
				_, h, body := ask(s, http.MethodGet, path, "")
				csp, kind := h.Get("Content-Security-Policy"), h.Get("Content-Type")
				html := strings.HasPrefix(kind, "text/html")
				switch {
				case !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*"):
					t.Errorf("%s: policy %q", path, csp)
				case html && i >= len(s.pages):
					t.Errorf("%s is a page, and stands among what is none", path)
				case h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "":
					t.Errorf("%s: %v", path, h)
				case len(body) > 0 && kind == "":
					t.Errorf("%s: a body of no type", path)
				case html && h.Get("Cache-Control") != "no-store":
					t.Errorf("%s: a page that may be kept: %q", path, h.Get("Cache-Control"))
				case (h.Get("Strict-Transport-Security") != "") != s.tls:
					t.Errorf("%s: HSTS %q, TLS %t", path, h.Get("Strict-Transport-Security"), s.tls)
				case h.Get("Server") != "" || h.Get("Access-Control-Allow-Origin") != "":
					t.Errorf("%s: says %q, lets in %q", path, h.Get("Server"), h.Get("Access-Control-Allow-Origin"))
				}
			}
			if s.local {
				for _, host := range []string{"evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"} {
					for _, path := range append([]string{s.get}, s.pages...) {
						if status, _, body := ask(s, http.MethodGet, path, host); status != http.StatusMisdirectedRequest && status != http.StatusForbidden || len(body) > 300 {
							t.Errorf("%s as %s: %d, %d bytes", path, host, status, len(body))
						}
					}
				}
				if status, _, _ := ask(s, http.MethodGet, s.get, "", "Origin", "https://evil.example"); status != http.StatusForbidden {
					t.Errorf("a foreign page reads %s: %d", s.get, status)
				}
			} else {
				for _, path := range s.pages {
					if status, _, _ := ask(s, http.MethodGet, path, "evil.example"); status != http.StatusMisdirectedRequest {
						t.Errorf("%s as a foreign name: %d", path, status)
					}
				}
			}
			// A page elsewhere posts: refused before it is looked at.
			for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json"} {
				if status, _, _ := ask(s, http.MethodPost, s.post, "", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Content-Type", kind); status < 400 {
					t.Errorf("a foreign page posts %s as %s: %d", s.post, kind, status)
				}
			}
			for _, method := range []string{http.MethodTrace, "TRACK", "DEBUG"} {
				if status, _, body := ask(s, method, s.get, "", "X-Mark", "echo-of-this"); status < 400 || strings.Contains(body, "echo-of-this") {
					t.Errorf("%s %s: %d", method, s.get, status)
				}
			}
			if s.tls {
				if c, err := tls.Dial("tcp", s.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
					c.Close()
					t.Error("TLS 1.1 is spoken")
				}
			}
			probe(t, s)
		})
	}
}

// probe sends what two parsers of HTTP might read differently, with a second request hidden in it: refused, or answered once; never twice.
func probe(t *testing.T, s surface) {
	host := "Host: " + s.addr + "\r\n"
	next := "GET " + s.get + " HTTP/1.1\r\nHost: " + s.addr + "\r\n\r\n"
	post := "POST " + s.post + " HTTP/1.1\r\n" + host + "Content-Type: application/json\r\n"
	get := "GET " + s.get + " HTTP/1.1\r\n"
	for name, c := range map[string]struct {
		raw     string
		lenient bool // Go's server reads it as one message and answers that; nothing is hidden in it
	}{
		"two Hosts":                      {get + host + "Host: evil\r\n\r\n", false},
		"no Host":                        {get + "\r\n", false},
		"bare LF":                        {get + host + "X-A: b\nX-C: d\r\n\r\n", true},
		"folded header":                  {get + host + "X-A: b\r\n Host: evil\r\n\r\n", true},
		"CL.TE":                          {post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + next[1:], false},
		"TE.CL":                          {post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" + next + "\r\n0\r\n\r\n", false},
		"TE with a space, and CL":        {post + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + next, false},
		"two lengths":                    {post + "Content-Length: 0\r\nContent-Length: " + strconv.Itoa(len(next)) + "\r\n\r\n" + next, false},
		"two lengths in one":             {post + "Content-Length: 0, " + strconv.Itoa(len(next)) + "\r\n\r\n" + next, false},
		"a length with a sign":           {post + "Content-Length: +0\r\n\r\n" + next, false},
		"a negative length":              {post + "Content-Length: -1\r\n\r\n" + next, false},
		"another coding":                 {post + "Transfer-Encoding: xchunked\r\n\r\n" + next, false},
		"two codings":                    {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + next, false},
		"codings in one":                 {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + next, false},
		"newline in a chunk's extension": {post + "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n" + next, false},
		"a chunk of no size":             {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + next, false},
		"a chunk larger than any":        {post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + next, false},
		"a name of nothing":              {post + ": x\r\nContent-Length: 0\r\n\r\n" + next, false},
	} {
		answer := exchange(t, s, c.raw)
		n := bytes.Count(answer, []byte("HTTP/1.1 "))
		switch {
		case n > 1:
			t.Errorf("%s: %d answers:\n%s", name, n, answer)
		case bytes.Contains(answer, []byte("HTTP/1.1 2")) && !(c.lenient && s.std):
			t.Errorf("%s: answered as if nothing were wrong:\n%s", name, answer)
		}
	}
	// The control: two honest requests are two answers, so that the count above counts.
	if n := bytes.Count(exchange(t, s, next+next), []byte("HTTP/1.1 200")); n != 2 {
		t.Errorf("two requests, %d answers", n)
	}
}

func exchange(t *testing.T, s surface, raw string) []byte {
	t.Helper()
	c, err := net.DialTimeout("tcp", s.addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var w interface{ CloseWrite() error } = c.(*net.TCPConn)
	if s.tls {
		sc := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		c, w = sc, sc
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	_ = w.CloseWrite()
	answer, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Error(fmt.Errorf("left open: %w", err))
	}
	return answer
}
