package rig

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startWait is how long a program may take until it is ready: a loaded machine, awaited.
const startWait = time.Minute

var binDir string

// binaries builds the four programs once.
var binaries = sync.OnceValues(func() (string, error) {
	if binDir == "" {
		return "", fmt.Errorf("rig: TestMain must call rig.Main")
	}
	out, err := exec.Command("go", "build", "-o", binDir+"/", "xueji/server", "xueji/issuer", "xueji/cardsvc", "xueji/kiosk").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binDir, nil
})

// Main is the TestMain of a package that starts programs: it keeps the folder they are built into, and removes it.
func Main(m *testing.M) {
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

// Binary is the path of one of the four programs: "server", "issuer", "cardsvc", "kiosk".
func Binary(t testing.TB, name string) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// Program is one process that may be started and ended again and again; its log goes on. Set the exported fields, then Start.
type Program struct {
	T    testing.TB
	Name string
	Log  string // file
	Path string
	Args []string
	Env  []string
	Up   string // address that answers 200 when it is ready

	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start runs the program and waits until it is ready.
func (p *Program) Start() {
	p.T.Helper()
	p.Launch()
	p.Ready()
}

// Launch runs the program and does not wait.
func (p *Program) Launch() {
	p.T.Helper()
	f, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.T.Fatal(err)
	}
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.Env, f, f
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
		p.T.Fatalf("%s: %v", p.Name, err)
	}
	p.cmd, p.done = cmd, done
}

// Ready waits until a launched program answers at Up.
func (p *Program) Ready() {
	p.T.Helper()
	Await(p.T, startWait, p.Name+" is ready", func() error {
		select {
		case <-p.done:
			p.T.Fatalf("%s ended at start: %v\n%s", p.Name, p.err, p.Tail())
		default:
		}
		resp, err := http.Get(p.Up)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", p.Up, resp.Status)
		}
		return nil
	})
}

// Stop ends the program as an operator does, and wants it to end well.
func (p *Program) Stop() {
	p.T.Helper()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if p.err != nil {
			p.T.Errorf("%s ended badly: %v\n%s", p.Name, p.err, p.Tail())
		}
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		p.T.Errorf("%s did not end within 40 s of SIGTERM\n%s", p.Name, p.Tail())
	}
	p.cmd = nil
}

// Kill ends it as kill -9 does, and returns when it is gone.
func (p *Program) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	p.cmd = nil
}

// Pause stops the program where it is, as a machine that hangs does; Resume lets it go on. A program that ended is left alone.
func (p *Program) Pause() { p.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (p *Program) Resume() { p.signal(syscall.SIGCONT) }

func (p *Program) signal(s syscall.Signal) {
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(s)
	}
}

// Tail is the end of its log.
func (p *Program) Tail() string {
	b, _ := os.ReadFile(p.Log)
	return string(b[max(0, len(b)-3000):])
}

// CPU is what the process has had of all processors so far: unlike a time by the clock it does not grow with what else the machine, or its host, does.
func (p *Program) CPU() time.Duration {
	p.T.Helper()
	const schedClock = 2 // of a whole process, as clock_getcpuclockid(3) makes it
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid)<<3|schedClock, &at); err != nil {
		p.T.Fatalf("processor time of %s: %v", p.Name, err)
	}
	return time.Duration(at.Nano())
}
