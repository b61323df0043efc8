package service

import (
	"context"

	"xueji/server/internal/access"
	"xueji/server/internal/store"
	"xueji/server/registry"
	"xueji/server/registry/units"
)

// ChangeUnit opens, renames, alters, merges or closes a unit (Arts 2, 3, 9). With the end of a school its pupils' papers, and on a merger the pupils, are moved: moved
// counts them, failed says who could not be moved and why (a merger into a school that lacks the grade). EndUnit goes on with what was left.
func (s *Service) ChangeUnit(ctx context.Context, who Staff, act units.Act) (moved int, failed map[registry.UID]error, err error) {
	if err := s.scope(who).Check(access.Oversee); err != nil {
		return 0, nil, err
	}
	o, err := units.Decide(s.dir.Load(), act, who.Actor("console"), s.Today())
	if err != nil {
		return 0, nil, err
	}
	if err := s.PutUnits(ctx, o.Schools, o.Offices); err != nil {
		return 0, nil, err
	}
	if o.Move == nil {
		return 0, nil, nil
	}
	return s.endUnit(ctx, who, *o.Move)
}

// EndUnit moves what is still tied to a school that ended; it may be repeated until nothing fails.
func (s *Service) EndUnit(ctx context.Context, who Staff, code registry.Unit, ref string) (moved int, failed map[registry.UID]error, err error) {
	if err := s.scope(who).Check(access.Oversee); err != nil {
		return 0, nil, err
	}
	school, ok := s.dir.Load().School(code)
	if !ok || school.Authority != who.Unit && !s.scope(who).HasSchool(code) {
		return 0, nil, registry.ErrNotFound
	}
	if school.Open() {
		return 0, nil, fail(registry.CodeWrongState, "code", map[string]string{"why": "school_open"})
	}
	return s.endUnit(ctx, who, registry.MoveCustody{From: code, To: school.Keeper, State: school.State, Ref: ref})
}

// endUnit moves everybody who is at the school, is taught there, or waits for it. The order is the authority's, whoever of the offices above gave it.
func (s *Service) endUnit(ctx context.Context, who Staff, ev registry.MoveCustody) (int, map[registry.UID]error, error) {
	tied, err := s.tiedTo(ctx, ev.From)
	if err != nil {
		return 0, nil, err
	}
	actor := who.Actor("console")
	if school, ok := s.dir.Load().School(ev.From); ok {
		actor.Unit = school.Authority
	}
	moved, failed := 0, map[registry.UID]error{}
	for _, uid := range tied {
		if err := ctx.Err(); err != nil {
			return moved, failed, internal(err)
		}
		_, err := again(func() (struct{}, error) {
			p, err := s.st.Pupil(ctx, uid)
			if err != nil {
				return struct{}{}, err
			}
			return struct{}{}, s.system(ctx, p, ev, actor)
		})
		switch {
		case err == nil:
			moved++
		case registry.CodeOf(err) == registry.CodeWrongState: // nothing of theirs is here (any more)
		default:
			failed[uid] = internal(err)
		}
	}
	return moved, failed, nil
}

// tiedTo lists pupils at a school, taught there, or for whom the school has something to do, each once.
func (s *Service) tiedTo(ctx context.Context, code registry.Unit) ([]registry.UID, error) {
	var out []registry.UID
	seen := map[registry.UID]bool{}
	add := func(uid registry.UID) {
		if !seen[uid] {
			seen[uid] = true
			out = append(out, uid)
		}
	}
	for _, q := range []store.Query{{All: true, School: code, Limit: sideLimit}, {All: true, Study: code, Limit: sideLimit}} {
		for ; ; q.Offset += sideLimit {
			rows, err := s.st.Search(ctx, q)
			if err != nil {
				return nil, internal(err)
			}
			for _, r := range rows {
				add(r.UID)
			}
			if len(rows) < sideLimit {
				break
			}
		}
	}
	for offset := 0; ; offset += sideLimit {
		rows, err := s.st.Tasks(ctx, code, sideLimit, offset)
		if err != nil {
			return nil, internal(err)
		}
		for _, r := range rows {
			add(r.Task.UID)
		}
		if len(rows) < sideLimit {
			break
		}
	}
	return out, nil
}
