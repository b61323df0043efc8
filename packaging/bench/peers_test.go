package bench

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the bare inserts, and the server's own file for reading

	"xueji/server/testdeps"
)

// eventBytes is about what one tap is on the wire.
const eventBytes = 165

// pgbench is PostgreSQL's own measuring tool on a PostgreSQL with fsync on, 64 clients. Its standard script is simple-update (two rows written and one read in a
// transaction; TPC-B-like, which writes two more, is slower); the insert script is the quickest thing it can do durably: one prepared row of an event's size.
type pgbench struct {
	program, insert, dir, database string
}

func newPgbench(b *testing.B) *pgbench {
	b.Helper()
	u, err := url.Parse(testdeps.Postgres(b))
	if err != nil {
		b.Fatal(err)
	}
	p := &pgbench{dir: u.Query().Get("host"), database: u.Path[1:], insert: filepath.Join(b.TempDir(), "insert.sql")}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if len(found) == 0 {
		b.Fatal("pgbench is not installed (make setup-test)")
	}
	slices.Sort(found)
	p.program = found[len(found)-1]
	run := func(program string, args ...string) {
		b.Helper()
		if out, err := exec.Command(program, append([]string{"-h", p.dir, "-U", "postgres"}, args...)...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	run(p.program, "-i", "-q", "-s", "10", p.database)
	run(filepath.Join(filepath.Dir(p.program), "psql"), "-qc",
		"CREATE TABLE event (seq bigserial PRIMARY KEY, kiosk integer NOT NULL, hash bytea NOT NULL, payload bytea NOT NULL, at bigint NOT NULL)", p.database)
	sql := fmt.Sprintf("\\set kiosk random(1, 64)\nINSERT INTO event (kiosk, hash, payload, at) VALUES (:kiosk, decode(repeat('ab', 32), 'hex'), decode(repeat('cd', %d), 'hex'), 1);\n", eventBytes)
	if err := os.WriteFile(p.insert, []byte(sql), 0o600); err != nil {
		b.Fatal(err)
	}
	return p
}

var tps = regexp.MustCompile(`tps = ([\d.]+)`)

// standard gives transactions per second over some seconds of its own script, row of the bare insert.
func (p *pgbench) standard(b *testing.B, seconds int) float64 {
	return p.turn(b, seconds, "-b", "simple-update")
}
func (p *pgbench) row(b *testing.B, seconds int) float64 { return p.turn(b, seconds, "-f", p.insert) }

func (p *pgbench) turn(b *testing.B, seconds int, script ...string) float64 {
	b.Helper()
	args := append([]string{"-h", p.dir, "-U", "postgres", "-n", "-c", "64", "-j", "2", "-M", "prepared", "-T", strconv.Itoa(seconds)}, script...)
	out, err := exec.Command(p.program, append(args, p.database)...).CombinedOutput()
	m := tps.FindSubmatch(out)
	if err != nil || m == nil {
		b.Fatalf("pgbench: %v\n%s", err, out)
	}
	rate, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

// grouped is the barest durable insert there is: rows of an event's size into one SQLite table, 1,024 to a commit, nobody to answer.
type grouped struct {
	db *sql.DB
	n  int
}

func newGrouped(b *testing.B, dir string) *grouped {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(dir, "grouped.db")}).EscapedPath()+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(4000)")
	if err == nil {
		db.SetMaxOpenConns(1)
		_, err = db.Exec(`CREATE TABLE t (kiosk TEXT NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, payload BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (kiosk, seq))`)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return &grouped{db: db}
}

func (g *grouped) turn(b *testing.B, d time.Duration) float64 {
	b.Helper()
	hash, payload := bytes.Repeat([]byte{0xab}, 32), bytes.Repeat([]byte{0xcd}, eventBytes)
	from, start := g.n, time.Now()
	for time.Since(start) < d {
		err := func() error {
			tx, err := g.db.Begin()
			if err != nil {
				return err
			}
			defer tx.Rollback()
			st, err := tx.Prepare(`INSERT INTO t (kiosk, seq, hash, payload, at) VALUES ($1, $2, $3, $4, $5)`)
			if err != nil {
				return err
			}
			for range 1024 {
				g.n++
				if _, err := st.Exec("k", int64(g.n), hash, payload, int64(1)); err != nil {
					return err
				}
			}
			return tx.Commit()
		}()
		if err != nil {
			b.Fatal(err)
		}
	}
	return float64(g.n-from) / time.Since(start).Seconds()
}

// spun keeps the arithmetic of stalled from being left out.
var spun uint64

// stalled is what 20 ms of bare arithmetic take by the clock on this machine now, 99th of 100: what no page that works as long can stay below.
func stalled() time.Duration {
	work := func(n int) time.Duration {
		start, x := time.Now(), spun|1
		for range n {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		spun = x
		return time.Since(start)
	}
	const probe = 1_000_000
	best := time.Hour
	for range 50 {
		best = min(best, work(probe))
	}
	took := make([]time.Duration, 100)
	for i := range took {
		took[i] = work(int(20 * time.Millisecond * probe / best))
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// fsyncs is how often a second one writer can make 4 KiB durable in a folder now.
func fsyncs(b *testing.B, dir string) float64 {
	b.Helper()
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 4096)
	n, start := 0, time.Now()
	for time.Since(start) < 300*time.Millisecond {
		if _, err = f.Write(block); err == nil {
			err = f.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
	return float64(n) / time.Since(start).Seconds()
}
