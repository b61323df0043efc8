package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConsoleKey: the key that is pinned is given in hex or in the file that `server reading-key` was led into; whatever else is said to be wrong, and pins nothing.
func TestConsoleKey(t *testing.T) {
	want := bytes.Repeat([]byte{0xab}, consoleKeySize)
	hexed := strings.Repeat("ab", consoleKeySize)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, given := range []string{hexed, strings.ToUpper(hexed), file("good", hexed+"\nfingerprint 1234-5678\n"), file("bare", hexed)} {
		if got, err := consoleKey(given); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x %v", given, got, err)
		}
	}
	if got, err := consoleKey(""); err != nil || got != nil {
		t.Errorf("no key: %x %v", got, err)
	}
	for _, given := range []string{hexed[2:], hexed + "ab", file("empty", ""), file("other", "fingerprint "+hexed), file("short", hexed[:62]), filepath.Join(dir, "nowhere"), dir} {
		if got, err := consoleKey(given); err == nil || got != nil {
			t.Errorf("%s: %x", given, got)
		}
	}
}
