package console_test

import (
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
)

// Newcomers that other systems handed in stand in the registrar's list with a count and a date, under their kind and their time, and lead to where they are looked through.
func TestHandedInToDo(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	r := client{t: t, app: a, who: "registrar"}
	const row, link = "其他系统提交新生 2 名", `href="/enrol/handed"`
	for path, want := range map[string]bool{"/todo": true, "/todo?kind=enrol": true, "/todo?when=intime": true, "/todo?when=overdue": false, "/todo?kind=archive": false} {
		if _, body := r.get(path); strings.Contains(body, row) != want || strings.Contains(body, link) != want {
			t.Errorf("%s: the row is there %v, want %v", path, !want, want)
		}
	}
	if _, body := (client{t: t, app: a, who: "leader"}).get("/todo"); strings.Contains(body, row) {
		t.Error("the leader is sent to what is the registrar's")
	}
}
