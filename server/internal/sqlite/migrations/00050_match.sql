-- +goose Up
-- 查重: blocking keys (keyed hashes of 64 bits, distributed by the key) and the pairs that a person has to look at.
CREATE TABLE match_key (
    match_key   INTEGER NOT NULL,
    student_uid TEXT    NOT NULL,
    PRIMARY KEY (match_key, student_uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE suspicion (
    student_uid TEXT    NOT NULL,
    other_uid   TEXT    NOT NULL CHECK (student_uid < other_uid),
    state       TEXT    NOT NULL CHECK (state IN ('open', 'apart', 'same')),
    score       INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
    doc         TEXT    NOT NULL,
    PRIMARY KEY (student_uid, other_uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX suspicion_other ON suspicion (other_uid);

CREATE TABLE suspicion_unit (
    student_uid TEXT    NOT NULL,
    other_uid   TEXT    NOT NULL,
    unit        TEXT    NOT NULL CHECK (unit <> ''),
    state       TEXT    NOT NULL CHECK (state IN ('open', 'apart', 'same')),
    score       INTEGER NOT NULL,
    PRIMARY KEY (student_uid, other_uid, unit),
    FOREIGN KEY (student_uid, other_uid) REFERENCES suspicion (student_uid, other_uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX suspicion_unit_list ON suspicion_unit (unit, state, score DESC, student_uid, other_uid);

-- +goose Down
DROP TABLE suspicion_unit;
DROP TABLE suspicion;
DROP TABLE match_key;
