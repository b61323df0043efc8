package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"xueji/server/api"
)

// Bounds of what waits, in lines and bytes, of one line, and of what is sent again after a break: the last so many, when they are no older.
const (
	maxLines = 8192
	maxBytes = 4 << 20
	maxLine  = 64 << 10
	tailKept = 64
	tailAge  = time.Minute
)

const (
	dialTime  = 10 * time.Second
	writeTime = 10 * time.Second
	firstWait = 500 * time.Millisecond
	lastWait  = 30 * time.Second
	// facility is local0.
	facility = 16
	// maxNumber is the largest sequenceId (RFC 5424, 7.3.1); 1 follows it.
	maxNumber = 1<<31 - 1
)

// Config says where lines go. The zero To is not usable.
type Config struct {
	// To is tls://host:port, or tcp://host:port on this machine alone: for a forwarder that speaks TLS itself.
	To string
	// CA is a file of certificates (PEM) that vouch for the other side; "" are the system's. Cert and Key are ours, where the other side asks who we are; they are read anew at
	// each connection.
	CA, Cert, Key string
	App           string // APP-NAME, such as "xueji-server"
}

// Settings are a program's, for its command line and environment.
type Settings struct {
	LogTo   string `env:"XUEJI_LOG_TO" name:"log-to" help:"Another machine that keeps the log: tls://host:6514 (syslog over TLS, RFC 5425); tcp://127.0.0.1:port for a forwarder here. Empty: none."`
	LogCA   string `env:"XUEJI_LOG_CA" name:"log-ca" help:"Certificates (PEM) that vouch for it. Empty: the system's." type:"path"`
	LogCert string `env:"XUEJI_LOG_CERT" name:"log-cert" help:"Our certificate (PEM), where it asks for one." type:"path"`
	LogKey  string `env:"XUEJI_LOG_KEY" name:"log-key" help:"Its key (PEM)." type:"path"`
}

// Open is Open with the settings; nil when they name no machine.
func (s *Settings) Open(app string, local io.Writer) (*Line, error) {
	if s.LogTo == "" {
		return nil, nil
	}
	l, err := Open(Config{To: s.LogTo, CA: s.LogCA, Cert: s.LogCert, Key: s.LogKey, App: app}, local)
	if err != nil {
		return nil, fmt.Errorf("--log-to: %w", err)
	}
	return l, nil
}

// Line is the line to the other machine. It is an io.Writer that never blocks and never fails; each Write is one line. It is safe for concurrent use.
type Line struct {
	dial  func(context.Context) (net.Conn, error)
	where string
	head  string // after the time: host, app, pid
	local *slog.Logger

	mu      sync.Mutex
	queue   []message
	bytes   int
	number  uint32
	lost    uint64 // since the program began
	told    uint64 // of those, told to the other side
	losing  bool   // said so here
	closing bool

	wake chan struct{}
	stop context.CancelFunc
	done chan struct{}
}

// message is a frame, ready to be sent.
type message []byte

// Open begins a line. It holds the settings to what can work and calls nobody yet: an other side that is away is no error, and is told of on local, where one line of JSON each says
// that the line went down, came back, and what was lost.
func Open(c Config, local io.Writer) (*Line, error) {
	u, err := url.Parse(c.To)
	if err != nil || u.Host == "" || u.Port() == "" || u.Path != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not tls://host:port", c.To)
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("a certificate and its key come together")
	}
	l := &Line{where: u.Host, local: slog.New(slog.NewJSONHandler(local, nil)), wake: make(chan struct{}, 1), done: make(chan struct{})}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	l.head = fmt.Sprintf(" %s %s %d - ", printable(host, 255), printable(c.App, 48), os.Getpid())
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}
	switch u.Scheme {
	case "tls":
		conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
		if c.CA != "" {
			pem, err := os.ReadFile(c.CA)
			if err != nil {
				return nil, err
			}
			if conf.RootCAs = x509.NewCertPool(); !conf.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("%s: no certificate (PEM) in it", c.CA)
			}
		}
		if c.Cert != "" {
			if _, err := tls.LoadX509KeyPair(c.Cert, c.Key); err != nil {
				return nil, err
			}
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
				return &pair, err
			}
		}
		secure := &tls.Dialer{NetDialer: dialer, Config: conf}
		l.dial = func(ctx context.Context) (net.Conn, error) { return secure.DialContext(ctx, "tcp", u.Host) }
	case "tcp":
		if !api.ThisMachine(u.Hostname()) {
			return nil, fmt.Errorf("%q leaves this machine in clear: tls:// is asked for", c.To)
		}
		l.dial = func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", u.Host) }
	default:
		return nil, fmt.Errorf("%q is not tls://host:port", c.To)
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.run(ctx)
	return l, nil
}

// printable is a header field of RFC 5424: printable ASCII without blanks, "-" for none.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), most)]
}

