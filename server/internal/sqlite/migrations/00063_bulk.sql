-- +goose Up
-- Work on many pupils at once (yearly promotion, ends of schooling, 升学, the end of a school, the term's review): a run and a row for each pupil. And the register of
-- certificates (Art. 13), listed by school; certificate_claim keeps their numbers apart.
CREATE TABLE bulk_run (
    id          TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    kind        TEXT    NOT NULL CHECK (kind <> ''),
    school      TEXT    NOT NULL,
    period      TEXT    NOT NULL,
    unit        TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'open', 'done', 'signed', 'cancelled')),
    doc         TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    lease_until INTEGER NOT NULL DEFAULT 0,
    version     INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_run_school ON bulk_run (school, kind, created_at DESC);
CREATE INDEX bulk_run_work ON bulk_run (lease_until) WHERE state IN ('queued', 'running');

CREATE TABLE bulk_row (
    run         TEXT    NOT NULL,
    student_uid TEXT    NOT NULL,
    pos         INTEGER NOT NULL CHECK (pos >= 1),
    class       TEXT    NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    doc         TEXT    NOT NULL DEFAULT '',
    at          INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, student_uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX bulk_row_pos ON bulk_row (run, pos);

CREATE TABLE certificate (
    certificate_no TEXT    NOT NULL PRIMARY KEY CHECK (certificate_no <> ''),
    student_uid    TEXT    NOT NULL,
    school         TEXT    NOT NULL,
    ended          TEXT    NOT NULL,
    grade          INTEGER NOT NULL,
    ended_on       TEXT    NOT NULL,
    case_no        TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_school ON certificate (school, ended_on DESC, certificate_no);
CREATE INDEX certificate_pupil ON certificate (student_uid);

-- +goose Down
DROP TABLE certificate;
DROP TABLE bulk_row;
DROP TABLE bulk_run;
