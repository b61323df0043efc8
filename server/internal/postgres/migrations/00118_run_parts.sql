-- +goose Up
-- What a run beside requests has made so far, in pieces, so that a restart goes on behind them: sealed, and gone with the run's end.
CREATE TABLE run_part (
    run  TEXT COLLATE "C" NOT NULL,
    n    BIGINT NOT NULL CHECK (n >= 0),
    body BYTEA  NOT NULL,
    PRIMARY KEY (run, n)
);

-- +goose Down
DROP TABLE run_part;
