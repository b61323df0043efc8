package app

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xueji/server/internal/pki"
	"xueji/server/internal/service"
)

// A register that begins has nobody in it, and keys and a token that no other has; whoever else is on the machine reads none of them.
func TestNothingByDefault(t *testing.T) {
	var before map[string][]byte
	for range 2 {
		data := filepath.Join(t.TempDir(), "server")
		e := &env{ctx: t.Context(), out: io.Discard, log: newLog(io.Discard, "error"), common: Common{Data: data, VaultSuite: "aes"}}
		o, err := e.open()
		if err != nil {
			t.Fatal(err)
		}
		_, signErr := e.common.signer()
		_, tokenErr := issuerToken(filepath.Join(data, "issuer.token"))
		if err := o.st.Close(); err != nil || signErr != nil || tokenErr != nil {
			t.Fatal(err, signErr, tokenErr)
		}
		db, err := sql.Open("sqlite", filepath.Join(data, "xueji.db"))
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"account", "api_client", "kiosk", "session", "pupil", "exchange_peer"} {
			n := -1
			if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s: %d rows, %v", table, n, err)
			}
		}
		db.Close()
		now := map[string][]byte{}
		for _, name := range []string{"server.key", "vault.key", "audit.key", "issuer.token"} {
			st, err := os.Stat(filepath.Join(data, name))
			if err != nil {
				t.Fatal(err)
			}
			now[name], _ = os.ReadFile(filepath.Join(data, name))
			if st.Mode().Perm() != 0o600 || len(now[name]) < 32 || bytes.Equal(now[name], before[name]) {
				t.Errorf("%s: mode %v, %d bytes", name, st.Mode(), len(now[name]))
			}
		}
		if st, err := os.Stat(data); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("data folder: %v %v", st.Mode(), err)
		}
		before = now
	}
}

// The operator's certificate is served from its files, anew when they change, and the one before while they are being replaced.
func TestOperatorsCertificate(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	ca, err := pki.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	c := &certificates{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), ca: ca}
	put := func(at time.Time) tls.Certificate {
		t.Helper()
		made, err := ca.Server([]string{"xueji.example.cn"}, now)
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for path, b := range map[string]*pem.Block{c.cert: {Type: "CERTIFICATE", Bytes: made.Certificate[0]}, c.key: {Type: "PRIVATE KEY", Bytes: key}} {
			if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		return made
	}
	serves := func(at time.Time, want tls.Certificate) {
		t.Helper()
		got, err := c.get(at)
		if err != nil || !bytes.Equal(got.Certificate[0], want.Certificate[0]) {
			t.Fatal("another certificate", err)
		}
	}
	if _, err := c.get(now); err == nil {
		t.Fatal("served without a file")
	}
	first := put(now)
	serves(now, first)
	second := put(now.Add(time.Second))
	serves(now.Add(lookEvery/2), first) // not looked at again yet
	serves(now.Add(2*lookEvery), second)
	if err := os.WriteFile(c.cert, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	serves(now.Add(4*lookEvery), second)
}

// No line carries data or a password to other machines in clear: the server does not start, and says how to mend it; what the operator allowed by name is told of in the log.
func TestNoLineIsInClear(t *testing.T) {
	for _, c := range []struct {
		listen, redis, scanner string
		allowed                []string
		refused                string
		told                   int
	}{
		{"127.0.0.1:7000", "", "", nil, "", 0},
		{"[::1]:7000", "redis://localhost:6379/0", "/run/clamd.sock", nil, "", 0},
		{"localhost:7000", "rediss://queue.example.cn/0", "127.0.0.1:3310", nil, "", 0},
		{":7000", "", "", nil, "--clear listen", 0},
		{"0.0.0.0:7000", "", "", []string{"redis", "scanner"}, "--clear listen", 0},
		{"192.0.2.1:7000", "", "", []string{"listen"}, "", 1},
		{"127.0.0.1:7000", "redis://u:geheim@queue.example.cn/0", "", []string{"listen"}, "--clear redis", 0},
		{"127.0.0.1:7000", "", "scan.example.cn:3310", nil, "--clear scanner", 0},
		{":7000", "redis://u:geheim@queue.example.cn/0", "scan.example.cn:3310", []string{"listen", "redis", "scanner"}, "", 3},
	} {
		var out bytes.Buffer
		err := (&Serve{Listen: c.listen, RedisURL: c.redis, Scanner: c.scanner, Clear: c.allowed}).inClear(newLog(&out, "info"))
		if n := bytes.Count(out.Bytes(), []byte("in clear")); n != c.told || (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%+v: %v, %s", c, err, out.String())
		}
		if strings.Contains(out.String(), "geheim") || err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("a password was told: %v %s", err, out.String())
		}
	}
	err := Run(t.Context(), []string{"serve", "--data", t.TempDir(), "--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0"}, io.Discard, Options{Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "--tls-listen") {
		t.Fatalf("the server started in clear: %v", err)
	}
}

// Keys that the service manager hands over are read from its folder and from nowhere else, nothing of them is written to the data folder, and the register opens with them alone; the data folder
// with database and without keys opens nothing. A folder of credentials that others may enter is refused, as a key file is.
func TestKeysFromCredentials(t *testing.T) {
	data, lent := seeded(t, 5), filepath.Join(t.TempDir(), "credentials")
	if err := os.Mkdir(lent, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "audit", "key", "--data", data) // makes the log's key
	moved := []string{"server.key", "vault.key", "audit.key"}
	for _, name := range moved {
		if err := errors.Join(os.Rename(filepath.Join(data, name), filepath.Join(lent, name)), os.Chmod(filepath.Join(lent, name), 0o440)); err != nil { // as an access list shows
			t.Fatal(err)
		}
	}
	if err := os.Chmod(lent, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(lent, 0o700) })
	copied := filepath.Join(t.TempDir(), "copied")
	if out, err := exec.Command("cp", "-a", data, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := Run(t.Context(), []string{"vault", "status", "--data", copied}, io.Discard, Options{Stderr: io.Discard}); err == nil || !strings.Contains(err.Error(), "vault") {
		t.Fatalf("whoever has the data folder opens it: %v", err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", lent)
	s := start(t, data, "--no-practice")
	b := s.browser(t)
	if st := b.signIn("registrar.yunhe", s.password(t, "registrar.yunhe")); st != http.StatusSeeOther {
		t.Fatal(st)
	}
	if st, body, _ := b.get("/pupils"); st != http.StatusOK || !strings.Contains(body, "/pupils/") {
		t.Fatalf("pupils: %d", st)
	}
	s.end(t)
	if out := run(t, "audit", "verify", "--data", data); !strings.Contains(out, "nothing was altered") {
		t.Fatal(out)
	}
	for _, name := range moved {
		if _, err := os.Stat(filepath.Join(data, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s came to lie in the data folder: %v", name, err)
		}
	}
	if err := os.Chmod(filepath.Join(lent, "server.key"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), []string{"vault", "status", "--data", data}, io.Discard, Options{Stderr: io.Discard}); err == nil || !strings.Contains(err.Error(), "read by others") {
		t.Errorf("a key that all may read was taken: %v", err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if err := os.Chmod(filepath.Join(lent, "server.key"), 0o440); err != nil {
		t.Fatal(err)
	}
	if _, err := service.LoadKeys(lent); err == nil {
		t.Error("outside the service manager's folder a key that a group may read was taken")
	}
}
