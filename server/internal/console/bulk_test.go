package console_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
	rt "xueji/server/registry/registrytest"
	"xueji/server/registry/units"
)

// A school sees who goes where and who is passed over and why, starts the year's promotion, and takes it back with a reason.
func TestPromotionPages(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	r := client{t: t, app: a, who: "registrar"}
	_, body := r.get("/promotion")
	if !strings.Contains(body, "留级") || !strings.Contains(body, "有业务未办结") {
		t.Fatal("the preview does not say why somebody is passed over")
	}
	res, _ := r.post("/promotion", vals("year", "2026"))
	wantTo(t, res, "/bulk/b-1")
	if got := f.Posted[len(f.Posted)-1].(service.BulkAsk); got.Kind != store.BulkPromote || got.Year != 2026 {
		t.Fatalf("%+v", got)
	}
	if res, _ := r.post("/bulk/b-1/undo", nil); res.StatusCode != 422 {
		t.Errorf("undone without a reason: %d", res.StatusCode)
	}
	res, _ = r.post("/bulk/b-1/undo", vals("reason", "误办"))
	wantTo(t, res, "/bulk/b-1")
	if _, body := (client{t: t, app: a, who: "officer"}).get("/promotion"); !strings.Contains(body, "未办") {
		t.Error("the office is not told which schools have not done it")
	}
	if res, _ := (client{t: t, app: a, who: "clerk"}).get("/promotion"); res.StatusCode != 403 {
		t.Errorf("a clerk: %d", res.StatusCode)
	}
}

// The ticked pupils of a class are submitted, each with its kind and number.
func TestGraduationPage(t *testing.T) {
	f := consoletest.New()
	r := client{t: t, app: app(t, f), who: "registrar"}
	uid := string(f.UID("李思源"))
	v := vals("uid", uid, "end", "graduated", "on", "2026-06-30", "end-"+uid, "completed", "no-"+uid, "证7")
	res, _ := r.post("/graduation", v)
	wantTo(t, res, "/bulk/b-1")
	got := f.Posted[len(f.Posted)-1].(service.BulkAsk)
	if len(got.Picks) != 1 || got.Picks[0].Certificate != "证7" || got.Picks[0].End != "completed" || got.On != "2026-06-30" {
		t.Fatalf("%+v", got)
	}
}

// A certificate's number that is taken is named, and the class's form comes back as it was sent.
func TestGraduationComesBack(t *testing.T) {
	f := consoletest.New()
	r := client{t: t, app: app(t, f), who: "registrar"}
	_, plan := r.get("/graduation")
	at := regexp.MustCompile(`name="no-([a-z0-9]+)"`).FindStringSubmatch(plan)
	if at == nil {
		t.Fatal("nobody may be submitted")
	}
	uid := at[1]
	p := f.Get(registry.UID(uid))
	f.Refuse = &registry.Error{Code: registry.CodeConflict, Field: "certificate", Params: map[string]string{"why": "certificate", "no": "证7", "uid": uid}}
	res, body := r.post("/graduation", vals("uid", uid, "grade", strconv.Itoa(p.Grade), "class", p.Class, "end", "graduated", "on", "2026-06-30", "end-"+uid, "completed", "no-"+uid, "证7"))
	if res.StatusCode != 422 || !strings.Contains(body, "证书编号 证7 重复") || !strings.Contains(body, `data-field="no-`+uid+`"`) || strings.Contains(body, "别人先办了一步") {
		t.Fatalf("%d does not name the number", res.StatusCode)
	}
	if !strings.Contains(body, `name="no-`+uid+`" value="证7"`) || !strings.Contains(body, `value="`+uid+`" checked`) {
		t.Error("the form lost what was written in it")
	}
}

