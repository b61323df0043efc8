package web_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/openapi/openapitest"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/internal/web"
	"xueji/server/registry"
)

const approvalNo = "云教〔2026〕7号"

// approve enters an approval of the county for 云河区实验小学 or ("") all its schools.
func (r *rig) approve(no string, school registry.Unit) {
	r.t.Helper()
	who, err := r.s.WhoIs(r.ctx, r.session("officer.yunhe"))
	ok(r.t, err)
	ok(r.t, r.s.PutApproval(r.ctx, who, store.Approval{No: no, To: "教务系统", Purpose: "排课", Fields: []registry.FieldKey{registry.FName, "number", "standing"}, School: school,
		Until: registry.DateOf(r.now().AddDate(0, 2, 0))}, "application/pdf", strings.NewReader("%PDF-1.7 scan")))
}

// program is a credential of a unit.
func (r *rig) program(unit registry.Unit, no string, scopes ...string) (id, secret string) {
	r.t.Helper()
	who, err := r.s.WhoIs(r.ctx, r.session("security.yunhe"))
	ok(r.t, err)
	c, secret, err := r.s.NewClient(r.ctx, who, store.Client{Name: "教务系统", Unit: unit, Scopes: scopes, Approval: no, Until: registry.DateOf(r.now().AddDate(0, 1, 0))})
	ok(r.t, err)
	return c.ID, secret
}

// asClient sends one request under a credential ("id:secret").
func (r *rig) asClient(cred, method, path, body string) (int, string, http.Header) {
	r.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Host = "localhost"
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if cred != "" {
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(cred)))
	}
	res, err := r.w.App.Test(req, -1)
	ok(r.t, err)
	return read(r.t, res)
}

