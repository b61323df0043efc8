package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// PlanRow is one pupil of a plan.
type PlanRow struct {
	store.Summary
	ToGrade     int
	ToClass     string
	Certificate string
	Offered     *registry.Offered // offer: to whom the pupil is named already
	Open        *registry.Case    // the case that holds the lock: number, kind and whose turn it is
	Err         error             // why the pupil would be passed over; nil when not
}

// PlanClass counts a class of a plan: who goes, who is passed over, and why.
type PlanClass struct {
	Grade, ToGrade int
	Class          string
	Go, Stop       int
	Whys           []PlanWhy
}

// PlanWhy is how many are passed over for a reason; a reason may come more than once.
type PlanWhy struct {
	Err error
	N   int
}

// PlanAt is where a page of a plan begins.
type PlanAt struct {
	Grade  int
	Class  string
	Offset int
}

// BulkPlan is a plan: every class of it, and a page of its pupils. Closed says why nothing may start today, for a year or a time of the year.
type BulkPlan struct {
	Ask     BulkAsk
	At      registry.Date // the day the plan was decided for
	Closed  error
	Pack    *registry.Pack
	Classes []PlanClass
	Rows    []PlanRow // class by class, of each those with an open case first
	Next    *PlanAt   // the next page; nil after the last
}

// A page holds whole classes up to so many pupils, and of one class at most so many.
const (
	planPage = 80
	planMost = 100
)

// planner decides the pupils of a plan, those of one basis once.
type planner struct {
	s      *Service
	ask    BulkAsk
	run    store.BulkRun
	at     time.Time
	serial int // of the next certificate
	// keep is whom the plan is about. Standing and grade are asked first, so that few bases are read.
	keep func(grade int, standing registry.Standing, archive registry.ArchiveState) bool
	// records are the school's, when the pack asks for more than a basis tells; else nil.
	records map[registry.UID]registry.Pupil
	cases   map[planKey]*planCase
}

// planKey is what pupils share who are decided together. In a plan of records, basis is a UID.
type planKey struct {
	grade    int
	class    string
	standing registry.Standing
	basis    string
}

// planCase is the answer for a key.
type planCase struct {
	n    int // pupils
	kept bool
	open *registry.Case
	err  error
}

// PlanBulk decides dry: the pupils of one basis (registry.Basis) once, so that a plan costs what its classes differ in and not what the school has in pupils.
func (s *Service) PlanBulk(ctx context.Context, who Staff, a BulkAsk) (BulkPlan, error) {
	if err := s.mineToAsk(who, &a, true); err != nil {
		return BulkPlan{}, err
	}
	plan, pl, err := s.planner(ctx, who, a)
	if err != nil {
		return plan, err
	}
	classes, err := pl.classes(ctx)
	if err != nil {
		return plan, err
	}
	plan.Classes = classes
	if plan.Rows, plan.Next, err = pl.page(ctx, classes); err != nil {
		return plan, err
	}
	return plan, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "bulk/" + string(a.Kind), N: len(plan.Rows)})
}

