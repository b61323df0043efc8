package console_test

import (
	"net/url"
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
	"xueji/server/internal/parcel"
	"xueji/server/internal/service"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

func asked(v url.Values, grade, doc, mode string) url.Values {
	v.Set("grade", grade)
	v.Set("doc", doc)
	v.Set("mode", mode)
	return v
}

// The questions lead to the form that fits: what is settled is not asked again, what follows is asked as required, and each item says its rule and article.
func TestEntryQuestions(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	_, body := reg.get("/enrol/new")
	for _, want := range []string{`name="grade" value="6"`, `value="resident"`, `value="none"`, `value="home"`, "/transfers/new", "逐级报到省级"} {
		if !strings.Contains(body, want) {
			t.Errorf("the questions lack %s", want)
		}
	}
	if strings.Contains(body, `value="reform"`) {
		t.Error("a primary school offers 工读")
	}
	if res, body := reg.get("/enrol/form?grade=1&doc=none"); res.StatusCode != 422 || !strings.Contains(body, "三个问题都要选") || !strings.Contains(body, `value="none" required checked`) {
		t.Errorf("%d: an unanswered question is let through", res.StatusCode)
	}
	if res, _ := reg.get("/enrol/form?grade=9&doc=none&mode=ordinary"); res.StatusCode != 422 {
		t.Errorf("%d: a grade that the school does not offer", res.StatusCode)
	}
	_, body = reg.get("/enrol/form?grade=1&doc=none&mode=home")
	if strings.Contains(body, `name="f.id_number"`) || !strings.Contains(body, "至少一名监护人要有") {
		t.Error("no document: the number is asked, or the guardian's is not")
	}
	for _, unit := range []string{"西湖区教育局", "杭州市教育局", "浙江省教育厅"} {
		if !strings.Contains(body, unit) {
			t.Errorf("the approvals do not name %s", unit)
		}
	}
	if i := strings.Index(body, `for="f.disability"`); i < 0 || !strings.Contains(body[i:i+200], "★") {
		t.Error("teaching at home does not ask for the disability")
	}
	_, body = reg.get("/enrol/form?grade=1&doc=hmt&mode=ordinary")
	list := func(id string) string {
		_, after, _ := strings.Cut(body, `<select id="`+id+`"`)
		in, _, _ := strings.Cut(after, "</select>")
		return in
	}
	if types, from := list("f.id_type"), list("f.overseas"); !strings.Contains(types, "台湾居民来往大陆通行证") || strings.Contains(types, `value="A"`) || !strings.Contains(from, `value="05"`) || strings.Contains(from, `value="51"`) {
		t.Error("the lists do not fit a pupil of Hong Kong, Macao or Taiwan")
	}
	if !strings.Contains(body, "/help#art28") || !strings.Contains(body, "/help#art17") {
		t.Error("items do not name their articles")
	}
}

// Outside the entry grades the register is searched first; who is found comes by transfer; who is another child goes in with the reason.
func TestEntryLater(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	_, body := reg.get("/enrol/form?grade=4&doc=resident&mode=ordinary")
	if strings.Contains(body, `action="/enrol/new"`) || !strings.Contains(body, `action="/enrol/search"`) {
		t.Fatal("the form opens without a search")
	}
	there := f.Get(f.UID("黄梓萱")).Form
	v := asked(url.Values{"f.name": {"黄梓萱"}, "f.id_number": {there[registry.FIDNumber]}}, "4", "resident", "ordinary")
	_, body = reg.post("/enrol/search", v)
	if !strings.Contains(body, "古荡小学") || !strings.Contains(body, `action="/transfers/find"`) || strings.Contains(body, `name="apart"`) {
		t.Error("the same document does not lead to a transfer alone")
	}
	clean(t, "the same document", body)
	if res, body := reg.post("/enrol/search", asked(url.Values{"f.name": {"黄梓萱"}}, "4", "none", "ordinary")); res.StatusCode != 422 || !strings.Contains(body, "请填姓名") {
		t.Errorf("%d: searched by a name alone", res.StatusCode)
	}
	v = asked(url.Values{"f.name": {"黄梓萱"}, "f.birth": {there[registry.FBirth]}}, "4", "none", "ordinary")
	_, body = reg.post("/enrol/search", v)
	if !strings.Contains(body, "相像的学生") || !strings.Contains(body, `name="apart"`) || !strings.Contains(body, "出生日期相同") {
		t.Error("a likeness is not shown with its signs")
	}
	v.Set("apart", "同名不同人")
	_, body = reg.post("/enrol/form", v)
	if !strings.Contains(body, `action="/enrol/new"`) || !strings.Contains(body, "同名不同人") || !strings.Contains(body, `value="黄梓萱"`) || !strings.Contains(body, `name="reason"`) {
		t.Error("the form does not carry what was typed")
	}
	clean(t, "form", body)

	form := form(registrytest.WithoutID(registrytest.FormOf("黄梓萱", registry.Date(there[registry.FBirth]), 801, 4)))
	form.Set("f.id_type", "Z")
	asked(form, "4", "none", "ordinary")
	if res, body := reg.post("/enrol/new", form); res.StatusCode != 422 || !strings.Contains(body, "中途建籍要写明理由") {
		t.Errorf("%d: without a reason", res.StatusCode)
	}
	form.Set("reason", "随父母回国")
	res, body := reg.post("/enrol/new", form)
	if res.StatusCode != 422 || !strings.Contains(body, "相像的学生") || !strings.Contains(body, `name="apart"`) {
		t.Errorf("%d: a likeness goes in", res.StatusCode)
	}
	clean(t, "likeness", body)
	form.Set("apart", "同名不同人")
	n := len(f.Posted)
	if res, _ = reg.post("/enrol/new", form); res.StatusCode != 303 {
		t.Fatalf("%d", res.StatusCode)
	}
	got, ok := f.Posted[n].(service.NewPupil)
	if !ok || got.Apart != "同名不同人" || got.Reason != "随父母回国" || got.Document != registry.DocNone {
		t.Errorf("%+v", f.Posted[n])
	}

	// Whoever approves reads what it is about and what to look at, in plain words.
	uid := strings.TrimPrefix(res.Header.Get("Location"), "/pupils/")
	p := f.Get(registry.UID(uid))
	leader := client{t: t, app: reg.app, who: "leader"}
	_, body = leader.get("/pupils/" + uid + "/cases/" + string(p.Lock))
	for _, want := range []string{"中途建籍", "没有任何证件", "至少一名监护人有证件", "随父母回国"} {
		if !strings.Contains(body, want) {
			t.Errorf("the leader's page lacks %s", want)
		}
	}
}

// The queue of 问题学籍 says who has each, why, since when and what resolves it.
func TestProblemsPage(t *testing.T) {
	f := consoletest.New()
	for name, kind := range map[string]registry.ProblemKind{"李思源": registry.ProblemWrongID, "马俊杰": registry.ProblemDoubleID} {
		if err := f.Doubt(name, kind, "name", "birth"); err != nil {
			t.Fatal(err)
		}
	}
	a := app(t, f)
	for _, as := range []string{"zh-Hans", "zh-Hant", "en"} {
		_, body := client{t, a, "registrar", as}.get("/problems")
		clean(t, as, body)
		if !strings.Contains(body, "李思源") || !strings.Contains(body, "/act/resolve") {
			t.Errorf("%s: the school's queue", as)
		}
	}
	officer := client{t: t, app: a, who: "officer"}
	_, body := officer.get("/problems?kind=wrong_id")
	for _, want := range []string{"李思源", "身份证件有误", "姓名相同", "12 天", "提出解决办法", "变更：更正信息", "删除：这份学籍不该有"} {
		if !strings.Contains(body, want) {
			t.Errorf("the queue lacks %s", want)
		}
	}
	if strings.Contains(body, "马俊杰") || strings.Contains(body, "/act/resolve") {
		t.Error("the queue is not narrowed, or offers the school's act to the office")
	}
	if _, body = officer.get("/problems?turn=authority"); !strings.Contains(body, "没有这样的问题学籍") {
		t.Error("no empty state")
	}
	if res, _ := (client{t: t, app: a, who: "clerk"}).get("/problems"); res.StatusCode != 403 {
		t.Errorf("a clerk: %d", res.StatusCode)
	}
}

// The batch of official numbers: the file's rows with what follows of each, faults first, and only what was ticked is started.
func TestNumbersPage(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	prov := client{t: t, app: a, who: "province"}
	if res, _ := (client{t: t, app: a, who: "officer"}).get("/numbers"); res.StatusCode != 403 {
		t.Errorf("a county's officer: %d", res.StatusCode)
	}
	if _, body := prov.get("/numbers"); !strings.Contains(body, `action="/numbers/read"`) || !strings.Contains(body, "核查〔2026〕3 号") || !strings.Contains(body, "没有有效的批准文号") {
		t.Error("the page lacks its parts")
	}
	code, _, body := prov.upload("/numbers/read", url.Values{"ref": {"核查 7"}}, "workbook", "x.xlsx", []byte("PK\x03\x04"), "")
	if code != 200 || strings.Count(body, `name="give"`) != 1 || strings.Count(body, `name="doubt"`) != 1 || !strings.Contains(body, "学籍库里没有持这个证件的学生") || !strings.Contains(body, `value="核查 7"`) {
		t.Fatalf("%d: the preview", code)
	}
	if strings.Index(body, "查无此人") > strings.Index(body, `name="give"`) {
		t.Error("faults do not stand first")
	}
	clean(t, "preview", body)
	if code, _, body = prov.upload("/numbers/read", nil, "workbook", "x.txt", []byte("hello"), ""); code != 422 || !strings.Contains(body, "工作簿读不了") {
		t.Errorf("%d: not a workbook", code)
	}
	res, _ := prov.post("/numbers", url.Values{"ref": {"核查 7"}, "give": {"a", "b"}, "doubt": {"c"}})
	wantTo(t, res, "/bulk/b-1")
	n := len(f.Posted)
	if got, ok := f.Posted[n-2].([]registry.UID); !ok || len(got) != 2 || got[1] != "b" {
		t.Errorf("%+v", f.Posted[n-3:])
	}
}

// A school of study finds the pupil by document and starts the arrangement with its agreement.
func TestArrangeInPage(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	there := f.Get(f.UID("黄梓萱")).Form
	v := vals("id_number", there[registry.FIDNumber], "name", "黄梓萱")
	if _, body := reg.post("/transfers/find", v); !strings.Contains(body, `action="/arrangements/find"`) {
		t.Error("the page of transfers does not offer it")
	}
	_, body := reg.post("/arrangements/find", v)
	if !strings.Contains(body, `name="agreement"`) || strings.Contains(body, `value="home"`) {
		t.Error("the page of the arrangement")
	}
	clean(t, "arrangement", body)
	v.Set("mode", "inclusive")
	v.Set("agreed", "母亲；古荡小学")
	v.Set("guardian", "母亲")
	if code, _, _ := reg.upload("/arrangements", v, "agreement", "协议.jpg", []byte("\xff\xd8"), ""); code != 422 {
		t.Errorf("without a reason: %d", code)
	}
	v.Set("reason", "随班就读")
	code, to, _ := reg.upload("/arrangements", v, "agreement", "协议.jpg", []byte("\xff\xd8"), "")
	ev, ok := last(f).(registry.Arrange)
	if code != 303 || !ok || ev.School != registrytest.PrimaryA || ev.Mode != registry.ModeInclusive || len(ev.AgreedBy) != 2 || ev.Agreement == "" || !strings.Contains(to, "/cases/") {
		t.Fatalf("%d %s %+v", code, to, last(f))
	}
}

// A pupil of another province comes by 转学, or by 升学 where the school begins a stage: into that grade alone, without a transfer's reason.
func TestFarPage(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	if _, body := (client{t: t, app: a, who: "registrar"}).get("/transfers/far?way=advance"); strings.Contains(body, "升学") && strings.Contains(body, "way=advance") || !strings.Contains(body, `name="reason"`) {
		t.Error("升学 into a primary school")
	}
	reg := client{t: t, app: a, who: "registrar2"}
	if _, body := reg.get("/transfers/far"); !strings.Contains(body, `href="/transfers/far?way=advance"`) || strings.Count(body, "<option value=\"7\"") != 1 || !strings.Contains(body, "<option value=\"3\"") {
		t.Error("the page of 转学")
	}
	_, body := reg.get("/transfers/far?way=advance")
	if strings.Contains(body, `name="reason"`) || !strings.Contains(body, `<option value="7"`) || strings.Contains(body, `<option value="3"`) {
		t.Error("the page of 升学")
	}
	v := vals("way", "advance", "registry", registrytest.There, "number", "g320509201403090010", "name", "沈星", "birth", "2014-03-09", "grade", "7", "class", "1班", "guardian", "mother")
	if res, body := reg.post("/transfers/far", v); res.StatusCode != 422 || !strings.Contains(body, `name="way" value="advance"`) || !strings.Contains(body, `value="沈星"`) {
		t.Errorf("without consent: %d", res.StatusCode)
	}
	v.Set("consent", "1")
	res, _ := reg.post("/transfers/far", v)
	ev, ok := last(f).(registry.CallOver)
	if res.StatusCode != 303 || !ok || ev.Way != registry.CaseAdvance || ev.ToGrade != 7 || ev.Number != "G320509201403090010" || ev.Reason != "" || ev.ToClass != "1班" {
		t.Errorf("%d %+v", res.StatusCode, last(f))
	}
}

// The archive's page takes it out by a form: a ZIP that anybody can check, and the cover and catalogue; an approval that does not hold is explained.
func TestArchiveOutPage(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	here := "/pupils/" + string(f.UID("刘一诺")) + "/archive"
	_, body := reg.get(here)
	if !strings.Contains(body, `action="`+here+`/pack"`) || !strings.Contains(body, "书面批准") {
		t.Fatal("the page does not offer it")
	}
	res, body := reg.post(here+"/pack", vals("approval", ""))
	c, err := parcel.Check(strings.NewReader(body), int64(len(body)), nil)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/zip" || !strings.Contains(res.Header.Get("Content-Disposition"), "attachment") || err != nil || len(c.Faults) != 0 {
		t.Errorf("%d %v %+v", res.StatusCode, err, c.Faults)
	}
	if res, body = reg.post(here+"/pack", vals("approval", "refused")); res.StatusCode != 422 || !strings.Contains(body, "没有可用的书面批准") {
		t.Errorf("%d: refused without a word", res.StatusCode)
	}
	if res, body = reg.post(here+"/book", vals("approval", "")); res.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(body, "%PDF") {
		t.Error("no paper")
	}
}