// severity is RFC 5424's for the level of a line that slog's JSON handler wrote: it begins with time and level.
func severity(line []byte) int {
	_, rest, ok := bytes.Cut(line[:min(len(line), 100)], []byte(`,"level":"`))
	switch {
	case ok && bytes.HasPrefix(rest, []byte("ERROR")):
		return 3
	case ok && bytes.HasPrefix(rest, []byte("WARN")):
		return 4
	case ok && bytes.HasPrefix(rest, []byte("DEBUG")):
		return 7
	}
	return 6
}

// Write queues one line and always says that it was taken. A line that does not fit is lost, and counted.
func (l *Line) Write(p []byte) (int, error) {
	line := bytes.TrimRight(p, "\n")
	l.mu.Lock()
	l.number = l.number%maxNumber + 1 // a line that is lost has its number too: the other side sees the gap
	full := len(line) > maxLine || len(l.queue) >= maxLines || l.bytes+len(line) > maxBytes || l.closing
	first := false
	if full {
		l.lost++
		first, l.losing = !l.losing, true
	} else {
		l.put(l.frame(l.number, severity(line), line))
	}
	l.mu.Unlock()
	if first {
		l.local.Error("log lines are being lost on their way to the other machine: it is away or too slow. They stand here", "to", l.where)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return len(p), nil
}

// frame is a message with its length before it (RFC 5425, 4.3).
func (l *Line) frame(number uint32, severity int, line []byte) message {
	body := fmt.Appendf(nil, "<%d>1 %s%s[meta sequenceId=\"%d\"] ", facility*8+severity, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), l.head, number)
	body = append(body, line...)
	return append(fmt.Appendf(nil, "%d ", len(body)), body...)
}

func (l *Line) put(m message) {
	l.queue = append(l.queue, m)
	l.bytes += len(m)
}

// Lost is how many lines never left.
func (l *Line) Lost() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Close sends what waits, for as long as within, and ends. What is written afterwards is lost.
func (l *Line) Close(within time.Duration) {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-l.done:
	case <-t.C:
	}
	l.stop()
	<-l.done
}

// take is what waits, and whether that is all there will ever be.
func (l *Line) take() (out []message, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.lost - l.told; n > 0 && len(l.queue) > 0 {
		l.number = l.number%maxNumber + 1
		line := fmt.Appendf(nil, `{"time":"%s","level":"ERROR","msg":"log lines were lost on their way","lost":%d}`, time.Now().Format(time.RFC3339Nano), n)
		l.queue = append(l.queue, l.frame(l.number, 3, line))
		l.told, l.losing = l.lost, false
	}
	out, l.queue, l.bytes = l.queue, nil, 0
	return out, l.closing
}

// back puts messages before what waits: they have to be sent again. Bounds hold for new lines; these were within them.
func (l *Line) back(m []message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(append([]message{}, m...), l.queue...)
	for _, x := range m {
		l.bytes += len(x)
	}
}

// run sends until ctx ends, or until Close was called and all is sent.
func (l *Line) run(ctx context.Context) {
	defer close(l.done)
	wait, down := firstWait, false
	for {
		if !l.some(ctx) {
			return
		}
		conn, err := l.dial(ctx)
		if err == nil {
			if down {
				l.local.Info("the line to the log's other machine is back", "to", l.where)
				down = false
			}
			var ended bool
			if ended, err = l.send(ctx, conn); ended {
				return
			}
			wait = firstWait
		}
		if ctx.Err() != nil {
			return
		}
		if !down {
			l.local.Warn("the line to the log's other machine is down; lines wait here", "to", l.where, "err", err)
			down = true
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		wait = min(2*wait, lastWait)
	}
}

// some waits until something waits; false when there is nothing and never will be.
func (l *Line) some(ctx context.Context) bool {
	for {
		l.mu.Lock()
		n, closing := len(l.queue), l.closing
		l.mu.Unlock()
		switch {
		case n > 0:
			return true
		case closing:
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-l.wake:
		}
	}
}

// send carries messages over one connection until it breaks; ended when Close was called and all is sent. The other side says nothing: whatever it sends is passed over, and that it is
// gone is seen by reading.
func (l *Line) send(ctx context.Context, conn net.Conn) (ended bool, err error) {
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		close(gone)
	}()
	type sent struct {
		m  message
		at time.Time
	}
	var tail []sent
	cut := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		cut()
		_ = conn.Close()
		<-gone
		var again []message
		for _, s := range tail {
			if time.Since(s.at) < tailAge && !ended {
				again = append(again, s.m)
			}
		}
		l.back(again)
	}()
	for {
		batch, last := l.take()
		for i, m := range batch {
			_ = conn.SetWriteDeadline(time.Now().Add(writeTime))
			if _, err := conn.Write(m); err != nil {
				l.back(batch[i:])
				return false, err
			}
			if tail = append(tail, sent{m, time.Now()}); len(tail) > tailKept {
				tail = tail[1:]
			}
		}
		if last {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-gone:
			return false, io.ErrUnexpectedEOF
		case <-l.wake:
		}
	}
}