// The registrar marks, the leader signs when nothing is left, the sheet comes.
func TestReviewPages(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	r, l := client{t: t, app: a, who: "registrar"}, client{t: t, app: a, who: "leader"}
	if res, body := l.post("/reviews/rv-1/sign", nil); res.StatusCode != 422 || !strings.Contains(body, "还有学籍没有复核") {
		t.Fatalf("signed early: %d", res.StatusCode)
	}
	res, _ := r.post("/reviews/rv-1", vals("rest", "1", "class", "03 1班", "state", "done"))
	if to := res.Header.Get("Location"); !strings.HasPrefix(to, "/reviews/rv-1?class=03") {
		t.Errorf("led to %s", to)
	}
	res, _ = l.post("/reviews/rv-1/sign", nil)
	wantTo(t, res, "/reviews/rv-1")
	if res, body := l.get("/reviews/rv-1/sheet.pdf?class=03+1班"); res.StatusCode != 200 || !strings.HasPrefix(body, "%PDF") {
		t.Errorf("sheet %d", res.StatusCode)
	}
}

// An office renames and merges; a void code and a bad pack are told with what is wrong and where.
func TestUnitAndRulePages(t *testing.T) {
	f := consoletest.New()
	o := client{t: t, app: app(t, f), who: "officer"}
	code := string(f.Staff["registrar"].Unit)
	res, _ := o.post("/units", vals("act", "rename", "code", code, "name", "新名小学"))
	wantTo(t, res, "/units")
	if got := f.Posted[len(f.Posted)-1].(units.Rename); got.Name != "新名小学" {
		t.Fatalf("%+v", got)
	}
	if res, body := o.post("/units", vals("act", "open", "code", code, "name", "x", "kind", "primary", "region", "330106", "from_grade", "1", "to_grade", "6")); res.StatusCode != 422 || !strings.Contains(body, "永久停用") {
		t.Errorf("a code twice: %d", res.StatusCode)
	}
	// What a school offers is changed on its page, whose form shows what stands.
	if _, body := o.get("/units?code=" + code); !strings.Contains(body, `value="change"`) || strings.Contains(body, `value="open_office"`) {
		t.Error("a county's page has no form to change a school, or one to set up offices below")
	}
	res, _ = o.post("/units", vals("act", "change", "code", code, "kind", "nineyear", "region", "330106", "authority", "330106", "from_grade", "1", "to_grade", "9"))
	wantTo(t, res, "/units")
	if got := f.Posted[len(f.Posted)-1].(units.Change); got.ToGrade != 9 || got.Public || got.Kind != registry.KindNineYear {
		t.Fatalf("%+v", got)
	}
	// An office above sets up and renames those below.
	f.Staff["city"] = service.Staff{Account: store.Account{ID: "a-city", Login: "city", Name: "萧然", Unit: rt.City, Role: registry.RoleOfficer, TrainedOn: "2026-08-20"}, Token: "token-city"}
	c := client{t: t, app: o.app, who: "city"}
	if _, body := c.get("/units"); !strings.Contains(body, "西湖区教育局") || !strings.Contains(body, `value="open_office"`) {
		t.Error("the offices below are not there")
	}
	res, _ = c.post("/units", vals("act", "open_office", "code", "330114", "name", "钱塘区教育局", "tier", "county", "authority", string(rt.City)))
	wantTo(t, res, "/units")
	if got := f.Posted[len(f.Posted)-1].(units.OpenOffice).Office; got != (registry.Office{Code: "330114", Name: "钱塘区教育局", Tier: registry.TierCounty, Parent: rt.City}) {
		t.Fatalf("%+v", got)
	}
	if res, body := c.post("/units", vals("act", "open_office", "code", "330200", "name", "x", "tier", "county", "authority", string(rt.City))); res.StatusCode != 422 || !strings.Contains(body, "上级部门不管辖") {
		t.Errorf("an office of another city: %d", res.StatusCode)
	}
	res, body := o.post("/rules/try", vals("pack", "{\n \"version\": \"X-1\", \"title\": \"x\",\n \"effective_on\": \"2026-01-01\",\n \"step_working_days\": {\"transfer\": 0}\n}"))
	if res.StatusCode != 422 || !strings.Contains(body, "第 4 行") {
		t.Errorf("a bad pack: %d", res.StatusCode)
	}
	_, body = o.post("/rules/try", vals("pack", `{"version": "X-1", "title": "x", "effective_on": "2026-01-01", "transfer_windows": [{"from": "08-15", "to": "09-10"}]}`))
	for _, want := range []string{"最迟（市级教育行政部门）：2026-12-25 → 2026-12-18", "条件：无 → 办理时间 08-15—09-10", "条件：无 → 入学不满一学期"} {
		if !strings.Contains(body, want) {
			t.Errorf("a trial does not say %q", want)
		}
	}
	if _, body := o.get("/rules"); !strings.Contains(body, "《办法》第 15 条") || !strings.Contains(body, "CN-2013") {
		t.Error("the packs do not show their articles")
	}
}

