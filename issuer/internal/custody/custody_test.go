package custody_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xueji/cardsvc/credential"
	"xueji/issuer/internal/custody"
)

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func made(t *testing.T, suite credential.Suite) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "issuer")
	if err := custody.Init(dir, "330000", suite, now); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestInitThenOpen(t *testing.T) {
	for _, suite := range []credential.Suite{credential.ES256, credential.SM2} {
		t.Run(string(suite), func(t *testing.T) {
			dir := made(t, suite)
			v, err := custody.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if v.Authority() != "330000" || v.Signer().Suite() != suite || v.ReadingKey().Epoch != 1 || len(v.ReadingKeys()) != 1 {
				t.Fatalf("%s %s %d", v.Authority(), v.Signer().Suite(), v.ReadingKey().Epoch)
			}
			roots, err := credential.DecodeRoots(v.RootsFile())
			if err != nil || len(roots) != 1 || roots[0].Authority != "330000" {
				t.Fatalf("%+v, %v", roots, err)
			}
			ver, err := v.Verifier()
			if err != nil {
				t.Fatal(err)
			}
			chip := []byte{1, 2, 3, 4}
			rec, err := credential.Public{CardNo: "C1", School: "3133010017", Status: credential.StatusActive, Sequence: 1, Issued: now, Expires: now.AddDate(1, 0, 0),
				Profile: "x", Level: 1, ChipSerial: chip, Epoch: 1}.Sign(v.Signer())
			if err != nil {
				t.Fatal(err)
			}
			if _, r := ver.Check(rec, chip, now); r.Verdict != credential.Valid {
				t.Fatalf("a record of this issuer: %v", r.Verdict)
			}
		})
	}
}

func TestModes(t *testing.T) {
	dir := made(t, credential.ES256)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		want := os.FileMode(0o600)
		if e.Name() == custody.FileRoots || e.Name() == "issuing.cert" {
			want = 0o644
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s: %04o, want %04o", e.Name(), info.Mode().Perm(), want)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "issuing.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := custody.Open(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatalf("a key that others can read: %v", err)
	}
}

func TestInitRefusesToOverwrite(t *testing.T) {
	dir := made(t, credential.ES256)
	before, _ := os.ReadFile(filepath.Join(dir, "root.key"))
	if err := custody.Init(dir, "330000", credential.ES256, now); !errors.Is(err, custody.ErrExists) {
		t.Fatalf("second init: %v", err)
	}
	after, _ := os.ReadFile(filepath.Join(dir, "root.key"))
	if !bytes.Equal(before, after) {
		t.Fatal("the root key changed")
	}
	// Half an init (cut off before the manifest) is neither opened nor overwritten.
	if err := os.Remove(filepath.Join(dir, "custody.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := custody.Open(dir); err == nil {
		t.Fatal("half an issuer opened")
	}
	if err := custody.Init(dir, "330000", credential.ES256, now); !errors.Is(err, custody.ErrExists) {
		t.Fatalf("init over half an issuer: %v", err)
	}
}

func TestKeysThatDoNotBelongTogether(t *testing.T) {
	a, b := made(t, credential.ES256), made(t, credential.ES256)
	for _, name := range []string{"issuing.key", "issuing.cert", custody.FileRoots} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(a, name)
			mine, _ := os.ReadFile(path)
			theirs, _ := os.ReadFile(filepath.Join(b, name))
			info, _ := os.Stat(path)
			if err := os.WriteFile(path, theirs, info.Mode()); err != nil {
				t.Fatal(err)
			}
			if _, err := custody.Open(a); err == nil {
				t.Fatal("opened")
			}
			_ = os.WriteFile(path, mine, info.Mode())
		})
	}
	if _, err := custody.Open(a); err != nil {
		t.Fatal(err)
	}
}

func TestBadInput(t *testing.T) {
	if err := custody.Init(filepath.Join(t.TempDir(), "x"), "33", credential.ES256, now); err == nil {
		t.Fatal("authority 33")
	}
	if err := custody.Init(filepath.Join(t.TempDir(), "x"), "330000", "RSA", now); err == nil {
		t.Fatal("suite RSA")
	}
	if _, err := custody.Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "issuer init") {
		t.Fatalf("an empty folder: %v", err)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	dir := made(t, credential.ES256)
	v, err := custody.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var secrets [][]byte
	for _, n := range []string{"issuing.key", "reading-0001.key"} {
		b, err := os.ReadFile(filepath.Join(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(b)
		secrets = append(secrets, block.Bytes[max(0, len(block.Bytes)-16):])
	}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("vault", "v", v, "signer", v.Signer(), "reading", v.ReadingKey(), "key", v.ReadingKey().Key)
	slog.New(slog.NewTextHandler(&out, nil)).Info("vault", "v", v, "signer", v.Signer(), "key", v.ReadingKey().Key)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", v, v.Signer(), v.ReadingKey())
	}
	if b, err := json.Marshal(map[string]any{"v": v, "s": v.Signer(), "r": v.ReadingKey()}); err == nil {
		out.Write(b)
	}
	for _, s := range secrets {
		for _, form := range []string{string(s), fmt.Sprintf("%x", s), fmt.Sprintf("%v", s), fmt.Sprintf("%X", s), strings.Trim(fmt.Sprintf("%#v", s), "[]byte{}")} {
			if strings.Contains(out.String(), form) {
				t.Fatalf("a secret was printed")
			}
		}
	}
}
