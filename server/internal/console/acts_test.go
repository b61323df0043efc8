package console_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"xueji/server/internal/console"
	"xueji/server/internal/console/consoletest"
	"xueji/server/internal/service"
	"xueji/server/registry"
	"xueji/server/registry/registrytest"
)

func vals(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func ref(f *consoletest.Fake, name string) string {
	p := f.Get(f.UID(name))
	return fmt.Sprintf("%s:%d", p.UID, p.Version)
}

func last(f *consoletest.Fake) any {
	if len(f.Posted) == 0 {
		return nil
	}
	return f.Posted[len(f.Posted)-1]
}

func wantTo(t *testing.T, res interface{ Location() (*url.URL, error) }, to string) {
	t.Helper()
	u, err := res.Location()
	if err != nil || u.Path != to {
		t.Fatalf("led to %v (%v), want %s", u, err, to)
	}
}

var (
	formTag = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	postTag = regexp.MustCompile(`method="post"`)
)

// TestFormsCarryToken: every form that posts, on every page, holds the token, and posts are refused without one.
func TestFormsCarryToken(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	forms := 0
	for _, p := range pages(f) {
		_, body := client{t: t, app: a, who: p.Who}.get(escape(p.Path))
		for _, m := range formTag.FindAllStringSubmatch(body, -1) {
			if !postTag.MatchString(m[1]) {
				continue
			}
			forms++
			if !strings.Contains(m[2], `name="csrf" value="`+consoletest.CSRF+`"`) {
				t.Errorf("%s: a form without token: %s", p.Path, m[1])
			}
		}
	}
	if forms < 60 {
		t.Fatalf("only %d forms were seen", forms)
	}
	r := httptest.NewRequest("POST", "/todo/accept", strings.NewReader("ref=x:1"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if res, _ := (client{t: t, app: a, who: "officer"}).do(r); res.StatusCode != 403 {
		t.Fatalf("without token: %d", res.StatusCode)
	}
}

func TestSignIn(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	nobody := client{t: t, app: a}
	res, _ := nobody.post("/sign-in", vals("login", "registrar", "password", "right", "next", "/pupils"))
	wantTo(t, res, "/pupils")
	if !strings.Contains(res.Header.Get("Set-Cookie"), "xj_session=token-registrar") {
		t.Error("no session was set")
	}
	res, body := nobody.post("/sign-in", vals("login", "registrar", "password", "wrong"))
	if res.StatusCode != 401 || !strings.Contains(body, `role="alert"`) || !strings.Contains(body, `value="registrar"`) {
		t.Errorf("wrong password: %d", res.StatusCode)
	}
	res, _ = nobody.post("/sign-in", vals("login", "registrar", "password", "right", "next", "//evil.example/x"))
	wantTo(t, res, "/")
	for who, to := range map[string]string{"registrar": "/todo", "clerk": "/cards", "operator": "/kiosks"} {
		res, _ = client{t: t, app: a, who: who}.get("/")
		wantTo(t, res, to)
	}
	res, _ = nobody.get("/todo")
	wantTo(t, res, "/sign-in")
	res, _ = nobody.get("/lang/en?back=" + url.QueryEscape("//evil.example"))
	wantTo(t, res, "/")
	if !strings.Contains(res.Header.Get("Set-Cookie"), "xj_lang=en") {
		t.Error("the language was not kept")
	}
	res, _ = client{t: t, app: a, who: "registrar"}.post("/sign-out", nil)
	wantTo(t, res, "/sign-in")
}

func TestApproveMany(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	officer := client{t: t, app: a, who: "officer"}
	_, body := officer.get("/todo")
	m := regexp.MustCompile(`name="ref" value="([^"]*,[^"]*)" data-n="6"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatal("newcomers of one grade do not stand together")
	}
	res, _ := officer.post("/todo/accept", vals("ref", m[1], "ref", ref(f, "徐若曦")))
	wantTo(t, res, "/todo")
	for _, n := range []string{"萧景行", "许婉清"} {
		if p := f.Get(f.UID(n)); p.Standing != registry.StandingEnrolled || p.Number == "" {
			t.Errorf("%s is %s", n, p.Standing)
		}
	}
	moved := f.Get(f.UID("徐若曦"))
	if c := moved.OpenCase(); c == nil || c.Current() != 2 {
		t.Error("the transfer did not move on")
	}
	// The flash cookie becomes one sentence on the next page, and is taken away.
	r := httptest.NewRequest("GET", "/todo", nil)
	for _, c := range res.Cookies() {
		r.AddCookie(c)
	}
	res, body = officer.do(r)
	if !strings.Contains(body, "已同意 7 件。") || !strings.Contains(strings.Join(res.Header.Values("Set-Cookie"), ";"), "xj_flash=;") {
		t.Error("the sentence about what was done is missing, or stays for ever")
	}
	if res, _ = officer.post("/todo/accept", nil); res.StatusCode != 303 {
		t.Errorf("nothing chosen: %d", res.StatusCode)
	}
}

// More than a page waits for are a run: its page tells the progress, the list leads to it.
func TestApproveVeryMany(t *testing.T) {
	f := consoletest.New()
	officer := client{t: t, app: app(t, f), who: "officer"}
	v := vals()
	for i := range service.ManyAtOnce + 1 {
		v.Add("ref", fmt.Sprintf("u-%d:%d", i, i+1))
	}
	res, _ := officer.post("/todo/accept", v)
	wantTo(t, res, "/bulk/b-4")
	refs := f.Posted[len(f.Posted)-2].([]service.Ref)
	if len(refs) != service.ManyAtOnce+1 || refs[100] != (service.Ref{UID: "u-100", Seen: 101}) || last(f).(registry.DecideStep).Decision != registry.DecisionAccept {
		t.Errorf("queued %d: %v", len(refs), last(f))
	}
	if _, body := officer.get("/todo"); !strings.Contains(body, `href="/bulk/b-4"`) {
		t.Error("the list does not lead to the run")
	}
	_, body := officer.get("/bulk/b-4")
	if !strings.Contains(body, "待办批量办理") || !strings.Contains(body, "未办的仍在待办事项里") || strings.Contains(body, "/retry") {
		t.Error("the page does not say where the rest is")
	}
}

func TestSomeFailed(t *testing.T) {
	f := consoletest.New()
	officer := client{t: t, app: app(t, f), who: "officer"}
	stale := string(f.UID("徐若曦")) + ":1"
	res, body := officer.post("/todo/accept", vals("ref", stale, "ref", ref(f, "萧景行")))
	if res.StatusCode != 409 || !strings.Contains(body, "办成 1 件，1 件没有办成") || !strings.Contains(body, "徐若曦") {
		t.Fatalf("%d: what failed is not listed", res.StatusCode)
	}
	clean(t, "some failed", body)
}

func TestReceiverGivesClasses(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	v := vals("ref", ref(f, "张浩然"), "ref", ref(f, consoletest.RareName))
	_, body := reg.post("/todo/accept", v)
	uid := string(f.UID("张浩然"))
	if !strings.Contains(body, `name="class.`+uid+`"`) || strings.Contains(body, `name="class.`+string(f.UID(consoletest.RareName))) {
		t.Fatal("the class is asked of the received pupil, and only of that one")
	}
	clean(t, "accept", body)
	v.Set("classes", "1")
	v.Set("class."+uid, "4班")
	v.Set("class-all", "9班")
	res, _ := reg.post("/todo/accept", v)
	wantTo(t, res, "/todo")
	moved := f.Get(f.UID("张浩然"))
	if c := moved.OpenCase(); c.ToClass != "4班" || c.Current() != 1 {
		t.Errorf("class %q, step %d", c.ToClass, c.Current())
	}
}

func TestRefuse(t *testing.T) {
	f := consoletest.New()
	officer := client{t: t, app: app(t, f), who: "officer"}
	v := vals("ref", ref(f, "徐若曦"))
	res, body := officer.post("/todo/refuse", v)
	if res.StatusCode != 200 || !strings.Contains(body, "徐若曦") || strings.Count(body, `name="refusal"`) != 7 || len(f.Posted) != 0 {
		t.Fatal("the reason is asked before anything happens")
	}
	clean(t, "refuse", body)
	v.Set("confirm", "1")
	for _, why := range []string{"", "nonsense", "other"} {
		v.Set("refusal", why)
		if res, body = officer.post("/todo/refuse", v); res.StatusCode != 422 || !strings.Contains(body, `role="alert"`) {
			t.Errorf("reason %q: %d", why, res.StatusCode)
		}
	}
	v.Set("refusal", "evidence_missing")
	v.Set("note", "缺户口簿复印件")
	res, _ = officer.post("/todo/refuse", v)
	wantTo(t, res, "/todo")
	cs := f.Get(f.UID("徐若曦")).Cases
	c := cs[len(cs)-1]
	if c.State != registry.CaseRefused || c.Steps[1].Refusal != registry.RefuseEvidence || c.Steps[1].Note != "缺户口簿复印件" {
		t.Errorf("the case is %s", c.State)
	}
}

// TestDecideOne: the page's version goes with the act; who comes second is told who was first.
func TestDecideOne(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	p := f.Get(f.UID(consoletest.RareName))
	here := "/pupils/" + string(p.UID) + "/cases/" + string(p.Lock)
	reg := client{t: t, app: a, who: "registrar"}
	_, body := reg.get(here)
	if !strings.Contains(body, fmt.Sprintf(`name="seen" value="%d"`, p.Version)) || !strings.Contains(body, `name="party" value="sender"`) {
		t.Fatal("the form does not say what was seen")
	}
	v := vals("seen", fmt.Sprint(p.Version), "party", "sender", "decision", "accept")
	res, _ := reg.post(here+"/decide", v)
	wantTo(t, res, here)
	ev := last(f).(registry.DecideStep)
	if ev != (registry.DecideStep{CaseNo: p.Lock, Party: registry.PartySender, Decision: registry.DecisionAccept}) {
		t.Errorf("posted %+v", ev)
	}
	res, body = client{t: t, app: a, who: "leader"}.post(here+"/decide", v)
	if res.StatusCode != 409 || !strings.Contains(body, "周敏") || !strings.Contains(body, "文新小学") || !strings.Contains(body, `href="`+here+`"`) {
		t.Fatalf("%d: the second is not told who was first", res.StatusCode)
	}
	clean(t, "conflict", body)
	if res, body = reg.post(here+"/decide", vals("party", "sender", "decision", "refuse")); res.StatusCode != 422 || !strings.Contains(body, "请先选择退回原因") {
		t.Errorf("refusing without a reason: %d", res.StatusCode)
	}
}

func TestWithdraw(t *testing.T) {
	f := consoletest.New()
	p := f.Get(f.UID("吴宇轩"))
	here := "/pupils/" + string(p.UID) + "/cases/" + string(p.Lock)
	reg := client{t: t, app: app(t, f), who: "registrar"}
	if _, body := reg.get(here); !strings.Contains(body, here+"/withdraw") {
		t.Fatal("the starter is not offered to withdraw")
	}
	res, _ := reg.post(here+"/withdraw", vals("seen", fmt.Sprint(p.Version), "note", "家长改变主意"))
	wantTo(t, res, here)
	if f.Get(p.UID).Lock != "" {
		t.Error("the lock stays")
	}
}

// upload posts a form with files.
func (c client) upload(path string, fields url.Values, field, name string, body []byte, accept string) (int, string, string) {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	w.WriteField("csrf", consoletest.CSRF)
	for k, vs := range fields {
		for _, v := range vs {
			w.WriteField(k, v)
		}
	}
	if field != "" {
		fw, _ := w.CreateFormFile(field, name)
		fw.Write(body)
	}
	w.Close()
	r := httptest.NewRequest("POST", path, &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	res, out := c.do(r)
	return res.StatusCode, res.Header.Get("Location"), out
}

func TestSuspendAndReturn(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	uid := string(f.UID("马俊杰"))
	v := vals("from", "2026-11-24", "until", "2027-11-23", "reason", "illness", "words", "骨折", "guardian", "马建国")
	code, to, _ := reg.upload("/pupils/"+uid+"/suspend", v, "evidence", "证明.pdf", []byte("%PDF-"), "")
	ev, ok := last(f).(registry.StartSuspend)
	if code != 303 || !ok || ev.Reason != "因病：骨折" || ev.Guardian != "马建国" || ev.From != "2026-11-24" || len(ev.Evidence) != 1 {
		t.Fatalf("%d %s %+v", code, to, ev)
	}
	v.Set("until", "2026-11-24")
	code, _, body := reg.upload("/pupils/"+uid+"/suspend", v, "", "", nil, "")
	if code != 422 || !strings.Contains(body, "马建国") || !strings.Contains(body, `role="alert"`) {
		t.Errorf("impossible dates: %d, or what was typed is lost", code)
	}
	back := f.Get(f.UID("胡明轩"))
	code, to, _ = reg.upload("/pupils/"+string(back.UID)+"/return", vals("seen", fmt.Sprint(back.Version), "grade", "4", "class", "2班", "proof", "医院康复证明"), "", "", nil, "")
	if code != 303 || f.Get(back.UID).Standing != registry.StandingEnrolled {
		t.Errorf("return: %d %s", code, to)
	}
}

func TestArchive(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	p := f.Get(f.UID("朱可欣"))
	here := "/pupils/" + string(p.UID) + "/archive"
	_, body := reg.get(here)
	if !strings.Contains(body, "学籍基础信息表") {
		t.Error("the catalogue does not begin with what Article 7 asks")
	}
	v := vals("seen", fmt.Sprint(p.Version), "rows", "3", "group.0", "1", "title.0", "学籍基础信息表", "date.0", "2026-09-01", "pages.0", "2",
		"group.1", "2", "title.1", "", "pages.1", "", "group.2", "4", "title.2", "体检表", "pages.2", "1", "copy.2", "1")
	res, _ := reg.post(here, v)
	wantTo(t, res, here)
	want := []registry.ArchiveItem{{No: 1, Group: 1, Title: "学籍基础信息表", Date: "2026-09-01", Pages: 2}, {No: 2, Group: 4, Title: "体检表", Pages: 1, Copy: true}}
	if got := f.Get(p.UID).Archive; !reflect.DeepEqual(got.Items, want) || got.State != registry.ArchiveHeld {
		t.Errorf("kept %+v", got.Items)
	}
	v.Set("pages.2", "many")
	if res, body = reg.post(here, v); res.StatusCode != 422 || !strings.Contains(body, "第 3 行有误") || !strings.Contains(body, `value="体检表"`) {
		t.Errorf("a bad cell: %d", res.StatusCode)
	}
	v.Set("more", "1")
	if _, body = reg.post(here, v); !strings.Contains(body, `name="title.7"`) {
		t.Error("no more rows without script")
	}

	send := f.Get(f.UID("陈雨桐"))
	here = "/pupils/" + string(send.UID) + "/archive"
	res, _ = reg.post(here+"/send", vals("seen", fmt.Sprint(send.Version), "carrier", "机要交换 8841"))
	wantTo(t, res, here)
	if got := f.Get(send.UID).Archive; got.State != registry.ArchiveTransit {
		t.Errorf("sent: %s", got.State)
	}
	if res, body = reg.get(here + "/cover.pdf"); res.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(body, "%PDF") {
		t.Error("no cover sheet")
	}

	owed := f.Get(f.UID("林诗涵"))
	here = "/pupils/" + string(owed.UID) + "/archive"
	if res, _ = reg.post(here+"/settle", vals("seen", fmt.Sprint(owed.Version))); res.StatusCode != 422 {
		t.Errorf("settled without a word: %d", res.StatusCode)
	}
	res, _ = reg.post(here+"/settle", vals("seen", fmt.Sprint(owed.Version), "note", "11 月 20 日补寄"))
	wantTo(t, res, here)
}

func form(values registry.Form) url.Values {
	v := url.Values{}
	for k, x := range values {
		v.Set("f."+string(k), x)
	}
	return v
}

func TestEnrolByHand(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	good := registrytest.FormOf("新同学", "2020-05-06", 777, 1)
	v := form(good)
	v.Set("pin", "246810")
	res, _ := reg.post("/enrol/new", v)
	wantTo(t, res, "/pupils/"+string(f.UID("新同学")))

	// One digit slipped: the item is marked, the repair is offered, the rest is still there.
	bad := registrytest.FormOf("王五", "2020-05-06", 779, 1)
	id := []byte(bad[registry.FIDNumber])
	id[16] = '0' + (id[16]-'0'+1)%10
	bad[registry.FIDNumber] = string(id)
	res, body := reg.post("/enrol/new", form(bad))
	if res.StatusCode != 422 || !strings.Contains(body, "data-repair") || !strings.Contains(body, `value="王五"`) || !strings.Contains(body, `aria-invalid="true" aria-describedby="f.id_number.why"`) {
		t.Errorf("%d: a slip of the ID number is not explained", res.StatusCode)
	}
	clean(t, "findings", body)

	// The person is at another school: where, and a way to call the pupil over without typing again.
	there := f.Get(f.UID("黄梓萱")).Form
	res, body = reg.post("/enrol/new", form(there))
	if res.StatusCode != 422 || !strings.Contains(body, "古荡小学") || !strings.Contains(body, `action="/transfers/find"`) || !strings.Contains(body, `value="`+there[registry.FIDNumber]+`"`) {
		t.Fatalf("%d: the duplicate is not told where the pupil is", res.StatusCode)
	}
	clean(t, "duplicate", body)
	res, body = reg.post("/transfers/find", vals("id_number", there[registry.FIDNumber], "name", "黄梓萱"))
	if res.StatusCode != 200 || !strings.Contains(body, "黄梓萱") || !strings.Contains(body, `action="/transfers"`) {
		t.Fatal("the pupil is not found for a transfer")
	}
	clean(t, "found", body)
	if res, body = reg.post("/transfers/find", vals("id_number", there[registry.FIDNumber], "name", "黄子萱")); res.StatusCode != 404 || strings.Contains(body, "古荡小学") {
		t.Error("a name that is not exact finds somebody")
	}
	start := vals("uid", string(f.UID("黄梓萱")), "id_number", there[registry.FIDNumber], "name", "黄梓萱", "grade", "1", "class", "2班", "reason", "moved", "guardian", "mother")
	if code, _, body := reg.upload("/transfers", start, "", "", nil, ""); code != 422 || !strings.Contains(body, "请先确认监护人") {
		t.Errorf("without consent: %d", code)
	}
	start.Set("consent", "1")
	code, to, _ := reg.upload("/transfers", start, "evidence", "户口簿.jpg", []byte("\xff\xd8"), "")
	ev, ok := last(f).(registry.StartTransfer)
	if code != 303 || !ok || ev.To != registrytest.PrimaryA || ev.ToClass != "2班" || ev.Reason != "moved" || len(ev.Evidence) != 1 || !strings.Contains(to, string(ev.CaseNo)) {
		t.Fatalf("%d %s %+v", code, to, ev)
	}
}

func TestImport(t *testing.T) {
	f := consoletest.New()
	reg := client{t: t, app: app(t, f), who: "registrar"}
	code, to, _ := reg.upload("/enrol/imports", nil, "workbook", "一年级.xlsx", []byte("PK\x03\x04"), "")
	if code != 303 || !strings.HasPrefix(to, "/enrol/imports/im-") {
		t.Fatalf("%d %s", code, to)
	}
	code, _, body := reg.upload("/enrol/imports", nil, "workbook", "一年级.xlsx", []byte("PK\x03\x04"), "application/json")
	if code != 200 || !strings.Contains(body, `"href":"/enrol/imports/`) {
		t.Errorf("script's upload: %d %s", code, body)
	}
	for _, accept := range []string{"", "application/json"} {
		if code, _, body = reg.upload("/enrol/imports", nil, "workbook", "x.txt", []byte("hello"), accept); code != 422 || !strings.Contains(body, "不是 Excel 工作簿") {
			t.Errorf("not an xlsx: %d %s", code, body)
		}
		if code, _, _ = reg.upload("/enrol/imports", nil, "", "", nil, accept); code != 422 {
			t.Errorf("no file: %d", code)
		}
	}
	_, body = reg.get("/enrol/imports/im-2/state")
	var st struct {
		State   string
		Percent int
		Running bool
	}
	if err := json.Unmarshal([]byte(body), &st); err != nil || !st.Running || st.Percent != 36 {
		t.Errorf("state %s", body)
	}
	if _, body := reg.get("/enrol/imports/im-2"); !strings.Contains(body, `<noscript><meta http-equiv="refresh"`) {
		t.Error("without script the page does not ask again")
	}
	if res, body := reg.get("/enrol/imports/im-1/marked.xlsx"); res.StatusCode != 200 || body != "PK marked" || !strings.Contains(res.Header.Get("Content-Disposition"), "attachment") {
		t.Error("the marked workbook does not come back")
	}
	res, _ := reg.post("/enrol/imports/im-2/cancel", nil)
	wantTo(t, res, "/enrol/imports/im-2")
}

func TestCards(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	clerk := client{t: t, app: a, who: "clerk"}
	_, body := clerk.get("/cards/queue?school=2133000101")
	var q struct {
		Rows []struct{ UID, Name string }
	}
	if err := json.Unmarshal([]byte(body), &q); err != nil || len(q.Rows) == 0 {
		t.Fatalf("queue %s", body)
	}
	tell := func(who, token, path, said string) (int, string) {
		r := httptest.NewRequest("POST", path, strings.NewReader(said))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		r.Header.Set("X-CSRF-Token", token)
		res, body := client{t: t, app: a, who: who}.do(r)
		return res.StatusCode, body
	}
	ask := func(who, token string) (int, string) {
		return tell(who, token, "/cards/ticket", `{"uid":"`+q.Rows[0].UID+`","reason":"first"}`)
	}
	if code, body := ask("clerk", consoletest.CSRF); code != 200 || !strings.Contains(body, `"ticket":"ticket-`+q.Rows[0].UID) {
		t.Errorf("ticket: %d %s", code, body)
	}
	if code, _ := ask("clerk", "wrong"); code != 403 {
		t.Errorf("ticket without token: %d", code)
	}
	if code, body := ask("registrar", consoletest.CSRF); code != 403 || !strings.HasPrefix(body, "{") {
		t.Errorf("a registrar's ticket: %d %s", code, body)
	}
	if _, body := clerk.get("/cards/trust"); !strings.Contains(body, `"certificates":["Y2VydGlmaWNhdGU="]`) || !strings.Contains(body, `"status_list":"bGlzdA=="`) {
		t.Errorf("trust %s", body)
	}
	reg := client{t: t, app: a, who: "registrar"}
	uid := string(f.UID(consoletest.DotName))
	card := f.Get(registry.UID(uid)).Card.Number
	post := func(act, reason, note, want string) {
		t.Helper()
		res, _ := reg.post("/pupils/"+uid+"/card/"+act, vals("card", card, "reason", reason, "note", note))
		wantTo(t, res, "/pupils/"+uid)
		if last(f) != want {
			t.Errorf("posted %v, want %s", last(f), want)
		}
	}
	post("lose", "lost", "在操场", "card:lose:lost:在操场")
	_, body = reg.get("/pupils/" + uid)
	for _, want := range []string{"已挂失", "在操场", "/card/find", "王老师"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of a pupil who lost the card does not say %s", want)
		}
	}
	post("find", "", "", "card:find")
	if res, body := reg.post("/pupils/"+uid+"/card/lose", vals("card", card, "reason", "invented")); res.StatusCode != 422 || !strings.Contains(body, `role="alert"`) {
		t.Errorf("a reason that is not offered: %d", res.StatusCode)
	}
	explain := `action="/pupils/` + uid + `/card/explain"`
	if _, body := reg.get("/pupils/" + uid); strings.Contains(body, explain) {
		t.Error("a copy that nobody met is to be explained")
	}
	b, _ := json.Marshal(map[string]any{"record": []byte("copied " + uid), "verdict": "wrong_chip"})
	if code, body := tell("clerk", consoletest.CSRF, "/cards/read", string(b)); code != 200 || !strings.Contains(body, "复制来的") || !strings.Contains(body, "待办") {
		t.Errorf("a copy laid before a clerk: %d %s", code, body)
	}
	if _, body := reg.get("/todo"); !strings.Contains(body, "发现卡片副本") || !strings.Contains(body, "/pupils/"+uid+"#card") {
		t.Error("the copy is nobody's task")
	}
	if _, body := reg.get("/pupils/" + uid); !strings.Contains(body, explain) || !strings.Contains(body, "写在另一枚芯片上") || !strings.Contains(body, `name="note" maxlength="200" required`) {
		t.Error("the pupil's page does not lead the registrar to an explanation")
	}
	if _, body := clerk.get("/pupils/" + uid); strings.Contains(body, explain) {
		t.Error("who makes cards may explain a copy")
	}
	post("explain", "misread", "原卡当面核对过", "card:explain:misread:原卡当面核对过")
	if _, body := reg.get("/todo"); strings.Contains(body, "发现卡片副本") {
		t.Error("an explained copy is still a task")
	}
	if _, body := reg.get("/pupils/" + uid); strings.Contains(body, explain) || !strings.Contains(body, "原卡当面核对过") {
		t.Error("the explanation does not stand in the card's life")
	}
	post("revoke", "misuse", "", "card:revoke:misuse")
	post("destroy", "", "", "card:destroy")
	if res, _ := reg.post("/pupils/"+uid+"/card/use", vals("card", card)); res.StatusCode != 404 {
		t.Errorf("an act that is nobody's: %d", res.StatusCode)
	}
}

// TestRuns: a clerk makes a list of a class, sees it through, and a registrar hands the cards out and notes it, some or all.
func TestRuns(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	clerk, reg := client{t: t, app: a, who: "clerk"}, client{t: t, app: a, who: "registrar"}
	if res, body := clerk.post("/cards/runs", vals("school", string(registrytest.PrimaryA), "class", "没有")); res.StatusCode != 422 || !strings.Contains(body, "没有等待发卡的学生") {
		t.Errorf("a list of nobody: %d", res.StatusCode)
	}
	res, _ := clerk.post("/cards/runs", vals("school", string(registrytest.PrimaryA)))
	wantTo(t, res, "/cards/runs/r-2")
	ask := func(path, body string) map[string]any {
		t.Helper()
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		r.Header.Set("X-CSRF-Token", consoletest.CSRF)
		res, out := clerk.do(r)
		m := map[string]any{}
		if err := json.Unmarshal([]byte(out), &m); err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, res.StatusCode, out)
		}
		return m
	}
	one, two := ask("/cards/next", `{"run":"r-2","lane":"one"}`), ask("/cards/next", `{"run":"r-2","lane":"two"}`)
	if one["uid"] == "" || one["uid"] == two["uid"] || one["name"] == "" {
		t.Errorf("drawn %v and %v", one, two)
	}
	ask("/cards/reject", `{"uid":"`+one["uid"].(string)+`","reason":"chip","run":"r-2","lane":"one"}`)
	if last(f) != "spoil:"+one["uid"].(string)+":chip" {
		t.Errorf("posted %v", last(f))
	}
	ask("/cards/release", `{"lane":"one"}`)
	if _, err := f.Issue("ticket-" + two["uid"].(string)); err != nil {
		t.Fatal(err)
	}
	_, body := clerk.get("/cards/runs/r-2")
	if !strings.Contains(body, `href="/cards?run=r-2"`) || !strings.Contains(body, "/cards/labels.pdf?uid="+two["uid"].(string)) {
		t.Errorf("the list's page leads nowhere: %s", body[strings.Index(body, "<main"):])
	}
	clean(t, "a list", body)
	if _, body = clerk.get("/cards?run=r-2"); !strings.Contains(body, `data-run="r-2"`) {
		t.Error("the issuing screen does not follow the list")
	}
	if _, body = clerk.get("/cards/runs/r-2/state"); !strings.Contains(body, `"made":1`) {
		t.Errorf("state %s", body)
	}
	res, _ = clerk.post("/cards/runs/r-2/close", nil)
	wantTo(t, res, "/cards/runs/r-2")
	_, body = clerk.get("/cards/runs")
	clean(t, "lists", body)

	_, body = reg.get("/cards/handout")
	clean(t, "hand out", body)
	uid := string(f.UID(two["name"].(string)))
	if !strings.Contains(body, `value="`+uid+`"`) || !strings.Contains(body, "/cards/slip.pdf?school=") {
		t.Error("the made card does not wait to be handed out")
	}
	res, _ = reg.post("/cards/handout", vals("school", string(registrytest.PrimaryA), "some", "1", "uid", uid))
	wantTo(t, res, "/cards/handout")
	if last(f) != "deliver:1" {
		t.Errorf("posted %v", last(f))
	}
	res, _ = reg.post("/cards/handout", vals("school", string(registrytest.PrimaryA), "all", "1", "class_uids", uid+","+string(f.UID("朱可欣"))))
	wantTo(t, res, "/cards/handout")
	if last(f) != "deliver:2" {
		t.Errorf("posted %v", last(f))
	}
	for path, want := range map[string]int{"/cards/slip.pdf?school=2133000101": 200, "/cards/labels.pdf?uid=" + uid: 200, "/cards/labels.pdf": 422, "/cards/runs": 403, "/cards/runs/r-2": 403} {
		if res, _ := reg.get(path); res.StatusCode != want {
			t.Errorf("%s for a registrar: %d, want %d", path, res.StatusCode, want)
		}
	}
	// A term's newcomers at once: the page lists classes, each opens by itself.
	if err := f.CrowdCards(450); err != nil {
		t.Fatal(err)
	}
	if _, body = reg.get("/cards/handout"); strings.Contains(body, `name="uid"`) || !strings.Contains(body, "grade=1&amp;class=") || len(body) > 100<<10 {
		t.Errorf("450 cards on one page of %d bytes", len(body))
	}
	clean(t, "hand out to many", body)
	officer := client{t: t, app: a, who: "officer"}
	if res, _ := officer.get("/cards/handout"); res.StatusCode != 403 {
		t.Errorf("handing out for an officer: %d", res.StatusCode)
	}
}

func TestKiosks(t *testing.T) {
	f := consoletest.New()
	op := client{t: t, app: app(t, f), who: "operator"}
	_, body := op.post("/kiosks", vals("school", string(registrytest.PrimaryA), "name", "二楼"))
	if !strings.Contains(body, "7QK2-M9XC") {
		t.Fatal("the code is not shown")
	}
	clean(t, "code", body)
	if _, body = op.get("/kiosks"); strings.Contains(body, "7QK2-M9XC") {
		t.Error("the code is shown twice")
	}
	res, _ := op.post("/kiosks/k-1/revoke", nil)
	wantTo(t, res, "/kiosks")
	if last(f) != "revoke-kiosk:k-1" {
		t.Errorf("posted %v", last(f))
	}
}

// TestErrors: an error page names who can mend it, in each language, as a page and as JSON.
func TestErrors(t *testing.T) {
	f := consoletest.New()
	a := app(t, f)
	for _, l := range []string{"zh-Hans", "zh-Hant", "en"} {
		c := client{t, a, "registrar", l}
		for _, code := range []registry.Code{registry.CodeLocked, registry.CodeWrongState, registry.CodeNotYourTurn, registry.CodeForbidden, registry.CodeUnavailable, registry.CodeInternal} {
			f.Refuse = &registry.Error{Code: code}
			p := f.Get(f.UID(consoletest.RareName))
			_, body := c.post("/pupils/"+string(p.UID)+"/cases/"+string(p.Lock)+"/decide", vals("seen", "0", "party", "sender", "decision", "accept"))
			if !strings.Contains(body, "errorpage") && !strings.Contains(body, `role="alert"`) {
				t.Errorf("%s %s: no word about it", l, code)
			}
			clean(t, l+" "+string(code), body)
		}
	}
	r := httptest.NewRequest("GET", "/pupils/suggest?q=a", nil)
	r.Header.Set("Accept", "application/json")
	if res, _ := (client{t: t, app: a}).do(r); res.StatusCode < 400 {
		t.Errorf("script without a session: %d", res.StatusCode)
	}
}

func TestLargeBody(t *testing.T) {
	for path, want := range map[string]bool{"/enrol/imports": true, "/transfers": true, "/pupils/x/suspend": true, "/pupils/x/return": true, "/todo/accept": false, "/pupils/x/archive": false, "/sign-in": false} {
		if console.LargeBody(path) != want {
			t.Errorf("LargeBody(%s) is not %v", path, want)
		}
	}
}

// The name of a file that is sent is the program's own, whatever an address put into it.
func TestNamesOfFiles(t *testing.T) {
	res, _ := client{t: t, app: app(t, consoletest.New()), who: "operator"}.get("/kiosks/" + url.PathEscape(`k-1"; filename=evil.html; x="学`) + "/receipt.json")
	if got := res.Header.Get("Content-Disposition"); !regexp.MustCompile(`^attachment; filename="xueji-receipt-k-1[A-Za-z0-9._-]+\.json"$`).MatchString(got) {
		t.Error(got)
	}
}

// A credential is bound to addresses one a line or between commas, and to a key by its request; what is wrong is said at the form.
func TestClientPosts(t *testing.T) {
	f := consoletest.New()
	security := client{t: t, app: app(t, f), who: "security"}
	res, _ := security.post("/clients/c-1/nets", vals("nets", "203.0.113.8\r\n 198.51.100.0/24，2001:db8::/48"))
	wantTo(t, res, "/clients")
	if got := f.Posted[len(f.Posted)-1]; got != "bind-client:c-1:203.0.113.8 198.51.100.0/24 2001:db8::/48" {
		t.Errorf("%v", got)
	}
	if res, body := security.post("/clients/c-1/nets", vals("nets", "everywhere")); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "203.0.113.0/28") {
		t.Errorf("a wrong address: %d", res.StatusCode)
	}
	if _, body := security.post("/clients/c-1/certificate", vals("csr", "-----BEGIN CERTIFICATE REQUEST-----")); !strings.Contains(body, "-----BEGIN CERTIFICATE-----") {
		t.Error("the certificate is not shown")
	}
	res, _ = security.post("/clients/c-1/certificate", vals("csr", " "))
	wantTo(t, res, "/clients")
}
