package e2e

import (
	"os"
	"path/filepath"
	"strings"

	"xueji/server/registry"
)

// silentLogs wants nothing personal in any program's log: no name, number, telephone, address or PIN of anybody who was on the walk. Nor does any log tell of
// an error: a torn card, a wrong PIN and a server that is down are a day's work.
func (w *world) silentLogs() {
	t := w.t
	logs, err := filepath.Glob(w.path("logs", "*.log"))
	if err != nil || len(logs) < 5 {
		t.Fatalf("logs: %v, %v", logs, err)
	}
	secrets := map[string]string{w.password: "a password", guardedPIN: "a PIN"}
	for _, c := range w.pupils {
		for _, k := range []registry.FieldKey{registry.FName, registry.FIDNumber, registry.FPhone, registry.FAddress, "g1.name", "g1.phone", "g1.id_number", "g2.name", "g2.phone", "g2.id_number"} {
			if v := c.Values[k]; len(v) > 5 {
				secrets[v] = string(k)
			}
		}
	}
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
