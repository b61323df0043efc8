-- The register's first schema on PostgreSQL. Its twin is sqlite/migrations/00001_register.sql: same tables, same columns, same invariants.
-- Distribution (docs of package sqlstore, checked by a test): a pupil's tables carry student_uid in every key, the kiosk inbox carries kiosk, each claim is
-- its own key. Times are nanoseconds since 1970 (0: none); dates are text, so that they compare.

-- +goose Up

-- Pupils -----------------------------------------------------------------------------------------------------------------------------------------------
CREATE TABLE pupil (
    student_uid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version     BIGINT NOT NULL CHECK (version >= 1),
    name        TEXT COLLATE "C" NOT NULL,
    sex         TEXT COLLATE "C" NOT NULL,
    birth       TEXT COLLATE "C" NOT NULL,
    school      TEXT COLLATE "C" NOT NULL,
    grade       BIGINT NOT NULL CHECK (grade BETWEEN 0 AND 12),
    class       TEXT COLLATE "C" NOT NULL,
    class_sort  TEXT COLLATE "C" NOT NULL,
    name_sort   TEXT COLLATE "C" NOT NULL,
    number      TEXT COLLATE "C" NOT NULL,
    standing    TEXT COLLATE "C" NOT NULL CHECK (standing IN ('none', 'dup_check', 'school_check', 'approval', 'enrolled', 'suspended', 'dropout', 'abroad',
                                                     'promoted', 'graduated', 'completed', 'left', 'deceased', 'erased')),
    lock_case   TEXT COLLATE "C" NOT NULL,
    archive     TEXT COLLATE "C" NOT NULL CHECK (archive IN ('', 'none', 'held', 'called', 'transit', 'received', 'returned', 'permanent')),
    card_no     TEXT COLLATE "C" NOT NULL,
    terms_sum   TEXT COLLATE "C" NOT NULL
);
CREATE INDEX pupil_list ON pupil (school, grade, class_sort, name_sort, student_uid);
CREATE INDEX pupil_no_card ON pupil (school, grade, class_sort, name_sort, student_uid) WHERE standing = 'enrolled' AND card_no = '';

CREATE TABLE pupil_doc (
    student_uid TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES pupil (student_uid),
    doc         TEXT COLLATE "C" NOT NULL
);

CREATE TABLE history (
    student_uid TEXT COLLATE "C" NOT NULL REFERENCES pupil (student_uid),
    version     BIGINT NOT NULL CHECK (version >= 1),
    at          BIGINT NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    case_no     TEXT COLLATE "C" NOT NULL,
    pack        TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    payload     BYTEA NOT NULL,
    PRIMARY KEY (student_uid, version)
);

CREATE TABLE pupil_case (
    student_uid TEXT COLLATE "C" NOT NULL REFERENCES pupil (student_uid),
    case_no     TEXT COLLATE "C" NOT NULL CHECK (case_no <> ''),
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind <> ''),
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'completed', 'refused', 'withdrawn')),
    opened_at   BIGINT NOT NULL,
    doc         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (student_uid, case_no)
);
-- At most one case of a pupil is open: the lock.
CREATE UNIQUE INDEX pupil_case_one_open ON pupil_case (student_uid) WHERE state = 'open';

CREATE TABLE case_unit (
    student_uid TEXT COLLATE "C" NOT NULL,
    case_no     TEXT COLLATE "C" NOT NULL,
    unit        TEXT COLLATE "C" NOT NULL CHECK (unit <> ''),
    kind        TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'completed', 'refused', 'withdrawn')),
    opened_at   BIGINT NOT NULL,
    PRIMARY KEY (student_uid, case_no, unit),
    FOREIGN KEY (student_uid, case_no) REFERENCES pupil_case (student_uid, case_no)
);
CREATE INDEX case_unit_newest ON case_unit (unit, opened_at DESC);
CREATE INDEX case_unit_open ON case_unit (unit, student_uid) WHERE state = 'open';

CREATE TABLE task (
    student_uid TEXT COLLATE "C" NOT NULL REFERENCES pupil (student_uid),
    n           BIGINT NOT NULL CHECK (n >= 1),
    unit        TEXT COLLATE "C" NOT NULL,
    above       TEXT COLLATE "C" NOT NULL,
    due_on      TEXT COLLATE "C" NOT NULL,
    doc         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (student_uid, n)
);
CREATE INDEX task_due ON task (unit, due_on, student_uid, n);
CREATE INDEX task_above ON task (above, due_on, student_uid, n);

CREATE TABLE task_other (
    student_uid TEXT COLLATE "C" NOT NULL,
    n           BIGINT NOT NULL,
    unit        TEXT COLLATE "C" NOT NULL,
    due_on      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (student_uid, n, unit),
    FOREIGN KEY (student_uid, n) REFERENCES task (student_uid, n)
);
CREATE INDEX task_other_due ON task_other (unit, due_on, student_uid, n);

