package app

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xueji/server/internal/audit"
)

// auditKeys are a register's verifier keys: of its log, and of its cosignatures.
func auditKeys(t *testing.T, data, name string) (log, witness string) {
	t.Helper()
	lines := strings.Fields(run(t, "audit", "key", "--data", data, "--audit-name", name))
	if len(lines) != 2 {
		t.Fatalf("keys %q", lines)
	}
	return lines[0], lines[1]
}

// cosignedUpTo waits until a running office has the other's signature on entries that came after its newest ones of now, and gives that checkpoint.
func cosignedUpTo(t *testing.T, data, witness string, from string) string {
	t.Helper()
	name, _, _ := strings.Cut(witness, "+")
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out := run(t, "audit", "verify", "--data", data, "--witness", witness)
		if line := lineOf(out, "cosigned"); strings.Contains(line, name) && line != from {
			return line
		}
	}
	t.Fatalf("not cosigned by %s", name)
	return ""
}

func lineOf(text, begins string) string {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, begins) {
			return strings.TrimSpace(l)
		}
	}
	return ""
}

// TestTwoOffices: two running registers, of which one cosigns the other by itself. What the database's owner alters is found; what somebody with the key folder too sets
// back is found by what the other office signed, and that office signs no further.
func TestTwoOffices(t *testing.T) {
	a, b := seeded(t, 5), filepath.Join(t.TempDir(), "b")
	logA, _ := auditKeys(t, a, "a.example/county")
	_, witnessB := auditKeys(t, b, "b.example/county")
	first := start(t, a, "--audit-witness", witnessB)
	other := start(t, b, "--audit-cosign", first.url("")+" "+logA, "--audit-cosign-every", "1s")
	first.browser(t).signIn("registrar.qingshi", first.password(t, "registrar.qingshi"))
	early := cosignedUpTo(t, a, witnessB, "")
	first.end(t)
	// A copy of the whole folder, key and all, as somebody might keep who means to set the register back.
	kept := filepath.Join(t.TempDir(), "kept")
	if out, err := exec.Command("cp", "-a", a, kept).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}

	again := start(t, a, "--audit-witness", witnessB, "--listen", first.addr)
	again.browser(t).signIn("officer.yunhe", again.password(t, "officer.yunhe"))
	cosignedUpTo(t, a, witnessB, early)
	again.end(t)
	signed, err := filepath.Glob(filepath.Join(b, "cosigned", "*"))
	if err != nil || len(signed) != 1 {
		t.Fatal(signed, err)
	}
	if out := run(t, "audit", "verify", "--data", a, "--witness", witnessB, "--checkpoint", signed[0]); !strings.Contains(out, "nothing was altered") {
		t.Fatal(out)
	}

	// With the database's password: an entry taken out; put back whole, the log is whole again.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(a, "xueji.db")}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	do := func(q string) {
		t.Helper()
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	do(`CREATE TABLE taken AS SELECT * FROM audit_entry WHERE seq = 3`)
	do(`DELETE FROM audit_entry WHERE seq = 3`)
	refused(t, audit.ErrFound.Error(), "audit", "verify", "--data", a, "--witness", witnessB)
	do(`INSERT INTO audit_entry SELECT * FROM taken`)
	do(`DROP TABLE taken`)
	run(t, "audit", "verify", "--data", a, "--witness", witnessB)

	// With the key folder too: set back whole, it looks whole, but not beside what the other office signed.
	run(t, "audit", "verify", "--data", kept)
	refused(t, audit.ErrFound.Error(), "audit", "verify", "--data", kept, "--witness", witnessB, "--checkpoint", signed[0])
	back := start(t, kept, "--audit-witness", witnessB)
	other.end(t)
	refused(t, audit.ErrFork.Error(), "audit", "cosign", "--data", b, "--url", back.url(""), "--log-key", logA)
}

// TestCheckpointsLeaveWithTheLog: the checkpoint that the running server writes into its log, kept on another machine, fits the register, and shows that one was set back whole, keys and all.
func TestCheckpointsLeaveWithTheLog(t *testing.T) {
	data := seeded(t, 5)
	told := func(from string) string {
		t.Helper()
		e := &env{ctx: t.Context(), out: io.Discard, log: newLog(io.Discard, "error"), common: Common{Data: data, VaultSuite: "aes"}}
		o, err := e.open()
		if err != nil {
			t.Fatal(err)
		}
		defer o.st.Close()
		r, w := io.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go (&running{public: &audit.Public{Store: o.st}}).tell(ctx, newLog(w, "info"), 20*time.Millisecond)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			var line struct{ Msg, Checkpoint string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Msg != "audit checkpoint" {
				t.Fatalf("%s %v", lines.Text(), err)
			}
			if line.Checkpoint != from {
				return line.Checkpoint
			}
		}
		t.Fatal("nothing was told")
		return ""
	}
	s := start(t, data)
	s.browser(t).signIn("registrar.qingshi", s.password(t, "registrar.qingshi"))
	early := told("")
	s.end(t)
	kept := filepath.Join(t.TempDir(), "kept")
	if out, err := exec.Command("cp", "-a", data, kept).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	s = start(t, data)
	s.browser(t).signIn("officer.yunhe", s.password(t, "officer.yunhe"))
	file := filepath.Join(t.TempDir(), "checkpoint")
	if err := os.WriteFile(file, []byte(told(early)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.end(t)
	if out := run(t, "audit", "verify", "--data", data, "--checkpoint", file); !strings.Contains(out, "nothing was altered") {
		t.Fatal(out)
	}
	run(t, "audit", "verify", "--data", kept)
	refused(t, audit.ErrFound.Error(), "audit", "verify", "--data", kept, "--checkpoint", file)
}
