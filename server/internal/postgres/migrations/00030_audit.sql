-- +goose Up
-- Who did and read what; the log over it; unusual reading; exports under an approval (Art. 25).
-- An entry is never changed but for its number (seq): -1 waits, -2 is forged. id sorts by time.
CREATE TABLE audit_entry (
    subject TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
    id      TEXT COLLATE "C" NOT NULL CHECK (length(id) = 26),
    seq     BIGINT NOT NULL DEFAULT -1 CHECK (seq >= -2),
    kind    TEXT COLLATE "C" NOT NULL CHECK (kind <> ''),
    account TEXT COLLATE "C" NOT NULL,
    body    TEXT COLLATE "C" NOT NULL,
    mac     BYTEA    NOT NULL,
    PRIMARY KEY (subject, id)
);
CREATE INDEX audit_entry_seq ON audit_entry (seq, id);
CREATE INDEX audit_entry_account ON audit_entry (account, id);

-- The one sequencer: its lease, the size of the tree and its newest signed checkpoint.
CREATE TABLE audit_head (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    size       BIGINT NOT NULL CHECK (size >= 0),
    checkpoint TEXT COLLATE "C" NOT NULL,
    holder     TEXT COLLATE "C" NOT NULL,
    until      BIGINT NOT NULL
);
INSERT INTO audit_head (name, size, checkpoint, holder, until) VALUES ('log', 0, '', '', 0);

CREATE TABLE audit_tile (
    tile   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hashes BYTEA NOT NULL
);

-- Checkpoints that are kept: one an hour at most, and every one that was cosigned.
CREATE TABLE audit_checkpoint (
    size BIGINT NOT NULL PRIMARY KEY CHECK (size >= 0),
    at   BIGINT NOT NULL,
    note TEXT COLLATE "C" NOT NULL
);

-- Counts by account and day, for habits and the yearly report.
CREATE TABLE audit_day (
    account TEXT COLLATE "C" NOT NULL,
    day     TEXT COLLATE "C" NOT NULL,
    what    TEXT COLLATE "C" NOT NULL,
    unit    TEXT COLLATE "C" NOT NULL,
    n       BIGINT NOT NULL CHECK (n >= 0),
    PRIMARY KEY (account, day, what)
);
CREATE INDEX audit_day_unit ON audit_day (unit, what, day);

CREATE TABLE audit_alert (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    rule        TEXT COLLATE "C" NOT NULL,
    account     TEXT COLLATE "C" NOT NULL,
    unit        TEXT COLLATE "C" NOT NULL,
    day         TEXT COLLATE "C" NOT NULL,
    n           BIGINT NOT NULL,
    bound       BIGINT NOT NULL,
    answered_at BIGINT NOT NULL DEFAULT 0,
    answered_by TEXT COLLATE "C" NOT NULL DEFAULT '',
    answer      BYTEA    NOT NULL DEFAULT ''
);
CREATE INDEX audit_alert_at ON audit_alert (at);

-- The reason given for looking at a pupil, for the rest of the session.
CREATE TABLE audit_reason (
    token_hash  TEXT COLLATE "C" NOT NULL,
    student_uid TEXT COLLATE "C" NOT NULL,
    why         TEXT COLLATE "C" NOT NULL,
    words       BYTEA    NOT NULL,
    until       BIGINT NOT NULL,
    PRIMARY KEY (token_hash, student_uid)
);
CREATE INDEX audit_reason_end ON audit_reason (until);

CREATE TABLE export_approval (
    no         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (no <> ''),
    unit       TEXT COLLATE "C" NOT NULL,
    doc        TEXT COLLATE "C" NOT NULL,
    until_day  TEXT COLLATE "C" NOT NULL,
    revoked_at BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    copies     BIGINT NOT NULL DEFAULT 0 CHECK (copies >= 0)
);
CREATE INDEX export_approval_new ON export_approval (created_at);

CREATE TABLE export_copy (
    no      TEXT COLLATE "C" NOT NULL,
    copy    BIGINT NOT NULL CHECK (copy >= 1),
    account TEXT COLLATE "C" NOT NULL,
    unit    TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL,
    n       BIGINT NOT NULL,
    digest  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (no, copy)
);

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
