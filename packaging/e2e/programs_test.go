package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startWait is how long a program may take until it is ready: a loaded machine, awaited.
const startWait = time.Minute

// binaries builds the four programs once, into a folder that TestMain removes.
var binaries = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "build", "-o", binDir+"/", "xueji/server", "xueji/issuer", "xueji/cardsvc", "xueji/kiosk").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binDir, nil
})

var binDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "xueji-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// program is one process. Its log goes on over restarts.
type program struct {
	t    testing.TB
	name string
	log  string
	path string
	args []string
	env  []string
	up   string // address that answers 200 when it is ready

	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// start runs the program and waits until it is ready.
func (p *program) start() {
	p.t.Helper()
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(p.path, p.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	done, started := make(chan struct{}), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // Pdeathsig counts from the thread that started it
		defer runtime.UnlockOSThread()
		defer f.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	p.cmd, p.done = cmd, done
	await(p.t, startWait, p.name+" is ready", func() error {
		select {
		case <-done:
			p.t.Fatalf("%s ended at start: %v\n%s", p.name, p.err, p.tail())
		default:
		}
		resp, err := http.Get(p.up)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", p.up, resp.Status)
		}
		return nil
	})
}

// stop ends the program as an operator does, and wants it to end well.
func (p *program) stop() {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if p.err != nil {
			p.t.Errorf("%s ended badly: %v\n%s", p.name, p.err, p.tail())
		}
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		p.t.Errorf("%s did not end within 40 s of SIGTERM\n%s", p.name, p.tail())
	}
	p.cmd = nil
}

func (p *program) tail() string {
	b, _ := os.ReadFile(p.log)
	return string(b[max(0, len(b)-3000):])
}

// await asks again and again until ok gives nil; the test ends when it does not within the limit.
func await(t testing.TB, limit time.Duration, what string, ok func() error) {
	t.Helper()
	var last error
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if last = ok(); last == nil {
			return
		}
	}
	t.Fatalf("not within %v: %s: %v", limit, what, last)
}

// freePorts gives n ports that are free now.
func freePorts(t testing.TB, n int) []int {
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

// run runs a command to its end and gives what it printed to standard output.
func run(t testing.TB, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
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
