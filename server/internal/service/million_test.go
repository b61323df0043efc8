package service

import (
	"context"
	"flag"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/sqlite"
	"xueji/server/registry"
	"xueji/server/vault"
)

var millionData = flag.String("million.data", "", "data folder of a big register (make million), that no server has open")

// BenchmarkMillionMatch is 查重 over a big register: a newcomer's check, and the check of all.
func BenchmarkMillionMatch(b *testing.B) {
	if *millionData == "" {
		b.Skip("make bench-million names a folder")
	}
	ctx := context.Background()
	st, err := sqlite.Open(ctx, filepath.Join(*millionData, "xueji.db"), vault.Options{KEK: vault.File(filepath.Join(*millionData, "vault.key"))})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	s := must[*Service](b)(New(ctx, Options{Store: st, Keys: must[*Keys](b)(LoadKeys(*millionData)), PollLive: time.Hour}))
	b.Run("newcomer", func(b *testing.B) {
		forms := demo.New(99).On(registry.DateOf(time.Now())).Newcomers(500)
		var took []time.Duration
		for b.Loop() {
			start := time.Now()
			must[[]suspect](b)(s.suspects(ctx, forms[len(took)%len(forms)], ""))
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		p99 := took[len(took)*99/100]
		b.ReportMetric(float64(p99.Microseconds())/1000, "ms-p99")
		b.ReportMetric(float64(p99)/float64(5*time.Millisecond), "of-5ms-limit")
	})
	b.Run("register", func(b *testing.B) {
		for b.Loop() {
			start := time.Now()
			must[Check](b)(s.CheckRegister(ctx))
			b.ReportMetric(time.Since(start).Seconds(), "s")
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapSys>>20), "MiB-heap")
		}
	})
}
