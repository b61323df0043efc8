package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xueji/cardsvc/cardtest/pcscdtest"
	"xueji/packaging/rig"
)

// Units and accounts of the demonstration province that the walk uses: `server seed` makes them.
const (
	oldSchool  = "2133010017" // 云河区实验小学, in 云河区: enrols the newcomers and sends them
	oldName    = "云河区实验小学"
	newSchool  = "2133010042" // 青石镇中心小学, in 青石县: receives them; the kiosk stands there
	newName    = "青石镇中心小学"
	oldOffice  = "云河区教育局"
	newOffice  = "青石县教育局"
	newcomers  = 20 // rows of the sample workbook, without the one who is in the register already
	badRows    = 10
	guardedPIN = "135790"
)

// world is the whole system on real processes, and the people before it.
type world struct {
	t       *stage
	data    string
	env     []string
	base    string // server
	kioskAt string
	desk    string // the station's cardsvc

	corridorURL string // the kiosk's cardsvc

	server, issuer, stationSvc, kioskSvc, kiosk *rig.Program
	station, corridor                           *pcscdtest.Daemon // the two machines' PC/SC daemons

	browser *browser
	people  map[string]*page
	glass   *page               // the kiosk's screen
	lying   *pcscdtest.Inserted // on the kiosk's reader

	pupils   []*pupil // the newcomers, in the order of the workbook
	password string
	workbook string
}

// begin starts everything; more is added to the programs' environment (PostgreSQL, Redis).
func begin(t *testing.T, more ...string) *world {
	t.Helper()
	w := &world{t: &stage{t, t}, people: map[string]*page{}}
	// Kept when the test fails: logs and pictures are what tells why.
	var err error
	if w.data, err = os.MkdirTemp("", "xueji-e2e-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("logs and pictures: %s", w.data)
			return
		}
		_ = os.RemoveAll(w.data)
	})
	for _, d := range []string{"logs", "pictures"} {
		if err := os.Mkdir(w.path(d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ports := rig.FreePorts(t, 6)
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	url := func(i int) string { return "http://" + at(i) }
	w.base, w.kioskAt, w.desk = url(0), url(5), url(3)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "XUEJI_") {
			w.env = append(w.env, e)
		}
	}
	w.env = append(append(w.env, more...), "XUEJI_LISTEN="+at(0), "XUEJI_ADMIN="+at(1), "XUEJI_DATA="+w.path("server"), "XUEJI_PUBLIC_URL="+url(0),
		"XUEJI_STATION_URL="+url(3), "XUEJI_ISSUER_TOKEN_FILE="+w.path("server", "issuer.token"))

	w.once("server", "seed", "--pupils", "80", "--rows", strconv.Itoa(newcomers), "--bad", strconv.Itoa(badRows), "--out", w.path("demo"))
	w.readSummary()
	w.once("issuer", "init", "--dir", w.path("issuer"), "--authority", "330000")

	w.station, w.corridor = pcscdtest.StartApart(t), pcscdtest.StartApart(t)
	w.server = w.program("server", w.base+"/readyz", "server", nil, "serve")
	w.issuer = w.program("issuer", url(2)+"/readyz", "issuer", nil, "serve", "--listen", at(2), "--dir", w.path("issuer"), "--server", url(0),
		"--token-file", w.path("server", "issuer.token"), "--console-key", strings.Fields(w.once("server", "reading-key"))[0])
	w.stationSvc = w.program("station", url(3)+"/v1/health", "cardsvc", []string{w.station.Env()}, "serve", "--listen", at(3), "--roots", w.path("issuer", "roots.cbor"),
		"--issuer", url(2), "--allow-origin", url(0), "--data", w.path("station"))
	code := strings.TrimSpace(w.once("server", "kiosk-code", "--school", newSchool, "--name", "一楼大厅"))
	w.once("kiosk", "enrol", "--server", url(0), "--code", code, "--data", w.path("kiosk"))
	w.corridorURL = url(4)
	w.kioskSvc = w.program("corridor", url(4)+"/v1/health", "cardsvc", []string{w.corridor.Env()}, "serve", "--listen", at(4), "--roots", w.path("kiosk", "roots.cbor"),
		"--issuer", url(2), "--allow-origin", url(5), "--data", w.path("corridor"))
	w.kiosk = w.program("kiosk", url(5)+"/readyz", "kiosk", nil, "serve", "--listen", at(5), "--data", w.path("kiosk"), "--server", url(0), "--cardsvc", url(4))
	w.browser = openBrowser(w.t, w.path("pictures"))
	return w
}

func (w *world) path(elem ...string) string {
	return filepath.Join(append([]string{w.data}, elem...)...)
}

// once runs one of the programs to its end.
func (w *world) once(program string, args ...string) string {
	w.t.Helper()
	return rig.Run(w.t, w.env, rig.Binary(w.t, program), args...)
}

// program starts a process that ends with the test.
func (w *world) program(name, up, binary string, more []string, args ...string) *rig.Program {
	w.t.Helper()
	p := &rig.Program{T: w.t, Name: name, Log: w.path("logs", name+".log"), Path: rig.Binary(w.t, binary), Args: args, Env: append(slices.Clone(w.env), more...), Up: up}
	w.t.Cleanup(p.Stop)
	p.Start()
	return p
}

func (w *world) readSummary() {
	w.t.Helper()
	b, err := os.ReadFile(w.path("demo", "summary.json"))
	var s struct {
		Accounts []struct{ Login, Password string }
		Workbook string
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil || len(s.Accounts) == 0 {
		w.t.Fatalf("summary of the seed: %v\n%s", err, b)
	}
	w.password, w.workbook = s.Accounts[0].Password, s.Workbook
}

// staff is a member of staff at a desk of their own, signed in.
func (w *world) staff(login string) *page {
	w.t.Helper()
	if p := w.people[login]; p != nil {
		return p
	}
	p := w.browser.page(login, w.base, 1366, 900)
	p.open("/sign-in")
	p.fill(`[name="login"]`, login)
	p.fill(`[name="password"]`, w.password)
	p.click(`form[action="/sign-in"] button`)
	p.until("signed in", `document.querySelector("nav.side")`)
	w.people[login] = p
	return p
}

// step is one part of the walk; the walk ends with the first that fails.
func (w *world) step(t *testing.T, name string, f func()) {
	t.Helper()
	ok := t.Run(name, func(t *testing.T) {
		before := w.t.TB
		w.t.TB = t
		defer func() { w.t.TB = before }()
		f()
		for _, p := range w.people {
			p.wellBehaved()
		}
		if w.glass != nil {
			w.glass.wellBehaved()
		}
	})
	if !ok {
		for _, p := range []*rig.Program{w.server, w.issuer, w.stationSvc, w.kioskSvc, w.kiosk} {
			t.Logf("—— %s ——\n%s", p.Name, p.Tail())
		}
		t.FailNow()
	}
}
