package service

import (
	"context"
	"slices"
	"strings"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A to-do list is counted, folded, narrowed and cut into pages by the sums of its tasks; the tasks of the page that is shown are read then, and no others.

const (
	// ToDoPage is how many rows a page holds, toDoSide how many of what others have and of what is overdue below.
	ToDoPage = 60
	toDoSide = 30
	// toDoFold is from how many on newcomers of one grade stand in one row.
	toDoFold = 4
	// ArchiveHeap is how many tasks of one kind a page of archives shows: more than a graduating class of most schools.
	ArchiveHeap = 300
)

// Kinds that a to-do list is narrowed by.
const (
	ToDoTransfer = string(registry.CaseTransfer)
	ToDoEnrol    = string(registry.CaseEnrol)
	ToDoSuspend  = "suspend"
	ToDoChange   = "change"
	ToDoArchive  = "archive"
	ToDoOther    = "other"
)

// When a task is due, as a list is narrowed by it.
const (
	ToDoOverdue = "overdue"
	ToDoSoon    = "soon"
	ToDoInTime  = "intime"
)

// ToDoAsk narrows a list; zero members do not.
type ToDoAsk struct {
	Kind  string
	When  string
	Group string // ToDoRow.Group: its tasks one by one
	Page  int    // from 1; 0 is 1
}

// ToDoRow is a task; newcomers of one grade together, with the first of their tasks; or newcomers that were handed in.
type ToDoRow struct {
	store.TaskRow
	N      int        // tasks it stands for
	Group  string     // "" for one task
	Refs   []Ref      // of a group of steps: whom they are about
	Handed *HandedDay // and no task
}

// toDoKind is the kind that a topic is narrowed by.
func toDoKind(t store.TaskTopic) string {
	switch {
	case t.Kind == registry.TaskStep && (t.Case == registry.CaseTransfer || t.Case == registry.CaseEnrol):
		return string(t.Case)
	case t.Kind == registry.TaskStep && (t.Case == registry.CaseSuspend || t.Case == registry.CaseExtend), t.Kind == registry.TaskSuspensionEnd:
		return ToDoSuspend
	case t.Kind == registry.TaskStep, t.Kind == registry.TaskDropoutReport, t.Kind == registry.TaskHandOver, t.Kind == registry.TaskAbsence, t.Kind == registry.TaskAbsenceContact:
		return ToDoChange
	case strings.HasPrefix(string(t.Kind), "archive"):
		return ToDoArchive
	}
	return ToDoOther
}

// folds reports whether tasks of a topic stand in one row: those that may be decided together, and those whose archives are to be built.
func folds(t store.TaskTopic) bool {
	return t.Kind == registry.TaskStep && t.Case == registry.CaseEnrol || t.Kind == registry.TaskArchiveBuild
}

// TaskReader reads the tasks of a list.
type TaskReader interface {
	Tasks(ctx context.Context, q store.TaskQuery) ([]store.TaskRow, error)
	TaskRefs(ctx context.Context, q store.TaskQuery) ([]store.TaskRef, error)
}

// ToDoList is a unit's list, counted.
type ToDoList struct {
	Today, Soon registry.Date // Soon: the last day that counts as soon
	Sums        []store.TaskSum
	Handed      []HandedDay
	Of          store.TaskQuery // whose list it is
}

func (l *ToDoList) when(due registry.Date) string {
	switch {
	case due != "" && due < l.Today:
		return ToDoOverdue
	case due != "" && due <= l.Soon:
		return ToDoSoon
	}
	return ToDoInTime
}

// Count adds the list up: by when and by kind.
func (l *ToDoList) Count() (c store.TaskCounts, kinds map[string]int) {
	kinds = map[string]int{}
	add := func(kind string, due registry.Date, n int) {
		kinds[kind] += n
		switch l.when(due) {
		case ToDoOverdue:
			c.Overdue += n
		case ToDoSoon:
			c.Soon += n
		default:
			c.InTime += n
		}
	}
	for _, s := range l.Sums {
		add(toDoKind(s.Topic), s.DueOn, s.N)
	}
	for _, d := range l.Handed {
		add(ToDoEnrol, d.DueOn, d.N)
	}
	return c, kinds
}

// toDoEntry is what stands on a list in one piece: the tasks of a day and topic one by one, all of a group in one row, or newcomers that were handed in.
type toDoEntry struct {
	sums   []store.TaskSum // of a group, all of them
	one    bool            // one row
	handed *HandedDay
}

func (e *toDoEntry) due() registry.Date {
	if e.handed != nil {
		return e.handed.DueOn
	}
	return e.sums[0].DueOn
}

// entries are what stands on the list, soonest first. A group stands where its first task does.
func (l *ToDoList) entries(ask ToDoAsk) []toDoEntry {
	asked := func(kind string, due registry.Date) bool {
		return (ask.Kind == "" || ask.Kind == kind) && (ask.When == "" || ask.When == l.when(due))
	}
	groups := map[store.TaskTopic][]store.TaskSum{}
	size := map[store.TaskTopic]int{}
	var sums []store.TaskSum
	for _, s := range l.Sums {
		if !asked(toDoKind(s.Topic), s.DueOn) || ask.Group != "" && ask.Group != s.Topic.String() {
			continue
		}
		sums = append(sums, s)
		if ask.Group == "" && folds(s.Topic) {
			groups[s.Topic], size[s.Topic] = append(groups[s.Topic], s), size[s.Topic]+s.N
		}
	}
	var out []toDoEntry
	for _, s := range sums {
		switch g := groups[s.Topic]; {
		case size[s.Topic] < toDoFold:
			out = append(out, toDoEntry{sums: []store.TaskSum{s}})
		case g[0] == s:
			out = append(out, toDoEntry{sums: g, one: true})
		}
	}
	if ask.Group != "" {
		return out
	}
	for i := range l.Handed {
		h := toDoEntry{one: true, handed: &l.Handed[i]}
		if !asked(ToDoEnrol, h.due()) {
			continue
		}
		at := slices.IndexFunc(out, func(e toDoEntry) bool { return e.due() == "" || e.due() > h.due() })
		if at < 0 {
			at = len(out)
		}
		out = slices.Insert(out, at, h)
	}
	return out
}

// Page reads a page of most rows of what is asked for, and how many rows there are in all.
func (l *ToDoList) Page(ctx context.Context, r TaskReader, ask ToDoAsk, most int) (rows []ToDoRow, total int, err error) {
	from := (max(ask.Page, 1) - 1) * most
	var run []store.TaskSum // tasks one by one that follow each other
	var skip, take int      // of the run
	flush := func() error {
		if take == 0 {
			run = nil
			return nil
		}
		q := l.Of
		q.Of, q.Offset, q.Limit = run, skip, take
		found, err := r.Tasks(ctx, q)
		for i := range found {
			rows = append(rows, ToDoRow{TaskRow: found[i], N: 1})
		}
		run, skip, take = nil, 0, 0
		return err
	}
	for _, e := range l.entries(ask) {
		at, n := total, 1
		if !e.one {
			n = e.sums[0].N
		}
		total += n
		first, last := max(at, from), min(at+n, from+most)
		if first >= last {
			continue
		}
		if !e.one {
			if len(run) == 0 {
				skip = first - at
			}
			run, take = append(run, e.sums[0]), take+last-first
			continue
		}
		if err := flush(); err != nil {
			return nil, 0, err
		}
		row := ToDoRow{Handed: e.handed}
		if e.handed != nil {
			row.N = e.handed.N
		} else if row, err = l.group(ctx, r, e.sums); err != nil {
			return nil, 0, err
		}
		rows = append(rows, row)
	}
	return rows, total, flush()
}

// group reads a row of tasks together: the first, and whom all are about.
func (l *ToDoList) group(ctx context.Context, r TaskReader, sums []store.TaskSum) (ToDoRow, error) {
	q := l.Of
	q.Of, q.Limit = sums, 1
	first, err := r.Tasks(ctx, q)
	if err != nil {
		return ToDoRow{}, err
	}
	row := ToDoRow{Group: sums[0].Topic.String()}
	if len(first) > 0 {
		row.TaskRow = first[0]
	}
	for _, s := range sums {
		row.N += s.N
	}
	if sums[0].Topic.Kind != registry.TaskStep || q.Waiting {
		return row, nil
	}
	for q.Limit = sideLimit; len(row.Refs) < todoLimit; q.Offset += sideLimit {
		refs, err := r.TaskRefs(ctx, q)
		if err != nil {
			return ToDoRow{}, err
		}
		for _, f := range refs {
			row.Refs = append(row.Refs, Ref{UID: f.UID, Seen: f.Seen})
		}
		if len(refs) < sideLimit {
			break
		}
	}
	return row, nil
}

// toDoList counts what a unit has to do, and what day it is. What its day has not come for yet (a suspension that ends later than the rule pack's alert,
// registry.Task.Shown) is neither listed nor counted.
func (s *Service) toDoList(ctx context.Context, unit registry.Unit) (ToDoList, error) {
	l := ToDoList{Today: s.Today(), Of: store.TaskQuery{Unit: unit}}
	l.Soon, _ = s.cal.AddWorkingDays(l.Today, soonDays)
	var err error
	if l.Sums, err = s.st.TaskSums(ctx, unit, false); err != nil {
		return l, internal(err)
	}
	pack := s.Pack()
	l.Sums = slices.DeleteFunc(l.Sums, func(t store.TaskSum) bool {
		return !(&registry.Task{Kind: t.Topic.Kind, DueOn: t.DueOn}).Shown(l.Today, pack)
	})
	return l, nil
}

// ToDo is a page of a unit's list: what is mine soonest first, what others have that I wait for, and what is overdue under me.
func (s *Service) ToDo(ctx context.Context, who Staff, ask ToDoAsk) (ToDo, error) {
	out, l, err := s.toDo(ctx, who)
	if err != nil || l == nil {
		return out, err
	}
	if out.Mine, out.Rows, err = l.Page(ctx, s.st, ask, ToDoPage); err != nil {
		return ToDo{}, internal(err)
	}
	wait := ToDoList{Today: l.Today, Soon: l.Soon, Of: store.TaskQuery{Unit: who.Unit, Waiting: true}}
	if wait.Sums, err = s.st.TaskSums(ctx, who.Unit, true); err != nil {
		return ToDo{}, internal(err)
	}
	if out.Waiting, _, err = wait.Page(ctx, s.st, ToDoAsk{}, toDoSide); err != nil {
		return ToDo{}, internal(err)
	}
	if out.Above, err = s.st.TasksAbove(ctx, who.Unit, out.Today, toDoSide); err != nil {
		return ToDo{}, internal(err)
	}
	n := len(out.Above)
	for _, r := range slices.Concat(out.Mine, out.Waiting) {
		n += r.N
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "todo", N: n})
}

