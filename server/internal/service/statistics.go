package service

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/xuri/excelize/v2"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/registry"
	"xueji/server/registry/supervise"
)

// Statistics are the yearly figures, summed from tallies (one a unit, taken each night): no record is opened for them.
type Statistics struct {
	Year     int
	Years    []int // that may be asked
	Taken    registry.Date
	Missing  int // units not tallied yet
	Total    StatRow
	Schools  []StatRow // by school
	Grades   []StatRow
	Homes    []StatRow // by residence, supervise.Residences
	Standing map[registry.Standing]int
	Months   []MonthFlow
	Flows    []FlowLink // between schools and the outside, largest first
	Places   []string   // of Map: six-digit counties, or school codes within one county
	Map      [][]int    // from → to, in the order of Places
	Clocks   []ClockRow // offices first, then schools; those with most late first
	In, Out  int        // over the year, over the border of who's schools; Inner within it
	Inner    int
}

// StatRow counts pupils whose 学籍 runs.
type StatRow struct {
	Unit      registry.Unit
	Grade     int
	Residence string
	Place     string // of a residence: where all the schools lie, "" where they lie apart
	N         int
	Male      int
	Female    int
	Enrolled  int
	Suspended int
	Dropout   int
	Abroad    int
	In, Out   int // a school's, of the year
}

func (r *StatRow) add(c supervise.Cell) {
	switch c.Standing {
	case registry.StandingEnrolled:
		r.Enrolled += c.N
	case registry.StandingSuspended:
		r.Suspended += c.N
	case registry.StandingDropout:
		r.Dropout += c.N
	case registry.StandingAbroad:
		r.Abroad += c.N
	default:
		return
	}
	r.N += c.N
	switch c.Sex {
	case "1":
		r.Male += c.N
	case "2":
		r.Female += c.N
	}
}

// MonthFlow is a month's moves over the border, and within it.
type MonthFlow struct {
	Month          string
	In, Out, Inner int
}

// FlowLink is moves from one school to another.
type FlowLink struct {
	From, To registry.Unit
	N        int
}

// ClockRow is how a unit kept its days.
type ClockRow struct {
	Unit registry.Unit
	supervise.Clock
}

// Mean is the mean of working days a step took, in tenths.
func (c ClockRow) Mean() string {
	if c.Done == 0 {
		return "—"
	}
	return fmt.Sprintf("%.1f", float64(c.Days)/float64(c.Done))
}

// mapPlaces is how many rows a map-like table has; the rest is "" (elsewhere).
const mapPlaces = 12

func (s *Service) Statistics(ctx context.Context, who Staff, year int) (Statistics, error) {
	st, err := s.statistics(ctx, who, year)
	if err != nil {
		return st, err
	}
	return st, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "statistics", N: st.Total.N})
}

