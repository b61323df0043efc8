-- +goose Up
-- What a plan over many pupils hangs on (registry.Basis), so that a school's pupils are counted by it without opening a record. '?' stands in rows of before; they are
-- filled in by the worker, and read from the record until then.
ALTER TABLE pupil ADD COLUMN basis TEXT NOT NULL DEFAULT '?';
CREATE INDEX pupil_unbased ON pupil (school, student_uid) WHERE basis = '?';

-- +goose Down
DROP INDEX pupil_unbased;
ALTER TABLE pupil DROP COLUMN basis;