// planner says for which day, whom and what a plan is.
func (s *Service) planner(ctx context.Context, who Staff, a BulkAsk) (BulkPlan, *planner, error) {
	today := s.Today()
	plan := BulkPlan{At: today, Pack: s.PackOf(today, a.School)}
	pl := &planner{s: s, at: s.now(), cases: map[planKey]*planCase{}}
	living := func(st registry.Standing) bool { return st.Living() }
	pl.keep = func(_ int, st registry.Standing, _ registry.ArchiveState) bool { return living(st) }
	var kind registry.CaseKind
	switch a.Kind {
	case store.BulkPromote:
		w := plan.Pack.Promotion
		if a.Year == 0 {
			a.Year = today.Year()
			if string(today[5:]) > w.To {
				a.Year++ // this year's is over: what the next would do, if nothing changed
			}
		}
		if a.Year != today.Year() || !w.Holds(today) {
			plan.Closed = fail(registry.CodeWindow, "", map[string]string{"windows": w.From + "/" + w.To, "today": string(today)})
			plan.At = registry.Date(fmt.Sprintf("%04d-%s", a.Year, w.From))
			pl.at, _ = time.ParseInLocation("2006-01-02 15:04", string(plan.At)+" 12:00", registry.Beijing)
		}
	case store.BulkFinish:
		kind = registry.CaseFinish
		if a.End == "" {
			a.End = registry.StandingGraduated
		}
		grades, known := plan.Pack.FinishGrades[a.End]
		if !known {
			return plan, nil, fail(registry.CodeInvalid, "end", nil)
		}
		if a.On == "" {
			a.On = today
		}
		pl.keep = func(g int, st registry.Standing, _ registry.ArchiveState) bool {
			return living(st) && slices.Contains(grades, g)
		}
	case store.BulkKeep:
		pl.keep = func(_ int, st registry.Standing, archive registry.ArchiveState) bool {
			return st.Ended() && archive != registry.ArchivePermanent
		}
	case store.BulkOffer:
		if err := s.plannedOffer(ctx, &a); err != nil {
			return plan, nil, err
		}
		pl.keep = func(g int, st registry.Standing, _ registry.ArchiveState) bool {
			return slices.Contains(plan.Pack.StageEnds, g) && registry.MayAdvance(st)
		}
		pl.records = map[registry.UID]registry.Pupil{} // who was named already stands in the record alone
	case store.BulkAdvance:
		kind = registry.CaseAdvance
		if !s.feeds(a.Of, a.School) {
			return plan, nil, registry.ErrNotFound
		}
		// Only whose end the authority approved is shown to another school (Art. 25).
		pl.keep = func(g int, st registry.Standing, _ registry.ArchiveState) bool {
			return slices.Contains(plan.Pack.StageEnds, g) && (st == registry.StandingGraduated || st == registry.StandingCompleted || st == registry.StandingPromoted)
		}
	}
	plan.Ask, pl.ask = a, a
	pl.run = store.BulkRun{Kind: a.Kind, School: a.School, Doc: store.BulkDoc{By: who.Actor("console"), Year: a.Year, On: a.On}}
	if a.Kind != store.BulkPromote { // who plans is not always who starts: a dry decision is made as the one who may
		pl.run.Doc.By = registry.Actor{Account: who.ID, Unit: a.School, Role: registry.RoleRegistrar}
	}
	if plan.Pack.Personal(kind) {
		pl.records = map[registry.UID]registry.Pupil{}
	}
	var err error
	pl.serial, err = s.firstCertificate(ctx, a)
	return plan, pl, err
}

// plannedOffer puts some school of a peer into a plan that names none yet: what stands in the way does not depend on which.
func (s *Service) plannedOffer(ctx context.Context, a *BulkAsk) error {
	if a.Of != "" {
		return nil
	}
	peers, err := s.ExchangePeers(ctx)
	if err != nil || len(peers) == 0 {
		return cmp.Or(err, fail(registry.CodeWrongState, "", map[string]string{"why": "no_peer"}))
	}
	a.Of = registry.Unit("31" + peers[0].Province[:2] + "999999")
	return s.knowPeer(ctx, peers[0].Province)
}

// of is the school whose pupils are planned.
func (pl *planner) of() registry.Unit {
	if pl.ask.Kind == store.BulkAdvance {
		return pl.ask.Of
	}
	return pl.ask.School
}

// classes counts the plan by class.
func (pl *planner) classes(ctx context.Context) ([]PlanClass, error) {
	counted, err := pl.count(ctx)
	if err != nil {
		return nil, err
	}
	at := map[PlanAt]int{}
	var out []PlanClass
	for k, n := range counted {
		c := pl.decided(k)
		if c.n = n; !c.kept {
			continue
		}
		i, seen := at[PlanAt{Grade: k.grade, Class: k.class}]
		if !seen {
			i = len(out)
			at[PlanAt{Grade: k.grade, Class: k.class}] = i
			out = append(out, PlanClass{Grade: k.grade, Class: k.class, ToGrade: k.grade + 1})
		}
		if c.err == nil {
			out[i].Go += n
			continue
		}
		out[i].Stop += n
		out[i].Whys = append(out[i].Whys, PlanWhy{c.err, n})
	}
	slices.SortFunc(out, func(a, b PlanClass) int { return compareClasses(a.Grade, b.Grade, a.Class, b.Class) })
	return out, nil
}

// compareClasses is the order of classes: 2班 before 10班.
func compareClasses(g, h int, a, b string) int {
	return cmp.Or(g-h, len(a)-len(b), strings.Compare(a, b))
}

// count reads how many pupils share a key.
func (pl *planner) count(ctx context.Context) (map[planKey]int, error) {
	out := map[planKey]int{}
	if pl.records != nil {
		err := pl.s.st.EachPupil(ctx, pl.of(), func(p registry.Pupil) error {
			if pl.keep(p.Grade, p.Standing, p.Archive.State) {
				pl.records[p.UID] = p
				out[planKey{p.Grade, p.Class, p.Standing, string(p.UID)}] = 1
			}
			return nil
		})
		return out, internal(err)
	}
	bases, err := pl.s.st.Bases(ctx, pl.of())
	for _, b := range bases {
		out[planKey{b.Grade, b.Class, b.Standing, b.Basis}] += b.N
	}
	return out, internal(err)
}

