package bench

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"xueji/packaging/rig"
)

// consolePupils is how large the register of the report's console part is; the aims speak of 50,000.
var consolePupils = flag.Int("console.pupils", 50_000, "pupils of the register whose console pages the report measures")

// answerLimit is what the first answer of a search may take while somebody types.
const answerLimit = 100 * time.Millisecond

// asked is what one page took of the server over loopback, and weighed.
type asked struct {
	who, path string
	p50, p99  time.Duration
	cpu       time.Duration // of the server, mean
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
	return askFor(b, server, who, path, turns, func() (int, string) { return s.Get(path) })
}

func askFor(b *testing.B, server *rig.Program, who, path string, turns int, ask func() (int, string)) asked {
	b.Helper()
	a := asked{who: who, path: path}
	took := make([]time.Duration, 0, turns)
	before := server.CPU()
	for range turns {
		start := time.Now()
		code, body := ask()
		took = append(took, time.Since(start))
		if code != http.StatusOK {
			b.Fatalf("%s %s: %d", who, path, code)
		}
		a.bytes = max(a.bytes, len(body))
	}
	a.cpu = (server.CPU() - before) / time.Duration(turns)
	slices.Sort(took)
	a.p50, a.p99 = took[len(took)/2], took[len(took)*99/100]
	return a
}

// console is the pages over a register of its own, and the first answer while somebody types. The table names the slowest and the heaviest of each role; -v tells all.
func console(b *testing.B, t *table) {
	const turns = 100
	r := rig.Seed(b, rig.Options{Pupils: *consolePupils})
	server := r.Serve("server")
	disk := fsyncs(b, r.Data) // every look is recorded
	before := stalled()
	by := map[string][]asked{}
	var roles []string
	for _, a := range askPages(b, r, server, turns) {
		b.Logf("%s: %.1f ms, 99th %.1f ms, processor %.1f ms, %.1f KiB", a.name(), a.p50.Seconds()*1000, a.p99.Seconds()*1000, a.cpu.Seconds()*1000, float64(a.bytes)/1024)
		if by[a.who] == nil {
			roles = append(roles, a.who)
		}
		by[a.who] = append(by[a.who], a)
	}
	for _, who := range roles {
		slow := slices.MaxFunc(by[who], func(a, b asked) int { return int(a.p99 - b.p99) })
		heavy := slices.MaxFunc(by[who], func(a, b asked) int { return a.bytes - b.bytes })
		t.add(line{what: fmt.Sprintf("slowest of %d pages at %s pupils (%s), 99th of 100", len(by[who]), number(float64(*consolePupils)), slow.name()), ours: number(slow.p99.Seconds()*1000) + " ms", limit: "50 ms",
			ratio: float64(slow.p99) / float64(pageLimit), aim: 1, fsync: disk})
		t.add(line{what: fmt.Sprintf("heaviest of them (%s)", heavy.name()), ours: number(float64(heavy.bytes)/1024) + " KiB", limit: "150 KiB", ratio: float64(heavy.bytes) / pageBytes, aim: 1})
	}
	idle := max(before, stalled())
	t.add(line{what: "the machine itself: 20 ms of bare arithmetic before and after them, 99th of 100 by the clock", ours: number(idle.Seconds()*1000) + " ms", limit: "20 ms", ratio: idle.Seconds() / 0.020})
	var slow asked
	for _, who := range []string{"registrar.yunhe", "officer.yunhe", "officer.city"} {
		s := r.SignIn(who)
		for _, q := range suggests {
			a := askFor(b, server, who, q, turns, func() (int, string) { return s.Post("/pupils/suggest", url.Values{"q": {q}}) })
			b.Logf("%s suggest %s: %.1f ms", who, q, a.p99.Seconds()*1000)
			if a.p99 > slow.p99 {
				slow = a
			}
		}
	}
	t.add(line{what: fmt.Sprintf("first answer while typing among %s, slowest (%s, %s), 99th of 100", number(float64(*consolePupils)), slow.who, slow.path), ours: number(slow.p99.Seconds()*1000) + " ms", limit: "100 ms",
		ratio: float64(slow.p99) / float64(answerLimit), aim: 1, fsync: disk})
}
