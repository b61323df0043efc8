package bench

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/packaging/rig"
)

var (
	consolePupils = flag.Int("console.pupils", 50_000, "pupils of the register whose console pages the report measures")
	consoleDir    = flag.String("console.dir", "", "folder in which that register is kept for the next run; empty: made anew and removed")
	consoleTurns  = flag.Int("console.turns", 100, "how often each page is asked for")
)

// What a page may take of the server, and weigh.
const (
	pageLimit = 50 * time.Millisecond
	pageBytes = 150 << 10
)

// answerLimit is what the first answer of a search may take while somebody types.
const answerLimit = 100 * time.Millisecond

// asked is what one page took of the server over loopback, and weighed.
type asked struct {
	who, path string
	p50, p99  time.Duration // by the clock
	busy      time.Duration // the 99th of 100 by the processor: all that the server did meanwhile
	bytes     int
}

func (a asked) name() string {
	name := a.who + " " + strings.SplitAfterN(a.path, "/pupils/", 2)[0]
	if strings.HasSuffix(a.path, "/archive") {
		name += "…/archive"
	}
	return name
}

// suggests are what a registrar types: a family name, a part, a reading, initials, last digits, nobody.
var suggests = []string{"王", "子涵", "zhang", "wzh", "1954", "邵逸夫"}

// consolePages are the pages of each role, but those of one pupil.
var consolePages = map[string][]string{
	"registrar.yunhe": {"/todo", "/todo/count", "/pupils", "/pupils?page=20", "/pupils?q=王", "/pupils?q=zhang", "/pupils?q=wzh", "/pupils?standing=suspended", "/cases", "/archives", "/archives/classes",
		"/archives/classes?grade=3&class=1+班", "/archives/kept", "/archives/left", "/duplicates", "/problems", "/promotion", "/promotion?grade=3&class=1+班", "/graduation", "/graduation/keep", "/advance", "/certificates",
		"/reviews", "/supervise", "/statistics", "/exports", "/enrol", "/enrol/new", "/enrol/handed", "/transfers/new", "/cards/handout", "/kiosks", "/kiosks/events", "/account", "/help"},
	"officer.yunhe": {"/todo", "/todo/count", "/pupils", "/pupils?page=20", "/pupils?q=王", "/pupils?q=zhang", "/pupils?q=wzh", "/pupils?standing=suspended", "/cases", "/archives", "/archives/migrants", "/duplicates",
		"/problems", "/promotion", "/promotion?school=2133010017", "/graduation", "/certificates", "/reviews", "/supervise", "/supervise/findings", "/supervise/orders", "/statistics", "/exports", "/staff", "/staff-register",
		"/units", "/rules"},
	"officer.city": {"/todo", "/pupils", "/pupils?page=20", "/pupils?q=王", "/pupils?q=zhang", "/pupils?q=wzh", "/pupils?standing=suspended", "/cases", "/archives", "/duplicates", "/problems", "/promotion", "/reviews",
		"/supervise", "/statistics", "/letters"},
	"clerk.yunhe":    {"/cards", "/cards/runs", "/cards/handout"},
	"auditor.yunhe":  {"/audit", "/audit/alerts"},
	"security.yunhe": {"/staff", "/clients", "/exchange", "/vault"},
}

// askPages asks for every page turns times, in an order of roles that is the same in every run.
func askPages(b *testing.B, r *rig.Register, server *rig.Program, turns int) []asked {
	b.Helper()
	var out []asked
	for _, who := range []string{"registrar.yunhe", "officer.yunhe", "officer.city", "clerk.yunhe", "auditor.yunhe", "security.yunhe"} {
		s := r.SignIn(who)
		paths := consolePages[who]
		if slices.Contains(paths, "/pupils") {
			if _, list := s.Get("/pupils"); pupilLink.MatchString(list) {
				uid := pupilLink.FindStringSubmatch(list)[1]
				s.Get("/pupils/" + uid) // asks for the reason, and holds the form's token
				s.Post("/pupils/"+uid+"/why", url.Values{"why": {"daily"}})
				paths = append(slices.Clone(paths), "/pupils/"+uid, "/pupils/"+uid+"/archive")
			}
		}
		for _, path := range paths {
			out = append(out, askPage(b, server, s, who, path, turns))
		}
	}
	return out
}

func askPage(b *testing.B, server *rig.Program, s *rig.Staff, who, path string, turns int) asked {
	b.Helper()
	to := path
	if at, q, ok := strings.Cut(path, "?q="); ok { // what is searched for is posted; the page of what is found is asked for by the address it leads to
		to = s.Found(at, q)
	}
	return askFor(b, server, who, path, turns, func() (int, string) { return s.Get(to) })
}

