package consoletest

import (
	"context"
	"slices"
	"strings"

	"xueji/server/internal/match"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// likenesses are two pairs of the county's pupils, as the check of a register would raise them.
func (f *Fake) likenesses() []store.Suspicion {
	if f.suspicions == nil {
		for i, pair := range [][2]string{{"萧景行", RareName}, {"王子涵", "李思源"}} {
			a, b := f.UID(pair[0]), f.UID(pair[1])
			if a > b {
				a, b = b, a
			}
			f.suspicions = append(f.suspicions, store.Suspicion{UID: a, Other: b, Rung: 3 + i, Score: 91 - 20*i, State: store.SuspicionOpen, FoundAt: f.Now,
				Reasons: []string{string(match.ReasonReading), string(match.ReasonBirth), string(match.ReasonGuardianPhone), string(match.ReasonOtherDocument)},
				Units:   []registry.Unit{f.Get(a).School, f.Get(b).School}})
		}
	}
	return f.suspicions
}

func (f *Fake) likeness(who service.Staff, s store.Suspicion) service.Likeness {
	l := service.Likeness{Suspicion: s, Decide: s.State == store.SuspicionOpen && who.Role == registry.RoleOfficer, Prove: s.State == store.SuspicionOpen && who.Role == registry.RoleRegistrar}
	for i, uid := range []registry.UID{s.UID, s.Other} {
		p := f.Get(uid)
		h := service.Half{UID: uid, School: p.School, Standing: p.Standing, Grade: p.Grade, Number: string(p.Number), Values: p.Form, Open: i == 0 || who.Role == registry.RoleOfficer, Lock: p.Lock}
		if i == 0 {
			l.A = h
		} else {
			l.B = h
		}
	}
	l.Agree = map[registry.FieldKey]bool{}
	for _, k := range service.ComparedFields {
		l.Agree[k] = l.A.Values[k] == l.B.Values[k]
	}
	return l
}

// Duplicates lists the pairs.
func (f *Fake) Duplicates(_ context.Context, who service.Staff, state store.SuspicionState, limit, offset int) (out []service.Likeness, open int, err error) {
	if who.Role == registry.RoleClerk || who.Role == registry.RoleOperator {
		return nil, 0, &registry.Error{Code: registry.CodeForbidden}
	}
	for _, s := range f.likenesses() {
		if s.State == store.SuspicionOpen {
			open++
		}
		if s.State == state {
			out = append(out, f.likeness(who, s))
		}
	}
	return out[min(offset, len(out)):min(offset+limit, len(out))], open, nil
}

func (f *Fake) pair(a, b registry.UID) (*store.Suspicion, error) {
	f.likenesses()
	i := slices.IndexFunc(f.suspicions, func(s store.Suspicion) bool { return s.UID == a && s.Other == b || s.UID == b && s.Other == a })
	if i < 0 {
		return nil, registry.ErrNotFound
	}
	return &f.suspicions[i], nil
}

// Duplicate is one pair.
func (f *Fake) Duplicate(_ context.Context, who service.Staff, a, b registry.UID) (service.Likeness, error) {
	s, err := f.pair(a, b)
	if err != nil {
		return service.Likeness{}, err
	}
	return f.likeness(who, *s), nil
}

// ProveDuplicate files proof.
func (f *Fake) ProveDuplicate(_ context.Context, who service.Staff, a, b registry.UID, note string, files []string) error {
	s, err := f.pair(a, b)
	if err != nil {
		return err
	}
	if note == "" && len(files) == 0 {
		return &registry.Error{Code: registry.CodeEvidence, Field: "note"}
	}
	s.Proofs = append(s.Proofs, store.Proof{By: who.Actor("console"), At: f.Now, Note: note, Files: files})
	return nil
}

// DecideDuplicate judges a pair.
func (f *Fake) DecideDuplicate(_ context.Context, who service.Staff, a, b registry.UID, state store.SuspicionState, note string) error {
	s, err := f.pair(a, b)
	if err != nil {
		return err
	}
	if strings.TrimSpace(note) == "" {
		return &registry.Error{Code: registry.CodeInvalid, Field: "note"}
	}
	if s.State != store.SuspicionOpen {
		return registry.ErrConflict
	}
	s.State, s.By, s.DecidedAt, s.Note = state, who.Actor("console"), f.Now, note
	return nil
}

// ReopenDuplicate undoes a judgement.
func (f *Fake) ReopenDuplicate(_ context.Context, _ service.Staff, a, b registry.UID) error {
	s, err := f.pair(a, b)
	if err == nil {
		s.State = store.SuspicionOpen
	}
	return err
}
