package web_test

import (
	"encoding/base64"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"xueji/server/internal/demo"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

var update = flag.Bool("update", false, "write testdata/routes.txt anew; read every changed line of it")

// signedIn sends one request under a session, as the console's own pages do. "" is nobody.
func (r *rig) signedIn(token, method, path, form string) (int, string, http.Header) {
	r.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(form))
	req.Host = "localhost"
	if form != "" || method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		req.AddCookie(&http.Cookie{Name: "xj_session", Value: token})
		req.Header.Set("X-CSRF-Token", base64.RawURLEncoding.EncodeToString(r.keys.CSRF(token)))
	}
	res, err := r.w.App.Test(req, -1)
	ok(r.t, err)
	return read(r.t, res)
}

// pupil enrols a newcomer at a school, through its registrar, its leader and the county's officer.
func (r *rig) pupil(n int, registrar, leader, officer string) registry.UID {
	r.t.Helper()
	who := func(login string) service.Staff {
		w, err := r.s.WhoIs(r.ctx, r.session(login))
		ok(r.t, err)
		return w
	}
	uid, findings, err := r.s.EnrolOne(r.ctx, who(registrar), r.gen.Newcomers(n + 1)[n], "")
	ok(r.t, err)
	if uid == "" {
		r.t.Fatalf("%v", findings)
	}
	for _, step := range []struct {
		login string
		party registry.Party
	}{{leader, registry.PartySchool}, {officer, registry.PartyAuthority}} {
		p, err := r.st.Pupil(r.ctx, uid)
		ok(r.t, err)
		if p.Lock == "" {
			break
		}
		_, err = r.s.Act(r.ctx, who(step.login), uid, 0, registry.DecideStep{CaseNo: p.Lock, Party: step.party, Decision: registry.DecisionAccept})
		ok(r.t, err)
	}
	return uid
}

// columns of the table: the seven roles of one county, a registrar of another, an account that is disabled, one without a training record, and nobody.
var columns = []string{"registrar.yunhe", "leader.yunhe", "officer.yunhe", "clerk.yunhe", "operator", "security.yunhe", "auditor.yunhe", "registrar.qingshi", "disabled", "untrained", ""}

// word is what an answer means for the table.
func word(status int, h http.Header) string {
	to := h.Get("Location")
	switch {
	case status == http.StatusSeeOther && strings.HasPrefix(to, "/sign-in"):
		return "door" // led to the sign-in page
	case status < 400:
		return "ok"
	case status == http.StatusUnauthorized:
		return "door"
	case status == http.StatusForbidden:
		return "no"
	case status == http.StatusNotFound:
		return "nf"
	case status >= 500 && status != http.StatusServiceUnavailable:
		return "FAULT"
	}
	return "in" // let in, and told what is wrong with the request
}

