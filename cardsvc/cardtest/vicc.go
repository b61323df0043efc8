package cardtest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Where Debian's vsmartcard-vpicc puts its Python package: outside the interpreter's own path.
const viccPackages = "/usr/lib/python3/site-packages/virtualsmartcard"

// ViccCommand is Debian's vicc as an ISO 7816 card that will lie on the vpcd at host and port. Its package wants python3-pycryptodome under the name Crypto:
// a link in dir gives it that.
func ViccCommand(ctx context.Context, dir, host string, port int) (*exec.Cmd, error) {
	out, err := exec.CommandContext(ctx, "/usr/bin/python3", "-c", "import os, Cryptodome; print(os.path.dirname(Cryptodome.__file__))").Output()
	if err != nil {
		return nil, errors.Join(errors.New("cardtest: apt-get install vsmartcard-vpicc python3-pycryptodome"), err)
	}
	if err := os.Symlink(strings.TrimSpace(string(out)), filepath.Join(dir, "Crypto")); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "/usr/bin/vicc", "--type", "iso7816", "--hostname", host, "--port", strconv.Itoa(port))
	cmd.Env = append(os.Environ(), "PYTHONPATH="+dir+":"+viccPackages)
	return cmd, nil
}

// Vicc is a running vicc, spoken to as vpcd would speak to it: a chip nobody here wrote, without pcscd in between.
type Vicc struct {
	mu   sync.Mutex
	conn net.Conn
}

// StartVicc starts a blank vicc and powers it up; it ends with the test.
func StartVicc(t testing.TB) *Vicc {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd, err := ViccCommand(ctx, t.TempDir(), "127.0.0.1", l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed: its exit says nothing
	})
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatalf("vicc does not come: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	v := &Vicc{conn: conn}
	if err := v.send([]byte{0x01}); err != nil {
		t.Fatal(err)
	}
	return v
}

// Reset is a warm reset.
func (v *Vicc) Reset() error { return v.send([]byte{0x02}) }

// ATR asks for the answer to reset.
func (v *Vicc) ATR() ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.send([]byte{0x04}); err != nil {
		return nil, err
	}
	return v.receive()
}

// Transmit runs one command.
func (v *Vicc) Transmit(_ context.Context, command []byte) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.send(command); err != nil {
		return nil, err
	}
	return v.receive()
}

func (v *Vicc) send(b []byte) error {
	_, err := v.conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err
}

func (v *Vicc) receive() ([]byte, error) {
	if err := v.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	var n [2]byte
	if _, err := io.ReadFull(v.conn, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(v.conn, b)
	return b, err
}
