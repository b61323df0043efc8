package password

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every password of the file is found, and no other, whatever ends its lines; a file that is something else is refused.
func TestBreached(t *testing.T) {
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum(fmt.Append(nil, "password ", i)), 1<<(i%24)))
	}
	slices.Sort(lines)
	for _, n := range []int{1, 2, 3, 300} {
		for _, end := range []string{"\n", "\r\n"} {
			for _, tail := range []string{end, ""} {
				path := filepath.Join(t.TempDir(), "breached")
				if err := os.WriteFile(path, []byte(strings.Join(lines[:n], end)+tail), 0o600); err != nil {
					t.Fatal(err)
				}
				b, err := OpenBreached(path)
				if err != nil {
					t.Fatalf("%d lines, end %q, tail %q: %v", n, end, tail, err)
				}
				for i := range 400 {
					secret := fmt.Sprint("password ", i)
					digest := fmt.Sprintf("%X:", sha1.Sum([]byte(secret)))
					want := slices.ContainsFunc(lines[:n], func(l string) bool { return strings.HasPrefix(l, digest) })
					if got, err := b.Has(secret); err != nil || got != want {
						t.Fatalf("%d lines, end %q, tail %q, %s: %t %v", n, end, tail, secret, got, err)
					}
				}
			}
		}
	}
	for _, bad := range []string{"", "hunter2\npassword\n", lines[1] + "\n" + lines[0] + "\n", strings.Repeat("A", 1000)} {
		path := filepath.Join(t.TempDir(), "no list")
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBreached(path); err == nil {
			t.Errorf("%.20q is taken for a list", bad)
		}
	}
}
