package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/vault"
)

func TestAudit(t *testing.T) {
	storetest.RunAudit(t, func(t testing.TB) (store.Store, storetest.Raw) {
		path := filepath.Join(t.TempDir(), "register.db")
		s, err := Open(t.Context(), path, vault.Options{KEK: vault.File(path + ".key")})
		if err != nil {
			t.Fatal(err)
		}
		behind, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { behind.Close() })
		return s, func(text string, args ...any) {
			if _, err := behind.Exec(text, args...); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	})
}