// ToDoCount is ToDo without its lists of tasks: no pupil is read for it.
func (s *Service) ToDoCount(ctx context.Context, who Staff) (ToDo, error) {
	out, _, err := s.toDo(ctx, who)
	return out, err
}

// hasCases: clerks and operators have no cases, their work is on other pages.
func hasCases(sc access.Scope) bool {
	return sc.May(access.SchoolWork) || sc.May(access.Confirm) || sc.May(access.Authority)
}

// toDo counts; no list for who has no cases.
func (s *Service) toDo(ctx context.Context, who Staff) (out ToDo, l *ToDoList, err error) {
	sc := s.scope(who)
	if err := sc.Check(access.ToDo); err != nil {
		return ToDo{}, nil, err
	}
	if out.Today = s.Today(); !hasCases(sc) {
		return out, nil, nil
	}
	mine, err := s.toDoList(ctx, who.Unit)
	if err != nil {
		return ToDo{}, nil, err
	}
	if sc.May(access.Import) {
		if mine.Handed, err = s.handedDays(ctx, who.Unit); err != nil {
			return ToDo{}, nil, err
		}
	}
	out.Handed = mine.Handed
	if out.Counts, out.Kinds, err = s.counted(ctx, &mine); err != nil {
		return ToDo{}, nil, err
	}
	if out.Orders, err = s.st.OrdersFor(ctx, who.Unit, sideLimit); err != nil {
		return ToDo{}, nil, internal(err)
	}
	if sc.May(access.FinishLetters) {
		if out.Held, err = s.heldFor(ctx, who.Unit); err != nil {
			return ToDo{}, nil, err
		}
	}
	return out, &mine, nil
}

