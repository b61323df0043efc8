package service

import (
	"context"
	"slices"

	"xueji/server/internal/access"
	"xueji/server/internal/audit"
	"xueji/server/internal/names"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// soonDays is how many working days before its date a task counts as soon.
const soonDays = 3

// todoLimit is how many tasks may be decided at once: a whole import (intake.Limits) and then some. sideLimit is how many rows are read at once.
const (
	todoLimit = 6000
	sideLimit = 500
)

// CasesBehind reads the cases of tasks.
func (s *Service) CasesBehind(ctx context.Context, who Staff, tasks []store.TaskRow) (map[registry.CaseNo]registry.Case, error) {
	if err := s.scope(who).Check(access.ToDo); err != nil {
		return nil, err
	}
	out := map[registry.CaseNo]registry.Case{}
	for part := range slices.Chunk(tasks, sideLimit) {
		q := store.CaseQuery{Units: []registry.Unit{who.Unit}, State: registry.CaseOpen, Nos: []registry.CaseNo{}, Limit: sideLimit}
		for _, t := range part {
			q.UIDs, q.Nos = append(q.UIDs, t.Task.UID), append(q.Nos, t.CaseNo)
		}
		rows, err := s.st.CasesOf(ctx, q)
		if err != nil {
			return nil, internal(err)
		}
		for _, r := range rows {
			out[r.Case.No] = r.Case
		}
	}
	return out, nil
}

// SearchMost is how far Search counts what it finds: a county's office that finds more narrows it, and its page does not wait for a sum that statistics have.
const SearchMost = 10_000

// Search lists pupils in scope, and counts them; SearchMost+1 stands for more. q's own scope fields are overwritten.
func (s *Service) Search(ctx context.Context, who Staff, q store.Query) ([]store.Summary, int, error) {
	sc := s.scope(who)
	if err := sc.Check(access.Search); err != nil {
		return nil, 0, err
	}
	q.Schools, q.All, q.Unit = sc.Schools(), sc.All(), who.Unit
	if who.Role == registry.RoleClerk {
		q.Unit = ""
	}
	if q.School != "" && !sc.HasSchool(q.School) {
		return nil, 0, nil
	}
	if q.Limit <= 0 || q.Limit > 500 {
		q.Limit = 500
	}
	text := q.Text
	q, _ = s.narrowed(who, sc, q, false)
	rows, err := s.st.Search(ctx, q)
	if err != nil {
		return nil, 0, internal(err)
	}
	if len(rows) == 0 && q.Offset == 0 { // nobody: a school, perhaps
		if of, ok := s.narrowed(who, sc, q, true); ok {
			q = of
			if rows, err = s.st.Search(ctx, q); err != nil {
				return nil, 0, internal(err)
			}
		}
	}
	q.Most = SearchMost + 1
	n, err := s.st.Count(ctx, q)
	if err != nil {
		return nil, 0, internal(err)
	}
	e := audit.Entry{Kind: audit.Search, What: "list", N: n}
	if text != "" {
		e.What, e.Query = "text", s.keys.queryHash(text)
	}
	if err := s.record(ctx, who, e); err != nil {
		return nil, 0, err
	}
	return rows, n, nil
}

// Classes names the classes of a grade.
func (s *Service) Classes(ctx context.Context, who Staff, school registry.Unit, grade int) ([]string, error) {
	sc := s.scope(who)
	if err := sc.Check(access.Search); err != nil {
		return nil, err
	}
	if !sc.HasSchool(school) {
		return nil, nil
	}
	all, err := s.st.Bases(ctx, school)
	if err != nil {
		return nil, internal(err)
	}
	var out []string
	for _, c := range all {
		if c.Grade == grade && c.Class != "" {
			out = append(out, c.Class)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return compareClasses(grade, grade, a, b) })
	return slices.Compact(out), nil
}

// Pupil is one record, cut to what exists for who, with its history when all of it does.
func (s *Service) Pupil(ctx context.Context, who Staff, uid registry.UID) (registry.Pupil, []store.Entry, error) {
	p, v, err := s.see(ctx, who, uid)
	if err != nil {
		return p, nil, err
	}
	if err := s.look(ctx, who, audit.Look, &p, viewNames[v]); err != nil {
		return registry.Pupil{}, nil, err
	}
	if v != access.ViewFull {
		return p, nil, nil
	}
	h, err := s.st.History(ctx, uid)
	return p, h, internal(err)
}

func (s *Service) see(ctx context.Context, who Staff, uid registry.UID) (registry.Pupil, access.View, error) {
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return registry.Pupil{}, access.ViewNone, internal(err)
	}
	return s.scope(who).See(p)
}