// Every route of the server against every role, the wrong unit, and those who may nothing. The routes are read from Fiber itself: one that has no row in
// testdata/routes.txt fails the test, and so does one whose answer changed. A row is an empty request: what lets it in and then finds it wanting says "in".
func TestEveryRouteForEveryRole(t *testing.T) {
	r := newRig(t, anyone)
	uid := string(r.pupil(0, "registrar.yunhe", "leader.yunhe", "officer.yunhe"))
	lost := map[string]string{"disabled": r.session("registrar.yunhe2"), "untrained": r.session("leader.yunhe2")}
	for id, spoil := range map[string]func(*store.Account){"a-registrar.yunhe2": func(a *store.Account) { a.Disabled = true }, "a-leader.yunhe2": func(a *store.Account) { a.TrainedOn = "" }} {
		a, err := r.st.Account(r.ctx, id)
		ok(t, err)
		spoil(&a)
		ok(t, r.st.PutAccount(r.ctx, a))
	}
	fill := strings.NewReplacer(":uid", uid, ":no", "ZX-2026-0000-000001", ":digest", strings.Repeat("0", 64), ":id", "a-registrar.mingde", ":to", "en", ":file", "console.css", ":act", "lose",
		":seq", "1", "*", "x")
	want := map[string]string{}
	golden, err := os.ReadFile("testdata/routes.txt")
	if err == nil {
		for _, line := range strings.Split(string(golden), "\n") {
			if f := strings.Fields(line); len(f) > 2 && !strings.HasPrefix(line, "#") {
				want[f[0]+" "+f[1]] = strings.Join(f[2:], " ")
			}
		}
	}
	got := map[string]string{}
	var names []string
	for _, route := range r.w.App.GetRoutes(true) {
		name := route.Method + " " + route.Path
		if _, twice := got[name]; twice || route.Method != http.MethodGet && route.Method != http.MethodPost && route.Method != http.MethodPut && route.Method != http.MethodDelete {
			continue
		}
		var cells []string
		for _, who := range columns {
			token := lost[who]
			if who != "" && token == "" {
				token = r.session(who)
			}
			if route.Path == "/events" && who != "" && lost[who] == "" {
				cells = append(cells, "stream")
				continue
			}
			status, body, h := r.signedIn(token, route.Method, fill.Replace(route.Path), "decision=accept")
			w := word(status, h)
			if w == "FAULT" {
				t.Errorf("%s by %s: %d %.200s", name, who, status, body)
			}
			cells = append(cells, w)
		}
		names = append(names, name)
		got[name] = strings.Join(cells, " ")
		// What the table may never say, whatever is written there.
		open := strings.HasPrefix(route.Path, "/sign-in") || strings.HasPrefix(route.Path, "/lang/") || strings.HasPrefix(route.Path, "/static/") || strings.HasPrefix(route.Path, "/v1/") ||
			strings.HasPrefix(route.Path, "/audit/") || route.Path == "/livez" || route.Path == "/readyz" || route.Path == "/openapi.json" ||
			route.Path == "/check" || strings.HasPrefix(route.Path, "/check/") // whether a paper is genuine: anybody may ask
		for i, who := range columns {
			c := cells[i]
			if (who == "" || lost[who] != "") && !open && c != "door" && c != "no" && c != "nf" {
				t.Errorf("%s answers %q to %q, who may nothing", name, c, who)
			}
			if strings.HasPrefix(route.Path, "/v1/") && c != "door" && c != "nf" && c != "in" {
				t.Errorf("%s answers %q to a person's session", name, c)
			}
			duty := slices.Contains([]string{"operator", "security.yunhe", "auditor.yunhe"}, who)
			if (duty || who == "registrar.qingshi") && strings.HasPrefix(route.Path, "/pupils/:uid") && c != "nf" && c != "no" {
				t.Errorf("%s answers %q to %s about a pupil that is not theirs to see", name, c, who)
			}
		}
	}
	slices.Sort(names)
	if *update {
		var b strings.Builder
		fmt.Fprintf(&b, "# %s\n# ok: done or shown; in: let in, the empty request is wanting; no: forbidden; nf: does not exist for them; door: led to sign-in; stream: not tried\n", strings.Join(columns, " "))
		for _, n := range names {
			fmt.Fprintf(&b, "%s %s\n", n, got[n])
		}
		os.MkdirAll("testdata", 0o755)
		ok(t, os.WriteFile("testdata/routes.txt", []byte(b.String()), 0o644))
		return
	}
	for _, n := range names {
		switch w, known := want[n]; {
		case !known:
			t.Errorf("%s is not in testdata/routes.txt: decide who may use it\n%s %s", n, n, got[n])
		case w != got[n]:
			t.Errorf("%s\n got  %s\n want %s", n, got[n], w)
		}
		delete(want, n)
	}
	for n := range want {
		t.Errorf("%s is in testdata/routes.txt and no route any more", n)
	}
}

var changing = regexp.MustCompile(`\b[0-9a-f]{16}\b`)

