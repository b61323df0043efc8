-- +goose Up
-- A card's whole life: more states, one held card per pupil, who moved it and why; issuing lists and who is at which name.
ALTER TABLE issuance DROP CONSTRAINT issuance_state_check;
ALTER TABLE issuance ADD CONSTRAINT issuance_state_check CHECK (state IN ('requested', 'planned', 'personalised', 'delivered', 'active', 'suspended', 'replaced',
    'damaged', 'revoked', 'expired', 'destroyed', 'failed'));
ALTER TABLE issuance ADD COLUMN run TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE issuance ADD COLUMN delivered_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE issuance ADD COLUMN moves BIGINT NOT NULL DEFAULT 0 CHECK (moves >= 0);
UPDATE issuance SET moves = 1;
-- One held card per pupil.
CREATE UNIQUE INDEX issuance_one_held ON issuance (student_uid) WHERE state IN ('personalised', 'delivered', 'active', 'suspended');
DROP INDEX issuance_one_active;
CREATE INDEX issuance_expiry ON issuance (expires_on) WHERE state IN ('personalised', 'delivered', 'active', 'suspended');

CREATE TABLE issuance_life (
    student_uid TEXT COLLATE "C" NOT NULL,
    issuance_id TEXT COLLATE "C" NOT NULL,
    n           BIGINT NOT NULL CHECK (n >= 1),
    at          BIGINT NOT NULL,
    act         TEXT COLLATE "C" NOT NULL,
    was         TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state <> ''),
    reason      TEXT COLLATE "C" NOT NULL,
    note        TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (student_uid, issuance_id, n)
);
-- Of cards made before lives were kept, what is known: their state, by whom they were asked for.
INSERT INTO issuance_life (student_uid, issuance_id, n, at, act, was, state, reason, note, actor)
    SELECT student_uid, id, 1, updated_at, '', '', state, reason, '', actor FROM issuance;

CREATE TABLE card_run (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    school     TEXT COLLATE "C" NOT NULL,
    grade      BIGINT NOT NULL DEFAULT 0 CHECK (grade BETWEEN 0 AND 12),
    class      TEXT COLLATE "C" NOT NULL,
    unit       TEXT COLLATE "C" NOT NULL,
    actor      TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    closed_at  BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX card_run_school ON card_run (school, created_at DESC);

CREATE TABLE card_run_name (
    run         TEXT COLLATE "C" NOT NULL,
    student_uid TEXT COLLATE "C" NOT NULL,
    pos         BIGINT NOT NULL CHECK (pos >= 1),
    state       TEXT COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'made', 'left')),
    card_no     TEXT COLLATE "C" NOT NULL DEFAULT '',
    tries       BIGINT NOT NULL DEFAULT 0 CHECK (tries >= 0),
    spoiled     BIGINT NOT NULL DEFAULT 0 CHECK (spoiled >= 0),
    millis      BIGINT NOT NULL DEFAULT 0 CHECK (millis >= 0),
    last_code   TEXT COLLATE "C" NOT NULL DEFAULT '',
    at          BIGINT NOT NULL DEFAULT 0,
    made_by     TEXT COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (run, student_uid)
);
CREATE INDEX card_run_name_pos ON card_run_name (run, pos);

-- Who is at which pupil: no two stations draw the same one.
CREATE TABLE card_lease (
    student_uid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder      TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    until       BIGINT NOT NULL
);
CREATE INDEX card_lease_holder ON card_lease (holder);

-- +goose Down
DROP TABLE card_lease;
DROP TABLE card_run_name;
DROP TABLE card_run;
DROP TABLE issuance_life;
DROP INDEX issuance_expiry;
DROP INDEX issuance_one_held;
CREATE UNIQUE INDEX issuance_one_active ON issuance (student_uid) WHERE state = 'active';
ALTER TABLE issuance DROP COLUMN moves;
ALTER TABLE issuance DROP COLUMN delivered_at;
ALTER TABLE issuance DROP COLUMN run;
