-- +goose Up
-- Who did and read what; the log over it; unusual reading; exports under an approval (Art. 25).
-- An entry is never changed but for its number (seq): -1 waits, -2 is forged. id sorts by time.
CREATE TABLE audit_entry (
    subject TEXT    NOT NULL CHECK (subject <> ''),
    id      TEXT    NOT NULL CHECK (length(id) = 26),
    seq     INTEGER NOT NULL DEFAULT -1 CHECK (seq >= -2),
    kind    TEXT    NOT NULL CHECK (kind <> ''),
    account TEXT    NOT NULL,
    body    TEXT    NOT NULL,
    mac     BLOB    NOT NULL,
    PRIMARY KEY (subject, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_entry_seq ON audit_entry (seq, id);
CREATE INDEX audit_entry_account ON audit_entry (account, id);

-- The one sequencer: its lease, the size of the tree and its newest signed checkpoint.
CREATE TABLE audit_head (
    name       TEXT    NOT NULL PRIMARY KEY,
    size       INTEGER NOT NULL CHECK (size >= 0),
    checkpoint TEXT    NOT NULL,
    holder     TEXT    NOT NULL,
    until      INTEGER NOT NULL
) STRICT;
INSERT INTO audit_head (name, size, checkpoint, holder, until) VALUES ('log', 0, '', '', 0);

CREATE TABLE audit_tile (
    tile   TEXT NOT NULL PRIMARY KEY,
    hashes BLOB NOT NULL
) STRICT;

-- Checkpoints that are kept: one an hour at most, and every one that was cosigned.
CREATE TABLE audit_checkpoint (
    size INTEGER NOT NULL PRIMARY KEY CHECK (size >= 0),
    at   INTEGER NOT NULL,
    note TEXT    NOT NULL
) STRICT;

-- Counts by account and day, for habits and the yearly report.
CREATE TABLE audit_day (
    account TEXT    NOT NULL,
    day     TEXT    NOT NULL,
    what    TEXT    NOT NULL,
    unit    TEXT    NOT NULL,
    n       INTEGER NOT NULL CHECK (n >= 0),
    PRIMARY KEY (account, day, what)
) STRICT;
CREATE INDEX audit_day_unit ON audit_day (unit, what, day);

CREATE TABLE audit_alert (
    id          TEXT    NOT NULL PRIMARY KEY,
    at          INTEGER NOT NULL,
    rule        TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    unit        TEXT    NOT NULL,
    day         TEXT    NOT NULL,
    n           INTEGER NOT NULL,
    bound       INTEGER NOT NULL,
    answered_at INTEGER NOT NULL DEFAULT 0,
    answered_by TEXT    NOT NULL DEFAULT '',
    answer      BLOB    NOT NULL DEFAULT x''
) STRICT;
CREATE INDEX audit_alert_at ON audit_alert (at);

-- The reason given for looking at a pupil, for the rest of the session.
CREATE TABLE audit_reason (
    token_hash  TEXT    NOT NULL,
    student_uid TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    words       BLOB    NOT NULL,
    until       INTEGER NOT NULL,
    PRIMARY KEY (token_hash, student_uid)
) STRICT;
CREATE INDEX audit_reason_end ON audit_reason (until);

CREATE TABLE export_approval (
    no         TEXT    NOT NULL PRIMARY KEY CHECK (no <> ''),
    unit       TEXT    NOT NULL,
    doc        TEXT    NOT NULL,
    until_day  TEXT    NOT NULL,
    revoked_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    copies     INTEGER NOT NULL DEFAULT 0 CHECK (copies >= 0)
) STRICT;
CREATE INDEX export_approval_new ON export_approval (created_at);

CREATE TABLE export_copy (
    no      TEXT    NOT NULL,
    copy    INTEGER NOT NULL CHECK (copy >= 1),
    account TEXT    NOT NULL,
    unit    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    digest  TEXT    NOT NULL,
    PRIMARY KEY (no, copy)
) STRICT;

-- +goose Down
DROP TABLE export_copy;
DROP TABLE export_approval;
DROP TABLE audit_reason;
DROP TABLE audit_alert;
DROP TABLE audit_day;
DROP TABLE audit_checkpoint;
DROP TABLE audit_tile;
DROP TABLE audit_head;
DROP TABLE audit_entry;
