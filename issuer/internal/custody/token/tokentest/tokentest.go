// Package tokentest gives tests a PKCS#11 token of their own: SoftHSM2, in a temporary folder.
package tokentest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"xueji/issuer/internal/custody/token"
)

// Modules are the places where Debian puts SoftHSM2's library.
var modules = []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"}

var (
	mu    sync.Mutex
	count int
	home  string // of all tokens of this process: SoftHSM2 reads its configuration once
)

// PIN of every token here.
const PIN = "271828"

// New makes a fresh, initialised token and a file with its PIN. It stays until the process ends. A machine without softhsm2 fails the test.
func New(tb testing.TB) token.Address {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	var lib string
	for _, m := range modules {
		if _, err := os.Stat(m); err == nil {
			lib = m
			break
		}
	}
	if lib == "" {
		tb.Fatal("tokentest: package softhsm2 is not installed")
	}
	if home == "" {
		dir, err := os.MkdirTemp("", "softhsm")
		if err != nil {
			tb.Fatal(err)
		}
		conf := filepath.Join(dir, "softhsm2.conf")
		if err := os.MkdirAll(filepath.Join(dir, "tokens"), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", filepath.Join(dir, "tokens")), 0o600); err != nil {
			tb.Fatal(err)
		}
		if err := os.Setenv("SOFTHSM2_CONF", conf); err != nil {
			tb.Fatal(err)
		}
		home = dir
	}
	count++
	label := fmt.Sprintf("xueji test %d", count)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "31415926").CombinedOutput()
	if err != nil {
		tb.Fatalf("tokentest: %v: %s", err, out)
	}
	pin := filepath.Join(home, fmt.Sprintf("pin%d", count))
	if err := os.WriteFile(pin, []byte(PIN+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return token.Address{Module: lib, Token: label, PINFile: pin}
}

// Main runs the tests of a package and removes the tokens: func TestMain(m *testing.M) { tokentest.Main(m) }.
func Main(m *testing.M) {
	code := m.Run()
	if home != "" {
		_ = os.RemoveAll(home)
	}
	os.Exit(code)
}
