-- +goose Up
-- A pupil may have moved up to another register (升学). SQLite changes a CHECK by its own text in the schema (lang_altertable, 7); the table made and dropped below moves
-- the schema's cookie.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''erased'', ''moved'')', '''erased'', ''moved'', ''moved_up'')') WHERE type = 'table' AND name = 'pupil';
PRAGMA writable_schema = RESET;
CREATE TABLE moved_up (n INTEGER) STRICT;
DROP TABLE moved_up;

-- +goose Down
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''moved'', ''moved_up'')', '''moved'')') WHERE type = 'table' AND name = 'pupil';
PRAGMA writable_schema = RESET;
CREATE TABLE moved_up (n INTEGER) STRICT;
DROP TABLE moved_up;
