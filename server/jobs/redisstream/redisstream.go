package redisstream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"xueji/server/jobs"
)

const (
	group = "workers"
	field = "id"
	// maxLen bounds a stream, about: what is cut off is published again from SQL.
	maxLen = 100_000
	// take is how many ids a consumer fetches at once. Those of different keys (kiosks, pupils) are handled side by side, so that their transactions share a
	// commit; those of one key in their order.
	take = 256
	// block is how long a read waits for news; it bounds how long Consume takes to end.
	block = time.Second
	// claimAfter is how long an id may stay unacknowledged before another consumer takes it over.
	claimAfter = 30 * time.Second
	// forget is how long a consumer that holds nothing may be silent before its name is removed from the group.
	forget = time.Hour
)

// Option changes a queue's timing; tests use them to be quick.
type Option func(*queue)

// ClaimAfter replaces the 30 s after which an unacknowledged id is delivered to another consumer.
func ClaimAfter(d time.Duration) Option { return func(q *queue) { q.claimAfter = d } }

// Open makes a queue on the Redis at address: "redis://host:port/db", "rediss://…", or a Cluster by several addresses
// ("redis://a:6379?addr=b:6379&addr=c:6379") or "?cluster=true". It does not connect: a Redis that is down makes the server slower to notice work, not unable
// to start.
func Open(_ context.Context, address string, opts ...Option) (jobs.Queue, error) {
	client, err := dial(address)
	if err != nil {
		return nil, err
	}
	return newQueue(client, opts...), nil
}

func dial(address string) (redis.UniversalClient, error) {
	quiet.Do(func() { redis.SetLogger(silence{}) })
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "redis" && u.Scheme != "rediss") || u.Host == "" {
		return nil, errors.New("redisstream: the address must be redis://host:port/db or rediss://…") // may hold a password: not repeated
	}
	v := u.Query()
	cluster := v.Get("cluster") == "true" || len(v["addr"]) > 0
	v.Del("cluster")
	u.RawQuery = v.Encode()
	if !cluster {
		o, err := redis.ParseURL(u.String())
		if err != nil {
			return nil, errors.New("redisstream: the address has a part that is not understood")
		}
		return redis.NewClient(o), nil
	}
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, errors.New("redisstream: the cluster address has a part that is not understood")
	}
	// The default of 60 s keeps dialling a dead master.
	o.ClusterStateReloadInterval = time.Second
	return redis.NewClusterClient(o), nil
}

// go-redis writes lost connections to standard error; the server says it once through Ping.
var quiet sync.Once

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

type queue struct {
	c          redis.UniversalClient
	consumer   string
	claimAfter time.Duration
	closeMore  func()
}

func newQueue(c redis.UniversalClient, opts ...Option) *queue {
	host, _ := os.Hostname()
	var b [4]byte
	_, _ = rand.Read(b[:])
	q := &queue{c: c, consumer: host + "-" + strconv.Itoa(os.Getpid()) + "-" + hex.EncodeToString(b[:]), claimAfter: claimAfter}
	for _, o := range opts {
		o(q)
	}
	return q
}

// stream is a shard's key; the hash tag keeps everything of a shard on one node of a Cluster.
func stream(shard int) string { return "q:{" + strconv.Itoa(shard) + "}" }

func (q *queue) Publish(ctx context.Context, shard int, ids ...jobs.ID) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := q.c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, id := range ids {
			p.XAdd(ctx, &redis.XAddArgs{Stream: stream(shard), MaxLen: maxLen, Approx: true, Values: []string{field, string(id)}})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("redisstream: publish: %w", err)
	}
	return nil
}

func (q *queue) Ping(ctx context.Context) error { return q.c.Ping(ctx).Err() }

func (q *queue) Close() error {
	err := q.c.Close()
	if q.closeMore != nil {
		q.closeMore()
	}
	return err
}

