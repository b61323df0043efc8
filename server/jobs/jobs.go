// Package jobs is the server's work that waits for a moment: kinds, keys, and the queue that carries wake-ups.
//
// The queue carries names of SQL rows, never data: what it loses is published again from SQL when the lease runs out, so a flushed Redis costs time only.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Kind names a piece of outbox work.
type Kind string

const (
	KindNotify   Kind = "notify"      // tell a unit's consoles
	KindExchange Kind = "exchange"    // send a letter to another register
	KindApply    Kind = "exchange_in" // apply a letter of another register
)

// ErrLater is a row whose moment has not come: its lease was moved in SQL, it is no failure and comes again by itself.
var ErrLater = errors.New("jobs: later")

// Shards is how many streams the work is spread over ("q:{0}"… hash-tagged for Redis Cluster).
const Shards = 8

// ID names one SQL row: an inbox row "in/<kiosk>/<seq>" or an outbox row "out/<uid>/<id>".
type ID string

// InboxID names an inbox row.
func InboxID(kiosk string, seq uint64) ID {
	return ID("in/" + kiosk + "/" + strconv.FormatUint(seq, 10))
}

// OutboxID names an outbox row.
func OutboxID(uid, id string) ID { return ID("out/" + uid + "/" + id) }

// Split takes an ID apart: "in" kiosk seq, or "out" uid id.
func (id ID) Split() (table, key, row string, err error) {
	p := strings.SplitN(string(id), "/", 3)
	if len(p) != 3 || (p[0] != "in" && p[0] != "out") || p[1] == "" || p[2] == "" {
		return "", "", "", fmt.Errorf("jobs: %q is no row name", string(id))
	}
	return p[0], p[1], p[2], nil
}

// Shard is the stream of a distribution key (kiosk or student UID): one key, one stream, so a kiosk's events are seen in order by one worker in calm times.
func Shard(key string) int {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int(h.Sum32() % Shards)
}

// Queue carries wake-ups, at least once, order not promised.
type Queue interface {
	// Publish offers ids on a shard. What it accepted may still be lost; the relay publishes again when the SQL lease runs out.
	Publish(ctx context.Context, shard int, ids ...ID) error
	// Consume calls handle for each id until ctx ends, for several keys at once and for the ids of one key one after the other. handle returning nil
	// acknowledges; an error leaves the id to be redelivered. Lost connections, a flushed server and a vanished group are mended
	// without returning.
	Consume(ctx context.Context, shard int, handle func(context.Context, ID) error) error
	// Ping is nil when the queue answers; the server is degraded, not unready, without it.
	Ping(ctx context.Context) error
	Close() error
}