-- The search index: every suffix of the name, each pinyin reading, initials, tails; a prefix range over term answers all of them.
CREATE TABLE search_term (
    student_uid TEXT COLLATE "C" NOT NULL REFERENCES pupil (student_uid),
    term        TEXT COLLATE "C" NOT NULL,
    school      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (student_uid, term)
);
CREATE INDEX search_term_prefix ON search_term (term, school, student_uid);

-- Wrong tries of the guardian's PIN.
CREATE TABLE pin_try (
    student_uid  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tries        BIGINT NOT NULL CHECK (tries >= 0),
    locked_until BIGINT NOT NULL
);

CREATE TABLE outbox (
    student_uid TEXT COLLATE "C" NOT NULL,
    id          TEXT COLLATE "C" NOT NULL CHECK (id <> ''),
    kind        TEXT COLLATE "C" NOT NULL,
    payload     BYTEA NOT NULL,
    at          BIGINT NOT NULL,
    state       TEXT COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    lease_until BIGINT NOT NULL DEFAULT 0,
    failures    BIGINT NOT NULL DEFAULT 0 CHECK (failures >= 0),
    reason      TEXT COLLATE "C" NOT NULL DEFAULT '',
    settled_at  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (student_uid, id)
);
CREATE INDEX outbox_waiting ON outbox (lease_until, at) WHERE state = 'waiting';
CREATE INDEX outbox_dead ON outbox (settled_at) WHERE state = 'dead';
CREATE INDEX outbox_id ON outbox (id);

-- Cards ------------------------------------------------------------------------------------------------------------------------------------------------
CREATE TABLE issuance (
    student_uid TEXT COLLATE "C" NOT NULL,
    id          TEXT COLLATE "C" NOT NULL CHECK (id <> ''),
    card_no     TEXT COLLATE "C" NOT NULL CHECK (card_no <> ''),
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('requested', 'planned', 'personalised', 'active', 'replaced', 'revoked', 'failed')),
    kind        TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    status_idx  BIGINT NOT NULL CHECK (status_idx >= 0),
    sequence    BIGINT NOT NULL CHECK (sequence >= 0),
    ticket_hash TEXT COLLATE "C" NOT NULL,
    ticket_till BIGINT NOT NULL,
    chip_hash   TEXT COLLATE "C" NOT NULL,
    profile     TEXT COLLATE "C" NOT NULL,
    level       BIGINT NOT NULL,
    record      BYTEA NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    expires_on  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (student_uid, id)
);
-- One active card per pupil.
CREATE UNIQUE INDEX issuance_one_active ON issuance (student_uid) WHERE state = 'active';

-- Claims: uniqueness over the whole register, each distributed by what is claimed -------------------------------------------------------------------------
CREATE TABLE id_claim       (id_hash     TEXT COLLATE "C" NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL);
CREATE INDEX id_claim_holder ON id_claim (student_uid);
CREATE TABLE number_claim   (number      TEXT COLLATE "C" NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL);
CREATE TABLE case_claim     (case_no     TEXT COLLATE "C" NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL);
CREATE TABLE archive_claim  (archive_no  TEXT COLLATE "C" NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL);
CREATE TABLE issuance_claim (issuance_id TEXT COLLATE "C" NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL);
CREATE TABLE card_claim     (card_no     TEXT COLLATE "C" NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL, issuance_id TEXT NOT NULL);
CREATE TABLE status_claim   (status_idx  BIGINT NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL, issuance_id TEXT NOT NULL);
CREATE TABLE ticket_claim   (ticket_hash TEXT COLLATE "C" NOT NULL PRIMARY KEY, student_uid TEXT NOT NULL, issuance_id TEXT NOT NULL);
CREATE INDEX ticket_claim_issuance ON ticket_claim (issuance_id);

-- Kiosk inbox, by kiosk ----------------------------------------------------------------------------------------------------------------------------------
CREATE TABLE kiosk_mark (
    kiosk      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    high_water BIGINT NOT NULL CHECK (high_water >= 0)
);

CREATE TABLE inbox (
    kiosk       TEXT COLLATE "C" NOT NULL CHECK (kiosk <> ''),
    seq         BIGINT NOT NULL CHECK (seq >= 1),
    hash        BYTEA NOT NULL,
    payload     BYTEA NOT NULL,
    at          BIGINT NOT NULL,
    chain       BYTEA NOT NULL,
    event_id    TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'applied', 'refused', 'dead')),
    lease_until BIGINT NOT NULL DEFAULT 0,
    failures    BIGINT NOT NULL DEFAULT 0 CHECK (failures >= 0),
    reason      TEXT COLLATE "C" NOT NULL DEFAULT '',
    case_no     TEXT COLLATE "C" NOT NULL DEFAULT '',
    code        TEXT COLLATE "C" NOT NULL DEFAULT '',
    params      TEXT COLLATE "C" NOT NULL DEFAULT '',
    settled_at  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (kiosk, seq)
);
CREATE INDEX inbox_event ON inbox (kiosk, event_id, seq) WHERE event_id <> '';
CREATE INDEX inbox_waiting ON inbox (lease_until, seq, kiosk) WHERE state = 'waiting';
CREATE INDEX inbox_dead ON inbox (settled_at) WHERE state = 'dead';

