package console_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"xueji/server/internal/console"
	"xueji/server/internal/console/consoletest"
	"xueji/server/internal/service"
	"xueji/server/registry"
)

// The archive's page without script: scans into rows and groups, what Article 7 names and is not listed, how a row is kept.
func TestArchivePage(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	uid := f.UID("王子涵")
	here := "/pupils/" + string(uid) + "/archive"
	if !console.LargeBody(here + "/scans") {
		t.Error("scans are kept small")
	}
	ver := func() string { return fmt.Sprint(f.Get(uid).Version) }
	_, body := reg.get(here)
	for _, want := range []string{"基础信息及变动", "省级规定其他", `name="add" value="4.2"`, `action="` + here + `/scans"`, "纸质档案"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(body, `name="add" value="4.3"`) {
		t.Error("suggests what is listed")
	}
	code, to, _ := reg.upload(here+"/scans", vals("seen", ver(), "row", "1"), "scan", "基础信息.pdf", []byte("%PDF-1.4"), "")
	if code != 303 || to != here || f.Get(uid).Archive.Items[0].Digest == "" {
		t.Fatalf("scan for a row: %d %s", code, to)
	}
	digest := f.Get(uid).Archive.Items[0].Digest
	if code, _, _ = reg.upload(here+"/scans", vals("seen", ver(), "group", "5"), "scan", "奖状.pdf", []byte("%PDF-1.5"), ""); code != 303 || len(f.Get(uid).Archive.Items) != 4 {
		t.Fatalf("scan for a group: %d", code)
	}
	if code, _, body = reg.upload(here+"/scans", vals("seen", ver(), "group", "5"), "", "", nil, ""); code != 422 || !strings.Contains(body, `role="alert"`) {
		t.Errorf("no file: %d", code)
	}
	res, body := reg.get(here + "/files/" + digest)
	if body != "%PDF-1.4" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("the file is not shown")
	}
	res, _ = reg.post(here+"/how", vals("seen", ver(), "row", "1", "how", service.HowElectronic))
	wantTo(t, res, here)
	if it := f.Get(uid).Archive.Items[0]; !it.NoPaper || len(it.Older) != 2 {
		t.Errorf("kept as %+v", it)
	}
	if _, body = reg.get(here); !strings.Contains(body, "仅电子") || !strings.Contains(body, "旧版 2") {
		t.Error("the page does not say how the row is kept, or hides its past")
	}
	// A new title keeps the row's file; a suggested kind stands in the form with what was typed.
	p := f.Get(uid)
	v := vals("seen", ver(), "rows", "2", "was.0", "1", "group.0", "1", "title.0", "学籍基础信息表（2026）", "pages.0", "2", "group.1", "1", "title.1", "", "pages.1", "")
	v.Set("add", "4.2")
	if _, body = reg.post(here, v); !strings.Contains(body, `value="健康体检信息"`) || !strings.Contains(body, "学籍基础信息表（2026）") {
		t.Error("the suggested kind is not in the form")
	}
	v.Del("add")
	res, _ = reg.post(here, v)
	wantTo(t, res, here)
	if it := f.Get(uid).Archive.Items; len(it) != 1 || it[0].Digest != digest || !it[0].NoPaper {
		t.Errorf("after the new title: %+v", it)
	}
	if len(f.Get(uid).Archive.Retired) != len(p.Archive.Items)-1 {
		t.Error("what was left out is lost")
	}
}

// A school without a kiosk types the number on the cover, ticks what came, and says what did not.
func TestReceiveByNumber(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	uid := f.UID("刘一诺")
	no := f.Get(uid).Archive.No
	if f.Get(uid).Archive.To != f.Staff["registrar"].Unit {
		t.Fatal("not on its way here")
	}
	if _, body := reg.get("/pupils/" + string(uid) + "/archive"); !strings.Contains(body, "/archives/receive?no="+no) {
		t.Error("the archive's page does not lead to its receipt")
	}
	res, body := reg.post("/archives/receive", vals("no", "DA-NOT"))
	if res.StatusCode != 422 || !strings.Contains(body, `value="DA-NOT"`) {
		t.Errorf("a wrong number: %d", res.StatusCode)
	}
	_, body = reg.post("/archives/receive", vals("no", no))
	seen := regexp.MustCompile(`name="seen" value="(\d+)"`).FindStringSubmatch(body)
	if seen == nil || strings.Count(body, `name="there"`) != 3 {
		t.Fatal("no inventory to tick off")
	}
	v := url.Values{"no": {no}, "seen": {seen[1]}, "there": {"1", "3"}}
	if res, _ = reg.post("/archives/receive/done", v); res.StatusCode != 422 {
		t.Errorf("missing items without a word: %d", res.StatusCode)
	}
	v.Set("sure", "1")
	res, _ = reg.post("/archives/receive/done", v)
	wantTo(t, res, "/pupils/"+string(uid)+"/archive")
	if a := f.Get(uid).Archive; a.State != registry.ArchiveReceived || len(a.Missing) != 1 || a.Missing[0] != 2 {
		t.Errorf("received: %s, missing %v", a.State, a.Missing)
	}
}
