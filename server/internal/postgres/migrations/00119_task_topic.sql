-- +goose Up
-- What a list of tasks is counted, folded and narrowed by (kind, case, party, school and grade: store.TaskTopic), and the version of the pupil it was written with, so
-- that a list opens the pupils of the rows it shows and no others. '' stands in rows of a server of before; the worker fills them in.
ALTER TABLE task ADD COLUMN topic TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE task ADD COLUMN seen BIGINT NOT NULL DEFAULT 0;
UPDATE task t SET kind = t.doc::json ->> 'kind',
    topic = (t.doc::json ->> 'kind') || '/' || coalesce(t.doc::json ->> 'case', '') || '/' || coalesce(t.doc::json ->> 'party', '') || '/' || p.school || '/' || p.grade,
    seen = p.version
    FROM pupil p WHERE p.student_uid = t.student_uid;
DROP INDEX task_due;
CREATE INDEX task_due ON task (unit, due_on, topic, student_uid, n, seen);
CREATE INDEX task_untold ON task (student_uid) WHERE topic = '';

-- +goose Down
DROP INDEX task_untold;
DROP INDEX task_due;
CREATE INDEX task_due ON task (unit, due_on, student_uid, n);
ALTER TABLE task DROP COLUMN seen;
ALTER TABLE task DROP COLUMN topic;
