package service

import (
	"context"
	"strconv"
	"time"

	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// ManyAtOnce is how many steps are decided while the page waits. More are a run: with progress, stopped between two, resumed after a restart.
const ManyAtOnce = 100

// decidesShown is how many runs the to-do list tells of.
const decidesShown = 3

// decides: a leader, an officer, or who answers for a school as a party.
func decides(sc access.Scope) error {
	if sc.May(access.Confirm) || sc.May(access.Authority) || sc.May(access.PartyStep) {
		return nil
	}
	return sc.Check(access.Confirm)
}

// StartDecide queues the decision of each pupil's open step, by the version that the list showed.
func (s *Service) StartDecide(ctx context.Context, who Staff, refs []Ref, ev registry.DecideStep) (store.BulkRun, error) {
	if err := decides(s.scope(who)); err != nil {
		return store.BulkRun{}, err
	}
	if len(refs) == 0 || len(refs) > todoLimit {
		return store.BulkRun{}, fail(registry.CodeInvalid, "refs", map[string]string{"max": strconv.Itoa(todoLimit)})
	}
	ev.Class = ""
	rows := make([]store.BulkRow, len(refs))
	for i, r := range refs {
		rows[i] = store.BulkRow{UID: r.UID, Doc: store.BulkMark{Seen: r.Seen, ToClass: r.Class}}
	}
	return s.queue(ctx, who, store.BulkRun{Kind: store.BulkDecide, School: who.Unit, Doc: store.BulkDoc{By: who.Actor("console"), Step: &ev}}, rows)
}

// DecideRuns lists the newest runs of who's own decisions, of a day at most, newest first.
func (s *Service) DecideRuns(ctx context.Context, who Staff) ([]store.BulkRun, error) {
	if err := decides(s.scope(who)); err != nil {
		return nil, err
	}
	all, err := s.st.Bulks(ctx, store.BulkQuery{Kind: store.BulkDecide, Schools: []registry.Unit{who.Unit}, Limit: decidesShown})
	if err != nil {
		return nil, internal(err)
	}
	var out []store.BulkRun
	for _, r := range all {
		if Asked(r, who) && s.now().Sub(r.CreatedAt) < 24*time.Hour {
			out = append(out, r)
		}
	}
	return out, nil
}

// Asked reports whether a run decides in who's name.
func Asked(r store.BulkRun, who Staff) bool {
	by := who.Actor("console")
	return r.Unit == by.Unit && r.Doc.By.Account == by.Account && r.Doc.By.Role == by.Role && r.Doc.By.ForAccount == by.ForAccount
}

// decideRow decides one pupil of a run as its list would: in the name of who asked, who must still be the one they were, and by the version they saw.
func (s *Service) decideRow(ctx context.Context, run store.BulkRun, r store.BulkRow) error {
	who, err := s.still(ctx, run.Doc.By)
	if err != nil {
		return err
	}
	ev := *run.Doc.Step
	ev.Class = r.Doc.ToClass
	if err := s.fillStep(ctx, who, r.UID, &ev); err != nil {
		return err
	}
	r.State, r.At, r.Doc.CaseNo = store.RowDone, s.now().UTC(), ev.CaseNo
	_, err = s.act(ctx, who, r.UID, r.Doc.Seen, ev, r)
	return err
}

// unseen takes away whose the rows are that who was not let decide and may not see: a page named them, and nothing else.
func (s *Service) unseen(ctx context.Context, who Staff, lines []BulkLine) error {
	sc := s.scope(who)
	for i := range lines {
		if lines[i].State == store.RowDone {
			continue
		}
		p, err := s.st.Pupil(ctx, lines[i].UID)
		if err != nil && !isNotFound(err) {
			return internal(err)
		}
		if err != nil || sc.Pupil(&p) == access.ViewNone {
			lines[i].Who = store.Summary{}
		}
	}
	return nil
}
