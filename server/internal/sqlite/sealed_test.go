package sqlite

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"xueji/server/internal/store/storetest"
	"xueji/server/vault"
)

func TestSealed(t *testing.T) {
	storetest.RunSealed(t, func(t testing.TB) storetest.Opened {
		dir := t.TempDir()
		s, err := Open(t.Context(), filepath.Join(dir, "register.db"), vault.Options{KEK: vault.File(filepath.Join(dir, "vault.key")), Grace: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Opened{Store: s, Raw: func(t testing.TB) []byte { return files(t, dir) }}
	})
}

// files is every byte of the database and its log.
func files(t testing.TB, dir string) (all []byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "register.db*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}
