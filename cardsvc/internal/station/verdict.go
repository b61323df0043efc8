package station

import (
	"errors"

	"xueji/cardsvc/internal/reader"
	"xueji/cardsvc/localapi"
)

// whatBroke is the verdict on a card that could not even be opened; "" when the fault is not the card's.
func whatBroke(err error) localapi.Verdict {
	if errors.Is(err, reader.ErrMute) {
		return localapi.VerdictUnreadable
	}
	return ""
}
