package supervise

import (
	"fmt"

	"xueji/server/registry"
)

// Term is a term of the rule pack. Its days run on from the end of the term before, so that no holiday falls between two letters.
type Term struct {
	ID       string // "2026-1": school year by its autumn, number of the term
	From, To registry.Date
}

// Terms lists the newest n terms that have begun by a day, newest first.
func Terms(pack *registry.Pack, today registry.Date, n int) []Term {
	var all []Term // oldest first
	year := pack.SchoolYear(today)
	for y := year - n/max(1, len(pack.Terms)) - 2; y <= year; y++ {
		start := registry.NewDate(y, 1, 1)
		if e := registry.Date(fmt.Sprintf("%04d-%s", y, pack.SchoolYearEnds)); e.Valid() {
			start = e.AddDays(1)
		}
		for i, w := range pack.Terms {
			// The term's last day is the first such day after the school year began.
			end := registry.Date(fmt.Sprintf("%04d-%s", y, w.To))
			if !end.Valid() || end < start {
				end = registry.Date(fmt.Sprintf("%04d-%s", y+1, w.To))
			}
			if !end.Valid() { // 02-29
				end = registry.NewDate(y+1, 3, 1).AddDays(-1)
			}
			t := Term{ID: fmt.Sprintf("%d-%d", y, i+1), From: start, To: end}
			if k := len(all); k > 0 {
				t.From = all[k-1].To.AddDays(1)
			}
			all = append(all, t)
		}
	}
	var out []Term
	for i := len(all) - 1; i >= 0 && len(out) < n; i-- {
		if all[i].From <= today {
			out = append(out, all[i])
		}
	}
	return out
}