// Random accounts call every route that names a pupil, for random pupils of three schools in two counties. Who may see whom is told by an oracle of one line a
// role. Outside it the answer is, byte for byte but for the pupil's own number in the address, the answer for a pupil that does not exist, and nothing changes.
func TestNothingOutsideScopeExists(t *testing.T) {
	r := newRig(t, anyone)
	school := map[registry.UID]registry.Unit{}
	var uids []registry.UID
	for i, s := range []struct{ short, county string }{{"yunhe", "yunhe"}, {"qingshi", "qingshi"}, {"yunhe2", "yunhe"}, {"yunhe", "yunhe"}, {"qingshi", "qingshi"}} {
		uid := r.pupil(i, "registrar."+s.short, "leader."+s.short, "officer."+s.county)
		p, err := r.st.Pupil(r.ctx, uid)
		ok(t, err)
		school[uid] = p.School
		uids = append(uids, uid)
	}
	sees := func(a demo.Account, of registry.Unit) bool {
		office := of == demo.QingshiCentre && a.Unit == demo.Qingshi || of != demo.QingshiCentre && a.Unit == demo.Yunhe || a.Unit == demo.City || a.Unit == demo.Province
		switch a.Role {
		case registry.RoleRegistrar, registry.RoleLeader:
			return a.Unit == of
		case registry.RoleOfficer, registry.RoleClerk:
			return office || a.Unit == of
		}
		return false
	}
	type call struct{ method, path string }
	var calls []call
	for _, route := range r.w.App.GetRoutes(true) {
		if strings.Contains(route.Path, ":uid") && (route.Method == http.MethodGet || route.Method == http.MethodPost) {
			calls = append(calls, call{route.Method, route.Path})
		}
	}
	if len(calls) < 15 {
		t.Fatalf("only %d routes name a pupil: the test looks in the wrong place", len(calls))
	}
	accounts := r.gen.Accounts()
	rnd := rand.New(rand.NewPCG(2013, uint64(len(calls))))
	nobody := registry.NewUID([16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	seen, unseen := 0, 0
	tokens := map[string]string{}
	for range 800 {
		a, uid, c := accounts[rnd.IntN(len(accounts))], uids[rnd.IntN(len(uids))], calls[rnd.IntN(len(calls))]
		if tokens[a.Login] == "" {
			tokens[a.Login] = r.session(a.Login)
		}
		before, err := r.st.Pupil(r.ctx, uid)
		ok(t, err)
		no := string(before.Cases[0].No)
		ask := func(uid registry.UID) (int, string) {
			path := strings.NewReplacer(":uid", string(uid), ":no", no, ":digest", strings.Repeat("0", 64), ":act", "lose").Replace(c.path)
			status, body, _ := r.signedIn(tokens[a.Login], c.method, path, "case="+no+"&reason=other&note=x&seen=0&why=family")
			return status, changing.ReplaceAllString(strings.ReplaceAll(body, string(uid), "UID"), "•")
		}
		may := sees(a, school[uid])
		status, body := ask(uid)
		if may {
			seen++
			if c.path == "/pupils/:uid" && c.method == http.MethodGet && status != http.StatusOK {
				t.Fatalf("%s may see the pupil, and gets %d", a.Login, status)
			}
			continue
		}
		unseen++
		s2, body2 := ask(nobody)
		if status != s2 || body != body2 || status < 400 {
			t.Fatalf("%s %s by %s: %d for a pupil outside scope, %d for one that does not exist\n%s\n----\n%s", c.method, c.path, a.Login, status, s2, cut(body), cut(body2))
		}
		if name := before.Form[registry.FName]; strings.Contains(body, name) {
			t.Fatalf("%s %s by %s tells a name", c.method, c.path, a.Login)
		}
		after, err := r.st.Pupil(r.ctx, uid)
		ok(t, err)
		if after.Version != before.Version {
			t.Fatalf("%s %s by %s changed a pupil outside their scope", c.method, c.path, a.Login)
		}
	}
	// Lists and searches name nobody outside either.
	for _, a := range accounts {
		if tokens[a.Login] == "" {
			tokens[a.Login] = r.session(a.Login)
		}
		for _, path := range []string{"/pupils", "/pupils?q=", "/cases", "/todo", "/archives", "/cards", "/pupils/suggest?q="} {
			for _, uid := range uids {
				p, err := r.st.Pupil(r.ctx, uid)
				ok(t, err)
				at := path
				if strings.HasSuffix(at, "q=") {
					at += p.Form[registry.FName]
				}
				_, body, _ := r.signedIn(tokens[a.Login], http.MethodGet, strings.ReplaceAll(at, p.Form[registry.FName], urlOf(p.Form[registry.FName])), "")
				if !sees(a, school[uid]) && strings.Contains(body, string(uid)) {
					t.Fatalf("%s shows %s a pupil outside their scope", path, a.Login)
				}
			}
		}
	}
	if seen < 50 || unseen < 200 {
		t.Fatalf("%d inside, %d outside: the fuzz is lopsided", seen, unseen)
	}
}

func cut(s string) string { return s[:min(len(s), 3000)] }

func urlOf(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
