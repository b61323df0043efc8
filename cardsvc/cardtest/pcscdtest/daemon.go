package pcscdtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Slots of the virtual reader, and the names pcscd gives them.
const Slots = 2

// ReaderName is the PC/SC name of a slot.
func ReaderName(slot int) string { return fmt.Sprintf("Virtual PCD 00 %02d", slot) }

const (
	port      = 35963 // vpcd's own, in the daemon's network namespace
	driver    = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	envSocket = "PCSCLITE_CSOCK_NAME"
	startWait = 20 * time.Second // a loaded machine; awaited, not slept
)

// script runs as the daemon's parent-to-be in fresh namespaces: $1 the folder bound to /run, $2 the configuration folder.
const script = `ip link set lo up && mount --bind "$1" /run && exec pcscd --foreground --error --config "$2"`

var (
	processOnce sync.Once
	processDir  string
	inUse       sync.Mutex // one daemon at a time for this process itself
)

// Daemon is a running pcscd.
type Daemon struct {
	tb     testing.TB
	run    string // bound to /run of the daemon
	config string

	mu       sync.Mutex
	proc     *process
	readers  bool
	inserted map[*Inserted]struct{}
}

// process is one life of pcscd.
type process struct {
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan struct{} // closed when it has ended
}

// Start runs a daemon with two virtual readers, for this process and its children, until the test ends.
func Start(tb testing.TB) *Daemon {
	tb.Helper()
	inUse.Lock()
	processOnce.Do(func() {
		// Not tb.TempDir: a socket's path holds at most 107 bytes, and the path must stay the same for the life of the process.
		dir, err := os.MkdirTemp("", "pcscd")
		if err != nil {
			tb.Fatalf("pcscdtest: %v", err)
		}
		processDir = dir
	})
	tb.Cleanup(inUse.Unlock)
	d := prepare(tb, processDir)
	if err := os.Setenv(envSocket, d.Socket()); err != nil {
		tb.Fatalf("pcscdtest: %v", err)
	}
	d.Restart()
	return d
}

// StartApart runs a daemon for children of this process that are given Env: a machine of its own. Any number may run beside one another and beside Start's.
func StartApart(tb testing.TB) *Daemon {
	tb.Helper()
	dir, err := os.MkdirTemp("", "pcscd")
	if err != nil {
		tb.Fatalf("pcscdtest: %v", err)
	}
	d := prepare(tb, dir)
	d.Restart()
	return d
}

// prepare makes the folders of a daemon, empty, and has them removed, with all that runs, when the test ends.
func prepare(tb testing.TB, dir string) *Daemon {
	tb.Helper()
	d := &Daemon{
		tb: tb, run: filepath.Join(dir, "run"), config: filepath.Join(dir, "conf"),
		inserted: map[*Inserted]struct{}{}, readers: true,
	}
	tb.Cleanup(func() {
		d.stopAll()
		_ = os.RemoveAll(dir)
	})
	_ = os.RemoveAll(dir)
	for _, dir := range []string{filepath.Join(d.run, "pcscd"), d.config} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			tb.Fatalf("pcscdtest: %v", err)
		}
	}
	return d
}

// Socket is the daemon's socket; after Start, children of this process find it in the environment.
func (d *Daemon) Socket() string { return filepath.Join(d.run, "pcscd", "pcscd.comm") }

// Env is the variable by which a child process finds this daemon.
func (d *Daemon) Env() string { return envSocket + "=" + d.Socket() }

// Restart kills the daemon if it runs and starts it anew; inserted cards are found again, as on a real reader.
func (d *Daemon) Restart() {
	d.tb.Helper()
	d.Kill()
	conf := "# no reader\n"
	d.mu.Lock()
	if d.readers {
		conf = fmt.Sprintf("FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:%d\nLIBPATH %s\nCHANNELID %d\n", port, driver, port)
	}
	d.mu.Unlock()
	if err := os.WriteFile(filepath.Join(d.config, "vpcd"), []byte(conf), 0o644); err != nil {
		d.tb.Fatalf("pcscdtest: %v", err)
	}
	_ = os.Remove(d.Socket()) // what a killed daemon leaves behind
	p, err := launch(d.run, d.config)
	if err != nil {
		d.tb.Fatalf("pcscdtest: pcscd (package pcscd, root needed): %v", err)
	}
	d.mu.Lock()
	d.proc = p
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	for {
		if c, err := net.Dial("unix", d.Socket()); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-p.done:
			d.tb.Fatalf("pcscdtest: pcscd ended at start: %s", p.log.String())
		case <-ctx.Done():
			d.tb.Fatalf("pcscdtest: pcscd is not ready after %v", startWait)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Unplug takes both virtual readers away. pcscd cannot lose a serial reader while it runs, so it is restarted without them.
func (d *Daemon) Unplug() {
	d.tb.Helper()
	d.setReaders(false)
	d.Restart()
}

// Plug brings the readers back, by a restart too.
func (d *Daemon) Plug() {
	d.tb.Helper()
	d.setReaders(true)
	d.Restart()
}

func (d *Daemon) setReaders(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readers = on
}

// Kill ends the daemon as kill -9 does and returns when it is gone.
func (d *Daemon) Kill() {
	d.mu.Lock()
	p := d.proc
	d.proc = nil
	d.mu.Unlock()
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (d *Daemon) stopAll() {
	d.mu.Lock()
	cards := make([]*Inserted, 0, len(d.inserted))
	for c := range d.inserted {
		cards = append(cards, c)
	}
	d.mu.Unlock()
	for _, c := range cards {
		c.Remove()
	}
	d.Kill()
}

// propagation is how a new mount namespace treats the mounts it inherits: private, so that nothing the script mounts is seen outside. In a chroot whose root is
// no mount point there is nothing to make private, and unshare would fail.
func propagation() string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "private"
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			return "private"
		}
	}
	return "unchanged"
}

// launch starts pcscd in its namespaces. It dies with this process: the thread that started it is kept until its end, as the kernel's death signal asks.
func launch(run, config string) (*process, error) {
	p := &process{log: &bytes.Buffer{}, done: make(chan struct{})}
	p.cmd = exec.Command("unshare", "--mount", "--propagation", propagation(), "--net", "sh", "-c", script, "sh", run, config)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.WaitDelay = time.Second
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := p.cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		_ = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// dial opens a connection to vpcd's port of a slot, inside the daemon's network namespace.
func (d *Daemon) dial(slot int) (*net.TCPConn, error) {
	d.mu.Lock()
	p := d.proc
	d.mu.Unlock()
	if p == nil {
		return nil, fmt.Errorf("pcscdtest: pcscd is down")
	}
	type result struct {
		c   *net.TCPConn
		err error
	}
	ch := make(chan result, 1)
	go func() {
		// The thread joins another namespace for good: it is never unlocked, so it ends with this goroutine and no other work runs on it.
		runtime.LockOSThread()
		c, err := dialIn(p.cmd.Process.Pid, port+slot)
		ch <- result{c, err}
	}()
	r := <-ch
	return r.c, r.err
}

func dialIn(pid, port int) (*net.TCPConn, error) {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("pcscdtest: join the daemon's network (root needed): %w", err)
	}
	// A raw socket call stays on this thread; net.Dial may hop.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "vpcd")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
