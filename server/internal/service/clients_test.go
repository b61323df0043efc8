package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/server/api"
	"xueji/server/internal/audit"
	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// program makes a client of a unit through the console, and proves it as its calls would.
func (r *rig) program(unit registry.Unit, approval string, scopes ...string) store.Client {
	r.t.Helper()
	c, secret, err := r.s.NewClient(r.ctx, r.staff("security.yunhe"), store.Client{Name: "教务系统", Unit: unit, Scopes: scopes, Approval: approval, Until: registry.DateOf(r.now().AddDate(0, 1, 0))})
	if err != nil {
		r.t.Fatal(err)
	}
	return must[store.Client](r.t)(r.s.Program(r.ctx, c.ID, secret, Calling{Remote: "192.0.2.7"}))
}

func (r *rig) approve(no string, school registry.Unit, grade int, fields ...registry.FieldKey) {
	r.t.Helper()
	a := store.Approval{No: no, To: "教务系统", Purpose: "排课", Fields: fields, School: school, Grade: grade, Until: registry.DateOf(r.now().AddDate(0, 2, 0))}
	if err := r.s.PutApproval(r.ctx, r.staff("officer.yunhe"), a, "application/pdf", strings.NewReader("%PDF-1.7 scan")); err != nil {
		r.t.Fatal(err)
	}
}

// A credential is made by whoever keeps accounts, for a unit under them, for a year at most, and for what leaves only behind an approval that holds.
func TestClientIsMade(t *testing.T) {
	r := newRig(t)
	sec := r.staff("security.yunhe")
	r.approve("云教〔2026〕1号", demo.YunheShiyan, 0, registry.FName, ExportNumber)
	good := store.Client{Name: "教务系统", Unit: demo.YunheShiyan, Scopes: []string{store.ScopeRoll}, Approval: "云教〔2026〕1号", Until: registry.DateOf(r.now().AddDate(0, 1, 0))}
	for want, bad := range map[registry.Code][]func(*store.Client){
		registry.CodeInvalid: {func(c *store.Client) { c.Name = " " }, func(c *store.Client) { c.Scopes = nil }, func(c *store.Client) { c.Scopes = []string{"all"} }, func(c *store.Client) { c.Until = "2020-01-01" },
			func(c *store.Client) { c.Until = registry.DateOf(r.now().AddDate(2, 0, 0)) }, func(c *store.Client) { c.Until = registry.DateOf(r.now().AddDate(0, 3, 0)) },
			func(c *store.Client) { c.Unit, c.Scopes = demo.Yunhe, []string{store.ScopeNewcomers} }},
		registry.CodeForbidden: {func(c *store.Client) { c.Approval = "" }, func(c *store.Client) { c.Approval = "云教〔2026〕2号" }},
		registry.CodeNotFound:  {func(c *store.Client) { c.Unit = demo.QingshiCentre }, func(c *store.Client) { c.Unit = "2199999999" }},
	} {
		for i, f := range bad {
			c := good
			f(&c)
			_, _, err := r.s.NewClient(r.ctx, sec, c)
			if got := registry.CodeOf(err); got != want {
				t.Errorf("%s %d: %v", want, i, err)
			}
		}
	}
	c, secret, err := r.s.NewClient(r.ctx, sec, good)
	if err != nil || len(secret) < 40 || c.SecretHash != nil {
		t.Fatal(c, secret, err)
	}
	if kept := must[store.Client](t)(r.st.Client(r.ctx, c.ID)); strings.Contains(string(kept.SecretHash), secret) || len(kept.SecretHash) != 32 {
		t.Fatal("the secret is kept")
	}
	if e := r.lookOf(t, audit.Account, "client/"+c.ID); e.What != "client_new" || e.Account != sec.ID {
		t.Fatalf("%+v", e)
	}
	// Whatever is wrong looks the same; a wrong secret costs the right one nothing.
	for _, try := range [][2]string{{c.ID, "x" + secret}, {"c-nobody", secret}, {"", ""}, {c.ID, ""}} {
		_, err := r.s.Program(r.ctx, try[0], try[1], Calling{Remote: "192.0.2.7"})
		wantCode(t, err, registry.CodeForbidden)
	}
	for range 2 * trySlow {
		_, err = r.s.Program(r.ctx, c.ID, "wrong", Calling{Remote: "192.0.2.7"})
	}
	if e, ok := err.(*registry.Error); !ok || e.Params["why"] != "wait" {
		t.Fatal("failures are not slowed down:", err)
	}
	must[store.Client](t)(r.s.Program(r.ctx, c.ID, secret, Calling{Remote: "192.0.2.7"}))
	// So many calls a minute, and no more.
	for range api.ClientRate {
		_, err = r.s.Program(r.ctx, c.ID, secret, Calling{Remote: "192.0.2.8"})
	}
	if e, ok := err.(*registry.Error); !ok || e.Params["why"] != "wait" {
		t.Fatal("calls are not bounded:", err)
	}
	r.pass(2 * time.Minute)
	must[store.Client](t)(r.s.Program(r.ctx, c.ID, secret, Calling{Remote: "192.0.2.8"}))
	// Over, and ended.
	r.pass(40 * 24 * time.Hour)
	_, err = r.s.Program(r.ctx, c.ID, secret, Calling{Remote: "192.0.2.8"})
	wantCode(t, err, registry.CodeForbidden)
	r.pass(-40 * 24 * time.Hour)
	if err := r.s.RevokeClient(r.ctx, sec, c.ID); err != nil {
		t.Fatal(err)
	}
	_, err = r.s.Program(r.ctx, c.ID, secret, Calling{Remote: "192.0.2.8"})
	wantCode(t, err, registry.CodeForbidden)
}

