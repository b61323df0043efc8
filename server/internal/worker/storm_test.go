package worker_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xueji/server/internal/postgres"
	"xueji/server/internal/sqlite"
	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/internal/worker"
	"xueji/server/jobs"
	"xueji/server/jobs/redisstream"
	"xueji/server/testdeps"
	"xueji/server/vault"
)

// Two servers share a database and a Redis that is flushed, cut and killed all the while; workers come and go. Every event is applied once, every notice is
// sent at least once.
func TestStorm(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "register.db")
		storm(t, func() (store.Store, error) {
			return sqlite.Open(context.Background(), path, vault.Options{KEK: vault.File(path + ".key")})
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url, key := testdeps.Postgres(t), filepath.Join(t.TempDir(), "vault.key")
		storm(t, func() (store.Store, error) {
			return postgres.Open(context.Background(), url, vault.Options{KEK: vault.File(key)})
		})
	})
}

func storm(t *testing.T, open func() (store.Store, error)) {
	redis := testdeps.StartRedis(t)
	const kioskCount, events = 6, 40
	o := worker.Options{Poll: 10 * time.Millisecond, Lease: 300 * time.Millisecond}

	var servers [2]struct {
		st store.Store
		s  *service
		w  *worker.Worker
	}
	for i := range servers {
		st, err := open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		q, err := redisstream.Open(t.Context(), redis.URL(), redisstream.ClaimAfter(300*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		servers[i].st, servers[i].s = st, newService(st)
		servers[i].w = worker.New(st, q, servers[i].s, o)
		if i == 0 { // the second one is restarted below
			run(t, servers[i].w)
		}
	}

	calm := make(chan struct{})
	var trouble sync.WaitGroup
	trouble.Add(2)
	go func() { // Redis
		defer trouble.Done()
		for n := 0; ; n++ {
			select {
			case <-calm:
				return
			case <-time.After(5 * time.Millisecond):
			}
			switch {
			case n%60 == 30:
				redis.Kill()
				redis.Restart()
			case n%7 == 3:
				_, _ = redis.Command("CLIENT", "KILL", "TYPE", "normal")
			default:
				_, _ = redis.Command("FLUSHALL")
			}
		}
	}()
	go func() { // the second server's worker
		defer trouble.Done()
		for {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = servers[1].w.Run(ctx)
			}()
			select {
			case <-calm:
				cancel()
				<-done
				return
			case <-time.After(150 * time.Millisecond):
			}
			cancel()
			<-done
		}
	}()

	var kiosks sync.WaitGroup
	for k := range kioskCount {
		kiosks.Add(1)
		go func() {
			defer kiosks.Done()
			id := fmt.Sprintf("k-%d", k)
			srv := servers[k%2]
			for seq := uint64(1); seq <= events; seq++ {
				mark, _, err := srv.st.Ingest(context.Background(), id, []store.InboxRow{storetest.Row(id, seq, fmt.Sprint(id, seq))})
				if err != nil || mark != seq {
					t.Errorf("%s: mark %d, %v", id, mark, err)
					return
				}
				if seq%3 != 0 { // some nudges are lost with their server
					srv.w.Nudge(jobs.InboxID(id, seq))
				}
			}
		}()
	}
	kiosks.Wait()
	st := servers[0].st
	until(t, servers[0].s, "every event applied", func() bool {
		for k := range kioskCount {
			if applied(t, st, fmt.Sprintf("k-%d", k)) != events {
				return false
			}
		}
		return true
	})
	until(t, servers[0].s, "every notice sent", func() bool {
		sent := map[jobs.ID]bool{}
		for i := range servers {
			servers[i].s.mu.Lock()
			for id := range servers[i].s.carried {
				sent[id] = true
			}
			servers[i].s.mu.Unlock()
		}
		return len(sent) == kioskCount*events
	})
	close(calm)
	trouble.Wait()
	if n := pupils(t, st); n != kioskCount*events {
		t.Fatalf("%d events made %d pupils", kioskCount*events, n)
	}
	if d, err := st.DeadLetters(context.Background(), 10); err != nil || len(d) != 0 {
		t.Fatalf("dead letters %+v %v", d, err)
	}
}

const childEnv = "XUEJI_WORKER_TEST_STORE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	os.Exit(m.Run())
}

// child is a server: it ingests events of one kiosk for ever, says each acknowledged number, and works.
func child(path string) {
	ctx := context.Background()
	fail := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	st, err := sqlite.Open(ctx, path, vault.Options{KEK: vault.File(path + ".key")})
	fail(err)
	q, err := redisstream.Embedded(ctx)
	fail(err)
	w := worker.New(st, q, newService(st), worker.Options{Poll: 10 * time.Millisecond, Lease: 100 * time.Millisecond})
	go func() { fail(w.Run(ctx)) }()
	mark, err := st.HighWater(ctx, "k-a")
	fail(err)
	fmt.Println("up", mark)
	for {
		next := mark + 1
		mark, _, err = st.Ingest(ctx, "k-a", []store.InboxRow{storetest.Row("k-a", next, fmt.Sprint("k-a", next))})
		fail(err)
		w.Nudge(jobs.InboxID("k-a", mark))
		fmt.Println("acknowledged", mark)
	}
}

// kill -9 of server and worker at 20 random points of a load: no acknowledged event is lost, none applied twice.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "register.db")
	acknowledged := uint64(0)
	for range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := rand.IntN(120); left >= 0 && lines.Scan(); left-- {
			what, number, _ := strings.Cut(lines.Text(), " ")
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				t.Fatal(lines.Text())
			}
			if what == "up" && n < acknowledged {
				t.Fatalf("came up with %d, had acknowledged %d", n, acknowledged)
			}
			acknowledged = n
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // acknowledged before the end, read after it
			if what, number, _ := strings.Cut(lines.Text(), " "); what == "acknowledged" {
				if n, err := strconv.ParseUint(number, 10, 64); err == nil {
					acknowledged = n
				}
			}
		}
		_ = cmd.Wait()
	}
	st, err := sqlite.Open(t.Context(), path, vault.Options{KEK: vault.File(path + ".key")})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s := newService(st)
	stop := run(t, worker.New(st, embedded(t), s, worker.Options{Poll: 5 * time.Millisecond, Lease: 50 * time.Millisecond}))
	defer stop()
	mark, err := st.HighWater(t.Context(), "k-a")
	if err != nil || mark < acknowledged {
		t.Fatalf("high water %d %v, acknowledged %d", mark, err, acknowledged)
	}
	until(t, s, "all applied", func() bool { return applied(t, st, "k-a") == int(mark) })
	if n := pupils(t, st); n != int(mark) {
		t.Fatalf("%d events made %d pupils", mark, n)
	}
	t.Logf("%d events through 20 kills", mark)
}
