package service

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"xueji/server/internal/demo"
	"xueji/server/internal/sqlite"
	"xueji/server/internal/store"
	"xueji/server/internal/store/storetest"
	"xueji/server/registry"
	"xueji/server/vault"

	"golang.org/x/sys/unix"
)

var newcomerRecords = flag.Int("newcomer.records", 20_000, "pupils of the register before which BenchmarkNewcomer checks newcomers")

// newcomerAgain: one in so many stands in the register twice.
const newcomerAgain = 40

// BenchmarkNewcomer is 查重 of a newcomer before a register that is sealed at rest, and the check of all. The register is invented with its errors and doubles, and is put
// into the store past the rules: keys, rows and seals are those of a real one, histories are one version long.
func BenchmarkNewcomer(b *testing.B) {
	ctx := b.Context()
	dir := b.TempDir()
	st, err := sqlite.Open(ctx, filepath.Join(dir, "xueji.db"), vault.Options{KEK: vault.File(filepath.Join(dir, "vault.key"))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { st.Close() })
	s := must[*Service](b)(New(ctx, Options{Store: st, Keys: must[*Keys](b)(LoadKeys(dir)), PollLive: time.Hour}))
	began := time.Now()
	// UIDs in their order and large batches: the register is the same, and the disk takes it page by page.
	uids := make([]registry.UID, *newcomerRecords+*newcomerRecords/newcomerAgain)
	for i := range uids {
		uids[i] = storetest.UID(i)
	}
	slices.Sort(uids)
	var batch store.Batch
	var again []registry.Form // every thousandth child comes a second time
	n := 0
	commit := func() {
		if err := st.Commit(ctx, batch); err != nil {
			b.Fatal(err)
		}
		batch.Changes = batch.Changes[:0]
	}
	for r := range demo.New(1).On(registry.DateOf(time.Now())).Register(*newcomerRecords, newcomerAgain) {
		p := storetest.Pupil(n, r.Form[registry.FName], registry.Unit(fmt.Sprintf("21330%05d", n/300)), 1+n%6, "1班")
		p.UID, p.Form = uids[n], r.Form
		c := storetest.Change(p, registry.EvEnrol, store.Index{})
		c.MatchAdd, _ = s.matchMoves(registry.Pupil{}, p)
		batch.Changes = append(batch.Changes, c)
		if n%1000 == 0 {
			again = append(again, r.Form)
		}
		if n++; len(batch.Changes) == 10_000 {
			commit()
		}
	}
	commit()
	filled := time.Since(began)
	b.Logf("%d records put in %s", n, filled.Round(time.Second))
	b.Run("newcomer", func(b *testing.B) {
		forms := demo.New(99).On(registry.DateOf(time.Now())).Newcomers(500)
		forms = append(forms, again...)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(forms), func(i, j int) { forms[i], forms[j] = forms[j], forms[i] })
		runtime.LockOSThread() // a busy machine takes turns: beside the clock's time stands the processor's
		defer runtime.UnlockOSThread()
		var took, busy []time.Duration
		found := 0
		for b.Loop() {
			start, begun := time.Now(), processor(unix.CLOCK_THREAD_CPUTIME_ID)
			alike := must[[]suspect](b)(s.suspects(ctx, forms[len(took)%len(forms)], ""))
			took, busy = append(took, time.Since(start)), append(busy, processor(unix.CLOCK_THREAD_CPUTIME_ID)-begun)
			found += len(alike)
		}
		slices.Sort(took)
		slices.Sort(busy)
		p99 := took[len(took)*99/100]
		b.ReportMetric(float64(busy[len(busy)*99/100].Microseconds())/1000, "ms-cpu-p99")
		b.ReportMetric(float64(p99.Microseconds())/1000, "ms-p99")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
		b.ReportMetric(float64(found), "found")
		b.ReportMetric(float64(n)/filled.Seconds(), "put/s")
	})
	b.Run("register", func(b *testing.B) {
		start := time.Now()
		c := must[Check](b)(s.CheckRegister(ctx))
		took := time.Since(start)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		for b.Loop() { // one check is the measure, whatever was asked for
		}
		b.ReportMetric(took.Seconds(), "s")
		b.ReportMetric(float64(c.Pairs), "pairs")
		b.ReportMetric(float64(c.Found), "found")
		b.ReportMetric(float64(m.HeapSys>>20), "MiB-heap")
	})
}