-- The same number with other content: kept for whoever looks into it, never applied.
CREATE TABLE quarantine (
    kiosk   TEXT COLLATE "C" NOT NULL,
    seq     BIGINT NOT NULL CHECK (seq >= 1),
    hash    BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (kiosk, seq, hash)
);

CREATE TABLE sealed_key (
    kiosk  TEXT COLLATE "C" NOT NULL,
    epoch  BIGINT NOT NULL CHECK (epoch BETWEEN 0 AND 65535),
    sealed BYTEA NOT NULL,
    PRIMARY KEY (kiosk, epoch)
);

-- By their own key ---------------------------------------------------------------------------------------------------------------------------------------
CREATE TABLE session (
    token_hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account    TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    via        TEXT COLLATE "C" NOT NULL
);
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE file (
    digest     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    media_type TEXT COLLATE "C" NOT NULL,
    unit       TEXT COLLATE "C" NOT NULL,
    owner_uid  TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL,
    body       BYTEA NOT NULL
);
CREATE TABLE file_owner (
    digest    TEXT COLLATE "C" NOT NULL REFERENCES file (digest),
    unit      TEXT COLLATE "C" NOT NULL,
    owner_uid TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (digest, unit, owner_uid)
);

CREATE TABLE import_run (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version     BIGINT NOT NULL CHECK (version >= 1),
    unit        TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    file        TEXT COLLATE "C" NOT NULL,
    result      TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    total       BIGINT NOT NULL CHECK (total >= 0),
    done        BIGINT NOT NULL CHECK (done >= 0),
    good        BIGINT NOT NULL CHECK (good >= 0),
    bad         BIGINT NOT NULL CHECK (bad >= 0),
    code        TEXT COLLATE "C" NOT NULL,
    params      TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    lease_until BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX import_run_unit ON import_run (unit, created_at DESC);
CREATE INDEX import_run_unfinished ON import_run (created_at) WHERE state IN ('queued', 'running');

-- Reference tables: small, copied to every node -----------------------------------------------------------------------------------------------------------
CREATE TABLE unit_school (
    code       TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(code) = 10),
    name       TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    region     TEXT COLLATE "C" NOT NULL,
    authority  TEXT COLLATE "C" NOT NULL,
    from_grade BIGINT NOT NULL CHECK (from_grade BETWEEN 1 AND 12),
    to_grade   BIGINT NOT NULL CHECK (to_grade BETWEEN from_grade AND 12),
    public     BOOLEAN NOT NULL,
    phone      TEXT COLLATE "C" NOT NULL,
    address    TEXT COLLATE "C" NOT NULL
);

CREATE TABLE unit_office (
    code   TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(code) = 6),
    name   TEXT COLLATE "C" NOT NULL,
    tier   TEXT COLLATE "C" NOT NULL CHECK (tier IN ('nation', 'province', 'city', 'county')),
    parent TEXT COLLATE "C" NOT NULL
);

CREATE TABLE account (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    login      TEXT COLLATE "C" NOT NULL UNIQUE CHECK (login <> '' AND login = lower(login)),
    name       TEXT COLLATE "C" NOT NULL,
    unit       TEXT COLLATE "C" NOT NULL,
    role       TEXT COLLATE "C" NOT NULL,
    password   TEXT COLLATE "C" NOT NULL,
    disabled   BOOLEAN NOT NULL,
    trained_on TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX account_unit ON account (unit, login);

CREATE TABLE kiosk (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    no         BIGINT NOT NULL UNIQUE CHECK (no BETWEEN 1 AND 9999),
    name       TEXT COLLATE "C" NOT NULL,
    school     TEXT COLLATE "C" NOT NULL,
    public_key BYTEA NOT NULL CHECK (octet_length(public_key) IN (0, 32)),
    seal_key   BYTEA NOT NULL CHECK (octet_length(seal_key) IN (0, 32)),
    code_hash  TEXT COLLATE "C" NOT NULL,
    code_until BIGINT NOT NULL,
    revoked    BOOLEAN NOT NULL,
    seen_at    BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX kiosk_school ON kiosk (school, no);
CREATE INDEX kiosk_code ON kiosk (code_hash) WHERE code_hash <> '';

CREATE TABLE counter (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL CHECK (value >= 0)
);
INSERT INTO counter (name, value) VALUES ('revocations', 0);

CREATE TABLE revocation (status_idx BIGINT NOT NULL PRIMARY KEY);

CREATE TABLE status_list (
    number BIGINT NOT NULL PRIMARY KEY CHECK (number >= 0),
    signed BYTEA NOT NULL
);

CREATE TABLE blob (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL
);

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