// Every route of the server for other systems' credentials: each reaches the calls of its own scope, answers nothing else, and a console page is not there for it.
func TestEveryRouteForAClient(t *testing.T) {
	r := newRig(t, anyone, func(o *service.Options) { o.RollLag = -time.Hour })
	r.pupil(0, "registrar.yunhe", "leader.yunhe", "officer.yunhe")
	r.approve(approvalNo, demo.YunheShiyan)
	r.approve(approvalNo+"二", "")
	cred := func(unit registry.Unit, no string, scopes ...string) string {
		id, secret := r.program(unit, no, scopes...)
		return id + ":" + secret
	}
	roll, hand := cred(demo.YunheShiyan, approvalNo, store.ScopeRoll), cred(demo.YunheShiyan, "", store.ScopeNewcomers)
	look, office := cred(demo.YunheShiyan, approvalNo, store.ScopeLookup), cred(demo.Yunhe, approvalNo+"二", store.ScopeLookup)
	ended, over := cred(demo.YunheShiyan, approvalNo, store.Scopes...), "c-nobody:x"
	sec, err := r.s.WhoIs(r.ctx, r.session("security.yunhe"))
	ok(t, err)
	id, _, _ := strings.Cut(ended, ":")
	ok(t, r.s.RevokeClient(r.ctx, sec, id))
	names := []string{"roll", "newcomers", "lookup", "office", "ended", "unknown", "nobody"}
	creds := []string{roll, hand, look, office, ended, over, ""}
	want := map[string]string{ // in the order of names
		"GET " + api.PathRoll:       "ok no no no door door door",
		"POST " + api.PathNewcomers: "no in no no door door door", // an empty hand-in
		"GET " + api.PathNewcomers:  "no nf no no door door door",
		"POST " + api.PathLookup:    "no no no no door door door", // no approval named
	}
	seen := 0
	for _, route := range r.w.App.GetRoutes(true) {
		if route.Method != http.MethodGet && route.Method != http.MethodPost && route.Method != http.MethodPut && route.Method != http.MethodDelete || route.Path == "/events" {
			continue
		}
		name := route.Method + " " + route.Path
		body := ""
		if route.Method != http.MethodGet {
			body = "{}"
		}
		var got []string
		for _, c := range creds {
			status, text, h := r.asClient(c, route.Method, strings.NewReplacer(":to", "en", ":file", "console.css", "*", "x", ":", "").Replace(route.Path), body)
			got = append(got, word(status, h))
			if strings.Contains(text, "2133010042") {
				t.Errorf("%s names another county's school", name)
			}
		}
		if w, mine := want[name]; mine {
			seen++
			if g := strings.Join(got, " "); g != w {
				t.Errorf("%s\n got  %s\n want %s\n (%s)", name, g, w, names)
			}
			continue
		}
		for i := range creds { // elsewhere a credential is worth what nobody's is
			if got[i] != got[len(got)-1] {
				t.Errorf("%s answers %q to %s and %q to nobody", name, got[i], names[i], got[len(got)-1])
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d calls are routes", seen, len(want))
	}
	_, _, h := r.asClient("", http.MethodGet, api.PathRoll, "")
	if h.Get("Cache-Control") != "no-store" || !strings.HasPrefix(h.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("%v", h)
	}
}

// What a client asks outside its scope is answered, byte for byte, as if it did not exist; and every call stands in the log.
func TestClientSeesNothingOutside(t *testing.T) {
	r := newRig(t, anyone, func(o *service.Options) { o.RollLag = -time.Hour })
	mine := r.pupil(0, "registrar.yunhe", "leader.yunhe", "officer.yunhe")
	far := r.pupil(1, "registrar.qingshi", "leader.qingshi", "officer.qingshi")
	r.approve(approvalNo, "")
	id, secret := r.program(demo.Yunhe, approvalNo, store.ScopeLookup)
	ask := func(number, name string) string {
		b, _ := json.Marshal(api.LookupRequest{Approval: approvalNo, Pupils: []api.LookupItem{{Number: number, Name: name}}})
		status, text, _ := r.asClient(id+":"+secret, http.MethodPost, api.PathLookup, string(b))
		if status != http.StatusOK {
			t.Fatal(status, text)
		}
		return text
	}
	in, err := r.st.Pupil(r.ctx, mine)
	ok(t, err)
	out, err := r.st.Pupil(r.ctx, far)
	ok(t, err)
	if got := ask(string(in.Number), in.Form[registry.FName]); !strings.Contains(got, `"agrees":true`) {
		t.Fatal(got)
	}
	none := ask("G110105194912310021", "王五")
	for _, got := range []string{ask(string(out.Number), out.Form[registry.FName]), ask(string(in.Number), out.Form[registry.FName]), ask(string(out.Number), in.Form[registry.FName])} {
		if got != none {
			t.Fatalf("%s and %s", got, none)
		}
	}
	es, err := r.st.Audit(r.ctx, store.AuditQuery{Account: id, Limit: 100})
	ok(t, err)
	kinds := map[audit.Kind]int{}
	for _, e := range es {
		kinds[e.Kind]++
		if e.Via != "api" || e.Unit != demo.Yunhe || e.Role != registry.RoleProgram {
			t.Errorf("%+v", e)
		}
	}
	if kinds[audit.Export] != 2 || kinds[audit.Find] != 4 { // the copy and the pupil in it; four that did not agree
		t.Fatal(kinds)
	}
}

// overTLS serves the same edge as a server that ends TLS itself does.
func (r *rig) overTLS() (base string) { return r.secure(r.w) }

func (r *rig) secure(w *web.Web) (base string) {
	r.t.Helper()
	ca := r.keys.CA()
	cert, err := ca.Server([]string{"localhost"}, time.Now())
	ok(r.t, err)
	ln, err := tls.Listen("tcp", "localhost:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool()})
	ok(r.t, err)
	w.App.Handler() // the routes are laid out by the first to ask
	go w.App.Server().Serve(ln)
	r.t.Cleanup(func() { w.App.Server().Shutdown() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return "https://localhost:" + port
}

// The guide's commands run as they stand against a real server, and answer in the shape that the guide shows; the wire is what openapi.json says.
func TestIntegratorsGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/integrators.md")
	ok(t, err)
	r := newRig(t, anyone, func(o *service.Options) { o.RollLag = -time.Hour })
	r.pupil(0, "registrar.yunhe", "leader.yunhe", "officer.yunhe")
	r.approve(approvalNo, demo.YunheShiyan)
	id, secret := r.program(demo.YunheShiyan, approvalNo, store.Scopes...)
	sec, err := r.s.WhoIs(r.ctx, r.session("security.yunhe"))
	ok(t, err)
	dir := t.TempDir()
	ran, base := 0, r.base
	var out string
	for block := range strings.SplitSeq(string(guide), "\n```") {
		if code, is := strings.CutPrefix(block, "sh\n"); is {
			cmd := exec.CommandContext(r.ctx, "sh", "-euc", code)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "XUEJI="+base, "CURL_CA_BUNDLE="+dir+"/ca.pem", "ID="+id, "SECRET="+secret, "APPROVAL="+approvalNo)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			b, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s\n%v\n%s%s", code, err, b, stderr.String())
			}
			out = string(b)
			ran++
			if csr, err := os.ReadFile(dir + "/client.csr"); err == nil && base == r.base { // the administrator's part
				base = r.overTLS()
				cert, err := r.s.CertifyClient(r.ctx, sec, id, csr)
				ok(t, err)
				ok(t, os.WriteFile(dir+"/client.crt", cert, 0o600))
				ok(t, os.WriteFile(dir+"/ca.pem", r.keys.CA().PEM(), 0o600))
			}
		}
		if shown, is := strings.CutPrefix(block, "json\n"); is {
			if a, b := members(t, shown), members(t, out); !slices.Equal(a, b) {
				t.Errorf("the guide shows\n%s\nand the server answers\n%s", shown, out)
			}
		}
	}
	if ran < 8 || base == r.base {
		t.Fatalf("only %d commands ran", ran)
	}
	// Bound now: the right secret alone is refused, on the plain line and on the other.
	if status, text, _ := r.asClient(id+":"+secret, http.MethodGet, api.PathRoll, ""); status != http.StatusForbidden || !strings.Contains(text, `"certificate"`) {
		t.Errorf("without the certificate: %d %s", status, text)
	}
	_, err = r.s.CertifyClient(r.ctx, sec, id, nil)
	ok(t, err)
	// The newcomer of the guide has every required item, and waits.
	who, err := r.s.WhoIs(r.ctx, r.session("registrar.yunhe"))
	ok(t, err)
	waiting, err := r.s.Handed(r.ctx, who)
	ok(t, err)
	if len(waiting) != 1 {
		t.Fatalf("%d newcomers wait", len(waiting))
	}
	for _, f := range registry.Fields {
		if f.Required && waiting[0].Form[f.Key] == "" {
			t.Errorf("the guide's newcomer lacks %s", f.Key)
		}
	}
	// The same calls through a transport that holds them to openapi.json.
	wire := openapitest.New(t)
	send := func(method, path, body string) {
		req, err := http.NewRequestWithContext(r.ctx, method, r.base+path, strings.NewReader(body))
		ok(t, err)
		req.SetBasicAuth(id, secret)
		req.Header.Set("Content-Type", "application/json")
		res, err := wire.Client().Do(req)
		ok(t, err)
		res.Body.Close()
	}
	send(http.MethodGet, api.PathRoll+"?limit=1", "")
	send(http.MethodGet, api.PathRoll+"?after=x", "")
	newcomer, err := os.ReadFile(dir + "/newcomer.json")
	ok(t, err)
	send(http.MethodPost, api.PathNewcomers, string(newcomer))
	send(http.MethodPost, api.PathNewcomers, strings.Replace(string(newcomer), "欧阳文博", "欧阳文", 1))
	send(http.MethodPost, api.PathNewcomers, `{"ref":"2","form":{"name":"李雷"}}`)
	send(http.MethodGet, api.PathNewcomers+"?ref=2026-0417", "")
	send(http.MethodGet, api.PathNewcomers+"?ref=none", "")
	send(http.MethodPost, api.PathLookup, `{"approval":"`+approvalNo+`","pupils":[{"number":"G330106201409010017","name":"李雷"}]}`)
	send(http.MethodPost, api.PathLookup, `{"approval":"none","pupils":[]}`)
	for _, route := range api.Routes() {
		if route.Who == api.ByClient && !slices.Contains(wire.Done(), route.Method+" "+route.Path) {
			t.Errorf("%s %s was not held to openapi.json", route.Method, route.Path)
		}
	}
}

// members are the names of an object's members.
func members(t *testing.T, text string) []string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return slices.Sorted(maps.Keys(m))
}
