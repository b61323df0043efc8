-- +goose Up
-- Supervision (Arts 18, 23, 26, 27): what the detectors find by the unit that has to mend it, orders to correct by their number, yearly tallies and marks of
-- reports by unit. Words that a person typed are sealed; a tally holds counts alone.
CREATE TABLE finding (
    unit        TEXT COLLATE "C" NOT NULL CHECK (unit <> ''),
    id          TEXT COLLATE "C" NOT NULL,
    kind        BIGINT NOT NULL CHECK (kind BETWEEN 1 AND 8),
    student_uid TEXT COLLATE "C" NOT NULL,
    item        TEXT COLLATE "C" NOT NULL,
    why         TEXT COLLATE "C" NOT NULL,
    since       TEXT COLLATE "C" NOT NULL,
    source      TEXT COLLATE "C" NOT NULL,
    found_at    BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    gone_at     BIGINT NOT NULL,
    words       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (unit, id)
);
CREATE INDEX finding_board ON finding (unit, kind, since) WHERE gone_at = 0;
CREATE INDEX finding_source ON finding (source) WHERE gone_at = 0;

CREATE TABLE correction_order (
    no        TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (no <> ''),
    version   BIGINT NOT NULL CHECK (version >= 1),
    by_unit   TEXT COLLATE "C" NOT NULL,
    to_unit   TEXT COLLATE "C" NOT NULL,
    state     TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'answered', 'closed')),
    waits     TEXT COLLATE "C" NOT NULL,
    due_on    TEXT COLLATE "C" NOT NULL,
    issued_on TEXT COLLATE "C" NOT NULL,
    doc       TEXT COLLATE "C" NOT NULL
);
CREATE INDEX correction_order_to ON correction_order (to_unit, issued_on);
CREATE INDEX correction_order_by ON correction_order (by_unit, issued_on);
CREATE INDEX correction_order_waits ON correction_order (waits, due_on) WHERE waits <> '';

CREATE TABLE tally (
    unit     TEXT COLLATE "C" NOT NULL CHECK (unit <> ''),
    year     BIGINT NOT NULL,
    taken_at BIGINT NOT NULL,
    doc      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (unit, year)
);

CREATE TABLE report_mark (
    unit    TEXT COLLATE "C" NOT NULL CHECK (unit <> ''),
    kind    TEXT COLLATE "C" NOT NULL CHECK (kind IN ('letter', 'staff')),
    period  TEXT COLLATE "C" NOT NULL,
    sent_at BIGINT NOT NULL,
    sent_by TEXT COLLATE "C" NOT NULL,
    seen_at BIGINT NOT NULL,
    seen_by TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (unit, kind, period)
);

-- +goose Down
DROP TABLE report_mark;
DROP TABLE tally;
DROP TABLE correction_order;
DROP TABLE finding;