// An answer whose file is refused keeps its words.
func TestOrderComesBack(t *testing.T) {
	f := consoletest.New()
	r := client{t: t, app: app(t, f), who: "registrar"}
	f.Refuse = &registry.Error{Code: registry.CodeInvalid, Field: "file", Params: map[string]string{"why": "embedded"}}
	res, body := r.post("/supervise/orders/ZG-2026-330106-0001/answer", vals("answer", "已补建三份档案"))
	if res.StatusCode != 422 || !strings.Contains(body, ">已补建三份档案</textarea>") {
		t.Errorf("%d the words are gone", res.StatusCode)
	}
}

// Pupils of a leaving class are named to schools of other provinces in one act: the school beside a name, or the one for all; a code of no connected province is named with whose it
// is, and the form comes back as it was sent.
func TestOfferPage(t *testing.T) {
	f := consoletest.New()
	r := client{t: t, app: app(t, f), who: "registrar"}
	_, body := r.get("/advance/away")
	at := regexp.MustCompile(`name="to-([a-z0-9]+)"`).FindAllStringSubmatch(body, -1)
	if len(at) < 3 || !strings.Contains(body, `name="to-all"`) || strings.Contains(body, `checked aria-label`) {
		t.Fatalf("the page offers %d", len(at)-1)
	}
	a, b := at[1][1], at[2][1]
	v := vals("uid", a, "to-"+a, "3132000402", "to-all", "3132000403", "to-"+b, "")
	v.Add("uid", b)
	f.Refuse = &registry.Error{Code: registry.CodeInvalid, Field: "to", Params: map[string]string{"why": "no_peer", "uid": b, "school": "3132000403"}}
	res, body := r.post("/advance/away", v)
	if res.StatusCode != 422 || !strings.Contains(body, "“3132000403”不是已联网省份的学校标识码") || !strings.Contains(body, `name="to-`+a+`" value="3132000402"`) || !strings.Contains(body, `value="`+a+`" checked`) ||
		!strings.Contains(body, `name="to-all" value="3132000403"`) {
		t.Fatalf("%d: the form did not come back", res.StatusCode)
	}
	res, _ = r.post("/advance/away", v)
	wantTo(t, res, "/bulk/b-1")
	got := f.Posted[len(f.Posted)-1].(service.BulkAsk)
	if got.Kind != store.BulkOffer || len(got.Picks) != 2 || got.Picks[0].To != "3132000402" || got.Picks[1].To != "3132000403" {
		t.Fatalf("%+v", got)
	}
}

// What became of each picture stands in a row, what is to be mended first; without any the page says what is wanted.
func TestPhotosPage(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	r := client{t: t, app: a, who: "registrar"}
	if _, body := r.get("/enrol"); !strings.Contains(body, `href="/photos"`) {
		t.Error("nothing leads to the page")
	}
	if res, body := r.post("/photos", nil); res.StatusCode != 422 || !strings.Contains(body, "60 KB") {
		t.Errorf("without a file: %d", res.StatusCode)
	}
	if res, _ := (client{t: t, app: a, who: "officer"}).get("/photos"); res.StatusCode != 403 {
		t.Errorf("an office: %d", res.StatusCode)
	}
}
