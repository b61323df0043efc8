package bench

import (
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var matchRecords = flag.Int("records", 1_000_000, "pupils of the register of the part matching")

// matching is 查重: the blocking of a register beside DuckDB doing the same to the same keys, a newcomer's check, and the check of all.
func matching(b *testing.B, t *table) {
	records := strconv.Itoa(*matchRecords)
	many := number(float64(*matchRecords))
	entries := filepath.Join(b.TempDir(), "entries")
	ours := rooms(b, "server/internal/match", "Pairs$", "3x", "-records", records, "-entries", entries)["Pairs"]
	pairs, best := duck(b, entries)
	if float64(pairs) != ours["pairs"] {
		b.Fatalf("DuckDB finds %d pairs, we %.0f", pairs, ours["pairs"])
	}
	took := ours["ns/op"] / 1e9
	t.add(line{what: fmt.Sprintf("查重 of %s: %s keys blocked, %s pairs", many, number(ours["keys"]), number(ours["pairs"])), ours: number(took) + " s", limit: "DuckDB, the same rules on the same keys " + number(best) + " s",
		ratio: best / took, aim: 2, more: true})
	r := rooms(b, "server/internal/service", "Newcomer$", "2000x", "-newcomer.records", records)
	m := r["Newcomer/newcomer"]
	t.add(line{what: fmt.Sprintf("newcomer's 查重 before %s, sealed, 99th of 100", many), ours: number(m["ms-p99"]) + " ms, " + number(m["ms-cpu-p99"]) + " of processor", limit: "5 ms", ratio: m["ms-p99"] / 5, aim: 1})
	m = r["Newcomer/register"]
	t.add(line{what: fmt.Sprintf("full 查重 of %s, store to queue, %s MiB", many, number(m["MiB-heap"])), ours: number(m["s"]) + " s", limit: "its blocking alone " + number(took) + " s", ratio: m["s"] / took})
}

// duck builds and asks DuckDB, three times, and gives its pairs and its best time in seconds.
func duck(b *testing.B, entries string) (pairs int, best float64) {
	b.Helper()
	program := filepath.Join(b.TempDir(), "duck")
	if out, err := exec.Command("go", "build", "-C", "duck", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("duck: %v\n%s", err, out)
	}
	out, err := exec.Command(program, entries, "3").Output()
	if err != nil {
		b.Fatalf("duck: %v", err)
	}
	for _, l := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var s float64
		if _, err := fmt.Sscan(l, &pairs, &s); err != nil {
			b.Fatalf("duck said %q", out)
		}
		if best == 0 || s < best {
			best = s
		}
	}
	return pairs, best
}