// requestOf is a certificate's request by a key of an elliptic curve.
func requestOf(t *testing.T, curve elliptic.Curve) []byte {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(curve, rand.Reader))
	return must[[]byte](t)(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "whoever"}}, key))
}

// A credential that is bound to networks or to a certificate is refused elsewhere, with what is wrong and in the log; a wrong secret is told nothing of it.
func TestClientIsBound(t *testing.T) {
	r := newRig(t)
	sec := r.staff("security.yunhe")
	c, secret, err := r.s.NewClient(r.ctx, sec, store.Client{Name: "教务系统", Unit: demo.YunheShiyan, Scopes: []string{store.ScopeNewcomers}, Until: registry.DateOf(r.now().AddDate(0, 1, 0)),
		Nets: []string{"192.0.2.77/24", "2001:db8::1", "192.0.2.0/24"}})
	if err != nil || !slices.Equal(c.Nets, []string{"192.0.2.0/24", "2001:db8::1/128"}) {
		t.Fatal(c.Nets, err)
	}
	why := func(remote, cert, with string) string {
		_, err := r.s.Program(r.ctx, c.ID, with, Calling{remote, cert})
		var e *registry.Error
		if errors.As(err, &e) {
			return e.Params["why"]
		}
		return ""
	}
	for remote, want := range map[string]string{"192.0.2.9": "", "::ffff:192.0.2.9": "", "2001:db8::1": "", "2001:db8::2": "net", "198.51.100.1": "net", "": "net", "x": "net"} {
		if got := why(remote, "", secret); got != want {
			t.Errorf("from %q: %q, want %q", remote, got, want)
		}
	}
	r.pass(time.Second)
	why("198.51.100.1", "", secret) // the last one: those of one moment stand in any order
	if e := r.lookOf(t, audit.SignIn, "client/"+c.ID); e.What != "client_elsewhere" || e.Net == "" {
		t.Fatalf("%+v", e)
	}
	if got := why("198.51.100.2", "", "wrong"); got != "client" {
		t.Fatalf("a wrong secret is told %q", got)
	}
	for _, bad := range []string{"192.0.2.0/33", "0.0.0.0/0", "::/0", "everywhere", "::ffff:192.0.2.0/120", "fe80::1%eth0"} {
		wantCode(t, r.s.BindClient(r.ctx, sec, c.ID, []string{bad}), registry.CodeInvalid)
	}
	wantCode(t, r.s.BindClient(r.ctx, r.staff("security.qingshi"), c.ID, nil), registry.CodeNotFound)
	if err := r.s.BindClient(r.ctx, sec, c.ID, nil); err != nil {
		t.Fatal(err)
	}
	if got := why("198.51.100.1", "", secret); got != "" {
		t.Fatal(got)
	}
	// The certificate: of our authority, of the key that was asked for, and no other.
	for _, bad := range [][]byte{[]byte("no request"), requestOf(t, elliptic.P224())} {
		_, err := r.s.CertifyClient(r.ctx, sec, c.ID, bad)
		wantCode(t, err, registry.CodeInvalid)
	}
	first := must[[]byte](t)(r.s.CertifyClient(r.ctx, sec, c.ID, requestOf(t, elliptic.P256())))
	b, _ := pem.Decode(first)
	leaf := must[*x509.Certificate](t)(x509.ParseCertificate(b.Bytes))
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: r.s.keys.CA().Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: r.now()}); err != nil || leaf.Subject.CommonName != c.ID ||
		registry.DateOf(leaf.NotAfter.Add(-time.Second)) != c.Until {
		t.Fatal(leaf.Subject, leaf.NotAfter, err)
	}
	sum := sha256.Sum256(leaf.Raw)
	mine := hex.EncodeToString(sum[:])
	for cert, want := range map[string]string{mine: "", "": "certificate", strings.Repeat("ab", 32): "certificate"} {
		if got := why("198.51.100.3", cert, secret); got != want {
			t.Errorf("with %q: %q, want %q", cert, got, want)
		}
	}
	must[[]byte](t)(r.s.CertifyClient(r.ctx, sec, c.ID, requestOf(t, elliptic.P384())))
	if got := why("198.51.100.4", mine, secret); got != "certificate" {
		t.Fatal("the certificate of before holds on")
	}
	must[[]byte](t)(r.s.CertifyClient(r.ctx, sec, c.ID, nil))
	if got := why("198.51.100.5", "", secret); got != "" {
		t.Fatal(got)
	}
}

