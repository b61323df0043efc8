package station

import (
	"context"
	"errors"

	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/localapi"
)

// whatBroke is the verdict on a card that could not even be opened; "" when the fault is not the card's.
func whatBroke(err error) localapi.Verdict {
	if errors.Is(err, reader.ErrMute) || errors.Is(err, context.DeadlineExceeded) { // or answers so slowly that a tap's time was over
		return localapi.VerdictUnreadable
	}
	return ""
}
