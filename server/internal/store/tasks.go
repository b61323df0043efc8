package store

import (
	"context"
	"strconv"
	"strings"

	"xueji/server/registry"
)

// Tasks are the reads behind the to-do lists. A list counts, folds and narrows by topics; only the pupils of the rows it shows are opened.
type Tasks interface {
	// TaskSums counts what a unit has to do (waiting: what others have and it waits for, of the first SideTasks), by day and topic, in the order of Tasks.
	TaskSums(ctx context.Context, unit registry.Unit, waiting bool) ([]TaskSum, error)
	// Tasks lists them by due day, topic and pupil; what has no day comes last.
	Tasks(ctx context.Context, q TaskQuery) ([]TaskRow, error)
	// TaskRefs are the pupils of the same list and the version of each, without opening one.
	TaskRefs(ctx context.Context, q TaskQuery) ([]TaskRef, error)
	// TaskCounts counts what is beside a unit's own list.
	TaskCounts(ctx context.Context, unit registry.Unit, today registry.Date) (TaskCounts, error)
	// TasksAbove lists overdue tasks of units under an authority (Above = unit, DueOn < today), soonest due first.
	TasksAbove(ctx context.Context, unit registry.Unit, today registry.Date, limit int) ([]TaskRow, error)
	// Absences lists the open absences that a unit has to settle or waits for, or with below those of units right under an office, soonest due first.
	Absences(ctx context.Context, unit registry.Unit, below bool, limit, offset int) ([]TaskRow, error)
	// OverdueTasks lists tasks of whatever unit that were due before a day, by due day. It is the sweeper's, who reads all of it page by page.
	OverdueTasks(ctx context.Context, before registry.Date, limit, offset int) ([]TaskRow, error)
	// Keeping lists the pupils of a school whose archives are to be put to keeping for good, whose turn it may be, the last to be due first.
	Keeping(ctx context.Context, school registry.Unit) ([]KeepRef, error)
	// ClassTasks lists a school's tasks of a kind about its own pupils, in no order.
	ClassTasks(ctx context.Context, school registry.Unit, kind registry.TaskKind) ([]ClassTask, error)
}

// SideTasks is how many of the tasks that a unit waits for its list looks at.
const SideTasks = 500

// TaskTopic is what tasks are counted, folded and narrowed by. The zero topic is of a task that was not filed yet.
type TaskTopic struct {
	Kind   registry.TaskKind
	Case   registry.CaseKind
	Party  registry.Party
	School registry.Unit // the pupil's
	Grade  int           // the pupil's
}

// TopicOf is the topic of a task about a pupil.
func TopicOf(t *registry.Task, school registry.Unit, grade int) TaskTopic {
	return TaskTopic{t.Kind, t.Case, t.Party, school, grade}
}

// String is the topic as it is stored; ParseTopic reads it, and gives the zero topic for anything else.
func (t TaskTopic) String() string {
	if t == (TaskTopic{}) {
		return ""
	}
	return strings.Join([]string{string(t.Kind), string(t.Case), string(t.Party), string(t.School), strconv.Itoa(t.Grade)}, "/")
}

func ParseTopic(s string) TaskTopic {
	p := strings.Split(s, "/")
	if len(p) != 5 {
		return TaskTopic{}
	}
	grade, err := strconv.Atoi(p[4])
	if err != nil {
		return TaskTopic{}
	}
	return TaskTopic{registry.TaskKind(p[0]), registry.CaseKind(p[1]), registry.Party(p[2]), registry.Unit(p[3]), grade}
}

// TaskSum is how many tasks of a topic are due on a day.
type TaskSum struct {
	Topic TaskTopic
	DueOn registry.Date // "" for no day
	N     int
}

// TaskQuery is a part of a unit's list.
type TaskQuery struct {
	Unit    registry.Unit
	Waiting bool           // as TaskSums
	Of      []TaskSum      // of these days and topics alone; nil: of all
	UIDs    []registry.UID // of these pupils alone; nil: of all
	Limit   int            // ≤ 500
	Offset  int
}

// KeepRef is a pupil whose archive is to be put to keeping, and until when.
type KeepRef struct {
	UID   registry.UID
	DueOn registry.Date
}

// TaskRef is the pupil of a task, and the pupil's version.
type TaskRef struct {
	UID  registry.UID
	Seen int64
}
