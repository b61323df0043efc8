// Package testdeps starts the real PostgreSQL and Redis that tests need, from what the machine has installed: one PostgreSQL per test binary with a database
// of its own for each test, one Redis per test.
//
// Server tests and the tests over whole programs (packaging) share it.
//
// It looks for programs on PATH and in /usr/lib/postgresql/*/bin, works as root (the servers then run as user postgres or as root) and as anyone else, uses
// temporary folders and free addresses only, and leaves nothing behind even when the test binary is killed. It is imported by tests alone. A program that is
// missing fails the test: these tests must run, not skip.
package testdeps
