// Package relayclient lets the issuer drive the card on a reader: it posts turns to the one issuer it was made for, runs the commands that come back, and says
// when the card leaves. It knows nothing of what the commands mean. It must not import profiles or credential.
package relayclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/iso7816"
	"xueji/cardsvc/relay"
)

// Patience with an issuer that does not answer: a turn is repeated until then. The card waits meanwhile.
const Patience = 20 * time.Second

// turnTime bounds one turn: the issuer may have to ask the server in between.
const turnTime = 60 * time.Second

// Client drives cards for one issuer. It is safe for concurrent use.
type Client struct {
	url      string
	http     *http.Client
	patience time.Duration
}

// Stay follows no redirect: this issuer, no other.
func Stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// New makes a client of the issuer at base, an http or https URL. hc may be nil; patience 0 is Patience.
func New(base string, hc *http.Client, patience time.Duration) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("issuer URL %q: http://host:port or https://host is wanted", base)
	}
	if hc == nil {
		hc = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second}, CheckRedirect: Stay}
	}
	c := *hc
	c.CheckRedirect = Stay
	if patience == 0 {
		patience = Patience
	}
	return &Client{url: strings.TrimRight(base, "/") + relay.Path, http: &c, patience: patience}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Card is what is driven.
type Card struct {
	Tx      applet.Transmitter
	ATR     []byte
	Profile string
}

// Drive runs one session under ticket to its end. progress is told of each reply. The outcome's Code is relay.CodeIssuer when the issuer cannot be reached or does
// not keep to the contract, and relay.CodeGone when the card left; then the issuer was told.
func (c *Client) Drive(ctx context.Context, ticket string, card Card, progress func(step string, done, total int)) relay.Outcome {
	return c.run(ctx, relay.Turn{Ticket: ticket, Nonce: rand.Text(), ATR: card.ATR, Profile: card.Profile}, card, progress)
}

// Check lets the issuer prove the chip of a card that showed record: relay.PurposeCheck. bind is the tap's nonce, nil for no attestation. Outcomes as Drive's.
func (c *Client) Check(ctx context.Context, record, bind []byte, card Card) relay.Outcome {
	first := relay.Turn{Purpose: relay.PurposeCheck, Record: record, Bind: bind, Nonce: rand.Text(), ATR: card.ATR, Profile: card.Profile}
	return c.run(ctx, first, card, func(string, int, int) {})
}

func (c *Client) run(ctx context.Context, t relay.Turn, card Card, progress func(step string, done, total int)) relay.Outcome {
	for {
		r, err := c.post(ctx, t)
		switch {
		case err != nil && ctx.Err() != nil:
			return relay.Outcome{Code: relay.CodeGone, Detail: "the station stopped the work"}
		case err != nil:
			return relay.Outcome{Code: relay.CodeIssuer, Detail: err.Error()}
		case r.Done:
			return *r.Outcome
		}
		progress(r.Step, r.DoneN, r.Total)
		answers, gone := run(ctx, card.Tx, r.Commands)
		t = relay.Turn{Session: r.Session, Turn: r.Turn + 1, Answers: answers, Gone: gone}
		if gone && ctx.Err() != nil {
			// The last word to the issuer outlives the request that stopped.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if r, err := c.post(last, t); err == nil && r.Done {
				return *r.Outcome
			}
			return relay.Outcome{Code: relay.CodeGone, Detail: "the station stopped the work"}
		}
	}
}

// run sends commands up to the first unexpected status word; gone says that the card or the reader failed.
func run(ctx context.Context, tx applet.Transmitter, commands []relay.Command) (answers [][]byte, gone bool) {
	for _, cmd := range commands {
		r, err := iso7816.Exchange(ctx, tx, cmd.APDU)
		if err != nil {
			return answers, true
		}
		answers = append(answers, append(bytes.Clone(r.Data), byte(r.SW>>8), byte(r.SW)))
		if !cmd.Good(uint16(r.SW)) {
			return answers, false
		}
	}
	return answers, false
}

// post sends one turn, again and again while the issuer is out of reach: a repeated turn is harmless.
func (c *Client) post(ctx context.Context, t relay.Turn) (relay.Reply, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return relay.Reply{}, err
	}
	start := time.Now()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		r, again, err := c.once(ctx, t, body)
		if err == nil || !again || time.Since(start)+wait > c.patience {
			return r, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return relay.Reply{}, ctx.Err()
		case <-timer.C:
		}
	}
}

func (c *Client) once(ctx context.Context, t relay.Turn, body []byte) (r relay.Reply, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return relay.Reply{}, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return relay.Reply{}, true, fmt.Errorf("the issuer does not answer: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, relay.MaxBody+1))
	if err != nil {
		return relay.Reply{}, true, fmt.Errorf("the issuer's answer broke off: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var p struct{ Code, Detail string }
		_ = json.Unmarshal(b, &p)
		return relay.Reply{}, resp.StatusCode >= 500, fmt.Errorf("the issuer answers HTTP status %d %s %.200s", resp.StatusCode, p.Code, p.Detail)
	}
	if r, err = relay.DecodeReply(b); err != nil {
		return relay.Reply{}, false, err
	}
	if r.Turn != t.Turn || (t.Session != "" && r.Session != t.Session) {
		return relay.Reply{}, false, errors.New("the issuer answers another turn than was asked")
	}
	return r, false, nil
}
