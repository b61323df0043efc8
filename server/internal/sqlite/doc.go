// Package sqlite keeps the register in one SQLite file: write-ahead log, synchronous=FULL, readers beside one writer.
//
// It owns the file, its migrations and the grouping of writes: transactions that wait while another commits share the next commit and its one fsync, each in
// a savepoint of its own, so that one that fails undoes nothing of the others. Statements are package sqlstore's. It must not be opened on a network file system.
package sqlite
