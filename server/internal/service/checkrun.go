package service

import (
	"context"
	"errors"
	"strings"

	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A check of the whole register that an officer asks for runs as imports do: a row that a worker leases, moves on and resumes after a restart. Of the row, Total
// and Done count pairs of records, Bad those that look like one child, Good those among them that nobody was told of before.
const checkPrefix = "check-"

// StartCheck queues a check of the whole register (Art. 6); one that the unit has under way already is given instead.
func (s *Service) StartCheck(ctx context.Context, who Staff) (store.Import, error) {
	last, err := s.LastCheck(ctx, who)
	if err != nil {
		return store.Import{}, err
	}
	if last != nil && underWay(last.State) {
		return *last, nil
	}
	now := s.now().UTC()
	i := store.Import{ID: checkPrefix + newID(), Unit: who.Unit, By: who.Actor("console"), State: importQueued, CreatedAt: now, UpdatedAt: now}
	if err := s.st.PutImport(ctx, i); err != nil {
		return store.Import{}, internal(err)
	}
	s.wakeImports()
	return i, nil
}

func underWay(state string) bool { return state == importQueued || state == importRunning }

// LastCheck is the newest check that who's unit asked for, nil when there was none.
func (s *Service) LastCheck(ctx context.Context, who Staff) (*store.Import, error) {
	if err := s.scope(who).Check(access.DecideDuplicates); err != nil {
		return nil, err
	}
	all, err := s.st.ImportsOf(ctx, who.Unit, 100)
	if err != nil {
		return nil, internal(err)
	}
	for i := range all {
		if strings.HasPrefix(all[i].ID, checkPrefix) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// CancelCheck ends the unit's check before its next pairs; what it found stays.
func (s *Service) CancelCheck(ctx context.Context, who Staff) error {
	for range 5 { // the runner moves the row between our read and our write
		i, err := s.LastCheck(ctx, who)
		if err != nil {
			return err
		}
		if i == nil || !underWay(i.State) {
			return fail(registry.CodeWrongState, "", nil)
		}
		i.State, i.UpdatedAt = importCancelled, s.now().UTC()
		if err = s.st.PutImport(ctx, *i); err == nil {
			s.tell(i.Unit, "import", "")
			return nil
		} else if !isConflict(err) {
			return internal(err)
		}
	}
	return registry.ErrConflict
}

// errTaken ends a check that was cancelled or that another runner has.
var errTaken = errors.New("service: check taken away")

// runCheck runs a check to its end, or resumes it after the pairs that were judged. The pairs are those of the moment: who came in since was looked at then.
func (s *Service) runCheck(ctx context.Context, i store.Import) error {
	found, fresh := i.Bad, i.Good // of the runs before
	put := func(so Check, done int) error {
		if err := s.st.HoldImport(ctx, i.ID, s.now().Add(importHold)); err != nil && !isNotFound(err) {
			return internal(err)
		}
		i.State, i.Total, i.Done, i.Bad, i.Good, i.UpdatedAt = importRunning, so.Pairs, done, found+so.Found, fresh+so.Fresh, s.now().UTC()
		err := s.st.PutImport(ctx, i)
		if isConflict(err) {
			return errTaken
		}
		i.Version++
		return internal(err)
	}
	c, err := s.checkFrom(ctx, i.Done, put)
	if errors.Is(err, errTaken) {
		return nil
	}
	if err != nil {
		return err
	}
	i.State, i.Total, i.Done, i.Bad, i.Good, i.UpdatedAt = importDone, c.Pairs, c.Pairs, found+c.Found, fresh+c.Fresh, s.now().UTC()
	return s.endImport(ctx, i)
}
