package notify

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"os"
)

func TestSend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	Send("READY=1")
	b := make([]byte, 64)
	if n, err := l.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Fatal(string(b[:n]), err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	Send("READY=1") // nobody listens
	t.Setenv("WATCHDOG_USEC", "60000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	if d := Watchdog(); d != 30*time.Second {
		t.Error(d)
	}
	t.Setenv("WATCHDOG_PID", "1")
	if d := Watchdog(); d != 0 {
		t.Error("another program's watchdog:", d)
	}
}
