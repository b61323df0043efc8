// Package bench is the report of `make bench`: one table, each figure beside its limit or peer, both measured in the same run and in turns, so that a busy
// machine or a slow disk strikes both. Where a figure rests on the disk, the fsync rate of the same minute stands beside it: disks move by more than an order of
// magnitude within an hour, ratios do not.
//
// What a room measures itself is a Go benchmark there, run from here and read from its output. What needs whole programs is measured here: ingest over HTTP into
// a real server process, beside pgbench on a real PostgreSQL and beside the barest grouped inserts into SQLite. Everything is in tests; nothing is imported.
package bench
