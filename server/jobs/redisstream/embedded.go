package redisstream

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"

	"xueji/server/jobs"
)

// Embedded starts a Redis inside this process on a free loopback port and makes a queue on it over TCP, the same way as on a real one. It forgets everything
// at Close, and that costs nothing but the next relay tick.
func Embedded(_ context.Context, opts ...Option) (jobs.Queue, error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("redisstream: embedded: %w", err)
	}
	client, err := dial("redis://" + m.Addr())
	if err != nil {
		m.Close()
		return nil, err
	}
	q := newQueue(client, opts...)
	q.closeMore = m.Close
	return q, nil
}
