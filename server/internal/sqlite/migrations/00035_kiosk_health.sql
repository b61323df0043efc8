-- +goose Up
-- A kiosk's last word on its health, the schools it belonged to before, and who saw to an event that the register refused.
ALTER TABLE kiosk ADD COLUMN health TEXT NOT NULL DEFAULT '';
ALTER TABLE kiosk ADD COLUMN former TEXT NOT NULL DEFAULT '';
ALTER TABLE inbox ADD COLUMN handled_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE inbox ADD COLUMN handled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE inbox ADD COLUMN handled_note TEXT NOT NULL DEFAULT '';
CREATE INDEX inbox_refused ON inbox (kiosk, seq) WHERE state = 'refused' AND handled_at = 0;

-- +goose Down
DROP INDEX inbox_refused;
ALTER TABLE inbox DROP COLUMN handled_note;
ALTER TABLE inbox DROP COLUMN handled_by;
ALTER TABLE inbox DROP COLUMN handled_at;
ALTER TABLE kiosk DROP COLUMN former;
ALTER TABLE kiosk DROP COLUMN health;
