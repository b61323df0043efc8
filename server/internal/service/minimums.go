package service

import (
	"context"
	"maps"
	"time"

	"xueji/cardsvc/credential"
	"xueji/server/api"
)

// minimumsEvery is how soon after a list the next one may follow for rewritten cards alone. Cards are rewritten all day; a list for each would cost every kiosk of the
// province a download, and an old record is refused by the register at once.
const minimumsEvery = time.Hour

// Minimums are the least good sequences of cards that were rewritten: kiosks refuse what such a card showed before.
func (s *Service) Minimums(ctx context.Context) (api.Minimums, error) {
	m, err := s.st.RewrittenCards(ctx)
	return api.Minimums{Sequences: m}, internal(err)
}

// listBehind reports whether the published list lacks rewritten cards and is old enough to be followed. An answer "no" is believed for as long.
func (s *Service) listBehind(ctx context.Context, l credential.StatusList) (bool, error) {
	now := s.now()
	if now.Sub(l.Issued) < minimumsEvery || now.Sub(time.Unix(s.listEven.Load(), 0)) < minimumsEvery {
		return false, nil
	}
	m, err := s.st.RewrittenCards(ctx)
	if err != nil {
		return false, internal(err)
	}
	if maps.Equal(m, l.MinSeq) {
		s.listEven.Store(now.Unix())
		return false, nil
	}
	return true, nil
}
