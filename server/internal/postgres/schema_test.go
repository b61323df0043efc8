package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"xueji/server/internal/sqlstore"
	"xueji/server/testdeps"
)

// The catalogue of PostgreSQL itself holds the distribution rules.
func TestDistributionRules(t *testing.T) {
	e, err := open(t.Context(), testdeps.Postgres(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	rows, err := e.pool.Query(t.Context(), `SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	read := func(sql string) []sqlstore.Constraint {
		t.Helper()
		rows, err := e.pool.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sqlstore.Constraint])
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const indexes = `SELECT t.relname::text, i.relname::text, array_agg(a.attname::text) FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid
		JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(x.indkey)
		WHERE t.relnamespace = 'public'::regnamespace AND t.relname NOT LIKE 'goose%' AND x.indisunique AND x.indisprimary = `
	primary := read(indexes + `true GROUP BY 1, 2`)
	others := read(indexes + `false GROUP BY 1, 2`)
	others = append(others, read(`SELECT t.relname::text, c.conname::text, array_agg(a.attname::text) FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(c.conkey) WHERE c.contype = 'f' GROUP BY 1, 2`)...)
	if breaches := sqlstore.Breaches(tables, primary, others); len(breaches) > 0 {
		t.Fatal(strings.Join(breaches, "\n"))
	}
	if len(others) < 8 {
		t.Fatalf("only %d constraints were read: the catalogue query is wrong", len(others))
	}
}
