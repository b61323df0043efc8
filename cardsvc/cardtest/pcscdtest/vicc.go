package pcscdtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// viccPath is where Debian's vsmartcard-vpicc puts its modules, outside Python's own path.
const viccPath = "/usr/lib/python3/site-packages/virtualsmartcard"

// python is Debian's own: its packages are not seen by another one that stands before it in PATH.
const python = "/usr/bin/python3"

// VICC is Debian's vsmartcard-vpicc, an ISO 7816 card that nobody of this project wrote. It is a Card: it keeps its files while the process lives, on a reader or off it.
type VICC struct {
	mu   sync.Mutex
	conn *net.TCPConn
	atr  []byte
}

// StartVICC runs a fresh card of type iso7816 until the test ends.
func StartVICC(tb testing.TB) *VICC {
	tb.Helper()
	// The program imports Crypto; Debian calls the same library Cryptodome.
	out, err := exec.Command(python, "-c", "import Cryptodome, os; print(os.path.dirname(Cryptodome.__file__))").Output()
	if err != nil {
		tb.Fatalf("pcscdtest: vicc needs python3-pycryptodome: %v", err)
	}
	shim := tb.TempDir()
	if err := os.Symlink(strings.TrimSpace(string(out)), filepath.Join(shim, "Crypto")); err != nil {
		tb.Fatalf("pcscdtest: %v", err)
	}
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatalf("pcscdtest: %v", err)
	}
	defer ln.Close()
	var log bytes.Buffer
	cmd := exec.Command(python, "/usr/bin/vicc", "--type", "iso7816", "--hostname", "127.0.0.1", "--port", fmt.Sprint(ln.Addr().(*net.TCPAddr).Port))
	cmd.Env = append(os.Environ(), "PYTHONPATH="+viccPath+":"+shim)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		tb.Fatalf("pcscdtest: vicc: %v", err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait(); _ = ln.Close() }()
	tb.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	_ = ln.SetDeadline(time.Now().Add(startWait))
	conn, err := ln.AcceptTCP()
	if err != nil {
		tb.Fatalf("pcscdtest: vicc (package vsmartcard-vpicc) does not come up: %v", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetNoDelay(true)
	v := &VICC{conn: conn}
	v.Reset()
	if v.atr, err = v.ask(context.Background(), []byte{ctrlATR}); err != nil {
		tb.Fatalf("pcscdtest: vicc gives no ATR: %v", err)
	}
	return v
}

// ATR implements Card.
func (v *VICC) ATR() []byte { return v.atr }

// Reset implements Card.
func (v *VICC) Reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = writeFrame(v.conn, []byte{ctrlReset})
}

// Transmit implements Card; it also works without any reader, in process.
func (v *VICC) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	return v.ask(ctx, command)
}

func (v *VICC) ask(ctx context.Context, f []byte) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := writeFrame(v.conn, f); err != nil {
		return nil, err
	}
	return readFrame(v.conn)
}
