package web

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"xueji/kiosk/internal/desk"
	"xueji/kiosk/internal/flow"
	"xueji/kiosk/internal/words"
)

//go:embed templates static
var files embed.FS

// MaxBody bounds a request of the page, in bytes.
const MaxBody = 16 << 10

// Desk is what the pages need; *desk.Desk implements it.
type Desk interface {
	View() desk.View
	Post(flow.Input)
	Subscribe() (<-chan struct{}, func())
}

// Server serves the pages.
type Server struct {
	desk  Desk
	draw  *drawer
	token string
	log   *slog.Logger
	mux   *http.ServeMux
}

// New makes a server. The catalogue must be whole: a missing text fails here or in the tests, not before a family.
func New(d Desk, c words.Catalogue, log *slog.Logger) (*Server, error) {
	dr, err := newDrawer(c)
	if err != nil {
		return nil, err
	}
	s := &Server{desk: d, draw: dr, token: rand.Text(), log: log, mux: http.NewServeMux()}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET /{$}", s.page)
	s.mux.HandleFunc("GET /events", s.events)
	s.mux.HandleFunc("POST /act", s.act)
	s.mux.HandleFunc("POST /frame", s.frames())
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	s.staffRoutes()
	s.mux.HandleFunc("GET /speech/{name}", s.recording)
	s.mux.Handle("GET /static/{file}", http.StripPrefix("/static/", http.FileServerFS(static)))
	return s, nil
}

// policy lets the page run its own files and nothing else. The camera's picture is a stream in the page, not an address: it needs no media-src.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if s.draw.voice.recorded() {
		h.Set("Content-Security-Policy", policy+"; media-src 'self'")
	} else {
		h.Set("Content-Security-Policy", policy)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", s.permissions())
	if len(r.TransferEncoding) > 0 { // the page sends bodies of a known length; two parsers may read others differently
		h.Set("Connection", "close")
		http.Error(w, "a body of a known length is wanted", http.StatusLengthRequired)
		return
	}
	if !loopback(r.Host) {
		http.Error(w, "this page answers under a loopback name only", http.StatusMisdirectedRequest)
		return
	}
	if o := r.Header.Get("Origin"); o != "" && !sameOrigin(o, r.Host) {
		http.Error(w, "not from this page", http.StatusForbidden)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// loopback guards against DNS rebinding: a foreign name that points here is not answered.
func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func sameOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host
}

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := s.draw.shell(w, s.desk.View(), s.token); err != nil {
		s.log.Error("page", "err", err)
	}
}

// frame is one message to the page.
type frame struct {
	Screen string `json:"screen"`
	Rev    uint64 `json:"rev"`
	Lang   string `json:"lang"`
	HTML   string `json:"html,omitempty"` // absent when only the foot or the seconds changed
	Foot   string `json:"foot"`
	Left   int64  `json:"left"` // milliseconds until the screen clears, 0: it does not
	Away   bool   `json:"away"` // Left counts until the card must be back
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	if err := rc.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.log.Warn("event stream", "err", err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	changed, stop := s.desk.Subscribe()
	defer stop()
	beat := time.NewTicker(10 * time.Second)
	defer beat.Stop()
	var last string
	for {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			if _, err := io.WriteString(w, ": \n\n"); err != nil || rc.Flush() != nil {
				return
			}
		case <-changed:
			f, err := s.frame(s.desk.View())
			if err != nil {
				s.log.Error("screen cannot be drawn", "err", err)
				s.desk.Post(flow.Leave{})
				continue
			}
			if f.HTML == last {
				f.HTML = ""
			} else {
				last = f.HTML
			}
			raw, err := json.Marshal(f)
			if err != nil {
				return
			}
			if _, err := w.Write(append(append([]byte("event: screen\ndata: "), raw...), "\n\n"...)); err != nil || rc.Flush() != nil {
				return
			}
		}
	}
}

func (s *Server) frame(v desk.View) (frame, error) {
	html, foot, err := s.draw.screen(v)
	return frame{Screen: string(v.State.Screen), Rev: v.State.Rev, Lang: string(v.State.Lang), HTML: html, Foot: foot,
		Left: v.State.Left(v.Now).Milliseconds(), Away: !v.State.AwayAt.IsZero()}, err
}

// message is one act of a person.
type message struct {
	Rev      uint64 `json:"rev"`
	Do       string `json:"do"`
	Value    string `json:"value"`
	Tail     string `json:"tail"`
	Login    string `json:"login"`
	Password string `json:"password"`
}

func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Xueji-Kiosk")), []byte(s.token)) != 1 {
		http.Error(w, "not from this page; load it again", http.StatusForbidden)
		return
	}
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		http.Error(w, "send application/json", http.StatusUnsupportedMediaType)
		return
	}
	in, err := decode(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	s.desk.Post(in)
	w.WriteHeader(http.StatusNoContent)
}

// decode turns one message of the page into an input. What is bound to a question carries its revision.
func decode(body io.Reader) (flow.Input, error) {
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	var m message
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, errors.New("web: more than one message")
	}
	var in flow.Input
	switch m.Do {
	case "touch":
		return flow.Touch{}, nil
	case "lang":
		return flow.SetLang{Lang: flow.Lang(m.Value)}, nil
	case "choose":
		in = flow.Choose{Goal: flow.Goal(m.Value)}
	case "answer":
		in = flow.Answer{Value: m.Value}
	case "back":
		in = flow.Back{}
	case "leave":
		in = flow.Leave{}
	case "signin":
		in = flow.Credentials{Login: m.Login, Password: flow.Secret(m.Password)}
	case "pin":
		in = flow.EnterPIN{PIN: flow.Secret(m.Value)}
	case "find":
		in = flow.FindPupil{Birth: m.Value, Tail: m.Tail}
	case "number":
		in = flow.EnterNumber{Text: m.Value}
	case "scan":
		in = flow.Scanned{Text: m.Value}
	default:
		return nil, errors.New("web: unknown act")
	}
	return flow.Press{Rev: m.Rev, Of: in}, nil
}

// Serve answers on l until ctx ends; streams are closed with it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		srv.Close()
	}
	<-done
	return nil
}
