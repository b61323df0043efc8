package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"xueji/server/registry"
)

// secrets are what is personal of everybody who was on the walk, and what it is.
func (w *world) secrets() map[string]string {
	secrets := map[string]string{}
	for _, c := range w.pupils {
		for _, k := range []registry.FieldKey{registry.FName, registry.FIDNumber, registry.FPhone, registry.FAddress, "g1.name", "g1.phone", "g1.id_number", "g2.name", "g2.phone", "g2.id_number"} {
			if v := c.Values[k]; len(v) > 5 {
				secrets[v] = string(k)
			}
		}
	}
	return secrets
}

// silentStore wants nothing personal in the database, on whichever engine, nor in a backup of it: plain, in hex, in base64. The backup is whole.
func (w *world) silentStore() {
	t := w.t
	identity, recipients, backup := w.path("office.key"), w.path("office.pub"), w.path("walk.backup")
	if err := os.WriteFile(recipients, []byte(w.once("server", "backup", "key", "--identity", identity)), 0o600); err != nil {
		t.Fatal(err)
	}
	w.once("server", "backup", "create", "--to", backup, "--recipients", recipients)
	if out := w.once("server", "backup", "verify", backup, "--identity", identity); !strings.HasPrefix(out, "whole") {
		t.Errorf("the backup: %s", out)
	}
	raw := map[string][]byte{}
	files, err := filepath.Glob(w.path("server", "xueji.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, backup) {
		if raw[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range w.env {
		if address, ok := strings.CutPrefix(e, "XUEJI_DATABASE_URL="); ok {
			if raw["PostgreSQL"], err = exec.Command("pg_dump", "--dbname", address).Output(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(raw) < 2 {
		t.Fatal("no database was searched")
	}
	for name, b := range raw {
		if name != filepath.Base(backup) && name != "xueji.db-shm" && name != "xueji.db-wal" && !strings.Contains(string(b), w.pupils[0].uid) {
			t.Errorf("%s does not even hold the UID of a pupil: it was not searched", name)
		}
		for v, what := range w.secrets() {
			plain := []byte(v)
			for _, form := range []string{v, hex.EncodeToString(plain), base64.StdEncoding.EncodeToString(plain[:len(plain)/3*3])} {
				if strings.Contains(string(b), form) {
					t.Errorf("%s holds %s of somebody in clear", name, what)
				}
			}
		}
	}
}

// silentLogs wants nothing personal in any program's log: no name, number, telephone, address or PIN of anybody who was on the walk. Nor does any log tell of
// an error: a torn card, a wrong PIN and a server that is down are a day's work.
func (w *world) silentLogs() {
	t := w.t
	logs, err := filepath.Glob(w.path("logs", "*.log"))
	if err != nil || len(logs) < 5 {
		t.Fatalf("logs: %v, %v", logs, err)
	}
	secrets := w.secrets()
	secrets[w.password], secrets[guardedPIN] = "a password", "a PIN"
	for _, file := range logs {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			t.Errorf("%s is empty: it tells nothing at all", filepath.Base(file))
		}
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, `"level":"ERROR"`) || strings.HasPrefix(line, "panic:") {
				t.Errorf("%s: %s", filepath.Base(file), line)
			}
		}
		for v, what := range secrets {
			if i := strings.Index(string(b), v); i >= 0 {
				t.Errorf("%s holds %s: …%s…", filepath.Base(file), what, b[max(0, i-200):min(len(b), i+100)])
			}
		}
	}
}
