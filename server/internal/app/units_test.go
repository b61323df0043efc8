package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/demo"
	"xueji/server/internal/intake"
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
