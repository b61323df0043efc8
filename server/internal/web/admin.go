package web

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the server's numbers for its operator. Labels are of closed sets: routes, codes, words of this program.
type Metrics struct {
	Registry *prometheus.Registry
	requests *prometheus.HistogramVec
	events   *prometheus.CounterVec
}

func newMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "xueji_http_seconds", Help: "Time of requests by route and status.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, []string{"method", "route", "status"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xueji_events_total", Help: "What happened: sign-ins, refusals, alarms, imports."},
			[]string{"name", "what"}),
	}
	m.Registry.MustRegister(m.requests, m.events, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Event counts one; it is service.Options.OnEvent.
func (m *Metrics) Event(name, what string) { m.event(name, what) }

func (m *Metrics) event(name, what string) { m.events.WithLabelValues(name, what).Inc() }

// observe times a request.
func (w *server) observe(c *fiber.Ctx) error {
	start := time.Now()
	err := c.Next()
	status := c.Response().StatusCode()
	if err != nil {
		status = Status(err)
	}
	w.metrics.requests.WithLabelValues(c.Method(), c.Route().Path, strconv.Itoa(status)).Observe(time.Since(start).Seconds())
	return err
}

// admin is the operators' port: profiles, numbers, liveness. It belongs on loopback.
func (w *server) admin() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.Handle("/metrics", promhttp.HandlerFor(w.metrics.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/livez", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte("alive\n")) })
	mux.HandleFunc("/readyz", func(rw http.ResponseWriter, r *http.Request) {
		if err := w.opt.Ready(r.Context()); err != nil {
			http.Error(rw, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = rw.Write([]byte(w.readyText(r.Context())))
	})
	return &http.Server{Handler: operators(mux), ReadHeaderTimeout: 5 * time.Second}
}

// operators guards the port without a sign-in: it is asked for by an address or as localhost, never by a name that a page could make point here (DNS rebinding), by
// no page at all, and with bodies of a known length alone.
func operators(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if len(r.TransferEncoding) > 0 {
			h.Set("Connection", "close")
			http.Error(rw, "a body of a known length is wanted", http.StatusLengthRequired)
			return
		}
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPost: // POST: pprof's symbols
		default:
			http.Error(rw, "not a method of this port", http.StatusMethodNotAllowed)
			return
		}
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if host = strings.Trim(host, "[]"); host != "localhost" && net.ParseIP(host) == nil {
			http.Error(rw, "ask by address", http.StatusMisdirectedRequest)
			return
		}
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") == "cross-site" || r.Header.Get("Sec-Fetch-Site") == "same-site" {
			http.Error(rw, "not for pages", http.StatusForbidden)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// newRef is a request's number for the operator.
func newRef() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func stack() string { return string(debug.Stack()) }
