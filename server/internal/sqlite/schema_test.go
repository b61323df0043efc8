package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"xueji/server/internal/sqlstore"
)

// The catalogue of SQLite itself holds the distribution rules.
func TestDistributionRules(t *testing.T) {
	e, err := open(t.Context(), filepath.Join(t.TempDir(), "r.db"), nil, durable)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	list := func(sql string, args ...any) [][]string {
		t.Helper()
		r, err := e.reads.QueryContext(t.Context(), sql, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cols, _ := r.Columns()
		var out [][]string
		for r.Next() {
			row := make([]string, len(cols))
			dest := make([]any, len(cols))
			for i := range row {
				dest[i] = &row[i]
			}
			if err := r.Scan(dest...); err != nil {
				t.Fatal(err)
			}
			out = append(out, row)
		}
		return out
	}
	var tables []string
	var primary, others []sqlstore.Constraint
	for _, row := range list(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'`) {
		table := row[0]
		tables = append(tables, table)
		pk := sqlstore.Constraint{Table: table, Name: "primary key"}
		for _, c := range list(`SELECT name FROM pragma_table_info($1) WHERE pk > 0`, table) {
			pk.Columns = append(pk.Columns, c[0])
		}
		if len(pk.Columns) > 0 {
			primary = append(primary, pk)
		}
		for _, ix := range list(`SELECT name FROM pragma_index_list($1) WHERE "unique" = 1 AND origin <> 'pk'`, table) {
			c := sqlstore.Constraint{Table: table, Name: ix[0]}
			for _, col := range list(`SELECT name FROM pragma_index_info($1)`, ix[0]) {
				c.Columns = append(c.Columns, col[0])
			}
			others = append(others, c)
		}
		fks := map[string]*sqlstore.Constraint{}
		for _, fk := range list(`SELECT CAST(id AS TEXT), "from" FROM pragma_foreign_key_list($1)`, table) {
			if fks[fk[0]] == nil {
				fks[fk[0]] = &sqlstore.Constraint{Table: table, Name: "foreign key " + fk[0]}
			}
			fks[fk[0]].Columns = append(fks[fk[0]].Columns, fk[1])
		}
		for _, fk := range fks {
			others = append(others, *fk)
		}
	}
	if breaches := sqlstore.Breaches(tables, primary, others); len(breaches) > 0 {
		t.Fatal(strings.Join(breaches, "\n"))
	}
	if len(others) < 8 {
		t.Fatalf("only %d constraints were read: the catalogue query is wrong", len(others))
	}
}
