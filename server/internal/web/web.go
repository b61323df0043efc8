package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/gofiber/fiber/v2/middleware/requestid"
	"github.com/valyala/fasthttp"

	"xueji/server/api"
	"xueji/server/exchange"
	"xueji/server/internal/audit"
	"xueji/server/internal/console"
	"xueji/server/internal/service"
)

// Service is all that the edge calls.
type Service interface {
	service.Console
	service.Devices
	service.Issuer
	service.Programs
	service.Peering
	// Lives reports whether a session still is, without using it.
	Lives(ctx context.Context, token string) bool
	// TrySlow bounds attempts at something from an address or a machine; right gives the attempt back.
	TrySlow(ctx context.Context, what, source string) (right func() error, err error)
}

// Keys are what the edge seals and proves with; *service.Keys implements it.
type Keys interface {
	CSRF(session string) []byte
	// Veil seals bytes for a place; Unveil opens them there alone.
	Veil(where string, plain []byte) []byte
	Unveil(where string, sealed []byte) ([]byte, error)
}

// Options of the edge. Service, CSRF and Log are required.
type Options struct {
	Service     Service
	Keys        Keys
	Log         *slog.Logger
	Now         func() time.Time
	IssuerToken string // "" shuts the issuer's paths
	PublicURL   string
	StationURL  string
	Version     string
	// Proxies are the addresses that may set X-Forwarded-For; empty: nobody may.
	Proxies []string
	// DeviceURL is what kiosks call, when it is not PublicURL.
	DeviceURL string
	// DeviceCerts asks devices for their certificate also where this process does not end TLS; on its own TLS it always does.
	DeviceCerts bool
	// IssuerCert asks the issuer for a certificate of the server's authority beside its token; it then calls where this process ends TLS.
	IssuerCert bool
	// Ready says why the server is not ready, nil when it is. Degraded lists parts that are down while work goes on.
	Ready    func(context.Context) error
	Degraded func(context.Context) []string
	// Audit is the log's public face; nil shows none.
	Audit *audit.Public
	// Practice is the register for practice; nil for none. Practising says that this edge serves it: no API, cookies of its own.
	Practice   Practice
	Practising bool
	// HSTSSubdomains has the promise of TLS hold for names under the server's too.
	HSTSSubdomains bool
	// KeepAlive is how often an idle event stream says that it lives; every third time its session is looked at. 0: 20 s.
	KeepAlive time.Duration
	// NoConsole leaves the pages out (tests of the API alone).
	NoConsole bool
}

// Limits of the edge.
const (
	smallBody    = 256 << 10
	batchBody    = 8 << 20 // a batch of the largest events fits, in base64
	trustBody    = 4 << 20
	exchangeBody = (exchange.MaxMessage+2)/3*4 + 1024 // a message in base64
	readTimeout  = 30 * time.Second
	writeTimeout = 0 // event streams are open ended; slow readers are cut by the keep-alive write
	idleTimeout  = 75 * time.Second
)

type server struct {
	opt     Options
	svc     Service
	keys    Keys
	log     *slog.Logger
	now     func() time.Time
	csp     string
	secure  bool
	nonces  nonces
	metrics *Metrics
	streams context.Context // ends when the server stops: open event streams end with it
}

// Web is the edge: the application for people, devices and the issuer, and the admin port.
type Web struct {
	App     *fiber.App
	Admin   *http.Server
	Metrics *Metrics
	stop    context.CancelFunc
}

