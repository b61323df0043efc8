package syslog

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/pki"
)

// heard is a message as the other machine took it.
type heard struct {
	pri, number         int
	host, app, pid, msg string
}

var rfc5424 = regexp.MustCompile(`^<(\d{1,3})>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ([!-~]{1,255}) ([!-~]{1,48}) (\d+) - \[meta sequenceId="(\d+)"\] (.*)$`)

// machine is the other machine: it takes frames of RFC 5425 and nothing else.
type machine struct {
	t    *testing.T
	ln   net.Listener
	took chan heard
	mu   sync.Mutex
	open []net.Conn
}

func listen(t *testing.T, addr string, conf *tls.Config) *machine {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if conf != nil {
		ln = tls.NewListener(ln, conf)
	}
	m := &machine{t: t, ln: ln, took: make(chan heard, 100000)}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			m.open = append(m.open, c)
			m.mu.Unlock()
			go m.serve(c)
		}
	}()
	t.Cleanup(m.close)
	return m
}

func (m *machine) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		length, err := r.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
		if err != nil || n < 1 {
			m.t.Errorf("no length: %q", length)
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return
		}
		f := rfc5424.FindStringSubmatch(string(b))
		if f == nil {
			m.t.Errorf("no message of RFC 5424: %q", b)
			return
		}
		pri, _ := strconv.Atoi(f[1])
		number, _ := strconv.Atoi(f[5])
		m.took <- heard{pri, number, f[2], f[3], f[4], f[6]}
	}
}

// close is the machine going away, its connections with it.
func (m *machine) close() {
	m.ln.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.open {
		c.Close()
	}
	m.open = nil
}

func (m *machine) next() heard {
	m.t.Helper()
	select {
	case h := <-m.took:
		return h
	case <-time.After(time.Minute):
		m.t.Fatal("nothing came")
		return heard{}
	}
}

// until reads to the first message that holds word.
func (m *machine) until(word string) (before []heard, h heard) {
	m.t.Helper()
	for {
		if h = m.next(); strings.Contains(h.msg, word) {
			return before, h
		}
		before = append(before, h)
	}
}

// quiet is what the line says here of itself.
type quiet struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (q *quiet) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.b.Write(p)
}

func (q *quiet) said() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.b.String()
}

// authority makes a certificate for localhost and the file of who vouches for it.
func authority(t *testing.T, seed byte) (*tls.Config, string) {
	t.Helper()
	ca, err := pki.New(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Server([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[len(cert.Certificate)-1]}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}, file
}

func at(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return "localhost:" + port
}

func open(t *testing.T, c Config) (*Line, *quiet) {
	t.Helper()
	here := &quiet{}
	c.App = "xueji-server"
	l, err := Open(c, here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(0) })
	return l, here
}

// TestLogLeavesTheMachine: what a logger writes comes to the other machine over verified TLS as messages of RFC 5424, whole, in order, numbered, with the severity of its level; what
// waits at the end is sent before it ends.
func TestLogLeavesTheMachine(t *testing.T) {
	conf, ca := authority(t, 1)
	m := listen(t, "localhost:0", conf)
	l, here := open(t, Config{To: "tls://" + at(m.ln.Addr().String()), CA: ca})
	log := slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log.Debug("a")
	log.Info("陈\n<1>1 x", "k", "]\"\\")
	log.Warn("c")
	log.Error("d")
	for i, pri := range []int{135, 134, 132, 131} {
		h := m.next()
		if h.pri != pri || h.number != i+1 || h.app != "xueji-server" || h.pid != strconv.Itoa(os.Getpid()) || !strings.HasPrefix(h.msg, `{"time":"`) || !strings.HasSuffix(h.msg, "}") {
			t.Errorf("%+v", h)
		}
		if i == 1 && !strings.Contains(h.msg, `"msg":"陈\n<1>1 x","k":"]\"\\"`) {
			t.Errorf("%q", h.msg)
		}
	}
	for i := range 1000 {
		log.Info("many", "i", i)
	}
	l.Close(time.Minute)
	for i := range 1000 {
		if h := m.next(); h.number != 5+i || !strings.HasSuffix(h.msg, fmt.Sprintf(`"i":%d}`, i)) {
			t.Fatalf("%d: %+v", i, h)
		}
	}
	if l.Lost() != 0 || strings.Contains(here.said(), "lost") {
		t.Fatal(here.said())
	}
	log.Info("afterwards")
	if l.Lost() != 1 {
		t.Fatal("what is written after the end is not counted as lost")
	}
}

