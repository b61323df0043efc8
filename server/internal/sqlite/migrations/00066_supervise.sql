-- +goose Up
-- Supervision (Arts 18, 23, 26, 27): what the detectors find by the unit that has to mend it, orders to correct by their number, yearly tallies and marks of
-- reports by unit. Words that a person typed are sealed; a tally holds counts alone.
CREATE TABLE finding (
    unit        TEXT NOT NULL CHECK (unit <> ''),
    id          TEXT NOT NULL,
    kind        INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 8),
    student_uid TEXT NOT NULL,
    item        TEXT NOT NULL,
    why         TEXT NOT NULL,
    since       TEXT NOT NULL,
    source      TEXT NOT NULL,
    found_at    INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    gone_at     INTEGER NOT NULL,
    words       TEXT NOT NULL,
    PRIMARY KEY (unit, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX finding_board ON finding (unit, kind, since) WHERE gone_at = 0;
CREATE INDEX finding_source ON finding (source) WHERE gone_at = 0;

CREATE TABLE correction_order (
    no        TEXT NOT NULL PRIMARY KEY CHECK (no <> ''),
    version   INTEGER NOT NULL CHECK (version >= 1),
    by_unit   TEXT NOT NULL,
    to_unit   TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('open', 'answered', 'closed')),
    waits     TEXT NOT NULL,
    due_on    TEXT NOT NULL,
    issued_on TEXT NOT NULL,
    doc       TEXT NOT NULL
) STRICT;
CREATE INDEX correction_order_to ON correction_order (to_unit, issued_on);
CREATE INDEX correction_order_by ON correction_order (by_unit, issued_on);
CREATE INDEX correction_order_waits ON correction_order (waits, due_on) WHERE waits <> '';

CREATE TABLE tally (
    unit     TEXT NOT NULL CHECK (unit <> ''),
    year     INTEGER NOT NULL,
    taken_at INTEGER NOT NULL,
    doc      TEXT NOT NULL,
    PRIMARY KEY (unit, year)
) STRICT;

CREATE TABLE report_mark (
    unit    TEXT NOT NULL CHECK (unit <> ''),
    kind    TEXT NOT NULL CHECK (kind IN ('letter', 'staff')),
    period  TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    sent_by TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    seen_by TEXT NOT NULL,
    PRIMARY KEY (unit, kind, period)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE report_mark;
DROP TABLE tally;
DROP TABLE correction_order;
DROP TABLE finding;
