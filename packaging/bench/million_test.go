package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
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
	server := r.Serve("server")
	for _, p := range askPages(b, r, server, *millionTurns) {
		t.add(line{what: fmt.Sprintf("%s, 99th of 100 (%d asked)", p.name(), *millionTurns), ours: number(p.p99.Seconds()*1000) + " ms, " + number(float64(p.bytes)/1024) + " KiB", limit: "50 ms, 150 KiB",
			ratio: max(float64(p.p99)/float64(pageLimit), float64(p.bytes)/pageBytes), aim: 1})
	}
	fmt.Printf("\n\nXueji, %s, a register of %s, measured in %s\n\n", began.Format("2006-01-02 15:04"), *millionDir, time.Since(began).Round(time.Second))
	t.print(os.Stdout)
	fmt.Println()
	for range b.N {
	}
}
