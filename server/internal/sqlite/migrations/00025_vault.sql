-- +goose Up
-- Personal data are sealed (package vault). Wrapped keys stand here, the key that wraps them does not. The clear columns of before stay and are emptied by the
-- worker: pupil.name, sex, birth, name_sort, number, pupil_doc.doc, search_term, number_claim.number.
CREATE TABLE vault_key (
    n          INTEGER NOT NULL PRIMARY KEY CHECK (n BETWEEN 1 AND 4294967295),
    purpose    TEXT    NOT NULL CHECK (purpose IN ('data', 'index')),
    suite      INTEGER NOT NULL CHECK (suite BETWEEN 1 AND 255),
    kek        TEXT    NOT NULL,
    wrapped    BLOB NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('active', 'retired', 'destroyed')),
    seals      INTEGER NOT NULL DEFAULT 0 CHECK (seals >= 0),
    made_at    INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL DEFAULT 0
) STRICT;
-- One key of each purpose seals.
CREATE UNIQUE INDEX vault_key_active ON vault_key (purpose) WHERE state = 'active';

-- A list row: name, sex, birth, number and what the pupil is found by. index_key is the key of its search tokens; 0: clear terms in search_term.
ALTER TABLE pupil ADD COLUMN sealed BLOB NOT NULL DEFAULT x'';
ALTER TABLE pupil ADD COLUMN index_key INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pupil_doc ADD COLUMN sealed BLOB NOT NULL DEFAULT x'';
-- Whether a case changed, told without opening it.
ALTER TABLE pupil_case ADD COLUMN digest BLOB NOT NULL DEFAULT x'';

-- The blind index: keyed digests of what a name is found by.
CREATE TABLE search_token (
    token       INTEGER NOT NULL,
    school      TEXT    NOT NULL,
    student_uid TEXT    NOT NULL,
    PRIMARY KEY (token, school, student_uid)
) STRICT, WITHOUT ROWID;

-- Lists are ordered by name after they are opened.
DROP INDEX pupil_list;
DROP INDEX pupil_no_card;
CREATE INDEX pupil_roll ON pupil (school, grade, class_sort, student_uid);
CREATE INDEX pupil_no_card ON pupil (school, grade, class_sort, student_uid) WHERE standing = 'enrolled' AND card_no = '';
CREATE INDEX pupil_index_key ON pupil (index_key, student_uid);

-- +goose Down
DROP INDEX pupil_index_key;
DROP INDEX pupil_no_card;
DROP INDEX pupil_roll;
CREATE INDEX pupil_list ON pupil (school, grade, class_sort, name_sort, student_uid);
CREATE INDEX pupil_no_card ON pupil (school, grade, class_sort, name_sort, student_uid) WHERE standing = 'enrolled' AND card_no = '';
DROP TABLE search_token;
ALTER TABLE pupil_case DROP COLUMN digest;
ALTER TABLE pupil_doc DROP COLUMN sealed;
ALTER TABLE pupil DROP COLUMN index_key;
ALTER TABLE pupil DROP COLUMN sealed;
DROP TABLE vault_key;
