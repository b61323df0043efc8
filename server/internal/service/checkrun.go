package service

import (
	"context"

	"xueji/server/internal/access"
	"xueji/server/internal/store"
)

// A check of the whole register that an officer asks for runs in the background. Of the row, Total and Done count pairs of records, Bad those that look like one child,
// Good those among them that nobody was told of before.
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
	return s.queueRun(ctx, who, "console", checkPrefix, store.Import{})
}

// LastCheck is the newest check that who's unit asked for, nil when there was none.
func (s *Service) LastCheck(ctx context.Context, who Staff) (*store.Import, error) {
	if err := s.scope(who).Check(access.DecideDuplicates); err != nil {
		return nil, err
	}
	return s.lastRun(ctx, who.Unit, checkPrefix)
}

// CancelCheck ends the unit's check before its next pairs; what it found stays.
func (s *Service) CancelCheck(ctx context.Context, who Staff) error {
	return s.cancelLast(ctx, func() (*store.Import, error) { return s.LastCheck(ctx, who) })
}

// runCheck runs a check to its end, or resumes it after the pairs that were judged. The pairs are those of the moment: who came in since was looked at then.
func (s *Service) runCheck(ctx context.Context, i store.Import) error {
	found, fresh := i.Bad, i.Good // of the runs before
	count := func(so Check, done int) {
		i.Total, i.Done, i.Bad, i.Good = so.Pairs, done, found+so.Found, fresh+so.Fresh
	}
	c, err := s.checkFrom(ctx, i.Done, func(so Check, done int) error {
		count(so, done)
		return s.moveRun(ctx, &i)
	})
	if err != nil {
		return err
	}
	count(c, c.Pairs)
	return s.endRun(ctx, i, importDone)
}
