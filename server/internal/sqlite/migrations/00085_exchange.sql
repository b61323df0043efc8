-- +goose Up
-- The exchange with other provinces' registers: this register's identities, its peers, letters out and in. Bodies and secrets are sealed. A letter's number in its
-- direction is drawn from the peer's mark in the transaction that writes it.
-- A pupil may have moved to another register. SQLite changes a CHECK by its own text in the schema (lang_altertable, 7); the tables made below move the schema's cookie.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''deceased'', ''erased'')', '''deceased'', ''erased'', ''moved'')') WHERE type = 'table' AND name = 'pupil';
PRAGMA writable_schema = RESET;
CREATE TABLE exchange_key (
    id         TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    province   TEXT NOT NULL,
    secret     BLOB NOT NULL,
    made_at    INTEGER NOT NULL,
    retired_at INTEGER NOT NULL
) STRICT;

CREATE TABLE exchange_peer (
    province   TEXT NOT NULL PRIMARY KEY CHECK (length(province) = 6),
    name       TEXT NOT NULL,
    url        TEXT NOT NULL,
    pins       TEXT NOT NULL,
    added_at   INTEGER NOT NULL,
    added_by   TEXT NOT NULL,
    revoked_at INTEGER NOT NULL,
    heard_at   INTEGER NOT NULL DEFAULT 0,
    sent_at    INTEGER NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0,
    next_try   INTEGER NOT NULL DEFAULT 0,
    fault      TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE exchange_mark (
    peer TEXT NOT NULL PRIMARY KEY CHECK (peer <> ''),
    sent INTEGER NOT NULL CHECK (sent >= 1)
) STRICT;

CREATE TABLE exchange_out (
    peer        TEXT NOT NULL,
    id          TEXT NOT NULL CHECK (length(id) = 32),
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    prev        INTEGER NOT NULL CHECK (prev >= 0 AND prev < seq),
    thread      TEXT NOT NULL CHECK (thread <> ''),
    kind        TEXT NOT NULL CHECK (kind <> ''),
    student_uid TEXT NOT NULL,
    case_no     TEXT NOT NULL,
    at          INTEGER NOT NULL,
    body        BLOB NOT NULL,
    file        TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'refused')),
    code        TEXT NOT NULL DEFAULT '',
    params      TEXT NOT NULL DEFAULT '',
    tries       INTEGER NOT NULL DEFAULT 0,
    receipt     BLOB NOT NULL DEFAULT x'',
    settled_at  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (peer, id)
) STRICT;
CREATE UNIQUE INDEX exchange_out_seq ON exchange_out (peer, seq);
CREATE INDEX exchange_out_thread ON exchange_out (peer, thread, seq);
CREATE INDEX exchange_out_open ON exchange_out (peer, seq) WHERE state <> 'done';

CREATE TABLE exchange_in (
    peer        TEXT NOT NULL,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    id          TEXT NOT NULL CHECK (length(id) = 32),
    prev        INTEGER NOT NULL CHECK (prev >= 0 AND prev < seq),
    thread      TEXT NOT NULL CHECK (thread <> ''),
    kind        TEXT NOT NULL CHECK (kind <> ''),
    student_uid TEXT NOT NULL,
    case_no     TEXT NOT NULL,
    at          INTEGER NOT NULL,
    got_at      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'held')),
    code        TEXT NOT NULL DEFAULT '',
    params      TEXT NOT NULL DEFAULT '',
    unit        TEXT NOT NULL DEFAULT '',
    settled_at  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (peer, seq)
) STRICT;
CREATE UNIQUE INDEX exchange_in_id ON exchange_in (peer, id);
CREATE INDEX exchange_in_thread ON exchange_in (peer, thread, seq);
CREATE INDEX exchange_in_open ON exchange_in (state, got_at) WHERE state <> 'done';

CREATE TABLE exchange_turned (
    peer TEXT NOT NULL CHECK (peer <> ''),
    day  TEXT NOT NULL,
    why  TEXT NOT NULL,
    n    INTEGER NOT NULL,
    PRIMARY KEY (peer, day, why)
) STRICT;

-- +goose Down
DROP TABLE exchange_turned;
DROP TABLE exchange_in;
DROP TABLE exchange_out;
DROP TABLE exchange_mark;
DROP TABLE exchange_peer;
DROP TABLE exchange_key;
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''erased'', ''moved'')', '''erased'')') WHERE type = 'table' AND name = 'pupil';
PRAGMA writable_schema = RESET;
