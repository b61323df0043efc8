package rig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"xueji/server/registry"
)

// Register is a seeded demonstration register and the server processes over it.
type Register struct {
	T    testing.TB
	Data string // folder of the server, its key and its embedded database
	Logs string
	Env  []string

	// Base is the first server's address, "http://127.0.0.1:port"; Admin its operators' port.
	Base, Admin string
	Password    string // of every demonstration account
	Workbook    string // sample workbook of newcomers

	servers int
}

// Options of a register.
type Options struct {
	Pupils int
	Rows   int      // of the sample workbook
	Env    []string // XUEJI_DATABASE_URL, XUEJI_REDIS_URL
}

// Seed makes a register with n invented pupils in a folder that is kept when the test fails. No server runs yet.
func Seed(t testing.TB, o Options) *Register {
	t.Helper()
	dir, err := os.MkdirTemp("", "xueji-rig-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("data and logs: %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return seeded(t, dir, o)
}

// Keep is Seed in a folder that stays: a register that stands there already is used again, whatever its options were.
func Keep(t testing.TB, dir string, o Options) *Register {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	return seeded(t, dir, o)
}

func seeded(t testing.TB, dir string, o Options) *Register {
	t.Helper()
	r := &Register{T: t, Data: filepath.Join(dir, "server"), Logs: filepath.Join(dir, "logs")}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "XUEJI_") {
			r.Env = append(r.Env, e)
		}
	}
	r.Env = append(append(r.Env, o.Env...), "XUEJI_DATA="+r.Data)
	if err := os.MkdirAll(r.Logs, 0o700); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "demo")
	summary := filepath.Join(out, "summary.json") // written last: seed refuses a register that was broken off, and somebody removes it
	if _, err := os.Stat(summary); err != nil {
		most := max(3*time.Minute, time.Duration(o.Pupils)*60*time.Millisecond) // a very busy machine writes seventeen pupils a second
		runFor(t, most, r.Env, Binary(t, "server"), "seed", "--pupils", strconv.Itoa(o.Pupils), "--rows", strconv.Itoa(max(o.Rows, 1)), "--bad", "0", "--out", out)
	}
	b, err := os.ReadFile(summary)
	var s struct {
		Accounts []struct{ Login, Password string }
		Workbook string
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil || len(s.Accounts) == 0 {
		t.Fatalf("summary of the seed: %v\n%s", err, b)
	}
	r.Password, r.Workbook = s.Accounts[0].Password, s.Workbook
	return r
}

// Dir is a fresh folder beside the register's.
func (r *Register) Dir(name string) string {
	r.T.Helper()
	dir := filepath.Join(filepath.Dir(r.Data), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.T.Fatal(err)
	}
	return dir
}

// Serve starts a server over the register; a second one works beside the first, on the same database and queue. It ends with the test.
func (r *Register) Serve(name string) *Program {
	r.T.Helper()
	ports := FreePorts(r.T, 2)
	base, admin := "127.0.0.1:"+strconv.Itoa(ports[0]), "127.0.0.1:"+strconv.Itoa(ports[1])
	p := r.Program(name, "server", "http://"+base+"/readyz", "serve", "--listen", base, "--admin", admin)
	if r.servers++; r.servers == 1 {
		r.Base, r.Admin = "http://"+base, "http://"+admin
	}
	p.Start()
	return p
}

// Program is one of the programs in the register's environment, not started yet. It ends with the test.
func (r *Register) Program(name, binary, up string, args ...string) *Program {
	r.T.Helper()
	p := &Program{T: r.T, Name: name, Log: filepath.Join(r.Logs, name+".log"), Path: Binary(r.T, binary), Args: args, Env: r.Env, Up: up}
	r.T.Cleanup(p.Stop)
	return p
}

// KioskCode makes a kiosk of a school and gives its one-time code.
func (r *Register) KioskCode(school registry.Unit, name string) string {
	r.T.Helper()
	return strings.TrimSpace(Run(r.T, r.Env, Binary(r.T, "server"), "kiosk-code", "--school", string(school), "--name", name))
}

// IssuerToken is the token a started server takes from its issuer.
func (r *Register) IssuerToken() string {
	r.T.Helper()
	b, err := os.ReadFile(filepath.Join(r.Data, "issuer.token"))
	if err != nil {
		r.T.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
