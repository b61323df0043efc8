-- +goose Up
-- What the status list says of rewritten cards is read from the index alone.
CREATE INDEX issuance_rewritten ON issuance (status_idx, sequence) WHERE sequence > 1 AND state IN ('personalised', 'delivered', 'active', 'suspended');

-- +goose Down
DROP INDEX issuance_rewritten;
