// Package postgres keeps the register in PostgreSQL 15 or later, or in Citus behind the same address.
//
// It owns the connection pool, the migrations and the pipelining of writes: the statements of a transaction travel together and are judged in order.
// Statements are package sqlstore's. It needs synchronous_commit on, which is PostgreSQL's default: what Write answers for is on disk.
package postgres
