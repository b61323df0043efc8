package service

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"xueji/server/internal/demo"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// tasksOf are the tasks of rows.
func tasksOf(rows []ToDoRow) (out []store.TaskRow) {
	for _, r := range rows {
		out = append(out, r.TaskRow)
	}
	return out
}

// fill gives the school of registrar.yunhe n pupils with a task each, drawn at random among those that lists meet.
func fill(t testing.TB, r *rig, rng *rand.Rand, n int) (all []store.TaskRow) {
	t.Helper()
	today := r.s.Today()
	var batch store.Batch
	for i := range n {
		p := registry.Pupil{UID: registry.NewUID([16]byte{byte(i), byte(i >> 8), 7}), School: demo.YunheShiyan, Grade: 1 + rng.IntN(3), Class: "1班", Standing: registry.StandingEnrolled,
			Form: registry.Form{registry.FName: fmt.Sprintf("李%c", '一'+rune(i))}}
		due := today.AddDays(rng.IntN(40) - 10)
		task := []registry.Task{
			{Kind: registry.TaskStep, Case: registry.CaseEnrol, Party: registry.PartySchool}, {Kind: registry.TaskStep, Case: registry.CaseEnrol, Party: registry.PartySchool},
			{Kind: registry.TaskStep, Case: registry.CaseTransfer, Party: registry.PartySender}, {Kind: registry.TaskArchiveBuild}, {Kind: registry.TaskSuspensionEnd}, {Kind: registry.TaskArchiveSend},
			{Kind: registry.TaskDropoutReport}, {Kind: registry.TaskStep, Case: registry.CaseSuspend, Party: registry.PartySchool}, {Kind: registry.TaskCardCopy},
		}[rng.IntN(9)]
		if rng.IntN(30) == 0 {
			due = ""
		}
		task.UID, task.Unit, task.Above, task.Arrived, task.DueOn = p.UID, demo.YunheShiyan, "330106", today, due
		batch.Changes = append(batch.Changes, store.Change{Pupil: p, Tasks: []registry.Task{task}, Index: indexOf(p), Entry: store.Entry{At: r.now(), Kind: registry.EvEnrol, Payload: []byte("{}")}})
		if task.Shown(today, r.s.Pack()) {
			all = append(all, store.TaskRow{Task: task, Summary: store.Summary{UID: p.UID, Name: p.Name(), School: p.School, Grade: p.Grade, Version: 1}})
		}
		if len(batch.Changes) == 250 || i == n-1 {
			if err := r.st.Commit(r.ctx, batch); err != nil {
				t.Fatal(err)
			}
			batch = store.Batch{}
		}
	}
	slices.SortFunc(all, func(a, b store.TaskRow) int {
		last := func(d registry.Date) registry.Date { return cmp.Or(d, "9999") }
		topic := func(r store.TaskRow) string { return store.TopicOf(&r.Task, r.School, r.Grade).String() }
		return cmp.Or(cmp.Compare(last(a.DueOn), last(b.DueOn)), cmp.Compare(topic(a), topic(b)), cmp.Compare(a.Task.UID, b.Task.UID))
	})
	return all
}