func askFor(b *testing.B, server *rig.Program, who, path string, turns int, ask func() (int, string)) asked {
	b.Helper()
	a := asked{who: who, path: path}
	took, busy := make([]time.Duration, 0, turns), make([]time.Duration, 0, turns)
	for range turns {
		start, begun := time.Now(), server.CPU()
		code, body := ask()
		took, busy = append(took, time.Since(start)), append(busy, server.CPU()-begun)
		if code != http.StatusOK {
			b.Fatalf("%s %s: %d", who, path, code)
		}
		a.bytes = max(a.bytes, len(body))
	}
	slices.Sort(took)
	slices.Sort(busy)
	a.p50, a.p99, a.busy = took[turns/2], took[turns*99/100], busy[turns*99/100]
	return a
}

// register makes the console's register, or takes the one that stands in its folder from an earlier run.
func register(b *testing.B, t *table) *rig.Register {
	b.Helper()
	o := rig.Options{Pupils: *consolePupils}
	if *consoleDir == "" {
		return rig.Seed(b, o)
	}
	if _, err := os.Stat(filepath.Join(*consoleDir, "demo", "summary.json")); err == nil {
		return rig.Keep(b, *consoleDir, o)
	}
	if _, err := os.Stat(filepath.Join(*consoleDir, "server", "xueji.db")); err == nil {
		b.Fatalf("the register in %s was broken off while it was written: remove the folder, or name another (BENCH_DATA)", *consoleDir)
	}
	rig.Binary(b, "server") // built before the clock starts
	fmt.Printf("a register of %s pupils is written through the rules to %s, once: 500 a second on two idle cores\n", number(float64(o.Pupils)), *consoleDir)
	began := time.Now()
	r := rig.Keep(b, *consoleDir, o)
	took := time.Since(began).Seconds()
	st, err := os.Stat(filepath.Join(r.Data, "xueji.db"))
	if err != nil {
		b.Fatal(err)
	}
	bare := newGrouped(b, b.TempDir()).turn(b, 3*time.Second)
	least := float64(st.Size()) / eventBytes / bare // seconds for the same bytes as bare rows of an event's size
	t.add(line{what: fmt.Sprintf("register of %s pupils written, %s MiB", number(float64(o.Pupils)), number(float64(st.Size())/(1<<20))), ours: number(float64(o.Pupils)/took) + " pupils/s",
		limit: "the same bytes as bare SQLite inserts " + number(float64(o.Pupils)/least) + "/s", ratio: took / least})
	return r
}

// calm waits until a server has done what it does by itself after its start: its log's first look at a register that was there before, the day's tallies.
func calm(b *testing.B, server *rig.Program) {
	b.Helper()
	const look = 2 * time.Second
	for end := time.Now().Add(time.Hour); ; {
		before := server.CPU()
		time.Sleep(look)
		if server.CPU()-before < look/20 {
			return
		}
		if time.Now().After(end) {
			b.Fatal("the server has been busy by itself for an hour")
		}
	}
}

// console is every page of each role over a register, and the first answer while somebody types.
func console(b *testing.B, t *table) {
	r := register(b, t)
	server := r.Serve("server")
	calm(b, server)
	disk := fsyncs(b, r.Data) // every look is recorded
	before := stalled()
	many := number(float64(*consolePupils))
	for _, a := range askPages(b, r, server, *consoleTurns) {
		t.add(a.line(many, pageLimit, disk))
	}
	for _, who := range []string{"registrar.yunhe", "officer.yunhe", "officer.city"} {
		s := r.SignIn(who)
		for _, q := range suggests {
			a := askFor(b, server, who, q, *consoleTurns, func() (int, string) { return s.Post("/pupils/suggest", url.Values{"q": {q}}) })
			a.path = "types " + q
			t.add(a.line(many, answerLimit, disk))
		}
	}
	idle := max(before, stalled())
	t.add(line{what: "the machine itself: 20 ms of bare arithmetic before and after them, 99th of 100 by the clock", ours: number(idle.Seconds()*1000) + " ms", limit: "20 ms", ratio: idle.Seconds() / 0.020})
}

// line is what was asked beside its limits; the ratio is of the time by the clock, or of the weight where that is nearer its limit.
func (a asked) line(many string, limit time.Duration, disk float64) line {
	ms := func(d time.Duration) string { return number(d.Seconds() * 1000) }
	return line{what: fmt.Sprintf("%s at %s", a.name(), many), ours: fmt.Sprintf("half %s ms, 99 of 100 %s ms, %s of processor; %s KiB", ms(a.p50), ms(a.p99), ms(a.busy), number(float64(a.bytes)/1024)),
		limit: ms(limit) + " ms, 150 KiB", ratio: max(float64(a.p99)/float64(limit), float64(a.bytes)/pageBytes), aim: 1, fsync: disk}
}
