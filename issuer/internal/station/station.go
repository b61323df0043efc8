package station

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sync"
	"time"

	"xueji/cardsvc/relay"
)

// MaxSessions is how many cards may be in the making at once.
const MaxSessions = 256

// MaxChecks is how many chips may prove themselves at once, beside.
const MaxChecks = 1024

// lingerCheck bounds how long a finished check answers repeated turns: there are many, and a repeated one costs little.
const lingerCheck = 5 * time.Second

// Idle is how long a session waits for the station's next turn before it counts as gone, and how long a finished one answers repeated turns.
const Idle = time.Minute

// Start is what a station says when it begins.
type Start struct {
	Ticket  string
	ATR     []byte
	Profile string // as the station identified it; "" when it could not
	// Of a check (relay.PurposeCheck): no ticket, but the record that the card showed.
	Check  bool
	Record []byte
	Bind   []byte // nonce of the tap that the outcome is to be bound to; nil: none
}

// Runner makes a card over link and tells how it ended. It returns soon after ctx ends.
type Runner func(ctx context.Context, start Start, link *Link) relay.Outcome

// Server is the endpoint. Make it with New and end it with Close.
type Server struct {
	log  *slog.Logger
	run  Runner
	idle time.Duration

	mu       sync.Mutex
	sessions map[string]*session // by id
	starts   map[string]*session // by hash of ticket and nonce
	tickets  map[string]*session // by hash of the ticket: the newest
	checks   int
	closed   bool
	wg       sync.WaitGroup
}

// New makes an endpoint whose sessions wait idle for a turn (Idle when 0).
func New(log *slog.Logger, run Runner, idle time.Duration) *Server {
	if idle == 0 {
		idle = Idle
	}
	return &Server{log: log, run: run, idle: idle, sessions: map[string]*session{}, starts: map[string]*session{}, tickets: map[string]*session{}}
}

// Close ends all sessions and returns when their runners have.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for _, x := range s.sessions {
		x.cancel()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// problem is an error's body at this endpoint.
type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func refuse(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{code, detail})
}

// ServeHTTP answers POST relay.Path. Pages have no business here: a request with an Origin is refused.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" {
		refuse(w, http.StatusForbidden, "forbidden", "the relay is for cardsvc, not for pages")
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "not_allowed", "POST a turn")
		return
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "media_type", "send application/json")
		return
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, relay.MaxBody))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "too_large", "a turn is at most 256 KiB")
		return
	}
	t, err := relay.DecodeTurn(b)
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	x, status, err := s.session(t)
	if err != nil {
		refuse(w, status, "session", err.Error())
		return
	}
	reply, err := x.take(r.Context(), t)
	switch {
	case errors.Is(err, errOrder):
		refuse(w, http.StatusConflict, "turn", err.Error())
	case err != nil: // the station hung up; it will repeat the turn
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(reply)
	}
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return string(h.Sum(nil))
}

// session finds the session of a turn or starts one.
func (s *Server) session(t relay.Turn) (*session, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, http.StatusServiceUnavailable, errors.New("the issuer is stopping: try again when it is back")
	}
	if t.Turn > 0 {
		x := s.sessions[t.Session]
		if x == nil {
			return nil, http.StatusNotFound, errors.New("no such session: begin again with the ticket; a half-made card is finished")
		}
		return x, 0, nil
	}
	check := t.Purpose == relay.PurposeCheck
	start, ticket := hash(t.Ticket, t.Nonce), hash(t.Ticket)
	if check { // one takes no other's place
		start = hash("", "check", t.Nonce)
		ticket = start
	}
	if x := s.starts[start]; x != nil {
		return x, 0, nil
	}
	if check && s.checks >= MaxChecks || !check && len(s.sessions)-s.checks >= MaxSessions {
		return nil, http.StatusServiceUnavailable, errors.New("too many cards in the making: try again in a moment")
	}
	old := s.tickets[ticket]
	if old != nil {
		old.cancel() // the station began anew: what the old session knows of the card is worth nothing
	}
	ctx, cancel := context.WithCancel(context.Background())
	x := &session{id: rand.Text(), idle: s.idle, in: make(chan relay.Turn, 1), ready: make(chan struct{}), done: make(chan struct{}), cancel: cancel}
	s.sessions[x.id], s.starts[start], s.tickets[ticket] = x, x, x
	linger := x.idle
	if check {
		s.checks++
		linger = min(linger, lingerCheck)
	}
	s.wg.Go(func() {
		defer cancel()
		if old != nil {
			<-old.done // one runner a ticket at a time
		}
		x.finish(s.guard(ctx, x, t))
		s.linger(ctx, linger)
		s.mu.Lock()
		defer s.mu.Unlock()
		if check {
			s.checks--
		}
		delete(s.sessions, x.id)
		delete(s.starts, start)
		if s.tickets[ticket] == x {
			delete(s.tickets, ticket)
		}
	})
	return x, 0, nil
}

// guard runs the runner; a fault in it ends this session, not the issuer.
func (s *Server) guard(ctx context.Context, x *session, t relay.Turn) (out relay.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("relay session broke", "session", x.id, "panic", fmt.Sprint(p))
			out = relay.Outcome{Code: relay.CodeInternal, Detail: "a fault in the issuer; see its log. The card can be put back to be finished."}
		}
	}()
	return s.run(ctx, Start{Ticket: t.Ticket, ATR: t.ATR, Profile: t.Profile, Check: t.Purpose == relay.PurposeCheck, Record: t.Record, Bind: t.Bind}, &Link{x: x})
}

// linger keeps a finished session for repeated turns.
func (s *Server) linger(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
