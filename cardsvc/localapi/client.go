package localapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// MaxBody bounds every request and answer in bytes. A status list of 10 M cards is about 140 KB compressed, base64 adds a third.
const MaxBody = 4 << 20

// maxEvent bounds one line of the event stream in bytes.
const maxEvent = 64 << 10

// Client speaks to one cardsvc. It is safe for concurrent use. Errors of cardsvc are *Error; if it does not answer, Error.Code is CodeUnreachable.
type Client struct {
	base string
	http *http.Client
}

// stay follows no redirect: this card service, no other.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// NewClient makes a client of the cardsvc at base, e.g. "http://127.0.0.1:7021". hc may be nil. Deadlines come from each call's context: a tap takes well under a
// second, a relay as long as the card and the issuer need.
func NewClient(base string, hc *http.Client) *Client {
	if hc == nil {
		hc = &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second}, CheckRedirect: stay}
	}
	return &Client{base: strings.TrimRight(base, "/"), http: hc}
}

// Base is the address of the cardsvc.
func (c *Client) Base() string { return c.base }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Readers lists the readers ever seen by this cardsvc, gone ones included.
func (c *Client) Readers(ctx context.Context) ([]Reader, error) {
	var out []Reader
	return out, c.do(ctx, http.MethodGet, PathReaders, nil, &out)
}

// Tap reads and judges the card on a reader.
func (c *Client) Tap(ctx context.Context, reader string) (Tap, error) {
	return c.TapFor(ctx, reader, TapRequest{})
}

// TapFor is Tap with what the chip proves bound to r.
func (c *Client) TapFor(ctx context.Context, reader string, r TapRequest) (Tap, error) {
	var out Tap
	return out, c.do(ctx, http.MethodPost, path(PathTap, reader), r, &out)
}

// Check is Tap with the issuer's proof of the chip, when the line is up: see Tap.Check. CodeNoIssuer when this cardsvc has none.
func (c *Client) Check(ctx context.Context, reader string, r TapRequest) (Tap, error) {
	var out Tap
	return out, c.do(ctx, http.MethodPost, path(PathCheck, reader), r, &out)
}

// Relay lets the issuer drive the card on a reader under a ticket. A failed personalisation is no error: see RelayOutcome.
func (c *Client) Relay(ctx context.Context, reader, ticket string) (RelayOutcome, error) {
	var out RelayOutcome
	return out, c.do(ctx, http.MethodPost, path(PathRelay, reader), RelayRequest{Ticket: ticket}, &out)
}

// PutTrust pushes certificates and the status list. On success they are durable at cardsvc.
func (c *Client) PutTrust(ctx context.Context, t Trust) error {
	return c.do(ctx, http.MethodPut, PathTrust, t, nil)
}

// Health asks for readiness.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var out Health
	return out, c.do(ctx, http.MethodGet, PathHealth, nil, &out)
}

// SimCards lists the software cards of the card folder.
func (c *Client) SimCards(ctx context.Context) ([]SimCard, error) {
	var out []SimCard
	return out, c.do(ctx, http.MethodGet, PathSimCards, nil, &out)
}

// NewSimCard makes a blank software card.
func (c *Client) NewSimCard(ctx context.Context, n NewSimCard) (SimCard, error) {
	var out SimCard
	return out, c.do(ctx, http.MethodPost, PathSimCards, n, &out)
}

// SimInsert puts a software card on a simulated reader.
func (c *Client) SimInsert(ctx context.Context, reader string, in SimInsert) error {
	return c.do(ctx, http.MethodPost, path(PathSimInsert, reader), in, nil)
}

// SimRemove takes all software cards off a simulated reader.
func (c *Client) SimRemove(ctx context.Context, reader string) error {
	return c.do(ctx, http.MethodPost, path(PathSimRemove, reader), struct{}{}, nil)
}

func path(pattern, reader string) string {
	return strings.Replace(pattern, "{reader}", url.PathEscape(reader), 1)
}

func (c *Client) do(ctx context.Context, method, p string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("cardsvc: %s: %w", p, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+p, body)
	if err != nil {
		return fmt.Errorf("cardsvc: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return unreachable(ctx, err)
	}
	if len(b) > MaxBody {
		return &Error{Code: CodeTooLarge, Detail: "the answer is longer than 4 MiB"}
	}
	if resp.StatusCode/100 != 2 {
		return decodeError(resp.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return &Error{Code: CodeInternal, Detail: "the answer is not the JSON expected: is another program on this port?"}
	}
	return nil
}

func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Error{Code: CodeUnreachable, Detail: err.Error()}
}

func decodeError(status int, b []byte) error {
	var e Error
	if err := json.Unmarshal(b, &e); err != nil || e.Code == "" {
		return &Error{Code: CodeInternal, Detail: fmt.Sprintf("HTTP status %d", status)}
	}
	return &e
}

// Event is one server-sent event; exactly one field is set.
type Event struct {
	Reader *Reader
	Relay  *RelayProgress
	// Link is "up" when the stream (re)starts, before the present state, and "down" when it breaks. It is made by the client.
	Link string
}

// Events follows the event stream until ctx ends or handle returns an error; it reconnects by itself, and each time the present state of every reader comes first.
// handle runs on the caller's goroutine.
func (c *Client) Events(ctx context.Context, handle func(Event) error) error {
	const first, last = 100 * time.Millisecond, 2 * time.Second
	wait := first
	for {
		up, err := c.stream(ctx, handle)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var stop handlerError
		if errors.As(err, &stop) {
			return stop.err
		}
		if up {
			wait = first
			if err := handle(Event{Link: "down"}); err != nil {
				return err
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
		wait = min(2*wait, last)
	}
}

type handlerError struct{ err error }

func (h handlerError) Error() string { return h.err.Error() }

func (c *Client) stream(ctx context.Context, handle func(Event) error) (up bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+PathEvents, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.http.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxEvent))
		return false, decodeError(resp.StatusCode, b)
	}
	if err := handle(Event{Link: "up"}); err != nil {
		return true, handlerError{err}
	}
	return true, decodeStream(resp.Body, func(e Event) error {
		if err := handle(e); err != nil {
			return handlerError{err}
		}
		return nil
	})
}

// decodeStream reads server-sent events until the reader or handle fails. Unknown events and comments are passed over, so that an older client reads a newer cardsvc.
func decodeStream(r io.Reader, handle func(Event) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 4096), maxEvent)
	var name string
	var data []byte
	for sc.Scan() {
		line := sc.Text()
		if line == "" {
			ev, ok, err := decodeEvent(name, data)
			if err != nil {
				return err
			}
			name, data = "", nil
			if ok {
				if err := handle(ev); err != nil {
					return err
				}
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			if data != nil {
				data = append(data, '\n')
			}
			if len(data)+len(value) > maxEvent {
				return errors.New("cardsvc: event longer than 64 KiB")
			}
			data = append(data, value...)
			if data == nil {
				data = []byte{}
			}
		}
	}
	if err := sc.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}

func decodeEvent(name string, data []byte) (Event, bool, error) {
	switch name {
	case "reader":
		var r Reader
		if err := json.Unmarshal(data, &r); err != nil {
			return Event{}, false, fmt.Errorf("cardsvc: event reader: %w", err)
		}
		return Event{Reader: &r}, true, nil
	case "relay":
		var p RelayProgress
		if err := json.Unmarshal(data, &p); err != nil {
			return Event{}, false, fmt.Errorf("cardsvc: event relay: %w", err)
		}
		return Event{Relay: &p}, true, nil
	}
	return Event{}, false, nil
}
