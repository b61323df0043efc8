// Package archtest holds the import rules of the rooms (docs/architecture.md): which room may know which other, and which may read a clock. It contains tests
// only, reads the module with `go list` and go/parser, and imports no room.
package archtest