// Issuances lists a pupil's cards, for those who see the whole record or make cards.
func (s *Service) Issuances(ctx context.Context, who Staff, uid registry.UID) ([]store.Issuance, error) {
	_, v, err := s.see(ctx, who, uid)
	if err != nil {
		return nil, err
	}
	if v == access.ViewCase {
		return nil, nil
	}
	out, err := s.st.IssuancesOf(ctx, uid)
	for i := range out {
		out[i].Ticket = nil
	}
	return out, internal(err)
}

// Cases lists the cases who's unit takes part in, newest first.
func (s *Service) Cases(ctx context.Context, who Staff, kind registry.CaseKind, state registry.CaseState, limit, offset int) ([]store.CaseRow, error) {
	if err := s.scope(who).Check(access.ToDo); err != nil {
		return nil, err
	}
	if !s.scope(who).May(access.PartyStep) && !s.scope(who).May(access.Authority) {
		return nil, nil
	}
	if limit <= 0 || limit > 500 {
		limit = 500
	}
	rows, err := s.st.Cases(ctx, who.Unit, kind, state, limit, max(offset, 0))
	if err != nil {
		return nil, internal(err)
	}
	return rows, s.record(ctx, who, audit.Entry{Kind: audit.Search, What: "cases", N: len(rows)})
}

// WhereIs tells whom a duplicate was refused where the person is, and nothing else (Art. 6).
func (s *Service) WhereIs(ctx context.Context, who Staff, uid registry.UID) (registry.Unit, registry.Standing, error) {
	if err := s.scope(who).Check(access.FindPerson); err != nil {
		return "", "", err
	}
	p, err := s.st.Pupil(ctx, uid)
	if err != nil {
		return "", "", internal(err)
	}
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Find, Subject: string(uid), What: "whereabouts", N: 1, Why: audit.WhyDuplicate, Outside: p.School != who.Unit}); err != nil {
		return "", "", err
	}
	return p.School, p.Standing, nil
}

// FindByDocument is how a receiving school finds a pupil to call over: the exact number and the exact name, nothing less.
func (s *Service) FindByDocument(ctx context.Context, who Staff, idNumber, name string) (store.Summary, error) {
	if err := s.scope(who).Check(access.FindPerson); err != nil {
		return store.Summary{}, err
	}
	// The type is not asked: a resident number hashes under type 1 whatever paper it stands on; the other types are tried in turn.
	hashes := [][]byte{}
	for _, item := range registry.List(idTypeList()) {
		if h := s.keys.documentHash(item.Code, idNumber); h != nil {
			hashes = append(hashes, h)
		}
	}
	found, err := s.st.ClaimedByMany(ctx, hashes)
	if err != nil {
		return store.Summary{}, internal(err)
	}
	for _, h := range hashes {
		uid, ok := found[string(h)]
		if !ok {
			continue
		}
		p, err := s.st.Pupil(ctx, uid)
		if err != nil {
			return store.Summary{}, internal(err)
		}
		if names.Same(p.Form[registry.FName], name) {
			e := audit.Entry{Kind: audit.Find, Subject: string(uid), What: "document", N: 1, Why: audit.WhyTransfer, Query: s.keys.queryHash(idNumber, name), Outside: p.School != who.Unit}
			if err := s.record(ctx, who, e); err != nil {
				return store.Summary{}, err
			}
			return summaryOf(p), nil
		}
	}
	s.onEvent("find_person", "missed")
	if err := s.record(ctx, who, audit.Entry{Kind: audit.Find, What: "document", Why: audit.WhyTransfer, Query: s.keys.queryHash(idNumber, name), Outside: true}); err != nil {
		return store.Summary{}, err
	}
	return store.Summary{}, registry.ErrNotFound
}

func idTypeList() registry.ListName {
	f, _ := registry.FieldOf(registry.FIDType)
	return f.List
}

// summaryOf is the list row of a pupil who is shown before a transfer: no number.
func summaryOf(p registry.Pupil) store.Summary {
	return store.Summary{UID: p.UID, Version: p.Version, Name: p.Form[registry.FName], Sex: p.Form[registry.FSex], Birth: registry.Date(p.Form[registry.FBirth]),
		School: p.School, Grade: p.Grade, Class: p.Class, Standing: p.Standing, Lock: p.Lock}
}
