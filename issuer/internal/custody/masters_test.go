package custody

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMasters: fresh once, the same ever after; every profile, purpose and chip has a key of its own; nothing prints.
func TestMasters(t *testing.T) {
	dir := t.TempDir()
	m, err := OpenMasters(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenMasters(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, cipher := range []string{"3des", "aes", "sm4"} {
		for _, profile := range []string{"fmcos", "fmcos-sm4"} {
			for _, purpose := range []string{"control", "write"} {
				for _, chip := range []string{"\x01", "\x02"} {
					u := KeyUse{profile, cipher, purpose, []byte(chip), 0}
					a, err := m.Derive(u)
					if err != nil {
						t.Fatal(err)
					}
					b, err := again.Derive(u)
					if err != nil || !a.Equal(b) || a.Len() != 16 {
						t.Fatalf("%v is another after opening again: %v", u, err)
					}
					k := string(a.Reveal())
					if was, ok := seen[k]; ok {
						t.Fatalf("%v has the key of %s", u, was)
					}
					seen[k] = fmt.Sprint(u)
				}
			}
		}
	}
	if _, err := m.Derive(KeyUse{"p", "rot13", "x", []byte{1}, 0}); err == nil {
		t.Error("a cipher nobody knows")
	}
	if s := fmt.Sprintf("%v %+v %#v %s", m, m, m, m); strings.ReplaceAll(s, "[card master keys]", "") != "   " {
		t.Error("prints", s)
	}
	path := filepath.Join(dir, FileMasters)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenMasters(dir); err == nil || !strings.Contains(err.Error(), "0644") {
		t.Error("a key that others can read:", err)
	}
}