// The pages of a to-do list, one after the other, are what reading every task and folding, counting and narrowing them in memory gives: overdue first, by due day, each
// task once; and a page opens the pupils of its rows alone.
func TestToDoPages(t *testing.T) {
	r := newRig(t)
	rng := rand.New(rand.NewPCG(3, 9))
	all := fill(t, r, rng, 700)
	reg, today := r.staff("registrar.yunhe"), r.s.Today()
	soon, _ := r.s.cal.AddWorkingDays(today, soonDays)
	topic := func(t store.TaskRow) store.TaskTopic { return store.TopicOf(&t.Task, t.School, t.Grade) }
	when := func(d registry.Date) string {
		switch {
		case d == "" || d > soon:
			return ToDoInTime
		case d < today:
			return ToDoOverdue
		}
		return ToDoSoon
	}
	// naive is the list as it is told: lines of groups by what they hold, of tasks by their pupil.
	naive := func(ask ToDoAsk) (out []string) {
		size := map[store.TaskTopic]int{}
		var rows []store.TaskRow
		for _, r := range all {
			if (ask.Kind == "" || ask.Kind == toDoKind(topic(r))) && (ask.When == "" || ask.When == when(r.DueOn)) && (ask.Group == "" || ask.Group == topic(r).String()) {
				rows = append(rows, r)
				size[topic(r)]++
			}
		}
		had := map[store.TaskTopic]bool{}
		for _, r := range rows {
			if g := topic(r); ask.Group == "" && size[g] >= 4 && (r.Case == registry.CaseEnrol || r.Kind == registry.TaskArchiveBuild) {
				if !had[g] {
					out = append(out, fmt.Sprint(r.DueOn, g, size[g]))
				}
				had[g] = true
				continue
			}
			out = append(out, fmt.Sprint(r.DueOn, topic(r), r.Name, r.Task.UID))
		}
		return out
	}
	first := must[ToDo](t)(r.s.ToDo(r.ctx, reg, ToDoAsk{}))
	kinds := map[string]int{}
	counts := store.TaskCounts{}
	for _, r := range all {
		kinds[toDoKind(topic(r))]++
		switch when(r.DueOn) {
		case ToDoOverdue:
			counts.Overdue++
		case ToDoSoon:
			counts.Soon++
		default:
			counts.InTime++
		}
	}
	if first.Counts != counts || !maps.Equal(first.Kinds, kinds) || len(kinds) != 6 {
		t.Fatalf("%+v %v, want %+v %v", first.Counts, first.Kinds, counts, kinds)
	}
	if n := must[ToDo](t)(r.s.ToDoCount(r.ctx, reg)); n.Counts != counts {
		t.Fatalf("the small number counts %+v", n.Counts)
	}
	asks := []ToDoAsk{{}, {When: ToDoOverdue}, {When: ToDoSoon, Kind: ToDoChange}, {Kind: ToDoEnrol}, {Kind: ToDoArchive, When: ToDoInTime}, {Kind: "none"}, {Group: "none"}}
	for _, row := range first.Mine {
		if row.Group != "" {
			asks = append(asks, ToDoAsk{Group: row.Group})
			break
		}
	}
	if asks[len(asks)-1].Group == "none" {
		t.Fatal("nothing is folded")
	}
	real := r.s.st
	for _, ask := range asks {
		want, got := naive(ask), []string(nil)
		for ask.Page = 1; ; ask.Page++ {
			opened := &ending{Store: real}
			r.s.st = opened
			d := must[ToDo](t)(r.s.ToDo(r.ctx, reg, ask))
			if len(opened.read) > 0 || opened.listed > ToDoPage {
				t.Fatalf("%+v opens %d pupils and %d rows", ask, len(opened.read), opened.listed)
			}
			if d.Rows != len(want) {
				t.Fatalf("%+v: %d rows, want %d", ask, d.Rows, len(want))
			}
			for _, row := range d.Mine {
				if row.Group == "" {
					got = append(got, fmt.Sprint(row.DueOn, topic(row.TaskRow), row.Name, row.Task.UID))
					continue
				}
				got = append(got, fmt.Sprint(row.DueOn, topic(row.TaskRow), row.N))
				if seen := map[registry.UID]bool{}; row.Kind == registry.TaskStep {
					for _, ref := range row.Refs {
						seen[ref.UID] = ref.Seen == 1
					}
					if len(seen) != row.N {
						t.Fatalf("%d stand for %d", len(seen), row.N)
					}
				}
			}
			if len(d.Mine) < ToDoPage {
				break
			}
		}
		if !slices.Equal(got, want) {
			for i := range got {
				if i >= len(want) || got[i] != want[i] {
					t.Fatalf("%+v: row %d is %s, want %s", ask, i, got[i], want[min(i, len(want)-1)])
				}
			}
			t.Fatalf("%+v: %d rows, want %d", ask, len(got), len(want))
		}
	}
}

// BenchmarkToDo is the first page of a registrar with 6,000 tasks.
func BenchmarkToDo(b *testing.B) {
	r := newRig(b)
	fill(b, r, rand.New(rand.NewPCG(3, 9)), 6000)
	reg := r.staff("registrar.yunhe")
	for _, c := range []struct {
		name string
		ask  func() error
	}{
		{"page", func() error { _, err := r.s.ToDo(r.ctx, reg, ToDoAsk{}); return err }},
		{"overdue", func() error { _, err := r.s.ToDo(r.ctx, reg, ToDoAsk{When: ToDoOverdue, Page: 3}); return err }},
		{"count", func() error { _, err := r.s.ToDoCount(r.ctx, reg); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			before := processor(syscall.RUSAGE_SELF)
			for b.Loop() {
				if err := c.ask(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processor(syscall.RUSAGE_SELF)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}
