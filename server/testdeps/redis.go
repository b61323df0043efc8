package testdeps

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisServer is a redis-server whose life a test may shorten.
type RedisServer struct {
	t    testing.TB
	dir  string
	addr string
	c    *child
}

// StartRedis starts a redis-server that keeps nothing on disk: killed, it has lost everything, which is what the server must bear.
func StartRedis(t testing.TB) *RedisServer {
	t.Helper()
	dir, err := folder(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &RedisServer{t: t, dir: dir}
	t.Cleanup(func() {
		if r.c != nil {
			r.c.stop()
		}
		_ = os.RemoveAll(dir)
	})
	// A port that was free a moment ago may be taken by another; then another is tried.
	for try := range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.addr = l.Addr().String()
		_ = l.Close()
		if err = r.start(); err == nil {
			return r
		} else if try == 4 {
			t.Fatal(err)
		}
	}
	return r
}

// URL is its address, the same after a restart.
func (r *RedisServer) URL() string { return "redis://" + r.addr + "/0" }

func (r *RedisServer) start() error {
	program, err := find("redis-server")
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(r.addr)
	if r.c, err = start(r.dir, "KILL", nil, program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", r.dir); err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		pid, err := r.Command("INFO", "server")
		if err == nil && strings.Contains(pid, "tcp_port:"+port) {
			return nil
		}
		if strings.Contains(tail(r.dir), "Address already in use") || time.Now().After(end) {
			log := tail(r.dir)
			_ = r.c.signal("KILL")
			r.c = nil
			return fmt.Errorf("testdeps: redis-server does not answer: %v\n%s", err, log)
		}
	}
}

// Kill ends the server as kill -9 does.
func (r *RedisServer) Kill() {
	r.t.Helper()
	if err := r.c.signal("KILL"); err != nil {
		r.t.Fatal(err)
	}
	r.c = nil
}

// Restart starts a killed server again at the same address, empty.
func (r *RedisServer) Restart() {
	r.t.Helper()
	_ = os.Remove(filepath.Join(r.dir, "log"))
	if err := r.start(); err != nil {
		r.t.Fatal(err)
	}
}

// Do sends one command and fails the test when the server refuses it; the reply is given in the wire's form, without types.
func (r *RedisServer) Do(args ...string) string {
	r.t.Helper()
	out, err := r.Command(args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// Command sends one command over a connection of its own. (The queue's client library stays in its own package.)
func (r *RedisServer) Command(args ...string) (string, error) {
	c, err := net.DialTimeout("tcp", r.addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := c.Write([]byte(b.String())); err != nil {
		return "", err
	}
	return reply(bufio.NewReader(c))
}

func reply(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fmt.Errorf("testdeps: empty reply")
	}
	body := line[1:]
	switch line[0] {
	case '-':
		return "", fmt.Errorf("testdeps: redis says %s", body)
	case '$':
		n, err := strconv.Atoi(body)
		if err != nil || n < 0 {
			return "", err
		}
		buf := make([]byte, n+2)
		for read := 0; read < len(buf); {
			k, err := in.Read(buf[read:])
			if err != nil {
				return "", err
			}
			read += k
		}
		return string(buf[:n]), nil
	case '*':
		n, err := strconv.Atoi(body)
		if err != nil {
			return "", err
		}
		var parts []string
		for range max(n, 0) {
			p, err := reply(in)
			if err != nil {
				return "", err
			}
			parts = append(parts, p)
		}
		return strings.Join(parts, "\n"), nil
	}
	return body, nil
}
