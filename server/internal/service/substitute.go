package service

import (
	"context"

	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// maxSubstitution is the longest a substitution may last, in days: longer absences are a new account's.
const maxSubstitution = 92

// SubstituteRow is a substitution with the names of both.
type SubstituteRow struct {
	store.Substitution
	Name string // who stands in
	Of   string // who is away
}

// holds reports why a substitution may not be (any more): both of one unit and of one duty, both trained and neither disabled.
func (s *Service) holds(v store.Substitution, in, away store.Account) error {
	switch {
	case in.ID == away.ID || in.Unit != away.Unit || in.Unit != v.Unit || away.Role != v.Role:
		return fail(registry.CodeInvalid, "account", map[string]string{"why": "other_unit"})
	case access.Apart(in.Role, away.Role):
		return fail(registry.CodeForbidden, "account", map[string]string{"why": "duties"})
	case in.Disabled || away.Disabled:
		return fail(registry.CodeInvalid, "account", map[string]string{"why": "disabled"})
	}
	if err := s.trained(in); err != nil {
		return err
	}
	return s.trained(away)
}

// NewSubstitution names who acts in another's role, from and until which day (both included).
func (s *Service) NewSubstitution(ctx context.Context, who Staff, v store.Substitution) error {
	sc := s.scope(who)
	if err := sc.Check(access.Substitute); err != nil {
		return err
	}
	away, err := s.overStaff(ctx, sc, v.Away)
	if err != nil {
		return err
	}
	in, err := s.overStaff(ctx, sc, v.Account)
	if err != nil {
		return err
	}
	if who.For != nil || who.Unit.IsSchool() && away.Unit != who.Unit || !who.Unit.IsSchool() && !sc.Keeps(away.Unit, away.Role, s.dir.Load()) {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "keeper"})
	}
	if in.ID == who.ID && access.DutyOf(in.Role) != access.DutyBusiness {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "keeper"}) // no one who keeps accounts grants to themselves
	}
	if !who.Fresh {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "fresh"})
	}
	today := s.Today()
	if v.From == "" {
		v.From = today
	}
	if !v.From.Valid() || !v.Until.Valid() || v.Until < v.From || v.Until < today || v.From < today || v.From.AddDays(maxSubstitution) < v.Until {
		return fail(registry.CodeInvalid, "until", map[string]string{"why": "dates", "max": "92"})
	}
	v.Unit, v.Role = away.Unit, away.Role
	if err := s.holds(v, in, away); err != nil {
		return err
	}
	v.ID, v.MadeBy, v.CreatedAt = "u-"+newID(), who.ID, s.now().UTC()
	if err := s.st.PutSubstitution(ctx, v); err != nil {
		return internal(err)
	}
	s.guarded(ctx, Guarded{Act: "substitute", Actor: who.Actor(viaConsole), Account: in.ID, Note: string(v.Role)})
	return nil
}

// overStaff is an account under a scope.
func (s *Service) overStaff(ctx context.Context, sc access.Scope, id string) (store.Account, error) {
	a, err := s.st.Account(ctx, id)
	if err != nil {
		return a, internal(err)
	}
	if !sc.OverStaff(a.Unit, s.dir.Load()) {
		return store.Account{}, registry.ErrNotFound
	}
	return a, nil
}

// Substitutions lists those that are not over, of the units in who's scope.
func (s *Service) Substitutions(ctx context.Context, who Staff) ([]SubstituteRow, error) {
	if err := s.scope(who).Check(access.SeeStaff); err != nil {
		return nil, err
	}
	var out []SubstituteRow
	for _, u := range s.units(who) {
		vs, err := s.st.SubstitutionsOf(ctx, "", u, s.Today())
		if err != nil {
			return nil, internal(err)
		}
		for _, v := range vs {
			row, err := s.naming(ctx, v)
			if err != nil {
				return nil, err
			}
			out = append(out, row)
		}
		if len(out) >= 200 {
			break
		}
	}
	return out, nil
}

func (s *Service) naming(ctx context.Context, v store.Substitution) (SubstituteRow, error) {
	in, err1 := s.st.Account(ctx, v.Account)
	away, err2 := s.st.Account(ctx, v.Away)
	if err1 != nil || err2 != nil {
		return SubstituteRow{Substitution: v}, internal(err1)
	}
	return SubstituteRow{v, in.Name, away.Name}, nil
}

