-- +goose Up
-- A pupil may have moved up to another register (升学).
ALTER TABLE pupil DROP CONSTRAINT pupil_standing_check;
ALTER TABLE pupil ADD CONSTRAINT pupil_standing_check CHECK (standing IN ('none', 'dup_check', 'school_check', 'approval', 'enrolled', 'suspended', 'dropout', 'abroad', 'promoted', 'graduated', 'completed', 'left', 'deceased', 'erased', 'moved', 'moved_up'));

-- +goose Down
ALTER TABLE pupil DROP CONSTRAINT pupil_standing_check;
ALTER TABLE pupil ADD CONSTRAINT pupil_standing_check CHECK (standing IN ('none', 'dup_check', 'school_check', 'approval', 'enrolled', 'suspended', 'dropout', 'abroad', 'promoted', 'graduated', 'completed', 'left', 'deceased', 'erased', 'moved'));
