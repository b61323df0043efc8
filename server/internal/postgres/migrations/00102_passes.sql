-- +goose Up
-- How far the vault's work towards its active data key is, by column: vault_pass where it stands and what it found at its beginning, vault_left how many values still
-- stand under which older key (0: in clear). A row of vault_pause keeps the work still.
CREATE TABLE vault_pass (
    place   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    key_n   BIGINT NOT NULL,
    total   BIGINT NOT NULL CHECK (total >= 0),
    at_row  TEXT COLLATE "C" NOT NULL,
    done_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE TABLE vault_left (
    place  TEXT COLLATE "C" NOT NULL,
    key_n  BIGINT NOT NULL,
    left_n BIGINT NOT NULL CHECK (left_n >= 0),
    PRIMARY KEY (place, key_n)
);
CREATE TABLE vault_pause (
    one     BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    at      BIGINT NOT NULL,
    account TEXT COLLATE "C" NOT NULL
);

-- +goose Down
DROP TABLE vault_pause;
DROP TABLE vault_left;
DROP TABLE vault_pass;
