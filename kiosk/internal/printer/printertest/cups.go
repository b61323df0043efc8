package printertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Queue is the name of the print queue.
const Queue = "Kiosk"

// CUPS is the real print system in a folder of its own, with one queue to a device. It may be stopped and started again.
type CUPS struct {
	t      testing.TB
	dir    string
	Server string // its socket
	cmd    *exec.Cmd
}

// NewCUPS starts it; the test is skipped nowhere: the Makefile installs CUPS.
func NewCUPS(t testing.TB, d *Device) *CUPS {
	t.Helper()
	dir, err := os.MkdirTemp("", "cups-") // short: a socket's path has a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, sub := range []string{"root", "state", "cache", "spool", "log"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	c := &CUPS{t: t, dir: dir, Server: filepath.Join(dir, "cups.sock")}
	c.write("cupsd.conf", "LogLevel info\nListen %s\nBrowsing No\nDefaultAuthType None\nWebInterface No\nJobRetryInterval 1\n<Location />\nOrder allow,deny\nAllow all\n</Location>\n"+
		"<Policy default>\nJobPrivateAccess default\nJobPrivateValues default\n<Limit All>\nOrder deny,allow\n</Limit>\n</Policy>\n", c.Server)
	c.write("cups-files.conf", "ServerRoot %[1]s/root\nStateDir %[1]s/state\nCacheDir %[1]s/cache\nRequestRoot %[1]s/spool\nTempDir %[1]s/cache\nAccessLog %[1]s/log/access\nErrorLog %[1]s/log/error\n"+
		"PageLog %[1]s/log/page\nUser lp\nGroup lp\nSystemGroup root\n", dir)
	c.write("root/printers.conf", "<Printer "+Queue+">\nInfo Kiosk\nDeviceURI %s\nState Idle\nAccepting Yes\nErrorPolicy retry-current-job\n</Printer>\n", d.URI())
	if err := filepath.Walk(dir, func(p string, i os.FileInfo, err error) error {
		if err == nil && i.IsDir() {
			err = os.Chmod(p, 0o777)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	c.Start()
	t.Cleanup(c.Stop)
	return c
}

func (c *CUPS) write(name, form string, args ...any) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), fmt.Appendf(nil, form, args...), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// Start starts the daemon and waits until it answers.
func (c *CUPS) Start() {
	c.t.Helper()
	c.cmd = exec.Command("/usr/sbin/cupsd", "-f", "-c", filepath.Join(c.dir, "cupsd.conf"), "-s", filepath.Join(c.dir, "cups-files.conf"))
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal("cupsd (package cups-daemon):", err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("unix", c.Server); err == nil {
			conn.Close()
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(c.dir, "log", "error"))
	c.t.Fatalf("cupsd does not answer\n%s", log)
}

// Stop ends it with its backends.
func (c *CUPS) Stop() {
	if c.cmd == nil {
		return
	}
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGTERM)
	_ = c.cmd.Wait()
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	c.cmd = nil
}

// Log is the daemon's log, for a failing test.
func (c *CUPS) Log() string {
	raw, _ := os.ReadFile(filepath.Join(c.dir, "log", "error"))
	return string(raw[max(0, len(raw)-4000):])
}
