package console_test

import (
	"net/url"
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
	"xueji/server/internal/service"
	"xueji/server/registry/units"
)

// Where an office has hundreds of schools, no page lists them all: one is typed and found, and long lists are narrowed and turned over.
func TestManySchools(t *testing.T) {
	f := consoletest.New()
	o := client{t: t, app: app(t, f), who: "officer"}
	if _, body := o.get("/pupils"); strings.Contains(body, "data-schools") || !strings.Contains(body, `<select name="school"`) {
		t.Error("a few schools are not chosen from a list")
	}
	f.AddSchools(600)
	for _, page := range []string{"/pupils", "/exports", "/certificates", "/cards/handout", "/units", "/units?code=2133000101", "/promotion", "/reviews", "/kiosks", "/archives/kept"} {
		res, body := o.get(page)
		if res.StatusCode == 200 && strings.Count(body, "第") > 400 {
			t.Errorf("%s lists the schools: %d bytes", page, len(body))
		}
	}
	if _, body := o.get("/schools?q=第17小"); body != `["第17小学 2133010017"]` {
		t.Errorf("a part of a name finds %s", body)
	}
	for typed, want := range map[string]string{"第17小学 2133010017": "第17小学 2133010017", "第18小": "第18小学 2133010018", "2133010019": "第19小学 2133010019"} {
		if _, body := o.get("/pupils?school=" + url.QueryEscape(typed)); !strings.Contains(body, `value="`+want+`"`) {
			t.Errorf("%s is not read as %s", typed, want)
		}
	}
	_, body := o.get("/units?page=2")
	if !strings.Contains(body, "page=3") || !strings.Contains(body, "page=1") || strings.Contains(body, ">第1小学<") {
		t.Error("the second page of the schools is not the second page")
	}
	if _, body := o.get("/units?q=第333小学"); !strings.Contains(body, ">第333小学<") || strings.Contains(body, ">第334小学<") {
		t.Error("the list is not narrowed")
	}
	before := len(f.Posted)
	for _, again := range []string{"", "2133010018"} { // for ever: the code is typed again
		if res, body := o.post("/units", vals("act", "close", "code", "2133010017", "on", string(f.Today()), "ref", "x", "retyped", again)); res.StatusCode != 422 || !strings.Contains(body, "标识码不一致") || len(f.Posted) != before {
			t.Errorf("closed with %q: %d", again, res.StatusCode)
		}
	}
	res, _ := o.post("/units", vals("act", "merge", "code", "2133010017", "into", "第18小学 2133010018", "on", string(f.Today()), "ref", "x", "retyped", "2133010017"))
	if res.StatusCode >= 400 {
		t.Fatal(res.StatusCode)
	}
	if got := f.Posted[len(f.Posted)-1].(units.Merge); got.Into != "2133010018" {
		t.Errorf("%+v", got)
	}
}

// A place of the form is said with its name, typed by name or code and found while typing; a name of many places is asked, with what it may mean to press.
func TestPlaces(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	if res, body := reg.post("/regions", vals("q", "余杭")); res.StatusCode != 200 || !strings.Contains(body, "余杭区 330110") {
		t.Error(res.StatusCode, body)
	}
	form := vals("grade", "1", "doc", "id", "mode", "ordinary", "f.hukou", "鼓楼区", "f.birth_place", "330106", "f.g1.hukou", "330199")
	res, body := reg.post("/enrol/new", form)
	for _, want := range []string{"同名的地方有 4 个", "江苏省南京市鼓楼区 320106", `value="鼓楼区"`, " 330106\"", "行政区划代码表里没有这个代码", `data-find-in="/regions"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%d: no %q", res.StatusCode, want)
		}
	}
}

// An office names a school's county as a registrar names a place.
func TestPlaceOfASchool(t *testing.T) {
	f := consoletest.New()
	o := client{t: t, app: app(t, f), who: "officer"}
	if _, body := o.get("/units?code=2133000101"); !strings.Contains(body, ` 330106" autocomplete="off"`) {
		t.Error("the county is a bare code")
	}
	form := vals("act", "change", "code", "2133000101", "kind", "primary", "authority", "330106", "from_grade", "1", "to_grade", "6")
	for typed, want := range map[string]int{"无此地": 422, "330106": 303, "浙江省杭州市西湖区 330106": 303} {
		form.Set("region", typed)
		if res, body := o.post("/units", form); res.StatusCode != want {
			t.Errorf("%s: %d %s", typed, res.StatusCode, body)
		}
	}
}

// What is wrong with an upload stands on its page: row, masked name, item, and how to mend it; the rest is counted.
func TestWrongRowsOfAnUpload(t *testing.T) {
	f := consoletest.New()
	i, err := f.Import(t.Context(), service.Staff{}, "im-1")
	if err != nil {
		t.Fatal(err)
	}
	i.Bad = 12
	f.SetImport(i)
	reg := client{t: t, app: app(t, f), who: "registrar"}
	_, body := reg.get("/enrol/imports/im-1")
	for _, want := range []string{"欧阳*", "校验位不对，多半有一位抄错，请与户口簿或证件逐位核对。", "Excel 把证件号当成数字", "同名的地方有 2 个", "南昌市西湖区 360103", "另有 10 行待改正"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q", want)
		}
	}
	if _, body := reg.get("/enrol/imports/im-2"); strings.Contains(body, "欧阳*") {
		t.Error("a run that goes on tells its rows already")
	}
}
