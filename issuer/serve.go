package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/relay"
	"xueji/issuer/internal/custody"
	"xueji/issuer/internal/housekeeping"
	"xueji/issuer/internal/journal"
	"xueji/issuer/internal/perso"
	"xueji/issuer/internal/station"
	"xueji/server/api"
	"xueji/server/syslog"
)

type serveCmd struct {
	Listen    string        `default:"127.0.0.1:7010" help:"Address for the stations; port 0 picks one. Beyond this machine, put TLS in front."`
	Dir       string        `required:"" type:"existingdir" help:"Folder of issuer init."`
	Server    string        `required:"" placeholder:"URL" help:"The register."`
	TokenFile string        `required:"" type:"path" help:"File with the server's issuer token."`
	Profiles  string        `type:"existingdir" placeholder:"DIR" help:"More firmware profiles, beside the built-in ones."`
	ServerCA  string        `name:"server-ca" type:"existingfile" placeholder:"FILE" help:"The server's own authority (ca.pem), when no public one names it."`
	ClientCrt string        `name:"client-cert" type:"path" placeholder:"FILE" help:"Certificate (PEM) to show to the server, where it asks for one (--issuer-cert there)."`
	ClientKey string        `name:"client-key" type:"path" placeholder:"FILE" help:"Its key."`
	TLSCert   string        `name:"tls-cert" type:"path" placeholder:"FILE" help:"Certificate chain (PEM): the issuer ends TLS itself."`
	TLSKey    string        `name:"tls-key" type:"path" placeholder:"FILE" help:"Its key."`
	Console   string        `name:"console-key" placeholder:"HEX|FILE" help:"The register's public reading key, as 'server reading-key' prints it there: with it the console opens the sealed record of a card that lies before it. Without it no register gets keys."`
	Clear     []string      `enum:"listen,server" help:"Lines that may leave this machine in clear because something below protects them (a VPN, a proxy): listen, server. Others are refused at the start."`
	Every     time.Duration `default:"15s" help:"Time between rounds of housekeeping."`
	syslog.Settings
}

// lastLines is how long the end waits for the log to leave the machine.
const lastLines = 3 * time.Second

// inClear refuses lines that would carry the token, or a card's commands, to other machines in clear, unless the operator allowed them by name; then it says so in the log.
func (c serveCmd) inClear(log *slog.Logger) error {
	var open []string
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && c.TLSCert == "" && !api.ThisMachine(host) {
		open = append(open, "listen")
	}
	if u, err := url.Parse(c.Server); err == nil && u.Scheme == "http" && !api.ThisMachine(u.Hostname()) {
		open = append(open, "server")
	}
	for _, name := range open {
		if !slices.Contains(c.Clear, name) {
			return fmt.Errorf("--%s would go to other machines in clear: use TLS (--tls-cert and --tls-key; https://). Where something below protects that line: --clear %s", name, name)
		}
		log.Warn("a line to other machines is in clear, as --clear allows: something below must protect it", "line", name)
	}
	return nil
}

// drain is how long a turn under way may take to end at shutdown.
const drain = 10 * time.Second

// Run serves until the terminal's context ends. Sessions under way end with "gone": their cards are finished when put back.
func (c serveCmd) Run(t terminal) error {
	if u, err := url.Parse(c.Server); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("server URL %q: http://host:port or https://host is wanted", c.Server)
	}
	if err := c.inClear(t.log); err != nil {
		return err
	}
	if c.Every <= 0 {
		return errors.New("--every must be above zero")
	}
	away, err := c.Settings.Open("xueji-issuer", t.stderr)
	if err != nil {
		return err
	}
	if away != nil {
		t.log = slog.New(slog.NewJSONHandler(io.MultiWriter(away, t.stderr), nil))
		defer away.Close(lastLines)
	}
	console, err := consoleKey(c.Console)
	if err != nil {
		return err
	}
	token, err := readToken(c.TokenFile)
	if err != nil {
		return err
	}
	vault, err := custody.OpenAt(c.Dir, t.now)
	if err != nil {
		return err
	}
	defer vault.Close()
	if end := vault.CertificateEnd(); !t.now().Before(end) {
		return fmt.Errorf("the issuing certificate ended on %s: cards made now would not be valid", end.Format(time.DateOnly))
	}
	masters, err := custody.OpenMasters(c.Dir)
	if err != nil {
		return err
	}
	defer masters.Close()
	var extra []fs.FS
	if c.Profiles != "" {
		extra = append(extra, os.DirFS(c.Profiles))
	}
	set, err := profiles.Load(extra...)
	if err != nil {
		return err
	}
	j, err := journal.Open(filepath.Join(c.Dir, custody.FileJournal), t.now)
	if err != nil {
		return err
	}
	defer j.Close()
	hc, err := c.client()
	if err != nil {
		return err
	}
	server := api.NewIssuerClient(c.Server, token, hc)
	maker := &perso.Maker{
		Log: t.log, Keys: vault, Masters: masters, Profiles: set, Register: server, Journal: j, Now: t.now, Rand: rand.Reader,
		Lost: func(err error) bool { return errors.Is(err, station.ErrGone) },
	}
	readers, err := housekeeping.Readers(set, masters.Reader)
	if err != nil {
		return err
	}
	keeper := &housekeeping.Keeper{
		Console: console, Readers: readers, Told: custody.Told{Dir: c.Dir}, Log: t.log, Keys: vault, Register: server, Now: t.now, Every: c.Every,
		Settle: func(ctx context.Context) int { return maker.Settle(ctx, j.List(journal.Written)) },
	}
	sessions := station.New(t.log, func(ctx context.Context, s station.Start, link *station.Link) relay.Outcome {
		if s.Check {
			return maker.Check(ctx, s.Record, s.Bind, s.ATR, link)
		}
		return maker.Make(ctx, s.Ticket, s.ATR, link)
	}, 0)
	var secure *tls.Config
	if c.TLSCert != "" || c.TLSKey != "" {
		serve := pair(c.TLSCert, c.TLSKey)
		if _, err := serve(); err != nil {
			return fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		secure = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return serve() }}
	}
	return serve(t, c.Listen, secure, sessions, keeper)
}

