package rig

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Await asks again and again until ok gives nil; the test ends when it does not within the limit.
func Await(t testing.TB, limit time.Duration, what string, ok func() error) {
	t.Helper()
	var last error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if last = ok(); last == nil {
			return
		}
	}
	t.Fatalf("not within %v: %s: %v", limit, what, last)
}

// FreePorts gives n ports that are free now.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out
}

// Run runs a command to its end and gives what it printed to standard output.
func Run(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	return runFor(t, 3*time.Minute, env, name, args...)
}

func runFor(t testing.TB, most time.Duration, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}
