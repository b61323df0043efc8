package testdeps

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// keeper runs a program and ends it when its own standard input ends, which happens however this process ends; then it removes the folder. Each line of input
// is a signal's name for the program.
const keeper = `dir="$1"; shift
cd "$dir" || exit 1
"$@" >"$dir/log" 2>&1 </dev/null &
pid=$!
while read -r sig; do
	kill -s "$sig" "$pid" 2>/dev/null
	if [ "$sig" = KILL ] || [ "$sig" = TERM ]; then wait "$pid"; exit 0; fi
done
kill -s "$END" "$pid" 2>/dev/null
wait "$pid"
rm -rf "$dir"`

// child is a program under a keeper.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// start runs a program in dir; end is the signal that asks it to end when this process does.
func start(dir, end string, as *syscall.Credential, program string, args ...string) (*child, error) {
	cmd := exec.Command("/bin/sh", append([]string{"-c", keeper, "keeper", dir, program}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "END=" + end, "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true} // Ctrl-C reaches this process alone; the keeper sees it end
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd, in}, nil
}

// signal sends a signal by its name; after KILL or TERM the program is gone when signal returns, and its folder stays.
func (c *child) signal(name string) error {
	if _, err := fmt.Fprintln(c.in, name); err != nil {
		return err
	}
	if name == "KILL" || name == "TERM" {
		return c.cmd.Wait()
	}
	return nil
}

// stop ends the program and removes its folder.
func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// find looks for a program on PATH and in folders.
func find(name string, globs ...string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, g := range globs {
		found, _ := filepath.Glob(filepath.Join(g, name))
		slices.Sort(found)
		slices.Reverse(found) // the newest version
		for _, p := range found {
			if _, err := exec.LookPath(p); err == nil {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("testdeps: %s is not installed (make setup-test)", name)
}

// unprivileged is whom a server that refuses to be root runs as; nil when we are not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("testdeps: PostgreSQL does not run as root and there is no user postgres")
}

// folder makes a temporary folder owned by the credential. Its path is short: a socket's path may have 107 bytes.
func folder(as *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", "xj")
	if err == nil && as != nil {
		err = os.Chown(dir, int(as.Uid), int(as.Gid))
	}
	return dir, err
}

// tail is the end of a program's log, for a failed start.
func tail(dir string) string {
	b, _ := os.ReadFile(filepath.Join(dir, "log"))
	return string(b[max(0, len(b)-2000):])
}
