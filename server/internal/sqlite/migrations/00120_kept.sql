-- +goose Up
-- What a school keeps for good is listed page by page: archives that are still to be put to keeping, and those that were.
CREATE INDEX task_keep ON task (topic, due_on, student_uid) WHERE kind = 'archive_keep';
CREATE INDEX pupil_kept ON pupil (school, standing, grade, class_sort, student_uid) WHERE archive = 'permanent';

-- +goose Down
DROP INDEX pupil_kept;
DROP INDEX task_keep;