// A school's own system gets who is on the roll, cut to the approval, then changes alone; each part is a numbered copy in the log, each pupil in it too.
func TestRoll(t *testing.T) {
	r := newRig(t)
	r.s.rollLag = -time.Hour // a test does not wait for its own commits
	r.authority()
	a, b := r.enrolled(0), r.enrolled(1)
	waits, _, err := r.s.EnrolOne(r.ctx, r.staff("registrar.yunhe"), r.form(2), "") // on its way in
	if err != nil {
		t.Fatal(err)
	}
	r.approve("云教〔2026〕1号", demo.YunheShiyan, 0, registry.FName, ExportNumber)
	c := r.program(demo.YunheShiyan, "云教〔2026〕1号", store.ScopeRoll)
	first := must[api.Roll](t)(r.s.Roll(r.ctx, c, "", 1))
	if len(first.Pupils) != 1 || !first.More || first.Copy != 1 || first.Approval != "云教〔2026〕1号" {
		t.Fatalf("%+v", first)
	}
	rest := must[api.Roll](t)(r.s.Roll(r.ctx, c, first.Next, 0))
	if len(rest.Pupils) != 1 || rest.More || len(rest.Gone) != 0 || rest.Copy != 2 {
		t.Fatalf("%+v", rest)
	}
	pa := r.pupil(a)
	got := slices.Concat(first.Pupils, rest.Pupils)
	i := slices.IndexFunc(got, func(p api.RollPupil) bool { return p.Fields["number"] == string(pa.Number) })
	if i < 0 || got[i].Fields["name"] != pa.Form[registry.FName] || len(got[i].Fields) != 2 || got[i].Version != pa.Version {
		t.Fatalf("%+v", got)
	}
	whole, _ := json.Marshal(got)
	for _, secret := range []string{string(a), string(b), string(waits)} { // the register's own names for them stay here
		if strings.Contains(string(whole)+first.Next+rest.Next, secret) {
			t.Fatal("a UID leaves")
		}
	}
	if none := must[api.Roll](t)(r.s.Roll(r.ctx, c, rest.Next, 0)); len(none.Pupils) != 0 || none.Copy != 0 {
		t.Fatalf("%+v", none)
	}
	if e := r.lookOf(t, audit.Export, string(a)); e.Account != c.ID || e.Via != "api" || e.Role != registry.RoleProgram {
		t.Fatalf("%+v", e)
	}
	readers := must[[]AuditLine](t)(r.s.Readers(r.ctx, r.staff("registrar.yunhe"), a))
	if !slices.ContainsFunc(readers, func(l AuditLine) bool { return l.Name == "教务系统" && l.Kind == audit.Export }) {
		t.Fatalf("the record's readers do not name the system: %+v", readers)
	}
	// A change comes; a pupil who goes to another school goes.
	must[registry.Pupil](t)(r.s.Act(r.ctx, r.staff("registrar.yunhe"), b, 0, registry.BuildArchive{Items: []registry.ArchiveItem{{No: 1, Group: 1, Title: "表", Pages: 1}}}))
	changed := must[api.Roll](t)(r.s.Roll(r.ctx, c, rest.Next, 0))
	if len(changed.Pupils) != 1 || changed.Pupils[0].Version != r.pupil(b).Version {
		t.Fatalf("%+v", changed)
	}
	p := r.pupil(a)
	p.School = demo.QingshiCentre
	if err := r.st.Commit(r.ctx, store.Batch{Changes: []store.Change{{Pupil: p, Entry: store.Entry{At: r.now(), Kind: registry.EvAmend, Payload: []byte("{}")}}}}); err != nil {
		t.Fatal(err)
	}
	gone := must[api.Roll](t)(r.s.Roll(r.ctx, c, changed.Next, 0))
	if len(gone.Pupils) != 0 || len(gone.Gone) != 1 || gone.Gone[0] != got[i].ID {
		t.Fatalf("%+v", gone)
	}
	// A mark is its client's alone, and no mark is made up.
	other := r.program(demo.YunheShiyan, "云教〔2026〕1号", store.ScopeRoll)
	for _, mark := range []string{first.Next, "AAAA", "!"} {
		_, err := r.s.Roll(r.ctx, other, mark, 0)
		wantCode(t, err, registry.CodeInvalid)
	}
	if again := must[api.Roll](t)(r.s.Roll(r.ctx, other, "", 0)); again.Pupils[0].ID == got[0].ID || again.Pupils[0].ID == got[1].ID {
		t.Fatal("two clients have one name for a pupil")
	}
	// Not without the scope, nor once the approval is ended.
	_, err = r.s.Roll(r.ctx, r.program(demo.YunheShiyan, "", store.ScopeNewcomers), "", 0)
	wantCode(t, err, registry.CodeForbidden)
	if err := r.s.RevokeApproval(r.ctx, r.staff("officer.yunhe"), "云教〔2026〕1号"); err != nil {
		t.Fatal(err)
	}
	_, err = r.s.Roll(r.ctx, c, "", 0)
	wantCode(t, err, registry.CodeForbidden)
}

