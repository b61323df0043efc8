-- +goose Up
-- Which epoch's keys a card's sealed record stands under: an epoch is kept while a good card stands on it. Until now there was one.
ALTER TABLE issuance ADD COLUMN epoch BIGINT NOT NULL DEFAULT 1 CHECK (epoch BETWEEN 0 AND 65535);
CREATE INDEX issuance_epoch ON issuance (epoch) WHERE state IN ('personalised', 'delivered', 'active', 'suspended');
-- What was sealed before were whole reading keys; devices get the keys of their sections anew.
DELETE FROM sealed_key;

-- +goose Down
DROP INDEX issuance_epoch;
ALTER TABLE issuance DROP COLUMN epoch;
