// Package backup seals a copy of the register to the office's public keys (age-encryption.org/v1) and brings it back. The machine that makes a backup cannot read it.
//
// It owns the backup's format: an age file around a tar of two entries, the database (xueji.db of SQLite, xueji.pgdump of pg_dump --format=custom) and after it
// manifest.json, which says what the database is and its SHA-256. The database holds the vault's wrapped keys and never the key that wraps them: without vault.key and
// server.key, kept apart, a restored register stays shut. It imports no store and no driver: whoever calls it makes the copy.
package backup
