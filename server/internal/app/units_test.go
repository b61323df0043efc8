package app

import (
	"bytes"
	"encoding/base32"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/access"
	"xueji/server/internal/demo"
	"xueji/server/internal/factor"
	"xueji/server/internal/intake"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

// A register begins at the command line: the list of offices and schools, the first accounts, a kiosk's code; docs/operating.md walks the same way.
func TestRegisterBegins(t *testing.T) {
	data := t.TempDir()
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := Run(t.Context(), append([]string{"--data", data}, args...), &out, Options{Stderr: &bytes.Buffer{}})
		return strings.TrimSpace(out.String()), err
	}
	want := func(says string, args ...string) {
		t.Helper()
		if out, err := run(args...); err != nil || !strings.HasSuffix(out, says) {
			t.Fatalf("%v: %q %v", args, out, err)
		}
	}
	refused := func(says string, args ...string) {
		t.Helper()
		if out, err := run(args...); err == nil || !strings.Contains(err.Error(), says) {
			t.Fatalf("%v: %q %v, want %q", args, out, err, says)
		}
	}
	list := filepath.Join(data, "units.xlsx")
	secret := filepath.Join(data, "secret")
	if err := os.WriteFile(secret, []byte("Sunny-2026-river\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	security := []string{"account", "add", "--login", "sec", "--name", "王一", "--unit", "330000", "--role", "security", "--trained-on", "2026-09-01", "--certificate", "T-1", "--password-file", secret}

	refused("server units import", security...) // whoever begins with an account is told what comes first
	want("0 offices, 0 schools", "units", "template", list)
	refused("没有", "units", "import", list) // nothing filled in

	schools, offices := demo.New(1).Units()
	fill := func(change func(*excelize.File) error) {
		t.Helper()
		body, err := intake.UnitsBook(units.Units{Schools: schools, Offices: offices})
		if err != nil {
			t.Fatal(err)
		}
		f, err := excelize.OpenReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := change(f); err != nil {
			t.Fatal(err)
		}
		if err := f.SaveAs(list); err != nil {
			t.Fatal(err)
		}
	}
	fill(func(f *excelize.File) error { return f.SetCellStr(intake.SheetSchools, "E3", "330000000") })
	refused("nothing was taken in, 1 cannot be:\n  sheet 学校, row 3, "+string(schools[1].Code)+": the authority", "units", "import", list)
	fill(func(f *excelize.File) error { return f.SetCellStr(intake.SheetSchools, "F2", "一") })
	refused("sheet 学校, row 2: 起始年级", "units", "import", list)
	fill(func(*excelize.File) error { return nil })
	want("16 taken in, 0 were there", "units", "import", list)
	want("0 taken in, 16 were there", "units", "import", list)
	refused("exist", "units", "template", list) // no file is written over
	want("4 offices, 12 schools", "units", "template", filepath.Join(data, "again.xlsx"))

	if out, err := run(security...); err != nil || !strings.HasPrefix(out, "sec ") {
		t.Fatalf("%q %v", out, err)
	}
	if out, err := run(append(security, "--forget-factors")...); err != nil || !strings.HasPrefix(out, "sec ") {
		t.Fatalf("%q %v", out, err)
	}
	if out, err := run("kiosk-code", "--school", string(demo.YunheShiyan), "--name", "一楼"); err != nil || len(out) < 8 {
		t.Fatalf("%q %v", out, err)
	}
	if out, err := run("audit", "verify"); err != nil {
		t.Fatalf("%q %v", out, err)
	}
}

// A real register asks every role for two factors, a demonstration none, and the operator may say otherwise; what is no role is refused.
func TestWhoNeedsTwoFactors(t *testing.T) {
	every := append(access.RolesAt("330000"), access.RolesAt(demo.YunheShiyan)...)
	for _, c := range []struct {
		said []string
		demo bool
		want func(registry.Role) bool
	}{
		{nil, false, func(registry.Role) bool { return true }},
		{nil, true, func(registry.Role) bool { return false }},
		{[]string{"none"}, false, func(registry.Role) bool { return false }},
		{[]string{"registrar", "officer"}, true, func(r registry.Role) bool { return r == registry.RoleRegistrar || r == registry.RoleOfficer }},
	} {
		p, err := (&Guard{SecondFactor: c.said, SessionLife: time.Hour, SessionIdle: time.Hour}).policy(c.demo)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range every {
			if slices.Contains(p.SecondFactor, r) != c.want(r) {
				t.Errorf("%v, demonstration %v: %s", c.said, c.demo, r)
			}
		}
	}
	for _, bad := range [][]string{{"teacher"}, {"none", "officer"}} {
		if _, err := (&Guard{SecondFactor: bad, SessionLife: time.Hour, SessionIdle: time.Hour}).policy(false); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// A registrar's first day in a real register: the password of the command line leads to the page that sets a second factor up and nowhere else; the code of an authenticator opens the rest, and the
// next sign-in asks for one.
func TestRegistrarsFirstDay(t *testing.T) {
	data := t.TempDir()
	schools, offices := demo.New(1).Units()
	book, err := intake.UnitsBook(units.Units{Schools: schools, Offices: offices})
	if err != nil {
		t.Fatal(err)
	}
	list, secret := filepath.Join(t.TempDir(), "units.xlsx"), filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(list, book, 0o600), os.WriteFile(secret, []byte("Sunny-2026-river\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"units", "import", list}, {"account", "add", "--login", "zhou", "--name", "周敏", "--unit", string(demo.YunheShiyan), "--role", "registrar",
		"--trained-on", "2026-09-01", "--certificate", "T-2", "--password-file", secret}} {
		if err := Run(t.Context(), append([]string{"--data", data}, args...), io.Discard, Options{Stderr: io.Discard}); err != nil {
			t.Fatal(args, err)
		}
	}
	s := start(t, data, "--no-practice")
	b := s.browser(t)
	if st := b.signIn("zhou", "Sunny-2026-river"); st != http.StatusSeeOther {
		t.Fatalf("sign-in: %d", st)
	}
	for _, path := range []string{"/todo", "/pupils", "/enrol/new", "/cards/read", "/account"} {
		if st, _, h := b.get(path); st != http.StatusSeeOther || h.Get("Location") != "/account/second" {
			t.Fatalf("%s with a password alone: %d %s", path, st, h.Get("Location"))
		}
	}
	_, page, _ := b.get("/account/second")
	if !strings.Contains(page, "两个因素") {
		t.Fatal("the page does not say why")
	}
	token := b.csrf("/account/second")
	_, page, _ = b.get("/account/second")
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(page)
	shown := regexp.MustCompile(`<p class="secret">(.*?)</p>`).FindStringSubmatch(page)
	if ticket == nil || shown == nil {
		t.Fatal("no secret to type")
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.NewReplacer("<span>", "", "</span>", "", " ", "").Replace(shown[1]))
	if err != nil {
		t.Fatal(err)
	}
	if st, body, _ := b.post("/account/totp", url.Values{"csrf": {token}, "ticket": {ticket[1]}, "code": {factor.Code(raw, factor.Step(time.Now()))}}); st != http.StatusOK || !strings.Contains(body, "恢复码") {
		t.Fatalf("the code of the authenticator: %d", st)
	}
	if st, _, _ := b.get("/todo"); st != http.StatusOK {
		t.Fatalf("with two factors: %d", st)
	}
	again := s.browser(t)
	if _, _, h := again.post("/sign-in", url.Values{"csrf": {again.csrf("/sign-in")}, "login": {"zhou"}, "password": {"Sunny-2026-river"}}); !strings.HasPrefix(h.Get("Location"), "/sign-in/second") {
		t.Fatalf("the next sign-in leads to %q", h.Get("Location"))
	}
	if st, _, _ := again.get("/todo"); st != http.StatusSeeOther {
		t.Fatalf("half way in: %d", st)
	}
}
