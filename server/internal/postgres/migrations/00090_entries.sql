-- +goose Up
-- The letter of the 学籍号 (G, L, J; '' before approval), by which the ministry's batch finds who may get an official one (T2), and open cases by kind. '?' stands in
-- rows of before; they are filled in by the worker.
ALTER TABLE pupil ADD COLUMN number_kind TEXT COLLATE "C" NOT NULL DEFAULT '?';
CREATE INDEX pupil_temporary ON pupil (school, student_uid) WHERE number_kind IN ('L', 'J');
CREATE INDEX pupil_unlettered ON pupil (student_uid) WHERE number_kind = '?';
CREATE INDEX pupil_case_open ON pupil_case (kind, opened_at DESC) WHERE state = 'open';

-- +goose Down
DROP INDEX pupil_case_open;
DROP INDEX pupil_unlettered;
DROP INDEX pupil_temporary;
ALTER TABLE pupil DROP COLUMN number_kind;
