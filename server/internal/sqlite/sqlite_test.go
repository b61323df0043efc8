package sqlite

import (
	"path/filepath"
	"testing"

	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
)

func openTest(t testing.TB) store.Store {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "register 100%?#.db"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, openTest) }
