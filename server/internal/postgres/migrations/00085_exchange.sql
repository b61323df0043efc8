-- +goose Up
-- The exchange with other provinces' registers: this register's identities, its peers, letters out and in. Bodies and secrets are sealed. A letter's number in its
-- direction is drawn from the peer's mark in the transaction that writes it. A pupil may have moved to another register.
ALTER TABLE pupil DROP CONSTRAINT pupil_standing_check;
ALTER TABLE pupil ADD CONSTRAINT pupil_standing_check CHECK (standing IN ('none', 'dup_check', 'school_check', 'approval', 'enrolled', 'suspended', 'dropout', 'abroad', 'promoted', 'graduated', 'completed', 'left', 'deceased', 'erased', 'moved'));
CREATE TABLE exchange_key (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    province   TEXT COLLATE "C" NOT NULL,
    secret     BYTEA NOT NULL,
    made_at    BIGINT NOT NULL,
    retired_at BIGINT NOT NULL
);

CREATE TABLE exchange_peer (
    province   TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(province) = 6),
    name       TEXT COLLATE "C" NOT NULL,
    url        TEXT COLLATE "C" NOT NULL,
    pins       TEXT COLLATE "C" NOT NULL,
    added_at   BIGINT NOT NULL,
    added_by   TEXT COLLATE "C" NOT NULL,
    revoked_at BIGINT NOT NULL,
    heard_at   BIGINT NOT NULL DEFAULT 0,
    sent_at    BIGINT NOT NULL DEFAULT 0,
    failures   BIGINT NOT NULL DEFAULT 0,
    next_try   BIGINT NOT NULL DEFAULT 0,
    fault      TEXT COLLATE "C" NOT NULL DEFAULT ''
);

CREATE TABLE exchange_mark (
    peer TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (peer <> ''),
    sent BIGINT NOT NULL CHECK (sent >= 1)
);

CREATE TABLE exchange_out (
    peer        TEXT COLLATE "C" NOT NULL,
    id          TEXT COLLATE "C" NOT NULL CHECK (length(id) = 32),
    seq         BIGINT NOT NULL CHECK (seq >= 1),
    prev        BIGINT NOT NULL CHECK (prev >= 0 AND prev < seq),
    thread      TEXT COLLATE "C" NOT NULL CHECK (thread <> ''),
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind <> ''),
    student_uid TEXT COLLATE "C" NOT NULL,
    case_no     TEXT COLLATE "C" NOT NULL,
    at          BIGINT NOT NULL,
    body        BYTEA NOT NULL,
    file        TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'refused')),
    code        TEXT COLLATE "C" NOT NULL DEFAULT '',
    params      TEXT COLLATE "C" NOT NULL DEFAULT '',
    tries       BIGINT NOT NULL DEFAULT 0,
    receipt     BYTEA NOT NULL DEFAULT '',
    settled_at  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (peer, id)
);
CREATE UNIQUE INDEX exchange_out_seq ON exchange_out (peer, seq);
CREATE INDEX exchange_out_thread ON exchange_out (peer, thread, seq);
CREATE INDEX exchange_out_open ON exchange_out (peer, seq) WHERE state <> 'done';

CREATE TABLE exchange_in (
    peer        TEXT COLLATE "C" NOT NULL,
    seq         BIGINT NOT NULL CHECK (seq >= 1),
    id          TEXT COLLATE "C" NOT NULL CHECK (length(id) = 32),
    prev        BIGINT NOT NULL CHECK (prev >= 0 AND prev < seq),
    thread      TEXT COLLATE "C" NOT NULL CHECK (thread <> ''),
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind <> ''),
    student_uid TEXT COLLATE "C" NOT NULL,
    case_no     TEXT COLLATE "C" NOT NULL,
    at          BIGINT NOT NULL,
    got_at      BIGINT NOT NULL,
    body        BYTEA NOT NULL,
    state       TEXT COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'held')),
    code        TEXT COLLATE "C" NOT NULL DEFAULT '',
    params      TEXT COLLATE "C" NOT NULL DEFAULT '',
    unit        TEXT COLLATE "C" NOT NULL DEFAULT '',
    settled_at  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (peer, seq)
);
CREATE UNIQUE INDEX exchange_in_id ON exchange_in (peer, id);
CREATE INDEX exchange_in_thread ON exchange_in (peer, thread, seq);
CREATE INDEX exchange_in_open ON exchange_in (state, got_at) WHERE state <> 'done';

CREATE TABLE exchange_turned (
    peer TEXT COLLATE "C" NOT NULL CHECK (peer <> ''),
    day  TEXT COLLATE "C" NOT NULL,
    why  TEXT COLLATE "C" NOT NULL,
    n    BIGINT NOT NULL,
    PRIMARY KEY (peer, day, why)
);

-- +goose Down
DROP TABLE exchange_turned;
DROP TABLE exchange_in;
DROP TABLE exchange_out;
DROP TABLE exchange_mark;
DROP TABLE exchange_peer;
DROP TABLE exchange_key;
ALTER TABLE pupil DROP CONSTRAINT pupil_standing_check;
ALTER TABLE pupil ADD CONSTRAINT pupil_standing_check CHECK (standing IN ('none', 'dup_check', 'school_check', 'approval', 'enrolled', 'suspended', 'dropout', 'abroad', 'promoted', 'graduated', 'completed', 'left', 'deceased', 'erased'));
