package postgres

import (
	"testing"
	"time"

	"xueji/server/internal/store/storetest"
)

func BenchmarkIngest(b *testing.B) {
	for _, c := range []struct {
		name           string
		clients, batch int
	}{{"64-kiosks-of-1", 64, 1}, {"16-kiosks-of-256", 16, 256}} {
		b.Run(c.name, func(b *testing.B) {
			s := openTest(b)
			defer s.Close()
			rate, turns := 0.0, 0
			for b.Loop() {
				turns++
				rate += storetest.IngestRate(b, s, c.clients, c.batch, 500*time.Millisecond)
			}
			b.ReportMetric(rate/float64(turns), "acknowledged/s")
		})
	}
}

func BenchmarkSearch50k(b *testing.B) {
	s := openTest(b)
	defer s.Close()
	storetest.BenchmarkSearch(b, s)
}
