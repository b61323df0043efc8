package postgres

import (
	"path/filepath"
	"testing"

	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/testdeps"
	"xueji/server/vault"
)

func openTest(t testing.TB) store.Store {
	s, err := Open(t.Context(), testdeps.Postgres(t), vault.Options{KEK: vault.File(filepath.Join(t.TempDir(), "vault.key"))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, openTest) }
