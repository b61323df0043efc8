package sqlstore

import (
	"context"

	"xueji/server/registry"
)

// numberKind is the letter of a 学籍号, "" for none: the one part of it that lists are narrowed by.
func numberKind(n registry.Number) string {
	if n == "" {
		return ""
	}
	return string(n[:1])
}

// letters fills in the letter of rows that were written before it was kept. A row that changes meanwhile has it already.
func (s *Store) letters(ctx context.Context) error {
	for {
		n, err := s.eachPupil(ctx, func(ctx context.Context, uid string) error {
			p, err := s.Pupil(ctx, registry.UID(uid))
			if err != nil {
				return err
			}
			return s.exec(ctx, nil, `UPDATE pupil SET number_kind = $2 WHERE student_uid = $1 AND number_kind = '?'`, uid, numberKind(p.Number))
		}, `SELECT student_uid FROM pupil WHERE number_kind = '?' LIMIT 100`)
		if err != nil || n == 0 {
			return err
		}
	}
}
