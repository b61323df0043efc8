package postgres

import (
	"testing"

	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/testdeps"
)

func openTest(t testing.TB) store.Store {
	s, err := Open(t.Context(), testdeps.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) { storetest.Run(t, openTest) }