// EndSubstitution ends one before its day.
func (s *Service) EndSubstitution(ctx context.Context, who Staff, id string) error {
	sc := s.scope(who)
	if err := sc.Check(access.Substitute); err != nil {
		return err
	}
	v, err := s.st.Substitution(ctx, id)
	if err != nil {
		return internal(err)
	}
	if !sc.OverStaff(v.Unit, s.dir.Load()) {
		return registry.ErrNotFound
	}
	if who.For != nil || who.Unit.IsSchool() && v.Unit != who.Unit || !who.Unit.IsSchool() && !sc.Keeps(v.Unit, v.Role, s.dir.Load()) {
		return fail(registry.CodeForbidden, "", map[string]string{"why": "keeper"})
	}
	v.EndedAt = s.now().UTC()
	if err := s.st.PutSubstitution(ctx, v); err != nil {
		return internal(err)
	}
	s.guarded(ctx, Guarded{Act: "substitute_end", Actor: who.Actor(viaConsole), Account: v.Account})
	return nil
}

// inForce gives the two accounts of a substitution that holds today; ErrNotFound when it does not.
func (s *Service) inForce(ctx context.Context, a store.Account, id string) (store.Substitution, store.Account, error) {
	v, err := s.st.Substitution(ctx, id)
	if err != nil {
		return v, store.Account{}, internal(err)
	}
	today := s.Today()
	if v.Account != a.ID || !v.EndedAt.IsZero() || today < v.From || today > v.Until {
		return v, store.Account{}, registry.ErrNotFound
	}
	away, err := s.st.Account(ctx, v.Away)
	if err != nil {
		return v, away, internal(err)
	}
	if s.holds(v, a, away) != nil {
		return v, away, registry.ErrNotFound
	}
	return v, away, nil
}

// acting puts who into the role of the one who is away; when the substitution is over, they are in their own again.
func (s *Service) acting(ctx context.Context, who Staff, id string) (Staff, error) {
	v, away, err := s.inForce(ctx, who.Account, id)
	if isNotFound(err) {
		return who, nil
	}
	if err != nil {
		return who, err
	}
	who.For = &Substitute{ID: v.ID, Account: away.ID, Name: away.Name, Role: v.Role, Own: who.Role, Until: v.Until}
	who.Role = v.Role
	return who, nil
}

// still is who asked for work that goes on without them, as a session would have them now. CodeForbidden when they are no longer who they were: account closed or moved to another
// unit, role changed, substitution over.
func (s *Service) still(ctx context.Context, by registry.Actor) (Staff, error) {
	over := fail(registry.CodeForbidden, "", map[string]string{"why": "asker"})
	a, err := s.st.Account(ctx, by.Account)
	if isNotFound(err) || err == nil && a.Disabled {
		return Staff{}, over
	}
	if err != nil {
		return Staff{}, internal(err)
	}
	who := Staff{Account: a}
	if by.ForAccount != "" {
		vs, err := s.st.SubstitutionsOf(ctx, a.ID, "", s.Today())
		if err != nil {
			return who, internal(err)
		}
		for _, v := range vs {
			if v.Away != by.ForAccount || who.For != nil {
				continue
			}
			if who, err = s.acting(ctx, who, v.ID); err != nil {
				return who, err
			}
		}
	}
	if now := who.Actor(by.Via); now.Unit != by.Unit || now.Role != by.Role || now.ForAccount != by.ForAccount {
		return who, over
	}
	return who, nil
}

// standIns lists in whose role an account may act today.
func (s *Service) standIns(ctx context.Context, a store.Account) ([]SubstituteRow, error) {
	vs, err := s.st.SubstitutionsOf(ctx, a.ID, "", s.Today())
	if err != nil {
		return nil, internal(err)
	}
	var out []SubstituteRow
	for _, v := range vs {
		if _, away, err := s.inForce(ctx, a, v.ID); err == nil {
			out = append(out, SubstituteRow{v, a.Name, away.Name})
		} else if !isNotFound(err) {
			return nil, err
		}
	}
	return out, nil
}

// ActAs puts who's session into a substitution's role, or ("") back into the own.
func (s *Service) ActAs(ctx context.Context, who Staff, id string) error {
	_, sess, err := s.session(ctx, who.Token)
	if err != nil {
		return err
	}
	a, err := s.st.Account(ctx, who.ID)
	if err != nil {
		return internal(err)
	}
	note := "back"
	if id != "" {
		v, _, err := s.inForce(ctx, a, id)
		if err != nil {
			return err
		}
		note = string(v.Role)
	}
	sess.Acting = id
	if err := s.st.TouchSession(ctx, sess); err != nil {
		return internal(err)
	}
	s.guarded(ctx, Guarded{Act: "act_as", Actor: who.Actor(viaConsole), Account: who.ID, Note: note})
	return nil
}
