package app

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/testdeps"
)

// center is a province's register: the real program, its database, and a port that it keeps when it ends and begins anew.
type center struct {
	*server
	t    *testing.T
	args []string
	port string
}

func newCenter(t *testing.T, args ...string) *center {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return &center{t: t, args: args, port: ln.Addr().String()}
}

func (c *center) up() {
	c.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c.server = &server{stop: stop, done: make(chan error, 1)}
	ready := make(chan [2]string, 1)
	s := c.server
	go func() {
		s.done <- Run(ctx, append([]string{"serve", "--listen", c.port, "--admin", "127.0.0.1:0", "--second-factor", "none", "--no-practice"}, c.args...), io.Discard,
			Options{Version: "test", Stderr: io.Discard, Ready: func(a, b string) { ready <- [2]string{a, b} }})
	}()
	select {
	case a := <-ready:
		s.addr, s.admin = a[0], a[1]
	case err := <-s.done:
		c.t.Fatalf("did not start: %v", err)
	}
	c.t.Cleanup(func() { s.end(c.t) })
}

func (c *center) down() { c.server.end(c.t) }

func (c *center) command(args ...string) string {
	c.t.Helper()
	var out bytes.Buffer
	if err := Run(c.t.Context(), append(args, c.args...), &out, Options{Stderr: io.Discard}); err != nil {
		c.t.Fatalf("%v: %v", args, err)
	}
	return out.String()
}

// inside opens the register while its server is down.
func (c *center) inside(do func(*opened, *env)) {
	c.t.Helper()
	e := &env{ctx: c.t.Context(), out: io.Discard, log: newLog(io.Discard, "error"), common: Common{VaultSuite: "aes"}}
	for i := 0; i+1 < len(c.args); i += 2 {
		switch c.args[i] {
		case "--data":
			e.common.Data = c.args[i+1]
		case "--database-url":
			e.common.DatabaseURL = c.args[i+1]
		}
	}
	o, err := e.open()
	if err != nil {
		c.t.Fatal(err)
	}
	do(o, e)
	if err := o.st.Close(); err != nil {
		c.t.Fatal(err)
	}
}

func (b *browser) waitFor(path, want string) string {
	b.t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, body, _ := b.get(path)
		if strings.Contains(body, want) {
			return body
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s never says %q", path, want)
		}
	}
}

var seenField = regexp.MustCompile(`name="seen" value="(\d+)"`)

// agree presses the button of whose turn it is.
func (b *browser) agree(page, party, class string) {
	b.t.Helper()
	body := b.waitFor(page, `name="party" value="`+party+`"`)
	token, seen := csrfField.FindStringSubmatch(body), seenField.FindStringSubmatch(body)
	if token == nil || seen == nil {
		b.t.Fatalf("%s is without its form", page)
	}
	st, said, _ := b.post(page+"/decide", url.Values{"csrf": {token[1]}, "seen": {seen[1]}, "party": {party}, "decision": {"accept"}, "class": {class}})
	if st != 303 {
		b.t.Fatalf("%s by %s: %d %.400s", page, party, st, said)
	}
}

func (c *center) person(login, password string) *browser {
	c.t.Helper()
	b := c.browser(c.t)
	if st := b.signIn(login, password); st != 303 {
		c.t.Fatalf("%s: %d", login, st)
	}
	return b
}

// callOver posts the form that asks for a pupil and gives the case's page.
func (b *browser) callOver(p registry.Pupil, way, grade string) string {
	b.t.Helper()
	token := b.csrf("/transfers/far?way=" + way)
	st, body, h := b.post("/transfers/far", url.Values{"csrf": {token}, "way": {way}, "registry": {"330000"}, "number": {string(p.Number)}, "name": {p.Form[registry.FName]}, "birth": {p.Form[registry.FBirth]},
		"grade": {grade}, "reason": {"family_moved"}, "guardian": {"mother"}, "consent": {"1"}})
	u, err := url.Parse(h.Get("Location"))
	if st != 303 || err != nil {
		b.t.Fatalf("call over: %d %v %.600s", st, err, body)
	}
	return u.Path
}

