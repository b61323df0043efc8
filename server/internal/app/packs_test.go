package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xueji/server/registry"
)

func TestPackFiles(t *testing.T) {
	data := t.TempDir()
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := Run(t.Context(), append([]string{"--data", data}, args...), &out, Options{Stderr: &bytes.Buffer{}})
		return out.String(), err
	}
	if out, err := run("packs", "check"); err != nil || strings.TrimSpace(out) != registry.DefaultPack().Version {
		t.Fatalf("without a folder: %q %v", out, err)
	}
	example, err := run("packs", "example")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(data, "packs")
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("zj.json", example)
	put("next.json", `{"version": "CN-2030", "title": "t", "effective_on": "2030-09-01"}`)
	if out, err := run("packs", "check"); err != nil || !strings.Contains(out, "CN-2030\n") || !strings.Contains(out, "EX-33-1/CN-2013\n") {
		t.Fatalf("%q %v", out, err)
	}
	c := Common{Data: data}
	set, err := c.packs()
	if err != nil {
		t.Fatal(err)
	}
	if p := set.For("2026-11-28", "330106"); p.StepWorkingDays[registry.CaseEnrol] != 5 {
		t.Errorf("the province's number is not in force: %+v", p.StepWorkingDays)
	}
	// A bad file stops every command that goes by rules, and says where.
	put("zj.json", "{\n\"version\": \"X\",\n\"title\": \"t\",\n\"province\": \"33\",\n\"archive_send_months\": 99\n}")
	for _, args := range [][]string{{"packs", "check"}, {"account", "list"}} {
		if _, err := run(args...); args[0] == "packs" && (err == nil || !strings.Contains(err.Error(), "zj.json:5: archive_send_months")) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := run("kiosk-code", "--school", "2133010017", "--name", "x"); err == nil || !strings.Contains(err.Error(), "zj.json:5") {
		t.Errorf("a command under a bad pack: %v", err)
	}
}
