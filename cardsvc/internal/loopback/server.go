package loopback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"xueji/cardsvc/credential"
	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/trust"
	"xueji/cardsvc/localapi"
)

// Tapper reads and judges the card on a reader.
type Tapper interface {
	Tap(ctx context.Context, reader string, in localapi.TapRequest) (localapi.Tap, error)
}

// Relayer lets the issuer drive the card on a reader.
type Relayer interface {
	Relay(ctx context.Context, reader, ticket string) (localapi.RelayOutcome, error)
	Check(ctx context.Context, reader string, nonce []byte) (localapi.Tap, error)
}

// Sim is the folder of software cards and the simulated readers. Errors may be *localapi.Error.
type Sim interface {
	Cards() ([]localapi.SimCard, error)
	Create(localapi.NewSimCard) (localapi.SimCard, error)
	Insert(reader string, in localapi.SimInsert) error
	Remove(reader string) error
}

// Deps is what the API stands on. Relayer and Sim may be nil.
type Deps struct {
	Log     *slog.Logger
	Hub     *reader.Hub
	Tapper  Tapper
	Relayer Relayer
	Sim     Sim
	Trust   *trust.Store
	Origins Origins
	// Heartbeat is the longest silence on an event stream.
	Heartbeat time.Duration
}

// maxSmall bounds every body but trust's, in bytes.
const maxSmall = 64 << 10

// readyTime bounds a request other than a relay or the event stream.
const readyTime = 15 * time.Second

// relayTime bounds a whole personalisation.
const relayTime = 10 * time.Minute

type api struct{ Deps }

// Handler serves the API. Streams end with the request's context: give the server a BaseContext that ends at shutdown.
func Handler(d Deps) http.Handler {
	if d.Heartbeat <= 0 {
		d.Heartbeat = 15 * time.Second
	}
	a := &api{d}
	mux := http.NewServeMux()
	handle := func(method, path string, limit int64, f func(w http.ResponseWriter, r *http.Request, body []byte) error) {
		mux.HandleFunc(path, a.wrap(method, limit, f))
	}
	handle(http.MethodGet, localapi.PathReaders, 0, a.readers)
	handle(http.MethodGet, localapi.PathHealth, 0, a.health)
	handle(http.MethodGet, localapi.PathEvents, 0, a.events)
	handle(http.MethodPost, localapi.PathTap, maxSmall, a.tap)
	handle(http.MethodPost, localapi.PathCheck, maxSmall, a.check)
	handle(http.MethodPost, localapi.PathRelay, maxSmall, a.relay)
	handle(http.MethodPut, localapi.PathTrust, localapi.MaxBody, a.trust)
	handle(http.MethodPost, localapi.PathSimInsert, maxSmall, a.simInsert)
	handle(http.MethodPost, localapi.PathSimRemove, maxSmall, a.simRemove)
	list, create := a.wrap(http.MethodGet, 0, a.simCards), a.wrap(http.MethodPost, maxSmall, a.simCreate)
	mux.HandleFunc(localapi.PathSimCards, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			create(w, r)
			return
		}
		list(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, localapi.CodeNotFound, "no such path; see cardsvc/localapi")
	})
	return guard(d.Origins, mux)
}

func refuse(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(localapi.Error{Code: code, Detail: detail})
}

func answer(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
	return nil
}

// wrap reads the bounded body and turns errors into their code and status.
func (a *api) wrap(method string, limit int64, f func(http.ResponseWriter, *http.Request, []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead) {
			w.Header().Set("Allow", method)
			refuse(w, http.StatusMethodNotAllowed, localapi.CodeNotAllowed, "use "+method)
			return
		}
		var body []byte
		if limit > 0 {
			// Only this type makes a browser ask first (preflight), so a page cannot slip a form past the guard.
			if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
				refuse(w, http.StatusUnsupportedMediaType, localapi.CodeMediaType, "send application/json")
				return
			}
			var err error
			body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
			var tooLarge *http.MaxBytesError
			if errors.As(err, &tooLarge) {
				refuse(w, http.StatusRequestEntityTooLarge, localapi.CodeTooLarge, fmt.Sprintf("at most %d bytes", limit))
				return
			}
			if err != nil {
				return // the asker hung up
			}
		}
		if err := f(w, r, body); err != nil {
			a.fail(w, r, err)
		}
	}
}

