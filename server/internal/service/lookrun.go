package service

import (
	"context"

	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// Looking anew at the units of an office reads every record of its schools, and runs in the background. Of the row, Total and Done count units.
const lookPrefix = "look-"

// lookNow is how many units are looked at while who asks waits.
const lookNow = 3

// RefreshFindings looks anew at who's units; later tells that it goes on in the background. One of the unit that is under way goes on.
func (s *Service) RefreshFindings(ctx context.Context, who Staff) (later bool, err error) {
	if err := s.scope(who).Check(access.SeeFindings); err != nil {
		return false, err
	}
	if err := s.passAlerts(ctx); err != nil {
		return false, err
	}
	units := s.units(who)
	if len(units) > lookNow {
		last, err := s.lastRun(ctx, who.Unit, lookPrefix)
		if err == nil && (last == nil || !underWay(last.State)) {
			_, err = s.queueRun(ctx, who, "console", lookPrefix, store.Import{Total: len(units)})
		}
		return true, err
	}
	for _, u := range units {
		if err := s.pass(ctx, u); err != nil {
			return false, err
		}
	}
	return false, nil
}

// LastLook is the newest look that who's unit asked for, nil when there was none.
func (s *Service) LastLook(ctx context.Context, who Staff) (*store.Import, error) {
	if err := s.scope(who).Check(access.SeeFindings); err != nil {
		return nil, err
	}
	return s.lastRun(ctx, who.Unit, lookPrefix)
}

// CancelLook ends the unit's look before its next unit; what it found stays.
func (s *Service) CancelLook(ctx context.Context, who Staff) error {
	return s.cancelLast(ctx, func() (*store.Import, error) { return s.LastLook(ctx, who) })
}

// runLook looks at one unit after the other, after a restart at those that are left; a unit is looked at twice at most. Who asked must still be able to.
func (s *Service) runLook(ctx context.Context, i store.Import) error {
	acc, err := s.st.Account(ctx, i.By.Account)
	if err != nil {
		return internal(err)
	}
	who := Staff{Account: acc}
	if acc.Disabled || acc.Unit != i.Unit || s.scope(who).Check(access.SeeFindings) != nil {
		i.Code = registry.CodeForbidden
		return s.endRun(ctx, i, importFailed)
	}
	units := s.units(who)
	for i.Total = len(units); i.Done < len(units); {
		if err := s.pass(ctx, units[i.Done]); err != nil {
			return err
		}
		i.Done++
		if err := s.moveRun(ctx, &i); err != nil {
			return err
		}
	}
	return s.endRun(ctx, i, importDone)
}
