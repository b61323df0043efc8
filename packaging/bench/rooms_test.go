package bench

import (
	"bufio"
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// result is one line of `go test -bench`: metrics by unit.
type result map[string]float64

// parse reads the lines of `go test -bench` by name, without "Benchmark" and the number of processors.
func parse(output []byte) map[string]result {
	out := map[string]result{}
	lines := bufio.NewScanner(bytes.NewReader(output))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") || len(f)%2 != 0 {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		r := result{}
		for i := 2; i < len(f); i += 2 {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				r = nil
				break
			}
			r[f[i+1]] = v
		}
		if r != nil {
			out[name] = r
		}
	}
	return out
}

// rooms runs a room's own benchmarks, with flags of theirs.
func rooms(b *testing.B, room, bench, times string, flags ...string) map[string]result {
	b.Helper()
	cmd := exec.Command("go", append([]string{"test", "-run", "^$", "-bench", bench, "-benchtime", times, "-timeout", "12h", "xueji/" + room}, flags...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", room, err, out)
	}
	return parse(out)
}

// TestParse: a line with metrics, one with a slash and a dash in its name, and lines that are none.
func TestParse(t *testing.T) {
	got := parse([]byte("goos: linux\nBenchmarkTap/ES256-2 \t 200\t 198138 ns/op\t 5.000 APDUs\t 0.9635 overhead/verify\nBenchmarkIngest/1-kiosk-of-1-16  3  9 ns/op  7e+05 acknowledged/s\n" +
		"BenchmarkBroken-2 1 x ns/op\nPASS\nok  \txueji/x\t1.1s\n"))
	if len(got) != 2 || got["Tap/ES256"]["APDUs"] != 5 || got["Tap/ES256"]["overhead/verify"] != 0.9635 || got["Ingest/1-kiosk-of-1"]["acknowledged/s"] != 7e5 {
		t.Fatalf("%v", got)
	}
}
