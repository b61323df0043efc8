package app

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

func run(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := Run(t.Context(), args, &out, Options{Version: "test", Stderr: io.Discard}); err != nil {
		t.Fatalf("server %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

func refused(t *testing.T, want string, args ...string) {
	t.Helper()
	err := Run(t.Context(), args, io.Discard, Options{Version: "test", Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("server %s: %v, want %q", strings.Join(args, " "), err, want)
	}
}

// everybody reads all pupils of a register.
func everybody(t *testing.T, data string) map[registry.UID]registry.Pupil {
	t.Helper()
	e := &env{ctx: context.Background(), log: newLog(io.Discard, "error"), common: Common{Data: data, VaultSuite: "aes"}}
	out := map[registry.UID]registry.Pupil{}
	if err := e.register(func(st store.Store) error {
		rows, err := st.Search(e.ctx, store.Query{All: true})
		if err != nil {
			return err
		}
		for _, r := range rows {
			p, err := st.Pupil(e.ctx, r.UID)
			if err != nil {
				return err
			}
			if p.Form[registry.FName] != r.Name {
				t.Errorf("a list says %q", r.Name)
			}
			out[r.UID] = p
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// personal are the names, numbers, telephones and addresses of pupils.
func personal(people map[registry.UID]registry.Pupil) (out []string) {
	for _, p := range people {
		for k, v := range p.Form {
			switch k {
			case registry.FName, registry.FIDNumber, registry.FPhone, registry.FAddress, "g1.name", "g1.phone", "g1.id_number":
				if len(v) > 5 {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

func holds(t *testing.T, pattern string, values []string) (found []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal(pattern, files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if bytes.Contains(b, []byte(v)) {
				found = append(found, filepath.Base(f)+": "+v)
			}
		}
	}
	return found
}

func copyOf(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A whole drill: a backup of a running server, its keys rotated in between, restored into an empty folder, and the register answers; the stolen database, backup and
// a folder with another's key do not.
func TestBackupDrill(t *testing.T) {
	data := seeded(t, 30)
	office := t.TempDir()
	identity, recipients, file := filepath.Join(office, "office.key"), filepath.Join(office, "office.pub"), filepath.Join(office, "monday.backup")
	if err := os.WriteFile(recipients, []byte(run(t, "backup", "key", "--identity", identity)), 0o600); err != nil {
		t.Fatal(err)
	}
	people := everybody(t, data)
	if len(people) != 30 {
		t.Fatalf("%d pupils", len(people))
	}
	start(t, data) // runs all the while
	run(t, "vault", "rotate", "--data", data, "--vault-suite", "sm4")
	run(t, "vault", "rotate-kek", "--data", data)
	if out := run(t, "backup", "create", "--data", data, "--to", file, "--recipients", recipients); !strings.Contains(out, "which are not in it") {
		t.Errorf("create says %q", out)
	}
	run(t, "vault", "rotate-index", "--data", data)
	run(t, "vault", "reseal", "--data", data)
	if out := run(t, "vault", "status", "--data", data); !strings.Contains(out, "pupils to index anew: 0; values to seal anew: 0") || !strings.Contains(out, "sm4") {
		t.Errorf("status\n%s", out)
	}
	if out := run(t, "backup", "verify", file, "--identity", identity); !strings.HasPrefix(out, "whole: xueji.db") {
		t.Errorf("verify says %q", out)
	}
	secret := personal(people)
	if len(secret) < 100 {
		t.Fatalf("only %d values to look for", len(secret))
	}
	if found := append(holds(t, filepath.Join(data, "xueji.db*"), secret), holds(t, file, secret)...); len(found) > 0 {
		t.Errorf("in clear: %q", found)
	}

	restored := filepath.Join(t.TempDir(), "restored")
	if out := run(t, "backup", "restore", file, "--identity", identity, "--data", restored); !strings.Contains(out, "server.key") {
		t.Errorf("restore says %q", out)
	}
	if found := holds(t, filepath.Join(restored, "xueji.db"), secret); len(found) > 0 {
		t.Errorf("in clear: %q", found)
	}
	copyOf(t, filepath.Join(data, "server.key"), filepath.Join(restored, "server.key"))
	refused(t, "Whoever keeps the copy of the vault key", "vault", "status", "--data", restored)
	other := seeded(t, 1)
	copyOf(t, filepath.Join(other, "vault.key"), filepath.Join(restored, "vault.key"))
	before, err := os.ReadFile(filepath.Join(restored, "xueji.db"))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "Nothing was changed", "serve", "--data", restored, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	if after, err := os.ReadFile(filepath.Join(restored, "xueji.db")); err != nil || !bytes.Equal(before, after) {
		t.Error("a key that does not fit changed the database", err)
	}
	copyOf(t, filepath.Join(data, "vault.key"), filepath.Join(restored, "vault.key"))
	again := everybody(t, restored)
	if len(again) != len(people) {
		t.Fatalf("%d pupils of %d are back", len(again), len(people))
	}
	for uid, p := range people {
		if again[uid].Form[registry.FIDNumber] != p.Form[registry.FIDNumber] || again[uid].Version != p.Version {
			t.Errorf("%s is not who it was", uid)
		}
	}
	refused(t, "not empty", "backup", "restore", file, "--identity", identity, "--data", restored)
	start(t, restored)
}
