// Package sqlstore is the store contract written once in SQL that SQLite and PostgreSQL both speak ($N parameters, ON CONFLICT, RETURNING); each engine
// brings a Dialect for the few places where they differ, its own migrations, and its own way to write (one grouped writer; a pool).
//
// It owns the statements, the encoding of rows and the distribution rules of the schema (Distribution). It imports no driver and knows no engine by name.
//
// # Rules that keep the schema distributable
//
// Every pupil table carries student_uid in its primary key and in every unique index, the kiosk inbox carries kiosk, and what must be unique over the whole
// register is claimed in a table of its own, keyed by the claimed value. Reference tables are small and may be copied to every node. No statement on a hot
// path joins two tables off their common key.
//
// # Order of locks
//
// A transaction takes pupils in the order of their UID, then claims in the order of their keys, so that two batches never wait for each other in a ring.
package sqlstore
