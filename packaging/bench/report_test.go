package bench

import (
	"database/sql"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"xueji/packaging/rig"
	"xueji/server/testdeps"
)

func TestMain(m *testing.M) { rig.Main(m) }

var only = flag.String("only", "", "one part of the report: tap, cards, station, glass, ingest, paper, imports, waiting, replay, console or matching")

var parts = []struct {
	name    string
	measure func(*testing.B, *table)
}{{"tap", tap}, {"cards", cards}, {"station", station}, {"glass", glass}, {"ingest", ingest}, {"paper", paper}, {"imports", imports}, {"waiting", waiting}, {"replay", years}, {"console", console}, {"matching", matching}}

// BenchmarkReport prints the table. One pass is the whole report: run it with -benchtime 1x.
func BenchmarkReport(b *testing.B) {
	began := time.Now()
	var t table
	for _, part := range parts {
		if *only == "" || *only == part.name {
			part.measure(b, &t)
		}
	}
	fmt.Printf("\n\nXueji, %s, measured in %s\n\n", began.Format("2006-01-02 15:04"), time.Since(began).Round(time.Second))
	t.print(os.Stdout)
	fmt.Println()
	for range b.N { // the report is one pass, whatever was asked for
	}
}

func tap(b *testing.B, t *table) {
	r := rooms(b, "cardsvc/internal/tap", "Tap", "400x")
	for _, suite := range []string{"ES256", "SM2"} {
		m := r["Tap/"+suite]
		t.add(line{what: "tap, " + suite + ": verdict time less the card's", ours: number(m["overhead-µs"]) + " µs", limit: "one check of the record's signature " + number(m["overhead-µs"]/m["overhead/verify"]) + " µs",
			ratio: m["overhead/verify"], aim: 1.5})
	}
	m := r["TapPCSC"]
	t.add(line{what: "tap through pcscd: verdict time", ours: number(m["overhead-µs"]) + " µs over its APDUs", limit: "the same APDUs bare", ratio: m["tap/bare"], aim: 1.5})
}

var yearsPupils = flag.Int("replay.pupils", 1200, "pupils of the county of the part replay")

// eventProcessor is what an event of the replay may take of a processor: reading the record, the rules, the commit and what makes the event up.
const eventProcessor = 0.7 // ms

// years are two years of a county, event by event through the rules and the store, and then every invariant over every record.
func years(b *testing.B, t *table) {
	m := rooms(b, "server/internal/service", "Replay$", "1x", "-replay.pupils", strconv.Itoa(*yearsPupils))["Replay"]
	t.add(line{what: fmt.Sprintf("two years of %s pupils: %s events, heap at most %s MiB", number(float64(*yearsPupils)), number(m["events"]), number(m["MiB-heap"])),
		ours: fmt.Sprintf("%s ms of processor an event, %s s in all", number(m["ms-cpu/event"]), number(m["s"])), limit: number(eventProcessor) + " ms", ratio: m["ms-cpu/event"] / eventProcessor, aim: 1})
	t.add(line{what: "… every invariant held, every history decided anew", ours: number(m["s-held"]) + " s", limit: "the two years " + number(m["s"]) + " s", ratio: m["s-held"] / m["s"]})
}

// mean of turns.
type mean struct{ sum, n float64 }

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }
func (m mean) value() float64 { return m.sum / max(m.n, 1) }

