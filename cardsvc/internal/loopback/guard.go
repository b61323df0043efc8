package loopback

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"xueji/cardsvc/localapi"
)

// Listen opens addr ("127.0.0.1:7021"; port 0 picks one) and refuses every address that is not of this machine alone.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: host:port is wanted, such as 127.0.0.1:7021", addr)
	}
	if !isLoopback(host) {
		return nil, fmt.Errorf("listen address %q: cardsvc listens on 127.0.0.1 or [::1] only; a card reader is nobody else's business on the network", addr)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if ip, ok := ln.Addr().(*net.TCPAddr); !ok || !ip.IP.IsLoopback() { // "localhost" may be anything in a hosts file
		_ = ln.Close()
		return nil, fmt.Errorf("listen address %q is not of this machine alone", addr)
	}
	return ln, nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Origins is an allow list of page origins, as browsers send them.
type Origins map[string]bool

// ParseOrigins checks and normalises a list of origins such as "http://127.0.0.1:7030".
func ParseOrigins(list []string) (Origins, error) {
	out := Origins{}
	for _, o := range list {
		u, err := url.Parse(strings.TrimSuffix(o, "/"))
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, fmt.Errorf("allowed origin %q: scheme://host[:port] is wanted, with no path and no wildcard", o)
		}
		out[strings.ToLower(u.Scheme+"://"+u.Host)] = true
	}
	return out, nil
}

// guard lets through what may ask and answers preflights.
func guard(origins Origins, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if len(r.TransferEncoding) > 0 { // two parsers may read such a body differently
			h.Set("Connection", "close")
			refuse(w, http.StatusLengthRequired, localapi.CodeBadRequest, "send a body of a known length")
			return
		}
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !isLoopback(strings.Trim(host, "[]")) {
			refuse(w, http.StatusForbidden, "forbidden", "ask for 127.0.0.1 or localhost by name")
			return
		}
		h.Add("Vary", "Origin")
		origin := strings.ToLower(r.Header.Get("Origin"))
		if origin != "" {
			if !origins[origin] {
				refuse(w, http.StatusForbidden, "forbidden", "this page's origin is not on cardsvc's --allow-origin list")
				return
			}
			h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			h.Set("Access-Control-Max-Age", "600")
		} else if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			refuse(w, http.StatusForbidden, "forbidden", "another site's page asks without saying who it is")
			return
		}
		if r.Method == http.MethodOptions {
			h.Add("Vary", "Access-Control-Request-Private-Network")
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT")
			h.Set("Access-Control-Allow-Headers", "Content-Type, Last-Event-ID")
			if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
				h.Set("Access-Control-Allow-Private-Network", "true")
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