// New builds the edge; it listens to nothing yet.
func New(o Options) (*Web, error) {
	if o.Service == nil || o.Keys == nil || o.Log == nil {
		return nil, errors.New("web: service, keys and log are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 20 * time.Second
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) error { return nil }
	}
	w := &server{opt: o, svc: o.Service, keys: o.Keys, log: o.Log, now: o.Now, metrics: newMetrics()}
	names, err := w.policy()
	if err != nil {
		return nil, err
	}
	streams, stop := context.WithCancel(context.Background())
	w.streams = streams

	app := fiber.New(fiber.Config{
		AppName:                 "xueji",
		Immutable:               true,
		DisableStartupMessage:   true,
		BodyLimit:               smallBody,
		ReadTimeout:             readTimeout,
		WriteTimeout:            writeTimeout,
		IdleTimeout:             idleTimeout,
		ReadBufferSize:          16 << 10,
		ErrorHandler:            w.onError,
		EnableTrustedProxyCheck: true,
		TrustedProxies:          o.Proxies,
		ProxyHeader:             fiber.HeaderXForwardedFor,
		EnableIPValidation:      true,
	})
	app.Server().HeaderReceived = w.bodyLimit
	app.Server().NoDefaultServerHeader = true
	app.Server().CloseOnShutdown = true

	app.Use(requestid.New(requestid.Config{Generator: newRef}))
	app.Use(w.observe)
	app.Use(recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: func(c *fiber.Ctx, e any) {
		w.metrics.event("panic", "http")
		w.log.Error("panic in a handler", "ref", ref(c), "route", c.Route().Path, "panic", fmt.Sprintf("%T", e), "stack", stack())
	}}))
	app.Use(w.everywhere)
	app.Use(guard)
	app.Get("/livez", func(c *fiber.Ctx) error { return c.SendString("alive\n") })
	app.Get("/readyz", w.readyz)
	if !o.Practising {
		if err := w.mountAPI(app); err != nil {
			stop()
			return nil, err
		}
		w.mountAudit(app)
	}
	if !o.NoConsole {
		app.Use(hostAllowed(names))
		if o.Practice != nil && !o.Practising {
			app.Use(w.divert)
		}
		app.Use(w.people)
		app.Get("/events", w.events)
		if err := console.Mount(app, w.deps()); err != nil {
			stop()
			return nil, fmt.Errorf("web: console: %w", err)
		}
	}
	app.Use(func(*fiber.Ctx) error { return fiber.NewError(http.StatusNotFound) })
	return &Web{App: app, Admin: w.admin(), Metrics: w.metrics, stop: stop}, nil
}

// End ends event streams; an edge that another one serves is ended by it.
func (w *Web) End() { w.stop() }

// policy reads the public and the station's address into the content security policy, and returns the names the server is known by.
func (w *server) policy() ([]string, error) {
	var names []string
	if w.opt.PublicURL != "" {
		u, err := url.Parse(w.opt.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("web: public URL %q is not an http(s) address", w.opt.PublicURL)
		}
		w.secure = u.Scheme == "https"
		names = append(names, u.Hostname())
	}
	connect := "'self'"
	if w.opt.StationURL != "" {
		u, err := url.Parse(w.opt.StationURL)
		if err != nil || u.Host == "" || strings.ContainsAny(u.Host, " ;,'\"") {
			return nil, fmt.Errorf("web: station URL %q is not an address", w.opt.StationURL)
		}
		connect += " " + u.Scheme + "://" + u.Host
	}
	w.csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src " + connect +
		"; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	return names, nil
}

// bodyLimit is the largest body of a route, decided when the header has come and before the body does.
func (w *server) bodyLimit(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	path, _, _ := strings.Cut(string(h.RequestURI()), "?")
	limit := smallBody
	switch {
	case path == api.PathBatches:
		limit = batchBody
	case path == api.PathExchange:
		limit = exchangeBody
	case path == api.PathStatusList || path == api.PathCerts || path == api.PathSealedKeys:
		limit = trustBody
	case !w.opt.NoConsole && string(h.Method()) == http.MethodPost && console.LargeBody(path):
		limit = console.MaxUpload + 64<<10
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: limit}
}

// readyz is ready when SQL answers. A queue that is down is degraded work, not an unready server.
func (w *server) readyz(c *fiber.Ctx) error {
	if err := w.opt.Ready(c.UserContext()); err != nil {
		w.log.WarnContext(c.UserContext(), "not ready", "err", err)
		return c.Status(http.StatusServiceUnavailable).SendString("not ready\n")
	}
	return c.SendString(w.readyText(c.UserContext()))
}

func (w *server) readyText(ctx context.Context) string {
	if w.opt.Degraded != nil {
		if d := w.opt.Degraded(ctx); len(d) > 0 {
			return "ready, degraded: " + strings.Join(d, ", ") + "\n"
		}
	}
	return "ready\n"
}

// Serve serves the application on ln (and on more: TLS) and the admin port on admin (nil: none) until ctx ends; then it stops accepting, ends event streams, lets requests
// finish for at most drain, and closes.
func (w *Web) Serve(ctx context.Context, ln, admin net.Listener, drain time.Duration, more ...net.Listener) error {
	errs := make(chan error, 2+len(more))
	go func() { errs <- w.App.Listener(ln) }()
	for _, l := range more {
		go func() { errs <- w.App.Server().Serve(l) }()
	}
	if admin != nil {
		go func() {
			if err := w.Admin.Serve(admin); !errors.Is(err, http.ErrServerClosed) {
				errs <- err
			}
		}()
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-errs:
	}
	w.stop()
	err := w.App.ShutdownWithTimeout(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("web: requests still open after %s were cut", drain)
	}
	end, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return errors.Join(failed, err, w.Admin.Shutdown(end))
}
