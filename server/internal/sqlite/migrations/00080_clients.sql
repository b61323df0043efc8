-- +goose Up
-- Other systems (school software, later stages of education): credentials, newcomers that they handed in and a registrar has to look at, and when a record last
-- changed, so that a school's own system asks for changes alone. pupil_left is when a pupil's 学籍 went from a school.
CREATE TABLE api_client (
    id          TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    name        TEXT    NOT NULL,
    unit        TEXT    NOT NULL CHECK (unit <> ''),
    secret_hash BLOB    NOT NULL,
    scopes      TEXT    NOT NULL CHECK (scopes <> ''),
    approval    TEXT    NOT NULL,
    until_day   TEXT    NOT NULL CHECK (until_day <> ''),
    made_by     TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER NOT NULL DEFAULT 0,
    seen_at     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX api_client_unit ON api_client (unit, created_at);

CREATE TABLE handed (
    id          TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    client      TEXT    NOT NULL CHECK (client <> ''),
    unit        TEXT    NOT NULL CHECK (unit <> ''),
    state       TEXT    NOT NULL CHECK (state IN ('waiting', 'entered', 'refused')),
    at          INTEGER NOT NULL,
    doc         TEXT    NOT NULL,
    student_uid TEXT    NOT NULL DEFAULT '',
    settled_at  INTEGER NOT NULL DEFAULT 0,
    settled_by  TEXT    NOT NULL DEFAULT '',
    words       TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX handed_list ON handed (unit, state, at);

ALTER TABLE pupil ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX pupil_changed ON pupil (school, changed_at, student_uid);

CREATE TABLE pupil_left (
    student_uid TEXT    NOT NULL,
    school      TEXT    NOT NULL CHECK (school <> ''),
    at          INTEGER NOT NULL,
    PRIMARY KEY (student_uid, school)
) STRICT, WITHOUT ROWID;
CREATE INDEX pupil_left_list ON pupil_left (school, at, student_uid);

-- +goose Down
DROP TABLE pupil_left;
DROP INDEX pupil_changed;
ALTER TABLE pupil DROP COLUMN changed_at;
DROP TABLE handed;
DROP TABLE api_client;
