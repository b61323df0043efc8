// Package chaos kills whole programs under a load that people and kiosks make, and then asks the register what became of every event.
//
// Server, worker and kiosk are the real programs as processes; PostgreSQL and Redis are real servers. kill -9 falls at random points of the load, FLUSHALL
// empties Redis between them. Afterwards the ledger is read from SQL: each event that was acknowledged by a signed receipt, or shown as accepted on the
// kiosk's screen, is applied exactly once; numbers have no gaps; each transfer is one case with one notice to the old school.
//
// Twenty kills in `make test`; more, for a night:
//
//	go test ./packaging/chaos -run TestKilled -kills 1000 -timeout 0
//
// Beside it stand the refusals of whole programs: what is replayed, reordered, forged or comes from a revoked kiosk over the wire, and two consoles at one
// case. Everything is in tests; there is nothing to import here.
package chaos
