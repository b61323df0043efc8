package bench

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// line is one figure beside its limit.
type line struct {
	what  string
	ours  string
	limit string
	ratio float64
	// aim is what the ratio should be at least (more) or at most; 0 for none.
	aim   float64
	more  bool
	fsync float64 // a second, in the same minute; 0 where no disk takes part
}

// table collects lines.
type table []line

func (t *table) add(l line) { *t = append(*t, l) }

// met reports whether the ratio holds the aim.
func (l line) met() bool {
	return l.aim == 0 || l.more && l.ratio >= l.aim || !l.more && l.ratio <= l.aim
}

// print writes the table in columns.
func (t table) print(w io.Writer) {
	rows := [][]string{{"figure", "here", "limit or peer, same run", "ratio", "aim", "fsync/s"}}
	for _, l := range t {
		aim, fsync := "", ""
		if l.aim != 0 {
			sign := "≤"
			if l.more {
				sign = "≥"
			}
			if aim = sign + number(l.aim); !l.met() {
				aim += " MISSED"
			}
		}
		if l.fsync != 0 {
			fsync = number(l.fsync)
		}
		rows = append(rows, []string{l.what, l.ours, l.limit, number(l.ratio) + "×", aim, fsync})
	}
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for n, r := range rows {
		var b strings.Builder
		for i, c := range r {
			b.WriteString(c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2))
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		if n == 0 {
			total := 0
			for _, c := range width {
				total += c + 2
			}
			fmt.Fprintln(w, strings.Repeat("─", total-2))
		}
	}
}

// number writes three figures, and thousands with commas.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		s := fmt.Sprintf("%.0f", v)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func TestTable(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 1.234: "1.23", 45.67: "45.7", 999.4: "999", 1234567.8: "1,234,568"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
	var b strings.Builder
	table{{what: "a", ours: "1", limit: "2", ratio: 3, aim: 5, more: true, fsync: 700}, {what: "bb", ours: "1", limit: "2", ratio: 1, aim: 1.5}}.print(&b)
	if s := b.String(); !strings.Contains(s, "3.00×  ≥5.00 MISSED  700") || !strings.Contains(s, "≤1.50") || strings.Count(s, "MISSED") != 1 {
		t.Errorf("\n%s", s)
	}
}
