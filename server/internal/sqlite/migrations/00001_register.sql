-- The register's first schema on SQLite. Its twin is postgres/migrations/00001_register.sql: same tables, same columns, same invariants.
-- Distribution (docs of package sqlstore, checked by a test): a pupil's tables carry student_uid in every key, the kiosk inbox carries kiosk, each claim is
-- its own key. Times are nanoseconds since 1970 (0: none); dates are text, so that they compare.

-- +goose Up

-- Pupils -----------------------------------------------------------------------------------------------------------------------------------------------
CREATE TABLE pupil (
    student_uid TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version >= 1),
    name        TEXT    NOT NULL,
    sex         TEXT    NOT NULL,
    birth       TEXT    NOT NULL,
    school      TEXT    NOT NULL,
    grade       INTEGER NOT NULL CHECK (grade BETWEEN 0 AND 12),
    class       TEXT    NOT NULL,
    class_sort  TEXT    NOT NULL,
    name_sort   TEXT    NOT NULL,
    number      TEXT    NOT NULL,
    standing    TEXT    NOT NULL CHECK (standing IN ('none', 'dup_check', 'school_check', 'approval', 'enrolled', 'suspended', 'dropout', 'abroad',
                                                     'promoted', 'graduated', 'completed', 'left', 'deceased', 'erased')),
    lock_case   TEXT    NOT NULL,
    archive     TEXT    NOT NULL CHECK (archive IN ('', 'none', 'held', 'called', 'transit', 'received', 'returned', 'permanent')),
    card_no     TEXT    NOT NULL,
    terms_sum   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pupil_list ON pupil (school, grade, class_sort, name_sort, student_uid);
CREATE INDEX pupil_no_card ON pupil (school, grade, class_sort, name_sort, student_uid) WHERE standing = 'enrolled' AND card_no = '';

CREATE TABLE pupil_doc (
    student_uid TEXT NOT NULL PRIMARY KEY REFERENCES pupil (student_uid),
    doc         TEXT NOT NULL
) STRICT;

CREATE TABLE history (
    student_uid TEXT    NOT NULL REFERENCES pupil (student_uid),
    version     INTEGER NOT NULL CHECK (version >= 1),
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    case_no     TEXT    NOT NULL,
    pack        TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    payload     BLOB    NOT NULL,
    PRIMARY KEY (student_uid, version)
) STRICT;

CREATE TABLE pupil_case (
    student_uid TEXT    NOT NULL REFERENCES pupil (student_uid),
    case_no     TEXT    NOT NULL CHECK (case_no <> ''),
    kind        TEXT    NOT NULL CHECK (kind <> ''),
    state       TEXT    NOT NULL CHECK (state IN ('open', 'completed', 'refused', 'withdrawn')),
    opened_at   INTEGER NOT NULL,
    doc         TEXT    NOT NULL,
    PRIMARY KEY (student_uid, case_no)
) STRICT;
-- At most one case of a pupil is open: the lock.
CREATE UNIQUE INDEX pupil_case_one_open ON pupil_case (student_uid) WHERE state = 'open';

