package station_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/applet"
	"xueji/cardsvc/relay"
	"xueji/issuer/internal/station"
)

type wire struct {
	t   *testing.T
	srv *httptest.Server
	s   *station.Server
}

func serve(t *testing.T, idle time.Duration, run station.Runner) *wire {
	t.Helper()
	s := station.New(slog.New(slog.DiscardHandler), run, idle)
	mux := http.NewServeMux()
	mux.Handle(relay.Path, s)
	srv := httptest.NewServer(mux)
	t.Cleanup(func() { s.Close(); srv.Close() })
	return &wire{t, srv, s}
}

func (w *wire) raw(method, body string, header map[string]string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequest(method, w.srv.URL+relay.Path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (w *wire) post(turn relay.Turn) (relay.Reply, int) {
	w.t.Helper()
	b, _ := json.Marshal(turn)
	status, body := w.raw(http.MethodPost, string(b), nil)
	if status != http.StatusOK {
		return relay.Reply{}, status
	}
	r, err := relay.DecodeReply([]byte(body))
	if err != nil {
		w.t.Fatalf("%v: %s", err, body)
	}
	return r, status
}

func ok(data ...byte) []byte { return append(data, 0x90, 0x00) }

// twoSteps sends one command, then a batch of three, and tells what it heard.
func twoSteps(ctx context.Context, s station.Start, l *station.Link) relay.Outcome {
	l.Step("plan", 1)
	a, err := l.Transmit(ctx, []byte{0, 0xA4, 0, 0})
	if err != nil {
		return relay.Outcome{Code: relay.CodeGone, Detail: err.Error()}
	}
	l.Step("write", 3)
	batch, err := l.TransmitBatch(ctx, []applet.Command{
		{APDU: []byte{0, 0xD6, 0, 1}}, {APDU: []byte{0, 0xD6, 0, 2}, Expect: []uint16{0x9000, 0x6282}}, {APDU: []byte{0, 0xD6, 0, 3}},
	})
	if err != nil {
		return relay.Outcome{Code: relay.CodeGone, Detail: err.Error()}
	}
	return relay.Outcome{OK: true, CardNo: fmt.Sprintf("%s %x %x", s.Ticket, a, batch)}
}

func TestSessionAndRepeatedTurns(t *testing.T) {
	runs := 0
	w := serve(t, 0, func(ctx context.Context, s station.Start, l *station.Link) relay.Outcome {
		runs++
		return twoSteps(ctx, s, l)
	})
	first := relay.Turn{Ticket: "T", Nonce: "n", ATR: []byte{0x3B, 0}}
	r0, _ := w.post(first)
	if len(r0.Commands) != 1 || r0.Step != "plan" || r0.Turn != 0 || r0.Session == "" {
		t.Fatalf("%+v", r0)
	}
	again, _ := w.post(first)
	if again.Session != r0.Session || runs != 1 {
		t.Fatal("a repeated first turn began another session")
	}
	if _, status := w.post(relay.Turn{Session: r0.Session, Turn: 2, Answers: [][]byte{ok()}}); status != http.StatusConflict {
		t.Fatalf("a turn ahead of its time: %d", status)
	}
	second := relay.Turn{Session: r0.Session, Turn: 1, Answers: [][]byte{ok(7)}}
	r1, _ := w.post(second)
	if len(r1.Commands) != 3 || r1.Step != "write" || r1.Total != 3 {
		t.Fatalf("%+v", r1)
	}
	second.Answers = [][]byte{ok(8)} // a repeat is not heard again
	if again, _ := w.post(second); len(again.Commands) != 3 {
		t.Fatalf("%+v", again)
	}
	last := relay.Turn{Session: r0.Session, Turn: 2, Answers: [][]byte{ok(), {0x62, 0x82}, ok()}}
	for range 2 {
		r2, _ := w.post(last)
		if !r2.Done || !r2.Outcome.OK || r2.Outcome.CardNo != "T 079000 [9000 6282 9000]" {
			t.Fatalf("%+v", r2.Outcome)
		}
	}
	if _, status := w.post(relay.Turn{Session: r0.Session, Turn: 3}); status != http.StatusConflict {
		t.Fatalf("a turn after the end: %d", status)
	}
	if _, status := w.post(relay.Turn{Session: "nonsense", Turn: 3}); status != http.StatusNotFound {
		t.Fatalf("an unknown session: %d", status)
	}
}

func TestABatchStopsAtAnUnexpectedWord(t *testing.T) {
	w := serve(t, 0, twoSteps)
	r, _ := w.post(relay.Turn{Ticket: "T", Nonce: "n"})
	r, _ = w.post(relay.Turn{Session: r.Session, Turn: 1, Answers: [][]byte{ok()}})
	r, _ = w.post(relay.Turn{Session: r.Session, Turn: 2, Answers: [][]byte{ok(), {0x6A, 0x82}}})
	if !r.Done || !r.Outcome.OK || !strings.Contains(r.Outcome.CardNo, "[9000 6a82]") {
		t.Fatalf("%+v", r.Outcome)
	}
}

func TestStationsThatBreakTheRules(t *testing.T) {
	for name, answers := range map[string][][]byte{
		"too many answers":                 {ok(), ok(), ok(), ok()},
		"none, and not gone":               {},
		"too few without a reason":         {ok()},
		"went on after an unexpected word": {{0x6A, 0x82}, ok(), ok()},
	} {
		t.Run(name, func(t *testing.T) {
			w := serve(t, 0, twoSteps)
			r, _ := w.post(relay.Turn{Ticket: "T", Nonce: "n"})
			r, _ = w.post(relay.Turn{Session: r.Session, Turn: 1, Answers: [][]byte{ok()}})
			r, _ = w.post(relay.Turn{Session: r.Session, Turn: 2, Answers: answers})
			if !r.Done || r.Outcome.OK || !strings.Contains(r.Outcome.Detail, "protocol") {
				t.Fatalf("%+v", r.Outcome)
			}
		})
	}
}

func TestGone(t *testing.T) {
	w := serve(t, 0, func(ctx context.Context, _ station.Start, l *station.Link) relay.Outcome {
		_, err := l.Transmit(ctx, []byte{0, 0xA4, 0, 0})
		_, err2 := l.Transmit(ctx, []byte{0, 0xA4, 0, 0})
		return relay.Outcome{OK: errors.Is(err, station.ErrGone) && errors.Is(err2, station.ErrGone)}
	})
	r, _ := w.post(relay.Turn{Ticket: "T", Nonce: "n"})
	if r, _ = w.post(relay.Turn{Session: r.Session, Turn: 1, Gone: true}); !r.Done || !r.Outcome.OK {
		t.Fatalf("%+v", r.Outcome)
	}
}

func TestASilentStation(t *testing.T) {
	heard := make(chan error, 1)
	w := serve(t, 20*time.Millisecond, func(ctx context.Context, _ station.Start, l *station.Link) relay.Outcome {
		_, err := l.Transmit(ctx, []byte{0, 0xA4, 0, 0})
		heard <- err
		return relay.Outcome{Code: relay.CodeGone}
	})
	if r, _ := w.post(relay.Turn{Ticket: "T", Nonce: "n"}); len(r.Commands) != 1 {
		t.Fatalf("%+v", r)
	}
	if err := <-heard; !errors.Is(err, station.ErrGone) {
		t.Fatalf("%v", err)
	}
}

// A station that begins anew with its ticket (it crashed, or the card was pulled) ends its old session first: one runner a ticket.
func TestBeginningAnew(t *testing.T) {
	var running, most int
	w := serve(t, 0, func(ctx context.Context, _ station.Start, l *station.Link) relay.Outcome {
		running++
		most = max(most, running)
		_, err := l.Transmit(ctx, []byte{0, 0xA4, 0, 0})
		running--
		if err != nil {
			return relay.Outcome{Code: relay.CodeGone}
		}
		return relay.Outcome{OK: true}
	})
	old, _ := w.post(relay.Turn{Ticket: "T", Nonce: "1"})
	new, _ := w.post(relay.Turn{Ticket: "T", Nonce: "2"})
	if old.Session == new.Session || most != 1 {
		t.Fatalf("%d runners at once", most)
	}
	if r, status := w.post(relay.Turn{Session: old.Session, Turn: 1, Answers: [][]byte{ok()}}); status == http.StatusOK && r.Outcome.OK {
		t.Fatalf("the old session went on: %+v", r)
	}
	if r, _ := w.post(relay.Turn{Session: new.Session, Turn: 1, Answers: [][]byte{ok()}}); !r.Done || !r.Outcome.OK {
		t.Fatalf("%+v", r)
	}
}

// Checks carry no ticket: many run side by side, a repeated first turn is the same one, and none ends a personalisation.
func TestChecksSideBySide(t *testing.T) {
	w := serve(t, 0, func(ctx context.Context, s station.Start, l *station.Link) relay.Outcome {
		a, err := l.Transmit(ctx, []byte{0, 0x88, 0, 0})
		if err != nil {
			return relay.Outcome{Code: relay.CodeGone}
		}
		return relay.Outcome{OK: true, CardNo: fmt.Sprintf("%v %x %s %x", s.Check, s.Record, s.Ticket, a)}
	})
	made, _ := w.post(relay.Turn{Ticket: "T", Nonce: "1"})
	first := relay.Turn{Purpose: relay.PurposeCheck, Nonce: "1", Record: []byte{0xAA}}
	one, _ := w.post(first)
	again, _ := w.post(first)
	first.Nonce = "2"
	two, _ := w.post(first)
	if again.Session != one.Session || two.Session == one.Session || made.Session == one.Session {
		t.Fatal("sessions are mixed up")
	}
	for session, want := range map[string]string{made.Session: "false  T 9000", one.Session: "true aa  9000", two.Session: "true aa  9000"} {
		if r, _ := w.post(relay.Turn{Session: session, Turn: 1, Answers: [][]byte{ok()}}); !r.Done || !r.Outcome.OK || r.Outcome.CardNo != want {
			t.Fatalf("%+v", r.Outcome)
		}
	}
}

func TestAPanicEndsOneSession(t *testing.T) {
	w := serve(t, 0, func(context.Context, station.Start, *station.Link) relay.Outcome { panic("boom") })
	for _, nonce := range []string{"a", "b"} {
		if r, _ := w.post(relay.Turn{Ticket: nonce, Nonce: nonce}); !r.Done || r.Outcome.Code != relay.CodeInternal {
			t.Fatalf("%+v", r)
		}
	}
}

func TestCloseTellsTheStation(t *testing.T) {
	w := serve(t, 0, twoSteps)
	r, _ := w.post(relay.Turn{Ticket: "T", Nonce: "n"})
	w.s.Close()
	if _, status := w.post(relay.Turn{Session: r.Session, Turn: 1, Answers: [][]byte{ok()}}); status == http.StatusOK {
		t.Fatal("a closed issuer went on")
	}
	if _, status := w.post(relay.Turn{Ticket: "U", Nonce: "n"}); status != http.StatusServiceUnavailable {
		t.Fatalf("%d", status)
	}
}

func TestRequestsRefused(t *testing.T) {
	w := serve(t, 0, twoSteps)
	cases := []struct {
		name, method, body string
		header             map[string]string
		want               int
	}{
		{"a page", "POST", `{"ticket":"T"}`, map[string]string{"Origin": "http://evil.example"}, 403},
		{"GET", "GET", "", nil, 405},
		{"a form", "POST", `ticket=T`, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415},
		{"not JSON", "POST", `<xml/>`, nil, 400},
		{"no ticket", "POST", `{}`, nil, 400},
		{"a turn without its session", "POST", `{"turn":3}`, nil, 400},
		{"too long", "POST", `{"ticket":"` + strings.Repeat("x", relay.MaxBody) + `"}`, nil, 413},
		{"an answer of one byte", "POST", `{"session":"x","turn":1,"answers":["kA=="]}`, nil, 400},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, body := w.raw(c.method, c.body, c.header)
			if status != c.want || !bytes.Contains([]byte(body), []byte(`"code"`)) {
				t.Fatalf("%d %s", status, body)
			}
		})
	}
}
