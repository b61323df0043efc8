package sqlstore

import (
	"context"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

const importColumns = `id, unit, actor, file, result, name, state, total, done, good, bad, code, params, created_at, updated_at, version`

// importRun inserts a run, or updates it when nobody else did since its Version. The hold stays as it is. A run that ended has no pieces any more.
func (p *plan) importRun(i store.Import) error {
	params := ""
	if len(i.Params) > 0 {
		params = p.sealJSON(place("import_run", "params", i.ID), i.Params)
	}
	if i.Version == 0 {
		p.add(oneRow(conflict("import")), `INSERT INTO import_run (`+importColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 1)
			ON CONFLICT (id) DO NOTHING`, i.ID, string(i.Unit), p.sealJSON(place("import_run", "actor", i.ID), i.By), i.File, i.Result,
			p.sealText(place("import_run", "name", i.ID), i.Name), i.State, int64(i.Total), int64(i.Done), int64(i.Good),
			int64(i.Bad), string(i.Code), params, nanos(i.CreatedAt), nanos(i.UpdatedAt))
		return nil
	}
	p.add(oneRow(conflict("import")), `UPDATE import_run SET version = version + 1, file = $3, result = $4, state = $5, total = $6, done = $7, good = $8, bad = $9,
		code = $10, params = $11, updated_at = $12 WHERE id = $1 AND version = $2`, i.ID, i.Version, i.File, i.Result, i.State, int64(i.Total), int64(i.Done),
		int64(i.Good), int64(i.Bad), string(i.Code), params, nanos(i.UpdatedAt))
	if i.State != "queued" && i.State != "running" {
		p.add(nil, `DELETE FROM run_part WHERE run = $1`, i.ID)
	}
	return nil
}

// PutImport inserts (Version 0) or updates by ID, with pieces; ErrConflict when the version moved.
func (s *Store) PutImport(ctx context.Context, i store.Import, made ...store.RunPart) error {
	p := s.plan()
	if err := p.importRun(i); err != nil {
		return err
	}
	for _, m := range made {
		p.add(nil, `INSERT INTO run_part (run, n, body) VALUES ($1, $2, $3) ON CONFLICT (run, n) DO UPDATE SET body = excluded.body`, i.ID, int64(m.N),
			p.seal(place("run_part", "body", i.ID, decimal(m.N)), m.Body))
	}
	return s.db.Write(ctx, p.run)
}

// RunPart reads a piece of a run.
func (s *Store) RunPart(ctx context.Context, run string, n int) ([]byte, error) {
	var b []byte
	if err := s.row(ctx, []any{&b}, `SELECT body FROM run_part WHERE run = $1 AND n = $2`, run, int64(n)); err != nil {
		return nil, err
	}
	return b, s.open(place("run_part", "body", run, decimal(n)), &b)
}

func (s *Store) scanImport(r Rows) (store.Import, error) {
	var (
		i             store.Import
		actor, params string
		made, changed int64
	)
	err := r.Scan(&i.ID, (*string)(&i.Unit), &actor, &i.File, &i.Result, &i.Name, &i.State, &i.Total, &i.Done, &i.Good, &i.Bad, (*string)(&i.Code), &params,
		&made, &changed, &i.Version)
	if err != nil {
		return i, err
	}
	i.CreatedAt, i.UpdatedAt = moment(made), moment(changed)
	if err := s.openText(place("import_run", "name", i.ID), &i.Name); err != nil {
		return i, err
	}
	if err := s.openJSON(place("import_run", "actor", i.ID), actor, &i.By); err != nil {
		return i, err
	}
	return i, s.openJSON(place("import_run", "params", i.ID), params, &i.Params)
}

func (s *Store) imports(ctx context.Context, where string, args ...any) ([]store.Import, error) {
	var out []store.Import
	err := s.query(ctx, func(r Rows) error {
		i, err := s.scanImport(r)
		out = append(out, i)
		return err
	}, `SELECT `+importColumns+` FROM import_run WHERE `+where, args...)
	return out, err
}

// Import reads a run.
func (s *Store) Import(ctx context.Context, id string) (store.Import, error) {
	return only(s.imports(ctx, `id = $1`, id))
}

// ImportsOf lists a unit's runs, newest first.
func (s *Store) ImportsOf(ctx context.Context, unit registry.Unit, limit int) ([]store.Import, error) {
	return s.imports(ctx, `unit = $1 ORDER BY created_at DESC, id LIMIT $2`, string(unit), int64(page(limit)))
}

// UnfinishedImports lists runs that have not ended, oldest first, held or not.
func (s *Store) UnfinishedImports(ctx context.Context) ([]store.Import, error) {
	return s.imports(ctx, `state IN ('queued', 'running') ORDER BY created_at, id`)
}

// LeaseImports hands out unfinished runs that no one holds.
func (s *Store) LeaseImports(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]store.Import, error) {
	idle, err := s.idle(ctx, `SELECT 1 FROM import_run WHERE state IN ('queued', 'running') AND lease_until <= $1 LIMIT 1`, nanos(now))
	if err != nil || idle {
		return nil, err
	}
	var out []store.Import
	err = s.db.Write(ctx, func(tx Tx) error {
		out = nil
		r, err := tx.Query(`UPDATE import_run SET lease_until = $2 WHERE id IN (SELECT id FROM import_run WHERE state IN ('queued', 'running')
			AND lease_until <= $1 ORDER BY created_at, id LIMIT $3`+s.d.SkipLocked+`) RETURNING `+importColumns, nanos(now), nanos(now.Add(lease)), int64(limit))
		return each(r, err, func(r Rows) error {
			i, err := s.scanImport(r)
			out = append(out, i)
			return err
		})
	})
	return out, err
}

// HoldImport renews or, with a time past, gives up the hold of a run.
func (s *Store) HoldImport(ctx context.Context, id string, until time.Time) error {
	return s.exec(ctx, nil, `UPDATE import_run SET lease_until = $2 WHERE id = $1`, id, nanos(until))
}
