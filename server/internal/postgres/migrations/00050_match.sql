-- +goose Up
-- 查重: blocking keys (keyed hashes of 64 bits, distributed by the key) and the pairs that a person has to look at.
CREATE TABLE match_key (
    match_key   BIGINT NOT NULL,
    student_uid TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (match_key, student_uid)
);

CREATE TABLE suspicion (
    student_uid TEXT COLLATE "C" NOT NULL,
    other_uid   TEXT COLLATE "C" NOT NULL CHECK (student_uid < other_uid),
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'apart', 'same')),
    score       BIGINT NOT NULL CHECK (score BETWEEN 0 AND 100),
    doc         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (student_uid, other_uid)
);
CREATE INDEX suspicion_other ON suspicion (other_uid);

CREATE TABLE suspicion_unit (
    student_uid TEXT COLLATE "C" NOT NULL,
    other_uid   TEXT COLLATE "C" NOT NULL,
    unit        TEXT COLLATE "C" NOT NULL CHECK (unit <> ''),
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'apart', 'same')),
    score       BIGINT NOT NULL,
    PRIMARY KEY (student_uid, other_uid, unit),
    FOREIGN KEY (student_uid, other_uid) REFERENCES suspicion (student_uid, other_uid)
);
CREATE INDEX suspicion_unit_list ON suspicion_unit (unit, state, score DESC, student_uid, other_uid);

-- +goose Down
DROP TABLE suspicion_unit;
DROP TABLE suspicion;
DROP TABLE match_key;