// counted is a list added up, with what is beside it.
func (s *Service) counted(ctx context.Context, l *ToDoList) (store.TaskCounts, map[string]int, error) {
	beside, err := s.st.TaskCounts(ctx, l.Of.Unit, l.Today)
	if err != nil {
		return beside, nil, internal(err)
	}
	c, kinds := l.Count()
	c.Waiting, c.Above = beside.Waiting, beside.Above
	return c, kinds, nil
}

// taskCounts counts a unit's list.
func (s *Service) taskCounts(ctx context.Context, unit registry.Unit) (store.TaskCounts, error) {
	l, err := s.toDoList(ctx, unit)
	if err != nil {
		return store.TaskCounts{}, err
	}
	c, _, err := s.counted(ctx, &l)
	return c, err
}

// handedDays are the newcomers that other systems handed in.
func (s *Service) handedDays(ctx context.Context, school registry.Unit) (out []HandedDay, err error) {
	came, err := s.st.HandedAt(ctx, school, store.HandedWaiting)
	if err != nil {
		return nil, internal(err)
	}
	for _, at := range came {
		on := registry.DateOf(at)
		if n := len(out); n == 0 || out[n-1].On != on {
			d := HandedDay{On: on}
			d.DueOn, d.Unsure = s.cal.AddWorkingDays(on, s.PackOf(s.Today(), school).StepWorkingDays[registry.CaseEnrol])
			out = append(out, d)
		}
		out[len(out)-1].N++
	}
	return out, nil
}

