package app

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xueji/server/internal/parcel"
	"xueji/server/internal/service"
)

// A parcel is checked by the key that is named, or by that of the data folder; a folder without one is not given one.
func TestArchiveCheck(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := Run(t.Context(), append([]string{"--data", data, "archive", "check"}, args...), &out, Options{Stderr: &bytes.Buffer{}})
		return out.String(), err
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))
	made := func(lacks ...string) (file, digest string) {
		t.Helper()
		p, err := parcel.New(parcel.Manifest{Unit: "某小学", Purpose: "留存", Lacks: lacks}, []parcel.Part{parcel.Bytes("a.json", "application/json", "", []byte("{}"))}, key.Public().(ed25519.PublicKey),
			func(b []byte) []byte { return ed25519.Sign(key, b) })
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		file = filepath.Join(dir, p.Digest()+".zip")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return file, p.Digest()
	}
	file, digest := made()
	if out, err := run(file, "--key", base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))); err != nil || !strings.Contains(out, "whole, and signed by the register") || !strings.Contains(out, digest) {
		t.Errorf("%q %v", out, err)
	}
	lacking, _ := made("目录第 2 行的电子件")
	if out, err := run(lacking, "--key", base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))); err != nil || !strings.Contains(out, "目录第 2 行的电子件") || !strings.Contains(out, "not complete") {
		t.Errorf("what the register no longer has: %q %v", out, err)
	}
	if _, err := run(file); err == nil || !strings.Contains(err.Error(), "server.key") {
		t.Errorf("without a key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(data, "server.key")); err == nil {
		t.Error("a key was made to check with")
	}
	if _, err := service.LoadKeys(data); err != nil {
		t.Fatal(err)
	}
	if out, err := run(file); err == nil || !strings.Contains(out, "another key") {
		t.Errorf("another register's parcel: %q %v", out, err)
	}
}
