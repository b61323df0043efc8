package service

import (
	"context"

	"xueji/server/internal/store"
	"xueji/server/registry"
)

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
		rows, err := s.st.TaskRefs(ctx, store.TaskQuery{Unit: code, Limit: sideLimit, Offset: offset})
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
	return out, nil
}
