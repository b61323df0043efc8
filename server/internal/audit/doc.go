// Package audit is the register's memory of who did and who read what, and the means by which nobody can alter it unseen.
//
// It owns the one vocabulary of entries (Entry), their canonical bytes, the Merkle log over them (tlog, RFC 6962) with signed checkpoints (C2SP tlog-checkpoint)
// and cosignatures of other offices (C2SP tlog-cosignature), the verification of everything that is stored, and the rules of unusual reading. It must not import
// an engine, Fiber, the service or the console: what it reads and writes comes through small interfaces that server/internal/sqlstore implements.
//
// # What is recorded, and when
//
// A change's entry is written in the change's own transaction, by the store, so that no caller can forget it. A read's entry is durable before the answer leaves;
// when it cannot be written, nothing is shown. An entry names pupils by UID and staff by account id; it holds no name, no number of a person and no query text
// (a keyed hash at most). Words that somebody typed as a reason are sealed by the service.
//
// # What is proved
//
// Every entry carries a MAC under a key that is not in the database, and the digest of the rows it speaks of (a pupil's record and history, a card and its life,
// an account, a kiosk, an inbox outcome) under that key. One sequencer, leader by a lease in SQL, checks MACs, gives numbers and extends the tree; it signs
// checkpoints with a key that is not in the database either, and keeps the last one beside that key. Verify reads everything again.
//
// Between an entry's commit and its number lies about a second in which somebody with the database's password could remove an entry of reading unseen; entries of
// changes are missed by their row all the same.
package audit
