package service

import (
	"cmp"
	"context"
	"slices"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// AbsenceAsk asks for a page of the pupils who stay away. School "" is the own school, or for an office the schools right under it.
type AbsenceAsk struct {
	School registry.Unit
	Grade  int
	Class  string
	Limit  int
	Offset int
}

// AbsenceRow is a pupil who stays away.
type AbsenceRow struct {
	store.Summary
	Absence registry.Absence
}

// AbsenceClass counts a class of a school; Late of them are past their day.
type AbsenceClass struct {
	School  registry.Unit
	Grade   int
	Class   string
	N, Late int
}

// Absences is who stays away: the classes with their counts, and one page of pupils, the first to be settled first.
type Absences struct {
	Classes []AbsenceClass
	Rows    []AbsenceRow
	Total   int // of what was asked for, all pages together
}

// absenceMost bounds how many absences one list counts; a county has some hundreds.
const absenceMost = 5000

// Absences lists who stays away (Art. 27 item 4), by class.
func (s *Service) Absences(ctx context.Context, who Staff, ask AbsenceAsk) (Absences, error) {
	var out Absences
	sc := s.scope(who)
	if err := sc.Check(access.SeeAbsences); err != nil {
		return out, err
	}
	unit := cmp.Or(ask.School, who.Unit)
	if !sc.HasUnit(unit) {
		return out, registry.ErrNotFound
	}
	var rows []store.TaskRow
	for len(rows) < absenceMost {
		page, err := s.st.Absences(ctx, unit, !unit.IsSchool(), sideLimit, len(rows))
		if err != nil {
			return out, internal(err)
		}
		rows = append(rows, page...)
		if len(page) < sideLimit {
			break
		}
	}
	out.Classes = absenceClasses(rows, s.Today())
	rows = slices.DeleteFunc(rows, func(r store.TaskRow) bool {
		return ask.Grade != 0 && r.Grade != ask.Grade || ask.Class != "" && r.Class != ask.Class
	})
	out.Total = len(rows)
	rows = rows[min(max(ask.Offset, 0), len(rows)):]
	if ask.Limit <= 0 || ask.Limit > sideLimit {
		ask.Limit = sideLimit
	}
	for _, r := range rows[:min(ask.Limit, len(rows))] {
		p, err := s.st.Pupil(ctx, r.Task.UID)
		if err != nil {
			return out, internal(err)
		}
		if a := p.Absent(); a != nil { // else it ended meanwhile
			out.Rows = append(out.Rows, AbsenceRow{Summary: r.Summary, Absence: *a})
		}
	}
	return out, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "absences", N: len(out.Rows)})
}

// absenceClasses counts by class, those with the most past their day first.
func absenceClasses(rows []store.TaskRow, today registry.Date) []AbsenceClass {
	at := map[AbsenceClass]int{}
	var out []AbsenceClass
	for _, r := range rows {
		key := AbsenceClass{School: r.School, Grade: r.Grade, Class: r.Class}
		i, known := at[key]
		if !known {
			i = len(out)
			at[key], out = i, append(out, key)
		}
		out[i].N++
		if r.Overdue(today) {
			out[i].Late++
		}
	}
	slices.SortFunc(out, func(a, b AbsenceClass) int {
		return cmp.Or(cmp.Compare(b.Late, a.Late), cmp.Compare(a.School, b.School), cmp.Compare(a.Grade, b.Grade), cmp.Compare(a.Class, b.Class))
	})
	return out
}
