package console_test

import (
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
)

// A look at the many units of an office shows how far it is, is asked about by script, and is stopped; a school's is made at once.
func TestLookPage(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	officer, reg := client{t: t, app: a, who: "officer"}, client{t: t, app: a, who: "registrar"}
	if res, _ := reg.post("/supervise/refresh", nil); res.Header.Get("Location") != "/supervise" {
		t.Fatal(res.StatusCode, res.Header)
	}
	if _, body := reg.get("/supervise"); strings.Contains(body, "/supervise/refresh/state") {
		t.Error("a school's look goes on")
	}
	if res, _ := officer.post("/supervise/refresh", nil); res.Header.Get("Location") != "/supervise" {
		t.Fatal(res.StatusCode, res.Header)
	}
	_, body := officer.get("/supervise")
	if !strings.Contains(body, `data-import="/supervise/refresh/state"`) || !strings.Contains(body, `<b data-done>17</b> / <span data-total>61</span>`) || strings.Contains(body, `action="/supervise/refresh"`) {
		t.Errorf("the look under way is not shown")
	}
	if _, body := officer.get("/supervise/refresh/state"); !strings.Contains(body, `"running":true`) || !strings.Contains(body, `"done":17`) {
		t.Error(body)
	}
	if res, _ := officer.post("/supervise/refresh/cancel", nil); res.Header.Get("Location") != "/supervise" {
		t.Fatal(res.StatusCode, res.Header)
	}
	if _, body := officer.get("/supervise"); strings.Contains(body, "/supervise/refresh/state") || !strings.Contains(body, `action="/supervise/refresh"`) {
		t.Error("a stopped look goes on")
	}
}