// OwnTasks are the tasks of who's unit about pupils; party "" for those of every party.
func (s *Service) OwnTasks(ctx context.Context, who Staff, refs []Ref, party registry.Party) ([]store.TaskRow, error) {
	sc := s.scope(who)
	if err := sc.Check(access.ToDo); err != nil {
		return nil, err
	}
	if !hasCases(sc) {
		return nil, nil
	}
	q := store.TaskQuery{Unit: who.Unit, Limit: sideLimit}
	if party != "" {
		l, err := s.toDoList(ctx, who.Unit)
		if err != nil {
			return nil, err
		}
		q.Of = slices.DeleteFunc(l.Sums, func(t store.TaskSum) bool { return t.Topic.Party != party })
	}
	var out []store.TaskRow
	for part := range slices.Chunk(refs, 100) { // one has a few tasks at most
		q.UIDs = nil
		for _, r := range part {
			q.UIDs = append(q.UIDs, r.UID)
		}
		rows, err := s.st.Tasks(ctx, q)
		if err != nil {
			return nil, internal(err)
		}
		out = append(out, rows...)
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "todo", N: len(out)})
}

// TaskHeap is the first tasks of a kind, and how many there are.
type TaskHeap struct {
	Rows []store.TaskRow
	N    int
}

// ArchiveToDo is what is to be done about archives: by the unit, by others for whom it waits, and what is overdue below.
type ArchiveToDo struct {
	Mine, Waiting map[registry.TaskKind]TaskHeap
	Above         TaskHeap
}

// ArchiveTasks lists what is to be done about archives, most of each kind or some more.
func (s *Service) ArchiveTasks(ctx context.Context, who Staff, most int) (out ArchiveToDo, err error) {
	sc := s.scope(who)
	if err := sc.Check(access.ToDo); err != nil {
		return out, err
	}
	if !hasCases(sc) {
		return out, nil
	}
	n := 0
	heaps := func(waiting bool) (map[registry.TaskKind]TaskHeap, error) {
		sums, err := s.st.TaskSums(ctx, who.Unit, waiting)
		if err != nil {
			return nil, internal(err)
		}
		of := map[registry.TaskKind][]store.TaskSum{}
		for _, t := range sums {
			if toDoKind(t.Topic) == ToDoArchive {
				of[t.Topic.Kind] = append(of[t.Topic.Kind], t)
			}
		}
		out := map[registry.TaskKind]TaskHeap{}
		for kind, sums := range of {
			var h TaskHeap
			for _, t := range sums {
				h.N += t.N
			}
			for q := (store.TaskQuery{Unit: who.Unit, Waiting: waiting, Of: sums, Limit: sideLimit}); len(h.Rows) < min(most, h.N); q.Offset += sideLimit {
				rows, err := s.st.Tasks(ctx, q)
				if err != nil {
					return nil, internal(err)
				}
				if h.Rows = append(h.Rows, rows...); len(rows) < sideLimit {
					break
				}
			}
			n += len(h.Rows)
			out[kind] = h
		}
		return out, nil
	}
	if out.Mine, err = heaps(false); err != nil {
		return out, err
	}
	if out.Waiting, err = heaps(true); err != nil {
		return out, err
	}
	above, err := s.st.TasksAbove(ctx, who.Unit, s.Today(), sideLimit)
	if err != nil {
		return out, internal(err)
	}
	above = slices.DeleteFunc(above, func(t store.TaskRow) bool { return !strings.HasPrefix(string(t.Kind), "archive") })
	out.Above = TaskHeap{above, len(above)}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "todo", N: n + len(out.Above.Rows)})
}