// decided decides a key, once.
func (pl *planner) decided(k planKey) *planCase {
	if c := pl.cases[k]; c != nil {
		return c
	}
	c := &planCase{}
	pl.cases[k] = c
	p, whole := pl.records[registry.UID(k.basis)]
	if !whole {
		b, err := registry.ParseBasis(k.basis)
		if err != nil {
			c.kept, c.err = true, internal(err)
			return c
		}
		p = b.Stand(pl.of(), k.grade, k.class, k.standing)
	}
	if c.kept = pl.keep(p.Grade, p.Standing, p.Archive.State); !c.kept {
		return c
	}
	c.open = p.OpenCase()
	ev, actor := pl.s.bulkEvent(pl.run, &p, store.BulkMark{End: pl.ask.End, Certificate: pl.certificate(), ToGrade: p.Grade + 1, ToClass: pl.toClass(p.Class), To: pl.ask.Of})
	ev = dryNumber(ev, pl.at)
	_, _, c.err = registry.Decide(p, ev, pl.s.env(pl.at, actor, ruler(&p, ev)))
	return c
}

func (pl *planner) toClass(class string) string { return cmp.Or(pl.ask.Classes[class], class) }

// certificate is the next number, "" when the end carries none.
func (pl *planner) certificate() string {
	if pl.ask.Kind != store.BulkFinish || pl.ask.End == registry.StandingPromoted {
		return ""
	}
	return certificateOf(pl.ask, pl.serial)
}

// page lists pupils from where the ask says.
func (pl *planner) page(ctx context.Context, classes []PlanClass) (rows []PlanRow, next *PlanAt, err error) {
	from := max(0, slices.IndexFunc(classes, func(c PlanClass) bool { return c.Grade == pl.ask.Grade && c.Class == pl.ask.Class }))
	skip := pl.ask.Offset
	for _, c := range classes[:from] {
		pl.serial += c.Go
	}
	for i, c := range classes[from:] {
		size := c.Go + c.Stop
		if i > 0 && len(rows)+size > planPage {
			return rows, &PlanAt{Grade: c.Grade, Class: c.Class}, nil
		}
		part, err := pl.rows(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		part = part[min(max(skip, 0), len(part)):]
		if len(part) > planMost {
			return append(rows, part[:planMost]...), &PlanAt{Grade: c.Grade, Class: c.Class, Offset: max(skip, 0) + planMost}, nil
		}
		rows, skip = append(rows, part...), 0
	}
	return rows, nil, nil
}

// rows are a class's pupils, by name, those with an open case first, each who goes with the next certificate.
func (pl *planner) rows(ctx context.Context, c PlanClass) ([]PlanRow, error) {
	people, err := pl.s.schoolRows(ctx, store.Query{All: true, School: pl.of(), Grade: c.Grade, Class: c.Class}, func(r store.Summary) bool {
		return r.Grade == c.Grade && r.Class == c.Class
	})
	if err != nil {
		return nil, err
	}
	uids := make([]registry.UID, len(people))
	for i := range people {
		uids[i] = people[i].UID
	}
	bases, err := pl.s.st.BasesOf(ctx, uids)
	if err != nil {
		return nil, internal(err)
	}
	var out []PlanRow
	for _, r := range people {
		k := planKey{r.Grade, r.Class, r.Standing, bases[r.UID]}
		if _, read := pl.records[r.UID]; read {
			k.basis = string(r.UID)
		}
		x := pl.decided(k)
		if !x.kept {
			continue
		}
		row := PlanRow{Offered: pl.records[r.UID].Offered, Summary: r, Open: x.open, ToGrade: r.Grade + 1, ToClass: pl.toClass(r.Class), Certificate: pl.certificate(), Err: x.err}
		if row.Err == nil {
			pl.serial++
		}
		out = append(out, row)
	}
	slices.SortStableFunc(out, func(x, y PlanRow) int { return boolInt(y.Open != nil) - boolInt(x.Open != nil) })
	return out, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// dryNumber gives a starting event a case number that is never written.
func dryNumber(ev registry.Event, at time.Time) registry.Event {
	no := func(k registry.CaseKind) registry.CaseNo {
		return registry.CaseNumber(k, at.Year(), officeDesk, 999999)
	}
	switch e := ev.(type) {
	case registry.StartFinish:
		e.CaseNo = no(registry.CaseFinish)
		return e
	case registry.StartAdvance:
		e.CaseNo = no(registry.CaseAdvance)
		return e
	}
	return ev
}
