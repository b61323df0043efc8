-- +goose Up
-- Lists of a large school or office answer from their index alone: pupils by class with what they are counted by (registry.Basis), the few of an unusual standing, cases by
-- state and by kind, newest first, cards by whether they were signed for.
DROP INDEX pupil_roll;
CREATE INDEX pupil_roll ON pupil (school, grade, class_sort, student_uid, class, standing, basis);
CREATE INDEX pupil_unusual ON pupil (standing, school, grade, class_sort, student_uid) WHERE standing <> 'enrolled';
DROP INDEX case_unit_newest;
DROP INDEX case_unit_open;
CREATE INDEX case_unit_newest ON case_unit (unit, opened_at DESC, case_no DESC, student_uid);
CREATE INDEX case_unit_state ON case_unit (unit, state, opened_at DESC, case_no DESC, student_uid);
CREATE INDEX case_unit_kind ON case_unit (unit, kind, opened_at DESC, case_no DESC, student_uid, state) WHERE kind <> 'enrol';
CREATE INDEX issuance_given ON issuance (student_uid, state, delivered_at, moves) WHERE state IN ('personalised', 'delivered', 'active', 'suspended');

-- +goose Down
DROP INDEX issuance_given;
DROP INDEX case_unit_kind;
DROP INDEX case_unit_state;
DROP INDEX case_unit_newest;
CREATE INDEX case_unit_open ON case_unit (unit, student_uid) WHERE state = 'open';
CREATE INDEX case_unit_newest ON case_unit (unit, opened_at DESC);
DROP INDEX pupil_unusual;
DROP INDEX pupil_roll;
CREATE INDEX pupil_roll ON pupil (school, grade, class_sort, student_uid);
