package deb

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// What the packages are made of is there, every unit is installed by one of them, and the scripts restart only units that are.
func TestPackages(t *testing.T) {
	root := "../.."
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	installed := map[string]bool{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var p struct {
			Name     string `yaml:"name"`
			Contents []struct {
				Src string `yaml:"src"`
				Dst string `yaml:"dst"`
			} `yaml:"contents"`
			Scripts map[string]string `yaml:"scripts"`
		}
		if err := yaml.Unmarshal(raw, &p); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if p.Name != "xueji-"+strings.TrimSuffix(f, ".yaml") {
			t.Errorf("%s makes %s", f, p.Name)
		}
		for _, c := range p.Contents {
			installed[c.Dst] = true
			if strings.HasPrefix(c.Src, "${BIN}/") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, c.Src)); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
		for _, s := range p.Scripts {
			script, err := os.ReadFile(filepath.Join(root, s))
			if err != nil {
				t.Error(err)
			}
			for _, u := range regexp.MustCompile(`xueji-[a-z]+\.service`).FindAllString(string(script), -1) {
				if !installed["/lib/systemd/system/"+u] {
					t.Errorf("%s names %s, which the package does not bring", s, u)
				}
			}
		}
	}
	// Every program a unit starts is brought by a package, and every service of ours is hardened.
	units, _ := filepath.Glob("systemd/*.service")
	for _, u := range units {
		raw, err := os.ReadFile(u)
		if err != nil {
			t.Fatal(err)
		}
		for _, bin := range regexp.MustCompile(`/usr/lib/xueji/[a-z]+`).FindAllString(string(raw), -1) {
			if !installed[bin] {
				t.Errorf("%s starts %s, which no package brings", u, bin)
			}
		}
		if !installed["/lib/systemd/system/"+filepath.Base(u)] {
			t.Errorf("no package brings %s", u)
		}
		if strings.Contains(u, "screen") {
			continue // a session on a terminal, by the login stack
		}
		for _, want := range []string{"NoNewPrivileges=yes", "ProtectSystem=strict", "SystemCallFilter=@system-service", "StateDirectory=", "CapabilityBoundingSet=\n", "UMask=0077", "User=", "LimitCORE=0"} {
			if !strings.Contains(string(raw), want) {
				t.Errorf("%s lacks %s", u, want)
			}
		}
	}
}
