-- +goose Up
-- Accounts that are trained for, invited and tied to a person's own means; sessions that can be told apart; second factors; substitution; counts of tries.
ALTER TABLE account ADD COLUMN trained_cert TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN external_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN invite_hash TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN invite_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN made_by TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN staff_card TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN card_level BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN card_pin TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE UNIQUE INDEX account_external ON account (external_id) WHERE external_id <> '';
CREATE UNIQUE INDEX account_card ON account (staff_card) WHERE staff_card <> '';
CREATE INDEX account_cert ON account (trained_cert) WHERE trained_cert <> '';

ALTER TABLE session ADD COLUMN fresh_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN strength BIGINT NOT NULL DEFAULT 1;
ALTER TABLE session ADD COLUMN how TEXT COLLATE "C" NOT NULL DEFAULT 'password';
ALTER TABLE session ADD COLUMN remote TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN acting TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX session_account ON session (account, seen_at);

CREATE TABLE factor (
    account    TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL CHECK (id <> ''),
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('totp', 'passkey', 'recovery')),
    name       TEXT COLLATE "C" NOT NULL,
    secret     BYTEA NOT NULL,
    counter    BIGINT NOT NULL CHECK (counter >= 0),
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL,
    PRIMARY KEY (account, id)
);

CREATE TABLE substitution (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    account    TEXT COLLATE "C" NOT NULL,
    away       TEXT COLLATE "C" NOT NULL,
    unit       TEXT COLLATE "C" NOT NULL,
    role       TEXT COLLATE "C" NOT NULL,
    from_on    TEXT COLLATE "C" NOT NULL,
    until_on   TEXT COLLATE "C" NOT NULL,
    made_by    TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    CHECK (account <> away),
    CHECK (from_on <= until_on)
);
CREATE INDEX substitution_unit ON substitution (unit, until_on);
CREATE INDEX substitution_account ON substitution (account, until_on);

CREATE TABLE guard_try (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (name <> ''),
    tries BIGINT NOT NULL CHECK (tries >= 0),
    since BIGINT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX guard_try_until ON guard_try (until);

CREATE TABLE once (
    id    TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    kind  TEXT COLLATE "C" NOT NULL,
    data  BYTEA NOT NULL,
    until BIGINT NOT NULL
);
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
