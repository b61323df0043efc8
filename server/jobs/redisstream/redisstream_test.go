package redisstream

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"xueji/server/jobs"
	"xueji/server/jobs/jobstest"
	"xueji/server/testdeps"
)

// soon makes redelivery quick enough to wait for.
var soon = ClaimAfter(200 * time.Millisecond)

func TestQueueOnRedis(t *testing.T) {
	jobstest.Run(t, func(t *testing.T) jobstest.Server {
		r := testdeps.StartRedis(t)
		return jobstest.Server{
			Open:    func(t testing.TB) jobs.Queue { return openTest(t, r.URL()) },
			Flush:   func() { r.Do("FLUSHALL") },
			Cut:     func() { r.Do("CLIENT", "KILL", "TYPE", "normal") },
			Kill:    r.Kill,
			Restart: r.Restart,
		}
	})
}

func TestQueueOnEmbeddedRedis(t *testing.T) {
	jobstest.Run(t, func(t *testing.T) jobstest.Server {
		m := miniredis.NewMiniRedis()
		if err := m.StartAddr("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		address := m.Addr()
		// A miniredis that was closed answers no blocking read any more: a new one takes its place at the same address.
		restart := func() {
			m = miniredis.NewMiniRedis()
			if err := m.StartAddr(address); err != nil {
				t.Fatal(err)
			}
		}
		return jobstest.Server{
			Open:  func(t testing.TB) jobs.Queue { return openTest(t, "redis://"+address) },
			Flush: func() { m.FlushAll() },
			Cut: func() {
				m.Close()
				restart()
			},
			Kill:    func() { m.Close() },
			Restart: restart,
		}
	})
}

func openTest(t testing.TB, address string) jobs.Queue {
	t.Helper()
	q, err := Open(t.Context(), address, soon)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestEmbedded(t *testing.T) {
	q, err := Embedded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Publish(t.Context(), 0, jobs.InboxID("k-a", 1)); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if q.Ping(t.Context()) == nil {
		t.Fatal("a closed queue answers")
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		address string
		cluster bool
	}{
		{"redis://127.0.0.1:1/0", false},
		{"rediss://user:secret@host:6379", false},
		{"redis://a:6379?addr=b:6379&addr=c:6379", true},
		{"redis://a:6379?cluster=true", true},
	} {
		client, err := dial(c.address)
		if err != nil {
			t.Fatalf("%s: %v", c.address, err)
		}
		cc, isCluster := client.(*redis.ClusterClient)
		if isCluster != c.cluster {
			t.Fatalf("%s is a cluster: %v", c.address, isCluster)
		}
		if isCluster && cc.Options().ClusterStateReloadInterval != time.Second {
			t.Fatalf("%s reloads its map every %v", c.address, cc.Options().ClusterStateReloadInterval)
		}
		_ = client.Close()
	}
	for _, bad := range []string{"", "host:6379", "http://host", "redis://:secret@", "redis://u:secret@host/zero", "redis://u:secret@host?nonsense=1", "redis://u:secret@a:1?addr=b&bogus=2"} {
		_, err := dial(bad)
		if err == nil {
			t.Fatalf("%q is taken", bad)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Fatalf("the error tells the password: %v", err)
		}
	}
}

// Consumers that are gone and owe nothing leave the group, so that restarts do not fill it.
func TestConsumersLeave(t *testing.T) {
	r := testdeps.StartRedis(t)
	q := openTest(t, r.URL()).(*queue)
	defer q.Close()
	for range 3 {
		l := make(chan struct{})
		stop := consumeOnce(t, q, l)
		if err := q.Publish(t.Context(), 0, jobs.InboxID("k-a", 1)); err != nil {
			t.Fatal(err)
		}
		<-l
		stop()
	}
	left, err := q.c.XInfoConsumers(t.Context(), stream(0), group).Result()
	if err != nil || len(left) != 0 {
		t.Fatalf("left in the group: %v %v", left, err)
	}
}

func consumeOnce(t *testing.T, q jobs.Queue, got chan<- struct{}) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = q.Consume(ctx, 0, func(context.Context, jobs.ID) error {
			close(got)
			return nil
		})
	}()
	return func() {
		cancel()
		<-done
	}
}
