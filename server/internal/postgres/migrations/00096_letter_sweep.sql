-- +goose Up
-- A letter that is done keeps its head. Its body is swept months later and the letter's digest, sealed, put in its place: swept_at says when.
ALTER TABLE exchange_out ADD COLUMN swept_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exchange_in ADD COLUMN swept_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX exchange_out_whole ON exchange_out (settled_at) WHERE state = 'done' AND swept_at = 0;
CREATE INDEX exchange_in_whole ON exchange_in (settled_at) WHERE state = 'done' AND swept_at = 0;

-- +goose Down
DROP INDEX exchange_in_whole;
DROP INDEX exchange_out_whole;
ALTER TABLE exchange_in DROP COLUMN swept_at;
ALTER TABLE exchange_out DROP COLUMN swept_at;
