-- +goose Up
-- What a task is, so that pupils who stay away are listed by unit without reading its other tasks. '' stands in rows of before, none of which is an absence.
ALTER TABLE task ADD COLUMN kind TEXT NOT NULL DEFAULT '';
CREATE INDEX task_absent ON task (unit, due_on, student_uid, n) WHERE kind = 'absence';
CREATE INDEX task_absent_above ON task (above, due_on, student_uid, n) WHERE kind = 'absence';

-- +goose Down
DROP INDEX task_absent_above;
DROP INDEX task_absent;
ALTER TABLE task DROP COLUMN kind;
