package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"xueji/server/internal/sqlstore"
	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/vault"
)

func openTest(t testing.TB) store.Store {
	return openWith(t, func(e *engine) sqlstore.Engine { return e })
}

func openWith(t testing.TB, wrap func(*engine) sqlstore.Engine) store.Store {
	t.Helper()
	dir := t.TempDir()
	kek := vault.File(filepath.Join(dir, "vault.key"))
	e, err := open(t.Context(), filepath.Join(dir, "register 100%?#.db"), kek, durable)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.New(t.Context(), wrap(e), vault.Options{KEK: kek})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// recorder keeps the text of every statement.
type recorder struct {
	mu    sync.Mutex
	texts map[string]bool
}

func (r *recorder) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts[text] = true
}

type recorded struct {
	*engine
	r *recorder
}

func (e recorded) Query(ctx context.Context, text string, args ...any) (sqlstore.Rows, error) {
	e.r.note(text)
	return e.engine.Query(ctx, text, args...)
}

func (e recorded) Write(ctx context.Context, fn func(sqlstore.Tx) error) error {
	return e.engine.Write(ctx, func(tx sqlstore.Tx) error { return fn(recordedTx{tx, e.r}) })
}

type recordedTx struct {
	sqlstore.Tx
	r *recorder
}

func (t recordedTx) Query(text string, args ...any) (sqlstore.Rows, error) {
	t.r.note(text)
	return t.Tx.Query(text, args...)
}

func (t recordedTx) Exec(check sqlstore.Check, text string, args ...any) error {
	t.r.note(text)
	return t.Tx.Exec(check, text, args...)
}

// The contract; and over all of it, hostile text included, every word between quotes in every statement stands in the source: values are parameters.
func TestStore(t *testing.T) {
	r := &recorder{texts: map[string]bool{}}
	storetest.Run(t, func(t testing.TB) store.Store {
		return openWith(t, func(e *engine) sqlstore.Engine { return recorded{e, r} })
	})
	var source strings.Builder
	files, _ := filepath.Glob("../sqlstore/*.go")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	quoted, seen := regexp.MustCompile(`'[^']*'|[^\x00-\x7f]+`), map[string]bool{}
	for text := range r.texts {
		for _, q := range quoted.FindAllString(text, -1) {
			if !seen[q] && !strings.Contains(source.String(), q) {
				t.Errorf("%q is not of the source, and stands in %s", q, text)
			}
			seen[q] = true
		}
	}
	if len(r.texts) == 0 || len(r.texts) > 1000 {
		t.Errorf("%d statements with %d words between quotes: they are of few forms, whatever is in them", len(r.texts), len(seen))
	}
}

// A register that was filled stands whole in its file when Close has returned.
func TestFilled(t *testing.T) {
	dir := t.TempDir()
	path, o := filepath.Join(dir, "r.db"), vault.Options{KEK: vault.File(filepath.Join(dir, "k"))}
	s, err := OpenToFill(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutBlob(t.Context(), "filled", []byte("yes")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log is left beside it: %v", err)
	}
	if s, err = Open(t.Context(), path, o); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Blob(t.Context(), "filled"); err != nil || string(got) != "yes" {
		t.Fatalf("%q %v", got, err)
	}
}
