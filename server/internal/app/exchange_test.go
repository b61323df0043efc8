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

// Two programs of two provinces, one on SQLite and one on PostgreSQL, over HTTP: a pupil is called over; each side is away when its word is wanted, and comes again.
func TestTwoProvinces(t *testing.T) {
	here := newCenter(t, "--data", seeded(t, 40))
	there := newCenter(t, "--data", filepath.Join(t.TempDir(), "far"), "--database-url", testdeps.Postgres(t))

	var child registry.Pupil
	here.inside(func(o *opened, e *env) {
		rows, err := o.st.Search(e.ctx, store.Query{All: true, School: demo.YunheShiyan, Standing: registry.StandingEnrolled, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Lock == "" && strings.HasPrefix(string(r.Number), "G") {
				if child, err = o.st.Pupil(e.ctx, r.UID); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
	})
	if child.UID == "" {
		t.Fatal("nobody to call over")
	}
	there.inside(func(o *opened, e *env) {
		if err := o.st.PutUnits(e.ctx, []registry.School{{Code: "2132000401", Name: "松陵小学", Kind: registry.KindPrimary, Region: "320509", Authority: "320509", FromGrade: 1, ToGrade: 6, Public: true}},
			[]registry.Office{{Code: "320000", Name: "苏江省教育厅", Tier: registry.TierProvince}, {Code: "320509", Name: "松陵区教育局", Tier: registry.TierCounty, Parent: "320000"}}); err != nil {
			t.Fatal(err)
		}
	})
	const password = "Songling-2026-xueji"
	file := filepath.Join(t.TempDir(), "password")
	writeFile(t, file, password)
	for i, a := range [][2]string{{"registrar", "2132000401"}, {"leader", "2132000401"}, {"officer", "320509"}} {
		there.command("account", "add", "--login", a[0]+".far", "--name", "沈老师", "--unit", a[1], "--role", a[0], "--trained-on", "2024-08-20", "--certificate", "PX-"+string(rune('1'+i)), "--password-file", file)
	}
	mine := strings.Split(here.command("exchange", "identity", "--new", "--province", "330000"), "\n")[0]
	yours := strings.Split(there.command("exchange", "identity", "--new", "--province", "320000", "--suite", "es256"), "\n")[0]
	here.command("exchange", "peer", "add", "--key", yours, "--name", "苏江省", "--url", "http://"+there.port)
	there.command("exchange", "peer", "add", "--key", mine, "--name", "之江省", "--url", "http://"+here.port)

	// The far school calls the pupil over and its side agrees, while this province's centre is away.
	there.up()
	reg := there.person("registrar.far", password)
	token := reg.csrf("/transfers/far")
	st, body, h := reg.post("/transfers/far", url.Values{"csrf": {token}, "registry": {"330000"}, "number": {string(child.Number)}, "name": {child.Form[registry.FName]}, "birth": {child.Form[registry.FBirth]},
		"grade": {"3"}, "reason": {"family_moved"}, "guardian": {"mother"}, "consent": {"1"}})
	if st != 303 {
		t.Fatalf("call over: %d %.600s", st, body)
	}
	u, err := url.Parse(h.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	far := u.Path
	there.person("leader.far", password).agree(far, "receiver", "5班")
	there.person("officer.far", password).agree(far, "receiver_auth", "")
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
	page := regexp.MustCompile(`/pupils/` + string(child.UID) + `/cases/[A-Z]{2}-\d{4}-\d{4}-\d{6}`).FindString(old.waitFor("/pupils/"+string(child.UID), "/cases/ZX-"))
	reg.waitFor(far, "云河区实验小学")
	there.down()
	old.agree(page, "sender", "")
	here.person("officer.yunhe", summary).agree(page, "sender_auth", "")
	old.waitFor("/pupils/"+string(child.UID), "尚未收到接续回执")
	here.down()
	there.up()
	here.up()
	reg = there.person("registrar.far", password)
	reg.waitFor(far, "已办结")
	old = here.person("leader.yunhe", summary)
	old.waitFor("/pupils/"+string(child.UID), "此处为留存备份")

	here.down()
	there.down()
	var p, q registry.Pupil
	here.inside(func(o *opened, e *env) { p, _ = o.st.Pupil(e.ctx, child.UID) })
	there.inside(func(o *opened, e *env) { q, _ = o.st.Pupil(e.ctx, registry.UID(strings.Split(far, "/")[2])) })
	if p.Standing != registry.StandingMoved || q.Standing != registry.StandingEnrolled || q.Number != child.Number || q.Class != "5班" || p.Lock != "" || q.Lock != "" {
		t.Fatalf("in the end: %s here, %s %q %s there", p.Standing, q.Standing, q.Number, q.Class)
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
