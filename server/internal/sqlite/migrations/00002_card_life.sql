-- +goose Up
-- A card's whole life: more states, one held card per pupil, who moved it and why; issuing lists and who is at which name.
CREATE TABLE issuance_next (
    student_uid  TEXT    NOT NULL,
    id           TEXT    NOT NULL CHECK (id <> ''),
    card_no      TEXT    NOT NULL CHECK (card_no <> ''),
    state        TEXT    NOT NULL CHECK (state IN ('requested', 'planned', 'personalised', 'delivered', 'active', 'suspended', 'replaced', 'damaged', 'revoked',
                     'expired', 'destroyed', 'failed')),
    kind         TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    status_idx   INTEGER NOT NULL CHECK (status_idx >= 0),
    sequence     INTEGER NOT NULL CHECK (sequence >= 0),
    ticket_hash  TEXT    NOT NULL,
    ticket_till  INTEGER NOT NULL,
    chip_hash    TEXT    NOT NULL,
    profile      TEXT    NOT NULL,
    level        INTEGER NOT NULL,
    record       BLOB    NOT NULL,
    actor        TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    expires_on   TEXT    NOT NULL,
    run          TEXT    NOT NULL DEFAULT '',
    delivered_at INTEGER NOT NULL DEFAULT 0,
    moves        INTEGER NOT NULL DEFAULT 0 CHECK (moves >= 0),
    PRIMARY KEY (student_uid, id)
) STRICT;
INSERT INTO issuance_next (student_uid, id, card_no, state, kind, reason, status_idx, sequence, ticket_hash, ticket_till, chip_hash, profile, level, record, actor,
    created_at, updated_at, expires_on, moves)
    SELECT student_uid, id, card_no, state, kind, reason, status_idx, sequence, ticket_hash, ticket_till, chip_hash, profile, level, record, actor,
    created_at, updated_at, expires_on, 1 FROM issuance;
DROP TABLE issuance;
ALTER TABLE issuance_next RENAME TO issuance;
-- One held card per pupil.
CREATE UNIQUE INDEX issuance_one_held ON issuance (student_uid) WHERE state IN ('personalised', 'delivered', 'active', 'suspended');
CREATE INDEX issuance_expiry ON issuance (expires_on) WHERE state IN ('personalised', 'delivered', 'active', 'suspended');

CREATE TABLE issuance_life (
    student_uid TEXT    NOT NULL,
    issuance_id TEXT    NOT NULL,
    n           INTEGER NOT NULL CHECK (n >= 1),
    at          INTEGER NOT NULL,
    act         TEXT    NOT NULL,
    was         TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state <> ''),
    reason      TEXT    NOT NULL,
    note        TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    PRIMARY KEY (student_uid, issuance_id, n)
) STRICT, WITHOUT ROWID;
-- Of cards made before lives were kept, what is known: their state, by whom they were asked for.
INSERT INTO issuance_life (student_uid, issuance_id, n, at, act, was, state, reason, note, actor)
    SELECT student_uid, id, 1, updated_at, '', '', state, reason, '', actor FROM issuance;

CREATE TABLE card_run (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    school     TEXT    NOT NULL,
    grade      INTEGER NOT NULL DEFAULT 0 CHECK (grade BETWEEN 0 AND 12),
    class      TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    closed_at  INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX card_run_school ON card_run (school, created_at DESC);

CREATE TABLE card_run_name (
    run         TEXT    NOT NULL,
    student_uid TEXT    NOT NULL,
    pos         INTEGER NOT NULL CHECK (pos >= 1),
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'made', 'left')),
    card_no     TEXT    NOT NULL DEFAULT '',
    tries       INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    spoiled     INTEGER NOT NULL DEFAULT 0 CHECK (spoiled >= 0),
    millis      INTEGER NOT NULL DEFAULT 0 CHECK (millis >= 0),
    last_code   TEXT    NOT NULL DEFAULT '',
    at          INTEGER NOT NULL DEFAULT 0,
    made_by     TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (run, student_uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_run_name_pos ON card_run_name (run, pos);

-- Who is at which pupil: no two stations draw the same one.
CREATE TABLE card_lease (
    student_uid TEXT    NOT NULL PRIMARY KEY,
    holder      TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    until       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX card_lease_holder ON card_lease (holder);

-- +goose Down
DROP TABLE card_lease;
DROP TABLE card_run_name;
DROP TABLE card_run;
DROP TABLE issuance_life;
DROP INDEX issuance_expiry;
DROP INDEX issuance_one_held;
CREATE UNIQUE INDEX issuance_one_active ON issuance (student_uid) WHERE state = 'active';