// A newcomer that another system hands in is no pupil before the registrar enters it; the same call twice is one; a refusal is told with its words.
func TestHandIn(t *testing.T) {
	r := newRig(t)
	c := r.program(demo.YunheShiyan, "", store.ScopeNewcomers)
	form := func(n int) map[string]string {
		out := map[string]string{}
		for k, v := range r.form(n) {
			out[string(k)] = v
		}
		return out
	}
	f := form(0)
	delete(f, string(registry.FName))
	bad := must[api.NewcomerReply](t)(r.s.HandIn(r.ctx, c, api.Newcomer{Ref: "1", Form: f}))
	if bad.State != "wanting" || !slices.ContainsFunc(bad.Findings, func(x api.NewcomerFinding) bool { return x.Field == string(registry.FName) && !x.Warning }) {
		t.Fatalf("%+v", bad)
	}
	_, err := r.s.HandIn(r.ctx, c, api.Newcomer{Ref: "1", Form: map[string]string{"favourite_colour": "红"}})
	wantCode(t, err, registry.CodeInvalid)
	_, err = r.s.HandIn(r.ctx, c, api.Newcomer{Ref: strings.Repeat("长", 65), Form: form(0)})
	wantCode(t, err, registry.CodeInvalid)
	r.pass(time.Second)
	one := must[api.NewcomerReply](t)(r.s.HandIn(r.ctx, c, api.Newcomer{Ref: "1", Form: form(0)}))
	if one.State != store.HandedWaiting || one.ID != "" {
		t.Fatalf("%+v", one)
	}
	must[api.NewcomerReply](t)(r.s.HandIn(r.ctx, c, api.Newcomer{Ref: "1", Form: form(0)}))
	_, err = r.s.HandIn(r.ctx, c, api.Newcomer{Ref: "1", Form: form(1)})
	wantCode(t, err, registry.CodeConflict)
	r.pass(time.Second)
	must[api.NewcomerReply](t)(r.s.HandIn(r.ctx, c, api.Newcomer{Ref: "2", Form: form(1)}))
	reg := r.staff("registrar.yunhe")
	list := must[[]store.Handed](t)(r.s.Handed(r.ctx, reg))
	if len(list) != 2 || list[0].Ref != "1" {
		t.Fatalf("%+v", list)
	}
	// It is a task of the registrar's alone, due when a party's time for an enrolment is over.
	waits := func(who string, n, overdue int) {
		t.Helper()
		todo := must[ToDo](t)(r.s.ToDo(r.ctx, r.staff(who), ToDoAsk{}))
		got, listed := 0, 0
		for _, d := range todo.Handed {
			got += d.N
		}
		for _, row := range todo.Mine {
			listed += row.N
		}
		if got != n || todo.Counts.Overdue != overdue || todo.Counts.Overdue+todo.Counts.Soon+todo.Counts.InTime != listed {
			t.Fatalf("%s: %+v, %+v", who, todo.Handed, todo.Counts)
		}
	}
	waits("registrar.yunhe", 2, 0)
	waits("leader.yunhe", 0, 0)
	due, _ := r.s.cal.AddWorkingDays(r.s.Today(), r.s.Pack().StepWorkingDays[registry.CaseEnrol])
	if todo := must[ToDo](t)(r.s.ToDo(r.ctx, reg, ToDoAsk{})); len(todo.Handed) != 1 || todo.Handed[0].DueOn != due || todo.Handed[0].On != r.s.Today() {
		t.Fatalf("%+v, due %s", todo.Handed, due)
	}
	now := r.now()
	r.at(string(due.AddDays(1)))
	waits("registrar.yunhe", 2, 2)
	r.set(now)
	if n := must[int](t)(r.st.Count(r.ctx, store.Query{All: true})); n != 0 {
		t.Fatal("a draft is a pupil")
	}
	if got := must[[]store.Handed](t)(r.s.Handed(r.ctx, r.staff("registrar.qingshi"))); len(got) != 0 {
		t.Fatal("another school sees it")
	}
	h := must[store.Handed](t)(r.s.HandedOne(r.ctx, reg, list[0].ID))
	uid, findings, err := r.s.EnrolHanded(r.ctx, reg, h.ID, NewPupil{Form: h.Form})
	if err != nil || uid == "" || registry.Blocking(findings) {
		t.Fatal(uid, findings, err)
	}
	_, _, err = r.s.EnrolHanded(r.ctx, reg, h.ID, NewPupil{Form: h.Form})
	wantCode(t, err, registry.CodeWrongState)
	entered := must[api.NewcomerReply](t)(r.s.HandedIn(r.ctx, c, "1"))
	if entered.State != store.HandedEntered || entered.ID != r.s.clientID(c, uid) {
		t.Fatalf("%+v", entered)
	}
	wantCode(t, r.s.RefuseHanded(r.ctx, reg, list[1].ID, ""), registry.CodeInvalid)
	if err := r.s.RefuseHanded(r.ctx, reg, list[1].ID, "不在本校报到"); err != nil {
		t.Fatal(err)
	}
	waits("registrar.yunhe", 0, 0)
	if got := must[api.NewcomerReply](t)(r.s.HandedIn(r.ctx, c, "2")); got.State != store.HandedRefused || got.Words != "不在本校报到" {
		t.Fatalf("%+v", got)
	}
	// Another client's name for it is another's; a child who is in the register already is the registrar's to see, not the program's.
	other := r.program(demo.YunheShiyan, "", store.ScopeNewcomers)
	_, err = r.s.HandedIn(r.ctx, other, "1")
	wantCode(t, err, registry.CodeNotFound)
	again := must[api.NewcomerReply](t)(r.s.HandIn(r.ctx, other, api.Newcomer{Ref: "1", Form: form(0)}))
	if again.State != store.HandedWaiting || len(again.Findings) != len(one.Findings) {
		t.Fatalf("%+v", again)
	}
	list = must[[]store.Handed](t)(r.s.Handed(r.ctx, reg))
	_, _, err = r.s.EnrolHanded(r.ctx, reg, list[0].ID, NewPupil{Form: list[0].Form})
	wantCode(t, err, registry.CodeDuplicate)
	if e := r.lookOf(t, audit.Inbox, "handed/"+h.ID); e.Account != c.ID || e.What != "newcomer" {
		t.Fatalf("%+v", e)
	}
}