// Consume reads the shard's stream until ctx ends and then returns nil. Every other trouble is waited out.
func (q *queue) Consume(ctx context.Context, shard int, handle func(context.Context, jobs.ID) error) error {
	key := stream(shard)
	// A name per consumer: two of one process must not share a list of what is pending.
	var b [3]byte
	_, _ = rand.Read(b[:])
	name := q.consumer + "-" + hex.EncodeToString(b[:])
	wait := backoff{}
	var reclaimed time.Time
	for ctx.Err() == nil {
		if now := time.Now(); now.Sub(reclaimed) >= q.claimAfter/3 {
			reclaimed = now
			if err := q.reclaim(ctx, key, name, handle); err != nil && !q.mend(ctx, key, err) {
				wait.pause(ctx)
				continue
			}
		}
		res, err := q.c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: group, Consumer: name, Streams: []string{key, ">"}, Count: take, Block: min(block, q.claimAfter/3)}).Result()
		switch {
		case errors.Is(err, redis.Nil):
		case err != nil:
			if !q.mend(ctx, key, err) {
				wait.pause(ctx)
			}
			continue
		}
		wait.reset()
		for _, s := range res {
			q.deliver(ctx, key, s.Messages, handle)
		}
	}
	q.leave(key, name)
	return nil
}

// deliver hands messages on and acknowledges those that were carried out: the keys side by side, the messages of a key in order.
func (q *queue) deliver(ctx context.Context, key string, msgs []redis.XMessage, handle func(context.Context, jobs.ID) error) {
	var order []string
	byKey := map[string][]redis.XMessage{}
	for _, m := range msgs {
		id, _ := m.Values[field].(string)
		_, of, _, _ := jobs.ID(id).Split()
		if byKey[of] == nil {
			order = append(order, of)
		}
		byKey[of] = append(byKey[of], m)
	}
	var mu sync.Mutex
	done := make([]string, 0, len(msgs))
	var wg sync.WaitGroup
	for _, of := range order {
		wg.Go(func() {
			for _, m := range byKey[of] {
				if ctx.Err() != nil {
					return
				}
				id, _ := m.Values[field].(string)
				if id == "" || handle(ctx, jobs.ID(id)) == nil { // nobody can handle a message without an id
					mu.Lock()
					done = append(done, m.ID)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(done) > 0 {
		// What is not acknowledged comes again, and the row says that it was done. The acknowledgement outlives ctx: work done is not asked for twice.
		ack, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = q.c.XAck(ack, key, group, done...).Err()
	}
}

// reclaim takes over what others left unacknowledged too long, and forgets consumers that are gone.
func (q *queue) reclaim(ctx context.Context, key, name string, handle func(context.Context, jobs.ID) error) error {
	start := "0-0"
	for ctx.Err() == nil {
		msgs, next, err := q.c.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: key, Group: group, Consumer: name, MinIdle: q.claimAfter, Start: start, Count: take}).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		q.deliver(ctx, key, msgs, handle)
		if next == "0-0" || next == "" {
			break
		}
		start = next
	}
	consumers, err := q.c.XInfoConsumers(ctx, key, group).Result()
	if err != nil {
		return err
	}
	for _, c := range consumers {
		if c.Name != name && c.Pending == 0 && c.Idle > forget {
			_ = q.c.XGroupDelConsumer(ctx, key, group, c.Name).Err()
		}
	}
	return nil
}

// mend makes a group that is not there (a fresh or flushed Redis), from the beginning of what the stream holds, and reports whether that was the trouble.
func (q *queue) mend(ctx context.Context, key string, err error) bool {
	text := err.Error()
	if !strings.HasPrefix(text, "NOGROUP") && !strings.Contains(text, "no such key") {
		return false
	}
	err = q.c.XGroupCreateMkStream(ctx, key, group, "0").Err()
	return err == nil || strings.HasPrefix(err.Error(), "BUSYGROUP")
}

// leave takes the consumer's name off when it owes nothing.
func (q *queue) leave(key, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if p, err := q.c.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: key, Group: group, Start: "-", End: "+", Count: 1, Consumer: name}).Result(); err == nil && len(p) == 0 {
		_ = q.c.XGroupDelConsumer(ctx, key, group, name).Err()
	}
}

// backoff waits longer with each failure in a row, to one second.
type backoff struct{ d time.Duration }

func (b *backoff) reset() { b.d = 0 }

func (b *backoff) pause(ctx context.Context) {
	b.d = min(max(2*b.d, 10*time.Millisecond), time.Second)
	t := time.NewTimer(b.d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