// client trusts the server's own authority when it is given, and then no other. It shows its certificate, when it has one, to a server that asks.
func (c serveCmd) client() (*http.Client, error) {
	var ca []byte
	if c.ServerCA != "" {
		raw, err := os.ReadFile(c.ServerCA)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(raw)
		if block == nil {
			return nil, fmt.Errorf("%s: no certificate in it", c.ServerCA)
		}
		ca = block.Bytes
	}
	t, err := api.RootedTLS(ca)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.ServerCA, err)
	}
	if c.ClientCrt != "" || c.ClientKey != "" {
		show := pair(c.ClientCrt, c.ClientKey)
		if _, err := show(); err != nil {
			return nil, fmt.Errorf("--client-cert, --client-key: %w", err)
		}
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return show() }
	}
	return api.NewHTTPClient(t), nil
}

// pair reads a certificate and its key at each handshake: a renewed one needs no restart, and lines are opened seldom.
func pair(cert, key string) func() (*tls.Certificate, error) {
	return func() (*tls.Certificate, error) {
		p, err := tls.LoadX509KeyPair(cert, key)
		return &p, err
	}
}

// plain is what every answer carries, and what no request may: a body without a known length, which two parsers may read differently.
func plain(next http.Handler, secure bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		if len(r.TransferEncoding) > 0 {
			h.Set("Connection", "close")
			http.Error(w, "send a body of a known length", http.StatusLengthRequired)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func serve(t terminal, listen string, secure *tls.Config, sessions *station.Server, keeper *housekeeping.Keeper) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(t.ctx, "tcp", listen)
	if err != nil {
		return err
	}
	if secure != nil {
		ln = tls.NewListener(ln, secure)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.ctx))
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { keeper.Run(ctx) })

	mux := http.NewServeMux()
	mux.Handle(relay.Path, sessions)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !keeper.Ready() {
			http.Error(w, "the server does not hold our certificates yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	srv := &http.Server{Handler: plain(mux, secure != nil), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	wg.Go(func() { ended <- srv.Serve(ln) })
	t.log.Info("listening", "address", ln.Addr().String())
	t.listen(ln.Addr().String())
	select {
	case err = <-ended:
		sessions.Close()
		return err
	case <-t.ctx.Done():
	}
	sessions.Close() // cards in the making: their stations are told, the journal keeps them
	stop, done := context.WithTimeout(context.WithoutCancel(t.ctx), drain)
	defer done()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close()
	}
	<-ended
	return nil
}

// consoleKey reads the pinned key: 64 hexadecimal digits, or the file whose first word they are. "" is no key.
func consoleKey(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	if key, err := hex.DecodeString(s); err == nil && len(key) == consoleKeySize {
		return key, nil
	}
	b, err := os.ReadFile(s)
	if err != nil {
		return nil, fmt.Errorf("--console-key: neither 64 hexadecimal digits nor a file of them: %w", err)
	}
	words := bytes.Fields(b)
	if len(words) > 0 {
		if key, err := hex.DecodeString(string(words[0])); err == nil && len(key) == consoleKeySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("--console-key %s: the file begins with 64 hexadecimal digits, as `server reading-key` prints them", s)
}

// consoleKeySize is an X25519 public key, bytes.
const consoleKeySize = 32

// readToken reads the bearer token: one line of printable characters.
func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("token file: %w; the server writes it at its first start", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("token file %s has mode %04o: others on this machine may have read it; make the server write a new one, mode 0600", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	b = bytes.TrimSpace(b)
	if len(b) < 16 || len(b) > 512 {
		return "", fmt.Errorf("token file %s: 16–512 characters are wanted", path)
	}
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return "", fmt.Errorf("token file %s: one line of printable characters is wanted", path)
		}
	}
	return string(b), nil
}
