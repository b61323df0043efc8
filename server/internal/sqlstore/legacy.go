package sqlstore

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"xueji/server/registry"
)

// findLegacy asks once whether clear rows of before the vault are there.
func (s *Store) findLegacy(ctx context.Context) error {
	n := 0
	err := s.row(ctx, []any{&n}, `SELECT 1 FROM pupil WHERE index_key = 0 LIMIT 1`)
	s.legacy.Store(err == nil)
	if err == registry.ErrNotFound {
		return nil
	}
	return err
}

// hashNumbers puts keyed digests in the place of clear 学籍号 in the claims, before anyone claims one: a number must not be free because it is written otherwise.
func (s *Store) hashNumbers(ctx context.Context) error {
	for {
		type claimed struct{ number, uid string }
		var found []claimed
		err := s.query(ctx, func(r Rows) error {
			var c claimed
			err := r.Scan(&c.number, &c.uid)
			found = append(found, c)
			return err
		}, `SELECT number, student_uid FROM number_claim WHERE number >= '0' LIMIT 1000`)
		if err != nil || len(found) == 0 {
			return err
		}
		err = s.db.Write(ctx, func(tx Tx) error {
			for _, c := range found {
				if err := tx.Exec(nil, `INSERT INTO number_claim (number, student_uid) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING`,
					numberClaim(s.v.Index(), c.number), c.uid); err != nil {
					return err
				}
				if err := tx.Exec(nil, `DELETE FROM number_claim WHERE number = $1`, c.number); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// sealPupil seals a pupil's list row and document of before the vault. A commit that comes in between wins: then nothing is left to do.
func (s *Store) sealPupil(ctx context.Context, uid string) error {
	var l listed
	var doc string
	if err := s.row(ctx, append(l.dest(), &doc), `SELECT `+summaryColumns+`, d.doc FROM pupil p JOIN pupil_doc d ON d.student_uid = p.student_uid
		WHERE p.student_uid = $1 AND p.index_key = 0`, uid); err != nil {
		if err == registry.ErrNotFound {
			return nil
		}
		return err
	}
	var words []string
	if err := s.query(ctx, func(r Rows) error {
		var w string
		err := r.Scan(&w)
		words = append(words, w)
		return err
	}, `SELECT term FROM search_term WHERE student_uid = $1 ORDER BY term`, uid); err != nil {
		return err
	}
	line := rollFrom(&l, words)
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	k := s.v.Index()
	ts := tokens(k, line.index())
	p := s.plan()
	p.add(oneRow(conflict("version")), `UPDATE pupil SET name = '', sex = '', birth = '', number = '', name_sort = '', terms_sum = $3, index_key = $4, sealed = $5
		WHERE student_uid = $1 AND version = $2 AND index_key = 0`, uid, l.Version, sum(int64(k.N()), ts, string(l.School)), int64(k.N()),
		p.seal(place("pupil", "sealed", uid), b))
	p.add(nil, `UPDATE pupil_doc SET doc = '', sealed = $2 WHERE student_uid = $1`, uid, p.seal(place("pupil_doc", "sealed", uid), []byte(doc)))
	p.add(nil, sqlTermsDrop, uid)
	p.putTokens(s.d, uid, string(l.School), ts)
	if err := s.db.Write(ctx, p.run); registry.CodeOf(err) != registry.CodeConflict {
		return err
	}
	return nil
}

// rollFrom makes out of a clear row and its clear terms what the caller of Commit gave then. Which of the last digits were whose does not matter to a search.
func rollFrom(l *listed, words []string) roll {
	r := roll{Name: l.Name, Sex: l.Sex, Birth: l.Birth, Number: l.Number}
	first, _, _ := strings.Cut(l.name, " ") // the reading that lists are ordered by
	for _, w := range words {
		switch kind, text := w[:1], w[1:]; kind {
		case termPinyin:
			if text == first {
				r.Pinyin = slices.Insert(r.Pinyin, 0, text)
			} else {
				r.Pinyin = append(r.Pinyin, text)
			}
		case termInitials:
			r.Initials = append(r.Initials, text)
		case termDigits:
			if r.IDTail == "" {
				r.IDTail = text
			} else {
				r.NumTail = text
			}
		case termAlt:
			r.Alt = text
		}
	}
	r.Order = l.name
	return r
}

// indexPupil writes a pupil's tokens and number claim under the active index key.
func (s *Store) indexPupil(ctx context.Context, uid string) error {
	var l listed
	var was int64
	var oldSum string
	if err := s.row(ctx, append(l.dest(), &was, &oldSum), `SELECT `+summaryColumns+`, p.index_key, p.terms_sum FROM pupil p WHERE p.student_uid = $1`, uid); err != nil {
		return err
	}
	k, old := s.v.Index(), s.v.Under(uint32(was))
	if old == nil || old.N() == k.N() {
		return nil
	}
	if err := s.openListed(&l); err != nil {
		return err
	}
	ts := tokens(k, l.index)
	p := s.plan()
	p.add(oneRow(conflict("version")), `UPDATE pupil SET terms_sum = $4, index_key = $5 WHERE student_uid = $1 AND version = $2 AND terms_sum = $3`, uid, l.Version, oldSum,
		sum(int64(k.N()), ts, string(l.School)), int64(k.N()))
	p.dropTokens(s.d, uid, string(l.School), tokens(old, l.index))
	p.putTokens(s.d, uid, string(l.School), ts)
	if l.Number != "" {
		p.add(nil, `INSERT INTO number_claim (number, student_uid) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING`, numberClaim(k, string(l.Number)), uid)
		p.add(nil, `DELETE FROM number_claim WHERE number = $1 AND student_uid = $2`, numberClaim(old, string(l.Number)), uid)
	}
	if err := s.db.Write(ctx, p.run); registry.CodeOf(err) != registry.CodeConflict {
		return err
	}
	return nil
}
