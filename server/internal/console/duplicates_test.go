package console_test

import (
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
	"xueji/server/internal/store"
)

// A registrar files proof, the authority judges with a reason, and can undo it.
func TestDuplicatePages(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	registrar, officer := client{t: t, app: a, who: "registrar"}, client{t: t, app: a, who: "officer"}
	_, body := registrar.get("/duplicates")
	if !strings.Contains(body, "姓名读音相同") || !strings.Contains(body, consoletest.RareName) {
		t.Fatal("the list does not say who and why")
	}
	x, y := string(f.UID("萧景行")), string(f.UID(consoletest.RareName))
	here := "/duplicates/" + x + "/" + y
	_, body = registrar.get(here)
	if strings.Contains(body, here+"/decide") || !strings.Contains(body, "/prove") {
		t.Error("a school proves, it does not judge")
	}
	if res, _ := registrar.post(here+"/prove", nil); res.StatusCode != 422 {
		t.Errorf("proof of nothing: %d", res.StatusCode)
	}
	res, _ := registrar.post(here+"/prove", vals("note", "两本户口簿"))
	wantTo(t, res, here)
	_, body = officer.get(here)
	if !strings.Contains(body, "两本户口簿") || !strings.Contains(body, "/decide") {
		t.Fatal("the authority does not see the proof")
	}
	if res, body := officer.post(here+"/decide", vals("state", "apart")); res.StatusCode != 422 || !strings.Contains(body, "请写明依据") {
		t.Errorf("without grounds: %d", res.StatusCode)
	}
	res, _ = officer.post(here+"/decide", vals("state", "apart", "note", "出生证明不同"))
	wantTo(t, res, here)
	if got, _ := f.Duplicate(t.Context(), f.Staff["officer"], f.UID("萧景行"), f.UID(consoletest.RareName)); got.State != store.SuspicionApart {
		t.Fatalf("%s", got.State)
	}
	if res, _ = officer.post(here+"/decide", vals("state", "same", "note", "x")); res.StatusCode != 409 {
		t.Errorf("judged twice: %d", res.StatusCode)
	}
	_, body = officer.get("/duplicates?state=apart")
	if !strings.Contains(body, "萧景行") {
		t.Error("what was judged is not listed")
	}
	res, _ = officer.post(here+"/reopen", nil)
	wantTo(t, res, here)
	if res, _ := (client{t: t, app: a, who: "clerk"}).get("/duplicates"); res.StatusCode != 403 {
		t.Errorf("a clerk: %d", res.StatusCode)
	}
}