CREATE TABLE case_unit (
    student_uid TEXT    NOT NULL,
    case_no     TEXT    NOT NULL,
    unit        TEXT    NOT NULL CHECK (unit <> ''),
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('open', 'completed', 'refused', 'withdrawn')),
    opened_at   INTEGER NOT NULL,
    PRIMARY KEY (student_uid, case_no, unit),
    FOREIGN KEY (student_uid, case_no) REFERENCES pupil_case (student_uid, case_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX case_unit_newest ON case_unit (unit, opened_at DESC);
CREATE INDEX case_unit_open ON case_unit (unit, student_uid) WHERE state = 'open';

CREATE TABLE task (
    student_uid TEXT    NOT NULL REFERENCES pupil (student_uid),
    n           INTEGER NOT NULL CHECK (n >= 1),
    unit        TEXT    NOT NULL,
    above       TEXT    NOT NULL,
    due_on      TEXT    NOT NULL,
    doc         TEXT    NOT NULL,
    PRIMARY KEY (student_uid, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_due ON task (unit, due_on, student_uid, n);
CREATE INDEX task_above ON task (above, due_on, student_uid, n);

CREATE TABLE task_other (
    student_uid TEXT    NOT NULL,
    n           INTEGER NOT NULL,
    unit        TEXT    NOT NULL,
    due_on      TEXT    NOT NULL,
    PRIMARY KEY (student_uid, n, unit),
    FOREIGN KEY (student_uid, n) REFERENCES task (student_uid, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_other_due ON task_other (unit, due_on, student_uid, n);

-- The search index: every suffix of the name, each pinyin reading, initials, tails; a prefix range over term answers all of them.
CREATE TABLE search_term (
    student_uid TEXT NOT NULL REFERENCES pupil (student_uid),
    term        TEXT NOT NULL,
    school      TEXT NOT NULL,
    PRIMARY KEY (student_uid, term)
) STRICT, WITHOUT ROWID;
CREATE INDEX search_term_prefix ON search_term (term, school, student_uid);

-- Wrong tries of the guardian's PIN.
CREATE TABLE pin_try (
    student_uid  TEXT    NOT NULL PRIMARY KEY,
    tries        INTEGER NOT NULL CHECK (tries >= 0),
    locked_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    student_uid TEXT    NOT NULL,
    id          TEXT    NOT NULL CHECK (id <> ''),
    kind        TEXT    NOT NULL,
    payload     BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    lease_until INTEGER NOT NULL DEFAULT 0,
    failures    INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    reason      TEXT    NOT NULL DEFAULT '',
    settled_at  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (student_uid, id)
) STRICT;
CREATE INDEX outbox_waiting ON outbox (lease_until, at) WHERE state = 'waiting';
CREATE INDEX outbox_dead ON outbox (settled_at) WHERE state = 'dead';
CREATE INDEX outbox_id ON outbox (id);

-- Cards ------------------------------------------------------------------------------------------------------------------------------------------------
CREATE TABLE issuance (
    student_uid TEXT    NOT NULL,
    id          TEXT    NOT NULL CHECK (id <> ''),
    card_no     TEXT    NOT NULL CHECK (card_no <> ''),
    state       TEXT    NOT NULL CHECK (state IN ('requested', 'planned', 'personalised', 'active', 'replaced', 'revoked', 'failed')),
    kind        TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    status_idx  INTEGER NOT NULL CHECK (status_idx >= 0),
    sequence    INTEGER NOT NULL CHECK (sequence >= 0),
    ticket_hash TEXT    NOT NULL,
    ticket_till INTEGER NOT NULL,
    chip_hash   TEXT    NOT NULL,
    profile     TEXT    NOT NULL,
    level       INTEGER NOT NULL,
    record      BLOB    NOT NULL,
    actor       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    expires_on  TEXT    NOT NULL,
    PRIMARY KEY (student_uid, id)
) STRICT;
-- One active card per pupil.
CREATE UNIQUE INDEX issuance_one_active ON issuance (student_uid) WHERE state = 'active';

-- Claims: uniqueness over the whole register, each distributed by what is claimed -------------------------------------------------------------------------
CREATE TABLE id_claim       (id_hash     TEXT    NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX id_claim_holder ON id_claim (student_uid);
CREATE TABLE number_claim   (number      TEXT    NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE case_claim     (case_no     TEXT    NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE archive_claim  (archive_no  TEXT    NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE issuance_claim (issuance_id TEXT    NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE card_claim     (card_no     TEXT    NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL, issuance_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE status_claim   (status_idx  INTEGER NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL, issuance_id TEXT NOT NULL) STRICT;
CREATE TABLE ticket_claim   (ticket_hash TEXT    NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL, issuance_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_claim_issuance ON ticket_claim (issuance_id);

-- Kiosk inbox, by kiosk ----------------------------------------------------------------------------------------------------------------------------------
CREATE TABLE kiosk_mark (
    kiosk      TEXT    NOT NULL PRIMARY KEY,
    high_water INTEGER NOT NULL CHECK (high_water >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
    kiosk       TEXT    NOT NULL CHECK (kiosk <> ''),
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    hash        BLOB    NOT NULL,
    payload     BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    chain       BLOB    NOT NULL,
    event_id    TEXT    NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'applied', 'refused', 'dead')),
    lease_until INTEGER NOT NULL DEFAULT 0,
    failures    INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    reason      TEXT    NOT NULL DEFAULT '',
    case_no     TEXT    NOT NULL DEFAULT '',
    code        TEXT    NOT NULL DEFAULT '',
    params      TEXT    NOT NULL DEFAULT '',
    settled_at  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kiosk, seq)
) STRICT;
CREATE INDEX inbox_event ON inbox (kiosk, event_id, seq) WHERE event_id <> '';
CREATE INDEX inbox_waiting ON inbox (lease_until, seq, kiosk) WHERE state = 'waiting';
CREATE INDEX inbox_dead ON inbox (settled_at) WHERE state = 'dead';

-- The same number with other content: kept for whoever looks into it, never applied.
CREATE TABLE quarantine (
    kiosk   TEXT    NOT NULL,
    seq     INTEGER NOT NULL CHECK (seq >= 1),
    hash    BLOB    NOT NULL,
    payload BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (kiosk, seq, hash)
) STRICT;

CREATE TABLE sealed_key (
    kiosk  TEXT    NOT NULL,
    epoch  INTEGER NOT NULL CHECK (epoch BETWEEN 0 AND 65535),
    sealed BLOB    NOT NULL,
    PRIMARY KEY (kiosk, epoch)
) STRICT;

-- By their own key ---------------------------------------------------------------------------------------------------------------------------------------
CREATE TABLE session (
    token_hash TEXT    NOT NULL PRIMARY KEY,
    account    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    via        TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE file (
    digest     TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    owner_uid  TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    body       BLOB    NOT NULL
) STRICT;
CREATE TABLE file_owner (
    digest    TEXT NOT NULL REFERENCES file (digest),
    unit      TEXT NOT NULL,
    owner_uid TEXT NOT NULL,
    PRIMARY KEY (digest, unit, owner_uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE import_run (
    id          TEXT    NOT NULL PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version >= 1),
    unit        TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    file        TEXT    NOT NULL,
    result      TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    total       INTEGER NOT NULL CHECK (total >= 0),
    done        INTEGER NOT NULL CHECK (done >= 0),
    good        INTEGER NOT NULL CHECK (good >= 0),
    bad         INTEGER NOT NULL CHECK (bad >= 0),
    code        TEXT    NOT NULL,
    params      TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    lease_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX import_run_unit ON import_run (unit, created_at DESC);
CREATE INDEX import_run_unfinished ON import_run (created_at) WHERE state IN ('queued', 'running');

-- Reference tables: small, copied to every node -----------------------------------------------------------------------------------------------------------
CREATE TABLE unit_school (
    code       TEXT    NOT NULL PRIMARY KEY CHECK (length(code) = 10),
    name       TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    authority  TEXT    NOT NULL,
    from_grade INTEGER NOT NULL CHECK (from_grade BETWEEN 1 AND 12),
    to_grade   INTEGER NOT NULL CHECK (to_grade BETWEEN from_grade AND 12),
    public     INTEGER NOT NULL CHECK (public IN (0, 1)),
    phone      TEXT    NOT NULL,
    address    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE unit_office (
    code   TEXT NOT NULL PRIMARY KEY CHECK (length(code) = 6),
    name   TEXT NOT NULL,
    tier   TEXT NOT NULL CHECK (tier IN ('nation', 'province', 'city', 'county')),
    parent TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    login      TEXT    NOT NULL UNIQUE CHECK (login <> '' AND login = lower(login)),
    name       TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    password   TEXT    NOT NULL,
    disabled   INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    trained_on TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX account_unit ON account (unit, login);

CREATE TABLE kiosk (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    no         INTEGER NOT NULL UNIQUE CHECK (no BETWEEN 1 AND 9999),
    name       TEXT    NOT NULL,
    school     TEXT    NOT NULL,
    public_key BLOB    NOT NULL CHECK (length(public_key) IN (0, 32)),
    seal_key   BLOB    NOT NULL CHECK (length(seal_key) IN (0, 32)),
    code_hash  TEXT    NOT NULL,
    code_until INTEGER NOT NULL,
    revoked    INTEGER NOT NULL CHECK (revoked IN (0, 1)),
    seen_at    INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX kiosk_school ON kiosk (school, no);
CREATE INDEX kiosk_code ON kiosk (code_hash) WHERE code_hash <> '';

CREATE TABLE counter (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('revocations', 0);

CREATE TABLE revocation (status_idx INTEGER NOT NULL PRIMARY KEY) STRICT;

CREATE TABLE status_list (
    number INTEGER NOT NULL PRIMARY KEY CHECK (number >= 0),
    signed BLOB    NOT NULL
) STRICT;

CREATE TABLE blob (
    name TEXT NOT NULL PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- +goose Down
DROP TABLE blob;
DROP TABLE status_list;
DROP TABLE revocation;
DROP TABLE counter;
DROP TABLE kiosk;
DROP TABLE account;
DROP TABLE unit_office;
DROP TABLE unit_school;
DROP TABLE import_run;
DROP TABLE file_owner;
DROP TABLE file;
DROP TABLE session;
DROP TABLE sealed_key;
DROP TABLE quarantine;
DROP TABLE inbox;
DROP TABLE kiosk_mark;
DROP TABLE ticket_claim;
DROP TABLE status_claim;
DROP TABLE card_claim;
DROP TABLE issuance_claim;
DROP TABLE archive_claim;
DROP TABLE case_claim;
DROP TABLE number_claim;
DROP TABLE id_claim;
DROP TABLE issuance;
DROP TABLE pin_try;
DROP TABLE outbox;
DROP TABLE search_term;
DROP TABLE task_other;
DROP TABLE task;
DROP TABLE case_unit;
DROP TABLE pupil_case;
DROP TABLE history;
DROP TABLE pupil_doc;
DROP TABLE pupil;
