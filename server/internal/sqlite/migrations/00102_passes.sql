-- +goose Up
-- How far the vault's work towards its active data key is, by column: vault_pass where it stands and what it found at its beginning, vault_left how many values still
-- stand under which older key (0: in clear). A row of vault_pause keeps the work still.
CREATE TABLE vault_pass (
    place   TEXT    NOT NULL PRIMARY KEY,
    key_n   INTEGER NOT NULL,
    total   INTEGER NOT NULL CHECK (total >= 0),
    at_row  TEXT    NOT NULL,
    done_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE vault_left (
    place  TEXT    NOT NULL,
    key_n  INTEGER NOT NULL,
    left_n INTEGER NOT NULL CHECK (left_n >= 0),
    PRIMARY KEY (place, key_n)
) STRICT, WITHOUT ROWID;
CREATE TABLE vault_pause (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    at      INTEGER NOT NULL,
    account TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE vault_pause;
DROP TABLE vault_left;
DROP TABLE vault_pass;
