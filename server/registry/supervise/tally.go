package supervise

import (
	"cmp"
	"maps"
	"slices"

	"xueji/server/registry"
)

// Tally is what a unit's records amount to on a day: counts alone, nobody is in it. A school's has pupils and flows; every unit's has its clocks.
type Tally struct {
	Unit  registry.Unit `json:"unit"`
	On    registry.Date `json:"on"`
	Year  int           `json:"year"` // school year, by its autumn: flows and clocks are of it
	Cells []Cell        `json:"cells,omitempty"`
	Flows []Flow        `json:"flows,omitempty"`
	// Clocks by kind of case: the unit's own steps.
	Clocks map[registry.CaseKind]Clock `json:"clocks,omitempty"`
}

// Cell counts pupils alike in all four.
type Cell struct {
	Grade     int               `json:"g"`
	Sex       string            `json:"s,omitempty"` // GB/T 2261.1
	Residence string            `json:"r,omitempty"` // "": the school's county, "city", "province", "other", "unknown"
	Standing  registry.Standing `json:"st"`
	N         int               `json:"n"`
}

// Flow counts completed transfers and 升学 between the school and another.
type Flow struct {
	With registry.Unit     `json:"with"`
	In   bool              `json:"in,omitempty"`
	Kind registry.CaseKind `json:"kind"`
	// Month is "2026-09".
	Month string `json:"month"`
	N     int    `json:"n"`
}

// Clock is how a unit's steps went. Days is the sum of working days that decided steps took.
type Clock struct {
	Done    int `json:"done"`
	Late    int `json:"late"` // of Done: after the due day
	Open    int `json:"open"`
	Overdue int `json:"overdue"` // of Open
	Days    int `json:"days"`
}

// Add sums two.
func (c Clock) Add(d Clock) Clock {
	return Clock{c.Done + d.Done, c.Late + d.Late, c.Open + d.Open, c.Overdue + d.Overdue, c.Days + d.Days}
}

// Residences in the order of tables.
var Residences = []string{"", "city", "province", "other", "unknown"}

// Residence is how far the 户口 lies from the school: the county, another of its city, of its province, another province. The region is six digits.
func Residence(hukou, region string) string {
	switch {
	case len(hukou) < 6 || len(region) < 6:
		return "unknown"
	case hukou[:6] == region[:6]:
		return ""
	case hukou[:4] == region[:4]:
		return "city"
	case hukou[:2] == region[:2]:
		return "province"
	}
	return "other"
}

// Tallier counts one unit, record by record and case by case.
type Tallier struct {
	t      Tally
	region string
	pack   *registry.Pack
	cal    *registry.Calendar
	cells  map[Cell]int
	flows  map[Flow]int
}

// NewTallier begins a unit's count on the day of env; region is a school's county, "" for an office.
func NewTallier(unit registry.Unit, region string, env registry.Env) *Tallier {
	on := registry.DateOf(env.Now)
	return &Tallier{t: Tally{Unit: unit, On: on, Year: env.Pack.SchoolYear(on), Clocks: map[registry.CaseKind]Clock{}}, region: region, pack: env.Pack, cal: env.Calendar, cells: map[Cell]int{}, flows: map[Flow]int{}}
}

// Pupil counts a record. An erased one, and one merged into another, is nobody; the copy of a pupil whom another province has is counted there.
func (t *Tallier) Pupil(p *registry.Pupil) {
	if p.Standing == registry.StandingErased || p.Standing.Away() || p.Merged != nil {
		return
	}
	t.cells[Cell{Grade: p.Grade, Sex: p.Form[registry.FSex], Residence: Residence(p.Form[registry.FHukou], t.region), Standing: p.Standing}]++
}

// Case counts a case the unit takes part in: its own steps of this school year, and the school's flows.
func (t *Tallier) Case(c *registry.Case) {
	for i := range c.Steps {
		st := &c.Steps[i]
		if st.Unit != t.t.Unit || st.ArrivedAt.IsZero() {
			continue
		}
		k := t.t.Clocks[c.Kind]
		switch {
		case st.Decision != registry.DecisionPending:
			on := registry.DateOf(st.DecidedAt)
			if t.pack.SchoolYear(on) != t.t.Year {
				continue
			}
			k.Done++
			if st.DueOn != "" && on > st.DueOn {
				k.Late++
			}
			n, _ := t.cal.WorkingDaysBetween(registry.DateOf(st.ArrivedAt), on)
			k.Days += n
		case c.State == registry.CaseOpen:
			k.Open++
			if st.Overdue(t.t.On) {
				k.Overdue++
			}
		default:
			continue
		}
		t.t.Clocks[c.Kind] = k
	}
	if c.State != registry.CaseCompleted || c.Kind != registry.CaseTransfer && c.Kind != registry.CaseAdvance || c.From == c.To {
		return
	}
	on := registry.DateOf(c.ClosedAt)
	if t.pack.SchoolYear(on) != t.t.Year {
		return
	}
	f := Flow{Kind: c.Kind, Month: string(on)[:7]}
	switch t.t.Unit {
	case c.To:
		f.With, f.In = c.From, true
	case c.From:
		f.With = c.To
	default:
		return
	}
	t.flows[f]++
}

// Tally is the count, in one order.
func (t *Tallier) Tally() Tally {
	out := t.t
	for c, n := range t.cells {
		c.N = n
		out.Cells = append(out.Cells, c)
	}
	slices.SortFunc(out.Cells, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.Grade, b.Grade), cmp.Compare(a.Standing, b.Standing), cmp.Compare(a.Residence, b.Residence), cmp.Compare(a.Sex, b.Sex))
	})
	for f, n := range t.flows {
		f.N = n
		out.Flows = append(out.Flows, f)
	}
	slices.SortFunc(out.Flows, func(a, b Flow) int {
		return cmp.Or(cmp.Compare(a.Month, b.Month), cmp.Compare(a.With, b.With), cmp.Compare(a.Kind, b.Kind), cmp.Compare(boolInt(a.In), boolInt(b.In)))
	})
	out.Clocks = maps.Clone(t.t.Clocks)
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Small is the least count that is told of a group: fewer might be recognised (small cells of 1 and 2 are marked, not shown).
const Small = 3
