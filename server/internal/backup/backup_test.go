package backup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func made(t testing.TB, body []byte) (path, key string) {
	t.Helper()
	dir := t.TempDir()
	key = filepath.Join(dir, "office.key")
	public, err := NewIdentity(key)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "office.pub")
	if err := os.WriteFile(list, []byte("# 教育局\n"+public+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	to, err := Recipients(list)
	if err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(dir, "copy")
	if err := os.WriteFile(from, body, 0o600); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "a.backup")
	m := Manifest{File: SQLite, At: time.Unix(1e9, 0), KEK: "k"}
	if _, err := Create(path, from, m, to); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, from, m, to); err == nil {
		t.Fatal("a backup was overwritten")
	}
	return path, key
}

// What was sealed comes back, to the office's key alone; a backup cut anywhere or with a byte changed is refused and leaves nothing behind.
func TestThereAndBack(t *testing.T) {
	body := bytes.Repeat([]byte("欧阳静怡 "), 20_000) // several chunks of age
	path, key := made(t, body)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(whole, []byte("欧阳静怡")) {
		t.Fatal("a backup is in clear")
	}
	ids, err := Identities(key)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Verify(path, ids); err != nil || m.Size != int64(len(body)) || m.KEK != "k" {
		t.Fatalf("%+v %v", m, err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := Restore(path, ids, dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, SQLite)); err != nil || !bytes.Equal(got, body) {
		t.Fatal("the database is not what it was", err)
	}
	if _, err := Restore(path, ids, dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Fatalf("%v", err)
	}
	_, other := made(t, nil)
	strange, err := Identities(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(path, strange); err == nil || !strings.Contains(err.Error(), "sealed to other keys") {
		t.Fatalf("%v", err)
	}
	for i := 0; i < len(whole); i += len(whole)/40 + 1 {
		for name, bad := range map[string][]byte{"cut": whole[:i], "changed": append(append(bytes.Clone(whole[:i]), whole[i]^1), whole[i+1:]...)} {
			p, d := filepath.Join(t.TempDir(), "bad"), filepath.Join(t.TempDir(), "d")
			if err := os.WriteFile(p, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Restore(p, ids, d); err == nil {
				t.Fatalf("%s at %d is restored", name, i)
			}
			if names, _ := os.ReadDir(d); len(names) > 0 {
				t.Fatalf("%s at %d leaves %v", name, i, names)
			}
		}
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Identities(key); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatalf("%v", err)
	}
}

func FuzzRead(f *testing.F) {
	path, key := made(f, []byte("database"))
	ids, err := Identities(key)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := Verify(path, ids); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("xueji.db"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := read(bytes.NewReader(b), &bytes.Buffer{}); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}
