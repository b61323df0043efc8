package postgres

import (
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/testdeps"
	"xueji/server/vault"
)

func TestAudit(t *testing.T) {
	storetest.RunAudit(t, func(t testing.TB) (store.Store, storetest.Raw) {
		url := testdeps.Postgres(t)
		s, err := Open(t.Context(), url, vault.Options{KEK: vault.File(filepath.Join(t.TempDir(), "vault.key"))})
		if err != nil {
			t.Fatal(err)
		}
		behind, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := behind.Exec(t.Context(), `SET session_replication_role = replica`); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { behind.Close(t.Context()) })
		return s, func(text string, args ...any) {
			if _, err := behind.Exec(t.Context(), text, args...); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	})
}
