package postgres

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"xueji/server/internal/store/storetest"
	"xueji/server/testdeps"
	"xueji/server/vault"
)

func TestSealed(t *testing.T) {
	storetest.RunSealed(t, func(t testing.TB) storetest.Opened {
		url := testdeps.Postgres(t)
		s, err := Open(t.Context(), url, vault.Options{KEK: vault.File(filepath.Join(t.TempDir(), "vault.key")), Grace: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Opened{Store: s, Raw: func(t testing.TB) []byte { return everyRow(t, url) }}
	})
}

// everyRow is every row of every table as text, bytes in hex.
func everyRow(t testing.TB, url string) []byte {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	list := func(sql string) []string {
		r, err := c.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		out, err := pgx.CollectRows(r, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var all strings.Builder
	for _, table := range list(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`) {
		for _, row := range list(`SELECT t::text FROM ` + pgx.Identifier{table}.Sanitize() + ` t`) {
			all.WriteString(row)
		}
	}
	return []byte(all.String())
}