// A later stage of education confirms numbers under an approval. What does not agree, does not exist or lies outside is one answer; misses are counted.
func TestLookUp(t *testing.T) {
	r := newRig(t)
	r.authority()
	uid := r.enrolled(0)
	p := r.pupil(uid)
	no := "云教〔2026〕9号"
	r.approve(no, "", 0, ExportNumber, ExportStanding)
	c := r.program(demo.Yunhe, no, store.ScopeLookup)
	ask := func(c store.Client, no string, pairs ...string) (api.LookupReply, error) {
		var in []api.LookupItem
		for i := 0; i < len(pairs); i += 2 {
			in = append(in, api.LookupItem{Number: pairs[i], Name: pairs[i+1]})
		}
		return r.s.LookUp(r.ctx, c, api.LookupRequest{Approval: no, Pupils: in})
	}
	number, name := string(p.Number), p.Form[registry.FName]
	got := must[api.LookupReply](t)(ask(c, no, strings.ToLower(number), " "+name, number, "王五", "G110105194912310021", name, "", ""))
	none := api.LookupResult{}
	if len(got.Results) != 4 || !got.Results[0].Agrees || got.Results[0].Standing != "enrolled" || got.Results[0].School != "" || got.Copy != 1 {
		t.Fatalf("%+v", got)
	}
	for _, x := range got.Results[1:] {
		if x != none {
			t.Fatalf("%+v", got)
		}
	}
	if e := r.lookOf(t, audit.Export, string(uid)); e.Account != c.ID {
		t.Fatalf("%+v", e)
	}
	// Outside: an approval of one school, the number of another's pupil; and a client of one school.
	r.approve("云教〔2026〕10号", demo.YunheSecond, 0, ExportNumber)
	if got := must[api.LookupReply](t)(ask(r.program(demo.Yunhe, "云教〔2026〕10号", store.ScopeLookup), "云教〔2026〕10号", number, name)); got.Results[0] != none || got.Copy != 0 {
		t.Fatalf("%+v", got)
	}
	if got := must[api.LookupReply](t)(ask(r.program(demo.YunheSecond, no, store.ScopeLookup), no, number, name)); got.Results[0] != none {
		t.Fatalf("%+v", got)
	}
	_, err := ask(c, "云教〔2026〕10号", number, name)
	wantCode(t, err, registry.CodeForbidden)
	_, err = ask(c, no)
	wantCode(t, err, registry.CodeInvalid)
	// Trying numbers out ends for the day.
	for range api.ClientMisses {
		if _, err = ask(c, no, number, "王五"); err != nil {
			break
		}
	}
	if e, ok := err.(*registry.Error); !ok || e.Params["why"] != "wait" {
		t.Fatal("misses are not bounded:", err)
	}
	r.pass(25 * time.Hour)
	must[api.LookupReply](t)(ask(c, no, number, name))
}