// ingest is a kiosk's signed batch over HTTP to a signed receipt, durable: 64 kiosks on 64 connections, as pgbench has 64 clients.
func ingest(b *testing.B, t *table) {
	const turns, clients, wish = 3, 64, 1200 * time.Millisecond
	lite := rig.Seed(b, rig.Options{})
	lite.Serve("server")
	lite.Publish()
	post := rig.Seed(b, rig.Options{Env: []string{"XUEJI_DATABASE_URL=" + testdeps.Postgres(b)}})
	post.Serve("server")
	post.Publish()
	big, one, pg := newKiosks(b, lite, clients, 256), newKiosks(b, lite, clients, 1), newKiosks(b, post, clients, 256)
	peer, bare := newPgbench(b), newGrouped(b, lite.Data)
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.Join(lite.Data, "xueji.db")}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	// applied waits until the worker has come to every event: its work is not the next one's load.
	applied := func() {
		rig.Await(b, 3*time.Minute, "everything is applied", func() error {
			var n int
			if err := db.QueryRow(`SELECT count(*) FROM inbox WHERE state = 'waiting'`).Scan(&n); err != nil || n > 0 {
				return fmt.Errorf("%d wait, %v", n, err)
			}
			return nil
		})
	}
	var rBig, rOne, rPG, rStandard, rRow, rBare, rDone, disk mean
	for range turns {
		disk.add(fsyncs(b, lite.Data))
		rate, n := big.turn(10, wish)
		rBig.add(rate)
		start := time.Now()
		applied()
		rDone.add(float64(n) / (time.Since(start).Seconds() + float64(n)/rate))
		rStandard.add(peer.standard(b, 2))
		rate, _ = one.turn(150, wish)
		rOne.add(rate)
		applied()
		disk.add(fsyncs(b, lite.Data))
		rRow.add(peer.row(b, 2))
		rBare.add(bare.turn(b, 500*time.Millisecond))
		rate, _ = pg.turn(6, wish)
		rPG.add(rate)
	}
	beside := func(what string, ours mean, peer string, theirs mean, aim float64) {
		t.add(line{what: what, ours: number(ours.value()) + "/s", limit: peer + " " + number(theirs.value()) + "/s", ratio: ours.value() / theirs.value(), aim: aim, more: true, fsync: disk.value()})
	}
	const standard, row, same = "pgbench -c 64 simple-update", "pgbench -c 64, one row inserted", "… the same"
	beside("ingest over HTTP, signed, 256 a batch, SQLite", rBig, standard, rStandard, 5)
	beside(same, rBig, row, rRow, 0)
	beside(same, rBig, "bare SQLite inserts, 1,024 a commit", rBare, 0)
	beside("ingest, 256 a batch, PostgreSQL", rPG, standard, rStandard, 5)
	beside(same, rPG, row, rRow, 0)
	beside("ingest, one event a request, SQLite", rOne, standard, rStandard, 0)
	beside(same, rOne, row, rRow, 0)
	beside("acknowledged and applied, SQLite", rDone, standard, rStandard, 0)
}

func paper(b *testing.B, t *table) {
	r := rooms(b, "server/document", "Cover", "15x")
	one, many := r["Cover/covers=1"], r["Cover/covers=100"]
	t.add(line{what: "cover sheets, one a document", ours: number(one["covers/s"]) + "/s", limit: "naive gofpdf " + number(one["covers/s"]/one["×naive-document"]) + "/s", ratio: one["×naive-document"], aim: 10, more: true})
	t.add(line{what: "cover sheets, a hundred in one", ours: number(many["covers/s"]) + "/s", limit: "naive gofpdf, a document each " + number(many["covers/s"]/many["×naive-document"]) + "/s",
		ratio: many["×naive-document"], aim: 10, more: true})
	t.add(line{what: "… the same", ours: number(many["covers/s"]) + "/s", limit: "naive gofpdf, all in one " + number(many["covers/s"]/many["×naive-same-batch"]) + "/s", ratio: many["×naive-same-batch"]})
}

func imports(b *testing.B, t *table) {
	disk := fsyncs(b, b.TempDir())
	r := rooms(b, "server/internal/service", "Import$", "2x")["Import"]
	t.add(line{what: "import of 5,000 rows, upload to marked workbook", ours: number(r["rows/s"]) + " rows/s", limit: "excelize reading alone " + number(r["bare-excelize-rows/s"]) + " rows/s",
		ratio: r["×bare-excelize"], fsync: disk})
}

// waiting is what people wait for.
func waiting(b *testing.B, t *table) {
	disk := fsyncs(b, b.TempDir())
	r := rooms(b, "server/internal/worker", "IngestToApplied", "300x")["IngestToApplied"]
	t.add(line{what: "ingest to case number, median", ours: number(r["ms-p50"]) + " ms", limit: "two bare commits " + number(r["ms-two-bare-commits"]) + " ms", ratio: r["ms-p50"] / r["ms-two-bare-commits"], fsync: disk})
	t.add(line{what: "ingest to case number, 99th of 100", ours: number(r["ms-p99"]) + " ms", limit: "100 ms", ratio: r["of-100ms-limit"], aim: 1, fsync: disk})
	var worst result
	name := ""
	for n, m := range rooms(b, "server/internal/sqlite", "Search50k", "50x") {
		if m["ns/op"] > worst["ns/op"] {
			worst, name = m, n[len("Search50k/"):]
		}
	}
	t.add(line{what: "search among 50,000 and count, slowest kind (" + name + "), mean", ours: number(worst["ns/op"]/1e6) + " ms", limit: "100 ms", ratio: worst["ns/op"] / 1e8, aim: 1})
}
