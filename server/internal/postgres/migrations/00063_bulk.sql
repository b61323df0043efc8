-- +goose Up
-- Work on many pupils at once (yearly promotion, ends of schooling, 升学, the end of a school, the term's review): a run and a row for each pupil. And the register of
-- certificates (Art. 13), listed by school; certificate_claim keeps their numbers apart.
CREATE TABLE bulk_run (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind <> ''),
    school      TEXT COLLATE "C" NOT NULL,
    period      TEXT COLLATE "C" NOT NULL,
    unit        TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running', 'open', 'done', 'signed', 'cancelled')),
    doc         TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    lease_until BIGINT NOT NULL DEFAULT 0,
    version     BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX bulk_run_school ON bulk_run (school, kind, created_at DESC);
CREATE INDEX bulk_run_work ON bulk_run (lease_until) WHERE state IN ('queued', 'running');

CREATE TABLE bulk_row (
    run         TEXT COLLATE "C" NOT NULL,
    student_uid TEXT COLLATE "C" NOT NULL,
    pos         BIGINT NOT NULL CHECK (pos >= 1),
    class       TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    doc         TEXT COLLATE "C" NOT NULL DEFAULT '',
    at          BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run, student_uid)
);
CREATE INDEX bulk_row_pos ON bulk_row (run, pos);

CREATE TABLE certificate (
    certificate_no TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (certificate_no <> ''),
    student_uid    TEXT COLLATE "C" NOT NULL,
    school         TEXT COLLATE "C" NOT NULL,
    ended          TEXT COLLATE "C" NOT NULL,
    grade          BIGINT NOT NULL,
    ended_on       TEXT COLLATE "C" NOT NULL,
    case_no        TEXT COLLATE "C" NOT NULL
);
CREATE INDEX certificate_school ON certificate (school, ended_on DESC, certificate_no);
CREATE INDEX certificate_pupil ON certificate (student_uid);

-- +goose Down
DROP TABLE certificate;
DROP TABLE bulk_row;
DROP TABLE bulk_run;
