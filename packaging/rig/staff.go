package rig

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Staff is a member of staff's browser at the console: cookies and forms, no script. Redirects are not followed. One goroutine at a time.
type Staff struct {
	t    testing.TB
	base string
	c    *http.Client
	csrf string
}

var csrfField = regexp.MustCompile(`name="csrf" (?:value|content)="([^"]+)"`)

// SignIn is a new session of an account. Several may be open at once.
func (r *Register) SignIn(login string) *Staff {
	r.T.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.T.Fatal(err)
	}
	s := &Staff{t: r.T, base: r.Base, c: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	s.Get("/sign-in")
	if code, body := s.Post("/sign-in", url.Values{"login": {login}, "password": {r.Password}}); code != http.StatusSeeOther {
		r.T.Fatalf("%s cannot sign in: %d\n%.300s", login, code, body)
	}
	s.Get("/help") // the session has a form token of its own
	return s
}

// Get fetches a page and remembers its form token.
func (s *Staff) Get(path string) (int, string) {
	s.t.Helper()
	resp, err := s.c.Get(s.base + path)
	return s.read(resp, err)
}

// Post sends a form with the last page's token.
func (s *Staff) Post(path string, v url.Values) (int, string) {
	s.t.Helper()
	form := url.Values{"csrf": {s.csrf}}
	for k, x := range v {
		form[k] = x
	}
	resp, err := s.c.Post(s.base+path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	return s.read(resp, err)
}

// Found is the address that a search posted to path leads to: what is searched for stands in no other.
func (s *Staff) Found(path, q string) string {
	s.t.Helper()
	c := *s.c
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Post(s.base+path, "application/x-www-form-urlencoded", strings.NewReader(url.Values{"csrf": {s.csrf}, "q": {q}}.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	to := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, path) {
		s.t.Fatalf("a search at %s: %d, to %q", path, resp.StatusCode, to)
	}
	return to
}

// read fails the test and gives status 0 when there is no answer.
func (s *Staff) read(resp *http.Response, err error) (int, string) {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Error(err)
		return 0, ""
	}
	if m := csrfField.FindSubmatch(b); m != nil {
		s.csrf = string(m[1])
	}
	return resp.StatusCode, string(b)
}

// JSON asks as a page's script does, with the last page's token. It says whether the answer was one of success; any other is an error of the test.
func (s *Staff) JSON(method, path string, in, out any) bool {
	s.t.Helper()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			s.t.Error(err)
			return false
		}
	}
	req, err := http.NewRequest(method, s.base+path, &body)
	if err != nil {
		s.t.Error(err)
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Csrf-Token", s.csrf)
	resp, err := s.c.Do(req)
	code, answer := s.read(resp, err)
	if code != http.StatusOK {
		s.t.Errorf("%s %s: status %d %.300s", method, path, code, answer)
		return false
	}
	if err := json.Unmarshal([]byte(answer), out); err != nil {
		s.t.Error(err)
		return false
	}
	return true
}
