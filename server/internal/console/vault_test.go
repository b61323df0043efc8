package console_test

import (
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
)

// How far the sealing anew is stands in numbers by key and by column; the security administrator pauses it and lets it go on.
func TestVaultPage(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	sec := client{t: t, app: a, who: "security"}
	_, body := sec.get("/vault")
	for _, want := range []string{"正在改用新密钥", "history.payload", "48211", "49415", `max="100" value="67"`, "已停用", `action="/vault/pause"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
	if strings.Contains(body, "pupil.sealed") {
		t.Error("a column that is done stands among those that are not")
	}
	if _, state := sec.get("/vault/state"); !strings.Contains(state, `"percent":67`) || !strings.Contains(state, `"running":true`) {
		t.Errorf("state %s", state)
	}
	res, _ := sec.post("/vault/pause", nil)
	wantTo(t, res, "/vault")
	if _, body := sec.get("/vault"); !strings.Contains(body, "已暂停") || !strings.Contains(body, `action="/vault/resume"`) {
		t.Error("a pause is not told")
	}
	res, _ = sec.post("/vault/resume", nil)
	wantTo(t, res, "/vault")
	if _, body := (client{t: t, app: a, who: "operator"}).get("/vault"); !strings.Contains(body, "history.payload") || strings.Contains(body, `action="/vault/pause"`) {
		t.Error("the operator does not see it, or may pause it")
	}
	if res, _ := (client{t: t, app: a, who: "officer"}).get("/vault"); res.StatusCode != 403 {
		t.Errorf("an officer: %d", res.StatusCode)
	}
}
