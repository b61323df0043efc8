// Package redisstream carries wake-ups over Redis Streams: one stream "q:{shard}" per shard, one consumer group, ids only.
//
// It owns everything Redis: it is the one importer of go-redis and, for the embedded default, of miniredis. It holds no truth: whatever Redis loses is
// published again from SQL (package worker).
package redisstream