// statuses is the HTTP status of each code; a code missing here is 500.
var statuses = map[string]int{
	localapi.CodeBadRequest: http.StatusBadRequest,
	localapi.CodeForbidden:  http.StatusForbidden,
	localapi.CodeNoReader:   http.StatusNotFound,
	localapi.CodeNoSimCard:  http.StatusNotFound,
	localapi.CodeNotFound:   http.StatusNotFound,
	localapi.CodeNoCard:     http.StatusConflict,
	localapi.CodeMany:       http.StatusConflict,
	localapi.CodeBusy:       http.StatusConflict,
	localapi.CodeSimLocked:  http.StatusConflict,
	localapi.CodeNotSim:     http.StatusConflict,
	localapi.CodeBadTrust:   http.StatusUnprocessableEntity,
	localapi.CodeBadSimCard: http.StatusUnprocessableEntity,
	localapi.CodeReaderGone: http.StatusServiceUnavailable,
	localapi.CodeNoIssuer:   http.StatusServiceUnavailable,
	localapi.CodeShutdown:   http.StatusServiceUnavailable,
}

// meanings turns the readers' errors into codes and words for the operator.
var meanings = []struct {
	err          error
	code, detail string
}{
	{reader.ErrNoReader, localapi.CodeNoReader, "no reader of this id; GET /v1/readers lists them"},
	{reader.ErrEmpty, localapi.CodeNoCard, "no card on the reader: lay one on"},
	{reader.ErrMany, localapi.CodeMany, "more than one card on the reader: take all but one away"},
	{reader.ErrBusy, localapi.CodeBusy, "the card is in use by another tap, relay or program: try again in a moment"},
	{reader.ErrDown, localapi.CodeReaderGone, "the card reader service is down; it is tried again by itself"},
	{reader.ErrGone, localapi.CodeReaderGone, "the reader or the card left; plug the reader in again"},
	{trust.ErrRefused, localapi.CodeBadTrust, ""},
}

func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *localapi.Error
	if errors.As(err, &e) {
		status := statuses[e.Code]
		if status == 0 {
			status = http.StatusInternalServerError
		}
		refuse(w, status, e.Code, e.Detail)
		return
	}
	for _, m := range meanings {
		if errors.Is(err, m.err) {
			detail := m.detail
			if detail == "" {
				detail = err.Error()
			}
			refuse(w, statuses[m.code], m.code, detail)
			return
		}
	}
	if r.Context().Err() != nil {
		refuse(w, http.StatusServiceUnavailable, localapi.CodeShutdown, "cardsvc is stopping")
		return
	}
	a.Log.Error("request failed", "path", r.Pattern, "error", err)
	refuse(w, http.StatusInternalServerError, localapi.CodeInternal, "a fault in cardsvc; see its log")
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &localapi.Error{Code: localapi.CodeBadRequest, Detail: "the body is not the JSON expected: " + err.Error()}
	}
	return nil
}

func (a *api) readers(w http.ResponseWriter, r *http.Request, _ []byte) error {
	a.Hub.Settle(r.Context())
	return answer(w, a.Hub.Readers())
}

func (a *api) health(w http.ResponseWriter, _ *http.Request, _ []byte) error {
	h := localapi.Health{PCSC: "simulated"}
	for _, r := range a.Hub.Readers() {
		if r.State != localapi.ReaderGone {
			h.Readers++
		}
	}
	if known, err := a.Hub.Up("pcsc"); known && err == nil {
		h.PCSC = "ok"
	} else if known {
		h.PCSC = "down"
	}
	h.ListNumber, h.ListUntil = a.Trust.Verifier().ListState()
	h.OK = h.Readers > 0
	return answer(w, h)
}

// tapRequest reads the body of a tap; none is a request without a nonce.
func tapRequest(body []byte) (localapi.TapRequest, error) {
	var in localapi.TapRequest
	if len(body) == 0 {
		return in, nil
	}
	if err := decode(body, &in); err != nil {
		return in, err
	}
	if len(in.Nonce) != 0 && len(in.Nonce) != credential.NonceSize {
		return in, &localapi.Error{Code: localapi.CodeBadRequest, Detail: "a nonce has 32 bytes"}
	}
	if len(in.ReadKey) != 0 && len(in.ReadKey) != credential.ReaderKeySize {
		return in, &localapi.Error{Code: localapi.CodeBadRequest, Detail: "the key to read with has 16 bytes"}
	}
	return in, nil
}

