package console_test

import (
	"bytes"
	"mime/multipart"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

// scans posts a form with one scan under each of the names.
func (c client) scans(path string, v url.Values, names ...string) (status int, to, body string) {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	v.Set("csrf", consoletest.CSRF)
	for k, vs := range v {
		for _, x := range vs {
			_ = w.WriteField(k, x)
		}
	}
	for _, n := range names {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="`+n+`"; filename="scan.pdf"`)
		h.Set("Content-Type", "application/pdf")
		p, _ := w.CreatePart(h)
		_, _ = p.Write([]byte("%PDF-1.4 " + n))
	}
	w.Close()
	r := httptest.NewRequest("POST", path, &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	res, text := c.do(r)
	if u, err := res.Location(); err == nil {
		to = u.Path
	}
	return res.StatusCode, to, text
}

// lived is the county's day with one pupil in each of the states beyond the common case.
func lived(t *testing.T) *consoletest.Fake {
	t.Helper()
	f := consoletest.New()
	digest := strings.Repeat("ab", 32)
	must := func(login, name string, ev registry.Event) {
		t.Helper()
		if err := f.Do(login, name, ev); err != nil {
			t.Fatalf("%s: %T: %v", name, ev, err)
		}
	}
	accept := func(login, name string) {
		t.Helper()
		p := f.Get(f.UID(name))
		c := p.OpenCase()
		must(login, name, registry.DecideStep{CaseNo: c.No, Party: c.Steps[c.Current()].Party, Decision: registry.DecisionAccept})
	}
	// 马俊杰 has dropped out; 朱可欣 is abroad; 何奕辰 asks for a correction; 高欣怡 studies at the special school; 李思源 is doubted; 胡明轩 died.
	must("registrar", "马俊杰", registry.ReportDropout{Since: "2026-11-02", Reason: "随父母外出务工"})
	must("registrar", "马俊杰", registry.LogPersuasion{On: "2026-11-10", How: "家访", Note: "家长答应下周返校"})
	must("registrar", "马俊杰", registry.FileReport{To: registry.ReportCounty, On: "2026-11-20", Ref: "云教收 31 号"})
	must("registrar", consoletest.LongName, registry.RecordAbsence{Since: "2026-11-09", Absence: registry.AbsenceUnexplained, Note: "未请假"})
	must("leader", consoletest.LongName, registry.FollowAbsence{On: "2026-11-11", With: "母亲", How: "家访", Note: "随父亲外出，说下周返校", Absence: registry.AbsenceUnexplained})
	must("registrar", "朱可欣", registry.GoAbroad{On: "2026-11-01", Country: "840", Papers: "护照", Guardian: "母亲", Evidence: []string{digest}})
	was := f.Get(f.UID("何奕辰")).Form
	must("registrar", "何奕辰", registry.Amend{Changes: []registry.Change{{Field: registry.FPhone, From: was[registry.FPhone], To: "13900001111"}}})
	must("registrar", "何奕辰", registry.StartCorrect{Changes: []registry.Change{{Field: registry.FName, From: "何奕辰", To: "何亦辰"}}, Reason: "户口簿更正", Guardian: "父亲", Evidence: []string{digest}})
	must("registrar", "高欣怡", registry.Arrange{School: registrytest.SpecialA, Mode: registry.ModeSpecial, Agreement: digest, AgreedBy: []string{"母亲", "本校"}, Reason: "评估建议", Guardian: "母亲"})
	must("officer", "李思源", registry.RaiseProblem{Problem: registry.ProblemDoubleNoID, With: f.UID("沈语彤"), Note: "与新生相似"})
	must("registrar", "胡明轩", registry.ReportDeath{KnownOn: "2026-11-18", Proof: "医学证明", Evidence: []string{digest}})
	accept("officer", "胡明轩")
	return f
}

// lifePages are the pages of the regulation's single articles, and who sees them.
func lifePages(f *consoletest.Fake) []struct{ Who, Path string } {
	at := func(name, rest string) string { return "/pupils/" + string(f.UID(name)) + rest }
	open := func(name string) string { return at(name, "/cases/"+string(f.Get(f.UID(name)).Lock)) }
	return []struct{ Who, Path string }{
		{"registrar", at("马俊杰", "")}, {"registrar", at("马俊杰", "/act/report?to=township")}, {"registrar", at("马俊杰", "/act/persuade")}, {"registrar", at("马俊杰", "/act/back")},
		{"registrar", at("朱可欣", "")}, {"registrar", at("朱可欣", "/act/home")}, {"registrar", at("何奕辰", "")}, {"registrar", open("何奕辰")}, {"registrar", at("高欣怡", "")},
		{"registrar", "/absences"}, {"registrar", "/absences?grade=4&class=1班"}, {"officer", "/absences"}, {"officer", "/absences?school=2133000101"}, {"registrar", at(consoletest.LongName, "")},
		{"registrar", at(consoletest.LongName, "/act/spoke")}, {"leader", at(consoletest.LongName, "/act/present")}, {"registrar", at(consoletest.LongName, "/act/dropout")},
		{"registrar", open("高欣怡")}, {"registrar", at("李思源", "")}, {"registrar", open("李思源")}, {"registrar", at("李思源", "/act/resolve")}, {"registrar", at("李思源", "/act/resolve?pick=1")},
		{"registrar", at("李思源", "/act/resolve?item=name")}, {"registrar", at("胡明轩", "")}, {"officer", at("胡明轩", "")}, {"registrar", "/todo?kind=change"}, {"registrar", "/cases?kind=death&state=all"},
		{"", "/check"}, {"", "/check/" + consoletest.GenuineCode}, {"", "/check/nothing"}, {"registrar", "/check/" + consoletest.GenuineCode},
	}
}

// TestLifePages renders them in three languages, and every page of an act for a pupil it is offered for.
func TestLifePages(t *testing.T) {
	f := lived(t)
	a := app(t, f)
	free := "/pupils/" + string(f.UID("陈雨桐"))
	_ = free
	list := lifePages(f)
	for _, act := range []string{"correct", "correct?item=name&item=birth&item=nation&item=address&item=g1.phone&item=hukou", "abroad", "dropout", "arrange", "problem", "erase", "death"} {
		list = append(list, struct{ Who, Path string }{"registrar", "/pupils/" + string(f.UID("黄梓萱")) + "/act/" + act})
	}
	for i := range list {
		if strings.Contains(list[i].Path, string(f.UID("黄梓萱"))) {
			list[i].Who = "registrar3"
		}
	}
	who := f.Staff["registrar"]
	who.Unit, who.Token, who.Login = registrytest.PrimaryA2, "token-registrar3", "registrar3"
	f.Staff["registrar3"] = who
	for _, l := range []string{"zh-Hans", "zh-Hant", "en"} {
		for _, p := range list {
			res, body := client{t, a, p.Who, l}.get(escape(p.Path))
			if res.StatusCode != 200 && !strings.HasSuffix(p.Path, "/nothing") {
				t.Errorf("%s %s as %s: %d", l, p.Path, p.Who, res.StatusCode)
			}
			clean(t, l+" "+p.Path, body)
			if l == "zh-Hans" && (strings.Contains(body, "病休") || strings.HasSuffix(p.Path, "/act/arrange") && !strings.Contains(body, "送教上门填本校")) {
				t.Errorf("%s says another act's help, or not its own", p.Path)
			}
		}
	}
}

// TestLifePosts posts each act's form: what is missing is said, what is right is done, and the page leads on.
func TestLifePosts(t *testing.T) {
	for _, x := range []struct {
		who, name, act string
		form           url.Values
		scans          []string
		kind           registry.EventKind
	}{
		{"registrar3", "黄梓萱", "correct", vals("item", "name", "to.name", "黄子萱", "reason", "户口簿更正", "guardian", "母亲"), []string{"evidence"}, registry.EvStartCorrect},
		{"registrar3", "黄梓萱", "correct", vals("item", "phone", "to.phone", "13900001111"), nil, registry.EvAmend},
		{"registrar3", "黄梓萱", "abroad", vals("on", "2026-11-20", "country", "840", "papers", "护照", "guardian", "母亲"), []string{"evidence"}, registry.EvGoAbroad},
		{"registrar3", "黄梓萱", "dropout", vals("since", "2026-11-02", "reason", "外出"), nil, registry.EvReportDropout},
		{"registrar3", "黄梓萱", "arrange", vals("school", string(registrytest.SpecialA), "mode", "special", "agreed", "母亲；本校", "reason", "评估建议", "guardian", "母亲"), []string{"agreement"}, registry.EvArrange},
		{"registrar3", "黄梓萱", "problem", vals("problem", "wrong_id", "note", "号码与户口簿不符"), nil, registry.EvRaiseProblem},
		{"registrar3", "黄梓萱", "erase", vals("reason", "误建"), []string{"evidence"}, registry.EvStartErase},
		{"registrar3", "黄梓萱", "death", vals("known_on", "2026-11-20", "proof", "医学证明"), []string{"evidence"}, registry.EvReportDeath},
		{"registrar", "马俊杰", "report", vals("to", "township", "on", "2026-11-22", "ref", "街道收 7 号"), nil, registry.EvFileReport},
		{"registrar", "马俊杰", "persuade", vals("on", "2026-11-22", "how", "电话", "note", "已联系"), nil, registry.EvLogPersuasion},
		{"registrar", "马俊杰", "back", vals("grade", "3", "class", "2班", "proof", "家长送回"), nil, registry.EvReturnFromDropout},
		{"registrar3", "黄梓萱", "absent", vals("since", "2026-11-16", "absence", "unexplained", "with", "母亲", "how", "电话", "note", "无人接听"), nil, registry.EvRecordAbsence},
		{"leader", consoletest.LongName, "spoke", vals("on", "2026-11-20", "with", "父亲", "how", "家访", "note", "住院", "absence", "sick", "until", "2026-12-04"), nil, registry.EvFollowAbsence},
		{"registrar", consoletest.LongName, "present", vals("on", "2026-11-23"), nil, registry.EvEndAbsence},
		{"registrar", "朱可欣", "home", vals("grade", "3", "class", "1班", "papers", "入境记录", "guardian", "母亲"), nil, registry.EvComeHome},
		{"registrar", "李思源", "resolve", vals("way", "evidence", "words", "双胞胎，出生证不同"), []string{"evidence"}, registry.EvResolveProblem},
	} {
		t.Run(x.act+"/"+string(x.kind), func(t *testing.T) {
			f := lived(t)
			who := f.Staff["registrar"]
			who.Unit, who.Token, who.Login = registrytest.PrimaryA2, "token-registrar3", "registrar3"
			f.Staff["registrar3"] = who
			c := client{t: t, app: app(t, f), who: x.who}
			here := "/pupils/" + string(f.UID(x.name))
			if status, _, body := c.scans(here+"/act/"+x.act, vals()); status != 422 || !strings.Contains(body, `role="alert"`) {
				t.Errorf("an empty form: %d", status)
			}
			status, to, body := c.scans(here+"/act/"+x.act, x.form, x.scans...)
			if status != 303 || !strings.HasPrefix(to, here) {
				t.Fatalf("%d %s %s", status, to, body[:min(len(body), 2000)])
			}
			if ev, ok := last(f).(registry.Event); !ok || ev.Kind() != x.kind {
				t.Fatalf("asked for %T", last(f))
			}
			if res, body := c.get(to); res.StatusCode != 200 {
				t.Errorf("%s answers %d", to, res.StatusCode)
			} else {
				clean(t, to, body)
			}
		})
	}
}

// TestLifeOffered: an act is offered only when state and role allow it, and its page is closed otherwise.
func TestLifeOffered(t *testing.T) {
	f := lived(t)
	a := app(t, f)
	offered := func(who, name, act string) bool {
		_, body := client{t: t, app: a, who: who}.get("/pupils/" + string(f.UID(name)))
		return strings.Contains(body, "/act/"+act+`"`)
	}
	for _, x := range []struct {
		who, name, act string
		want           bool
	}{
		{"registrar", "马俊杰", "report", true}, {"registrar", "马俊杰", "dropout", false}, {"registrar", "朱可欣", "home", true}, {"registrar", "朱可欣", "abroad", false},
		{"registrar", "胡明轩", "death", false}, {"registrar", "胡明轩", "correct", false}, {"leader", "马俊杰", "report", false}, {"officer", "马俊杰", "report", false},
		{"registrar", "李思源", "resolve", true}, {"registrar", "李思源", "erase", false}, {"registrar", "陈雨桐", "finish", false}, {"registrar", "何奕辰", "correct", false},
		{"leader", "高欣怡", "absent", true}, {"officer", "高欣怡", "absent", false}, {"leader", consoletest.LongName, "absent", false}, {"leader", consoletest.LongName, "spoke", true}, {"leader", consoletest.LongName, "dropout", false},
		{"registrar", consoletest.LongName, "dropout", true}, {"registrar", "胡明轩", "absent", false},
	} {
		if got := offered(x.who, x.name, x.act); got != x.want {
			t.Errorf("%s for %s to %s: offered %v", x.act, x.name, x.who, got)
		}
	}
	if res, _ := (client{t: t, app: a, who: "registrar"}).get("/pupils/" + string(f.UID("胡明轩")) + "/act/dropout"); res.StatusCode == 200 {
		t.Error("a page that is not offered opens")
	}
	// Article 22: the report begins with what the register of absences knows.
	_, body := client{t: t, app: a, who: "registrar"}.get("/pupils/" + string(f.UID(consoletest.LongName)) + "/act/dropout")
	if !strings.Contains(body, `value="2026-11-09"`) || !strings.Contains(body, "随父亲外出") {
		t.Error("the dropout report is not begun from the absence")
	}
	// Article 21: the record speaks quietly, and no PIN is asked for any more.
	_, body = client{t: t, app: a, who: "registrar"}.get("/pupils/" + string(f.UID("胡明轩")))
	if !strings.Contains(body, "平静、尊重") || strings.Contains(body, "data-pin") {
		t.Error("the page of a pupil who died does not speak with tact")
	}
	// Article 10: what was there before stays visible, masked until it is asked for.
	here := "/pupils/" + string(f.UID("何奕辰"))
	_, body = client{t: t, app: a, who: "registrar"}.get(here)
	if !strings.Contains(body, `id="changes"`) || strings.Contains(body, "13900001111") {
		t.Error("the record of changes is missing, or shows a number unasked")
	}
	if _, body = (client{t: t, app: a, who: "registrar"}).post(here+"/unmask", nil); !strings.Contains(body, "13900001111") {
		t.Error("asked for, the earlier values stay hidden")
	}
}

// TestMergePages: what was judged to be one child leads on, and a merger is undone from the record's page.
func TestMergePages(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	officer := client{t: t, app: a, who: "officer"}
	x, y := string(f.UID("王子涵")), string(f.UID("李思源"))
	here := "/duplicates/" + x + "/" + y
	if _, body := officer.get(here); strings.Contains(body, "/merge") {
		t.Error("merging is offered before anybody judged")
	}
	res, _ := officer.post(here+"/decide", vals("state", "same", "note", "同一人"))
	wantTo(t, res, here)
	_, body := officer.get(here)
	// 王子涵 has an open case: it comes first, and nothing is offered that would only be refused.
	if !strings.Contains(body, "/pupils/"+x+"/cases/"+string(f.Get(f.UID("王子涵")).Lock)) || strings.Contains(body, "/pupils/"+x+"/act/") || strings.Contains(body, "/merge\"") || !strings.Contains(body, "/pupils/"+y+"/act/erase") {
		t.Fatal("the page does not lead on")
	}
	clean(t, here, body)
	if res, _ := officer.post(here+"/merge", vals("keep", y)); res.StatusCode != 422 {
		t.Errorf("without grounds: %d", res.StatusCode)
	}
	// Refused in words. 李思源 and 萧景行's pair would be free, but one is all the fake knows.
	if res, body := officer.post(here+"/merge", vals("keep", y, "reason", "同一人")); res.StatusCode != 422 || !strings.Contains(body, `role="alert"`) {
		t.Errorf("with a case open: %d", res.StatusCode)
	}
	if err := f.Merge(t.Context(), f.Staff["officer"], f.UID("李思源"), f.UID("朱可欣"), "同一人"); err != nil {
		t.Fatal(err)
	}
	_, body = officer.get("/pupils/" + string(f.UID("朱可欣")))
	if !strings.Contains(body, "/act/unmerge") {
		t.Fatal("the merger cannot be undone from the page")
	}
	res, _ = officer.post("/pupils/"+string(f.UID("朱可欣"))+"/act/unmerge", vals("reason", "两人"))
	wantTo(t, res, "/pupils/"+string(f.UID("朱可欣")))
	if p := f.Get(f.UID("朱可欣")); p.Standing != registry.StandingEnrolled || p.Merged != nil {
		t.Errorf("after undoing: %s", p.Standing)
	}
}

// TestCheckPage is public: no session, no pupil, and bounded.
func TestCheckPage(t *testing.T) {
	f := consoletest.New()
	nobody := client{t: t, app: app(t, f)}
	res, body := nobody.get("/check/" + consoletest.GenuineCode)
	if res.StatusCode != 200 || !strings.Contains(body, "真实") || !strings.Contains(body, "学籍基础信息表") || !strings.Contains(body, "2026 年 11 月 23 日") {
		t.Fatalf("%d", res.StatusCode)
	}
	if res, _ = nobody.get("/check?code=" + url.QueryEscape("https://x.example/check/"+consoletest.GenuineCode)); res.StatusCode != 200 {
		t.Errorf("the whole address pasted: %d", res.StatusCode)
	}
	if res, body = nobody.get("/check/XP1.forged"); res.StatusCode != 404 || !strings.Contains(body, "核对不到") {
		t.Errorf("a forged code: %d", res.StatusCode)
	}
	stopped := false
	for range 80 {
		if res, _ = nobody.get("/check/XP1.forged"); res.StatusCode == 503 {
			stopped = true
		}
	}
	if !stopped {
		t.Error("nothing bounds the page")
	}
}
