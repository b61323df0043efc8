-- +goose Up
-- Accounts that are trained for, invited and tied to a person's own means; sessions that can be told apart; second factors; substitution; counts of tries.
ALTER TABLE account ADD COLUMN trained_cert TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN external_id TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN invite_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN invite_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN staff_card TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN card_level INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN card_pin TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX account_external ON account (external_id) WHERE external_id <> '';
CREATE UNIQUE INDEX account_card ON account (staff_card) WHERE staff_card <> '';
CREATE INDEX account_cert ON account (trained_cert) WHERE trained_cert <> '';

ALTER TABLE session ADD COLUMN fresh_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN strength INTEGER NOT NULL DEFAULT 1;
ALTER TABLE session ADD COLUMN how TEXT NOT NULL DEFAULT 'password';
ALTER TABLE session ADD COLUMN remote TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN acting TEXT NOT NULL DEFAULT '';
CREATE INDEX session_account ON session (account, seen_at);

CREATE TABLE factor (
    account    TEXT    NOT NULL,
    id         TEXT    NOT NULL CHECK (id <> ''),
    kind       TEXT    NOT NULL CHECK (kind IN ('totp', 'passkey', 'recovery')),
    name       TEXT    NOT NULL,
    secret     BLOB    NOT NULL,
    counter    INTEGER NOT NULL CHECK (counter >= 0),
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE substitution (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    account    TEXT    NOT NULL,
    away       TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    from_on    TEXT    NOT NULL,
    until_on   TEXT    NOT NULL,
    made_by    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    CHECK (account <> away),
    CHECK (from_on <= until_on)
) STRICT, WITHOUT ROWID;
CREATE INDEX substitution_unit ON substitution (unit, until_on);
CREATE INDEX substitution_account ON substitution (account, until_on);

CREATE TABLE guard_try (
    name  TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    since INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX guard_try_until ON guard_try (until);

CREATE TABLE once (
    id    TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    kind  TEXT    NOT NULL,
    data  BLOB    NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX once_until ON once (until);

-- +goose Down
DROP TABLE once;
DROP TABLE guard_try;
DROP TABLE substitution;
DROP TABLE factor;
DROP INDEX session_account;
ALTER TABLE session DROP COLUMN acting;
ALTER TABLE session DROP COLUMN agent;
ALTER TABLE session DROP COLUMN remote;
ALTER TABLE session DROP COLUMN how;
ALTER TABLE session DROP COLUMN strength;
ALTER TABLE session DROP COLUMN fresh_at;
DROP INDEX account_cert;
DROP INDEX account_card;
DROP INDEX account_external;
ALTER TABLE account DROP COLUMN card_pin;
ALTER TABLE account DROP COLUMN card_level;
ALTER TABLE account DROP COLUMN staff_card;
ALTER TABLE account DROP COLUMN made_by;
ALTER TABLE account DROP COLUMN invite_until;
ALTER TABLE account DROP COLUMN invite_hash;
ALTER TABLE account DROP COLUMN external_id;
ALTER TABLE account DROP COLUMN trained_cert;