// Two programs of two provinces, one on SQLite and one on PostgreSQL, over HTTP: a pupil is called over by 转学, another by 升学; each side is away when its word is
// wanted, and comes again.
func TestTwoProvinces(t *testing.T) {
	here := newCenter(t, "--data", seeded(t, 40))
	there := newCenter(t, "--data", filepath.Join(t.TempDir(), "far"), "--database-url", testdeps.Postgres(t))

	var child, leaver registry.Pupil
	here.inside(func(o *opened, e *env) {
		rows, err := o.st.Search(e.ctx, store.Query{All: true, Standing: registry.StandingEnrolled, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			var into *registry.Pupil
			switch {
			case r.School == demo.YunheShiyan && r.Grade < 6 && child.UID == "":
				into = &child
			case r.School == "2133010031" && r.Grade == 6 && leaver.UID == "":
				into = &leaver
			}
			if into == nil || r.Lock != "" || !strings.HasPrefix(string(r.Number), "G") {
				continue
			}
			if *into, err = o.st.Pupil(e.ctx, r.UID); err != nil {
				t.Fatal(err)
			}
		}
	})
	if child.UID == "" || leaver.UID == "" {
		t.Fatal("nobody to call over")
	}
	there.inside(func(o *opened, e *env) {
		if err := o.st.PutUnits(e.ctx, []registry.School{{Code: "2132000401", Name: "松陵小学", Kind: registry.KindPrimary, Region: "320509", Authority: "320509", FromGrade: 1, ToGrade: 6, Public: true},
			{Code: "3132000402", Name: "松陵初级中学", Kind: registry.KindJunior, Region: "320509", Authority: "320509", FromGrade: 7, ToGrade: 9, Public: true}},
			[]registry.Office{{Code: "320000", Name: "苏江省教育厅", Tier: registry.TierProvince}, {Code: "320509", Name: "松陵区教育局", Tier: registry.TierCounty, Parent: "320000"}}); err != nil {
			t.Fatal(err)
		}
	})
	const password = "Songling-2026-xueji"
	file := filepath.Join(t.TempDir(), "password")
	writeFile(t, file, password)
	for i, a := range [][2]string{{"registrar.far", "2132000401"}, {"leader.far", "2132000401"}, {"officer.far", "320509"}, {"registrar.up", "3132000402"}, {"leader.up", "3132000402"}} {
		role, _, _ := strings.Cut(a[0], ".")
		there.command("account", "add", "--login", a[0], "--name", "沈老师", "--unit", a[1], "--role", role, "--trained-on", "2024-08-20", "--certificate", "PX-"+string(rune('1'+i)), "--password-file", file)
	}
	mine := strings.Split(here.command("exchange", "identity", "--new", "--province", "330000"), "\n")[0]
	yours := strings.Split(there.command("exchange", "identity", "--new", "--province", "320000", "--suite", "es256"), "\n")[0]
	here.command("exchange", "peer", "add", "--key", yours, "--name", "苏江省", "--url", "http://"+there.port)
	there.command("exchange", "peer", "add", "--key", mine, "--name", "之江省", "--url", "http://"+here.port)

	// The far school calls the pupil over and its side agrees, while this province's centre is away.
	there.up()
	reg := there.person("registrar.far", password)
	far := reg.callOver(child, "transfer", "3")
	up := there.person("registrar.up", password).callOver(leaver, "advance", "7")
	there.person("leader.far", password).agree(far, "receiver", "5班")
	there.person("leader.up", password).agree(up, "receiver", "1班")
	officer := there.person("officer.far", password)
	officer.agree(far, "receiver_auth", "")
	officer.agree(up, "receiver_auth", "")
	reg.waitFor(far, "等候外省：之江省")
	if list := there.command("exchange", "peer", "list"); !strings.Contains(list, "之江省") {
		t.Errorf("peers: %s", list)
	}

	// It comes, the request with it; its school and authority agree while the far one is away.
	here.up()
	var summary = demo.Password
	old := here.person("leader.yunhe", summary)
	todo := old.waitFor("/todo", child.Form[registry.FName])
	_ = todo
	caseOf := func(old *browser, uid registry.UID, kind string) string {
		return regexp.MustCompile(`/pupils/` + string(uid) + `/cases/` + kind + `-\d{4}-\d{4}-\d{6}`).FindString(old.waitFor("/pupils/"+string(uid), "/cases/"+kind+"-"))
	}
	last := here.person("leader.mingde", summary)
	page, pageUp := caseOf(old, child.UID, "ZX"), caseOf(last, leaver.UID, "SX")
	reg.waitFor(far, "云河区实验小学")
	there.down()
	old.agree(page, "sender", "")
	last.agree(pageUp, "sender", "")
	officer = here.person("officer.yunhe", summary)
	officer.agree(page, "sender_auth", "")
	officer.agree(pageUp, "sender_auth", "")
	old.waitFor("/pupils/"+string(child.UID), "尚未收到接续回执")
	here.down()
	there.up()
	here.up()
	reg = there.person("registrar.far", password)
	reg.waitFor(far, "已办结")
	there.person("registrar.up", password).waitFor(up, "已办结")
	old = here.person("registrar.yunhe", summary)
	old.waitFor("/pupils/"+string(child.UID), "此处为留存备份")
	_, found, _ := old.post("/transfers/find", url.Values{"csrf": {old.csrf("/transfers/new")}, "id_number": {child.Form[registry.FIDNumber]}, "name": {child.Form[registry.FName]}})
	if !strings.Contains(found, `href="/transfers/far"`) || strings.Contains(found, `action="/transfers"`) {
		t.Errorf("a pupil who left is offered for a transfer within the province")
	}
	here.person("leader.mingde", summary).waitFor("/pupils/"+string(leaver.UID), "升学至苏江省松陵初级中学。此处为留存备份")

	here.down()
	there.down()
	var p, q, left, next registry.Pupil
	here.inside(func(o *opened, e *env) {
		p, _ = o.st.Pupil(e.ctx, child.UID)
		left, _ = o.st.Pupil(e.ctx, leaver.UID)
	})
	there.inside(func(o *opened, e *env) {
		q, _ = o.st.Pupil(e.ctx, registry.UID(strings.Split(far, "/")[2]))
		next, _ = o.st.Pupil(e.ctx, registry.UID(strings.Split(up, "/")[2]))
	})
	if p.Standing != registry.StandingMoved || q.Standing != registry.StandingEnrolled || q.Number != child.Number || q.Class != "5班" || p.Lock != "" || q.Lock != "" {
		t.Fatalf("in the end: %s here, %s %q %s there", p.Standing, q.Standing, q.Number, q.Class)
	}
	if left.Standing != registry.StandingMovedUp || next.Standing != registry.StandingEnrolled || next.Number != leaver.Number || next.Grade != 7 || next.School != "3132000402" || left.Lock != "" {
		t.Fatalf("升学 in the end: %s here, %s %q %d there", left.Standing, next.Standing, next.Number, next.Grade)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