func (s *Service) statistics(ctx context.Context, who Staff, year int) (Statistics, error) {
	sc := s.scope(who)
	if err := sc.Check(access.SeeStatistics); err != nil {
		return Statistics{}, err
	}
	now := s.PackOf(s.Today(), who.Unit).SchoolYear(s.Today())
	if year < 2013 || year > now {
		year = now
	}
	out := Statistics{Year: year, Standing: map[registry.Standing]int{}}
	for y := now; y > now-5; y-- {
		out.Years = append(out.Years, y)
	}
	units := s.units(who)
	tallies, err := s.st.Tallies(ctx, units, year)
	if err != nil {
		return Statistics{}, internal(err)
	}
	grades, homes, months := map[int]*StatRow{}, map[string]*StatRow{}, map[string]*MonthFlow{}
	links := map[[2]registry.Unit]int{}
	for _, u := range units {
		t, ok := tallies[u]
		if !ok {
			out.Missing++
			continue
		}
		if out.Taken == "" || t.On < out.Taken {
			out.Taken = t.On
		}
		clock := ClockRow{Unit: u}
		for _, c := range t.Clocks {
			clock.Clock = clock.Add(c)
		}
		if clock.Done+clock.Open > 0 {
			out.Clocks = append(out.Clocks, clock)
		}
		if !u.IsSchool() {
			continue
		}
		row := StatRow{Unit: u}
		for _, c := range t.Cells {
			out.Standing[c.Standing] += c.N
			row.add(c)
			out.Total.add(c)
			at(grades, c.Grade, func() StatRow { return StatRow{Grade: c.Grade} }).add(c)
			at(homes, c.Residence, func() StatRow { return StatRow{Residence: c.Residence} }).add(c)
		}
		for _, f := range t.Flows {
			m := at(months, f.Month, func() MonthFlow { return MonthFlow{Month: f.Month} })
			inner := sc.HasSchool(f.With)
			switch {
			case f.In:
				row.In += f.N
				links[[2]registry.Unit{f.With, u}] += f.N
				if inner { // told once, by the receiver
					m.Inner += f.N
					out.Inner += f.N
				} else {
					m.In += f.N
					out.In += f.N
				}
			default:
				row.Out += f.N
				if !inner {
					links[[2]registry.Unit{u, f.With}] += f.N
					m.Out += f.N
					out.Out += f.N
				}
			}
		}
		out.Schools = append(out.Schools, row)
	}
	out.Grades = rows(grades, func(a, b *StatRow) int { return cmp.Compare(a.Grade, b.Grade) }, func(r *StatRow) bool { return r.N > 0 })
	out.Homes = rows(homes, func(a, b *StatRow) int {
		return cmp.Compare(slices.Index(supervise.Residences, a.Residence), slices.Index(supervise.Residences, b.Residence))
	}, func(r *StatRow) bool { return r.N > 0 })
	for i := range out.Homes {
		out.Homes[i].Place = s.commonPlace(out.Schools, out.Homes[i].Residence)
	}
	out.Months = rows(months, func(a, b *MonthFlow) int { return cmp.Compare(a.Month, b.Month) }, func(*MonthFlow) bool { return true })
	for l, n := range links {
		out.Flows = append(out.Flows, FlowLink{l[0], l[1], n})
	}
	slices.SortFunc(out.Flows, func(a, b FlowLink) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	slices.SortStableFunc(out.Clocks, func(a, b ClockRow) int {
		return cmp.Or(cmp.Compare(bit(a.Unit.IsSchool()), bit(b.Unit.IsSchool())), cmp.Compare(b.Late+b.Overdue, a.Late+a.Overdue), cmp.Compare(a.Unit, b.Unit))
	})
	s.drawMap(&out, sc)
	return out, nil
}

// commonPlace names the county, the city or the province that a residence speaks of, when it is the same one for all the schools.
func (s *Service) commonPlace(schools []StatRow, residence string) string {
	digits := map[string]int{"": 6, "city": 4, "province": 2}[residence]
	if digits == 0 || len(schools) == 0 {
		return ""
	}
	d, at := s.dir.Load(), ""
	for _, r := range schools {
		region := d.schools[r.Unit].Region
		if len(region) != 6 || at != "" && region[:digits] != at {
			return ""
		}
		at = region[:digits]
	}
	name, _ := d.regions.Name((at + "0000")[:6])
	return name
}

// drawMap folds the flows into a table from → to: by county where who's schools lie in several, by school within one.
func (s *Service) drawMap(st *Statistics, sc access.Scope) {
	d := s.dir.Load()
	counties := map[string]bool{}
	for _, u := range sc.Schools() {
		counties[d.schools[u].Region] = true
	}
	place := func(u registry.Unit) string {
		if len(counties) > 1 {
			return d.schools[u].Region
		}
		if sc.HasSchool(u) {
			return string(u)
		}
		return d.schools[u].Region
	}
	volume := map[string]int{}
	for _, f := range st.Flows {
		volume[place(f.From)] += f.N
		volume[place(f.To)] += f.N
	}
	delete(volume, "")
	st.Places = slices.SortedFunc(maps.Keys(volume), func(a, b string) int { return cmp.Or(cmp.Compare(volume[b], volume[a]), cmp.Compare(a, b)) })
	st.Places = append(st.Places[:min(mapPlaces, len(st.Places))], "")
	index := map[string]int{}
	for i, p := range st.Places {
		index[p] = i
		st.Map = append(st.Map, make([]int, len(st.Places)))
	}
	where := func(u registry.Unit) int {
		if i, ok := index[place(u)]; ok {
			return i
		}
		return len(st.Places) - 1
	}
	for _, f := range st.Flows {
		st.Map[where(f.From)][where(f.To)] += f.N
	}
}

func at[K comparable, V any](m map[K]*V, k K, make func() V) *V {
	if v, ok := m[k]; ok {
		return v
	}
	v := make()
	m[k] = &v
	return &v
}

func rows[K comparable, V any](m map[K]*V, order func(a, b *V) int, keep func(*V) bool) []V {
	var out []V
	for _, v := range slices.SortedFunc(maps.Values(m), order) {
		if keep(v) {
			out = append(out, *v)
		}
	}
	return out
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// small is a count as a workbook that leaves the screen tells it: groups under supervise.Small are marked, not told.
func small(n int) any {
	if n > 0 && n < supervise.Small {
		return fmt.Sprintf("<%d", supervise.Small)
	}
	return n
}

// residenceTitle says a residence in the official words, with the place it speaks of.
func residenceTitle(r, place string) string {
	title := "未填或境外"
	switch r {
	case "":
		title = "本县（区）户籍"
	case "city":
		title = "本市外县（区）"
	case "province":
		title = "本省外市"
	case "other":
		title = "外省"
	}
	if place != "" {
		title += "（" + place + "）"
	}
	return title
}

// StatisticsBook is the same as a workbook: sums alone, so Article 25 asks for no approval; groups of one or two pupils are marked "<3".
func (s *Service) StatisticsBook(ctx context.Context, who Staff, year int) ([]byte, error) {
	st, err := s.statistics(ctx, who, year)
	if err != nil {
		return nil, err
	}
	name := s.dir.Load().Name
	placeTitle := func(p string) string {
		switch {
		case p == "":
			return "其他"
		}
		return name(registry.Unit(p)) // a county by its office, or by its place
	}
	b := newBook(fmt.Sprintf("%s　%d—%d 学年学籍统计　统计日期 %s　1、2 人的分组以“<3”标示", name(who.Unit), st.Year, st.Year+1, st.Taken))
	head := []any{"在籍", "男", "女", "在读", "休学", "辍学（保留）", "出境"}
	line := func(r StatRow) []any {
		return []any{small(r.N), small(r.Male), small(r.Female), small(r.Enrolled), small(r.Suspended), small(r.Dropout), small(r.Abroad)}
	}
	with := func(first ...any) func(...any) []any {
		return func(rest ...any) []any { return append(slices.Clone(first), rest...) }
	}
	b.sheet("按学校", append(with("学校", "学校标识码")(head...), "转入", "转出"), func(put func(...any)) {
		for _, r := range st.Schools {
			put(append(with(name(r.Unit), string(r.Unit))(line(r)...), small(r.In), small(r.Out))...)
		}
		put(append(with("合计", "")(line(st.Total)...), small(st.In+st.Inner), small(st.Out+st.Inner))...)
	})
	b.sheet("按年级", with("年级")(head...), func(put func(...any)) {
		for _, r := range st.Grades {
			put(with(registry.GradeTitle(r.Grade))(line(r)...)...)
		}
	})
	b.sheet("按户籍", with("户籍")(head...), func(put func(...any)) {
		for _, r := range st.Homes {
			put(with(residenceTitle(r.Residence, r.Place))(line(r)...)...)
		}
	})
	b.sheet("按状态", []any{"学籍状态", "人数"}, func(put func(...any)) {
		for _, k := range slices.Sorted(maps.Keys(st.Standing)) {
			put(k.Title(), small(st.Standing[k]))
		}
	})
	b.sheet("转学流量", []any{"月份", "转入本辖区", "转出本辖区", "辖区内转学"}, func(put func(...any)) {
		for _, m := range st.Months {
			put(m.Month, small(m.In), small(m.Out), small(m.Inner))
		}
		put("合计", small(st.In), small(st.Out), small(st.Inner))
	})
	mapHead := []any{"转出地＼转入地"}
	for _, p := range st.Places {
		mapHead = append(mapHead, placeTitle(p))
	}
	b.sheet("转学流向", mapHead, func(put func(...any)) {
		for i, p := range st.Places {
			r := []any{placeTitle(p)}
			for _, n := range st.Map[i] {
				r = append(r, small(n))
			}
			put(r...)
		}
	})
	b.sheet("办理时限", []any{"单位", "已办步骤", "逾期办结", "按时率", "平均工作日", "在办", "在办已逾期"}, func(put func(...any)) {
		for _, c := range st.Clocks {
			share := "—"
			if c.Done > 0 {
				share = fmt.Sprintf("%.1f%%", 100*float64(c.Done-c.Late)/float64(c.Done))
			}
			put(name(c.Unit), c.Done, c.Late, share, c.Mean(), c.Open, c.Overdue)
		}
	})
	out, err := b.bytes()
	if err != nil {
		return nil, internal(err)
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Print, What: "statistics", N: st.Total.N})
}

// book is a workbook of lists. The first error stays.
type book struct {
	f     *excelize.File
	first string
	n     int
	bold  int
	err   error
}

func newBook(first string) *book {
	b := &book{f: excelize.NewFile(), first: first}
	b.bold, b.err = b.f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E3F0EC"}}})
	return b
}

func (b *book) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// sheet adds one: a line that says what it is, the head, the rows.
func (b *book) sheet(name string, head []any, fill func(put func(...any))) {
	if b.err != nil {
		return
	}
	if b.n++; b.n == 1 {
		b.fail(b.f.SetSheetName("Sheet1", name))
	} else if _, err := b.f.NewSheet(name); err != nil {
		b.fail(err)
	}
	w, err := b.f.NewStreamWriter(name)
	if err != nil {
		b.fail(err)
		return
	}
	b.fail(w.SetColWidth(1, 1, 30))
	b.fail(w.SetColWidth(2, max(2, len(head)), 14))
	b.fail(w.SetRow("A1", []any{b.first}))
	titles := make([]any, len(head))
	for i, h := range head {
		titles[i] = excelize.Cell{StyleID: b.bold, Value: h}
	}
	b.fail(w.SetRow("A2", titles))
	n := 2
	fill(func(row ...any) {
		n++
		b.fail(w.SetRow(fmt.Sprintf("A%d", n), row))
	})
	b.fail(w.Flush())
}

func (b *book) bytes() ([]byte, error) {
	defer b.f.Close()
	if b.err != nil {
		return nil, b.err
	}
	var out bytes.Buffer
	_, err := b.f.WriteTo(&out)
	return out.Bytes(), err
}

// yearStart is the first instant of a school year.
func (s *Service) yearStart(unit registry.Unit) time.Time {
	pack := s.PackOf(s.Today(), unit)
	return dayStart(registry.Date(fmt.Sprintf("%04d-%s", pack.SchoolYear(s.Today()), pack.SchoolYearEnds)).AddDays(1))
}
