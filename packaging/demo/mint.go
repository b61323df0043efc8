package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// A person without hardware wants cards to play with at once. mint makes some the way a clerk would: signed in at the console, tickets, the station's cardsvc, the
// issuer. Pupils of another school, whom the kiosk's school can call over, and pupils on suspension for the way back.

const (
	mintTransfers = 4
	mintSuspended = 2
	mintBlanks    = 6
)

var (
	csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
	pupilLink = regexp.MustCompile(`class="name" href="/pupils/([a-z2-7]{26})"[^>]*>([^<]*)<`)
)

// desk is a clerk's browser.
type desk struct {
	base, csrf string
	http       *http.Client
}

func (d *demo) mint(ctx context.Context) error {
	for _, m := range []struct {
		registrar, clerk, standing, note string
		n                                int
	}{
		{"registrar.qingshi", "clerk.qingshi", "enrolled", "在读", mintTransfers},
		{"registrar.yunhe", "clerk.yunhe", "suspended", "休学中", mintSuspended},
	} {
		registrar, err := d.signIn(ctx, m.registrar) // a clerk sees no lists of pupils
		if err != nil {
			return err
		}
		who, err := registrar.pupils(ctx, m.standing, m.n)
		if err != nil {
			return err
		}
		clerk, err := d.signIn(ctx, m.clerk)
		if err != nil {
			return err
		}
		if err := d.trustStation(ctx, clerk); err != nil {
			return err
		}
		for _, c := range who {
			id, err := d.mintOne(ctx, clerk, c)
			if err != nil {
				return fmt.Errorf("a demo card: %w", err)
			}
			d.cards[id] = c.name + "（" + m.note + "）"
		}
	}
	for i := range mintBlanks {
		if _, err := d.newCard(ctx, fmt.Sprintf("白卡 %d", i+1)); err != nil {
			return err
		}
	}
	return nil
}

// cardFor is who gets a card, and why when it replaces one.
type cardFor struct{ uid, name, reason string }

func (d *demo) signIn(ctx context.Context, login string) (*desk, error) {
	password := ""
	for _, a := range d.summary.Accounts {
		if a.Login == login {
			password = a.Password
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	k := &desk{base: d.url(0), http: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	page, err := k.page(ctx, "/sign-in")
	if err != nil {
		return nil, err
	}
	form := url.Values{"csrf": {csrfOf(page)}, "login": {login}, "password": {password}, "next": {"/help"}}
	page, err = k.send(ctx, http.MethodPost, k.base+"/sign-in", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("signing %s in: %w", login, err)
	}
	k.csrf = csrfOf(page)
	return k, nil
}

func csrfOf(page []byte) string {
	if m := csrfField.FindSubmatch(page); m != nil {
		return html.UnescapeString(string(m[1]))
	}
	return ""
}

func (k *desk) page(ctx context.Context, path string) ([]byte, error) {
	return k.send(ctx, http.MethodGet, k.base+path, "", nil)
}

func (k *desk) send(ctx context.Context, method, url, contentType string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if k.csrf != "" {
		req.Header.Set("X-CSRF-Token", k.csrf)
	}
	resp, err := k.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", method, req.URL.Path, resp.Status)
	}
	return b, err
}

func (k *desk) json(ctx context.Context, method, url string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	b, err := k.send(ctx, method, url, "application/json", &body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// pupils is the first n of a standing; what card they had in the register is replaced by one that exists.
func (k *desk) pupils(ctx context.Context, standing string, n int) ([]cardFor, error) {
	page, err := k.page(ctx, "/pupils?standing="+standing)
	if err != nil {
		return nil, err
	}
	var out []cardFor
	for row := range bytes.SplitSeq(page, []byte("<tr ")) {
		m := pupilLink.FindSubmatch(row)
		if m == nil || len(out) == n || bytes.Contains(row, []byte("pill sky")) { // a blue pill: a case is open, maybe another school's pupil
			continue
		}
		out = append(out, cardFor{uid: string(m[1]), name: html.UnescapeString(string(m[2])), reason: "damaged"})
	}
	return out, nil
}

func (d *demo) trustStation(ctx context.Context, k *desk) error {
	var trust json.RawMessage
	if err := k.json(ctx, http.MethodGet, k.base+"/cards/trust", nil, &trust); err != nil {
		return err
	}
	return k.json(ctx, http.MethodPut, d.url(21)+"/v1/trust", trust, nil)
}

// newCard makes a blank software card and returns its id.
func (d *demo) newCard(ctx context.Context, label string) (string, error) {
	var card struct{ ID string }
	k := &desk{http: &http.Client{Timeout: 10 * time.Second}}
	err := k.json(ctx, http.MethodPost, d.url(21)+"/v1/sim/cards", map[string]string{"label": label}, &card)
	return card.ID, err
}

// mintOne makes one card: blank onto the station's reader, ticket, relay, off the reader. It returns the software card's id.
func (d *demo) mintOne(ctx context.Context, k *desk, who cardFor) (id string, err error) {
	if id, err = d.newCard(ctx, ""); err != nil {
		return "", err
	}
	var readers []struct{ ID string }
	if err := k.json(ctx, http.MethodGet, d.url(21)+"/v1/readers", nil, &readers); err != nil {
		return "", err
	}
	if len(readers) == 0 {
		return "", fmt.Errorf("the station has no reader")
	}
	reader := readers[0].ID
	if err := k.json(ctx, http.MethodPost, d.url(21)+"/v1/sim/readers/"+reader+"/insert", map[string]string{"card": id}, nil); err != nil {
		return "", err
	}
	defer k.json(ctx, http.MethodPost, d.url(21)+"/v1/sim/readers/"+reader+"/remove", nil, nil)
	var ticket struct{ Ticket string }
	if err := k.json(ctx, http.MethodPost, k.base+"/cards/ticket", map[string]string{"uid": who.uid, "reason": who.reason}, &ticket); err != nil {
		return "", err
	}
	var outcome struct {
		OK     bool
		Code   string
		Detail string
	}
	if err := k.json(ctx, http.MethodPost, d.url(21)+"/v1/readers/"+reader+"/relay", ticket, &outcome); err != nil {
		return "", err
	}
	if !outcome.OK {
		return "", fmt.Errorf("%s %s", outcome.Code, outcome.Detail)
	}
	return id, nil
}
