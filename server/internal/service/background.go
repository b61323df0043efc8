package service

import (
	"context"
	"errors"
	"strings"
	"time"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Work beside requests is a store.Import: a row that a worker leases, moves on, and takes up again after a restart. How its id begins tells its kind; what each does
// stands in imports.go, checkrun.go, exportrun.go and lookrun.go.

// importHold is how long a runner keeps a run to itself between steps.
const importHold = 60 * time.Second

// States of a run.
const (
	importQueued    = "queued"
	importRunning   = "running"
	importDone      = "done"
	importFailed    = "failed"
	importCancelled = "cancelled"
)

// errTaken ends the work on a run that was cancelled or that another runner has.
var errTaken = errors.New("service: run taken away")

func underWay(state string) bool { return state == importQueued || state == importRunning }

// queueRun queues a run of who's unit, whose kind the prefix is; durable on return.
func (s *Service) queueRun(ctx context.Context, who Staff, via, prefix string, i store.Import) (store.Import, error) {
	now := s.now().UTC()
	i.ID, i.Unit, i.By, i.State, i.CreatedAt, i.UpdatedAt = prefix+newID(), who.Unit, who.Actor(via), importQueued, now, now
	if err := s.st.PutImport(ctx, i); err != nil {
		return store.Import{}, internal(err)
	}
	s.wakeImports()
	return i, nil
}

// cancelRun stops the run that find reads, before its next step.
func (s *Service) cancelRun(ctx context.Context, find func() (store.Import, error)) error {
	i, err := again(func() (store.Import, error) { // the runner moves the row between our read and our write
		i, err := find()
		if err != nil {
			return i, err
		}
		if !underWay(i.State) {
			return i, fail(registry.CodeWrongState, "", map[string]string{"state": i.State})
		}
		i.State, i.UpdatedAt = importCancelled, s.now().UTC()
		return i, s.st.PutImport(ctx, i)
	})
	if err == nil {
		s.tell(i.Unit, "import", "")
	}
	return internal(err)
}

// lastRun is a unit's newest run of a kind, nil when there was none.
func (s *Service) lastRun(ctx context.Context, unit registry.Unit, prefix string) (*store.Import, error) {
	all, err := s.st.ImportsOf(ctx, unit, 100)
	if err != nil {
		return nil, internal(err)
	}
	for i := range all {
		if strings.HasPrefix(all[i].ID, prefix) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// cancelLast is cancelRun of the run that last reads; nil is CodeWrongState.
func (s *Service) cancelLast(ctx context.Context, last func() (*store.Import, error)) error {
	return s.cancelRun(ctx, func() (store.Import, error) {
		i, err := last()
		if err == nil && i == nil {
			err = fail(registry.CodeWrongState, "", nil)
		}
		if err != nil {
			return store.Import{}, err
		}
		return *i, nil
	})
}

// RunImport runs what was queued to its end, or resumes it. nil when there is nothing left to do, also for a run that was cancelled or that another runner took over;
// an error asks for another try.
func (s *Service) RunImport(ctx context.Context, id string) error {
	i, err := s.st.Import(ctx, id)
	if err != nil {
		return internal(err)
	}
	if !underWay(i.State) {
		return nil
	}
	run := s.runWorkbook
	switch {
	case strings.HasPrefix(id, checkPrefix):
		run = s.runCheck
	case strings.HasPrefix(id, exportPrefix):
		run = s.runExport
	case strings.HasPrefix(id, lookPrefix):
		run = s.runLook
	}
	if err := run(ctx, i); !errors.Is(err, errTaken) {
		return err
	}
	return nil
}

// holdRun keeps a run to this runner until its next step.
func (s *Service) holdRun(ctx context.Context, id string) error {
	if err := s.st.HoldImport(ctx, id, s.now().Add(importHold)); err != nil && !isNotFound(err) {
		return internal(err)
	}
	return nil
}

// moveRun writes how far a run is, with what it made since; errTaken ends it.
func (s *Service) moveRun(ctx context.Context, i *store.Import, made ...store.RunPart) error {
	if err := s.holdRun(ctx, i.ID); err != nil {
		return err
	}
	i.State = importRunning
	return s.putRun(ctx, i, made...)
}

// endRun writes the last state and tells the unit's pages.
func (s *Service) endRun(ctx context.Context, i store.Import, state string) error {
	i.State = state
	if err := s.putRun(ctx, &i); err != nil {
		return err
	}
	s.onEvent("import", i.State)
	s.tell(i.Unit, "import", "")
	s.tell(i.Unit, "tasks", "")
	return nil
}

func (s *Service) putRun(ctx context.Context, i *store.Import, made ...store.RunPart) error {
	i.UpdatedAt = s.now().UTC()
	err := s.st.PutImport(ctx, *i, made...)
	if isConflict(err) {
		return errTaken
	}
	if err == nil {
		i.Version++
	}
	return internal(err)
}
