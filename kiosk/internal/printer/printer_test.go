package printer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func tray(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestPrint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tray")
	p, err := New("Kiosk_1", dir, time.Now, quiet)
	if err != nil {
		t.Fatal(err)
	}
	var ran [][]string
	var fail error
	p.run = func(_ context.Context, name string, args ...string) ([]byte, error) {
		ran = append(ran, append([]string{name}, args...))
		return nil, fail
	}
	if how := p.Print(context.Background(), "ZX-2026-0017-000001/../x", []byte("%PDF")); how != Printed || len(tray(t, dir)) != 0 || p.State() != "ok" {
		t.Fatal(how, tray(t, dir), p.State())
	}
	if c := ran[0]; !slices.Equal(c[:4], []string{"lp", "-d", "Kiosk_1", "--"}) || strings.Contains(filepath.Base(c[4]), "/") || !strings.Contains(c[4], "ZX-2026-0017-000001x") {
		t.Error(c)
	}
	fail = errors.New("no queue")
	if how := p.Print(context.Background(), "a", []byte("%PDF")); how != Tray || len(tray(t, dir)) != 1 || p.State() != "down" {
		t.Fatal(how, p.State())
	}
	if st, _ := os.Stat(tray(t, dir)[0]); st.Mode().Perm() != 0o600 {
		t.Error(st.Mode())
	}
	for _, bad := range []string{"-o raw", "a b", "../x", "a;b", strings.Repeat("x", 200)} {
		if _, err := New(bad, dir, time.Now, quiet); err == nil {
			t.Errorf("queue %q taken", bad)
		}
	}
}

func TestPrune(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	p, err := New("", dir, func() time.Time { return now }, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if p.Print(context.Background(), "old", []byte("1")) != Tray {
		t.Fatal("not in the tray")
	}
	now = now.Add(KeepFor + time.Minute)
	if p.Print(context.Background(), "new", []byte("2")); len(tray(t, dir)) != 0 { // both were written by the file system's clock, a week ago
		t.Fatal("a week old and still there")
	}
	now = time.Now()
	for range KeepMax + 5 {
		p.Print(context.Background(), "x", []byte("3"))
	}
	if n := len(tray(t, dir)); n != KeepMax {
		t.Errorf("%d papers kept", n)
	}
}
