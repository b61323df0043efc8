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
	millionDir    = flag.String("million.dir", "", "folder of the big register; made when nothing is there")
	millionPupils = flag.Int("million.pupils", 1_000_000, "pupils of a register that is made")
	millionTurns  = flag.Int("million.turns", 100, "how often each page is asked for")
)

// pageLimit and pageBytes are what a page of the console may take of the server, and weigh.
const (
	pageLimit = 50 * time.Millisecond
	pageBytes = 150 << 10
)

// BenchmarkMillion is `make bench-million`: a register of a million pupils, written through the rules, and what the console's pages take over it.
func BenchmarkMillion(b *testing.B) {
	if *millionDir == "" {
		b.Skip("make bench-million names a folder")
	}
	var t table
	rig.Binary(b, "server") // built before the clock starts
	began := time.Now()
	_, was := os.Stat(filepath.Join(*millionDir, "demo", "summary.json"))
	r := rig.Keep(b, *millionDir, rig.Options{Pupils: *millionPupils})
	if was != nil {
		took := time.Since(began)
		rate := float64(*millionPupils) / took.Seconds()
		var size int64
		if st, err := os.Stat(filepath.Join(r.Data, "xueji.db")); err == nil {
			size = st.Size()
		}
		bare := newGrouped(b, b.TempDir()).turn(b, 3*time.Second)
		// The limit: the same bytes as bare rows of an event's size.
		least := float64(size) / eventBytes / bare
		t.add(line{what: fmt.Sprintf("register of %s pupils made, %s MiB", number(float64(*millionPupils)), number(float64(size)/(1<<20))),
			ours: number(rate) + " pupils/s", limit: "the same bytes as bare SQLite inserts " + number(float64(*millionPupils)/least) + "/s", ratio: took.Seconds() / least})
	}
	r.Serve("server")
	for _, who := range []string{"registrar.yunhe", "officer.yunhe", "officer.city"} {
		s := r.SignIn(who)
		paths := []string{"/todo", "/pupils", "/pupils?page=20", "/pupils?q=王", "/pupils?q=zhang", "/pupils?q=wzh", "/pupils?standing=suspended", "/cases", "/archives", "/duplicates"}
		if _, list := s.Get("/pupils"); pupilLink.MatchString(list) {
			uid := pupilLink.FindStringSubmatch(list)[1]
			s.Get("/pupils/" + uid) // asks for the reason, and holds the form's token
			s.Post("/pupils/"+uid+"/why", url.Values{"why": {"daily"}})
			paths = append(paths, "/pupils/"+uid, "/pupils/"+uid+"/archive")
		}
		for _, path := range paths {
			took := make([]time.Duration, 0, *millionTurns)
			weight := 0
			for range *millionTurns {
				start := time.Now()
				code, body := s.Get(path)
				took = append(took, time.Since(start))
				if code != http.StatusOK {
					b.Logf("%s %s: %d", who, path, code)
				}
				weight = max(weight, len(body))
			}
			slices.Sort(took)
			p99 := took[len(took)*99/100]
			name := who + " " + strings.SplitAfterN(path, "/pupils/", 2)[0]
			if strings.HasSuffix(path, "/archive") {
				name += "…/archive"
			}
			t.add(line{what: fmt.Sprintf("%s, 99th of 100 (%d asked)", name, *millionTurns), ours: number(p99.Seconds()*1000) + " ms, " + number(float64(weight)/1024) + " KiB", limit: "50 ms, 150 KiB",
				ratio: max(float64(p99)/float64(pageLimit), float64(weight)/pageBytes), aim: 1})
		}
	}
	fmt.Printf("\n\nXueji, %s, a register of %s, measured in %s\n\n", began.Format("2006-01-02 15:04"), *millionDir, time.Since(began).Round(time.Second))
	t.print(os.Stdout)
	fmt.Println()
	for range b.N {
	}
}
