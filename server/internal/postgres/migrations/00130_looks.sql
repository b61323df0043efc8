-- +goose Up
-- Whether an account reads unusually much is asked each time it reads: its looks of the last hour, not all that it did in it.
CREATE INDEX audit_entry_looks ON audit_entry (account, id, subject) WHERE kind = 'look';

-- +goose Down
DROP INDEX audit_entry_looks;
