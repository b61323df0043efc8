package match_test

import (
	"encoding/binary"
	"flag"
	"hash/maphash"
	"os"
	"runtime"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/match"
)

var (
	benchRecords = flag.Int("records", 100_000, "records of the register that BenchmarkPairs blocks")
	benchEntries = flag.String("entries", "", "file that BenchmarkPairs writes its entries to, 12 bytes each (key, record; little-endian), for a peer to do the same")
)

// BenchmarkPairs blocks an invented register with its errors and doubles, in memory: entries in, pairs out. The keys are hashed as the register's are, to 64 bits.
func BenchmarkPairs(b *testing.B) {
	seed := maphash.MakeSeed()
	var all []match.Entry
	id := uint32(0)
	began := time.Now()
	for r := range demo.New(1).On(today).Register(*benchRecords, 40) {
		for _, k := range match.Keys(match.Of(r.Form)) {
			all = append(all, match.Entry{Key: maphash.String(seed, k), ID: id})
		}
		id++
	}
	b.Logf("%d records, %d keys, made in %s", id, len(all), time.Since(began).Round(time.Second))
	if *benchEntries != "" {
		buf := make([]byte, 0, 12*len(all))
		for _, e := range all {
			buf = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(buf, e.Key), e.ID)
		}
		if err := os.WriteFile(*benchEntries, buf, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	work := make([]match.Entry, len(all))
	pairs := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		copy(work, all)
		runtime.GC()
		b.StartTimer()
		found, _ := match.Pairs(work)
		pairs = len(found)
	}
	b.ReportMetric(float64(len(all)), "keys")
	b.ReportMetric(float64(pairs), "pairs")
}