// TestStrangersHearNothing: a machine that the authority does not vouch for is told nothing; the line says so here, once, and goes on when the right one is there.
func TestStrangersHearNothing(t *testing.T) {
	_, ca := authority(t, 1)
	other, _ := authority(t, 2)
	m := listen(t, "localhost:0", other)
	l, here := open(t, Config{To: "tls://" + at(m.ln.Addr().String()), CA: ca})
	slog.New(slog.NewJSONHandler(l, nil)).Info("secret")
	for !strings.Contains(here.said(), "down") {
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(here.said(), "certificate") || len(m.took) != 0 {
		t.Fatal(here.said())
	}
	m.close()
	right, _ := authority(t, 1)
	again := listen(t, m.ln.Addr().String(), right)
	if h := again.next(); !strings.Contains(h.msg, "secret") {
		t.Fatalf("%+v", h)
	}
	if n := strings.Count(here.said(), "is down"); n != 1 {
		t.Errorf("said %d times that the line is down", n)
	}
}

// TestMachineGoesAndComes: lines that are logged while the other machine is away come when it is back, in order; those shortly before the break come twice rather than never, by the same
// number.
func TestMachineGoesAndComes(t *testing.T) {
	m := listen(t, "127.0.0.1:0", nil)
	addr := m.ln.Addr().String()
	l, here := open(t, Config{To: "tcp://" + addr})
	log := slog.New(slog.NewJSONHandler(l, nil))
	log.Info("before")
	first := m.next()
	m.close()
	for !strings.Contains(here.said(), "is down") {
		log.Info("while")
		time.Sleep(5 * time.Millisecond)
	}
	log.Info("last")
	m = listen(t, addr, nil)
	all, last := m.until("last")
	if len(all) == 0 || all[0] != first {
		t.Fatalf("what was on its way when the line broke did not come again: %+v, first %+v", all, first)
	}
	for i, h := range append(all, last) {
		if h.number != i+1 {
			t.Fatalf("number %d at place %d", h.number, i)
		}
	}
	if l.Lost() != 0 {
		t.Fatal("lines were lost within bounds")
	}
	log.Info("after")
	m.until("after")
	if !strings.Contains(here.said(), "is back") {
		t.Fatal(here.said())
	}
}

// TestLoggingNeverWaits: with nobody there, or somebody who takes nothing, a hundred thousand lines are written without waiting; what does not fit is counted, told of here at once and to the
// other machine when it is back, and the numbers show the gap.
func TestLoggingNeverWaits(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String() // accepts by the kernel's word and reads nothing
	l, here := open(t, Config{To: "tcp://" + addr})
	log := slog.New(slog.NewJSONHandler(l, nil))
	text := strings.Repeat("x", 400)
	const n = 100000
	for i := range n {
		log.Info(text, "i", i)
	}
	l.Write(bytes.Repeat([]byte("y"), maxLine+1)) // nobody takes such a line
	l.mu.Lock()
	lines, size := len(l.queue), l.bytes
	l.mu.Unlock()
	if lines > maxLines || size > maxBytes+maxLine || l.Lost() == 0 {
		t.Fatalf("%d lines, %d bytes wait; %d lost", lines, size, l.Lost())
	}
	if strings.Count(here.said(), "being lost") != 1 {
		t.Fatal(here.said())
	}
	lost := l.Lost()
	ln.Close()
	m := listen(t, addr, nil)
	before, word := m.until("were lost on their way") // there is room again
	log.Info("now")
	rest, now := m.until(`"now"`)
	before = append(append(before, word), rest...)
	told, words, gap := uint64(0), 0, false
	for i, h := range before {
		var n uint64
		if _, rest, ok := strings.Cut(h.msg, `log lines were lost on their way","lost":`); ok {
			if _, err := fmt.Sscanf(rest, "%d}", &n); err != nil || h.pri != 131 {
				t.Fatalf("%+v %v", h, err)
			}
			words++
		}
		told += n
		gap = gap || i > 0 && h.number > before[i-1].number+1
	}
	if told != lost || words == 0 || now.number != n+2+words { // the long one and each word of a loss have numbers too
		t.Fatalf("%d lost, %d told in %d words; %+v", lost, told, words, now)
	}
	if !gap {
		t.Fatal("the numbers do not show that lines are missing")
	}
}

// TestWrongSettings: what cannot work is said at the start.
func TestWrongSettings(t *testing.T) {
	_, ca := authority(t, 1)
	none := filepath.Join(t.TempDir(), "none.pem")
	if err := os.WriteFile(none, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{
		{To: ""}, {To: "log.example.cn:6514"}, {To: "tls://log.example.cn"}, {To: "udp://127.0.0.1:514"}, {To: "tls://u:p@log.example.cn:6514"}, {To: "tls://log.example.cn:6514/x"},
		{To: "tcp://log.example.cn:601"}, {To: "tcp://192.0.2.1:601"}, {To: "tls://log.example.cn:6514", CA: none}, {To: "tls://log.example.cn:6514", CA: filepath.Join(none, "x")},
		{To: "tls://log.example.cn:6514", CA: ca, Cert: ca}, {To: "tls://log.example.cn:6514", CA: ca, Cert: ca, Key: none},
	} {
		if l, err := Open(c, io.Discard); err == nil {
			l.Close(0)
			t.Errorf("%+v was taken", c)
		}
	}
}

// TestWhoWeAre: where the other machine asks for a certificate, it is shown ours.
func TestWhoWeAre(t *testing.T) {
	conf, ca := authority(t, 1)
	conf.ClientAuth = tls.RequireAnyClientCert
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	authorityOf, err := pki.New(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	own, err := authorityOf.Server([]string{"xueji"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8(own)
	if err := errors.Join(err, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)); err != nil {
		t.Fatal(err)
	}
	m := listen(t, "localhost:0", conf)
	l, _ := open(t, Config{To: "tls://" + at(m.ln.Addr().String()), CA: ca, Cert: cert, Key: key})
	slog.New(slog.NewJSONHandler(l, nil)).Info("shown")
	m.until("shown")
}

func pkcs8(c tls.Certificate) ([]byte, error) { return x509.MarshalPKCS8PrivateKey(c.PrivateKey) }
