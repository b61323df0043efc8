package service

import (
	"context"
	"errors"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// bulkHold is how long a runner keeps a run to itself.
const bulkHold = 60 * time.Second

// WorkBulk does one run that waits, to its end or until ctx ends. did is false when there was none. A run whose runner died is taken up again when its hold runs out:
// each pupil's move and its row are one transaction, so nobody is moved twice.
func (s *Service) WorkBulk(ctx context.Context) (did bool, err error) {
	run, err := s.st.LeaseBulk(ctx, s.now(), bulkHold)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, internal(err)
	}
	if err := s.runBulk(ctx, run); err != nil && !isConflict(err) {
		back := context.WithoutCancel(ctx)
		_ = s.st.HoldBulk(back, run.ID, s.now().Add(5*time.Second))
		return true, err
	}
	return true, nil
}

func (s *Service) runBulk(ctx context.Context, run store.BulkRun) error {
	if run.Kind == store.BulkReview {
		if err := s.fillReview(ctx, run); err != nil {
			return err
		}
		run.State, run.UpdatedAt = store.BulkOpen, s.now().UTC()
		return s.st.SaveBulk(ctx, run)
	}
	if run.State == store.BulkQueued {
		run.State, run.UpdatedAt = store.BulkRunning, s.now().UTC()
		if err := s.st.SaveBulk(ctx, run); err != nil {
			return err
		}
		run.Version++
	}
	for {
		now, err := s.st.Bulk(ctx, run.ID)
		if err != nil || now.State != store.BulkRunning { // cancelled meanwhile
			return err
		}
		if err := s.st.HoldBulk(ctx, run.ID, s.now().Add(bulkHold)); err != nil {
			return err
		}
		rows, err := s.st.BulkRows(ctx, run.ID, store.RowWaiting, "", 50, 0)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.moveRow(ctx, run, r); err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			break
		}
		s.tell(run.Unit, "tasks", "")
	}
	run.State, run.UpdatedAt = store.BulkDone, s.now().UTC()
	return s.st.SaveBulk(ctx, run)
}

// moveRow decides one pupil. A refusal of the register is the row's outcome; a lost race is tried again; anything else stops the run, to be taken up later.
func (s *Service) moveRow(ctx context.Context, run store.BulkRun, r store.BulkRow) error {
	for try := 0; ; try++ {
		err := s.moveOnce(ctx, run, &r)
		switch code := registry.CodeOf(err); {
		case err == nil:
			return nil
		case code == registry.CodeConflict && try < 5:
			rows, err := s.st.BulkRows(ctx, run.ID, "", "", 1, r.Pos-1)
			if err == nil && len(rows) == 1 && rows[0].UID == r.UID && rows[0].State != store.RowWaiting {
				return nil // another runner was first
			}
		case code == registry.CodeInternal || code == registry.CodeUnavailable:
			return err
		default:
			var e *registry.Error
			if !errors.As(err, &e) {
				return err
			}
			r.State, r.At, r.Doc.Code, r.Doc.Field, r.Doc.Params = store.RowFailed, s.now().UTC(), e.Code, e.Field, e.Params
			return s.st.MarkBulk(ctx, []store.BulkRow{r})
		}
	}
}

func (s *Service) moveOnce(ctx context.Context, run store.BulkRun, r *store.BulkRow) error {
	if run.Kind == store.BulkDecide {
		return s.decideRow(ctx, run, *r)
	}
	p, err := s.st.Pupil(ctx, r.UID)
	if err != nil {
		return err
	}
	// The rows came from a page: whose pupil it is is asked again.
	switch run.Kind {
	case store.BulkAdvance: // called over, as one by one: from a feeder's list or found by document
	case store.BulkKeep:
		if p.Archive.Custodian != run.School && p.School != run.School {
			return registry.ErrNotFound
		}
	case store.BulkNumber: // of any school under the office; the rule asks
	case store.BulkEndUnit: // tied to the school in one of many ways, which the rule knows
	default:
		if p.School != run.School {
			return registry.ErrNotFound
		}
	}
	ev, actor := s.bulkEvent(run, &p, r.Doc)
	if ev, err = s.numbered(ctx, ev); err != nil {
		return err
	}
	c, err := s.decide(p, ev, actor, s.now())
	if err != nil {
		return err
	}
	row := *r
	row.State, row.At, row.Doc.CaseNo = store.RowDone, s.now().UTC(), caseStarted(ev)
	row.Doc.ToGrade, row.Doc.ToClass = c.Pupil.Grade, c.Pupil.Class
	if err := s.st.Commit(ctx, store.Batch{Changes: []store.Change{c}, Bulk: []store.BulkRow{row}}); err != nil {
		return internal(err)
	}
	s.committed(p, c)
	return nil
}
