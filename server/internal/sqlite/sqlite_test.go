package sqlite

import (
	"path/filepath"
	"testing"

	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/vault"
)

func openTest(t testing.TB) store.Store {
	dir := t.TempDir()
	s, err := Open(t.Context(), filepath.Join(dir, "register 100%?#.db"), vault.Options{KEK: vault.File(filepath.Join(dir, "vault.key"))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, openTest) }