// counting is a store that counts how often each of its functions is asked.
type counting struct {
	store.Store
	asked map[string]int
}

func (c counting) HolderOf(ctx context.Context, n registry.Number) (registry.UID, error) {
	c.asked["holder"]++
	return c.Store.HolderOf(ctx, n)
}

func (c counting) Pupil(ctx context.Context, uid registry.UID) (registry.Pupil, error) {
	p, err := c.Store.Pupil(ctx, uid)
	if err == nil {
		c.asked["pupil"]++
	}
	return p, err
}

func (c counting) TakeTries(ctx context.Context, now time.Time, ls ...store.Limit) (time.Time, error) {
	c.asked["try"]++
	return c.Store.TakeTries(ctx, now, ls...)
}

func (c counting) ReturnTries(ctx context.Context, own, shared []string) error {
	c.asked["return"]++
	return c.Store.ReturnTries(ctx, own, shared)
}

func (c counting) RecordAudit(ctx context.Context, es ...audit.Entry) error {
	c.asked["audit"] += len(es)
	return c.Store.RecordAudit(ctx, es...)
}

// Whoever looks numbers up cannot tell by the time of the answer whether a number exists and is not his, or is of nobody: the store is asked the same, and reads a
// whole record each time.
func TestLookUpWorksAlike(t *testing.T) {
	r := newRig(t)
	r.authority()
	p := r.pupil(r.enrolled(0))
	no := "云教〔2026〕9号"
	r.approve(no, "", 0, ExportNumber)
	mine, elsewhere := r.program(demo.Yunhe, no, store.ScopeLookup), r.program(demo.YunheSecond, no, store.ScopeLookup)
	ask := func(c store.Client, number registry.Number, name string) map[string]int {
		was, asked := r.s.st, map[string]int{}
		defer func() { r.s.st = was }()
		r.s.st = counting{was, asked}
		got := must[api.LookupReply](t)(r.s.LookUp(r.ctx, c, api.LookupRequest{Approval: no, Pupils: []api.LookupItem{{Number: string(number), Name: name}}}))
		asked["agrees"] = 0
		if got.Results[0].Agrees {
			asked["agrees"] = 1
		}
		return asked
	}
	name := p.Form[registry.FName]
	if got := ask(mine, p.Number, name); got["agrees"] != 1 {
		t.Fatal(got)
	}
	want := ask(mine, p.Number, "王五")
	if want["agrees"] != 0 || want["pupil"] != 1 {
		t.Fatal(want)
	}
	for what, got := range map[string]map[string]int{"of nobody": ask(mine, "G110105194912310021", name), "of another's school": ask(elsewhere, p.Number, name), "both": ask(elsewhere, "G110105194912310021", "王五")} {
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, a wrong name: %v", what, got, want)
		}
	}
}
