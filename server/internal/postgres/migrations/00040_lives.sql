-- +goose Up
-- Where a pupil is taught when it is not the school of the 学籍 (Arts 6, 17), certificates over the whole register (Art. 13), what is overdue anywhere (the sweeper's
-- escalation), and the lives of schools (opened, renamed, merged, closed) and units that another registry keeps.
ALTER TABLE pupil ADD COLUMN study_school TEXT COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX pupil_study ON pupil (study_school, student_uid) WHERE study_school <> '';
CREATE TABLE certificate_claim (certificate_no TEXT COLLATE "C" NOT NULL PRIMARY KEY, student_uid TEXT COLLATE "C" NOT NULL);
CREATE INDEX task_overdue ON task (due_on, student_uid, n);
ALTER TABLE unit_school ADD COLUMN remote TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE unit_school ADD COLUMN state TEXT COLLATE "C" NOT NULL DEFAULT '' CHECK (state IN ('', 'merged', 'closed'));
ALTER TABLE unit_school ADD COLUMN ended_on TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE unit_school ADD COLUMN successor TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE unit_school ADD COLUMN keeper TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE unit_school ADD COLUMN former TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE unit_office ADD COLUMN remote TEXT COLLATE "C" NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE unit_office DROP COLUMN remote;
ALTER TABLE unit_school DROP COLUMN former;
ALTER TABLE unit_school DROP COLUMN keeper;
ALTER TABLE unit_school DROP COLUMN successor;
ALTER TABLE unit_school DROP COLUMN ended_on;
ALTER TABLE unit_school DROP COLUMN state;
ALTER TABLE unit_school DROP COLUMN remote;
DROP INDEX task_overdue;
DROP TABLE certificate_claim;
DROP INDEX pupil_study;
ALTER TABLE pupil DROP COLUMN study_school;
