package console_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"xueji/server/internal/audit"
	"xueji/server/internal/console/consoletest"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// Where no case tells the reason, a pupil's page, papers and files wait for it; one choice, and the way leads on to what was asked for.
func TestReasonIsAsked(t *testing.T) {
	f := consoletest.New()
	uid := f.UID("王子涵")
	f.AskWhy = map[registry.UID]bool{uid: true}
	reg := client{t: t, app: app(t, f), who: "registrar"}
	at := "/pupils/" + string(uid)
	for _, path := range []string{at, at + "/suspend", at + "/archive", at + "/photo"} {
		if _, body := reg.get(path); !strings.Contains(body, `action="`+at+`/why"`) || strings.Contains(body, "王子涵") {
			t.Fatalf("%s shows the pupil, or asks nothing", path)
		}
	}
	if res, body := reg.post(at+"/why", vals("why", "other", "back", at+"/archive")); res.StatusCode != 422 || !strings.Contains(body, `role="alert"`) {
		t.Fatalf("no words: %d", res.StatusCode)
	}
	if res, _ := reg.post(at+"/why", vals("why", audit.WhyFamily, "back", at+"/archive")); res.StatusCode != 303 || res.Header.Get("Location") != at+"/archive" {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Location"))
	}
	if _, body := reg.get(at); !strings.Contains(body, "王子涵") {
		t.Fatal("asked twice")
	}
	if res, _ := reg.post(at+"/why", vals("why", audit.WhyFamily, "back", "https://elsewhere.example/")); res.StatusCode != 303 || res.Header.Get("Location") != at {
		t.Fatalf("leads away: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
}

// The pages on the log, alerts and exports say everything in three languages.
func TestAuditPages(t *testing.T) {
	f := consoletest.New()
	at := f.Now
	e := audit.Entry{ID: audit.NewID(at), At: at, Kind: audit.Look, Subject: string(f.UID("王子涵")), Account: "a-registrar", Unit: registrytest.PrimaryA, Role: registry.RoleRegistrar, Via: "console",
		Net: "192.0.2.0/24"}
	for _, k := range audit.Kinds {
		e.Kind = k
		f.Lines = append(f.Lines, service.AuditLine{Entry: e, Name: "周敏", Words: "家长来问"})
	}
	for i, w := range append(audit.Asked, audit.WhyCase, audit.WhyCard, audit.WhyPresent, audit.WhyTransfer, audit.WhyDuplicate, audit.WhyOther) {
		f.Lines[i].Why = w
	}
	for _, rule := range []string{audit.RuleHour, audit.RuleDay, audit.RuleBare, audit.RuleNight, audit.RuleOutside, audit.RuleUnmask, audit.RuleForged} {
		f.RaisedAlerts = append(f.RaisedAlerts, service.AlertLine{Raised: audit.Raised{ID: rule, At: at, Rule: rule, Unit: registrytest.PrimaryA, N: 70, Bound: 60}, Name: "周敏"})
	}
	f.RaisedAlerts[1].AnsweredAt, f.RaisedAlerts[1].Words, f.RaisedAlerts[1].AnsweredName = at.Add(time.Hour), "已核实：年度核对", "许晨"
	f.ApprovalsHeld = []store.Approval{
		{No: "云教学籍〔2026〕12号", Unit: registrytest.CountyA, To: "区疾控中心", Purpose: "秋季入学接种查验", Fields: []registry.FieldKey{registry.FName, service.ExportNumber}, School: registrytest.PrimaryA, Grade: 1,
			Until: "2026-12-31", Copies: 2},
		{No: "云教学籍〔2025〕3号", Unit: registrytest.CountyA, To: "统计局", Purpose: "年报", Fields: []registry.FieldKey{registry.FSex}, Until: "2025-12-31"},
	}
	a := app(t, f)
	for _, l := range []string{"zh-Hans", "zh-Hant", "en"} {
		for _, p := range [][2]string{{"auditor", "/audit"}, {"auditor", "/audit/alerts"}, {"security", "/audit/alerts?all=1"}, {"officer", "/exports"}, {"registrar", "/exports"},
			{"registrar", "/pupils/" + string(f.UID("王子涵")) + "/readers"}} {
			res, body := client{t, a, p[0], l}.get(p[1])
			if res.StatusCode != 200 {
				t.Fatalf("%s as %s: %d", p[1], p[0], res.StatusCode)
			}
			clean(t, l+" "+p[1], body)
		}
	}
	aud := client{t: t, app: a, who: "auditor"}
	if res, _ := aud.post("/audit/alerts", vals("id", audit.RuleHour, "words", "已核实")); res.StatusCode != 303 {
		t.Fatal(res.StatusCode)
	}
	off := client{t: t, app: a, who: "officer"}
	if res, _ := off.post("/exports/list", vals("no", f.ApprovalsHeld[0].No)); res.StatusCode != 200 {
		t.Fatal(res.StatusCode)
	}
	v := vals("no", "云教学籍〔2026〕20号", "to", "区教育督导室", "purpose", "督导", "until", "2026-12-31", "school", "", "grade", "0", "field", string(registry.FName))
	if code, _, body := off.upload("/exports", v, "scan", "批准.pdf", []byte("%PDF-1.7"), ""); code != 303 || len(f.ApprovalsHeld) != 3 {
		t.Fatalf("%d %s", code, body[:min(len(body), 300)])
	}
	if code, _, body := off.upload("/exports", v, "", "", nil, ""); code != 422 || !strings.Contains(body, "区教育督导室") {
		t.Fatalf("without a scan: %d, or what was typed is lost", code)
	}
	if dir := os.Getenv("XUEJI_PICTURES"); dir != "" {
		base := serve(t, f, station)
		picture := func(b *tab, name string) {
			b.until("the page", `!!document.querySelector("h1")`)
			png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/"+name+".png", png, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range [][3]string{{"auditor", "/audit", "audit"}, {"auditor", "/audit/alerts", "alerts"}, {"officer", "/exports", "exports"}} {
			b := open(t, base, p[0])
			b.goTo(p[1])
			picture(b, p[2])
		}
		f.AskWhy = map[registry.UID]bool{f.UID("王子涵"): true}
		b := open(t, base, "registrar")
		b.goTo("/pupils/" + string(f.UID("王子涵")))
		picture(b, "why")
	}
}