func (a *api) tap(w http.ResponseWriter, r *http.Request, body []byte) error {
	in, err := tapRequest(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	t, err := a.Tapper.Tap(ctx, r.PathValue("reader"), in)
	if err != nil {
		return err
	}
	return answer(w, t)
}

func (a *api) check(w http.ResponseWriter, r *http.Request, body []byte) error {
	in, err := tapRequest(body)
	if err != nil {
		return err
	}
	if a.Relayer == nil {
		return &localapi.Error{Code: localapi.CodeNoIssuer, Detail: "cardsvc was started without --issuer: nobody can check the chip's key"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	t, err := a.Relayer.Check(ctx, r.PathValue("reader"), in.Nonce)
	if err != nil {
		return err
	}
	return answer(w, t)
}

func (a *api) relay(w http.ResponseWriter, r *http.Request, body []byte) error {
	var in localapi.RelayRequest
	if err := decode(body, &in); err != nil {
		return err
	}
	if in.Ticket == "" {
		return &localapi.Error{Code: localapi.CodeBadRequest, Detail: "no ticket: the console or the server gives one"}
	}
	if a.Relayer == nil {
		return &localapi.Error{Code: localapi.CodeNoIssuer, Detail: "cardsvc was started without --issuer: this is no issuing station"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), relayTime)
	defer cancel()
	out, err := a.Relayer.Relay(ctx, r.PathValue("reader"), in.Ticket)
	if err != nil {
		return err
	}
	return answer(w, out)
}

func (a *api) trust(w http.ResponseWriter, _ *http.Request, body []byte) error {
	var t localapi.Trust
	if err := decode(body, &t); err != nil {
		return err
	}
	if len(t.Certificates) == 0 && len(t.StatusList) == 0 {
		return &localapi.Error{Code: localapi.CodeBadRequest, Detail: "neither certificates nor a status list"}
	}
	if err := a.Trust.Put(t); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

var errNoSim = &localapi.Error{Code: localapi.CodeNotSim, Detail: "cardsvc was started without --simulate: there are no software cards"}

func (a *api) simCards(w http.ResponseWriter, _ *http.Request, _ []byte) error {
	if a.Sim == nil {
		return errNoSim
	}
	cards, err := a.Sim.Cards()
	if err != nil {
		return err
	}
	return answer(w, cards)
}

func (a *api) simCreate(w http.ResponseWriter, _ *http.Request, body []byte) error {
	if a.Sim == nil {
		return errNoSim
	}
	var in localapi.NewSimCard
	if err := decode(body, &in); err != nil {
		return err
	}
	c, err := a.Sim.Create(in)
	if err != nil {
		return err
	}
	return answer(w, c)
}

// simReader finds the simulated reader that a path names.
func (a *api) simReader(r *http.Request) (string, error) {
	kind, name, ok := a.Hub.Source(r.PathValue("reader"))
	switch {
	case !ok:
		return "", reader.ErrNoReader
	case kind != "sim" || a.Sim == nil:
		return "", &localapi.Error{Code: localapi.CodeNotSim, Detail: "this is a hardware reader: only a hand can lay a card on it"}
	}
	return name, nil
}

func (a *api) simInsert(w http.ResponseWriter, r *http.Request, body []byte) error {
	var in localapi.SimInsert
	if err := decode(body, &in); err != nil {
		return err
	}
	name, err := a.simReader(r)
	if err != nil {
		return err
	}
	if err := a.Sim.Insert(name, in); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) simRemove(w http.ResponseWriter, r *http.Request, _ []byte) error {
	name, err := a.simReader(r)
	if err != nil {
		return err
	}
	if err := a.Sim.Remove(name); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// events streams the present state of each reader, then every change.
func (a *api) events(w http.ResponseWriter, r *http.Request, _ []byte) error {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	sub := a.Hub.Subscribe()
	defer sub.Close()
	if _, err := io.WriteString(w, "retry: 1000\n\n"); err != nil {
		return nil
	}
	beat := time.NewTicker(a.Heartbeat)
	defer beat.Stop()
	for {
		for {
			rd, rl, ok := sub.Next()
			if !ok {
				break
			}
			var err error
			if rd != nil {
				err = sse(w, "reader", rd)
			} else {
				err = sse(w, "relay", rl)
			}
			if err != nil {
				return nil
			}
		}
		if err := rc.Flush(); err != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-sub.Bell():
		case <-beat.C:
			if _, err := io.WriteString(w, ": still here\n\n"); err != nil {
				return nil
			}
		}
	}
}

func sse(w io.Writer, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, b)
	return err
}
