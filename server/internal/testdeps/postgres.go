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

var (
	pgOnce sync.Once
	pgDir  string
	pgKeep *child // reachable as long as the process: a collected pipe is a closed one
	pgErr  error
	pgNext atomic.Int64
)

// Postgres gives the address ("postgres://…") of an empty database on a PostgreSQL that this test binary started. The database is dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	pgOnce.Do(func() { pgDir, pgErr = startPostgres() })
	if pgErr != nil {
		t.Fatal(pgErr)
	}
	name := fmt.Sprintf("t%d", pgNext.Add(1))
	if err := pgExec(pgDir, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pgExec(pgDir, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Log(err)
		}
	})
	return pgURL(pgDir, name)
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

// startPostgres makes a cluster and waits until it answers. It listens on a socket in its own folder only. Data is durable as in production (fsync on):
// benchmarks read true figures, and tests are no slower for it worth telling.
func startPostgres() (string, error) {
	const versions = "/usr/lib/postgresql/*/bin"
	initdb, err := find("initdb", versions)
	if err != nil {
		return "", err
	}
	server := filepath.Join(filepath.Dir(initdb), "postgres")
	as, err := unprivileged()
	if err != nil {
		return "", err
	}
	dir, err := folder(as)
	if err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	mk := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	mk.Dir = dir
	mk.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := mk.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("testdeps: initdb: %w\n%s", err, out)
	}
	c, err := start(dir, "QUIT", as, server, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "shared_buffers=64MB")
	if err != nil {
		return "", err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err = pgExec(dir, "SELECT 1"); err == nil {
			pgKeep = c
			return dir, nil
		}
		if time.Now().After(end) {
			log := tail(dir)
			c.stop()
			return "", fmt.Errorf("testdeps: PostgreSQL does not answer: %w\n%s", err, log)
		}
	}
}
