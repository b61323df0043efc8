-- +goose Up
-- Other systems (school software, later stages of education): credentials, newcomers that they handed in and a registrar has to look at, and when a record last
-- changed, so that a school's own system asks for changes alone. pupil_left is when a pupil's 学籍 went from a school.
CREATE TABLE api_client (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    name        TEXT COLLATE "C" NOT NULL,
    unit        TEXT COLLATE "C" NOT NULL CHECK (unit <> ''),
    secret_hash BYTEA NOT NULL,
    scopes      TEXT COLLATE "C" NOT NULL CHECK (scopes <> ''),
    approval    TEXT COLLATE "C" NOT NULL,
    until_day   TEXT COLLATE "C" NOT NULL CHECK (until_day <> ''),
    made_by     TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT NOT NULL DEFAULT 0,
    seen_at     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_client_unit ON api_client (unit, created_at);

CREATE TABLE handed (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    client      TEXT COLLATE "C" NOT NULL CHECK (client <> ''),
    unit        TEXT COLLATE "C" NOT NULL CHECK (unit <> ''),
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'entered', 'refused')),
    at          BIGINT NOT NULL,
    doc         TEXT COLLATE "C" NOT NULL,
    student_uid TEXT COLLATE "C" NOT NULL DEFAULT '',
    settled_at  BIGINT NOT NULL DEFAULT 0,
    settled_by  TEXT COLLATE "C" NOT NULL DEFAULT '',
    words       TEXT COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX handed_list ON handed (unit, state, at);

ALTER TABLE pupil ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX pupil_changed ON pupil (school, changed_at, student_uid);

CREATE TABLE pupil_left (
    student_uid TEXT COLLATE "C" NOT NULL,
    school      TEXT COLLATE "C" NOT NULL CHECK (school <> ''),
    at          BIGINT NOT NULL,
    PRIMARY KEY (student_uid, school)
);
CREATE INDEX pupil_left_list ON pupil_left (school, at, student_uid);

-- +goose Down
DROP TABLE pupil_left;
DROP INDEX pupil_changed;
ALTER TABLE pupil DROP COLUMN changed_at;
DROP TABLE handed;
DROP TABLE api_client;
