package testdeps

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// cluster is one PostgreSQL of this test binary.
type cluster struct {
	fsync string

	once sync.Once
	dir  string
	err  error
	keep *child // reachable as long as the process: a collected pipe is a closed one
}

var (
	// Tests kill programs, not the machine: what the kernel holds survives them, and fsync would only slow them down.
	forTests = &cluster{fsync: "off"}
	// Benchmarks pay for durability as production does.
	forBenchmarks = &cluster{fsync: "on"}

	databases atomic.Int64
)

// Postgres gives the address ("postgres://…") of an empty database on a PostgreSQL that this test binary started; for a benchmark, on one with fsync on. The
// database is dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	c := forTests
	if _, bench := t.(*testing.B); bench {
		c = forBenchmarks
	}
	c.once.Do(c.start)
	if c.err != nil {
		t.Fatal(c.err)
	}
	name := fmt.Sprintf("t%d", databases.Add(1))
	if err := pgExec(c.dir, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pgExec(c.dir, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Log(err)
		}
	})
	return pgURL(c.dir, name)
}

func pgURL(dir, database string) string {
	return "postgres://postgres@/" + database + "?host=" + dir + "&sslmode=disable"
}

func pgExec(dir, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, pgURL(dir, "postgres"))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, sql)
	return err
}

func (c *cluster) start() { c.dir, c.keep, c.err = startPostgres(c.fsync) }

// startPostgres makes a cluster and waits until it answers. It listens on a socket in its own folder only.
func startPostgres(fsync string) (dir string, keep *child, err error) {
	initdb, err := find("initdb", "/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", nil, err
	}
	server := filepath.Join(filepath.Dir(initdb), "postgres")
	as, err := unprivileged()
	if err != nil {
		return "", nil, err
	}
	if dir, err = folder(as); err != nil {
		return "", nil, err
	}
	data := filepath.Join(dir, "data")
	mk := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	mk.Dir = dir
	mk.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := mk.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, fmt.Errorf("testdeps: initdb: %w\n%s", err, out)
	}
	c, err := start(dir, "QUIT", as, server, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "shared_buffers=64MB",
		"-c", "fsync="+fsync)
	if err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err = pgExec(dir, "SELECT 1"); err == nil {
			return dir, c, nil
		}
		if time.Now().After(end) {
			log := tail(dir)
			c.stop()
			return "", nil, fmt.Errorf("testdeps: PostgreSQL does not answer: %w\n%s", err, log)
		}
	}
}
