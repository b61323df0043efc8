// Package station joins readers with what is done to the card on them: a tap, or a relay by the issuer. It must not import net/http or os.
package station

import (
	"context"
	"time"

	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/internal/relayclient"
	"xueji/cardsvc/internal/tap"
	"xueji/cardsvc/localapi"
	"xueji/cardsvc/relay"
)

// Issuer drives a card under a ticket.
type Issuer interface {
	Drive(ctx context.Context, ticket string, card relayclient.Card, progress func(step string, done, total int)) relay.Outcome
	Check(ctx context.Context, record, bind []byte, card relayclient.Card) relay.Outcome
}

// CheckTime bounds the issuer's part of a check: a family waits before the reader.
const CheckTime = 5 * time.Second

// Station serves taps and relays. Issuer may be nil.
type Station struct {
	Hub    *reader.Hub
	Engine *tap.Engine
	Issuer Issuer
}

// Tap reads and judges the card on a reader.
func (s *Station) Tap(ctx context.Context, id string, in localapi.TapRequest) (t localapi.Tap, err error) {
	err = s.Hub.Use(ctx, id, func(card reader.Session, r localapi.Reader) (bool, error) {
		var err error
		t, err = s.Engine.ReadFor(ctx, card, r.Profile, in)
		t.Reader, t.Tap = r.ID, r.Tap
		return false, err
	})
	if err == nil {
		return t, nil
	}
	if kind := whatBroke(err); kind != "" {
		r, _ := s.Hub.Reader(id)
		return localapi.Tap{Reader: id, Tap: r.Tap, Verdict: kind}, nil
	}
	return t, err
}

// Check is Tap with a nonce, and then the issuer lets the chip prove its secret key, if the line is up: Tap.Check says how that ended. A chip that has not the key is a copy.
func (s *Station) Check(ctx context.Context, id string, nonce []byte) (t localapi.Tap, err error) {
	err = s.Hub.Use(ctx, id, func(card reader.Session, r localapi.Reader) (bool, error) {
		var err error
		t, err = s.Engine.ReadFor(ctx, card, r.Profile, localapi.TapRequest{Nonce: nonce})
		t.Reader, t.Tap = r.ID, r.Tap
		if err != nil || t.Level == 0 || t.Record == nil {
			return false, err
		}
		if t.Level >= 3 { // proven here already, by the chip's own key
			t.Check = localapi.CheckProven
			return false, nil
		}
		checking, cancel := context.WithTimeout(ctx, CheckTime)
		defer cancel()
		out := s.Issuer.Check(checking, t.Record, nonce, relayclient.Card{Tx: card, ATR: card.ATR(), Profile: t.Profile})
		switch {
		case out.OK:
			t.Level, t.Check, t.Attestation = out.Level, localapi.CheckProven, out.Attestation
		case out.Code == relay.CodeCopy:
			t.Level, t.Check, t.Verdict = 0, string(out.Code), localapi.VerdictWrongChip
		default:
			t.Check = string(out.Code)
		}
		return true, ctx.Err()
	})
	if kind := whatBroke(err); err != nil && kind != "" {
		r, _ := s.Hub.Reader(id)
		return localapi.Tap{Reader: id, Tap: r.Tap, Verdict: kind}, nil
	}
	return t, err
}

// Relay lets the issuer drive the card on a reader. The card is reset afterwards: keys may have been used.
func (s *Station) Relay(ctx context.Context, id, ticket string) (localapi.RelayOutcome, error) {
	var out relay.Outcome
	err := s.Hub.Use(ctx, id, func(card reader.Session, r localapi.Reader) (bool, error) {
		out = s.Issuer.Drive(ctx, ticket, relayclient.Card{Tx: card, ATR: card.ATR(), Profile: r.Profile}, func(step string, done, total int) {
			s.Hub.Progress(localapi.RelayProgress{Reader: id, Step: step, Done: done, Total: total})
		})
		return true, nil
	})
	if err != nil {
		if whatBroke(err) == "" {
			return localapi.RelayOutcome{}, err
		}
		out = relay.Outcome{Code: relay.CodeCard, Detail: "the card does not answer: is it upside down or damaged?"}
	}
	end := "failed"
	if out.OK {
		end = "done"
	}
	s.Hub.Progress(localapi.RelayProgress{Reader: id, Step: end})
	return localapi.RelayOutcome{OK: out.OK, Code: string(out.Code), Detail: out.Detail, CardNo: out.CardNo, Sequence: out.Sequence, Profile: out.Profile,
		Level: out.Level, Resumed: out.Resumed}, nil
}
